import { describe, expect, test } from 'vitest'
import type { Participant, ServerMessage } from './protocol'
import { standing } from './sharing'
import { backoff, barred, initialSession, step, type Effect, type SessionEvent, type SessionState } from './session'

const request = { conference: '1001', name: 'Ann', pin: '2001' }

const person = (id: string, change: Partial<Participant> = {}): Participant => ({
  id,
  name: id.toUpperCase(),
  kind: 'browser',
  role: 'guest',
  muted: false,
  camera: false,
  talking: false,
  hand: false,
  byPhone: false,
  presenting: false,
  deafened: false,
  held: false,
  videoMuted: false,
  gainDb: 0,
  side: null,
  listening: null,
  ...change,
})

const joined = (self: string, ...roster: Participant[]): ServerMessage => ({
  type: 'joined',
  participant: self,
  role: 'guest',
  resume: `secret of ${self}`,
  conference: { id: '1001', name: 'Demo', locked: false, audienceMuted: false, lobby: false, recording: 'off', timeLeft: null, channels: [], spotlight: null },
  dialIn: null,
  roster: [person(self), ...roster],
  floor: null,
})

/** Plays events in order; the last step's effects and the state after all. */
function play(events: readonly SessionEvent[], from: SessionState = initialSession) {
  let state = from
  let effects: readonly Effect[] = []
  for (const event of events) ({ state, effects } = step(state, event))
  return { state, effects }
}

const said = (message: ServerMessage): SessionEvent => ({ type: 'message', message })
const inRoom = (...roster: Participant[]) =>
  play([{ type: 'join', request }, { type: 'opened' }, said(joined('me', ...roster))]).state
const kinds = (state: SessionState) => state.notices.map(({ notice }) => notice.kind)

describe('joining', () => {
  test('a join opens the socket, then says who and where', () => {
    expect(play([{ type: 'join', request }]).effects).toEqual([{ type: 'open' }])
    const { effects } = play([{ type: 'join', request }, { type: 'opened' }])
    expect(effects).toEqual([{ type: 'send', message: { type: 'join', version: 1, ...request } }])
  })

  test('being let in starts the peer connection', () => {
    const { state, effects } = play([{ type: 'join', request }, { type: 'opened' }, said(joined('me', person('raj')))])
    expect(state).toMatchObject({ phase: 'joined', self: 'me', resume: 'secret of me' })
    expect(effects).toEqual([{ type: 'peer_start' }])
  })

  test.each(['wrong_pin', 'conference_unknown', 'locked', 'full', 'rate_limited'] as const)(
    '%s leads back to the door and keeps what was typed',
    (code) => {
      const { state, effects } = play([{ type: 'join', request }, { type: 'opened' }, said({ type: 'error', code, message: '' })])
      expect(state).toMatchObject({ phase: 'idle', refusal: code, request })
      expect(effects).toContainEqual({ type: 'close' })
    },
  )

  test('a server out of reach is a refusal of its own', () => {
    expect(play([{ type: 'join', request }, { type: 'closed' }]).state).toMatchObject({ phase: 'idle', refusal: 'unreachable' })
  })
})

