import { useEffect } from 'react'
import { Button } from 'react-aria-components'
import type { Ring } from '../../companion/protocol'
import { ringing } from '../../companion/signals'
import { words } from '../../companion/words'
import { Face } from './bits'
import { accept } from './confer'
import { nameOf, title, useCompanion, usePage } from './context'

/** Incoming conferences, to accept, to decline or to answer in writing. */
export function Rings() {
  const { preferences } = usePage()
  const { rings } = useCompanion()
  const audible = rings.length > 0 && preferences.sound && document.fullscreenElement === null
  useEffect(() => (audible ? ringing() : undefined), [audible])
  return (
    <div className="rings" role="alert">
      {rings.map((ring) => (
        <Incoming key={ring.conference} ring={ring} />
      ))}
    </div>
  )
}

function Incoming({ ring }: { readonly ring: Ring }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const talk = state.talks[ring.conversation]
  const name = nameOf(state, ring.from)
  const person = state.people[ring.from]
  const two = talk?.info.kind === 'direct'
  const media = ring.media.map((kind) => (Object.hasOwn(words.ring.media, kind) ? words.ring.media[kind as keyof typeof words.ring.media] : kind))
  return (
    <div className="ring" role="group" aria-label={words.ring.title}>
      <Face user={ring.from} size="large" />
      <div className="ring-text">
        <strong>{two ? words.ring.call(name) : words.ring.conference(name)}</strong>
        <p>{[person?.title, ring.subject || (!two && talk ? title(state, talk) : '')].filter((part) => part).join(' · ')}</p>
        <p className="hint">{media.join(' · ')}</p>
      </div>
      <div className="ring-deeds">
        <Button
          className="button button-small button-primary"
          onPress={() => {
            accept(client, ring.link, ring.media)
            client.stopRinging(ring.conference)
          }}
        >
          {words.ring.accept}
        </Button>
        <Button
          className="button button-small button-danger"
          onPress={() => {
            void client.request('decline', { conversation: ring.conversation, conference: ring.conference })
            client.stopRinging(ring.conference)
          }}
        >
          {words.ring.decline}
        </Button>
        <Button
          className="button button-small"
          onPress={() => {
            client.stopRinging(ring.conference)
            void client.request('decline', { conversation: ring.conversation, conference: ring.conference })
            go({ screen: 'talk', conversation: ring.conversation, seq: 0 })
          }}
        >
          {words.ring.write}
        </Button>
      </div>
    </div>
  )
}
