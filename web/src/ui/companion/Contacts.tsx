import { useState } from 'react'
import { Button, DialogTrigger, Dialog, Input, Popover } from 'react-aria-components'
import { arrange, type Section } from '../../companion/arrange'
import { current } from '../../companion/past'
import type { Contact, Id } from '../../companion/protocol'
import { words } from '../../companion/words'
import { IconButton } from '../controls'
import { CloseIcon, MoreIcon, PhoneIcon } from '../icons'
import { Choice, Face, Field, Nothing, Sheet } from './bits'
import { Dial } from './Dial'
import { TalkFace } from './Chats'
import { nameOf, placeText, presenceOf, stateText, title, useCompanion, useNow, usePage } from './context'
import { MobileIcon, PlusIcon, TagIcon } from './icons'
import { useFound } from './PeoplePicker'

/** What a dragged contact is called on its way. */
const DRAGGED = 'application/x-plenum-contact'

/** A number as people type it; the server judges it again. */
const NUMBER = /^[+\d][\d\s()/.-]{2,30}$/

export function Contacts() {
  const { preferences, prefer } = usePage()
  const state = useCompanion()
  const [query, setQuery] = useState('')
  const [asked, setAsked] = useState<'phone' | 'group' | null>(null)
  const [dropped, setDropped] = useState('')
  const sections = arrange(state.contacts, preferences.view, preferences.sort, {
    name: (contact) => contact.name || nameOf(state, contact.user) || contact.phone,
    class: (contact) => (contact.user === '' ? 'unknown' : presenceOf(state, contact.user).class),
  })
  const searching = query.trim() !== ''
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- numbers are typed or dropped here
    <section
      className="list contacts"
      aria-label={words.screens.contacts}
      onDragOver={(event) => event.preventDefault()}
      onDrop={(event) => {
        const number = event.dataTransfer.getData('text/plain').trim()
        if (!NUMBER.test(number)) return
        event.preventDefault()
        setDropped(number)
        setAsked('phone')
      }}
    >
      <header className="list-head">
        <h2>{words.screens.contacts}</h2>
        <IconButton className="quiet" label={words.contacts.addPhone} onPress={() => setAsked('phone')}>
          <PhoneIcon />
        </IconButton>
        <IconButton className="quiet" label={words.contacts.newGroup} onPress={() => setAsked('group')}>
          <PlusIcon />
        </IconButton>
      </header>
      <Input className="input list-search" type="search" value={query} onChange={({ target }) => setQuery(target.value)} aria-label={words.contacts.search} placeholder={words.contacts.search} />
      {searching ? (
        <Found query={query} />
      ) : (
        <>
          <div className="list-order">
            <Choice
              label={words.contacts.view}
              value={preferences.view}
              options={(['group', 'availability', 'level', 'tagged'] as const).map((view) => [view, words.contacts.views[view]] as const)}
              onChange={(view) => prefer({ view })}
            />
            <Choice
              label={words.contacts.sort}
              value={preferences.sort}
              options={(['name', 'availability'] as const).map((sort) => [sort, words.contacts.sorts[sort]] as const)}
              onChange={(sort) => prefer({ sort })}
            />
          </div>
          {state.contacts.contacts.length === 0 && <Nothing title={words.contacts.none} hint={words.contacts.noneHint} />}
          {sections.map((section) => (
            <Group key={section.key} section={section} />
          ))}
          <Current />
          {state.contacts.recent.length > 0 && (
            <div className="group">
              <h3>{words.contacts.recent}</h3>
              <ul className="rows">
                {state.contacts.recent.map((id) => (
                  <Person key={id} user={id} />
                ))}
              </ul>
            </div>
          )}
        </>
      )}
      {asked === 'phone' && <PhoneForm close={() => setAsked(null)} number={NUMBER.test(query.trim()) ? query.trim() : dropped} />}
      {asked === 'group' && <GroupForm close={() => setAsked(null)} group={null} name="" />}
    </section>
  )
}

/** A group that makes itself: the conversations that go on. */
function Current() {
  const { go } = usePage()
  const state = useCompanion()
  const talks = current(state.talks, useNow())
  if (talks.length === 0) return null
  return (
    <div className="group">
      <h3>
        {words.contacts.current} <small>{talks.length}</small>
      </h3>
      <ul className="rows">
        {talks.map((talk) => (
          <li key={talk.info.id}>
            <Button className="row" onPress={() => go({ screen: 'talk', conversation: talk.info.id, seq: 0 })}>
              <TalkFace talk={talk} />
              <span className="row-name">{title(state, talk)}</span>
            </Button>
          </li>
        ))}
      </ul>
    </div>
  )
}

function Found({ query }: { readonly query: string }) {
  const state = useCompanion()
  const found = useFound(query, 30)
  const typed = query.trim()
  const phones = state.contacts.contacts.filter(({ user, phone, name }) => user === '' && `${name} ${phone}`.toLowerCase().includes(typed.toLowerCase()))
  return (
    <div className="group">
      <h3>{words.contacts.found}</h3>
      <ul className="rows">
        {found.map((id) => (
          <Person key={id} user={id} />
        ))}
        {phones.map((contact) => (
          <Phone key={contact.id} contact={contact} />
        ))}
        {NUMBER.test(typed) && (
          <li>
            <Dial className="row" phone={typed}>
              <PhoneIcon /> {words.contacts.dial} {typed}
            </Dial>
          </li>
        )}
      </ul>
      {found.length + phones.length === 0 && !NUMBER.test(typed) && <p className="hint">{words.people.none}</p>}
    </div>
  )
}

