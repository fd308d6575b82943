import { useState } from 'react'
import {
  Button,
  Dialog,
  Heading,
  Input,
  Label,
  Menu,
  MenuItem,
  MenuTrigger,
  Modal,
  ModalOverlay,
  Popover,
  Slider,
  SliderOutput,
  SliderThumb,
  SliderTrack,
  TextField,
} from 'react-aria-components'
import type { Participant } from '../protocol'
import { strings } from '../strings'
import { Confirm } from './Confirm'
import { useClient, useClientState } from './context'
import { MoreIcon } from './icons'

type Open = 'volume' | 'interpret' | 'transfer' | 'remove' | null

interface Props {
  readonly participant: Participant
  readonly host: boolean
  /** It is oneself. */
  readonly self: boolean
}

/** What one may do about somebody: everybody talks aside, a host does the rest; a host may put themselves into the spotlight. */
export function PersonMenu({ participant, host, self }: Props) {
  const client = useClient()
  const { session } = useClientState()
  const [open, setOpen] = useState<Open>(null)
  const close = () => setOpen(null)
  const { id, name, kind, muted, held, deafened, camera, videoMuted } = participant
  const lit = session.conference?.spotlight === id
  const whispering = session.whisperTo === id
  const interprets = session.conference?.channels.find(({ interpreter }) => interpreter === id)
  const mine = session.roster.find((person) => person.id === session.self)?.side ?? null
  const person = kind !== 'host' && !self
  const leads = host && !self
  return (
    <>
      <MenuTrigger>
        <Button className="icon-button quiet" aria-label={strings.people.actionsFor(name)}>
          <MoreIcon />
        </Button>
        <Popover className="popover" placement="bottom end">
          <Menu className="listbox">
            {leads && (
              <MenuItem className="option" isDisabled={muted} onAction={() => client.muteParticipant(id)}>
                {strings.people.mute}
              </MenuItem>
            )}
            {host && (
              <MenuItem className="option" onAction={() => client.spotlight(lit ? null : id)}>
                {lit ? strings.people.spotlightEnd : strings.people.spotlight}
              </MenuItem>
            )}
            {leads && (camera || videoMuted || kind === 'browser') && (
              <MenuItem className="option" onAction={() => client.muteVideo(id, !videoMuted)}>
                {videoMuted ? strings.people.cameraAllow : strings.people.cameraForbid}
              </MenuItem>
            )}
            {leads && (
              <MenuItem className="option" onAction={() => setOpen('volume')}>
                {strings.people.volume}
              </MenuItem>
            )}
            {host && person && (
              <MenuItem className="option" onAction={() => client.holdParticipant(id, !held)}>
                {held ? strings.people.unhold : strings.people.hold}
              </MenuItem>
            )}
            {host && person && (
              <MenuItem className="option" onAction={() => client.deafenParticipant(id, !deafened)}>
                {deafened ? strings.people.undeafen : strings.people.deafen}
              </MenuItem>
            )}
            {person && (participant.side === null || participant.side !== mine) && (
              <MenuItem className="option" onAction={() => client.talkAside(id)}>
                {strings.people.talkAside}
              </MenuItem>
            )}
            {person && (
              <MenuItem className="option" onAction={() => client.whisper(id, !whispering)}>
                {whispering ? strings.people.stopWhisper : strings.people.whisper}
              </MenuItem>
            )}
            {host && person && (
              <MenuItem
                className="option"
                onAction={() => (interprets ? client.closeLanguage(interprets.channel) : setOpen('interpret'))}
              >
                {interprets ? strings.people.interpretStop : strings.people.interpret}
              </MenuItem>
            )}
            {host && person && participant.role === 'guest' && (
              <MenuItem className="option" onAction={() => client.sendToLobby(id)}>
                {strings.lobby.sendBack}
              </MenuItem>
            )}
            {host && session.conference?.dialOut && (kind === 'phone' || participant.byPhone) && (
              <MenuItem className="option" onAction={() => setOpen('transfer')}>
                {strings.people.transfer}
              </MenuItem>
            )}
            {leads && (
              <MenuItem className="option option-danger" onAction={() => setOpen('remove')}>
                {strings.people.remove}
              </MenuItem>
            )}
          </Menu>
        </Popover>
      </MenuTrigger>
      <Volume participant={participant} open={open === 'volume'} onClose={close} />
      <Interpret participant={participant} open={open === 'interpret'} onClose={close} />
      <Transfer participant={participant} open={open === 'transfer'} onClose={close} />
      <Confirm
        open={open === 'remove'}
        title={strings.confirm.removeTitle(name)}
        text={strings.confirm.removeText}
        action={strings.confirm.remove}
        onConfirm={() => client.remove(id)}
        onClose={close}
      />
    </>
  )
}

