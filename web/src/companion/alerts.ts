/** Whether a new post is worth an alert. Pure. */

import type { Id, LogEvent } from './protocol'
import type { CompanionState } from './state'

export interface Surroundings {
  /** The conversation before the person's eyes, if any. */
  readonly seen: Id | null
  readonly fullScreen: boolean
}

/** `loud`: a notice and a sound; `quiet`: a small notice alone; `none`: it only counts as unread. */
export type Alert = 'loud' | 'quiet' | 'none'

export function alertOf(state: CompanionState, event: LogEvent, { seen, fullScreen }: Surroundings): Alert {
  const talk = state.talks[event.conversation]
  if (!talk || !state.me || event.sender === state.me.id || (event.kind !== 'text' && event.kind !== 'ink')) return 'none'
  if (seen === event.conversation || event.seq <= talk.info.read_seq) return 'none'
  if (state.presence[state.me.id]?.class === 'do_not_disturb') return 'none'
  const { notify } = talk.info
  if (notify === 'none' || (notify === 'mentions' && !mentions(event.body.text ?? '', state.me.login))) return 'none'
  return fullScreen ? 'quiet' : 'loud'
}

/** Whether `text` names somebody by `@` and their login, as a whole word. */
export function mentions(text: string, login: string): boolean {
  const wanted = login.toLowerCase()
  const named = text.toLowerCase().matchAll(/(?:^|[^\p{L}\p{N}._-])@([\p{L}\p{N}._@-]+)/gu)
  return wanted !== '' && [...named].some(([, said = '']) => said.replace(/[.\-@]+$/, '') === wanted)
}
