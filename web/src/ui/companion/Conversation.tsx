import { lazy, Suspense, useEffect, useRef, useState, type DragEvent } from 'react'
import { Button } from 'react-aria-components'
import type { Talk } from '../../companion/state'
import { joined, words } from '../../companion/words'
import { IconButton } from '../controls'
import { CameraIcon, PeopleIcon, PhoneIcon, ShareIcon } from '../icons'
import { Name } from './bits'
import { Composer, type ComposerHandle } from './Composer'
import { confer } from './confer'
import { nameOf, other, presenceOf, stateText, title, useCompanion, usePage } from './context'
import { TalkFace } from './Chats'
import { BackIcon, PersonAddIcon } from './icons'
import { Timeline } from './Timeline'

const Details = lazy(async () => ({ default: (await import('./Details')).Details }))

/** One conversation: who, what was said, and the place to write. */
export function Conversation({ talk }: { readonly talk: Talk }) {
  const { client, route } = usePage()
  const state = useCompanion()
  const [details, setDetails] = useState(() => talk.info.kind === 'room' && innerWidth > 1100)
  const [over, setOver] = useState(false)
  const [editing, setEditing] = useState<number | null>(null)
  const composer = useRef<ComposerHandle>(null)
  const { id } = talk.info
  const seq = route.screen === 'talk' ? route.seq : 0
  useEffect(() => {
    void client.show(id)
    return () => void client.show(null)
  }, [client, id])
  useEffect(() => void client.jump(id, seq), [client, id, seq])

  const dropped = (event: DragEvent) => {
    event.preventDefault()
    setOver(false)
    composer.current?.attach([...event.dataTransfer.files])
  }
  const silent = talk.info.room?.auditorium === true && !['presenter', 'manager'].includes(talk.info.room.role) && state.me?.role !== 'admin'
  return (
    <div className="talk" data-details={details || undefined}>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-element-interactions -- the button for files does the same */}
      <section
        className="talk-main"
        aria-label={words.talk.region(title(state, talk))}
        data-over={over || undefined}
        onDragOver={(event) => {
          if (![...event.dataTransfer.types].includes('Files')) return
          event.preventDefault()
          setOver(true)
        }}
        onDragLeave={(event) => event.currentTarget === event.target && setOver(false)}
        onDrop={dropped}
      >
        <Head talk={talk} details={details} setDetails={setDetails} />
        <Timeline talk={talk} editing={editing} setEditing={setEditing} />
        <Typing talk={talk} />
        {silent ? (
          <p className="silent">{words.talk.silent}</p>
        ) : (
          <Composer ref={composer} talk={talk} editLast={() => setEditing(lastOwn(talk, state.me?.id ?? ''))} />
        )}
        {over && <div className="drop-hint">{words.talk.drop}</div>}
      </section>
      {details && (
        <Suspense fallback={<aside className="details" />}>
          <Details talk={talk} close={() => setDetails(false)} />
        </Suspense>
      )}
    </div>
  )
}

const lastOwn = ({ log }: Talk, me: string): number | null => log.events.findLast(({ kind, sender }) => kind === 'text' && sender === me)?.seq ?? null

interface HeadProps {
  readonly talk: Talk
  readonly details: boolean
  readonly setDetails: (open: boolean) => void
}

function Head({ talk, details, setDetails }: HeadProps) {
  const { client, go, ask } = usePage()
  const state = useCompanion()
  const person = other(state, talk)
  const shown = person ? presenceOf(state, person) : null
  const sub = shown ? [stateText(shown), shown.subject || shown.note || shown.oof].filter((part) => part !== '').join(' · ') : (talk.info.room?.topic ?? talk.info.members.map((id) => nameOf(state, id)).join(', '))
  const call = (media: readonly string[]) => () => void confer(client, talk.info.id, media)
  return (
    <header className="talk-head">
      <IconButton className="quiet only-narrow" label={words.talk.back} onPress={() => go({ screen: 'chats' })}>
        <BackIcon />
      </IconButton>
      <TalkFace talk={talk} />
      <div className="talk-title">
        <h1>{person ? <Name user={person} bare /> : title(state, talk)}</h1>
        <p>{sub}</p>
      </div>
      <div className="talk-tools">
        {state.me?.role !== 'guest' && (
          <>
            <IconButton className="quiet" label={words.talk.call} onPress={call(['audio'])}>
              <PhoneIcon />
            </IconButton>
            <IconButton className="quiet" label={words.talk.video} onPress={call(['audio', 'video'])}>
              <CameraIcon />
            </IconButton>
            <IconButton className="quiet wide-only" label={words.talk.share} onPress={call(['audio', 'share'])}>
              <ShareIcon />
            </IconButton>
            {talk.info.kind !== 'room' && (
              <IconButton className="quiet wide-only" label={words.talk.add} onPress={() => ask({ dialog: 'add', conversation: talk.info.id })}>
                <PersonAddIcon />
              </IconButton>
            )}
          </>
        )}
        <Button className={`icon-button quiet ${details ? 'is-pressed' : ''}`} aria-label={words.talk.details} aria-pressed={details} onPress={() => setDetails(!details)}>
          <PeopleIcon />
        </Button>
      </div>
    </header>
  )
}

function Typing({ talk }: { readonly talk: Talk }) {
  const state = useCompanion()
  const names = Object.keys(talk.typing).map((id) => nameOf(state, id))
  return (
    <p className="typing" role="status">
      {names.length > 0 && words.talk.typing(joined(names))}
    </p>
  )
}
