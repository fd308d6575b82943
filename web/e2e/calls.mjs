/** A host calls phones, sees how far each call is, takes it back, and calls again. */

import { accessible, button, connected, inside, until } from './tests.mjs'

export const calls = {
  async a_host_calls_a_phone_and_is_told_in_words_what_becomes_of_it({ open, shot, mock }) {
    const host = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(host)
    await connected(host)
    await button(host, 'Call a phone').click()
    await host.getByLabel('Phone number').fill('+49 30 123456')
    await accessible(host, 'the form for a call')
    await shot(host, 'calls-form')
    await host.keyboard.press('Enter')
    await host.getByText('Calling…').waitFor()
    mock.setCall('c_0', 'ringing')
    await host.getByText('Ringing…').waitFor()
    mock.setCall('c_0', 'busy')
    await host.getByText('Busy', { exact: true }).waitFor()
    await button(host, 'Call +4930•••56 again').click()
    await host.getByText('Calling…').waitFor()
    await button(host, 'Call a phone').click()
    await host.getByLabel('Phone number').fill('201')
    await host.getByLabel('Name (optional)').fill('Zoe')
    await button(host, 'Call').click()
    await until('the call to Zoe', () => mock.calls.length === 2)
    mock.setCall('c_0', 'no_answer')
    mock.setCall('c_1', 'joined')
    await host.getByText('No answer').waitFor()
    await host.getByText('In the conference').waitFor()
    await accessible(host, 'the list of calls')
    await shot(host, 'calls-list')
    await button(host, 'Forget the call to +4930•••56').click()
    await button(host, 'Hang up on Zoe').click()
    await until('no call is left', () => mock.calls.length === 0)
    const guest = await open('/join/1001?name=Ben&pin=2001&autojoin=1')
    await inside(guest)
    if ((await button(guest, 'Call a phone').count()) > 0) throw new Error('a guest is offered calls')
  },
}
