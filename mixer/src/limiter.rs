//! Brings a mix back into 16 bits: turns it down for as long as it is too loud, so that it hardly ever clips.

use plenum_codecs::audio::{FRAME, Frame};

/// Peaks are kept below this: −1 dBFS.
const CEILING: f32 = 29_204.0;
/// Gain regained per frame: 0.5 dB, which is not heard as pumping.
const RELEASE: f32 = 1.059;
/// A gain falls within the first 2.5 ms of a frame.
const ATTACK_SAMPLES: usize = 120;

/// The gain of one mix over time.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Limiter {
    gain: f32,
}

impl Default for Limiter {
    fn default() -> Self {
        Self { gain: 1.0 }
    }
}

impl Limiter {
    /// Limits one frame. A mix that never exceeds the ceiling comes out bit by bit as it went in.
    pub(crate) fn process(&mut self, mix: &[i32; FRAME], out: &mut Frame) {
        let peak = mix
            .iter()
            .map(|sample| sample.unsigned_abs())
            .max()
            .unwrap_or(0);
        let wanted = if as_f32(peak) > CEILING {
            CEILING / as_f32(peak)
        } else {
            1.0
        };
        let from = self.gain;
        let to = if wanted < from {
            wanted
        } else {
            wanted.min(from * RELEASE)
        };
        self.gain = to;
        if from >= 1.0 && to >= 1.0 {
            for (out, &sample) in out.iter_mut().zip(mix) {
                *out = clip(sample);
            }
            return;
        }
        let ramp = if to < from { ATTACK_SAMPLES } else { FRAME };
        let step = (to - from) / as_f32(u32::try_from(ramp).unwrap_or(1));
        let mut gain = from;
        for (i, (out, &sample)) in out.iter_mut().zip(mix).enumerate() {
            gain = if i < ramp { gain + step } else { to };
            *out = clip(scale(sample, gain));
        }
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "a sum of 16-bit samples is below 2^24"
)]
fn as_f32(value: u32) -> f32 {
    value as f32
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "below 2^24; `as` saturates"
)]
fn scale(sample: i32, gain: f32) -> i32 {
    (sample as f32 * gain) as i32
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16"
)]
fn clip(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_quiet_mix_passes_unchanged() {
        let mut mix = [0; FRAME];
        for (i, sample) in mix.iter_mut().enumerate() {
            *sample = i32::try_from(i).map_or(0, |i| i * 30 - 14_000);
        }
        let mut out = [0; FRAME];
        Limiter::default().process(&mix, &mut out);
        assert!(
            mix.iter()
                .zip(&out)
                .all(|(&mix, &out)| mix == i32::from(out))
        );
    }

    #[test]
    fn a_loud_mix_is_turned_down_and_comes_back() {
        let mut limiter = Limiter::default();
        let mut out = [0; FRAME];
        for _ in 0..3 {
            limiter.process(&[90_000; FRAME], &mut out);
        }
        assert!(
            out.iter()
                .all(|&sample| (29_000..=29_210).contains(&sample))
        );
        for _ in 0..60 {
            limiter.process(&[10_000; FRAME], &mut out);
        }
        assert!(out.iter().all(|&sample| sample == 10_000));
    }
}
