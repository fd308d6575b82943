/** Contacts in groups and in order, as they are viewed. Pure. */

import { CLASSES, LEVELS, type Class, type Contact, type Contacts, type Id } from './protocol'

export type View = 'group' | 'availability' | 'level' | 'tagged'
export type Sort = 'name' | 'availability'

export interface Known {
  readonly name: (contact: Contact) => string
  readonly class: (contact: Contact) => Class
}

/** A heading by its key: a group's id, a class, a level, `tagged`, `untagged` or `other`. */
export interface Section {
  readonly key: Id
  readonly contacts: readonly Contact[]
}

export function arrange({ groups, contacts }: Contacts, view: View, sort: Sort, known: Known): readonly Section[] {
  const rank = (contact: Contact) => CLASSES.indexOf(known.class(contact))
  const byName = (a: Contact, b: Contact) => known.name(a).localeCompare(known.name(b)) || (a.id < b.id ? -1 : 1)
  const ordered = contacts.toSorted(sort === 'name' ? byName : (a, b) => rank(a) - rank(b) || byName(a, b))
  const section = (key: Id, belongs: (contact: Contact) => boolean): Section => ({ key, contacts: ordered.filter(belongs) })
  const sections: Record<View, () => readonly Section[]> = {
    group: () => [
      ...groups.map(({ id }) => section(id, (contact) => contact.groups.includes(id))),
      section('other', (contact) => !contact.groups.some((id) => groups.some((group) => group.id === id))),
    ],
    availability: () => CLASSES.map((kind) => section(kind, (contact) => known.class(contact) === kind)),
    level: () => LEVELS.map((level) => section(level, (contact) => contact.level === level)),
    tagged: () => [section('tagged', ({ tagged }) => tagged), section('untagged', ({ tagged }) => !tagged)],
  }
  const kept = (one: Section) => one.contacts.length > 0 || (view === 'group' && one.key !== 'other')
  return sections[view]().filter(kept)
}
