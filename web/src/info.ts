/** What the server tells everybody: `GET /api/v1/info`. */

export interface ServerInfo {
  /** The demo conference's ID, where there is one. */
  readonly demo: string | null
  readonly dialIn: string | null
}

/** Null when the server has nothing to say: the page works without. */
export async function loadInfo(): Promise<ServerInfo | null> {
  try {
    const answer = await fetch('/api/v1/info', { headers: { accept: 'application/json' } })
    return answer.ok ? readInfo(await answer.json()) : null
  } catch {
    return null
  }
}

export function readInfo(body: unknown): ServerInfo {
  const from = typeof body === 'object' && body !== null ? (body as Record<string, unknown>) : {}
  return { demo: within(from['demo'], 'conference'), dialIn: within(from['dial_in'], 'sip') }
}

/** A text, given plainly or as a member. */
function within(value: unknown, key: string): string | null {
  if (typeof value === 'string') return value
  if (typeof value !== 'object' || value === null) return null
  const member = (value as Record<string, unknown>)[key]
  return typeof member === 'string' ? member : null
}
