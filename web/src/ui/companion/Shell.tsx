import { useEffect, useRef } from 'react'
import { Button } from 'react-aria-components'
import type { Route } from '../../companion/route'
import { words } from '../../companion/words'
import { PeopleIcon, SettingsIcon } from '../icons'
import { Calls } from './Calls'
import { Chats } from './Chats'
import { Contacts } from './Contacts'
import { useCompanion, usePage } from './context'
import { Conversation } from './Conversation'
import { FilterHits, Filters } from './Filters'
import { ChatIcon, FilterIcon, HistoryIcon, RoomsIcon, SearchIcon } from './icons'
import { useKeys } from './keys'
import { Me } from './Me'
import { Notices } from './Notices'
import { Rings } from './Rings'
import { Rooms } from './Rooms'
import { Search } from './Search'
import { Settings } from './Settings'
import { Nothing } from './bits'

type Plain = Exclude<Route['screen'], 'talk' | 'filter' | 'guest'>

const ICONS = { chats: ChatIcon, contacts: PeopleIcon, rooms: RoomsIcon, calls: HistoryIcon, filters: FilterIcon, search: SearchIcon, settings: SettingsIcon }

/** Rail, list and main place; on a phone one of the last two. */
export function Shell() {
  const { route } = usePage()
  const state = useCompanion()
  const main = useRef<HTMLElement>(null)
  useKeys()
  useTitle()
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
      {route.screen === 'contacts' && <Contacts />}
      <main className="place" id="main" ref={main} tabIndex={-1}>
        <p className="offline-bar" role="status">
          {state.phase === 'reconnecting' && words.connection.reconnecting}
        </p>
        <Place />
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
  const here: Plain = route.screen === 'talk' || route.screen === 'guest' ? 'chats' : route.screen === 'filter' ? 'filters' : route.screen
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

function useTitle() {
  const state = useCompanion()
  const unread = Object.values(state.talks).reduce((sum, { info }) => sum + (info.notify === 'none' ? 0 : info.unread), 0)
  useEffect(() => {
    document.title = unread > 0 ? `(${unread}) ${words.product}` : words.product
  }, [unread])
}
