import { lazy, Suspense, useImperativeHandle, useLayoutEffect, useRef, useState, type ClipboardEvent, type KeyboardEvent, type Ref } from 'react'
import { Button } from 'react-aria-components'
import { PICKER } from '../../companion/emoticons'
import { markdownOf } from '../../companion/pasted'
import type { Talk } from '../../companion/state'
import { words } from '../../companion/words'
import { IconButton } from '../controls'
import { Attachments, useAttachments } from './Attachments'
import { title, useCompanion, usePage } from './context'
import { EmojiMenu } from './EmojiMenu'
import { Mentions, useMentioning } from './Mentions'
import { AlertIcon, ClipIcon, PenIcon, SendIcon } from './icons'

const InkPad = lazy(async () => ({ default: (await import('./InkPad')).InkPad }))

export interface ComposerHandle {
  readonly attach: (files: readonly File[]) => void
}

interface ComposerProps {
  readonly talk: Talk
  readonly editLast: () => void
  readonly ref?: Ref<ComposerHandle>
}

/** The tallest the field grows by itself, in pixels. */
const TALLEST = 220

/** Where one writes. What stands in it is kept as a draft with each key. */
export function Composer({ talk, editLast, ref }: ComposerProps) {
  const { client } = usePage()
  const state = useCompanion()
  const { id, kind } = talk.info
  const [text, setText] = useState(state.drafts[id] ?? '')
  const [caret, setCaret] = useState(0)
  const [high, setHigh] = useState(false)
  const [drawing, setDrawing] = useState(false)
  const field = useRef<HTMLTextAreaElement>(null)
  const files = useAttachments()
  useImperativeHandle(ref, () => ({ attach: files.add }), [files.add])
  useLayoutEffect(() => {
    const element = field.current
    if (!element) return
    element.style.height = 'auto'
    element.style.height = `${Math.min(TALLEST, element.scrollHeight + 2)}px`
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- measured after each change of the text
  }, [text])

  const write = (next: string) => {
    setText(next)
    client.draft(id, next)
  }
  const insert = (piece: string) => {
    const at = field.current?.selectionStart ?? text.length
    const to = field.current?.selectionEnd ?? at
    write(text.slice(0, at) + piece + text.slice(to))
    requestAnimationFrame(() => {
      field.current?.focus()
      field.current?.setSelectionRange(at + piece.length, at + piece.length)
    })
  }
  const mentioning = useMentioning(talk, text.slice(0, caret), (typed, login) => {
    const start = caret - typed
    write(`${text.slice(0, start)}${login} ${text.slice(caret)}`)
    const next = start + login.length + 1
    requestAnimationFrame(() => field.current?.setSelectionRange(next, next))
  })
  const most = kind === 'room' ? state.limits.post : state.limits.message
  const over = new TextEncoder().encode(text).length - most
  const ready = (text.trim() !== '' || files.ready.length > 0) && files.pending === 0 && over <= 0
  const send = () => {
    if (!ready) return
    client.post(id, {
      text: text.trim(),
      ...(high && { importance: 'high' }),
      ...(files.ready.length > 0 && { files: files.ready }),
    })
    write('')
    setHigh(false)
    files.clear()
    field.current?.focus()
  }
  const pressed = (event: KeyboardEvent) => {
    if (mentioning.pressed(event)) return
    if (event.key === 'ArrowUp' && text === '') {
      event.preventDefault()
      return editLast()
    }
    // Phones have no other key for a new line.
    if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing || matchMedia('(pointer: coarse)').matches) return
    event.preventDefault()
    send()
  }
  const pasted = (event: ClipboardEvent) => {
    const brought = [...event.clipboardData.files]
    if (brought.length > 0) {
      event.preventDefault()
      return files.add(brought)
    }
    const html = event.clipboardData.getData('text/html')
    const formatted = html === '' ? null : markdownOf(html)
    if (formatted === null) return
    event.preventDefault()
    insert(formatted)
  }
  return (
    <form
      className="composer"
      onSubmit={(event) => {
        event.preventDefault()
        send()
      }}
    >
      <Attachments files={files} />
      <Mentions {...mentioning} />
      <textarea
        ref={field}
        className="input composer-field"
        rows={1}
        value={text}
        aria-label={words.talk.composeLabel}
        placeholder={words.talk.compose(title(state, talk))}
        aria-autocomplete="list"
        aria-controls={mentioning.offered.length > 0 ? 'mentions' : undefined}
        aria-activedescendant={mentioning.offered.length > 0 ? `mention-${mentioning.chosen}` : undefined}
        onChange={({ target }) => {
          setCaret(target.selectionEnd)
          write(target.value)
        }}
        onSelect={({ currentTarget }) => setCaret(currentTarget.selectionEnd)}
        onKeyDown={pressed}
        onPaste={pasted}
      />
      <Tools attach={files.add} insert={insert} draw={() => setDrawing(true)} high={kind === 'room' ? high : null} setHigh={setHigh} over={over} ready={ready} />
      {drawing && (
        <Suspense>
          <InkPad close={() => setDrawing(false)} send={(body) => client.post(id, body, 'ink')} />
        </Suspense>
      )}
    </form>
  )
}

interface ToolsProps {
  readonly attach: ComposerHandle['attach']
  readonly insert: (piece: string) => void
  readonly draw: () => void
  /** `null` where posts have no importance. */
  readonly high: boolean | null
  readonly setHigh: (high: boolean) => void
  /** Bytes too many, if positive. */
  readonly over: number
  readonly ready: boolean
}

function Tools({ attach, insert, draw, high, setHigh, over, ready }: ToolsProps) {
  const picker = useRef<HTMLInputElement>(null)
  return (
    <div className="composer-tools">
      <input ref={picker} className="unseen" type="file" multiple tabIndex={-1} aria-hidden="true" onChange={({ target }) => { attach([...(target.files ?? [])]); target.value = '' }} />
      <IconButton className="quiet" label={words.talk.attach} onPress={() => picker.current?.click()}>
        <ClipIcon />
      </IconButton>
      <EmojiMenu label={words.talk.emoji} className="emoji-grid" emojis={PICKER} pick={insert} />
      <IconButton className="quiet" label={words.talk.ink} onPress={draw}>
        <PenIcon />
      </IconButton>
      {high !== null && (
        <Button className={`icon-button quiet ${high ? 'is-pressed' : ''}`} aria-pressed={high} aria-label={words.talk.high} onPress={() => setHigh(!high)}>
          <AlertIcon />
        </Button>
      )}
      {over > 0 && (
        <span className="field-error composer-over" role="alert">
          {words.talk.tooLong(over)}
        </span>
      )}
      <Button className="icon-button send" type="submit" aria-label={words.talk.send} isDisabled={!ready}>
        <SendIcon />
      </Button>
    </div>
  )
}
