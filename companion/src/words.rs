//! Words of any script, folded: what search, filters and names compare.
//!
//! Both databases index the same tokens, made here, so that neither's own tokenizer has a say: case, width and diacritics are
//! folded; runs of a script without spaces (Han, kana, Thai, …) become overlapping pairs of characters, so that two characters
//! inside a sentence are found without a dictionary. It knows neither queries nor stores.

use std::ops::Range;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

/// A token has at most so many characters; what is longer is cut, in texts and in queries alike.
pub const TOKEN_CHARS: usize = 64;
/// So many tokens of a text are indexed: PostgreSQL's positions end at 16,383.
pub const TEXT_TOKENS: usize = 16_000;

/// Whether `c` belongs to a script that puts no spaces between words.
#[must_use]
pub fn spaceless(c: char) -> bool {
    matches!(c,
        '\u{0E00}'..='\u{0EFF}'       // Thai, Lao
        | '\u{1000}'..='\u{109F}'     // Myanmar
        | '\u{1780}'..='\u{17FF}'     // Khmer
        | '\u{3005}'..='\u{3007}'
        | '\u{3041}'..='\u{30FF}'     // Hiragana, Katakana
        | '\u{31F0}'..='\u{31FF}'
        | '\u{3400}'..='\u{4DBF}'
        | '\u{4E00}'..='\u{9FFF}'     // Han
        | '\u{F900}'..='\u{FAFF}'
        | '\u{1B000}'..='\u{1B16F}'
        | '\u{20000}'..='\u{3FFFF}')
}

/// Marks that a searcher leaves out: accents, Hebrew points, Arabic vowel signs. Vowel signs of Indic scripts are letters.
fn accent(c: char) -> bool {
    matches!(c, '\u{0300}'..='\u{036F}' | '\u{0591}'..='\u{05C7}' | '\u{0610}'..='\u{061A}'
        | '\u{064B}'..='\u{065F}' | '\u{0670}' | '\u{06D6}'..='\u{06DC}' | '\u{1AB0}'..='\u{1AFF}' | '\u{1DC0}'..='\u{1DFF}'
        | '\u{20D0}'..='\u{20FF}')
}

/// Characters inside words that show nothing: soft hyphen, joiners, variation selectors.
fn unseen(c: char) -> bool {
    matches!(c, '\u{00AD}' | '\u{0640}' | '\u{200B}'..='\u{200F}' | '\u{2060}' | '\u{FE00}'..='\u{FE0F}' | '\u{FEFF}')
}

/// Letters whose stroke is part of them, which decomposition leaves alone.
fn plain(c: char) -> Option<&'static str> {
    Some(match c {
        'ß' => "ss",
        'æ' => "ae",
        'œ' => "oe",
        'ø' => "o",
        'đ' | 'ð' => "d",
        'ł' => "l",
        'ħ' => "h",
        'ı' => "i",
        'þ' => "th",
        'ŧ' => "t",
        'ς' => "σ",
        _ => return None,
    })
}

fn letter(c: char) -> bool {
    c.is_alphanumeric() || is_combining_mark(c) || unseen(c)
}

/// `text` without case, width, diacritics and invisible characters: `ÉCOLE` and `école` are both `ecole`.
#[must_use]
pub fn fold(text: &str) -> String {
    if text.is_ascii() {
        return text.to_ascii_lowercase();
    }
    let mut folded = String::with_capacity(text.len());
    for c in text.nfkd().filter(|c| !accent(*c) && !unseen(*c)) {
        for small in c.to_lowercase().filter(|c| !accent(*c)) {
            match plain(small) {
                Some(letters) => folded.push_str(letters),
                None => folded.push(small),
            }
        }
    }
    folded.nfc().collect()
}

/// Where the words of `text` are, in bytes: runs of letters, digits and their marks. `foo-bar` has two.
pub fn spans(text: &str) -> impl Iterator<Item = Range<usize>> + '_ {
    let mut chars = text.char_indices().peekable();
    std::iter::from_fn(move || {
        let (start, _) = chars.by_ref().find(|(_, c)| letter(*c))?;
        let mut end = text.len();
        while let Some((at, c)) = chars.peek() {
            if !letter(*c) {
                end = *at;
                break;
            }
            chars.next();
        }
        Some(start..end)
    })
}

/// A folded piece of a word: of one kind of script.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Run {
    /// Letters, digits and marks only.
    pub text: String,
    /// Of a script without spaces.
    pub spaceless: bool,
}

