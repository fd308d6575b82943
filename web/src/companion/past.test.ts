import { describe, expect, it } from 'vitest'
import { annotated, conferences, current, found, further, lastCall, length, note, noteOn, ownNotes, refreshed, tookPart, type Found } from './past'
import { conversation, event, type LogEvent } from './protocol'
import type { Talk } from './state'

const call = (place: string, seq: number, ts: number, body: object): LogEvent => {
  const made = event({ conversation: place, seq, kind: 'call', sender: 'bo', client_id: `c${seq}`, ts, body })
  if (!made) throw new Error('no event')
  return made
}

it('makes one of the events of a conference, in any order', () => {
  const began = call('d', 4, 100, { conference: '8001', state: 'started' })
  const ended = call('d', 7, 160, { conference: '8001', state: 'ended', missed: ['cy'], users: ['ann', 'bo'] })
  const runs = call('d', 9, 200, { conference: '8002', state: 'started' })
  for (const events of [[began, ended, runs], [runs, ended, began]]) {
    expect(conferences(events).map(({ event: { seq }, until, missed, came }) => [seq, until, missed, came])).toEqual([
      [9, 0, [], []],
      [4, 160, ['cy'], ['ann', 'bo']],
    ])
  }
})

it('tells for how long only what it knows the beginning of, and who took part', () => {
  const began = call('d', 4, 100, { conference: '8001', state: 'started' })
  const ended = call('d', 7, 160, { conference: '8001', state: 'ended', missed: ['cy'], users: ['ann', 'bo'] })
  const whole = conferences([began, ended])
  expect(whole.map(length)).toEqual([60])
  expect(conferences([ended]).map(length)).toEqual([0])
  expect(conferences([began]).map(length)).toEqual([0])
  expect(['ann', 'cy', 'eve'].map((who) => whole.map((one) => tookPart(one, who)))).toEqual([[true], [false], [false]])
  expect(conferences([began]).map((one) => tookPart(one, 'eve'))).toEqual([true])
})

describe('pages of the history', () => {
  const page = (from: number, to: number, next: number, notes: readonly object[] = []): Found =>
    found({ events: Array.from({ length: from - to + 1 }, (_, at) => call('d', from - at, from - at, { conference: `8${from - at}`, state: 'started' })), phones: [{ id: `p${from}`, phone: '+49', ts: from }], notes, next })
  const seqs = ({ events }: Found) => events.map(({ seq }) => seq)
  const noted = (seq: number, text: string) => ({ conversation: 'd', seq, conference: `8${seq}`, text, ts: 1 })

  it('follow one another once, and stay when the first is read anew', () => {
    const three = further(further(page(9, 7, 7), page(6, 4, 4)), page(3, 2, 2))
    expect([seqs(three), three.next, three.phones.length]).toEqual([[9, 8, 7, 6, 5, 4, 3, 2], 2, 3])
    expect(seqs(further(three, page(3, 2, 2)))).toEqual(seqs(three))
    const anew = refreshed(three, page(11, 9, 9))
    expect([seqs(anew), anew.next]).toEqual([[11, 10, 9, 8, 7, 6, 5, 4, 3, 2], 2])
    expect(seqs(refreshed(three, page(30, 28, 28))), 'between them something is missing').toEqual([30, 29, 28])
    expect(seqs(refreshed(three, page(11, 10, 0)))).toEqual([11, 10])
  })

  it('keep their notes as they are now', () => {
    const both = further(page(9, 7, 7, [noted(8, 'old')]), page(6, 4, 0, [noted(5, 'far')]))
    const texts = ({ notes }: Found) => notes.map(({ text }) => text)
    const [, far] = both.notes
    expect(texts(annotated(both, far ?? null, note(noted(5, 'new'))))).toEqual(['new', 'old'])
    expect(texts(annotated(both, far ?? null, null))).toEqual(['old'])
    expect(texts(annotated(both, null, note({ phone_call: 'p9', phone: '+49', text: 'coat', ts: 1 })))).toEqual(['coat', 'old', 'far'])
    expect(texts(refreshed(both, page(9, 7, 7))), 'taken away on another device').toEqual(['far'])
  })
})

it('reads all notes on conversations, page by page and not for ever', async () => {
  const asked: object[] = []
  const notes = await ownNotes(async (about) => {
    asked.push(about)
    return { notes: [{ conversation: `c${asked.length}`, text: 'x', ts: 9 - asked.length }], ...(asked.length < 3 && { next: 9 - asked.length }) }
  })
  expect(notes.map(({ conversation: of }) => of)).toEqual(['c1', 'c2', 'c3'])
  expect(asked).toEqual([{ own: true }, { own: true, before: 8 }, { own: true, before: 7 }])
  expect(await ownNotes(async () => ({ notes: [{ conversation: 'c', text: 'x', ts: 1 }], next: 1 }))).toHaveLength(20)
  expect(await ownNotes(async () => null)).toEqual([])
})

it('finds a note by its conference, whichever event there is', () => {
  const notes = [note({ conversation: 'd', text: 'of the whole', ts: 1 }), note({ conversation: 'd', seq: 4, conference: '8001', text: 'of the call', ts: 2 })].filter((one) => one !== null)
  expect(noteOn(notes, call('d', 7, 160, { conference: '8001', state: 'ended' }))?.text).toBe('of the call')
  expect(noteOn(notes, call('e', 7, 160, { conference: '8001', state: 'ended' }))).toBeNull()
  expect(noteOn(notes, call('d', 9, 160, {}))).toBeNull()
  expect(note({ conversation: 'd', text: '' })).toBeNull()
})

it('calls conversations current that were spoken in within the hour, or in which a call goes on', () => {
  const now = 10_000_000
  const talk = (id: string, kind: string, last: object | undefined): [string, Talk] => {
    const info = conversation({ id, kind, members: ['ann'], last_seq: 1, last })
    if (!info) throw new Error('no conversation')
    return [id, { info } as Talk]
  }
  const text = (id: string, ts: number) => ({ conversation: id, seq: 1, kind: 'text', sender: 'bo', body: { text: 'x' }, ts })
  const talks = Object.fromEntries([
    talk('old', 'direct', text('old', now - 3_700_000)),
    talk('fresh', 'direct', text('fresh', now - 60_000)),
    talk('fresher', 'group', text('fresher', now - 1_000)),
    talk('room', 'room', text('room', now)),
    talk('silent', 'group', undefined),
    talk('calls', 'group', call('calls', 1, now - 9_000_000, { conference: '1', state: 'started' })),
    talk('called', 'group', call('called', 1, now - 9_000_000, { conference: '2', state: 'ended' })),
  ])
  expect(current(talks, now).map(({ info }) => info.id)).toEqual(['fresher', 'fresh', 'calls'])
  expect(lastCall(talks)).toBe(now - 9_000_000)
  expect(lastCall({})).toBe(0)
})
