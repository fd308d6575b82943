//! Tones to send, and the level of a tone in what was heard.

use std::f64::consts::TAU;
use std::path::Path;

use anyhow::{Context as _, Result, bail};

/// Samples of a recording with their rate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recording {
    /// Mono samples.
    pub samples: Vec<i16>,
    /// Samples per second.
    pub rate: u32,
}

/// A sine of `seconds` at `frequency` Hz with its peak at `dbfs` below full scale.
#[must_use]
pub fn sine(frequency: f64, dbfs: f64, seconds: f64, rate: u32) -> Recording {
    glide(frequency, 0.0, dbfs, seconds, rate)
}

/// A sine that begins at `frequency` Hz and rises by `rise` Hz a second: copies of it that begin at different times beat, where those of a
/// steady tone may cancel each other for good.
#[must_use]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a clamped sample and a short positive length"
)]
pub fn glide(frequency: f64, rise: f64, dbfs: f64, seconds: f64, rate: u32) -> Recording {
    let peak = 32_767.0 * 10f64.powf(dbfs / 20.0);
    let count = (seconds * f64::from(rate)) as u32;
    let samples = (0..count)
        .map(|n| {
            let at = f64::from(n) / f64::from(rate);
            let turns = at * (frequency + rise * at / 2.0);
            (peak * (TAU * turns).sin()).round() as i16
        })
        .collect();
    Recording { samples, rate }
}

/// A key as two tones in the sound (ITU-T Q.23), −13 dBFS each, at 8 kHz.
///
/// # Errors
/// When `key` is none of 0–9, `*`, `#`.
pub fn digit(key: char, millis: u32) -> Result<Recording> {
    let row = ["123", "456", "789", "*0#"];
    let place = row.iter().zip([697.0, 770.0, 852.0, 941.0]);
    let mut found = place.filter_map(|(keys, low)| Some((low, keys.find(key)?)));
    let (low, column) = found.next().with_context(|| format!("{key} is no key"))?;
    let high = [1_209.0, 1_336.0, 1_477.0][column];
    let seconds = f64::from(millis) / 1_000.0;
    let mut both = sine(low, -13.0, seconds, 8_000);
    let other = sine(high, -13.0, seconds, 8_000);
    for (sample, more) in both.samples.iter_mut().zip(other.samples) {
        *sample += more;
    }
    Ok(both)
}

/// A syllable of [`syllables`] lasts 200 ms, …
const SYLLABLE: f64 = 0.2;
/// … and the pause after it 100 ms.
const PAUSE: f64 = 0.1;

/// A sine in syllables of 200 ms with pauses of 100 ms. To a speech codec it is speech, where a steady tone is background, which the low bit rate
/// redundancy of Opus (RFC 6716 §2.1.7) leaves out.
#[must_use]
#[expect(clippy::cast_possible_truncation, reason = "a gain of at most 1")]
pub fn syllables(frequency: f64, dbfs: f64, seconds: f64, rate: u32) -> Recording {
    const FADE: f64 = 0.005;
    let mut recording = sine(frequency, dbfs, seconds, rate);
    for (n, sample) in (0u32..).zip(&mut recording.samples) {
        let at = (f64::from(n) / f64::from(rate)) % (SYLLABLE + PAUSE);
        let gain = (at.min(SYLLABLE - at) / FADE).clamp(0.0, 1.0);
        *sample = (f64::from(*sample) * gain).round() as i16;
    }
    recording
}

