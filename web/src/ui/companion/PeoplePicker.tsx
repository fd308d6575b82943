import { useEffect, useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { list, user as asUser, type Id } from '../../companion/protocol'
import { words } from '../../companion/words'
import { CloseIcon } from '../icons'
import { Face } from './bits'
import { nameOf, useCompanion, usePage } from './context'
import { PlusIcon } from './icons'

/** Rest between the last key and the question to the server, in ms. */
const REST = 150

/** People by name: contacts at once, then whoever the server finds. */
export function useFound(query: string, limit: number): readonly Id[] {
  const { client } = usePage()
  const state = useCompanion()
  const [found, setFound] = useState<{ readonly query: string; readonly ids: readonly Id[] }>({ query: '', ids: [] })
  const sought = query.trim()
  useEffect(() => {
    if (sought === '') return
    const timer = setTimeout(() => {
      void client.meet('people', { query: sought, limit }).then((answer) => answer && setFound({ query: sought, ids: list(answer, 'people', asUser).map(({ id }) => id) }))
    }, REST)
    return () => clearTimeout(timer)
  }, [client, sought, limit])
  if (sought === '') return []
  const known = state.contacts.contacts.map(({ user }) => user).filter((id) => id !== '' && nameOf(state, id).toLowerCase().includes(sought.toLowerCase()))
  return [...new Set([...known, ...(found.query === sought ? found.ids : [])])].slice(0, limit)
}

const NOBODY: readonly Id[] = []

interface PickerProps {
  readonly chosen: readonly Id[]
  readonly onChange: (chosen: readonly Id[]) => void
  /** Not offered. */
  readonly without?: readonly Id[]
}

/** Several people, chosen by name. */
export function PeoplePicker({ chosen, onChange, without = NOBODY }: PickerProps) {
  const state = useCompanion()
  const [query, setQuery] = useState('')
  const found = useFound(query, 12)
  const suggested = query.trim() === '' ? [...new Set([...state.contacts.recent, ...state.contacts.contacts.map(({ user }) => user)])].slice(0, 12) : found
  const offered = suggested.filter((id) => id !== '' && id !== state.me?.id && !chosen.includes(id) && !without.includes(id))
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
        {query.trim() !== '' && offered.length === 0 && <li className="hint">{words.people.none}</li>}
      </ul>
    </div>
  )
}
