import { useEffect, useState } from 'react'
import { Button } from 'react-aria-components'
import type { DialIn } from '../protocol'
import { strings } from '../strings'
import { CheckIcon, LinkIcon, PhoneIcon } from './icons'

/** How long "Copied" stands, in ms. */
const COPIED = 2_000

interface InviteProps {
  readonly link: string
  readonly dialIn: DialIn | null
}

/** The two ways in: the link and the telephone. */
export function Invite({ link, dialIn }: InviteProps) {
  const [copied, setCopied] = useState<'no' | 'yes' | 'failed'>('no')
  useEffect(() => {
    if (copied === 'no') return undefined
    const timer = setTimeout(() => setCopied('no'), COPIED)
    return () => clearTimeout(timer)
  }, [copied])
  const copy = async () => {
    try {
      await navigator.clipboard.writeText(link)
      setCopied('yes')
    } catch {
      setCopied('failed')
    }
  }
  return (
    <dl className="invite">
      <div>
        <dt>
          <LinkIcon /> {strings.people.link}
        </dt>
        <dd>
          <span className="invite-link">{link}</span>
          <Button className="button button-small" onPress={() => void copy()}>
            {copied === 'yes' && <CheckIcon />}
            {copied === 'yes' ? strings.people.copied : strings.people.copy}
          </Button>
        </dd>
        {copied === 'failed' && <dd role="status">{strings.people.copyFailed}</dd>}
      </div>
      {dialIn && (
        <div>
          <dt>
            <PhoneIcon /> {strings.people.byPhone}
          </dt>
          <dd>
            <span className="invite-link">{dialIn.sip}</span>
            <span>{strings.people.keyed(dialIn.conference)}</span>
          </dd>
        </div>
      )}
    </dl>
  )
}
