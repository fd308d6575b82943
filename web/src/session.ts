/**
 * A participant's session as a pure state machine: what the person does and what the server says go in, the next
 * state and the effects to carry out come out. Knows no socket, no peer connection, no clock.
 */

import {
  PROTOCOL_VERSION,
  type Call,
  type ClientMessage,
  type ConferenceView,
  type DialIn,
  type EndReason,
  type ErrorCode,
  type InLobby,
  type Joined,
  type JoinRequest,
  type LeaveReason,
  type Participant,
  type ParticipantId,
  type Presenting,
  type Recording,
  type RecordingFault,
  type Role,
  type ServerMessage,
  type SlotAssignment,
  type Waiting,
  type WaitsFor,
} from './protocol'

/** Something that happened in the room, told once to eye and ear. */
export type Notice =
  | { readonly kind: 'joined'; readonly name: string; readonly phone: boolean }
  | { readonly kind: 'left'; readonly name: string; readonly reason: LeaveReason }
  | { readonly kind: 'hand'; readonly name: string }
  | { readonly kind: 'locked'; readonly on: boolean }
  | { readonly kind: 'waiting'; readonly name: string; readonly phone: boolean }
  | { readonly kind: 'let_in' }
  | { readonly kind: 'audience'; readonly muted: boolean }
  | { readonly kind: 'barred' }
  | { readonly kind: 'pins_guessed'; readonly minutes: number | null }
  | { readonly kind: 'recording'; readonly from: Recording; readonly to: Recording }
  | { readonly kind: 'recording_failed'; readonly reason: RecordingFault }
  | { readonly kind: 'back' }
  | { readonly kind: 'refused'; readonly code: ErrorCode }
  | { readonly kind: 'time_left'; readonly minutes: number }
  | { readonly kind: 'muted_by_host' }
  | { readonly kind: 'by_phone'; readonly on: boolean }
  | { readonly kind: 'camera_off_by_host' }
  | { readonly kind: 'asked_to_unmute' }
  | { readonly kind: 'presenting'; readonly name: string }
  | { readonly kind: 'present_refused' }
  | { readonly kind: 'share_failed' }

export interface NumberedNotice {
  readonly id: number
  readonly notice: Notice
}

export type Phase = 'idle' | 'joining' | 'waiting' | 'joined' | 'reconnecting' | 'ended'

/** Why a join was refused: the server's word, or that it could not be reached at all. */
export type Refusal = ErrorCode | 'unreachable'

export interface SessionState {
  readonly phase: Phase
  readonly request: JoinRequest | null
  /** The secret that takes this participant up again after a lost connection. */
  readonly resume: string | null
  /** The join under way carries `resume`. */
  readonly resuming: boolean
  /** Connection attempts since the loss. */
  readonly attempt: number
  /** Peer connections replaced since media last flowed. */
  readonly repairs: number
  readonly refusal: Refusal | null
  readonly ended: EndReason | null
  readonly self: ParticipantId | null
  readonly role: Role
  readonly conference: ConferenceView | null
  /** What one waits for in the lobby, and for which conference; null where one is not there. */
  readonly lobby: { readonly waitsFor: WaitsFor; readonly name: string } | null
  /** Who waits in the lobby, for hosts; the first of `waitingCount`. */
  readonly waiting: readonly Waiting[]
  readonly waitingCount: number
  /** Calls to phones, for hosts, the oldest first. */
  readonly calls: readonly Call[]
  readonly dialIn: DialIn | null
  /** One's own PIN for phones, if one has asked for it. */
  readonly phonePin: string | null
  readonly roster: readonly Participant[]
  /** Raised hands, the first raised first. */
  readonly hands: readonly ParticipantId[]
  readonly floor: ParticipantId | null
  /** Who held the floor last, other than oneself: stays on one's own stage while one speaks. */
  readonly lastFloor: ParticipantId | null
  readonly video: readonly SlotAssignment[]
  readonly presenting: Presenting
  /** How long the conference lasts, as last said, and how often it was: for whoever counts down from it. */
  readonly timeLeft: { readonly seconds: number; readonly said: number } | null
  /** To whom one whispers, and who whispers to oneself. */
  readonly whisperTo: ParticipantId | null
  readonly whisperFrom: readonly ParticipantId[]
  readonly notices: readonly NumberedNotice[]
  readonly noticed: number
}

