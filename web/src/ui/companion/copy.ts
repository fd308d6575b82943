import type { Companion } from '../../companion/client'

/** Puts `text` into the clipboard and says `done`. There is none on plain http: then the text is shown instead. */
export function copy(client: Companion, text: string, done: string): void {
  const copied = navigator.clipboard?.writeText(text) ?? Promise.reject(new Error('no clipboard'))
  void copied.then(
    () => client.notify({ kind: 'said', text: done }),
    () => client.notify({ kind: 'said', text }),
  )
}
