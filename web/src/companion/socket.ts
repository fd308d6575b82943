/**
 * The companion's WebSocket, for ever: opens it, asks and hears, and opens it anew with back-off when it is lost.
 * Knows requests and answers, not what they mean.
 */

import { decode, type Fields, type ServerMessage } from './protocol'

/** The first wait before a new try and the longest, in ms; each is drawn between half and the whole. */
const FIRST_WAIT = 500
const LONGEST_WAIT = 30_000
/** An answer is given up after this, in ms, and the connection with it. */
const PATIENCE = 15_000

export const SESSION_OVER = 4001
export const WRONG_VERSION = 4002
const TOO_MANY_DEVICES = 4003
const TOO_SLOW = 4008

/** The server's no. */
export class Refused extends Error {
  readonly code: string
  readonly retry: number

  constructor(code: string, detail: string, retry: number) {
    super(detail === '' ? code : detail)
    this.code = code
    this.retry = retry
  }
}

/** No answer came: the connection was lost, and whether it was done is not known. */
export class Lost extends Error {}

export interface SocketHandlers {
  readonly opened: () => void
  readonly received: (message: ServerMessage) => void
  /** `code` is that of the close frame. A new connection is tried unless it says that none will do. */
  readonly lost: (code: number) => void
}

interface Waiting {
  readonly done: (answer: Fields) => void
  readonly failed: (error: Error) => void
  readonly timer: ReturnType<typeof setTimeout>
}

export class Socket {
  readonly #address: string
  readonly #handlers: SocketHandlers
  readonly #waiting = new Map<number, Waiting>()
  #socket: WebSocket | null = null
  #again: ReturnType<typeof setTimeout> | undefined
  #tries = 0
  #next = 0
  #over = false

  constructor(address: string, handlers: SocketHandlers) {
    this.#address = address
    this.#handlers = handlers
    globalThis.addEventListener?.('online', this.#now)
    this.#open()
  }

  /** Rejects with [`Refused`] or [`Lost`]. */
  ask(type: string, request: Fields = {}): Promise<Fields> {
    const socket = this.#socket
    if (!socket || socket.readyState !== WebSocket.OPEN) return Promise.reject(new Lost())
    this.#next += 1
    const id = this.#next
    return new Promise((done, failed) => {
      const timer = setTimeout(() => socket.close(), PATIENCE)
      this.#waiting.set(id, { done, failed, timer })
      socket.send(JSON.stringify({ ...request, type, id }))
    })
  }

  /** The connection is good: the next loss begins with a short wait again. */
  settled(): void {
    this.#tries = 0
  }

  close(): void {
    this.#over = true
    clearTimeout(this.#again)
    globalThis.removeEventListener?.('online', this.#now)
    this.#socket?.close()
    this.#forget()
  }

  readonly #now = (): void => {
    if (this.#socket || this.#over) return
    clearTimeout(this.#again)
    this.#open()
  }

  #open(): void {
    const socket = new WebSocket(this.#address)
    this.#socket = socket
    const opening = setTimeout(() => socket.close(), PATIENCE)
    socket.addEventListener('open', () => {
      clearTimeout(opening)
      if (!this.#over) this.#handlers.opened()
    })
    socket.addEventListener('message', ({ data }) => this.#received(data))
    socket.addEventListener('close', ({ code }) => {
      clearTimeout(opening)
      this.#lost(socket, code)
    })
  }

  #received(frame: unknown): void {
    const message = typeof frame === 'string' && !this.#over ? decode(frame) : null
    if (!message) return
    if (message.type !== 'done' && message.type !== 'refused') return this.#handlers.received(message)
    const waiting = this.#waiting.get(message.id)
    if (!waiting) return
    this.#waiting.delete(message.id)
    clearTimeout(waiting.timer)
    if (message.type === 'done') waiting.done(message.answer)
    else waiting.failed(new Refused(message.code, message.detail, message.retry_ms))
  }

  #lost(socket: WebSocket, code: number): void {
    if (this.#socket !== socket) return
    this.#socket = null
    this.#forget()
    if (this.#over) return
    if (code !== SESSION_OVER && code !== WRONG_VERSION) this.#again = setTimeout(() => this.#open(), code === TOO_SLOW ? 0 : this.#wait(code))
    this.#handlers.lost(code)
  }

  #wait(code: number): number {
    // A device that came back at once would push out another one, and so on.
    const longest = code === TOO_MANY_DEVICES ? LONGEST_WAIT : Math.min(LONGEST_WAIT, FIRST_WAIT * 2 ** this.#tries)
    this.#tries += 1
    return longest * (0.5 + Math.random() / 2)
  }

  #forget(): void {
    for (const { failed, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      failed(new Lost())
    }
    this.#waiting.clear()
  }
}

export function socketAddress(page: Pick<Location, 'protocol' | 'host'>): string {
  return `${page.protocol === 'https:' ? 'wss:' : 'ws:'}//${page.host}/api/v1/companion/socket`
}
