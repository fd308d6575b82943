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
import { watchStolen } from './stolen.mjs'
import { tests } from './tests.mjs'

const dist = fileURLToPath(new URL('../dist', import.meta.url))
const shots = process.env.PLENUM_SHOTS ?? (await mkdtemp(join(tmpdir(), 'plenum-web-')))
const only = (process.env.PLENUM_E2E ?? '').split(',')
const executablePath = process.env.CHROMIUM ?? '/usr/bin/chromium'

/** Stories at once: half of their time is spent waiting. */
const AT_ONCE = 2
/** A story that fails counts, unless others had more than this part of the processor for a second: then it is played once more, alone. */
const MISSING = 0.1

let passed = 0
const all = { ...tests, ...companion, ...screens, ...phones, ...past, ...axe, ...byPhone, ...calls, ...composite, ...directing, ...injection, ...lobby, ...quality, ...sharing }
const stories = Object.entries(all).filter(([name]) => only.some((part) => name.includes(part)))

const failures = []
const doubtful = []

/** Plays stories until none is left, with a browser and servers of its own. */
async function play(queue, last) {
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
    const missing = watchStolen()
    try {
      await test({ open, shot, mock, media, address, other, app, dist })
      const bad = complaints.filter((text) => !/WebSocket connection|ERR_CONNECTION|Failed to load resource/.test(text))
      if (bad.length > 0) throw new Error(`the console complained: ${bad.join(' | ')}`)
      passed += 1
      console.log(`ok    ${name} (${Date.now() - started} ms)`)
    } catch (error) {
      const part = missing()
      const again = !last && part > MISSING
      if (again) doubtful.push(next)
      else failures.push(name)
      console.log(`${again ? `AGAIN (others had ${Math.round(100 * part)} % of the processor)` : 'FAIL '} ${name}: ${error.stack}`)
      const pages = contexts.flatMap((context) => context.pages())
      for (const [at, page] of pages.entries()) await shot(page, `failed-${name}-${at}`).catch(() => undefined)
    }
    missing()
    for (const context of contexts) await context.close()
    mock.answer = async () => null
    await media.clear()
  }
  mock.stop()
  other.stop()
  await browser.close()
}

await Promise.all(Array.from({ length: AT_ONCE }, () => play(stories, false)))
if (doubtful.length > 0) await play(doubtful, true)
console.log(`screenshots: ${shots}`)
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`)
console.log(`e2e result: ${passed} passed, ${failures.length} failed`)
process.exit(failures.length === 0 ? 0 : 1)
