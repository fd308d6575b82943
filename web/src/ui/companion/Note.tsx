import { useEffect, useState } from 'react'
import { Button, Label, TextArea, TextField } from 'react-aria-components'
import { note as asNote, type Note } from '../../companion/past'
import { list, type Fields, type Id } from '../../companion/protocol'
import { words } from '../../companion/words'
import { Sheet } from './bits'
import { usePage } from './context'

/** As long as the server takes, in characters of up to three bytes. */
const MOST = 1_300

interface FormProps {
  /** What it is about, as `annotate` wants it. */
  readonly about: Fields
  readonly text: string
  readonly kept: (text: string) => void
}

/** What I note for myself; an empty note is none. */
export function NoteForm({ about, text, kept }: FormProps) {
  const { client } = usePage()
  const [next, setNext] = useState(text)
  const changed = next.trim() !== text.trim()
  const save = async () => {
    if (await client.request('annotate', { ...about, text: next.trim() })) kept(next.trim())
  }
  return (
    <form
      className="note-form"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <TextField className="field" value={next} onChange={setNext} maxLength={MOST}>
        <Label className="label">{words.notes.own}</Label>
        <TextArea className="input" rows={3} placeholder={words.notes.hint} />
      </TextField>
      {changed && (
        <Button className="button button-small" type="submit">
          {words.notes.save}
        </Button>
      )}
    </form>
  )
}

/** The note on a conversation, in its details. */
export function TalkNote({ conversation }: { readonly conversation: Id }) {
  const { client } = usePage()
  const [text, setText] = useState<string | null>(null)
  useEffect(() => {
    let here = true
    void client.request('notes', { conversation }).then((answer) => here && answer && setText(list(answer, 'notes', asNote).find(({ seq }) => seq === 0)?.text ?? ''))
    return () => {
      here = false
    }
  }, [client, conversation])
  return text === null ? null : <NoteForm key={text} about={{ conversation }} text={text} kept={setText} />
}

/** The note on a call, over the history. */
export function NoteSheet({ about, note, close }: { readonly about: Fields; readonly note: Note | null; readonly close: (changed: boolean) => void }) {
  return (
    <Sheet title={words.notes.own} onClose={() => close(false)}>
      <NoteForm about={about} text={note?.text ?? ''} kept={() => close(true)} />
    </Sheet>
  )
}
