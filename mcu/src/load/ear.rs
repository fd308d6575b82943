//! What a sampled leg hears: its packets decoded and laid on one line of time, held against what was said.

use std::time::{Duration, Instant};

use plenum_codecs::audio::{AudioCodec, AudioDecoder, FRAME};

use super::rtp::Seen;
use super::speech::Speech;

/// Samples in one step of the search for a lag: 0.25 ms.
const COARSE: usize = 12;
/// What is compared at once: a second.
const WINDOW: usize = 48_000 / COARSE;
/// The largest lag that is looked for: 600 ms.
const REACH: usize = 28_800 / COARSE;
/// Two windows are about the same sound from here on: among three voices of one loudness the right place reaches 0.36 and more, two
/// strangers 0.33 at most.
const LIKENESS: f64 = 0.34;
/// Takes the weight off the fundamental, by which one voice is like another, as this share of the sample before is taken away.
const EMPHASIS: f32 = 0.9;
/// A voice is like itself a pitch period or two away (12 ms); farther away another place must be this much less alike, or it is a
/// stranger's.
const APART: usize = 48;
const DISTINCT: f64 = 1.1;
/// Windows that are looked at; more say nothing new.
const WINDOWS: usize = 40;

/// One packet's place.
#[derive(Debug, Clone, Copy)]
struct Piece {
    arrival: Instant,
    /// Samples at 48 kHz since the first packet, by the sender's clock.
    at: i64,
    begin: usize,
    end: usize,
}

/// See the module.
pub(super) struct Ear {
    codec: AudioCodec,
    decoder: AudioDecoder,
    samples: Vec<i16>,
    pieces: Vec<Piece>,
    ssrc: Option<u32>,
    first: u32,
}

impl std::fmt::Debug for Ear {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Ear")
            .field("packets", &self.pieces.len())
            .finish_non_exhaustive()
    }
}

impl Ear {
    /// # Errors
    /// When the decoder cannot be made.
    pub(super) fn new(codec: AudioCodec) -> anyhow::Result<Self> {
        Ok(Self {
            codec,
            decoder: AudioDecoder::new(codec)?,
            samples: Vec::new(),
            pieces: Vec::new(),
            ssrc: None,
            first: 0,
        })
    }

    pub(super) fn push(&mut self, arrival: Instant, seen: &Seen, payload: &[u8]) {
        if self.ssrc != Some(seen.ssrc) {
            // Another stream has another clock: what was heard of the old one cannot be laid on the same line.
            self.ssrc = Some(seen.ssrc);
            self.first = seen.timestamp;
            self.pieces.clear();
            self.samples.clear();
        }
        let begin = self.samples.len();
        if self.decoder.decode(payload, &mut self.samples).is_err() {
            return;
        }
        let units = i64::from(seen.timestamp.wrapping_sub(self.first).cast_signed());
        self.pieces.push(Piece {
            arrival,
            at: units * 48_000 / i64::from(self.codec.clock_rate()),
            begin,
            end: self.samples.len(),
        });
    }

    /// What was heard from `from` on, as if every packet had taken the median time.
    pub(super) fn heard(&self, from: Instant, samples: usize) -> Vec<i16> {
        let mut line = vec![0; samples];
        let mut offsets: Vec<i64> = self
            .pieces
            .iter()
            .map(|piece| place(from, piece.arrival) - piece.at)
            .collect();
        offsets.sort_unstable();
        let Some(offset) = offsets.get(offsets.len() / 2) else {
            return line;
        };
        for piece in &self.pieces {
            let Ok(at) = usize::try_from(piece.at + offset) else {
                continue;
            };
            let Some(sound) = self.samples.get(piece.begin..piece.end) else {
                continue;
            };
            if let Some(target) = line.get_mut(at..at + sound.len()) {
                target.copy_from_slice(sound);
            }
        }
        line
    }
}

/// An instant as samples after another.
fn place(from: Instant, at: Instant) -> i64 {
    let samples =
        |time: Duration| i64::try_from(time.as_nanos() * 48 / 1_000_000).unwrap_or(i64::MAX);
    match at.checked_duration_since(from) {
        Some(after) => samples(after),
        None => -samples(from.saturating_duration_since(at)),
    }
}

/// What was said from `from` on: a frame leaves when its last sample has been spoken.
pub(super) fn said(
    speech: &Speech,
    sent: &[(Instant, usize)],
    from: Instant,
    samples: usize,
) -> Vec<i16> {
    // The frames were due every 20 ms; when they left in truth varies by a millisecond or two.
    let mut begins: Vec<i64> = sent
        .iter()
        .zip(0..)
        .map(|(&(at, _), index)| place(from, at) - (index + 1) * 960)
        .collect();
    begins.sort_unstable();
    let (Some(&begin), Some(&(_, frame))) = (begins.get(begins.len() / 2), sent.first()) else {
        return vec![0; samples];
    };
    let length = sent.len() * FRAME;
    let mut line = vec![0; samples];
    for (index, sample) in (begin..).zip(speech.part(frame, length)) {
        if let Some(slot) = usize::try_from(index).ok().and_then(|at| line.get_mut(at)) {
            *slot = sample;
        }
    }
    line
}

