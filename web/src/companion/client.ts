/**
 * The companion in this page: carries out what follows from its state. The only place where socket, REST, outbox and state meet.
 */

import { Store } from '../store'
import { alertOf, type Alert } from './alerts'
import { gaps, merge, empty, type Log } from './log'
import { Outbox } from './outbox'
import { conversation as asConversation, event as asEvent, fields, filter as asFilter, freeBusy, list, number, presence as asPresence, text, type Body, type Fields, type FreeBusy, type Id, type LogEvent, type Notify, type ServerMessage, type User } from './protocol'
import * as rest from './rest'
import { Lost, Refused, SESSION_OVER, Socket, socketAddress, WRONG_VERSION } from './socket'
import { acknowledged, audience, cursors, forget, history, initial, introduce, lapse, marked, queued, refused, strangers, told, welcome, type CompanionState, type Outgoing } from './state'

/** A device renews its lease so often, in ms; input within it counts as activity. */
const ALIVE = 10_000
/** One typing mark in so many ms. */
const TYPING_EVERY = 3_000
/** A page of history. */
const PAGE = 50
/** Of a conversation that is not shown so many events are held at most. */
const HELD = 200
/** The server lets a device watch 200 beside its contacts; some are left to search. */
const WATCHED = 150
/** What was typed is kept this many ms after the last key. */
const DRAFT_REST = 250
/** Notices that wait to be read. */
const NOTICES = 5

export type Notice =
  | { readonly kind: 'refused'; readonly code: string }
  | { readonly kind: 'post'; readonly event: LogEvent; readonly alert: Alert }
  | { readonly kind: 'tagged'; readonly user: Id }
  | { readonly kind: 'match'; readonly filter: Id; readonly conversation: Id; readonly seq: number }
  | { readonly kind: 'unanswered'; readonly user: Id; readonly reason: string }
  | { readonly kind: 'said'; readonly text: string }

export type NumberedNotice = Notice & { readonly number: number }

export interface ClientState extends CompanionState {
  readonly notices: readonly NumberedNotice[]
  /** A place in an old log that was jumped to. */
  readonly excerpt: { readonly conversation: Id; readonly seq: number; readonly log: Log } | null
}

export class Companion extends Store<ClientState> {
  #socket: Socket | null = null
  #outbox: Outbox | null = null
  #alive: ReturnType<typeof setInterval> | undefined
  #drafts = new Map<Id, ReturnType<typeof setTimeout>>()
  #typed = 0
  #touched = 0
  #notice = 0
  #appearOffline = false
  #shown: Id | null = null
  readonly #sending = new Set<Id>()
  readonly #filling = new Set<Id>()
  #looked: Id | null = null
  #watched: ReadonlySet<Id> = new Set()
  readonly #asked = new Set<Id>()
  readonly #reading = new Map<Id, number>()
  /** Hears of alerts beside the page's own notices. */
  #alerted: (event: LogEvent, alert: Alert) => void = () => undefined

  constructor() {
    super({ ...initial, notices: [], excerpt: null })
    for (const kind of ['pointerdown', 'pointermove', 'keydown', 'wheel']) globalThis.addEventListener?.(kind, () => (this.#touched = Date.now()), { passive: true })
    setInterval(() => this.#apply(lapse(this.snapshot(), Date.now())), 1_000)
  }

  /** Until what it returns is called. */
  hearAlerts(listener: (event: LogEvent, alert: Alert) => void): () => void {
    this.#alerted = listener
    return () => {
      this.#alerted = () => undefined
    }
  }

  /** Goes on with the session that the browser holds, if any. */
  async start(): Promise<void> {
    const found = await rest.session()
    if ('user' in found) return this.#enter(found.user)
    if (found.fault === 'unreachable') {
      setTimeout(() => void this.start(), 3_000)
      return
    }
    this.set({ phase: 'signed_out' })
  }

  async signIn(attempt: Promise<rest.Signed>, appearOffline: boolean): Promise<rest.SignInFault | null> {
    const answer = await attempt
    if ('fault' in answer) return answer.fault
    this.#appearOffline = appearOffline
    await this.#enter(answer.user)
    return null
  }

  async signOut(everywhere: boolean): Promise<void> {
    this.#leave()
    await rest.signOut(everywhere)
  }

  async #enter(me: User): Promise<void> {
    this.#outbox = new Outbox(me.id)
    const kept = await this.#outbox.load()
    this.set({ me, phase: 'connecting', outbox: kept.outbox, drafts: kept.drafts })
    this.#socket = new Socket(socketAddress(location), {
      opened: () => void this.#hello(),
      received: (message) => this.#received(message),
      lost: (code) => this.#lost(code),
    })
    this.#alive = setInterval(() => void this.#beat(), ALIVE)
  }

