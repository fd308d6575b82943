/** What the page must do, as stories. Each gets a fresh mock room and fresh browser contexts. */

import { AxeBuilder } from '@axe-core/playwright'
import assert from 'node:assert/strict'

export const button = (page, name) => page.getByRole('button', { name, exact: true })
export const inside = (page) => button(page, 'Leave').or(button(page, 'Leave or end')).waitFor()
export const connected = (page) => page.getByText('Connecting audio and video').waitFor({ state: 'detached' })

export async function until(what, condition) {
  const deadline = Date.now() + 30_000
  while (!(await condition())) {
    if (Date.now() > deadline) throw new Error(`never came: ${what}`)
    await new Promise((done) => setTimeout(done, 50))
  }
}

export async function accessible(page, where) {
  // What is still coming in is paler than it will be.
  await page.evaluate(() => {
    const coming = document.getAnimations().filter((one) => one.playState === 'running' && one.effect?.getComputedTiming().endTime !== Infinity)
    return Promise.allSettled(coming.map((one) => one.finished)).then(() => undefined)
  })
  // Without frames of others it needs no second page for its findings, which is a window each time.
  const { violations } = await new AxeBuilder({ page }).setLegacyMode().options({ resultTypes: ['violations'] }).analyze()
  const grave = violations.filter(({ impact }) => impact === 'serious' || impact === 'critical')
  const told = grave.map(({ id, nodes }) => `${id}: ${nodes.map(({ html, failureSummary }) => `${html} ${failureSummary}`).join(', ')}`)
  assert.deepEqual(told, [], where)
}

/** People for the pictures: cameras, a phone, hands, somebody muted. */
export function furnish(mock) {
  mock.enter({ id: 'p_ann', name: 'Ann Becker', camera: true, role: 'host' })
  mock.enter({ id: 'p_raj', name: 'Raj Patel', camera: true, muted: true })
  mock.enter({ id: 'p_mia', name: 'Mia Lindqvist', camera: true })
  mock.enter({ id: 'p_tel', name: '+49 30 ••• 417', kind: 'phone' })
  mock.enter({ id: 'p_leo', name: 'Leo', hand: true, muted: true })
}

export function film(mock) {
  mock.cameras = ['p_ann', 'p_raj', 'p_mia']
  mock.slots = 3
}

const refusePermission = (page) =>
  page.addInitScript(() => {
    navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('Permission denied', 'NotAllowedError'))
    navigator.permissions.query = () => Promise.resolve(Object.assign(new EventTarget(), { state: 'denied' }))
  })

