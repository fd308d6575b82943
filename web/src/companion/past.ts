/** What was: calls in conversations and to phones, what I noted about them, and which conversations are current. Pure. */

import { event as asEvent, fields, list, number, text, type Fields, type Id, type LogEvent } from './protocol'
import type { Talk } from './state'

/** A conversation is current for so long after its last message, in ms. */
const CURRENT = 3_600_000
/** Pages of notes that are read at most; the server keeps as many notes. */
const PAGES = 20

/** A call of mine to a phone. */
export interface PhoneCall {
  readonly id: Id
  readonly phone: string
  readonly name: string
  readonly ts: number
}

/** What I noted for myself: on a conversation, on a call in it, or on a call to a phone. */
export interface Note {
  readonly conversation: Id
  /** Of the event that began the call; 0: the conversation's own. */
  readonly seq: number
  readonly conference: string
  readonly phoneCall: Id
  /** The number of the call to a phone, or whom it was. */
  readonly phone: string
  readonly text: string
  readonly ts: number
}

/** A conference that was held, or still is; `until` is 0 then. */
export interface Held {
  readonly event: LogEvent
  readonly until: number
  readonly missed: readonly Id[]
  /** Who was in it. */
  readonly came: readonly Id[]
}

/** What the server told of the history so far. */
export interface Found {
  readonly events: readonly LogEvent[]
  readonly phones: readonly PhoneCall[]
  readonly notes: readonly Note[]
  /** Of the next page; 0: there is none. */
  readonly next: number
}

export function phoneCall(value: unknown): PhoneCall | null {
  const from = fields(value)
  return text(from, 'phone') === '' ? null : { id: text(from, 'id'), phone: text(from, 'phone'), name: text(from, 'name'), ts: number(from, 'ts') }
}

export function note(value: unknown): Note | null {
  const from = fields(value)
  if (text(from, 'text') === '') return null
  return {
    conversation: text(from, 'conversation'),
    seq: number(from, 'seq') || 0,
    conference: text(from, 'conference'),
    phoneCall: text(from, 'phone_call'),
    phone: text(from, 'name') || text(from, 'phone'),
    text: text(from, 'text'),
    ts: number(from, 'ts'),
  }
}

/** Of call events in any order one for each conference, with who began it, who was in it and who missed it; newest first. */
export function conferences(events: readonly LogEvent[]): readonly Held[] {
  const made = new Map<string, Held>()
  for (const event of events.toSorted((a, b) => a.ts - b.ts)) {
    const key = `${event.conversation} ${event.body.conference ?? event.seq}`
    const first = made.get(key)
    made.set(key, {
      event: first?.event ?? event,
      until: event.body.state === 'ended' ? event.ts : (first?.until ?? 0),
      missed: [...new Set([...(first?.missed ?? []), ...(event.body.missed ?? [])])],
      came: [...new Set([...(first?.came ?? []), ...(event.body.users ?? [])])],
    })
  }
  return [...made.values()].toReversed()
}

/** How long it took, in ms; 0 as long as its beginning or its end is not known. */
export const length = ({ event, until }: Held): number => (until > 0 && event.body.state === 'started' ? until - event.ts : 0)

/** Whether `me` was there; where nobody was told of, as of older calls, whoever did not miss it was. */
export const tookPart = ({ missed, came }: Held, me: Id): boolean => !missed.includes(me) && (came.length === 0 || came.includes(me))

export const found = (answer: Fields): Found => ({
  events: list(answer, 'events', asEvent),
  phones: list(answer, 'phones', phoneCall),
  notes: list(answer, 'notes', note),
  next: number(answer, 'next') || 0,
})

const at = ({ conversation, seq }: LogEvent): string => `${conversation} ${seq}`
const about = ({ conversation, seq, phoneCall: call }: Note): string => `${conversation} ${seq} ${call}`

/** Those of `first`, and of `then` what is not among them. */
function both<T>(first: readonly T[], then: readonly T[], key: (one: T) => string): readonly T[] {
  const known = new Set(first.map(key))
  return [...first, ...then.filter((one) => !known.has(key(one)))]
}

const together = (first: Found, then: Found, next: number): Found => ({
  events: both(first.events, then.events, at),
  phones: both(first.phones, then.phones, ({ id, phone, ts }) => id || `${phone} ${ts}`),
  notes: both(first.notes, then.notes, about),
  next,
})

/** What was read, and the page after it; one that was asked for twice adds nothing. */
export const further = (old: Found, page: Found): Found => (old.next === 0 ? old : together(old, page, page.next))

/** What was read, with its first page read anew; what follows stays, where the two meet. */
export function refreshed(old: Found, page: Found): Found {
  const held = new Set(old.events.map(at))
  const meets = page.next > 0 && page.events.some((event) => held.has(at(event)))
  if (!meets) return page
  // A note of the time that the page is about, and is not on it, was taken away.
  const notes = old.notes.filter((one) => one.conversation === '' || !page.events.some((event) => noteOn([one], event)))
  return together(page, { ...old, notes }, old.next)
}

/** With my note as it is now; `null` is none. */
export function annotated(old: Found, was: Note | null, now: Note | null): Found {
  const gone = new Set([was, now].filter((one) => one !== null).map(about))
  return { ...old, notes: [...(now ? [now] : []), ...old.notes.filter((one) => !gone.has(about(one)))] }
}

/** All my notes on conversations, page by page, before `before`. */
export async function ownNotes(ask: (about: Fields) => Promise<Fields | null>, before = 0, pages = PAGES): Promise<readonly Note[]> {
  const answer = await ask({ own: true, ...(before > 0 && { before }) })
  if (!answer) return []
  const next = number(answer, 'next')
  return [...list(answer, 'notes', note), ...(next > 0 && pages > 1 ? await ownNotes(ask, next, pages - 1) : [])]
}

/** What I noted about this call. */
export const noteOn = (notes: readonly Note[], { conversation, body }: LogEvent): Note | null =>
  notes.find((one) => one.conversation === conversation && one.conference !== '' && one.conference === body.conference) ?? null

/** Conversations of mine, but no rooms, in which somebody spoke within the hour or a call goes on; the newest first. */
export function current(talks: Readonly<Record<Id, Talk>>, now: number): readonly Talk[] {
  const lives = ({ info: { kind, last } }: Talk) => kind !== 'room' && last !== null && (now - last.ts < CURRENT || (last.kind === 'call' && last.body.state === 'started'))
  return Object.values(talks)
    .filter(lives)
    .toSorted((a, b) => (b.info.last?.ts ?? 0) - (a.info.last?.ts ?? 0))
}

/** When a call last began or ended in any conversation, as far as it is the last that happened there. */
export const lastCall = (talks: Readonly<Record<Id, Talk>>): number => Math.max(0, ...Object.values(talks).map(({ info: { last } }) => (last?.kind === 'call' ? last.ts : 0)))
