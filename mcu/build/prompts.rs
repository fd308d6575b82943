//! Builds the prompts of English and the music into `OUT_DIR/prompts`, which the binary embeds: what is spoken where `plenum prompts
//! build` has not been run. All is synthesised, brought to one loudness, and free to be passed on. Knows nothing of when it is played.

use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::fault::Fault;
use super::manifest::Manifest;
use super::{loudness, music};

/// The language that is embedded.
const MANIFEST: &str = "prompts/en.toml";
/// The pause between two paragraphs, seconds.
const PAUSE: f64 = 2.0;

const REMEDY: &str = "apt-get install flite (or `make deps`)";

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
    let text = fs::read_to_string(MANIFEST).map_err(|error| fault(Path::new(MANIFEST), &error))?;
    let manifest = Manifest::parse(&text).map_err(|error| fault(Path::new(MANIFEST), &error))?;
    for clip in manifest.clips() {
        let file = out.join(format!("{}-{}.wav", manifest.language, clip.key));
        let mut sound = synthesise(&manifest.synthesiser.voice, &clip.text, &out)?;
        let rate = sound.rate as usize;
        loudness::level(&mut sound.samples, rate);
        if !clip.text.contains("\n\n") {
            sound.samples = loudness::trim(&sound.samples, rate).to_vec();
        }
        write(&file, &sound)?;
        // Writing to a String cannot fail.
        let _ = writeln!(list, "    ({:?}, include_bytes!({:?})),", clip.key, file);
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
