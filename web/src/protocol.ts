/**
 * The signalling protocol, version 1: the messages of `GET /api/v1/signal` and their decoding.
 *
 * Everything that comes from the server passes `decode` once; behind it the types hold. Unknown messages and
 * unknown fields are ignored, so that an older page survives a newer server.
 */

export const PROTOCOL_VERSION = 1

/** Identifies a participant within its conference, `p_…`. */
export type ParticipantId = string

/** How a participant takes part. `host` is the demo room's announcer. */
export type Kind = 'browser' | 'phone' | 'host'

export type Role = 'host' | 'guest'

export interface Participant {
  readonly id: ParticipantId
  readonly name: string
  readonly kind: Kind
  readonly role: Role
  readonly muted: boolean
  readonly camera: boolean
  readonly talking: boolean
  readonly hand: boolean
  /** They are here by the page, and speak and hear by a phone. */
  readonly byPhone: boolean
  /** They share their screen. */
  readonly presenting: boolean
  /** They hear nothing of the conference. */
  readonly deafened: boolean
  /** They hear music, and nobody hears them. */
  readonly held: boolean
  /** A host lets them show no video. */
  readonly videoMuted: boolean
  /** How loud the others hear them, in dB over as they come. */
  readonly gainDb: number
  /** They talk aside with all of the same number. */
  readonly side: number | null
  /** The language they listen to. */
  readonly listening: number | null
  /** What they see; absent: what the conference gives. */
  readonly view?: Viewing
}

/** What somebody sees: cameras as they come, one picture of all, or no video. */
const VIEWINGS = ['cameras', 'composite', 'nothing'] as const
export type Viewing = (typeof VIEWINGS)[number]

/** A language into which somebody interprets. */
export interface Language {
  readonly channel: number
  readonly name: string
  readonly interpreter: ParticipantId | null
}

export interface ConferenceView {
  readonly id: string
  readonly name: string
  readonly locked: boolean
  /** No guest unmutes, unless a host has let it. */
  readonly audienceMuted: boolean
  /** Guests wait in the lobby until a host lets them in. */
  readonly lobby: boolean
  /** Seconds until the time limit ends it, when this was said; null without one. */
  readonly timeLeft: number | null
  readonly channels: readonly Language[]
  /** Whether what is said is kept. */
  readonly recording: Recording
  /** Who is shown large to all whoever speaks; null: whoever speaks. */
  readonly spotlight: ParticipantId | null
  /** Who has not chosen what to see sees one picture of all. */
  readonly composite?: true
  /** How that picture is laid out; absent while nobody sees it. */
  readonly layout?: string
  /** How it can be laid out. */
  readonly layouts?: readonly string[]
  /** Hosts can call phones. */
  readonly dialOut?: true
}

const RECORDINGS = ['off', 'on', 'paused'] as const
export type Recording = (typeof RECORDINGS)[number]

const RECORDING_FAULTS = ['disk_full', 'write_failed'] as const
export type RecordingFault = (typeof RECORDING_FAULTS)[number]

/** How a phone reaches this conference. */
export interface DialIn {
  readonly sip: string
  readonly conference: string
  /** One can have a PIN of one's own. */
  readonly personal: boolean
}

/** Whose camera, or what else, a video slot carries now. */
export interface SlotAssignment {
  readonly mid: string
  readonly participant: ParticipantId | null
  /** It carries the picture of all that the server composes. */
  readonly composite?: true
  /** It carries the screen that they share. */
  readonly screen?: true
}

const ERROR_CODES = [
  'wrong_pin',
  'conference_unknown',
  'locked',
  'full',
  'bad_message',
  'unsupported_version',
  'negotiation_failed',
  'forbidden',
  'rate_limited',
  'not_joined',
  'unavailable',
] as const
export type ErrorCode = (typeof ERROR_CODES)[number]

const LEAVE_REASONS = ['left', 'lost', 'removed', 'lobby'] as const
export type LeaveReason = (typeof LEAVE_REASONS)[number]

