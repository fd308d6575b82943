import { useState } from 'react'
import { Button, Form, Input, Label, TextField } from 'react-aria-components'
import { hue } from '../layout'
import { type Call, isOver } from '../protocol'
import { strings } from '../strings'
import { IconButton } from './controls'
import { useClient, useClientState } from './context'
import { CloseIcon, PhoneIcon } from './icons'

/** For hosts: calls to phones, how far each is, and a form for the next. */
export function Calls() {
  const { session } = useClientState()
  const [open, setOpen] = useState(false)
  return (
    <section className="calls" aria-label={strings.calls.list}>
      {session.calls.length > 0 && (
        <ul className="calls-list" aria-label={strings.calls.list}>
          {session.calls.map((call) => (
            <Row key={call.call} call={call} />
          ))}
        </ul>
      )}
      {open ? (
        <CallForm onClose={() => setOpen(false)} />
      ) : (
        <Button className="button" onPress={() => setOpen(true)}>
          <PhoneIcon /> {strings.calls.open}
        </Button>
      )}
    </section>
  )
}

function Row({ call: { call, name: called, state, transferred } }: { readonly call: Call }) {
  const client = useClient()
  const over = isOver(state)
  const name = transferred === undefined ? called : strings.calls.transfer(transferred, called)
  const said = transferred !== undefined && state === 'failed' ? strings.calls.transferFailed : strings.calls.state[state]
  const stop = state === 'joined' ? strings.calls.hangUp : strings.calls.cancel
  const stopNamed = state === 'joined' ? strings.calls.hangUpNamed(name) : strings.calls.cancelNamed(name)
  return (
    <li className="person">
      <span className={`avatar avatar-small hue-${hue(name)}`} aria-hidden="true">
        <PhoneIcon />
      </span>
      <span className="person-name">
        <span>{name}</span>
        <small role="status">{said}</small>
      </span>
      {over ? (
        <>
          {transferred === undefined && (
            <Button className="button button-small" aria-label={strings.calls.againNamed(name)} onPress={() => client.callAgain(call)}>
              {strings.calls.again}
            </Button>
          )}
          <IconButton label={strings.calls.forget(name)} className="quiet" onPress={() => client.cancelCall(call)}>
            <CloseIcon />
          </IconButton>
        </>
      ) : transferred !== undefined ? null : (
        <Button className="button button-small" aria-label={stopNamed} onPress={() => client.cancelCall(call)}>
          {stop}
        </Button>
      )}
    </li>
  )
}

function CallForm({ onClose }: { readonly onClose: () => void }) {
  const client = useClient()
  const [number, setNumber] = useState('')
  const [name, setName] = useState('')
  return (
    <Form
      className="calls-form"
      onSubmit={(event) => {
        event.preventDefault()
        if (number.trim() === '') return
        client.callPhone(number.trim(), name.trim())
        setNumber('')
        setName('')
        onClose()
      }}
    >
      <TextField className="field" type="tel" value={number} onChange={setNumber} maxLength={40} autoFocus>
        <Label>{strings.calls.number}</Label>
        <Input className="input" />
      </TextField>
      <TextField className="field" value={name} onChange={setName} maxLength={40}>
        <Label>{strings.calls.name}</Label>
        <Input className="input" />
      </TextField>
      <p>{strings.calls.hint}</p>
      <div className="calls-actions">
        <Button className="button button-primary" type="submit" isDisabled={number.trim() === ''}>
          {strings.calls.call}
        </Button>
        <Button className="button" onPress={onClose}>
          {strings.calls.close}
        </Button>
      </div>
    </Form>
  )
}
