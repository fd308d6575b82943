import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from 'react-aria-components'
import type { ReactNode } from 'react'
import { CAMERA_SIZES, canChooseSpeaker, trackOf, type CameraSize, type DeviceKind, type SourceKind } from '../devices'
import { strings } from '../strings'
import { Alert } from './controls'
import { useClient, useDevices } from './context'
import { CameraIcon, CheckIcon, ChevronIcon, MicIcon, SoundIcon } from './icons'
import { LevelMeter } from './LevelMeter'

const icons = { microphone: MicIcon, camera: CameraIcon, speaker: SoundIcon }
const DEFAULT = 'default'

/** The three device lists, with the microphone's level under its own. */
export function DevicePickers() {
  const { microphone, muted } = useDevices()
  return (
    <div className="pickers">
      <div>
        <DevicePicker kind="microphone" />
        <LevelMeter track={trackOf(microphone)} muted={muted} />
      </div>
      <DevicePicker kind="camera" />
      {canChooseSpeaker && <DevicePicker kind="speaker" />}
    </div>
  )
}

function DevicePicker({ kind }: { readonly kind: DeviceKind }) {
  const client = useClient()
  const { devices, chosen } = useDevices()
  const listed = devices[kind].filter(({ id }) => id !== DEFAULT)
  const options = [{ id: DEFAULT, label: strings.devices.default }, ...listed]
  const selected = options.some(({ id }) => id === chosen[kind]) ? chosen[kind] : DEFAULT
  return (
    <Choice
      label={strings.devices[kind]}
      icon={icons[kind]}
      options={options}
      selected={selected}
      disabled={listed.length === 0}
      onChoose={(id) => void client.devices.choose(kind, id === DEFAULT ? '' : id)}
    />
  )
}

/** How large one's own camera is. */
export function CameraSizePicker() {
  const client = useClient()
  const { cameraSize } = useDevices()
  const sizes = Object.keys(CAMERA_SIZES) as CameraSize[]
  return (
    <Choice
      label={strings.settings.cameraSize}
      icon={CameraIcon}
      options={sizes.map((id) => ({ id, label: strings.settings.cameraSizes[id] }))}
      selected={cameraSize}
      onChoose={(id) => void client.devices.setCameraSize(id)}
    />
  )
}

interface ChoiceProps<Id extends string> {
  readonly label: string
  readonly icon: () => ReactNode
  readonly options: readonly { readonly id: Id; readonly label: string }[]
  readonly selected: Id
  readonly disabled?: boolean
  readonly onChoose: (id: Id) => void
}

/** One of several, in a list that opens. */
function Choice<Id extends string>({ label, icon: Icon, options, selected, disabled = false, onChoose }: ChoiceProps<Id>) {
  return (
    <Select className="select" selectedKey={selected} isDisabled={disabled} onSelectionChange={(key) => onChoose(key as Id)}>
      <Label className="label">{label}</Label>
      <Button className="select-button">
        <Icon />
        <SelectValue className="select-value" />
        <ChevronIcon />
      </Button>
      <Popover className="popover">
        <ListBox className="listbox" items={options}>
          {(option) => (
            <ListBoxItem id={option.id} textValue={option.label} className="option">
              <span>{option.label}</span>
              <CheckIcon />
            </ListBoxItem>
          )}
        </ListBox>
      </Popover>
    </Select>
  )
}

/** Advice for whichever device cannot be had. */
export function DeviceFaults() {
  const { microphone, camera } = useDevices()
  const client = useClient()
  const both =
    microphone.status === 'fault' && camera.status === 'fault' && microphone.fault === camera.fault
      ? strings.devices.bothFaults[microphone.fault]
      : undefined
  if (both && microphone.status === 'fault') {
    const retry = { label: strings.devices.retry, onPress: () => void client.devices.open(true, true) }
    return <Alert title={both.title} fix={both.fix} {...(microphone.fault === 'insecure' ? {} : { action: retry })} />
  }
  const advice = (kind: SourceKind) => {
    const source = kind === 'microphone' ? microphone : camera
    if (source.status !== 'fault') return null
    const { title, fix } = strings.devices[kind === 'microphone' ? 'microphoneFaults' : 'cameraFaults'][source.fault]
    const retry = { label: strings.devices.retry, onPress: () => void client.devices.start(kind) }
    const hopeless = source.fault === 'insecure' || source.fault === 'unsupported'
    return <Alert key={kind} title={title} fix={fix} {...(hopeless ? {} : { action: retry })} />
  }
  return (
    <>
      {advice('microphone')}
      {advice('camera')}
    </>
  )
}
