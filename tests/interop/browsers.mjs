// Drives headless Chromium and Firefox for the interop test. One JSON request per line on stdin, one JSON answer per line on stdout.
// Each browser has its own fake microphone (a WAV) and camera (a Y4M); what the page under test receives is measured in the page,
// behind a wrapper around RTCPeerConnection that only notes the remote tracks.

import { createRequire } from 'node:module';
import { createInterface } from 'node:readline';
import { film as filmLips, pair as pairLips, watch as watchLips } from './lips.mjs';
import { launch as launchFirefox, record as recordFirefox } from './firefox.mjs';

const require = createRequire(new URL('../../web/package.json', import.meta.url));
const { chromium } = require('playwright-core');

const browsers = new Map();

/**
 * Runs in the page before its own scripts. `codec`, if there is one, is the only video codec that it has. With `slide`, it is noted when that
 * is first read in a picture, and when the connection stood. `rightly` says which part of a slide's cells in a picture are as they were drawn.
 */
function instrument({ codec, slide }) {
  const noted = (window.__plenum = { connections: [], connected: null, large: null, sharp: null });
  noted.rightly = (element, { columns, rows, cell, x, y }) => {
    const canvas = Object.assign(document.createElement('canvas'), { width: columns * cell, height: rows * cell });
    const pen = canvas.getContext('2d', { willReadFrequently: true });
    pen.drawImage(element, x, y, columns * cell, rows * cell, 0, 0, columns * cell, rows * cell);
    const { data } = pen.getImageData(0, 0, columns * cell, rows * cell);
    let state = 1;
    let right = 0;
    for (let row = 0; row < rows; row += 1)
      for (let column = 0; column < columns; column += 1) {
        state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
        let sum = 0;
        for (let dy = 0; dy < cell; dy += 1)
          for (let dx = 0; dx < cell; dx += 1) sum += data[4 * ((row * cell + dy) * columns * cell + column * cell + dx) + 1];
        right += (sum > 127 * cell * cell) === (state >= 1073741824) ? 1 : 0;
      }
    return right / (columns * rows);
  };
  const watch = (track) => {
    const element = Object.assign(document.createElement('video'), { muted: true, srcObject: new MediaStream([track]) });
    element.play().catch(() => {});
    const seen = () => {
      if (noted.sharp !== null) {
        element.srcObject = null;
        return;
      }
      if (element.videoWidth > 1280) {
        noted.large ??= performance.now();
        if (noted.rightly(element, slide) > 0.99) noted.sharp = performance.now();
      }
      element.requestVideoFrameCallback(seen);
    };
    element.requestVideoFrameCallback(seen);
  };
  const Native = window.RTCPeerConnection;
  window.RTCPeerConnection = class extends Native {
    constructor(...given) {
      super(...given);
      noted.connections.push(this);
      if (!slide) return;
      this.addEventListener('track', ({ track }) => track.kind === 'video' && watch(track));
      this.addEventListener('connectionstatechange', () => {
        if (this.connectionState === 'connected') noted.connected ??= performance.now();
      });
    }
    addTransceiver(...given) {
      const transceiver = super.addTransceiver(...given);
      if (codec && transceiver.receiver.track.kind === 'video') {
        const all = RTCRtpReceiver.getCapabilities('video').codecs;
        transceiver.setCodecPreferences(all.filter(({ mimeType }) => mimeType === codec || mimeType === 'video/rtx'));
      }
      return transceiver;
    }
  };
  // Echo cancelling, noise suppression and gain control would treat a steady tone as noise.
  const devices = navigator.mediaDevices;
  if (!devices) return;
  const ask = devices.getUserMedia.bind(devices);
  devices.getUserMedia = (wanted) => {
    const audio = wanted?.audio
      ? {
          ...(typeof wanted.audio === 'object' ? wanted.audio : {}),
          echoCancellation: false,
          noiseSuppression: false,
          autoGainControl: false,
        }
      : wanted?.audio;
    return ask({ ...wanted, audio });
  };
}

