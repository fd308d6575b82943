/**
 * This computer's microphone and camera: asking for them, choosing among them, and why they cannot be had.
 * Knows nothing of the conference.
 */

import { loadPreferences, savePreferences } from './preferences'
import { Store } from './store'

/** Why a microphone or camera cannot be had; each has its own advice in the strings. */
export type Fault = 'insecure' | 'unsupported' | 'denied' | 'denied_by_system' | 'missing' | 'in_use' | 'lost' | 'unknown'

export type Source =
  | { readonly status: 'off' | 'starting' }
  | { readonly status: 'on'; readonly track: MediaStreamTrack }
  | { readonly status: 'fault'; readonly fault: Fault }

export type SourceKind = 'microphone' | 'camera'
export type DeviceKind = SourceKind | 'speaker'

export interface Device {
  readonly id: string
  readonly label: string
}

/** How large the camera's picture is asked for; cameras give what comes nearest. */
export const CAMERA_SIZES = { high: [1280, 720], medium: [640, 360], low: [320, 180] } as const
export type CameraSize = keyof typeof CAMERA_SIZES

const isCameraSize = (value: string): value is CameraSize => Object.hasOwn(CAMERA_SIZES, value)

export interface LocalMedia {
  readonly microphone: Source
  readonly camera: Source
  /** The person's choice; the microphone stays open so that unmuting is instant. */
  readonly muted: boolean
  readonly devices: Readonly<Record<DeviceKind, readonly Device[]>>
  /** Chosen device ids; empty for the system's default. */
  readonly chosen: Readonly<Record<DeviceKind, string>>
  readonly cameraSize: CameraSize
}

const SOUND: MediaTrackConstraints = { echoCancellation: true, noiseSuppression: true, autoGainControl: true }

const OFF: Source = { status: 'off' }
const DEVICE_KINDS = { audioinput: 'microphone', videoinput: 'camera', audiooutput: 'speaker' } as const

export const canChooseSpeaker = typeof HTMLMediaElement !== 'undefined' && 'setSinkId' in HTMLMediaElement.prototype

export const trackOf = (source: Source): MediaStreamTrack | null => (source.status === 'on' ? source.track : null)

/** Sorts a refusal of `getUserMedia` by what the person can do about it. */
export function classify(error: unknown): Fault {
  if (!(error instanceof Error)) return 'unknown'
  switch (error.name) {
    case 'NotAllowedError':
    case 'SecurityError':
      return /system/i.test(error.message) ? 'denied_by_system' : 'denied'
    case 'NotFoundError':
    case 'OverconstrainedError':
      return 'missing'
    case 'NotReadableError':
    case 'AbortError':
      return 'in_use'
    default:
      return 'unknown'
  }
}

