/** Small pieces that every screen of both pages uses; they say only what they are given. */

import type { ReactNode } from 'react'
import { Button, Tooltip, TooltipTrigger } from 'react-aria-components'
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

export function Brand() {
  return (
    <span className="brand">
      <img src="/favicon.svg" alt="" width="26" height="26" />
      Plenum
    </span>
  )
}

const MAC = /mac|iphone|ipad/i.test(navigator.userAgent)

/** A shortcut as this keyboard names it. */
export const keyName = (key: string): string => (MAC ? `⌘ ${key}` : `Ctrl ${key}`)
export const keyNameAlt = (key: string): string => (MAC ? `⌘ ⌥ ${key}` : `Ctrl Alt ${key}`)