/** Runs in the page: the last live connection's remote audio for some seconds, as base64 of 48 kHz mono 16-bit samples. */
async function record(seconds) {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const tracks = connection
    .getReceivers()
    .map((r) => r.track)
    .filter((t) => t?.kind === 'audio' && t.readyState === 'live');
  if (tracks.length === 0) throw new Error('no remote audio track');
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  const code =
    'registerProcessor("tap", class extends AudioWorkletProcessor {' +
    ' process(inputs) { const c = inputs[0]?.[0]; if (c) this.port.postMessage(c.slice()); return true; } });';
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const tap = new AudioWorkletNode(context, 'tap', { numberOfInputs: 1, channelCount: 1, channelCountMode: 'explicit' });
  const elements = [];
  for (const track of tracks) {
    const stream = new MediaStream([track]);
    // Chromium decodes a remote track only when an element plays it.
    const element = new Audio();
    element.srcObject = stream;
    element.muted = true;
    await element.play();
    elements.push(element);
    context.createMediaStreamSource(stream).connect(tap);
  }
  const heard = [];
  tap.port.onmessage = ({ data }) => heard.push(data);
  tap.connect(context.destination);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  tap.disconnect();
  for (const element of elements) element.srcObject = null;
  await context.close();
  const bytes = new Uint8Array(heard.reduce((sum, part) => sum + part.length, 0) * 2);
  const view = new DataView(bytes.buffer);
  let at = 0;
  for (const part of heard)
    for (const sample of part) {
      view.setInt16(at, Math.max(-32768, Math.min(32767, Math.round(sample * 32767))), true);
      at += 2;
    }
  let text = '';
  for (let i = 0; i < bytes.length; i += 0x8000) text += String.fromCharCode(...bytes.subarray(i, i + 0x8000));
  return btoa(text);
}

/** Runs in the page: mean colour of the four quadrants of each remote picture, and the frames of a second. */
async function look() {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const pictures = [];
  for (const transceiver of connection.getTransceivers()) {
    const track = transceiver.receiver.track;
    if (track?.kind !== 'video' || track.readyState !== 'live') continue;
    const element = document.createElement('video');
    element.muted = true;
    element.srcObject = new MediaStream([track]);
    element.play().catch(() => {});
    pictures.push({ mid: transceiver.mid, element });
  }
  const wait = (ms) => new Promise((done) => setTimeout(done, ms));
  const until = performance.now() + 3000;
  while (performance.now() < until && pictures.some((p) => p.element.readyState < 2)) await wait(100);
  const canvas = document.createElement('canvas');
  canvas.width = 64;
  canvas.height = 36;
  const pen = canvas.getContext('2d', { willReadFrequently: true });
  const quadrants = (element) => {
    pen.drawImage(element, 0, 0, 64, 36);
    const corners = [
      [4, 3],
      [36, 3],
      [4, 21],
      [36, 21],
    ];
    return corners.map(([x, y]) => {
      const { data } = pen.getImageData(x, y, 24, 12);
      const sum = [0, 0, 0];
      for (let i = 0; i < data.length; i += 4) for (let c = 0; c < 3; c += 1) sum[c] += data[i + c];
      return sum.map((s) => Math.round(s / (data.length / 4)));
    });
  };
  const seen = [];
  const shown = pictures.filter((p) => p.element.readyState >= 2);
  // Firefox does not count the frames of an element that stands in no document.
  const decoded = async () => {
    const entries = [...(await connection.getStats()).values()].filter((e) => e.type === 'inbound-rtp' && e.kind === 'video');
    return new Map(entries.map((e) => [e.mid, e.framesDecoded ?? 0]));
  };
  const before = await decoded();
  await wait(1000);
  const after = await decoded();
  for (const p of shown)
    seen.push({
      mid: p.mid,
      width: p.element.videoWidth,
      height: p.element.videoHeight,
      quadrants: quadrants(p.element),
      frames: (after.get(p.mid) ?? 0) - (before.get(p.mid) ?? 0),
    });
  for (const p of pictures) p.element.srcObject = null;
  return seen;
}

