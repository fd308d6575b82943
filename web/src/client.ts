/**
 * Carries out what the session decides: sockets, timers, the peer connection, and keeps the person's devices and the
 * conference in step. The only place where these meet.
 */

import { Devices, trackOf } from './devices'
import { illOf, type Ill, type Look } from './health'
import { Mixture } from './mixture'
import { Peer, type Heard, type MediaPath } from './peer'
import type { ClientMessage, JoinRequest, Participant, ParticipantId, Viewing } from './protocol'
import { barred, initialSession, step, type Effect, type SessionEvent, type SessionState } from './session'
import { Sharing } from './sharing'
import { Signal, signalAddress } from './signal'
import { Store } from './store'

/** How the connection feels: the loss and delay of the last seconds. */
export type Feel = 'good' | 'fair' | 'poor'

export interface ClientState {
  readonly session: SessionState
  readonly path: MediaPath
  /** The mix of everyone else. */
  readonly audio: MediaStream | null
  /** Received pictures by section id. */
  readonly pictures: ReadonlyMap<string, MediaStream>
  readonly audioBlocked: boolean
  readonly feel: Feel | null
  /** Whose pictures do badly, and on whose account. */
  readonly ill: ReadonlyMap<ParticipantId, Ill>
}

/** Own wishes overrule the server's echo for this long, in ms: the echo of an older wish may still be on its way. */
const ECHO = 1_500

/** How often the connection's quality is measured, in ms. */
const QUALITY = 4_000

const silence: Omit<ClientState, 'session'> = {
  path: 'connecting',
  audio: null,
  pictures: new Map(),
  audioBlocked: false,
  feel: null,
  ill: new Map(),
}

export class Client extends Store<ClientState> {
  readonly devices: Devices
  readonly sharing: Sharing
  readonly #mixture = new Mixture()
  #signal: Signal | null = null
  #peer: Peer | null = null
  #retry: ReturnType<typeof setTimeout> | undefined
  #reconcile: ReturnType<typeof setTimeout> | undefined
  #measure: ReturnType<typeof setInterval> | undefined
  #measured: { readonly heard: Heard; readonly look: Look } | null = null
  /** What the server was last told. */
  #told = { muted: false, camera: false, at: 0 }
  /** One speaks and hears by phone, as far as was seen to. */
  #byPhone = false
  #wakeLock: WakeLockSentinel | null = null

