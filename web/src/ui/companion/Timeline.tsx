import { Fragment, useEffect, useLayoutEffect, useMemo, useRef, useState } from 'react'
import { Button } from 'react-aria-components'
import { posts, whole, type Post } from '../../companion/log'
import { plain } from '../../companion/markdown'
import type { Outgoing, Talk } from '../../companion/state'
import { around, earlier, later, windowOf, type Window } from '../../companion/window'
import { day, joined, words } from '../../companion/words'
import { nameOf, useCompanion, usePage } from './context'
import { Entry } from './Entry'
import { Pending } from './Pending'

/** Distance from the end that still counts as being there, in pixels. */
const NEAR = 60
/** Posts of one author within this many ms stand under one name. */
const TOGETHER = 300_000

interface TimelineProps {
  readonly talk: Talk
  readonly editing: number | null
  readonly setEditing: (seq: number | null) => void
}

/** What was said, oldest first, with the days, the line of the unread, and what is not sent yet. */
export function Timeline({ talk, editing, setEditing }: TimelineProps) {
  const { client, route, go } = usePage()
  const state = useCompanion()
  const { id, read_seq } = talk.info
  const excerpt = state.excerpt?.conversation === id ? state.excerpt : null
  const log = excerpt?.log ?? talk.log
  const shown = useMemo(() => posts(log).filter(tells), [log])
  const waiting = state.outbox.filter((one) => one.conversation === id)
  const [readThen] = useState(() => (talk.info.unread > 0 ? read_seq : null))
  const wanted = route.screen === 'talk' ? route.seq : 0
  const [window, move] = useWindow(shown, wanted)
  const { place, scrolled, older } = useScroll(talk, shown, window, move, waiting.length, excerpt !== null)
  const drawn = shown.slice(window.start, window.end)
  const before = (at: number) => shown[window.start + at - 1]
  const divider = readThen === null ? undefined : shown.find(({ seq, sender }) => seq > readThen && sender !== state.me?.id)?.seq
  useWanted(place, wanted, shown)

  return (
    // oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- what scrolls must be reached by keyboard
    <div className="timeline" ref={place} onScroll={scrolled} role="region" aria-label={words.talk.timeline} tabIndex={0}>
      {(window.start > 0 || (excerpt === null && !whole(talk.log) && talk.log.events.length > 0)) && (
        <Button className="link-button timeline-older" onPress={() => void older()}>
          {words.talk.older}
        </Button>
      )}
      {excerpt === null && window.start === 0 && whole(talk.log) && <p className="timeline-note">{words.talk.start}</p>}
      <ol>
        {drawn.map((post, at) => (
          <Fragment key={post.seq}>
            {post.seq === divider && <li className="unread-line"><span>{words.talk.divider}</span></li>}
            {newDay(post, before(at)) && <li className="day"><span>{day(post.ts)}</span></li>}
            <Entry
              post={post}
              talk={talk}
              below={follows(post, before(at)) && post.seq !== divider}
              wanted={post.seq === wanted}
              editing={post.seq === editing}
              setEditing={setEditing}
            />
          </Fragment>
        ))}
        {excerpt === null && window.end === shown.length && waiting.map((outgoing) => <Pending key={outgoing.client_id} outgoing={outgoing} />)}
      </ol>
      {excerpt === null && <Receipts talk={talk} shown={shown} waiting={waiting} />}
      {excerpt !== null && (
        <Button className="button button-small timeline-newest" onPress={() => go({ screen: 'talk', conversation: id, seq: 0 })}>
          {words.talk.newest}
        </Button>
      )}
      <Said shown={shown} me={client.snapshot().me?.id ?? ''} />
    </div>
  )
}

/** One line for each conference; none for what changed of a room without its name or topic. */
const tells = ({ kind, seq, body }: Post, _: number, all: readonly Post[]): boolean =>
  kind === 'call' ? all.find((one) => one.kind === 'call' && one.body.conference === body.conference)?.seq === seq : kind !== 'change' || body.subject !== undefined || body.topic !== undefined

const newDay = (post: Post, before: Post | undefined): boolean => !before || new Date(before.ts).toDateString() !== new Date(post.ts).toDateString()

const follows = (post: Post, before: Post | undefined): boolean =>
  before !== undefined && before.sender === post.sender && post.ts - before.ts < TOGETHER && ['text', 'ink'].includes(post.kind) && ['text', 'ink'].includes(before.kind) && !newDay(post, before)

/** Which posts are drawn, and how to move there. */
function useWindow(shown: readonly Post[], wanted: number) {
  const [last, setLast] = useState<number | null>(null)
  const [sought, setSought] = useState(0)
  const there = shown.some(({ seq }) => seq === wanted)
  // While it draws: what is wanted is drawn at once.
  if (wanted !== sought && (there || wanted === 0)) {
    setSought(wanted)
    setLast(wanted === 0 ? null : around(shown, wanted, last))
  }
  return [useMemo(() => windowOf(shown, last), [shown, last]), setLast] as const
}