/** Runs in the page: of each remote picture, how often it changed within so many seconds and how long it stood still at most, in ms. */
async function stills(seconds) {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const seen = [];
  for (const { mid, receiver } of connection.getTransceivers()) {
    if (receiver.track?.kind !== 'video' || receiver.track.muted) continue;
    const element = Object.assign(document.createElement('video'), { muted: true, srcObject: new MediaStream([receiver.track]) });
    element.play().catch(() => {});
    const picture = { mid, element, last: null, pictures: 0, longest: 0 };
    const changed = () => {
      const now = performance.now();
      picture.longest = Math.max(picture.longest, now - (picture.last ?? now));
      picture.last = now;
      picture.pictures += 1;
      element.requestVideoFrameCallback(changed);
    };
    element.requestVideoFrameCallback(changed);
    seen.push(picture);
  }
  await new Promise((done) => setTimeout(done, seconds * 1000));
  const end = performance.now();
  return seen.map(({ mid, element, last, pictures, longest }) => {
    element.srcObject = null;
    return { mid, pictures, longest: last === null ? seconds * 1000 : Math.max(longest, end - last) };
  });
}

/** Side of the slide's pattern in cells, of a cell in pixels, and where the pattern begins. */
const SLIDE = { columns: 200, rows: 100, cell: 2, x: 760, y: 440, title: 'Slide to be read' };

/** Runs in the slide's page: fine cells, black or white as a generator says that the reader knows too, words, one colour around them, and a tone. */
function draw({ columns, rows, cell, x, y }) {
  document.body.style.margin = '0';
  const canvas = Object.assign(document.createElement('canvas'), { width: 1920, height: 1080 });
  document.body.append(canvas);
  const pen = canvas.getContext('2d');
  pen.fillStyle = 'rgb(90,160,220)';
  pen.fillRect(0, 0, 1920, 1080);
  let state = 1;
  for (let row = 0; row < rows; row += 1)
    for (let column = 0; column < columns; column += 1) {
      state = (Math.imul(state, 1103515245) + 12345) & 0x7fffffff;
      pen.fillStyle = state >= 1073741824 ? '#fff' : '#000';
      pen.fillRect(x + column * cell, y + row * cell, cell, cell);
    }
  pen.fillStyle = '#000';
  pen.font = '14px sans-serif';
  const sound = new AudioContext();
  const tone = new OscillatorNode(sound, { frequency: 1171 });
  tone.connect(new GainNode(sound, { gain: 0.1 })).connect(sound.destination);
  tone.start();
  for (let line = 0; line < 12; line += 1) pen.fillText('The quick brown fox jumps over the lazy dog. 0123456789', 760, 700 + 20 * line);
}

/** Runs in the page: the slide's cells out of a remote picture of full size, how many are as they were drawn. */
async function read(slide) {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const elements = [];
  for (const { receiver } of connection.getTransceivers()) {
    if (receiver.track?.kind !== 'video' || receiver.track.muted) continue;
    const element = document.createElement('video');
    element.muted = true;
    element.srcObject = new MediaStream([receiver.track]);
    element.play().catch(() => {});
    elements.push(element);
  }
  const until = performance.now() + 1500;
  while (performance.now() < until && !elements.some((e) => e.videoWidth > 1280)) await new Promise((done) => setTimeout(done, 20));
  const element = elements.find((e) => e.videoWidth > 1280);
  const seen = { width: element?.videoWidth ?? 0, height: element?.videoHeight ?? 0, right: 0, cells: slide.columns * slide.rows };
  if (element) seen.right = Math.round(window.__plenum.rightly(element, slide) * seen.cells);
  for (const e of elements) e.srcObject = null;
  return seen;
}

/** Runs in the page: what it sent of audio and got of the remote one, and what the server's sender reports (RTCP) say of it. */
async function hearing() {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const entries = [...(await connection.getStats()).values()];
  const got = entries.find((e) => e.type === 'inbound-rtp' && e.kind === 'audio');
  const told = entries.find((e) => e.type === 'remote-outbound-rtp' && e.id === got?.remoteId);
  const said = entries.find((e) => e.type === 'outbound-rtp' && e.kind === 'audio');
  return {
    said: said?.packetsSent ?? 0,
    received: got?.packetsReceived ?? 0,
    lost: got?.packetsLost ?? 0,
    reports: told?.reportsSent ?? 0,
    sent: told?.packetsSent ?? 0,
  };
}

