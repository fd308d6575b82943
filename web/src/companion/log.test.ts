import { array, assert, integer, property, shuffledSubarray, uniqueArray } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { cover, empty, gaps, merge, posts, trim, whole, type Log } from './log'
import type { Kind, LogEvent } from './protocol'

const event = (seq: number, kind: Kind = 'text', more: Partial<LogEvent> = {}): LogEvent => ({
  conversation: 'c',
  seq,
  kind,
  sender: 'ann',
  client_id: `n${seq}`,
  target: 0,
  body: { text: `post ${seq}` },
  ts: seq,
  ...more,
})

const all = (count: number) => Array.from({ length: count }, (_, at) => event(at + 1))

describe('the log', () => {
  it('is the same whatever the order, the parts and the repetitions in which events arrive', () => {
    assert(
      property(array(array(integer({ min: 1, max: 40 }), { maxLength: 12 }), { maxLength: 12 }), (parts) => {
        const seqs = [...new Set(parts.flat())].toSorted((a, b) => a - b)
        const log = parts.reduce<Log>((held, part) => merge(held, part.map((seq) => event(seq))), empty)
        expect(log).toEqual(merge(empty, seqs.map((seq) => event(seq))))
        expect(log.events.map(({ seq }) => seq)).toEqual(seqs)
      }),
    )
  })

  it('misses exactly what it has not got', () => {
    assert(
      property(uniqueArray(integer({ min: 1, max: 30 }), { minLength: 1 }), integer({ min: 30, max: 35 }), (seqs, head) => {
        const log = merge(empty, seqs.map((seq) => event(seq)))
        const missing = new Set<number>()
        for (const { from, to } of gaps(log, head)) for (let seq = from; seq <= to; seq += 1) missing.add(seq)
        const first = Math.min(...seqs)
        for (let seq = 1; seq <= head; seq += 1) expect(missing.has(seq)).toBe(seq > first && !seqs.includes(seq))
      }),
    )
  })

  it('has no gap once every gap was read, even where the server had nothing', () => {
    assert(
      property(uniqueArray(integer({ min: 1, max: 30 }), { minLength: 1 }), integer({ min: 0, max: 3 }), (seqs, kept) => {
        let log = merge(empty, seqs.map((seq) => event(seq)))
        for (const gap of gaps(log, 30)) log = merge(log, all(30).filter(({ seq }) => seq >= gap.from && seq <= gap.to && seq % 4 <= kept), gap)
        expect(gaps(log, 30)).toEqual([])
      }),
    )
  })

  it('that was cut misses what it missed, and no more', () => {
    assert(
      property(uniqueArray(integer({ min: 1, max: 30 }), { minLength: 1 }), integer({ min: 1, max: 12 }), (seqs, most) => {
        const log = merge(empty, seqs.map((seq) => event(seq)))
        const cut = trim(log, most)
        const first = cut.events[0]?.seq ?? 0
        expect(cut.events).toEqual(log.events.slice(-most))
        expect(gaps(cut, 30)).toEqual(gaps(log, 30).filter(({ from }) => from > first))
      }),
    )
  })

  it('joins spans that touch, and knows whether it begins at the beginning', () => {
    expect(cover([{ from: 1, to: 3 }, { from: 7, to: 9 }], { from: 4, to: 6 })).toEqual([{ from: 1, to: 9 }])
    expect(whole(merge(empty, [event(2)]))).toBe(false)
    expect(whole(merge(empty, [event(2)], { from: 1, to: 2 }))).toBe(true)
    expect(gaps(empty, 9)).toEqual([])
  })
})

describe('posts', () => {
  const log = (...events: LogEvent[]) => posts(merge(empty, events))

  it('carry their last edit, and only their author’s', () => {
    const [post] = log(event(1), event(2, 'edit', { target: 1, body: { text: 'better' } }), event(3, 'edit', { target: 1, sender: 'eve', body: { text: 'worse' } }))
    expect(post).toMatchObject({ seq: 1, edited: true, body: { text: 'better' } })
  })

  it('lose everything when deleted', () => {
    const [post] = log(event(1), event(2, 'react', { target: 1, body: { emoji: '👍', on: true } }), event(3, 'delete', { target: 1, body: {} }), event(4, 'react', { target: 1, body: { emoji: '👍', on: true } }))
    expect(post).toMatchObject({ deleted: true, body: {}, reactions: [] })
  })

  it('end with their conference, and are gone where the server emptied them', () => {
    const call = (seq: number, state: string) => event(seq, 'call', { body: { conference: '80', state } })
    expect(log(call(1, 'started'), call(2, 'ended')).map(({ body }) => body.state)).toEqual(['ended', 'ended'])
    expect(log(event(1, 'text', { body: {} }))[0]?.deleted).toBe(true)
    expect(log(event(1, 'text', { body: { text: 'x', edited: 5 } }))[0]?.edited).toBe(true)
  })

  it('count each person’s reaction once', () => {
    const on = (seq: number, sender: string, yes = true) => event(seq, 'react', { sender, target: 1, body: { emoji: '👍', on: yes } })
    expect(log(event(1), on(2, 'bo'), on(3, 'bo'), on(4, 'cy'))[0]?.reactions).toEqual([{ emoji: '👍', users: ['bo', 'cy'] }])
    expect(log(event(1), on(2, 'bo'), on(3, 'bo', false))[0]?.reactions).toEqual([])
  })

  it('are the same whatever came first', () => {
    const events = [event(1), event(2), event(3, 'edit', { target: 1, body: { text: 'x' } }), event(4, 'delete', { target: 2 }), event(5, 'react', { target: 1, body: { emoji: '🙂', on: true } })]
    assert(
      property(shuffledSubarray(events, { minLength: 5 }), (shuffled) => {
        expect(log(...shuffled)).toEqual(log(...events))
      }),
    )
  })
})
