/**
 * A companion for the tests: serves the built page under the strict policy and speaks docs/companion.md for a handful of people,
 * in memory. Tests reach into it to lose frames, cut connections and refuse.
 */

import { readFile } from 'node:fs/promises'
import { createServer } from 'node:http'
import { extname, join, normalize } from 'node:path'
import { WebSocketServer } from 'ws'
import { POLICY, TYPES } from './mock.mjs'
import { requests } from './companion-requests.mjs'
import { world } from './companion-world.mjs'

export class CompanionMock {
  #http
  #wss

  async start(dist) {
    this.#http = createServer((request, response) => void this.#serve(dist, request, response))
    this.#wss = new WebSocketServer({ server: this.#http, path: '/api/v1/companion/socket' })
    this.#wss.on('connection', (socket, request) => this.#connected(socket, request))
    await new Promise((done) => this.#http.listen(0, '127.0.0.1', done))
    this.reset()
    return `http://127.0.0.1:${this.#http.address().port}`
  }

  stop() {
    this.cut()
    this.#wss.close()
    this.#http.close()
  }

  reset() {
    this.cut()
    Object.assign(this, world())
    this.devices = new Map()
    this.sessions = new Map()
    this.files = new Map()
    this.received = []
    this.silent = false
    /** Called with each request before it is done; returning `true` swallows it. */
    this.before = () => false
    /** Called with each event before a socket is told; returning `true` loses it. */
    this.lose = () => false
    this.failPieces = 0
    this.slowPieces = 0
  }

  cut() {
    for (const socket of this.#wss.clients) socket.terminate()
  }

  told(type) {
    return this.received.filter((message) => message.type === type)
  }

  /** To all devices of `users`. */
  tell(users, message) {
    for (const [socket, user] of this.devices) if (users.includes(user)) socket.send(JSON.stringify(message))
  }

  everyone(conversation) {
    return this.conversations.get(conversation).people
  }

  /** Adds to a conversation's log; a known `client_id` of the sender gets what it got. */
  append(id, sender, kind, body, more = {}) {
    const talk = this.conversations.get(id)
    const known = more.client_id && talk.events.find((event) => event.client_id === more.client_id && event.sender === sender)
    if (known) return known
    const event = { conversation: id, seq: talk.events.length + 1, kind, sender, client_id: more.client_id ?? `m${this.next()}`, body, ts: more.ts ?? Date.now(), ...(more.target && { target: more.target }) }
    talk.events.push(event)
    if (sender) talk.read.set(sender, event.seq)
    for (const [socket, user] of this.devices) {
      if (talk.people.includes(user) && !this.lose(event, user)) socket.send(JSON.stringify({ type: 'events', events: [event] }))
    }
    return event
  }

  next() {
    this.count += 1
    return this.count
  }

  /** A conversation as `user` sees it. */
  shown(id, user) {
    const { kind, subject, people, events, read, notify, room, roles } = this.conversations.get(id)
    const read_seq = read.get(user) ?? 0
    const unread = events.filter((event) => event.seq > read_seq && event.sender !== user && ['text', 'ink', 'call'].includes(event.kind))
    return {
      id,
      kind,
      subject,
      members: room ? (this.views.get(id) ?? []) : people,
      last_seq: events.length,
      read_seq,
      unread: unread.length,
      mentions: unread.filter(({ body }) => body.text?.includes(`@${this.users.get(user).login}`)).length,
      notify: notify.get(user) ?? 'all',
      marks: people.filter((one) => one !== user).map((one) => ({ user: one, delivered: events.length, read: read.get(one) ?? 0 })),
      last: events.findLast((event) => ['text', 'ink', 'call'].includes(event.kind)),
      room: room && { ...room, role: roles.get(user), people: people.length },
    }
  }

  state(user, presence) {
    const next = { ...this.presence.get(user), ...presence, user }
    this.presence.set(user, next)
    this.tell([...this.users.keys()], { type: 'presence', presence: [next] })
    return next
  }

  #user(request) {
    return this.sessions.get(/plenum_session=(\w+)/.exec(request.headers.cookie ?? '')?.[1])
  }

  #connected(socket, request) {
    const user = this.#user(request)
    if (this.silent) return socket.terminate()
    if (!user) return socket.close(4001)
    socket.on('message', (frame) => this.#received(socket, user, JSON.parse(frame.toString())))
    socket.on('close', () => this.devices.delete(socket))
  }

  #received(socket, user, message) {
    const { id, type, ...request } = message
    this.received.push({ ...message, user })
    if (this.before(message, socket, user)) return
    const handler = requests[type]
    const answer = handler ? handler(this, user, request, socket) : { code: 'bad_request' }
    const reply = answer.code ? { type: 'refused', id, detail: '', ...answer } : { type: 'done', id, ...answer }
    if (socket.readyState === 1) socket.send(JSON.stringify(reply))
    if (type === 'hello') this.devices.set(socket, user)
  }

