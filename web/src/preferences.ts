/** What the page remembers between visits: name, devices, and whether they were on. Never a PIN. */

export interface Preferences {
  readonly name: string
  readonly microphone: string
  readonly camera: string
  readonly speaker: string
  readonly microphoneOn: boolean
  readonly cameraOn: boolean
  /** One's own picture is among the others. */
  readonly selfView: boolean
  /** How large one's own camera is asked for. */
  readonly cameraSize: string
}

const KEY = 'plenum.preferences'

const defaults: Preferences = {
  name: '',
  microphone: '',
  camera: '',
  speaker: '',
  microphoneOn: true,
  cameraOn: true,
  selfView: true,
  cameraSize: 'high',
}

type Storage = Pick<globalThis.Storage, 'getItem' | 'setItem'>

/** Reads what was stored; anything unreadable is as if never stored. */
export function loadPreferences(storage: Storage | null = browserStorage()): Preferences {
  try {
    const stored: unknown = JSON.parse(storage?.getItem(KEY) ?? '{}')
    if (typeof stored !== 'object' || stored === null) return defaults
    const known = Object.entries(stored).filter(
      ([key, value]) => Object.hasOwn(defaults, key) && typeof value === typeof defaults[key as keyof Preferences],
    )
    return { ...defaults, ...Object.fromEntries(known) }
  } catch {
    return defaults
  }
}

export function savePreferences(change: Partial<Preferences>, storage: Storage | null = browserStorage()): void {
  try {
    storage?.setItem(KEY, JSON.stringify({ ...loadPreferences(storage), ...change }))
  } catch {
    // A full or forbidden storage costs the memory, not the call.
  }
}

/** Private windows may forbid even the look at it. */
function browserStorage(): Storage | null {
  try {
    return globalThis.localStorage ?? null
  } catch {
    return null
  }
}