/// The runs of one word or of a whole text, in order.
#[must_use]
pub fn runs(text: &str) -> Vec<Run> {
    let mut runs: Vec<Run> = Vec::new();
    for span in spans(text) {
        let folded = fold(text.get(span).unwrap_or_default());
        let mut fresh = true;
        for c in folded.chars() {
            if !letter(c) {
                fresh = true;
                continue;
            }
            // A mark goes with what it stands on.
            let kind = spaceless(c);
            match runs.last_mut() {
                Some(run) if !fresh && (run.spaceless == kind || is_combining_mark(c)) => {
                    run.text.push(c);
                }
                _ => runs.push(Run {
                    text: c.into(),
                    spaceless: kind,
                }),
            }
            fresh = false;
        }
    }
    runs
}

/// The tokens of a run that is whole: pairs and the last character alone, or the word.
pub(crate) fn tokens_of(run: &Run, tokens: &mut Vec<String>) {
    if run.spaceless {
        pairs(&run.text, tokens);
        tokens.extend(run.text.chars().next_back().map(String::from));
    } else {
        tokens.push(cut(&run.text));
    }
}

pub(crate) fn pairs(text: &str, tokens: &mut Vec<String>) {
    let seconds = text.chars().skip(1);
    tokens.extend(
        text.chars()
            .zip(seconds)
            .map(|(a, b)| String::from_iter([a, b])),
    );
}

pub(crate) fn cut(word: &str) -> String {
    word.chars().take(TOKEN_CHARS).collect()
}

/// What is indexed of `text`: at most [`TEXT_TOKENS`], in order; each of letters, digits and marks only.
#[must_use]
pub fn tokens(text: &str) -> Vec<String> {
    let mut tokens = Vec::new();
    for run in runs(text) {
        tokens_of(&run, &mut tokens);
        if tokens.len() >= TEXT_TOKENS {
            break;
        }
    }
    tokens.truncate(TEXT_TOKENS);
    tokens
}

/// `text` as words between single spaces, with a space at either end; characters without spaces stay together. A pattern of
/// [`pattern`] found in it is found as a whole word.
#[must_use]
pub fn line(text: &str) -> String {
    let mut line = String::with_capacity(text.len() + 2);
    line.push(' ');
    for run in runs(text) {
        line.push_str(&run.text);
        line.push(' ');
    }
    line
}

/// What to look for in a [`line()`] to find the words of `text` in a row; nothing if it has none.
#[must_use]
pub fn pattern(text: &str) -> Option<String> {
    let runs = runs(text);
    let (first, last) = (runs.first()?, runs.last()?);
    let words: Vec<&str> = runs.iter().map(|run| run.text.as_str()).collect();
    let mut pattern = words.join(" ");
    if !first.spaceless {
        pattern.insert(0, ' ');
    }
    if !last.spaceless {
        pattern.push(' ');
    }
    Some(pattern)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn case_width_and_accents_are_folded() {
        for (text, folded) in [
            ("École", "ecole"),
            ("e\u{301}cole", "ecole"),
            ("STRASSE", "strasse"),
            ("Straße", "strasse"),
            ("ＦＵＬＬ", "full"),
            ("İstanbul", "istanbul"),
            ("Łódź", "lodz"),
            ("Ёлка", "елка"),
            ("한국", "한국"),
            ("ガ", "ガ"),
            ("ｶﾞ", "ガ"),
            ("हिन्दी", "हिन्दी"),
            ("שָׁלוֹם", "שלום"),
            ("co\u{AD}op", "coop"),
        ] {
            assert_eq!(fold(text), folded, "{text}");
        }
    }

    #[test]
    fn tokens_are_words_or_pairs() {
        for (text, expected) in [
            ("foo-bar, baz!", vec!["foo", "bar", "baz"]),
            ("東京都", vec!["東京", "京都", "都"]),
            ("iPhone手机 neu", vec!["iphone", "手机", "机", "neu"]),
            ("हिन्दी", vec!["हिन्दी"]),
            ("¿?! … 🙂", vec![]),
        ] {
            assert_eq!(tokens(text), expected, "{text}");
        }
    }

    proptest! {
        #[test]
        fn folding_twice_is_folding_once(text in "\\PC{0,40}") {
            let once = fold(&text);
            prop_assert_eq!(fold(&once), once);
        }

        #[test]
        fn tokens_hold_no_character_that_a_query_language_could_mean(text in ".{0,200}") {
            for token in tokens(&text) {
                prop_assert!(!token.is_empty());
                prop_assert!(token.chars().all(letter));
            }
        }
    }
}
