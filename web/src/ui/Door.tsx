import { useEffect, useMemo, useRef, useState, type FormEvent } from 'react'
import { Button, FieldError, Form, Input, Label, Text, TextField } from 'react-aria-components'
import { trackOf } from '../devices'
import { initials } from '../layout'
import { tidyNumber, type Link } from '../link'
import { loadPreferences, savePreferences } from '../preferences'
import { loadInfo, type Demo, type ServerInfo } from '../info'
import { strings } from '../strings'
import { Alert, Brand, IconButton } from './controls'
import { useClient, useClientState, useDevices } from './context'
import { DeviceFaults, DevicePickers } from './DevicePickers'
import { CameraIcon, CameraOffIcon, MicIcon, MicOffIcon } from './icons'
import { Picture } from './Picture'

/** The page before the conference: how one looks and sounds, and which conference. */
export function Door({ link }: { readonly link: Link }) {
  const { session } = useClientState()
  const [name, setName] = useState(() => session.request?.name || link.name || loadPreferences().name)
  useOpenDevices(link)
  return (
    <div className="door">
      <header className="door-header">
        <Brand />
      </header>
      <main className="door-main">
        <section className="door-preview" aria-label={strings.door.previewLabel}>
          <Preview name={name} />
          <DevicePickers />
        </section>
        <section className="door-form">
          <JoinForm link={link} name={name} setName={setName} />
        </section>
      </main>
    </div>
  )
}

/** Asks for what was used last time, once per visit. */
function useOpenDevices(link: Link): void {
  const { devices } = useClient()
  const asked = useRef(false)
  useEffect(() => {
    if (asked.current) return
    asked.current = true
    const { microphone, camera } = devices.snapshot()
    const remembered = loadPreferences()
    const wantsMicrophone = link.microphone && microphone.status === 'off'
    const wantsCamera = link.camera && remembered.cameraOn && camera.status === 'off'
    void devices.open(wantsMicrophone, wantsCamera)
  }, [devices, link])
}

function Preview({ name }: { readonly name: string }) {
  const { devices } = useClient()
  const { microphone, camera, muted } = useDevices()
  const track = trackOf(camera)
  const stream = useMemo(() => (track ? new MediaStream([track]) : null), [track])
  const off = muted || microphone.status === 'off' || microphone.status === 'fault'
  const asking = microphone.status === 'starting' || camera.status === 'starting'
  return (
    <div className="preview">
      {stream ? (
        <Picture stream={stream} label={strings.door.previewLabel} mirrored />
      ) : (
        <div className="preview-empty">
          {name.trim() !== '' && <span className="avatar avatar-large hue-0">{initials(name)}</span>}
          <p>{asking ? strings.door.allow : strings.door.cameraOff}</p>
        </div>
      )}
      <div className="preview-bar">
        <IconButton
          label={off ? strings.bar.unmute : strings.bar.mute}
          className={off ? 'on-picture is-off' : 'on-picture'}
          onPress={() => void devices.setMuted(!off)}
        >
          {off ? <MicOffIcon /> : <MicIcon />}
        </IconButton>
        <IconButton
          label={track ? strings.bar.cameraOff : strings.bar.cameraOn}
          className={track ? 'on-picture' : 'on-picture is-off'}
          onPress={() => void devices.toggleCamera()}
        >
          {track ? <CameraIcon /> : <CameraOffIcon />}
        </IconButton>
      </div>
    </div>
  )
}

interface JoinFormProps {
  readonly link: Link
  readonly name: string
  readonly setName: (name: string) => void
}