export type SessionEvent =
  | { readonly type: 'join'; readonly request: JoinRequest }
  | { readonly type: 'leave' }
  | { readonly type: 'opened' }
  | { readonly type: 'closed' }
  | { readonly type: 'retry' }
  | { readonly type: 'message'; readonly message: ServerMessage }
  /** The media path is beyond repair by ICE restart. */
  | { readonly type: 'media_lost' }
  | { readonly type: 'media_connected' }
  /** One does not want to present after all. */
  | { readonly type: 'withdrawn' }
  | { readonly type: 'notice'; readonly notice: Notice }
  | { readonly type: 'dismiss'; readonly id: number }

export type Effect =
  | { readonly type: 'open' }
  | { readonly type: 'close' }
  | { readonly type: 'send'; readonly message: ClientMessage }
  /** Deliver a `retry` event after so many milliseconds. */
  | { readonly type: 'wait'; readonly milliseconds: number }
  /** A new participant: build a peer connection and offer. */
  | { readonly type: 'peer_start' }
  /** The same participant on a new socket: repair or replace the peer connection where needed. */
  | { readonly type: 'peer_resume' }
  | { readonly type: 'peer_stop' }
  | { readonly type: 'answer'; readonly sdp: string; readonly slotMids: readonly string[] }
  | { readonly type: 'slots'; readonly count: number }
  | { readonly type: 'camera_sizes'; readonly count: number | null }

export interface Step {
  readonly state: SessionState
  readonly effects: readonly Effect[]
}

const NOBODY: Presenting = { participant: null, begun: false, waiting: [] }

export const initialSession: SessionState = {
  phase: 'idle',
  request: null,
  resume: null,
  resuming: false,
  attempt: 0,
  repairs: 0,
  refusal: null,
  ended: null,
  self: null,
  role: 'guest',
  conference: null,
  lobby: null,
  waiting: [],
  waitingCount: 0,
  calls: [],
  dialIn: null,
  phonePin: null,
  roster: [],
  hands: [],
  floor: null,
  lastFloor: null,
  video: [],
  presenting: NOBODY,
  timeLeft: null,
  whisperTo: null,
  whisperFrom: [],
  notices: [],
  noticed: 0,
}

/** Notices kept on screen at once; older ones give way. */
const NOTICES = 4

/** Who comes and goes is told in rooms up to this size, like the server's tones; in larger ones it would be all there is to see. */
const INTIMATE = 30

/** Waits between attempts to reconnect, in ms: the server keeps the place for 20 s, so be quick at first. */
const BACKOFF = [400, 1_000, 2_000, 4_000, 8_000] as const

/** New peer connections that are tried before joining anew. */
const REPAIRS = 2

/** Errors that answer a `join`; others answer a request made in the room. */
const JOIN_REFUSALS: ReadonlySet<ErrorCode> = new Set([
  'wrong_pin',
  'conference_unknown',
  'locked',
  'full',
  'unsupported_version',
  'bad_message',
  'rate_limited',
  'forbidden',
  'not_joined',
])

/** Whether one may not unmute: the audience is muted, and one belongs to it. */
export function barred(state: SessionState): boolean {
  const mine = state.roster.find(({ id }) => id === state.self)
  return state.role === 'guest' && state.conference?.audienceMuted === true && mine?.muted === true
}

export function backoff(attempt: number): number {
  return BACKOFF[Math.min(attempt, BACKOFF.length - 1)] ?? 8_000
}

export function step(state: SessionState, event: SessionEvent): Step {
  switch (event.type) {
    case 'join':
      return { state: { ...initialSession, phase: 'joining', request: event.request }, effects: [{ type: 'open' }] }
    case 'leave':
      return leave(state)
    case 'opened':
      return { state, effects: hello(state) }
    case 'closed':
      return closed(state)
    case 'retry':
      return state.phase === 'reconnecting' ? { state, effects: [{ type: 'open' }] } : unchanged(state)
    case 'message':
      return received(state, event.message)
    case 'media_lost':
      return mediaLost(state)
    case 'media_connected':
      return unchanged(state.repairs === 0 ? state : { ...state, repairs: 0 })
    case 'withdrawn': {
      const waiting = state.presenting.waiting.filter((id) => id !== state.self)
      return unchanged({ ...state, presenting: { ...state.presenting, waiting } })
    }
    case 'notice':
      return unchanged(told(state, event.notice))
    case 'dismiss':
      return unchanged({ ...state, notices: state.notices.filter(({ id }) => id !== event.id) })
  }
}

/** On the server's roster or in its lobby, with a socket. */
const present = ({ phase }: SessionState) => phase === 'joined' || phase === 'waiting'

const unchanged = (state: SessionState): Step => ({ state, effects: [] })

