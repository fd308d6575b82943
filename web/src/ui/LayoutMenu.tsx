/** What is seen, for a host to choose: cameras as they come, which is for oneself, or one picture of all in one of its layouts, for everybody. */

import { Button, Header, Menu, MenuItem, MenuSection, MenuTrigger, Popover } from 'react-aria-components'
import { strings } from '../strings'
import { useClient, useClientState } from './context'
import { CheckIcon, LayoutIcon } from './icons'
import type { View } from './Stage'

const VIEWS: readonly View[] = ['speaker', 'grid']
/** Tells the page's own views from layouts of the same names. */
const OWN = 'own:'

interface LayoutMenuProps {
  readonly view: View
  readonly setView: (view: View) => void
}

export function LayoutMenu({ view, setView }: LayoutMenuProps) {
  const client = useClient()
  const { conference } = useClientState().session
  const composed = conference?.layout
  const choose = (key: string) => {
    const own = VIEWS.find((candidate) => key === OWN + candidate)
    if (own === undefined) {
      client.setLayout(key)
      if (composed === undefined) client.setComposite(true)
      return
    }
    setView(own)
    if (composed !== undefined) client.setComposite(false)
  }
  return (
    <MenuTrigger>
      <Button className={composed === undefined ? 'icon-button' : 'icon-button is-on'} aria-label={strings.bar.layout}>
        <LayoutIcon />
      </Button>
      <Popover className="popover" placement="top end">
        <Menu
          className="listbox"
          aria-label={strings.bar.layout}
          selectionMode="single"
          disallowEmptySelection
          selectedKeys={[composed ?? OWN + view]}
          onAction={(key) => choose(String(key))}
        >
          <MenuSection>
            <Header className="option-header">{strings.layouts.own}</Header>
            {VIEWS.map((own) => item(OWN + own, strings.layouts.views[own]))}
          </MenuSection>
          <MenuSection>
            <Header className="option-header">{strings.layouts.composite}</Header>
            {(conference?.layouts ?? []).map((layout) => item(layout, nameOf(layout)))}
          </MenuSection>
        </Menu>
      </Popover>
    </MenuTrigger>
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
