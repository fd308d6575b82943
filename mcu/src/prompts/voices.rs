//! Makes the voices of a language from Debian's recordings and synthesisers: a folder of WAVs, once, before the server is started.
//!
//! What is made stays on this machine: the recordings are CC-BY-SA and are neither in the repository nor in the binary.

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use plenum_codecs::audio::{AudioCodec, AudioDecoder, SAMPLE_RATE};
use sha2::{Digest as _, Sha256};

use super::loudness;
use super::manifest::{Clip, Manifest};

/// Rate of the WAVs: what the best telephone codec carries.
pub(super) const RATE: u32 = 16_000;
/// File in a language's folder: what it was made of, and where each prompt comes from.
const INDEX: &str = "index";
/// Changes when the same sources would give other files.
const MAKER: &str = "1";
/// Octets of G.722 in 20 ms.
const G722_FRAME: usize = 160;
/// Longest recording that is read, octets of G.722: two minutes.
const LONGEST: usize = 120 * 8_000;

/// Where a prompt's sound comes from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Source {
    Recorded,
    Synthesised,
}

impl Source {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Recorded => "recorded",
            Self::Synthesised => "synthesised",
        }
    }

    fn parse(text: &str) -> Option<Self> {
        [Self::Recorded, Self::Synthesised]
            .into_iter()
            .find(|source| source.as_str() == text)
    }
}

/// What came of making a language.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Made {
    /// It was there already, made of the same.
    Before,
    /// So many recorded and synthesised.
    Now { recorded: usize, synthesised: usize },
}