describe('the roster', () => {
  test('several changes count as if each had come alone, in their order', () => {
    const changes = [
      { type: 'participant_joined', participant: person('raj') },
      { type: 'participant_changed', participant: person('raj', { hand: true }) },
      { type: 'talking', participant: 'raj', on: true },
      { type: 'participant_left', participant: 'zoe', reason: 'left' },
    ] as const
    const { state, effects } = play([said({ type: 'changes', changes })], inRoom(person('zoe')))
    const { state: alone } = play(changes.map(said), inRoom(person('zoe')))
    expect(state).toEqual(alone)
    expect(state.roster.map(({ id, talking }) => [id, talking])).toEqual([
      ['me', false],
      ['raj', true],
    ])
    expect(effects).toEqual([])
  })

  test('a large roster comes in parts', () => {
    const part = { type: 'roster', participants: [person('raj', { hand: true }), person('zoe')] } as const
    const { state } = play([said(part)], inRoom(person('ann', { hand: true })))
    expect(state.roster.map(({ id }) => id)).toEqual(['me', 'ann', 'raj', 'zoe'])
    expect(state.hands).toEqual(['ann', 'raj'])
    expect(kinds(state)).toEqual([])
  })

  test('in a large room nobody is bothered with who comes and goes', () => {
    const many = Array.from({ length: 30 }, (_, number) => person(`p${number}`))
    const { state } = play(
      [
        said({ type: 'participant_joined', participant: person('raj') }),
        said({ type: 'participant_left', participant: 'raj', reason: 'left' }),
      ],
      inRoom(...many),
    )
    expect(kinds(state)).toEqual([])
    expect(state.roster).toHaveLength(31)
  })

  test('comings, goings and hands are told, changes of others are not', () => {
    let { state } = play([said({ type: 'participant_joined', participant: person('raj', { kind: 'phone' }) })], inRoom())
    expect(kinds(state)).toEqual(['joined'])
    ;({ state } = play([said({ type: 'participant_changed', participant: person('raj', { muted: true }) })], state))
    expect(kinds(state)).toEqual(['joined'])
    ;({ state } = play([said({ type: 'participant_changed', participant: person('raj', { hand: true }) })], state))
    ;({ state } = play([said({ type: 'participant_left', participant: 'raj', reason: 'lost' })], state))
    expect(kinds(state)).toEqual(['joined', 'hand', 'left'])
    expect(state.roster.map(({ id }) => id)).toEqual(['me'])
    expect(state.hands).toEqual([])
  })

  test('a participant told twice stands in the roster once', () => {
    const { state } = play([said({ type: 'participant_joined', participant: person('raj') })], inRoom(person('raj')))
    expect(state.roster).toHaveLength(2)
  })

  test('hands keep the order in which they were raised', () => {
    const raise = (id: string, hand: boolean) => said({ type: 'participant_changed', participant: person(id, { hand }) })
    const { state } = play([raise('zoe', true), raise('ann', true), raise('leo', true), raise('ann', false)], inRoom(person('ann'), person('leo'), person('zoe')))
    expect(state.hands).toEqual(['zoe', 'leo'])
  })

  test('whoever leaves gives up floor and slot', () => {
    const { state } = play(
      [
        said({ type: 'video', slots: [{ mid: '1', participant: 'raj' }] }),
        said({ type: 'floor', participant: 'raj' }),
        said({ type: 'participant_left', participant: 'raj', reason: 'left' }),
      ],
      inRoom(person('raj')),
    )
    expect(state).toMatchObject({ floor: null, lastFloor: null, video: [{ mid: '1', participant: null }] })
  })

  test('speaking oneself keeps the one who spoke before', () => {
    const { state } = play(
      [said({ type: 'floor', participant: 'raj' }), said({ type: 'floor', participant: 'me' })],
      inRoom(person('raj')),
    )
    expect(state).toMatchObject({ floor: 'me', lastFloor: 'raj' })
  })

  test('the screen holds four notices, the newest', () => {
    const { state } = play(
      ['a', 'b', 'c', 'd', 'e'].map((id) => said({ type: 'participant_joined', participant: person(id) })),
      inRoom(),
    )
    expect(state.notices.map(({ id }) => id)).toEqual([1, 2, 3, 4])
  })
})

