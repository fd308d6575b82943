/** What the server tells everybody: `GET /api/v1/info`. */

/** The demo conference, whose PIN is no secret. */
export interface Demo {
  readonly conference: string
  readonly pin: string
}

export interface ServerInfo {
  readonly demo: Demo | null
  /** The SIP address that phones dial, where phones are served. */
  readonly sip: string | null
  /** People sign in at `/app`. */
  readonly companion: boolean
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
  const demo = member(body, 'demo')
  const conference = member(demo, 'conference')
  const pin = member(demo, 'guest_pin')
  const sip = member(body, 'sip')
  return {
    demo: typeof conference === 'string' ? { conference, pin: typeof pin === 'string' ? pin : '' } : null,
    sip: typeof sip === 'string' ? sip : null,
    companion: member(body, 'companion') === true,
  }
}

function member(of: unknown, key: string): unknown {
  return typeof of === 'object' && of !== null ? (of as Record<string, unknown>)[key] : undefined
}
