/** What this browser remembers of the companion's settings. Everything else is the server's. */

export interface Preferences {
  /** A language, or empty for the browser's. */
  readonly language: string
  readonly theme: 'system' | 'light' | 'dark'
  /** The system's notifications, where the browser was allowed to. */
  readonly notify: boolean
  readonly sound: boolean
  /** Keys without Ctrl. */
  readonly shortcuts: boolean
  readonly emoticons: boolean
  readonly view: 'group' | 'availability' | 'level' | 'tagged'
  readonly sort: 'name' | 'availability'
}

export const defaults: Preferences = {
  language: '',
  theme: 'system',
  notify: false,
  sound: true,
  shortcuts: false,
  emoticons: true,
  view: 'group',
  sort: 'name',
}

const KEY = 'plenum.companion'

/** Anything unreadable is as if never stored. */
export function load(): Preferences {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(KEY) ?? '{}')
    const known = Object.entries(stored ?? {}).filter(([key, value]) => Object.hasOwn(defaults, key) && typeof value === typeof defaults[key as keyof Preferences])
    return { ...defaults, ...Object.fromEntries(known) }
  } catch {
    return defaults
  }
}

export function save(preferences: Preferences): void {
  try {
    localStorage.setItem(KEY, JSON.stringify(preferences))
  } catch {
    // A full or forbidden storage costs the memory alone.
  }
}
