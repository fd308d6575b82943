/**
 * What the page knows of the companion, as a pure state machine: messages of the server and deeds of the person in, state out.
 * Reads no clock, opens no socket; `client.ts` does what follows.
 */

import { conversation, contacts, customState, fields, filter, limits, list, number, presence, user } from './protocol'
import type { Contacts, Conversation, CustomState, Fields, Filter, Id, Limits, LogEvent, Mark, Presence, Ring, ServerMessage, User } from './protocol'
import { empty, merge, trim, type Log, type Span } from './log'

/** What somebody wrote and the server has not yet acknowledged. */
export interface Outgoing {
  readonly client_id: string
  readonly conversation: Id
  /** `send`, `edit`, `delete` or `react` with its fields. */
  readonly message: Fields
  readonly at: number
  /** Why the server would not have it; it then waits for its author. */
  readonly refused: string
}

export interface Talk {
  readonly info: Conversation
  readonly log: Log
  /** Highest `seq` that is known to exist. */
  readonly head: number
  /** Until when each types, in this clock's ms. */
  readonly typing: Readonly<Record<Id, number>>
  readonly marks: Readonly<Record<Id, { readonly delivered: number; readonly read: number }>>
}

export type Phase = 'starting' | 'signed_out' | 'connecting' | 'online' | 'reconnecting' | 'outdated'

export interface CompanionState {
  readonly phase: Phase
  readonly me: User | null
  readonly people: Readonly<Record<Id, User>>
  readonly presence: Readonly<Record<Id, Presence>>
  readonly talks: Readonly<Record<Id, Talk>>
  readonly contacts: Contacts
  readonly filters: readonly Filter[]
  readonly customStates: readonly CustomState[]
  readonly limits: Limits
  readonly settings: Fields
  readonly rings: readonly Ring[]
  readonly outbox: readonly Outgoing[]
  readonly drafts: Readonly<Record<Id, string>>
  /** Who has which room in view. */
  readonly views: Readonly<Record<Id, readonly Id[]>>
}

export const initial: CompanionState = {
  phase: 'starting',
  me: null,
  people: {},
  presence: {},
  talks: {},
  contacts: contacts(null),
  filters: [],
  customStates: [],
  limits: limits(null),
  settings: {},
  rings: [],
  outbox: [],
  drafts: {},
  views: {},
}

/** A typing mark lapses after this many ms. */
export const TYPING = 6_000

/** The answer to `hello`: the truth, beside which only the logs that are held stay. */
export function welcome(state: CompanionState, answer: Fields): CompanionState {
  const me = user(answer['me']) ?? state.me
  const talks: Record<Id, Talk> = {}
  for (const info of list(answer, 'conversations', conversation)) talks[info.id] = talkOf(state.talks[info.id], info)
  const own = presence(fields(answer['me'])['presence'])
  return {
    ...state,
    phase: 'online',
    me,
    people: index([...Object.values(state.people), ...list(answer, 'users', user), ...(me ? [me] : [])], ({ id }) => id),
    presence: index([...(own ? [own] : []), ...list(answer, 'presence', presence)], (one) => one.user),
    talks,
    contacts: contacts(answer['contacts']),
    filters: list(answer, 'filters', filter),
    customStates: list(answer, 'custom_states', customState),
    limits: limits(answer['limits']),
    settings: fields(answer['settings']),
    rings: [],
  }
}

function talkOf(held: Talk | undefined, info: Conversation): Talk {
  const log = held?.log ?? empty
  const head = Math.max(held?.head ?? 0, info.last_seq, info.last?.seq ?? 0)
  return { info, log, head, typing: held?.typing ?? {}, marks: further(held?.marks ?? {}, info.marks) }
}

/** Marks only ever move on. */
function further(marks: Talk['marks'], by: readonly Mark[]): Talk['marks'] {
  const moved = by.map(({ user: who, delivered, read }) => {
    const had = marks[who] ?? { delivered: 0, read: 0 }
    return [who, { delivered: Math.max(had.delivered, delivered), read: Math.max(had.read, read) }] as const
  })
  return { ...marks, ...Object.fromEntries(moved) }
}

/** The last `seq` of each log up to which nothing is missing. */
export function cursors(state: CompanionState): Record<Id, number> {
  const held: Record<Id, number> = {}
  for (const { info, log } of Object.values(state.talks)) {
    const last = log.known.at(-1)
    if (last) held[info.id] = last.to
  }
  return held
}

