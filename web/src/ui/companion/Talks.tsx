import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import { ownNotes, type Note } from '../../companion/past'
import { joined, when, words } from '../../companion/words'
import { Nothing } from './bits'
import { nameOf, title, useCompanion, useNow, usePage } from './context'
import { TalkFace } from './Chats'
import { byNewest } from './keys'

/** Conversations with their last day, people and my note, found by any of these. */
export function Talks({ query }: { readonly query: string }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const [notes, setNotes] = useState<readonly Note[]>([])
  useEffect(() => {
    void ownNotes((about) => client.request('notes', about)).then(setNotes)
  }, [client])
  const all = byNewest(state).flatMap((id) => {
    const talk = state.talks[id]
    if (!talk) return []
    const people = talk.info.room ? '' : joined(talk.info.members.filter((one) => one !== state.me?.id).map((one) => nameOf(state, one)))
    const note = notes.find(({ conversation, seq }) => conversation === id && seq === 0)?.text ?? ''
    return [{ talk, name: title(state, talk), people, note }]
  })
  const sought = query.trim().toLowerCase()
  const shown = all.filter(({ name, people, note }) => `${name} ${people} ${note}`.toLowerCase().includes(sought))
  if (shown.length === 0) return <Nothing title={words.chats.none} hint={words.search.noneHint} />
  return (
    <ol className="rows">
      {shown.map(({ talk, name, people, note }) => (
        <li key={talk.info.id}>
          <Button className="row" onPress={() => go({ screen: 'talk', conversation: talk.info.id, seq: 0 })}>
            <TalkFace talk={talk} />
            <span className="row-text">
              <span className="row-title">
                <span className="row-name">{name}</span>
                <time>{talk.info.last && when(talk.info.last.ts, now)}</time>
              </span>
              {people !== name && people !== '' && <span className="row-last">{people}</span>}
              {note !== '' && <span className="row-note">{note}</span>}
            </span>
          </Button>
        </li>
      ))}
    </ol>
  )
}