const END_REASONS = [
  'left',
  'removed',
  'denied',
  'conference_ended',
  'leader_left',
  'time_limit',
  'server_stopping',
  'replaced',
] as const
export type EndReason = (typeof END_REASONS)[number]

const WAITS_FOR = ['host', 'leader'] as const
/** What somebody in the lobby waits for: that a host lets them in, or that a leader comes. */
export type WaitsFor = (typeof WAITS_FOR)[number]

/** Somebody in the lobby, as hosts see them. */
export interface Waiting {
  readonly id: ParticipantId
  readonly name: string
  readonly kind: Kind
  readonly waitsFor: WaitsFor
}

const CALL_STATES = [
  'calling',
  'ringing',
  'answered',
  'joined',
  'busy',
  'no_answer',
  'refused',
  'not_confirmed',
  'unreachable',
  'failed',
  'cancelled',
  'ended',
  'transferred',
] as const
/** How far a call to a phone is. */
export type CallState = (typeof CALL_STATES)[number]

/** A call to a phone, as hosts see it. */
export interface Call {
  readonly call: string
  readonly name: string
  readonly state: CallState
  /** Whose phone was sent there, where it is no call of the conference's. */
  readonly transferred?: string
}

/** Whether nothing more will come of a call. */
export const isOver = (state: CallState): boolean => !['calling', 'ringing', 'answered', 'joined'].includes(state)

/** What a person gives to join. `token` replaces the PIN where a signed link was handed out. */
export interface JoinRequest {
  readonly conference: string
  readonly name: string
  readonly pin?: string
  readonly token?: string
}

export type ClientMessage =
  | ({ readonly type: 'join'; readonly version: number; readonly resume?: string } & JoinRequest)
  | { readonly type: 'offer'; readonly sdp: string }
  | { readonly type: 'mute' | 'camera' | 'hand' | 'phone_pin' | 'lock' | 'mute_audience' | 'lobby' | 'record' | 'record_pause' | 'composite'; readonly on: boolean }
  /** With `sound`, that of a shared tab is in the microphone's track, and muting oneself does not silence it. */
  | { readonly type: 'present'; readonly on: boolean; readonly sound?: boolean }
  | {
      readonly type: 'mute_participant' | 'deafen_participant' | 'hold_participant' | 'mute_video' | 'present_grant'
      readonly participant: ParticipantId
      readonly on: boolean
    }
  | { readonly type: 'view'; readonly view?: Viewing }
  | { readonly type: 'spotlight'; readonly participant?: ParticipantId }
  | { readonly type: 'gain_participant'; readonly participant: ParticipantId; readonly db: number }
  | { readonly type: 'layout'; readonly name: string }
  | { readonly type: 'extend'; readonly minutes: number }
  | { readonly type: 'side_open'; readonly participants: readonly ParticipantId[]; readonly hear_room: boolean }
  | { readonly type: 'whisper'; readonly to: ParticipantId; readonly on: boolean }
  | { readonly type: 'channel_open'; readonly name: string; readonly interpreter: ParticipantId }
  | { readonly type: 'channel_close'; readonly channel: number }
  | { readonly type: 'listen'; readonly channel: number | null }
  | { readonly type: 'remove' | 'admit' | 'deny' | 'send_to_lobby'; readonly participant: ParticipantId }
  | { readonly type: 'call_phone'; readonly number: string; readonly name?: string }
  | { readonly type: 'call_again' | 'call_cancel'; readonly call: string }
  | { readonly type: 'transfer'; readonly participant: ParticipantId; readonly to: string }
  | { readonly type: 'admit_all' | 'leave' | 'ping' | 'end' | 'side_leave' | 'present_stop' }
  | { readonly type: 'present_take'; readonly sound?: boolean }
  | { readonly type: 'banner'; readonly text?: string }

export interface Joined {
  readonly type: 'joined'
  readonly participant: ParticipantId
  readonly role: Role
  readonly resume: string | null
  readonly conference: ConferenceView
  readonly dialIn: DialIn | null
  readonly roster: readonly Participant[]
  readonly floor: ParticipantId | null
}

