//! A few seconds of one leg's voice, cut to what was said: a name, to be announced.

use std::sync::Arc;
use std::time::Duration;

use plenum_codecs::audio::{FRAME, Frame, SAMPLE_RATE};

/// Nothing longer is captured.
const LONGEST: Duration = Duration::from_secs(10);
/// A frame so far below the loudest is silence: −30 dB.
const SILENCE: f64 = 0.0316;
/// Without a frame as loud as this (−44 dBFS) nothing was said.
const VOICE_RMS: f64 = 200.0;
/// Frames of silence that are left before and after what was said: 40 ms and 100 ms, for soft consonants.
const MARGIN: (usize, usize) = (2, 5);
/// Loudness of what was said, as RMS over the frames that are not silence: −20 dBFS, as prompts have.
const SPEECH_RMS: f64 = 3_276.8;
/// No sample goes beyond −1 dBFS.
const PEAK: f64 = 29_204.0;
/// Nothing is made louder than by 24 dB: it would be noise.
const MOST_GAIN: f64 = 15.8;

/// What has been captured of a leg so far.
#[derive(Debug)]
pub(crate) struct Capture {
    pcm: Vec<i16>,
    samples: usize,
}

impl Capture {
    /// Of `longest` at most.
    pub(crate) fn new(longest: Duration) -> Self {
        let millis = usize::try_from(longest.min(LONGEST).as_millis()).unwrap_or(0);
        Self {
            pcm: Vec::new(),
            samples: millis * SAMPLE_RATE as usize / 1_000,
        }
    }

    /// Takes 20 ms; true when it is full.
    pub(crate) fn push(&mut self, frame: &Frame) -> bool {
        self.pcm.extend_from_slice(frame);
        self.pcm.len() >= self.samples
    }

    /// What was said, silence cut off and at the loudness of prompts; empty when nothing was.
    pub(crate) fn finish(self) -> Arc<[i16]> {
        let levels: Vec<f64> = self.pcm.chunks_exact(FRAME).map(rms).collect();
        let loudest = levels.iter().copied().fold(0.0, f64::max);
        let is_voice = |level: &f64| *level > loudest * SILENCE;
        let (Some(first), Some(last)) = (
            levels.iter().position(is_voice),
            levels.iter().rposition(is_voice),
        ) else {
            return Arc::default();
        };
        if loudest < VOICE_RMS {
            return Arc::default();
        }
        let from = first.saturating_sub(MARGIN.0) * FRAME;
        let to = ((last + 1 + MARGIN.1) * FRAME).min(self.pcm.len());
        let said = self.pcm.get(from..to).unwrap_or_default();
        level(said, levels.iter().copied().filter(is_voice))
    }
}

fn rms(samples: &[i16]) -> f64 {
    let energy: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    #[expect(clippy::cast_precision_loss, reason = "a frame is short")]
    let count = samples.len().max(1) as f64;
    (energy / count).sqrt()
}

fn level(said: &[i16], voice: impl Iterator<Item = f64>) -> Arc<[i16]> {
    let (sum, count) = voice.fold((0.0, 0.0), |(sum, count), level| {
        (sum + level.powi(2), count + 1.0)
    });
    let peak = said
        .iter()
        .map(|sample| f64::from(sample.unsigned_abs()))
        .fold(1.0, f64::max);
    let loudness = (sum / f64::max(count, 1.0)).sqrt().max(1.0);
    let gain = (SPEECH_RMS / loudness).min(PEAK / peak).min(MOST_GAIN);
    #[expect(clippy::cast_possible_truncation, reason = "bounded by PEAK")]
    said.iter()
        .map(|sample| (f64::from(*sample) * gain) as i16)
        .collect()
}

#[cfg(test)]
mod tests {
    use plenum_codecs::tone::Tone;

    use super::*;

    /// One second of hiss, 600 ms of tone, 1.2 s of hiss.
    fn spoken(amplitude: f64) -> Arc<[i16]> {
        let mut tone = Tone::new(440.0, amplitude);
        let mut capture = Capture::new(Duration::from_secs(3));
        let mut full = false;
        for frame in 0..140 {
            let mut pcm = [0; FRAME];
            let says = (50..80).contains(&frame);
            for (at, sample) in pcm.iter_mut().enumerate() {
                let hiss = if at % 2 == 0 { 9 } else { -9 };
                *sample = if says { tone.next_sample() } else { hiss };
            }
            full = capture.push(&pcm);
        }
        assert!(!full, "2.8 s fill no 3 s");
        capture.finish()
    }

    #[test]
    fn silence_is_cut_and_quiet_and_loud_names_are_equally_loud() {
        for amplitude in [600.0, 30_000.0] {
            let said = spoken(amplitude);
            assert_eq!(said.len(), (2 + 30 + 5) * FRAME, "{amplitude}");
            let middle = rms(&said[10 * FRAME..20 * FRAME]);
            assert!(
                (3_200.0..3_350.0).contains(&middle),
                "{amplitude}: {middle}"
            );
        }
    }

    #[test]
    fn who_says_nothing_has_no_name_and_who_goes_on_is_cut_off() {
        assert!(spoken(100.0).is_empty());
        assert!(Capture::new(Duration::from_secs(3)).finish().is_empty());
        let mut capture = Capture::new(Duration::from_millis(100));
        let full: Vec<bool> = (0..5).map(|_| capture.push(&[3_000; FRAME])).collect();
        assert_eq!(full, [false, false, false, false, true]);
        assert_eq!(capture.finish().len(), 5 * FRAME);
    }
}
