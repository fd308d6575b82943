/** Sharing a screen, as stories: see `tests.mjs`. A drawn picture and a tone stand for the tab that the person would choose. */

import assert from 'node:assert/strict'
import { accessible, button, connected, film, furnish, inside, until } from './tests.mjs'

/** Before the page's own scripts: what `getDisplayMedia` gives, with `stopSharing` for the browser's own button. */
const drawScreen = (page) =>
  page.addInitScript(() => {
    navigator.mediaDevices.getDisplayMedia = async (wanted) => {
      globalThis.wanted = wanted
      const canvas = Object.assign(document.createElement('canvas'), { width: 1920, height: 1080 })
      const pen = canvas.getContext('2d')
      let turn = 0
      setInterval(() => {
        turn += 1
        pen.fillStyle = '#eef1f8'
        pen.fillRect(0, 0, 1920, 1080)
        pen.fillStyle = '#20242f'
        pen.font = '40px sans-serif'
        pen.fillText(`Agenda, minute ${turn}`, 120, 160)
      }, 200)
      const tone = new AudioContext()
      const sound = tone.createMediaStreamDestination()
      new OscillatorNode(tone, { frequency: 330 }).connect(sound)
      const stream = canvas.captureStream(15)
      stream.addTrack(sound.stream.getAudioTracks()[0])
      globalThis.shared = stream
      globalThis.stopSharing = () => {
        const [picture] = stream.getVideoTracks()
        picture.stop()
        picture.dispatchEvent(new Event('ended'))
      }
      return stream
    }
  })

const last = (mock, type) => mock.received.findLast((message) => message.type === type)

export const sharing = {
  async a_screen_is_shared_beside_the_camera_and_ends_by_either_button({ open, shot, mock, media }) {
    film(mock)
    furnish(mock)
    const page = await open('/join/1001?name=Eva&pin=2001&autojoin=1', { before: drawScreen })
    await inside(page)
    await connected(page)
    const { id } = [...mock.roster.values()].find(({ name }) => name === 'Eva')
    await button(page, 'Share your screen').click()
    await page.getByText('You are sharing your screen and its sound').waitFor()
    await until('a picture of full size', async () => (await media.received(id)).widest === 1920)
    const wanted = await page.evaluate(() => ({ ...globalThis.wanted.video, hint: globalThis.shared.getVideoTracks()[0].contentHint }))
    assert.deepEqual([wanted.frameRate.max, wanted.hint], [15, 'detail'])
    const offers = mock.received.filter(({ type }) => type === 'offer')
    assert.equal(offers.at(-1).sdp.match(/a=sendonly/g).length, 1)
    assert.equal(mock.roster.get(id).camera, true, 'the camera goes on')
    await accessible(page, 'sharing')
    await shot(page, 'sharing-own')
    await page.getByRole('group', { name: 'Call controls' }).getByRole('button', { name: 'Stop sharing' }).click()
    await page.getByText('You are sharing your screen').waitFor({ state: 'detached' })
    await until('the server knows', () => last(mock, 'present').on === false)
    assert.equal(await page.evaluate(() => globalThis.shared.getTracks().every(({ readyState }) => readyState === 'ended')), true)

    const before = mock.received.filter(({ type }) => type === 'offer').length
    await button(page, 'Share your screen').click()
    await page.getByText('You are sharing your screen').waitFor()
    await page.evaluate(() => globalThis.stopSharing())
    await page.getByText('You are sharing your screen').waitFor({ state: 'detached' })
    await until('the server knows again', () => mock.received.filter((message) => message.type === 'present' && !message.on).length === 2)
    assert.equal(mock.received.filter(({ type }) => type === 'offer').length, before, 'the second time needs no offer')
  },

  async a_guest_asks_for_the_turn_to_share_and_is_given_it({ open, shot, mock }) {
    film(mock)
    furnish(mock)
    const page = await open('/join/1001?name=Eva&pin=2001&autojoin=1', { before: drawScreen })
    await inside(page)
    await connected(page)
    mock.turn('p_ann', true)
    await page.getByText('Ann Becker is sharing a screen.').waitFor()
    await page.getByRole('region', { name: 'Screen of Ann Becker' }).locator('video[data-shown]').waitFor()
    await page.getByRole('group', { name: /^Ann Becker/ }).locator('video[data-shown]').waitFor()
    await accessible(page, 'a screen')
    await shot(page, 'sharing-other')
    await page.getByRole('button', { name: 'Full screen' }).click()
    await until('full screen', () => page.evaluate(() => document.fullscreenElement?.className === 'screen'))
    await page.evaluate(() => document.exitFullscreen())
    await page.getByRole('group', { name: 'Call controls' }).getByRole('button', { name: 'Ask to present' }).click()
    await page.getByText('You are waiting for your turn.').waitFor()
    assert.equal(await page.evaluate(() => globalThis.shared), undefined, 'nothing is captured before')
    const { id } = [...mock.roster.values()].find(({ name }) => name === 'Eva')
    mock.waiting = []
    mock.turn(id, false)
    await page.getByText('It is your turn to present.').waitFor()
    await accessible(page, 'the turn')
    await shot(page, 'sharing-turn')
    await page.getByRole('alert').getByRole('button', { name: 'Share your screen' }).click()
    await page.getByText('You are sharing your screen').waitFor()

    // Somebody else takes over: capturing ends.
    mock.turn('p_raj', true)
    await page.getByText('Raj Patel is sharing a screen.').waitFor()
    await until('nothing is captured', () => page.evaluate(() => globalThis.shared.getTracks().every(({ readyState }) => readyState === 'ended')))
  },

  async a_host_lets_somebody_share_stops_them_and_takes_over({ open, shot, mock }) {
    film(mock)
    furnish(mock)
    const page = await open('/join/1001?name=Eva&pin=9001&autojoin=1', { before: drawScreen })
    await inside(page)
    await connected(page)
    mock.turn('p_raj', true)
    mock.present('p_mia')
    await page.getByText('Mia Lindqvist asks to present.').waitFor()
    await accessible(page, 'somebody asks')
    await shot(page, 'sharing-asked')
    await page.getByRole('alert').getByRole('button', { name: 'Let them' }).click()
    await until('the grant', () => mock.presenter === 'p_mia' && mock.waiting.length === 0)
    await page.getByText('Mia Lindqvist may begin to share a screen.').waitFor()
    mock.turn('p_mia', true)
    await page.getByRole('button', { name: 'Stop Mia Lindqvist’s screen' }).click()
    await until('the end', () => mock.presenter === null)
    mock.turn('p_mia', true)
    await page.getByRole('group', { name: 'Call controls' }).getByRole('button', { name: 'Share your screen instead' }).click()
    await page.getByText('You are sharing your screen').waitFor()
    assert.ok(last(mock, 'present_take'))
  },
}
