import { Button } from 'react-aria-components'
import type { Hit } from '../../companion/protocol'
import { when, words } from '../../companion/words'
import { Face } from './bits'
import { nameOf, title, useCompanion, useNow, usePage } from './context'

/** Found posts; each leads to its place. */
export function Hits({ hits }: { readonly hits: readonly Hit[] }) {
  const { go } = usePage()
  const state = useCompanion()
  const now = useNow()
  return (
    <ol className="rows hits">
      {hits.map(({ conversation, seq, sender, ts, snippet }) => {
        const talk = state.talks[conversation]
        return (
          <li key={`${conversation}-${seq}`}>
            <Button className="row" onPress={() => go({ screen: 'talk', conversation, seq })}>
              <Face user={sender} />
              <span className="row-text">
                <span className="row-title">
                  <span className="row-name">
                    {nameOf(state, sender)} <small>{talk ? title(state, talk) : words.chats.someone}</small>
                  </span>
                  <time>{when(ts, now)}</time>
                </span>
                <span className="hit-text">{snippet}</span>
              </span>
            </Button>
          </li>
        )
      })}
    </ol>
  )
}
