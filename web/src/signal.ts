/** One WebSocket to the server with a heartbeat. Knows the frames' shape, not their meaning. */

import { decode, encode, type ClientMessage, type ServerMessage } from './protocol'

/** A silent connection is given up after two of these, in ms. */
const HEARTBEAT = 8_000

/** Time allowed for the connection to open, in ms. */
const OPENING = 10_000

export interface SignalHandlers {
  readonly opened: () => void
  readonly received: (message: ServerMessage) => void
  /** Once, and never after `close()`. */
  readonly closed: () => void
}

export class Signal {
  readonly #socket: WebSocket
  readonly #handlers: SignalHandlers
  readonly #heartbeat: ReturnType<typeof setInterval>
  readonly #opening: ReturnType<typeof setTimeout>
  #heard = true
  #over = false

  constructor(address: string, handlers: SignalHandlers) {
    this.#handlers = handlers
    this.#socket = new WebSocket(address)
    this.#socket.addEventListener('open', () => this.#opened())
    this.#socket.addEventListener('message', (event) => this.#received(event.data))
    this.#socket.addEventListener('close', () => this.#lost())
    this.#opening = setTimeout(() => this.#lost(), OPENING)
    this.#heartbeat = setInterval(() => this.#beat(), HEARTBEAT)
  }

  send(message: ClientMessage): void {
    if (!this.#over && this.#socket.readyState === WebSocket.OPEN) this.#socket.send(encode(message))
  }

  close(): void {
    if (this.#over) return
    this.#over = true
    clearInterval(this.#heartbeat)
    clearTimeout(this.#opening)
    this.#socket.close()
  }

  #opened(): void {
    clearTimeout(this.#opening)
    if (!this.#over) this.#handlers.opened()
  }

  #received(frame: unknown): void {
    this.#heard = true
    if (this.#over || typeof frame !== 'string') return
    const message = decode(frame)
    if (message) this.#handlers.received(message)
  }

  #beat(): void {
    if (this.#socket.readyState !== WebSocket.OPEN) return
    if (!this.#heard) return this.#lost()
    this.#heard = false
    this.send({ type: 'ping' })
  }

  #lost(): void {
    if (this.#over) return
    this.close()
    this.#handlers.closed()
  }
}

/** The signalling address of the server that served this page. */
export function signalAddress(page: Pick<Location, 'protocol' | 'host'>): string {
  return `${page.protocol === 'https:' ? 'wss:' : 'ws:'}//${page.host}/api/v1/signal`
}
