import { useEffect, useRef, useState } from 'react'
import { Button } from 'react-aria-components'
import { REACTIONS } from '../../companion/emoticons'
import type { Post } from '../../companion/log'
import type { File } from '../../companion/protocol'
import { fileAddress, imageAddress } from '../../companion/rest'
import { write } from '../../companion/route'
import type { Talk } from '../../companion/state'
import { bytes, clock, joined, words } from '../../companion/words'
import { IconButton } from '../controls'
import { CameraIcon, LinkIcon } from '../icons'
import { Face, Name } from './bits'
import { confer } from './confer'
import { nameOf, useCompanion, usePage } from './context'
import { copy } from './copy'
import { EmojiMenu } from './EmojiMenu'
import { BinIcon, FileIcon, PenIcon } from './icons'
import { Drawing } from './Ink'
import { Markdown } from './Markdown'

/** Longer posts of rooms show as their story, in characters. */
const STORY = 280

interface EntryProps {
  readonly post: Post
  readonly talk: Talk
  /** Stands under the name of the post before. */
  readonly below: boolean
  readonly wanted: boolean
  readonly editing: boolean
  readonly setEditing: (seq: number | null) => void
}

/** One line of the timeline: a post, or what happened. */
export function Entry(props: EntryProps) {
  const { post, below, wanted } = props
  if (post.kind !== 'text' && post.kind !== 'ink') return <Happened post={post} talk={props.talk} />
  return (
    <li className="post" data-seq={post.seq} data-below={below || undefined} data-wanted={wanted || undefined} data-high={post.body.importance === 'high' || undefined}>
      {below ? <time className="post-side">{clock(post.ts)}</time> : <Face user={post.sender} bare />}
      <div className="post-body">
        {!below && (
          <p className="post-head">
            <Name user={post.sender} />
            <time dateTime={new Date(post.ts).toISOString()}>{clock(post.ts)}</time>
            {post.body.importance === 'high' && <span className="important">{words.talk.important}</span>}
          </p>
        )}
        <Content {...props} />
        {post.edited && !post.deleted && <span className="edited">({words.talk.edited})</span>}
        <Reactions {...props} />
      </div>
      {!post.deleted && <Tools {...props} />}
    </li>
  )
}

function Content({ post, talk, editing, setEditing }: EntryProps) {
  const { preferences } = usePage()
  const [open, setOpen] = useState(false)
  const text = post.body.text ?? ''
  if (post.deleted) return <p className="deleted">{words.talk.deleted}</p>
  if (editing) return <Editor post={post} talk={talk} close={() => setEditing(null)} />
  if (post.kind === 'ink') return <Drawing body={post.body} />
  const folds = talk.info.kind === 'room' && (post.body.story !== undefined || text.length > STORY)
  return (
    <>
      {folds && !open ? <p className="story">{post.body.story ?? `${text.slice(0, STORY / 2)}…`}</p> : text !== '' && <Markdown text={text} faces={preferences.emoticons} />}
      {folds && (
        <Button className="link-button" aria-expanded={open} onPress={() => setOpen(!open)}>
          {open ? words.talk.close : words.talk.open}
        </Button>
      )}
      {(post.body.files ?? []).map((file) => (
        <Shared key={file.id} file={file} />
      ))}
    </>
  )
}

export function Shared({ file }: { readonly file: File }) {
  return (
    <p className="file">
      {file.image && (
        <a href={fileAddress(file.id)} download={file.name}>
          <img src={imageAddress(file.id)} alt={file.name} loading="lazy" />
        </a>
      )}
      <a className="file-name" href={fileAddress(file.id)} download={file.name}>
        <FileIcon />
        {file.name} <small>{bytes(file.size)}</small>
      </a>
    </p>
  )
}

