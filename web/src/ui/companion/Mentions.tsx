import { useState, type KeyboardEvent } from 'react'
import type { Id } from '../../companion/protocol'
import type { Talk } from '../../companion/state'
import { words } from '../../companion/words'
import { Face } from './bits'
import { nameOf, useCompanion } from './context'

/** An `@` and what follows it, up to the caret. */
const BEGUN = /(?:^|[\s(])@([\p{L}\p{N}._-]{0,40})$/u
/** So many are offered at once. */
const MOST = 6

export interface Mentioning {
  readonly offered: readonly Id[]
  readonly chosen: number
  /** Whether the key was for the list. */
  readonly pressed: (event: KeyboardEvent) => boolean
  readonly pick: (user: Id) => void
}

/** Offers who is in the conversation while somebody types `@` and a part of a name; `replace` puts a login in its place. */
export function useMentioning(talk: Talk, before: string, replace: (typed: number, login: string) => void): Mentioning {
  const state = useCompanion()
  const [at, setAt] = useState(0)
  const [dismissed, setDismissed] = useState('')
  const typed = BEGUN.exec(before)?.[1]
  const people = typed === undefined || dismissed === before ? [] : [...new Set([...talk.info.members, ...(state.views[talk.info.id] ?? []), ...talk.log.events.map(({ sender }) => sender)])]
  const fits = (id: Id) => {
    const person = state.people[id]
    return person !== undefined && person.login !== '' && id !== state.me?.id && `${person.name} ${person.login}`.toLowerCase().includes((typed ?? '').toLowerCase())
  }
  const offered = people.filter(fits).slice(0, MOST)
  const chosen = Math.min(at, Math.max(0, offered.length - 1))
  const pick = (user: Id) => {
    replace(typed?.length ?? 0, state.people[user]?.login ?? '')
    setAt(0)
  }
  const pressed = (event: KeyboardEvent): boolean => {
    if (offered.length === 0) return false
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    const user = offered[chosen]
    if (by !== undefined) setAt((chosen + by + offered.length) % offered.length)
    else if (event.key === 'Escape') setDismissed(before)
    else if ((event.key === 'Enter' || event.key === 'Tab') && user && !event.nativeEvent.isComposing) pick(user)
    else return false
    event.preventDefault()
    return true
  }
  return { offered, chosen, pressed, pick }
}

export function Mentions({ offered, chosen, pick }: Mentioning) {
  const state = useCompanion()
  if (offered.length === 0) return null
  return (
    <div className="mentions" id="mentions" role="listbox" aria-label={words.chats.with}>
      {offered.map((id, index) => (
        // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the field has the keys
        <div key={id} id={`mention-${index}`} role="option" aria-selected={index === chosen} tabIndex={-1} className="row" onPointerDown={(event) => event.preventDefault()} onClick={() => pick(id)}>
          <Face user={id} />
          <span className="row-text">
            <span className="row-name">{nameOf(state, id)}</span>
            <span className="row-last">@{state.people[id]?.login}</span>
          </span>
        </div>
      ))}
    </div>
  )
}
