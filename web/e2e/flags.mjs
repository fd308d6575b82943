/** How Chromium is started for every test: without a screen, with devices that are made up. */

export const FLAGS = [
  '--headless=new',
  '--no-sandbox',
  '--disable-gpu',
  '--disable-quic',
  '--no-first-run',
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--use-fake-ui-for-media-stream',
  // Few pictures a second: stories ask whether one is there, and everything is drawn and encoded by the processor.
  '--use-fake-device-for-media-stream=fps=5',
  '--disable-features=WebRtcHideLocalIpsWithMdns',
]
