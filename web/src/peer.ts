/**
 * The peer connection to the server: this side always offers, the server always answers.
 *
 * The first offer has one audio and one video section, both sending and receiving: microphone out and the mix in,
 * camera out and slot 0 in. More slots are video sections that only receive. Tracks come and go by `replaceTrack`, so
 * that turning a camera on or off needs no negotiation.
 */

import { readPictures, type Received } from './health'

/** How the media path does. */
export type MediaPath = 'connecting' | 'connected' | 'interrupted'

export interface PeerHandlers {
  readonly offer: (sdp: string) => void
  readonly path: (path: MediaPath) => void
  /** A received track, by its section's id. */
  readonly track: (mid: string, stream: MediaStream, kind: 'audio' | 'video') => void
  /** Repair by ICE restart has failed; only a new peer helps. */
  readonly lost: () => void
}

/** What the server may be asked for: 1 + this many recvonly sections. */
const MAX_SLOTS = 16

/** A path that does not heal by itself within this time is restarted, in ms. */
const GRACE = 2_500

/** Time allowed for a restart to bring media back, in ms, and how many are tried. */
const RESTART = 7_000
const RESTARTS = 3

/**
 * The camera comes in three sizes, the smallest first, so that the server gives each viewer what their line carries. Caps in bit/s.
 * A browser that sends one size only takes no harm.
 */
const CAMERA_SIZES = [
  { rid: 'q', maxBitrate: 150_000 },
  { rid: 'h', maxBitrate: 450_000 },
  { rid: 'f', maxBitrate: 1_200_000 },
] as const

/** Width in pixels from which a camera is worth three sizes; a smaller one comes in its own. */
const THREE_SIZES = 1_280

/** Cap in bit/s for a camera that comes in one size, by its width in pixels: what its pixels are worth. */
const capOf = (width: number): number => (width <= 320 ? 250_000 : width <= 640 ? 800_000 : 1_200_000)

/** The same for a screen, and how often it may change. */
const SCREEN: RTCRtpEncodingParameters = { maxBitrate: 2_500_000, maxFramerate: 15 }

export class Peer {
  readonly #connection = new RTCPeerConnection({ bundlePolicy: 'max-bundle' })
  readonly #handlers: PeerHandlers
  readonly #microphone: RTCRtpTransceiver
  readonly #camera: RTCRtpTransceiver
  /** From the first screen that is shared on. */
  #screen: RTCRtpTransceiver | null = null
  #slots = 1
  /** So many sizes of the camera are seen by anybody, the smallest first. */
  #sizes: number = CAMERA_SIZES.length
  /** Encodings are tuned one after the other. */
  #tuned: Promise<void> = Promise.resolve()
  #offering = false
  /** A wish that came while an offer was under way. */
  #again: { restart: boolean } | null = null
  #restarts = 0
  #repair: ReturnType<typeof setTimeout> | undefined
  #closed = false

