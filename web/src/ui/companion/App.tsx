import { lazy, Suspense, useCallback, useEffect, useMemo, useState } from 'react'
import { Button } from 'react-aria-components'
import type { Companion } from '../../companion/client'
import { load, save, type Preferences } from '../../companion/preferences'
import { read, write, type Route } from '../../companion/route'
import { speak, words } from '../../companion/words'
import { pickLanguage } from '../../language'
import { Brand } from '../controls'
import { PageContext, useCompanion, type Asked, type Page } from './context'
import { Shell } from './Shell'
import { SignIn } from './SignIn'

const Dialogs = lazy(async () => ({ default: (await import('./Dialogs')).Dialogs }))

/** Everything below `/app`; drawn anew when the language changes. */
export function App({ client }: { readonly client: Companion }) {
  const [preferences, setPreferences] = useState(load)
  const [route, setRoute] = useState(() => read(location))
  const [asked, ask] = useState<Asked>({ dialog: 'none' })
  const [tongue, setTongue] = useState('')

  useEffect(() => {
    void speak(pickLanguage(preferences.language, navigator.languages)).then(() => setTongue(words.tongue))
  }, [preferences.language])
  useEffect(() => {
    if (preferences.theme === 'system') delete document.documentElement.dataset['theme']
    else document.documentElement.dataset['theme'] = preferences.theme
  }, [preferences.theme])
  useEffect(() => {
    const back = () => setRoute(read(location))
    addEventListener('popstate', back)
    return () => removeEventListener('popstate', back)
  }, [])

  const go = useCallback((next: Route) => {
    const address = write(next)
    if (address !== location.pathname + location.search) history.pushState(null, '', address)
    setRoute(next)
  }, [])
  const prefer = useCallback((change: Partial<Preferences>) => {
    setPreferences((now) => {
      const next = { ...now, ...change }
      save(next)
      return next
    })
  }, [])
  const page = useMemo<Page>(() => ({ client, route, go, preferences, prefer, ask }), [client, route, go, preferences, prefer])
  if (tongue === '') return null
  return (
    <PageContext value={page}>
      <Screen key={tongue} />
      {asked.dialog !== 'none' && (
        <Suspense>
          <Dialogs key={`dialogs-${tongue}`} asked={asked} close={() => ask({ dialog: 'none' })} />
        </Suspense>
      )}
    </PageContext>
  )
}

function Screen() {
  const { phase } = useCompanion()
  switch (phase) {
    case 'starting':
    case 'connecting':
      return (
        <main className="door over">
          <span className="spinner" />
          <p className="lead" role="status">
            {words.signIn.starting}
          </p>
        </main>
      )
    case 'signed_out':
      return <SignIn />
    case 'outdated':
      return (
        <main className="door over">
          <Brand />
          <p className="lead">{words.signIn.outdated}</p>
          <Button className="button button-primary" onPress={() => location.reload()}>
            {words.signIn.reload}
          </Button>
        </main>
      )
    default:
      return <Shell />
  }
}
