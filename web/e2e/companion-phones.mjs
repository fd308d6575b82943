/** Calling phones from the companion, what the history then says, when somebody is free. */

import assert from 'node:assert/strict'
import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { enter } from './companion.mjs'
import { accessible, until } from './tests.mjs'

/** Serves what `answer` says of a path to any origin. */
async function serve(answer) {
  const server = createServer((request, response) => {
    const found = answer(request.url)
    response.writeHead(found ? 200 : 404, { 'access-control-allow-origin': '*', ...(found && { 'content-type': found[0] }) })
    response.end(found?.[1])
  })
  await new Promise((done) => server.listen(0, '127.0.0.1', done))
  return { address: `http://127.0.0.1:${server.address().port}`, stop: () => server.close() }
}

export const phones = {
  async companion_long_logs_stay_small_and_hold_still({ open, other }) {
    for (let at = 1; at <= 10_000; at += 1) other.append('direct', at % 2 ? 'bo' : 'ann', 'text', { text: `Line ${at}` })
    const page = await enter(open, 'ann', '/app/c/direct')
    const drawn = () => page.locator('.timeline [data-seq]').count()
    await page.locator('.timeline li').filter({ hasText: /Line 10000$/ }).waitFor()
    const button = page.getByRole('button', { name: 'Earlier messages' })
    const firstSeen = () =>
      page.locator('.timeline').evaluate((box) => {
        const top = box.getBoundingClientRect().top
        const line = [...box.querySelectorAll('[data-seq]')].find((one) => one.getBoundingClientRect().bottom > top + 40)
        return { seq: line.dataset.seq, top: Math.round(line.getBoundingClientRect().top) }
      })
    const waits = []
    for (let press = 0; press < 8; press += 1) {
      await button.scrollIntoViewIfNeeded()
      const before = await firstSeen()
      const oldest = await page.locator('.timeline [data-seq]').first().getAttribute('data-seq')
      const begun = Date.now()
      await button.click()
      await until('older ones', async () => (await page.locator('.timeline [data-seq]').first().getAttribute('data-seq')) !== oldest)
      waits.push(Date.now() - begun)
      const line = page.locator(`.timeline [data-seq="${before.seq}"]`)
      const moved = Math.abs(Math.round(await line.evaluate((one) => one.getBoundingClientRect().top)) - before.top)
      assert.ok(moved <= 30, `what was read moved by ${moved} px`)
      assert.ok((await drawn()) <= 300, `${await drawn()} posts are drawn`)
    }
    console.log(`      older posts: median ${waits.toSorted((a, b) => a - b)[4]} ms, slowest ${Math.max(...waits)} ms`)
    // And back to the end by scrolling alone.
    const last = page.locator('.timeline [data-seq]').last()
    const newest = other.conversations.get('direct').events.length
    while (Number(await last.getAttribute('data-seq')) < newest) {
      const before = await last.getAttribute('data-seq')
      await page.locator('.timeline').evaluate((box) => box.scrollTo(0, box.scrollHeight))
      await until('later ones', async () => (await last.getAttribute('data-seq')) !== before)
    }
    assert.ok((await drawn()) <= 300)
  },

  async companion_badge_shows_on_a_page_of_elsewhere({ open, app }) {
    const script = await readFile(new URL('../../companion/src/server/badge/badge.js', import.meta.url))
    const asked = []
    let state = 'busy'
    const home = await serve((path) => {
      asked.push(path)
      if (path === '/badge.js') return ['text/javascript', script]
      if (path.startsWith('/api/v1/companion/badge/ann.svg')) return ['image/svg+xml', '<svg xmlns="http://www.w3.org/2000/svg" width="90" height="20"><rect width="90" height="20"/></svg>']
      if (path === '/api/v1/companion/badge/ann') return ['application/json', JSON.stringify({ user: 'ann', name: 'Ann Becker', state, class: state })]
      return null
    })
    const page = await open('/app')
    const elsewhere = await serve(() => ['text/html', `<!doctype html><html lang="de"><script type="module" src="${home.address}/badge.js"></script><plenum-presence user="ann"></plenum-presence><plenum-presence user="nobody"></plenum-presence>`])
    assert.notEqual(new URL(elsewhere.address).origin, new URL(app).origin)
    await page.goto(elsewhere.address)
    const image = page.locator('plenum-presence[user=ann] img')
    await until('a picture with words', async () => (await image.getAttribute('alt')) === 'Ann Becker: busy' && image.evaluate((one) => one.naturalWidth === 90))
    assert.ok(asked.some((path) => path.endsWith('/ann.svg?lang=de&class=busy')), asked.join(' '))
    assert.equal(await page.locator('plenum-presence[user=nobody] img').getAttribute('src'), null)
    state = 'available'
    await page.locator('plenum-presence[user=ann]').evaluate((one) => one.setAttribute('lang', 'fr'))
    await until('its change', async () => (await page.locator('plenum-presence[user=ann]').getAttribute('data-class')) === 'available')
    home.stop()
    elsewhere.stop()
  },

  async companion_writes_to_a_distribution_list({ open, other, shot }) {
    other.lists = [{ id: 'south', name: 'Office South', people: ['bo', 'cy', 'dana'] }]
    const page = await enter(open, 'ann', '/app')
    await page.getByRole('button', { name: 'New conversation' }).click()
    await page.getByLabel('Search people').fill('south')
    await page.getByRole('button', { name: 'Add Office South' }).filter({ hasText: '3 people' }).waitFor()
    await shot(page, 'companion-list')
    await page.getByRole('button', { name: 'Add Office South' }).click()
    await page.locator('.chips').getByRole('button', { name: /Dana Okafor/ }).click()
    await page.getByRole('button', { name: 'Start', exact: true }).click()
    await until('a conversation with those who are left', () => other.told('open')[0]?.with.length === 2)
    assert.deepEqual(other.told('open')[0].with, ['bo', 'cy'])
  },

  async companion_calls_a_phone({ open, other, shot }) {
    other.limits = { ...other.limits, phones: true }
    const page = await enter(open, 'ann', '/app/contacts')
    await page.getByLabel('Search people and numbers').fill('+49 30 555 0142')
    const [tab] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Dial +49 30 555 0142' }).click()])
    await tab.waitForURL(/\/join\/80/)
    assert.deepEqual(Object.fromEntries(new URL(tab.url()).searchParams), { token: 'signed', name: 'Ann Becker', autojoin: '1', camera: '0' })
    await tab.close()
    assert.equal(other.told('dial')[0].phone, '+49 30 555 0142')
    await page.getByLabel('Search people and numbers').fill('+900 123')
    const [refused] = await Promise.all([page.waitForEvent('popup'), page.getByRole('button', { name: 'Dial +900 123' }).click()])
    await until('the window goes', () => refused.isClosed())
    await page.goto(page.url().replace('contacts', 'calls'))
    await page.getByRole('button', { name: 'Dial +49 30 555 0142' }).filter({ hasText: 'Called by phone' }).waitFor()
    await accessible(page, 'history with phones')
    await shot(page, 'companion-history-phones')
    await page.getByLabel('Which calls').selectOption('missed')
    await page.getByRole('button', { name: 'Dial +49 30 555 0142' }).waitFor({ state: 'detached' })
  },

  async companion_card_tells_when_somebody_is_busy({ open, other, shot }) {
    const soon = Date.now() + 3_600_000
    other.busy.set('dana', [
      { kind: 'busy', from: soon, until: soon + 1_800_000, subject: 'Budget' },
      { kind: 'out_of_office', from: soon + 86_400_000, until: soon + 2 * 86_400_000 },
      { kind: 'busy', from: 1, until: Date.now() - 1000, subject: 'Over already' },
    ])
    const page = await enter(open, 'ann', '/app/contacts/dana')
    const schedule = page.getByRole('region', { name: 'Schedule' })
    await schedule.getByText('Budget').waitFor()
    assert.equal(await schedule.getByRole('listitem').count(), 2)
    await accessible(page, 'a card with a schedule')
    await shot(page, 'companion-card-schedule')
  },
}