/// Why a language could not be made.
#[derive(Debug, thiserror::Error)]
pub(super) enum VoiceError {
    /// Its synthesiser does not run.
    #[error("{program} does not start ({source}); apt-get install {program} (or `make deps`)")]
    NoSynthesiser {
        /// The program.
        program: String,
        /// What the system said.
        source: std::io::Error,
    },
    /// Its synthesiser refused.
    #[error("{program} did not say {key}: {said}")]
    Unsaid {
        /// The program.
        program: String,
        /// The prompt.
        key: String,
        /// What it said instead.
        said: String,
    },
    /// A sound is of no use.
    #[error("{}: {reason}", path.display())]
    Unusable {
        /// The file.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
    /// A file cannot be read or written.
    #[error("{}: {source}", path.display())]
    File {
        /// The file or folder.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
}

fn file(path: &Path) -> impl FnOnce(std::io::Error) -> VoiceError + use<> {
    let path = path.to_owned();
    move |source| VoiceError::File { path, source }
}

fn unusable(path: &Path, reason: impl ToString) -> VoiceError {
    VoiceError::Unusable {
        path: path.to_owned(),
        reason: reason.to_string(),
    }
}

/// Where each made prompt of a language comes from; `None` when it has not been made.
pub(super) fn index(folder: &Path, language: &str) -> Option<Vec<(String, Source)>> {
    let text = fs::read_to_string(folder.join(language).join(INDEX)).ok()?;
    let lines = text.lines().skip(1);
    Some(
        lines
            .filter_map(|line| line.split_once(' '))
            .filter_map(|(key, source)| Some((key.to_owned(), Source::parse(source)?)))
            .collect(),
    )
}

/// Whether the package with the language's recordings is installed; `true` for a language that has none.
pub(super) fn has_recordings(manifest: &Manifest) -> bool {
    (manifest.recordings.as_ref()).is_none_or(|recordings| recordings.folder.is_dir())
}

/// Makes the voices of a language in `folder`/LANGUAGE, unless they are there, made of the same. All or nothing: the old ones stay until
/// the new are whole.
pub(super) fn make(folder: &Path, manifest: &Manifest, text: &str) -> Result<Made, VoiceError> {
    let stamp = stamp(manifest, text);
    let place = folder.join(&manifest.language);
    if fs::read_to_string(place.join(INDEX)).is_ok_and(|index| index.lines().next() == Some(&stamp))
    {
        return Ok(Made::Before);
    }
    let workshop = folder.join(format!(".{}-{}", manifest.language, std::process::id()));
    fs::create_dir_all(&workshop).map_err(file(&workshop))?;
    let made = fill(&workshop, manifest, &stamp).and_then(|made| {
        if place.exists() {
            fs::remove_dir_all(&place).map_err(file(&place))?;
        }
        fs::rename(&workshop, &place).map_err(file(&place))?;
        Ok(made)
    });
    if made.is_err() {
        // What was half made is of no use; that it may stay behind does no harm.
        let _ = fs::remove_dir_all(&workshop);
    }
    made
}

fn stamp(manifest: &Manifest, text: &str) -> String {
    let mut hash = Sha256::new();
    hash.update(text);
    let mut stamp = format!("{MAKER} {} ", has_recordings(manifest));
    for octet in hash.finalize() {
        // Writing to a String cannot fail.
        let _ = write!(stamp, "{octet:02x}");
    }
    stamp
}

fn fill(workshop: &Path, manifest: &Manifest, stamp: &str) -> Result<Made, VoiceError> {
    let mut index = format!("{stamp}\n");
    let (mut recorded, mut synthesised) = (0, 0);
    for clip in manifest.clips() {
        let folder = (manifest.recordings.as_ref())
            .filter(|_| !clip.recorded.is_empty() && has_recordings(manifest))
            .map(|recordings| &recordings.folder);
        let (sound, source) = if let Some(folder) = folder {
            recorded += 1;
            (read_recordings(folder, &clip.recorded)?, Source::Recorded)
        } else {
            synthesised += 1;
            (synthesise(workshop, manifest, &clip)?, Source::Synthesised)
        };
        let path = workshop.join(format!("{}.wav", clip.key));
        write(&path, &finished(sound, &clip))?;
        // Writing to a String cannot fail.
        let _ = writeln!(index, "{} {}", clip.key, source.as_str());
    }
    let path = workshop.join(INDEX);
    fs::write(&path, index).map_err(file(&path))?;
    Ok(Made::Now {
        recorded,
        synthesised,
    })
}

/// At one loudness, without silence at its ends.
fn finished(mut sound: Vec<i16>, clip: &Clip) -> Vec<i16> {
    loudness::level(&mut sound, RATE as usize);
    if is_long(clip) {
        return sound;
    }
    loudness::trim(&sound, RATE as usize).to_vec()
}

/// A speech of several paragraphs, whose pauses are part of it.
pub(super) fn is_long(clip: &Clip) -> bool {
    clip.text.contains("\n\n")
}

fn read_recordings(folder: &Path, names: &[String]) -> Result<Vec<i16>, VoiceError> {
    let mut whole = Vec::new();
    for name in names {
        let path = folder.join(format!("{name}.g722"));
        let octets = fs::read(&path).map_err(file(&path))?;
        if octets.len() > LONGEST {
            return Err(unusable(&path, "longer than two minutes"));
        }
        let mut decoder =
            AudioDecoder::new(AudioCodec::G722).map_err(|error| unusable(&path, error))?;
        let mut samples = Vec::with_capacity(octets.len() * 6);
        for frame in octets.chunks(G722_FRAME) {
            let decoded = decoder.decode(frame, &mut samples);
            decoded.map_err(|error| unusable(&path, error))?;
        }
        let samples = resampled(&samples, SAMPLE_RATE);
        whole.extend_from_slice(loudness::trim(&samples, RATE as usize));
    }
    Ok(whole)
}

/// Seconds of pause between paragraphs, in samples.
const PAUSE: usize = 2 * RATE as usize;

fn synthesise(workshop: &Path, manifest: &Manifest, clip: &Clip) -> Result<Vec<i16>, VoiceError> {
    let path = workshop.join("spoken.tmp");
    let mut whole = Vec::new();
    for paragraph in clip.text.trim().split("\n\n") {
        if !whole.is_empty() {
            whole.resize(whole.len() + PAUSE, 0);
        }
        say(manifest, &clip.key, paragraph, &path)?;
        let (samples, rate) = read_wav(&path)?;
        whole.extend(resampled(&samples, rate));
    }
    if is_long(clip) {
        whole.resize(whole.len() + PAUSE, 0);
    }
    fs::remove_file(&path).map_err(file(&path))?;
    Ok(whole)
}

/// Has the synthesiser write a WAV.
fn say(manifest: &Manifest, key: &str, words: &str, to: &Path) -> Result<(), VoiceError> {
    let program = &manifest.synthesiser.program;
    let voice = &manifest.synthesiser.voice;
    let mut command = Command::new(program);
    match program.as_str() {
        "flite" => command
            .args(["-voice", voice, "-o"])
            .arg(to)
            .args(["-t", words]),
        _ => command
            .args(["-v", voice, "-s", "150", "-b", "1", "--stdin", "-w"])
            .arg(to),
    };
    let missing = |source| VoiceError::NoSynthesiser {
        program: program.clone(),
        source,
    };
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(missing)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A synthesiser that does not read says below what it did instead.
        let _ = stdin.write_all(words.as_bytes());
    }
    let output = child.wait_with_output().map_err(missing)?;
    if output.status.success() && to.is_file() {
        return Ok(());
    }
    Err(VoiceError::Unsaid {
        program: program.clone(),
        key: key.to_owned(),
        said: String::from_utf8_lossy(&output.stderr).trim().to_owned(),
    })
}

fn read_wav(path: &Path) -> Result<(Vec<i16>, u32), VoiceError> {
    let mut reader = hound::WavReader::open(path).map_err(|error| unusable(path, error))?;
    let spec = reader.spec();
    if spec.channels != 1 || spec.bits_per_sample != 16 || spec.sample_rate < 8_000 {
        return Err(unusable(
            path,
            format!("16-bit mono expected, got {spec:?}"),
        ));
    }
    let samples = reader.samples().collect::<Result<_, _>>();
    Ok((
        samples.map_err(|error| unusable(path, error))?,
        spec.sample_rate,
    ))
}

fn write(path: &Path, samples: &[i16]) -> Result<(), VoiceError> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: RATE,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let written = hound::WavWriter::create(path, spec).and_then(|mut writer| {
        samples
            .iter()
            .try_for_each(|&sample| writer.write_sample(sample))?;
        writer.finalize()
    });
    written.map_err(|error| unusable(path, error))
}

