import { useEffect, useState } from 'react'
import { Button, Switch } from 'react-aria-components'
import { LEVELS, type FreeBusy, type Id, type Level } from '../../companion/protocol'
import { period, when, words } from '../../companion/words'
import { IconButton } from '../controls'
import { CameraIcon, PhoneIcon } from '../icons'
import { Choice, Face } from './bits'
import { confer } from './confer'
import { nameOf, nobody, placeText, presenceOf, stateText, useCompanion, useNow, usePage } from './context'
import { Dial } from './Dial'
import { BackIcon, ChatIcon, MailIcon } from './icons'

/** The card in the main place. */
export function Person({ user }: { readonly user: Id }) {
  const { go } = usePage()
  return (
    <div className="screen person">
      <IconButton className="quiet only-narrow" label={words.talk.back} onPress={() => go({ screen: 'contacts' })}>
        <BackIcon />
      </IconButton>
      <Card user={user} done={() => undefined} />
    </div>
  )
}

/** A person as far as one may see them, one press away from each way to reach them. */
export function Card({ user, done, titled = false }: { readonly user: Id; readonly done: () => void; readonly titled?: boolean }) {
  const { client, go } = usePage()
  const state = useCompanion()
  const person = state.people[user] ?? nobody
  const shown = presenceOf(state, user)
  const self = user === state.me?.id
  const [busy, setBusy] = useState<readonly FreeBusy[]>([])
  useEffect(() => {
    let here = true
    if (!self) void client.learn(user).then((told) => here && setBusy(told))
    return () => {
      here = false
      setBusy([])
    }
  }, [client, user, self])
  const write = async (media: readonly string[] | null) => {
    const made = await client.open([user])
    if (made === null) return
    done()
    go({ screen: 'talk', conversation: made, seq: 0 })
    if (media) await confer(client, made, media)
  }
  return (
    <section className="card" aria-label={nameOf(state, user)}>
      <div className="card-head">
        <Face user={user} size="large" />
        <div>
          {!titled && <h1>{nameOf(state, user)}</h1>}
          <p>{[person.title, person.company].filter((part) => part !== '').join(', ')}</p>
          <p className="card-state">
            {stateText(shown)}
            {shown.devices.includes('mobile') && ` · ${words.card.onMobile}`}
          </p>
        </div>
      </div>
      {!self && (
        <div className="card-deeds">
          <Button className="button button-small button-primary" onPress={() => void write(null)}>
            <ChatIcon />
            {words.card.write}
          </Button>
          <Button className="button button-small" onPress={() => void write(['audio'])}>
            <PhoneIcon />
            {words.card.call}
          </Button>
          <Button className="button button-small" onPress={() => void write(['audio', 'video'])}>
            <CameraIcon />
            {words.card.conference}
          </Button>
          {person.email !== '' && (
            <a className="button button-small" href={`mailto:${encodeURIComponent(person.email)}`}>
              <MailIcon />
              {words.card.mail}
            </a>
          )}
        </div>
      )}
      <Facts user={user} />
      <Schedule busy={busy} />
      {!self && state.me?.role !== 'guest' && <Mine user={user} />}
    </section>
  )
}

function Facts({ user }: { readonly user: Id }) {
  const state = useCompanion()
  const now = useNow()
  const person = state.people[user] ?? nobody
  const shown = presenceOf(state, user)
  const numbers: readonly (readonly [string, string])[] = [
    [words.card.work, person.work_phone],
    [words.card.mobile, person.mobile],
    [words.card.home, person.home_phone],
  ]
  const facts: readonly (readonly [string, string])[] = [
    [words.card.note, shown.note],
    [words.card.location, placeText(shown)],
    [words.card.out, shown.oof],
    [words.card.free, shown.next_free > now ? when(shown.next_free, now) : ''],
    [words.card.active, shown.last_active > 0 ? when(shown.last_active, now) : ''],
  ]
  return (
    <dl className="facts">
      {facts
        .filter(([, value]) => value !== '')
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>{value}</dd>
          </div>
        ))}
      {numbers
        .filter(([, value]) => value !== '')
        .map(([label, value]) => (
          <div key={label}>
            <dt>{label}</dt>
            <dd>
              <Dial phone={value} name={nameOf(state, user)}>
                {value}
              </Dial>
            </dd>
          </div>
        ))}
    </dl>
  )
}

/** When this person is busy or out of office, as far as I may know. */
function Schedule({ busy }: { readonly busy: readonly FreeBusy[] }) {
  const now = useNow()
  const next = busy.filter(({ until }) => until === 0 || until > now).slice(0, 6)
  if (next.length === 0) return null
  return (
    <section className="card-schedule" aria-label={words.card.schedule}>
      <h2 className="label">{words.card.schedule}</h2>
      <ul>
        {next.map(({ kind, from, until, subject }) => (
          <li key={`${kind}-${from}-${until}-${subject}`} data-kind={kind}>
            <span>{period(from, until, now)}</span> {subject || (kind === 'busy' ? words.card.busy : words.card.out)}
          </li>
        ))}
      </ul>
    </section>
  )
}

/** How I keep this person. */
function Mine({ user }: { readonly user: Id }) {
  const { client } = usePage()
  const state = useCompanion()
  const contact = state.contacts.contacts.find((one) => one.user === user)
  if (!contact) {
    return (
      <Button className="button" onPress={() => void client.request('contact_set', { user })}>
        {words.card.add}
      </Button>
    )
  }
  const set = (change: object) => void client.request('contact_set', { contact: contact.id, ...change })
  return (
    <div className="card-mine">
      <Switch className="switch" isSelected={contact.tagged} onChange={(tagged) => set({ tagged })}>
        <span>{words.card.tag}</span>
        <span className="switch-track" aria-hidden="true" />
      </Switch>
      <Choice<Level>
        label={words.card.level}
        value={contact.level}
        options={LEVELS.map((level) => [level, `${words.levels[level]}: ${words.levelHints[level]}`] as const)}
        onChange={(level) => set({ level })}
      />
      {state.contacts.groups.length > 0 && (
        <fieldset className="checks">
          <legend className="label">{words.card.groups}</legend>
          {state.contacts.groups.map(({ id, name }) => (
            <label key={id}>
              <input
                type="checkbox"
                checked={contact.groups.includes(id)}
                onChange={({ target }) => set({ groups: target.checked ? [...contact.groups, id] : contact.groups.filter((one) => one !== id) })}
              />{' '}
              {name}
            </label>
          ))}
        </fieldset>
      )}
      <Button className="link-button" onPress={() => void client.request('contact_remove', { contact: contact.id })}>
        {words.card.remove}
      </Button>
    </div>
  )
}
