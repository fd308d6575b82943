/** The companion's messages (docs/companion.md) and their decoding: what comes from outside is made whole or refused. */

export type Id = string

export type Class = 'available' | 'available_idle' | 'busy' | 'busy_idle' | 'do_not_disturb' | 'away' | 'offline' | 'unknown'
export type Level = 'personal' | 'team' | 'company' | 'public' | 'blocked'
export type Notify = 'all' | 'mentions' | 'none'
export type Kind = 'text' | 'ink' | 'edit' | 'delete' | 'react' | 'join' | 'leave' | 'change' | 'call'

export const CLASSES: readonly Class[] = ['available', 'available_idle', 'busy', 'busy_idle', 'do_not_disturb', 'away', 'offline', 'unknown']
export const LEVELS: readonly Level[] = ['personal', 'team', 'company', 'public', 'blocked']
const KINDS: readonly Kind[] = ['text', 'ink', 'edit', 'delete', 'react', 'join', 'leave', 'change', 'call']

export interface User {
  readonly id: Id
  readonly login: string
  readonly name: string
  readonly title: string
  readonly company: string
  readonly email: string
  readonly work_phone: string
  readonly mobile: string
  readonly home_phone: string
  readonly role: string
}

export interface Presence {
  readonly user: Id
  readonly state: string
  readonly class: Class
  /** The state's own wording, where it is one of the house's. */
  readonly text: string
  readonly activity: string
  readonly note: string
  /** `office`, `home` or another, which `location` names. */
  readonly place: string
  readonly location: string
  readonly oof: string
  readonly devices: readonly string[]
  /** Of what I am engaged in, for those who may know. */
  readonly subject: string
  /** Of my own: what was chosen by hand, and until when. */
  readonly choice: string
  readonly until: number
  /** Of my own: when I am back in office; 0: not said. */
  readonly oof_until: number
  readonly last_active: number
  readonly next_free: number
}

export interface File {
  readonly id: Id
  readonly name: string
  readonly type: string
  readonly size: number
  readonly image: boolean
}

export interface Stroke {
  readonly color: string
  readonly size: number
  /** x, y, x, y, … */
  readonly points: readonly number[]
}

export interface Body {
  readonly text?: string
  readonly importance?: string
  readonly files?: readonly File[]
  readonly story?: string
  readonly width?: number
  readonly height?: number
  readonly strokes?: readonly Stroke[]
  readonly emoji?: string
  readonly on?: boolean
  readonly users?: readonly Id[]
  readonly subject?: string
  readonly topic?: string
  readonly conference?: string
  readonly edited?: number
  readonly link?: string
  readonly media?: readonly string[]
  readonly state?: string
  readonly missed?: readonly Id[]
}

export interface LogEvent {
  readonly conversation: Id
  readonly seq: number
  readonly kind: Kind
  readonly sender: Id
  readonly client_id: string
  readonly target: number
  readonly body: Body
  readonly ts: number
}

export interface Room {
  readonly id: Id
  readonly name: string
  readonly category: string
  readonly topic: string
  readonly description: string
  readonly access: 'open' | 'closed' | 'secret'
  readonly auditorium: boolean
  readonly role: '' | 'member' | 'presenter' | 'manager'
  readonly people: number
}

export interface Conversation {
  readonly id: Id
  readonly kind: 'direct' | 'group' | 'room'
  readonly subject: string
  readonly members: readonly Id[]
  readonly last_seq: number
  readonly read_seq: number
  readonly unread: number
  readonly mentions: number
  readonly notify: Notify
  /** The others'. */
  readonly marks: readonly Mark[]
  readonly last: LogEvent | null
  readonly room: Room | null
}

export interface Contact {
  readonly id: Id
  readonly user: Id
  readonly phone: string
  readonly name: string
  readonly groups: readonly Id[]
  readonly tagged: boolean
  readonly level: Level
}

export interface Contacts {
  readonly revision: number
  readonly groups: readonly { readonly id: Id; readonly name: string }[]
  readonly contacts: readonly Contact[]
  readonly recent: readonly Id[]
}

export interface Filter {
  readonly id: Id
  readonly name: string
  readonly words: readonly string[]
  readonly author: string
  readonly rooms: readonly Id[]
  readonly ego: boolean
  readonly alert: boolean
}

export interface Hit {
  readonly conversation: Id
  readonly seq: number
  readonly sender: Id
  readonly ts: number
  readonly snippet: string
}

