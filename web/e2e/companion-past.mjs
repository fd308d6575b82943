/** The history with what one noted, found again, and which conversations are current. */

import assert from 'node:assert/strict'
import { enter } from './companion.mjs'
import { accessible, button, until } from './tests.mjs'

const DARK = { colorScheme: 'dark' }
const PHONE = { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }

/** A call of an hour ago that Cy, Ann and Eve were in, and one to a phone. */
function happened(other) {
  const ago = Date.now() - 3_600_000
  other.users.set('hal', { id: 'hal', login: 'hal', name: 'Hal Nilsson', title: '', role: 'user' })
  other.append('launch', 'cy', 'call', { conference: '8002', media: ['audio', 'video'], state: 'started' }, { ts: ago })
  other.append('launch', 'cy', 'call', { conference: '8002', media: ['audio', 'video'], state: 'ended', missed: ['bo'], users: ['ann', 'cy', 'eve', 'hal'] }, { ts: ago + 25 * 60_000 })
  other.dialled.push({ id: 'p1', phone: '+49305550142', name: 'Printer shop', ts: ago - 60_000 })
}

const history = (page) => page.getByRole('region', { name: 'Calls and conferences' })
const entry = (page, text) => history(page).getByRole('listitem').filter({ hasText: text })

async function annotate(page, name, text) {
  await button(page, `Note on ${name}`).first().click()
  await page.getByRole('dialog').getByLabel('My note').fill(text)
  await accessible(page, 'a note')
  await button(page, 'Keep note').click()
  await page.getByRole('dialog').waitFor({ state: 'detached' })
}

