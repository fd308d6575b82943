/** Which language the page speaks. A page keeps one table of words per language and loads only the one that is spoken. */

export const LANGUAGES = { en: 'English', de: 'Deutsch', fr: 'Français', es: 'Español' } as const

export type Language = keyof typeof LANGUAGES

export const isLanguage = (tag: string): tag is Language => Object.hasOwn(LANGUAGES, tag)

/** The chosen one, else the first of the browser's that there is, else English. */
export function pickLanguage(chosen: string, browser: readonly string[]): Language {
  if (isLanguage(chosen)) return chosen
  const spoken = browser.map((tag) => tag.toLowerCase().split('-')[0] ?? '')
  return spoken.find(isLanguage) ?? 'en'
}