  #leave(): void {
    this.#socket?.close()
    this.#socket = null
    clearInterval(this.#alive)
    this.#shown = null
    this.#asked.clear()
    this.set({ ...initial, phase: 'signed_out', notices: [], excerpt: null })
  }

  async #hello(): Promise<void> {
    const device = matchMedia('(pointer: coarse) and (max-width: 820px)').matches ? 'mobile' : 'browser'
    const answer = await this.#socket?.ask('hello', { version: 1, device, cursors: cursors(this.snapshot()), appear_offline: this.#appearOffline }).catch(() => null)
    if (!answer) return
    this.#socket?.settled()
    this.#watched = new Set()
    this.#apply(welcome(this.snapshot(), answer))
    if (this.#shown) void this.show(this.#shown)
    this.#mend()
    for (const id of new Set(this.snapshot().outbox.map(({ conversation }) => conversation))) void this.#flush(id)
  }

  #lost(code: number): void {
    if (code === SESSION_OVER) return this.#leave()
    if (code === WRONG_VERSION) return this.set({ phase: 'outdated' })
    this.set({ phase: this.snapshot().phase === 'connecting' ? 'connecting' : 'reconnecting' })
    // A connection that never opened may mean that the session is over.
    void rest.session().then((found) => 'fault' in found && found.fault === 'none' && this.#socket && this.#leave())
  }