describe('a lost connection', () => {
  const lost = () => play([{ type: 'closed' }], inRoom(person('raj'))).state

  test('waits a little, then joins with the secret', () => {
    const { state, effects } = play([{ type: 'closed' }], inRoom())
    expect(state.phase).toBe('reconnecting')
    expect(effects).toEqual([{ type: 'wait', milliseconds: backoff(0) }])
    expect(play([{ type: 'retry' }], state).effects).toEqual([{ type: 'open' }])
    const hello = play([{ type: 'retry' }, { type: 'opened' }], state).effects
    expect(hello).toEqual([{ type: 'send', message: { type: 'join', version: 1, ...request, resume: 'secret of me' } }])
  })

  test('waits longer each time, but never longer than eight seconds', () => {
    const waits = [0, 1, 2, 3, 4, 5, 50].map((attempt) => backoff(attempt))
    expect(waits).toEqual([400, 1_000, 2_000, 4_000, 8_000, 8_000, 8_000])
    const { effects } = play([{ type: 'retry' }, { type: 'closed' }], lost())
    expect(effects).toEqual([{ type: 'wait', milliseconds: 1_000 }])
  })

  test('the same participant keeps its peer connection and its pictures', () => {
    const seen = play([said({ type: 'video', slots: [{ mid: '1', participant: 'raj' }] })], inRoom(person('raj'))).state
    const { state, effects } = play([{ type: 'closed' }, { type: 'retry' }, { type: 'opened' }, said(joined('me', person('raj')))], seen)
    expect(effects).toEqual([{ type: 'peer_resume' }])
    expect(state.video).toHaveLength(1)
    expect(kinds(state)).toContain('back')
  })

  test('a place that is gone is taken anew, without the secret', () => {
    const refused = play([{ type: 'retry' }, { type: 'opened' }, said({ type: 'error', code: 'not_joined', message: '' })], lost())
    expect(refused.state).toMatchObject({ phase: 'reconnecting', resuming: false })
    const again = play([{ type: 'retry' }, { type: 'opened' }], refused.state)
    expect(again.effects).toEqual([{ type: 'send', message: { type: 'join', version: 1, ...request } }])
    const back = play([said(joined('other'))], again.state)
    expect(back.effects).toEqual([{ type: 'peer_stop' }, { type: 'peer_start' }])
  })

  test('a recording is told as it begins, pauses, goes on, ends and fails', () => {
    const of = (recording: 'off' | 'on' | 'paused') =>
      said({ type: 'conference', conference: { id: '1001', name: 'Demo', locked: false, audienceMuted: false, lobby: false, recording, timeLeft: null, channels: [], spotlight: null } })
    const { state } = play([of('on'), of('on'), of('paused'), of('off'), said({ type: 'recording_failed', reason: 'disk_full' })], inRoom())
    expect(state.notices.map(({ notice }) => notice)).toEqual([
      { kind: 'recording', from: 'off', to: 'on' },
      { kind: 'recording', from: 'on', to: 'paused' },
      { kind: 'recording', from: 'paused', to: 'off' },
      { kind: 'recording_failed', reason: 'disk_full' },
    ])
    expect(state.conference?.recording).toBe('off')
  })

  test('a room locked meanwhile is told at the door', () => {
    const { state } = play(
      [
        { type: 'retry' },
        { type: 'opened' },
        said({ type: 'error', code: 'not_joined', message: '' }),
        { type: 'retry' },
        { type: 'opened' },
        said({ type: 'error', code: 'locked', message: '' }),
      ],
      lost(),
    )
    expect(state).toMatchObject({ phase: 'idle', refusal: 'locked' })
  })

  test('leaving while it is lost ends it', () => {
    const { state, effects } = play([{ type: 'leave' }], lost())
    expect(state).toMatchObject({ phase: 'ended', ended: 'left' })
    expect(effects).toEqual([{ type: 'close' }, { type: 'peer_stop' }])
    expect(play([{ type: 'retry' }], state).effects).toEqual([])
  })

  test('media beyond repair get a new peer connection, the participant stays', () => {
    const { state, effects } = play([{ type: 'media_lost' }], inRoom())
    expect(state).toMatchObject({ phase: 'joined', self: 'me' })
    expect(effects).toEqual([{ type: 'peer_stop' }, { type: 'peer_start' }])
    expect(play([{ type: 'media_connected' }], state).state.repairs).toBe(0)
  })

  test('media that die without a socket are built anew after the return', () => {
    const { state, effects } = play([{ type: 'media_lost' }], lost())
    expect(state).toMatchObject({ phase: 'reconnecting', resuming: true })
    expect(effects).toEqual([{ type: 'peer_stop' }])
  })

  test('when new peer connections do not help, a new participant may', () => {
    const { state, effects } = play([{ type: 'media_lost' }, { type: 'media_lost' }, { type: 'media_lost' }], inRoom())
    expect(state).toMatchObject({ phase: 'reconnecting', resume: null, resuming: false })
    expect(effects[0]).toEqual({ type: 'send', message: { type: 'leave' } })
  })
})

