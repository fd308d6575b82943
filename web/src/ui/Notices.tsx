import { useEffect } from 'react'
import type { NumberedNotice } from '../session'
import { strings } from '../strings'
import { useClient, useClientState } from './context'

/** How long a notice stands, in ms. */
const STAY = 5_000

/** Notices that ask something of the person. */
const urgent = ({ notice }: NumberedNotice) => ['refused', 'time_left', 'muted_by_host', 'camera_off_by_host', 'asked_to_unmute', 'recording_failed', 'present_refused', 'share_failed', 'barred', 'pins_guessed'].includes(notice.kind)

/** What just happened, for the eye and, by the live region, for the ear. */
export function Notices() {
  const { session } = useClientState()
  return (
    <div className="notices">
      <div role="log" aria-live="polite" aria-relevant="additions">
        {session.notices.filter((notice) => !urgent(notice)).map((notice) => (
          <Toast key={notice.id} notice={notice} />
        ))}
      </div>
      <div role="alert">
        {session.notices.filter(urgent).map((notice) => (
          <Toast key={notice.id} notice={notice} />
        ))}
      </div>
    </div>
  )
}

function Toast({ notice }: { readonly notice: NumberedNotice }) {
  const client = useClient()
  useEffect(() => {
    const timer = setTimeout(() => client.dismiss(notice.id), STAY)
    return () => clearTimeout(timer)
  }, [client, notice.id])
  return <p className="toast">{strings.notice(notice.notice)}</p>
}
