/** The companion's keys. Those without Ctrl work only where somebody switched them on, and never in a field. */

import { useEffect } from 'react'
import type { Id } from '../../companion/protocol'
import type { CompanionState } from '../../companion/state'
import { useCompanion, usePage } from './context'

/** By the newest event, newest first. */
export function byNewest(state: CompanionState): readonly Id[] {
  const stamp = (id: Id) => state.talks[id]?.info.last?.ts ?? 0
  return Object.keys(state.talks).toSorted((a, b) => stamp(b) - stamp(a))
}

const typing = (target: EventTarget | null): boolean => target instanceof HTMLElement && target.closest('input, textarea, select, [contenteditable], [role=dialog], [role=menu]') !== null

export function useKeys(): void {
  const { go, ask, route, preferences } = usePage()
  const state = useCompanion()
  useEffect(() => {
    const order = byNewest(state)
    const step = (by: number) => {
      const at = route.screen === 'talk' ? order.indexOf(route.conversation) : by > 0 ? -1 : 0
      const next = order[(at + by + order.length) % order.length]
      if (next) go({ screen: 'talk', conversation: next, seq: 0 })
    }
    const deeds: Record<string, () => void> = {
      k: () => step(-1),
      j: () => step(1),
      n: () => ask({ dialog: 'new' }),
      '/': () => go({ screen: 'search', query: '' }),
      u: () => {
        const next = order.find((id) => (state.talks[id]?.info.unread ?? 0) > 0)
        if (next) go({ screen: 'talk', conversation: next, seq: 0 })
      },
    }
    const pressed = (event: KeyboardEvent) => {
      const control = event.ctrlKey || event.metaKey
      if (control && !event.altKey && event.key.toLowerCase() === 'k') {
        event.preventDefault()
        return ask({ dialog: 'switcher' })
      }
      if (event.altKey && !control && (event.key === 'ArrowDown' || event.key === 'ArrowUp')) {
        event.preventDefault()
        return step(event.key === 'ArrowDown' ? 1 : -1)
      }
      if (control || event.altKey || typing(event.target)) return
      if (event.key === '?') return ask({ dialog: 'help' })
      if (event.key === 'Escape') document.querySelector<HTMLElement>('.composer textarea')?.focus()
      const deed = preferences.shortcuts ? deeds[event.key] : undefined
      if (!deed) return
      event.preventDefault()
      deed()
    }
    addEventListener('keydown', pressed)
    return () => removeEventListener('keydown', pressed)
  }, [go, ask, route, preferences.shortcuts, state])
}
