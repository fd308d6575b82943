import type { ReactNode } from 'react'
import { Switch } from 'react-aria-components'
import { hue, initials, rosterOrder, speaking } from '../layout'
import { invitation } from '../link'
import type { Participant } from '../protocol'
import { strings } from '../strings'
import { ByPhone } from './ByPhone'
import { Calls } from './Calls'
import { IconButton } from './controls'
import { useClient, useClientState } from './context'
import { AsideIcon, CameraOffIcon, CloseIcon, HandIcon, LanguageIcon, MicIcon, MicOffIcon, PauseIcon, PhoneIcon, PinIcon, ShareIcon, SoundOffIcon } from './icons'
import { Invite } from './Invite'
import { WaitingList } from './Lobby'
import { PersonMenu } from './PersonMenu'

/** Who is here, how they are, and what a host may do about it. */
export function People({ onClose }: { readonly onClose: () => void }) {
  const client = useClient()
  const { session } = useClientState()
  const host = session.role === 'host'
  return (
    <aside className="people" aria-label={strings.people.title}>
      <header className="people-header">
        <h2>
          {strings.people.title} <span className="count">{session.roster.length}</span>
        </h2>
        <IconButton label={strings.people.close} className="quiet" onPress={onClose}>
          <CloseIcon />
        </IconButton>
      </header>
      {host && session.waiting.length > 0 && <WaitingList />}
      <ul className="people-list" aria-label={strings.people.title}>
        {rosterOrder(session).map((participant) => (
          <Row key={participant.id} participant={participant} self={participant.id === session.self} host={host} />
        ))}
      </ul>
      {host && session.conference?.dialOut && <Calls />}
      <footer className="people-footer">
        {host && session.conference && (
          <Switch className="switch" isSelected={session.conference.lobby} onChange={(on) => client.setLobby(on)}>
            <span>
              {strings.lobby.on}
              <small>{strings.lobby.onHint}</small>
            </span>
            <span className="switch-track" aria-hidden="true" />
          </Switch>
        )}
        {host && session.conference && (
          <Switch className="switch" isSelected={session.conference.audienceMuted} onChange={(on) => client.muteAudience(on)}>
            <span>
              {strings.people.muteAudience}
              <small>{strings.people.muteAudienceHint}</small>
            </span>
            <span className="switch-track" aria-hidden="true" />
          </Switch>
        )}
        {host && session.conference && (
          <Switch className="switch" isSelected={session.conference.locked} onChange={(on) => client.lock(on)}>
            <span>
              {strings.people.lock}
              <small>{strings.people.lockHint}</small>
            </span>
            <span className="switch-track" aria-hidden="true" />
          </Switch>
        )}
        {session.conference && (
          <Invite link={invitation(location.origin, session.conference.id)} dialIn={session.dialIn} />
        )}
        {session.dialIn?.personal && <ByPhone />}
      </footer>
    </aside>
  )
}

interface RowProps {
  readonly participant: Participant
  readonly self: boolean
  readonly host: boolean
}

function Row({ participant, self, host }: RowProps) {
  const { name, kind, role, byPhone, muted, hand, held, deafened, gainDb, side, presenting, videoMuted } = participant
  const { session } = useClientState()
  const talking = speaking(participant, session)
  const interprets = session.conference?.channels.find(({ interpreter }) => interpreter === participant.id)
  return (
    <li className="person" data-talking={talking || undefined}>
      <span className={`avatar avatar-small hue-${hue(name)}`} aria-hidden="true">
        {kind === 'phone' ? <PhoneIcon /> : initials(name)}
      </span>
      <span className="person-name">
        <span>{self ? strings.room.youName(name) : name}</span>
        {(kind === 'phone' || byPhone || role === 'host' || gainDb !== 0 || interprets) && (
          <small>
            {(kind === 'phone' || byPhone) && (
              <span className="badge">
                <PhoneIcon /> {strings.people.phone}
              </span>
            )}
            {role === 'host' && <span className="badge">{strings.people.host}</span>}
            {gainDb !== 0 && <span className="badge">{strings.people.louder(gainDb)}</span>}
            {interprets && (
              <span className="badge">
                <LanguageIcon /> {strings.people.interprets(interprets.name)}
              </span>
            )}
          </small>
        )}
      </span>
      {hand && (
        <span className="person-hand" role="img" aria-label={strings.people.hand} title={strings.people.hand}>
          <HandIcon />
        </span>
      )}
      <State on={presenting} label={strings.people.presenting} icon={<ShareIcon />} />
      <State on={session.conference?.spotlight === participant.id} label={strings.people.inSpotlight} icon={<PinIcon />} />
      <State on={videoMuted} label={strings.people.videoMuted} icon={<CameraOffIcon />} />
      <State on={held} label={strings.people.held} icon={<PauseIcon />} />
      <State on={deafened} label={strings.people.deafened} icon={<SoundOffIcon />} />
      <State on={side !== null} label={strings.people.aside} icon={<AsideIcon />} />
      <Microphone muted={muted} talking={talking} />
      {(self ? host : host || kind !== 'host') && <PersonMenu participant={participant} host={host} self={self} />}
    </li>
  )
}

function State({ on, label, icon }: { readonly on: boolean; readonly label: string; readonly icon: ReactNode }) {
  if (!on) return null
  return (
    <span className="person-state" role="img" aria-label={label} title={label}>
      {icon}
    </span>
  )
}

function Microphone({ muted, talking }: { readonly muted: boolean; readonly talking: boolean }) {
  if (muted) {
    return (
      <span className="person-mic is-muted" role="img" aria-label={strings.people.muted} title={strings.people.muted}>
        <MicOffIcon />
      </span>
    )
  }
  return (
    <span className="person-mic" {...(talking ? { role: 'img', 'aria-label': strings.people.talking } : { 'aria-hidden': true })}>
      <MicIcon />
    </span>
  )
}
