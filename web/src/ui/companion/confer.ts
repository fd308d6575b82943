/** From a conversation into a conference, in a window of its own: this page stays, and with it one's presence. */

import type { Companion } from '../../companion/client'
import { text, type Fields, type Id } from '../../companion/protocol'
import { words } from '../../companion/words'

export async function confer(client: Companion, conversation: Id, media: readonly string[]): Promise<void> {
  // Opened within the click, or the browser takes it for an advertisement.
  const tab = open('', '_blank')
  follow(client, tab, await client.request('confer', { conversation, media }), media)
}

/** Calls a phone: into a conference of one's own, which opens. */
export async function dial(client: Companion, phone: string, name: string): Promise<void> {
  const tab = open('', '_blank')
  follow(client, tab, await client.request('dial', { phone, ...(name !== '' && { name }) }), ['audio'])
}

function follow(client: Companion, tab: Window | null, answer: Fields | null, media: readonly string[]): void {
  const link = answer ? conferenceLink(text(answer, 'link'), client.snapshot().me?.name ?? '', media) : null
  if (link === null) return tab?.close()
  if (!tab) return client.notify({ kind: 'said', text: words.notices.popup })
  tab.opener = null
  tab.location.href = link
}

/** Takes a call that rings. */
export function accept(client: Companion, link: string, media: readonly string[]): void {
  const safe = conferenceLink(link, client.snapshot().me?.name ?? '', media)
  if (safe !== null) open(safe, '_blank', 'noopener')
}

/** Only this server's doors are conferences; whoever comes from here is known and has chosen already: they walk through. */
export function conferenceLink(link: string, name: string, media: readonly string[]): string | null {
  try {
    const { pathname, search } = new URL(link, location.origin)
    if (!pathname.startsWith('/join/')) return null
    const query = new URLSearchParams(search)
    query.set('name', name)
    query.set('autojoin', '1')
    if (!media.includes('video')) query.set('camera', '0')
    return `${location.origin}${pathname}?${query.toString()}`
  } catch {
    return null
  }
}
