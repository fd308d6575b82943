/** The companion's conversations, as stories: nothing typed is lost, nothing is doubled, nothing that is written runs. */

import assert from 'node:assert/strict'
import { readFile, readdir } from 'node:fs/promises'
import { join } from 'node:path'
import { gzipSync } from 'node:zlib'
import { accessible, button, until } from './tests.mjs'

/** What the companion may weigh, in kB of gzip, for shell and chat. */
const BUDGET = 180

export async function enter(open, as = 'ann', path = '/app', options = {}) {
  const page = await open(path, { locale: 'en-GB', ...options })
  await page.getByLabel('User name').fill(as)
  await page.getByLabel('Password').fill('secret')
  await page.getByRole('button', { name: 'Sign in' }).click()
  await page.getByRole('navigation').waitFor()
  return page
}

export const field = (page) => page.getByRole('textbox', { name: 'Message' })

export async function write(page, text) {
  await field(page).fill(text)
  await field(page).press('Enter')
}

const post = (page, text) => page.locator('.timeline li').filter({ hasText: text })
const row = (page, name) => page.getByRole('region', { name: 'Chats' }).getByRole('button', { name })
const tool = async (page, text, name) => {
  await post(page, text).last().hover()
  await post(page, text).last().getByRole('button', { name, exact: true }).click()
}
const count = (mock, conversation, text) => mock.conversations.get(conversation).events.filter(({ kind, body }) => kind === 'text' && body.text === text).length

