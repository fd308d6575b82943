import { array, assert, constantFrom, integer, property, record } from 'fast-check'
import { describe, expect, it } from 'vitest'
import { alertOf, mentions } from './alerts'
import { gaps, posts } from './log'
import { decode, type LogEvent } from './protocol'
import { read, write, type Route } from './route'
import { acknowledged, audience, cursors, history, initial, lapse, marked, queued, strangers, told, TYPING, welcome, type CompanionState, type Outgoing } from './state'

const event = (seq: number, more: Partial<LogEvent> = {}): LogEvent => ({ conversation: 'c', seq, kind: 'text', sender: 'bo', client_id: `n${seq}`, target: 0, body: { text: `post ${seq}` }, ts: seq, ...more })

const conversation = (more = {}) => ({ id: 'c', kind: 'group', subject: 'S', members: ['ann', 'bo'], last_seq: 0, read_seq: 0, unread: 0, mentions: 0, notify: 'all', ...more })
const greeted = (more = {}, state: CompanionState = initial) =>
  welcome(state, { me: { id: 'ann', login: 'ann', name: 'Ann Becker' }, conversations: [conversation(more)], presence: [{ user: 'ann', state: 'available', class: 'available' }], users: [{ id: 'bo', name: 'Bo' }] })
const hear = (state: CompanionState, ...events: LogEvent[]) => told(state, { type: 'events', events }, 0)
const talk = (state: CompanionState) => {
  const found = state.talks['c']
  if (!found) throw new Error('no conversation')
  return found
}

describe('the outbox', () => {
  const outgoing: Outgoing = { client_id: 'x', conversation: 'c', message: { type: 'send', kind: 'text', body: { text: 'hi' } }, at: 0, refused: '' }
  const mine = event(1, { sender: 'ann', client_id: 'x', body: { text: 'hi' } })

  it('empties, and the post stands once, whichever of answer and event comes first', () => {
    const start = queued(greeted(), outgoing)
    const answer = { seq: 1, ts: 1 }
    for (const end of [hear(acknowledged(start, outgoing, answer), mine), acknowledged(hear(start, mine), outgoing, answer), acknowledged(start, outgoing, answer), hear(start, mine)]) {
      expect(end.outbox).toEqual([])
      expect(posts(talk(end).log)).toMatchObject([{ seq: 1, sender: 'ann', body: { text: 'hi' } }])
      expect(talk(end).info.unread).toBe(0)
    }
  })

  it('is not emptied by somebody else’s post of the same name', () => {
    expect(hear(queued(greeted(), outgoing), event(1, { client_id: 'x' })).outbox).toHaveLength(1)
  })
})

describe('a conversation', () => {
  it('ends the same whatever was lost, doubled or late, once its gaps were read', () => {
    const whole = Array.from({ length: 25 }, (_, at) => event(at + 1))
    const steps = array(record({ part: array(integer({ min: 1, max: 25 }), { maxLength: 6 }), what: constantFrom('events', 'lost', 'again') }), { maxLength: 15 })
    assert(
      property(steps, (script) => {
        let state = hear(greeted({ last_seq: 25 }), event(1))
        for (const { part, what } of script) {
          if (what === 'events') state = hear(state, ...part.map((seq) => event(seq)))
          if (what === 'again') state = greeted({ last_seq: 25 }, state)
        }
        for (let gap = gaps(talk(state).log, talk(state).head)[0]; gap; gap = gaps(talk(state).log, talk(state).head)[0]) {
          const page = whole.filter(({ seq }) => seq >= gap.from).slice(0, 4)
          state = history(state, 'c', page, { from: gap.from, to: page.at(-1)?.seq ?? gap.to })
        }
        expect(talk(state).log.events).toEqual(whole)
        expect(cursors(state)).toEqual({ c: 25 })
      }),
    )
  })

  it('counts what is new as unread and takes the server’s word for what is not', () => {
    const heard = hear(greeted(), event(1), event(2), event(3, { sender: 'ann' }), event(4, { kind: 'react', target: 1 }))
    expect(talk(heard).info).toMatchObject({ unread: 2, last_seq: 4 })
    expect(talk(hear(heard, event(2))).info.unread).toBe(2)
    expect(talk(marked(heard, 'c', 2, 0, 0)).info).toMatchObject({ unread: 0, read_seq: 2 })
    expect(talk(marked(marked(heard, 'c', 2, 0, 0), 'c', 1, 1, 0)).info.read_seq).toBe(2)
    expect(talk(hear(greeted({ last_seq: 2, unread: 2 }), event(1), event(2))).info.unread).toBe(2)
  })

  it('shows as its last what was said, drawn or called, as it stands now', () => {
    const said = hear(greeted(), event(1), event(2, { kind: 'react', target: 1, body: { emoji: '👍' } }), event(3, { kind: 'join', body: { users: ['cy'] } }))
    expect(talk(said).info.last).toMatchObject({ seq: 1, kind: 'text', ts: 1 })
    const mended = hear(said, event(4, { kind: 'edit', target: 1, body: { text: 'better' } }))
    expect(talk(mended).info.last).toMatchObject({ seq: 1, kind: 'text', ts: 1, body: { text: 'better' } })
    expect(talk(hear(mended, event(5, { kind: 'delete', target: 1, body: {} }))).info.last).toMatchObject({ seq: 1, kind: 'delete', ts: 1, body: {} })
    expect(talk(hear(mended, event(5, { kind: 'call' }), event(6, { kind: 'delete', target: 1 }))).info.last).toMatchObject({ seq: 5, kind: 'call' })
  })

  it('knows its members, its subject and who types', () => {
    const joined = hear(greeted(), event(1, { kind: 'join', body: { users: ['cy'] } }), event(2, { kind: 'change', body: { subject: 'New' } }), event(3, { kind: 'leave', body: { users: ['bo'] } }))
    expect(talk(joined).info).toMatchObject({ members: ['ann', 'cy'], subject: 'New' })
    const typing = told(joined, { type: 'typing', conversation: 'c', user: 'cy' }, 100)
    expect(talk(lapse(typing, 99 + TYPING)).typing).toHaveProperty('cy')
    expect(talk(lapse(typing, 100 + TYPING)).typing).toEqual({})
    expect(talk(hear(typing, event(4, { sender: 'cy' }))).typing).toEqual({})
    expect(lapse(joined, 1e9)).toBe(joined)
    expect(strangers(joined)).toEqual(['cy'])
  })

  it('takes further marks only, forgets itself when gone, and begins anew on reset', () => {
    const marks = (delivered: number, reached: number) => ({ type: 'marks', conversation: 'c', marks: [{ user: 'bo', delivered, read: reached }] }) as const
    const state = told(told(greeted(), marks(5, 3), 0), marks(4, 4), 0)
    expect(talk(state).marks).toEqual({ bo: { delivered: 5, read: 4 } })
    expect(told(state, { type: 'gone', conversation: 'c' }, 0).talks).toEqual({})
    expect(talk(told(hear(state, event(1)), { type: 'reset', conversation: 'c' }, 0)).log.events).toEqual([])
  })
})

