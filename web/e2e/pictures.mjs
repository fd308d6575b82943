/**
 * Makes the pictures of docs/companion-page.md: `npm run pictures`. Runs the stories that show each screen and keeps their
 * screenshots as WebP in docs/images/companion, none above 60 kB. Given a folder, it takes the screenshots of a run that was.
 */

import { spawnSync } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { chromium } from 'playwright-core'

const MOST = 60_000
const STORIES = ['signing_in', 'two_people', 'contacts', 'a_card_leads', 'my_own_state', 'draws', 'rooms', 'a_room_shows', 'searches', 'filters_and', 'calls_a_phone', 'rings', 'settings', 'on_a_phone', 'in_the_dark', 'card_tells', 'writes_to_a_distribution', 'a_guest_comes', 'names_people', 'shows_older', 'keys', 'group_conversations', 'sends_files', 'history_has_notes', 'notes_on_conversations', 'history_in_the_dark', 'notices_are']
const PICTURES = [
  'signin-light',
  ...['chat', 'contacts', 'rooms', 'search', 'filters', 'settings'].flatMap((screen) => [`${screen}-light`, `${screen}-dark`]),
  'room-light',
  'c-dark',
  'card-schedule',
  'card-dark',
  'history-phones',
  'notes-light',
  'notes-dark',
  'talk-note',
  'guest',
  'mention',
  'permalink',
  'upload',
  'notice',
  'switcher',
  'state',
  'ink',
  'ring-light',
  'list',
  'phone-list',
  'phone-chat',
  'phone-contacts',
  'phone-rooms',
  'phone-history',
]

const folder = fileURLToPath(new URL('../../docs/images/companion', import.meta.url))
const given = process.argv[2]
const shots = given ?? (await mkdtemp(join(tmpdir(), 'plenum-pictures-')))
const stories = STORIES.map((story) => `companion_${story}`).join(',')
const env = { ...process.env, PLENUM_SHOTS: shots, PLENUM_E2E: stories }
const run = given ? { status: 0 } : spawnSync(process.execPath, [fileURLToPath(new URL('run.mjs', import.meta.url))], { stdio: 'inherit', env })
const browser = await chromium.launch({ executablePath: process.env.CHROMIUM ?? '/usr/bin/chromium' })
const page = await browser.newPage()
await mkdir(folder, { recursive: true })
let bad = run.status === 0 ? 0 : 1
for (const name of PICTURES) {
  const png = await readFile(join(shots, `companion-${name}.png`)).catch(() => null)
  if (!png) {
    console.log(`no picture: ${name}`)
    bad += 1
    continue
  }
  const webp = await page.evaluate(async (source) => {
    const image = new Image()
    image.src = source
    await image.decode()
    const canvas = Object.assign(document.createElement('canvas'), { width: image.naturalWidth, height: image.naturalHeight })
    canvas.getContext('2d').drawImage(image, 0, 0)
    return canvas.toDataURL('image/webp', 0.85)
  }, `data:image/png;base64,${png.toString('base64')}`)
  const bytes = Buffer.from(webp.split(',')[1], 'base64')
  if (bytes.length > MOST) console.log(`${name} has ${bytes.length} bytes`)
  if (bytes.length > MOST) bad += 1
  await writeFile(join(folder, `${name}.webp`), bytes)
}
await browser.close()
if (!given) await rm(shots, { recursive: true })
process.exit(bad === 0 ? 0 : 1)
