import { useEffect, useRef, useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { note as asNote, type Note } from '../../companion/past'
import { hit as asHit, list, type Hit } from '../../companion/protocol'
import { when, words } from '../../companion/words'
import { Nothing } from './bits'
import { title, useCompanion, useNow, usePage } from './context'
import { Hits } from './Hits'

/** What each chip puts into the field. */
const OPERATORS = { from: 'from:', in: 'in:', before: 'before:', after: 'after:', phrase: '""', not: '-' } as const

/** All messages that I may read, by words and operators. */
export function Search({ query }: { readonly query: string }) {
  const { client, go } = usePage()
  const [typed, setTyped] = useState(query)
  const [found, setFound] = useState<{ readonly hits: readonly Hit[]; readonly next: unknown } | null>(null)
  const field = useRef<HTMLInputElement>(null)
  const complete = query.trim() !== '' && !query.endsWith(' ')
  useEffect(() => {
    field.current?.focus()
    if (!complete) return
    void client.request('search', { query, limit: 50 }).then((answer) => answer && setFound({ hits: list(answer, 'hits', asHit), next: answer['next'] }))
  }, [client, query, complete])
  const more = async () => {
    const answer = found && (await client.request('search', { query, before: found.next, limit: 50 }))
    if (answer) setFound({ hits: [...found.hits, ...list(answer, 'hits', asHit)], next: answer['next'] })
  }
  const put = (operator: string) => {
    const next = `${typed.trimEnd()}${typed.trim() === '' ? '' : ' '}${operator}`
    setTyped(next)
    requestAnimationFrame(() => {
      const at = operator === '""' ? next.length - 1 : next.length
      field.current?.focus()
      field.current?.setSelectionRange(at, at)
    })
  }
  return (
    <section className="screen" aria-label={words.search.title}>
      <header className="screen-head">
        <h1>{words.search.title}</h1>
      </header>
      <form
        className="screen-search"
        role="search"
        onSubmit={(event) => {
          event.preventDefault()
          go({ screen: 'search', query: typed.trim() })
        }}
      >
        <Input ref={field} className="input" type="search" value={typed} maxLength={500} onChange={({ target }) => setTyped(target.value)} aria-label={words.search.title} placeholder={words.search.placeholder} />
        <Button className="button button-primary" type="submit">
          {words.search.go}
        </Button>
      </form>
      <div className="chips" role="group" aria-label={words.search.hintsLabel}>
        {(Object.keys(OPERATORS) as (keyof typeof OPERATORS)[]).map((key) => (
          <Button key={key} className="chip chip-button" onPress={() => put(OPERATORS[key])}>
            {words.search.hints[key]}
          </Button>
        ))}
      </div>
      <p className="hint" role="status">
        {found ? words.search.results(found.hits.length) : words.search.start}
      </p>
      {found?.hits.length === 0 && <Nothing title={words.search.none} hint={words.search.noneHint} />}
      {complete && <Noted query={query} />}
      {found && <Hits hits={found.hits} />}
      {found && found.next !== undefined && (
        <Button className="button button-small" onPress={() => void more()}>
          {words.search.more}
        </Button>
      )}
    </section>
  )
}

/** My own notes with these words; a query with operators is about messages alone. */
function Noted({ query }: { readonly query: string }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const [notes, setNotes] = useState<readonly Note[]>([])
  const plain = !/(^|\s)(-|(from|in|before|after):)/.test(query)
  useEffect(() => {
    if (plain) void client.request('notes', { query: query.replaceAll('"', ''), limit: 20 }).then((answer) => answer && setNotes(list(answer, 'notes', asNote)))
  }, [client, query, plain])
  if (!plain || notes.length === 0) return null
  return (
    <section aria-label={words.notes.found}>
      <h2 className="label">{words.notes.found}</h2>
      <ol className="rows hits">
        {notes.map(({ conversation, seq, phoneCall, phone, text, ts }) => {
          const talk = state.talks[conversation]
          return (
            <li key={`${conversation}${phoneCall}-${seq}`}>
              <Button className="row" onPress={() => go(conversation === '' ? { screen: 'calls' } : { screen: 'talk', conversation, seq })}>
                <span className="row-text">
                  <span className="row-title">
                    <span className="row-name">{phone || (talk ? title(state, talk) : words.chats.someone)}</span>
                    <time>{when(ts, now)}</time>
                  </span>
                  <span className="hit-text">{text}</span>
                </span>
              </Button>
            </li>
          )
        })}
      </ol>
    </section>
  )
}
