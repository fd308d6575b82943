/** Small pieces of every companion screen: a face with its presence, an empty place, a native choice. */

import type { ReactNode } from 'react'
import { Button, Dialog, Heading, Input, Label, Modal, ModalOverlay, Text, TextField } from 'react-aria-components'
import type { Class, Id } from '../../companion/protocol'
import { words } from '../../companion/words'
import { hue, initials } from '../../layout'
import { CloseIcon } from '../icons'
import { nameOf, presenceOf, stateText, useCompanion, usePage } from './context'

/** Each class has its own shape, so that colour is never alone in saying it. */
const SHAPES: Record<Class, ReactNode> = {
  available: <path className="on" d="m4.700 8.200 2.300 2.300 4.300-4.600" />,
  available_idle: <path className="half" d="M8 1a7 7 0 0 1 0 14z" />,
  busy: <circle className="dot" cx="8" cy="8" r="2.600" />,
  busy_idle: <path className="half" d="M8 1a7 7 0 0 1 0 14z" />,
  do_not_disturb: <path className="on" d="M4.500 8h7" />,
  away: <path className="on" d="M8 4.300V8l2.600 1.700" />,
  offline: <path className="on" d="m5.700 5.700 4.600 4.600M10.300 5.700l-4.600 4.600" />,
  unknown: <path className="on" d="M6.200 6.300c0-2.600 3.600-2.400 3.600-.2 0 1.500-1.800 1.500-1.800 3.100M8 11.500v.1" />,
}

/** Silent where the label is empty: the words beside it say it. */
export function Badge({ kind, label }: { readonly kind: Class; readonly label: string }) {
  return (
    <svg className="presence" data-class={kind} viewBox="0 0 16 16" {...(label === '' ? { 'aria-hidden': true } : { role: 'img', 'aria-label': label })}>
      <circle className="ground" cx="8" cy="8" r="7" />
      {SHAPES[kind]}
    </svg>
  )
}

/** The badge of a person beside their name. */
export function PresenceOf({ user }: { readonly user: Id }) {
  const state = useCompanion()
  const shown = presenceOf(state, user)
  return <Badge kind={shown.class} label={stateText(shown)} />
}

/** Initials, and presence unless `bare`: the name beside it then has the badge. */
export function Face({ user, size = 'small', bare = false }: { readonly user: Id; readonly size?: 'small' | 'large'; readonly bare?: boolean }) {
  const state = useCompanion()
  const name = nameOf(state, user)
  return (
    <span className={`face face-${size}`}>
      <span className={`avatar avatar-${size} hue-${hue(name)}`} aria-hidden="true">
        {initials(name)}
      </span>
      {!bare && <PresenceOf user={user} />}
    </span>
  )
}

/** A name with its badge; opens the card. */
export function Name({ user, bare = false }: { readonly user: Id; readonly bare?: boolean }) {
  const state = useCompanion()
  const { ask } = usePage()
  const name = nameOf(state, user)
  return (
    <Button className="name" aria-label={words.card.open(name)} onPress={() => ask({ dialog: 'card', user })}>
      {name}
      {!bare && <PresenceOf user={user} />}
    </Button>
  )
}

export function Nothing({ title, hint, children }: { readonly title: string; readonly hint: string; readonly children?: ReactNode }) {
  return (
    <div className="nothing">
      <strong>{title}</strong>
      <p>{hint}</p>
      {children}
    </div>
  )
}

interface ChoiceProps<T extends string> {
  readonly label: string
  readonly value: T
  readonly options: readonly (readonly [T, string])[]
  readonly onChange: (value: T) => void
  readonly hidden?: boolean
}

/** The browser's own list of choices: light, and right on phones. */
export function Choice<T extends string>({ label, value, options, onChange, hidden = false }: ChoiceProps<T>) {
  return (
    <label className="choice">
      <span className={hidden ? 'unseen' : 'label'}>{label}</span>
      <select className="choice-select" value={value} onChange={({ target }) => onChange(target.value as T)}>
        {options.map(([key, text]) => (
          <option key={key} value={key}>
            {text}
          </option>
        ))}
      </select>
    </label>
  )
}

interface SheetProps {
  readonly title: string
  readonly onClose: () => void
  readonly wide?: boolean
  readonly children: ReactNode
}

/** A dialog with a title and a way out. */
export function Sheet({ title, onClose, wide = false, children }: SheetProps) {
  return (
    <ModalOverlay className="overlay" isOpen onOpenChange={(open) => !open && onClose()} isDismissable>
      <Modal className={`modal ${wide ? '' : 'modal-small'}`}>
        <Dialog className="dialog">
          <div className="sheet-head">
            <Heading slot="title">{title}</Heading>
            <Button className="icon-button quiet" aria-label={words.details.close} onPress={onClose}>
              <CloseIcon />
            </Button>
          </div>
          {children}
        </Dialog>
      </Modal>
    </ModalOverlay>
  )
}

interface FieldProps {
  readonly label: string
  readonly value: string
  readonly onChange: (value: string) => void
  readonly type?: string
  readonly hint?: string
  readonly most?: number
}

/** A line to fill in. */
export function Field({ label, value, onChange, type = 'text', hint, most = 200 }: FieldProps) {
  return (
    <TextField className="field" type={type} value={value} onChange={onChange} maxLength={most}>
      <Label className="label">{label}</Label>
      <Input className="input" />
      {hint !== undefined && (
        <Text slot="description" className="hint">
          {hint}
        </Text>
      )}
    </TextField>
  )
}
