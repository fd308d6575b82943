import { lazy, Suspense, useEffect, useRef } from 'react'
import { Button } from 'react-aria-components'
import type { Route } from '../../companion/route'
import { words } from '../../companion/words'
import { PeopleIcon, SettingsIcon } from '../icons'
import { Chats } from './Chats'
import { useCompanion, usePage } from './context'
import { Conversation } from './Conversation'
import { ChatIcon, FilterIcon, HistoryIcon, RoomsIcon, SearchIcon } from './icons'
import { useKeys } from './keys'
import { Me } from './Me'
import { Notices } from './Notices'
import { Rings } from './Rings'
import { Nothing } from './bits'

// Shell and conversations come first; the other screens when they are asked for.
const Calls = lazy(async () => ({ default: (await import('./Calls')).Calls }))
const Contacts = lazy(async () => ({ default: (await import('./Contacts')).Contacts }))
const Person = lazy(async () => ({ default: (await import('./Card')).Person }))
const Filters = lazy(async () => ({ default: (await import('./Filters')).Filters }))
const FilterHits = lazy(async () => ({ default: (await import('./Filters')).FilterHits }))
const Rooms = lazy(async () => ({ default: (await import('./Rooms')).Rooms }))
const Search = lazy(async () => ({ default: (await import('./Search')).Search }))
const Settings = lazy(async () => ({ default: (await import('./Settings')).Settings }))

type Plain = Exclude<Route['screen'], 'talk' | 'filter' | 'person' | 'guest'>

const ICONS = { chats: ChatIcon, contacts: PeopleIcon, rooms: RoomsIcon, calls: HistoryIcon, filters: FilterIcon, search: SearchIcon, settings: SettingsIcon }

/** Rail, list and main place; on a phone one of the last two. */
export function Shell() {
  const { route } = usePage()
  const state = useCompanion()
  const main = useRef<HTMLElement>(null)
  useKeys()
  useTitle()
  useOnly()
  const deep = route.screen !== 'chats' && route.screen !== 'contacts' && route.screen !== 'guest'
  return (
    <div className="shell" data-deep={deep || undefined} data-screen={route.screen}>
      <a
        className="skip"
        href="#main"
        onClick={(event) => {
          event.preventDefault()
          main.current?.focus()
        }}
      >
        {words.skip}
      </a>
      <Rail />
      {(route.screen === 'talk' || route.screen === 'chats' || route.screen === 'guest') && <Chats />}
      {(route.screen === 'contacts' || route.screen === 'person') && (
        <Suspense fallback={<section className="list" />}>
          <Contacts />
        </Suspense>
      )}
      <main className="place" id="main" ref={main} tabIndex={-1}>
        <p className="offline-bar" role="status">
          {state.phase === 'reconnecting' && words.connection.reconnecting}
        </p>
        <Suspense>
          <Place />
        </Suspense>
      </main>
      <Notices />
      <Rings />
    </div>
  )
}

function Place() {
  const { route } = usePage()
  const state = useCompanion()
  switch (route.screen) {
    case 'talk': {
      const talk = state.talks[route.conversation]
      return talk ? <Conversation key={talk.info.id} talk={talk} /> : <Nothing title={words.chats.pick} hint={words.chats.pickHint} />
    }
    case 'rooms':
      return <Rooms />
    case 'calls':
      return <Calls />
    case 'filters':
      return <Filters />
    case 'filter':
      return <FilterHits filter={route.filter} />
    case 'search':
      return <Search key={route.query} query={route.query} />
    case 'settings':
      return <Settings />
    case 'person':
      return <Person key={route.user} user={route.user} />
    case 'contacts':
      return <Nothing title={words.contacts.pick} hint={words.contacts.pickHint} />
    default:
      return <Nothing title={words.chats.pick} hint={words.chats.pickHint} />
  }
}

function Rail() {
  const { route, go } = usePage()
  const state = useCompanion()
  const unread = Object.values(state.talks).reduce((sum, { info }) => sum + (info.notify === 'none' ? 0 : info.unread), 0)
  const here: Plain = route.screen === 'talk' || route.screen === 'guest' ? 'chats' : route.screen === 'filter' ? 'filters' : route.screen === 'person' ? 'contacts' : route.screen
  const guest = state.me?.role === 'guest'
  const all: readonly Plain[] = guest ? ['chats', 'search', 'settings'] : ['chats', 'contacts', 'rooms', 'calls', 'filters', 'search', 'settings']
  return (
    <nav className="rail" aria-label={words.product}>
      <Me />
      <ul>
        {all.map((screen) => {
          const Icon = ICONS[screen]
          return (
            <li key={screen}>
              <Button
                className="rail-button"
                aria-current={screen === here ? 'page' : false}
                onPress={() => go(screen === 'search' ? { screen, query: '' } : { screen })}
              >
                <Icon />
                <span>{words.screens[screen]}</span>
                {screen === 'chats' && unread > 0 && (
                  <span className="count" aria-label={words.chats.unread(unread)}>
                    {unread > 99 ? '99+' : unread}
                  </span>
                )}
              </Button>
            </li>
          )
        })}
      </ul>
    </nav>
  )
}

/** Whoever has but one conversation, as guests have, is in it. */
function useOnly() {
  const { route, go } = usePage()
  const { me, talks } = useCompanion()
  const [only, ...more] = Object.keys(talks)
  const lone = me?.role === 'guest' && only !== undefined && more.length === 0 && (route.screen === 'chats' || route.screen === 'guest') ? only : null
  useEffect(() => {
    if (lone !== null) go({ screen: 'talk', conversation: lone, seq: 0 })
  }, [lone, go])
}

function useTitle() {
  const state = useCompanion()
  const unread = Object.values(state.talks).reduce((sum, { info }) => sum + (info.notify === 'none' ? 0 : info.unread), 0)
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) ${words.product}` : words.product
  }, [unread])
}
