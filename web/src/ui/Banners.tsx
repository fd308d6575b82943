import { useEffect, useState } from 'react'
import { Button, Label, ListBox, ListBoxItem, Popover, Select, SelectValue } from 'react-aria-components'
import type { ParticipantId } from '../protocol'
import { strings } from '../strings'
import { useClient, useClientState, useSelf } from './context'
import { LobbyBanner } from './Lobby'
import { ShareBanners } from './Sharing'
import { AsideIcon, CheckIcon, ChevronIcon, LanguageIcon, PauseIcon, PhoneIcon, SoundOffIcon, WarningIcon } from './icons'

/** Attempts after which reconnecting is no longer a hiccup. */
const PATIENCE = 4

/** The last minutes of a conference are counted, in s. */
const NEAR = 300

/** Minutes that a host adds with one press. */
const EXTENSION = 10

/** The original sound, among the languages. */
const ORIGINAL = 'original'

/** What stands between the person and the conference just now, and what is not as usual. */
export function Banners() {
  return (
    <>
      <Connection />
      <TimeLeft />
      <LobbyBanner />
      <ShareBanners />
      <Apart />
      <Languages />
    </>
  )
}

function Connection() {
  const client = useClient()
  const { session, path } = useClientState()
  if (session.phase === 'reconnecting') {
    return (
      <div className="banner" data-tone="warning" role="alert">
        <span className="spinner" />
        <span>{session.attempt > PATIENCE ? strings.room.stillTrying : strings.room.reconnecting}</span>
        <Button className="button button-small" onPress={() => client.retryNow()}>
          {strings.room.tryNow}
        </Button>
      </div>
    )
  }
  if (path === 'interrupted') {
    return (
      <div className="banner" data-tone="warning" role="alert">
        <WarningIcon />
        <span>{strings.room.interrupted}</span>
      </div>
    )
  }
  if (path === 'connecting') {
    return (
      <div className="banner" data-tone="info" role="status">
        <span className="spinner" />
        <span>{strings.room.connecting}</span>
      </div>
    )
  }
  return null
}

function TimeLeft() {
  const { timeLeft } = useClientState().session
  return timeLeft && <Countdown key={timeLeft.said} seconds={timeLeft.seconds} />
}

/** Counts down from what the server said. */
function Countdown({ seconds }: { readonly seconds: number }) {
  const client = useClient()
  const { session } = useClientState()
  const [end] = useState(() => Date.now() + seconds * 1_000)
  const [left, setLeft] = useState(seconds)
  useEffect(() => {
    const timer = setInterval(() => setLeft(Math.max(0, Math.ceil((end - Date.now()) / 1_000))), 1_000)
    return () => clearInterval(timer)
  }, [end])
  if (left > NEAR) return null
  const time = `${Math.floor(left / 60)}:${String(left % 60).padStart(2, '0')}`
  return (
    <div className="banner" data-tone="warning" role="timer">
      <WarningIcon />
      <span>{strings.room.ends(time)}</span>
      {session.role === 'host' && (
        <Button className="button button-small" onPress={() => client.extend(EXTENSION)}>
          {strings.room.extend}
        </Button>
      )}
    </div>
  )
}

/** One is not with the others as usual: on hold, aside, whispering. */
function Apart() {
  const client = useClient()
  const { session } = useClientState()
  const self = useSelf()
  if (!self) return null
  const named = (ids: readonly ParticipantId[]) =>
    session.roster
      .filter(({ id }) => ids.includes(id))
      .map(({ name }) => name)
      .join(strings.room.and)
  const company = session.roster.filter(({ id, side }) => id !== self.id && side !== null && side === self.side)
  const interpreted = session.conference?.channels.find(({ interpreter }) => interpreter === self.id)
  return (
    <>
      {self.held && (
        <div className="banner" data-tone="warning" role="status">
          <PauseIcon />
          <span>{strings.room.held}</span>
        </div>
      )}
      {self.byPhone && (
        <div className="banner" data-tone="info" role="status">
          <PhoneIcon />
          <span>{strings.room.byPhone}</span>
        </div>
      )}
      {self.deafened && !self.held && (
        <div className="banner" data-tone="warning" role="status">
          <SoundOffIcon />
          <span>{strings.room.deafened}</span>
        </div>
      )}
      {self.side !== null && (
        <div className="banner" data-tone="aside" role="alert">
          <AsideIcon />
          <span>{strings.room.aside(named(company.map(({ id }) => id)))}</span>
          <Button className="button button-small" onPress={() => client.returnToAll()}>
            {strings.room.asideReturn}
          </Button>
        </div>
      )}
      {session.whisperTo && (
        <div className="banner" data-tone="aside" role="alert">
          <AsideIcon />
          <span>{strings.room.whispering(named([session.whisperTo]))}</span>
          <Button className="button button-small" onPress={() => session.whisperTo && client.whisper(session.whisperTo, false)}>
            {strings.people.stopWhisper}
          </Button>
        </div>
      )}
      {session.whisperFrom.length > 0 && (
        <div className="banner" data-tone="aside" role="status">
          <AsideIcon />
          <span>{strings.room.whispered(named(session.whisperFrom))}</span>
        </div>
      )}
      {interpreted && (
        <div className="banner" data-tone="aside" role="status">
          <LanguageIcon />
          <span>{strings.room.interpreting(interpreted.name)}</span>
        </div>
      )}
    </>
  )
}

/** Which language one hears, when there are some. */
function Languages() {
  const client = useClient()
  const { session } = useClientState()
  const self = useSelf()
  const channels = session.conference?.channels ?? []
  if (channels.length === 0 || channels.some(({ interpreter }) => interpreter === session.self)) return null
  const options = [
    { id: ORIGINAL, label: strings.room.original },
    ...channels.map(({ channel, name }) => ({ id: String(channel), label: name })),
  ]
  const listening = self?.listening ?? null
  return (
    <div className="banner" data-tone="info">
      <Select
        className="select language"
        selectedKey={listening === null ? ORIGINAL : String(listening)}
        onSelectionChange={(key) => client.listen(key === ORIGINAL ? null : Number(key))}
      >
        <Label className="language-label">{strings.room.language}</Label>
        <Button className="select-button">
          <LanguageIcon />
          <SelectValue className="select-value" />
          <ChevronIcon />
        </Button>
        <Popover className="popover">
          <ListBox className="listbox" items={options}>
            {({ id, label }) => (
              <ListBoxItem id={id} textValue={label} className="option">
                <span>{label}</span>
                <CheckIcon />
              </ListBoxItem>
            )}
          </ListBox>
        </Popover>
      </Select>
    </div>
  )
}
