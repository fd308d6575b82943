/** How received pictures do, and on whose account: judged from what the browser counts between two looks. Pure. */

import type { ParticipantId, SlotAssignment } from './protocol'

/** What the browser has counted of one received picture since it began. */
export interface Received {
  readonly packets: number
  readonly lost: number
  readonly frames: number
  /** Time in which it stood still for longer than it may, in seconds; null where the browser does not tell. */
  readonly frozen: number | null
}

/** One look: what was received, by section id, and whose pictures these were. */
export interface Look {
  readonly at: number
  readonly received: ReadonlyMap<string, Received>
  readonly slots: readonly SlotAssignment[]
  /** Whose cameras are on, of all others. */
  readonly cameras: readonly ParticipantId[]
}

/** Why a picture is not as it should be: our own line, something before it, or there is none although there is room for it. */
export type Ill = 'own_line' | 'their_line' | 'unseen'

/** Share of packets lost on the way to us from which our line is to blame. */
const LOSS = 0.03
/** Share of the time for which a picture may stand still. */
const FROZEN = 0.2
/** Where the browser does not count freezes, the least frames a second that pass for a moving picture. */
const FRAMES = 2

/** The people whose pictures do badly. Whoever came into a slot since the former look is not judged yet. */
export function illOf(before: Look, now: Look): ReadonlyMap<ParticipantId, Ill> {
  const ill = new Map<ParticipantId, Ill>()
  const seconds = (now.at - before.at) / 1_000
  if (seconds <= 0) return ill
  for (const { mid, participant, composite, screen } of now.slots) {
    const then = before.slots.find((slot) => slot.mid === mid)
    if (participant === null || composite || screen || then?.participant !== participant || then.screen) continue
    const [from, to] = [before.received.get(mid), now.received.get(mid)]
    if (!from || !to || to.frames < from.frames) continue
    const lost = Math.max(0, to.lost - from.lost)
    const share = lost / Math.max(1, lost + to.packets - from.packets)
    const frozen = to.frozen === null || from.frozen === null ? null : to.frozen - from.frozen
    // A browser counts a freeze when it ends: of a picture that stands still it only counts no frames.
    const still = to.frames === from.frames || (frozen === null ? (to.frames - from.frames) / seconds < FRAMES : frozen / seconds > FROZEN)
    if (share > LOSS) ill.set(participant, 'own_line')
    else if (still) ill.set(participant, 'their_line')
  }
  const room = Math.min(...[before, now].map(({ slots }) => slots.filter(({ participant }) => participant === null).length))
  const unseen = now.cameras.filter((camera) => before.cameras.includes(camera) && !shown(before, camera) && !shown(now, camera))
  for (const camera of unseen.slice(0, room)) ill.set(camera, 'unseen')
  return ill
}

const shown = ({ slots }: Look, camera: ParticipantId): boolean =>
  slots.some(({ participant, composite, screen }) => composite === true || (participant === camera && screen !== true))

/** Finds the pictures in a statistics report; the entries differ between browsers. */
export function readPictures(report: Iterable<[string, Record<string, unknown>]> | RTCStatsReport): Map<string, Received> {
  const received = new Map<string, Received>()
  for (const [, entry] of report as Iterable<[string, Record<string, unknown>]>) {
    if (entry['type'] !== 'inbound-rtp' || entry['kind'] !== 'video' || typeof entry['mid'] !== 'string') continue
    const frozen = entry['totalFreezesDuration']
    received.set(entry['mid'], {
      packets: Number(entry['packetsReceived'] ?? 0),
      lost: Math.max(0, Number(entry['packetsLost'] ?? 0)),
      frames: Number(entry['framesDecoded'] ?? 0),
      frozen: typeof frozen === 'number' ? frozen : null,
    })
  }
  return received
}
