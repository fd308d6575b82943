/** Whatever somebody types, on either page, is shown as text: no script runs, no element comes of it. */

import assert from 'node:assert/strict'
import { enter, field, write } from './companion.mjs'
import { button, connected, inside, until } from './tests.mjs'

export const EVIL = '<img src=x onerror="window.ran=1"><script>window.ran=1</script>'
const LINK = '[click](javascript:window.ran=1) <svg onload=window.ran=1> ![x](data:text/html,x)'
/** Fits into the shortest fields. */
const SHORT = '<b onclick=ran=1>'

/** Nothing ran, nothing was made of it. */
async function harmless(page, where) {
  const made = await page.evaluate(() => ({
    ran: window.ran,
    scripts: [...document.querySelectorAll('script')].filter((one) => one.src === '').length,
    handlers: [...document.querySelectorAll('*')].filter((one) => one.getAttributeNames().some((name) => name.startsWith('on'))).length,
    images: document.querySelectorAll('img[src="x"], img[src^="data:text"]').length,
    links: document.querySelectorAll('a[href^="javascript" i], a[href^="data:" i], a[href^="vbscript" i]').length,
  }))
  assert.deepEqual(made, { ran: undefined, scripts: 0, handlers: 0, images: 0, links: 0 }, where)
}

const at = async (page, path, text = 'onerror') => {
  await page.goto(new URL(path, page.url()).href)
  await page.getByText(text).locator('visible=true').first().waitFor()
  await harmless(page, path)
}

/** Everything that the server may say in words. */
function spoil(other) {
  for (const user of other.users.values()) Object.assign(user, { name: `${EVIL}${user.id}`, title: EVIL, company: EVIL, email: EVIL, work_phone: EVIL })
  for (const presence of other.presence.values()) Object.assign(presence, { note: EVIL, location: { kind: 'other', text: EVIL }, oof: EVIL, text: EVIL, subject: EVIL })
  for (const talk of other.conversations.values()) {
    talk.subject &&= EVIL
    if (talk.room) Object.assign(talk.room, { name: `${EVIL}${talk.room.id}`, topic: EVIL, description: EVIL, category: EVIL })
  }
  other.contacts.groups[0].name = EVIL
  Object.assign(other.contacts.contacts[5], { name: EVIL, phone: EVIL })
  Object.assign(other.filters[1], { name: EVIL, words: [EVIL] })
  other.lists = [{ id: 'list', name: EVIL, people: ['bo'] }]
  other.dialled = [{ id: 'p1', phone: EVIL, name: EVIL, ts: 5 }, { id: 'p2', phone: `javascript:window.ran=1`, name: '', ts: 4 }]
  other.notes = [{ user: 'ann', conversation: 'direct', text: EVIL, ts: 1 }, { user: 'ann', phone_call: 'p1', text: EVIL, ts: 1 }]
  other.busy.set('bo', [{ kind: 'busy', from: Date.now() + 60_000, until: Date.now() + 120_000, subject: EVIL }])
  other.append('direct', 'bo', 'text', { text: `${EVIL}\n\n${LINK}`, story: EVIL, importance: EVIL, files: [{ id: '"><script>', name: EVIL, type: 'text/html', size: 3 }, { id: 'javascript:1', name: EVIL, type: EVIL, size: 3, image: true }] })
  other.append('direct', 'bo', 'react', { emoji: EVIL, on: true }, { target: 1 })
  other.append('direct', 'bo', 'change', { subject: EVIL, topic: EVIL })
  other.append('direct', 'bo', 'join', { users: [EVIL] })
  other.append('direct', 'bo', 'call', { conference: EVIL, link: 'javascript:window.ran=1', media: [EVIL], state: 'started', missed: [EVIL], users: [EVIL] })
  other.append('direct', 'bo', 'ink', { width: 10, height: 10, strokes: [{ color: 'url(javascript:1)', size: 1, points: [1, 1] }] })
}

