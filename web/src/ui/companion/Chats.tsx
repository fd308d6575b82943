import { useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { plain } from '../../companion/markdown'
import type { CompanionState, Talk } from '../../companion/state'
import { when, words } from '../../companion/words'
import { IconButton } from '../controls'
import { Face, Nothing } from './bits'
import { nameOf, other, title, useCompanion, useNow, usePage } from './context'
import { PeopleIcon } from '../icons'
import { PlusIcon, RoomsIcon } from './icons'
import { byNewest } from './keys'

/** All conversations, the newest first. */
export function Chats() {
  const { ask, route, go } = usePage()
  const state = useCompanion()
  const now = useNow()
  const [sought, setSought] = useState('')
  const shown = byNewest(state)
    .map((id) => state.talks[id])
    .filter((talk) => talk !== undefined)
    .filter((talk) => title(state, talk).toLowerCase().includes(sought.trim().toLowerCase()))
  return (
    <section className="list" aria-label={words.screens.chats}>
      <header className="list-head">
        <h2>{words.screens.chats}</h2>
        {state.me?.role !== 'guest' && (
          <IconButton className="quiet" label={words.chats.new} onPress={() => ask({ dialog: 'new' })}>
            <PlusIcon />
          </IconButton>
        )}
      </header>
      <Input className="input list-search" type="search" value={sought} onChange={({ target }) => setSought(target.value)} aria-label={words.chats.find} placeholder={words.chats.find} />
      {shown.length === 0 && (
        <Nothing title={words.chats.none} hint={words.chats.noneHint}>
          {sought === '' && state.me?.role !== 'guest' && (
            <Button className="button button-primary button-small" onPress={() => ask({ dialog: 'new' })}>
              {words.chats.begin}
            </Button>
          )}
        </Nothing>
      )}
      <ul className="rows">
        {shown.map((talk) => (
          <li key={talk.info.id}>
            <Button
              className="row"
              aria-current={route.screen === 'talk' && route.conversation === talk.info.id}
              data-unread={talk.info.unread > 0 || undefined}
              onPress={() => go({ screen: 'talk', conversation: talk.info.id, seq: 0 })}
            >
              <TalkFace talk={talk} />
              <span className="row-text">
                <span className="row-title">
                  <span className="row-name">{title(state, talk)}</span>
                  <time>{talk.info.last && when(talk.info.last.ts, now)}</time>
                </span>
                <span className="row-sub">
                  <span className="row-last">{lastLine(state, talk)}</span>
                  {talk.info.mentions > 0 && (
                    <span className="count count-mention" aria-label={words.chats.mentions}>
                      @
                    </span>
                  )}
                  {talk.info.unread > 0 && (
                    <span className="count" data-quiet={talk.info.notify === 'none' || undefined} aria-label={words.chats.unread(talk.info.unread)}>
                      {talk.info.unread > 99 ? '99+' : talk.info.unread}
                    </span>
                  )}
                </span>
              </span>
            </Button>
          </li>
        ))}
      </ul>
    </section>
  )
}

export function TalkFace({ talk }: { readonly talk: Talk }) {
  const state = useCompanion()
  const person = other(state, talk)
  if (person) return <Face user={person} />
  return (
    <span className="face face-small">
      <span className="avatar avatar-small avatar-many" aria-hidden="true">
        {talk.info.kind === 'room' ? <RoomsIcon /> : <PeopleIcon />}
      </span>
    </span>
  )
}

function lastLine(state: CompanionState, { info, typing }: Talk): string {
  const typists = Object.keys(typing)
  const [typist] = typists
  if (typist) return words.talk.typing(nameOf(state, typist))
  const draft = state.drafts[info.id]
  if (draft) return `${words.chats.draft}: ${draft}`
  const last = info.last
  if (!last) return info.room?.topic ?? ''
  const who = last.sender === state.me?.id ? words.chats.you : nameOf(state, last.sender)
  const said = last.kind === 'text' || last.kind === 'edit' ? plain(last.body.text ?? '') : ''
  const what = {
    text: said || last.body.files?.map(({ name }) => name).join(', ') || '',
    ink: words.talk.drawing,
    call: last.body.state === 'ended' ? words.talk.callEnded : words.talk.callStarted(who),
    edit: said,
    delete: words.talk.deleted,
    react: last.body.emoji ?? '',
    join: '',
    leave: '',
    change: last.body.subject ?? last.body.topic ?? '',
  }[last.kind]
  if (what === '') return info.room?.topic ?? ''
  return last.kind === 'call' || info.kind === 'direct' && last.sender !== state.me?.id ? what : `${who}: ${what}`
}
