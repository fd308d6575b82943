import { createRoot } from 'react-dom/client'
import { Companion } from './companion/client'
import { App } from './ui/companion/App'
import './ui/style/tokens.css'
import './ui/style/controls.css'
import './ui/style/door.css'
import './ui/style/companion.css'
import './ui/style/talk.css'

const root = document.getElementById('root')
const client = new Companion()
void client.start()
if (root) createRoot(root).render(<App client={client} />)
