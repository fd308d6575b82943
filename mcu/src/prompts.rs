//! The spoken prompts and the music. English is embedded when the binary is built; the voices of all languages are made by `plenum
//! prompts build` and read from a folder; each prompt is replaceable by a WAV.
//!
//! Knows nothing of when a prompt is played or to whom.

mod loudness;
mod manifest;
pub(crate) mod report;
mod voices;

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use plenum_codecs::{CodecError, wav};
use plenum_dialin::attendant::{Language, PromptKey};

use manifest::Manifest;

/// (key, WAV bytes), made by `build/prompts.rs` from `prompts/en.toml`.
const EMBEDDED: &[(&str, &[u8])] = include!(concat!(env!("OUT_DIR"), "/prompts/prompts.rs"));

/// The languages and their manifests.
pub(crate) const MANIFESTS: [(&str, &str); 5] = [
    ("en", include_str!("../prompts/en.toml")),
    ("es", include_str!("../prompts/es.toml")),
    ("fr", include_str!("../prompts/fr.toml")),
    ("it", include_str!("../prompts/it.toml")),
    ("de", include_str!("../prompts/de.toml")),
];

/// The key of what the host of the demo conference says.
const DEMO_HOST: &str = "demo-host";
/// The key of the music for who waits or is alone.
const MUSIC: &str = "music";

/// Why the prompts cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PromptError {
    /// A replacement or a made voice cannot be read.
    #[error("prompt {}: {source}", path.display())]
    Unreadable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        source: std::io::Error,
    },
    /// A prompt is no WAV that we read.
    #[error("prompt {name}: {source}; a 16-bit PCM WAV of 8, 16 or 48 kHz is expected")]
    Malformed {
        /// The file or the embedded prompt's key.
        name: String,
        /// What is wrong with it.
        source: CodecError,
    },
    /// The manifest lacks a prompt that the attendant plays.
    #[error("prompt {0} is missing from the manifest")]
    Missing(&'static str),
    /// A manifest is at fault.
    #[error("manifest of prompts: {0}")]
    Manifest(String),
}

/// Where sounds are looked for.
#[derive(Debug, Clone, Copy)]
pub struct PromptSources<'a> {
    /// `prompts.dir`: KEY.wav for the first language, LANGUAGE/KEY.wav for any.
    pub dir: Option<&'a Path>,
    /// What `plenum prompts build` makes: LANGUAGE/KEY.wav.
    pub voices: &'a Path,
}

/// What the languages are called and how many people they count.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Counted {
    /// "Two people are waiting."
    Waiting,
    /// "Two people are in the conference."
    Inside,
    /// "Two people have said no name."
    Nameless,
}

impl Counted {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Inside => "inside",
            Self::Nameless => "nameless",
        }
    }
}

/// The codes of all languages that there are manifests of.
pub(crate) fn known_languages() -> impl Iterator<Item = &'static str> {
    MANIFESTS.iter().map(|(code, _)| *code)
}

fn manifest_of(text: &str) -> Result<Manifest, PromptError> {
    Manifest::parse(text).map_err(PromptError::Manifest)
}

type Voice = HashMap<String, Arc<[i16]>>;

/// Prompts of the languages in use as 48 kHz mono. Clones of a sound share its samples.
#[derive(Debug)]
pub struct PromptLibrary {
    house: Language,
    voices: HashMap<Language, Voice>,
}

impl PromptLibrary {
    /// Reads the embedded prompts, each replaced by `KEY.wav` of `folder` if that exists.
    ///
    /// # Errors
    /// When a replacement cannot be read or is no suitable WAV.
    pub fn load(folder: Option<&Path>) -> Result<Self, PromptError> {
        let sources = PromptSources {
            dir: folder,
            voices: Path::new(""),
        };
        Self::open(&sources, &[Language::ENGLISH])
    }

    /// Reads the prompts of `languages`, the first of which is the house's own. For a prompt that a language lacks the embedded one is
    /// spoken, in English; [`Self::lacks`] tells of it.
    ///
    /// # Errors
    /// When a file cannot be read or is no suitable WAV, or a manifest is at fault.
    pub fn open(sources: &PromptSources<'_>, languages: &[Language]) -> Result<Self, PromptError> {
        let mut embedded = Voice::new();
        for &(key, bytes) in EMBEDDED {
            embedded.insert(key.to_owned(), decoded(key, bytes)?);
        }
        let house = languages.first().copied().unwrap_or_default();
        let mut voices = HashMap::new();
        for &language in languages {
            let base = (language == Language::ENGLISH).then_some(&embedded);
            let voice = voice(sources, language, house, base)?;
            voices.insert(language, voice);
        }
        let spoken = voices.entry(house).or_default();
        for (key, sound) in &embedded {
            spoken
                .entry(key.clone())
                .or_insert_with(|| Arc::clone(sound));
        }
        let needed = PromptKey::ALL.iter().map(|key| key.as_str());
        match needed
            .chain([MUSIC])
            .find(|key| !embedded.contains_key(*key))
        {
            Some(missing) => Err(PromptError::Missing(missing)),
            None => Ok(Self { house, voices }),
        }
    }

