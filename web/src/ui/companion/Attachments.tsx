import { useCallback, useMemo, useState } from 'react'
import { ProgressBar } from 'react-aria-components'
import type { File as Shared } from '../../companion/protocol'
import { upload } from '../../companion/rest'
import { bytes, words } from '../../companion/words'
import { IconButton } from '../controls'
import { CloseIcon } from '../icons'
import { usePage } from './context'
import { FileIcon } from './icons'

interface Attachment {
  readonly key: number
  readonly file: File
  readonly sent: number
  readonly shared: Shared | null
  readonly abort: AbortController
}

export interface AttachmentList {
  readonly all: readonly Attachment[]
  readonly ready: readonly Shared[]
  readonly pending: number
  readonly add: (files: readonly File[]) => void
  readonly remove: (key: number) => void
  readonly clear: () => void
}

let keys = 0

/** Files on their way into a message: they are sent while the text is written. */
export function useAttachments(): AttachmentList {
  const { client } = usePage()
  const [all, setAll] = useState<readonly Attachment[]>([])
  const change = useCallback((key: number, by: Partial<Attachment>) => setAll((now) => now.map((one) => (one.key === key ? { ...one, ...by } : one))), [])
  const remove = useCallback((key: number) => {
    setAll((now) => {
      now.find((one) => one.key === key)?.abort.abort()
      return now.filter((one) => one.key !== key)
    })
  }, [])
  const add = useCallback(
    (files: readonly File[]) => {
      const most = client.snapshot().limits.file
      for (const file of files) {
        if (file.size > most) {
          client.notify({ kind: 'said', text: words.talk.tooLarge(file.name, bytes(most)) })
          continue
        }
        keys += 1
        const key = keys
        const abort = new AbortController()
        setAll((now) => [...now, { key, file, sent: 0, shared: null, abort }])
        void upload(file, (sent) => change(key, { sent }), abort.signal).then(
          (shared) => change(key, { shared }),
          () => {
            if (!abort.signal.aborted) client.notify({ kind: 'said', text: words.talk.uploadFailed(file.name) })
            remove(key)
          },
        )
      }
    },
    [client, change, remove],
  )
  const clear = useCallback(() => setAll([]), [])
  return useMemo(() => {
    const ready = all.map(({ shared }) => shared).filter((shared) => shared !== null)
    return { all, ready, pending: all.length - ready.length, add, remove, clear }
  }, [all, add, remove, clear])
}

export function Attachments({ files }: { readonly files: AttachmentList }) {
  if (files.all.length === 0) return null
  return (
    <ul className="attachments">
      {files.all.map(({ key, file, sent, shared }) => (
        <li key={key}>
          <FileIcon />
          <span className="attachment-name">
            {file.name} <small>{bytes(file.size)}</small>
          </span>
          {!shared && (
            <ProgressBar className="attachment-bar" aria-label={words.talk.upload(file.name)} value={file.size === 0 ? 100 : (sent / file.size) * 100}>
              {({ percentage }) => <progress max={100} value={percentage ?? 0} aria-hidden="true" />}
            </ProgressBar>
          )}
          <IconButton className="quiet" label={words.talk.stop(file.name)} onPress={() => files.remove(key)}>
            <CloseIcon />
          </IconButton>
        </li>
      ))}
    </ul>
  )
}