/** Runs in the page: bytes of video that it has sent so far, by size. */
async function filmed() {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const streams = [...(await connection.getStats()).values()].filter((e) => e.type === 'outbound-rtp' && e.kind === 'video');
  return streams.reduce((sum, stream) => sum + (stream.bytesSent ?? 0), 0);
}

/** Runs in the page: a call from the page to itself, to know that the fake devices and the measuring work. */
async function loopback() {
  const local = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const [a, b] = [new RTCPeerConnection(), new RTCPeerConnection()];
  a.onicecandidate = ({ candidate }) => candidate && b.addIceCandidate(candidate);
  b.onicecandidate = ({ candidate }) => candidate && a.addIceCandidate(candidate);
  for (const track of local.getTracks()) a.addTrack(track, local);
  await a.setLocalDescription();
  await b.setRemoteDescription(a.localDescription);
  await b.setLocalDescription();
  await a.setRemoteDescription(b.localDescription);
  const until = performance.now() + 5000;
  while (b.connectionState !== 'connected') {
    if (performance.now() > until) throw new Error(`loopback is ${b.connectionState}`);
    await new Promise((done) => setTimeout(done, 50));
  }
}

async function opened(name, browser, context, kind) {
  await context.addInitScript(instrument, kind);
  const page = await context.newPage();
  const log = [];
  page.on('console', (message) => log.push(`${message.type()}: ${message.text()}`));
  page.on('pageerror', (error) => log.push(`uncaught: ${error.message}`));
  browsers.set(name, { browser, page, log });
}

