/** Small pieces that every screen uses. */

import type { ReactNode } from 'react'
import { Button, Dialog, Heading, Modal, ModalOverlay, Tooltip, TooltipTrigger } from 'react-aria-components'
import { strings } from '../strings'
import { WarningIcon } from './icons'

interface IconButtonProps {
  readonly label: string
  readonly onPress: () => void
  readonly className?: string
  readonly shortcut?: string
  readonly children: ReactNode
}

/** A button that shows a pictogram, and its name on hover and focus. */
export function IconButton({ label, onPress, className = '', shortcut, children }: IconButtonProps) {
  return (
    <TooltipTrigger delay={350} closeDelay={0}>
      <Button className={`icon-button ${className}`} aria-label={label} onPress={onPress}>
        {children}
      </Button>
      <Tooltip className="tooltip" offset={8}>
        {label}
        {shortcut !== undefined && <kbd>{shortcut}</kbd>}
      </Tooltip>
    </TooltipTrigger>
  )
}

interface AlertProps {
  readonly title: string
  readonly fix: string
  readonly tone?: 'warning' | 'error' | 'info'
  readonly action?: { readonly label: string; readonly onPress: () => void }
}

/** What is wrong and what helps. */
export function Alert({ title, fix, tone = 'warning', action }: AlertProps) {
  return (
    <div className="alert" data-tone={tone} role={tone === 'error' ? 'alert' : 'status'}>
      <WarningIcon />
      <div>
        <strong>{title}</strong>
        <p>{fix}</p>
        {action && (
          <Button className="link-button" onPress={action.onPress}>
            {action.label}
          </Button>
        )}
      </div>
    </div>
  )
}

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

export function Brand() {
  return (
    <span className="brand">
      <img src="/favicon.svg" alt="" width="26" height="26" />
      {strings.product}
    </span>
  )
}

const MAC = /mac|iphone|ipad/i.test(navigator.userAgent)

/** A shortcut as this keyboard names it. */
export const keyName = (key: string): string => (MAC ? `⌘ ${key}` : `Ctrl ${key}`)
export const keyNameAlt = (key: string): string => (MAC ? `⌘ ⌥ ${key}` : `Ctrl Alt ${key}`)