export const injection = {
  async companion_shows_injected_script_as_text({ open, other }) {
    spoil(other)
    const page = await enter(open, 'ann', '/app/c/direct')
    await page.getByText('<script>window.ran=1</script>').first().waitFor()
    await write(page, EVIL)
    await page.locator('.post .markdown').last().getByText('onerror').waitFor()
    await harmless(page, 'a conversation')
    assert.equal(await page.locator('.timeline .markdown img').count(), 0)
    const [tab] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Join' }).click()])
    await tab.waitForURL(/\/join\/80/)
    await tab.close()
    await button(page, 'People and settings').click()
    await page.getByRole('complementary').getByLabel('My note').waitFor()
    await harmless(page, 'people and settings')
    for (const path of ['/app/contacts', '/app/contacts/bo', '/app/rooms', '/app/calls', '/app/filters', '/app/c/engineering', `/app/search?q=${encodeURIComponent('img')}`]) await at(page, path)
    await at(page, `/app/search?q=${encodeURIComponent(EVIL)}`, 'Nothing found')
    await page.goto(new URL('/app/calls', page.url()).href)
    await page.getByLabel('Which calls').selectOption('talks')
    await page.locator('.row-note').getByText('onerror').waitFor()
    other.tell(['ann'], { type: 'ring', conversation: 'direct', from: 'bo', subject: EVIL, media: [EVIL], conference: '9', link: 'javascript:window.ran=1' })
    other.tell(['ann'], { type: 'tagged', user: 'bo', state: EVIL })
    other.tell(['ann'], { type: 'match', filter: 'servers', conversation: 'engineering', seq: 1 })
    other.tell(['ann'], { type: 'dial_over', conference: EVIL, phone: EVIL, code: EVIL, detail: EVIL })
    await page.getByRole('group', { name: 'Incoming conference' }).getByText('onerror').first().waitFor()
    await harmless(page, 'notices')
  },

  async companion_takes_script_in_every_field_as_text({ open, other }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    const save = async () => {
      await page.getByRole('dialog').getByRole('button', { name: 'Save' }).click()
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    }
    // Own state.
    await page.getByRole('button', { name: /Change your state/ }).click()
    for (const label of ['Note', 'Where you are', 'Out of office']) await page.getByRole('dialog').getByLabel(label).fill(EVIL)
    await save()
    await until('all three are told', () => ['note', 'location', 'out_of_office'].every((type) => other.told(type)[0]?.text === EVIL))
    await harmless(page, 'own state')
    // A conversation with a subject, and its note.
    await page.getByRole('region', { name: 'Chats' }).getByRole('button', { name: /Launch/ }).click()
    await button(page, 'People and settings').click()
    const details = page.getByRole('complementary')
    await details.getByLabel('Subject').fill(EVIL)
    await details.getByLabel('Subject').press('Enter')
    await until('the subject', () => other.told('rename')[0]?.subject === EVIL)
    await details.getByLabel('My note').fill(EVIL)
    await button(page, 'Keep note').click()
    await until('the note', () => other.told('annotate')[0]?.text === EVIL)
    await field(page).fill(EVIL)
    await field(page).press('Enter')
    await page.locator('.post .markdown').last().getByText('onerror').waitFor()
    await field(page).press('ArrowUp')
    await page.getByRole('textbox', { name: 'Edit message' }).fill(LINK)
    await page.getByRole('textbox', { name: 'Edit message' }).press('Enter')
    await until('the edit', () => other.told('edit')[0]?.text === LINK)
    await harmless(page, 'a conversation')
    // Contacts.
    await page.goto(new URL('/app/contacts', page.url()).href)
    await button(page, 'New group').click()
    await page.getByLabel('Name of the group').fill(EVIL)
    await save()
    await page.getByRole('heading', { name: /onerror/ }).waitFor()
    await button(page, 'Add a phone number').click()
    await page.getByRole('textbox', { name: 'Phone number' }).fill('+49 30 1')
    await page.getByLabel('Name', { exact: true }).fill(EVIL)
    await save()
    await page.getByLabel('Search people and numbers').fill(EVIL)
    await harmless(page, 'contacts')
    // A room and a filter.
    await page.goto(new URL('/app/rooms', page.url()).href)
    await button(page, 'Create a room').click()
    for (const label of ['Name', 'Category', 'Topic', 'Description']) await page.getByRole('dialog').getByLabel(label, { exact: true }).fill(label === 'Name' || label === 'Category' ? EVIL.slice(0, 100) : EVIL)
    await save()
    await page.getByRole('heading', { name: /onerror/ }).first().waitFor()
    await harmless(page, 'a room')
    await page.goto(new URL('/app/filters', page.url()).href)
    await button(page, 'New filter').click()
    await page.getByLabel('Name', { exact: true }).fill(EVIL)
    await page.getByLabel('Words').fill(EVIL)
    await save()
    await page.getByText('onerror').first().waitFor()
    await harmless(page, 'filters')
    // The room that was made a moment ago is called so; no call is.
    for (const [path, label, found] of [['/app/rooms', 'Search rooms', /onerror/], ['/app/calls', 'Search by person, subject, number or note', 'No calls yet']]) {
      await page.goto(new URL(path, page.url()).href)
      await page.getByLabel(label).fill(EVIL)
      await page.getByText(found).locator('visible=true').first().waitFor()
      await harmless(page, path)
    }
    await page.keyboard.press('Control+k')
    await page.getByRole('dialog', { name: 'Go to' }).getByRole('combobox').fill(EVIL)
    await harmless(page, 'the switcher')
  },

  async a_guests_name_is_text({ open }) {
    const page = await open('/app/guest/welcome', { locale: 'en-GB' })
    await page.getByLabel('Your name').fill(EVIL)
    await button(page, 'Come in').click()
    await page.getByRole('heading', { name: 'Launch' }).waitFor()
    await page.getByRole('button', { name: /onerror/ }).first().waitFor()
    await harmless(page, 'as a guest')
  },

  async the_conferences_page_shows_script_as_text({ open, mock }) {
    mock.layouts = ['grid', 'speaker', SHORT]
    const page = await open(`/join/1001?name=${encodeURIComponent(EVIL)}&pin=9001&autojoin=1`, { locale: 'en-GB' })
    await inside(page)
    await connected(page)
    mock.enter({ id: 'p_evil', name: EVIL, camera: true })
    mock.enter({ id: 'p_tel', name: EVIL, kind: 'phone', hand: true })
    await page.getByText('onerror').locator('visible=true').first().waitFor()
    await harmless(page, 'the roster')
    mock.wait('p_waits', EVIL, null)
    await page.getByText(/onerror.* is waiting in the lobby/).waitFor()
    mock.calls = [{ call: 'c_1', name: EVIL, state: 'failed' }]
    mock.listCalls()
    mock.present('p_evil')
    mock.channels = [{ channel: 2, name: EVIL, interpreter: 'p_evil' }]
    mock.compose()
    await until('all of it stands there', async () => (await page.getByText('onerror').count()) >= 4)
    await harmless(page, 'everything that others may name')
  },

  async the_door_takes_script_as_text({ open }) {
    const page = await open(`/join/${encodeURIComponent(SHORT)}?name=${encodeURIComponent(EVIL)}`, { locale: 'en-GB' })
    await page.getByLabel('Your name').waitFor()
    await harmless(page, 'the door')
    await page.getByLabel('Your name').fill(EVIL)
    await button(page, 'Join now').click()
    await page.getByText('There is no conference with this ID').waitFor()
    await harmless(page, 'after the door')
  },
}