export const companion = {
  async companion_weighs_no_more_than_it_may({ dist }) {
    const page = await readFile(join(dist, 'app.html'), 'utf8')
    const names = [...page.matchAll(/(?:src|href)="\/(assets\/[^"]+\.js)"/g)].map(([, name]) => name)
    const assets = await readdir(join(dist, 'assets'))
    const weigh = async (name) => gzipSync(await readFile(join(dist, name))).length / 1_000
    const words = await Promise.all(assets.filter((name) => /^(en|de|fr|es)-/.test(name)).map((name) => weigh(join('assets', name))))
    const weights = await Promise.all(names.map(weigh))
    const sum = weights.reduce((total, one) => total + one, 0) + Math.max(...words)
    console.log(`      shell and chat: ${sum.toFixed(1)} kB of gzip (${names.length} files and the longest of the languages), ${BUDGET} at most`)
    assert.equal(words.length, 4)
    assert.ok(sum <= BUDGET, `${sum} kB`)
    assert.doesNotMatch(await readFile(join(dist, 'index.html'), 'utf8'), /assets\/app-/)
  },

  async companion_two_people_write_to_each_other({ open, other, shot }) {
    const ann = await enter(open, 'ann', '/app/c/direct')
    const bo = await enter(open, 'bo', '/app/c/direct')
    await post(ann, 'talk it over at eleven').waitFor()
    await field(bo).fill('On my way')
    await ann.getByText('Bo Lindqvist typing…').first().waitFor()
    await field(bo).press('Enter')
    await post(ann, 'On my way').waitFor()
    await write(ann, 'See you **there**')
    await post(bo, 'See you there').locator('strong').waitFor()
    await ann.getByText('Read by Bo Lindqvist').waitFor()
    await tool(bo, 'See you there', 'React')
    await bo.getByRole('button', { name: '🎉' }).click()
    await ann.getByRole('button', { name: '🎉 by Bo Lindqvist' }).click()
    await bo.getByRole('button', { name: '🎉 by Bo Lindqvist and Ann Becker' }).waitFor()
    await ann.bringToFront()
    await field(ann).press('ArrowUp')
    await ann.getByRole('textbox', { name: 'Edit message' }).fill('See you at the door')
    await ann.getByRole('textbox', { name: 'Edit message' }).press('Enter')
    await post(bo, 'See you at the door').getByText('(edited)').waitFor()
    await shot(ann, 'companion-chat-light')
    await accessible(ann, 'a conversation')
    await tool(ann, 'See you at the door', 'Delete')
    await post(bo, 'This message was deleted.').waitFor()
    assert.equal(await bo.getByText('See you at the door').count(), 0)
    assert.equal(count(other, 'direct', 'On my way'), 1)
  },

  async companion_keeps_what_was_typed_through_a_lost_line_and_a_reload({ open, other, shot }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    await field(page).fill('A draft about the numbers')
    await row(page, /Dana Okafor/).click()
    await page.getByRole('heading', { name: /Dana Okafor/ }).waitFor()
    other.silent = true
    other.cut()
    await page.getByText('Connection lost').waitFor()
    await write(page, 'Written while nothing answered')
    await page.getByText('Waits for the connection').waitFor()
    await write(page, 'And a second one')
    await shot(page, 'companion-offline')
    await page.reload()
    await page.getByText('Loading…').waitFor()
    other.silent = false
    await post(page, 'Written while nothing answered').waitFor()
    await until('both are sent', () => count(other, 'dana', 'And a second one') === 1)
    assert.deepEqual(other.conversations.get('dana').events.slice(-2).map(({ body }) => body.text), ['Written while nothing answered', 'And a second one'])
    await page.getByText('Sending…').waitFor({ state: 'detached' })
    await row(page, /^Available Bo Lindqvist/).click()
    await until('the draft', async () => (await field(page).inputValue()) === 'A draft about the numbers')
  },

  async companion_sends_once_even_when_the_answer_is_lost({ open, other }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    await post(page, 'talk it over').waitFor()
    let lost = 0
    other.before = (message, socket, user) => {
      if (message.type !== 'send' || lost > 0) return false
      lost += 1
      // It is on disk, and then the line breaks before the answer.
      other.append(message.conversation, user, message.kind, message.body, { client_id: message.client_id })
      socket.terminate()
      return true
    }
    await write(page, 'Only once')
    await until('it is there', () => count(other, 'direct', 'Only once') === 1)
    await page.getByText('Sending…').waitFor({ state: 'detached' })
    assert.equal(await post(page, 'Only once').count(), 1)
    assert.equal(count(other, 'direct', 'Only once'), 1)
  },

  async companion_reads_what_it_missed({ open, other }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    await post(page, 'talk it over').waitFor()
    other.lose = ({ body }) => body.text?.startsWith('Lost') === true
    other.append('direct', 'bo', 'text', { text: 'Lost one' })
    other.append('direct', 'bo', 'text', { text: 'Lost two' })
    other.append('direct', 'bo', 'text', { text: 'Heard' })
    await post(page, 'Lost two').waitFor()
    other.append('direct', 'bo', 'text', { text: 'Lost and last' })
    other.tell(['ann'], { type: 'heads', last: { direct: other.conversations.get('direct').events.length } })
    await post(page, 'Lost and last').waitFor()
    const texts = await page.locator('.post .markdown').allInnerTexts()
    assert.deepEqual(texts.slice(-4), ['Lost one', 'Lost two', 'Heard', 'Lost and last'])
    other.cut()
    other.append('direct', 'bo', 'text', { text: 'While away' })
    await post(page, 'While away').waitFor()
    assert.equal(other.hello.cursors.direct, other.conversations.get('direct').events.length - 1)
  },

  async companion_shows_older_posts_the_unread_line_and_permalinks({ open, other, shot }) {
    const page = await enter(open)
    await row(page, /Launch/).getByLabel('3 unread').waitFor()
    await row(page, /Launch/).click()
    await page.locator('.unread-line').waitFor()
    await until('the server’s mark', () => other.shown('launch', 'ann').unread === 0)
    await row(page, /Launch/).getByLabel('3 unread').waitFor({ state: 'detached' })
    assert.equal(await post(page, /Sketch 30$/).count(), 0)
    await button(page, 'Earlier messages').click()
    await post(page, /Sketch 30$/).waitFor()
    await tool(page, /Sketch 100$/, 'Copy link')
    await page.goto(page.url().replace(/\/c\/.*/, '/c/launch/12'))
    await page.locator('[data-wanted]').filter({ hasText: 'Sketch 12' }).waitFor()
    await shot(page, 'companion-permalink')
    await button(page, 'To the newest').click()
    await post(page, 'The new icons are in').waitFor()
  },

  async companion_sends_files_with_progress_cancel_and_resume({ open, other, shot }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    const choose = (name, size, mimeType = 'application/pdf') => page.locator('input[type=file]').setInputFiles({ name, mimeType, buffer: Buffer.alloc(size, 7) })
    await choose('huge.bin', 2_100_000)
    await page.getByText('huge.bin is larger than').waitFor()
    other.slowPieces = 300
    await choose('report.pdf', 1_500_000)
    await page.getByRole('progressbar', { name: 'Uploading report.pdf' }).waitFor()
    await until('some progress', async () => Number(await page.getByRole('progressbar').getAttribute('aria-valuenow')) > 20)
    await shot(page, 'companion-upload')
    await button(page, 'Do not attach report.pdf').click()
    await page.getByRole('progressbar').waitFor({ state: 'detached' })
    other.slowPieces = 0
    other.failPieces = 1
    await choose('report.pdf', 1_200_000)
    await page.getByRole('progressbar').waitFor({ state: 'detached' })
    await write(page, 'The report')
    await page.getByRole('link', { name: /report\.pdf/ }).waitFor()
    const [sent] = other.conversations.get('direct').events.at(-1).body.files
    assert.equal(other.files.get(sent.id).bytes.length, 1_200_000)
    // A picture from the clipboard, and one that is dragged here.
    const dot = 'iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=='
    await page.evaluate((base64) => {
      const bytes = Uint8Array.from(atob(base64), (character) => character.codePointAt(0))
      const brought = (name) => {
        const data = new DataTransfer()
        data.items.add(new File([bytes], name, { type: 'image/png' }))
        return data
      }
      document.querySelector('.composer textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: brought('pasted.png'), bubbles: true, cancelable: true }))
      const at = document.querySelector('.talk-main')
      at.dispatchEvent(new DragEvent('dragover', { dataTransfer: brought('dragged.png'), bubbles: true, cancelable: true }))
      at.dispatchEvent(new DragEvent('drop', { dataTransfer: brought('dragged.png'), bubbles: true, cancelable: true }))
    }, dot)
    await page.getByRole('button', { name: 'Do not attach dragged.png' }).waitFor()
    await page.getByRole('progressbar').first().waitFor({ state: 'detached' })
    await button(page, 'Send').click()
    await page.getByRole('img', { name: 'pasted.png' }).waitFor()
    assert.equal(await page.getByRole('img', { name: 'pasted.png' }).evaluate((image) => image.naturalWidth), 1)
  },

  async companion_names_people_by_an_at_sign({ open, other, shot }) {
    const page = await enter(open, 'ann', '/app/c/launch')
    await page.locator('.post').last().waitFor()
    await field(page).pressSequentially('Thanks @mor')
    await page.getByRole('option', { name: /Cy Moreau/ }).waitFor()
    await accessible(page, 'people to name')
    const below = () => page.locator('.timeline').evaluate(({ scrollHeight, scrollTop, clientHeight }) => scrollHeight - scrollTop - clientHeight)
    await until('the end stays in view', async () => (await below()) < 2)
    await shot(page, 'companion-mention')
    await field(page).press('Enter')
    await until('the login', async () => (await field(page).inputValue()) === 'Thanks @cy ')
    await field(page).press('Enter')
    await until('it is sent', () => other.conversations.get('launch').events.at(-1).body.text === 'Thanks @cy')
  },

  async companion_draws({ open, other, shot }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    await button(page, 'Draw').click()
    const pad = page.getByRole('img', { name: 'Drawing surface' })
    const { x, y, width } = await pad.boundingBox()
    await button(page, 'Pen blue').click()
    await page.mouse.move(x + 40, y + 60)
    await page.mouse.down()
    await page.mouse.move(x + width / 2, y + 150, { steps: 12 })
    await page.mouse.move(x + width - 50, y + 40, { steps: 12 })
    await page.mouse.up()
    await accessible(page, 'the drawing sheet')
    await shot(page, 'companion-ink')
    await button(page, 'Send drawing').click()
    await page.getByRole('img', { name: 'A drawing' }).waitFor()
    const { body } = other.conversations.get('direct').events.at(-1)
    assert.equal(body.strokes.length, 1)
    assert.ok(body.strokes[0].points.length > 20 && body.strokes[0].color === '#2563eb')
  },

  async companion_pastes_formatting_as_markdown({ open }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    await field(page).focus()
    await page.evaluate(() => {
      const data = new DataTransfer()
      data.setData('text/html', '<p>Try <b>this</b> and <a href="https://example.org/">that</a></p><ul><li>one</li><li>two</li></ul><script>window.ran = 1</script>')
      data.setData('text/plain', 'Try this')
      document.querySelector('.composer textarea').dispatchEvent(new ClipboardEvent('paste', { clipboardData: data, bubbles: true, cancelable: true }))
    })
    await until('Markdown', async () => (await field(page).inputValue()) === 'Try **this** and [that](https://example.org/)\n\n- one\n- two')
  },

  async companion_says_why_a_message_was_not_taken({ open, other }) {
    const page = await enter(open, 'ann', '/app/c/direct')
    await write(page, 'a forbidden word')
    await page.getByText('Not sent: You may not do that.').waitFor()
    await page.reload()
    await page.getByText('Not sent: You may not do that.').waitFor()
    await button(page, 'Discard').click()
    await page.getByText('Not sent').waitFor({ state: 'detached' })
    let refusals = 0
    other.before = (message, socket) => {
      if (message.type !== 'send' || refusals > 0) return false
      refusals += 1
      socket.send(JSON.stringify({ type: 'refused', id: message.id, code: 'rate', detail: '', retry_ms: 300 }))
      return true
    }
    await write(page, 'after a rest')
    await until('it is sent after the rest', () => count(other, 'direct', 'after a rest') === 1)
    await field(page).fill('é'.repeat(5_000))
    await page.getByText('1808 bytes too long').waitFor()
  },
}
