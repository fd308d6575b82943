/** Whose pictures do badly, and on whose account. */

import { expect, test } from 'vitest'
import { illOf, readPictures, type Look, type Received } from './health'

const steady: Received = { packets: 1_000, lost: 5, frames: 200, frozen: 0.2 }
const look = (at: number, received: Received, participant: string | null = 'p_ann'): Look => ({
  at,
  received: new Map([['2', received]]),
  slots: [{ mid: '2', participant }],
  cameras: ['p_ann'],
})
const before = look(0, steady)
const after = (change: Partial<Received>, participant?: string | null) =>
  [...illOf(before, look(4_000, { ...steady, packets: 1_400, frames: 300, ...change }, participant))]

test('a picture that runs is well, and so is one that stood still for a moment', () => {
  expect(after({})).toEqual([])
  expect(after({ frozen: 0.7 })).toEqual([])
})

test('what is lost on the way to us is our line', () => {
  expect(after({ lost: 40 })).toEqual([['p_ann', 'own_line']])
  expect(after({ lost: 40, frozen: 3 })).toEqual([['p_ann', 'own_line']])
})

test('what stands still although nothing is lost on the way to us is theirs', () => {
  expect(after({ frozen: 1.4 })).toEqual([['p_ann', 'their_line']])
  expect(after({ packets: 1_000, frames: 200 })).toEqual([['p_ann', 'their_line']])
  expect(after({ frozen: null, frames: 205 })).toEqual([['p_ann', 'their_line']])
  expect(after({ frozen: null, frames: 240 })).toEqual([])
})

test('a slot that shows somebody else now is not judged', () => {
  expect(after({ packets: 1_000, frames: 200 }, 'p_ben')).toEqual([])
  expect(after({ packets: 1_000, frames: 200 }, null)).toEqual([])
})

test('a camera without a picture is told of where there is room for one', () => {
  const empty = { ...before, slots: [{ mid: '2', participant: null }] }
  expect([...illOf(empty, { ...empty, at: 4_000 })]).toEqual([['p_ann', 'unseen']])
  expect([...illOf(before, { ...empty, at: 4_000 })]).toEqual([])
  const full = { ...empty, slots: [{ mid: '2', participant: 'p_ben' }] }
  expect([...illOf(empty, { ...full, at: 4_000 })]).toEqual([])
})

test('the browser counts by section', () => {
  const report = [
    ['1', { type: 'inbound-rtp', kind: 'audio', mid: '0', packetsReceived: 7 }],
    ['2', { type: 'inbound-rtp', kind: 'video', mid: '2', packetsReceived: 9, packetsLost: -1, framesDecoded: 3 }],
    ['3', { type: 'outbound-rtp', kind: 'video', mid: '1' }],
  ] as [string, Record<string, unknown>][]
  expect([...readPictures(report)]).toEqual([['2', { packets: 9, lost: 0, frames: 3, frozen: null }]])
})
