import { useLayoutEffect, useRef, useState, type ReactNode } from 'react'
import { bestGrid, onStage, tileOrder } from '../layout'
import type { Participant, ParticipantId } from '../protocol'
import { invitation } from '../link'
import { strings } from '../strings'
import { useClientState } from './context'
import { Invite } from './Invite'
import { Picture } from './Picture'
import { ScreenView, useScreen } from './Sharing'
import { Tile } from './Tile'

export type View = 'speaker' | 'grid'

/** Space between tiles, in CSS px; the style sheet has the same. */
const GAP = 10

/** The pictures: the speaker large with the others beside, or everyone in a grid. */
export function Stage({ view, selfView }: { readonly view: View; readonly selfView: boolean }) {
  const { session } = useClientState()
  const [pinned, setPinned] = useState<ParticipantId | null>(null)
  const composite = useComposite()
  const screen = useScreen()
  if (session.roster.length <= 1) return <Alone />
  if (composite) return <Composite stream={composite} />
  const people = tileOrder(session).filter(({ id }) => selfView || id !== session.self)
  if (screen) return <Presentation stream={screen.stream} presenter={screen.presenter} people={people} />
  if (view === 'grid') return <Grid people={people} />
  const star = onStage(session, pinned)
  const others = people.filter(({ id }) => id !== star?.id)
  return (
    <div className="speaker-view" data-pair={others.length === 1 || undefined}>
      <section className="stage" aria-label={strings.room.stage}>
        {star && (
          <Tile
            key={star.id}
            participant={star}
            size="stage"
            pinned={pinned === star.id}
            onPin={(on) => setPinned(on ? star.id : null)}
          />
        )}
      </section>
      <Strip>
        {others.map((participant) => (
          <Tile key={participant.id} participant={participant} onPin={(on) => setPinned(on ? participant.id : null)} />
        ))}
      </Strip>
    </div>
  )
}

/** Small pictures in a column. */
function Strip({ children }: { readonly children: ReactNode }) {
  return (
    // What scrolls must be in reach of the keyboard, which axe checks.
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex
    <section className="strip" aria-label={strings.room.tiles} tabIndex={0}>
      {children}
    </section>
  )
}

interface PresentationProps {
  readonly stream: MediaStream
  readonly presenter: Participant
  readonly people: readonly Participant[]
}

/** Somebody's screen, and everybody beside it. */
function Presentation({ stream, presenter, people }: PresentationProps) {
  const inOrder = [presenter, ...people.filter(({ id }) => id !== presenter.id)]
  return (
    <div className="speaker-view">
      <ScreenView stream={stream} name={presenter.name} />
      <Strip>
        {inOrder.map((participant) => (
          <Tile key={participant.id} participant={participant} />
        ))}
      </Strip>
    </div>
  )
}

/** The one picture of all that the server composes, once it is on its way. */
function useComposite(): MediaStream | null {
  const { session, pictures } = useClientState()
  const slot = session.video.find(({ composite }) => composite)
  return slot ? (pictures.get(slot.mid) ?? null) : null
}

/** Shown whole: names and signs are in the picture. */
function Composite({ stream }: { readonly stream: MediaStream }) {
  return (
    <section className="composite" aria-label={strings.room.composite}>
      <Picture key={stream.id} stream={stream} label={strings.room.composite} />
    </section>
  )
}

function Grid({ people }: { readonly people: readonly Participant[] }) {
  const box = useRef<HTMLElement>(null)
  const [size, setSize] = useState({ width: 0, height: 0 })
  useLayoutEffect(() => {
    const element = box.current
    if (!element) return undefined
    const observer = new ResizeObserver(([entry]) => {
      if (entry) setSize({ width: entry.contentRect.width, height: entry.contentRect.height })
    })
    observer.observe(element)
    return () => observer.disconnect()
  }, [])
  const grid = bestGrid(size.width, size.height, people.length, GAP)
  return (
    <section className="grid-view" ref={box} aria-label={strings.room.tiles}>
      {people.map((participant) => (
        <div key={participant.id} className="cell" style={{ width: grid.width, height: grid.height }}>
          <Tile participant={participant} />
        </div>
      ))}
    </section>
  )
}

/** Nobody else yet: how the others get here. */
function Alone() {
  const { session } = useClientState()
  const mine = session.roster[0]
  return (
    <div className="alone">
      {mine && <Tile participant={mine} size="stage" />}
      <section className="alone-card" aria-label={strings.people.invite}>
        <h2>{strings.room.alone}</h2>
        <p>{strings.room.aloneLead}</p>
        {session.conference && (
          <Invite link={invitation(location.origin, session.conference.id)} dialIn={session.dialIn} />
        )}
      </section>
    </div>
  )
}
