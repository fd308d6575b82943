//! The spoken prompts and the music: embedded when the binary is built, each replaceable by a WAV.
//!
//! Knows nothing of when a prompt is played or to whom.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plenum_codecs::{CodecError, wav};
use plenum_dialin::attendant::PromptKey;

/// (key, WAV bytes), made by `build/prompts.rs` from `prompts/en.toml`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts/prompts.rs"));

/// The key of what the host of the demo conference says.
const DEMO_HOST: &str = "demo-host";
/// The key of the music for who waits or is alone.
const MUSIC: &str = "music";

/// Why the prompts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A replacement cannot be read.
    #[error("prompt {}: {source}", path.display())]
    Unreadable {
        /// The replacement.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A prompt is no WAV that we read.
    #[error("prompt {name}: {source}; a 16-bit PCM WAV of 8, 16 or 48 kHz is expected")]
    Malformed {
        /// The replacement's path or the embedded prompt's key.
        name: String,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The manifest lacks a prompt that the attendant plays.
    #[error("prompt {0} is missing from the manifest")]
    Missing(&'static str),
}

/// All prompts of one language as 48 kHz mono. Clones of a sound share its samples.
#[derive(Debug)]
pub struct PromptLibrary {
    sounds: HashMap<&'static str, Arc<[i16]>>,
}

impl PromptLibrary {
    /// Reads the embedded prompts, each replaced by `KEY.wav` of `folder` if that exists.
    ///
    /// # Errors
    /// When a replacement cannot be read or is no suitable WAV.
    pub fn load(folder: Option<&Path>) -> Result<Self, PromptError> {
        let mut sounds = HashMap::new();
        for &(key, embedded) in EMBEDDED {
            sounds.insert(key, sound(key, embedded, folder)?.into());
        }
        let needed = PromptKey::ALL.iter().map(|key| key.as_str());
        match needed.chain([MUSIC]).find(|key| !sounds.contains_key(key)) {
            Some(missing) => Err(PromptError::Missing(missing)),
            None => Ok(Self { sounds }),
        }
    }

    /// The samples of a prompt, 48 kHz mono.
    #[must_use]
    pub fn get(&self, key: PromptKey) -> Arc<[i16]> {
        self.named(key.as_str())
    }

    /// What the host of the demo conference says, 48 kHz mono.
    #[must_use]
    pub fn demo_host(&self) -> Arc<[i16]> {
        self.named(DEMO_HOST)
    }

    /// Music for who waits or is alone, 48 kHz mono, to be repeated.
    #[must_use]
    pub fn music(&self) -> Arc<[i16]> {
        self.named(MUSIC)
    }

    /// The samples of the prompt that is called `key`, 48 kHz mono.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Arc<[i16]>> {
        self.sounds.get(key).cloned()
    }

    /// Keys of all prompts, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<&'static str> {
        let mut keys: Vec<_> = self.sounds.keys().copied().collect();
        keys.sort_unstable();
        keys
    }

    /// `load` has made sure that every prompt is there.
    fn named(&self, key: &str) -> Arc<[i16]> {
        self.sounds.get(key).cloned().unwrap_or_default()
    }
}

/// Sounds one after the other with a breath between, as one.
pub(crate) fn concatenated(sounds: &[Arc<[i16]>]) -> Arc<[i16]> {
    const BREATH: usize = 48_000 / 4;
    let mut whole = Vec::new();
    for sound in sounds {
        if !whole.is_empty() {
            whole.resize(whole.len() + BREATH, 0);
        }
        whole.extend_from_slice(sound);
    }
    whole.into()
}

fn sound(key: &str, embedded: &[u8], folder: Option<&Path>) -> Result<Vec<i16>, PromptError> {
    let Some(path) = folder
        .map(|folder| folder.join(format!("{key}.wav")))
        .filter(|path| path.exists())
    else {
        return wav::read(embedded).map_err(|source| PromptError::Malformed {
            name: key.to_owned(),
            source,
        });
    };
    let bytes = std::fs::read(&path).map_err(|source| PromptError::Unreadable {
        path: path.clone(),
        source,
    })?;
    wav::read(&bytes).map_err(|source| PromptError::Malformed {
        name: path.display().to_string(),
        source,
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    #[test]
    fn every_prompt_is_heard_at_one_loudness() {
        let library = PromptLibrary::load(None).unwrap();
        for key in PromptKey::ALL {
            let samples = library.get(key);
            let loud: Vec<f64> = samples
                .chunks_exact(960)
                .map(|frame| {
                    (frame.iter().map(|&s| f64::from(s).powi(2)).sum::<f64>() / 960.0).sqrt()
                })
                .filter(|rms| *rms > 164.0)
                .collect();
            let rms = (loud.iter().map(|rms| rms.powi(2)).sum::<f64>()
                / f64::from(u32::try_from(loud.len()).unwrap()))
            .sqrt();
            let dbfs = 20.0 * (rms / 32_768.0).log10();
            assert!(
                (-23.0..-18.0).contains(&dbfs),
                "{} speaks at {dbfs:.1} dBFS",
                key.as_str()
            );
            assert!(
                (0.3..12.0).contains(&(samples.len() as f64 / 48_000.0)),
                "{} is {} samples long",
                key.as_str(),
                samples.len()
            );
        }
        assert!(library.demo_host().len() > 20 * 48_000);
    }

    #[test]
    fn music_is_ten_decibels_below_speech_and_repeats_without_a_seam() {
        let music = PromptLibrary::load(None).unwrap().music();
        assert!((30 * 48_000..60 * 48_000).contains(&music.len()));
        let energy: f64 = music.iter().map(|&s| f64::from(s).powi(2)).sum();
        let dbfs = 10.0 * (energy / music.len() as f64 / 32_768.0_f64.powi(2)).log10();
        assert!((-31.0..-29.0).contains(&dbfs), "{dbfs:.1} dBFS");
        let step = |a: i16, b: i16| i32::from(a).abs_diff(i32::from(b));
        let widest = music.windows(2).map(|pair| step(pair[0], pair[1])).max();
        let seam = step(music[music.len() - 1], music[0]);
        assert!(
            Some(seam) <= widest.map(|widest| widest / 2),
            "{seam} of {widest:?}"
        );
    }

    #[test]
    fn a_wav_in_the_folder_replaces_a_prompt_and_a_bad_one_is_named() {
        let folder = std::env::temp_dir().join(format!("plenum-prompts-{}", std::process::id()));
        std::fs::create_dir_all(&folder).unwrap();
        std::fs::write(folder.join("welcome.wav"), wav::write(&[7; 4_800]).unwrap()).unwrap();
        assert_eq!(
            PromptLibrary::load(Some(&folder))
                .unwrap()
                .get(PromptKey::Welcome)[..],
            [7; 4_800]
        );
        std::fs::write(folder.join("goodbye.wav"), b"noise").unwrap();
        let refused = PromptLibrary::load(Some(&folder)).unwrap_err().to_string();
        assert!(refused.contains("goodbye.wav"), "{refused}");
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