/** What the server tells by itself. */
export function told(state: CompanionState, message: ServerMessage, now: number): CompanionState {
  switch (message.type) {
    case 'events':
      return message.events.reduce((next, event) => arrived(next, event), state)
    case 'conversation':
      return withTalk(state, message.conversation.id, talkOf(state.talks[message.conversation.id], message.conversation))
    case 'gone': {
      const { [message.conversation]: _gone, ...talks } = state.talks
      return { ...state, talks, rings: state.rings.filter((ring) => ring.conversation !== message.conversation) }
    }
    case 'reset':
      return change(state, message.conversation, () => ({ log: empty }))
    case 'heads':
      return Object.entries(message.last).reduce((next, [id, last]) => change(next, id, (talk) => ({ head: Math.max(talk.head, last) })), state)
    case 'marks':
      return change(state, message.conversation, ({ marks }) => ({ marks: further(marks, message.marks) }))
    case 'read':
      return marked(state, message.conversation, message.read_seq, message.unread, message.mentions)
    case 'typing':
      return change(state, message.conversation, ({ typing }) => ({ typing: { ...typing, [message.user]: now + TYPING } }))
    case 'ring': {
      const { type: _ring, ...ring } = message
      return { ...state, rings: [...state.rings.filter(({ conference }) => conference !== ring.conference), ring] }
    }
    case 'ring_over':
      return { ...state, rings: state.rings.filter(({ conference }) => conference !== message.conference) }
    case 'presence':
      return { ...state, presence: { ...state.presence, ...index(message.presence, (one) => one.user) } }
    case 'contacts':
      return message.contacts.revision < state.contacts.revision ? state : { ...state, contacts: message.contacts }
    case 'view':
      return { ...state, views: { ...state.views, [message.room]: message.users } }
    default:
      return state
  }
}

/** One event of a conversation; the server's count of unread comes with `conversation` and `read`, this only keeps pace. */
function arrived(state: CompanionState, event: LogEvent): CompanionState {
  const next = change(state, event.conversation, (talk) => {
    const fresh = event.seq > talk.head
    const counts = fresh && event.sender !== state.me?.id && (event.kind === 'text' || event.kind === 'ink' || event.kind === 'call')
    const { [event.sender]: _typed, ...typing } = talk.typing
    const info = {
      ...talk.info,
      last: latest(talk.info.last, event, fresh),
      last_seq: Math.max(talk.info.last_seq, event.seq),
      unread: talk.info.unread + (counts ? 1 : 0),
      ...membership(talk.info, event),
    }
    return { info, log: merge(talk.log, [event]), head: Math.max(talk.head, event.seq), typing }
  })
  return { ...next, outbox: next.outbox.filter(({ client_id, conversation: of }) => event.sender !== state.me?.id || client_id !== event.client_id || of !== event.conversation) }
}

/** The last that a list shows, as the server has it: a post, a drawing or a call; what was made of it since. */
function latest(last: LogEvent | null, event: LogEvent, fresh: boolean): LogEvent {
  if (last === null || (fresh && ['text', 'ink', 'call'].includes(event.kind))) return event
  if (!fresh || event.target !== last.seq) return last
  if (event.kind === 'edit') return { ...last, body: { ...last.body, text: event.body.text ?? '' } }
  return event.kind === 'delete' ? { ...last, kind: 'delete', body: {} } : last
}

function membership(info: Conversation, { kind, body }: LogEvent): Partial<Conversation> {
  if (kind === 'change') return { subject: body.subject ?? info.subject, room: info.room && { ...info.room, topic: body.topic ?? info.room.topic } }
  // Of a room `members` is who is in view, which `view` tells.
  if (info.kind === 'room' || !body.users) return {}
  if (kind === 'join') return { members: [...new Set([...info.members, ...body.users])] }
  if (kind === 'leave') return { members: info.members.filter((id) => !body.users?.includes(id)) }
  return {}
}

/** Logs that nobody looks at are cut to their last `most` events, once they hold twice as many. */
export function forget(state: CompanionState, shown: Id | null, most: number): CompanionState {
  const long = Object.values(state.talks).filter(({ info, log }) => info.id !== shown && log.events.length > 2 * most)
  return long.reduce((next, { info }) => change(next, info.id, ({ log }) => ({ log: trim(log, most) })), state)
}

/** An answer of `history`: `covers` is the span of which it is all there is. */
export function history(state: CompanionState, id: Id, events: readonly LogEvent[], covers: Span | null): CompanionState {
  return change(state, id, ({ log }) => ({ log: merge(log, events, covers) }))
}

