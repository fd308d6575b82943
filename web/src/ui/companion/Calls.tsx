import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import { conferences } from '../../companion/log'
import { event as asEvent, list, type LogEvent } from '../../companion/protocol'
import { when, words } from '../../companion/words'
import { IconButton } from '../controls'
import { PhoneIcon } from '../icons'
import { Choice, Nothing } from './bits'
import { confer } from './confer'
import { nameOf, title, useCompanion, useNow, usePage } from './context'
import { TalkFace } from './Chats'

/** Calls and conferences, the missed ones among them. */
export function Calls() {
  const { client, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const [found, setFound] = useState<{ readonly events: readonly LogEvent[]; readonly more: boolean } | null>(null)
  const [which, setWhich] = useState<'all' | 'missed'>('all')
  const me = state.me?.id ?? ''
  useEffect(() => {
    void client.request('calls', { limit: 50 }).then((answer) => answer && setFound({ events: list(answer, 'events', asEvent), more: answer['more'] === true }))
  }, [client])
  const more = async () => {
    const answer = found && (await client.request('calls', { before: found.events.at(-1)?.ts ?? 0, limit: 50 }))
    if (answer) setFound({ events: [...found.events, ...list(answer, 'events', asEvent)], more: answer['more'] === true })
  }
  const missed = ({ body }: LogEvent) => body.missed?.includes(me) === true
  const shown = conferences(found?.events ?? []).filter((event) => which === 'all' || missed(event))
  return (
    <section className="screen" aria-label={words.calls.title}>
      <header className="screen-head">
        <h1>{words.calls.title}</h1>
        <Choice hidden label={words.calls.which} value={which} options={[['all', words.calls.all], ['missed', words.calls.onlyMissed]]} onChange={setWhich} />
      </header>
      {found && shown.length === 0 && <Nothing title={words.calls.none} hint={words.calls.noneHint} />}
      <ol className="rows">
        {shown.map((event) => {
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
