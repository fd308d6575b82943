/** The words of the language that is spoken now. Components read `words` while they draw; the page is drawn anew after `speak`. */

import type { Language } from '../language'
import { en, type Words } from './words/en'

// oxlint-disable-next-line import/no-mutable-exports -- one binding for all components, changed between two drawings
export let words: Words = en

const tables: Record<Language, () => Promise<Words>> = {
  en: () => Promise.resolve(en),
  de: async () => (await import('./words/de')).de,
  fr: async () => (await import('./words/fr')).fr,
  es: async () => (await import('./words/es')).es,
}

/** Loads the table of `language`; English stays where it cannot be had. */
export async function speak(language: Language): Promise<void> {
  words = await tables[language]().catch(() => en)
  document.documentElement.lang = words.tongue
}

/** "Ann, Bo and Cy" in the language. */
export const joined = (names: readonly string[]): string => new Intl.ListFormat(words.tongue, { type: 'conjunction' }).format(names)

export const clock = (ts: number): string => new Intl.DateTimeFormat(words.tongue, { hour: '2-digit', minute: '2-digit' }).format(ts)

export const day = (ts: number): string => new Intl.DateTimeFormat(words.tongue, { weekday: 'long', day: 'numeric', month: 'long' }).format(ts)

/** Today the time, this week the day, else the date. */
export function when(ts: number, now: number): string {
  const options: Intl.DateTimeFormatOptions =
    new Date(ts).toDateString() === new Date(now).toDateString() ? { hour: '2-digit', minute: '2-digit' } : now - ts < 6 * 86_400_000 ? { weekday: 'short' } : { day: '2-digit', month: '2-digit', year: '2-digit' }
  return new Intl.DateTimeFormat(words.tongue, options).format(ts)
}

export function bytes(count: number): string {
  const [size, unit] = count < 1_024 ? [count, 'byte'] : count < 1_048_576 ? [count / 1_024, 'kilobyte'] : [count / 1_048_576, 'megabyte']
  return new Intl.NumberFormat(words.tongue, { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 }).format(size)
}
