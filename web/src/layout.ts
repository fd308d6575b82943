/** Where people appear: who is on stage, in which order the tiles stand, how large they are. Pure. */

import type { Participant, ParticipantId } from './protocol'
import type { SessionState } from './session'

export interface Grid {
  readonly columns: number
  readonly rows: number
  /** Tile size in CSS px. */
  readonly width: number
  readonly height: number
}

/** How wide and how narrow a tile may be: width over height. Pictures are cropped to it. */
const WIDEST = 16 / 9
const NARROWEST = 1

/** The grid that shows `count` tiles largest in a box; sizes in CSS px. */
export function bestGrid(width: number, height: number, count: number, gap: number): Grid {
  let best: Grid = { columns: 1, rows: Math.max(1, count), width: 0, height: 0 }
  for (let columns = 1; columns <= Math.max(1, count); columns += 1) {
    const rows = Math.ceil(count / columns)
    const tileWidth = (width - gap * (columns - 1)) / columns
    const tileHeight = (height - gap * (rows - 1)) / rows
    const fitted = {
      width: Math.max(0, Math.min(tileWidth, tileHeight * WIDEST)),
      height: Math.max(0, Math.min(tileHeight, tileWidth / NARROWEST)),
    }
    if (fitted.width * fitted.height > best.width * best.height) best = { columns, rows, ...fitted }
  }
  return { ...best, width: Math.floor(best.width), height: Math.floor(best.height) }
}

/**
 * Whose picture takes the stage. A speaker whose camera is on comes there when the picture does, so that the stage
 * never flashes an avatar while the keyframe is under way; a speaker without a camera comes at once.
 */
export function onStage(state: SessionState, pinned: ParticipantId | null): Participant | null {
  const person = (id: ParticipantId | null | undefined) =>
    id === null || id === undefined ? undefined : state.roster.find((participant) => participant.id === id)
  const other = (participant: Participant | undefined) => (participant?.id === state.self ? undefined : participant)
  const chosen = person(pinned)
  if (chosen) return chosen
  const speaker = other(person(state.floor)) ?? other(person(state.lastFloor))
  if (speaker && !speaker.camera) return speaker
  return (
    other(person(state.video[0]?.participant)) ??
    speaker ??
    state.roster.find((participant) => participant.id !== state.self) ??
    person(state.self) ??
    null
  )
}

/** Tiles in a stable order: oneself first, then those with a picture, then the others as they came. */
export function tileOrder(state: SessionState): readonly Participant[] {
  const rank = (participant: Participant) => {
    if (participant.id === state.self) return 0
    return participant.camera ? 1 : 2
  }
  return state.roster.toSorted((left, right) => rank(left) - rank(right))
}

/** The roster as a list for reading: raised hands in their order, hosts, then names. */
export function rosterOrder(state: SessionState): readonly Participant[] {
  const hand = ({ id }: Participant) => {
    const place = state.hands.indexOf(id)
    return place === -1 ? Number.POSITIVE_INFINITY : place
  }
  const compareHands = (left: Participant, right: Participant) => {
    const [first, second] = [hand(left), hand(right)]
    return first === second ? 0 : first - second
  }
  return state.roster.toSorted(
    (left, right) =>
      compareHands(left, right) ||
      Number(right.id === state.self) - Number(left.id === state.self) ||
      left.name.localeCompare(right.name),
  )
}

/** One or two letters that stand for a name. */
export function initials(name: string): string {
  const words = name.split(/[^\p{L}\p{N}]+/u).filter((part) => part !== '')
  const letters = words.length > 1 ? [words[0], words.at(-1)] : [words[0]]
  return letters
    .map((part) => Array.from(part ?? '')[0] ?? '')
    .join('')
    .toUpperCase()
}

/** Avatar colours in the style sheet. */
const HUES = 8

/** A colour that stays with the name. */
export function hue(name: string): number {
  let sum = 7
  for (const letter of name) sum = (sum * 31 + (letter.codePointAt(0) ?? 0)) % 1_000_003
  return sum % HUES
}

/** Whether somebody is shown as speaking: not who is muted, nor who talks aside with others than oneself. */
export function speaking({ talking, muted, side }: Participant, { roster, self }: SessionState): boolean {
  const own = roster.find(({ id }) => id === self)?.side ?? null
  return talking && !muted && (side === null || side === own)
}