function Editor({ post, talk, close }: { readonly post: Post; readonly talk: Talk; readonly close: () => void }) {
  const { client } = usePage()
  const [text, setText] = useState(post.body.text ?? '')
  const field = useRef<HTMLTextAreaElement>(null)
  useEffect(() => {
    field.current?.focus()
    field.current?.setSelectionRange(text.length, text.length)
    // Only when it opens.
    // oxlint-disable-next-line react/exhaustive-deps
  }, [])
  const leave = () => {
    close()
    document.querySelector<HTMLElement>('.composer textarea')?.focus()
  }
  const save = () => {
    if (text.trim() !== '' && text !== post.body.text) client.edit(talk.info.id, post.seq, text)
    leave()
  }
  return (
    <form
      className="editor"
      onSubmit={(event) => {
        event.preventDefault()
        save()
      }}
    >
      <textarea
        ref={field}
        className="input"
        aria-label={words.talk.editing}
        value={text}
        rows={Math.min(10, text.split('\n').length + 1)}
        onChange={({ target }) => setText(target.value)}
        onKeyDown={(event) => {
          if (event.key === 'Escape') leave()
          if (event.key !== 'Enter' || event.shiftKey || event.nativeEvent.isComposing) return
          event.preventDefault()
          save()
        }}
      />
      <Button className="button button-small" onPress={leave}>
        {words.talk.cancel}
      </Button>
      <Button className="button button-small button-primary" type="submit">
        {words.talk.save}
      </Button>
    </form>
  )
}

function Reactions({ post, talk }: EntryProps) {
  const { client } = usePage()
  const state = useCompanion()
  const me = state.me?.id ?? ''
  if (post.reactions.length === 0) return null
  return (
    <div className="reactions">
      {post.reactions.map(({ emoji, users }) => (
        <Button
          key={emoji}
          className="reaction"
          aria-pressed={users.includes(me)}
          aria-label={words.talk.reaction(emoji, joined(users.map((id) => nameOf(state, id))))}
          onPress={() => client.react(talk.info.id, post.seq, emoji, !users.includes(me))}
        >
          {emoji} {users.length}
        </Button>
      ))}
    </div>
  )
}

function Tools({ post, talk, setEditing }: EntryProps) {
  const { client } = usePage()
  const state = useCompanion()
  const { id } = talk.info
  const own = post.sender === state.me?.id
  return (
    <div className="post-tools">
      <EmojiMenu label={words.talk.react} className="emoji-row" emojis={REACTIONS} pick={(emoji) => client.react(id, post.seq, emoji, true)} />
      <IconButton className="quiet" label={words.talk.copyLink} onPress={() => copy(client, location.origin + write({ screen: 'talk', conversation: id, seq: post.seq }), words.talk.copied)}>
        <LinkIcon />
      </IconButton>
      {own && post.kind === 'text' && (
        <IconButton className="quiet" label={words.talk.edit} onPress={() => setEditing(post.seq)}>
          <PenIcon />
        </IconButton>
      )}
      {(own || talk.info.room?.role === 'manager' || (talk.info.room && state.me?.role === 'admin')) && (
        <IconButton className="quiet" label={words.talk.erase} onPress={() => client.erase(id, post.seq)}>
          <BinIcon />
        </IconButton>
      )}
    </div>
  )
}

/** Who came and went, what it is called now, conferences. */
function Happened({ post: { seq, kind, sender, body }, talk }: Pick<EntryProps, 'post' | 'talk'>) {
  const { client } = usePage()
  const state = useCompanion()
  const names = joined((body.users ?? []).map((id) => nameOf(state, id)))
  const who = nameOf(state, sender)
  if (kind === 'call') {
    const live = body.state !== 'ended'
    return (
      <li className="happened" data-seq={seq}>
        <CameraIcon /> {body.missed?.includes(state.me?.id ?? '') ? `${words.calls.missed} · ` : ''}
        {words.talk.callStarted(who)}
        {live ? (
          <Button className="button button-small button-primary" onPress={() => void confer(client, talk.info.id, body.media ?? ['audio'])}>
            {words.talk.join}
          </Button>
        ) : (
          ` · ${words.talk.callEnded}`
        )}
      </li>
    )
  }
  const change = body.topic === undefined ? words.talk.subject(who, body.subject ?? '') : words.talk.topic(who, body.topic)
  return (
    <li className="happened" data-seq={seq}>
      {kind === 'join' ? words.talk.joined(names) : kind === 'leave' ? words.talk.left(names) : change}
    </li>
  )
}
