/** What the page and a real server do together; the mock has the rest. */

import assert from 'node:assert/strict'
import { field, write } from './companion.mjs'
import { button, until } from './tests.mjs'

export const PASSWORD = 'correct horse battery'

export const people = [
  ['ann', 'Ann Becker', 'Project lead'],
  ['bo', 'Bo Lindqvist', 'Engineer'],
]

const timeline = (page, text) => page.locator('.timeline li').filter({ hasText: text })
const go = async (page, screen) => page.getByRole('navigation').getByRole('button', { name: screen }).click()
const row = (page, list, name) => page.getByRole('region', { name: list }).getByRole('button', { name })

async function signIn(open, login, path = '/app') {
  const page = await open(path, login)
  await page.getByLabel('User name').fill(login)
  await page.getByLabel('Password').fill(PASSWORD)
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').waitFor()
  return page
}

async function begin(page, name, part) {
  await button(page, 'New conversation').click()
  await page.getByLabel('Search people').fill(part)
  await button(page, `Add ${name}`).click()
  await button(page, 'Start').click()
  await page.getByRole('heading', { name }).first().waitFor()
}

/** The companion's link goes into the conference by itself. */
const join = (tab) => tab.getByRole('button', { name: /^Leave/ }).waitFor()

export const stories = {
  async two_people_chat_and_see_what_became_of_it({ open, shot }) {
    const ann = await signIn(open, 'ann')
    const bo = await signIn(open, 'bo')
    await begin(ann, 'Bo Lindqvist', 'lind')
    await write(ann, 'Hello **Bo** <b>not bold</b>')
    await row(bo, 'Chats', /Ann Becker/).click()
    await timeline(bo, 'Hello Bo <b>not bold</b>').locator('strong').waitFor()
    await ann.getByText('Read by Bo Lindqvist').waitFor()
    await field(bo).fill('On it')
    await ann.getByText('Bo Lindqvist typing…').first().waitFor()
    await field(bo).press('Enter')
    await timeline(ann, 'On it').waitFor()
    await timeline(ann, 'On it').hover()
    await timeline(ann, 'On it').getByRole('button', { name: 'React' }).click()
    await ann.getByRole('button', { name: '👍' }).click()
    await bo.getByRole('button', { name: '👍 by Ann Becker' }).waitFor()
    await field(bo).press('ArrowUp')
    await bo.getByRole('textbox', { name: 'Edit message' }).fill('Done')
    await bo.getByRole('textbox', { name: 'Edit message' }).press('Enter')
    await timeline(ann, 'Done').getByText('(edited)').waitFor()
    await shot(ann, 'server-chat')
    await ann.reload()
    await timeline(ann, 'Done').getByText('(edited)').waitFor()
    await ann.getByRole('button', { name: '👍 by Ann Becker' }).waitFor()
  },

  async a_file_goes_over_and_comes_back_the_same({ open }) {
    const ann = await signIn(open, 'ann')
    await begin(ann, 'Bo Lindqvist', 'lind')
    const bytes = Buffer.from(Array.from({ length: 1_300_000 }, (_, at) => (at * 7) % 251))
    await ann.locator('input[type=file]').setInputFiles({ name: 'measure.bin', mimeType: 'application/octet-stream', buffer: bytes })
    await ann.getByRole('button', { name: 'Do not attach measure.bin' }).waitFor()
    await ann.getByRole('progressbar').waitFor({ state: 'detached' })
    await write(ann, 'The measurement')
    const bo = await signIn(open, 'bo')
    await row(bo, 'Chats', /Ann Becker/).click()
    const [download] = await Promise.all([bo.waitForEvent('download'), bo.getByRole('link', { name: /measure\.bin/ }).click()])
    const chunks = []
    for await (const chunk of await download.createReadStream()) chunks.push(chunk)
    assert.ok(Buffer.concat(chunks).equals(bytes), 'the same bytes')
  },

  async presence_follows_the_conference({ open, shot }) {
    const ann = await signIn(open, 'ann', '/app/contacts')
    const bo = await signIn(open, 'bo')
    await ann.getByLabel('Search people and numbers').fill('lind')
    await row(ann, 'Contacts', /Bo Lindqvist/).click()
    await button(ann, 'Add to contacts').click()
    await button(ann, 'Remove from contacts').waitFor()
    await ann.getByLabel('Search people and numbers').fill('')
    await row(ann, 'Contacts', /^Available Bo Lindqvist/).first().waitFor()
    await bo.getByRole('button', { name: /Change your state/ }).click()
    await button(bo, 'Busy').click()
    await row(ann, 'Contacts', /^Busy Bo Lindqvist/).first().waitFor()
    await bo.getByRole('button', { name: /Change your state/ }).click()
    await button(bo, 'Automatic').click()
    await row(ann, 'Contacts', /^Available Bo Lindqvist/).first().waitFor()
    await begin(bo, 'Ann Becker', 'becker')
    const [mine] = await Promise.all([bo.waitForEvent('popup'), button(bo, 'Video conference').click()])
    await mine.waitForURL(/\/join\//)
    await join(mine)
    const ring = ann.getByRole('group', { name: 'Incoming conference' })
    await ring.getByText('Bo Lindqvist').first().waitFor()
    await row(ann, 'Contacts', /^In a (call|conference) Bo Lindqvist/).first().waitFor()
    await shot(ann, 'server-ring')
    const [hers] = await Promise.all([ann.waitForEvent('popup'), ring.getByRole('button', { name: 'Accept' }).click()])
    await join(hers)
    await mine.getByText('Ann Becker').first().waitFor()
    // Who is in a call is looked at once a second.
    await ann.waitForTimeout(2_500)
    await mine.close()
    await hers.close()
    await row(ann, 'Contacts', /^Available Bo Lindqvist/).first().waitFor({ timeout: 40_000 })
    await go(ann, 'History')
    const held = ann.getByRole('region', { name: 'Calls and conferences' }).getByRole('listitem').filter({ hasText: 'Bo Lindqvist' }).first()
    await held.filter({ hasText: /Took part · from Bo Lindqvist · \d+ min/ }).waitFor({ timeout: 40_000 })
    await held.getByRole('button', { name: 'Note on Bo Lindqvist' }).click()
    await ann.getByRole('dialog').getByLabel('My note').fill('Sends the drawing on Monday')
    await button(ann, 'Keep note').click()
    await held.getByText('Sends the drawing').waitFor()
    await ann.reload()
    await ann.getByLabel('Search by person, subject, number or note').fill('drawing mon')
    await held.getByText('Sends the drawing').waitFor()
    await shot(ann, 'server-history')
    for (const format of ['json', 'eml']) {
      const [saved] = await Promise.all([ann.waitForEvent('download'), ann.locator(`a[href$="/calls/export?format=${format}"]`).click()])
      assert.equal(saved.suggestedFilename(), `calls.${format}`)
    }
    await go(ann, 'Search')
    await ann.getByRole('searchbox', { name: 'Search messages' }).fill('drawing')
    await ann.getByRole('searchbox', { name: 'Search messages' }).press('Enter')
    await ann.getByRole('region', { name: 'My notes' }).getByRole('button', { name: /Bo Lindqvist/ }).click()
    await ann.getByRole('heading', { name: /Bo Lindqvist/ }).waitFor()
  },

  async rooms_filters_and_search_find_what_was_posted({ open, shot }) {
    const ann = await signIn(open, 'ann', '/app/rooms')
    const bo = await signIn(open, 'bo', '/app/filters')
    await button(ann, 'Create a room').click()
    await ann.getByLabel('Name', { exact: true }).fill('Engineering')
    await ann.getByLabel('Topic').fill('Builds')
    await button(ann, 'Save').click()
    await ann.getByRole('heading', { name: 'Engineering' }).waitFor()
    await button(bo, 'New filter').click()
    await bo.getByLabel('Name', { exact: true }).fill('Releases')
    await bo.getByLabel('Words').fill('release')
    await button(bo, 'Save').click()
    await bo.getByRole('button', { name: /^Releases/ }).waitFor()
    await go(bo, 'Rooms')
    await bo.getByRole('button', { name: 'Join: Engineering' }).click()
    await field(bo).waitFor()
    await go(bo, 'Settings')
    await write(ann, `The release is out. ${'Everybody may try it now. '.repeat(20)}`)
    await bo.getByText('“Releases” caught a post').waitFor()
    await go(bo, 'Search')
    await bo.getByRole('searchbox', { name: 'Search messages' }).fill('release from:ann in:engineering')
    await bo.getByRole('searchbox', { name: 'Search messages' }).press('Enter')
    await bo.getByText('1 result', { exact: true }).waitFor()
    await shot(bo, 'server-search')
    await bo.getByRole('button', { name: /The release is out/ }).click()
    await bo.locator('[data-wanted]').filter({ hasText: 'The release is out' }).waitFor()
    await button(bo, 'Show all').click()
    await shot(bo, 'server-room')
  },

  async nothing_typed_is_lost_when_the_server_is_restarted({ open, server }) {
    const ann = await signIn(open, 'ann')
    await begin(ann, 'Bo Lindqvist', 'lind')
    await write(ann, 'before')
    await timeline(ann, 'before').waitFor()
    await server.kill()
    await ann.getByText('Connection lost').waitFor()
    await write(ann, 'while it was down')
    await ann.getByText('Waits for the connection').waitFor()
    await server.start()
    await ann.getByText('Waits for the connection').waitFor({ state: 'detached', timeout: 40_000 })
    await ann.getByText('Sending…').waitFor({ state: 'detached' })
    const bo = await signIn(open, 'bo')
    await row(bo, 'Chats', /^\w+ Ann Becker/).click()
    await timeline(bo, 'while it was down').waitFor()
    assert.equal(await timeline(bo, 'while it was down').count(), 1)
    await until('both know it as sent', async () => (await timeline(ann, 'while it was down').count()) === 1)
  },
}