describe('what is not as usual', () => {
  test('a warning of the time limit is told and counted from, an extension takes it back', () => {
    const warned = play([said({ type: 'time_left', seconds: 59 })], inRoom()).state
    expect(warned).toMatchObject({ timeLeft: { seconds: 59 } })
    expect(warned.notices.at(-1)?.notice).toEqual({ kind: 'time_left', minutes: 1 })
    const conference = { id: '1001', name: 'Demo', locked: false, audienceMuted: false, lobby: false, recording: 'off' as const, timeLeft: 660, channels: [], spotlight: null }
    const { state } = play([said({ type: 'conference', conference })], warned)
    expect(state.timeLeft).toEqual({ seconds: 660, said: 2 })
    expect(kinds(state)).toEqual(['time_left'])
  })

  test('a whisper is known to both ends and over when one of them goes', () => {
    const whisper = (from: string, to: string, on: boolean) => said({ type: 'whisper', from, to, on })
    const both = play([whisper('me', 'raj', true), whisper('zoe', 'me', true)], inRoom(person('raj'), person('zoe'))).state
    expect(both).toMatchObject({ whisperTo: 'raj', whisperFrom: ['zoe'] })
    expect(play([whisper('me', 'raj', false), whisper('zoe', 'me', false)], both).state).toMatchObject({ whisperTo: null, whisperFrom: [] })
    const left = (id: string) => said({ type: 'participant_left', participant: id, reason: 'left' })
    expect(play([left('raj'), left('zoe')], both).state).toMatchObject({ whisperTo: null, whisperFrom: [] })
  })
})

describe('the end', () => {
  test.each(['removed', 'conference_ended', 'time_limit', 'server_stopping', 'replaced'] as const)('%s closes everything, once', (reason) => {
    const { state, effects } = play([said({ type: 'ended', reason })], inRoom())
    expect(state).toMatchObject({ phase: 'ended', ended: reason })
    expect(effects).toEqual([{ type: 'close' }, { type: 'peer_stop' }])
    expect(play([{ type: 'closed' }], state)).toEqual({ state, effects: [] })
  })

  test('a request refused in the room is a notice, not the end', () => {
    const { state } = play([said({ type: 'error', code: 'forbidden', message: '' })], inRoom())
    expect(state.phase).toBe('joined')
    expect(kinds(state)).toEqual(['refused'])
  })
})

describe('presenting', () => {
  const presenting = (participant: string | null, begun: boolean, ...waiting: string[]) =>
    said({ type: 'presenting', participant, begun, waiting })

  test('of others it is told once, of oneself a banner speaks', () => {
    const { state } = play([presenting('raj', true), presenting('raj', true, 'mia')], inRoom(person('raj'), person('mia')))
    expect(kinds(state)).toEqual(['presenting'])
    expect(state.presenting).toEqual({ participant: 'raj', begun: true, waiting: ['mia'] })
    expect(kinds(play([presenting('me', true)], inRoom()).state)).toEqual([])
  })

  test('how one stands to the turn', () => {
    const after = (...events: SessionEvent[]) => standing(play(events, inRoom(person('raj'))).state)
    expect(after()).toBe('free')
    expect(after(presenting('me', false))).toBe('given')
    expect(after(presenting('me', true))).toBe('presenting')
    expect(after(presenting('raj', false))).toBe('others')
    expect(after(presenting('raj', true, 'me'))).toBe('waiting')
    expect(after(presenting('raj', true), presenting(null, false))).toBe('free')
  })

  test('who is passed over is told, who withdraws is not', () => {
    const waiting = play([presenting('raj', true, 'me')], inRoom(person('raj'))).state
    expect(kinds(play([presenting('raj', true)], waiting).state)).toContain('present_refused')
    expect(kinds(play([{ type: 'withdrawn' }, presenting('raj', true)], waiting).state)).not.toContain('present_refused')
    expect(kinds(play([presenting('me', false)], waiting).state)).not.toContain('present_refused')
  })

  test('a screen leaves with whoever shares it, and a newcomer knows of nobody', () => {
    const { state } = play(
      [said({ type: 'video', slots: [{ mid: '1', participant: 'raj', screen: true }] }), said({ type: 'participant_left', participant: 'raj', reason: 'left' })],
      inRoom(person('raj')),
    )
    expect(state.video).toEqual([{ mid: '1', participant: null }])
    expect(play([presenting('raj', true), { type: 'closed' }, { type: 'opened' }, said(joined('me'))], inRoom(person('raj'))).state.presenting.participant).toBe(null)
  })
})

