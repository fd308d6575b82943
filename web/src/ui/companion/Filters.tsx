import { useEffect, useState } from 'react'
import { Button, Switch } from 'react-aria-components'
import { hit as asHit, list, type Filter, type Hit, type Id } from '../../companion/protocol'
import { words } from '../../companion/words'
import { IconButton } from '../controls'
import { Choice, Field, Nothing, Sheet } from './bits'
import { nameOf, title, useCompanion, usePage } from './context'
import { Hits } from './Hits'
import { BackIcon, BinIcon, FilterIcon, PenIcon } from './icons'

/** What I want to be told of, and what it caught. */
export function Filters() {
  const { client, go } = usePage()
  const state = useCompanion()
  const [edited, setEdited] = useState<Filter | 'new' | null>(null)
  return (
    <section className="screen" aria-label={words.filters.title}>
      <header className="screen-head">
        <div>
          <h1>{words.filters.title}</h1>
          <p className="hint">{words.filters.lead}</p>
        </div>
        <Button className="button button-primary button-small" onPress={() => setEdited('new')}>
          {words.filters.create}
        </Button>
      </header>
      {state.filters.length === 0 && <Nothing title={words.filters.none} hint={words.filters.noneHint} />}
      <ul className="rows">
        {state.filters.map((filter) => (
          <li key={filter.id} className="row-pair">
            <Button className="row" onPress={() => go({ screen: 'filter', filter: filter.id })}>
              <FilterIcon />
              <span className="row-text">
                <span className="row-name">{filter.ego ? words.filters.ego : filter.name}</span>
                <span className="row-last">{filter.ego ? words.filters.egoHint : [filter.words.join(', '), filter.author && nameOf(state, filter.author)].filter((part) => part !== '').join(' · ')}</span>
              </span>
              {filter.alert && <span className="badge">{words.filters.alert}</span>}
            </Button>
            <IconButton className="quiet" label={`${words.filters.edit}: ${filter.name}`} onPress={() => setEdited(filter)}>
              <PenIcon />
            </IconButton>
            {!filter.ego && (
              <IconButton className="quiet" label={`${words.filters.remove}: ${filter.name}`} onPress={() => void client.removeFilter(filter.id)}>
                <BinIcon />
              </IconButton>
            )}
          </li>
        ))}
      </ul>
      {edited && <FilterForm filter={edited === 'new' ? null : edited} close={() => setEdited(null)} />}
    </section>
  )
}

function FilterForm({ filter, close }: { readonly filter: Filter | null; readonly close: () => void }) {
  const { client } = usePage()
  const state = useCompanion()
  const [name, setName] = useState(filter?.name ?? '')
  const [said, setSaid] = useState((filter?.words ?? []).join(', '))
  const [author, setAuthor] = useState(filter?.author ?? '')
  const [room, setRoom] = useState<Id>(filter?.rooms[0] ?? '')
  const [alert, setAlert] = useState(filter?.alert ?? true)
  const rooms = Object.values(state.talks).filter(({ info }) => info.kind === 'room')
  const authors = Object.values(state.people).toSorted((a, b) => a.name.localeCompare(b.name))
  const save = async () => {
    const wanted = said
      .split(',')
      .map((word) => word.trim())
      .filter((word) => word !== '')
    const told = filter?.ego
      ? { name: filter.name, ego: true }
      : { name: name.trim(), ...(wanted.length > 0 && { words: wanted }), ...(author !== '' && { author }), ...(room !== '' && { rooms: [room] }) }
    if (await client.setFilter({ ...(filter && { filter: filter.id }), ...told, alert })) close()
  }
  return (
    <Sheet title={filter ? words.filters.edit : words.filters.create} onClose={close}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        {filter?.ego ? (
          <p className="lead">{words.filters.egoHint}</p>
        ) : (
          <>
            <Field label={words.filters.name} value={name} onChange={setName} most={100} />
            <Field label={words.filters.words} value={said} onChange={setSaid} hint={words.filters.wordsHint} />
            <Choice label={words.filters.author} value={author} options={[['', words.filters.anybody], ...authors.map((one) => [one.id, one.name] as const)]} onChange={setAuthor} />
            <Choice label={words.filters.rooms} value={room} options={[['', words.filters.allRooms], ...rooms.map((talk) => [talk.info.id, title(state, talk)] as const)]} onChange={setRoom} />
          </>
        )}
        <Switch className="switch" isSelected={alert} onChange={setAlert}>
          <span>{words.filters.alert}</span>
          <span className="switch-track" aria-hidden="true" />
        </Switch>
        <Button className="button button-primary" type="submit" isDisabled={!filter?.ego && name.trim() === ''}>
          {words.filters.save}
        </Button>
      </form>
    </Sheet>
  )
}

export function FilterHits({ filter }: { readonly filter: Id }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const [found, setFound] = useState<{ readonly hits: readonly Hit[]; readonly next: unknown } | null>(null)
  useEffect(() => {
    void client.request('filter_hits', { filter }).then((answer) => answer && setFound({ hits: list(answer, 'hits', asHit), next: answer['next'] }))
  }, [client, filter])
  const more = async () => {
    const answer = found && (await client.request('filter_hits', { filter, before: found.next }))
    if (answer) setFound({ hits: [...found.hits, ...list(answer, 'hits', asHit)], next: answer['next'] })
  }
  const known = state.filters.find(({ id }) => id === filter)
  return (
    <section className="screen" aria-label={words.filters.title}>
      <header className="screen-head">
        <IconButton className="quiet" label={words.talk.back} onPress={() => go({ screen: 'filters' })}>
          <BackIcon />
        </IconButton>
        <h1>{words.filters.hits(known?.ego ? words.filters.ego : (known?.name ?? ''))}</h1>
      </header>
      {found?.hits.length === 0 && <Nothing title={words.filters.nothing} hint={words.filters.lead} />}
      {found && <Hits hits={found.hits} />}
      {found && found.next !== undefined && (
        <Button className="button button-small" onPress={() => void more()}>
          {words.search.more}
        </Button>
      )}
    </section>
  )
}
