//! The manifests of the languages: what is said, in which words, by whom. Shared by the build, which embeds English, and the server.
//!
//! Knows nothing of sound.

use std::path::PathBuf;

use serde::Deserialize;

/// Keys of one press that a menu of languages may have.
pub(crate) const CHOICES: usize = 9;
/// Numbers that are said as one piece: 0 to 99.
pub(crate) const WHOLE: usize = 100;
/// Hundreds that are said as one piece: 100 to 900.
pub(crate) const HUNDREDS: usize = 9;

/// One language.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Manifest {
    /// Two letters of ISO 639-1.
    pub(crate) language: String,
    /// Its name in itself.
    #[allow(
        dead_code,
        reason = "the build, which shares this file, shows no names"
    )]
    pub(crate) name: String,
    /// Voices that a Debian package holds.
    #[allow(dead_code, reason = "what is embedded is synthesised")]
    pub(crate) recordings: Option<Recordings>,
    pub(crate) synthesiser: Synthesiser,
    choose: Choose,
    numbers: Numbers,
    count: Vec<Count>,
    prompt: Vec<Prompt>,
}

/// Recorded voices.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(dead_code, reason = "what is embedded is synthesised")]
pub(crate) struct Recordings {
    /// Where the package puts them, as raw G.722.
    pub(crate) folder: PathBuf,
    /// Debian's package.
    pub(crate) package: String,
    /// Who spoke, under which licence.
    pub(crate) credit: String,
}

/// Who says what is not recorded.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Synthesiser {
    /// `flite` or `espeak-ng`; both are packages of Debian's.
    #[allow(dead_code, reason = "the build knows but one")]
    pub(crate) program: String,
    pub(crate) voice: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Choose {
    text: String,
    keys: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Numbers {
    below_hundred: Vec<String>,
    hundreds: Vec<String>,
    hundreds_and: Vec<String>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Count {
    key: String,
    none: String,
    one: String,
    many: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Prompt {
    key: String,
    text: String,
    #[serde(default)]
    recorded: Vec<String>,
}

/// One sound that is to be made.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Clip {
    /// Name of its file, without `.wav`.
    pub(crate) key: String,
    /// What is said.
    pub(crate) text: String,
    /// Recordings that say it, one after the other; empty when it is synthesised.
    pub(crate) recorded: Vec<String>,
}

impl Manifest {
    /// Reads a manifest and checks that its lists are whole.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let manifest: Self = toml::from_str(text).map_err(|error| error.to_string())?;
        let whole = |what: &str, is: usize, expected: usize| {
            (is == expected)
                .then_some(())
                .ok_or(format!("{expected} {what} expected, there are {is}"))
        };
        let numbers = &manifest.numbers;
        whole("choose.keys", manifest.choose.keys.len(), CHOICES)?;
        whole("numbers.below_hundred", numbers.below_hundred.len(), WHOLE)?;
        whole("numbers.hundreds", numbers.hundreds.len(), HUNDREDS)?;
        whole("numbers.hundreds_and", numbers.hundreds_and.len(), HUNDREDS)?;
        if let Some(count) = manifest.count.iter().find(|c| !c.many.contains("{n}")) {
            return Err(format!("count {} has no {{n}}", count.key));
        }
        Ok(manifest)
    }

    /// All that is to be made of it.
    pub(crate) fn clips(&self) -> Vec<Clip> {
        let synthesised = |key: String, text: &str| Clip {
            key,
            text: text.trim().to_owned(),
            recorded: Vec::new(),
        };
        let mut clips: Vec<Clip> = (self.prompt.iter())
            .map(|prompt| Clip {
                key: prompt.key.clone(),
                text: prompt.text.clone(),
                recorded: prompt.recorded.clone(),
            })
            .collect();
        for (key, name) in (1..).zip(&self.choose.keys) {
            let text = self.choose.text.replace("{n}", name);
            clips.push(synthesised(choice(key), &text));
        }
        for (number, words) in (0..).zip(&self.numbers.below_hundred) {
            clips.push(synthesised(format!("number-{number}"), words));
        }
        let hundreds = self.numbers.hundreds.iter().zip(&self.numbers.hundreds_and);
        for (number, (alone, before)) in (1..).zip(hundreds) {
            clips.push(synthesised(format!("number-{number}00"), alone));
            clips.push(synthesised(format!("number-{number}00-and"), before));
        }
        for count in &self.count {
            let (before, after) = count.many.split_once("{n}").unwrap_or_default();
            let parts = [
                ("none", count.none.as_str()),
                ("one", &count.one),
                ("before", before),
                ("after", after),
            ];
            for (part, text) in parts {
                if text.chars().any(char::is_alphabetic) {
                    clips.push(synthesised(format!("{}-{part}", count.key), text));
                }
            }
        }
        clips
    }
}

/// Key of "for this language press `key`".
pub(crate) fn choice(key: u8) -> String {
    format!("choose-language-{key}")
}

/// Keys of the pieces that say how many there are, in this order; a piece that a language has no words for is left out. Beyond 999 the
/// most that there are words for is said.
#[allow(dead_code, reason = "the build, which shares this file, plays nothing")]
pub(crate) fn counted(count: &str, number: u32) -> Vec<String> {
    let piece = |part: &str| format!("{count}-{part}");
    let number = number.min(999);
    let mut keys = match number {
        0 => return vec![piece("none")],
        1 => return vec![piece("one")],
        _ => vec![piece("before")],
    };
    match (number / 100 * 100, number % 100) {
        (0, rest) => keys.push(format!("number-{rest}")),
        (hundreds, 0) => keys.push(format!("number-{hundreds}")),
        (hundreds, rest) => {
            keys.push(format!("number-{hundreds}-and"));
            keys.push(format!("number-{rest}"));
        }
    }
    keys.push(piece("after"));
    keys
}
