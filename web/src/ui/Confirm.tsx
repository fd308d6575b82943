import { Button, Dialog, Heading, Modal, ModalOverlay } from 'react-aria-components'
import { strings } from '../strings'

interface ConfirmProps {
  readonly open: boolean
  readonly title: string
  readonly text: string
  readonly action: string
  readonly onConfirm: () => void
  readonly onClose: () => void
}

/** Asks before something that cannot be taken back. */
export function Confirm({ open, title, text, action, onConfirm, onClose }: ConfirmProps) {
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal modal-small">
        <Dialog role="alertdialog" className="dialog">
          <Heading slot="title">{title}</Heading>
          <p>{text}</p>
          <div className="dialog-actions">
            <Button className="button" onPress={onClose} autoFocus>
              {strings.confirm.cancel}
            </Button>
            <Button
              className="button button-danger"
              onPress={() => {
                onConfirm()
                onClose()
              }}
            >
              {action}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