interface AboutProps {
  readonly participant: Participant
  readonly open: boolean
  readonly onClose: () => void
}

function Volume({ participant, open, onClose }: AboutProps) {
  const client = useClient()
  const { id, name, gainDb } = participant
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal modal-small">
        <Dialog className="dialog">
          <Heading slot="title">{strings.people.volumeOf(name)}</Heading>
          <Slider
            className="slider"
            defaultValue={gainDb}
            minValue={-20}
            maxValue={12}
            step={1}
            formatOptions={{ signDisplay: 'exceptZero' }}
            onChangeEnd={(db) => client.setGain(id, db)}
          >
            <Label className="hint">{strings.people.volumeHint}</Label>
            <SliderOutput className="slider-value">
              {({ state }) => {
                const db = state.getThumbValue(0)
                return db === 0 ? strings.people.volumeAsIs : strings.people.decibels(db)
              }}
            </SliderOutput>
            <SliderTrack className="slider-track">
              <SliderThumb className="slider-thumb" />
            </SliderTrack>
          </Slider>
          <div className="dialog-actions">
            <Button className="button" onPress={onClose}>
              {strings.settings.close}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function Interpret({ participant, open, onClose }: AboutProps) {
  const client = useClient()
  const [language, setLanguage] = useState('')
  const assign = () => {
    if (language.trim() === '') return
    client.openLanguage(language.trim(), participant.id)
    onClose()
  }
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal modal-small">
        <Dialog className="dialog">
          <Heading slot="title">{strings.people.interpretTitle(participant.name)}</Heading>
          <p>{strings.people.interpretText}</p>
          <TextField className="field" value={language} onChange={setLanguage} maxLength={40} autoFocus>
            <Label className="label">{strings.people.interpretLanguage}</Label>
            <Input className="input" onKeyDown={(event) => event.key === 'Enter' && assign()} />
          </TextField>
          <div className="dialog-actions">
            <Button className="button" onPress={onClose}>
              {strings.confirm.cancel}
            </Button>
            <Button className="button button-primary" onPress={assign} isDisabled={language.trim() === ''}>
              {strings.people.interpretDo}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

function Transfer({ participant, open, onClose }: AboutProps) {
  const client = useClient()
  const [to, setTo] = useState('')
  const send = () => {
    if (to.trim() === '') return
    client.transfer(participant.id, to.trim())
    setTo('')
    onClose()
  }
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal modal-small">
        <Dialog className="dialog">
          <Heading slot="title">{strings.people.transferTitle(participant.name)}</Heading>
          <p>{strings.people.transferText}</p>
          <TextField className="field" type="tel" value={to} onChange={setTo} maxLength={120} autoFocus>
            <Label className="label">{strings.people.transferTo}</Label>
            <Input className="input" onKeyDown={(event) => event.key === 'Enter' && send()} />
          </TextField>
          <div className="dialog-actions">
            <Button className="button" onPress={onClose}>
              {strings.confirm.cancel}
            </Button>
            <Button className="button button-primary" onPress={send} isDisabled={to.trim() === ''}>
              {strings.people.transferDo}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
