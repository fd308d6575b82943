import { useState, type ReactNode } from 'react'
import { Button, Switch } from 'react-aria-components'
import { number, text } from '../../companion/protocol'
import { changePassword } from '../../companion/rest'
import { words } from '../../companion/words'
import { LANGUAGES, type Language } from '../../language'
import { Choice, Field } from './bits'
import { useCompanion, usePage } from './context'

/** What is kept here, and what the server keeps. */
export function Settings() {
  const { preferences, prefer } = usePage()
  const state = useCompanion()
  const languages = Object.keys(LANGUAGES) as Language[]
  return (
    <section className="screen settings" aria-label={words.settings.title}>
      <header className="screen-head">
        <h1>{words.settings.title}</h1>
      </header>
      <Part title={words.settings.look}>
        <Choice
          label={words.settings.language}
          value={preferences.language}
          options={[['', words.settings.browser], ...languages.map((one) => [one, LANGUAGES[one]] as const)]}
          onChange={(language) => prefer({ language })}
        />
        <Choice
          label={words.settings.theme}
          value={preferences.theme}
          options={(['system', 'light', 'dark'] as const).map((theme) => [theme, words.settings.themes[theme]] as const)}
          onChange={(theme) => prefer({ theme })}
        />
        <OnOff label={words.settings.emoticons} on={preferences.emoticons} set={(emoticons) => prefer({ emoticons })} />
      </Part>
      <Alerts />
      {state.me?.role !== 'guest' && <Presence />}
      <Part title={words.settings.keys}>
        <OnOff label={words.settings.shortcuts} hint={words.settings.shortcutsHint} on={preferences.shortcuts} set={(shortcuts) => prefer({ shortcuts })} />
      </Part>
      {state.me?.role !== 'guest' && <Password />}
    </section>
  )
}

function Part({ title, children }: { readonly title: string; readonly children: ReactNode }) {
  return (
    <section className="part" aria-label={title}>
      <h2>{title}</h2>
      {children}
    </section>
  )
}

interface OnOffProps {
  readonly label: string
  readonly hint?: string
  readonly on: boolean
  readonly set: (on: boolean) => void
}

function OnOff({ label, hint, on, set }: OnOffProps) {
  return (
    <Switch className="switch" isSelected={on} onChange={set}>
      <span>
        {label}
        {hint !== undefined && <small>{hint}</small>}
      </span>
      <span className="switch-track" aria-hidden="true" />
    </Switch>
  )
}

function Alerts() {
  const { preferences, prefer } = usePage()
  const [denied, setDenied] = useState(false)
  const notify = async (on: boolean) => {
    const allowed = !on || ('Notification' in globalThis && (await Notification.requestPermission()) === 'granted')
    setDenied(!allowed)
    prefer({ notify: on && allowed })
  }
  return (
    <Part title={words.settings.alerts}>
      <OnOff label={words.settings.notify} hint={words.settings.notifyHint} on={preferences.notify} set={(on) => void notify(on)} />
      <p className="field-error" role="alert">
        {denied && words.settings.notifyDenied}
      </p>
      <OnOff label={words.settings.sound} on={preferences.sound} set={(sound) => prefer({ sound })} />
    </Part>
  )
}

const seconds = (minutes: string): number => Math.round(Math.min(1_440, Math.max(1, Number(minutes) || 1)) * 60)

function Presence() {
  const { client } = usePage()
  const { settings, me } = useCompanion()
  const [inactive, setInactive] = useState(String((number(settings, 'inactive_s') || 300) / 60))
  const [away, setAway] = useState(String((number(settings, 'away_s') || 900) / 60))
  const [calendar, setCalendar] = useState(text(settings, 'calendar'))
  const save = async () => {
    await client.configure({ inactive_s: seconds(inactive), away_s: seconds(away) })
    if (calendar !== text(settings, 'calendar')) await client.request('calendar', calendar === '' ? {} : { url: calendar })
    client.notify({ kind: 'said', text: words.settings.saved })
  }
  return (
    <Part title={words.settings.presence}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void save()
        }}
      >
        <Field label={words.settings.inactive} type="number" value={inactive} onChange={setInactive} />
        <Field label={words.settings.away} type="number" value={away} onChange={setAway} />
        <Field label={words.settings.calendar} type="url" value={calendar} onChange={setCalendar} hint={words.settings.calendarHint} most={1_000} />
        <Button className="button button-small" type="submit">
          {words.me.save}
        </Button>
      </form>
      <OnOff label={words.settings.presenting} on={settings['presenting_is_dnd'] !== false} set={(on) => void client.configure({ presenting_is_dnd: on })} />
      <OnOff label={words.settings.badge} hint={words.settings.badgeHint(`<plenum-presence user="${me?.login ?? ''}">`)} on={settings['badge'] === true} set={(badge) => void client.configure({ badge })} />
    </Part>
  )
}

function Password() {
  const { client } = usePage()
  const [old, setOld] = useState('')
  const [next, setNext] = useState('')
  const [failed, setFailed] = useState(false)
  const change = async () => {
    const done = await changePassword(old, next)
    setFailed(!done)
    if (!done) return
    setOld('')
    setNext('')
    client.notify({ kind: 'said', text: words.settings.changed })
  }
  return (
    <Part title={words.settings.password}>
      <form
        className="form"
        onSubmit={(event) => {
          event.preventDefault()
          void change()
        }}
      >
        <Field label={words.settings.old} type="password" value={old} onChange={setOld} />
        <Field label={words.settings.next} type="password" value={next} onChange={setNext} />
        <p className="field-error" role="alert">
          {failed && words.settings.notChanged}
        </p>
        <Button className="button button-small" type="submit" isDisabled={old === '' || next === ''}>
          {words.settings.change}
        </Button>
      </form>
    </Part>
  )
}
