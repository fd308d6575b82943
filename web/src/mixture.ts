/** The microphone and the sound of a shared tab as one track. Knows nothing of the conference. */

export class Mixture {
  #context: AudioContext | null = null
  #microphone: MediaStreamTrack | null = null
  #sound: MediaStreamTrack | null = null
  #mixed: MediaStreamTrack | null = null

  /** What is to be sent: the microphone as it is while there is no other sound. */
  of(microphone: MediaStreamTrack | null, sound: MediaStreamTrack | null): MediaStreamTrack | null {
    if (!sound) {
      this.#close()
      return microphone
    }
    if (this.#mixed && microphone === this.#microphone && sound === this.#sound) return this.#mixed
    this.#close()
    const context = new AudioContext()
    const both = context.createMediaStreamDestination()
    for (const track of [microphone, sound]) {
      if (track) context.createMediaStreamSource(new MediaStream([track])).connect(both)
    }
    this.#context = context
    this.#microphone = microphone
    this.#sound = sound
    this.#mixed = both.stream.getAudioTracks()[0] ?? null
    return this.#mixed
  }

  #close(): void {
    // A context that is closed already has nothing more to say.
    void this.#context?.close().catch(() => undefined)
    this.#context = null
    this.#mixed = null
  }
}
