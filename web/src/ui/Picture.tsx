import { useEffect, useRef, useState } from 'react'

interface PictureProps {
  readonly stream: MediaStream
  readonly label: string
  readonly mirrored?: boolean
}

/** A moving picture without sound; invisible until its first frame is there. */
export function Picture({ stream, label, mirrored = false }: PictureProps) {
  const video = useRef<HTMLVideoElement>(null)
  const [shown, setShown] = useState(false)
  useEffect(() => {
    const element = video.current
    if (!element) return undefined
    element.srcObject = stream
    // Muted pictures may always play; a refusal means that the element has gone meanwhile.
    element.play().catch(() => undefined)
    return () => {
      element.srcObject = null
    }
  }, [stream])
  return (
    <video
      ref={video}
      className="picture"
      aria-label={label}
      autoPlay
      playsInline
      muted
      data-shown={shown || undefined}
      data-mirrored={mirrored || undefined}
      onPlaying={() => setShown(true)}
    />
  )
}