/** Not in yet, or not any more: in the lobby. */
export interface InLobby {
  readonly type: 'waiting'
  readonly participant: ParticipantId
  /** Null: as before. */
  readonly resume: string | null
  readonly name: string
  readonly waitsFor: WaitsFor
}

/** Whose turn it is to present, whether they have begun, and who waits for the turn. */
export interface Presenting {
  readonly participant: ParticipantId | null
  readonly begun: boolean
  readonly waiting: readonly ParticipantId[]
}

/** Something about one participant. */
export type PeopleChange =
  | { readonly type: 'participant_joined'; readonly participant: Participant }
  | { readonly type: 'participant_changed'; readonly participant: Participant }
  | { readonly type: 'participant_left'; readonly participant: ParticipantId; readonly reason: LeaveReason }
  | { readonly type: 'talking'; readonly participant: ParticipantId; readonly on: boolean }

export type ServerMessage =
  | Joined
  | InLobby
  /** To hosts: who waits in the lobby, the first of `count`. */
  | { readonly type: 'lobby'; readonly waiting: readonly Waiting[]; readonly count: number }
  /** Those for whom there was no room in `joined`. */
  | { readonly type: 'roster'; readonly participants: readonly Participant[] }
  | PeopleChange
  /** Several that came close together, in this order. */
  | { readonly type: 'changes'; readonly changes: readonly PeopleChange[] }
  | { readonly type: 'answer'; readonly sdp: string; readonly slotMids: readonly string[] }
  | { readonly type: 'slots'; readonly count: number }
  /** So many sizes of one's camera are seen, the smallest first; null: all may be. */
  | { readonly type: 'camera_sizes'; readonly count: number | null }
  | { readonly type: 'video'; readonly slots: readonly SlotAssignment[] }
  | ({ readonly type: 'presenting' } & Presenting)
  | { readonly type: 'floor'; readonly participant: ParticipantId | null }
  | { readonly type: 'conference'; readonly conference: ConferenceView }
  | { readonly type: 'time_left'; readonly seconds: number }
  | { readonly type: 'whisper'; readonly from: ParticipantId; readonly to: ParticipantId; readonly on: boolean }
  | { readonly type: 'recording_failed'; readonly reason: RecordingFault }
  /** To hosts: too many wrong PINs; nobody comes in by a PIN for so long, or until they are changed. */
  | { readonly type: 'pins_guessed'; readonly closedSeconds: number | null }
  /** To hosts: calls to phones, the oldest first. */
  | { readonly type: 'calls'; readonly calls: readonly Call[] }
  /** A PIN of one's own for phones; null: there is none any more. */
  | { readonly type: 'phone_pin'; readonly pin: string | null }
  | { readonly type: 'pong' }
  | { readonly type: 'error'; readonly code: ErrorCode; readonly message: string }
  | { readonly type: 'ended'; readonly reason: EndReason }

/** A message that lacks what its type promises. */
class Malformed extends Error {}

type Fields = Readonly<Record<string, unknown>>

function fields(value: unknown): Fields {
  if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value as Fields
  throw new Malformed('expected an object')
}

function text(from: Fields, key: string): string {
  const value = from[key]
  if (typeof value === 'string') return value
  throw new Malformed(`expected text in ${key}`)
}

function textOrNull(from: Fields, key: string): string | null {
  return from[key] === null || from[key] === undefined ? null : text(from, key)
}

function count(from: Fields, key: string): number {
  const value = from[key]
  if (typeof value === 'number' && Number.isInteger(value) && value >= 0) return value
  throw new Malformed(`expected a count in ${key}`)
}

/** Null where it is absent, as it is where it would say nothing. */
function numberOrNull(from: Fields, key: string): number | null {
  const value = from[key]
  if (value === null || value === undefined) return null
  if (typeof value === 'number' && Number.isFinite(value)) return value
  throw new Malformed(`expected a number in ${key}`)
}

