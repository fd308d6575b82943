import { createRoot } from 'react-dom/client'
import { Client } from './client'
import { Devices } from './devices'
import { App } from './ui/App'
import './ui/style/tokens.css'
import './ui/style/controls.css'
import './ui/style/door.css'
import './ui/style/room.css'

const root = document.getElementById('root')
if (root) createRoot(root).render(<App client={new Client(new Devices())} />)
