import { useState, type KeyboardEvent } from 'react'
import { Button, Input, Label, TextField } from 'react-aria-components'
import { fields, text, type Id } from '../../companion/protocol'
import type { Route } from '../../companion/route'
import { words } from '../../companion/words'
import { keyName } from '../controls'
import { Face, Sheet } from './bits'
import { Card } from './Card'
import { nameOf, title, useCompanion, usePage, type Asked } from './context'
import { byNewest } from './keys'
import { PeoplePicker, useFound } from './PeoplePicker'
import { TalkFace } from './Chats'

/** What stands over the screens, one at a time. */
export function Dialogs({ asked, close }: { readonly asked: Asked; readonly close: () => void }) {
  const state = useCompanion()
  if (state.phase === 'signed_out') return null
  switch (asked.dialog) {
    case 'none':
      return null
    case 'switcher':
      return <Switcher close={close} />
    case 'help':
      return <Help close={close} />
    case 'new':
      return <NewTalk close={close} />
    case 'add':
      return <Add conversation={asked.conversation} close={close} />
    case 'card':
      return (
        <Sheet title={nameOf(state, asked.user)} onClose={close}>
          <Card user={asked.user} done={close} titled />
        </Sheet>
      )
  }
}

function NewTalk({ close }: { readonly close: () => void }) {
  const { client, go } = usePage()
  const [chosen, setChosen] = useState<readonly Id[]>([])
  const [subject, setSubject] = useState('')
  const start = async () => {
    const made = await client.open(chosen, subject.trim())
    if (made === null) return
    close()
    go({ screen: 'talk', conversation: made, seq: 0 })
  }
  return (
    <Sheet title={words.chats.new} onClose={close}>
      <PeoplePicker chosen={chosen} onChange={setChosen} />
      {chosen.length > 1 && (
        <TextField className="field" value={subject} onChange={setSubject}>
          <Label className="label">{words.chats.subject}</Label>
          <Input className="input" placeholder={words.chats.subjectHint} maxLength={200} />
        </TextField>
      )}
      <div className="dialog-actions">
        <Button className="button" onPress={close}>
          {words.chats.cancel}
        </Button>
        <Button className="button button-primary" isDisabled={chosen.length === 0} onPress={() => void start()}>
          {words.chats.start}
        </Button>
      </div>
    </Sheet>
  )
}

function Add({ conversation, close }: { readonly conversation: Id; readonly close: () => void }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const [chosen, setChosen] = useState<readonly Id[]>([])
  const add = async () => {
    const answer = await client.request('add', { conversation, users: chosen })
    if (!answer) return
    close()
    // People added to a talk between two make a new one of it.
    const made = text(fields(answer['conversation']), 'id')
    if (made !== '' && made !== conversation) go({ screen: 'talk', conversation: made, seq: 0 })
  }
  return (
    <Sheet title={words.talk.add} onClose={close}>
      <PeoplePicker chosen={chosen} onChange={setChosen} without={state.talks[conversation]?.info.members ?? []} />
      <div className="dialog-actions">
        <Button className="button" onPress={close}>
          {words.chats.cancel}
        </Button>
        <Button className="button button-primary" isDisabled={chosen.length === 0} onPress={() => void add()}>
          {words.talk.add}
        </Button>
      </div>
    </Sheet>
  )
}

const SCREENS = ['chats', 'contacts', 'rooms', 'calls', 'filters', 'settings'] as const

type Place = { readonly key: string; readonly label: string; readonly talk?: Id; readonly user?: Id; readonly route?: Route }

