/** Who is here by the page calls in, too: a PIN of one's own, one's voice by phone, one mute for both. */

import { accessible, button, connected, inside, until } from './tests.mjs'

export const byPhone = {
  async one_calls_in_with_a_pin_of_ones_own_and_the_pages_mute_is_the_phones({ open, shot, mock }) {
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    await button(page, 'Get my PIN').click()
    await page.getByText('4815 1623 #').waitFor()
    await accessible(page, 'the PIN')
    await shot(page, 'by-phone-pin')
    const [id] = mock.roster.keys()
    mock.change(id, { by_phone: true })
    await page.getByText('You speak and hear by phone. Your picture stays here.').waitFor()
    const mutes = () => mock.received.filter(({ type }) => type === 'mute').length
    const before = mutes()
    // The phone's `*6` shows here, and the button here mutes the phone.
    mock.change(id, { muted: true })
    await button(page, 'Unmute microphone').waitFor()
    await accessible(page, 'speaking by phone')
    await shot(page, 'by-phone-muted')
    if (mutes() !== before) throw new Error('the page answered the mute of the phone by one of its own')
    await button(page, 'Unmute microphone').click()
    await until('the unmute', () => mock.roster.get(id).muted === false)
    await button(page, 'Mute microphone').waitFor()
    // Hung up: the microphone of the page stays shut until its owner opens it.
    mock.change(id, { by_phone: undefined, muted: true })
    await page.getByText('Your phone has hung up').waitFor()
    await button(page, 'Unmute microphone').waitFor()
    if (!mock.roster.get(id).muted) throw new Error('the page has opened its microphone by itself')
    await button(page, 'Unmute microphone').click()
    await until('the page speaks', () => mock.roster.get(id).muted === false)
    await button(page, 'Forget it').click()
    await button(page, 'Get my PIN').waitFor()
  },
}
