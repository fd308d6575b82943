/**
 * This computer's screen, a window or a tab, as the browser lets it be shared, and the tab's sound. Knows nothing of the
 * conference.
 */

import { Store } from './store'

export type Screen =
  | { readonly status: 'off' | 'starting' }
  | { readonly status: 'on'; readonly picture: MediaStreamTrack; readonly sound: MediaStreamTrack | null }

export interface Shared {
  readonly screen: Screen
}

/** Text moves little and must be read: few pictures, each whole. No more than a composite decodes. */
const PICTURE: MediaTrackConstraints = { width: { max: 1920 }, height: { max: 1080 }, frameRate: { ideal: 15, max: 15 } }

/** As the browser has it; what is heard of this page, and of all else on the computer, would come back to who says it. */
const WANTED: DisplayMediaStreamOptions & Record<string, unknown> = {
  video: PICTURE,
  audio: { echoCancellation: false, noiseSuppression: false, autoGainControl: false },
  selfBrowserSurface: 'exclude',
  surfaceSwitching: 'include',
  systemAudio: 'exclude',
}

const OFF: Screen = { status: 'off' }

export const canShare = (): boolean => typeof navigator !== 'undefined' && !!navigator.mediaDevices?.getDisplayMedia

export class ScreenSource extends Store<Shared> {
  constructor() {
    super({ screen: OFF })
  }

  /** Lets the person choose. `refused`: they have chosen nothing; `failed`: it could not be captured. */
  async start(): Promise<'on' | 'refused' | 'failed'> {
    if (this.snapshot().screen.status !== 'off') return 'refused'
    this.set({ screen: { status: 'starting' } })
    try {
      const stream = await navigator.mediaDevices.getDisplayMedia(WANTED)
      const picture = stream.getVideoTracks()[0]
      if (!picture) throw new Error('a screen without a picture')
      picture.contentHint = 'detail'
      // The browser's own button, or the window that is gone.
      picture.addEventListener('ended', () => this.#ended(picture))
      this.set({ screen: { status: 'on', picture, sound: stream.getAudioTracks()[0] ?? null } })
      return 'on'
    } catch (error) {
      this.set({ screen: OFF })
      return error instanceof Error && error.name === 'NotAllowedError' ? 'refused' : 'failed'
    }
  }

  stop(): void {
    const { screen } = this.snapshot()
    if (screen.status !== 'on') return
    screen.picture.stop()
    screen.sound?.stop()
    this.set({ screen: OFF })
  }

  #ended(picture: MediaStreamTrack): void {
    const { screen } = this.snapshot()
    if (screen.status === 'on' && screen.picture === picture) this.stop()
  }
}
