//! `[[sip.numbers]]`: what callers of a number hear, in which languages, and where it leads.

use std::path::PathBuf;

use plenum_dialin::attendant::{ConferenceNumber, Language};

use super::reader::Reader;
use crate::prompts::known_languages;

/// Keys of one number.
pub(super) const KEYS: [&str; 4] = ["number", "languages", "greeting", "conference"];
/// Languages of a menu: one key each.
const MOST: usize = 9;

/// An access number.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NumberConfig {
    /// As the trunk says it is called; only its digits count.
    pub number: String,
    /// To choose from; never empty.
    pub languages: Vec<Language>,
    /// A WAV that is heard instead of "welcome".
    pub greeting: Option<PathBuf>,
    /// The only conference that it leads to.
    pub conference: Option<String>,
}

/// Reads all numbers; `languages` are those of a number that names none.
pub(super) fn read(reader: &mut Reader, languages: &[Language]) -> Vec<NumberConfig> {
    let mut numbers: Vec<NumberConfig> = Vec::new();
    for index in 0..reader.tables("sip.numbers") {
        let path = format!("sip.numbers[{index}]");
        let number = read_one(reader, &path, languages);
        let digits = |text: &str| -> String { text.chars().filter(char::is_ascii_digit).collect() };
        let is = digits(&number.number);
        let (reason, remedy) = if is.is_empty() {
            (
                "has no digits",
                "write it as the trunk does, such as \"+4930123456\"",
            )
        } else if numbers.iter().any(|other| digits(&other.number) == is) {
            (
                "is there twice",
                "put all that concerns a number into one entry",
            )
        } else {
            numbers.push(number);
            continue;
        };
        reader.fault(&format!("{path}.number"), &number.number, reason, remedy);
    }
    numbers
}

fn read_one(reader: &mut Reader, path: &str, languages: &[Language]) -> NumberConfig {
    let key = |key: &str| format!("{path}.{key}");
    let text = |text: &str| Ok(text.to_owned());
    let number = reader.parsed(&key("number"), String::new(), text, "a number in quotes");
    let own = read_languages(reader, &key("languages"));
    let conference = reader.parsed(
        &key("conference"),
        None,
        |text| match ConferenceNumber::parse(text) {
            _ if text.is_empty() => Ok(None),
            Some(number) => Ok(Some(number.as_str().to_owned())),
            None => Err("is no conference number".to_owned()),
        },
        "1 to 16 digits in quotes",
    );
    NumberConfig {
        number,
        languages: if own.is_empty() {
            languages.to_vec()
        } else {
            own
        },
        greeting: reader.path(&key("greeting")),
        conference,
    }
}

/// A list of languages, each known and named once.
pub(super) fn read_languages(reader: &mut Reader, path: &str) -> Vec<Language> {
    let mut languages = Vec::new();
    for text in reader.list(path) {
        let known = known_languages().find(|code| *code == text);
        let reason = match known.and_then(Language::parse) {
            None => "is no language that there are prompts of",
            Some(language) if languages.contains(&language) => "is there twice",
            Some(_) if languages.len() == MOST => "is one more than there are keys",
            Some(language) => {
                languages.push(language);
                continue;
            }
        };
        let all: Vec<_> = known_languages().collect();
        reader.fault(path, &text, reason, &format!("use {}", all.join(", ")));
    }
    languages
}