  constructor(devices: Devices) {
    super({ session: initialSession, ...silence })
    this.devices = devices
    devices.subscribe(() => this.#devicesChanged())
    this.sharing = new Sharing({
      send: (message) => this.#send(message),
      session: () => this.snapshot().session,
      changed: () => this.#devicesChanged(),
      failed: () => this.#happened({ type: 'notice', notice: { kind: 'share_failed' } }),
      withdrawn: () => this.#happened({ type: 'withdrawn' }),
    })
    globalThis.addEventListener('pagehide', () => this.#signal?.send({ type: 'leave' }))
    globalThis.addEventListener('online', () => this.#happened({ type: 'retry' }))
    document.addEventListener('visibilitychange', () => void this.#stayAwake())
  }

  join(request: JoinRequest): void {
    this.#happened({ type: 'join', request })
  }

  leave(): void {
    this.#happened({ type: 'leave' })
  }

  retryNow(): void {
    clearTimeout(this.#retry)
    this.#happened({ type: 'retry' })
  }

  /** Mutes oneself where one speaks by phone; the microphone here has its own way. */
  mutePhone(on: boolean): void {
    this.#send({ type: 'mute', on })
  }

  /** Asks for a PIN of one's own for phones, in place of the former one, or takes it back. */
  phonePin(on: boolean): void {
    this.#send({ type: 'phone_pin', on })
  }

  setHand(on: boolean): void {
    this.#send({ type: 'hand', on })
  }

  muteParticipant(participant: ParticipantId): void {
    this.#send({ type: 'mute_participant', participant, on: true })
  }

  deafenParticipant(participant: ParticipantId, on: boolean): void {
    this.#send({ type: 'deafen_participant', participant, on })
  }

  holdParticipant(participant: ParticipantId, on: boolean): void {
    this.#send({ type: 'hold_participant', participant, on })
  }

  /** Turns their camera off, or lets them turn it on again. */
  muteVideo(participant: ParticipantId, on: boolean): void {
    this.#send({ type: 'mute_video', participant, on })
  }

  /** Shows somebody large to all whoever speaks; null: whoever speaks. */
  spotlight(participant: ParticipantId | null): void {
    this.#send(participant === null ? { type: 'spotlight' } : { type: 'spotlight', participant })
  }

  setGain(participant: ParticipantId, db: number): void {
    this.#send({ type: 'gain_participant', participant, db })
  }

  extend(minutes: number): void {
    this.#send({ type: 'extend', minutes })
  }

  /** Oneself and `participant`, apart from the others. */
  talkAside(participant: ParticipantId): void {
    const { self } = this.snapshot().session
    if (self) this.#send({ type: 'side_open', participants: [self, participant], hear_room: true })
  }

  returnToAll(): void {
    this.#send({ type: 'side_leave' })
  }

  whisper(to: ParticipantId, on: boolean): void {
    this.#send({ type: 'whisper', to, on })
  }

  openLanguage(name: string, interpreter: ParticipantId): void {
    this.#send({ type: 'channel_open', name, interpreter })
  }

  closeLanguage(channel: number): void {
    this.#send({ type: 'channel_close', channel })
  }

  listen(channel: number | null): void {
    this.#send({ type: 'listen', channel })
  }

  remove(participant: ParticipantId): void {
    this.#send({ type: 'remove', participant })
  }

  /** Lets somebody in who waits in the lobby. */
  admit(participant: ParticipantId): void {
    this.#send({ type: 'admit', participant })
  }

  admitAll(): void {
    this.#send({ type: 'admit_all' })
  }

  deny(participant: ParticipantId): void {
    this.#send({ type: 'deny', participant })
  }

  /** Calls a phone; whoever picks up is in once they press 1. */
  callPhone(number: string, name: string): void {
    this.#send({ type: 'call_phone', number, ...(name === '' ? {} : { name }) })
  }

  callAgain(call: string): void {
    this.#send({ type: 'call_again', call })
  }

  /** Takes a call back or hangs up; forgets one that is over. */
  cancelCall(call: string): void {
    this.#send({ type: 'call_cancel', call })
  }

  /** Has somebody's phone call `to`, a number or the SIP address of one, in place of the conference. */
  transfer(participant: ParticipantId, to: string): void {
    this.#send({ type: 'transfer', participant, to })
  }

  sendToLobby(participant: ParticipantId): void {
    this.#send({ type: 'send_to_lobby', participant })
  }

  /** All guests, who cannot unmute before it is off again. */
  muteAudience(on: boolean): void {
    this.#send({ type: 'mute_audience', on })
  }

  /** Whether guests wait in the lobby. */
  setLobby(on: boolean): void {
    this.#send({ type: 'lobby', on })
  }

  lock(on: boolean): void {
    this.#send({ type: 'lock', on })
  }

  record(on: boolean): void {
    this.#send({ type: 'record', on })
  }

  pauseRecording(on: boolean): void {
    this.#send({ type: 'record_pause', on })
  }

  /** What oneself sees; null: what the conference gives. */
  setView(view: Viewing | null): void {
    this.#send(view === null ? { type: 'view' } : { type: 'view', view })
  }

  /** One picture of all, or cameras as they come, for all who have not chosen. */
  setComposite(on: boolean): void {
    this.#send({ type: 'composite', on })
  }

  setLayout(name: string): void {
    this.#send({ type: 'layout', name })
  }

  /** What stands at the top of the picture of all; `null`: what the operator has there. */
  setBanner(text: string | null): void {
    this.#send(text === null ? { type: 'banner' } : { type: 'banner', text })
  }

  /** To share one's screen after whoever does. */
  askToPresent(): void {
    this.#send({ type: 'present', on: true })
  }

  /** It is that one's turn to present, or it waits no longer. */
  grantPresenting(participant: ParticipantId, on: boolean): void {
    this.#send({ type: 'present_grant', participant, on })
  }

  stopPresenting(): void {
    this.#send({ type: 'present_stop' })
  }

  end(): void {
    this.#send({ type: 'end' })
  }

  dismiss(id: number): void {
    this.#happened({ type: 'dismiss', id })
  }

  setAudioBlocked(audioBlocked: boolean): void {
    if (this.snapshot().audioBlocked !== audioBlocked) this.set({ audioBlocked })
  }

  #send(message: ClientMessage): void {
    this.#signal?.send(message)
  }

  #happened(event: SessionEvent): void {
    const before = this.snapshot().session
    const { state, effects } = step(before, event)
    if (state !== before) this.set({ session: state })
    for (const effect of effects) this.#carryOut(effect)
    if (event.type === 'message') this.sharing.heard(event.message)
    if (state.phase === 'joined') this.#followServer()
    if (state.phase === before.phase) return
    // Nothing that was said in the lobby, or before it, is known to the conference.
    if (before.phase === 'waiting' && state.phase === 'joined') this.#tellServer(true)
    if (state.phase === 'waiting') this.sharing.end()
    void this.#stayAwake()
    if (state.phase === 'ended') {
      this.sharing.end()
      this.devices.stop('camera')
      this.devices.stop('microphone')
    }
  }

  #carryOut(effect: Effect): void {
    switch (effect.type) {
      case 'open':
        clearTimeout(this.#retry)
        this.#open()
        break
      case 'close':
        clearTimeout(this.#retry)
        this.#signal?.close()
        this.#signal = null
        break
      case 'send':
        this.#send(effect.message)
        break
      case 'wait':
        clearTimeout(this.#retry)
        this.#retry = setTimeout(() => this.#happened({ type: 'retry' }), effect.milliseconds)
        break
      case 'peer_start':
        this.#startPeer()
        break
      case 'peer_resume':
        if (this.#peer) this.#peer.resume()
        else this.#startPeer()
        this.#tellServer(false)
        break
      case 'peer_stop':
        this.#stopPeer()
        break
      case 'answer':
        void this.#peer?.accept(effect.sdp)
        break
      case 'slots':
        this.#peer?.ensureSlots(effect.count)
        break
      case 'camera_sizes':
        this.#peer?.setSizes(effect.count ?? undefined)
        break
    }
  }

  #open(): void {
    this.#signal?.close()
    const signal = new Signal(signalAddress(location), {
      opened: () => this.#happened({ type: 'opened' }),
      received: (message) => this.#happened({ type: 'message', message }),
      closed: () => {
        if (this.#signal === signal) this.#happened({ type: 'closed' })
      },
    })
    this.#signal = signal
  }

  #startPeer(): void {
    this.#stopPeer()
    const peer = new Peer({
      offer: (sdp) => this.#send({ type: 'offer', sdp }),
      path: (path) => {
        this.set({ path })
        if (path === 'connected') this.#happened({ type: 'media_connected' })
      },
      lost: () => this.#happened({ type: 'media_lost' }),
      track: (mid, stream, kind) => {
        if (kind === 'audio') this.set({ audio: stream })
        else this.set({ pictures: new Map(this.snapshot().pictures).set(mid, stream) })
      },
    })
    this.#peer = peer
    this.#giveTracks()
    this.#tellServer(true)
    this.sharing.tellAgain()
    peer.negotiate()
    this.#measure = setInterval(() => void this.#feel(), QUALITY)
  }

  #stopPeer(): void {
    clearInterval(this.#measure)
    this.#measured = null
    this.#peer?.close()
    this.#peer = null
    this.set(silence)
  }

  #giveTracks(): void {
    const { microphone, camera } = this.devices.snapshot()
    // While another device opens, the present one goes on.
    if (microphone.status !== 'starting') {
      this.#peer?.setMicrophone(this.#mixture.of(trackOf(microphone), this.sharing.sound))
    }
    this.#peer?.setScreen(this.sharing.picture)
    if (camera.status !== 'starting') this.#peer?.setCamera(trackOf(camera))
  }

  #devicesChanged(): void {
    this.#giveTracks()
    this.#tellServer(false)
  }

  /** Tells mute and camera where they differ from what the server knows; everything with new media. */
  #tellServer(afresh: boolean): void {
    if (this.snapshot().session.phase !== 'joined') return
    const speaksHere = !this.#self()?.byPhone
    if (speaksHere && !this.devices.snapshot().muted && barred(this.snapshot().session)) {
      // Which tells the server by itself.
      this.devices.mute(true)
      this.#happened({ type: 'notice', notice: { kind: 'barred' } })
      return
    }
    const local = this.devices.snapshot()
    const speaks = ['on', 'starting'].includes(local.microphone.status) || this.sharing.sound !== null
    const muted = local.muted || !speaks
    const camera = local.camera.status === 'on' || (local.camera.status === 'starting' && this.#told.camera)
    if (speaksHere && (afresh || muted !== this.#told.muted)) {
      this.#told = { ...this.#told, muted, at: Date.now() }
      this.#send({ type: 'mute', on: muted })
    }
    if (afresh || camera !== this.#told.camera) {
      this.#told = { ...this.#told, camera }
      this.#send({ type: 'camera', on: camera })
    }
  }

  /** Others may mute us; nobody opens our microphone but ourselves. */
  #followServer(): void {
    const mine = this.#self()
    if (mine?.videoMuted && trackOf(this.devices.snapshot().camera)) {
      this.devices.stop('camera')
      this.#happened({ type: 'notice', notice: { kind: 'camera_off_by_host' } })
    }
    if (mine) this.#followPhone(mine)
    if (!mine || mine.muted === this.#told.muted) return
    clearTimeout(this.#reconcile)
    const wait = this.#told.at + ECHO - Date.now()
    if (wait > 0) {
      this.#reconcile = setTimeout(() => this.#followServer(), wait)
      return
    }
    this.#told = { ...this.#told, muted: mine.muted }
    if (mine.muted) {
      this.devices.mute(true)
      this.#happened({ type: 'notice', notice: { kind: 'muted_by_host' } })
    } else {
      this.#tellServer(false)
      this.#happened({ type: 'notice', notice: { kind: 'asked_to_unmute' } })
    }
  }

  /** Speaking by phone, one's mute is the phone's, and nothing of the microphone here leaves; nor does it when the phone has hung up. */
  #followPhone({ byPhone, muted }: Participant): void {
    // Muted for want of a microphone only: that is no wish.
    const unwished = byPhone && !this.#byPhone && muted && this.#told.muted && !this.devices.snapshot().muted
    const changed = byPhone !== this.#byPhone
    this.#byPhone = byPhone
    if (byPhone || changed) this.#told = { ...this.#told, muted }
    if (changed) this.devices.mute(true)
    if (unwished) this.#send({ type: 'mute', on: false })
  }

  /** Oneself in the roster. */
  #self(): Participant | undefined {
    const { roster, self } = this.snapshot().session
    return roster.find(({ id }) => id === self)
  }

  async #feel(): Promise<void> {
    const now = await this.#peer?.quality().catch(() => null)
    if (!now) return
    const before = this.#measured
    const { roster, self, video: slots } = this.snapshot().session
    const cameras = roster.filter(({ id, camera }) => camera && id !== self).map(({ id }) => id)
    const look = { at: Date.now(), received: now.pictures, slots, cameras }
    this.#measured = { heard: now, look }
    if (before) this.set({ feel: feelOf(before.heard, now), ill: illOf(before.look, look) })
  }

  /** A phone must not sleep through a meeting. */
  async #stayAwake(): Promise<void> {
    const wanted = ['joined', 'waiting'].includes(this.snapshot().session.phase) && document.visibilityState === 'visible'
    try {
      if (wanted) this.#wakeLock ??= (await navigator.wakeLock?.request('screen')) ?? null
      else await this.#wakeLock?.release()
    } catch {
      // Refused on low battery: the meeting goes on.
    }
    if (!wanted || this.#wakeLock?.released) this.#wakeLock = null
  }
}

/** Loss as a share and round-trip time in ms between two measurements, judged by what speech bears. */
export function feelOf(before: Heard, now: Heard): Feel {
  const lost = Math.max(0, now.lost - before.lost)
  const share = lost / Math.max(1, lost + now.received - before.received)
  const delay = now.roundTrip ?? 0
  if (share > 0.08 || delay > 600) return 'poor'
  return share > 0.02 || delay > 300 ? 'fair' : 'good'
}
