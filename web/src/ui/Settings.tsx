import { Button, Dialog, Heading, Modal, ModalOverlay, Switch } from 'react-aria-components'
import { strings } from '../strings'
import { keyName, keyNameAlt } from './controls'
import { CameraSizePicker, DeviceFaults, DevicePickers } from './DevicePickers'

const shortcuts = [
  [strings.settings.shortcutMute, keyName('D')],
  [strings.settings.shortcutCamera, keyName('E')],
  [strings.settings.shortcutHand, keyNameAlt('H')],
  [strings.settings.shortcutPeople, keyNameAlt('P')],
] as const

interface SettingsProps {
  readonly open: boolean
  readonly onClose: () => void
  readonly selfView: boolean
  readonly setSelfView: (on: boolean) => void
}

export function Settings({ open, onClose, selfView, setSelfView }: SettingsProps) {
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal">
        <Dialog className="dialog">
          <Heading slot="title">{strings.settings.title}</Heading>
          <DeviceFaults />
          <DevicePickers />
          <CameraSizePicker />
          <Switch className="switch" isSelected={selfView} onChange={setSelfView}>
            <span>
              {strings.settings.selfView}
              <small>{strings.settings.selfViewHint}</small>
            </span>
            <span className="switch-track" aria-hidden="true" />
          </Switch>
          <h3>{strings.settings.shortcuts}</h3>
          <dl className="shortcuts">
            {shortcuts.map(([what, keys]) => (
              <div key={what}>
                <dt>{what}</dt>
                <dd>
                  <kbd>{keys}</kbd>
                </dd>
              </div>
            ))}
          </dl>
          <div className="dialog-actions">
            <Button className="button button-primary" onPress={onClose}>
              {strings.settings.close}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