const actions = {
  async open({ name, executable, microphone, camera, shares, codec, reads, flashes }) {
    const browser = await chromium.launch({
      executablePath: executable,
      headless: true,
      // With it a shared tab has no sound.
      ignoreDefaultArgs: shares ? ['--mute-audio'] : [],
      args: [
        '--no-sandbox',
        '--use-fake-device-for-media-stream',
        `--use-file-for-fake-audio-capture=${microphone}`,
        `--use-file-for-fake-video-capture=${camera}`,
        '--autoplay-policy=no-user-gesture-required',
        // The fake UI would share a made-up screen.
        shares ? `--auto-select-tab-capture-source-by-title=${SLIDE.title}` : '--use-fake-ui-for-media-stream',
        '--disable-features=WebRtcHideLocalIpsWithMdns',
      ],
    });
    const context = await browser.newContext({
      viewport: { width: 1280, height: 800 },
      ignoreHTTPSErrors: true,
      bypassCSP: true,
      permissions: shares ? ['camera', 'microphone'] : [],
    });
    if (flashes) await context.addInitScript(filmLips);
    await opened(name, browser, context, { codec, slide: reads ? SLIDE : undefined });
  },
  async open_firefox({ name, executable, tone, colours }) {
    const { browser, context } = await launchFirefox({ executable, tone, colours });
    await opened(name, browser, context, {});
  },
  /** As a person does: waits for the own picture, types the name, says that there is a PIN, types it, joins. */
  async join({ name, url, person, pin }) {
    const { page } = browsers.get(name);
    await page.goto(url);
    await page.waitForFunction(() => [...document.querySelectorAll('video')].some((v) => v.videoWidth > 0), null, {
      timeout: 10000,
    });
    await page.getByLabel('Your name').pressSequentially(person);
    if (pin) {
      // The field is there when the server has asked for a PIN or the person says that they have one.
      const asked = page.getByRole('textbox', { name: /^pin/i });
      if (!(await asked.isVisible())) await page.getByRole('button', { name: /have a pin/i }).click();
      await asked.pressSequentially(pin);
    }
    await page.getByRole('button', { name: /^join/i }).click();
  },
  async connected({ name, seconds }) {
    const { page } = browsers.get(name);
    await page.waitForFunction(
      () => window.__plenum.connections.some((c) => c.connectionState === 'connected'),
      null,
      { timeout: seconds * 1000, polling: 50 },
    );
  },
  async states({ name }) {
    return browsers.get(name).page.evaluate(() => window.__plenum.connections.map((c) => c.connectionState));
  },
  async loopback({ name }) {
    const { page } = browsers.get(name);
    await page.route('http://localhost/loopback', (route) => route.fulfill({ contentType: 'text/html', body: '<p>loopback' }));
    await page.goto('http://localhost/loopback');
    await page.evaluate(loopback);
  },
  async record({ name, seconds }) {
    const { browser, page } = browsers.get(name);
    return page.evaluate(browser.browserType().name() === 'firefox' ? recordFirefox : record, seconds);
  },
  async look({ name }) {
    return browsers.get(name).page.evaluate(look);
  },
  /** Opens a tab with the slide, which is what the browser shares when the page asks. */
  async slide({ name }) {
    const browser = browsers.get(name);
    browser.slide = await browser.page.context().newPage();
    await browser.slide.setViewportSize({ width: 1920, height: 1080 });
    await browser.slide.setContent(`<title>${SLIDE.title}</title><body></body>`);
    await browser.slide.evaluate(draw, SLIDE);
    await browser.page.bringToFront();
  },
  /** The tab is closed, which ends its sharing as the browser's own button does. */
  async unslide({ name }) {
    await browsers.get(name).slide.close();
  },
  async read({ name }) {
    return browsers.get(name).page.evaluate(read, SLIDE);
  },
  /** When the slide was first seen large, and first read, in ms after the connection stood; null as long as it was not. */
  async sharp({ name }) {
    const { connected, large, sharp } = await browsers.get(name).page.evaluate(() => ({ ...window.__plenum, connections: null, rightly: null }));
    const after = (at) => (at === null || connected === null ? null : at - connected);
    return { large: after(large), sharp: after(sharp) };
  },
  async pair({ name, to }) {
    await pairLips(browsers.get(name).page, browsers.get(to).page);
  },
  async lips({ name, seconds }) {
    return browsers.get(name).page.evaluate(watchLips, seconds);
  },
  async stills({ name, seconds }) {
    return browsers.get(name).page.evaluate(stills, seconds);
  },
  async hearing({ name }) {
    return browsers.get(name).page.evaluate(hearing);
  },
  async filmed({ name }) {
    return browsers.get(name).page.evaluate(filmed);
  },
  async text({ name }) {
    return browsers.get(name).page.locator('body').innerText();
  },
  async click({ name, button }) {
    await browsers.get(name).page.getByRole('button', { name: new RegExp(button, 'i') }).click();
  },
  async pick({ name, button, item }) {
    const { page } = browsers.get(name);
    await page.getByRole('button', { name: button }).click();
    await page.getByRole('menuitemradio', { name: item, exact: true }).first().click();
  },
  async screenshot({ name, path }) {
    await browsers.get(name).page.screenshot({ path });
  },
  async log({ name }) {
    return browsers.get(name).log;
  },
  /** The whole browser dies at once: no page says goodbye. */
  async crash({ name }) {
    const { browser } = browsers.get(name);
    const gone = new Promise((done) => browser.once('disconnected', done));
    const session = await browser.newBrowserCDPSession();
    session.send('Browser.crash').catch(() => {});
    await gone;
    browsers.delete(name);
  },
  async close({ name }) {
    await browsers.get(name).browser.close();
    browsers.delete(name);
  },
};

for await (const line of createInterface({ input: process.stdin })) {
  const request = JSON.parse(line);
  Promise.resolve()
    .then(() => actions[request.action](request))
    .then(
      (value) => ({ id: request.id, value: value ?? null }),
      (error) => ({ id: request.id, error: String(error?.message ?? error) }),
    )
    .then((answer) => process.stdout.write(`${JSON.stringify(answer)}\n`));
}
await Promise.all([...browsers.values()].map(({ browser }) => browser.close()));
