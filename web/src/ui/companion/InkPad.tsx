import { useRef, useState, type PointerEvent } from 'react'
import { Button } from 'react-aria-components'
import type { Body, Stroke } from '../../companion/protocol'
import { words } from '../../companion/words'
import { Sheet } from './bits'
import { HEIGHT, Lines, WIDTH } from './Ink'

/** Points closer than this add nothing, in the drawing's units. */
const APART = 2
/** A frame of the server's holds so many points at most. */
const MOST_POINTS = 16_000

const COLORS = [
  ['ink', '#1f2937'],
  ['blue', '#2563eb'],
  ['red', '#dc2626'],
  ['green', '#15803d'],
] as const

const on = (value: number, most: number): number => Math.round(Math.min(most, Math.max(0, value)))

/** Where the pointer is, in the drawing's units. */
function at(event: PointerEvent): readonly [number, number] {
  const { left, top, width, height } = event.currentTarget.getBoundingClientRect()
  return [on(((event.clientX - left) / width) * WIDTH, WIDTH), on(((event.clientY - top) / height) * HEIGHT, HEIGHT)]
}

/** A sheet to draw on, by pointer. */
export function InkPad({ close, send }: { readonly close: () => void; readonly send: (body: Body) => void }) {
  const [strokes, setStrokes] = useState<readonly Stroke[]>([])
  const [color, setColor] = useState<(typeof COLORS)[number]>(COLORS[0])
  const pad = useRef<SVGSVGElement>(null)
  const drawing = useRef(false)
  const down = (event: PointerEvent) => {
    event.currentTarget.setPointerCapture(event.pointerId)
    drawing.current = true
    const [x, y] = at(event)
    setStrokes((now) => [...now, { color: color[1], size: 4, points: [x, y, x, y] }])
  }
  const move = (event: PointerEvent) => {
    if (!drawing.current) return
    const [x, y] = at(event)
    setStrokes((now) => {
      const last = now.at(-1)
      const total = now.reduce((sum, { points }) => sum + points.length, 0)
      if (!last || total > MOST_POINTS || Math.hypot(x - (last.points.at(-2) ?? 0), y - (last.points.at(-1) ?? 0)) < APART) return now
      return [...now.slice(0, -1), { ...last, points: [...last.points, x, y] }]
    })
  }
  const up = () => (drawing.current = false)
  return (
    <Sheet title={words.ink.title} onClose={close} wide>
      <svg
        ref={pad}
        className="ink ink-pad"
        viewBox={`0 0 ${WIDTH} ${HEIGHT}`}
        role="img"
        aria-label={words.ink.surface}
        onPointerDown={down}
        onPointerMove={move}
        onPointerUp={up}
        onPointerCancel={up}
      >
        <Lines strokes={strokes} />
      </svg>
      <div className="ink-tools">
        {COLORS.map((pen) => (
          <Button key={pen[0]} className={`pen pen-${pen[0]}`} aria-label={words.ink.pen(words.ink.colors[pen[0]])} aria-pressed={pen === color} onPress={() => setColor(pen)} />
        ))}
        <Button className="button button-small" onPress={() => setStrokes(strokes.slice(0, -1))}>
          {words.ink.undo}
        </Button>
        <Button className="button button-small" onPress={() => setStrokes([])}>
          {words.ink.clear}
        </Button>
        <Button
          className="button button-small button-primary"
          isDisabled={strokes.length === 0}
          onPress={() => {
            send({ width: WIDTH, height: HEIGHT, strokes })
            close()
          }}
        >
          {words.ink.send}
        </Button>
      </div>
    </Sheet>
  )
}
