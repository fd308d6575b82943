import { useCallback, useEffect, useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { annotated as noted, conferences, found as read, further, lastCall, length, noteOn, refreshed, tookPart, type Found, type Held, type Note, type PhoneCall } from '../../companion/past'
import type { Fields } from '../../companion/protocol'
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

/** What was: calls and conferences, missed ones and those to phones among them, with my notes; and conversations. */
export function Calls() {
  const [query, setQuery] = useState('')
  const [which, setWhich] = useState<Which>('all')
  const { found, more, keep } = usePast(query)
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
          close={() => setAnnotated(null)}
          kept={(note) => {
            keep(annotated.note, note)
            setAnnotated(null)
          }}
        />
      )}
    </section>
  )
}

/** The pages that were read so far, of what is sought; the first is read anew when a call begins or ends. */
function usePast(query: string) {
  const { client } = usePage()
  const last = lastCall(useCompanion().talks)
  const [changed, setChanged] = useState(last)
  const [past, setPast] = useState<{ readonly sought: string; readonly found: Found } | null>(null)
  const sought = query.trim()
  // What is said after a call takes its place as the conversation's last; that is no news of calls.
  if (last > changed) setChanged(last)
  const ask = useCallback(
    async (before: number): Promise<Found | null> => {
      const answer = await client.request('calls', { limit: PAGE, ...(sought !== '' && { query: sought }), ...(before > 0 && { before }) })
      if (!answer) return null
      const page = read(answer)
      client.acquaint(page.events.flatMap(({ sender, body }) => [sender, ...(body.users ?? [])]))
      return page
    },
    [client, sought],
  )
  useEffect(() => {
    let here = true
    const take = (page: Found | null) => here && page && setPast((old) => ({ sought, found: old?.sought === sought ? refreshed(old.found, page) : page }))
    const timer = setTimeout(() => void ask(0).then(take), sought === '' ? 0 : REST)
    return () => {
      here = false
      clearTimeout(timer)
    }
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- a call began or ended
  }, [ask, sought, changed])
  const more = async () => {
    const page = past && (await ask(past.found.next))
    if (page) setPast((old) => (old?.sought === sought && old.found.next === past.found.next ? { sought, found: further(old.found, page) } : old))
  }
  const keep = (was: Note | null, now: Note | null) => setPast((old) => old && { ...old, found: noted(old.found, was, now) })
  return { found: past?.found ?? null, more, keep }
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

function Conference({ held, note, missed, annotate }: ConferenceProps) {
  const { event, came } = held
  const { client, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const talk = state.talks[event.conversation]
  const name = talk ? title(state, talk) : words.chats.someone
  const others = came.filter((id) => id !== state.me?.id)
  const beside = others.filter((id) => id !== event.sender)
  const facts = [
    missed ? words.calls.missed : tookPart(held, state.me?.id ?? '') ? words.calls.answered : '',
    words.calls.by(nameOf(state, event.sender)),
    others.length > 0 && length(held) > 0 ? lasted(length(held)) : '',
    beside.length > 0 ? words.calls.people(joined(beside.map((id) => nameOf(state, id)))) : '',
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
