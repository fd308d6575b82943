import { expect, it } from 'vitest'
import { emoticons } from './emoticons'

it('turns faces that stand alone into pictures and leaves everything else', () => {
  const table = [
    ['hi :-)', 'hi 🙂'],
    [':) :( ;-).', '🙂 🙁 😉.'],
    ['http://x.de:8) a:D', 'http://x.de:8) a:D'],
    ['I <3 it', 'I ❤️ it'],
    ['(y)', '👍'],
    ['(yes)', '(yes)'],
  ] as const
  for (const [written, shown] of table) expect(emoticons(written)).toBe(shown)
})