export const tests = {
  async two_clicks_from_the_link_to_the_conference({ open, shot, mock, media }) {
    const page = await open('/join/1002?name=Ann')
    await page.getByRole('heading', { name: 'Join conference 1002' }).waitFor()
    await page.getByLabel('Camera preview').locator('video[data-shown]').waitFor()
    await until('the level meter moves', async () => Number(await page.getByRole('meter').getAttribute('aria-valuenow')) > 5)
    await accessible(page, 'pre-join')
    await shot(page, 'prejoin-light')
    await button(page, 'Join now').click()
    await inside(page)
    await connected(page)
    await page.getByText('sip:1002@127.0.0.1:5060').locator('visible=true').first().waitFor()
    const [id] = mock.roster.keys()
    await until('packets from microphone and camera', async () => {
      const { audio, video } = await media.received(id)
      return audio > 20 && video > 20
    })
    await shot(page, 'alone-light')
    await accessible(page, 'alone')
    assert.equal(mock.roster.get(id).camera, true)
    assert.ok(await page.evaluate(() => document.querySelector('audio')?.srcObject?.getAudioTracks().length === 1))
    await button(page, 'Leave').click()
    await page.getByRole('heading', { name: 'You left the conference' }).waitFor()
    await until('the goodbye', () => mock.received.some(({ type }) => type === 'leave'))
    await accessible(page, 'after leaving')
    await button(page, 'Rejoin').click()
    await button(page, 'Join now').click()
    await inside(page)
  },

  async name_is_remembered_and_missing_fields_are_said({ open, mock }) {
    const page = await open('/')
    await page.getByRole('button', { name: 'Try the demo conference 1001' }).waitFor()
    await button(page, 'Join now').click()
    await page.getByText('Enter the number from your invitation.').waitFor()
    await page.getByText('Enter a name').waitFor()
    await page.getByLabel('Conference ID').fill('10 02 #')
    await page.getByLabel('Your name').fill('Bo')
    await page.getByLabel('Your name').press('Enter')
    await inside(page)
    assert.equal(mock.received.find(({ type }) => type === 'join').conference, '1002')
    await page.goto(page.url())
    await until('the remembered name', async () => (await page.getByLabel('Your name').inputValue()) === 'Bo')
  },

  async a_newcomer_finds_the_demo({ open, shot, mock }) {
    const page = await open('/', { colorScheme: 'dark' })
    await page.getByLabel('Camera preview').locator('video[data-shown]').waitFor()
    await shot(page, 'home-dark')
    await accessible(page, 'home, dark')
    await button(page, 'Try the demo conference 1001').click()
    await page.getByLabel('Your name').fill('Newcomer')
    await button(page, 'Join now').click()
    await inside(page)
    await shot(page, 'alone-dark')
    assert.equal(mock.received.find(({ type }) => type === 'join').pin, '2001')
    await button(page, 'Leave').click()
    await page.getByRole('heading', { name: 'You left the conference' }).waitFor()
    await shot(page, 'left-dark')
  },

  async pin_is_asked_for_then_checked({ open, shot, mock }) {
    const page = await open('/join/1001?name=Ann')
    await button(page, 'Join now').click()
    await page.getByText('This conference asks for a PIN').waitFor()
    const pin = page.getByRole('textbox', { name: 'PIN' })
    await until('focus in the PIN field', () => pin.evaluate((field) => field === document.activeElement))
    await pin.fill('1111')
    await pin.press('Enter')
    await page.getByText('That ID and PIN do not go together').waitFor()
    await accessible(page, 'wrong PIN')
    await shot(page, 'wrong-pin')
    await pin.fill('2001')
    await pin.press('Enter')
    await inside(page)
    assert.equal(mock.received.findLast(({ type }) => type === 'join').pin, '2001')
  },

  async refusals_are_clear({ open }) {
    for (const [id, text] of [
      ['1003', 'The conference is locked'],
      ['1004', 'The conference is full'],
      ['77', 'There is no conference with this ID'],
    ]) {
      const page = await open(`/join/${id}?name=Ann&autojoin=1`)
      await page.getByRole('alert').getByText(text).waitFor()
    }
  },

  async server_out_of_reach_is_said({ open, mock }) {
    mock.silent = true
    const page = await open('/join/1002?name=Ann&autojoin=1')
    await page.getByText('The server does not answer').waitFor()
  },

  async refused_devices_are_explained_and_do_not_keep_out({ open, shot, mock }) {
    const page = await open('/join/1002?name=Ann', { before: refusePermission })
    await page.getByText('Microphone and camera blocked').waitFor()
    await accessible(page, 'blocked devices')
    await shot(page, 'blocked-devices')
    await button(page, 'Join now').click()
    await inside(page)
    await until('muted in the roster', () => [...mock.roster.values()].every(({ muted }) => muted))
    await button(page, 'Unmute microphone').click()
    await page.getByRole('dialog').getByText('Microphone and camera blocked').waitFor()
    await accessible(page, 'settings')
    await shot(page, 'settings')
  },

  async plain_http_and_missing_devices_are_explained({ open }) {
    const insecure = await open('/join/1002?name=Ann', {
      before: (page) =>
        page.addInitScript(() => {
          Object.defineProperty(navigator, 'mediaDevices', { value: undefined })
          Object.defineProperty(globalThis, 'isSecureContext', { value: false })
        }),
    })
    await insecure.getByText('This page came over plain http').first().waitFor()
    const bare = await open('/join/1002?name=Ann', {
      before: (page) =>
        page.addInitScript(() => {
          navigator.mediaDevices.getUserMedia = () => Promise.reject(new DOMException('none', 'NotFoundError'))
        }),
    })
    await bare.getByText('No microphone and no camera found').waitFor()
  },

  async joins_without_camera_and_microphone({ open, mock, media }) {
    const page = await open('/join/1002?name=Bot&autojoin=1&mic=0&camera=0')
    await inside(page)
    await connected(page)
    const [mine] = mock.roster.values()
    assert.equal(mine.camera, false)
    await until('muted', () => mock.roster.get(mine.id).muted)
    await button(page, 'Turn camera on').click()
    await until('camera packets without a new offer', async () => (await media.received(mine.id)).video > 10)
    assert.equal(mock.received.filter(({ type }) => type === 'offer').length, 1)
  },

  async roster_shows_phones_mutes_hands_and_pictures({ open, shot, mock }) {
    furnish(mock)
    film(mock)
    const page = await open('/join/1002?name=Sam+Okoro&autojoin=1')
    await inside(page)
    await connected(page)
    await until('a second offer for the slots', () => mock.received.filter(({ type }) => type === 'offer').length >= 2)
    mock.tell({ type: 'floor', participant: 'p_ann' })
    mock.tell({ type: 'talking', participant: 'p_ann', on: true })
    const people = page.getByRole('complementary', { name: 'Participants' })
    await people.getByText('on the phone').waitFor()
    await people.getByRole('img', { name: 'hand raised' }).waitFor()
    await until('all three pictures', async () => (await page.locator('.tile video[data-shown]').count()) === 4)
    await until('the pictures run', () =>
      page.evaluate(() => [...document.querySelectorAll('.tile video')].every((video) => video.videoWidth > 0)),
    )
    await page.getByLabel('Stage').getByRole('group', { name: /Ann Becker/ }).waitFor()
    await page.waitForTimeout(5_500)
    await accessible(page, 'conference')
    await shot(page, 'conference-light')
    await page.emulateMedia({ colorScheme: 'dark' })
    mock.enter({ id: 'p_zoe', name: 'Zoë' })
    await page.getByText('Zoë joined').waitFor()
    await page.waitForTimeout(300)
    await accessible(page, 'conference, dark')
    await shot(page, 'conference-dark')
    await button(page, 'What is seen').click()
    await page.getByRole('menuitemradio', { name: 'Grid' }).first().click()
    await page.waitForTimeout(400)
    await shot(page, 'grid-dark')
    await button(page, 'Hide participants').click()
    await page.emulateMedia({ colorScheme: 'light' })
    await page.waitForTimeout(400)
    await shot(page, 'grid-light')
    mock.tell({ type: 'floor', participant: 'p_tel' })
    await button(page, 'What is seen').click()
    await page.getByRole('menuitemradio', { name: 'Speaker large' }).click()
    await page.getByLabel('Stage').getByRole('group', { name: /on the phone/ }).waitFor()
    mock.depart('p_tel', 'lost')
    await page.getByText('+49 30 ••• 417 lost the connection').waitFor()
  },

  async two_people_see_each_other_large({ open, shot, mock }) {
    mock.enter({ id: 'p_ann', name: 'Ann Becker', camera: true })
    mock.cameras = ['p_ann']
    const page = await open('/join/1002?name=Sam&autojoin=1')
    await inside(page)
    await connected(page)
    await page.getByLabel('Stage').locator('video[data-shown]').waitFor()
    await page.waitForTimeout(300)
    await shot(page, 'pair-light')
  },

  async host_mutes_removes_locks_and_ends({ open, shot, mock }) {
    mock.enter({ id: 'p_raj', name: 'Raj', camera: false })
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await button(page, 'Actions for Raj').click()
    await page.getByRole('menuitem', { name: 'Mute' }).waitFor()
    await shot(page, 'host-menu')
    await page.getByRole('menuitem', { name: 'Mute' }).click()
    await until('Raj muted', () => mock.roster.get('p_raj').muted)
    await page.getByText('Lock conference').click()
    await page.getByText('The conference is now locked').waitFor()
    await button(page, 'Actions for Raj').click()
    await page.getByRole('menuitem', { name: 'Remove' }).click()
    await accessible(page, 'confirmation')
    await page.getByRole('alertdialog').getByRole('button', { name: 'Remove' }).click()
    await page.getByText('Raj was removed').waitFor()
    await button(page, 'Leave or end').click()
    await page.getByRole('menuitem', { name: 'End for everyone' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'End for everyone' }).click()
    await page.getByRole('heading', { name: 'The conference has ended' }).waitFor()
  },

  async host_holds_sets_the_volume_and_more_time({ open, shot, mock }) {
    mock.enter({ id: 'p_raj', name: 'Raj' })
    mock.timeLeft = 299
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    await page.getByText('This conference ends in 4:').waitFor()
    const menu = async (item) => {
      await button(page, 'Actions for Raj').click()
      await page.getByRole('menuitem', { name: item, exact: true }).click()
    }
    await menu('Put on hold')
    await page.getByRole('img', { name: 'on hold' }).waitFor()
    await menu('Stop their sound')
    await page.getByRole('img', { name: 'hears nothing' }).waitFor()
    await menu('Volume…')
    const slider = page.getByRole('slider')
    await slider.focus()
    for (let presses = 0; presses < 6; presses += 1) await page.keyboard.press('ArrowLeft')
    await until('six decibels softer', () => mock.roster.get('p_raj').gain_db === -6)
    await accessible(page, 'volume')
    await shot(page, 'volume')
    await button(page, 'Done').click()
    await page.getByText('6 dB softer').waitFor()
    await page.waitForTimeout(300)
    await accessible(page, 'held participant')
    await shot(page, 'held-light')
    await button(page, '10 more minutes').click()
    await page.getByText('This conference ends in').waitFor({ state: 'detached' })
    mock.tell({ type: 'time_left', seconds: 60 })
    await page.getByRole('alert').getByText('The conference ends in one minute').waitFor()
    await menu('Take off hold')
    await until('off hold', () => !mock.roster.get('p_raj').held)
  },

  async people_talk_aside_and_come_back({ open, shot, mock }) {
    mock.enter({ id: 'p_raj', name: 'Raj' })
    mock.enter({ id: 'p_tel', name: '+49 30 ••• 417', kind: 'phone' })
    const page = await open('/join/1002?name=Ann&autojoin=1')
    await inside(page)
    await connected(page)
    await button(page, 'Actions for Raj').click()
    assert.equal(await page.getByRole('menuitem', { name: 'Remove' }).count(), 0, 'a guest rules nobody')
    await page.getByRole('menuitem', { name: 'Talk aside' }).click()
    await page.getByRole('alert').getByText('You are in a side conversation with Raj').waitFor()
    await until('both aside', async () => (await page.getByRole('img', { name: 'talking aside' }).count()) === 2)
    await page.waitForTimeout(300)
    await accessible(page, 'aside')
    await shot(page, 'aside-light')
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.waitForTimeout(300)
    await accessible(page, 'aside, dark')
    await shot(page, 'aside-dark')
    await button(page, 'Return').click()
    await page.getByText('You are in a side conversation').waitFor({ state: 'detached' })
    await button(page, 'Actions for +49 30 ••• 417').click()
    await page.getByRole('menuitem', { name: 'Whisper to them' }).click()
    await page.getByText('Only +49 30 ••• 417 hears you').waitFor()
    await button(page, 'Stop whispering').click()
    await page.getByText('Only +49 30 ••• 417 hears you').waitFor({ state: 'detached' })
    const [id] = [...mock.roster.keys()].slice(-1)
    mock.change(id, { held: true })
    await page.getByText('You are on hold').waitFor()
  },

  async languages_are_interpreted_and_chosen({ open, shot, mock }) {
    mock.enter({ id: 'p_raj', name: 'Raj' })
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    await connected(page)
    await button(page, 'Actions for Raj').click()
    await page.getByRole('menuitem', { name: 'Make interpreter…' }).click()
    await page.getByRole('textbox', { name: 'Language' }).fill('Français')
    await accessible(page, 'interpreter')
    await shot(page, 'interpreter')
    await page.keyboard.press('Enter')
    await page.getByText('Interpreting Français').waitFor()
    const picker = page.getByRole('button', { name: /Original sound/ })
    await picker.click()
    await page.getByRole('option', { name: 'Français' }).click()
    const [id] = [...mock.roster.keys()].slice(-1)
    await until('listening', () => mock.roster.get(id).listening === 2)
    await page.waitForTimeout(300)
    await accessible(page, 'languages')
    await shot(page, 'languages-light')
    await page.getByRole('button', { name: /Français/ }).first().click()
    await page.getByRole('option', { name: 'Original sound' }).click()
    await until('the original', () => mock.roster.get(id).listening === undefined)
  },

  async everybody_sees_the_recording_and_a_host_stops_it_after_a_question({ open, shot, mock }) {
    const guest = await open('/join/1001?name=Ben&pin=2001&autojoin=1')
    await inside(guest)
    const page = await open('/join/1001?name=Ann&pin=9001&autojoin=1')
    await inside(page)
    assert.equal(await button(guest, 'Record the conference').count(), 0)
    await button(page, 'Record the conference').click()
    // Of both at once: words that pass by are not waited for in turn.
    const [sign, words] = ['This conference is being recorded', 'This conference is now being recorded']
    await Promise.all([guest, page].flatMap((one) => [one.getByRole('img', { name: sign }).waitFor(), one.getByText(words).waitFor()]))
    await accessible(page, 'recorded')
    await shot(page, 'recording-host')
    await shot(guest, 'recording-guest')
    const late = await open('/join/1001?name=Cleo&pin=2001&autojoin=1')
    await inside(late)
    await late.getByRole('img', { name: sign }).waitFor()
    const small = await open('/join/1001?name=Dan&pin=9001&autojoin=1', { viewport: { width: 360, height: 740 }, hasTouch: true, isMobile: true })
    await inside(small)
    await small.getByRole('img', { name: sign }).waitFor()
    await shot(small, 'recording-phone')
    const leave = await button(small, 'Leave or end').boundingBox()
    assert.ok(leave.x + leave.width <= 360, `the last of a host's buttons ends at ${leave.x + leave.width} of 360`)
    await button(page, 'Recording: pause or stop').click()
    await page.getByRole('menuitem', { name: 'Pause recording' }).waitFor()
    await shot(page, 'recording-menu')
    await page.getByRole('menuitem', { name: 'Pause recording' }).click()
    await guest.getByRole('img', { name: 'The recording is paused' }).waitFor()
    await accessible(guest, 'recording paused')
    await shot(guest, 'recording-paused')
    await button(page, 'Recording: pause or stop').click()
    await page.getByRole('menuitem', { name: 'Stop recording' }).click()
    await shot(page, 'recording-question')
    await page.getByRole('alertdialog').getByRole('button', { name: 'Cancel' }).click()
    assert.equal(mock.recording, 'paused')
    await button(page, 'Recording: pause or stop').click()
    await page.getByRole('menuitem', { name: 'Stop recording' }).click()
    await page.getByRole('alertdialog').getByRole('button', { name: 'Stop recording' }).click()
    await guest.getByText('The recording has stopped').waitFor()
    assert.equal(await guest.getByRole('img', { name: /record/i }).count(), 0)
    mock.tell({ type: 'recording_failed', reason: 'disk_full' })
    await guest.getByText('The recording has failed: the disk is full').waitFor()
  },

  async being_muted_removed_and_the_servers_end_are_said({ open, mock }) {
    const page = await open('/join/1002?name=Ann&autojoin=1')
    await inside(page)
    const [id] = mock.roster.keys()
    await page.waitForTimeout(1_700)
    mock.change(id, { muted: true })
    await page.getByText('The host muted you').waitFor()
    await button(page, 'Unmute microphone').waitFor()
    mock.tell({ type: 'ended', reason: 'removed' })
    await page.getByRole('heading', { name: 'You were removed' }).waitFor()
    const other = await open('/join/1002?name=Bo&autojoin=1')
    await inside(other)
    mock.tell({ type: 'ended', reason: 'server_stopping' })
    await other.getByRole('heading', { name: 'The server is stopping' }).waitFor()
  },

  async keyboard_alone_joins_and_mutes({ open, mock }) {
    const page = await open('/join/1002?name=Ann')
    await page.getByLabel('Your name').focus()
    await page.keyboard.press('Enter')
    await inside(page)
    const [id] = mock.roster.keys()
    await page.keyboard.press('Control+d')
    await until('muted', () => mock.roster.get(id).muted)
    await page.keyboard.press('d')
    await page.keyboard.press('Control+d')
    await until('unmuted', () => !mock.roster.get(id).muted)
    await page.keyboard.press('Control+Alt+h')
    await until('hand', () => mock.roster.get(id).hand)
    const reached = new Set()
    for (let presses = 0; presses < 20; presses += 1) {
      await page.keyboard.press('Tab')
      reached.add(await page.evaluate(() => document.activeElement?.getAttribute('aria-label') ?? ''))
    }
    for (const name of ['Mute microphone', 'Turn camera off', 'Lower hand', 'Settings', 'Leave']) {
      assert.ok(reached.has(name), `Tab reaches ${name}: ${[...reached].join(', ')}`)
    }
  },

  async lost_connection_is_resumed_by_the_same_participant({ open, shot, mock, media }) {
    mock.enter({ id: 'p_raj', name: 'Raj' })
    const page = await open('/join/1002?name=Ann&autojoin=1')
    await inside(page)
    await connected(page)
    const before = [...mock.roster.keys()]
    mock.silent = true
    mock.cut()
    await page.getByText('Connection lost. Reconnecting').waitFor()
    await accessible(page, 'reconnecting')
    await shot(page, 'reconnecting')
    mock.silent = false
    await page.getByText('You are back').waitFor()
    assert.deepEqual([...mock.roster.keys()], before)
    assert.equal(mock.received.filter(({ type }) => type === 'offer').length, 1, 'the media went on')
    const { audio } = await media.received(before[1])
    await until('audio goes on', async () => (await media.received(before[1])).audio > audio)
  },

  async a_place_that_is_gone_is_taken_anew({ open, mock }) {
    const page = await open('/join/1002?name=Ann&autojoin=1')
    await inside(page)
    await connected(page)
    const [before] = mock.roster.keys()
    mock.resumes.clear()
    mock.roster.clear()
    mock.cut()
    await page.getByText('You are back').waitFor()
    await connected(page)
    assert.notEqual([...mock.roster.keys()][0], before)
    assert.equal(mock.received.filter(({ type }) => type === 'offer').length, 2)
  },

  async dead_media_are_built_anew_for_the_same_participant({ open, shot, mock, media }) {
    const page = await open('/join/1002?name=Ann&autojoin=1')
    await inside(page)
    await connected(page)
    const [id] = mock.roster.keys()
    await media.close(id)
    await page.getByText('Audio and video are interrupted').waitFor({ timeout: 20_000 })
    await shot(page, 'interrupted')
    await page.getByText('Audio and video are interrupted').waitFor({ state: 'detached', timeout: 20_000 })
    await connected(page)
    await until('packets on the new connection', async () => (await media.received(id)).audio > 20)
    assert.deepEqual([...mock.roster.keys()], [id])
    assert.ok(mock.received.filter(({ type }) => type === 'offer').length >= 2)
  },

  async blocked_sound_waits_for_a_click({ open, shot }) {
    const page = await open('/join/1002?name=Ann&autojoin=1', {
      before: (fresh) =>
        fresh.addInitScript(() => {
          const play = HTMLMediaElement.prototype.play
          let clicked = false
          addEventListener('click', () => (clicked = true), true)
          HTMLMediaElement.prototype.play = function () {
            if (this.tagName === 'AUDIO' && !clicked) return Promise.reject(new DOMException('gesture', 'NotAllowedError'))
            return play.call(this)
          }
        }),
    })
    const hear = page.getByRole('button', { name: 'Click to hear the conference' })
    await hear.waitFor()
    await shot(page, 'sound-blocked')
    await hear.click()
    await hear.waitFor({ state: 'detached' })
  },

  async fits_a_phone({ open, shot, mock }) {
    furnish(mock)
    film(mock)
    const phone = { viewport: { width: 390, height: 780 }, deviceScaleFactor: 2, hasTouch: true, isMobile: true }
    const page = await open('/join/1002?name=Sam', phone)
    await page.getByLabel('Camera preview').locator('video[data-shown]').waitFor()
    await shot(page, 'phone-prejoin')
    await button(page, 'Join now').click()
    await inside(page)
    await connected(page)
    mock.tell({ type: 'floor', participant: 'p_ann' })
    mock.tell({ type: 'talking', participant: 'p_ann', on: true })
    await page.getByLabel('Stage').locator('video[data-shown]').waitFor()
    await page.waitForTimeout(5_300)
    await shot(page, 'phone-conference')
    const wide = await page.evaluate(() => document.documentElement.scrollWidth > innerWidth)
    assert.equal(wide, false, 'nothing sticks out sideways')
    await button(page, 'Show participants').click()
    await accessible(page, 'roster on a phone')
    await page.emulateMedia({ colorScheme: 'dark' })
    await page.waitForTimeout(300)
    await shot(page, 'phone-people-dark')
    await page.getByRole('button', { name: 'Close participants' }).click()
    await button(page, 'What is seen').click()
    await page.getByRole('menuitemradio', { name: 'Grid' }).first().click()
    await page.waitForTimeout(300)
    await shot(page, 'phone-grid-dark')
  },
}
