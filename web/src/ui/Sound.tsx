import { useEffect, useRef } from 'react'
import { Button } from 'react-aria-components'
import { canChooseSpeaker } from '../devices'
import { strings } from '../strings'
import { useClient, useClientState, useDevices } from './context'
import { SoundIcon } from './icons'

/** Plays the mix through the chosen speaker, and asks for a click where the browser wants one. */
export function Sound() {
  const client = useClient()
  const { audio, audioBlocked } = useClientState()
  const { chosen } = useDevices()
  const element = useRef<HTMLAudioElement>(null)

  const play = () => {
    element.current?.play().then(
      () => client.setAudioBlocked(false),
      (error: unknown) => client.setAudioBlocked(error instanceof Error && error.name === 'NotAllowedError'),
    )
  }
  useEffect(() => {
    const player = element.current
    if (!player) return
    player.srcObject = audio
    if (!audio) return
    player.play().then(
      () => client.setAudioBlocked(false),
      (error: unknown) => client.setAudioBlocked(error instanceof Error && error.name === 'NotAllowedError'),
    )
  }, [audio, client])
  useEffect(() => {
    // A speaker that has gone falls back to the default by the browser's own rule.
    if (canChooseSpeaker) void element.current?.setSinkId(chosen.speaker).catch(() => undefined)
  }, [chosen.speaker])

  return (
    <>
      <audio ref={element} autoPlay />
      {audioBlocked && (
        <div className="banner" data-tone="info" role="alert">
          <SoundIcon />
          <span>{strings.room.hearLead}</span>
          <Button className="button button-small button-primary" onPress={play} autoFocus>
            {strings.room.hear}
          </Button>
        </div>
      )}
    </>
  )
}
