import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from 'react-aria-components'
import { canChooseSpeaker, trackOf, type DeviceKind, type SourceKind } from '../devices'
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
  const Icon = icons[kind]
  return (
    <Select
      className="select"
      selectedKey={selected}
      isDisabled={listed.length === 0}
      onSelectionChange={(key) => void client.devices.choose(kind, key === DEFAULT ? '' : String(key))}
    >
      <Label className="label">{strings.devices[kind]}</Label>
      <Button className="select-button">
        <Icon />
        <SelectValue className="select-value" />
        <ChevronIcon />
      </Button>
      <Popover className="popover">
        <ListBox className="listbox" items={options}>
          {({ id, label }) => (
            <ListBoxItem id={id} textValue={label} className="option">
              <span>{label}</span>
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
