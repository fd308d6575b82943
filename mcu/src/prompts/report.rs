//! `plenum prompts list|check|build`: what each language says, from where, and whether it sounds as it should.

use std::fmt::Write as _;
use std::path::Path;

use plenum_codecs::audio::SAMPLE_RATE;

use super::loudness::{self, Measured};
use super::manifest::{Clip, Manifest};
use super::voices::{self, Made};
use super::{MANIFESTS, PromptSources, manifest_of, replacement};

/// Speech is within 1.5 dB of −20 dBFS: no two prompts are more than 3 dB apart.
const LEVEL: std::ops::RangeInclusive<f64> = -21.5..=-18.5;
/// The loudest sample, dBFS.
const PEAK: f64 = -0.9;
/// Silence at the beginning and the end, seconds.
const SILENCE: (f64, f64) = (0.1, 0.25);
/// The shortest and the longest time that a letter takes, seconds; and what may be added, however short the words.
const LETTER: (f64, f64) = (0.035, 0.15);
const SLACK: f64 = 0.7;

/// The outcome of a command: what to print, and whether all is well.
pub(crate) struct Report {
    /// For standard output.
    pub(crate) text: String,
    /// Faults found.
    pub(crate) faults: usize,
}

/// Makes the voice of a language; gives what there is to say about it.
///
/// # Errors
/// In words, when there is no manifest of it or it could not be made.
pub(crate) fn build(sources: &PromptSources<'_>, code: &str) -> Result<String, String> {
    let text = MANIFESTS.iter().find(|(known, _)| *known == code);
    let (_, text) = text.ok_or("there are no words of this language")?;
    let manifest = manifest_of(text).map_err(|error| error.to_string())?;
    let made = voices::make(sources.voices, &manifest, text).map_err(|error| error.to_string())?;
    Ok(match made {
        Made::Before => "was there".to_owned(),
        Made::Now {
            recorded,
            synthesised,
        } => format!(
            "{recorded} recorded, {synthesised} synthesised{}",
            without_recordings(&manifest)
        ),
    })
}

fn without_recordings(manifest: &Manifest) -> String {
    match &manifest.recordings {
        Some(recordings) if !voices::has_recordings(manifest) => {
            format!(
                "; for recorded voices: apt-get install {}",
                recordings.package
            )
        }
        _ => String::new(),
    }
}

/// Every prompt of every language: recorded, synthesised, replaced, embedded or missing.
#[must_use]
pub(crate) fn list(sources: &PromptSources<'_>) -> Report {
    let mut report = Report {
        text: String::new(),
        faults: 0,
    };
    for (code, text) in MANIFESTS {
        let manifest = match manifest_of(text) {
            Ok(manifest) => manifest,
            Err(error) => {
                report.faults += 1;
                report.text += &format!("{code}: {error}\n");
                continue;
            }
        };
        list_one(&mut report, sources, code, &manifest);
    }
    report
}

fn list_one(report: &mut Report, sources: &PromptSources<'_>, code: &str, manifest: &Manifest) {
    let built = voices::index(sources.voices, code);
    let mut lines = String::new();
    let mut missing = 0;
    for clip in manifest.clips() {
        let source = if replacement(sources.dir, code, &clip.key).is_some() {
            "replaced"
        } else if let Some(found) = built.as_ref().and_then(|index| {
            let mut found = index.iter().filter(|(key, _)| *key == clip.key);
            found.next().map(|(_, source)| source.as_str())
        }) {
            found
        } else if code == "en" {
            "built-in"
        } else {
            missing += 1;
            "missing"
        };
        let words = clip.text.lines().next().unwrap_or_default();
        // Writing to a String cannot fail.
        let _ = writeln!(lines, "  {source:<12} {:<24} {words}", clip.key);
    }
    report.faults += missing;
    report.text += &format!("{} ({code})", manifest.name);
    if missing > 0 {
        report.text += &format!(": {missing} missing; run: plenum prompts build");
    }
    report.text += "\n";
    if let (Some(recordings), Some(_)) = (&manifest.recordings, &built) {
        report.text += &format!("  recorded: {}\n", recordings.credit);
    }
    let synthesiser = &manifest.synthesiser;
    report.text += &format!(
        "  synthesised: {}, voice {}\n",
        synthesiser.program, synthesiser.voice
    );
    report.text += &lines;
}

