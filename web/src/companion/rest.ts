/** The companion's REST: sessions, and files in pieces that resume. */

import { fields, number, text, user, type Fields, type File as Shared, type User } from './protocol'

const BASE = '/api/v1/companion'
/** Bytes per piece: small enough for a progress that moves. */
const PIECE = 512 * 1024
/** Images up to this size are shown, in bytes. */
const IMAGE = 4 * 1_048_576
/** Tries of a piece, and the first wait between them, in ms. */
const TRIES = 6
const WAIT = 500

export type SignInFault = 'wrong' | 'wait' | 'unreachable' | 'none'

/** The answer's user, or why there is none. */
export type Signed = { readonly user: User } | { readonly fault: SignInFault }

async function signed(path: string, body: Fields): Promise<Signed> {
  try {
    const response = await fetch(`${BASE}/${path}`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify(body) })
    if (response.status === 429) return { fault: 'wait' }
    if (response.status >= 500) return { fault: 'unreachable' }
    const found = response.ok ? user(fields(await response.json())['user']) : null
    return found ? { user: found } : { fault: 'wrong' }
  } catch {
    return { fault: 'unreachable' }
  }
}

export const signIn = (login: string, password: string): Promise<Signed> => signed('session', { login, password })
export const signInAsGuest = (invitation: string, name: string): Promise<Signed> => signed('session/guest', { invite: invitation, name })

/** Who is signed in here. */
export async function session(): Promise<Signed> {
  try {
    const response = await fetch(`${BASE}/session`)
    if (response.status >= 500) return { fault: 'unreachable' }
    const found = response.ok ? user(fields(await response.json())['user']) : null
    return found ? { user: found } : { fault: 'none' }
  } catch {
    return { fault: 'unreachable' }
  }
}

export async function signOut(everywhere: boolean): Promise<void> {
  await fetch(`${BASE}/session${everywhere ? '?all=true' : ''}`, { method: 'DELETE' }).catch(() => undefined)
}

export async function changePassword(old: string, next: string): Promise<boolean> {
  const body = JSON.stringify({ old, new: next })
  const response = await fetch(`${BASE}/session/password`, { method: 'PUT', headers: { 'content-type': 'application/json' }, body }).catch(() => null)
  return response?.ok ?? false
}

export const fileAddress = (id: string): string => `${BASE}/files/${encodeURIComponent(id)}`
export const imageAddress = (id: string): string => `${fileAddress(id)}/image`
export const exportAddress = (conversation: string, format: 'json' | 'eml'): string =>
  `${BASE}/conversations/${encodeURIComponent(conversation)}/export?format=${format}`

export const callsAddress = (format: 'json' | 'eml'): string => `${BASE}/calls/export?format=${format}`

/** A new invitation of guests into `conversation`, as a link; `null` where there is none to be had. */
export async function invite(conversation: string): Promise<string | null> {
  const response = await fetch(`${BASE}/invites`, { method: 'POST', headers: { 'content-type': 'application/json' }, body: JSON.stringify({ conversation }) }).catch(() => null)
  const made = response?.ok ? text(fields(await response.json()), 'invite') : ''
  return made === '' ? null : `${location.origin}/app/guest/${encodeURIComponent(made)}`
}

/** The server will not have it, and asking again would not help. */
export class Unwanted extends Error {}

/** Sends `blob` in pieces, going on where a loss left it; `progress` hears of bytes. Aborted by `signal`. */
export async function upload(blob: File, progress: (sent: number) => void, signal: AbortSignal): Promise<Shared> {
  const body = JSON.stringify({ name: blob.name, type: blob.type || 'application/octet-stream', size: blob.size })
  const made = await fetch(`${BASE}/files`, { method: 'POST', headers: { 'content-type': 'application/json' }, body, signal })
  if (!made.ok) throw new Unwanted(String(made.status))
  const answer = fields(await made.json())
  const id = text(answer, 'id')
  const rest = async (offset: number, failures: number): Promise<void> => {
    if (offset >= blob.size) return
    const next = await piece(id, blob, offset, signal).catch(async (error: unknown) => {
      if (signal.aborted || error instanceof Unwanted || failures + 1 >= TRIES) throw error
      await new Promise((done) => setTimeout(done, WAIT * 2 ** failures))
      return null
    })
    if (next === null) return rest(await held(id, signal).catch(() => offset), failures + 1)
    progress(next)
    return rest(next, 0)
  }
  await rest(number(answer, 'offset'), 0)
  const image = /^image\/(png|jpeg|webp|gif)$/.test(blob.type) && blob.size <= IMAGE
  return { id, name: blob.name, type: blob.type, size: blob.size, image }
}

async function piece(id: string, blob: File, offset: number, signal: AbortSignal): Promise<number> {
  const response = await fetch(fileAddress(id), {
    method: 'PATCH',
    headers: { 'upload-offset': String(offset), 'content-type': 'application/offset+octet-stream' },
    body: blob.slice(offset, offset + PIECE),
    signal,
  })
  if (response.ok) return Number(response.headers.get('upload-offset') ?? offset + PIECE)
  // 507: the quota is full.
  if ((response.status < 500 && response.status !== 409 && response.status !== 429) || response.status === 507) throw new Unwanted(String(response.status))
  throw new Error(String(response.status))
}

async function held(id: string, signal: AbortSignal): Promise<number> {
  const response = await fetch(fileAddress(id), { method: 'HEAD', signal })
  if (!response.ok) throw new Error(String(response.status))
  return Number(response.headers.get('upload-offset') ?? 0)
}
