import { useState } from 'react'
import { Button, Menu, MenuItem, MenuTrigger, Popover } from 'react-aria-components'
import { trackOf } from '../devices'
import { strings } from '../strings'
import { Confirm } from './Confirm'
import { IconButton, keyName, keyNameAlt } from './controls'
import { useClient, useClientState, useDevices, useSelf } from './context'
import {
  CameraIcon,
  CameraOffIcon,
  HandIcon,
  LeaveIcon,
  MicIcon,
  MicOffIcon,
  PeopleIcon,
  SettingsIcon,
} from './icons'
import { LayoutMenu } from './LayoutMenu'
import { RecordButton } from './Recording'
import { ShareButton } from './Sharing'
import type { View } from './Stage'

export interface RoomActions {
  readonly toggleMute: () => void
  readonly toggleCamera: () => void
  readonly toggleHand: () => void
  readonly togglePeople: () => void
}

interface BarProps {
  readonly actions: RoomActions
  readonly view: View
  readonly setView: (view: View) => void
  readonly peopleOpen: boolean
  readonly openSettings: () => void
}

/** What one does in a call, all in reach of Tab. */
export function Bar({ actions, view, setView, peopleOpen, openSettings }: BarProps) {
  const { microphone, muted, camera } = useDevices()
  const { session } = useClientState()
  const self = useSelf()
  const silent = self?.byPhone ? self.muted : muted || !trackOf(microphone)
  const filming = trackOf(camera) !== null
  const hand = self?.hand ?? false
  const mayFilm = self?.videoMuted !== true
  return (
    <div className="bar" role="group" aria-label={strings.bar.label}>
      <IconButton
        label={silent ? strings.bar.unmute : strings.bar.mute}
        shortcut={keyName('D')}
        className={silent ? 'is-off' : ''}
        onPress={actions.toggleMute}
      >
        {silent ? <MicOffIcon /> : <MicIcon />}
      </IconButton>
      <IconButton
        label={cameraLabel(filming, mayFilm)}
        shortcut={keyName('E')}
        className={filming ? '' : 'is-off'}
        onPress={actions.toggleCamera}
      >
        {filming ? <CameraIcon /> : <CameraOffIcon />}
      </IconButton>
      <ShareButton />
      <IconButton
        label={hand ? strings.bar.lowerHand : strings.bar.raiseHand}
        shortcut={keyNameAlt('H')}
        className={hand ? 'is-on' : ''}
        onPress={actions.toggleHand}
      >
        <HandIcon />
      </IconButton>
      <IconButton
        label={peopleOpen ? strings.bar.hidePeople : strings.bar.showPeople}
        shortcut={keyNameAlt('P')}
        className={peopleOpen ? 'is-on with-count' : 'with-count'}
        onPress={actions.togglePeople}
      >
        <PeopleIcon />
        <span className="button-count">{session.roster.length}</span>
      </IconButton>
      <LayoutMenu view={view} setView={setView} />
      {session.role === 'host' && <RecordButton />}
      <IconButton label={strings.bar.settings} onPress={openSettings}>
        <SettingsIcon />
      </IconButton>
      {session.role === 'host' ? <HostLeave /> : <GuestLeave />}
    </div>
  )
}

function cameraLabel(filming: boolean, may: boolean): string {
  if (!may) return strings.bar.cameraForbidden
  return filming ? strings.bar.cameraOff : strings.bar.cameraOn
}

function GuestLeave() {
  const client = useClient()
  return (
    <IconButton label={strings.bar.leave} className="leave" onPress={() => client.leave()}>
      <LeaveIcon />
    </IconButton>
  )
}

/** A host leaves alone or ends it for everyone. */
function HostLeave() {
  const client = useClient()
  const [ending, setEnding] = useState(false)
  return (
    <>
      <MenuTrigger>
        <Button className="icon-button leave" aria-label={strings.bar.leaveOptions}>
          <LeaveIcon />
        </Button>
        <Popover className="popover" placement="top end">
          <Menu className="listbox">
            <MenuItem className="option" onAction={() => client.leave()}>
              {strings.bar.leaveOnly}
            </MenuItem>
            <MenuItem className="option option-danger" onAction={() => setEnding(true)}>
              {strings.bar.endForAll}
            </MenuItem>
          </Menu>
        </Popover>
      </MenuTrigger>
      <Confirm
        open={ending}
        title={strings.confirm.endTitle}
        text={strings.confirm.endText}
        action={strings.confirm.end}
        onConfirm={() => client.end()}
        onClose={() => setEnding(false)}
      />
    </>
  )
}
