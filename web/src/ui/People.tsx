import { useState } from 'react'
import { Button, Menu, MenuItem, MenuTrigger, Popover, Switch } from 'react-aria-components'
import { hue, initials, rosterOrder } from '../layout'
import { invitation } from '../link'
import type { Participant } from '../protocol'
import { strings } from '../strings'
import { Confirm, IconButton } from './controls'
import { useClient, useClientState } from './context'
import { CloseIcon, HandIcon, MicIcon, MicOffIcon, MoreIcon, PhoneIcon } from './icons'
import { Invite } from './Invite'

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
      <ul className="people-list" aria-label={strings.people.title}>
        {rosterOrder(session).map((participant) => (
          <Row key={participant.id} participant={participant} self={participant.id === session.self} host={host} />
        ))}
      </ul>
      <footer className="people-footer">
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
  const { name, kind, role, muted, talking, hand } = participant
  return (
    <li className="person" data-talking={(talking && !muted) || undefined}>
      <span className={`avatar avatar-small hue-${hue(name)}`} aria-hidden="true">
        {kind === 'phone' ? <PhoneIcon /> : initials(name)}
      </span>
      <span className="person-name">
        <span>{self ? strings.room.youName(name) : name}</span>
        {(kind === 'phone' || role === 'host') && (
          <small>
            {kind === 'phone' && (
              <span className="badge">
                <PhoneIcon /> {strings.people.phone}
              </span>
            )}
            {role === 'host' && <span className="badge">{strings.people.host}</span>}
          </small>
        )}
      </span>
      {hand && (
        <span className="person-hand" role="img" aria-label={strings.people.hand} title={strings.people.hand}>
          <HandIcon />
        </span>
      )}
      <Microphone muted={muted} talking={talking} />
      {host && !self && <HostMenu participant={participant} />}
    </li>
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

function HostMenu({ participant }: { readonly participant: Participant }) {
  const client = useClient()
  const [removing, setRemoving] = useState(false)
  return (
    <>
      <MenuTrigger>
        <Button className="icon-button quiet" aria-label={strings.people.actionsFor(participant.name)}>
          <MoreIcon />
        </Button>
        <Popover className="popover" placement="bottom end">
          <Menu className="listbox">
            <MenuItem
              className="option"
              isDisabled={participant.muted}
              onAction={() => client.muteParticipant(participant.id)}
            >
              {strings.people.mute}
            </MenuItem>
            <MenuItem className="option option-danger" onAction={() => setRemoving(true)}>
              {strings.people.remove}
            </MenuItem>
          </Menu>
        </Popover>
      </MenuTrigger>
      <Confirm
        open={removing}
        title={strings.confirm.removeTitle(participant.name)}
        text={strings.confirm.removeText}
        action={strings.confirm.remove}
        onConfirm={() => client.remove(participant.id)}
        onClose={() => setRemoving(false)}
      />
    </>
  )
}
