//! Loudness and length of speech: what is measured of a prompt, and how it is brought to the others' loudness. Pure; shared by the build.

/// Loudness of speech, as RMS over the parts that are not silence: −20 dBFS.
const SPEECH_RMS: f64 = 3_276.8;
/// No sample goes beyond −1 dBFS.
const PEAK: f64 = 29_204.0;
/// Peaks above −6 dBFS are bent towards [`PEAK`].
const KNEE: f64 = 16_423.0;
/// A stretch of 20 ms below this RMS (−46 dBFS) is silence.
const SILENCE_RMS: f64 = 164.0;
/// Silence that is left before and after the words, in stretches of 20 ms.
const LEFT_BEFORE: usize = 2;
const LEFT_AFTER: usize = 5;
/// Approximations of the gain: bending peaks takes a little of the loudness.
const ROUNDS: usize = 3;

/// What is measured of a sound.
#[derive(Debug, Clone, Copy, PartialEq)]
#[allow(dead_code, reason = "the build, which shares this file, only levels")]
pub(crate) struct Measured {
    /// RMS of what is not silence, dBFS.
    pub(crate) level: f64,
    /// The loudest sample, dBFS.
    pub(crate) peak: f64,
    /// Seconds.
    pub(crate) length: f64,
    /// Silence at the beginning and at the end, seconds.
    pub(crate) silence: (f64, f64),
}

#[expect(clippy::cast_precision_loss, reason = "minutes of samples are exact")]
fn real(count: usize) -> f64 {
    count as f64
}

fn rms(samples: &[i16]) -> f64 {
    let energy: f64 = samples.iter().map(|&s| f64::from(s).powi(2)).sum();
    (energy / real(samples.len().max(1))).sqrt()
}

/// RMS over the stretches of 20 ms that are not silence, 0 when all is.
fn speech_rms(samples: &[i16], rate: usize) -> f64 {
    let loud: Vec<f64> = samples
        .chunks_exact((rate / 50).max(1))
        .map(rms)
        .filter(|rms| *rms > SILENCE_RMS)
        .collect();
    (loud.iter().map(|rms| rms.powi(2)).sum::<f64>() / real(loud.len().max(1))).sqrt()
}

/// Brings speech to −20 dBFS; peaks are bent so that none passes −1 dBFS. Silence stays.
pub(crate) fn level(samples: &mut [i16], rate: usize) {
    for _ in 0..ROUNDS {
        let speech = speech_rms(samples, rate);
        if speech > 0.0 {
            let gain = SPEECH_RMS / speech;
            for sample in &mut *samples {
                *sample = bent(f64::from(*sample) * gain);
            }
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "bounded by PEAK")]
fn bent(sample: f64) -> i16 {
    let over = sample.abs() - KNEE;
    if over <= 0.0 {
        return sample as i16;
    }
    let room = PEAK - KNEE;
    (sample.signum() * (KNEE + room * (over / room).tanh())) as i16
}

/// Cuts silence at both ends down to 40 ms before and 100 ms after the words.
pub(crate) fn trim(samples: &[i16], rate: usize) -> &[i16] {
    let stretch = (rate / 50).max(1);
    let loud: Vec<bool> = samples
        .chunks(stretch)
        .map(|chunk| rms(chunk) > SILENCE_RMS / 2.0)
        .collect();
    let (Some(first), Some(last)) = (
        loud.iter().position(|loud| *loud),
        loud.iter().rposition(|loud| *loud),
    ) else {
        return samples;
    };
    let from = first.saturating_sub(LEFT_BEFORE) * stretch;
    let to = ((last + 1 + LEFT_AFTER) * stretch).min(samples.len());
    samples.get(from..to).unwrap_or(samples)
}

#[allow(dead_code, reason = "the build, which shares this file, only levels")]
pub(crate) fn measure(samples: &[i16], rate: usize) -> Measured {
    let dbfs = |amplitude: f64| 20.0 * (amplitude.max(1.0) / 32_768.0).log10();
    let silent = |chunk: &&[i16]| rms(chunk) <= SILENCE_RMS;
    let chunks = samples.chunks(rate / 100);
    let before = chunks.clone().take_while(silent).count();
    let after = chunks.rev().take_while(silent).count();
    let peak = samples.iter().map(|sample| sample.unsigned_abs()).max();
    Measured {
        level: dbfs(speech_rms(samples, rate)),
        peak: dbfs(f64::from(peak.unwrap_or(0))),
        length: real(samples.len()) / real(rate),
        silence: (real(before) / 100.0, real(after) / 100.0),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Half a second of silence, a second of a tone, half a second of silence, at 16 kHz.
    fn spoken(amplitude: f64) -> Vec<i16> {
        let mut samples = vec![0; 8_000];
        plenum_codecs::tone::Tone::new(1_000.0, amplitude).extend(16_000, &mut samples);
        samples.resize(32_000, 0);
        samples
    }

    #[test]
    fn the_quiet_and_the_loud_come_to_one_loudness_without_clipping_and_lose_their_silence() {
        for amplitude in [400.0, 5_000.0, 32_000.0] {
            let mut samples = spoken(amplitude);
            level(&mut samples, 16_000);
            let measured = measure(trim(&samples, 16_000), 16_000);
            assert!((measured.level + 20.0).abs() < 0.2, "{measured:?}");
            assert!(measured.peak < -0.9, "{measured:?}");
            assert!((1.0..1.25).contains(&measured.length), "{measured:?}");
            assert!(measured.silence.0 < 0.1 && measured.silence.1 < 0.2);
        }
    }

    #[test]
    fn a_peak_of_a_quiet_voice_is_bent_and_not_cut() {
        let mut samples = spoken(800.0);
        samples[12_000] = 30_000;
        level(&mut samples, 16_000);
        let measured = measure(&samples, 16_000);
        assert!((measured.level + 20.0).abs() < 0.5, "{measured:?}");
        // Bent further by each approximation of the gain, and never beyond −1 dBFS.
        assert!((-3.0..-0.9).contains(&measured.peak), "{measured:?}");
    }
}