export const past = {
  async companion_history_has_notes_and_is_found_again({ open, other, shot }) {
    happened(other)
    const page = await enter(open, 'ann', '/app/calls')
    await entry(page, 'Launch').getByText('Took part · from Cy Moreau · 25 mins · with Eve Tanaka and Hal Nilsson').waitFor()
    await annotate(page, 'Launch', 'Icons are agreed; prices on Friday')
    await entry(page, 'Launch').getByText('Icons are agreed').waitFor()
    await annotate(page, 'Printer shop', 'Asks for the file as PDF')
    await entry(page, 'Printer shop').getByText('as PDF').waitFor()
    assert.deepEqual(other.notes.map(({ conversation, seq, phone_call }) => ({ conversation, seq, phone_call })), [
      { conversation: 'launch', seq: 122, phone_call: undefined },
      { conversation: undefined, seq: undefined, phone_call: 'p1' },
    ])
    await page.mouse.move(2, 2)
    await accessible(page, 'history with notes')
    await shot(page, 'companion-notes-light')
    const search = page.getByLabel('Search by person, subject, number or note')
    for (const [query, found, lost] of [['friday', 'Launch', 'Printer shop'], ['dana', 'Dana Okafor', 'Launch'], ['555014', 'Printer shop', 'Dana Okafor']]) {
      await search.fill(query)
      await entry(page, found).first().waitFor()
      await entry(page, lost).first().waitFor({ state: 'detached' })
    }
    await search.fill('')
    await page.getByLabel('Which calls').selectOption('noted')
    await entry(page, 'Printer shop').waitFor()
    assert.equal(await history(page).getByRole('listitem').count(), 2)
    await annotate(page, 'Launch', '')
    await entry(page, 'Launch').waitFor({ state: 'detached' })
    other.append('launch', 'cy', 'call', { conference: '8003', media: ['audio'], state: 'started' })
    await page.getByLabel('Which calls').selectOption('all')
    await until('a call that begins now', async () => (await entry(page, 'Launch').count()) === 2)
    for (const format of ['json', 'eml']) assert.equal(await history(page).locator(`a[download][href$="/calls/export?format=${format}"]`).count(), 1)
  },

  async companion_history_keeps_the_pages_that_were_read({ open, other }) {
    const ago = Date.now() - 7_200_000
    for (let at = 130; at > 0; at -= 1) other.append('launch', 'cy', 'call', { conference: `7${at}`, media: ['audio'], state: 'started' }, { ts: ago - at * 1_000 })
    const page = await enter(open, 'ann', '/app/calls')
    const count = () => history(page).getByRole('listitem').count()
    // Fifty events are a page, and two of them are of one call.
    for (const calls of [49, 99]) {
      await until(`${calls} calls`, async () => (await count()) === calls)
      await button(page, 'Earlier calls').click()
    }
    await until('all calls', async () => (await count()) >= 130)
    const all = await count()
    await button(page, 'Note on Launch').last().click()
    await page.getByRole('dialog').getByLabel('My note').fill('The very first')
    await button(page, 'Keep note').click()
    await entry(page, 'The very first').waitFor()
    assert.equal(await count(), all)
    // What is said, and a call that begins, leave them where they are.
    other.append('launch', 'cy', 'call', { conference: '7900', media: ['audio'], state: 'started' })
    await until('the new call', async () => (await count()) === all + 1)
    other.append('launch', 'cy', 'text', { text: 'Are you all in?' })
    const asked = other.told('calls').length
    await page.waitForTimeout(300)
    assert.equal(other.told('calls').length, asked)
    await entry(page, 'The very first').waitFor()
    assert.equal(await count(), all + 1)
    // The end alone tells neither how long it took nor that those who were not there took part.
    other.append('launch', 'cy', 'call', { conference: '7901', media: ['audio'], state: 'ended', users: ['bo', 'cy'] })
    await entry(page, 'from Cy Moreau · with Bo Lindqvist').waitFor()
    assert.equal(await entry(page, 'with Bo Lindqvist').getByText(/Took part|min/).count(), 0)
  },

  async companion_notes_on_conversations_are_not_hidden_by_newer_ones({ open, other }) {
    other.notes.push({ user: 'ann', conversation: 'direct', text: 'Prefers to be called before ten', ts: 1 })
    for (let at = 0; at < 250; at += 1) other.notes.push({ user: 'ann', conversation: 'direct', seq: at + 1, conference: `n${at}`, text: 'of a call', ts: 10 + at })
    for (let at = 0; at < 150; at += 1) other.notes.push({ user: 'ann', conversation: `gone${at}`, text: 'of a conversation', ts: 1_000 + at })
    const page = await enter(open, 'ann', '/app/c/direct', { viewport: { width: 1120, height: 600 } })
    await button(page, 'People and settings').click()
    const note = page.getByRole('complementary').getByLabel('My note')
    await until('the note', async () => (await note.inputValue()) === 'Prefers to be called before ten')
    await page.getByRole('navigation').getByRole('button', { name: 'History' }).click()
    await page.getByLabel('Which calls').selectOption('talks')
    await entry(page, 'Prefers to be called').waitFor()
  },

  async companion_notes_on_conversations_are_found_by_search({ open, other, shot }) {
    const page = await enter(open, 'ann', '/app/c/direct', { viewport: { width: 1120, height: 600 } })
    await button(page, 'People and settings').click()
    const note = page.getByRole('complementary').getByLabel('My note')
    await note.fill('Prefers to be called before ten')
    await button(page, 'Keep note').click()
    await until('it is kept', () => other.notes.length === 1)
    await accessible(page, 'details with a note')
    await shot(page, 'companion-talk-note')
    await page.getByRole('navigation').getByRole('button', { name: 'Search' }).click()
    await page.getByRole('searchbox', { name: 'Search messages' }).fill('before ten')
    await page.getByRole('searchbox', { name: 'Search messages' }).press('Enter')
    const found = page.getByRole('region', { name: 'My notes' })
    await found.getByRole('button', { name: /Bo Lindqvist.*called before ten/ }).waitFor()
    await accessible(page, 'search with notes')
    await found.getByRole('button').click()
    await page.getByRole('heading', { name: /Bo Lindqvist/ }).waitFor()
    await page.getByRole('navigation').getByRole('button', { name: 'History' }).click()
    await page.getByLabel('Which calls').selectOption('talks')
    await page.getByLabel('Search by person, subject, number or note').fill('ten')
    await entry(page, 'Prefers to be called').waitFor()
    assert.equal(await history(page).getByRole('listitem').count(), 1)
    await accessible(page, 'conversations of the history')
  },

  async companion_contacts_show_the_current_conversations({ open, other }) {
    const page = await enter(open, 'ann', '/app/contacts')
    const group = page.locator('.group').filter({ has: page.getByRole('heading', { name: /Current conversations/ }) })
    await group.getByRole('button', { name: 'Launch' }).waitFor()
    assert.equal(await group.getByRole('button', { name: /Dana/ }).count(), 0, 'it is too long ago')
    other.append('dana', 'dana', 'react', { emoji: '👍', on: true }, { target: 3 })
    other.append('direct', 'bo', 'text', { text: 'Sent after it' })
    await group.getByRole('button', { name: /Bo/ }).waitFor()
    await page.waitForTimeout(200)
    assert.equal(await group.getByRole('button', { name: /Dana/ }).count(), 0, 'nothing was said')
    other.append('dana', 'dana', 'text', { text: 'Are you there?' })
    await group.getByRole('button', { name: /Dana/ }).click()
    await page.getByRole('heading', { name: /Dana Okafor/ }).waitFor()
  },

  async companion_a_room_is_given_to_a_distribution_list({ open, other }) {
    const many = Array.from({ length: 600 }, (_, at) => `u${at}`)
    for (const id of many) other.users.set(id, { id, login: id, name: `Person ${id}`, title: '', role: 'user' })
    other.lists = [{ id: 'all', name: 'Whole house', people: ['dana', 'finn', ...many] }]
    const page = await enter(open, 'ann', '/app/c/engineering')
    await button(page, 'Manage members').click()
    await page.getByLabel('Search people').fill('whole')
    await button(page, 'Add Whole house').click()
    await page.locator('.chips').getByRole('button', { name: 'Remove Finn O’Brien' }).click()
    await page.getByRole('button', { name: 'Appoint' }).click()
    await until('all of them', () => other.everyone('engineering').length === 4 + 601)
    assert.deepEqual(other.told('room_appoint').map(({ users }) => users.length), [500, 101])
    assert.ok(!other.everyone('engineering').includes('finn'))
  },

  async companion_history_in_the_dark_and_on_a_phone({ open, other, shot }) {
    happened(other)
    other.notes.push({ user: 'ann', conversation: 'launch', seq: 122, conference: '8002', text: 'Icons are agreed; prices on Friday', ts: 1 })
    const dark = await enter(open, 'ann', '/app/calls', DARK)
    await entry(dark, 'Icons are agreed').waitFor()
    await dark.mouse.move(2, 2)
    await accessible(dark, 'history with notes, dark')
    await shot(dark, 'companion-notes-dark')
    const phone = await enter(open, 'ann', '/app/calls', PHONE)
    await entry(phone, 'Icons are agreed').waitFor()
    await accessible(phone, 'history with notes, phone')
    assert.ok((await phone.evaluate(() => document.documentElement.scrollWidth)) <= 390)
    await shot(phone, 'companion-phone-history')
  },
}
