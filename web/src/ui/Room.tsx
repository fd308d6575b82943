import { useEffect, useMemo, useState } from 'react'
import { trackOf } from '../devices'
import { loadPreferences, savePreferences } from '../preferences'
import { strings } from '../strings'
import { Banners } from './Banners'
import { Bar, type RoomActions } from './Bar'
import { useClient, useClientState, useSelf } from './context'
import { LockIcon } from './icons'
import { Notices } from './Notices'
import { People } from './People'
import { RecordingBadge } from './Recording'
import { Settings } from './Settings'
import { Sound } from './Sound'
import { Stage, type View } from './Stage'

/** Whether there is room for the roster beside the pictures, at the start. */
const WIDE = '(min-width: 1100px)'

/** The conference. */
export function Room() {
  const [view, setView] = useState<View>('speaker')
  const [peopleOpen, setPeopleOpen] = useState(() => matchMedia(WIDE).matches)
  const [settingsOpen, setSettingsOpen] = useState(false)
  const [selfView, setSelfView] = useSelfView()
  const actions = useActions(setPeopleOpen, () => setSettingsOpen(true))
  useShortcuts(actions)
  return (
    <div className="room" data-people={peopleOpen || undefined}>
      <RoomHeader />
      <main className="room-main">
        <Banners />
        <Sound />
        <Stage view={view} selfView={selfView} />
        <Notices />
      </main>
      {peopleOpen && <People onClose={() => setPeopleOpen(false)} />}
      <Bar
        actions={actions}
        view={view}
        setView={setView}
        peopleOpen={peopleOpen}
        openSettings={() => setSettingsOpen(true)}
      />
      <Settings
        open={settingsOpen}
        onClose={() => setSettingsOpen(false)}
        selfView={selfView}
        setSelfView={setSelfView}
      />
    </div>
  )
}

/** Whether one's own picture is among the others; remembered. */
function useSelfView(): [boolean, (on: boolean) => void] {
  const [on, set] = useState(() => loadPreferences().selfView)
  return [
    on,
    (next) => {
      set(next)
      savePreferences({ selfView: next })
    },
  ]
}

function RoomHeader() {
  const { session, feel } = useClientState()
  const { conference } = session
  return (
    <header className="room-header">
      <h1>{conference?.name || strings.product}</h1>
      {conference && <span className="room-id">{conference.id}</span>}
      {conference?.locked && (
        <span className="badge badge-strong">
          <LockIcon /> {strings.room.locked}
        </span>
      )}
      {conference && <RecordingBadge recording={conference.recording} />}
      <span className="room-count">{strings.room.people(session.roster.length)}</span>
      {feel && (
        <span className="feel" data-feel={feel} role="img" aria-label={strings.room.feel[feel]} title={strings.room.feel[feel]}>
          <i />
          <i />
          <i />
        </span>
      )}
    </header>
  )
}

function useActions(setPeopleOpen: (change: (open: boolean) => boolean) => void, openSettings: () => void): RoomActions {
  const client = useClient()
  const self = useSelf()
  const hand = self?.hand ?? false
  const explain = async (done: Promise<boolean>) => {
    // The settings say why a device did not start, and what helps.
    if (!(await done)) openSettings()
  }
  return {
    toggleMute: () => {
      if (self?.byPhone) return client.mutePhone(!self.muted)
      const { microphone, muted } = client.devices.snapshot()
      void explain(client.devices.setMuted(!(muted || !trackOf(microphone))))
    },
    toggleCamera: () => {
      if (self?.videoMuted !== true) void explain(client.devices.toggleCamera())
    },
    toggleHand: () => client.setHand(!hand),
    togglePeople: () => setPeopleOpen((open) => !open),
  }
}

/** Shortcuts need Ctrl or Command: people have muted themselves by typing. */
function useShortcuts(actions: RoomActions): void {
  const keys = useMemo(
    () => ({ plain: { d: actions.toggleMute, e: actions.toggleCamera }, alt: { h: actions.toggleHand, p: actions.togglePeople } }),
    [actions],
  )
  useEffect(() => {
    const pressed = (event: KeyboardEvent) => {
      if ((!event.ctrlKey && !event.metaKey) || event.shiftKey || event.repeat) return
      const table: Record<string, (() => void) | undefined> = event.altKey ? keys.alt : keys.plain
      const action = table[event.code.replace(/^Key/, '').toLowerCase()]
      if (!action) return
      event.preventDefault()
      action()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [keys])
}