export class Devices extends Store<LocalMedia> {
  constructor() {
    const remembered = loadPreferences()
    super({
      microphone: OFF,
      camera: OFF,
      muted: !remembered.microphoneOn,
      devices: { microphone: [], camera: [], speaker: [] },
      chosen: { microphone: remembered.microphone, camera: remembered.camera, speaker: remembered.speaker },
      cameraSize: isCameraSize(remembered.cameraSize) ? remembered.cameraSize : 'high',
    })
    navigator.mediaDevices?.addEventListener('devicechange', () => void this.#list())
    for (const kind of ['microphone', 'camera'] as const) void this.#watchPermission(kind)
  }

  /** Opens what the person wants, by one question where both are wanted. */
  async open(microphone: boolean, camera: boolean): Promise<void> {
    if (microphone && camera && navigator.mediaDevices) {
      this.set({ microphone: { status: 'starting' }, camera: { status: 'starting' } })
      try {
        const stream = await navigator.mediaDevices.getUserMedia({
          audio: this.#constraints('microphone'),
          video: this.#constraints('camera'),
        })
        this.#adopt('microphone', stream.getAudioTracks()[0])
        this.#adopt('camera', stream.getVideoTracks()[0])
        await this.#list()
        return
      } catch (error) {
        const fault = classify(error)
        // One refusal for two devices: ask again only for what needs no second question.
        microphone = await this.#worthTrying('microphone', fault)
        camera = await this.#worthTrying('camera', fault)
      }
    }
    if (microphone) await this.start('microphone')
    if (camera) await this.start('camera')
  }

  async start(kind: SourceKind): Promise<boolean> {
    if (!navigator.mediaDevices) {
      this.#put(kind, { status: 'fault', fault: globalThis.isSecureContext ? 'unsupported' : 'insecure' })
      return false
    }
    const before = this.snapshot()[kind]
    this.#put(kind, { status: 'starting' })
    try {
      const wanted = this.#constraints(kind)
      const stream = await navigator.mediaDevices.getUserMedia(kind === 'microphone' ? { audio: wanted } : { video: wanted })
      if (before.status === 'on') before.track.stop()
      this.#adopt(kind, stream.getTracks()[0])
    } catch (error) {
      if (before.status === 'on') before.track.stop()
      this.#put(kind, { status: 'fault', fault: classify(error) })
    }
    await this.#list()
    return this.snapshot()[kind].status === 'on'
  }

  stop(kind: SourceKind): void {
    trackOf(this.snapshot()[kind])?.stop()
    this.#put(kind, OFF)
  }

  async toggleCamera(): Promise<boolean> {
    const on = this.snapshot().camera.status !== 'on'
    savePreferences({ cameraOn: on })
    if (on) return this.start('camera')
    this.stop('camera')
    return true
  }

  /** False when unmuting needs a microphone that cannot be had. */
  async setMuted(muted: boolean): Promise<boolean> {
    savePreferences({ microphoneOn: !muted })
    this.mute(muted)
    if (muted || this.snapshot().microphone.status === 'on') return true
    return this.start('microphone')
  }

  /** As `setMuted`, by someone else's wish: changes no habit and opens nothing. */
  mute(muted: boolean): void {
    const track = trackOf(this.snapshot().microphone)
    if (track) track.enabled = !muted
    this.set({ muted })
  }

  async choose(kind: DeviceKind, id: string): Promise<void> {
    savePreferences({ [kind]: id })
    this.set({ chosen: { ...this.snapshot().chosen, [kind]: id } })
    if (kind !== 'speaker' && this.snapshot()[kind].status !== 'off') await this.start(kind)
  }

  /** A camera that is on begins again in the new size. */
  async setCameraSize(size: CameraSize): Promise<void> {
    savePreferences({ cameraSize: size })
    this.set({ cameraSize: size })
    if (this.snapshot().camera.status === 'on') await this.start('camera')
  }

  #constraints(kind: SourceKind): MediaTrackConstraints {
    const id = this.snapshot().chosen[kind]
    const known = this.snapshot().devices[kind].some((device) => device.id === id)
    const base = kind === 'microphone' ? SOUND : picture(this.snapshot().cameraSize)
    if (id === '') return base
    return { ...base, deviceId: known ? { exact: id } : { ideal: id } }
  }

  #adopt(kind: SourceKind, track: MediaStreamTrack | undefined): void {
    if (!track) return this.#put(kind, { status: 'fault', fault: 'missing' })
    if (kind === 'microphone') track.enabled = !this.snapshot().muted
    track.addEventListener('ended', () => {
      if (trackOf(this.snapshot()[kind]) === track) this.#put(kind, { status: 'fault', fault: 'lost' })
    })
    this.#put(kind, { status: 'on', track })
  }

  #put(kind: SourceKind, source: Source): void {
    this.set(kind === 'microphone' ? { microphone: source } : { camera: source })
  }

  async #worthTrying(kind: SourceKind, fault: Fault): Promise<boolean> {
    const denied = fault === 'denied' || fault === 'denied_by_system'
    if (!denied || (await permission(kind))?.state === 'granted') return true
    this.#put(kind, { status: 'fault', fault })
    return false
  }

  /** A permission granted later, in the browser's own settings, takes effect without a reload. */
  async #watchPermission(kind: SourceKind): Promise<void> {
    const status = await permission(kind)
    status?.addEventListener('change', () => {
      const source = this.snapshot()[kind]
      if (status.state === 'granted' && source.status === 'fault') void this.start(kind)
    })
  }

  async #list(): Promise<void> {
    const devices: Record<DeviceKind, Device[]> = { microphone: [], camera: [], speaker: [] }
    const found = (await navigator.mediaDevices?.enumerateDevices().catch(() => [])) ?? []
    for (const { kind, deviceId, label } of found) {
      // Without permission the ids and labels are empty: nothing to choose from.
      if (deviceId !== '' && label !== '') devices[DEVICE_KINDS[kind]].push({ id: deviceId, label })
    }
    this.set({ devices })
    for (const kind of ['microphone', 'camera'] as const) {
      const source = this.snapshot()[kind]
      const returned = source.status === 'fault' && (source.fault === 'lost' || source.fault === 'missing')
      if (returned && devices[kind].length > 0) void this.start(kind)
    }
  }
}

function picture(size: CameraSize): MediaTrackConstraints {
  const [width, height] = CAMERA_SIZES[size]
  return { width: { ideal: width }, height: { ideal: height }, frameRate: { ideal: 30, max: 30 } }
}

async function permission(kind: SourceKind): Promise<PermissionStatus | null> {
  try {
    return await navigator.permissions.query({ name: kind as PermissionName })
  } catch {
    return null
  }
}
