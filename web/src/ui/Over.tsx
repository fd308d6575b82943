import { Button } from 'react-aria-components'
import { strings } from '../strings'
import { Brand } from './controls'
import { useClientState } from './context'

interface OverProps {
  readonly onRejoin: () => void
}

/** After the conference: why, and the way back. */
export function Over({ onRejoin }: OverProps) {
  const { session } = useClientState()
  const { title, fix } = strings.over.endings[session.ended ?? 'left']
  return (
    <div className="door">
      <header className="door-header">
        <Brand />
      </header>
      <main className="over">
        <h1>{title}</h1>
        <p className="lead">{fix}</p>
        <div className="over-actions">
          <Button className="button button-primary" onPress={onRejoin} autoFocus>
            {strings.over.rejoin}
          </Button>
          <a className="button" href="/">
            {strings.over.other}
          </a>
        </div>
      </main>
    </div>
  )
}
