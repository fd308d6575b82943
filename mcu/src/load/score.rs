//! Delay and quality of the measured talker at the sampled ears.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use plenum_codecs::audio::AudioCodec;
use plenum_codecs::resample::{Downsampler, Ratio};

use super::ear::{self, Ear};
use super::leg::{Outcome, Species};
use super::speech::Speech;

/// scripts/pesq.py, carried along.
const SCORER: &str = include_str!("../../../scripts/pesq.py");
/// Speech that a score needs.
const SHORTEST: usize = 4 * 48_000;
/// The room has settled so long after the others fell silent.
const SETTLING: Duration = Duration::from_secs(1);

/// What the sampled ears tell.
#[derive(Debug, Default)]
pub(super) struct Scores {
    /// Each second's delay from mouth to ear, milliseconds.
    pub(super) delays: Vec<f64>,
    /// Name of the pair of ends, wideband, score.
    pub(super) pesq: Vec<(String, bool, f64)>,
    /// Why there is no PESQ.
    pub(super) without: Option<String>,
}

/// Whether python3 has the module.
pub(super) fn can_score() -> bool {
    Command::new("python3")
        .args(["-c", "import pesq, numpy"])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .status()
        .is_ok_and(|status| status.success())
}

/// Judges; `solo` is when the others fell silent, `None` when they did not.
pub(super) fn judge(
    speech: &Speech,
    outcomes: &[Outcome],
    solo: Option<Instant>,
    recordings: Option<&Path>,
) -> Scores {
    let mut scores = Scores::default();
    let Some(speaker) = outcomes.iter().find(|outcome| !outcome.said.is_empty()) else {
        scores.without = Some("nobody talked".to_owned());
        return scores;
    };
    let Some(&(from, _)) = speaker.said.first() else {
        return scores;
    };
    let samples = (speaker.said.len() + 50) * 960;
    let said = ear::said(speech, &speaker.said, from, samples);
    let ears: Vec<(&Outcome, &Ear)> = outcomes
        .iter()
        .filter_map(|outcome| Some((outcome, outcome.ear.as_ref()?)))
        .collect();
    let mut pairs = Vec::new();
    for (listener, ear) in ears {
        let heard = ear.heard(from, samples);
        let mut lags = ear::lags(&said, &heard);
        let milliseconds = lags.iter().map(|&lag| millis(lag));
        scores.delays.extend(milliseconds);
        lags.sort_unstable();
        let name = name(speaker, listener);
        let new = pairs.iter().all(|pair: &Pair| pair.name != name);
        if let (Some(&lag), Some(solo), true) = (lags.get(lags.len() / 2), solo, new) {
            let begin = ((solo + SETTLING) - from).as_millis() * 48;
            let cut = |sound: &[i16], lag| part(sound, begin, lag);
            if let (Some(reference), Some(degraded)) = (cut(&said, 0), cut(&heard, lag)) {
                let wide = wideband(speaker.codec) && wideband(listener.codec);
                pairs.push(Pair {
                    name,
                    wide,
                    reference,
                    degraded,
                });
            }
        }
    }
    match (solo, pairs.is_empty()) {
        (None, _) => scores.without = Some("not installed, or not wanted".to_owned()),
        (_, true) => scores.without = Some("the talker was not recognised".to_owned()),
        _ => match run(&pairs, recordings) {
            Ok(pesq) => scores.pesq = pesq,
            Err(error) => scores.without = Some(format!("{error:#}")),
        },
    }
    scores
}

fn name(speaker: &Outcome, listener: &Outcome) -> String {
    let of = |outcome: &Outcome| match outcome.species {
        Species::Browser => "browser",
        Species::Phone => "phone",
    };
    format!("{}-to-{}", of(speaker), of(listener))
}

const fn wideband(codec: AudioCodec) -> bool {
    matches!(codec, AudioCodec::Opus | AudioCodec::G722)
}

fn millis(samples: usize) -> f64 {
    u32::try_from(samples).map_or(f64::NAN, |samples| f64::from(samples) / 48.0)
}

/// The speech from `begin` on, as it arrives `lag` samples later; not its last half second, of which not all has arrived.
fn part(sound: &[i16], begin: u128, lag: usize) -> Option<Vec<i16>> {
    let begin = usize::try_from(begin).ok()?;
    let end = sound.len().checked_sub(96_000)?;
    (begin + SHORTEST <= end).then_some(())?;
    sound.get(begin + lag..end + lag).map(<[i16]>::to_vec)
}

struct Pair {
    name: String,
    wide: bool,
    reference: Vec<i16>,
    degraded: Vec<i16>,
}

/// A folder that is gone when it is dropped.
struct Scratch(PathBuf);

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind lies in the system's folder for such things.
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn run(pairs: &[Pair], recordings: Option<&Path>) -> anyhow::Result<Vec<(String, bool, f64)>> {
    let unique = format!("plenum-load-{}-{:x}", std::process::id(), fastrand::u32(..));
    let scratch = Scratch(std::env::temp_dir().join(unique));
    let folder = recordings.unwrap_or(&scratch.0);
    std::fs::create_dir_all(folder).context("a folder for recordings")?;
    for pair in pairs {
        for (end, samples) in [("ref", &pair.reference), ("deg", &pair.degraded)] {
            let path = folder.join(format!("{}.{end}.wav", pair.name));
            store(&path, samples, pair.wide)?;
        }
    }
    let output = Command::new("python3")
        .args(["-c", SCORER])
        .arg(folder)
        .stdin(Stdio::null())
        .output()
        .context("python3")?;
    let complaint = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "scoring failed: {}",
        complaint.lines().last().unwrap_or_default()
    );
    let said = String::from_utf8_lossy(&output.stdout);
    let scores = said.lines().filter_map(|line| {
        let (name, score) = line.split_once(' ')?;
        let wide = pairs.iter().find(|pair| pair.name == name)?.wide;
        Some((name.to_owned(), wide, score.parse().ok()?))
    });
    Ok(scores.collect())
}

fn store(path: &Path, samples: &[i16], wide: bool) -> anyhow::Result<()> {
    let (ratio, sample_rate) = if wide {
        (Ratio::Three, 16_000)
    } else {
        (Ratio::Six, 8_000)
    };
    let mut low = Vec::new();
    Downsampler::new(ratio).push(samples, &mut low);
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut file = hound::WavWriter::create(path, spec)?;
    for sample in low {
        file.write_sample(sample)?;
    }
    Ok(file.finalize()?)
}
