import { useState, type FormEvent } from 'react'
import { Button, Input, Label, Switch, TextField } from 'react-aria-components'
import { signIn, signInAsGuest, type SignInFault } from '../../companion/rest'
import { words } from '../../companion/words'
import { Brand } from '../controls'
import { usePage } from './context'

/** The way in: by password, or as a guest by the invitation in the address. */
export function SignIn() {
  const { client, route, go } = usePage()
  const invite = route.screen === 'guest' ? route.invite : null
  const [first, setFirst] = useState('')
  const [password, setPassword] = useState('')
  const [offline, setOffline] = useState(false)
  const [fault, setFault] = useState<SignInFault | null>(null)
  const [pending, setPending] = useState(false)

  const enter = async (event: FormEvent) => {
    event.preventDefault()
    if (pending || first.trim() === '') return
    setPending(true)
    const failed = await client.signIn(invite === null ? signIn(first.trim(), password) : signInAsGuest(invite, first.trim()), offline)
    setPending(false)
    setFault(failed)
    setPassword('')
    if (failed === null && invite !== null) go({ screen: 'chats' })
  }
  const why = { wrong: invite === null ? words.signIn.wrong : words.signIn.wrongGuest, wait: words.signIn.wait, unreachable: words.signIn.unreachable, none: words.signIn.wrong }
  return (
    <div className="door">
      <header className="door-header">
        <Brand />
      </header>
      <main className="signin">
        <form className="form" onSubmit={(event) => void enter(event)}>
          <div>
            <h1>{invite === null ? words.signIn.title : words.signIn.guestTitle}</h1>
            <p className="lead">{invite === null ? words.signIn.lead : words.signIn.guestLead}</p>
          </div>
          <TextField className="field" value={first} onChange={setFirst} isRequired autoComplete={invite === null ? 'username' : 'name'} autoFocus>
            <Label className="label">{invite === null ? words.signIn.login : words.signIn.name}</Label>
            <Input className="input" />
          </TextField>
          {invite === null && (
            <>
              <TextField className="field" type="password" value={password} onChange={setPassword} isRequired autoComplete="current-password">
                <Label className="label">{words.signIn.password}</Label>
                <Input className="input" />
              </TextField>
              <Switch className="switch" isSelected={offline} onChange={setOffline}>
                <span>
                  {words.signIn.offline}
                  <small>{words.signIn.offlineHint}</small>
                </span>
                <span className="switch-track" aria-hidden="true" />
              </Switch>
            </>
          )}
          <p className="field-error" role="alert">
            {fault && why[fault]}
          </p>
          <Button className="button button-primary button-large" type="submit" data-pending={pending || undefined}>
            {invite === null ? words.signIn.go : words.signIn.enter}
          </Button>
          <a className="link" href="/">
            {words.signIn.conference}
          </a>
        </form>
      </main>
    </div>
  )
}
