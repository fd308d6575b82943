import { useEffect } from 'react'
import { Button } from 'react-aria-components'
import type { NumberedNotice } from '../../companion/client'
import { plain } from '../../companion/markdown'
import { chime, systemNotice } from '../../companion/signals'
import { words } from '../../companion/words'
import { CloseIcon } from '../icons'
import type { Route } from '../../companion/route'
import { nameOf, title, useCompanion, usePage } from './context'
import type { CompanionState } from '../../companion/state'

/** How long a notice stands, in ms. */
const STAY = 6_000

/** What just happened elsewhere. */
export function Notices() {
  const { client, preferences } = usePage()
  const { notices } = useCompanion()
  useEffect(() => {
    return client.hearAlerts((event, alert) => {
      if (alert !== 'loud') return
      if (preferences.sound) chime()
      if (preferences.notify && document.visibilityState === 'hidden') systemNotice(words.notices.post(nameOf(client.snapshot(), event.sender)), plain(event.body.text ?? ''), event.conversation)
    })
  }, [client, preferences.sound, preferences.notify])
  return (
    <div className="notes" role="log" aria-live="polite" aria-relevant="additions" aria-label={words.notices.region}>
      {notices.map((notice) => (
        <Note key={notice.number} notice={notice} />
      ))}
    </div>
  )
}

function Note({ notice }: { readonly notice: NumberedNotice }) {
  const { client, go } = usePage()
  const state = useCompanion()
  useEffect(() => {
    const timer = setTimeout(() => client.dismiss(notice.number), STAY)
    return () => clearTimeout(timer)
  }, [client, notice.number])
  const { head, said, route } = told(state, notice)
  return (
    <div className="note" data-quiet={(notice.kind === 'post' && notice.alert === 'quiet') || undefined}>
      <div>
        <strong>{head}</strong>
        {said !== '' && <p>{said}</p>}
      </div>
      {route && (
        <Button
          className="link-button"
          onPress={() => {
            client.dismiss(notice.number)
            go(route)
          }}
        >
          {words.notices.show}
        </Button>
      )}
      <Button className="icon-button quiet" aria-label={words.notices.close} onPress={() => client.dismiss(notice.number)}>
        <CloseIcon />
      </Button>
    </div>
  )
}

function told(state: CompanionState, notice: NumberedNotice): { readonly head: string; readonly said: string; readonly route: Route | null } {
  switch (notice.kind) {
    case 'refused':
      return { head: words.notices.refused[notice.code] ?? notice.code, said: '', route: null }
    case 'said':
      return { head: notice.text, said: '', route: null }
    case 'tagged':
      return { head: words.notices.tagged(nameOf(state, notice.user)), said: '', route: null }
    case 'unanswered':
      return { head: (notice.reason === 'declined' ? words.notices.declined : words.notices.unanswered)(nameOf(state, notice.user)), said: '', route: null }
    case 'match': {
      const filter = state.filters.find(({ id }) => id === notice.filter)
      const talk = state.talks[notice.conversation]
      const name = filter?.ego ? words.filters.ego : (filter?.name ?? words.filters.title)
      return { head: words.notices.match(name), said: talk ? title(state, talk) : '', route: { screen: 'talk', conversation: notice.conversation, seq: notice.seq } }
    }
    case 'post': {
      const { conversation, sender, kind, body } = notice.event
      return { head: words.notices.post(nameOf(state, sender)), said: kind === 'ink' ? words.talk.drawing : plain(body.text ?? ''), route: { screen: 'talk', conversation, seq: 0 } }
    }
  }
}