  async #serve(dist, request, response) {
    const { pathname, searchParams } = new URL(request.url, 'http://mock')
    const api = '/api/v1/companion/'
    if (pathname.startsWith(api)) return this.#rest(pathname.slice(api.length), searchParams, request, response)
    const page = pathname.startsWith('/app') && extname(pathname) === '' ? 'app.html' : extname(pathname) === '' ? 'index.html' : normalize(pathname)
    try {
      const body = await readFile(join(dist, page))
      response.writeHead(200, { 'content-type': TYPES[extname(page)] ?? 'text/plain', 'content-security-policy': POLICY })
      response.end(body)
    } catch {
      response.writeHead(404).end()
    }
  }

  async #rest(path, query, request, response) {
    const body = await new Promise((done) => {
      const parts = []
      request.on('data', (part) => parts.push(part)).on('end', () => done(Buffer.concat(parts)))
    })
    const json = (status, value, headers = {}) => response.writeHead(status, { 'content-type': 'application/json', ...headers }).end(value === undefined ? '' : JSON.stringify(value))
    const [what, id, part] = path.split('/')
    if (what === 'session') return this.#session(request, id, body, query, json)
    const user = this.#user(request)
    if (!user) return json(401)
    if (what === 'files') return this.#file(request, response, id, part, body, json)
    if (what === 'invites') {
      this.invited = JSON.parse(body.toString()).conversation
      return json(201, { invite: 'welcome', expires: 0 })
    }
    if (what === 'calls') return json(200, { calls: [] })
    if (what === 'conversations') return json(200, this.conversations.get(id)?.events ?? [])
    return json(404)
  }

  #session(request, kind, body, query, json) {
    const enter = (user) => {
      const session = `s${this.next()}`
      this.sessions.set(session, user)
      return json(200, { user: this.users.get(user) }, { 'set-cookie': `plenum_session=${session}; HttpOnly; SameSite=Strict; Path=/` })
    }
    const user = this.#user(request)
    if (request.method === 'GET') return user ? json(200, { user: this.users.get(user) }) : json(401)
    if (request.method === 'DELETE') {
      this.signedOut = query.get('all') === 'true' ? 'all' : 'one'
      for (const [session, of] of this.sessions) if (of === user) this.sessions.delete(session)
      return json(204)
    }
    const told = JSON.parse(body.toString())
    if (request.method === 'PUT') return told.old === 'secret' ? json(204) : json(403)
    if (kind === 'guest') {
      if (told.invite !== 'welcome') return json(403)
      this.users.set('guest', { id: 'guest', login: 'guest', name: told.name, role: 'guest' })
      this.conversations.get('launch').people.push('guest')
      return enter('guest')
    }
    if (told.login === 'slow') return json(429)
    const found = [...this.users.values()].find(({ login }) => login === told.login)
    return found && told.password === 'secret' ? enter(found.id) : json(401)
  }

  async #file(request, response, id, part, body, json) {
    if (request.method === 'POST') {
      const made = `f${this.next()}`
      this.files.set(made, { ...JSON.parse(body.toString()), bytes: Buffer.alloc(0) })
      return json(201, { id: made, offset: 0 })
    }
    const file = this.files.get(id)
    if (!file) return json(404)
    if (request.method === 'HEAD') return response.writeHead(200, { 'upload-offset': file.bytes.length }).end()
    if (request.method === 'PATCH') {
      if (this.slowPieces > 0) await new Promise((done) => setTimeout(done, this.slowPieces))
      // Half of it arrives, then the line breaks.
      if (this.failPieces > 0) {
        this.failPieces -= 1
        file.bytes = Buffer.concat([file.bytes, body.subarray(0, body.length >> 1)])
        return json(503)
      }
      if (Number(request.headers['upload-offset']) !== file.bytes.length) return json(409)
      file.bytes = Buffer.concat([file.bytes, body])
      return response.writeHead(204, { 'upload-offset': file.bytes.length }).end()
    }
    const headers = part === 'image' ? { 'content-type': file.type } : { 'content-type': 'application/octet-stream', 'content-disposition': 'attachment' }
    return response.writeHead(200, headers).end(file.bytes)
  }
}
