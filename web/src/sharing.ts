/** Sharing one's screen in a conference: keeps what this computer captures and whose turn it is in step. */

import type { ClientMessage, ServerMessage } from './protocol'
import { ScreenSource } from './screen'
import type { SessionState } from './session'

/** How one stands to the turn to present. */
export type Standing =
  /** Nobody presents. */
  | 'free'
  /** It is one's turn, and one may begin. */
  | 'given'
  | 'presenting'
  /** Somebody else presents, or may begin to. */
  | 'others'
  /** So, and one has asked for the turn after them. */
  | 'waiting'

export function standing({ presenting, self }: SessionState): Standing {
  const { participant, begun, waiting } = presenting
  if (participant === null) return 'free'
  if (participant === self) return begun ? 'presenting' : 'given'
  return self !== null && waiting.includes(self) ? 'waiting' : 'others'
}

interface Handlers {
  readonly send: (message: ClientMessage) => void
  readonly session: () => SessionState
  /** The picture, the sound or both are others now. */
  readonly changed: () => void
  readonly failed: () => void
  readonly withdrawn: () => void
}

export class Sharing {
  readonly source = new ScreenSource()
  readonly #handlers: Handlers
  /** The server has said that it is our screen that is seen. */
  #confirmed = false
  #captured = false

  constructor(handlers: Handlers) {
    this.#handlers = handlers
    this.source.subscribe(() => this.#sourceChanged())
  }

  get picture(): MediaStreamTrack | null {
    const { screen } = this.source.snapshot()
    return screen.status === 'on' ? screen.picture : null
  }

  get sound(): MediaStreamTrack | null {
    const { screen } = this.source.snapshot()
    return screen.status === 'on' ? screen.sound : null
  }

  /** Lets the person choose what to share and shares it, `over` whoever does so now. */
  async start(over: boolean): Promise<void> {
    const outcome = await this.source.start()
    if (outcome === 'failed') this.#handlers.failed()
    if (outcome !== 'on') return
    const taken = over && ['others', 'waiting'].includes(standing(this.#handlers.session()))
    const sound = this.sound !== null
    this.#handlers.send(taken ? { type: 'present_take', sound } : { type: 'present', on: true, sound })
  }

  /** No longer, or no longer waiting for it. */
  stop(): void {
    if (this.picture) this.source.stop()
    else this.#withdraw()
  }

  /** For a server that knows nothing of it yet. */
  tellAgain(): void {
    this.#confirmed = standing(this.#handlers.session()) === 'presenting'
    if (this.picture) this.#handlers.send({ type: 'present', on: true, sound: this.sound !== null })
  }

  /** Whoever is not to present ceases to capture. */
  heard(message: ServerMessage): void {
    if (!this.picture) return
    const now = standing(this.#handlers.session())
    if (message.type === 'presenting') {
      if (now === 'presenting') this.#confirmed = true
      else if (this.#confirmed || now === 'waiting') this.#drop()
    }
    // What answers our wish; another error at this moment costs a second click.
    if (message.type === 'error' && !this.#confirmed) this.#drop()
  }

  /** The conference is over. */
  end(): void {
    this.#drop()
  }

  /** Without a word to the server, which knows. */
  #drop(): void {
    this.#confirmed = false
    this.#captured = false
    this.source.stop()
  }

  #withdraw(): void {
    this.#confirmed = false
    this.#captured = false
    this.#handlers.withdrawn()
    this.#handlers.send({ type: 'present', on: false })
  }

  #sourceChanged(): void {
    const captured = this.picture !== null
    const ended = this.#captured && !captured
    this.#captured = captured
    this.#handlers.changed()
    // The browser's own button.
    if (ended) this.#withdraw()
  }
}
