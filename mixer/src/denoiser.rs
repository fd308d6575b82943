//! Noise suppression of one voice by RNNoise's network. The only file that names the crate.
//!
//! Adds 10 ms: the network's frames overlap by half. Owns some 30 KiB, so a leg has one only while it is wanted.

use nnnoiseless::DenoiseState;
use plenum_codecs::audio::{FRAME, Frame};

use crate::gain::{clip, round};

/// What the network takes in at once: 10 ms.
const HALF: usize = DenoiseState::FRAME_SIZE;
const _: () = assert!(FRAME == 2 * HALF, "two halves are a frame");
/// Samples of a frame.
const FRAME_LENGTH: f32 = 960.0;

/// What is heard of a frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Blend {
    /// The voice without its noise.
    Clean,
    /// From the voice as it came in to that without its noise, within the frame, so that nothing clicks.
    In,
    /// Back again.
    Out,
}

/// The network's state for one voice.
pub(crate) struct Denoiser {
    state: Box<DenoiseState<'static>>,
}

impl std::fmt::Debug for Denoiser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Denoiser").finish_non_exhaustive()
    }
}

impl Denoiser {
    pub(crate) fn new() -> Self {
        Self {
            state: DenoiseState::new(),
        }
    }

    /// Frees a frame from noise. Samples are numbers of 16 bits for the network too.
    pub(crate) fn process(&mut self, frame: &Frame, blend: Blend, out: &mut Frame) {
        let mut input = [0.0_f32; HALF];
        let mut clean = [0.0_f32; HALF];
        let halves = frame.chunks_exact(HALF).zip(out.chunks_exact_mut(HALF));
        for ((frame, out), begins) in halves.zip([0.0_f32, 0.5]) {
            for (input, &sample) in input.iter_mut().zip(frame) {
                *input = f32::from(sample);
            }
            self.state.process_frame(&mut clean, &input);
            let samples = out.iter_mut().zip(&input).zip(&clean);
            for (((out, dirty), clean), i) in samples.zip(0_u16..) {
                let part = begins + f32::from(i) / FRAME_LENGTH;
                let share = match blend {
                    Blend::Clean => 1.0,
                    Blend::In => part,
                    Blend::Out => 1.0 - part,
                };
                *out = clip(round(dirty + (clean - dirty) * share));
            }
        }
    }
}