it('watches whom it shows and who is no contact, the latest first', () => {
  const direct = (id: string, other: string, ts: number) => conversation({ id, kind: 'direct', members: ['ann', other], last: event(1, { conversation: id, ts }) })
  const state = welcome(initial, {
    me: { id: 'ann', login: 'ann' },
    conversations: [conversation({ members: ['ann', 'bo', 'cy'] }), conversation({ id: 'r', kind: 'room', members: ['eve'] }), direct('d', 'dana', 1), direct('f', 'finn', 2)],
    contacts: { contacts: [{ id: 'k', user: 'bo' }] },
  })
  expect(audience(state, 'c', null, 9)).toEqual(['cy', 'finn', 'dana'])
  expect(audience(state, 'r', 'gita', 3)).toEqual(['gita', 'eve', 'finn'])
})

describe('alerts', () => {
  const around = { seen: null, fullScreen: false }
  it('come for others’ posts that are not being looked at, quietly in full screen, never in Do not disturb', () => {
    const state = greeted()
    expect(alertOf(state, event(1), around)).toBe('loud')
    expect(alertOf(state, event(1), { ...around, fullScreen: true })).toBe('quiet')
    expect(alertOf(state, event(1), { ...around, seen: 'c' })).toBe('none')
    expect(alertOf(state, event(1, { sender: 'ann' }), around)).toBe('none')
    expect(alertOf(state, event(1, { kind: 'edit' }), around)).toBe('none')
    expect(alertOf(greeted({ notify: 'none' }), event(1), around)).toBe('none')
    expect(alertOf(greeted({ notify: 'mentions' }), event(1), around)).toBe('none')
    expect(alertOf(greeted({ notify: 'mentions' }), event(1, { body: { text: 'hey @ann!' } }), around)).toBe('loud')
    const quiet = decode('{"type":"presence","presence":[{"user":"ann","state":"do_not_disturb","class":"do_not_disturb"}]}')
    if (quiet) expect(alertOf(told(state, quiet, 0), event(1), around)).toBe('none')
  })

  it('know a mention from a longer name and from an address', () => {
    expect([mentions('@ann', 'ann'), mentions('(@Ann: look', 'ann'), mentions('see @ann.', 'ann'), mentions('@anna', 'ann'), mentions('x@ann', 'ann'), mentions('ann', 'ann'), mentions('@', '')]).toEqual([true, true, true, false, false, false, false])
  })
})

describe('frames', () => {
  it('of no use are refused and never throw', () => {
    for (const frame of ['', '{', '[]', 'null', '{"type":"nothing"}', '{"type":"conversation"}', '{"type":"conversation","conversation":{"id":7}}']) expect(decode(frame)).toBeNull()
    expect(decode('{"type":"events","events":[{"seq":1},null,7,{"conversation":"c","seq":1.5,"kind":"text"},{"conversation":"c","seq":2,"kind":"text","body":{"text":9,"files":[{}]}}]}')).toMatchObject({ events: [{ seq: 2, body: { files: [] } }] })
  })

  it('bring no colour that is not one', () => {
    const inked = decode('{"type":"events","events":[{"conversation":"c","seq":1,"kind":"ink","body":{"strokes":[{"color":"url(x)","size":9999,"points":[1,"2",3]}]}}]}')
    expect(inked).toMatchObject({ events: [{ body: { strokes: [{ color: '#808080', size: 64, points: [1, 3] }] } }] })
  })
})

it('each screen has an address that leads back to it', () => {
  const routes: Route[] = [
    { screen: 'chats' },
    { screen: 'contacts' },
    { screen: 'talk', conversation: 'a/b ä', seq: 7 },
    { screen: 'talk', conversation: 'c', seq: 0 },
    { screen: 'search', query: 'from:ann "a b" &' },
    { screen: 'filter', filter: 'f' },
    { screen: 'person', user: 'u' },
    { screen: 'guest', invite: 'i' },
  ]
  for (const route of routes) {
    const { pathname, search } = new URL(write(route), 'http://x')
    expect(read({ pathname, search })).toEqual(route)
  }
  expect(read({ pathname: '/app/%zz/x', search: '' })).toEqual({ screen: 'chats' })
})
