import { expect, it } from 'vitest'
import { arrange, type Sort, type View } from './arrange'
import type { Class, Contact } from './protocol'

const contact = (id: string, more: Partial<Contact> = {}): Contact => ({ id, user: id, phone: '', name: id, groups: [], tagged: false, level: 'company', ...more })
const contacts = {
  revision: 1,
  groups: [{ id: 'g1', name: 'Team' }, { id: 'g2', name: 'Empty' }],
  contacts: [contact('zoe', { groups: ['g1'], tagged: true, level: 'team' }), contact('ann', { groups: ['g1'] }), contact('bo'), contact('gone', { groups: ['deleted'] })],
  recent: [],
}
const classes: Record<string, Class> = { zoe: 'available', ann: 'away', bo: 'busy', gone: 'offline' }
const known = { name: ({ name }: Contact) => name, class: ({ id }: Contact) => classes[id] ?? 'unknown' }
const shown = (view: View, sort: Sort) => arrange(contacts, view, sort, known).map(({ key, contacts: of }) => `${key}: ${of.map(({ id }) => id).join(' ')}`)

it('groups and orders contacts by each of the views', () => {
  expect(shown('group', 'name')).toEqual(['g1: ann zoe', 'g2: ', 'other: bo gone'])
  expect(shown('group', 'availability')).toEqual(['g1: zoe ann', 'g2: ', 'other: bo gone'])
  expect(shown('availability', 'name')).toEqual(['available: zoe', 'busy: bo', 'away: ann', 'offline: gone'])
  expect(shown('level', 'name')).toEqual(['team: zoe', 'company: ann bo gone'])
  expect(shown('tagged', 'name')).toEqual(['tagged: zoe', 'untagged: ann bo gone'])
})