function heading(key: Id, groups: readonly { readonly id: Id; readonly name: string }[]): string {
  const fixed: Readonly<Record<string, string>> = { ...words.classes, ...words.levels, tagged: words.contacts.tagged, untagged: words.contacts.untagged, other: words.contacts.other }
  return groups.find(({ id }) => id === key)?.name ?? fixed[key] ?? key
}

function Group({ section: { key, contacts } }: { readonly section: Section }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const [renaming, setRenaming] = useState(false)
  const group = state.contacts.groups.find(({ id }) => id === key)
  const name = heading(key, state.contacts.groups)
  const people = contacts.map(({ user }) => user).filter((id) => id !== '')
  const join = (id: string) => {
    const contact = state.contacts.contacts.find((one) => one.id === id)
    if (contact && group && !contact.groups.includes(group.id)) void client.request('contact_set', { contact: id, groups: [...contact.groups, group.id] })
  }
  return (
    <div
      className="group"
      onDragOver={(event) => group && event.preventDefault()}
      onDrop={(event) => {
        const id = event.dataTransfer.getData(DRAGGED)
        if (id === '') return
        event.preventDefault()
        event.stopPropagation()
        join(id)
      }}
    >
      <header className="group-head">
        <h3>
          {name} <small>{contacts.length}</small>
        </h3>
        {group && (
          <DialogTrigger>
            <Button className="icon-button quiet" aria-label={words.contacts.groupMenu(name)}>
              <MoreIcon />
            </Button>
            <Popover className="popover">
              <Dialog className="listbox" aria-label={words.contacts.groupMenu(name)}>
                {({ close }) => (
                  <>
                    {people.length > 0 && (
                      <Button
                        className="option"
                        onPress={() => {
                          close()
                          void client.open(people, name).then((made) => made && go({ screen: 'talk', conversation: made, seq: 0 }))
                        }}
                      >
                        {words.contacts.writeAll}
                      </Button>
                    )}
                    <Button
                      className="option"
                      onPress={() => {
                        close()
                        setRenaming(true)
                      }}
                    >
                      {words.contacts.rename}
                    </Button>
                    <Button
                      className="option option-danger"
                      onPress={() => {
                        close()
                        void client.request('group_remove', { group: key })
                      }}
                    >
                      {words.contacts.removeGroup}
                    </Button>
                  </>
                )}
              </Dialog>
            </Popover>
          </DialogTrigger>
        )}
      </header>
      <ul className="rows">{contacts.map((contact) => (contact.user === '' ? <Phone key={contact.id} contact={contact} /> : <Person key={contact.id} user={contact.user} contact={contact} />))}</ul>
      {renaming && <GroupForm group={key} name={name} close={() => setRenaming(false)} />}
    </div>
  )
}

function Person({ user, contact }: { readonly user: Id; readonly contact?: Contact }) {
  const { go, route } = usePage()
  const state = useCompanion()
  const shown = presenceOf(state, user)
  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the card's groups do the same by keyboard
    <li draggable={contact !== undefined} onDragStart={(event) => contact && event.dataTransfer.setData(DRAGGED, contact.id)}>
      <Button className="row" aria-current={route.screen === 'person' && route.user === user} onPress={() => go({ screen: 'person', user })}>
        <Face user={user} />
        <span className="row-text">
          <span className="row-title">
            <span className="row-name">{contact?.name || nameOf(state, user)}</span>
            {shown.devices.includes('mobile') && <MobileIcon />}
            {contact?.tagged && <TagIcon />}
          </span>
          <span className="row-last">{[stateText(shown), shown.note, placeText(shown)].filter((part) => part !== '').join(' · ')}</span>
        </span>
      </Button>
    </li>
  )
}

function Phone({ contact }: { readonly contact: Contact }) {
  const { client } = usePage()
  return (
    <li className="row-pair">
      <Dial className="row" phone={contact.phone} name={contact.name}>
        <span className="face face-small">
          <span className="avatar avatar-small avatar-many" aria-hidden="true">
            <PhoneIcon />
          </span>
        </span>
        <span className="row-text">
          <span className="row-name">{contact.name || contact.phone}</span>
          <span className="row-last">{contact.phone}</span>
        </span>
      </Dial>
      <IconButton className="quiet" label={words.people.remove(contact.name || contact.phone)} onPress={() => void client.request('contact_remove', { contact: contact.id })}>
        <CloseIcon />
      </IconButton>
    </li>
  )
}

function PhoneForm({ number, close }: { readonly number: string; readonly close: () => void }) {
  const { client } = usePage()
  const [phone, setPhone] = useState(number)
  const [name, setName] = useState('')
  return (
    <Sheet title={words.contacts.addPhone} onClose={close}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void client.request('contact_set', { phone: phone.trim(), name: name.trim() }).then((answer) => answer && close())
        }}
      >
        <Field label={words.contacts.phone} value={phone} onChange={setPhone} type="tel" />
        <Field label={words.contacts.name} value={name} onChange={setName} />
        <Button className="button button-primary" type="submit" isDisabled={!NUMBER.test(phone.trim())}>
          {words.contacts.save}
        </Button>
      </form>
    </Sheet>
  )
}

function GroupForm({ group, name, close }: { readonly group: Id | null; readonly name: string; readonly close: () => void }) {
  const { client } = usePage()
  const [next, setNext] = useState(name)
  return (
    <Sheet title={group === null ? words.contacts.newGroup : words.contacts.rename} onClose={close}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void client.request('group_set', { ...(group !== null && { group }), name: next.trim() }).then((answer) => answer && close())
        }}
      >
        <Field label={words.contacts.groupName} value={next} onChange={setNext} />
        <Button className="button button-primary" type="submit" isDisabled={next.trim() === ''}>
          {words.contacts.save}
        </Button>
      </form>
    </Sheet>
  )
}