/** Adds a notice; whoever is not in the room hears of nothing. */
function told(state: SessionState, notice: Notice): SessionState {
  const numbered = { id: state.noticed, notice }
  return { ...state, noticed: state.noticed + 1, notices: [...state.notices, numbered].slice(-NOTICES) }
}

function hello(state: SessionState): readonly Effect[] {
  if (!state.request || (state.phase !== 'joining' && state.phase !== 'reconnecting')) return [{ type: 'close' }]
  const resume = state.resuming && state.resume ? { resume: state.resume } : {}
  return [{ type: 'send', message: { type: 'join', version: PROTOCOL_VERSION, ...state.request, ...resume } }]
}

function leave(state: SessionState): Step {
  if (state.phase === 'joining') return { state: initialSession, effects: [{ type: 'close' }, { type: 'peer_stop' }] }
  const goodbye: Effect[] = present(state) ? [{ type: 'send', message: { type: 'leave' } }] : []
  return {
    state: { ...state, phase: 'ended', ended: 'left', notices: [] },
    effects: [...goodbye, { type: 'close' }, { type: 'peer_stop' }],
  }
}

function closed(state: SessionState): Step {
  switch (state.phase) {
    case 'joining':
      return refused(state, 'unreachable')
    case 'joined':
    case 'waiting':
      return {
        state: { ...state, phase: 'reconnecting', resuming: state.resume !== null, attempt: 1 },
        effects: [{ type: 'wait', milliseconds: backoff(0) }],
      }
    case 'reconnecting':
      return {
        state: { ...state, attempt: state.attempt + 1 },
        effects: [{ type: 'wait', milliseconds: backoff(state.attempt) }],
      }
    default:
      return unchanged(state)
  }
}

/** Back to the door, with the reason. */
function refused(state: SessionState, refusal: Refusal): Step {
  return {
    state: { ...initialSession, request: state.request, refusal },
    effects: [{ type: 'close' }, { type: 'peer_stop' }],
  }
}

/** A new peer connection for the same participant; when that does not help either, a new participant. */
function mediaLost(state: SessionState): Step {
  if (state.phase === 'reconnecting') return { state, effects: [{ type: 'peer_stop' }] }
  if (!present(state)) return unchanged(state)
  if (state.repairs >= REPAIRS) return rejoin(state)
  return { state: { ...state, repairs: state.repairs + 1 }, effects: [{ type: 'peer_stop' }, { type: 'peer_start' }] }
}

/** Starts over as a new participant with the name and PIN already given. */
function rejoin(state: SessionState): Step {
  if (!present(state) && state.phase !== 'reconnecting') return unchanged(state)
  const goodbye: Effect[] = present(state) ? [{ type: 'send', message: { type: 'leave' } }] : []
  return {
    state: { ...state, phase: 'reconnecting', resuming: false, resume: null, attempt: 1, repairs: 0 },
    effects: [...goodbye, { type: 'close' }, { type: 'peer_stop' }, { type: 'wait', milliseconds: backoff(0) }],
  }
}

function received(state: SessionState, message: ServerMessage): Step {
  switch (message.type) {
    case 'joined':
      return joined(state, message)
    case 'waiting':
      return inLobby(state, message)
    case 'lobby':
      return unchanged(lobbied(state, message.waiting, message.count))
    case 'calls':
      return unchanged({ ...state, calls: message.calls })
    case 'phone_pin':
      return unchanged({ ...state, phonePin: message.pin })
    case 'error':
      return failed(state, message.code)
    case 'ended':
      return ended(state, message.reason)
    case 'answer':
      return { state, effects: [{ type: 'answer', sdp: message.sdp, slotMids: message.slotMids }] }
    case 'slots':
      return { state, effects: [{ type: 'slots', count: message.count }] }
    case 'camera_sizes':
      return { state, effects: [{ type: 'camera_sizes', count: message.count }] }
    case 'video':
      return unchanged({ ...state, video: message.slots })
    case 'presenting':
      return unchanged(presenting(state, message))
    case 'participant_joined':
      return unchanged(arrived(state, message.participant))
    case 'participant_changed':
      return unchanged(changed(state, message.participant))
    case 'participant_left':
      return unchanged(departed(state, message.participant, message.reason))
    case 'floor':
      return unchanged(floor(state, message.participant))
    case 'talking':
      return unchanged(talking(state, message.participant, message.on))
    case 'roster':
      return unchanged(further(state, message.participants))
    case 'changes':
      return unchanged(message.changes.reduce((before, change) => received(before, change).state, state))
    case 'time_left': {
      const next = { ...state, timeLeft: limit(state, message.seconds) }
      return unchanged(told(next, { kind: 'time_left', minutes: Math.max(1, Math.round(message.seconds / 60)) }))
    }
    case 'whisper':
      return unchanged(whispered(state, message.from, message.to, message.on))
    case 'conference':
      return unchanged(conference(state, message.conference))
    case 'recording_failed':
      return unchanged(told(state, { kind: 'recording_failed', reason: message.reason }))
    case 'pins_guessed': {
      const minutes = message.closedSeconds === null ? null : Math.max(1, Math.round(message.closedSeconds / 60))
      return unchanged(told(state, { kind: 'pins_guessed', minutes }))
    }
    case 'pong':
      return unchanged(state)
  }
}

