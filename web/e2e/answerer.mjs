/**
 * The media side of the mock: a page of its own that answers offers with real peer connections, sends a tone and one
 * drawn picture per slot, and counts what it receives.
 */

/** Prepares the page; returns the function that answers. */
export async function answerer(browser) {
  const page = await browser.newPage()
  await page.evaluate(() => {
    const peers = new Map()
    globalThis.peers = peers

    const colours = ['#3b4a8f', '#2f6f62', '#8f4a3b', '#5f3b8f']
    const pictures = colours.map((colour, at) => {
      const canvas = Object.assign(document.createElement('canvas'), { width: 320, height: 180 })
      const pen = canvas.getContext('2d')
      pen.scale(0.5, 0.5)
      let turn = 0
      setInterval(() => {
        turn += 0.2
        pen.fillStyle = colour
        pen.fillRect(0, 0, 640, 360)
        pen.fillStyle = '#f2c9a6'
        pen.beginPath()
        pen.arc(320 + 14 * Math.sin(turn + at), 160, 62, 0, 7)
        pen.fill()
        pen.fillStyle = '#20242f'
        pen.beginPath()
        pen.ellipse(320 + 10 * Math.sin(turn + at), 340, 150, 110, 0, 0, 7)
        pen.fill()
      }, 200)
      return canvas.captureStream(5).getVideoTracks()[0]
    })
    const context = new AudioContext()
    const tone = new OscillatorNode(context, { frequency: 440 })
    const mix = new MediaStreamAudioDestinationNode(context)
    tone.connect(mix)
    tone.start()

    globalThis.answer = async (id, sdp) => {
      let peer = peers.get(id)
      const fresh = /a=fingerprint:\S+ (\S+)/.exec(sdp)?.[1]
      if (!peer || peer.fingerprint !== fresh || peer.connection.connectionState === 'closed') {
        peer?.connection.close()
        peer = { connection: new RTCPeerConnection(), fingerprint: fresh, slots: 0 }
        peers.set(id, peer)
      }
      const { connection } = peer
      // On a line offered in layers Chromium answers with nothing to send. The server answers without them, too.
      const single = sdp.replace(/^a=(rid|simulcast):.*\r\n/gm, '')
      await connection.setRemoteDescription({ type: 'offer', sdp: single })
      const mids = []
      const screens = sdp.split('m=').filter((part) => part.includes('a=sendonly'))
      const sendonly = new Set(screens.map((part) => /a=mid:(\S+)/.exec(part)?.[1]))
      for (const transceiver of connection.getTransceivers()) {
        const video = transceiver.receiver.track.kind === 'video'
        // A screen: received, and nothing goes back.
        if (sendonly.has(transceiver.mid)) {
          transceiver.direction = 'recvonly'
          continue
        }
        if (transceiver.sender.track === null) {
          await transceiver.sender.replaceTrack(video ? pictures[peer.slots++ % pictures.length] : mix.stream.getAudioTracks()[0])
          transceiver.direction = mids.length === 0 ? 'sendrecv' : 'sendonly'
        }
        if (video) mids.push(transceiver.mid)
      }
      await connection.setLocalDescription()
      if (connection.iceGatheringState !== 'complete') {
        await new Promise((done) => {
          connection.addEventListener('icegatheringstatechange', () => connection.iceGatheringState === 'complete' && done())
          setTimeout(done, 3000)
        })
      }
      return { sdp: connection.localDescription.sdp, slotMids: mids }
    }

    globalThis.received = async (id) => {
      const counted = { audio: 0, video: 0, widest: 0 }
      const report = await peers.get(id)?.connection.getStats()
      for (const [, entry] of report ?? []) {
        if (entry.type !== 'inbound-rtp') continue
        counted[entry.kind] += entry.packetsReceived
        counted.widest = Math.max(counted.widest, entry.frameWidth ?? 0)
      }
      return counted
    }
  })
  return {
    /** Nothing more comes in that slot, as when its sender's line is down. */
    stall: (id, mid) =>
      page.evaluate(
        ([who, of]) =>
          globalThis.peers
            .get(who)
            .connection.getTransceivers()
            .find((transceiver) => transceiver.mid === of)
            .sender.replaceTrack(null),
        [id, mid],
      ),
    answer: (id, sdp) => page.evaluate(([who, what]) => globalThis.answer(who, what), [id, sdp]),
    received: (id) => page.evaluate((who) => globalThis.received(who), id),
    connections: () => page.evaluate(() => globalThis.peers.size),
    /** Ends all connections: what nobody watches any more costs encoders. */
    clear: () =>
      page.evaluate(() => {
        for (const { connection } of globalThis.peers.values()) connection.close()
        globalThis.peers.clear()
      }),
    close: (id) => page.evaluate((who) => globalThis.peers.get(who)?.connection.close(), id),
  }
}
