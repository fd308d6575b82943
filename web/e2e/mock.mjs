/**
 * A signalling server for the tests: serves the built page under a strict content security policy and speaks
 * version 1 of the protocol for a handful of conferences. Answers offers by `answer`, which a test provides.
 */

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { WebSocketServer } from 'ws'

export const TYPES = { '.html': 'text/html', '.js': 'text/javascript', '.css': 'text/css', '.svg': 'image/svg+xml', '.png': 'image/png', '.webmanifest': 'application/manifest+json' }

export const POLICY =
  "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; media-src 'self' blob:; manifest-src 'self'; " +
  "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"

const PINS = { 1001: { guest: '2001', host: '9001' } }
const INFO = { version: '0.1.0', demo: { conference: '1001', guest_pin: '2001', host_pin: '9001' }, sip: 'sip:127.0.0.1:5060', companion: true }
const OPEN = new Set(['1002'])
const REFUSED = { 1003: 'locked', 1004: 'full' }

export class Mock {
  answer = async () => null
  roster = new Map()
  sockets = new Map()
  received = []
  resumes = new Map()
  locked = false
  /** Guests wait; `lobbied` holds how each comes in, by id. */
  lobby = false
  lobbied = new Map()
  timeLeft = undefined
  channels = []
  recording = 'off'
  composite = false
  laid = 'grid'
  layouts = undefined
  slots = 1
  #next = 0
  #http
  #signal

