//! Brings a mix back into 16 bits without being heard at it.
//!
//! Two gains in one. A slow one rides what is loud for longer (several who talk at once) and comes back so slowly that it is not heard as
//! pumping; a fast one takes only the peaks above that, and is back within a fraction of a second. Nothing is delayed: the gain falls within
//! the frame, before its peak, since a frame is known as a whole.

use plenum_codecs::audio::{FRAME, Frame};

use crate::bus::Mix;
use crate::gain::{clip, round};

/// Peaks are kept below this: −1 dBFS.
const CEILING: f32 = 29_204.0;
/// What the first samples of a frame may reach when its peak is right at its beginning.
const FULL_SCALE: f32 = 32_767.0;
/// Peaks are looked for, and the gain bends, every 2.5 ms.
const BLOCK: usize = 120;
const BLOCKS: usize = FRAME / BLOCK;
/// A peak right at the beginning of a frame is met within 1 ms.
const QUICK: usize = 48;
/// The fast gain comes back by 40 dB/s: 0.1 dB per block.
const FAST_RELEASE: f32 = 1.011_58;
/// Share of what is missing by which the slow gain falls in a tick: 90 % in 360 ms.
const SLOW_ATTACK: f32 = 0.12;
/// The slow gain stays for 500 ms, in ticks, …
const HOLD: u8 = 25;
/// … and then comes back by 2 dB/s: 0.04 dB per tick.
const SLOW_RELEASE: f32 = 1.004_62;

/// The gain of one mix over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limiter {
    /// At the end of the last frame.
    gain: f32,
    slow: f32,
    hold: u8,
}

impl Default for Limiter {
    fn default() -> Self {
        Self {
            gain: 1.0,
            slow: 1.0,
            hold: 0,
        }
    }
}

impl Limiter {
    /// Limits one frame. A mix that never exceeds the ceiling comes out bit by bit as it went in.
    pub(crate) fn process(&mut self, mix: &Mix, out: &mut Frame) {
        let mut bounds = [1.0_f32; BLOCKS];
        for (bound, block) in bounds.iter_mut().zip(mix.chunks_exact(BLOCK)) {
            *bound = bound_of(block);
        }
        let lowest = bounds.iter().copied().fold(1.0, f32::min);
        if lowest >= 1.0 && self.is_idle() {
            for (out, &sample) in out.iter_mut().zip(mix) {
                *out = clip(sample);
            }
            return;
        }
        let mut slow = self.slow;
        self.ride(lowest);
        #[expect(clippy::cast_precision_loss, reason = "eight blocks")]
        let slope = (self.slow - slow) / BLOCKS as f32;
        let following = bounds.iter().skip(1).copied().chain(std::iter::once(1.0));
        let blocks = mix.chunks_exact(BLOCK).zip(out.chunks_exact_mut(BLOCK));
        for (((mix, out), &bound), next) in blocks.zip(&bounds).zip(following) {
            slow += slope;
            let to = bound.min(next).min(slow).min(self.gain * FAST_RELEASE);
            let from = std::mem::replace(&mut self.gain, to);
            if from > bound {
                meet(mix, from, to, out);
            } else {
                ramp(mix, from, to, out);
            }
        }
    }

    /// Nothing is turned down, nor was in the last frame.
    pub(crate) fn is_idle(&self) -> bool {
        self.gain >= 1.0 && self.slow >= 1.0
    }

    /// Moves the slow gain towards what the loudest sample of a frame needs.
    fn ride(&mut self, wanted: f32) {
        if wanted < self.slow {
            self.slow += (wanted - self.slow) * SLOW_ATTACK;
            self.hold = HOLD;
        } else if self.hold > 0 {
            self.hold -= 1;
        } else {
            self.slow = (self.slow * SLOW_RELEASE).min(wanted);
        }
    }
}

/// The highest gain at which a block stays below the ceiling.
fn bound_of(block: &[i32]) -> f32 {
    let peak = block
        .iter()
        .map(|sample| sample.unsigned_abs())
        .max()
        .unwrap_or(0);
    #[expect(
        clippy::cast_precision_loss,
        reason = "what is rounded is far below a bit of the output"
    )]
    let peak = peak as f32;
    if peak > CEILING { CEILING / peak } else { 1.0 }
}

/// From one gain to another over a block, both low enough for it.
fn ramp(mix: &[i32], from: f32, to: f32, out: &mut [i16]) {
    #[expect(clippy::cast_precision_loss, reason = "a block is short")]
    let step = (to - from) / mix.len() as f32;
    let mut gain = from;
    for (out, &sample) in out.iter_mut().zip(mix) {
        gain += step;
        *out = clip(round(as_f32(sample) * gain));
    }
}

/// The same where the peak is in the block in which the gain has yet to fall: as quickly as does not click, and what is above the ceiling
/// until then is bent, not cut.
fn meet(mix: &[i32], from: f32, to: f32, out: &mut [i16]) {
    #[expect(clippy::cast_precision_loss, reason = "a block is short")]
    let step = (to - from) / QUICK as f32;
    let mut gain = from;
    for (i, (out, &sample)) in out.iter_mut().zip(mix).enumerate() {
        gain = if i < QUICK { gain + step } else { to };
        *out = clip(round(bend(as_f32(sample) * gain)));
    }
}

/// Maps what is above the ceiling to what is left below full scale.
fn bend(sample: f32) -> f32 {
    const ROOM: f32 = FULL_SCALE - CEILING;
    let over = sample.abs() - CEILING;
    if over <= 0.0 {
        return sample;
    }
    (CEILING + ROOM * over / (over + ROOM)).copysign(sample)
}

#[expect(clippy::cast_precision_loss, reason = "a sum of 16-bit samples")]
fn as_f32(sample: i32) -> f32 {
    sample as f32
}

#[cfg(test)]
mod tests;
