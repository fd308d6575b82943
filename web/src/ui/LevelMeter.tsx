import { useEffect, useRef } from 'react'
import { watchLevel } from '../level'
import { strings } from '../strings'

/** How often assistive technology learns the level, in ms. */
const SPOKEN = 500

/** The microphone's level. Drawn past React: sixty times a second is no state. */
export function LevelMeter({ track, muted }: { readonly track: MediaStreamTrack | null; readonly muted: boolean }) {
  const meter = useRef<HTMLDivElement>(null)
  useEffect(() => {
    const element = meter.current
    if (!element) return undefined
    const show = (share: number) => element.style.setProperty('--level', share.toFixed(3))
    show(0)
    element.setAttribute('aria-valuenow', '0')
    if (!track || muted) return undefined
    let spoken = 0
    return watchLevel(track, (share) => {
      show(share)
      const now = performance.now()
      if (now - spoken < SPOKEN) return
      spoken = now
      element.setAttribute('aria-valuenow', String(Math.round(share * 100)))
    })
  }, [track, muted])
  return (
    <div
      ref={meter}
      className="meter"
      role="meter"
      aria-label={strings.devices.level}
      aria-valuemin={0}
      aria-valuemax={100}
      aria-valuenow={0}
    >
      <span />
    </div>
  )
}
