/** What is heard and what the system shows: two tones for a post, a ring for a conference, the system's notification. */

/** The ring's period, in ms. */
const PERIOD = 3_000

let context: AudioContext | null = null

/** Plays `tones` (Hz) one after the other; silent where the browser wants a click first. */
function play(tones: readonly number[], each: number): void {
  try {
    context ??= new AudioContext()
  } catch {
    return
  }
  if (context.state !== 'running') void context.resume().catch(() => undefined)
  const audio = context
  for (const [at, frequency] of tones.entries()) {
    const tone = audio.createOscillator()
    const gain = audio.createGain()
    const start = audio.currentTime + at * each
    tone.frequency.value = frequency
    gain.gain.setValueAtTime(0, start)
    gain.gain.linearRampToValueAtTime(0.06, start + 0.02)
    gain.gain.linearRampToValueAtTime(0, start + each)
    tone.connect(gain).connect(audio.destination)
    tone.start(start)
    tone.stop(start + each)
  }
}

export const chime = (): void => play([660, 880], 0.12)

const ring = (): void => play([523, 659, 523, 659, 523, 659], 0.16)

/** Rings until what it returns is called. */
export function ringing(): () => void {
  ring()
  const timer = setInterval(ring, PERIOD)
  return () => clearInterval(timer)
}

/** The system's notification; one for each conversation. Phones have none without a service worker. */
export function systemNotice(title: string, body: string, conversation: string): void {
  try {
    if (Notification.permission !== 'granted') return
    const shown = new Notification(title, { body: body.slice(0, 200), tag: conversation, icon: '/favicon.svg' })
    shown.addEventListener('click', () => window.focus())
  } catch {
    // The page's own notice stands there all the same.
  }
}
