import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import { fields, list, text, type Id, type Notify } from '../../companion/protocol'
import { exportAddress, invite } from '../../companion/rest'
import type { Talk } from '../../companion/state'
import { words } from '../../companion/words'
import { IconButton } from '../controls'
import { CloseIcon } from '../icons'
import { Choice, Face, Field, Sheet } from './bits'
import { copy } from './copy'
import { nameOf, stateText, presenceOf, title, useCompanion, usePage } from './context'
import { TalkNote } from './Note'
import { PeoplePicker } from './PeoplePicker'
import { RoomForm } from './RoomForm'

type Role = 'member' | 'presenter' | 'manager'

/** People whom the server appoints at once. */
const AT_ONCE = 500

/** Who is in it, and how it is kept. */
export function Details({ talk, close }: { readonly talk: Talk; readonly close: () => void }) {
  const { ask, go } = usePage()
  const state = useCompanion()
  const [dialog, setDialog] = useState<'members' | 'settings' | null>(null)
  const { info } = talk
  const room = info.room
  const people = room ? (state.views[info.id] ?? info.members) : info.members
  return (
    <aside className="details" aria-label={words.talk.details}>
      <header className="list-head">
        <h2>{room ? words.details.view(people.length) : words.details.members(people.length)}</h2>
        <IconButton className="quiet" label={words.details.close} onPress={close}>
          <CloseIcon />
        </IconButton>
      </header>
      {room && room.description !== '' && <p className="details-text">{room.description}</p>}
      <ul className="rows">
        {people.map((id) => (
          <li key={id}>
            <Button className="row" onPress={() => ask({ dialog: 'card', user: id })}>
              <Face user={id} />
              <span className="row-text">
                <span className="row-name">{nameOf(state, id)}</span>
                <span className="row-last">{stateText(presenceOf(state, id))}</span>
              </span>
            </Button>
          </li>
        ))}
      </ul>
      <div className="details-foot">
        {room && (room.role === 'manager' || state.me?.role === 'admin') && (
          <>
            <Button className="button button-small" onPress={() => setDialog('members')}>
              {words.details.manage}
            </Button>
            <Button className="button button-small" onPress={() => setDialog('settings')}>
              {words.details.settings}
            </Button>
          </>
        )}
        {info.kind !== 'room' && state.me?.role !== 'guest' && (
          <Button className="button button-small" onPress={() => ask({ dialog: 'add', conversation: info.id })}>
            {words.talk.add}
          </Button>
        )}
        <Button className="button button-small" onPress={() => go({ screen: 'search', query: `in:"${title(state, talk)}" ` })}>
          {words.details.search}
        </Button>
        {info.kind !== 'direct' && state.me?.role !== 'guest' && <Invite talk={talk} />}
        {info.kind === 'group' && <Subject talk={talk} />}
        {state.me?.role !== 'guest' && <TalkNote conversation={info.id} />}
        <Level talk={talk} />
        <a className="link" href={exportAddress(info.id, 'json')} download>
          {words.details.export}
        </a>
        <a className="link" href={exportAddress(info.id, 'eml')} download>
          {words.details.exportMail}
        </a>
        {info.kind !== 'direct' && <Leave talk={talk} />}
      </div>
      {dialog === 'members' && <Members room={info.id} close={() => setDialog(null)} />}
      {dialog === 'settings' && room && <RoomForm room={room} close={() => setDialog(null)} />}
    </aside>
  )
}

function Invite({ talk }: { readonly talk: Talk }) {
  const { client } = usePage()
  const make = async () => {
    const link = await invite(talk.info.id)
    if (link === null) return client.notify({ kind: 'refused', code: 'forbidden' })
    copy(client, link, words.details.invited)
  }
  return (
    <Button className="button button-small" onPress={() => void make()}>
      {words.details.invite}
    </Button>
  )
}