impl Recording {
    /// Writes a 16-bit mono WAV.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn write(&self, path: &Path) -> Result<()> {
        let spec = hound::WavSpec {
            channels: 1,
            sample_rate: self.rate,
            bits_per_sample: 16,
            sample_format: hound::SampleFormat::Int,
        };
        let mut wav = hound::WavWriter::create(path, spec)
            .with_context(|| format!("creating {}", path.display()))?;
        for sample in &self.samples {
            wav.write_sample(*sample)?;
        }
        wav.finalize()?;
        Ok(())
    }

    /// Reads a 16-bit WAV, of which the first channel is taken.
    ///
    /// # Errors
    /// When the file cannot be read or has another sample format.
    pub fn read(path: &Path) -> Result<Self> {
        let mut wav =
            hound::WavReader::open(path).with_context(|| format!("opening {}", path.display()))?;
        let spec = wav.spec();
        if spec.sample_format != hound::SampleFormat::Int || spec.bits_per_sample != 16 {
            bail!("{} is not a 16-bit WAV: {spec:?}", path.display());
        }
        let samples = wav
            .samples::<i16>()
            .step_by(usize::from(spec.channels))
            .collect::<Result<_, _>>()
            .with_context(|| format!("reading {}", path.display()))?;
        Ok(Self {
            samples,
            rate: spec.sample_rate,
        })
    }

    /// The last `seconds` of the recording.
    ///
    /// # Errors
    /// When it is shorter.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a short positive length"
    )]
    pub fn last(&self, seconds: f64) -> Result<Self> {
        let count = (seconds * f64::from(self.rate)) as usize;
        let Some(from) = self.samples.len().checked_sub(count) else {
            bail!(
                "the recording has {} samples at {} Hz, wanted {seconds} s",
                self.samples.len(),
                self.rate
            );
        };
        Ok(Self {
            samples: self.samples.get(from..).unwrap_or_default().to_vec(),
            rate: self.rate,
        })
    }

    /// `seconds` of the recording that begin `from` seconds after its start.
    ///
    /// # Errors
    /// When it ends before that.
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "short positive lengths"
    )]
    pub fn between(&self, from: f64, seconds: f64) -> Result<Self> {
        let rate = f64::from(self.rate);
        let (start, end) = ((from * rate) as usize, ((from + seconds) * rate) as usize);
        let samples = self.samples.get(start..end).with_context(|| {
            format!(
                "the recording has {} samples at {rate} Hz, wanted {seconds} s from {from} s",
                self.samples.len()
            )
        })?;
        Ok(Self {
            samples: samples.to_vec(),
            rate: self.rate,
        })
    }

    /// Level of everything together: RMS in dB below a full-scale square wave.
    #[must_use]
    #[expect(clippy::cast_precision_loss, reason = "recordings are short")]
    pub fn loudness(&self) -> f64 {
        let power: f64 = self
            .samples
            .iter()
            .map(|s| f64::from(*s) * f64::from(*s))
            .sum();
        let mean = power / self.samples.len().max(1) as f64;
        10.0 * (mean / (32_767.0 * 32_767.0)).max(1e-18).log10()
    }

    /// The share of blocks of 200 ms in which the tone at `frequency` is within 3 dB of its median: 1 when it was never interrupted nor
    /// broken in its phase.
    ///
    /// # Errors
    /// When the recording is shorter than five blocks.
    #[expect(clippy::cast_precision_loss, reason = "few blocks")]
    pub fn steadiness(&self, frequency: f64) -> Result<f64> {
        let median = self.level(frequency)?;
        let levels = self.levels(frequency, 5)?;
        let steady = levels
            .iter()
            .filter(|level| (*level - median).abs() < 3.0)
            .count();
        Ok(steady as f64 / levels.len() as f64)
    }

    /// The share of its [`syllables`] in which the tone at `frequency` is gone, 10 dB below their level or more, in steps of 20 ms: what lost
    /// packets take away and nobody makes up for. What a pause lasts is none of it. Where a listener's device leaves out whole packets, the
    /// tone must have whole periods in one, or its leap in phase looks like a hole.
    ///
    /// # Errors
    /// When the recording is shorter than five blocks of 100 ms.
    #[expect(clippy::cast_precision_loss, reason = "few blocks")]
    pub fn holes(&self, frequency: f64) -> Result<f64> {
        /// A pause in blocks of 20 ms, by how it falls on them, …
        const PAUSES: std::ops::RangeInclusive<usize> = 4..=6;
        /// … and a syllable with its pause, of which five blocks are the pause.
        const PERIOD: usize = 15;
        let floor = self.loud(frequency)? - 10.0;
        let levels = self.levels(frequency, 50)?;
        let runs: Vec<&[f64]> = levels
            .chunk_by(|a, b| (*a < floor) == (*b < floor))
            .collect();
        let gone: usize = (0..)
            .zip(&runs)
            .filter(|(_, run)| run.first().is_some_and(|level| *level < floor))
            .map(|(nth, run)| match run.len() {
                // At either end a pause may have been cut short.
                short if short < *PAUSES.start() && nth > 0 && nth + 1 < runs.len() => short,
                pause => pause.saturating_sub(*PAUSES.end() + pause / PERIOD * 5),
            })
            .sum();
        Ok(gone as f64 / (levels.len() as f64 * SYLLABLE / (SYLLABLE + PAUSE)))
    }

    /// From when to when, in seconds, the tone at `frequency` is heard; a second without it parts two stretches.
    ///
    /// # Errors
    /// When the recording is shorter than five blocks of 100 ms.
    pub fn stretches(&self, frequency: f64) -> Result<Vec<(f64, f64)>> {
        let floor = self.loud(frequency)? - 10.0;
        let mut stretches: Vec<(f64, f64)> = Vec::new();
        for (block, level) in (0u32..).zip(self.levels(frequency, 50)?) {
            let (from, to) = (f64::from(block) / 50.0, f64::from(block + 1) / 50.0);
            match stretches.last_mut() {
                _ if level < floor => {}
                Some((_, end)) if from - *end < 1.0 => *end = to,
                _ => stretches.push((from, to)),
            }
        }
        Ok(stretches)
    }

    /// Peak level of the tone at `frequency` in dB below full scale while a syllable lasts: the upper sixth of blocks of 100 ms, of which one in three lies within a syllable.
    ///
    /// # Errors
    /// When the recording is shorter than five blocks.
    pub fn loud(&self, frequency: f64) -> Result<f64> {
        self.quantile(frequency, 10, 5, 6)
    }

    /// Peak level of the tone at `frequency` in dB below full scale: the median over blocks of 200 ms, each under a Hann window, so that
    /// a single concealed packet does not decide. Two tones 100 Hz apart stay more than 60 dB out of each other's way.
    ///
    /// # Errors
    /// When the recording is shorter than five blocks.
    pub fn level(&self, frequency: f64) -> Result<f64> {
        self.quantile(frequency, 5, 1, 2)
    }

    /// The level that `numerator` of `denominator` blocks, so many a second, do not exceed.
    fn quantile(
        &self,
        frequency: f64,
        per_second: u32,
        numerator: usize,
        denominator: usize,
    ) -> Result<f64> {
        let mut levels = self.levels(frequency, per_second)?;
        if levels.len() < 5 {
            bail!(
                "{} blocks of 1/{per_second} s are too few to judge",
                levels.len()
            );
        }
        levels.sort_by(f64::total_cmp);
        levels
            .get(levels.len() * numerator / denominator)
            .copied()
            .context("the block in question")
    }

    /// The tone's level in each block, so many a second.
    fn levels(&self, frequency: f64, per_second: u32) -> Result<Vec<f64>> {
        let block = usize::try_from(self.rate / per_second)?;
        let blocks = self.samples.chunks_exact(block);
        Ok(blocks
            .map(|samples| block_level(samples, frequency, self.rate))
            .collect())
    }
}

