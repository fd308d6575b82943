//! G.711 and G.722 decoding with concealment: what a lost payload sounds like is made from the pitch of what came before.
//!
//! The method is that of ITU-T G.711 Appendix I: the last pitch periods are repeated, more of them the longer the gap lasts,
//! and fade out; when speech comes back, it is faded in over the continued repetition. Unlike the appendix nothing is delayed.

use super::g711::Law;
use super::{MAX_PAYLOAD_SAMPLES, g722};
use crate::error::CodecError;
use crate::resample::{Ratio, Upsampler};

/// 48 kHz samples per octet, of G.711 as of G.722.
const FACTOR: usize = 6;
// The lengths that follow are in octets' time, 125 µs: samples at 8 kHz, pairs of samples at 16 kHz.
/// Pitch search: 66 to 200 Hz.
const PITCH_MIN: usize = 40;
const PITCH_MAX: usize = 120;
/// Samples compared when looking for the pitch: 20 ms.
const COMPARED: usize = 160;
/// History kept: enough to compare at the longest lag, or to repeat three periods.
const HISTORY: usize = COMPARED + PITCH_MAX * 2;
/// Gap before the fade begins, and its length: whole for 10 ms, silent after 60 ms.
const WHOLE: usize = 80;
const FADE: usize = 400;

/// Samples at 48 kHz in a payload of G.711 or G.722.
pub(super) fn payload_samples(format: &'static str, payload: &[u8]) -> Result<usize, CodecError> {
    let samples = payload.len() * FACTOR;
    match samples {
        0 => Err(CodecError::malformed(format, "at least one octet expected")),
        1..=MAX_PAYLOAD_SAMPLES => Ok(samples),
        _ => Err(CodecError::TooLarge {
            format,
            size: samples,
            limit: MAX_PAYLOAD_SAMPLES,
        }),
    }
}

/// What turns octets into samples.
#[derive(Debug)]
enum Source {
    G711(Law),
    G722(Box<g722::Decoder>),
}

impl Source {
    const fn format(&self) -> &'static str {
        match self {
            Self::G711(_) => "G.711 payload",
            Self::G722(_) => "G.722 payload",
        }
    }

    /// Samples per octet.
    const fn density(&self) -> usize {
        match self {
            Self::G711(_) => 1,
            Self::G722(_) => 2,
        }
    }
}

/// Decoder of one stream of G.711 or G.722.
#[derive(Debug)]
pub(super) struct TelephonyDecoder {
    source: Source,
    resampler: Upsampler,
    /// The last [`HISTORY`] octets' samples before the gap, or before now.
    history: Vec<i16>,
    scratch: Vec<i16>,
    gap: Option<Gap>,
}

/// A concealment in progress.
#[derive(Debug)]
struct Gap {
    /// Samples to repeat: whole pitch periods.
    cycle: Vec<f32>,
    pitch: usize,
    position: usize,
    /// Samples per octet.
    density: usize,
}

impl Gap {
    fn open(history: &[i16], density: usize) -> Self {
        let pitch = find_pitch(history, density);
        let period = &history[history.len() - pitch..];
        let before = &history[history.len() - 2 * pitch..history.len() - pitch];
        let overlap = pitch / 4;
        // The end of the period runs over into the samples before the period, so that the repetition has no seam.
        let cycle = (0..pitch)
            .map(|i| {
                let from_end = pitch - i;
                let own = f32::from(period[i]);
                if from_end > overlap {
                    return own;
                }
                let weight = ratio(from_end, overlap + 1);
                own * weight + f32::from(before[i]) * (1.0 - weight)
            })
            .collect();
        Self {
            cycle,
            pitch,
            position: 0,
            density,
        }
    }

    #[expect(
        clippy::cast_possible_truncation,
        reason = "a gain of at most one cannot enlarge a sample"
    )]
    fn next_sample(&mut self) -> i16 {
        let faded = self.position.saturating_sub(WHOLE * self.density);
        let gain = 1.0 - ratio(faded, FADE * self.density).min(1.0);
        let sample = self.cycle[self.position % self.pitch] * gain;
        self.position += 1;
        sample as i16
    }
}

#[expect(clippy::cast_precision_loss, reason = "sample counts of a few hundred")]
fn ratio(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}

/// Lag with the highest normalised correlation, in samples.
fn find_pitch(history: &[i16], density: usize) -> usize {
    let end = history.len();
    let compared = COMPARED * density;
    let recent: Vec<f32> = history[end - compared..]
        .iter()
        .map(|&sample| f32::from(sample))
        .collect();
    let (mut best, mut best_score) = (PITCH_MAX * density, f32::MIN);
    for lag in PITCH_MIN * density..=PITCH_MAX * density {
        let (mut product, mut energy) = (0.0f32, 1.0f32);
        for (&new, &old) in recent.iter().zip(&history[end - compared - lag..end - lag]) {
            let old = f32::from(old);
            product += new * old;
            energy += old * old;
        }
        let score = product / energy.sqrt();
        if score > best_score {
            (best, best_score) = (lag, score);
        }
    }
    best
}

impl TelephonyDecoder {
    pub(super) fn g711(law: Law) -> Self {
        Self::new(Source::G711(law), Ratio::Six)
    }

    pub(super) fn g722() -> Self {
        let decoder = Box::new(g722::Decoder::new());
        Self::new(Source::G722(decoder), Ratio::Three)
    }

    fn new(source: Source, ratio: Ratio) -> Self {
        Self {
            resampler: Upsampler::new(ratio),
            history: vec![0; HISTORY * source.density()],
            source,
            scratch: Vec::new(),
            gap: None,
        }
    }

    pub(super) fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        payload_samples(self.source.format(), payload)?;
        self.scratch.clear();
        match &mut self.source {
            Source::G711(law) => self
                .scratch
                .extend(payload.iter().map(|&octet| law.decode(octet))),
            Source::G722(decoder) => self
                .scratch
                .extend(payload.iter().flat_map(|&octet| decoder.decode(octet))),
        }
        if let Some(mut gap) = self.gap.take() {
            fade_in(&mut self.scratch, &mut gap);
        }
        self.remember();
        self.resampler.push(&self.scratch, out);
        Ok(())
    }

    pub(super) fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        let end = out.len() + samples;
        let density = self.source.density();
        let gap = self
            .gap
            .get_or_insert_with(|| Gap::open(&self.history, density));
        self.scratch.clear();
        self.scratch
            .extend((0..samples.div_ceil(FACTOR) * density).map(|_| gap.next_sample()));
        self.remember();
        self.resampler.push(&self.scratch, out);
        out.truncate(end);
    }

    fn remember(&mut self) {
        self.history.extend_from_slice(&self.scratch);
        let old = self.history.len() - HISTORY * self.source.density();
        self.history.drain(..old);
    }
}

/// Speech after a gap: a quarter of a period, and 4 ms more for each 10 ms of gap (at most 10 ms), is cross-faded.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a weighted mean of two samples is a sample"
)]
fn fade_in(samples: &mut [i16], gap: &mut Gap) {
    let whole = WHOLE * gap.density;
    let overlap = (gap.pitch / 4 + gap.position / whole * 32 * gap.density)
        .min(whole)
        .min(samples.len());
    for (i, sample) in samples.iter_mut().take(overlap).enumerate() {
        let weight = ratio(i + 1, overlap + 1);
        *sample =
            (f32::from(*sample) * weight + f32::from(gap.next_sample()) * (1.0 - weight)) as i16;
    }
}
