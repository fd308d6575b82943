/** Who and what there is when a companion test begins. */

const MINUTE = 60_000

const people = [
  ['ann', 'Ann Becker', 'Project lead', 'available'],
  ['bo', 'Bo Lindqvist', 'Engineer', 'available'],
  ['cy', 'Cy Moreau', 'Design', 'in_conference', 'busy', { activity: 'conference', subject: 'Weekly planning' }],
  ['dana', 'Dana Okafor', 'Support', 'away', 'away', { note: 'Back at three', devices: ['mobile'] }],
  ['eve', 'Eve Tanaka', 'Legal', 'do_not_disturb', 'do_not_disturb', { note: 'Writing the contract' }],
  ['finn', 'Finn O’Brien', 'Sales', 'inactive', 'available_idle'],
  ['gita', 'Gita Rao', 'Finance', 'offline', 'offline', { oof: 'On leave until Monday' }],
]

const said = [
  ['bo', 'Morning! Did you see the numbers from the load test?'],
  ['ann', 'Yes: **p95 is 41 ms**, well under the budget. I put them into `docs/load.md`.'],
  ['bo', 'Nice. What about the\n\n- phones on the slow line\n- the browser with 49 tiles?'],
  ['ann', 'Phones are fine. For the tiles see https://example.org/report :-)'],
  ['bo', 'Then let us talk it over at eleven.'],
]

export function world() {
  const now = Date.now()
  const talk = (kind, members, lines, more = {}) => {
    const id = more.id
    const events = lines.map(([sender, body, eventKind = 'text'], at) => ({
      conversation: id,
      seq: at + 1,
      kind: eventKind,
      sender,
      client_id: `w${at}`,
      body: typeof body === 'string' ? { text: body } : body,
      ts: now - (lines.length - at) * 3 * MINUTE - (more.age ?? 0) * MINUTE,
    }))
    return [id, { kind, subject: '', people: members, events, read: new Map(members.map((one) => [one, events.length - (one === 'ann' ? (more.unread ?? 0) : 0)])), notify: new Map(), roles: new Map(), ...more }]
  }
  const old = Array.from({ length: 120 }, (_, at) => ['cy', `Sketch ${at + 1}`])
  const story = `The release is ready to be tried. ${'Everybody who has a phone of an unusual make is asked to call the test number and to write down what was heard. '.repeat(4)}`
  return {
    count: 0,
    busy: new Map(),
    lists: [],
    dialled: [],
    notes: [],
    limits: { message: 8_192, post: 32_768, file: 2_000_000, people: 100, contacts: 1_000 },
    users: new Map(
      people.map(([id, name, title]) => [id, { id, login: id, name, title, company: 'Plenum', email: `${id}@example.org`, work_phone: '+49 30 555 0123', role: 'user', ...(id === 'bo' && { mobile: '+49 170 555 99' }) }]),
    ),
    presence: new Map(people.map(([id, , , state, kind = state, more = {}]) => [id, { user: id, state, class: kind, ...more }])),
    conversations: new Map([
      talk('direct', ['ann', 'bo'], said, { id: 'direct' }),
      talk('group', ['ann', 'bo', 'cy'], [...old, ['cy', 'The new icons are in, @ann please look.']], { id: 'launch', subject: 'Launch', unread: 3, age: 30 }),
      talk('direct', ['ann', 'dana'], [['dana', { conference: '8001', media: ['audio'], state: 'started' }, 'call'], ['dana', { conference: '8001', media: ['audio'], state: 'ended', missed: ['ann'] }, 'call'], ['dana', 'I tried to reach you.']], { id: 'dana', unread: 3, age: 100 }),
      talk(
        'room',
        ['ann', 'bo', 'cy', 'eve'],
        [['bo', 'Build 512 is green.'], ['eve', { text: story, story: 'The release is ready to be tried.' }], ['bo', { text: 'The staging server restarts at noon.', importance: 'high' }]],
        { id: 'engineering', roles: new Map([['ann', 'manager']]), age: 10, room: { id: 'engineering', name: 'Engineering', category: 'Work', topic: 'Builds, releases, servers', description: 'Everything about how it is made.', access: 'open', auditorium: false } },
      ),
      talk('room', ['ann', 'gita'], [['gita', 'The half-year figures come on Friday.']], { id: 'news', age: 500, roles: new Map([['ann', 'member']]), room: { id: 'news', name: 'Announcements', category: 'House', topic: 'From the management', description: '', access: 'closed', auditorium: true } }),
      talk('room', ['bo'], [['bo', 'Who is in for lunch?']], { id: 'lunch', room: { id: 'lunch', name: 'Lunch', category: 'House', topic: 'Where and when', description: '', access: 'open', auditorium: false } }),
    ]),
    views: new Map([['engineering', ['bo', 'cy']], ['news', []], ['lunch', []]]),
    contacts: {
      revision: 1,
      groups: [{ id: 'team', name: 'My team' }],
      contacts: [
        { id: 'k-bo', user: 'bo', groups: ['team'], tagged: false, level: 'team' },
        { id: 'k-cy', user: 'cy', groups: ['team'], tagged: true, level: 'team' },
        { id: 'k-dana', user: 'dana', groups: [], tagged: false, level: 'company' },
        { id: 'k-eve', user: 'eve', groups: [], tagged: false, level: 'company' },
        { id: 'k-gita', user: 'gita', groups: [], tagged: false, level: 'public' },
        { id: 'k-phone', phone: '+49 30 555 0199', name: 'Reception', groups: [], tagged: false, level: 'company' },
      ],
      recent: ['bo', 'finn'],
    },
    filters: [
      { id: 'ego', name: 'ego', ego: true, alert: true },
      { id: 'servers', name: 'Servers', words: ['server', 'build'], alert: false },
    ],
  }
}
