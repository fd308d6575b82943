import type { Body, Stroke } from '../../companion/protocol'
import { words } from '../../companion/words'

/** The size of a new drawing, in its own units. */
export const WIDTH = 640
export const HEIGHT = 360

/** Strokes as they were drawn. */
export function Drawing({ body }: { readonly body: Body }) {
  const { width = WIDTH, height = HEIGHT, strokes = [] } = body
  return (
    <svg className="ink" viewBox={`0 0 ${Math.max(1, width)} ${Math.max(1, height)}`} role="img" aria-label={words.talk.drawing}>
      <Lines strokes={strokes} />
    </svg>
  )
}

export function Lines({ strokes }: { readonly strokes: readonly Stroke[] }) {
  return strokes.map(({ color, size, points }, at) => (
    // oxlint-disable-next-line react/no-array-index-key -- strokes have no other name and keep their order
    <polyline key={at} points={points.join(' ')} stroke={color} strokeWidth={size} fill="none" strokeLinecap="round" strokeLinejoin="round" />
  ))
}
