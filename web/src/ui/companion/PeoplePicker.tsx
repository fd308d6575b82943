import { useEffect, useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { list, peopleList, user as asUser, type Id, type PeopleList } from '../../companion/protocol'
import { words } from '../../companion/words'
import { CloseIcon, PeopleIcon } from '../icons'
import { Face } from './bits'
import { nameOf, useCompanion, usePage } from './context'
import { PlusIcon } from './icons'

/** Rest between the last key and the question to the server, in ms. */
const REST = 150

interface Found {
  readonly query: string
  readonly ids: readonly Id[]
  readonly lists: readonly PeopleList[]
}

const NOBODY: readonly Id[] = []
const NO_LISTS: readonly PeopleList[] = []

/** People by name: contacts at once, then whoever the server finds. */
export const useFound = (query: string, limit: number): readonly Id[] => useSearch(query, limit)[0]

/** The same, with the house's distribution lists. */
function useSearch(query: string, limit: number): readonly [readonly Id[], readonly PeopleList[]] {
  const { client } = usePage()
  const state = useCompanion()
  const [found, setFound] = useState<Found>({ query: '', ids: [], lists: NO_LISTS })
  const sought = query.trim()
  useEffect(() => {
    if (sought === '') return
    const timer = setTimeout(() => {
      void client.meet('people', { query: sought, limit }).then((answer) => answer && setFound({ query: sought, ids: list(answer, 'people', asUser).map(({ id }) => id), lists: list(answer, 'lists', peopleList) }))
    }, REST)
    return () => clearTimeout(timer)
  }, [client, sought, limit])
  if (sought === '') return [NOBODY, NO_LISTS]
  const known = state.contacts.contacts.map(({ user }) => user).filter((id) => id !== '' && nameOf(state, id).toLowerCase().includes(sought.toLowerCase()))
  const current = found.query === sought
  return [[...new Set([...known, ...(current ? found.ids : [])])].slice(0, limit), current ? found.lists : NO_LISTS]
}

interface PickerProps {
  readonly chosen: readonly Id[]
  readonly onChange: (chosen: readonly Id[]) => void
  /** Not offered. */
  readonly without?: readonly Id[]
}

/** Several people, chosen by name. */
export function PeoplePicker({ chosen, onChange, without = NOBODY }: PickerProps) {
  const { client } = usePage()
  const state = useCompanion()
  const [query, setQuery] = useState('')
  const [found, lists] = useSearch(query, 12)
  const suggested = query.trim() === '' ? [...new Set([...state.contacts.recent, ...state.contacts.contacts.map(({ user }) => user)])].slice(0, 12) : found
  const offered = suggested.filter((id) => id !== '' && id !== state.me?.id && !chosen.includes(id) && !without.includes(id))
  // Whoever should not be meant is taken out again.
  const expand = async ({ id }: PeopleList) => {
    const answer = await client.meet('list', { list: id })
    if (!answer) return
    const people = list(answer, 'people', asUser).map((one) => one.id)
    onChange([...new Set([...chosen, ...people.filter((one) => one !== state.me?.id && !without.includes(one))])])
    setQuery('')
  }
  return (
    <div className="picker">
      <ul className="chips" aria-label={words.people.chosen}>
        {chosen.map((id) => (
          <li key={id} className="chip">
            {nameOf(state, id)}
            <Button className="chip-remove" aria-label={words.people.remove(nameOf(state, id))} onPress={() => onChange(chosen.filter((one) => one !== id))}>
              <CloseIcon />
            </Button>
          </li>
        ))}
      </ul>
      <Input className="input" type="search" autoFocus value={query} onChange={({ target }) => setQuery(target.value)} aria-label={words.people.search} placeholder={words.people.search} />
      <ul className="rows picker-rows">
        {offered.map((id) => (
          <li key={id}>
            <Button
              className="row"
              aria-label={words.people.add(nameOf(state, id))}
              onPress={() => {
                onChange([...chosen, id])
                setQuery('')
              }}
            >
              <Face user={id} />
              <span className="row-text">
                <span className="row-name">{nameOf(state, id)}</span>
                <span className="row-last">{state.people[id]?.title}</span>
              </span>
              <PlusIcon />
            </Button>
          </li>
        ))}
        {lists.map((one) => (
          <li key={one.id}>
            <Button className="row" aria-label={words.people.add(one.name)} onPress={() => void expand(one)}>
              <span className="face face-small">
                <span className="avatar avatar-small avatar-many" aria-hidden="true">
                  <PeopleIcon />
                </span>
              </span>
              <span className="row-text">
                <span className="row-name">{one.name}</span>
                <span className="row-last">{words.people.list(one.count)}</span>
              </span>
              <PlusIcon />
            </Button>
          </li>
        ))}
        {query.trim() !== '' && offered.length + lists.length === 0 && <li className="hint">{words.people.none}</li>}
      </ul>
    </div>
  )
}