#[expect(clippy::cast_precision_loss, reason = "a block has few samples")]
fn block_level(samples: &[i16], frequency: f64, rate: u32) -> f64 {
    let (mut re, mut im, mut weight) = (0.0, 0.0, 0.0);
    for (n, sample) in samples.iter().enumerate() {
        let turn = TAU * n as f64;
        let window = 0.5 - 0.5 * (turn / samples.len() as f64).cos();
        let phase = turn * frequency / f64::from(rate);
        re += window * f64::from(*sample) * phase.cos();
        im -= window * f64::from(*sample) * phase.sin();
        weight += window;
    }
    let peak = 2.0 * re.hypot(im) / weight / 32_767.0;
    20.0 * peak.max(1e-9).log10()
}

/// Judges what somebody heard: every tone of `others` within 1 dB of their mean, and `own` at least 40 dB below it.
///
/// # Errors
/// Says which tone is missing, unequal or heard though it must not be, with all levels.
#[expect(clippy::cast_precision_loss, reason = "a handful of tones")]
pub fn judge(who: &str, heard: &Recording, own: f64, others: &[f64]) -> Result<String> {
    let levels = others
        .iter()
        .map(|tone| heard.level(*tone))
        .collect::<Result<Vec<_>>>()?;
    let mean = levels.iter().sum::<f64>() / levels.len() as f64;
    let own_level = heard.level(own)?;
    let report = others
        .iter()
        .zip(&levels)
        .map(|(tone, level)| format!("{tone} Hz {level:.2} dB"))
        .collect::<Vec<_>>()
        .join(", ");
    let report = format!("{who} heard {report}; own {own} Hz {own_level:.2} dB");
    if mean < -40.0 {
        bail!("too quiet: {report}");
    }
    if levels.iter().any(|level| (level - mean).abs() > 1.0) {
        bail!("the others are not equally loud (±1 dB): {report}");
    }
    if own_level > mean - 40.0 {
        bail!("the own voice came back: {report}");
    }
    Ok(report)
}