const limit = ({ timeLeft }: SessionState, seconds: number | null) =>
  seconds === null ? null : { seconds, said: (timeLeft?.said ?? 0) + 1 }

function whispered(state: SessionState, from: ParticipantId, to: ParticipantId, on: boolean): SessionState {
  if (from === state.self) return { ...state, whisperTo: on ? to : null }
  const others = state.whisperFrom.filter((id) => id !== from)
  return { ...state, whisperFrom: on ? [...others, from] : others }
}

/** What is different about the conference, told. */
function conference(state: SessionState, now: ConferenceView): SessionState {
  const before = state.conference
  let next: SessionState = { ...state, conference: now, timeLeft: limit(state, now.timeLeft) }
  if (before && before.locked !== now.locked) next = told(next, { kind: 'locked', on: now.locked })
  if (before && before.audienceMuted !== now.audienceMuted) next = told(next, { kind: 'audience', muted: now.audienceMuted })
  if (before && before.recording !== now.recording) {
    next = told(next, { kind: 'recording', from: before.recording, to: now.recording })
  }
  return next
}

/** Into the lobby, from the door or from the conference: the same participant, and its media goes on. */
function inLobby(state: SessionState, message: InLobby): Step {
  if (state.phase === 'idle' || state.phase === 'ended') return unchanged(state)
  const { attempt: _, ...fresh } = initialSession
  const next: SessionState = {
    ...fresh,
    phase: 'waiting',
    attempt: 0,
    request: state.request,
    repairs: state.repairs,
    resume: message.resume ?? state.resume,
    self: message.participant,
    lobby: { waitsFor: message.waitsFor, name: message.name },
    noticed: state.noticed,
  }
  if (present(state)) return unchanged(next)
  if (state.phase === 'joining') return { state: next, effects: [{ type: 'peer_start' }] }
  const same = state.resuming && message.participant === state.self
  return { state: next, effects: same ? [{ type: 'peer_resume' }] : [{ type: 'peer_stop' }, { type: 'peer_start' }] }
}

/** Who waits now; whoever is new there is told of. */
function lobbied(state: SessionState, now: readonly Waiting[], count: number): SessionState {
  const known = new Set(state.waiting.map(({ id }) => id))
  const next = { ...state, waiting: now, waitingCount: count }
  const latest = now.findLast(({ id }) => !known.has(id))
  return latest ? told(next, { kind: 'waiting', name: latest.name, phone: latest.kind === 'phone' }) : next
}

function joined(state: SessionState, message: Joined): Step {
  if (state.phase !== 'joining' && state.phase !== 'reconnecting' && state.phase !== 'waiting') return unchanged(state)
  const same = state.resuming && message.participant === state.self
  const next: SessionState = {
    ...state,
    phase: 'joined',
    resuming: false,
    attempt: 0,
    refusal: null,
    resume: message.resume,
    self: message.participant,
    role: message.role,
    conference: message.conference,
    lobby: null,
    waiting: [],
    waitingCount: 0,
    calls: [],
    dialIn: message.dialIn,
    phonePin: same ? state.phonePin : null,
    roster: message.roster,
    hands: message.roster.filter(({ hand }) => hand).map(({ id }) => id),
    floor: message.floor,
    lastFloor: message.floor === message.participant ? state.lastFloor : message.floor,
    video: same ? state.video : [],
    // Told next, when there is something to tell.
    presenting: NOBODY,
    timeLeft: limit(state, message.conference.timeLeft),
    whisperTo: same ? state.whisperTo : null,
    whisperFrom: same ? state.whisperFrom : [],
  }
  if (state.phase === 'joining') return { state: next, effects: [{ type: 'peer_start' }] }
  if (state.phase === 'waiting') return unchanged(told(next, { kind: 'let_in' }))
  return {
    state: told(next, { kind: 'back' }),
    effects: same ? [{ type: 'peer_resume' }] : [{ type: 'peer_stop' }, { type: 'peer_start' }],
  }
}

