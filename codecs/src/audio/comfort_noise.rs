//! Comfort noise (RFC 3389): what a phone that stops sending in pauses says of its background, and noise that sounds like it.
//!
//! Knows nothing of when it is played.

use crate::error::CodecError;
use crate::resample::{Ratio, Upsampler};

/// Reflection coefficients that are used; a sender may describe its noise with more, which changes little (RFC 3389 §3.3).
const ORDER: usize = 12;
/// 48 kHz samples per sample of noise: it is made at 8 kHz, the rate of payload type 13.
const FACTOR: usize = 6;
/// A change of level takes 20 ms, in samples at 8 kHz.
const RAMP: u16 = 160;

/// Level and spectrum of a background (RFC 3389 §3).
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct ComfortNoise {
    dbov: u8,
    reflections: [f32; ORDER],
}

impl ComfortNoise {
    /// Reads a payload: a level, then any number of reflection coefficients; none is white noise.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when it is empty.
    pub fn parse(payload: &[u8]) -> Result<Self, CodecError> {
        let Some((level, spectrum)) = payload.split_first() else {
            return Err(CodecError::malformed(
                "comfort noise",
                "at least an octet with the level expected",
            ));
        };
        let mut reflections = [0.0; ORDER];
        for (reflection, &index) in reflections.iter_mut().zip(spectrum) {
            // RFC 3389 §3.2; index 255 is reserved.
            *reflection = 258.0 * (f32::from(index.min(254)) - 127.0) / 32_768.0;
        }
        Ok(Self {
            dbov: level & 0x7f,
            reflections,
        })
    }

    /// Its level in −dBov: 0 is a square wave at full scale, 127 silence.
    #[must_use]
    pub const fn dbov(&self) -> u8 {
        self.dbov
    }

    /// Amplitude of evenly spread white noise that has the level once the filter has shaped it.
    fn excitation(&self) -> f32 {
        if self.dbov == 127 {
            return 0.0;
        }
        let level = 32_768.0 * 10.0_f32.powf(f32::from(self.dbov) / -20.0);
        let gain: f32 = self.reflections.iter().map(|k| 1.0 - k * k).product();
        level * (3.0 * gain).sqrt()
    }
}

/// Makes noise after the latest description of it.
#[derive(Debug, Clone)]
pub struct NoiseGenerator {
    noise: ComfortNoise,
    amplitude: f32,
    /// Of the all-pole lattice.
    backward: [f32; ORDER + 1],
    random: u32,
    resampler: Upsampler,
    scratch: Vec<i16>,
}

impl NoiseGenerator {
    /// A generator that is at its level at once.
    #[must_use]
    pub fn new(noise: ComfortNoise) -> Self {
        Self {
            noise,
            amplitude: noise.excitation(),
            backward: [0.0; ORDER + 1],
            random: 0x9e37_79b9,
            resampler: Upsampler::new(Ratio::Six),
            scratch: Vec::new(),
        }
    }

    /// The background has changed; its level is reached within 20 ms.
    pub fn change(&mut self, noise: ComfortNoise) {
        self.noise = noise;
    }

    /// Level of the latest description in −dBov.
    #[must_use]
    pub const fn dbov(&self) -> u8 {
        self.noise.dbov()
    }

    /// Appends `samples` at 48 kHz, rounded up to a multiple of six.
    pub fn extend(&mut self, samples: usize, out: &mut Vec<i16>) {
        let target = self.noise.excitation();
        let step = (target - self.amplitude) / f32::from(RAMP);
        let mut left = RAMP;
        self.scratch.clear();
        for _ in 0..samples.div_ceil(FACTOR) {
            if left > 0 {
                left -= 1;
                self.amplitude += step;
            }
            let sample = self.shape(self.amplitude);
            self.scratch.push(sample);
        }
        if left == 0 {
            self.amplitude = target;
        }
        self.resampler.push(&self.scratch, out);
    }

    /// The next sample, of an excitation of that amplitude.
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, which clips"
    )]
    fn shape(&mut self, amplitude: f32) -> i16 {
        let mut forward = amplitude * self.white();
        for i in (0..ORDER).rev() {
            let k = self.noise.reflections[i];
            forward -= k * self.backward[i];
            self.backward[i + 1] = self.backward[i] + k * forward;
        }
        self.backward[0] = forward;
        forward as i16
    }

    /// Evenly spread over −1 to 1 (xorshift).
    #[expect(clippy::cast_precision_loss, reason = "noise needs no 32 bits")]
    fn white(&mut self) -> f32 {
        self.random ^= self.random << 13;
        self.random ^= self.random >> 17;
        self.random ^= self.random << 5;
        self.random.cast_signed() as f32 / 2_147_483_648.0
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use crate::audio::level_dbov;

    fn made(payload: &[u8]) -> Vec<i16> {
        let mut out = Vec::new();
        NoiseGenerator::new(ComfortNoise::parse(payload).unwrap()).extend(96_000, &mut out);
        out
    }

    #[test]
    fn noise_of_any_spectrum_has_its_level() {
        for dbov in [25, 40, 55, 70] {
            for spectrum in [&[][..], &[60], &[200, 90], &[40, 150, 110, 127, 140, 120]] {
                let payload: Vec<u8> = [dbov].iter().chain(spectrum).copied().collect();
                let heard = level_dbov(&made(&payload)[4_800..]);
                assert!(heard.abs_diff(dbov) <= 2, "{payload:?}: −{heard} dBov");
            }
        }
        assert!(made(&[127]).iter().all(|&sample| sample == 0));
    }

    /// The first coefficient is the correlation of neighbours with its sign turned: −0.8 is dark noise, 0.8 is bright.
    #[test]
    fn the_spectrum_is_that_of_the_coefficients() {
        let correlation = |payload: &[u8]| {
            let noise: Vec<f64> = made(payload)
                .iter()
                .step_by(6)
                .map(|&x| f64::from(x))
                .collect();
            let product: f64 = noise.windows(2).map(|two| two[0] * two[1]).sum();
            product / noise.iter().map(|x| x * x).sum::<f64>()
        };
        assert!(
            (correlation(&[40, 25]) - 0.8).abs() < 0.1,
            "{}",
            correlation(&[40, 25])
        );
        assert!(
            (correlation(&[40, 229]) + 0.8).abs() < 0.2,
            "{}",
            correlation(&[40, 229])
        );
    }

    #[test]
    fn an_empty_payload_is_refused_and_a_change_is_gradual() {
        assert!(ComfortNoise::parse(&[]).unwrap_err().is_peer_fault());
        let mut generator = NoiseGenerator::new(ComfortNoise::parse(&[127]).unwrap());
        generator.change(ComfortNoise::parse(&[30]).unwrap());
        let mut out = Vec::new();
        generator.extend(9_600, &mut out);
        assert!(level_dbov(&out[..240]) > level_dbov(&out[4_800..]) + 10);
        assert!(level_dbov(&out[4_800..]).abs_diff(30) <= 2);
    }
}
