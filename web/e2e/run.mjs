/**
 * Drives the built page in Debian's Chromium against the mock server. `npm run e2e`; screenshots go to the folder
 * in PLENUM_SHOTS, else to a temporary one. PLENUM_E2E runs only the tests whose name contains it, or one
 * of several between commas.
 */

import { mkdtemp } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { answerer } from './answerer.mjs'
import { axe } from './companion-axe.mjs'
import { companion } from './companion.mjs'
import { CompanionMock } from './companion-mock.mjs'
import { past } from './companion-past.mjs'
import { phones } from './companion-phones.mjs'
import { screens } from './companion-screens.mjs'
import { byPhone } from './by-phone.mjs'
import { calls } from './calls.mjs'
import { composite } from './composite.mjs'
import { directing } from './directing.mjs'
import { FLAGS } from './flags.mjs'
import { injection } from './injection.mjs'
import { lobby } from './lobby.mjs'
import { quality } from './quality.mjs'
import { sharing } from './sharing.mjs'
import { Mock } from './mock.mjs'
import { tests } from './tests.mjs'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const shots = process.env.PLENUM_SHOTS ?? (await mkdtemp(join(tmpdir(), 'plenum-web-')))
const only = (process.env.PLENUM_E2E ?? '').split(',')
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/**
 * Stories at once: half of their time is spent waiting. What passes by is missed where two of them and other machines share a processor, so a
 * story that fails is played once more with nothing beside it, and that counts.
 */
const AT_ONCE = 2

let passed = 0
const all = { ...tests, ...companion, ...screens, ...phones, ...past, ...axe, ...byPhone, ...calls, ...composite, ...directing, ...injection, ...lobby, ...quality, ...sharing }
const stories = Object.entries(all).filter(([name]) => only.some((part) => name.includes(part)))

/** Plays stories until none is left, with a browser and servers of its own; those that fail are added to `failures`. */
async function play(queue, failures) {
  const mock = new Mock()
  const address = await mock.start(dist)
  const other = new CompanionMock()
  const app = await other.start(dist)
  const browser = await chromium.launch({ executablePath, args: FLAGS })
  const media = await answerer(browser)
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const [name, test] = next
    mock.reset()
    other.reset()
    mock.cameras = []
    mock.mids = []
    mock.answer = async (id, sdp) => {
      const answered = await media.answer(id, sdp)
      mock.mids = answered.slotMids
      return answered
    }
    const contexts = []
    const complaints = []
    const open = async (path, options = {}) => {
      const context = await browser.newContext({ viewport: { width: 1280, height: 760 }, ...options })
      contexts.push(context)
      const page = await context.newPage()
      page.setDefaultTimeout(30_000)
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(String(error)))
      if (options.before) await options.before(page)
      await page.goto((path.startsWith('/app') ? app : address) + path)
      return page
    }
    const shot = (page, as) => page.screenshot({ path: join(shots, `${as}.png`) })
    const started = Date.now()
    try {
      await test({ open, shot, mock, media, address, other, app, dist })
      const bad = complaints.filter((text) => !/WebSocket connection|ERR_CONNECTION|Failed to load resource/.test(text))
      if (bad.length > 0) throw new Error(`the console complained: ${bad.join(' | ')}`)
      passed += 1
      console.log(`ok    ${name} (${Date.now() - started} ms)`)
    } catch (error) {
      failures.push(next)
      console.log(`FAIL  ${name}: ${error.stack}`)
      const pages = contexts.flatMap((context) => context.pages())
      for (const [at, page] of pages.entries()) await shot(page, `failed-${name}-${at}`).catch(() => undefined)
    }
    for (const context of contexts) await context.close()
    mock.answer = async () => null
    await media.clear()
  }
  mock.stop()
  other.stop()
  await browser.close()
}

const doubtful = []
await Promise.all(Array.from({ length: AT_ONCE }, () => play(stories, doubtful)))
const failures = []
if (doubtful.length > 0) {
  console.log(`once more, alone: ${doubtful.map(([name]) => name).join(', ')}`)
  await play(doubtful, failures)
}
console.log(`screenshots: ${shots}`)
if (failures.length > 0) console.log(`failed: ${failures.map(([name]) => name).join(', ')}`)
console.log(`e2e result: ${passed} passed, ${failures.length} failed`)
process.exit(failures.length === 0 ? 0 : 1)