/// G.711 µ-law of one sample (ITU-T G.711, own implementation so that the product is not measured by itself).
#[must_use]
pub fn to_mulaw(sample: i16) -> u8 {
    let sign = if sample < 0 { 0x80u8 } else { 0 };
    let magnitude = (i32::from(sample).abs() + 132).min(32_767);
    let segment = (0..8u8)
        .rev()
        .find(|s| magnitude >= (0x80 << s))
        .unwrap_or(0);
    let step = u8::try_from((magnitude >> (segment + 3)) & 0x0f).unwrap_or(0);
    !(sign | (segment << 4) | step)
}

/// The sample that a µ-law byte stands for.
#[must_use]
pub fn from_mulaw(byte: u8) -> i16 {
    let byte = !byte;
    let segment = (byte >> 4) & 7;
    let magnitude = (((i32::from(byte & 0x0f) << 3) + 0x84) << segment) - 0x84;
    let signed = if byte & 0x80 == 0 {
        magnitude
    } else {
        -magnitude
    };
    i16::try_from(signed).unwrap_or(0)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn level_of_a_tone_is_its_level_and_its_neighbour_is_silent() {
        let heard = sine(1171.0, -20.0, 2.0, 48_000);
        assert!((heard.level(1171.0).unwrap() + 20.0).abs() < 0.05);
        assert!(heard.level(787.0).unwrap() < -80.0);
    }

    #[test]
    fn holes_are_what_is_missing_of_syllables_and_not_their_pauses() {
        let mut heard = syllables(523.0, -20.0, 6.0, 48_000);
        assert!((heard.loud(523.0).unwrap() + 20.0).abs() < 0.5);
        assert!(heard.holes(523.0).unwrap() < 0.001);
        // In the middle of a syllable, at the end of one, and a whole one: 40, 20 and 200 ms of the 4 s in which there is a tone.
        for (from, to) in [(3_840, 5_760), (37_440, 38_400), (43_200, 52_800)] {
            heard.samples[from..to].fill(0);
        }
        let holes = heard.holes(523.0).unwrap();
        assert!((0.045..0.075).contains(&holes), "{holes}");
        // A recording from within a pause to within another has none; one that ends before it should has.
        let mut heard = syllables(523.0, -20.0, 6.0, 48_000);
        let cut = heard.between(0.24, 5.44 - 0.24).unwrap();
        assert!(cut.holes(523.0).unwrap() < 0.001);
        heard.samples[192_000..].fill(0);
        assert!(heard.holes(523.0).unwrap() > 0.25);
    }

    #[test]
    fn mulaw_round_trip_is_within_its_step() {
        for sample in (-32_000i16..32_000).step_by(37) {
            let back = from_mulaw(to_mulaw(sample));
            let error = (i32::from(back) - i32::from(sample)).abs();
            assert!(
                error <= 8 + i32::from(sample).abs() / 16,
                "{sample} → {back}"
            );
        }
    }

    #[test]
    fn judge_refuses_the_own_tone_a_missing_one_and_an_unequal_one() {
        let mix = |levels: [f64; 3]| {
            let tones = [523.0, 787.0, 1171.0];
            let parts = tones
                .iter()
                .zip(levels)
                .map(|(f, l)| sine(*f, l, 2.0, 48_000).samples);
            let samples = parts
                .reduce(|a, b| a.iter().zip(&b).map(|(x, y)| x + y).collect())
                .unwrap();
            Recording {
                samples,
                rate: 48_000,
            }
        };
        let verdict = |levels| judge("x", &mix(levels), 523.0, &[787.0, 1171.0]);
        assert!(verdict([-90.0, -20.0, -20.5]).is_ok());
        assert!(verdict([-50.0, -20.0, -20.0]).is_err());
        assert!(verdict([-90.0, -20.0, -23.0]).is_err());
        assert!(verdict([-90.0, -20.0, -90.0]).is_err());
        assert!(verdict([-90.0, -90.0, -90.0]).is_err());
    }
}
