import { expect, it } from 'vitest'
import { conferences, current, lastCall, note, noteOn } from './past'
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
