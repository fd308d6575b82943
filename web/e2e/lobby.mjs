/** Who waits to be let in, on the host's page and on their own. */

import { accessible, button, connected, inside, until } from './tests.mjs'

export const lobby = {
  async a_guest_waits_in_the_lobby_until_the_host_lets_them_in({ open, shot, mock }) {
    const host = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(host)
    await connected(host)
    await host.getByText('Guests wait until you let them in.').click()
    await until('the lobby is on', () => mock.lobby)
    const guest = await open('/join/1001?name=Ben&pin=2001&autojoin=1')
    await guest.getByRole('heading', { name: 'You are in the lobby' }).waitFor()
    await accessible(guest, 'the lobby')
    await shot(guest, 'lobby-guest')
    await host.getByText('Ben is waiting in the lobby.').waitFor()
    mock.wait('p_phone', '+49 30 ••• 56', null)
    await host.getByText('2 people are waiting in the lobby.').waitFor()
    await host.waitForTimeout(300)
    await accessible(host, 'the list of who waits')
    await shot(host, 'lobby-host')
    await button(host, 'Deny +49 30 ••• 56').click()
    await until('the phone is gone', () => mock.lobbied.size === 1)
    await button(host, 'Admit Ben').click()
    await inside(guest)
    await connected(guest)
    await until('the camera is told', () => [...mock.roster.values()].some(({ name, camera }) => name === 'Ben' && camera))
    await host.getByText('Ben is waiting in the lobby.').waitFor({ state: 'detached' })
    await button(host, 'Actions for Ben').click()
    await host.getByRole('menuitem', { name: 'Send to the lobby', exact: true }).click()
    await guest.getByRole('heading', { name: 'You are in the lobby' }).waitFor()
    await host.getByRole('status').getByRole('button', { name: 'Deny', exact: true }).click()
    await guest.getByRole('heading', { name: 'You were not let in' }).waitFor()
  },
}
