/**
 * Debian's Firefox by WebDriver BiDi, driven as Chromium is. It takes no candidates of the loopback, so a server that it is to hear announces
 * `interfaceAddress`.
 */

import { networkInterfaces } from 'node:os'
import { firefox } from 'playwright-core'

export const interfaceAddress = () =>
  Object.values(networkInterfaces())
    .flat()
    .find(({ family, internal }) => family === 'IPv4' && !internal)?.address ?? '127.0.0.1'

export async function launchFirefox() {
  const browser = await firefox.launch({
    channel: 'moz-firefox',
    executablePath: process.env.FIREFOX ?? '/usr/bin/firefox-esr',
    firefoxUserPrefs: {
      'media.navigator.permission.disabled': true,
      'media.navigator.streams.fake': true,
      'media.autoplay.default': 0,
    },
  })
  const page = await browser.newPage()
  typing(page.locator('body'))
  await page.close()
  return browser
}

/** A field is filled by keys: what else the tool has for Firefox sets its value, which React does not hear. */
function typing(locator) {
  const kind = Object.getPrototypeOf(locator)
  const { fill } = kind
  kind.fill = async function (value, options) {
    if (this.page().context().browser()?.browserType().name() !== 'firefox') return fill.call(this, value, options)
    await this.press('ControlOrMeta+a', options)
    await (value === '' ? this.press('Delete', options) : this.pressSequentially(value, options))
  }
}
