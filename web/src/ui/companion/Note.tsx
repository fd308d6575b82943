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
  readonly kept: (note: Note | null) => void
}

/** What I note for myself; an empty note is none. */
export function NoteForm({ about, text, kept }: FormProps) {
  const { client } = usePage()
  const [next, setNext] = useState(text)
  const changed = next.trim() !== text.trim()
  const save = async () => {
    const answer = await client.request('annotate', { ...about, text: next.trim() })
    if (answer) kept(asNote(answer['note']))
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
    void client.request('notes', { conversation, own: true }).then((answer) => here && answer && setText(list(answer, 'notes', asNote)[0]?.text ?? ''))
    return () => {
      here = false
    }
  }, [client, conversation])
  return text === null ? null : <NoteForm key={text} about={{ conversation }} text={text} kept={(note) => setText(note?.text ?? '')} />
}

/** The note on a call, over the history. */
export function NoteSheet({ about, note, close, kept }: { readonly about: Fields; readonly note: Note | null; readonly close: () => void; readonly kept: (note: Note | null) => void }) {
  return (
    <Sheet title={words.notes.own} onClose={close}>
      <NoteForm about={about} text={note?.text ?? ''} kept={kept} />
    </Sheet>
  )
}
