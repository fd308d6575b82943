/** What pictures are like, one's own and others', as stories: see `tests.mjs`. */

import { accessible, button, connected, film, furnish, inside, until } from './tests.mjs'

export const quality = {
  async a_picture_that_stands_still_is_marked_with_the_reason({ open, shot, mock, media }) {
    film(mock)
    furnish(mock)
    const page = await open('/join/1001?name=Eva&pin=2001&autojoin=1')
    await inside(page)
    await connected(page)
    const ann = page.getByRole('group', { name: /^Ann Becker/ })
    await ann.locator('video[data-shown]').waitFor()
    const [id] = [...mock.roster.values()].filter(({ name }) => name === 'Eva').map((eva) => eva.id)
    const slot = mock.mids[mock.cameras.indexOf('p_ann')]
    await media.stall(id, slot)
    const mark = ann.getByRole('img', { name: 'The picture stands still: nothing comes from Ann Becker' })
    await mark.waitFor({ timeout: 30_000 })
    await accessible(page, 'a picture that stands still')
    await shot(page, 'quality-still')
  },

  async the_cameras_resolution_is_chosen_and_remembered({ open, shot, mock }) {
    mock.enter({ id: 'p_raj', name: 'Raj' })
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    const width = () => page.getByRole('group', { name: /^Ann \(you\)/ }).locator('video').evaluate((video) => video.videoWidth)
    await until('a large camera', async () => (await width()) === 1280)
    await button(page, 'Settings').click()
    await page.getByRole('button', { name: 'Camera resolution' }).click()
    await page.getByRole('option', { name: 'Low, saves data (180p)' }).click()
    await accessible(page, 'settings with the resolution')
    await shot(page, 'settings-resolution')
    await button(page, 'Done').click()
    await until('a small camera', async () => (await width()) === 320)
    await page.reload()
    await inside(page)
    await connected(page)
    await until('a small camera still', async () => (await width()) === 320)
  },
}