export interface CustomState {
  readonly id: Id
  readonly class: Class
  readonly text: Readonly<Record<string, string>>
}

export interface Limits {
  /** Bytes. */
  readonly message: number
  readonly post: number
  readonly file: number
  /** In one conversation. */
  readonly people: number
  readonly contacts: number
  /** Whether the server calls phones. */
  readonly phones: boolean
}

/** A distribution list of the house's. */
export interface PeopleList {
  readonly id: Id
  readonly name: string
  readonly count: number
}

/** When somebody is busy or out, as far as I may know. */
export interface FreeBusy {
  readonly kind: 'busy' | 'out_of_office'
  readonly from: number
  readonly until: number
  readonly subject: string
}

export interface Ring {
  readonly conversation: Id
  readonly from: Id
  readonly subject: string
  readonly media: readonly string[]
  readonly conference: string
  readonly link: string
}

/** How far somebody has got. */
export interface Mark {
  readonly user: Id
  readonly delivered: number
  readonly read: number
}

export type ServerMessage =
  | { readonly type: 'done'; readonly id: number; readonly answer: Fields }
  | { readonly type: 'refused'; readonly id: number; readonly code: string; readonly detail: string; readonly retry_ms: number }
  | { readonly type: 'events'; readonly events: readonly LogEvent[] }
  | { readonly type: 'conversation'; readonly conversation: Conversation }
  | { readonly type: 'gone' | 'reset'; readonly conversation: Id }
  | { readonly type: 'heads'; readonly last: Readonly<Record<Id, number>> }
  | { readonly type: 'marks'; readonly conversation: Id; readonly marks: readonly Mark[] }
  | { readonly type: 'read'; readonly conversation: Id; readonly read_seq: number; readonly unread: number; readonly mentions: number }
  | { readonly type: 'typing'; readonly conversation: Id; readonly user: Id }
  | ({ readonly type: 'ring' } & Ring)
  | { readonly type: 'ring_over'; readonly conversation: Id; readonly conference: string; readonly reason: string; readonly user: Id }
  | { readonly type: 'dial_over'; readonly code: string }
  | { readonly type: 'match'; readonly filter: Id; readonly conversation: Id; readonly seq: number }
  | { readonly type: 'presence'; readonly presence: readonly Presence[] }
  | { readonly type: 'tagged'; readonly user: Id; readonly state: string }
  | { readonly type: 'contacts'; readonly contacts: Contacts }
  | { readonly type: 'view'; readonly room: Id; readonly users: readonly Id[] }

/** An object from outside: every look at it is a question. */
export type Fields = Readonly<Record<string, unknown>>

export const fields = (value: unknown): Fields => (typeof value === 'object' && value !== null && !Array.isArray(value) ? (value as Fields) : {})
export const text = (from: Fields, key: string): string => {
  const value = from[key]
  return typeof value === 'string' ? value : ''
}
export const number = (from: Fields, key: string): number => {
  const value = from[key]
  return typeof value === 'number' && Number.isFinite(value) ? value : 0
}
export const flag = (from: Fields, key: string): boolean => from[key] === true
export function list<T>(from: Fields, key: string, item: (value: unknown) => T | null): readonly T[] {
  const value = from[key]
  return Array.isArray(value) ? value.map(item).filter((one) => one !== null) : []
}
const word = (value: unknown): string | null => (typeof value === 'string' ? value : null)
const among = <T extends string>(value: string, known: readonly T[], otherwise: T): T => known.find((one) => one === value) ?? otherwise

export const texts = (from: Fields, key: string): readonly string[] => list(from, key, word)

export function user(value: unknown): User | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  const of = (key: string) => text(from, key)
  return {
    id: of('id'),
    login: of('login'),
    name: of('name') || of('login') || of('id'),
    title: of('title'),
    company: of('company'),
    email: of('email'),
    work_phone: of('work_phone'),
    mobile: of('mobile'),
    home_phone: of('home_phone'),
    role: of('role'),
  }
}