function JoinForm({ link, name, setName }: JoinFormProps) {
  const client = useClient()
  const { session } = useClientState()
  const { microphone } = useDevices()
  const [conference, setConference] = useState(session.request?.conference ?? link.conference)
  const [pin, setPin] = useState(session.request?.pin ?? link.pin)
  const [pinWished, setPinWished] = useState(false)
  const [missing, setMissing] = useState(false)
  const info = useServerInfo()
  const fixed = link.conference !== '' && session.refusal !== 'conference_unknown'
  const asked = session.refusal === 'wrong_pin'
  const pinShown = pinWished || asked || link.pin !== ''
  const joining = session.phase === 'joining'

  const join = () => {
    const wanted = tidyNumber(conference)
    setMissing(true)
    if (joining || name.trim() === '' || wanted === '') return
    savePreferences({ name: name.trim() })
    const key = tidyNumber(pin)
    client.join({
      conference: wanted,
      name: name.trim(),
      ...(key === '' ? {} : { pin: key }),
      ...(link.token === '' ? {} : { token: link.token }),
    })
  }
  useAutojoin(link, join)

  return (
    <Form
      className="form"
      validationBehavior="aria"
      onSubmit={(event: FormEvent) => {
        event.preventDefault()
        join()
      }}
    >
      <div>
        <h1>{fixed ? strings.door.titleOf(link.conference) : strings.door.title}</h1>
        <p className="lead">{strings.door.lead}</p>
      </div>
      <RefusalAlert />
      {!fixed && (
        <Field
          label={strings.door.conference}
          value={conference}
          onChange={setConference}
          error={missing && tidyNumber(conference) === '' ? strings.door.conferenceMissing : ''}
          numeric
        />
      )}
      <Field
        label={strings.door.name}
        value={name}
        onChange={setName}
        placeholder={strings.door.namePlaceholder}
        autoComplete="name"
        error={missing && name.trim() === '' ? strings.door.nameMissing : ''}
      />
      {pinShown ? (
        <Field label={strings.door.pin} value={pin} onChange={setPin} hint={strings.door.pinHint} numeric secret focus={asked || pinWished} />
      ) : (
        <Button className="link-button" onPress={() => setPinWished(true)}>
          {strings.door.havePin}
        </Button>
      )}
      <DeviceFaults />
      <Button type="submit" className="button button-primary button-large" data-pending={joining || undefined}>
        {joining ? strings.door.joining : strings.door.join}
      </Button>
      {microphone.status === 'off' && <p className="hint">{strings.door.listening}</p>}
      <DemoButton
        demo={info?.demo ?? null}
        conference={tidyNumber(conference)}
        pin={pinShown ? pin : null}
        onChoose={(demo) => {
          setConference(demo.conference)
          setPin(demo.pin)
          setPinWished(demo.pin !== '')
        }}
      />
      {!fixed && info?.companion && (
        <a className="link-button" href="/app">
          {strings.door.signIn}
        </a>
      )}
      {microphone.status === 'fault' && info?.sip && <p className="hint">{strings.door.dialIn(info.sip)}</p>}
    </Form>
  )
}

interface DemoButtonProps {
  readonly demo: Demo | null
  readonly conference: string
  /** What stands in the PIN field, where it is shown. */
  readonly pin: string | null
  readonly onChoose: (demo: Demo) => void
}

/** Leads a newcomer to the demo, and tells its PIN to whoever stands before it. */
function DemoButton({ demo, conference, pin, onChoose }: DemoButtonProps) {
  if (!demo || (conference !== '' && conference !== demo.conference)) return null
  const there = conference === demo.conference
  if (there && (pin === null || pin === demo.pin)) return null
  return (
    <Button className="link-button" onPress={() => onChoose(demo)}>
      {there ? strings.door.demoPin(demo.pin) : strings.door.demo(demo.conference)}
    </Button>
  )
}

/** Why the last try failed. A PIN that was never given is a question, not a mistake. */
function RefusalAlert() {
  const { session } = useClientState()
  if (session.refusal === null) return null
  const unasked = session.refusal === 'wrong_pin' && session.request?.pin === undefined
  const { title, fix } = unasked ? strings.door.pinAsked : strings.refusals[session.refusal]
  return <Alert title={title} fix={fix} tone={unasked ? 'info' : 'error'} />
}

/** `autojoin=1`: walks in as soon as the devices have been decided. */
function useAutojoin(link: Link, join: () => void): void {
  const { microphone, camera } = useDevices()
  const settled = useRef(!link.autojoin)
  const waiting = microphone.status === 'starting' || camera.status === 'starting'
  const started = (microphone.status !== 'off' || !link.microphone) && !waiting
  useEffect(() => {
    if (settled.current || !started) return
    settled.current = true
    join()
  }, [started, join])
}

function useServerInfo(): ServerInfo | null {
  const [info, setInfo] = useState<ServerInfo | null>(null)
  useEffect(() => {
    void loadInfo().then(setInfo)
  }, [])
  return info
}

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly placeholder?: string
  readonly hint?: string
  readonly error?: string
  readonly autoComplete?: string
  readonly numeric?: boolean
  readonly secret?: boolean
  readonly focus?: boolean
}

function Field({ label, value, onChange, placeholder = '', hint, error = '', autoComplete = 'off', ...more }: FieldProps) {
  const input = useRef<HTMLInputElement>(null)
  const { focus = false, numeric = false, secret = false } = more
  useEffect(() => {
    if (focus) input.current?.focus()
  }, [focus])
  return (
    <TextField className="field" value={value} onChange={onChange} isInvalid={error !== ''} maxLength={80} autoComplete={autoComplete}>
      <Label className="label">{label}</Label>
      <Input
        ref={input}
        className={secret ? 'input input-secret' : 'input'}
        placeholder={placeholder}
        inputMode={numeric ? 'numeric' : 'text'}
      />
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
      <FieldError className="field-error">{error}</FieldError>
    </TextField>
  )
}