function Subject({ talk }: { readonly talk: Talk }) {
  const { client } = usePage()
  const [subject, setSubject] = useState(talk.info.subject)
  return (
    <form
      onSubmit={(event) => {
        event.preventDefault()
        void client.request('rename', { conversation: talk.info.id, subject: subject.trim() })
      }}
    >
      <Field label={words.details.subject} value={subject} onChange={setSubject} />
      {subject !== talk.info.subject && (
        <Button className="button button-small" type="submit">
          {words.talk.save}
        </Button>
      )}
    </form>
  )
}

function Level({ talk }: { readonly talk: Talk }) {
  const { client } = usePage()
  return (
    <Choice<Notify>
      label={words.details.notify}
      value={talk.info.notify}
      options={(['all', 'mentions', 'none'] as const).map((level) => [level, words.details[level]] as const)}
      onChange={(level) => void client.setNotify(talk.info.id, level)}
    />
  )
}

function Leave({ talk }: { readonly talk: Talk }) {
  const { client, go } = usePage()
  const room = talk.info.kind === 'room'
  const leave = async () => {
    const answer = await client.request(room ? 'room_leave' : 'leave', room ? { room: talk.info.id } : { conversation: talk.info.id })
    if (answer) go({ screen: 'chats' })
  }
  return (
    <Button className="link-button option-danger" onPress={() => void leave()}>
      {room ? words.details.leaveRoom : words.details.leave}
    </Button>
  )
}

/** Who belongs to a room and as what, for its managers. */
function Members({ room, close }: { readonly room: Id; readonly close: () => void }) {
  const { client } = usePage()
  const state = useCompanion()
  const [people, setPeople] = useState<readonly { readonly user: Id; readonly role: string }[]>([])
  const [chosen, setChosen] = useState<readonly Id[]>([])
  const [role, setRole] = useState<Role>('member')
  const [changes, setChanges] = useState(0)
  useEffect(() => {
    void client.meet('room_people', { room }).then((answer) => {
      if (!answer) return
      setPeople(
        list(answer, 'people', (one) => {
          const user = text(fields(one), 'user')
          return user === '' ? null : { user, role: text(fields(one), 'role') }
        }),
      )
    })
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- read anew after each change
  }, [client, room, changes])
  const deed = async (type: string, { users, ...request }: { readonly users: readonly Id[]; readonly role?: Role }) => {
    // oxlint-disable-next-line no-await-in-loop -- a distribution list may be longer than what is taken at once
    for (let at = 0; at < users.length; at += AT_ONCE) await client.request(type, { room, users: users.slice(at, at + AT_ONCE), ...request })
    setChosen([])
    setChanges((count) => count + 1)
  }
  const roles = (['member', 'presenter', 'manager'] as const).map((one) => [one, words.rooms.roles[one]] as const)
  return (
    <Sheet title={words.details.manage} onClose={close} wide>
      <ul className="rows members">
        {people.map(({ user, role: has }) => (
          <li key={user} className="row-pair">
            <span className="row">
              <Face user={user} />
              <span className="row-name">{nameOf(state, user)}</span>
            </span>
            <Choice<Role>
              hidden
              label={words.details.role(nameOf(state, user))}
              value={roles.find(([one]) => one === has)?.[0] ?? 'member'}
              options={roles}
              onChange={(next) => void deed('room_appoint', { users: [user], role: next })}
            />
            <IconButton className="quiet" label={words.details.remove(nameOf(state, user))} onPress={() => void deed('room_dismiss', { users: [user] })}>
              <CloseIcon />
            </IconButton>
          </li>
        ))}
      </ul>
      <PeoplePicker chosen={chosen} onChange={setChosen} without={people.map(({ user }) => user)} />
      <div className="dialog-actions">
        <Choice<Role> hidden label={words.rooms.appoint} value={role} options={roles} onChange={setRole} />
        <Button className="button button-primary" onPress={() => void (chosen.length > 0 && deed('room_appoint', { users: chosen, role }))}>
          {words.rooms.appoint}
        </Button>
      </div>
    </Sheet>
  )
}