    /// Languages in use whose voices have not been made.
    #[must_use]
    pub fn lacks(sources: &PromptSources<'_>, languages: &[Language]) -> Vec<Language> {
        let made = |language: &Language| voices::index(sources.voices, language.as_str()).is_some();
        languages
            .iter()
            .copied()
            .filter(|language| !made(language))
            .collect()
    }

    /// The language spoken to all.
    #[must_use]
    pub const fn house(&self) -> Language {
        self.house
    }

    /// The samples of a prompt in the house's language, 48 kHz mono.
    #[must_use]
    pub fn get(&self, key: PromptKey) -> Arc<[i16]> {
        self.say(self.house, key)
    }

    /// The samples of a prompt in a language, 48 kHz mono.
    #[must_use]
    pub fn say(&self, language: Language, key: PromptKey) -> Arc<[i16]> {
        self.named(language, key.as_str())
    }

    /// "For this language press `key`", in that language.
    #[must_use]
    pub fn choice(&self, language: Language, key: u8) -> Arc<[i16]> {
        self.named(language, &manifest::choice(key))
    }

    /// How many there are, in words of the language; beyond 999, that.
    #[must_use]
    pub fn count(&self, language: Language, what: Counted, number: usize) -> Arc<[i16]> {
        let number = u32::try_from(number).unwrap_or(u32::MAX);
        let pieces = manifest::counted(what.as_str(), number);
        let said = |voice: &&Voice| pieces.iter().all(|key| voice.contains_key(key));
        // Half of one language and half of another would be no sentence.
        let voice = [language, self.house]
            .iter()
            .filter_map(|language| self.voices.get(language))
            .find(said);
        let sounds = pieces.iter().filter_map(|key| voice?.get(key));
        sounds.flat_map(|sound| sound.iter().copied()).collect()
    }

    /// What the host of the demo conference says, 48 kHz mono.
    #[must_use]
    pub fn demo_host(&self) -> Arc<[i16]> {
        self.named(self.house, DEMO_HOST)
    }

    /// Music for who waits or is alone, 48 kHz mono, to be repeated.
    #[must_use]
    pub fn music(&self) -> Arc<[i16]> {
        self.named(self.house, MUSIC)
    }

    /// The samples of the prompt that is called `key`, 48 kHz mono.
    #[must_use]
    pub fn find(&self, key: &str) -> Option<Arc<[i16]>> {
        self.voices.get(&self.house)?.get(key).cloned()
    }

    /// Keys of all prompts that a WAV may replace, sorted.
    #[must_use]
    pub fn keys(&self) -> Vec<&str> {
        let voice = self.voices.get(&self.house);
        let mut keys: Vec<_> = voice
            .into_iter()
            .flatten()
            .map(|(key, _)| key.as_str())
            .collect();
        keys.retain(|key| !key.starts_with("number-"));
        keys.sort_unstable();
        keys
    }

    /// In the house's language where the one asked for lacks it; `open` has made sure that that has it.
    fn named(&self, language: Language, key: &str) -> Arc<[i16]> {
        let found = |language: Language| self.voices.get(&language)?.get(key).cloned();
        found(language)
            .or_else(|| found(self.house))
            .unwrap_or_default()
    }
}

/// All that one language says: replaced, made, or of `base`.
fn voice(
    sources: &PromptSources<'_>,
    language: Language,
    house: Language,
    base: Option<&Voice>,
) -> Result<Voice, PromptError> {
    let code = language.as_str();
    let mut voice = base.cloned().unwrap_or_default();
    let Some((_, text)) = MANIFESTS.iter().find(|(known, _)| *known == code) else {
        return Err(PromptError::Manifest(format!("there is none of {code}")));
    };
    let made = voices::index(sources.voices, code).is_some();
    let clips = manifest_of(text)?.clips();
    let keys = clips.iter().map(|clip| clip.key.as_str());
    for key in keys.chain([MUSIC]) {
        let own = sources.voices.join(code).join(format!("{key}.wav"));
        let file = replacement(sources.dir, code, key)
            .or_else(|| (language == house).then(|| replacement(sources.dir, "", key))?)
            .or_else(|| (made && key != MUSIC).then_some(own));
        if let Some(path) = file {
            voice.insert(key.to_owned(), read(&path)?);
        }
    }
    Ok(voice)
}

