import { useState } from 'react'
import { Button, Dialog, DialogTrigger, Heading, Input, Label, Popover, TextField } from 'react-aria-components'
import type { Class } from '../../companion/protocol'
import { words } from '../../companion/words'
import { hue, initials } from '../../layout'
import { Badge, Choice } from './bits'
import { presenceOf, stateText, useCompanion, useNow, usePage } from './context'

const CHOICES: readonly (readonly [keyof typeof words.states, Class])[] = [
  ['available', 'available'],
  ['busy', 'busy'],
  ['do_not_disturb', 'do_not_disturb'],
  ['be_right_back', 'away'],
  ['away', 'away'],
  ['appear_offline', 'offline'],
]

/** In minutes; none: until it is changed. */
const TERMS = ['', '30', '60', '120', '240', '480'] as const

/** Oneself: the state, and what else others see. */
export function Me() {
  const state = useCompanion()
  const me = state.me
  if (!me) return null
  const own = presenceOf(state, me.id)
  return (
    <DialogTrigger>
      <Button className="me" aria-label={words.me.menu(me.name, stateText(own))}>
        <span className="face face-small">
          <span className={`avatar avatar-small hue-${hue(me.name)}`} aria-hidden="true">
            {initials(me.name)}
          </span>
          <Badge kind={own.class} label={stateText(own)} />
        </span>
      </Button>
      <Popover className="popover me-popover" placement="bottom start">
        <Dialog className="dialog me-dialog">{({ close }) => <Mine close={close} />}</Dialog>
      </Popover>
    </DialogTrigger>
  )
}

function Mine({ close }: { readonly close: () => void }) {
  const { client } = usePage()
  const state = useCompanion()
  const own = presenceOf(state, state.me?.id ?? '')
  const [term, setTerm] = useState<(typeof TERMS)[number]>('')
  const choose = (choice: string | null, custom: string | null) => {
    void client.choose(choice, custom, term === '' ? null : Number(term) * 60)
    close()
  }
  return (
    <>
      <Heading slot="title">{state.me?.name}</Heading>
      <div className="me-states" role="group" aria-label={words.me.title}>
        {CHOICES.map(([choice, kind]) => (
          <Button key={choice} className="option" aria-pressed={own.choice === choice} onPress={() => choose(choice, null)}>
            <span>
              <Badge kind={kind} label="" /> {words.states[choice]}
            </span>
          </Button>
        ))}
        {state.customStates.map(({ id, class: kind, text }) => (
          <Button key={id} className="option" aria-pressed={own.choice === id} onPress={() => choose(null, id)}>
            <span>
              <Badge kind={kind} label="" /> {text[words.tongue] ?? text['en'] ?? Object.values(text)[0] ?? id}
            </span>
          </Button>
        ))}
        <Button className="option" aria-pressed={own.choice === ''} onPress={() => choose(null, null)}>
          <span>{words.me.automatic}</span>
        </Button>
      </div>
      <Choice
        label={words.me.until}
        value={term}
        options={TERMS.map((minutes) => [minutes, minutes === '' ? words.me.forever : words.me.minutes(Number(minutes))] as const)}
        onChange={setTerm}
      />
      {state.me?.role !== 'guest' && <Told close={close} />}
      <div className="dialog-actions">
        <Button className="button button-small" onPress={() => void client.signOut(true)}>
          {words.me.signOutAll}
        </Button>
        <Button className="button button-small" onPress={() => void client.signOut(false)}>
          {words.me.signOut}
        </Button>
      </div>
    </>
  )
}

const AUDIENCES = { personal: ['personal'], team: ['personal', 'team'], company: ['personal', 'team', 'company'] } as const

/** The day of a time here, as a date's input has it. */
const dayOf = (ts: number): string => {
  const at = new Date(ts)
  return [at.getFullYear().toString().padStart(4, '0'), (at.getMonth() + 1).toString().padStart(2, '0'), at.getDate().toString().padStart(2, '0')].join('-')
}

/** Note, place and absence. */
function Told({ close }: { readonly close: () => void }) {
  const { client } = usePage()
  const state = useCompanion()
  const own = presenceOf(state, state.me?.id ?? '')
  const [note, setNote] = useState(own.note)
  const [place, setPlace] = useState(own.location)
  const [audience, setAudience] = useState<keyof typeof AUDIENCES>('team')
  const [out, setOut] = useState(own.oof)
  const said = own.oof_until > 0 ? dayOf(own.oof_until) : ''
  const [back, setBack] = useState(said)
  const tomorrow = dayOf(useNow() + 86_400_000)
  const save = async () => {
    // An end within a day, which another client may give, stays as it is.
    const until = back === said ? own.oof_until : new Date(`${back}T00:00`).getTime()
    const asked = [
      note !== own.note && client.request('note', { text: note }),
      place !== own.location && client.request('location', { text: place, kind: 'other', for: AUDIENCES[audience] }),
      (out !== own.oof || back !== said) && client.request('out_of_office', out === '' ? {} : { text: out, ...(until > 0 && { until }) }),
    ]
    if (!(await Promise.all(asked)).includes(null)) close()
  }
  return (
    <form
      className="me-told"
      onSubmit={(event) => {
        event.preventDefault()
        void save()
      }}
    >
      <TextField className="field" value={note} onChange={setNote}>
        <Label className="label">{words.me.note}</Label>
        <Input className="input" placeholder={words.me.notePlaceholder} maxLength={500} />
      </TextField>
      <TextField className="field" value={place} onChange={setPlace}>
        <Label className="label">{words.me.location}</Label>
        <Input className="input" placeholder={words.me.locationPlaceholder} maxLength={100} />
      </TextField>
      <Choice
        label={words.me.locationFor}
        value={audience}
        options={(['personal', 'team', 'company'] as const).map((level) => [level, words.levels[level]] as const)}
        onChange={setAudience}
      />
      <TextField className="field" value={out} onChange={setOut}>
        <Label className="label">{words.me.out}</Label>
        <Input className="input" maxLength={500} />
      </TextField>
      {out !== '' && (
        <TextField className="field" type="date" value={back} onChange={setBack}>
          <Label className="label">{words.me.outUntil}</Label>
          <Input className="input" min={said !== '' && said < tomorrow ? said : tomorrow} />
        </TextField>
      )}
      <Button className="button button-primary button-small" type="submit">
        {words.me.save}
      </Button>
    </form>
  )
}
