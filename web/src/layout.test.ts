import * as fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { bestGrid, hue, initials, onStage, rosterOrder, speaking, tileOrder } from './layout'
import type { Participant } from './protocol'
import { initialSession, type SessionState } from './session'

const person = (id: string, change: Partial<Participant> = {}): Participant => ({
  id,
  name: id,
  kind: 'browser',
  role: 'guest',
  muted: false,
  camera: false,
  talking: false,
  hand: false,
  byPhone: false,
  presenting: false,
  deafened: false,
  held: false,
  videoMuted: false,
  gainDb: 0,
  side: null,
  listening: null,
  ...change,
})
const room = (change: Partial<SessionState>): SessionState => ({ ...initialSession, phase: 'joined', self: 'me', ...change })

test('who talks aside is shown speaking to those aside with them only', () => {
  const talks = { talking: true }
  const aside = person('raj', { ...talks, side: 1 })
  const seenFrom = (side: number | null) => room({ roster: [person('me', { side }), aside] })
  expect(speaking(aside, seenFrom(1))).toBe(true)
  expect(speaking(aside, seenFrom(2))).toBe(false)
  expect(speaking(aside, seenFrom(null))).toBe(false)
  expect(speaking(person('zoe', talks), seenFrom(1))).toBe(true)
  expect(speaking(person('zoe', { ...talks, muted: true }), seenFrom(null))).toBe(false)
})

describe('the grid', () => {
  test('tiles never overlap nor leave the box, whatever its shape', () => {
    for (const [width, height] of [[1280, 720], [390, 700], [2000, 300], [300, 1500]] as const) {
      for (let count = 1; count <= 40; count += 1) {
        const grid = bestGrid(width, height, count, 10)
        expect(grid.width / Math.max(1, grid.height)).toBeLessThan(1.9)
        expect(grid.columns * grid.rows).toBeGreaterThanOrEqual(count)
        expect(grid.columns * grid.width + (grid.columns - 1) * 10).toBeLessThanOrEqual(width)
        expect(grid.rows * grid.height + (grid.rows - 1) * 10).toBeLessThanOrEqual(height)
      }
    }
  })

  test('a box without size gives tiles without size', () => {
    expect(bestGrid(0, 0, 5, 10)).toMatchObject({ width: 0, height: 0 })
  })

  test('four in a wide box stand two by two', () => {
    expect(bestGrid(1280, 720, 4, 10)).toMatchObject({ columns: 2, rows: 2 })
  })
})

describe('the stage', () => {
  const me = person('me', { camera: true })
  const ann = person('ann', { camera: true })
  const raj = person('raj', { camera: true })
  const phone = person('phone', { kind: 'phone' })
  const roster = [me, ann, raj, phone]

  test('a speaker with a camera comes with the picture, not before', () => {
    const state = room({ roster, floor: 'raj', lastFloor: 'raj', video: [{ mid: '1', participant: 'ann' }] })
    expect(onStage(state, null)?.id).toBe('ann')
    expect(onStage({ ...state, video: [{ mid: '1', participant: 'raj' }] }, null)?.id).toBe('raj')
  })

  test('a phone caller who speaks comes at once', () => {
    const state = room({ roster, floor: 'phone', lastFloor: 'phone', video: [{ mid: '1', participant: 'ann' }] })
    expect(onStage(state, null)?.id).toBe('phone')
  })

  test('one never sees oneself large, unless alone', () => {
    const state = room({ roster, floor: 'me', lastFloor: 'phone', video: [{ mid: '1', participant: 'ann' }] })
    expect(onStage(state, null)?.id).toBe('phone')
    expect(onStage(room({ roster: [me] }), null)?.id).toBe('me')
  })

  test('a pinned participant stays until gone', () => {
    const state = room({ roster, floor: 'raj', video: [{ mid: '1', participant: 'raj' }] })
    expect(onStage(state, 'ann')?.id).toBe('ann')
    expect(onStage(state, 'somebody gone')?.id).toBe('raj')
  })

  test('tiles: oneself, then pictures, then the others', () => {
    const state = room({ roster: [phone, ann, me, raj] })
    expect(tileOrder(state).map(({ id }) => id)).toEqual(['me', 'ann', 'raj', 'phone'])
  })
})

test('the roster lists raised hands first, in their order', () => {
  const state = room({ roster: ['zoe', 'ann', 'leo', 'me', 'bo'].map((id) => person(id)), hands: ['leo', 'zoe'] })
  expect(rosterOrder(state).map(({ id }) => id)).toEqual(['leo', 'zoe', 'me', 'ann', 'bo'])
})

test('initials of any name', () => {
  const cases = { 'Ann Becker': 'AB', 'mia von der Au': 'MA', leo: 'L', '李小龍': '李', '🦊 Fox': 'F', '': '', '+49 30 417': '44' }
  for (const [name, letters] of Object.entries(cases)) expect(initials(name)).toBe(letters)
})

test('a colour stays with the name and is one of eight', () => {
  for (const name of ['Ann', 'Raj', '', '李小龍']) {
    expect(hue(name)).toBe(hue(name))
    expect(hue(name)).toBeGreaterThanOrEqual(0)
    expect(hue(name)).toBeLessThan(8)
  }
})

describe('whoever is in the room', () => {
  const ids = ['me', 'ann', 'raj', 'zoe', 'kim', 'lee', 'tom', 'phone']
  const someone = fc.option(fc.constantFrom(...ids), { nil: null })
  /** Any roster with oneself in it, any raised hands and floor, also of people who have just left. */
  const states = fc
    .record({
      people: fc.shuffledSubarray(ids.slice(1)),
      cameras: fc.array(fc.boolean(), { minLength: ids.length, maxLength: ids.length }),
      hands: fc.shuffledSubarray(ids),
      place: fc.nat({ max: ids.length }),
      floor: someone,
      lastFloor: someone,
      shown: someone,
    })
    .map(({ people, cameras, hands, place, floor, lastFloor, shown }) =>
      room({
        roster: people.toSpliced(place, 0, 'me').map((id, index) => person(id, { camera: cameras[index] ?? false })),
        hands,
        floor,
        lastFloor,
        video: [{ mid: '1', participant: shown }],
      }),
    )
  const names = (people: readonly Participant[]) => people.map(({ id }) => id).toSorted()

  test('stands exactly once among the tiles and exactly once in the list', () => {
    fc.assert(
      fc.property(states, (state) => {
        expect(names(tileOrder(state))).toEqual(names(state.roster))
        expect(names(rosterOrder(state))).toEqual(names(state.roster))
        expect(tileOrder(state)[0]?.id).toBe('me')
      }),
    )
  })

  test('raised hands come first and in their order', () => {
    fc.assert(
      fc.property(states, (state) => {
        const raised = state.hands.filter((id) => state.roster.some((participant) => participant.id === id))
        expect(rosterOrder(state).slice(0, raised.length).map(({ id }) => id)).toEqual(raised)
      }),
    )
  })

  test('the stage shows somebody who is there, and oneself only when alone or pinned', () => {
    fc.assert(
      fc.property(states, someone, (state, pinned) => {
        const shown = onStage(state, pinned)
        expect(state.roster).toContainEqual(shown)
        if (shown?.id === 'me') expect(pinned === 'me' || state.roster.length === 1).toBe(true)
      }),
    )
  })
})
