/** Gives the components the client and the devices, and redraws them on change. */

import { createContext, useContext, useSyncExternalStore } from 'react'
import type { Client, ClientState } from '../client'
import type { LocalMedia } from '../devices'
import type { Participant } from '../protocol'

export const ClientContext = createContext<Client | null>(null)

export function useClient(): Client {
  const client = useContext(ClientContext)
  if (!client) throw new Error('no client around this component')
  return client
}

export function useClientState(): ClientState {
  const client = useClient()
  return useSyncExternalStore(client.subscribe, client.snapshot)
}

export function useDevices(): LocalMedia {
  const { devices } = useClient()
  return useSyncExternalStore(devices.subscribe, devices.snapshot)
}

/** Oneself in the roster. */
export function useSelf(): Participant | undefined {
  const { session } = useClientState()
  return session.roster.find(({ id }) => id === session.self)
}
