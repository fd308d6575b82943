import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import { conferences } from '../../companion/log'
import { event as asEvent, list, phoneCall, type Fields, type LogEvent, type PhoneCall } from '../../companion/protocol'
import { when, words } from '../../companion/words'
import { IconButton } from '../controls'
import { PhoneIcon } from '../icons'
import { Choice, Nothing } from './bits'
import { confer } from './confer'
import { nameOf, title, useCompanion, useNow, usePage } from './context'
import { Dial } from './Dial'
import { TalkFace } from './Chats'

interface Found {
  readonly events: readonly LogEvent[]
  readonly phones: readonly PhoneCall[]
  readonly more: boolean
}

const read = (answer: Fields): Found => ({ events: list(answer, 'events', asEvent), phones: list(answer, 'phones', phoneCall), more: answer['more'] === true })

/** Calls and conferences, the missed ones and those to phones among them. */
export function Calls() {
  const { client, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const [found, setFound] = useState<Found | null>(null)
  const [which, setWhich] = useState<'all' | 'missed'>('all')
  const me = state.me?.id ?? ''
  useEffect(() => {
    void client.request('calls', { limit: 50 }).then((answer) => answer && setFound(read(answer)))
  }, [client])
  const more = async () => {
    const answer = found && (await client.request('calls', { before: found.events.at(-1)?.ts ?? 0, limit: 50 }))
    if (!answer) return
    const next = read(answer)
    setFound({ ...next, events: [...found.events, ...next.events], phones: [...found.phones, ...next.phones] })
  }
  const missed = ({ body }: LogEvent) => body.missed?.includes(me) === true
  const held = conferences(found?.events ?? []).filter((event) => which === 'all' || missed(event))
  const dialled = which === 'all' ? (found?.phones ?? []) : []
  const shown = [...held, ...dialled].toSorted((a, b) => b.ts - a.ts)
  return (
    <section className="screen" aria-label={words.calls.title}>
      <header className="screen-head">
        <h1>{words.calls.title}</h1>
        <Choice hidden label={words.calls.which} value={which} options={[['all', words.calls.all], ['missed', words.calls.onlyMissed]]} onChange={setWhich} />
      </header>
      {found && shown.length === 0 && <Nothing title={words.calls.none} hint={words.calls.noneHint} />}
      <ol className="rows">
        {shown.map((event) => {
          if ('phone' in event) return <Dialled key={`${event.phone}-${event.ts}`} call={event} />
          const talk = state.talks[event.conversation]
          return (
            <li key={`${event.conversation}-${event.seq}`} className="row-pair" data-missed={missed(event) || undefined}>
              <Button className="row" onPress={() => go({ screen: 'talk', conversation: event.conversation, seq: event.seq })}>
                {talk && <TalkFace talk={talk} />}
                <span className="row-text">
                  <span className="row-title">
                    <span className="row-name">{talk ? title(state, talk) : (event.body.subject ?? words.chats.someone)}</span>
                    <time>{when(event.ts, now)}</time>
                  </span>
                  <span className="row-last">
                    {missed(event) ? words.calls.missed : words.calls.answered} · {words.calls.by(nameOf(state, event.sender))}
                  </span>
                </span>
              </Button>
              <IconButton className="quiet" label={words.calls.back} onPress={() => void confer(client, event.conversation, ['audio'])}>
                <PhoneIcon />
              </IconButton>
            </li>
          )
        })}
      </ol>
      {found?.more && (
        <Button className="button button-small" onPress={() => void more()}>
          {words.calls.more}
        </Button>
      )}
    </section>
  )
}

function Dialled({ call: { phone, name, ts } }: { readonly call: PhoneCall }) {
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
        </span>
      </Dial>
    </li>
  )
}
