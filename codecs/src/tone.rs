//! A sine generator, for beeps and for tests that measure.

use crate::audio::SAMPLE_RATE;

/// A sine at 48 kHz whose phase runs on from call to call.
#[derive(Debug, Clone)]
pub struct Tone {
    hertz: f64,
    amplitude: f64,
    position: u64,
}

impl Tone {
    /// A sine of `hertz` with a peak of `amplitude` (of 32767).
    #[must_use]
    pub fn new(hertz: f64, amplitude: f64) -> Self {
        Self {
            hertz,
            amplitude,
            position: 0,
        }
    }

    /// Appends `samples` samples at 48 kHz.
    pub fn extend(&mut self, samples: usize, out: &mut Vec<i16>) {
        out.extend((0..samples).map(|_| self.next_sample()));
    }

    /// The next sample.
    #[expect(
        clippy::cast_precision_loss,
        reason = "exact for 5,900 years of samples"
    )]
    #[expect(
        clippy::cast_possible_truncation,
        reason = "`as` saturates, which clips"
    )]
    pub fn next_sample(&mut self) -> i16 {
        let turns = (self.position as f64 * self.hertz / f64::from(SAMPLE_RATE)).fract();
        self.position += 1;
        (self.amplitude * (turns * std::f64::consts::TAU).sin()).round() as i16
    }
}

/// A beep of `millis` with soft edges of 5 ms, so that it does not click: 48 kHz mono.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a gain of at most one cannot enlarge a sample"
)]
#[expect(clippy::cast_precision_loss, reason = "an edge has 240 samples")]
pub fn beep(hertz: f64, amplitude: f64, millis: u32) -> Vec<i16> {
    const EDGE: usize = 240;
    let count = millis as usize * SAMPLE_RATE as usize / 1_000;
    let mut samples = Vec::with_capacity(count);
    Tone::new(hertz, amplitude).extend(count, &mut samples);
    for (i, sample) in samples.iter_mut().enumerate() {
        let edge = (i + 1).min(count - i).min(EDGE);
        *sample = (f64::from(*sample) * edge as f64 / EDGE as f64) as i16;
    }
    samples
}

/// Power of `hertz` in `samples` (48 kHz) as the RMS of that sine, by one bin of a discrete Fourier transform with a Hann
/// window: what a test reads to tell which tones are in a recording.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "fewer than 2^52 samples")]
pub fn tone_rms(samples: &[i16], hertz: f64) -> f64 {
    let count = samples.len() as f64;
    let (mut re, mut im) = (0.0, 0.0);
    for (i, &sample) in samples.iter().enumerate() {
        let window = 1.0 - (std::f64::consts::TAU * (i as f64 + 0.5) / count).cos();
        let angle = std::f64::consts::TAU * (i as f64 * hertz / f64::from(SAMPLE_RATE)).fract();
        re += f64::from(sample) * window * angle.cos();
        im += f64::from(sample) * window * angle.sin();
    }
    if samples.is_empty() {
        0.0
    } else {
        re.hypot(im) / count * std::f64::consts::SQRT_2
    }
}
