//! Live resampling between 48 kHz and 8 or 16 kHz by integer-ratio polyphase FIR filters.
//!
//! One frame in gives one frame out, at once: *n* samples in are *n·ratio* (or *n/ratio*) samples out, delayed by 24 samples
//! of the lower rate (3 ms at 8 kHz, 1.5 ms at 16 kHz). The filter is a Kaiser-windowed sinc with 48 taps per phase: flat to
//! 85 % of the lower rate's Nyquist frequency, more than 100 dB down from 115 % on.

use std::f64::consts::PI;
use std::sync::LazyLock;

/// Filter taps per phase.
const TAPS: usize = 48;
/// Phases of the larger ratio, filled up to whole vectors.
const LANES: usize = 8;
/// Kaiser's β for about 110 dB of stop band.
const BETA: f64 = 11.2;

/// The two integer ratios in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Ratio {
    /// 8 kHz and 48 kHz.
    Six,
    /// 16 kHz and 48 kHz.
    Three,
}

impl Ratio {
    /// Samples at 48 kHz per sample at the lower rate.
    #[must_use]
    pub const fn factor(self) -> usize {
        match self {
            Self::Six => 6,
            Self::Three => 3,
        }
    }

    /// The ratio for a lower rate of 8000 or 16000 Hz; `None` for any other.
    #[must_use]
    pub const fn of_rate(hertz: u32) -> Option<Self> {
        match hertz {
            8_000 => Some(Self::Six),
            16_000 => Some(Self::Three),
            _ => None,
        }
    }

    /// Prototype low-pass of `48 * factor` taps with unit gain at direct current.
    fn prototype(self) -> &'static [f32] {
        static SIX: LazyLock<Vec<f32>> = LazyLock::new(|| low_pass(6));
        static THREE: LazyLock<Vec<f32>> = LazyLock::new(|| low_pass(3));
        match self {
            Self::Six => &SIX,
            Self::Three => &THREE,
        }
    }

    /// The prototype by tap and phase, scaled to unit gain, the taps reversed: `[tap][phase]`, filled up with zeros.
    fn phases(self) -> &'static [[f32; LANES]; TAPS] {
        static SIX: LazyLock<[[f32; LANES]; TAPS]> = LazyLock::new(|| split(Ratio::Six));
        static THREE: LazyLock<[[f32; LANES]; TAPS]> = LazyLock::new(|| split(Ratio::Three));
        match self {
            Self::Six => &SIX,
            Self::Three => &THREE,
        }
    }
}

/// Modified Bessel function of the first kind, order zero, by its power series.
fn bessel_i0(x: f64) -> f64 {
    let quarter = x * x / 4.0;
    let (mut sum, mut term, mut k) = (1.0, 1.0, 1.0);
    while term > sum * 1e-17 {
        term *= quarter / (k * k);
        sum += term;
        k += 1.0;
    }
    sum
}

#[expect(clippy::cast_precision_loss, reason = "at most 288 taps")]
#[expect(
    clippy::cast_possible_truncation,
    reason = "coefficients are kept in single precision"
)]
fn low_pass(factor: usize) -> Vec<f32> {
    let count = TAPS * factor;
    let centre = (count - 1) as f64 / 2.0;
    let taps: Vec<f64> = (0..count)
        .map(|i| {
            let t = i as f64 - centre;
            let x = t / factor as f64;
            let sinc = if x == 0.0 {
                1.0
            } else {
                (PI * x).sin() / (PI * x)
            };
            let edge = t / (centre + 0.5);
            sinc * bessel_i0(BETA * (1.0 - edge * edge).max(0.0).sqrt())
        })
        .collect();
    let gain: f64 = taps.iter().sum();
    taps.iter().map(|tap| (tap / gain) as f32).collect()
}

#[expect(clippy::cast_precision_loss, reason = "a factor of 3 or 6")]
fn split(ratio: Ratio) -> [[f32; LANES]; TAPS] {
    let factor = ratio.factor();
    let prototype = ratio.prototype();
    std::array::from_fn(|tap| {
        std::array::from_fn(|phase| {
            let at = (TAPS - 1 - tap) * factor + phase;
            if phase < factor {
                prototype[at] * factor as f32
            } else {
                0.0
            }
        })
    })
}