/** A post that is drawn before and after the window moves, and where it stood. */
interface Anchor {
  readonly seq: string
  readonly top: number
}

/** Keeps the end in view while it is in view, the place while other posts are drawn around it, and the server's read mark. */
function useScroll({ info, log, head }: Talk, shown: readonly Post[], window: Window, move: (last: number | null) => void, waiting: number, excerpt: boolean) {
  const { client } = usePage()
  const place = useRef<HTMLDivElement>(null)
  const end = useRef(true)
  const kept = useRef<Anchor | null>(null)
  const tail = window.end === shown.length
  const first = shown[window.start]?.seq
  useLayoutEffect(() => {
    const element = place.current
    const anchor = kept.current
    if (!element || !anchor) return
    const post = element.querySelector(`[data-seq="${anchor.seq}"]`)
    if (post) element.scrollTop += post.getBoundingClientRect().top - anchor.top
    kept.current = null
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- measured after other posts were drawn
  }, [first, window.end])
  useLayoutEffect(() => {
    const element = place.current
    if (element && end.current && tail && !excerpt) element.scrollTop = element.scrollHeight
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- measured after each drawing of these
  }, [shown, tail, waiting, excerpt])
  useEffect(() => {
    const element = place.current
    if (!element) return undefined
    // The field below grows, a phone's keyboard comes up.
    const resized = new ResizeObserver(() => {
      if (end.current) element.scrollTop = element.scrollHeight
    })
    resized.observe(element)
    return () => resized.disconnect()
  }, [])
  useEffect(() => {
    const mark = () => {
      const loaded = (log.known.at(-1)?.to ?? 0) >= head
      if (document.hasFocus() && end.current && loaded && !excerpt && head > 0) void client.read(info.id, head)
    }
    mark()
    addEventListener('focus', mark)
    return () => removeEventListener('focus', mark)
    // oxlint-disable-next-line react/exhaustive-effect-dependencies -- a count that does not fall to zero is read again
  }, [client, info.id, head, log, excerpt, info.unread])
  const scrolled = () => {
    const element = place.current
    if (!element) return
    if (kept.current) keep()
    const left = element.scrollHeight - element.scrollTop - element.clientHeight
    if (!tail && left < element.clientHeight) {
      keep()
      move(later(shown, window))
    }
    end.current = tail && left < NEAR
    if (end.current && document.hasFocus() && !excerpt) void client.read(info.id, head)
  }
  const keep = () => {
    const top = place.current?.getBoundingClientRect().top ?? 0
    const lines = [...(place.current?.querySelectorAll<HTMLElement>('[data-seq]') ?? [])]
    const post = lines.find((one) => one.getBoundingClientRect().bottom > top)
    kept.current = post ? { seq: post.dataset['seq'] ?? '', top: post.getBoundingClientRect().top } : null
  }
  const older = async () => {
    const next = earlier(shown, window)
    keep()
    end.current = false
    if (window.start === 0) await client.older(info.id)
    if (next === null) return
    keep()
    move(next)
  }
  return { place, scrolled, older }
}

/** Brings the post of a permalink before the eyes. */
function useWanted(place: React.RefObject<HTMLDivElement | null>, wanted: number, shown: readonly Post[]) {
  const there = shown.some(({ seq }) => seq === wanted)
  useEffect(() => {
    if (there) place.current?.querySelector(`[data-seq="${wanted}"]`)?.scrollIntoView({ block: 'center' })
  }, [place, wanted, there])
}

/** How far my last post has got. */
function Receipts({ talk, shown, waiting }: { readonly talk: Talk; readonly shown: readonly Post[]; readonly waiting: readonly Outgoing[] }) {
  const state = useCompanion()
  const last = shown.at(-1)
  if (!last || waiting.length > 0 || last.sender !== state.me?.id || talk.info.kind === 'room') return null
  const marks = Object.entries(talk.marks).filter(([who]) => who !== state.me?.id)
  const readers = marks.filter(([, { read }]) => read >= last.seq).map(([who]) => nameOf(state, who))
  const delivered = marks.some(([, mark]) => mark.delivered >= last.seq)
  return <p className="receipt">{readers.length > 0 ? words.talk.readBy(joined(readers)) : delivered ? words.talk.delivered : words.talk.sent}</p>
}

/** Says new posts of others to whoever listens to the page. */
function Said({ shown, me }: { readonly shown: readonly Post[]; readonly me: string }) {
  const state = useCompanion()
  const [since] = useState(() => Date.now())
  const last = shown.findLast(({ kind }) => kind === 'text')
  const said = last && last.sender !== me && last.ts > since && !last.deleted ? `${nameOf(state, last.sender)}: ${plain(last.body.text ?? '')}` : ''
  return (
    <p className="unseen" aria-live="polite">
      {said}
    </p>
  )
}
