//! Builds the spoken prompts and the music into `OUT_DIR/prompts`, which the binary embeds.
//!
//! The manifest says the words; a recording is taken where it holds them, the rest is synthesised. All are brought to
//! one loudness. Knows nothing of when a prompt is played.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use serde::Deserialize;

use super::fault::Fault;
use super::music;

/// The languages that are embedded, by manifest in `prompts/`.
const MANIFESTS: [&str; 1] = ["prompts/en.toml"];

/// Loudness of speech, as RMS over the parts that are not silence: −20 dBFS.
const SPEECH_RMS: f64 = 3_276.8;
/// No sample goes beyond −1 dBFS.
const PEAK: f64 = 29_204.0;
/// A stretch of 20 ms below this RMS (−46 dBFS) is silence.
const SILENCE_RMS: f64 = 164.0;
/// The pause between two paragraphs, seconds.
const PAUSE: f64 = 2.0;

const REMEDY: &str = "apt-get install flite asterisk-core-sounds-en-wav (or `make deps`)";

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Manifest {
    language: String,
    recordings: PathBuf,
    voice: String,
    prompt: Vec<Prompt>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    key: String,
    text: String,
    #[serde(default)]
    recorded: Vec<String>,
}

/// 16-bit mono at a rate of 8 or 16 kHz.
pub(crate) struct Sound {
    pub(crate) rate: u32,
    pub(crate) samples: Vec<i16>,
}

/// Writes a WAV per prompt and `prompts.rs`, an array of (key, WAV bytes).
pub(crate) fn build() -> Result<(), Fault> {
    println!("cargo::rerun-if-changed=prompts");
    let out = PathBuf::from(
        env::var("OUT_DIR").map_err(|_| Fault::new("OUT_DIR is not set", "build with cargo"))?,
    )
    .join("prompts");
    fs::create_dir_all(&out).map_err(|error| fault(&out, &error))?;
    let mut list = String::from("&[\n");
    for path in MANIFESTS {
        let text = fs::read_to_string(path).map_err(|error| fault(Path::new(path), &error))?;
        let manifest: Manifest =
            toml::from_str(&text).map_err(|error| fault(Path::new(path), &error))?;
        for prompt in &manifest.prompt {
            let file = out.join(format!("{}-{}.wav", manifest.language, prompt.key));
            let mut sound = if prompt.recorded.is_empty() {
                synthesise(&manifest.voice, &prompt.text, &out)?
            } else {
                recorded(&manifest.recordings, &prompt.recorded)?
            };
            level(&mut sound.samples, sound.rate);
            write(&file, &sound)?;
            // Writing to a String cannot fail.
            let _ = writeln!(list, "    ({:?}, include_bytes!({:?})),", prompt.key, file);
        }
    }
    let file = out.join("music.wav");
    write(&file, &music::build()?)?;
    let _ = writeln!(list, "    (\"music\", include_bytes!({file:?})),");
    list.push_str("]\n");
    let index = out.join("prompts.rs");
    fs::write(&index, list).map_err(|error| fault(&index, &error))
}

fn fault(path: &Path, error: &dyn std::fmt::Display) -> Fault {
    Fault::new(format!("{}: {error}", path.display()), REMEDY)
}

fn recorded(folder: &Path, names: &[String]) -> Result<Sound, Fault> {
    let mut whole = Sound {
        rate: 8_000,
        samples: Vec::new(),
    };
    for name in names {
        let sound = read(&folder.join(format!("{name}.wav")), REMEDY)?;
        whole.rate = sound.rate;
        whole.samples.extend(sound.samples);
    }
    Ok(whole)
}

/// Says the paragraphs of `text`, with a pause after each that an empty line ends.
fn synthesise(voice: &str, text: &str, out: &Path) -> Result<Sound, Fault> {
    let spoken = out.join("spoken.wav");
    let mut whole = Sound {
        rate: 16_000,
        samples: Vec::new(),
    };
    let paragraphs: Vec<&str> = text.trim().split("\n\n").collect();
    for paragraph in &paragraphs {
        let status = Command::new("flite")
            .args(["-voice", voice, "-t", paragraph, "-o"])
            .arg(&spoken)
            .status()
            .map_err(|error| {
                Fault::new(
                    format!(
                        "the prompts are synthesised with flite, and it did not start: {error}"
                    ),
                    REMEDY,
                )
            })?;
        if !status.success() {
            return Err(Fault::new(format!("flite failed: {status}"), REMEDY));
        }
        let sound = read(&spoken, REMEDY)?;
        whole.rate = sound.rate;
        whole.samples.extend(sound.samples);
        if paragraphs.len() > 1 {
            let pause = whole.samples.len() + samples(PAUSE, sound.rate);
            whole.samples.resize(pause, 0);
        }
    }
    Ok(whole)
}

pub(crate) fn samples(seconds: f64, rate: u32) -> usize {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "a few seconds, positive"
    )]
    let samples = (seconds * f64::from(rate)) as usize;
    samples
}

pub(crate) fn read(path: &Path, remedy: &str) -> Result<Sound, Fault> {
    let fault =
        |error: &dyn std::fmt::Display| Fault::new(format!("{}: {error}", path.display()), remedy);
    let reader = hound::WavReader::open(path).map_err(|error| fault(&error))?;
    let spec = reader.spec();
    if spec.channels != 1
        || spec.bits_per_sample != 16
        || ![8_000, 16_000].contains(&spec.sample_rate)
    {
        return Err(Fault::new(
            format!(
                "{}: 16-bit mono of 8 or 16 kHz expected, got {spec:?}",
                path.display()
            ),
            remedy,
        ));
    }
    let samples = reader
        .into_samples()
        .collect::<Result<_, _>>()
        .map_err(|error| fault(&error))?;
    Ok(Sound {
        rate: spec.sample_rate,
        samples,
    })
}

fn write(path: &Path, sound: &Sound) -> Result<(), Fault> {
    let spec = hound::WavSpec {
        channels: 1,
        sample_rate: sound.rate,
        bits_per_sample: 16,
        sample_format: hound::SampleFormat::Int,
    };
    let mut writer = hound::WavWriter::create(path, spec).map_err(|error| fault(path, &error))?;
    for &sample in &sound.samples {
        writer
            .write_sample(sample)
            .map_err(|error| fault(path, &error))?;
    }
    writer.finalize().map_err(|error| fault(path, &error))
}

/// Brings speech to [`SPEECH_RMS`] without passing [`PEAK`].
fn level(samples: &mut [i16], rate: u32) {
    let energy = |chunk: &[i16]| {
        chunk
            .iter()
            .map(|&sample| f64::from(sample).powi(2))
            .sum::<f64>()
    };
    let stretch = self::samples(0.02, rate);
    let (mut sum, mut count) = (0.0, 0_u32);
    for chunk in samples.chunks_exact(stretch) {
        let energy = energy(chunk);
        let length = u32::try_from(chunk.len()).unwrap_or(u32::MAX);
        if energy > SILENCE_RMS.powi(2) * f64::from(length) {
            sum += energy;
            count += length;
        }
    }
    if count == 0 {
        return;
    }
    let peak = samples
        .iter()
        .map(|sample| f64::from(sample.unsigned_abs()))
        .fold(1.0, f64::max);
    let gain = (SPEECH_RMS / (sum / f64::from(count)).sqrt()).min(PEAK / peak);
    for sample in samples {
        #[expect(clippy::cast_possible_truncation, reason = "bounded by PEAK")]
        let scaled = (f64::from(*sample) * gain) as i16;
        *sample = scaled;
    }
}
