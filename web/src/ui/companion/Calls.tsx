import { useCallback, useEffect, useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { conferences, lastCall, note as asNote, noteOn, phoneCall, type Held, type Note, type PhoneCall } from '../../companion/past'
import { event as asEvent, list, number, type Fields, type LogEvent } from '../../companion/protocol'
import { callsAddress } from '../../companion/rest'
import { joined, lasted, when, words } from '../../companion/words'
import { IconButton } from '../controls'
import { PhoneIcon } from '../icons'
import { Choice, Nothing } from './bits'
import { confer } from './confer'
import { nameOf, title, useCompanion, useNow, usePage } from './context'
import { Dial } from './Dial'
import { TalkFace } from './Chats'
import { PenIcon } from './icons'
import { NoteSheet } from './Note'
import { Talks } from './Talks'

interface Found {
  readonly events: readonly LogEvent[]
  readonly phones: readonly PhoneCall[]
  readonly notes: readonly Note[]
  /** Of the next page; 0: there is none. */
  readonly next: number
}

/** A call whose note is being written. */
interface Annotated {
  readonly about: Fields
  readonly note: Note | null
}

type Which = 'all' | 'missed' | 'noted' | 'talks'

/** Rest between the last key and the question to the server, in ms. */
const REST = 200
const PAGE = 50
const NONE: Found = { events: [], phones: [], notes: [], next: 0 }

const read = (answer: Fields): Found => ({
  events: list(answer, 'events', asEvent),
  phones: list(answer, 'phones', phoneCall),
  notes: list(answer, 'notes', asNote),
  next: number(answer, 'next') || 0,
})

/** What was: calls and conferences, missed ones and those to phones among them, with my notes; and conversations. */
export function Calls() {
  const [query, setQuery] = useState('')
  const [which, setWhich] = useState<Which>('all')
  const { found, more, again } = usePast(query)
  const [annotated, setAnnotated] = useState<Annotated | null>(null)
  return (
    <section className="screen" aria-label={words.calls.title}>
      <header className="screen-head">
        <h1>{words.calls.title}</h1>
        <Choice hidden label={words.calls.which} value={which} options={(['all', 'missed', 'noted', 'talks'] as const).map((one) => [one, words.calls.kinds[one]] as const)} onChange={setWhich} />
      </header>
      <div className="screen-search">
        <Input className="input" type="search" maxLength={200} value={query} onChange={({ target }) => setQuery(target.value)} aria-label={words.calls.search} placeholder={words.calls.search} />
      </div>
      {which === 'talks' ? <Talks query={query} /> : <Past found={found} which={which} annotate={setAnnotated} />}
      {found && found.next > 0 && which !== 'talks' && (
        <Button className="button button-small" onPress={() => void more()}>
          {words.calls.more}
        </Button>
      )}
      <p className="links">
        {(['json', 'eml'] as const).map((format) => (
          <a key={format} className="link" href={callsAddress(format)} download>
            {format === 'json' ? words.details.export : words.details.exportMail}
          </a>
        ))}
      </p>
      {annotated && (
        <NoteSheet
          {...annotated}
          close={(changed) => {
            setAnnotated(null)
            if (changed) again()
          }}
        />
      )}
    </section>
  )
}

/** The pages that were read so far, of what is sought; read anew when a call begins or ends. */
function usePast(query: string) {
  const { client } = usePage()
  const changed = lastCall(useCompanion().talks)
  const [found, setFound] = useState<Found | null>(null)
  const sought = query.trim()
  const ask = useCallback((before: number) => client.request('calls', { limit: PAGE, ...(sought !== '' && { query: sought }), ...(before > 0 && { before }) }), [client, sought])
  useEffect(() => {
    let here = true
    const timer = setTimeout(() => void ask(0).then((answer) => here && answer && setFound(read(answer))), sought === '' ? 0 : REST)
    return () => {
      here = false
      clearTimeout(timer)
    }
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- a call began or ended
  }, [ask, sought, changed])
  const more = async () => {
    const answer = found && (await ask(found.next))
    if (!answer) return
    const next = read(answer)
    setFound({ events: [...found.events, ...next.events], phones: [...found.phones, ...next.phones], notes: [...found.notes, ...next.notes], next: next.next })
  }
  const again = () => void ask(0).then((answer) => answer && setFound(read(answer)))
  return { found, more, again }
}

interface PastProps {
  readonly found: Found | null
  readonly which: Which
  readonly annotate: (annotated: Annotated) => void
}

function Past({ found, which, annotate }: PastProps) {
  const state = useCompanion()
  const me = state.me?.id ?? ''
  const { events, phones, notes } = found ?? NONE
  const wanted = (missed: boolean, note: Note | null) => which === 'all' || (which === 'missed' && missed) || (which === 'noted' && note !== null)
  const held = conferences(events).map((one) => ({ held: one, ts: one.event.ts, note: noteOn(notes, one.event), missedByMe: one.missed.includes(me) }))
  const dialled = phones.map((call) => ({ call, ts: call.ts, note: notes.find(({ phoneCall: id }) => id === call.id && id !== '') ?? null }))
  const shown = [...held.filter(({ missedByMe, note }) => wanted(missedByMe, note)), ...dialled.filter(({ note }) => wanted(false, note))].toSorted((a, b) => b.ts - a.ts)
  if (found && shown.length === 0) return <Nothing title={words.calls.none} hint={words.calls.noneHint} />
  return (
    <ol className="rows">
      {shown.map((one) =>
        'call' in one ? (
          <Dialled key={`${one.call.phone}-${one.ts}`} call={one.call} note={one.note} annotate={annotate} />
        ) : (
          <Conference key={`${one.held.event.conversation}-${one.held.event.seq}`} held={one.held} note={one.note} missed={one.missedByMe} annotate={annotate} />
        ),
      )}
    </ol>
  )
}

interface ConferenceProps {
  readonly held: Held
  readonly note: Note | null
  readonly missed: boolean
  readonly annotate: (annotated: Annotated) => void
}

function Conference({ held: { event, until, came }, note, missed, annotate }: ConferenceProps) {
  const { client, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const talk = state.talks[event.conversation]
  const name = talk ? title(state, talk) : words.chats.someone
  const others = came.filter((id) => id !== state.me?.id)
  const further = others.filter((id) => id !== event.sender)
  const facts = [
    missed ? words.calls.missed : words.calls.answered,
    words.calls.by(nameOf(state, event.sender)),
    until > 0 && others.length > 0 ? lasted(until - event.ts) : '',
    further.length > 0 ? words.calls.people(joined(further.map((id) => nameOf(state, id)))) : '',
  ]
  return (
    <li className="row-pair" data-missed={missed || undefined}>
      <Button className="row" onPress={() => go({ screen: 'talk', conversation: event.conversation, seq: event.seq })}>
        {talk && <TalkFace talk={talk} />}
        <span className="row-text">
          <span className="row-title">
            <span className="row-name">{name}</span>
            <time>{when(event.ts, now)}</time>
          </span>
          <span className="row-last">{facts.filter((part) => part !== '').join(' · ')}</span>
          {note && <span className="row-note">{note.text}</span>}
        </span>
      </Button>
      <Annotate name={name} note={note} press={() => annotate({ about: { conversation: event.conversation, seq: event.seq }, note })} />
      <IconButton className="quiet" label={words.calls.back} onPress={() => void confer(client, event.conversation, ['audio'])}>
        <PhoneIcon />
      </IconButton>
    </li>
  )
}

function Annotate({ name, note, press }: { readonly name: string; readonly note: Note | null; readonly press: () => void }) {
  return (
    <IconButton className={note ? 'quiet is-pressed' : 'quiet'} label={words.notes.on(name)} onPress={press}>
      <PenIcon />
    </IconButton>
  )
}

interface DialledProps {
  readonly call: PhoneCall
  readonly note: Note | null
  readonly annotate: (annotated: Annotated) => void
}

function Dialled({ call: { id, phone, name, ts }, note, annotate }: DialledProps) {
  const now = useNow()
  return (
    <li className="row-pair">
      <Dial className="row" phone={phone} name={name}>
        <span className="face face-small">
          <span className="avatar avatar-small avatar-many" aria-hidden="true">
            <PhoneIcon />
          </span>
        </span>
        <span className="row-text">
          <span className="row-title">
            <span className="row-name">{name || phone}</span>
            <time>{when(ts, now)}</time>
          </span>
          <span className="row-last">{[words.calls.dialled, name && phone].filter(Boolean).join(' · ')}</span>
          {note && <span className="row-note">{note.text}</span>}
        </span>
      </Dial>
      {id !== '' && <Annotate name={name || phone} note={note} press={() => annotate({ about: { phone_call: id }, note })} />}
    </li>
  )
}
