/** What each request of the companion's protocol does in the mock: (mock, user, request, socket) → the answer's fields, or `{code}`. */

const found = (mock, { from = '', words, conversation }, user) =>
  [...mock.conversations.entries()]
    .filter(([id, { people }]) => people.includes(user) && (!conversation || id === conversation))
    .flatMap(([, { events }]) => events)
    .filter(({ kind, body, sender }) => kind === 'text' && words.every((word) => body.text.toLowerCase().includes(word)) && (from === '' || mock.users.get(sender)?.login === from))
    .toReversed()
    .map(({ conversation, seq, sender, ts, body }) => ({ conversation, seq, sender, ts, snippet: body.text }))

const contacts = (mock, user) => {
  mock.contacts.revision += 1
  mock.tell([user], { type: 'contacts', contacts: mock.contacts })
}

const changed = (mock, id) => {
  for (const user of mock.everyone(id)) mock.tell([user], { type: 'conversation', conversation: mock.shown(id, user) })
}

const create = (mock, user, kind, people, more) => {
  const id = `c${mock.next()}`
  mock.conversations.set(id, { kind, subject: '', people, events: [], read: new Map(), notify: new Map(), roles: new Map([[user, 'manager']]), ...more })
  changed(mock, id)
  return id
}

const view = (mock, user, room) => {
  for (const [id, users] of mock.views) {
    const next = users.filter((one) => one !== user)
    if (id === room) next.push(user)
    mock.views.set(id, next)
    if (next.length !== users.length || id === room) mock.tell(mock.everyone(id), { type: 'view', room: id, users: next })
  }
  return { users: mock.views.get(room) ?? [] }
}

const later = (mock, user, { conversation, client_id, target, text, emoji, on }, kind) => {
  const body = { edit: { text }, delete: {}, react: { emoji, on } }[kind]
  const { seq, ts } = mock.append(conversation, user, kind, body, { client_id, target })
  return { seq, ts }
}