function usePlaces(query: string): readonly Place[] {
  const state = useCompanion()
  const sought = query.trim().toLowerCase()
  const people = useFound(query, 8)
  const talks = byNewest(state).flatMap((id): Place[] => {
    const talk = state.talks[id]
    return talk ? [{ key: `c-${id}`, label: title(state, talk), talk: id }] : []
  })
  const screens = SCREENS.map((screen): Place => ({ key: screen, label: words.screens[screen], route: { screen } }))
  const fits = ({ label }: Place) => label.toLowerCase().includes(sought)
  const persons = people.filter((id) => id !== state.me?.id).map((id): Place => ({ key: `u-${id}`, label: nameOf(state, id), user: id }))
  const search: readonly Place[] = sought === '' ? [] : [{ key: 'search', label: `${words.search.go}: ${query.trim()}`, route: { screen: 'search', query: query.trim() } }]
  return [...talks.filter(fits).slice(0, 8), ...persons, ...(sought === '' ? [] : screens.filter(fits)), ...search]
}

/** Ctrl K: anything by its name. */
function Switcher({ close }: { readonly close: () => void }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const [query, setQuery] = useState('')
  const [at, setAt] = useState(0)
  const places = usePlaces(query)
  const chosen = Math.min(at, Math.max(0, places.length - 1))
  const pick = async (place: Place | undefined) => {
    if (!place) return
    close()
    const conversation = place.talk ?? (place.user ? await client.open([place.user]) : null)
    if (conversation) go({ screen: 'talk', conversation, seq: 0 })
    else if (place.route) go(place.route)
  }
  const pressed = (event: KeyboardEvent) => {
    const by = { ArrowDown: 1, ArrowUp: -1 }[event.key]
    if (by !== undefined) {
      event.preventDefault()
      setAt((chosen + by + places.length) % Math.max(1, places.length))
    }
    if (event.key === 'Enter') void pick(places[chosen])
  }
  return (
    <Sheet title={words.switcher.title} onClose={close}>
      <Input
        className="input"
        autoFocus
        role="combobox"
        aria-expanded="true"
        aria-controls="places"
        aria-activedescendant={places[chosen] ? `place-${chosen}` : undefined}
        aria-label={words.switcher.placeholder}
        placeholder={words.switcher.placeholder}
        value={query}
        onChange={({ target }) => {
          setQuery(target.value)
          setAt(0)
        }}
        onKeyDown={pressed}
      />
      <div className="rows picker-rows" id="places" role="listbox" aria-label={words.switcher.title}>
        {places.map((place, index) => {
          const talk = place.talk ? state.talks[place.talk] : undefined
          return (
            // oxlint-disable-next-line jsx-a11y/click-events-have-key-events -- the field has the keys
            <div key={place.key} id={`place-${index}`} role="option" aria-selected={index === chosen} tabIndex={-1} className="row" onClick={() => void pick(place)}>
              {talk && <TalkFace talk={talk} />}
              {place.user && <Face user={place.user} />}
              <span className="row-text">
                <span className="row-name">{place.label}</span>
              </span>
            </div>
          )
        })}
      </div>
      <p className="hint">{places.length === 0 ? words.switcher.none : words.switcher.hint}</p>
    </Sheet>
  )
}

function Help({ close }: { readonly close: () => void }) {
  const { preferences } = usePage()
  const { rows } = words.help
  const always = [
    [rows.switch, keyName('K')],
    [rows.help, '?'],
    [rows.close, 'Esc'],
    [rows.send, 'Enter'],
    [rows.line, 'Shift Enter'],
    [rows.last, '↑'],
    [rows.next, 'Alt ↓'],
    [rows.previous, 'Alt ↑'],
  ] as const
  const single = [
    [rows.next, 'J'],
    [rows.previous, 'K'],
    [rows.unread, 'U'],
    [rows.write, 'N'],
    [rows.search, '/'],
  ] as const
  return (
    <Sheet title={words.help.title} onClose={close}>
      <Table rows={always} />
      <h3>{preferences.shortcuts ? words.settings.shortcuts : words.help.single}</h3>
      <Table rows={single} />
    </Sheet>
  )
}

function Table({ rows }: { readonly rows: readonly (readonly [string, string])[] }) {
  return (
    <dl className="shortcuts">
      {rows.map(([what, keys]) => (
        <div key={what}>
          <dt>{what}</dt>
          <dd>
            <kbd>{keys}</kbd>
          </dd>
        </div>
      ))}
    </dl>
  )
}
