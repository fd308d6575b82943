import { describe, expect, test } from 'vitest'
import { bestGrid, hue, initials, onStage, rosterOrder, tileOrder } from './layout'
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
  ...change,
})
const room = (change: Partial<SessionState>): SessionState => ({ ...initialSession, phase: 'joined', self: 'me', ...change })

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