/// Means of twelve samples.
fn coarse(samples: &[i16]) -> Vec<f32> {
    samples
        .chunks_exact(COARSE)
        .map(|few| few.iter().map(|&sample| f32::from(sample)).sum::<f32>())
        .collect()
}

fn energy(samples: &[f32]) -> f32 {
    samples.iter().map(|sample| sample * sample).sum()
}

fn emphasised(samples: &[f32]) -> Vec<f32> {
    let before = std::iter::once(&0.0).chain(samples);
    samples
        .iter()
        .zip(before)
        .map(|(sample, before)| sample - EMPHASIS * before)
        .collect()
}

/// How late each second of speech was heard, in samples at 48 kHz, where it can be told.
pub(super) fn lags(said: &[i16], heard: &[i16]) -> Vec<usize> {
    let said = coarse(said);
    let loud: Vec<usize> = (0..said.len().saturating_sub(WINDOW + REACH))
        .step_by(WINDOW / 2)
        .filter(|&at| {
            // −45 dBFS over the whole window: words, not a pause.
            let window = said.get(at..at + WINDOW).unwrap_or_default();
            energy(window) > 184.0 * 184.0 * 144.0 * 4_000.0
        })
        .collect();
    let (said, heard) = (emphasised(&said), emphasised(&coarse(heard)));
    let step = loud.len().div_ceil(WINDOWS).max(1);
    loud.into_iter()
        .step_by(step)
        .filter_map(|at| {
            lag_at(
                said.get(at..at + WINDOW)?,
                heard.get(at..at + WINDOW + REACH)?,
            )
        })
        .collect()
}

fn lag_at(window: &[f32], heard: &[f32]) -> Option<usize> {
    let spoken = energy(window);
    let mut power = f64::from(energy(heard.get(..window.len())?));
    let mut likenesses = Vec::with_capacity(REACH);
    for (lag, other) in heard.windows(window.len()).enumerate() {
        let product: f32 = window.iter().zip(other).map(|(a, b)| a * b).sum();
        likenesses.push(f64::from(product) / (f64::from(spoken) * power).sqrt().max(1.0));
        let next = heard.get(lag + window.len()).copied().unwrap_or_default();
        power += f64::from(next).powi(2) - f64::from(other.first().copied()?).powi(2);
    }
    let (best, &likeness) = likenesses
        .iter()
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(b.1))?;
    let elsewhere = likenesses
        .iter()
        .enumerate()
        .filter(|(lag, _)| lag.abs_diff(best) > APART)
        .map(|(_, likeness)| *likeness)
        .fold(0.0, f64::max);
    (likeness > LIKENESS && likeness > DISTINCT * elsewhere).then_some(best * COARSE)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;
    use plenum_codecs::audio::{AudioEncoder, EncoderSetting};

    #[test]
    fn a_known_delay_is_found_to_the_millisecond_among_two_other_voices() {
        let speech = Speech::load(None).unwrap();
        let from = Instant::now();
        let sent: Vec<(Instant, usize)> = (1..=500u32)
            .map(|index| (from + Duration::from_millis(20) * index, 40))
            .collect();
        let seconds = 12 * 48_000;
        let spoken = said(&speech, &sent, from, seconds);
        let others = [speech.part(400, seconds), speech.part(900, seconds)];

        let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Pcmu)).unwrap();
        let mut ear = Ear::new(AudioCodec::Pcmu).unwrap();
        let mix: Vec<i16> = (0..seconds)
            .map(|at| spoken[at] / 3 + others[0][at] / 3 + others[1][at] / 3)
            .collect();
        for (index, frame) in mix.as_chunks::<FRAME>().0.iter().enumerate() {
            let index = u32::try_from(index).unwrap();
            let seen = Seen {
                payload_type: 0,
                sequence: u16::try_from(index).unwrap(),
                timestamp: 77_u32.wrapping_add(index * 160),
                ssrc: 1,
                payload: 0,
            };
            let arrival = from + Duration::from_millis(20) * index + Duration::from_millis(70);
            ear.push(arrival, &seen, &encoder.encode(frame).unwrap());
        }
        let mut found = lags(&spoken, &ear.heard(from, seconds));
        found.sort_unstable();
        assert!(found.len() >= 8, "{found:?}");
        // The resamplers to and from 8 kHz add theirs.
        let middle = found[found.len() / 2] as f64 / 48.0;
        assert!((70.0..78.0).contains(&middle), "{middle} ms of {found:?}");
    }

    #[test]
    fn a_stranger_is_not_taken_for_the_talker() {
        let speech = Speech::load(None).unwrap();
        let seconds = 12 * 48_000;
        let found = lags(&speech.part(0, seconds), &speech.part(700, seconds));
        assert!(found.len() <= 1, "{found:?}");
    }
}
