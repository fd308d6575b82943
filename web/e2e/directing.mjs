/** Who is shown: hosts direct it for all, everybody for their own page. */

import { accessible, button, connected, inside, until } from './tests.mjs'

export const directing = {
  async a_host_puts_somebody_in_the_spotlight_and_turns_cameras_off({ open, shot, mock }) {
    const guest = await open('/join/1001?name=Ben&pin=2001&autojoin=1')
    await inside(guest)
    await connected(guest)
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    const ben = [...mock.roster.values()].find(({ name }) => name === 'Ben').id
    await until('the camera is on', () => mock.roster.get(ben).camera)
    const menu = async (item) => {
      await button(page, 'Actions for Ben').click()
      await page.getByRole('menuitem', { name: item, exact: true }).click()
    }
    await menu('Spotlight for everyone')
    await until('the spotlight', () => mock.spotlight === ben)
    await page.getByRole('img', { name: 'in the spotlight' }).waitFor()
    await guest.getByRole('img', { name: 'in the spotlight' }).waitFor()
    await menu('Turn camera off')
    await guest.getByText('The host turned your camera off').first().waitFor()
    await page.waitForTimeout(300)
    await accessible(page, 'spotlight')
    await shot(page, 'spotlight')
    await shot(guest, 'camera-forbidden')
    await button(guest, 'The host turned your camera off').click()
    await guest.waitForTimeout(300)
    await until('the camera stays off', () => !mock.roster.get(ben).camera)
    await menu('Let camera on')
    await button(guest, 'Turn camera on').click()
    await until('the camera is on again', () => mock.roster.get(ben).camera)
    await menu('End spotlight')
    await page.getByRole('img', { name: 'in the spotlight' }).waitFor({ state: 'detached' })
  },

  async ones_own_picture_can_be_hidden_and_stays_so({ open, shot, mock }) {
    mock.enter({ id: 'p_raj', name: 'Raj' })
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    const own = page.getByRole('group', { name: /^Ann \(you\)/ })
    await own.waitFor()
    await button(page, 'Settings').click()
    await page.getByText('Show my own picture').click()
    await accessible(page, 'settings with the own picture')
    await shot(page, 'settings-self-view')
    await button(page, 'Done').click()
    await own.waitFor({ state: 'detached' })
    await page.reload()
    await inside(page)
    await connected(page)
    await page.getByRole('group', { name: /^Raj/ }).waitFor()
    await own.waitFor({ state: 'detached' })
  },
}
