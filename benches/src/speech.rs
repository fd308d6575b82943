//! Speech to measure with: people recorded for the announcements of Debian's `asterisk-core-sounds-*-g722` packages, at 16 kHz.

use std::ops::Range;
use std::path::Path;

use anyhow::Context;
use plenum_codecs::audio::{AudioCodec, AudioDecoder, FRAME, level_dbov};

/// Four women and a man, in five languages (PESQ knows none).
pub const VOICES: [&str; 5] = [
    "en_US_f_Allison",
    "es_MX_f_Allison",
    "fr_CA_f_June",
    "it_IT_m_Carlo",
    "ru_RU_f_IvrvoiceRU",
];
/// Silence between two utterances: 0.8 s.
pub const PAUSE: usize = 38_400;
/// The longest text of the packages that is spoken without a break by all of them.
const TEXT: &str = "demo-congrats.g722";
/// An utterance ends at the first pause after 7 s.
const SHORTEST: usize = 336_000;
/// 200 ms, in frames, of less than −45 dBov are a pause.
const PAUSE_FRAMES: usize = 10;
const QUIET: u8 = 45;

/// What is said, 48 kHz mono, and where its utterances lie.
#[derive(Debug, Clone, Default)]
pub struct Speech {
    /// All utterances with a [`PAUSE`] before, between and after them.
    pub samples: Vec<i16>,
    /// Samples of each utterance.
    pub utterances: Vec<Range<usize>>,
}

impl Speech {
    /// The first `each` utterances, of 7 to 10 s, of every voice.
    ///
    /// # Errors
    /// When a recording is not installed, or too short.
    pub fn recorded(each: usize) -> anyhow::Result<Self> {
        let mut speech = Self::default();
        speech.samples.resize(2 * PAUSE, 0);
        for voice in VOICES {
            let samples = recording(voice)?;
            let mut cuts = utterances(&samples);
            cuts.truncate(each);
            anyhow::ensure!(
                cuts.len() == each,
                "{voice}: {} of {each} utterances",
                cuts.len()
            );
            for cut in cuts {
                let begin = speech.samples.len();
                speech
                    .samples
                    .extend_from_slice(samples.get(cut).context("a cut beyond the end")?);
                speech.utterances.push(begin..speech.samples.len());
                speech.samples.resize(speech.samples.len() + PAUSE, 0);
            }
        }
        Ok(speech)
    }
}

/// 48 kHz mono.
fn recording(voice: &str) -> anyhow::Result<Vec<i16>> {
    let path = Path::new("/usr/share/asterisk/sounds")
        .join(voice)
        .join(TEXT);
    let coded = std::fs::read(&path)
        .with_context(|| format!("{} (scripts/deps.sh bench installs it)", path.display()))?;
    let mut decoder = AudioDecoder::new(AudioCodec::G722)?;
    let mut samples = Vec::with_capacity(coded.len() * 6);
    for payload in coded.chunks(160) {
        decoder.decode(payload, &mut samples)?;
    }
    Ok(samples)
}

fn utterances(samples: &[i16]) -> Vec<Range<usize>> {
    let mut found = Vec::new();
    let mut begin = None;
    let mut quiet = 0;
    for (index, frame) in samples.as_chunks::<FRAME>().0.iter().enumerate() {
        if level_dbov(frame) <= QUIET {
            begin.get_or_insert(index.saturating_sub(2));
            quiet = 0;
            continue;
        }
        quiet += 1;
        if let Some(from) = begin
            && quiet == PAUSE_FRAMES
            && (index - from) * FRAME >= SHORTEST
        {
            found.push(from * FRAME..(index + 1 - PAUSE_FRAMES / 2) * FRAME);
            begin = None;
        }
    }
    found
}

/// Samples in one step of the search for a lag: their mean is enough to find it to 0.25 ms.
const COARSE: usize = 12;
/// What is looked for: half a second.
const WINDOW: usize = 24_000 / COARSE;
/// Longest lag: 250 ms.
const REACH: usize = 12_000 / COARSE;

impl Speech {
    /// How late each half second of it is heard, in samples at 48 kHz, wherever that can be told.
    #[must_use]
    pub fn lags(&self, heard: &[i16]) -> Vec<usize> {
        let (said, heard) = (coarse(&self.samples), coarse(heard));
        let windows = self.utterances.iter().flat_map(|utterance| {
            (utterance.start / COARSE..(utterance.end / COARSE).saturating_sub(WINDOW))
                .step_by(WINDOW)
        });
        windows
            .filter_map(|at| lag(said.get(at..at + WINDOW)?, heard.get(at..)?))
            .collect()
    }
}

fn coarse(samples: &[i16]) -> Vec<f32> {
    samples
        .chunks_exact(COARSE)
        .map(|few| few.iter().map(|&sample| f32::from(sample)).sum::<f32>())
        .collect()
}

fn lag(window: &[f32], heard: &[f32]) -> Option<usize> {
    let energy: f32 = window.iter().map(|sample| sample * sample).sum();
    let (lag, likeness) = heard
        .windows(WINDOW)
        .take(REACH)
        .map(|other| {
            let product: f32 = window.iter().zip(other).map(|(a, b)| a * b).sum();
            let power: f32 = other.iter().map(|sample| sample * sample).sum();
            product / (energy * power).sqrt().max(1.0)
        })
        .enumerate()
        .max_by(|a, b| a.1.total_cmp(&b.1))?;
    (likeness > 0.5).then_some(lag * COARSE)
}
