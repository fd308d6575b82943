/** Faces typed with punctuation, and the short list that the picker offers. Pure. */

const FACES: Readonly<Record<string, string>> = {
  ':-)': '🙂',
  ':)': '🙂',
  ':-D': '😀',
  ':D': '😀',
  ';-)': '😉',
  ';)': '😉',
  ':-(': '🙁',
  ':(': '🙁',
  ':-P': '😛',
  ':P': '😛',
  ':-O': '😮',
  ':O': '😮',
  ":'(": '😢',
  ':-/': '😕',
  '8-)': '😎',
  '<3': '❤️',
  '(y)': '👍',
  '(n)': '👎',
}

export const REACTIONS = ['👍', '❤️', '😄', '🎉', '😮', '😢', '👀', '✅'] as const

export const PICKER = [
  '🙂', '😀', '😄', '😉', '😊', '😎', '🤔', '😐', '🙄', '😮', '😢', '😭', '😡', '😴', '🤒', '🥳',
  '👍', '👎', '👏', '🙏', '👋', '💪', '🤝', '👀', '❤️', '💔', '🔥', '⭐', '🎉', '🎂', '☕', '🍕',
  '✅', '❌', '⚠️', '❓', '❗', '💡', '📌', '📎', '📅', '⏰', '📞', '🎤', '🎧', '💻', '🚀', '🐛',
] as const

const escaped = Object.keys(FACES)
  .toSorted((a, b) => b.length - a.length)
  .map((face) => face.replaceAll(/[()|/*+?.^$\\]/g, '\\$&'))
const STANDING = new RegExp(`(^|\\s)(${escaped.join('|')})(?=$|[\\s.,!?])`, 'g')

/** Faces that stand alone become pictures; `http://` and `a:D` stay. */
export const emoticons = (text: string): string => text.replaceAll(STANDING, (_, before: string, face: string) => before + (FACES[face] ?? face))
