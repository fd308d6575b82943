/** That the conference is recorded, for everybody to see, and what a host does about it. */

import { useState } from 'react'
import { Button, Menu, MenuItem, MenuTrigger, Popover } from 'react-aria-components'
import type { Recording } from '../protocol'
import { strings } from '../strings'
import { Confirm } from './Confirm'
import { IconButton } from './controls'
import { useClient, useClientState } from './context'
import { RecordIcon } from './icons'

/** Red while it runs; the shape and the words say it, too. */
export function RecordingBadge({ recording }: { readonly recording: Recording }) {
  if (recording === 'off') return null
  const paused = recording === 'paused'
  const spoken = paused ? strings.room.recordingPausedSpoken : strings.room.recordingSpoken
  return (
    <span className="badge badge-recording" data-recording={recording} role="img" aria-label={spoken} title={spoken}>
      <i aria-hidden="true" />
      <span aria-hidden="true">{paused ? strings.room.recordingPaused : strings.room.recording}</span>
    </span>
  )
}

/** One press records; pausing and stopping are a menu, and stopping is asked about once more. */
export function RecordButton() {
  const client = useClient()
  const { session } = useClientState()
  const [stopping, setStopping] = useState(false)
  const recording = session.conference?.recording ?? 'off'
  if (recording === 'off') {
    return (
      <IconButton label={strings.bar.record} onPress={() => client.record(true)}>
        <RecordIcon />
      </IconButton>
    )
  }
  const paused = recording === 'paused'
  return (
    <>
      <MenuTrigger>
        <Button className="icon-button is-recording" data-recording={recording} aria-label={strings.bar.recordOptions}>
          <RecordIcon />
        </Button>
        <Popover className="popover" placement="top end">
          <Menu className="listbox">
            <MenuItem className="option" onAction={() => client.pauseRecording(!paused)}>
              {paused ? strings.bar.recordResume : strings.bar.recordPause}
            </MenuItem>
            <MenuItem className="option option-danger" onAction={() => setStopping(true)}>
              {strings.bar.recordStop}
            </MenuItem>
          </Menu>
        </Popover>
      </MenuTrigger>
      <Confirm
        open={stopping}
        title={strings.confirm.stopRecordingTitle}
        text={strings.confirm.stopRecordingText}
        action={strings.confirm.stopRecording}
        onConfirm={() => client.record(false)}
        onClose={() => setStopping(false)}
      />
    </>
  )
}