/** The server has `seq` as the last one read. */
export function marked(state: CompanionState, id: Id, read_seq: number, unread: number, mentions: number): CompanionState {
  return change(state, id, ({ info }) => ({ info: { ...info, read_seq: Math.max(read_seq, info.read_seq), unread, mentions } }))
}

export function queued(state: CompanionState, outgoing: Outgoing): CompanionState {
  return { ...state, outbox: [...state.outbox.filter(({ client_id }) => client_id !== outgoing.client_id), outgoing] }
}

/** The server has it on disk as `seq`: it leaves the outbox and stands in the log, once, whichever of answer and event comes first. */
export function acknowledged(state: CompanionState, { client_id, conversation: id, message }: Outgoing, answer: Fields): CompanionState {
  const seq = number(answer, 'seq')
  const next = { ...state, outbox: state.outbox.filter((one) => one.client_id !== client_id) }
  if (seq < 1 || message['type'] !== 'send') return change(next, id, (talk) => ({ head: Math.max(talk.head, seq) }))
  const event = { ...message, type: undefined, conversation: id, seq, sender: state.me?.id ?? '', client_id, target: 0, ts: number(answer, 'ts') } as unknown as LogEvent
  return arrived(next, event)
}

export function refused(state: CompanionState, client_id: string, code: string): CompanionState {
  return { ...state, outbox: state.outbox.map((one) => (one.client_id === client_id ? { ...one, refused: code } : one)) }
}

/** Typing marks that lapsed are taken away; the same state when there were none. */
export function lapse(state: CompanionState, now: number): CompanionState {
  let next = state
  for (const { info, typing } of Object.values(state.talks)) {
    const live = Object.entries(typing).filter(([, until]) => until > now)
    if (live.length < Object.keys(typing).length) next = change(next, info.id, () => ({ typing: Object.fromEntries(live) }))
  }
  return next
}

export function introduce(state: CompanionState, answer: Fields): CompanionState {
  const people = [...list(answer, 'people', user), ...list(answer, 'users', user)]
  return {
    ...state,
    people: { ...state.people, ...index(people, ({ id }) => id) },
    presence: { ...state.presence, ...index(list(answer, 'presence', presence), (one) => one.user) },
  }
}

/** Everyone whom the page would name and does not know. */
export function strangers(state: CompanionState): readonly Id[] {
  const named = new Set<Id>()
  for (const { info, log } of Object.values(state.talks)) {
    for (const id of info.members) named.add(id)
    if (info.last) named.add(info.last.sender)
    for (const { sender, body } of log.events) {
      named.add(sender)
      for (const id of body.users ?? []) named.add(id)
    }
  }
  for (const users of Object.values(state.views)) for (const id of users) named.add(id)
  for (const { user: id } of state.contacts.contacts) named.add(id)
  for (const id of state.contacts.recent) named.add(id)
  for (const { from } of state.rings) named.add(from)
  return [...named].filter((id) => id !== '' && !state.people[id])
}

/** Whose presence is to be watched beside the contacts', who are watched by themselves: those in the shown conversation or room, those of talks between two, `more`. */
export function audience(state: CompanionState, shown: Id | null, more: Id | null, most: number): readonly Id[] {
  const known = new Set([state.me?.id, ...state.contacts.contacts.map(({ user: id }) => id), ''])
  const here = shown === null ? undefined : state.talks[shown]?.info
  const between = Object.values(state.talks)
    .filter(({ info }) => info.kind === 'direct')
    .toSorted((a, b) => (b.info.last?.ts ?? 0) - (a.info.last?.ts ?? 0))
    .flatMap(({ info }) => info.members)
  const beside = here?.kind === 'room' ? (state.views[here.id] ?? here.members) : (here?.members ?? [])
  const wanted = [...(more === null ? [] : [more]), ...beside, ...between]
  return [...new Set(wanted)].filter((id) => !known.has(id)).slice(0, most)
}

function change(state: CompanionState, id: Id, by: (talk: Talk) => Partial<Talk>): CompanionState {
  const talk = state.talks[id]
  return talk ? withTalk(state, id, { ...talk, ...by(talk) }) : state
}

const withTalk = (state: CompanionState, id: Id, talk: Talk): CompanionState => ({ ...state, talks: { ...state.talks, [id]: talk } })

function index<T>(items: readonly T[], key: (item: T) => Id): Record<Id, T> {
  return Object.fromEntries(items.map((item) => [key(item), item]))
}