export const requests = {
  hello(mock, user, { appear_offline, cursors }, socket) {
    mock.hello = { appear_offline, cursors }
    const mine = [...mock.conversations].filter(([, { people }]) => people.includes(user))
    queueMicrotask(() => {
      for (const [id, { events }] of mine) {
        if (cursors[id] === undefined || cursors[id] >= events.length) continue
        socket.send(JSON.stringify({ type: 'events', events: events.slice(cursors[id]) }))
      }
    })
    return {
      me: mock.users.get(user),
      server_time: Date.now(),
      limits: mock.limits,
      custom_states: [{ id: 'court', class: 'busy', text: { en: 'In court', de: 'Bei Gericht' } }],
      conversations: mine.map(([id]) => mock.shown(id, user)),
      contacts: mock.contacts,
      presence: [...mock.presence.values()],
      filters: mock.filters,
      settings: { inactive_s: 300, away_s: 900, presenting_is_dnd: true },
      users: mock.contacts.contacts.map((contact) => mock.users.get(contact.user)).filter(Boolean),
    }
  },
  alive: () => ({}),
  users: (mock, _, { users }) => ({ users: users.map((id) => mock.users.get(id)).filter(Boolean), presence: [] }),
  list: (mock, _, { list }) => ({ people: mock.lists.find(({ id }) => id === list).people.map((id) => mock.users.get(id)), presence: [] }),
  people: (mock, _, { query }) => {
    const people = [...mock.users.values()].filter(({ name }) => name.toLowerCase().includes(query.toLowerCase()))
    const lists = mock.lists.filter(({ name }) => name.toLowerCase().includes(query.toLowerCase())).map(({ id, name, people: { length } }) => ({ id, name, count: length }))
    return { people, lists, presence: people.map(({ id }) => mock.presence.get(id)).filter(Boolean) }
  },
  card: (mock, _, { user }) => ({ user: mock.users.get(user), presence: mock.presence.get(user), level: 'team', free_busy: mock.busy.get(user) }),
  watch: () => ({ presence: [] }),
  unwatch: () => ({}),
  open(mock, user, { with: others, subject = '' }) {
    const people = [user, ...others]
    const known = [...mock.conversations].find(([, one]) => one.kind === 'direct' && others.length === 1 && one.people.includes(user) && one.people.includes(others[0]))
    const id = known?.[0] ?? create(mock, user, others.length === 1 ? 'direct' : 'group', people, { subject })
    return { conversation: mock.shown(id, user) }
  },
  add(mock, user, { conversation, users }) {
    const talk = mock.conversations.get(conversation)
    if (talk.kind === 'direct') return { conversation: mock.shown(create(mock, user, 'group', [...talk.people, ...users]), user), seq: 1 }
    talk.people.push(...users)
    const { seq } = mock.append(conversation, user, 'join', { users })
    changed(mock, conversation)
    return { seq }
  },
  leave(mock, user, { conversation }) {
    const talk = mock.conversations.get(conversation)
    talk.people = talk.people.filter((one) => one !== user)
    mock.tell([user], { type: 'gone', conversation })
    return { seq: mock.append(conversation, user, 'leave', { users: [user] }).seq }
  },
  rename(mock, user, { conversation, subject }) {
    mock.conversations.get(conversation).subject = subject
    return { seq: mock.append(conversation, user, 'change', { subject }).seq }
  },
  send(mock, user, { conversation, client_id, kind, body }) {
    const talk = mock.conversations.get(conversation)
    if (!talk?.people.includes(user)) return { code: 'not_found' }
    if (body.text?.includes('forbidden word')) return { code: 'forbidden' }
    const whole = { ...body }
    if (body.files) whole.files = body.files.map(({ id }) => { const { name, type, size } = mock.files.get(id); return { id, name, type, size, image: type.startsWith('image/') } })
    const { seq, ts } = mock.append(conversation, user, kind, whole, { client_id })
    for (const other of talk.people) if (other !== user) mock.tell(talk.people, { type: 'marks', conversation, marks: [{ user: other, delivered: seq, read: talk.read.get(other) ?? 0 }] })
    return { seq, ts }
  },
  edit: (mock, user, request) => later(mock, user, request, 'edit'),
  delete: (mock, user, request) => later(mock, user, request, 'delete'),
  react: (mock, user, request) => later(mock, user, request, 'react'),
  history(mock, _, { conversation, before, after, limit = 100 }) {
    const { events } = mock.conversations.get(conversation)
    const within = events.filter(({ seq }) => (before === undefined || seq < before) && (after === undefined || seq > after))
    const page = after === undefined ? within.slice(-limit) : within.slice(0, limit)
    const last = page.at(-1)?.seq ?? 0
    return { events: page, more: page.length < within.length, later: events.filter(({ seq, target }) => target && seq > last && page.some((one) => one.seq === target)) }
  },
  read(mock, user, { conversation, seq }) {
    const talk = mock.conversations.get(conversation)
    talk.read.set(user, Math.max(seq, talk.read.get(user) ?? 0))
    mock.tell(talk.people.filter((one) => one !== user), { type: 'marks', conversation, marks: [{ user, delivered: seq, read: seq }] })
    const { unread, mentions } = mock.shown(conversation, user)
    return { unread, mentions }
  },
  typing(mock, user, { conversation }) {
    mock.tell(mock.everyone(conversation).filter((one) => one !== user), { type: 'typing', conversation, user })
    return {}
  },
  notify(mock, user, { conversation, level }) {
    mock.conversations.get(conversation).notify.set(user, level)
    return {}
  },
  search(mock, user, { query, before = 0, limit = 50 }) {
    const words = query.toLowerCase().replaceAll(/(from|in|before|after):("[^"]*"|\S*)/g, '').replaceAll('"', '').split(/\s+/).filter(Boolean)
    const hits = found(mock, { words, from: /from:(\S+)/.exec(query)?.[1] }, user)
    return { hits: hits.slice(before, before + limit), ...(hits.length > before + limit && { next: before + limit }) }
  },
  calls(mock, user, { query = '', before = Infinity, limit = 100 }) {
    const events = [...mock.conversations.values()].filter(({ people }) => people.includes(user)).flatMap(({ events }) => events).filter(({ kind }) => kind === 'call')
    const notes = mock.notes.filter((one) => one.user === user)
    const said = (test) => notes.filter(test).map(({ text }) => text).join(' ')
    const has = (text) => query.toLowerCase().split(' ').every((word) => text.toLowerCase().includes(word))
    const held = events.filter(({ conversation, body }) => {
      const talk = mock.conversations.get(conversation)
      return has(`${talk.subject} ${talk.people.map((id) => mock.users.get(id).name).join(' ')} ${said((one) => one.conversation === conversation && one.conference === body.conference)}`)
    })
    const older = held.filter(({ ts }) => ts < before).toSorted((a, b) => b.ts - a.ts)
    const page = older.slice(0, limit)
    const next = older.length > limit ? page.at(-1).ts : undefined
    const phones = mock.dialled.filter(({ id, phone, name, ts }) => ts < before && ts >= (next ?? 0) && has(`${phone} ${name} ${said((one) => one.phone_call === id)}`))
    const told = notes.filter((one) => phones.some(({ id }) => id === one.phone_call) || page.some(({ conversation, body }) => one.conference && conversation === one.conversation && body.conference === one.conference))
    return { events: page, phones, notes: told, more: next !== undefined, next }
  },
  annotate(mock, user, { conversation, seq, phone_call, text }) {
    const conference = seq && mock.conversations.get(conversation).events[seq - 1].body.conference
    const same = (one) => one.user === user && one.conversation === conversation && one.conference === conference && one.phone_call === phone_call
    mock.notes = mock.notes.filter((one) => !same(one))
    if (text === '') return {}
    const call = mock.dialled.find(({ id }) => phone_call && id === phone_call)
    const note = { user, conversation, seq, conference, phone_call, phone: call?.phone, name: call?.name, text, ts: Date.now() }
    mock.notes.push(note)
    return { note }
  },
  notes(mock, user, { conversation, own, query = '', before = Infinity, limit = 100 }) {
    const meant = mock.notes.filter((one) => one.user === user && (!conversation || one.conversation === conversation) && one.text.toLowerCase().includes(query.toLowerCase()))
    const older = meant.filter((one) => one.ts < before && (own === undefined || own === (!one.seq && !one.phone_call))).toSorted((a, b) => b.ts - a.ts)
    return { notes: older.slice(0, limit), ...(older.length > limit && { next: older[limit - 1].ts }) }
  },
  confer(mock, user, { conversation, media }) {
    const conference = `80${mock.next()}`
    const link = `/join/${conference}?token=signed`
    mock.append(conversation, user, 'call', { conference, media, state: 'started' })
    for (const other of mock.everyone(conversation)) if (other !== user) mock.tell([other], { type: 'ring', conversation, from: user, subject: mock.conversations.get(conversation).subject, media, conference, link })
    return { conference, link }
  },
  dial(mock, user, { phone, name = '' }) {
    if (phone.startsWith('+900')) return { code: 'forbidden' }
    const conference = `80${mock.next()}`
    mock.dialled.unshift({ id: `p${mock.next()}`, phone, name, ts: Date.now() })
    return { conference, link: `/join/${conference}?token=signed` }
  },
  decline(mock, user, { conversation, conference }) {
    mock.tell(mock.everyone(conversation), { type: 'ring_over', conversation, conference, reason: 'declined' })
    return {}
  },
  presence(mock, user, { choice, custom, life_s }) {
    const kinds = { available: 'available', busy: 'busy', do_not_disturb: 'do_not_disturb', be_right_back: 'away', away: 'away', appear_offline: 'offline' }
    const own = custom ? { state: 'busy', class: 'busy', text: 'In court', custom } : { state: choice ?? 'available', class: kinds[choice] ?? 'available', text: '', custom: undefined }
    return { presence: mock.state(user, { ...own, choice, until: life_s ? Date.now() + life_s * 1000 : undefined }) }
  },
  note(mock, user, { text }) {
    mock.state(user, { note: text })
    return {}
  },
  location(mock, user, { text, kind }) {
    mock.state(user, { location: { kind, text } })
    return {}
  },
  out_of_office(mock, user, { text, until }) {
    if (until <= Date.now()) return { code: 'bad_request' }
    mock.state(user, { oof: text, oof_until: until })
    return {}
  },
  calendar: () => ({}),
  settings: (_, __, change) => ({ settings: change }),
  contact_set(mock, user, { contact, ...change }) {
    const known = mock.contacts.contacts.find(({ id }) => id === contact)
    if (known) Object.assign(known, change)
    else mock.contacts.contacts.push({ id: `k${mock.next()}`, groups: [], tagged: false, level: 'company', ...change })
    contacts(mock, user)
    return { contact: contact ?? 'new' }
  },
  contact_remove(mock, user, { contact }) {
    mock.contacts.contacts = mock.contacts.contacts.filter(({ id }) => id !== contact)
    contacts(mock, user)
    return { contact }
  },
  group_set(mock, user, { group, name }) {
    const known = mock.contacts.groups.find(({ id }) => id === group)
    if (known) known.name = name
    else mock.contacts.groups.push({ id: `g${mock.next()}`, name })
    contacts(mock, user)
    return { group: group ?? 'new' }
  },
  group_remove(mock, user, { group }) {
    mock.contacts.groups = mock.contacts.groups.filter(({ id }) => id !== group)
    contacts(mock, user)
    return { group }
  },
  level_set: () => ({}),
  rooms(mock, user, { query = '', category }) {
    const rooms = [...mock.conversations].filter(([, { room }]) => room).map(([id]) => mock.shown(id, user).room)
    return { rooms: rooms.filter((room) => `${room.name} ${room.topic}`.toLowerCase().includes(query.toLowerCase()) && (!category || room.category === category)) }
  },
  room_create(mock, user, told) {
    const id = `r${mock.next()}`
    mock.conversations.set(id, { kind: 'room', subject: told.name, people: [user], events: [], read: new Map(), notify: new Map(), roles: new Map([[user, 'manager']]), room: { id, ...told } })
    mock.views.set(id, [])
    return { conversation: mock.shown(id, user) }
  },
  room_set(mock, _, { room, ...told }) {
    Object.assign(mock.conversations.get(room).room, told)
    changed(mock, room)
    return { room: mock.conversations.get(room).room }
  },
  room_delete(mock, _, { room, name }) {
    if (name !== mock.conversations.get(room).room.name) return { code: 'conflict' }
    const people = mock.everyone(room)
    mock.conversations.delete(room)
    mock.tell(people, { type: 'gone', conversation: room })
    return { room }
  },
  room_join(mock, user, { room }) {
    mock.conversations.get(room).people.push(user)
    mock.conversations.get(room).roles.set(user, 'member')
    mock.append(room, user, 'join', { users: [user] })
    return { conversation: mock.shown(room, user) }
  },
  room_leave: (mock, user, { room }) => requests.leave(mock, user, { conversation: room }),
  room_people: (mock, _, { room }) => ({ people: mock.everyone(room).map((user) => ({ user, role: mock.conversations.get(room).roles.get(user) ?? 'member' })) }),
  room_appoint(mock, user, { room, users, role }) {
    const talk = mock.conversations.get(room)
    for (const one of users) {
      if (!talk.people.includes(one)) talk.people.push(one)
      talk.roles.set(one, role)
    }
    changed(mock, room)
    return {}
  },
  room_dismiss(mock, _, { room, users }) {
    const talk = mock.conversations.get(room)
    talk.people = talk.people.filter((one) => !users.includes(one))
    return {}
  },
  view: (mock, user, { room }) => view(mock, user, room),
  filter_set(mock, _, { filter, ...told }) {
    const id = filter ?? `f${mock.next()}`
    mock.filters = [...mock.filters.filter((one) => one.id !== id), { id, ...told }]
    return { filter: id }
  },
  filter_remove(mock, _, { filter }) {
    mock.filters = mock.filters.filter(({ id }) => id !== filter)
    return { filter }
  },
  filter_hits(mock, user, { filter }) {
    const { words = ['ann'] } = mock.filters.find(({ id }) => id === filter)
    return { hits: found(mock, { words }, user) }
  },
}
