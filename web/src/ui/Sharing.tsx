/** Sharing one's screen, and seeing another's. */

import { useRef, useSyncExternalStore } from 'react'
import { Button } from 'react-aria-components'
import type { Participant } from '../protocol'
import { canShare } from '../screen'
import { standing } from '../sharing'
import { strings } from '../strings'
import { IconButton } from './controls'
import { useClient, useClientState } from './context'
import { FullScreenIcon, ShareIcon, ShareStopIcon } from './icons'
import { Picture } from './Picture'

/** Shares, or no longer; while another presents, a guest asks for the turn, and a host takes it. */
export function ShareButton() {
  const client = useClient()
  const { session } = useClientState()
  if (!canShare()) return null
  const host = session.role === 'host'
  switch (standing(session)) {
    case 'presenting':
      return (
        <IconButton label={strings.share.stop} className="is-on" onPress={() => client.sharing.stop()}>
          <ShareStopIcon />
        </IconButton>
      )
    case 'waiting':
      return (
        <IconButton label={strings.share.withdraw} className="is-on" onPress={() => client.sharing.stop()}>
          <ShareIcon />
        </IconButton>
      )
    case 'others':
      return (
        <IconButton
          label={host ? strings.share.takeOver : strings.share.ask}
          onPress={() => (host ? void client.sharing.start(true) : client.askToPresent())}
        >
          <ShareIcon />
        </IconButton>
      )
    default:
      return (
        <IconButton label={strings.share.start} onPress={() => void client.sharing.start(false)}>
          <ShareIcon />
        </IconButton>
      )
  }
}

/** Who shares, whose turn it is, and who asks. */
export function ShareBanners() {
  const client = useClient()
  const { session } = useClientState()
  const { participant, begun, waiting } = session.presenting
  const own = standing(session)
  const presenter = session.roster.find(({ id }) => id === participant)
  const host = session.role === 'host'
  const asking = session.roster.filter(({ id }) => id !== session.self && waiting.includes(id))
  if (!presenter) return null
  return (
    <>
      {own === 'presenting' && <Own />}
      {own === 'given' && (
        <div className="banner" data-tone="aside" role="alert">
          <ShareIcon />
          <span>{strings.share.yourTurn}</span>
          <Button className="button button-small" onPress={() => void client.sharing.start(false)}>
            {strings.share.start}
          </Button>
          <Button className="button button-small" onPress={() => client.sharing.stop()}>
            {strings.share.notNow}
          </Button>
        </div>
      )}
      {(own === 'others' || own === 'waiting') && (
        <div className="banner" data-tone="info" role="status">
          <ShareIcon />
          <span>{begun ? strings.share.others(presenter.name) : strings.share.othersTurn(presenter.name)}</span>
          {own === 'waiting' && <span className="quiet">{strings.share.waiting}</span>}
          {own === 'others' && !host && canShare() && (
            <Button className="button button-small" onPress={() => client.askToPresent()}>
              {strings.share.ask}
            </Button>
          )}
          {own === 'waiting' && (
            <Button className="button button-small" onPress={() => client.sharing.stop()}>
              {strings.share.withdraw}
            </Button>
          )}
          {host && (
            <Button className="button button-small" onPress={() => client.stopPresenting()}>
              {strings.share.stopOther(presenter.name)}
            </Button>
          )}
        </div>
      )}
      {(host || participant === session.self) && asking.map((person) => <Asking key={person.id} person={person} />)}
    </>
  )
}

function Own() {
  const client = useClient()
  const { source } = client.sharing
  const { screen } = useSyncExternalStore(source.subscribe, source.snapshot)
  const heard = screen.status === 'on' && screen.sound !== null
  return (
    <div className="banner" data-tone="aside" role="status">
      <ShareIcon />
      <span>{heard ? strings.share.ownWithSound : strings.share.own}</span>
      <Button className="button button-small" onPress={() => client.sharing.stop()}>
        {strings.share.stop}
      </Button>
    </div>
  )
}

/** Somebody wants the turn, which the presenter and hosts give. */
function Asking({ person }: { readonly person: Participant }) {
  const client = useClient()
  return (
    <div className="banner" data-tone="aside" role="alert">
      <ShareIcon />
      <span>{strings.share.asks(person.name)}</span>
      <Button className="button button-small" onPress={() => client.grantPresenting(person.id, true)}>
        {strings.share.grant}
      </Button>
      <Button className="button button-small" onPress={() => client.grantPresenting(person.id, false)}>
        {strings.share.notNow}
      </Button>
    </div>
  )
}

/** The screen that somebody else shares, once it is on its way. */
export function useScreen(): { readonly stream: MediaStream; readonly presenter: Participant } | null {
  const { session, pictures } = useClientState()
  const slot = session.video.find(({ screen }) => screen)
  const stream = slot && pictures.get(slot.mid)
  const presenter = session.roster.find(({ id }) => id === slot?.participant)
  return stream && presenter ? { stream, presenter } : null
}

/** Shown whole: what is on it is to be read. */
export function ScreenView({ stream, name }: { readonly stream: MediaStream; readonly name: string }) {
  const box = useRef<HTMLElement>(null)
  const toggle = () => {
    const shown = document.fullscreenElement ? document.exitFullscreen() : box.current?.requestFullscreen()
    // Refused in a frame that may not: the picture stays as large as it is.
    shown?.catch(() => undefined)
  }
  return (
    <section className="screen" ref={box} aria-label={strings.share.screenOf(name)}>
      <Picture key={stream.id} stream={stream} label={strings.share.screenOf(name)} />
      {document.fullscreenEnabled && (
        <IconButton label={strings.share.fullScreen} className="screen-full" onPress={toggle}>
          <FullScreenIcon />
        </IconButton>
      )}
    </section>
  )
}