/// The WAV that an operator has put in a prompt's place.
fn replacement(dir: Option<&Path>, code: &str, key: &str) -> Option<PathBuf> {
    let path = dir?.join(code).join(format!("{key}.wav"));
    path.exists().then_some(path)
}

pub(crate) fn read(path: &Path) -> Result<Arc<[i16]>, PromptError> {
    let bytes = std::fs::read(path).map_err(|source| PromptError::Unreadable {
        path: path.to_owned(),
        source,
    })?;
    decoded(&path.display().to_string(), &bytes)
}

fn decoded(name: &str, bytes: &[u8]) -> Result<Arc<[i16]>, PromptError> {
    let samples = wav::read(bytes).map_err(|source| PromptError::Malformed {
        name: name.to_owned(),
        source,
    })?;
    Ok(samples.into())
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

    #[test]
    fn every_language_has_words_for_every_prompt() {
        for (code, text) in MANIFESTS {
            let manifest = manifest_of(text).unwrap();
            assert_eq!(manifest.language, code);
            let clips = manifest.clips();
            for key in PromptKey::ALL {
                let clip = clips.iter().find(|clip| clip.key == key.as_str());
                assert!(clip.is_some(), "{code} lacks {}", key.as_str());
            }
            for number in 0..1_000 {
                for count in [Counted::Waiting, Counted::Inside, Counted::Nameless] {
                    let pieces = manifest::counted(count.as_str(), number);
                    let said = pieces
                        .iter()
                        .filter(|piece| clips.iter().any(|clip| clip.key == **piece));
                    let least = if number < 2 { 1 } else { 2 };
                    assert!(said.count() >= least, "{code}, {number}: {pieces:?}");
                }
            }
        }
    }

    #[test]
    fn numbers_are_said_as_the_language_says_them() {
        let said = |language: &str, number: u32| {
            let (_, text) = MANIFESTS
                .iter()
                .find(|(code, _)| *code == language)
                .unwrap();
            let clips = manifest_of(text).unwrap().clips();
            let pieces = manifest::counted("waiting", number);
            let words = pieces
                .iter()
                .filter_map(|key| clips.iter().find(|clip| clip.key == *key));
            words
                .map(|clip| clip.text.as_str())
                .collect::<Vec<_>>()
                .join(" ")
        };
        let table = [
            ("en", 0, "Nobody is waiting."),
            ("en", 1, "One person is waiting."),
            ("en", 2, "two people are waiting."),
            ("en", 342, "three hundred and forty-two people are waiting."),
            ("es", 1, "Una persona está esperando."),
            ("es", 21, "veintiuna personas están esperando."),
            ("es", 100, "cien personas están esperando."),
            (
                "es",
                531,
                "quinientas treinta y una personas están esperando.",
            ),
            ("fr", 0, "Personne n'attend."),
            ("fr", 71, "soixante et onze personnes attendent."),
            ("fr", 200, "deux cents personnes attendent."),
            ("fr", 281, "deux cent quatre-vingt-une personnes attendent."),
            ("it", 28, "ventotto persone sono in attesa."),
            ("it", 999, "novecento novantanove persone sono in attesa."),
            ("de", 1, "Eine Person wartet."),
            ("de", 21, "einundzwanzig Personen warten."),
            ("de", 5_000, "neunhundert neunundneunzig Personen warten."),
        ];
        for (language, number, words) in table {
            assert_eq!(said(language, number), words);
        }
    }

    #[test]
    fn a_language_without_voices_is_replaced_by_english_and_by_a_wav_of_its_folder() {
        let folder = std::env::temp_dir().join(format!("plenum-tongue-{}", std::process::id()));
        std::fs::create_dir_all(folder.join("es")).unwrap();
        std::fs::write(
            folder.join("es/welcome.wav"),
            wav::write(&[9; 4_800]).unwrap(),
        )
        .unwrap();
        let sources = PromptSources {
            dir: Some(&folder),
            voices: Path::new("/nonexistent"),
        };
        let spanish = Language::parse("es").unwrap();
        let languages = [Language::ENGLISH, spanish];
        let library = PromptLibrary::open(&sources, &languages).unwrap();
        assert_eq!(library.say(spanish, PromptKey::Welcome)[..], [9; 4_800]);
        assert_ne!(library.get(PromptKey::Welcome)[..], [9; 4_800]);
        assert_eq!(
            library.say(spanish, PromptKey::Goodbye),
            library.get(PromptKey::Goodbye)
        );
        assert_eq!(PromptLibrary::lacks(&sources, &languages), languages);
        std::fs::remove_dir_all(&folder).unwrap();
    }
}
