/** The words of the language that is spoken now. Nothing is drawn before the first `speak`; components read `words` while they draw. */

import type { Language } from '../language'
import type { Words } from './words/en'

// oxlint-disable-next-line import/no-mutable-exports -- one binding for all components, changed between two drawings
export let words: Words

const tables: Record<Language, () => Promise<Words>> = {
  en: async () => (await import('./words/en')).en,
  de: async () => (await import('./words/de')).de,
  fr: async () => (await import('./words/fr')).fr,
  es: async () => (await import('./words/es')).es,
}

/** Loads the table of `language`; English stays where it cannot be had. */
export async function speak(language: Language): Promise<void> {
  words = await tables[language]().catch(() => tables.en())
  document.documentElement.lang = words.tongue
}

/** The browser's own variety of the language: the day's hours are written otherwise in London than in New York. */
const locale = (): string => navigator.languages.find((tag) => tag.split('-')[0] === words.tongue) ?? words.tongue

/** "Ann, Bo and Cy" in the language. */
export const joined = (names: readonly string[]): string => new Intl.ListFormat(locale(), { type: 'conjunction' }).format(names)

export const clock = (ts: number): string => new Intl.DateTimeFormat(locale(), { hour: '2-digit', minute: '2-digit' }).format(ts)

export const day = (ts: number): string => new Intl.DateTimeFormat(locale(), { weekday: 'long', day: 'numeric', month: 'long' }).format(ts)

/** Today the time, this week the day, else the date. */
export function when(ts: number, now: number): string {
  const options: Intl.DateTimeFormatOptions =
    new Date(ts).toDateString() === new Date(now).toDateString() ? { hour: '2-digit', minute: '2-digit' } : now - ts < 6 * 86_400_000 ? { weekday: 'short' } : { day: '2-digit', month: '2-digit', year: '2-digit' }
  return new Intl.DateTimeFormat(locale(), options).format(ts)
}

/** From when until when; what began before is told by its end alone. */
export function period(from: number, until: number, now: number): string {
  const form = new Intl.DateTimeFormat(locale(), { weekday: 'short', hour: '2-digit', minute: '2-digit' })
  if (until === 0) return from > now ? form.format(from) : ''
  return from > now ? form.formatRange(from, until) : `– ${form.format(until)}`
}

/** How long something took, in whole minutes, one at least. */
export function lasted(ms: number): string {
  return new Intl.NumberFormat(locale(), { style: 'unit', unit: 'minute', unitDisplay: 'short' }).format(Math.max(1, Math.round(ms / 60_000)))
}

export function bytes(count: number): string {
  const [size, unit] = count < 1_024 ? [count, 'byte'] : count < 1_048_576 ? [count / 1_024, 'kilobyte'] : [count / 1_048_576, 'megabyte']
  return new Intl.NumberFormat(locale(), { style: 'unit', unit, unitDisplay: 'short', maximumFractionDigits: 1 }).format(size)
}
