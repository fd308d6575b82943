/** One picture of all, as stories: see `tests.mjs`. */

import assert from 'node:assert/strict'
import { accessible, button, connected, film, furnish, inside, until } from './tests.mjs'

export const composite = {
  async a_host_gives_everybody_one_picture_and_lays_it_out({ open, shot, mock }) {
    mock.layouts = ['grid', 'lecture', 'speaker']
    film(mock)
    furnish(mock)
    const guest = await open('/join/1001?name=Ben&pin=2001&autojoin=1')
    await inside(guest)
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    assert.equal(await button(guest, 'What is seen').count(), 0)
    const choose = async (name) => {
      await button(page, 'What is seen').click()
      await page.getByRole('menuitemradio', { name }).last().click()
    }
    await choose('Speaker and strip')
    await page.getByRole('region', { name: 'Picture of everybody' }).locator('video[data-shown]').waitFor()
    await accessible(page, 'composite')
    await shot(page, 'composite-host')
    assert.equal(await button(guest, 'Show everyone in a grid').count(), 0)
    await choose('lecture')
    await until('the layout of the administrator', () => mock.layout === 'lecture')
    await button(page, 'What is seen').click()
    await shot(page, 'composite-menu')
    await page.getByRole('menuitemradio', { name: 'Speaker large' }).click()
    await until('cameras again', () => mock.layout === undefined)
    await page.getByRole('region', { name: 'Picture of everybody' }).waitFor({ state: 'detached' })
  },
}
