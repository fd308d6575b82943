import { useEffect, useState } from 'react'
import { Button, Input } from 'react-aria-components'
import { list, room as asRoom, type Room } from '../../companion/protocol'
import { words } from '../../companion/words'
import { Choice, Nothing } from './bits'
import { useCompanion, usePage } from './context'
import { RoomForm } from './RoomForm'

/** Rest between the last key and the question to the server, in ms. */
const REST = 200

/** The directory of rooms that I may know of. */
export function Rooms() {
  const { client, go } = usePage()
  const state = useCompanion()
  const [query, setQuery] = useState('')
  const [category, setCategory] = useState('')
  const [found, setFound] = useState<{ readonly rooms: readonly Room[]; readonly next: unknown }>({ rooms: [], next: undefined })
  const [categories, setCategories] = useState<readonly string[]>([])
  const [creating, setCreating] = useState(false)

  useEffect(() => {
    const timer = setTimeout(() => {
      void client.request('rooms', { ...(query.trim() !== '' && { query: query.trim() }), ...(category !== '' && { category }) }).then((answer) => {
        if (!answer) return
        const rooms = list(answer, 'rooms', asRoom)
        setFound({ rooms, next: answer['next'] })
        setCategories((known) => [...new Set([...known, ...rooms.map((one) => one.category)])].filter((one) => one !== '').toSorted())
      })
    }, REST)
    return () => clearTimeout(timer)
  }, [client, query, category])
  const more = async () => {
    const answer = await client.request('rooms', { ...(query.trim() !== '' && { query: query.trim() }), ...(category !== '' && { category }), after: found.next })
    if (answer) setFound({ rooms: [...found.rooms, ...list(answer, 'rooms', asRoom)], next: answer['next'] })
  }
  const enter = async (room: Room) => {
    const id = state.talks[room.id] ? room.id : await client.conversation('room_join', { room: room.id })
    if (id !== null) go({ screen: 'talk', conversation: id, seq: 0 })
  }
  return (
    <section className="screen" aria-label={words.rooms.title}>
      <header className="screen-head">
        <h1>{words.rooms.title}</h1>
        <Button className="button button-primary button-small" onPress={() => setCreating(true)}>
          {words.rooms.create}
        </Button>
      </header>
      <div className="screen-search">
        <Input className="input" type="search" value={query} onChange={({ target }) => setQuery(target.value)} aria-label={words.rooms.search} placeholder={words.rooms.search} />
        <Choice
          hidden
          label={words.rooms.category}
          value={category}
          options={[['', words.rooms.everything], ...categories.map((one) => [one, one] as const)]}
          onChange={setCategory}
        />
      </div>
      {found.rooms.length === 0 && <Nothing title={words.rooms.none} hint={words.rooms.noneHint} />}
      <ul className="tiles">
        {found.rooms.map((room) => {
          const inside = room.role !== '' || state.talks[room.id] !== undefined
          return (
            <li key={room.id} className="room-tile">
              <p className="room-category">{room.category}</p>
              <h2>{room.name}</h2>
              <p className="room-topic">{room.topic || room.description}</p>
              <p className="hint">
                {words.rooms.access[room.access]} · {words.rooms.people(room.people)}
                {room.auditorium && ` · ${words.rooms.auditorium}`}
              </p>
              {inside || room.access === 'open' ? (
                <Button className="button button-small" aria-label={`${inside ? words.rooms.open : words.rooms.join}: ${room.name}`} onPress={() => void enter(room)}>
                  {inside ? words.rooms.open : words.rooms.join}
                </Button>
              ) : (
                <span className="badge">{words.rooms.asked}</span>
              )}
            </li>
          )
        })}
      </ul>
      {found.next !== undefined && (
        <Button className="button button-small" onPress={() => void more()}>
          {words.rooms.loadMore}
        </Button>
      )}
      {creating && <RoomForm room={null} close={() => setCreating(false)} />}
    </section>
  )
}
