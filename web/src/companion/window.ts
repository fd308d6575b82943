/** Which posts of a long log are drawn: a bounded number of them, wherever somebody reads. Pure. */

/** Posts that are drawn at once. */
export const WINDOW = 300
/** By how many it moves. */
export const STEP = 100

/** Indexes, `end` not included. */
export interface Window {
  readonly start: number
  readonly end: number
}

type Numbered = readonly { readonly seq: number }[]

/** The window that ends with the post `last`; `null` follows the end of the log. */
export function windowOf(posts: Numbered, last: number | null): Window {
  const beyond = last === null ? -1 : posts.findIndex(({ seq }) => seq > last)
  const end = beyond < 0 ? posts.length : beyond
  return { start: Math.max(0, end - WINDOW), end }
}

/** The `last` of the window after it was moved towards older posts, which may still be on their way. */
export function earlier(posts: Numbered, { start, end }: Window): number | null {
  const next = start > 0 ? end - STEP : Math.min(end, WINDOW - STEP)
  return next >= posts.length ? null : (posts[next - 1]?.seq ?? null)
}

/** The same towards newer ones. */
export function later(posts: Numbered, { end }: Window): number | null {
  return end + STEP >= posts.length ? null : (posts[end + STEP - 1]?.seq ?? null)
}

/** The `last` of a window that has `wanted` in it; the one there is if it has. */
export function around(posts: Numbered, wanted: number, last: number | null): number | null {
  const { start, end } = windowOf(posts, last)
  const at = posts.findIndex(({ seq }) => seq === wanted)
  if (at < 0 || (at >= start && at < end)) return last
  const next = at + WINDOW / 2
  return next >= posts.length ? null : (posts[next - 1]?.seq ?? null)
}
