/** A host writes a line onto the picture of all, instead of what the operator has there. */

import { useState } from 'react'
import { Button, Dialog, Heading, Input, Label, Modal, ModalOverlay, TextField } from 'react-aria-components'
import { strings } from '../strings'
import { useClient } from './context'

/** As the server takes it. */
const LONGEST = 120

interface BannerProps {
  readonly open: boolean
  readonly onClose: () => void
}

export function Banner({ open, onClose }: BannerProps) {
  const client = useClient()
  const [text, setText] = useState('')
  const show = () => {
    const words = text.trim()
    client.setBanner(words === '' ? null : words)
    onClose()
  }
  return (
    <ModalOverlay className="overlay" isOpen={open} onOpenChange={(next) => !next && onClose()} isDismissable>
      <Modal className="modal modal-small">
        <Dialog className="dialog">
          <Heading slot="title">{strings.banner.title}</Heading>
          <p>{strings.banner.text}</p>
          <TextField className="field" value={text} onChange={setText} maxLength={LONGEST} autoFocus>
            <Label className="label">{strings.banner.words}</Label>
            <Input className="input" onKeyDown={(event) => event.key === 'Enter' && show()} />
          </TextField>
          <div className="dialog-actions">
            <Button className="button" onPress={onClose}>
              {strings.confirm.cancel}
            </Button>
            <Button className="button button-primary" onPress={show}>
              {strings.banner.show}
            </Button>
          </div>
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}
