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
    const choose = async (name, whose = page) => {
      await button(whose, 'What is seen').click()
      await whose.getByRole('menuitemradio', { name }).last().click()
    }
    await choose('Speaker and strip')
    await page.getByRole('region', { name: 'Picture of everybody' }).locator('video[data-shown]').waitFor()
    await accessible(page, 'composite')
    await shot(page, 'composite-host')
    await choose('lecture')
    await until('the layout of the administrator', () => mock.laid === 'lecture')
    await button(page, 'What is seen').click()
    await shot(page, 'composite-menu')
    await page.getByRole('menuitemradio', { name: 'Cameras', exact: true }).click()
    await until('cameras again', () => !mock.composite)
    await page.getByRole('region', { name: 'Picture of everybody' }).waitFor({ state: 'detached' })
  },

  async each_chooses_what_to_see({ open, shot, mock }) {
    mock.layouts = ['grid', 'speaker']
    film(mock)
    furnish(mock)
    const page = await open('/join/1001?name=Ben&pin=2001&autojoin=1')
    await inside(page)
    await connected(page)
    const picture = page.getByRole('region', { name: 'Picture of everybody' })
    const menu = button(page, 'What is seen')
    await menu.click()
    await page.getByRole('menuitemradio', { name: 'One picture of everybody' }).click()
    await picture.locator('video[data-shown]').waitFor()
    assert.equal(mock.composite, false)
    await menu.click()
    assert.equal(await page.getByRole('menuitemradio', { name: 'Cameras', exact: true }).count(), 0)
    await accessible(page, 'views')
    await shot(page, 'views-menu')
    await page.getByRole('menuitemradio', { name: 'No video' }).click()
    await picture.waitFor({ state: 'detached' })
    const others = page.getByRole('group', { name: /Cleo|Dan|Ann/ }).locator('video')
    assert.equal(await others.count(), 0)
    await menu.click()
    await page.getByRole('menuitemradio', { name: 'Grid' }).click()
    await until('back to what the conference gives', () => {
      const last = mock.received.findLast(({ type }) => type === 'view')
      return !('view' in last)
    })
  },
}