function list<T>(from: Fields, key: string, item: (value: unknown) => T): T[] {
  const value = from[key]
  if (Array.isArray(value)) return value.map(item)
  throw new Malformed(`expected a list in ${key}`)
}

/** A word out of a fixed set; a word of a newer server falls back. */
function word<T extends string>(from: Fields, key: string, known: readonly T[], fallback: T): T {
  return known.find((candidate) => candidate === from[key]) ?? fallback
}

const role = (from: Fields): Role => word(from, 'role', ['host', 'guest'], 'guest')

/** Absent also where a newer server says what this page does not know. */
function seenBy(from: Fields): Pick<Participant, 'view'> {
  const view = VIEWINGS.find((candidate) => candidate === from['view'])
  return view === undefined ? {} : { view }
}

function participant(value: unknown): Participant {
  const from = fields(value)
  return {
    id: text(from, 'id'),
    name: text(from, 'name'),
    kind: word(from, 'kind', ['browser', 'phone', 'host'], 'browser'),
    role: role(from),
    muted: from['muted'] === true,
    camera: from['camera'] === true,
    talking: from['talking'] === true,
    hand: from['hand'] === true,
    byPhone: from['by_phone'] === true,
    presenting: from['presenting'] === true,
    deafened: from['deafened'] === true,
    held: from['held'] === true,
    videoMuted: from['video_muted'] === true,
    gainDb: numberOrNull(from, 'gain_db') ?? 0,
    side: numberOrNull(from, 'side'),
    listening: numberOrNull(from, 'listening'),
    ...seenBy(from),
  }
}

function language(value: unknown): Language {
  const from = fields(value)
  return { channel: count(from, 'channel'), name: text(from, 'name'), interpreter: textOrNull(from, 'interpreter') }
}

function conference(value: unknown): ConferenceView {
  const from = fields(value)
  return {
    id: text(from, 'id'),
    name: text(from, 'name'),
    locked: from['locked'] === true,
    audienceMuted: from['audience_muted'] === true,
    lobby: from['lobby'] === true,
    timeLeft: numberOrNull(from, 'time_left'),
    channels: from['channels'] === undefined ? [] : list(from, 'channels', language),
    recording: word(from, 'recording', RECORDINGS, 'off'),
    spotlight: textOrNull(from, 'spotlight'),
    ...(from['composite'] === true ? { composite: true } : {}),
    ...(from['layout'] === undefined ? {} : { layout: text(from, 'layout') }),
    ...(from['dial_out'] === true ? { dialOut: true } : {}),
    ...(from['layouts'] === undefined ? {} : { layouts: list(from, 'layouts', String) }),
  }
}

const waitsFor = (from: Fields): WaitsFor => word(from, 'waits_for', WAITS_FOR, 'host')

function waiting(value: unknown): Waiting {
  const from = fields(value)
  return {
    id: text(from, 'id'),
    name: text(from, 'name'),
    kind: word(from, 'kind', ['browser', 'phone', 'host'], 'browser'),
    waitsFor: waitsFor(from),
  }
}

function call(value: unknown): Call {
  const from = fields(value)
  const transferred = from['transferred']
  return {
    call: text(from, 'call'),
    name: text(from, 'name'),
    state: word(from, 'state', CALL_STATES, 'failed'),
    ...(typeof transferred === 'string' ? { transferred } : {}),
  }
}

function dialIn(value: unknown): DialIn | null {
  if (value === null || value === undefined) return null
  const from = fields(value)
  return { sip: text(from, 'sip'), conference: text(from, 'conference'), personal: from['personal'] === true }
}

function slot(value: unknown): SlotAssignment {
  const from = fields(value)
  const assignment = { mid: text(from, 'mid'), participant: textOrNull(from, 'participant') }
  if (from['screen'] === true) return { ...assignment, screen: true }
  return from['composite'] === true ? { ...assignment, composite: true } : assignment
}

type Decoders<M extends { type: string }> = { readonly [T in M['type']]: (from: Fields) => Extract<M, { type: T }> }