  async start(dist) {
    this.#http = createServer((request, response) => void this.#serve(dist, request, response))
    this.#signal = new WebSocketServer({ server: this.#http, path: '/api/v1/signal' })
    this.#signal.on('connection', (socket) => this.#connected(socket))
    await new Promise((done) => this.#http.listen(0, '127.0.0.1', done))
    return `http://127.0.0.1:${this.#http.address().port}`
  }

  stop() {
    this.stopped = true
    for (const socket of this.#signal.clients) socket.terminate()
    this.#signal.close()
    this.#http.close()
  }

  reset() {
    for (const socket of this.#signal.clients) socket.terminate()
    this.roster.clear()
    this.sockets.clear()
    this.resumes.clear()
    this.received = []
    this.locked = false
    this.lobby = false
    this.lobbied.clear()
    this.calls = []
    this.timeLeft = undefined
    this.channels = []
    this.recording = 'off'
    this.composite = false
    this.laid = 'grid'
    this.layouts = undefined
    this.spotlight = undefined
    this.slots = 1
    this.presenter = null
    this.begun = false
    this.waiting = []
    this.silent = false
  }

  /** To everyone in the room. */
  tell(message) {
    for (const socket of this.sockets.values()) socket.send(JSON.stringify(message))
  }

  enter(participant) {
    const whole = { ...blank, ...participant }
    this.roster.set(whole.id, whole)
    this.tell({ type: 'participant_joined', participant: whole })
  }

  change(id, change) {
    const participant = { ...this.roster.get(id), ...change }
    this.roster.set(id, participant)
    this.tell({ type: 'participant_changed', participant })
  }

  depart(id, reason = 'left') {
    this.roster.delete(id)
    this.tell({ type: 'participant_left', participant: id, reason })
  }

  record(recording) {
    this.recording = recording
    this.tell({ type: 'conference', conference: this.#conference('1001') })
  }

  /** Begins to present if nobody does, else waits. */
  present(id) {
    if (this.presenter && this.presenter !== id) {
      this.waiting.push(id)
      return this.turn(this.presenter, this.begun)
    }
    return this.turn(id, true)
  }

  withdraw(id) {
    this.waiting = this.waiting.filter((waits) => waits !== id)
    return this.presenter === id ? this.turn(null, false) : this.turn(this.presenter, this.begun)
  }

  turn(id, begun) {
    if (this.presenter !== id) for (const { id: other, presenting } of this.roster.values()) if (presenting) this.change(other, { presenting: undefined })
    this.presenter = id
    this.begun = begun
    if (id && begun) this.change(id, { presenting: true })
    this.tell({ type: 'presenting', participant: id, begun, waiting: this.waiting })
    this.assign()
  }

  /** The conference as it is laid out now; the slots follow. */
  compose() {
    this.tell({ type: 'conference', conference: this.#conference('1001') })
    this.assign()
  }

  setCall(call, state) {
    this.calls = this.calls.map((one) => (one.call === call ? { ...one, state } : one))
    this.listCalls()
  }

  listCalls() {
    for (const [id, socket] of this.sockets) {
      if (this.roster.get(id)?.role === 'host') socket.send(JSON.stringify({ type: 'calls', calls: this.calls }))
    }
  }

  listLobby() {
    const waiting = [...this.lobbied].map(([id, { name, kind }]) => ({ id, name, kind: kind ?? 'browser', since_ms: 1, waits_for: 'host' }))
    for (const [id, socket] of this.sockets) {
      if (this.roster.get(id)?.role === 'host') socket.send(JSON.stringify({ type: 'lobby', waiting, count: waiting.length }))
    }
  }

  wait(id, name, socket, enter) {
    const say = (message) => socket?.send(JSON.stringify(message))
    const leave = (then) => {
      this.lobbied.delete(id)
      then?.()
    }
    this.lobbied.set(id, {
      name,
      kind: socket ? 'browser' : 'phone',
      enter: () => leave(enter),
      end: (reason) => leave(() => say({ type: 'ended', reason })),
    })
    say({ type: 'waiting', participant: id, resume: `lobby-${id}`, conference: '1001', name: 'Demo', waits_for: 'host' })
    this.listLobby()
  }

  sendBack(id) {
    const person = this.roster.get(id)
    const socket = this.sockets.get(id)
    this.sockets.delete(id)
    this.depart(id, 'lobby')
    this.wait(id, person.name, socket, () => this.#seat(socket, person, '1001'))
  }

  cut() {
    for (const socket of this.#signal.clients) socket.terminate()
  }

  async #serve(dist, request, response) {
    const path = new URL(request.url, 'http://mock').pathname
    if (path === '/api/v1/info') {
      response.writeHead(200, { 'content-type': 'application/json' })
      response.end(JSON.stringify(INFO))
      return
    }
    const file = extname(path) === '' ? 'index.html' : normalize(path)
    try {
      const body = await readFile(join(dist, file))
      response.writeHead(200, { 'content-type': TYPES[extname(file)] ?? 'text/plain', 'content-security-policy': POLICY })
      response.end(body)
    } catch {
      response.writeHead(404).end()
    }
  }

  #connected(socket) {
    if (this.silent) return socket.terminate()
    const own = { id: null }
    socket.on('message', (frame) => void this.#received(socket, own, JSON.parse(frame.toString())))
    socket.on('close', () => {
      if (this.sockets.get(own.id) === socket) this.sockets.delete(own.id)
    })
  }

  async #received(socket, own, message) {
    this.received.push(message)
    const reply = (answer) => socket.send(JSON.stringify(answer))
    switch (message.type) {
      case 'join':
        return this.#join(socket, own, message, reply)
      case 'offer': {
        const { answer } = this
        const answered = await answer(own.id, message.sdp).catch((error) => {
          // At the end of a story an offer may outlive the page it came from, and at a run's end the browser that would answer it.
          if (!this.stopped && this.answer === answer) throw error
          return null
        })
        if (answered) reply({ type: 'answer', sdp: answered.sdp, slot_mids: answered.slotMids })
        return this.assign()
      }
      case 'mute':
        return this.roster.has(own.id) && this.change(own.id, { muted: message.on })
      case 'camera':
        return this.change(own.id, { camera: message.on })
      case 'phone_pin':
        return reply({ type: 'phone_pin', pin: message.on ? '48151623' : null, expires_ms: message.on ? 1 : null })
      case 'hand':
        return this.change(own.id, { hand: message.on })
      case 'mute_participant':
        return this.change(message.participant, { muted: message.on })
      case 'deafen_participant':
        return this.change(message.participant, { deafened: message.on })
      case 'hold_participant':
        return this.change(message.participant, { held: message.on })
      case 'mute_video': {
        const change = message.on ? { video_muted: true, camera: false } : { video_muted: undefined }
        return this.change(message.participant, change)
      }
      case 'spotlight':
        this.spotlight = message.participant
        return this.tell({ type: 'conference', conference: this.#conference(own.conference) })
      case 'gain_participant':
        return this.change(message.participant, { gain_db: message.db })
      case 'extend':
        this.timeLeft += message.minutes * 60
        return this.tell({ type: 'conference', conference: this.#conference(own.conference) })
      case 'side_open':
        return message.participants.forEach((id) => this.change(id, { side: 1 }))
      case 'side_leave':
        for (const { id, side } of this.roster.values()) if (side) this.change(id, { side: undefined })
        return
      case 'whisper':
        return reply({ type: 'whisper', from: own.id, to: message.to, on: message.on })
      case 'channel_open':
        this.channels.push({ channel: 2 + this.channels.length, name: message.name, interpreter: message.interpreter })
        return this.tell({ type: 'conference', conference: this.#conference(own.conference) })
      case 'listen':
        return this.change(own.id, { listening: message.channel ?? undefined })
      case 'remove':
        return this.depart(message.participant, 'removed')
      case 'lobby':
        this.lobby = message.on
        return this.tell({ type: 'conference', conference: this.#conference(own.conference) })
      case 'admit':
        this.lobbied.get(message.participant).enter()
        return this.listLobby()
      case 'admit_all':
        for (const { enter } of this.lobbied.values()) enter()
        return this.listLobby()
      case 'deny':
        this.lobbied.get(message.participant).end('denied')
        return this.listLobby()
      case 'call_phone':
        this.calls.push({ call: `c_${this.calls.length}`, name: message.name ?? '+4930•••56', state: 'calling' })
        return this.listCalls()
      case 'transfer':
        this.calls.push({
          call: `c_${this.calls.length}`,
          name: '+4930•••56',
          state: 'calling',
          transferred: this.roster.get(message.participant).name,
        })
        return this.listCalls()
      case 'call_again':
        return this.setCall(message.call, 'calling')
      case 'call_cancel':
        this.calls = this.calls.filter(({ call }) => call !== message.call)
        return this.listCalls()
      case 'send_to_lobby':
        return this.sendBack(message.participant)
      case 'lock':
        this.locked = message.on
        return this.tell({ type: 'conference', conference: this.#conference(own.conference) })
      case 'record':
        return this.record(message.on ? 'on' : 'off')
      case 'record_pause':
        return this.record(message.on ? 'paused' : 'on')
      case 'composite':
        this.composite = message.on
        return this.compose()
      case 'layout':
        this.laid = message.name
        return this.compose()
      case 'view':
        this.change(own.id, { view: message.view })
        return this.compose()
      case 'present':
        return message.on ? this.present(own.id) : this.withdraw(own.id)
      case 'present_grant':
        if (!message.on) return this.withdraw(message.participant)
        this.waiting = this.waiting.filter((id) => id !== message.participant)
        return this.turn(message.participant, false)
      case 'present_take':
        return this.turn(own.id, true)
      case 'present_stop':
        return this.turn(null, false)
      case 'end':
        return this.tell({ type: 'ended', reason: 'conference_ended' })
      case 'ping':
        return reply({ type: 'pong' })
      case 'leave':
        return this.depart(own.id)
    }
  }

  #join(socket, own, message, reply) {
    const refusal = this.#refusal(message)
    if (refusal) return reply({ type: 'error', code: refusal, message: refusal })
    const known = message.resume && this.resumes.get(message.resume)
    own.id = known || `p_${(this.#next += 1)}`
    own.conference = message.conference
    const role = message.pin && message.pin === PINS[message.conference]?.host ? 'host' : 'guest'
    const participant = { ...blank, id: own.id, name: message.name, role }
    if (known) return this.#seat(socket, this.roster.get(known), message.conference)
    if (this.lobby && role === 'guest') return this.wait(own.id, message.name, socket, () => this.#seat(socket, participant, message.conference))
    return this.#seat(socket, participant, message.conference)
  }

  #seat(socket, participant, conference) {
    const { id, role } = participant
    if (!this.roster.has(id)) {
      this.roster.set(id, participant)
      this.tell({ type: 'participant_joined', participant })
    }
    this.sockets.set(id, socket)
    const reply = (answer) => socket.send(JSON.stringify(answer))
    const resume = `secret-${id}-${this.received.length}`
    this.resumes.set(resume, id)
    reply({
      type: 'joined',
      participant: id,
      role,
      resume,
      conference: this.#conference(conference),
      dial_in: { sip: `sip:${conference}@127.0.0.1:5060`, conference, personal: true },
      roster: [...this.roster.values()],
      floor: null,
    })
    if (this.slots > 1) reply({ type: 'slots', count: this.slots })
  }

  #refusal({ conference, pin, resume }) {
    if (resume && !this.resumes.has(resume)) return 'not_joined'
    if (REFUSED[conference]) return REFUSED[conference]
    if (OPEN.has(conference) || resume) return null
    const pins = PINS[conference]
    if (!pins) return pin ? 'wrong_pin' : 'conference_unknown'
    return pin === pins.guest || pin === pins.host ? null : 'wrong_pin'
  }

  #conference(id) {
    return { id, name: id === '1001' ? 'Demo' : 'Weekly planning', locked: this.locked, lobby: this.lobby || undefined, recording: this.recording, time_left: this.timeLeft, channels: this.channels, composite: this.composite, layout: this.#layout(), layouts: this.layouts, spotlight: this.spotlight, dial_out: true }
  }

  #view(id) {
    return this.roster.get(id)?.view ?? (this.composite ? 'composite' : 'cameras')
  }

  #layout() {
    const seen = [...this.roster.keys()].some((id) => this.#view(id) === 'composite')
    return seen || this.composite ? this.laid : undefined
  }

  /** Gives the slots to whoever has a camera; tests fill `cameras` and `mids`. */
  cameras = []
  mids = []
  assign() {
    if (this.mids.length === 0) return
    const screen = this.begun ? this.presenter : null
    const slot = (mid, at) => {
      if (screen && at === 0) return { mid, participant: screen, screen: true }
      return { mid, participant: this.cameras[screen ? at - 1 : at] ?? null }
    }
    const slots = this.mids.map(slot)
    for (const [id, socket] of this.sockets) {
      const view = this.#view(id)
      if (view !== 'cameras') {
        const none = this.mids.map((mid, at) => ({ mid, participant: null, composite: (view === 'composite' && at === 0) || undefined }))
        socket.send(JSON.stringify({ type: 'video', slots: none }))
        continue
      }
      // Nobody is shown their own screen.
      const shown = slots.map((one) => (one.screen && one.participant === id ? { mid: one.mid, participant: this.cameras[0] ?? null } : one))
      socket.send(JSON.stringify({ type: 'video', slots: shown }))
    }
  }
}

const blank = {
  kind: 'browser',
  role: 'guest',
  muted: false,
  camera: false,
  talking: false,
  hand: false,
  presence: 'in_conference',
}