  async #beat(): Promise<void> {
    if (this.snapshot().phase !== 'online') return
    await this.#socket?.ask('alive', { active: Date.now() - this.#touched < ALIVE, full_screen: document.fullscreenElement !== null }).catch(() => undefined)
  }

  #received(message: ServerMessage): void {
    const before = this.snapshot()
    this.#apply(told(before, message, Date.now()))
    if (message.type === 'events') {
      for (const event of message.events) this.#alert(before, event)
      this.#apply(forget(this.snapshot(), this.#shown, HELD))
    }
    if (message.type === 'tagged') this.notify({ kind: 'tagged', user: message.user })
    if (message.type === 'ring_over' && message.user !== '' && message.user !== before.me?.id) this.notify({ kind: 'unanswered', user: message.user, reason: message.reason })
    if (message.type === 'dial_over') this.notify({ kind: 'refused', code: message.code })
    if (message.type === 'match') this.notify({ kind: 'match', filter: message.filter, conversation: message.conversation, seq: message.seq })
    if (message.type === 'reset' && message.conversation === this.#shown) void this.show(message.conversation)
    this.#mend()
  }

  #alert(before: CompanionState, event: LogEvent): void {
    const held = before.talks[event.conversation]
    if (held && event.seq <= held.head) return
    const seen = document.hasFocus() ? this.#shown : null
    const alert = alertOf(this.snapshot(), event, { seen, fullScreen: document.fullscreenElement !== null })
    if (alert === 'none') return
    this.notify({ kind: 'post', event, alert })
    this.#alerted(event, alert)
  }

  #apply(next: CompanionState): void {
    if (next === this.snapshot()) return
    const before = this.snapshot()
    const gone = before.outbox.filter(({ client_id }) => !next.outbox.some((one) => one.client_id === client_id))
    for (const { client_id } of gone) void this.#outbox?.remove(client_id)
    this.set(next)
    if (next.talks !== before.talks || next.contacts !== before.contacts || next.views !== before.views) this.#attend()
    if (next.talks === before.talks && next.contacts === before.contacts && next.views === before.views && next.rings === before.rings) return
    this.acquaint(strangers(next))
  }

  /** Asks who they are, those whom the page neither knows nor has asked for. */
  acquaint(people: readonly Id[]): void {
    const { people: known, phase } = this.snapshot()
    const unknown = [...new Set(people)].filter((id) => id !== '' && !known[id] && !this.#asked.has(id)).slice(0, 200)
    if (unknown.length === 0 || phase !== 'online') return
    for (const id of unknown) this.#asked.add(id)
    void this.#socket?.ask('users', { users: unknown }).then((answer) => this.#apply(introduce(this.snapshot(), answer)), (error: unknown) => error instanceof Lost && unknown.forEach((id) => this.#asked.delete(id)))
  }

  /** Keeps what the server tells of presence in step with what the page shows. */
  #attend(): void {
    if (this.snapshot().phase !== 'online') return
    const wanted = new Set(audience(this.snapshot(), this.#shown, this.#looked, WATCHED))
    const fresh = [...wanted].filter((id) => !this.#watched.has(id))
    const gone = [...this.#watched].filter((id) => !wanted.has(id))
    this.#watched = wanted
    if (gone.length > 0) void this.#socket?.ask('unwatch', { users: gone }).catch(() => undefined)
    if (fresh.length > 0) void this.#socket?.ask('watch', { users: fresh }).then((answer) => this.#apply(introduce(this.snapshot(), answer)), () => undefined)
  }

  /** Reads what is missing in the logs that are held. */
  #mend(): void {
    for (const { info, log, head } of Object.values(this.snapshot().talks)) {
      const gap = gaps(log, head)[0]
      if (!gap || this.#filling.has(info.id)) continue
      this.#filling.add(info.id)
      void this.#fill(info.id, gap.from - 1, gap.to).finally(() => this.#filling.delete(info.id)).then((read) => read && this.#mend())
    }
  }

  async #fill(id: Id, after: number, to: number): Promise<boolean> {
    const answer = await this.#socket?.ask('history', { conversation: id, after, limit: 100 }).catch(() => null)
    if (!answer) return false
    const events = list(answer, 'events', asEvent)
    const last = Math.max(after, ...events.map(({ seq }) => seq))
    this.#apply(history(this.snapshot(), id, events, { from: after + 1, to: answer['more'] === true && last > after ? last : Math.max(to, last) }))
    return true
  }

  /** The page before `before`, or the newest. */
  async #page(id: Id, before: number | null): Promise<boolean> {
    const answer = await this.#socket?.ask('history', { conversation: id, ...(before === null ? {} : { before }), limit: PAGE }).catch(() => null)
    if (!answer) return false
    const events = list(answer, 'events', asEvent)
    const head = this.snapshot().talks[id]?.head ?? 0
    const to = before === null ? Math.max(head, ...events.map(({ seq }) => seq)) : before - 1
    const first = Math.min(to + 1, ...events.map(({ seq }) => seq))
    this.#apply(history(this.snapshot(), id, events, { from: answer['more'] === true && events.length > 0 ? first : 1, to }))
    return true
  }

  /** The conversation is before the person's eyes, or none is. */
  async show(id: Id | null): Promise<void> {
    const room = (of: Id | null) => (of && this.snapshot().talks[of]?.info.kind === 'room' ? of : null)
    if (room(id)) void this.#socket?.ask('view', { room: id }).then((answer) => id && this.#apply({ ...this.snapshot(), views: { ...this.snapshot().views, [id]: list(answer, 'users', (one) => (typeof one === 'string' ? one : null)) } }), () => undefined)
    else if (room(this.#shown)) void this.#socket?.ask('view').catch(() => undefined)
    this.#shown = id
    this.#attend()
    const talk = id ? this.snapshot().talks[id] : null
    if (id && talk && (talk.log.known[0]?.from ?? 2) > 1 && talk.log.events.length < PAGE) await this.#page(id, talk.log.known[0]?.from ?? null)
  }

  older(id: Id): Promise<boolean> {
    return this.#page(id, this.snapshot().talks[id]?.log.known[0]?.from ?? null)
  }

  /** Shows the surroundings of `seq`, however long ago; `0` goes back to the newest. */
  async jump(id: Id, seq: number): Promise<void> {
    const held = this.snapshot().talks[id]?.log
    const known = held?.known.at(-1)
    if (seq === 0 || (known && seq >= known.from)) return this.set({ excerpt: null })
    const answer = await this.request('history', { conversation: id, after: Math.max(0, seq - 20), limit: PAGE })
    if (answer) this.set({ excerpt: { conversation: id, seq, log: merge(empty, [...list(answer, 'events', asEvent), ...list(answer, 'later', asEvent)]) } })
  }

  /** Asks the server; a refusal becomes a notice and `null`. */
  async request(type: string, request: Fields = {}): Promise<Fields | null> {
    try {
      return (await this.#socket?.ask(type, request)) ?? null
    } catch (error) {
      this.notify({ kind: 'refused', code: error instanceof Refused ? error.code : 'unavailable' })
      return null
    }
  }

  /** As [`request`], and takes the people and presences of the answer in. */
  async meet(type: string, request: Fields = {}): Promise<Fields | null> {
    const answer = await this.request(type, request)
    if (answer) this.#apply(introduce(this.snapshot(), answer))
    return answer
  }

  /** What the server tells of one person, their numbers too where one may see them; gives when they are busy. */
  async learn(id: Id): Promise<readonly FreeBusy[]> {
    this.#looked = id
    this.#attend()
    const answer = await this.#socket?.ask('card', { user: id }).catch(() => null)
    if (answer) this.#apply(introduce(this.snapshot(), { users: [answer['user']], presence: [answer['presence']] }))
    return answer ? list(answer, 'free_busy', freeBusy) : []
  }

  async open(people: readonly Id[], subject = ''): Promise<Id | null> {
    return this.conversation('open', { with: people, ...(subject === '' ? {} : { subject }) })
  }

  /** Requests that answer with a conversation, which the page then has. */
  async conversation(type: string, request: Fields): Promise<Id | null> {
    const answer = await this.request(type, request)
    const made = answer && asConversation(answer['conversation'])
    if (!made) return null
    this.#apply(told(this.snapshot(), { type: 'conversation', conversation: made }, Date.now()))
    return made.id
  }

  async choose(choice: string | null, custom: string | null, life_s: number | null): Promise<void> {
    this.#appearOffline = choice === 'appear_offline'
    const answer = await this.request('presence', { ...(choice && { choice }), ...(custom && { custom }), ...(life_s && { life_s }) })
    const own = answer && asPresence(answer['presence'])
    if (own) this.#apply({ ...this.snapshot(), presence: { ...this.snapshot().presence, [own.user]: own } })
  }

  async configure(change: Fields): Promise<void> {
    const answer = await this.request('settings', change)
    if (answer) this.set({ settings: { ...this.snapshot().settings, ...change, ...fields(answer['settings']) } })
  }

  async setNotify(id: Id, notify: Notify): Promise<void> {
    const talk = (await this.request('notify', { conversation: id, level: notify })) && this.snapshot().talks[id]
    if (talk) this.#apply(told(this.snapshot(), { type: 'conversation', conversation: { ...talk.info, notify } }, Date.now()))
  }

  async setFilter(wanted: Fields): Promise<boolean> {
    const answer = await this.request('filter_set', wanted)
    if (!answer) return false
    const id = text(answer, 'filter') || text(fields(answer['filter']), 'id')
    const made = asFilter(answer['filter']) ?? asFilter({ ...wanted, id })
    const others = this.snapshot().filters.filter((one) => one.id !== id)
    this.set({ filters: made ? [...others, made] : others })
    return true
  }

  async removeFilter(id: Id): Promise<void> {
    if (await this.request('filter_remove', { filter: id })) this.set({ filters: this.snapshot().filters.filter((one) => one.id !== id) })
  }

  post(id: Id, body: Body, kind: 'text' | 'ink' = 'text'): void {
    this.#queue(id, { type: 'send', kind, body })
  }

  edit(id: Id, target: number, written: string): void {
    this.#queue(id, { type: 'edit', target, text: written })
  }

  erase(id: Id, target: number): void {
    this.#queue(id, { type: 'delete', target })
  }

  react(id: Id, target: number, emoji: string, on: boolean): void {
    this.#queue(id, { type: 'react', target, emoji, on })
  }

  /** Once more what the server would not have. */
  retry(outgoing: Outgoing): void {
    this.#queue(outgoing.conversation, outgoing.message, outgoing)
  }

  discard(client_id: string): void {
    this.#apply({ ...this.snapshot(), outbox: this.snapshot().outbox.filter((one) => one.client_id !== client_id) })
  }

  #queue(conversation: Id, message: Fields, again: Outgoing | null = null): void {
    const outgoing = { client_id: again?.client_id ?? name(), conversation, message, at: again?.at ?? Date.now(), refused: '' }
    this.#apply(queued(this.snapshot(), outgoing))
    void this.#outbox?.put(outgoing).then(() => this.#flush(conversation))
  }

  /** Sends a conversation's outbox, one after the other, so that the order stays as typed. */
  async #flush(id: Id): Promise<void> {
    if (this.#sending.has(id)) return
    const next = this.snapshot().outbox.find((one) => one.conversation === id && one.refused === '')
    if (!next || this.snapshot().phase !== 'online') return
    this.#sending.add(id)
    const wait = await this.#transmit(next)
    this.#sending.delete(id)
    if (wait === 0) return this.#flush(id)
    if (wait > 0) setTimeout(() => void this.#flush(id), wait)
  }

  /** How long to wait before the next, in ms; negative: until the next connection. */
  async #transmit(outgoing: Outgoing): Promise<number> {
    const { type, ...message } = outgoing.message
    const socket = this.#socket
    if (!socket) return -1
    try {
      const answer = await socket.ask(String(type), { ...message, conversation: outgoing.conversation, client_id: outgoing.client_id })
      this.#apply(acknowledged(this.snapshot(), outgoing, answer))
      return 0
    } catch (error) {
      if (!(error instanceof Refused)) return -1
      if (error.code === 'rate' || error.code === 'unavailable') return Math.max(250, error.retry || 2_000)
      const kept = { ...outgoing, refused: error.code }
      this.#apply(refused(this.snapshot(), outgoing.client_id, error.code))
      await this.#outbox?.put(kept)
      return 0
    }
  }

  draft(id: Id, written: string): void {
    this.set({ drafts: { ...this.snapshot().drafts, [id]: written } })
    clearTimeout(this.#drafts.get(id))
    this.#drafts.set(id, setTimeout(() => void this.#outbox?.draft(id, this.snapshot().drafts[id] ?? ''), DRAFT_REST))
    if (written !== '' && Date.now() - this.#typed > TYPING_EVERY) {
      this.#typed = Date.now()
      void this.#socket?.ask('typing', { conversation: id }).catch(() => undefined)
    }
  }

  async read(id: Id, seq: number): Promise<void> {
    const info = this.snapshot().talks[id]?.info
    if (!info || (seq <= info.read_seq && info.unread === 0) || (this.#reading.get(id) ?? 0) >= seq) return
    this.#reading.set(id, seq)
    const answer = await this.#socket?.ask('read', { conversation: id, seq }).catch(() => null)
    this.#reading.delete(id)
    if (answer) this.#apply(marked(this.snapshot(), id, seq, number(answer, 'unread'), number(answer, 'mentions')))
  }

  stopRinging(conference: string): void {
    this.set({ rings: this.snapshot().rings.filter((ring) => ring.conference !== conference) })
  }

  notify(notice: Notice): void {
    this.#notice += 1
    this.set({ notices: [...this.snapshot().notices.slice(1 - NOTICES), { ...notice, number: this.#notice }] })
  }

  dismiss(notice: number): void {
    this.set({ notices: this.snapshot().notices.filter((one) => one.number !== notice) })
  }
}

/** 128 random bits; `randomUUID` is not there on plain http. */
function name(): string {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, '0')).join('')
}
