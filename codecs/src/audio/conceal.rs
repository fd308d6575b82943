//! G.711 and G.722 decoding with concealment: what a lost payload sounds like is made from the pitch of what came before.
//!
//! The method grew out of ITU-T G.711 Appendix I: the last pitch period is repeated and fades out; when speech comes back, it is faded in over
//! the continued repetition. Unlike the appendix nothing is delayed. Where the payload after the gap has come already, its first period is
//! repeated backwards and the gap goes over from the one to the other, which G.722 cannot do: it decodes only in order. What G.722's
//! decoder would have learned from a lost payload it learns from what is played instead.

use super::g711::Law;
use super::{MAX_PAYLOAD_SAMPLES, g722};
use crate::error::CodecError;
use crate::resample::{Ratio, Upsampler};

/// 48 kHz samples per octet, of G.711 as of G.722.
const FACTOR: usize = 6;
// The lengths that follow are in octets' time, 125 µs: samples at 8 kHz, pairs of samples at 16 kHz.
/// Pitch search: 50 to 400 Hz.
const PITCH_MIN: usize = 20;
const PITCH_MAX: usize = 160;
/// Samples compared when looking for the pitch: 10 ms. In a longer time the pitch of a voice moves on.
const COMPARED: usize = 80;
/// History kept: enough to compare at the longest lag, or to repeat two periods.
const HISTORY: usize = PITCH_MAX * 2;
/// Longest part of a gap that is filled from both sides: 20 ms.
const BRIDGED: usize = 160;
/// By so many samples at 16 kHz what G.722's decoder gives out is behind what its predictors have heard.
const G722_DELAY: usize = 22;
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
        let pitch = find_pitch(history, COMPARED * density, PITCH_MAX * density, density);
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

    /// The sample at a position after the beginning of the gap.
    fn sample(&self, position: usize) -> f32 {
        let faded = position.saturating_sub(WHOLE * self.density);
        let gain = 1.0 - ratio(faded, FADE * self.density).min(1.0);
        self.cycle[position % self.pitch] * gain
    }

    fn next_sample(&mut self) -> f32 {
        self.position += 1;
        self.sample(self.position - 1)
    }
}

/// The first period of what comes after a gap, repeated backwards into it.
struct Back(Vec<f32>);

impl Back {
    /// `None` when there is too little to know a pitch from.
    fn open(after: &[i16]) -> Option<Self> {
        let longest = after.len().checked_sub(COMPARED)?.min(COMPARED);
        if longest < PITCH_MIN {
            return None;
        }
        let reversed: Vec<i16> = after
            .iter()
            .take(COMPARED + longest)
            .rev()
            .copied()
            .collect();
        let pitch = find_pitch(&reversed, COMPARED, longest, 1);
        let overlap = pitch / 4;
        // The beginning of the period runs over from the samples after it, so that the repetition has no seam.
        let cycle = (0..pitch)
            .map(|i| {
                let weight = ratio(i + 1, overlap + 1).min(1.0);
                let next = after.get(pitch + i).copied().unwrap_or(after[i]);
                f32::from(after[i]) * weight + f32::from(next) * (1.0 - weight)
            })
            .collect();
        Some(Self(cycle))
    }

    /// The sample at so many before the end of the gap, from 1.
    fn before_end(&self, samples: usize) -> f32 {
        let pitch = self.0.len();
        self.0[(pitch - samples % pitch) % pitch]
    }
}

#[expect(clippy::cast_precision_loss, reason = "sample counts of a few hundred")]
fn ratio(part: usize, whole: usize) -> f32 {
    part as f32 / whole as f32
}

/// Lag up to `longest` with the highest normalised correlation of the last `compared` samples, in samples.
fn find_pitch(history: &[i16], compared: usize, longest: usize, density: usize) -> usize {
    let end = history.len();
    let signal: Vec<f32> = history[end - compared - longest..]
        .iter()
        .map(|&sample| f32::from(sample))
        .collect();
    let recent = &signal[longest..];
    let (mut best, mut best_score) = (longest, f32::MIN);
    for lag in PITCH_MIN * density..=longest {
        let old = &signal[longest - lag..longest - lag + compared];
        let (product, energy) = correlate(recent, old);
        let score = product / energy.sqrt();
        if score > best_score {
            (best, best_score) = (lag, score);
        }
    }
    best
}

