/** The small pure parts at the page's edges: address, memory, device faults, meter, connection quality. */

import { describe, expect, test } from 'vitest'
import { feelOf } from './client'
import { classify } from './devices'
import { readInfo } from './info'
import { meterShare } from './level'
import { invitation, readLink, tidyNumber } from './link'
import { readQuality } from './peer'
import { loadPreferences, savePreferences } from './preferences'
import { signalAddress } from './signal'
import { en } from './strings'

describe('the address', () => {
  test('a deep link names the conference, the query the rest', () => {
    expect(readLink({ pathname: '/join/1001', search: '?name=Ann%20B&pin=2001&autojoin=1&camera=0' })).toEqual({
      conference: '1001',
      name: 'Ann B',
      pin: '2001',
      token: '',
      autojoin: true,
      microphone: true,
      camera: false,
    })
    expect(readLink({ pathname: '/', search: '' })).toMatchObject({ conference: '', autojoin: false })
    expect(readLink({ pathname: '/join/%E0%A4%A', search: '' }).conference).toBe('%E0%A4%A')
  })

  test('numbers lose what people add to them', () => expect(tidyNumber(' 10-01 #')).toBe('1001'))
  test('an invitation is a deep link', () => expect(invitation('https://a.example', '1001')).toBe('https://a.example/join/1001'))
  test('signalling follows the page’s security', () => {
    expect(signalAddress({ protocol: 'https:', host: 'a.example' })).toBe('wss://a.example/api/v1/signal')
    expect(signalAddress({ protocol: 'http:', host: '127.0.0.1:8080' })).toBe('ws://127.0.0.1:8080/api/v1/signal')
  })
})

describe('the memory', () => {
  const storage = () => {
    const held = new Map<string, string>()
    return { getItem: (key: string) => held.get(key) ?? null, setItem: (key: string, value: string) => void held.set(key, value) }
  }

  test('keeps what was saved beside the rest', () => {
    const kept = storage()
    savePreferences({ name: 'Ann' }, kept)
    savePreferences({ cameraOn: false }, kept)
    expect(loadPreferences(kept)).toMatchObject({ name: 'Ann', cameraOn: false, microphoneOn: true })
  })

  test.each(['nonsense', 'null', '{"name":7,"other":1}'])('%s is as if never stored', (stored) => {
    expect(loadPreferences({ getItem: () => stored, setItem: () => undefined })).toMatchObject({ name: '', cameraOn: true })
  })

  test('a storage that refuses costs nothing but the memory', () => {
    const refusing = {
      getItem: () => {
        throw new Error('forbidden')
      },
      setItem: () => {
        throw new Error('full')
      },
    }
    savePreferences({ name: 'Ann' }, refusing)
    expect(loadPreferences(refusing).name).toBe('')
  })
})

describe('device faults', () => {
  test.each([
    ['NotAllowedError', 'Permission denied', 'denied'],
    ['NotAllowedError', 'Permission denied by system', 'denied_by_system'],
    ['NotFoundError', '', 'missing'],
    ['NotReadableError', '', 'in_use'],
    ['WeirdError', '', 'unknown'],
  ] as const)('%s "%s" is %s', (name, message, fault) => {
    expect(classify(Object.assign(new Error(message), { name }))).toBe(fault)
  })
})

test('the meter spans 60 dB', () => {
  expect([-120, -60, -30, 0, 6].map((level) => meterShare(level))).toEqual([0, 0, 0.5, 1, 1])
})

test('quality: loss and delay of the last seconds decide', () => {
  const report = [
    ['1', { type: 'candidate-pair', nominated: true, currentRoundTripTime: 0.04 }],
    ['2', { type: 'inbound-rtp', kind: 'audio', packetsReceived: 200, packetsLost: 3 }],
    ['3', { type: 'inbound-rtp', kind: 'video', packetsReceived: 999, packetsLost: 99 }],
  ] as [string, Record<string, unknown>][]
  const before = readQuality(report)
  expect(before).toEqual({ roundTrip: 40, received: 200, lost: 3 })
  expect(feelOf(before, { roundTrip: 40, received: 400, lost: 3 })).toBe('good')
  expect(feelOf(before, { roundTrip: 40, received: 390, lost: 13 })).toBe('fair')
  expect(feelOf(before, { roundTrip: 40, received: 300, lost: 103 })).toBe('poor')
  expect(feelOf(before, { roundTrip: 900, received: 400, lost: 3 })).toBe('poor')
})

test('what the server tells everybody may lack anything', () => {
  const told = { version: '1', demo: { conference: '1001', guest_pin: '2001' }, sip: 'sip:a', companion: true }
  expect(readInfo(told)).toEqual({ demo: { conference: '1001', pin: '2001' }, sip: 'sip:a', companion: true })
  expect(readInfo({ demo: null })).toEqual({ demo: null, sip: null, companion: false })
  expect(readInfo(null)).toEqual({ demo: null, sip: null, companion: false })
})

test('every notice has its words', () => {
  expect(en.notice({ kind: 'left', name: 'Ann', reason: 'lost' })).toBe('Ann lost the connection')
  expect(en.notice({ kind: 'joined', name: 'Bo', phone: true })).toBe('Bo joined by phone')
})
