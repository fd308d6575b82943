/** How loud a microphone is, for the meter. */

/** The meter's floor, in dBFS: below it a room is silent. */
const FLOOR = -60

/** A level in dBFS as a share of the meter, 0 to 1. */
export function meterShare(dbfs: number): number {
  return Math.min(1, Math.max(0, 1 - dbfs / FLOOR))
}

/** Calls `show` with 0 to 1, once per frame, until the returned function is called. */
export function watchLevel(track: MediaStreamTrack, show: (share: number) => void): () => void {
  const context = new AudioContext()
  const analyser = new AnalyserNode(context, { fftSize: 1024 })
  const source = new MediaStreamAudioSourceNode(context, { mediaStream: new MediaStream([track]) })
  source.connect(analyser)
  const samples = new Float32Array(analyser.fftSize)
  const wake = () => void context.resume().catch(() => undefined)
  wake()
  globalThis.addEventListener('pointerdown', wake)
  let shown = 0
  let frame = requestAnimationFrame(function measure() {
    analyser.getFloatTimeDomainData(samples)
    const power = samples.reduce((sum, sample) => sum + sample * sample, 0) / samples.length
    const share = meterShare(10 * Math.log10(power + 1e-12))
    // Rises at once, falls slowly: the eye reads peaks.
    shown = Math.max(share, shown * 0.9)
    show(shown)
    frame = requestAnimationFrame(measure)
  })
  return () => {
    cancelAnimationFrame(frame)
    globalThis.removeEventListener('pointerdown', wake)
    source.disconnect()
    void context.close()
  }
}
