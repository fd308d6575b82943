import { Button } from 'react-aria-components'
import { texts, text, fields } from '../../companion/protocol'
import type { Outgoing } from '../../companion/state'
import { words } from '../../companion/words'
import { useCompanion, usePage } from './context'
import { Face } from './bits'
import { Markdown } from './Markdown'

/** What is written and not yet on the server's disk: only posts show; edits and reactions wait unseen unless refused. */
export function Pending({ outgoing }: { readonly outgoing: Outgoing }) {
  const { client, preferences } = usePage()
  const state = useCompanion()
  const isPost = outgoing.message['type'] === 'send'
  if (!isPost && outgoing.refused === '') return null
  const body = fields(isPost ? outgoing.message['body'] : outgoing.message)
  const shown = text(body, 'text') || (texts(body, 'strokes').length > 0 ? words.talk.drawing : words.talk.sending)
  return (
    <li className="post post-pending" data-refused={outgoing.refused || undefined}>
      <Face user={state.me?.id ?? ''} bare />
      <div className="post-body">
        <Markdown text={shown} faces={preferences.emoticons} />
        <p className="pending" role={outgoing.refused === '' ? undefined : 'alert'}>
          {outgoing.refused === ''
            ? state.phase === 'online'
              ? words.talk.sending
              : words.talk.waiting
            : `${words.talk.failed}: ${words.notices.refused[outgoing.refused] ?? outgoing.refused}`}
          {outgoing.refused !== '' && (
            <>
              <Button className="link-button" onPress={() => client.retry(outgoing)}>
                {words.talk.retry}
              </Button>
              <Button className="link-button" onPress={() => client.discard(outgoing.client_id)}>
                {words.talk.discard}
              </Button>
            </>
          )}
        </p>
      </div>
    </li>
  )
}