export function presence(value: unknown): Presence | null {
  const from = fields(value)
  if (text(from, 'user') === '') return null
  return {
    user: text(from, 'user'),
    state: text(from, 'state') || 'unknown',
    class: among(text(from, 'class'), CLASSES, 'unknown'),
    text: text(from, 'text'),
    activity: text(from, 'activity'),
    note: text(from, 'note'),
    place: text(fields(from['location']), 'kind'),
    location: text(fields(from['location']), 'text'),
    oof: text(from, 'oof'),
    devices: texts(from, 'devices'),
    subject: text(from, 'subject'),
    choice: text(from, 'choice') || text(from, 'custom'),
    until: number(from, 'until'),
    oof_until: number(from, 'oof_until'),
    last_active: number(from, 'last_active'),
    next_free: number(from, 'next_free'),
  }
}

export function file(value: unknown): File | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  return { id: text(from, 'id'), name: text(from, 'name'), type: text(from, 'type'), size: number(from, 'size'), image: flag(from, 'image') }
}

function stroke(value: unknown): Stroke | null {
  const from = fields(value)
  const points = list(from, 'points', (point) => (typeof point === 'number' && Number.isFinite(point) ? point : null))
  const color = text(from, 'color')
  return { color: /^#[0-9a-f]{3,8}$/i.test(color) ? color : '#808080', size: Math.min(64, Math.max(1, number(from, 'size'))), points }
}

function body(value: unknown): Body {
  const from = fields(value)
  const made: Record<string, unknown> = {}
  for (const key of ['text', 'importance', 'story', 'emoji', 'subject', 'topic', 'conference', 'link', 'state']) if (typeof from[key] === 'string') made[key] = from[key]
  for (const key of ['width', 'height', 'edited']) if (typeof from[key] === 'number') made[key] = number(from, key)
  for (const key of ['users', 'media', 'missed']) if (Array.isArray(from[key])) made[key] = texts(from, key)
  if (typeof from['on'] === 'boolean') made['on'] = from['on']
  if (Array.isArray(from['files'])) made['files'] = list(from, 'files', file)
  if (Array.isArray(from['strokes'])) made['strokes'] = list(from, 'strokes', stroke)
  return made
}

export function event(value: unknown): LogEvent | null {
  const from = fields(value)
  const kind = KINDS.find((one) => one === from['kind'])
  const seq = number(from, 'seq')
  if (text(from, 'conversation') === '' || !kind || !Number.isSafeInteger(seq) || seq < 1) return null
  return {
    conversation: text(from, 'conversation'),
    seq,
    kind,
    sender: text(from, 'sender'),
    client_id: text(from, 'client_id'),
    target: number(from, 'target'),
    body: body(from['body']),
    ts: number(from, 'ts'),
  }
}

export function room(value: unknown): Room | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  return {
    id: text(from, 'id'),
    name: text(from, 'name'),
    category: text(from, 'category'),
    topic: text(from, 'topic'),
    description: text(from, 'description'),
    access: among(text(from, 'access'), ['open', 'closed', 'secret'] as const, 'closed'),
    auditorium: flag(from, 'auditorium'),
    role: among(text(from, 'role'), ['', 'member', 'presenter', 'manager'] as const, ''),
    people: number(from, 'people'),
  }
}

export function conversation(value: unknown): Conversation | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  return {
    id: text(from, 'id'),
    kind: among(text(from, 'kind'), ['direct', 'group', 'room'] as const, 'group'),
    subject: text(from, 'subject'),
    members: texts(from, 'members'),
    last_seq: number(from, 'last_seq'),
    read_seq: number(from, 'read_seq'),
    unread: number(from, 'unread'),
    mentions: number(from, 'mentions'),
    notify: among(text(from, 'notify'), ['all', 'mentions', 'none'] as const, 'all'),
    marks: list(from, 'marks', mark),
    last: event(from['last']),
    room: room(from['room']),
  }
}

function contact(value: unknown): Contact | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  return {
    id: text(from, 'id'),
    user: text(from, 'user'),
    phone: text(from, 'phone'),
    name: text(from, 'name'),
    groups: texts(from, 'groups'),
    tagged: flag(from, 'tagged'),
    level: among(text(from, 'level'), LEVELS, 'company'),
  }
}

export function contacts(value: unknown): Contacts {
  const from = fields(value)
  const group = (one: unknown) => {
    const { id, name } = fields(one)
    return typeof id === 'string' ? { id, name: typeof name === 'string' ? name : id } : null
  }
  return { revision: number(from, 'revision'), groups: list(from, 'groups', group), contacts: list(from, 'contacts', contact), recent: texts(from, 'recent') }
}

