/** How much of the processor other machines took, as `tests/src/real_time.rs` has it for tests in Rust. */

import { readFileSync } from 'node:fs'

/** All ticks of all cores, and those that were wanted here and given to others: the first line of proc(5)'s stat. */
function ticks() {
  const fields = readFileSync('/proc/stat', 'utf8').split('\n', 1)[0].split(/\s+/).slice(1, 9).map(Number)
  return { all: fields.reduce((sum, one) => sum + one, 0), stolen: fields[7] ?? 0 }
}

/** Watches from now on; the function it gives ends that and tells the largest part that was missing for a second. */
export function watchStolen() {
  let before = ticks()
  let most = 0
  const look = () => {
    const now = ticks()
    most = Math.max(most, (now.stolen - before.stolen) / Math.max(1, now.all - before.all))
    before = now
  }
  const timer = setInterval(look, 1000)
  return () => {
    clearInterval(timer)
    return most
  }
}
