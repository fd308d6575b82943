// Debian's Firefox for the interop test, by WebDriver BiDi. No files play as its devices: its microphone is Firefox's own fake one, a tone; its
// camera a canvas of four colours with a mark that moves. It has no candidates of the loopback, so its server needs another address.

import { createRequire } from 'node:module';

const { firefox } = createRequire(new URL('../../web/package.json', import.meta.url))('playwright-core');

/** Firefox with one context: the `tone` of its microphone in Hz, the `colours` of the camera's quadrants. */
export async function launch({ executable, tone, colours }) {
  const browser = await firefox.launch({
    channel: 'moz-firefox',
    executablePath: executable,
    headless: true,
    firefoxUserPrefs: {
      'media.navigator.permission.disabled': true,
      'media.navigator.streams.fake': true,
      'media.navigator.audio.fake_frequency': tone,
      'media.autoplay.default': 0,
    },
  });
  const context = await browser.newContext({ viewport: { width: 1280, height: 800 }, ignoreHTTPSErrors: true });
  await context.addInitScript(film, colours);
  return { browser, context };
}

/** Runs in the page before its own scripts: the camera. */
function film(colours) {
  // There is none on a page without an address, where this runs, too.
  const devices = navigator.mediaDevices;
  if (!devices) return;
  const ask = devices.getUserMedia.bind(devices);
  const filmed = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 });
    const pen = canvas.getContext('2d');
    let at = 0;
    const paint = () => {
      colours.forEach(([red, green, blue], index) => {
        pen.fillStyle = `rgb(${red},${green},${blue})`;
        pen.fillRect((index % 2) * 160, Math.floor(index / 2) * 90, 160, 90);
      });
      pen.fillStyle = '#fff';
      pen.fillRect((at = (at + 4) % 316), 88, 4, 4);
    };
    paint();
    setInterval(paint, 66);
    return canvas.captureStream(15).getTracks();
  };
  devices.getUserMedia = async (wanted) => {
    const heard = wanted.audio ? (await ask({ audio: wanted.audio })).getTracks() : [];
    return new MediaStream([...heard, ...(wanted.video ? filmed() : [])]);
  };
}

/**
 * Runs in the page: the last live connection's remote audio for some seconds, as base64 of 48 kHz mono 16-bit samples. By a recorder, for
 * without a sound card Firefox's `AudioContext` never runs.
 */
export async function record(seconds) {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  const track = connection?.getReceivers().find(({ track: { kind, readyState } }) => kind === 'audio' && readyState === 'live')?.track;
  if (!track) throw new Error('no remote audio track');
  const recorder = new MediaRecorder(new MediaStream([track]), { audioBitsPerSecond: 128_000 });
  const parts = [];
  recorder.ondataavailable = ({ data }) => parts.push(data);
  const stopped = new Promise((done) => (recorder.onstop = done));
  recorder.start();
  await new Promise((done) => setTimeout(done, seconds * 1000));
  recorder.stop();
  await stopped;
  const sound = await new OfflineAudioContext(1, 48000, 48000).decodeAudioData(await new Blob(parts).arrayBuffer());
  const samples = Int16Array.from(sound.getChannelData(0), (sample) => Math.max(-32768, Math.min(32767, Math.round(sample * 32767))));
  const bytes = new Uint8Array(samples.buffer);
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}