export function filter(value: unknown): Filter | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  const single = text(from, 'words')
  return {
    id: text(from, 'id'),
    name: text(from, 'name'),
    words: single === '' ? texts(from, 'words') : [single],
    author: text(from, 'author'),
    rooms: texts(from, 'rooms'),
    ego: flag(from, 'ego'),
    alert: flag(from, 'alert'),
  }
}

export function hit(value: unknown): Hit | null {
  const from = fields(value)
  if (text(from, 'conversation') === '') return null
  return { conversation: text(from, 'conversation'), seq: number(from, 'seq'), sender: text(from, 'sender'), ts: number(from, 'ts'), snippet: text(from, 'snippet') }
}

export function customState(value: unknown): CustomState | null {
  const from = fields(value)
  if (text(from, 'id') === '') return null
  // A state of the house's has the class of one of the choices.
  const choice = text(from, 'class')
  const kind = choice === 'be_right_back' ? 'away' : among(choice, CLASSES, 'busy')
  const wording = Object.entries(fields(from['text'])).filter((entry): entry is [string, string] => typeof entry[1] === 'string')
  return { id: text(from, 'id'), class: kind, text: Object.fromEntries(wording) }
}

export function limits(value: unknown): Limits {
  const from = fields(value)
  const or = (key: string, otherwise: number) => number(from, key) || otherwise
  return { message: or('message', 8_192), post: or('post', 32_768), file: or('file', 25 * 1_048_576), people: or('people', 100), contacts: or('contacts', 1_000), phones: flag(from, 'phones') }
}

export function peopleList(value: unknown): PeopleList | null {
  const from = fields(value)
  return text(from, 'id') === '' ? null : { id: text(from, 'id'), name: text(from, 'name'), count: number(from, 'count') }
}

export function freeBusy(value: unknown): FreeBusy | null {
  const from = fields(value)
  return { kind: text(from, 'kind') === 'out_of_office' ? 'out_of_office' : 'busy', from: number(from, 'from'), until: number(from, 'until'), subject: text(from, 'subject') }
}

function mark(value: unknown): Mark | null {
  const from = fields(value)
  return text(from, 'user') === '' ? null : { user: text(from, 'user'), delivered: number(from, 'delivered'), read: number(from, 'read') }
}

/** A frame of the server; `null` for what this page does not know. */
export function decode(frame: string): ServerMessage | null {
  let from: Fields
  try {
    from = fields(JSON.parse(frame))
  } catch {
    return null
  }
  const type = text(from, 'type')
  const of = (key: string) => text(from, key)
  switch (type) {
    case 'done':
      return { type, id: number(from, 'id'), answer: from }
    case 'refused':
      return { type, id: number(from, 'id'), code: of('code'), detail: of('detail'), retry_ms: number(from, 'retry_ms') }
    case 'events':
      return { type, events: list(from, 'events', event) }
    case 'conversation': {
      const told = conversation(from['conversation'])
      return told && { type, conversation: told }
    }
    case 'gone':
    case 'reset':
      return { type, conversation: of('conversation') }
    case 'heads': {
      const last = Object.entries(fields(from['last'])).filter((entry): entry is [string, number] => typeof entry[1] === 'number')
      return { type, last: Object.fromEntries(last) }
    }
    case 'marks':
      return { type, conversation: of('conversation'), marks: list(from, 'marks', mark) }
    case 'read':
      return { type, conversation: of('conversation'), read_seq: number(from, 'read_seq'), unread: number(from, 'unread'), mentions: number(from, 'mentions') }
    case 'typing':
      return { type, conversation: of('conversation'), user: of('user') }
    case 'ring':
      return { type, conversation: of('conversation'), from: of('from'), subject: of('subject'), media: texts(from, 'media'), conference: of('conference'), link: of('link') }
    case 'ring_over':
      return { type, conversation: of('conversation'), conference: of('conference'), reason: of('reason'), user: of('user') }
    case 'dial_over':
      return { type, code: of('code') }
    case 'match':
      return { type, filter: of('filter'), conversation: of('conversation'), seq: number(from, 'seq') }
    case 'presence':
      return { type, presence: list(from, 'presence', presence) }
    case 'tagged':
      return { type, user: of('user'), state: of('state') }
    case 'contacts':
      return { type, contacts: contacts(from['contacts']) }
    case 'view':
      return { type, room: of('room'), users: texts(from, 'users') }
    default:
      return null
  }
}
