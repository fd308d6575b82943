import type { ReactNode } from 'react'
import { Button } from 'react-aria-components'
import { words } from '../../companion/words'
import { dial } from './confer'
import { useCompanion, usePage } from './context'

/** A number to call: by the server where it calls phones, else by whatever the device has for it. */
export function Dial({ phone, name = '', className = 'link-button', children }: { readonly phone: string; readonly name?: string; readonly className?: string; readonly children: ReactNode }) {
  const { client } = usePage()
  const { limits, me } = useCompanion()
  const label = `${words.contacts.dial} ${name || phone}`
  return limits.phones && me?.role !== 'guest' ? (
    <Button className={className} aria-label={label} onPress={() => void dial(client, phone, name)}>
      {children}
    </Button>
  ) : (
    <a className={className} aria-label={label} href={`tel:${encodeURIComponent(phone)}`}>
      {children}
    </a>
  )
}
