import { describe, expect, test } from 'vitest'
import { decode, encode } from './protocol'

const ann = { id: 'p_1', name: 'Ann', kind: 'browser', role: 'host', muted: true, camera: false, talking: false, hand: false }
/** What is absent says nothing. */
const usual = { byPhone: false, presenting: false, deafened: false, held: false, videoMuted: false, gainDb: 0, side: null, listening: null }

describe('decode', () => {
  test('reads the welcome with roster and telephone', () => {
    const frame = JSON.stringify({
      type: 'joined',
      participant: 'p_1',
      role: 'host',
      resume: 'secret',
      conference: { id: '1001', name: 'Demo', locked: false },
      dial_in: { sip: 'sip:1001@127.0.0.1:5060', conference: '1001', personal: true },
      roster: [{ ...ann, presence: 'in_conference' }],
      floor: null,
    })
    expect(decode(frame)).toEqual({
      type: 'joined',
      participant: 'p_1',
      role: 'host',
      resume: 'secret',
      conference: { id: '1001', name: 'Demo', locked: false, audienceMuted: false, lobby: false, recording: 'off', timeLeft: null, channels: [], spotlight: null },
      dialIn: { sip: 'sip:1001@127.0.0.1:5060', conference: '1001', personal: true },
      roster: [{ ...ann, ...usual }],
      floor: null,
    })
  })

  test('reads further parts of a roster', () => {
    expect(decode(JSON.stringify({ type: 'roster', participants: [ann] }))).toEqual({
      type: 'roster',
      participants: [{ ...ann, ...usual }],
    })
  })

  test('reads how many sizes of the camera are seen', () => {
    expect(decode('{"type":"camera_sizes","count":1}')).toEqual({ type: 'camera_sizes', count: 1 })
    expect(decode('{"type":"camera_sizes","count":null}')).toEqual({ type: 'camera_sizes', count: null })
  })

  test('reads answers and slots', () => {
    expect(decode('{"type":"answer","sdp":"v=0","slot_mids":["1","2"]}')).toEqual({ type: 'answer', sdp: 'v=0', slotMids: ['1', '2'] })
    expect(decode('{"type":"video","slots":[{"mid":"1","participant":null}]}')).toEqual({
      type: 'video',
      slots: [{ mid: '1', participant: null }],
    })
  })

  test('reads whose turn it is to present, and the slot of a screen', () => {
    expect(decode('{"type":"presenting","participant":"p_1","begun":true,"waiting":["p_2"]}')).toEqual({
      type: 'presenting',
      participant: 'p_1',
      begun: true,
      waiting: ['p_2'],
    })
    expect(decode('{"type":"presenting","participant":null,"begun":false,"waiting":[]}')).toMatchObject({ participant: null })
    expect(decode('{"type":"video","slots":[{"mid":"1","participant":"p_1","screen":true}]}')).toEqual({
      type: 'video',
      slots: [{ mid: '1', participant: 'p_1', screen: true }],
    })
  })

  test('reads several changes and leaves out what it does not understand', () => {
    const frame = JSON.stringify({
      type: 'changes',
      changes: [
        { type: 'participant_joined', participant: ann },
        { type: 'participant_levitated', participant: 'p_1' },
        { type: 'talking', participant: 'p_1', on: true },
      ],
    })
    expect(decode(frame)).toEqual({
      type: 'changes',
      changes: [
        { type: 'participant_joined', participant: { ...ann, ...usual } },
        { type: 'talking', participant: 'p_1', on: true },
      ],
    })
    expect(decode('{"type":"changes","changes":[{"type":"changes","changes":[]}]}')).toEqual({ type: 'changes', changes: [] })
  })

  test('reads how the picture of all is laid out, and which slot carries it', () => {
    const layouts = ['grid', 'speaker']
    const conference = { id: '1001', name: 'Demo', locked: false, layout: 'speaker', layouts }
    expect(decode(JSON.stringify({ type: 'conference', conference }))).toMatchObject({ conference: { layout: 'speaker', layouts } })
    expect(decode('{"type":"video","slots":[{"mid":"1","participant":null,"composite":true}]}')).toEqual({
      type: 'video',
      slots: [{ mid: '1', participant: null, composite: true }],
    })
  })

  test('reads what is not as usual', () => {
    const change = { deafened: true, held: true, gain_db: -6, side: 2, listening: 3 }
    const frame = JSON.stringify({ type: 'participant_changed', participant: { ...ann, ...change } })
    expect(decode(frame)).toMatchObject({ participant: { deafened: true, held: true, gainDb: -6, side: 2, listening: 3 } })
    const channels = [{ channel: 3, name: 'Français', interpreter: null }]
    const conference = { id: '1001', name: 'Demo', locked: false, time_left: 300, channels }
    expect(decode(JSON.stringify({ type: 'conference', conference }))).toMatchObject({ conference: { timeLeft: 300, channels } })
  })

  test('reads whether the conference is recorded, and why that failed', () => {
    const of = (recording: string) => decode(`{"type":"conference","conference":{"id":"1","name":"Demo","locked":false,"recording":"${recording}"}}`)
    for (const recording of ['off', 'on', 'paused']) expect(of(recording)).toMatchObject({ conference: { recording } })
    expect(of('backwards')).toMatchObject({ conference: { recording: 'off' } })
    expect(decode('{"type":"recording_failed","reason":"disk_full"}')).toEqual({ type: 'recording_failed', reason: 'disk_full' })
  })

  test('words of a newer server fall back, unknown fields are ignored', () => {
    const frame = JSON.stringify({ type: 'participant_joined', participant: { ...ann, kind: 'hologram', shoe: 43 } })
    expect(decode(frame)).toEqual({ type: 'participant_joined', participant: { ...ann, ...usual } })
    expect(decode('{"type":"error","code":"new_trouble","message":"?"}')).toMatchObject({ code: 'bad_message' })
  })

  test.each([
    'no json',
    'null',
    '[]',
    '{}',
    '{"type":7}',
    '{"type":"constructor"}',
    '{"type":"toString"}',
    '{"type":"unheard of"}',
    '{"type":"slots","count":-1}',
    '{"type":"slots","count":"3"}',
    '{"type":"joined"}',
    '{"type":"video","slots":[null]}',
    '{"type":"participant_left"}',
  ])('%s is passed over', (frame) => expect(decode(frame)).toBeNull())
})

test('encode writes the plan’s form', () => {
  expect(encode({ type: 'mute_participant', participant: 'p_2', on: true })).toBe('{"type":"mute_participant","participant":"p_2","on":true}')
})
