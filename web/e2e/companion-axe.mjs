/** axe finds nothing serious on any screen and any sheet: in the dark, on a phone, and where the other stories do not come by. */

import { enter } from './companion.mjs'
import { accessible, button } from './tests.mjs'

const SCREENS = [
  ['', 'Chats'],
  ['/c/direct', 'talk it over'],
  ['/c/direct/2', 'p95 is 41 ms'],
  ['/c/engineering', 'staging server'],
  ['/contacts', 'My team'],
  ['/contacts/bo', 'Access level'],
  ['/rooms', 'Engineering'],
  ['/calls', 'Missed'],
  ['/filters', 'Servers'],
  ['/filters/servers', 'Caught by'],
  ['/search?q=sketch', 'Sketch 71'],
  ['/settings', 'Appearance'],
]

/** Those of which no other story takes a picture in the dark. */
const DARK = new Set(['', '/c/direct/2', '/filters/servers'])

async function everywhere(page, how, screens) {
  for (const [path, ready] of screens) {
    await page.goto(new URL(`/app${path}`, page.url()).href)
    await page.getByText(ready).locator('visible=true').first().waitFor()
    await accessible(page, `${how}: ${path}`)
  }
}

export const axe = {
  async companion_axe_finds_nothing_in_the_dark_either({ open }) {
    await everywhere(await enter(open, 'ann', '/app', { colorScheme: 'dark' }), 'dark', SCREENS.filter(([path]) => DARK.has(path)))
  },

  async companion_axe_finds_nothing_on_any_screen_of_a_phone({ open }) {
    await everywhere(await enter(open, 'ann', '/app', { viewport: { width: 390, height: 780 }, hasTouch: true, isMobile: true }), 'phone', SCREENS)
  },

  async companion_axe_finds_nothing_on_any_sheet({ open, other }) {
    const page = await enter(open, 'ann', '/app/c/launch')
    const sheet = async (opener, name) => {
      await opener.click()
      await page.getByRole('dialog').waitFor()
      await accessible(page, name)
      await page.keyboard.press('Escape')
      await page.getByRole('dialog').waitFor({ state: 'detached' })
    }
    await sheet(button(page, 'New conversation'), 'a new conversation')
    await sheet(button(page, 'Add people').first(), 'people to add')
    await sheet(button(page, 'Insert an emoji'), 'emoji')
    await sheet(page.locator('.timeline').getByRole('button', { name: /Cy Moreau/ }).last(), 'a card over all')
    await page.goto(new URL('/app/contacts', page.url()).href)
    await sheet(button(page, 'Add a phone number'), 'a phone number')
    await sheet(button(page, 'New group'), 'a new group')
    await sheet(page.getByRole('button', { name: 'Group My team' }), 'what to do with a group')
    await page.goto(new URL('/app/c/engineering', page.url()).href)
    await sheet(button(page, 'Room settings'), 'settings of a room')
    other.append('direct', 'bo', 'text', { text: 'Lunch?' })
    other.tell(['ann'], { type: 'tagged', user: 'cy', state: 'available' })
    await page.getByText('Cy Moreau is available now').waitFor()
    await accessible(page, 'notices')
    other.before = (message, socket) => {
      if (message.type !== 'hello') return false
      socket.close(4002)
      return true
    }
    await page.reload()
    await page.getByText('This page is out of date').waitFor()
    await accessible(page, 'out of date')
  },
}