/// Product of both and energy of the second, at least one; eight partial sums each are vector additions.
fn correlate(a: &[f32], b: &[f32]) -> (f32, f32) {
    let (mut product, mut energy) = ([0.0f32; 8], [0.0f32; 8]);
    for (a, b) in a.as_chunks::<8>().0.iter().zip(b.as_chunks::<8>().0) {
        for i in 0..8 {
            product[i] += a[i] * b[i];
            energy[i] += b[i] * b[i];
        }
    }
    (product.iter().sum(), energy.iter().sum::<f32>() + 1.0)
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
        self.extrapolate(samples.div_ceil(FACTOR) * self.source.density());
        self.resampler.push(&self.scratch, out);
        out.truncate(end);
    }

    /// As [`TelephonyDecoder::conceal`] for the end of a gap, after which `next` comes.
    pub(super) fn conceal_before(&mut self, next: &[u8], samples: usize, out: &mut Vec<i16>) {
        let Source::G711(law) = self.source else {
            return self.conceal(samples, out);
        };
        let after: Vec<i16> = next.iter().map(|&octet| law.decode(octet)).collect();
        let Some(back) = Back::open(&after) else {
            return self.conceal(samples, out);
        };
        let end = out.len() + samples;
        let octets = samples.div_ceil(FACTOR);
        let bridged = octets.min(BRIDGED);
        self.extrapolate(octets - bridged);
        self.resampler.push(&self.scratch, out);
        self.bridge(bridged, &back);
        self.resampler.push(&self.scratch, out);
        out.truncate(end);
    }

    /// The next samples from what came before the gap.
    fn extrapolate(&mut self, count: usize) {
        let density = self.source.density();
        let gap = self
            .gap
            .get_or_insert_with(|| Gap::open(&self.history, density));
        let begin = gap.position;
        self.scratch.clear();
        self.scratch
            .extend((0..count).map(|_| to_sample(gap.next_sample())));
        if let Source::G722(decoder) = &mut self.source {
            // The decoder is ahead of what it gives out.
            let window: Vec<i16> = self.history.iter().copied().rev().take(24).rev().collect();
            let ahead = (begin..gap.position + G722_DELAY).map(|i| to_sample(gap.sample(i)));
            let heard: Vec<i16> = window.into_iter().chain(ahead).collect();
            decoder.follow(&heard[G722_DELAY..]);
        }
        self.remember();
    }

    /// Goes over from what came before the gap to what comes after it, where the gap ends.
    fn bridge(&mut self, count: usize, back: &Back) {
        let mut gap = self
            .gap
            .take()
            .unwrap_or_else(|| Gap::open(&self.history, self.source.density()));
        self.scratch.clear();
        self.scratch.extend((0..count).map(|i| {
            let weight = ratio(2 * i + 1, 2 * count);
            let (fore, aft) = (gap.next_sample(), back.before_end(count - i));
            to_sample(fore * (1.0 - weight) + aft * weight)
        }));
        self.remember();
    }

    fn remember(&mut self) {
        self.history.extend_from_slice(&self.scratch);
        let old = self.history.len() - HISTORY * self.source.density();
        self.history.drain(..old);
    }
}

/// Speech after a gap: a quarter of a period, and 4 ms more for each 10 ms of gap after the first (at most 10 ms), is cross-faded.
fn fade_in(samples: &mut [i16], gap: &mut Gap) {
    let whole = WHOLE * gap.density;
    let longer = (gap.position / whole).saturating_sub(1) * 32 * gap.density;
    let overlap = (gap.pitch / 4 + longer).min(whole).min(samples.len());
    for (i, sample) in samples.iter_mut().take(overlap).enumerate() {
        let weight = ratio(i + 1, overlap + 1);
        *sample = to_sample(f32::from(*sample) * weight + gap.next_sample() * (1.0 - weight));
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "weighted means of samples are samples"
)]
fn to_sample(value: f32) -> i16 {
    value as i16
}