/// All phases of one output group at once: each sample times its row of coefficients. Two sums hide the additions' latency.
fn interpolate(window: &[f32; TAPS], phases: &[[f32; LANES]; TAPS]) -> [f32; LANES] {
    let (mut even, mut odd) = ([0.0f32; LANES], [0.0f32; LANES]);
    for (pair, rows) in window
        .as_chunks::<2>()
        .0
        .iter()
        .zip(phases.as_chunks::<2>().0)
    {
        for lane in 0..LANES {
            even[lane] += pair[0] * rows[0][lane];
            odd[lane] += pair[1] * rows[1][lane];
        }
    }
    std::array::from_fn(|lane| even[lane] + odd[lane])
}

/// Sum of products. Both slices have the same length, a multiple of sixteen; sixteen partial sums are four independent chains
/// of vector additions.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 16];
    for (x, y) in a.as_chunks::<16>().0.iter().zip(b.as_chunks::<16>().0) {
        for i in 0..16 {
            sums[i] += x[i] * y[i];
        }
    }
    let mut quarters = [0.0f32; 4];
    for i in 0..4 {
        quarters[i] = (sums[i] + sums[i + 4]) + (sums[i + 8] + sums[i + 12]);
    }
    (quarters[0] + quarters[2]) + (quarters[1] + quarters[3])
}

/// Rounds to the nearest sample and clips.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16 first"
)]
fn to_sample(value: f32) -> i16 {
    // `f32::round` is a library call without SSE4.1 (35 times slower); adding and subtracting 1.5 * 2^23 rounds in the FPU.
    const MAGIC: f32 = 12_582_912.0;
    let clipped = value.clamp(-32_768.0, 32_767.0);
    ((clipped + MAGIC) - MAGIC) as i32 as i16
}

/// Raises 8 or 16 kHz to 48 kHz.
#[derive(Debug, Clone)]
pub struct Upsampler {
    ratio: Ratio,
    /// The last `TAPS - 1` samples, then the input of the call.
    window: Vec<f32>,
}

impl Upsampler {
    /// A resampler with silence in its history.
    #[must_use]
    pub fn new(ratio: Ratio) -> Self {
        Self {
            ratio,
            window: vec![0.0; TAPS - 1],
        }
    }

    /// Appends `input.len() * factor` samples at 48 kHz to `out`.
    pub fn push(&mut self, input: &[i16], out: &mut Vec<i16>) {
        self.window
            .extend(input.iter().map(|&sample| f32::from(sample)));
        out.reserve(input.len() * self.ratio.factor());
        let (factor, phases) = (self.ratio.factor(), self.ratio.phases());
        for window in self.window.array_windows::<TAPS>() {
            let group = interpolate(window, phases).map(to_sample);
            out.extend_from_slice(&group[..factor]);
        }
        self.window.drain(..input.len());
    }
}

/// Lowers 48 kHz to 8 or 16 kHz.
#[derive(Debug, Clone)]
pub struct Downsampler {
    ratio: Ratio,
    /// The samples that the next output needs, oldest first.
    window: Vec<f32>,
}

impl Downsampler {
    /// A resampler with silence in its history.
    #[must_use]
    pub fn new(ratio: Ratio) -> Self {
        Self {
            ratio,
            window: vec![0.0; (TAPS - 1) * ratio.factor()],
        }
    }

    /// Appends `input.len() / factor` samples at the lower rate to `out`. A remainder of the division waits for the next call.
    pub fn push(&mut self, input: &[i16], out: &mut Vec<i16>) {
        let (factor, taps) = (self.ratio.factor(), self.ratio.prototype());
        self.window
            .extend(input.iter().map(|&sample| f32::from(sample)));
        let mut used = 0;
        // The prototype is symmetric, so it needs no reversal.
        while let Some(window) = self.window.get(used..used + taps.len()) {
            out.push(to_sample(dot(window, taps)));
            used += factor;
        }
        self.window.drain(..used);
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test stops at the first surprise, and its numbers are small"
)]
mod tests;
