/**
 * What was typed outlives the page: the outbox and the drafts, in IndexedDB, for each user apart. Where the browser keeps
 * no database (private windows) they live as long as the page.
 */

import type { Id } from './protocol'
import type { Outgoing } from './state'

const NAME = 'plenum-companion'
const OUTBOX = 'outbox'
const DRAFTS = 'drafts'

export interface Kept {
  readonly outbox: readonly Outgoing[]
  readonly drafts: Readonly<Record<Id, string>>
}

interface Draft {
  readonly user: Id
  readonly conversation: Id
  readonly text: string
}

export class Outbox {
  readonly #database: Promise<IDBDatabase | null>
  readonly #user: Id

  constructor(user: Id) {
    this.#user = user
    this.#database = open()
  }

  async load(): Promise<Kept> {
    const outgoing = await this.#read<Outgoing & { user: Id }>(OUTBOX)
    const drafts = await this.#read<Draft>(DRAFTS)
    return {
      outbox: outgoing.filter(({ user }) => user === this.#user).toSorted((a, b) => a.at - b.at),
      drafts: Object.fromEntries(drafts.filter(({ user }) => user === this.#user).map(({ conversation, text }) => [conversation, text])),
    }
  }

  put(outgoing: Outgoing): Promise<void> {
    return this.#write(OUTBOX, (store) => store.put({ ...outgoing, user: this.#user }))
  }

  remove(client_id: string): Promise<void> {
    return this.#write(OUTBOX, (store) => store.delete(client_id))
  }

  draft(conversation: Id, text: string): Promise<void> {
    return this.#write(DRAFTS, (store) => (text === '' ? store.delete([this.#user, conversation]) : store.put({ user: this.#user, conversation, text })))
  }

  async #read<T>(from: string): Promise<readonly T[]> {
    const database = await this.#database
    if (!database) return []
    return new Promise((done) => {
      const request = database.transaction(from).objectStore(from).getAll() as IDBRequest<T[]>
      request.addEventListener('success', () => done(request.result))
      request.addEventListener('error', () => done([]))
    })
  }

  async #write(to: string, change: (store: IDBObjectStore) => IDBRequest): Promise<void> {
    const database = await this.#database
    if (!database) return
    await new Promise<void>((done) => {
      const transaction = database.transaction(to, 'readwrite')
      change(transaction.objectStore(to))
      for (const end of ['complete', 'error', 'abort']) transaction.addEventListener(end, () => done())
    })
  }
}

function open(): Promise<IDBDatabase | null> {
  return new Promise((done) => {
    try {
      const request = indexedDB.open(NAME, 1)
      request.addEventListener('upgradeneeded', () => {
        request.result.createObjectStore(OUTBOX, { keyPath: 'client_id' })
        request.result.createObjectStore(DRAFTS, { keyPath: ['user', 'conversation'] })
      })
      request.addEventListener('success', () => done(request.result))
      request.addEventListener('error', () => done(null))
      request.addEventListener('blocked', () => done(null))
    } catch {
      done(null)
    }
  })
}
