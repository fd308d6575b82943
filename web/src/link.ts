/**
 * The page's address: `/join/<conference id>` opens a conference's door.
 *
 * Query, for bots, tests and invitations: `name`, `pin`, `token`, `autojoin=1` (join without a click),
 * `mic=0` and `camera=0` (join without them).
 */

export interface Link {
  readonly conference: string
  readonly name: string
  readonly pin: string
  readonly token: string
  readonly autojoin: boolean
  readonly microphone: boolean
  readonly camera: boolean
}

export function readLink(page: Pick<Location, 'pathname' | 'search'>): Link {
  const query = new URLSearchParams(page.search)
  const deep = /^\/join\/([^/]+)\/?$/.exec(page.pathname)
  return {
    conference: tidyNumber(unescaped(deep?.[1] ?? '')),
    name: query.get('name') ?? '',
    pin: query.get('pin') ?? '',
    token: query.get('token') ?? '',
    autojoin: query.get('autojoin') === '1',
    microphone: query.get('mic') !== '0',
    camera: query.get('camera') !== '0',
  }
}

/** Numbers are read out and pasted with spaces, dashes and a final `#`. */
export function tidyNumber(typed: string): string {
  return typed.replaceAll(/[\s\-#]/g, '')
}

export function invitation(origin: string, conference: string): string {
  return `${origin}/join/${encodeURIComponent(conference)}`
}

function unescaped(part: string): string {
  try {
    return decodeURIComponent(part)
  } catch {
    return part
  }
}