/** More of the people whom `joined` found here. */
function further(state: SessionState, participants: readonly Participant[]): SessionState {
  const raisedToo = participants.filter(({ hand }) => hand).map(({ id }) => id)
  return { ...state, roster: [...state.roster, ...participants], hands: [...state.hands, ...raisedToo] }
}

function failed(state: SessionState, code: ErrorCode): Step {
  if (state.phase === 'joining') return refused(state, code)
  if (state.phase === 'reconnecting' && JOIN_REFUSALS.has(code)) {
    // The place is gone, but the room may still be open to a newcomer of the same name.
    if (state.resuming) return rejoin(state)
    if (code !== 'rate_limited') return refused(state, code)
    const wait: Effect = { type: 'wait', milliseconds: backoff(state.attempt) }
    return { state: { ...state, attempt: state.attempt + 1 }, effects: [{ type: 'close' }, wait] }
  }
  if (!present(state)) return unchanged(state)
  if (code === 'negotiation_failed') return mediaLost(state)
  if (code === 'not_joined') return rejoin(state)
  return unchanged(told(state, { kind: 'refused', code }))
}

function ended(state: SessionState, reason: EndReason): Step {
  if (state.phase === 'idle' || state.phase === 'ended') return unchanged(state)
  return {
    state: { ...state, phase: 'ended', ended: reason, notices: [] },
    effects: [{ type: 'close' }, { type: 'peer_stop' }],
  }
}

function arrived(state: SessionState, participant: Participant): SessionState {
  if (state.roster.some(({ id }) => id === participant.id)) return changed(state, participant)
  const next = { ...state, roster: [...state.roster, participant] }
  const phone = participant.kind === 'phone'
  const quiet = participant.id === state.self || next.roster.length > INTIMATE
  return quiet ? next : told(next, { kind: 'joined', name: participant.name, phone })
}

function changed(state: SessionState, participant: Participant): SessionState {
  const before = state.roster.find(({ id }) => id === participant.id)
  if (!before) return arrived(state, participant)
  const next: SessionState = {
    ...state,
    role: participant.id === state.self ? participant.role : state.role,
    roster: state.roster.map((known) => (known.id === participant.id ? participant : known)),
    hands: raised(state.hands, participant),
  }
  if (participant.id === state.self && participant.byPhone !== before.byPhone) return told(next, { kind: 'by_phone', on: participant.byPhone })
  const risen = participant.hand && !before.hand && participant.id !== state.self
  return risen ? told(next, { kind: 'hand', name: participant.name }) : next
}

function raised(hands: readonly ParticipantId[], { id, hand }: Participant): readonly ParticipantId[] {
  if (!hand) return hands.filter((other) => other !== id)
  return hands.includes(id) ? hands : [...hands, id]
}

function departed(state: SessionState, id: ParticipantId, reason: LeaveReason): SessionState {
  const gone = state.roster.find((participant) => participant.id === id)
  if (!gone) return state
  const next: SessionState = {
    ...state,
    roster: state.roster.filter((participant) => participant.id !== id),
    hands: state.hands.filter((other) => other !== id),
    floor: state.floor === id ? null : state.floor,
    lastFloor: state.lastFloor === id ? null : state.lastFloor,
    video: state.video.map((slot) => (slot.participant === id ? { mid: slot.mid, participant: null } : slot)),
    whisperTo: state.whisperTo === id ? null : state.whisperTo,
    whisperFrom: state.whisperFrom.filter((other) => other !== id),
  }
  return state.roster.length > INTIMATE ? next : told(next, { kind: 'left', name: gone.name, reason })
}

/** Told of others only: of oneself a banner speaks. */
function presenting(state: SessionState, { participant, begun, waiting }: Presenting): SessionState {
  const { presenting: before, self } = state
  const next: SessionState = { ...state, presenting: { participant, begun, waiting } }
  const passedOver = self !== null && before.waiting.includes(self) && !waiting.includes(self)
  if (passedOver && participant !== self) return told(next, { kind: 'present_refused' })
  const again = before.begun && before.participant === participant
  const presenter = state.roster.find(({ id }) => id === participant)
  if (!begun || again || !presenter || presenter.id === self) return next
  return told(next, { kind: 'presenting', name: presenter.name })
}

function floor(state: SessionState, holder: ParticipantId | null): SessionState {
  const lastFloor = holder === null || holder === state.self ? state.lastFloor : holder
  return { ...state, floor: holder, lastFloor }
}

function talking(state: SessionState, id: ParticipantId, on: boolean): SessionState {
  return { ...state, roster: state.roster.map((known) => (known.id === id ? { ...known, talking: on } : known)) }
}
