import { useState } from 'react'
import { Button, Switch } from 'react-aria-components'
import type { Room } from '../../companion/protocol'
import { words } from '../../companion/words'
import { Choice, Field, Sheet } from './bits'
import { usePage } from './context'

/** Makes a room, or changes one. */
export function RoomForm({ room, close }: { readonly room: Room | null; readonly close: () => void }) {
  const { client, go } = usePage()
  const [name, setName] = useState(room?.name ?? '')
  const [category, setCategory] = useState(room?.category ?? '')
  const [topic, setTopic] = useState(room?.topic ?? '')
  const [description, setDescription] = useState(room?.description ?? '')
  const [access, setAccess] = useState<Room['access']>(room?.access ?? 'open')
  const [auditorium, setAuditorium] = useState(room?.auditorium ?? false)
  const save = async () => {
    const told = { name: name.trim(), category: category.trim(), topic: topic.trim(), description: description.trim(), access, auditorium }
    if (room) {
      if (await client.request('room_set', { room: room.id, ...told })) close()
      return
    }
    const made = await client.conversation('room_create', told)
    if (made === null) return
    close()
    go({ screen: 'talk', conversation: made, seq: 0 })
  }
  return (
    <Sheet title={room ? words.details.settings : words.rooms.create} onClose={close} wide>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          if (name.trim() !== '') void save()
        }}
      >
        <Field label={words.rooms.name} value={name} onChange={setName} most={100} />
        <Field label={words.rooms.category} value={category} onChange={setCategory} most={100} />
        <Field label={words.rooms.topic} value={topic} onChange={setTopic} />
        <Field label={words.rooms.description} value={description} onChange={setDescription} most={1_000} />
        <Choice<Room['access']>
          label={words.rooms.accessLabel}
          value={access}
          options={(['open', 'closed', 'secret'] as const).map((one) => [one, `${words.rooms.access[one]}: ${words.rooms.accessHints[one]}`] as const)}
          onChange={setAccess}
        />
        <Switch className="switch" isSelected={auditorium} onChange={setAuditorium}>
          <span>
            {words.rooms.auditorium}
            <small>{words.rooms.auditoriumHint}</small>
          </span>
          <span className="switch-track" aria-hidden="true" />
        </Switch>
        <div className="dialog-actions">
          {room && <Remove room={room} />}
          <Button className="button button-primary" type="submit" isDisabled={name.trim() === ''}>
            {words.rooms.save}
          </Button>
        </div>
      </form>
    </Sheet>
  )
}

/** Asks once more, in the same place: what is deleted is gone. */
function Remove({ room }: { readonly room: Room }) {
  const { client, go } = usePage()
  const [sure, setSure] = useState(false)
  const remove = async () => {
    if (await client.request('room_delete', { room: room.id, name: room.name })) go({ screen: 'rooms' })
  }
  if (!sure) {
    return (
      <Button className="button" onPress={() => setSure(true)}>
        {words.rooms.remove}
      </Button>
    )
  }
  return (
    <>
      <p className="field-error" role="alert">
        {words.rooms.removeSure}
      </p>
      <Button className="button" onPress={() => setSure(false)}>
        {words.confirm.cancel}
      </Button>
      <Button className="button button-danger" onPress={() => void remove()}>
        {words.rooms.remove}
      </Button>
    </>
  )
}
