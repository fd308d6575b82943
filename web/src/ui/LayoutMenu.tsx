/** What is seen: by oneself, cameras in one of two arrangements, one picture of all, or no video; and for a host to choose, by all who have not chosen. */

import { useState } from 'react'
import { Button, Header, Menu, MenuItem, MenuSection, MenuTrigger, Popover } from 'react-aria-components'
import type { Viewing } from '../protocol'
import { strings } from '../strings'
import { Banner } from './Banner'
import { useClient, useClientState, useSelf } from './context'
import { CheckIcon, LayoutIcon } from './icons'
import type { View } from './Stage'

const ARRANGEMENTS: readonly View[] = ['speaker', 'grid']
/** Tells what is for everybody from what is for oneself. */
const ALL = 'all:'
const CAMERAS = 'cameras'
const BANNER = 'banner'

interface LayoutMenuProps {
  readonly view: View
  readonly setView: (view: View) => void
}

export function LayoutMenu({ view, setView }: LayoutMenuProps) {
  const client = useClient()
  const [writing, setWriting] = useState(false)
  const { conference, role, video } = useClientState().session
  const given: Viewing = conference?.composite === true ? 'composite' : 'cameras'
  const chosen = useSelf()?.view ?? given
  // Who cannot decode every camera sees the picture of all without having chosen it.
  const seen = video.some(({ composite }) => composite) ? 'composite' : chosen
  const see = (next: Viewing) => {
    if (next !== seen) client.setView(next === given && seen === chosen ? null : next)
  }
  const own = (key: string) => {
    const arrangement = ARRANGEMENTS.find((candidate) => key === candidate)
    if (arrangement !== undefined) setView(arrangement)
    see(arrangement === undefined ? (key as Viewing) : 'cameras')
  }
  const all = (layout: string) => {
    if (layout !== CAMERAS) client.setLayout(layout)
    client.setComposite(layout !== CAMERAS)
  }
  const choose = (key: string) => {
    if (key === BANNER) setWriting(true)
    else if (key.startsWith(ALL)) all(key.slice(ALL.length))
    else own(key)
  }
  return (
    <>
      <MenuTrigger>
        <Button className={seen === 'cameras' ? 'icon-button' : 'icon-button is-on'} aria-label={strings.bar.layout}>
          <LayoutIcon />
        </Button>
        <Popover className="popover" placement="top end">
          <Menu className="listbox" aria-label={strings.bar.layout} onAction={(key) => choose(String(key))}>
            <MenuSection selectionMode="single" disallowEmptySelection selectedKeys={[seen === 'cameras' ? view : seen]}>
              <Header className="option-header">{strings.layouts.own}</Header>
              {ARRANGEMENTS.map((arrangement) => item(arrangement, strings.layouts.views[arrangement]))}
              {conference?.layouts && item('composite', strings.layouts.composite)}
              {item('nothing', strings.layouts.nothing)}
            </MenuSection>
            {role === 'host' && conference?.layouts && (
              <MenuSection
                selectionMode="single"
                disallowEmptySelection
                selectedKeys={[ALL + (given === 'composite' ? conference.layout : CAMERAS)]}
              >
                <Header className="option-header">{strings.layouts.all}</Header>
                {item(ALL + CAMERAS, strings.layouts.cameras)}
                {conference.layouts.map((layout) => item(ALL + layout, nameOf(layout)))}
              </MenuSection>
            )}
            {role === 'host' && given === 'composite' && (
              <MenuItem id={BANNER} className="option">
                {strings.layouts.banner}
              </MenuItem>
            )}
          </Menu>
        </Popover>
      </MenuTrigger>
      <Banner open={writing} onClose={() => setWriting(false)} />
    </>
  )
}

function item(key: string, words: string) {
  return (
    <MenuItem key={key} id={key} className="option" textValue={words}>
      {words}
      <CheckIcon />
    </MenuItem>
  )
}

/** Layouts of the administrator's are called as they are. */
function nameOf(layout: string): string {
  const known: Readonly<Record<string, string>> = strings.layouts.names
  return known[layout] ?? layout
}
