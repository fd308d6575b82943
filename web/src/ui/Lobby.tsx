import { Button } from 'react-aria-components'
import { hue, initials } from '../layout'
import { strings } from '../strings'
import { Brand } from './controls'
import { useClient, useClientState } from './context'
import { PeopleIcon, PhoneIcon } from './icons'
import { Sound } from './Sound'

/** For who waits: for what, and that nobody hears or sees them meanwhile. */
export function Lobby() {
  const client = useClient()
  const { session } = useClientState()
  if (!session.lobby) return null
  const { waitsFor, name } = session.lobby
  return (
    <div className="door">
      <header className="door-header">
        <Brand />
      </header>
      <main className="over lobby">
        <span className="spinner" />
        <p className="lobby-conference">{name}</p>
        <h1>{strings.lobby.title[waitsFor]}</h1>
        <p className="lead" role="status">
          {session.phase === 'reconnecting' ? strings.room.reconnecting : strings.lobby.lead[waitsFor]}
        </p>
        <p className="lead">{strings.lobby.unheard}</p>
        <Sound />
        <div className="over-actions">
          <Button className="button" onPress={() => client.leave()}>
            {strings.lobby.leave}
          </Button>
        </div>
      </main>
    </div>
  )
}

/** For hosts, whether the participants are on screen or not: somebody waits. */
export function LobbyBanner() {
  const client = useClient()
  const { session } = useClientState()
  const [first] = session.waiting
  if (session.role !== 'host' || !first) return null
  const alone = session.waitingCount === 1
  const names = session.waiting.map(({ name }) => name)
  return (
    <div className="banner" data-tone="info" role="status">
      <PeopleIcon />
      <span>{strings.lobby.waits(names, session.waitingCount)}</span>
      <Button className="button button-small button-primary" onPress={() => (alone ? client.admit(first.id) : client.admitAll())}>
        {alone ? strings.lobby.admit : strings.lobby.admitAll}
      </Button>
      {alone && (
        <Button className="button button-small" onPress={() => client.deny(first.id)}>
          {strings.lobby.deny}
        </Button>
      )}
    </div>
  )
}

/** Who waits, above who is in. */
export function WaitingList() {
  const client = useClient()
  const { session } = useClientState()
  const { waiting, waitingCount } = session
  return (
    <section className="waiting" aria-label={strings.lobby.waiting}>
      <header className="waiting-header">
        <h3>
          {strings.lobby.waiting} <span className="count">{waitingCount}</span>
        </h3>
        <Button className="button button-small" onPress={() => client.admitAll()}>
          {strings.lobby.admitAll}
        </Button>
      </header>
      <ul className="waiting-list">
        {waiting.map(({ id, name, kind }) => (
          <li key={id} className="person">
            <span className={`avatar avatar-small hue-${hue(name)}`} aria-hidden="true">
              {kind === 'phone' ? <PhoneIcon /> : initials(name)}
            </span>
            <span className="person-name">
              <span>{name}</span>
            </span>
            <Button className="button button-small button-primary" aria-label={strings.lobby.admitNamed(name)} onPress={() => client.admit(id)}>
              {strings.lobby.admit}
            </Button>
            <Button className="button button-small" aria-label={strings.lobby.denyNamed(name)} onPress={() => client.deny(id)}>
              {strings.lobby.deny}
            </Button>
          </li>
        ))}
      </ul>
      {waitingCount > waiting.length && <p className="waiting-more">{strings.lobby.more(waitingCount - waiting.length)}</p>}
    </section>
  )
}
