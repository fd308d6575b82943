/** What was: calls in conversations and to phones, what I noted about them, and which conversations are current. Pure. */

import { fields, number, text, type Id, type LogEvent } from './protocol'
import type { Talk } from './state'

/** A conversation is current for so long after its last message, in ms. */
const CURRENT = 3_600_000

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
