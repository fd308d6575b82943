/**
 * The log of one conversation as far as this page holds it, and what it amounts to: posts with their edits, reactions
 * and deletions. Pure: order and number of arrivals never matter.
 */

import type { Body, Id, Kind, LogEvent } from './protocol'

/** Numbers from `from` to `to`, both included. */
export interface Span {
  readonly from: number
  readonly to: number
}

export interface Log {
  /** By `seq`, each once. */
  readonly events: readonly LogEvent[]
  /** Where nothing is missing; disjoint, in order, never touching. */
  readonly known: readonly Span[]
}

export const empty: Log = { events: [], known: [] }

/** Takes `events` in; `covers` is what they are all there is of. */
export function merge(log: Log, events: readonly LogEvent[], covers: Span | null = null): Log {
  const bySeq = new Map(log.events.map((event) => [event.seq, event]))
  let known = log.known
  for (const event of events) {
    if (!bySeq.has(event.seq)) bySeq.set(event.seq, event)
    known = cover(known, { from: event.seq, to: event.seq })
  }
  if (covers) known = cover(known, covers)
  return { events: [...bySeq.values()].toSorted((a, b) => a.seq - b.seq), known }
}

export function cover(known: readonly Span[], span: Span): readonly Span[] {
  if (span.from > span.to) return known
  const apart = known.filter(({ from, to }) => to + 1 < span.from || from > span.to + 1)
  const joined = known.filter(({ from, to }) => to + 1 >= span.from && from <= span.to + 1)
  const whole = {
    from: Math.min(span.from, ...joined.map(({ from }) => from)),
    to: Math.max(span.to, ...joined.map(({ to }) => to)),
  }
  return [...apart, whole].toSorted((a, b) => a.from - b.from)
}

/** What is missing between the first that is held and `head`. Older ones are read when somebody scrolls there. */
export function gaps(log: Log, head: number): readonly Span[] {
  const missing: Span[] = []
  let next = log.known[0]?.from ?? head + 1
  for (const { from, to } of log.known) {
    if (from > next) missing.push({ from: next, to: Math.min(from - 1, head) })
    next = Math.max(next, to + 1)
  }
  if (next <= head) missing.push({ from: next, to: head })
  return missing
}

/** The last `most` events of a log; what came before is read again when somebody scrolls there. */
export function trim(log: Log, most: number): Log {
  const first = log.events.at(-most)?.seq
  if (log.events.length <= most || first === undefined) return log
  const known = log.known.filter(({ to }) => to >= first).map(({ from, to }) => ({ from: Math.max(from, first), to }))
  return { events: log.events.slice(-most), known }
}

/** The log begins with the conversation's first event. */
export const whole = (log: Log): boolean => log.known[0]?.from === 1

export interface Post {
  readonly seq: number
  readonly kind: Kind
  readonly sender: Id
  readonly client_id: string
  readonly ts: number
  readonly body: Body
  readonly edited: boolean
  readonly deleted: boolean
  /** In order of first use. */
  readonly reactions: readonly { readonly emoji: string; readonly users: readonly Id[] }[]
}

type Draft = { -readonly [K in keyof Post]: Post[K] }

/** The posts of a log, later events about earlier ones laid into them. */
export function posts(log: Log): readonly Post[] {
  const made = new Map<number, Draft>()
  for (const event of log.events) {
    const { seq, kind, sender, client_id, ts, body, target } = event
    const meant = made.get(target)
    if (kind === 'edit') {
      if (meant && meant.sender === sender && meant.kind === 'text') Object.assign(meant, { body: { ...meant.body, text: body.text ?? '' }, edited: true })
    } else if (kind === 'delete') {
      if (meant) Object.assign(meant, { deleted: true, body: {}, reactions: [] })
    } else if (kind === 'react') {
      if (meant && !meant.deleted) meant.reactions = react(meant.reactions, sender, body.emoji ?? '', body.on !== false)
    } else {
      if (kind === 'call' && body.state === 'ended') for (const one of made.values()) if (one.body.conference === body.conference) one.body = { ...one.body, state: 'ended', missed: [...(one.body.missed ?? []), ...(body.missed ?? [])] }
      // The server empties what was deleted, so that it is known even where the deletion is out of sight.
      const emptied = kind === 'text' && body.text === undefined && !body.files
      made.set(seq, { seq, kind, sender, client_id, ts, body, edited: body.edited !== undefined, deleted: emptied, reactions: [] })
    }
  }
  return [...made.values()]
}

function react(reactions: Post['reactions'], user: Id, emoji: string, on: boolean): Post['reactions'] {
  if (emoji === '') return reactions
  const known = reactions.some((one) => one.emoji === emoji)
  const next = known || !on ? reactions : [...reactions, { emoji, users: [] }]
  return next
    .map((one) => {
      if (one.emoji !== emoji) return one
      const others = one.users.filter((id) => id !== user)
      return { emoji, users: on ? [...others, user] : others }
    })
    .filter(({ users }) => users.length > 0)
}
