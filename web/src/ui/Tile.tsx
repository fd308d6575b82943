import { useMemo } from 'react'
import { trackOf } from '../devices'
import { hue, initials, speaking } from '../layout'
import type { Participant } from '../protocol'
import { strings } from '../strings'
import { IconButton } from './controls'
import { useClientState, useDevices } from './context'
import { HandIcon, MicOffIcon, PhoneIcon, PinIcon, WeakIcon } from './icons'
import { Picture } from './Picture'

interface TileProps {
  readonly participant: Participant
  readonly size?: 'stage' | 'tile'
  readonly pinned?: boolean
  readonly onPin?: (pinned: boolean) => void
}

/** One participant: picture or initials, name, and how they are. */
export function Tile({ participant, size = 'tile', pinned = false, onPin }: TileProps) {
  const { session, ill } = useClientState()
  const reason = ill.get(participant.id)
  const self = participant.id === session.self
  const stream = useStream(participant, self)
  const name = self ? strings.room.youName(participant.name) : participant.name
  return (
    <div
      className={`tile tile-${size}`}
      role="group"
      aria-label={strings.describe(participant, self)}
      data-talking={speaking(participant, session) || undefined}
    >
      <span className={`avatar hue-${hue(participant.name)}`} aria-hidden="true">
        {participant.kind === 'phone' ? <PhoneIcon /> : initials(participant.name)}
      </span>
      {stream && <Picture key={stream.id} stream={stream} label={name} mirrored={self} />}
      {participant.hand && (
        <span className="tile-hand">
          <HandIcon />
        </span>
      )}
      <span className="tile-name" aria-hidden="true">
        {participant.muted && (
          <span className="tile-muted">
            <MicOffIcon />
          </span>
        )}
        {(participant.kind === 'phone' || participant.byPhone) && <PhoneIcon />}
        <span className="tile-text">{name}</span>
      </span>
      {reason && !self && (
        <span className="tile-ill" role="img" aria-label={strings.room.ill[reason](participant.name)} title={strings.room.ill[reason](participant.name)}>
          <WeakIcon />
        </span>
      )}
      {onPin && !self && (
        <IconButton
          label={pinned ? strings.room.unpin(participant.name) : strings.room.pin(participant.name)}
          className={pinned ? 'tile-pin is-on' : 'tile-pin'}
          onPress={() => onPin(!pinned)}
        >
          <PinIcon />
        </IconButton>
      )}
    </div>
  )
}

/** The picture for a participant: one's own camera, or the slot that carries theirs. */
function useStream(participant: Participant, self: boolean): MediaStream | null {
  const { session, pictures } = useClientState()
  const track = trackOf(useDevices().camera)
  const own = useMemo(() => (self && track ? new MediaStream([track]) : null), [self, track])
  if (self) return own
  const slot = session.video.find((assignment) => assignment.participant === participant.id && !assignment.screen)
  return participant.camera && slot ? (pictures.get(slot.mid) ?? null) : null
}