  constructor(handlers: PeerHandlers) {
    this.#handlers = handlers
    // The server answers with the streams of the offer, and a browser keeps lips with the voice within one stream alone.
    const streams = [new MediaStream()]
    this.#microphone = this.#connection.addTransceiver('audio', { direction: 'sendrecv', streams })
    this.#camera = this.#connection.addTransceiver('video', {
      direction: 'sendrecv',
      streams,
      sendEncodings: CAMERA_SIZES.map((size, at) => ({ ...size, scaleResolutionDownBy: 2 ** (CAMERA_SIZES.length - 1 - at) })),
    })
    this.#connection.addEventListener('connectionstatechange', () => this.#stateChanged())
    this.#connection.addEventListener('track', (event) => this.#received(event))
    handlers.path('connecting')
  }

  setMicrophone(track: MediaStreamTrack | null): void {
    void this.#microphone.sender.replaceTrack(track).catch(() => this.#handlers.lost())
  }

  setCamera(track: MediaStreamTrack | null): void {
    if (track) track.contentHint = 'motion'
    this.#tune(async () => {
      await this.#camera.sender.replaceTrack(track)
      if (track) await inSizes(this.#camera.sender, track, this.#sizes)
    })
  }

  /** So many sizes of the camera are seen, the smallest first: the others rest. Of a camera that comes in one size nothing changes. */
  setSizes(count: number = CAMERA_SIZES.length): void {
    this.#sizes = count
    this.#tune(async () => {
      const { track } = this.#camera.sender
      if (track) await inSizes(this.#camera.sender, track, this.#sizes)
    })
  }

  #tune(step: () => Promise<void>): void {
    this.#tuned = this.#tuned.then(step).catch(() => {
      if (!this.#closed) this.#handlers.lost()
    })
  }

  /** A screen has a section of its own, which only sends. */
  setScreen(track: MediaStreamTrack | null): void {
    if (this.#closed || (!this.#screen && !track)) return
    if (this.#screen) {
      void this.#screen.sender.replaceTrack(track).catch(() => this.#handlers.lost())
      return
    }
    this.#screen = this.#connection.addTransceiver(track ?? 'video', { direction: 'sendonly', sendEncodings: [SCREEN] })
    void sharpFirst(this.#screen.sender)
    this.negotiate()
  }

  /** Makes and sends an offer; one at a time, later wishes are folded into the next. */
  negotiate(restart = false): void {
    if (this.#closed) return
    if (this.#offering) {
      this.#again = { restart: restart || (this.#again?.restart ?? false) }
      return
    }
    this.#offering = true
    void this.#offer(restart)
  }

  async #offer(restart: boolean): Promise<void> {
    try {
      const offer = await this.#connection.createOffer({ iceRestart: restart })
      await this.#connection.setLocalDescription(offer)
      const sdp = this.#connection.localDescription?.sdp
      if (!this.#closed && sdp) this.#handlers.offer(sdp)
    } catch {
      if (!this.#closed) this.#handlers.lost()
    }
  }

  /** Takes the server's answer to the last offer. */
  async accept(sdp: string): Promise<void> {
    if (this.#closed || this.#connection.signalingState !== 'have-local-offer') return
    // The server answers with a new identity when it had given this connection up: no restart joins the two again.
    const known = this.#connection.currentRemoteDescription?.sdp
    if (known !== undefined && fingerprint(known) !== fingerprint(sdp)) return this.#handlers.lost()
    try {
      await this.#connection.setRemoteDescription({ type: 'answer', sdp })
    } catch {
      if (!this.#closed) this.#handlers.lost()
      return
    }
    this.#offering = false
    const again = this.#again
    this.#again = null
    if (again) this.negotiate(again.restart)
  }

  /** Has at least `count` video sections that receive, the first of them the camera's. */
  ensureSlots(count: number): void {
    const wanted = Math.min(count, MAX_SLOTS)
    if (this.#closed || wanted <= this.#slots) return
    for (; this.#slots < wanted; this.#slots += 1) this.#connection.addTransceiver('video', { direction: 'recvonly' })
    this.negotiate()
  }

  /** After the signalling came back: an offer that was never answered is made again, a broken path restarted. */
  resume(): void {
    const healthy = this.#connection.connectionState === 'connected'
    if (healthy && !this.#offering) return
    this.#offering = false
    this.#again = null
    this.negotiate(!healthy)
  }

  /** What the browser has counted since the call began. */
  async quality(): Promise<Quality | null> {
    if (this.#closed) return null
    const report = await this.#connection.getStats()
    return { ...readQuality(report), pictures: readPictures(report) }
  }

  close(): void {
    this.#closed = true
    clearTimeout(this.#repair)
    this.#connection.close()
  }

  #received({ transceiver, track }: RTCTrackEvent): void {
    if (transceiver.mid === null || (track.kind !== 'audio' && track.kind !== 'video')) return
    this.#handlers.track(transceiver.mid, new MediaStream([track]), track.kind)
  }

  #stateChanged(): void {
    if (this.#closed) return
    clearTimeout(this.#repair)
    switch (this.#connection.connectionState) {
      case 'connected':
        this.#restarts = 0
        this.#handlers.path('connected')
        break
      case 'disconnected':
        this.#handlers.path('interrupted')
        this.#repair = setTimeout(() => this.#restart(), GRACE)
        break
      case 'failed':
        this.#handlers.path('interrupted')
        this.#restart()
        break
      default:
        break
    }
  }

  #restart(): void {
    if (this.#closed || this.#connection.connectionState === 'connected') return
    if (this.#restarts >= RESTARTS) return this.#handlers.lost()
    this.#restarts += 1
    this.negotiate(true)
    this.#repair = setTimeout(() => this.#restart(), RESTART)
  }
}

/** Sends a large camera in three sizes, a small one in one: Chromium would leave out the largest of three, which is then all there is. */
async function inSizes(sender: RTCRtpSender, camera: MediaStreamTrack, seen: number): Promise<void> {
  const parameters = sender.getParameters()
  const width = camera.getSettings().width ?? 0
  const small = width < THREE_SIZES
  const largest = CAMERA_SIZES.length - 1
  parameters.encodings.forEach((encoding, at) => {
    encoding.active = at === 0 || (!small && at < seen)
    encoding.scaleResolutionDownBy = small ? 1 : 2 ** (largest - at)
    encoding.maxBitrate = small ? capOf(width) : (CAMERA_SIZES[at]?.maxBitrate ?? capOf(width))
  })
  // Where the browser does not take this, it sends what was agreed at first.
  await sender.setParameters(parameters).catch(() => undefined)
}

/** Text that cannot be read is worse than text that comes late. */
async function sharpFirst(sender: RTCRtpSender): Promise<void> {
  const parameters = sender.getParameters()
  // Where the browser does not know the wish, it goes by the track's content hint.
  await sender.setParameters({ ...parameters, degradationPreference: 'maintain-resolution' } as RTCRtpSendParameters).catch(() => undefined)
}

/** The DTLS identity in an SDP. */
const fingerprint = (sdp: string): string | undefined => /^a=fingerprint:(.*)$/m.exec(sdp)?.[1]?.trim()

/** Round-trip time in ms and packets of received audio, where the browser tells. */
export interface Heard {
  readonly roundTrip: number | null
  readonly received: number
  readonly lost: number
}

export interface Quality extends Heard {
  readonly pictures: ReadonlyMap<string, Received>
}

/** Finds the figures in a statistics report; the entries differ between browsers. */
export function readQuality(report: Iterable<[string, Record<string, unknown>]> | RTCStatsReport): Heard {
  let roundTrip: number | null = null
  let received = 0
  let lost = 0
  for (const [, entry] of report as Iterable<[string, Record<string, unknown>]>) {
    if (entry['type'] === 'candidate-pair' && entry['nominated'] === true) {
      const seconds = entry['currentRoundTripTime']
      if (typeof seconds === 'number') roundTrip = seconds * 1_000
    }
    if (entry['type'] === 'inbound-rtp' && entry['kind'] === 'audio') {
      received += Number(entry['packetsReceived'] ?? 0)
      lost += Math.max(0, Number(entry['packetsLost'] ?? 0))
    }
  }
  return { roundTrip, received, lost }
}
