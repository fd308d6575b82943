/** Gives the companion's components their client, the way about and the preferences, and redraws them on change. */

import { createContext, useContext, useEffect, useState, useSyncExternalStore } from 'react'
import type { Companion, ClientState } from '../../companion/client'
import type { Id, Presence, User } from '../../companion/protocol'
import type { Preferences } from '../../companion/preferences'
import type { Route } from '../../companion/route'
import type { CompanionState, Talk } from '../../companion/state'
import { joined, words } from '../../companion/words'

export interface Page {
  readonly client: Companion
  readonly route: Route
  readonly go: (route: Route) => void
  readonly preferences: Preferences
  readonly prefer: (change: Partial<Preferences>) => void
  /** Opens a dialog over everything. */
  readonly ask: (dialog: Asked) => void
}

/** The dialogs that any screen may open. */
export type Asked =
  | { readonly dialog: 'none' | 'switcher' | 'help' | 'new' }
  | { readonly dialog: 'card'; readonly user: Id }
  | { readonly dialog: 'add'; readonly conversation: Id }

export const PageContext = createContext<Page | null>(null)

export function usePage(): Page {
  const page = useContext(PageContext)
  if (!page) throw new Error('no page around this component')
  return page
}

export function useCompanion(): ClientState {
  const { client } = usePage()
  return useSyncExternalStore(client.subscribe, client.snapshot)
}

export const nobody: User = { id: '', login: '', name: '', title: '', company: '', email: '', work_phone: '', mobile: '', home_phone: '', role: '' }

export function nameOf(state: CompanionState, id: Id): string {
  const contact = state.contacts.contacts.find(({ user }) => user === id)
  return state.people[id]?.name ?? (contact?.name || words.chats.someone)
}

export function presenceOf(state: CompanionState, id: Id): Presence {
  return (
    state.presence[id] ?? { user: id, state: 'unknown', class: 'unknown', text: '', activity: '', note: '', place: '', location: '', oof: '', devices: [], subject: '', choice: '', until: 0, oof_until: 0, last_active: 0, next_free: 0 }
  )
}

/** A state in words: the house's own, or one of ours. */
export function stateText({ state, text, class: kind }: Presence): string {
  const known: Readonly<Record<string, string>> = words.states
  return text || (known[state] ?? words.classes[kind])
}

/** Where somebody is, in words. */
export function placeText({ place, location }: Presence): string {
  return location || (place === 'office' ? words.places.office : place === 'home' ? words.places.home : '')
}

/** What a conversation is called: its subject, or who is in it. */
export function title(state: CompanionState, { info }: Talk): string {
  if (info.room) return info.room.name
  if (info.subject !== '') return info.subject
  const others = info.members.filter((id) => id !== state.me?.id)
  return others.length === 0 ? (state.me?.name ?? words.chats.someone) : joined(others.map((id) => nameOf(state, id)))
}

/** The other one of a direct conversation. */
export const other = (state: CompanionState, { info }: Talk): Id | null =>
  info.kind === 'direct' ? (info.members.find((id) => id !== state.me?.id) ?? null) : null

/** The hour, read anew each minute. */
export function useNow(): number {
  const [now, setNow] = useState(() => Date.now())
  useEffect(() => {
    const timer = setInterval(() => setNow(Date.now()), 60_000)
    return () => clearInterval(timer)
  }, [])
  return now
}