const people: Decoders<PeopleChange> = {
  participant_joined: (from) => ({ type: 'participant_joined', participant: participant(from['participant']) }),
  participant_changed: (from) => ({ type: 'participant_changed', participant: participant(from['participant']) }),
  participant_left: (from) => ({
    type: 'participant_left',
    participant: text(from, 'participant'),
    reason: word(from, 'reason', LEAVE_REASONS, 'left'),
  }),
  talking: (from) => ({ type: 'talking', participant: text(from, 'participant'), on: from['on'] === true }),
}

/** One of several changes; none where a newer server says what this page does not understand. */
function change(value: unknown): readonly PeopleChange[] {
  const from = fields(value)
  const type = text(from, 'type')
  return Object.hasOwn(people, type) ? [people[type as PeopleChange['type']](from)] : []
}

const decoders: Decoders<ServerMessage> = {
  ...people,
  roster: (from) => ({ type: 'roster', participants: list(from, 'participants', participant) }),
  changes: (from) => ({ type: 'changes', changes: list(from, 'changes', change).flat() }),
  joined: (from) => ({
    type: 'joined',
    participant: text(from, 'participant'),
    role: role(from),
    resume: textOrNull(from, 'resume'),
    conference: conference(from['conference']),
    dialIn: dialIn(from['dial_in']),
    roster: list(from, 'roster', participant),
    floor: textOrNull(from, 'floor'),
  }),
  waiting: (from) => ({
    type: 'waiting',
    participant: text(from, 'participant'),
    resume: textOrNull(from, 'resume'),
    name: text(from, 'name'),
    waitsFor: waitsFor(from),
  }),
  lobby: (from) => ({ type: 'lobby', waiting: list(from, 'waiting', waiting), count: count(from, 'count') }),
  answer: (from) => ({ type: 'answer', sdp: text(from, 'sdp'), slotMids: list(from, 'slot_mids', String) }),
  slots: (from) => ({ type: 'slots', count: count(from, 'count') }),
  camera_sizes: (from) => ({ type: 'camera_sizes', count: numberOrNull(from, 'count') }),
  video: (from) => ({ type: 'video', slots: list(from, 'slots', slot) }),
  presenting: (from) => ({
    type: 'presenting',
    participant: textOrNull(from, 'participant'),
    begun: from['begun'] === true,
    waiting: list(from, 'waiting', String),
  }),
  floor: (from) => ({ type: 'floor', participant: textOrNull(from, 'participant') }),
  conference: (from) => ({ type: 'conference', conference: conference(from['conference']) }),
  time_left: (from) => ({ type: 'time_left', seconds: count(from, 'seconds') }),
  whisper: (from) => ({ type: 'whisper', from: text(from, 'from'), to: text(from, 'to'), on: from['on'] === true }),
  recording_failed: (from) => ({ type: 'recording_failed', reason: word(from, 'reason', RECORDING_FAULTS, 'write_failed') }),
  pins_guessed: (from) => ({ type: 'pins_guessed', closedSeconds: numberOrNull(from, 'closed_seconds') }),
  calls: (from) => ({ type: 'calls', calls: list(from, 'calls', call) }),
  phone_pin: (from) => ({ type: 'phone_pin', pin: textOrNull(from, 'pin') }),
  pong: () => ({ type: 'pong' }),
  error: (from) => ({
    type: 'error',
    code: word(from, 'code', ERROR_CODES, 'bad_message'),
    message: textOrNull(from, 'message') ?? '',
  }),
  ended: (from) => ({ type: 'ended', reason: word(from, 'reason', END_REASONS, 'conference_ended') }),
}

/** Reads one text frame; null for what this page does not understand. */
export function decode(frame: string): ServerMessage | null {
  try {
    const from = fields(JSON.parse(frame))
    const type = text(from, 'type')
    return Object.hasOwn(decoders, type) ? decoders[type as ServerMessage['type']](from) : null
  } catch {
    return null
  }
}

export const encode = (message: ClientMessage): string => JSON.stringify(message)