/// Zero crossings of the interpolating filter on either side.
const LOBES: f64 = 24.0;

/// Brings samples of any rate to [`RATE`] by a windowed sinc. For files, not for the media path.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "minutes of samples are exact, positions are within them, and `as` saturates"
)]
fn resampled(samples: &[i16], rate: u32) -> Vec<i16> {
    if rate == RATE {
        return samples.to_vec();
    }
    let step = f64::from(rate) / f64::from(RATE);
    // Of the input's samples, what the lower of both rates carries.
    let cut = 0.95 * (1.0 / step).min(1.0);
    let reach = LOBES / cut;
    let tap = |offset: f64| {
        let x = std::f64::consts::PI * offset * cut;
        let sinc = if x.abs() < 1e-9 { 1.0 } else { x.sin() / x };
        let window = (std::f64::consts::FRAC_PI_2 * offset / reach).cos();
        cut * sinc * window * window
    };
    let count = (samples.len() as f64 / step) as usize;
    (0..count)
        .map(|index| {
            let centre = index as f64 * step;
            let first = (centre - reach).ceil().max(0.0) as usize;
            let last = ((centre + reach) as usize + 1).min(samples.len());
            let around = samples.get(first..last).unwrap_or_default();
            let sum: f64 = (first..)
                .zip(around)
                .map(|(at, &sample)| f64::from(sample) * tap(at as f64 - centre))
                .sum();
            sum.round() as i16
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use plenum_codecs::tone::{Tone, tone_rms};

    use super::*;

    #[test]
    fn a_tone_keeps_its_height_and_its_loudness_at_another_rate() {
        for rate in [22_050_u32, 48_000] {
            let mut tone = Vec::new();
            // `Tone` counts at 48 kHz: this is 1 kHz at `rate`.
            let hertz = 1_000.0 * f64::from(SAMPLE_RATE) / f64::from(rate);
            Tone::new(hertz, 10_000.0).extend(rate as usize, &mut tone);
            let at_16 = resampled(&tone, rate);
            assert!((15_990..=16_000).contains(&at_16.len()));
            let rms = tone_rms(&at_16[400..15_400], 3_000.0);
            assert!((rms - 7_071.0).abs() < 40.0, "{rms} of {rate}");
        }
    }
}
