// Whether lips are with the voice: a page whose camera flashes while its microphone beeps, once a second, and what another page sees and hears
// of it. Sound is a tone of 2 kHz over one of 500 Hz, which goes on, so that the leg is heard all the time.

/** Runs in the page before its own scripts: the camera and the microphone. Both begin in the same turn of the page. */
export function film() {
  const devices = navigator.mediaDevices;
  if (!devices) return;
  const FLASH = 120;
  const EACH = 1000;
  let context = null;
  let beep = null;
  let sound = null;
  const speaks = () => {
    if (sound) return sound;
    context = new AudioContext({ sampleRate: 48000, latencyHint: 'interactive' });
    sound = context.createMediaStreamDestination();
    const tone = (frequency, level) => {
      const oscillator = new OscillatorNode(context, { frequency });
      const gain = new GainNode(context, { gain: level });
      oscillator.connect(gain).connect(sound);
      oscillator.start();
      return gain;
    };
    tone(500, 0.02);
    beep = tone(2000, 0);
    return sound;
  };
  const films = () => {
    const canvas = Object.assign(document.createElement('canvas'), { width: 640, height: 360 });
    const pen = canvas.getContext('2d');
    let next = performance.now() + EACH;
    let since = null;
    let at = 0;
    const paint = () => {
      const now = performance.now();
      if (context?.state === 'suspended') void context.resume();
      if (since === null && now >= next) {
        since = now;
        next += EACH;
        beep?.gain.setValueAtTime(0.3, 0);
      } else if (since !== null && now - since >= FLASH) {
        since = null;
        beep?.gain.setValueAtTime(0, 0);
      }
      pen.fillStyle = since === null ? '#202020' : '#f0f0f0';
      pen.fillRect(0, 0, 640, 360);
      pen.fillStyle = '#808080';
      pen.fillRect((at = (at + 8) % 632), 176, 8, 8);
    };
    paint();
    setInterval(paint, 1000 / 30);
    return canvas.captureStream(30).getTracks();
  };
  devices.getUserMedia = async (wanted) =>
    new MediaStream([...(wanted.audio ? speaks().stream.clone().getTracks() : []), ...(wanted.video ? films() : [])]);
}

/** Waits until all of a connection's candidates stand in its description, and gives that. */
const WHOLE = `async (connection) => {
  while (connection.iceGatheringState !== 'complete') await new Promise((done) => setTimeout(done, 20));
  return connection.localDescription.sdp;
}`;

/** Runs in the page: offers its camera and its microphone, in one stream, to another page. */
const offers = `async () => {
  const local = await navigator.mediaDevices.getUserMedia({ audio: true, video: true });
  const connection = new RTCPeerConnection();
  for (const track of local.getTracks()) connection.addTrack(track, local);
  window.__direct = connection;
  await connection.setLocalDescription();
  return (${WHOLE})(connection);
}`;

/** Runs in the page: takes such an offer. */
const answers = `async (sdp) => {
  const connection = new RTCPeerConnection();
  window.__direct = connection;
  await connection.setRemoteDescription({ type: 'offer', sdp });
  await connection.setLocalDescription();
  return (${WHOLE})(connection);
}`;

/** One page calls another, past any server: what is measured then is the browsers' and the measuring's own. */
export async function pair(from, to) {
  for (const page of [from, to]) {
    await page.route('http://localhost/direct', (route) => route.fulfill({ contentType: 'text/html', body: '<p>direct' }));
    await page.goto('http://localhost/direct');
  }
  const answer = await to.evaluate(`(${answers})(${JSON.stringify(await from.evaluate(`(${offers})()`))})`);
  await from.evaluate((sdp) => window.__direct.setRemoteDescription({ type: 'answer', sdp }), answer);
  await to.waitForFunction(() => window.__direct.connectionState === 'connected', null, { timeout: 15000 });
}

/** Runs in the page: when it shows flashes and when it plays beeps for some seconds, in ms of one clock. */
export async function watch(seconds) {
  const connection = window.__plenum.connections.filter((c) => c.connectionState === 'connected').at(-1);
  if (!connection) throw new Error('no connected RTCPeerConnection');
  const live = connection.getReceivers().flatMap(({ track }) => (track?.readyState === 'live' ? [track] : []));
  const context = new AudioContext({ sampleRate: 48000 });
  await context.resume();
  // The level at 2 kHz, 24 samples to a wave, of each block of 128.
  const code = `registerProcessor('ear', class extends AudioWorkletProcessor {
    process(inputs) {
      const samples = inputs[0]?.[0];
      if (!samples) return true;
      let [sine, cosine] = [0, 0];
      samples.forEach((sample, n) => { sine += sample * Math.sin(n * Math.PI / 12); cosine += sample * Math.cos(n * Math.PI / 12); });
      const level = Math.hypot(sine, cosine) / samples.length;
      const loud = level > 0.01;
      if (loud && !this.loud) this.port.postMessage(currentTime);
      this.quiet = loud ? 0 : (this.quiet ?? 0) + 1;
      this.loud = loud || (this.loud && this.quiet < 60);
      return true;
    }
  });`;
  await context.audioWorklet.addModule(URL.createObjectURL(new Blob([code], { type: 'text/javascript' })));
  const ear = new AudioWorkletNode(context, 'ear', { numberOfInputs: 1, channelCount: 1, channelCountMode: 'explicit' });
  const beeps = [];
  ear.port.onmessage = ({ data }) => {
    // What is in the graph now is heard when the device plays it.
    const { contextTime, performanceTime } = context.getOutputTimestamp();
    beeps.push(performanceTime + (data - contextTime) * 1000);
  };
  ear.connect(context.destination);
  const elements = [];
  const flashes = [];
  const pen = Object.assign(document.createElement('canvas'), { width: 32, height: 18 }).getContext('2d', { willReadFrequently: true });
  const sees = (element) => {
    let dark = 255;
    let lit = false;
    const picture = (now, { expectedDisplayTime }) => {
      pen.drawImage(element, 0, 0, 32, 18);
      const { data } = pen.getImageData(0, 0, 32, 18);
      let sum = 0;
      for (let at = 1; at < data.length; at += 4) sum += data[at];
      const mean = sum / (data.length / 4);
      if (mean > dark + 25 && !lit) flashes.push(expectedDisplayTime);
      lit = mean > dark + 25;
      dark = Math.min(dark + 0.2, mean);
      element.requestVideoFrameCallback(picture);
    };
    element.requestVideoFrameCallback(picture);
  };
  for (const track of live) {
    const element = Object.assign(document.createElement(track.kind), { muted: true, srcObject: new MediaStream([track]) });
    element.play().catch(() => {});
    elements.push(element);
    if (track.kind === 'video') sees(element);
    else context.createMediaStreamSource(element.srcObject).connect(ear);
  }
  // By how much the voice is played later than the picture, as the browser reckons by the reports: more than the page can see.
  const reckoned = [];
  const clock = setInterval(async () => {
    const playing = new Map();
    for (const entry of (await connection.getStats()).values())
      if (entry.type === 'inbound-rtp' && entry.estimatedPlayoutTimestamp) playing.set(entry.mid + entry.kind, entry);
    const of = (kind) => [...playing.values()].filter((entry) => entry.kind === kind).map((entry) => entry.estimatedPlayoutTimestamp);
    const [[voice], [picture]] = [of('audio'), of('video')];
    if (voice && picture) reckoned.push(picture - voice);
  }, 250);
  await new Promise((done) => setTimeout(done, seconds * 1000));
  clearInterval(clock);
  for (const element of elements) element.srcObject = null;
  await context.close();
  return { flashes, beeps, reckoned };
}