/// Measures every prompt of the languages that have been made.
#[must_use]
pub(crate) fn check(sources: &PromptSources<'_>) -> Report {
    let mut report = Report {
        text: String::new(),
        faults: 0,
    };
    for (code, text) in MANIFESTS {
        let Ok(manifest) = manifest_of(text) else {
            report.faults += 1;
            continue;
        };
        if voices::index(sources.voices, code).is_none() {
            report.text += &format!("{code}: not made; run: plenum prompts build\n");
            report.faults += 1;
            continue;
        }
        let mut levels = Vec::new();
        for clip in manifest.clips() {
            match measured(sources, code, &clip) {
                Ok(measured) => {
                    levels.push(measured.level);
                    for fault in faults(&clip, measured) {
                        report.faults += 1;
                        report.text += &format!("{code}: {}: {fault}\n", clip.key);
                    }
                }
                Err(fault) => {
                    report.faults += 1;
                    report.text += &format!("{code}: {}: {fault}\n", clip.key);
                }
            }
        }
        let (low, high) = levels
            .iter()
            .fold((f64::MAX, f64::MIN), |(low, high), level| {
                (level.min(low), level.max(high))
            });
        report.text += &format!(
            "{code}: {} prompts, {low:.1} to {high:.1} dBFS\n",
            levels.len()
        );
    }
    report
}

fn measured(sources: &PromptSources<'_>, code: &str, clip: &Clip) -> Result<Measured, String> {
    let path = replacement(sources.dir, code, &clip.key).unwrap_or_else(|| {
        let name = format!("{}.wav", clip.key);
        sources.voices.join(code).join(name)
    });
    read(&path).map(|samples| loudness::measure(&samples, SAMPLE_RATE as usize))
}

fn read(path: &Path) -> Result<Vec<i16>, String> {
    let bytes = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    plenum_codecs::wav::read(&bytes).map_err(|error| format!("{}: {error}", path.display()))
}

/// What is wrong with how a prompt sounds.
fn faults(clip: &Clip, measured: Measured) -> Vec<String> {
    let mut faults = Vec::new();
    if !LEVEL.contains(&measured.level) {
        faults.push(format!(
            "{:.1} dBFS, -21.5 to -18.5 expected",
            measured.level
        ));
    }
    if measured.peak > PEAK {
        faults.push(format!("clips: {:.1} dBFS", measured.peak));
    }
    if voices::is_long(clip) {
        return faults;
    }
    let (before, after) = measured.silence;
    if before > SILENCE.0 || after > SILENCE.1 {
        faults.push(format!(
            "{before:.2} s of silence before, {after:.2} s after"
        ));
    }
    let letters = clip.text.chars().filter(|c| c.is_alphabetic()).count();
    let letters = f64::from(u32::try_from(letters).unwrap_or(u32::MAX));
    let (least, most) = (letters * LETTER.0, letters * LETTER.1 + SLACK);
    if !(least..=most).contains(&measured.length) {
        faults.push(format!(
            "{:.2} s long, {least:.2} to {most:.2} expected of its words",
            measured.length
        ));
    }
    faults
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_that_is_cut_clipped_or_quiet_is_found() {
        let clip = Clip {
            key: "goodbye".into(),
            text: "Goodbye for now.".into(),
            recorded: Vec::new(),
        };
        let good = Measured {
            level: -20.0,
            peak: -2.0,
            length: 1.2,
            silence: (0.04, 0.1),
        };
        assert_eq!(faults(&clip, good), Vec::<String>::new());
        let bad = [
            Measured {
                length: 0.3,
                ..good
            },
            Measured {
                length: 4.0,
                ..good
            },
            Measured { peak: -0.1, ..good },
            Measured {
                level: -23.0,
                ..good
            },
            Measured {
                silence: (0.04, 0.6),
                ..good
            },
        ];
        for measured in bad {
            assert_eq!(faults(&clip, measured).len(), 1, "{measured:?}");
        }
    }
}
