/** The address of each screen below `/app`, to and fro. Pure. */

import type { Id } from './protocol'

export type Route =
  | { readonly screen: 'chats' | 'contacts' | 'rooms' | 'calls' | 'filters' | 'settings' }
  | { readonly screen: 'talk'; readonly conversation: Id; readonly seq: number }
  | { readonly screen: 'search'; readonly query: string }
  | { readonly screen: 'filter'; readonly filter: Id }
  | { readonly screen: 'person'; readonly user: Id }
  | { readonly screen: 'guest'; readonly invite: string }

const PLAIN = ['contacts', 'rooms', 'calls', 'filters', 'settings'] as const

export function read(page: Pick<Location, 'pathname' | 'search'>): Route {
  const [, , first = '', second = '', third = ''] = page.pathname.split('/').map(unescaped)
  const plain = PLAIN.find((screen) => screen === first)
  if (first === 'c' && second !== '') return { screen: 'talk', conversation: second, seq: Math.max(0, Math.trunc(Number(third) || 0)) }
  if (first === 'search') return { screen: 'search', query: new URLSearchParams(page.search).get('q') ?? '' }
  if (first === 'filters' && second !== '') return { screen: 'filter', filter: second }
  if (first === 'contacts' && second !== '') return { screen: 'person', user: second }
  if (first === 'guest' && second !== '') return { screen: 'guest', invite: second }
  return { screen: plain ?? 'chats' }
}

export function write(route: Route): string {
  switch (route.screen) {
    case 'chats':
      return '/app'
    case 'talk':
      return `/app/c/${encodeURIComponent(route.conversation)}${route.seq > 0 ? `/${route.seq}` : ''}`
    case 'search':
      return route.query === '' ? '/app/search' : `/app/search?q=${encodeURIComponent(route.query)}`
    case 'filter':
      return `/app/filters/${encodeURIComponent(route.filter)}`
    case 'person':
      return `/app/contacts/${encodeURIComponent(route.user)}`
    case 'guest':
      return `/app/guest/${encodeURIComponent(route.invite)}`
    default:
      return `/app/${route.screen}`
  }
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
