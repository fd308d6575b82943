import { describe, expect, it } from 'vitest'
import { around, earlier, later, STEP, WINDOW, windowOf } from './window'

const posts = (count: number, from = 1) => Array.from({ length: count }, (_, at) => ({ seq: from + at }))

describe('the window of a long log', () => {
  it('follows the end, and is all of a short one', () => {
    expect(windowOf(posts(20), null)).toEqual({ start: 0, end: 20 })
    expect(windowOf(posts(1_000), null)).toEqual({ start: 1_000 - WINDOW, end: 1_000 })
  })

  it('goes back to the first and forward to the last, never larger than it may be', () => {
    const all = posts(10_000)
    let last: number | null = null
    let moves = 0
    while (windowOf(all, last).start > 0) {
      last = earlier(all, windowOf(all, last))
      const { start, end } = windowOf(all, last)
      expect(end - start).toBeLessThanOrEqual(WINDOW)
      moves += 1
      expect(moves).toBeLessThan(101)
    }
    while (last !== null) {
      const before = windowOf(all, last).end
      last = later(all, windowOf(all, last))
      expect(windowOf(all, last).end).toBeGreaterThan(before)
    }
    expect(windowOf(all, last).end).toBe(10_000)
  })

  it('shows older ones that come in before it', () => {
    const held = posts(WINDOW, 501)
    const last = earlier(held, windowOf(held, null))
    const more = [...posts(STEP, 401), ...held]
    expect(windowOf(more, last)).toEqual({ start: 0, end: WINDOW })
    const few = posts(100, 501)
    expect(earlier(few, windowOf(few, null))).toBe(null)
  })

  it('moves to what is wanted, and only then', () => {
    const all = posts(1_000)
    expect(around(all, 900, null)).toBe(null)
    const last = around(all, 200, null)
    const { start, end } = windowOf(all, last)
    expect(start <= 199 && 199 < end).toBe(true)
    expect(around(all, 5_000, 400)).toBe(400)
  })
})
