/** From a conversation into a conference, in a window of its own: this page stays, and with it one's presence. */

import type { Companion } from '../../companion/client'
import { text, type Id } from '../../companion/protocol'
import { words } from '../../companion/words'

export async function confer(client: Companion, conversation: Id, media: readonly string[]): Promise<void> {
  // Opened within the click, or the browser takes it for an advertisement.
  const tab = open('', '_blank')
  const answer = await client.request('confer', { conversation, media })
  const link = answer ? conferenceLink(text(answer, 'link')) : null
  if (link === null) return tab?.close()
  if (!tab) return client.notify({ kind: 'said', text: words.notices.popup })
  tab.opener = null
  tab.location.href = link
}

export function enter(link: string): void {
  const safe = conferenceLink(link)
  if (safe !== null) open(safe, '_blank', 'noopener')
}

/** Only this server's pages are conferences. */
export function conferenceLink(link: string): string | null {
  try {
    const { href, origin, pathname, search } = new URL(link, location.origin)
    if (origin === location.origin) return href
    // The server may know itself by another name than this page was opened with.
    return pathname.startsWith('/join') ? location.origin + pathname + search : null
  } catch {
    return null
  }
}