describe('the lobby', () => {
  const lobby = (waitsFor: 'host' | 'leader', resume: string | null = 'secret of me'): ServerMessage => ({
    type: 'waiting',
    participant: 'me',
    resume,
    name: 'Demo',
    waitsFor,
  })
  const waiting = (...ids: string[]): SessionEvent =>
    said({
      type: 'lobby',
      waiting: ids.map((id) => ({ id, name: id.toUpperCase(), kind: 'browser', waitsFor: 'host' })),
      count: ids.length,
    })

  test('who waits has media already, and keeps it when let in', () => {
    const start = play([{ type: 'join', request }, { type: 'opened' }, said(lobby('leader'))])
    expect(start.effects).toEqual([{ type: 'peer_start' }])
    expect(start.state).toMatchObject({ phase: 'waiting', self: 'me', lobby: { waitsFor: 'leader', name: 'Demo' } })
    const { state, effects } = play([said(lobby('host', null)), said(joined('me', person('raj')))], start.state)
    expect(effects).toEqual([])
    expect(state).toMatchObject({ phase: 'joined', lobby: null })
    expect(kinds(state)).toEqual(['let_in'])
  })

  test('who is sent back sees nobody any more and keeps the secret to come back with', () => {
    const { state, effects } = play([said(lobby('host', 'another'))], inRoom(person('raj')))
    expect(effects).toEqual([])
    expect(state).toMatchObject({ phase: 'waiting', roster: [], conference: null, resume: 'another', request })
    const lost = play([{ type: 'closed' }, { type: 'retry' }, { type: 'opened' }], state)
    expect(lost.effects).toMatchObject([{ type: 'send', message: { resume: 'another' } }])
    expect(play([said(lobby('host', 'third'))], lost.state).effects).toEqual([{ type: 'peer_resume' }])
  })

  test('a host is told once of each who waits', () => {
    const first = play([waiting('raj')], inRoom()).state
    expect(kinds(first)).toEqual(['waiting'])
    const second = play([waiting('raj', 'eve'), waiting('eve')], first).state
    expect(kinds(second)).toEqual(['waiting', 'waiting'])
    expect(second).toMatchObject({ waitingCount: 1, waiting: [{ id: 'eve' }] })
  })
})

describe('the audience', () => {
  const muting = (audienceMuted: boolean): SessionEvent =>
    said({
      type: 'conference',
      conference: { id: '1001', name: 'Demo', locked: false, audienceMuted, lobby: false, recording: 'off', timeLeft: null, channels: [], spotlight: null },
    })
  const me = (muted: boolean): SessionEvent => said({ type: 'participant_changed', participant: person('me', { muted }) })

  test('is barred from unmuting while it is muted, but for whom a host lets', () => {
    const muted = play([muting(true), me(true)], inRoom()).state
    expect(kinds(muted)).toEqual(['audience'])
    expect(barred(muted)).toBe(true)
    expect(barred(play([me(false)], muted).state)).toBe(false)
    expect(barred(play([muting(false)], muted).state)).toBe(false)
    expect(barred({ ...muted, role: 'host' })).toBe(false)
  })
})
