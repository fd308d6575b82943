import { useEffect, useState } from 'react'
import type { Client } from '../client'
import { readLink } from '../link'
import { strings } from '../strings'
import { ClientContext, useClientState } from './context'
import { Door } from './Door'
import { Lobby } from './Lobby'
import { Over } from './Over'
import { Room } from './Room'

export function App({ client }: { readonly client: Client }) {
  return (
    <ClientContext value={client}>
      <Screen />
    </ClientContext>
  )
}

function Screen() {
  const { session } = useClientState()
  const [link, setLink] = useState(() => readLink(location))
  /** The ended session that the person came back to the door from. */
  const [returned, setReturned] = useState<object | null>(null)
  const place = session.conference?.name ?? ''
  useEffect(() => {
    const inside = session.phase === 'joined' || session.phase === 'reconnecting'
    document.title = inside && place !== '' ? `${place} · ${strings.product}` : strings.product
  }, [session.phase, place])

  if (session.lobby && (session.phase === 'waiting' || session.phase === 'reconnecting')) return <Lobby />
  switch (session.phase) {
    case 'joined':
    case 'reconnecting':
      return <Room />
    case 'ended':
      if (returned === session) return <Door link={link} />
      return (
        <Over
          onRejoin={() => {
            setLink({ ...link, conference: session.request?.conference ?? link.conference, autojoin: false })
            setReturned(session)
          }}
        />
      )
    default:
      return <Door link={link} />
  }
}
