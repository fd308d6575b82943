/**
 * Drives the page in Debian's Chromium and, for Bo, Firefox against the real server. `npm run e2e-server`; PLENUM_BINARY names another server than
 * target/release/plenum, PLENUM_E2E and PLENUM_SHOTS are as in `run.mjs`. A missing server is a failure.
 */

import { spawn, spawnSync } from 'node:child_process'
import { mkdtemp, open as openFile, rm, writeFile } from 'node:fs/promises'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'
import { interfaceAddress, launchFirefox } from './firefox.mjs'
import { FLAGS } from './flags.mjs'
import { PASSWORD, people, stories } from './server-stories.mjs'

const binary = process.env.PLENUM_BINARY ?? fileURLToPath(new URL('../../target/release/plenum', import.meta.url))
const folder = await mkdtemp(join(tmpdir(), 'plenum-companion-'))
const shots = process.env.PLENUM_SHOTS ?? folder
const only = (process.env.PLENUM_E2E ?? '').split(',')

/** A port that was free a moment ago. */
const port = () =>
  new Promise((done) => {
    const probe = createServer().listen(0, '127.0.0.1', () => {
      const { port: free } = probe.address()
      probe.close(() => done(free))
    })
  })

const http = await port()
const address = `http://127.0.0.1:${http}`
const config = join(folder, 'plenum.toml')
await writeFile(
  config,
  `[server]\nbind = "0.0.0.0"\nannounced = "${interfaceAddress()}"\ndata_dir = "${join(folder, 'data')}"\n\n[http]\nport = ${http}\n\n[sip]\nport = ${await port()}\ntls_port = ${await port()}\n\n` +
    `[media]\nudp_port = ${await port()}\n\n[demo]\nenabled = false\n`,
)

const server = {
  async start() {
    const log = await openFile(join(folder, 'plenum.log'), 'a')
    this.process = spawn(binary, ['serve', '--config', config], { stdio: ['ignore', log.fd, log.fd] })
    await log.close()
    const deadline = Date.now() + 30_000
    while (!(await fetch(`${address}/readyz`).then(({ ok }) => ok, () => false))) {
      if (this.process.exitCode !== null || Date.now() > deadline) throw new Error(`the server is not ready: ${join(folder, 'plenum.log')}`)
      await new Promise((done) => setTimeout(done, 100))
    }
  },
  async kill() {
    if (this.process?.exitCode !== null || this.process.signalCode !== null) return
    const gone = new Promise((done) => this.process.once('exit', done))
    this.process.kill('SIGKILL')
    await gone
  },
}

for (const [login, name, title] of people) {
  const added = spawnSync(binary, ['user', 'add', '--config', config, '--name', name, '--title', title, '--stdin', login], { input: `${PASSWORD}\n`, encoding: 'utf8' })
  if (added.status !== 0) throw new Error(`user add: ${added.stderr || added.error}`)
}
await server.start()
const browsers = {
  ann: await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium', args: FLAGS }),
  bo: await launchFirefox(),
}

const failures = []
let passed = 0
for (const [name, story] of Object.entries(stories)) {
  if (!only.some((part) => name.includes(part))) continue
  const contexts = []
  const complaints = []
  const open = async (path, login) => {
    const permissions = login === 'ann' ? ['microphone', 'camera'] : []
    const context = await browsers[login].newContext({ viewport: { width: 1280, height: 760 }, locale: 'en-GB', permissions })
    contexts.push(context)
    context.on('page', (page) => {
      page.on('console', (message) => message.type() === 'error' && complaints.push(message.text()))
      page.on('pageerror', (error) => complaints.push(String(error)))
    })
    const page = await context.newPage()
    page.setDefaultTimeout(15_000)
    await page.goto(address + path)
    return page
  }
  const shot = (page, as) => page.screenshot({ path: join(shots, `${as}.png`) })
  const started = Date.now()
  try {
    await story({ open, shot, server })
    const bad = complaints.filter((text) => !/WebSocket connection|ERR_CONNECTION|Failed to load resource/.test(text))
    if (bad.length > 0) throw new Error(`the console complained: ${bad.join(' | ')}`)
    passed += 1
    console.log(`ok    ${name} (${Date.now() - started} ms)`)
  } catch (error) {
    failures.push(name)
    console.log(`FAIL  ${name}: ${error.stack}`)
    const pages = contexts.flatMap((context) => context.pages())
    for (const [at, page] of pages.entries()) await shot(page, `failed-${name}-${at}`).catch(() => undefined)
  }
  for (const context of contexts) await context.close()
}

for (const browser of Object.values(browsers)) await browser.close()
await server.kill()
if (failures.length === 0 && shots !== folder) await rm(folder, { recursive: true })
else console.log(`log and screenshots: ${folder} ${shots}`)
if (failures.length > 0) console.log(`failed: ${failures.join(', ')}`)
console.log(`e2e result: ${passed} passed, ${failures.length} failed`)
process.exit(failures.length === 0 ? 0 : 1)
