//! What people type: limits of names and bodies, and whom a text mentions.
//!
//! Pure. Knows no user and no conversation; whoever calls it knows whether a mentioned login exists.

use std::collections::BTreeSet;

/// Why a text is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Nothing but space.
    #[error("there is no text")]
    Empty,
    /// More than the limit.
    #[error("the text has more than {limit} bytes")]
    TooLong {
        /// Bytes.
        limit: usize,
    },
    /// A control character other than a line's end or a tab.
    #[error("the text has a control character")]
    Control,
}

/// Longest name of a person or subject of a conversation, bytes.
pub const NAME: usize = 200;
/// Longest login, bytes.
pub const LOGIN: usize = 64;
/// Longest id that a client or the server makes, bytes.
pub const ID: usize = 64;
/// Logins that one text can mention.
const MENTIONS: usize = 50;

/// `text` on one line, trimmed, of at most `limit` bytes.
///
/// # Errors
/// When it is empty, too long or has control characters.
pub fn line(text: &str, limit: usize) -> Result<String, TextError> {
    let text = text.trim();
    if text.is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > limit {
        return Err(TextError::TooLong { limit });
    }
    if text.chars().any(char::is_control) {
        return Err(TextError::Control);
    }
    Ok(text.to_owned())
}

/// Whether `text` may be said: not blank, at most `limit` bytes, no control characters but lines and tabs.
///
/// # Errors
/// When it may not.
pub fn body(text: &str, limit: usize) -> Result<(), TextError> {
    if text.trim().is_empty() {
        return Err(TextError::Empty);
    }
    if text.len() > limit {
        return Err(TextError::TooLong { limit });
    }
    if text
        .chars()
        .any(|c| c.is_control() && !matches!(c, '\n' | '\r' | '\t'))
    {
        return Err(TextError::Control);
    }
    Ok(())
}

/// Whether `id` is one that a client may make: 1 to 64 printable ASCII characters.
#[must_use]
pub fn is_id(id: &str) -> bool {
    (1..=ID).contains(&id.len()) && id.bytes().all(|b| b.is_ascii_graphic())
}

/// `login` as it is kept: lower case, letters, digits, `.`, `-`, `_` and `@`.
///
/// # Errors
/// When it is empty, too long or has other characters.
pub fn login(login: &str) -> Result<String, TextError> {
    let login = line(login, LOGIN)?.to_lowercase();
    if login.chars().all(is_login) {
        Ok(login)
    } else {
        Err(TextError::Control)
    }
}

fn is_login(c: char) -> bool {
    c.is_alphanumeric() || matches!(c, '.' | '-' | '_' | '@')
}

/// Logins that `text` may mention: each `@login` that begins a word, lower case, at most fifty.
#[must_use]
pub fn mentions(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (at, _) in text.match_indices('@') {
        let before = text.get(..at).and_then(|text| text.chars().next_back());
        if found.len() == MENTIONS || before.is_some_and(|c| is_login(c) && c != '@') {
            continue;
        }
        let rest = text.get(at + 1..).unwrap_or_default();
        let word: String = rest
            .chars()
            .take_while(|c| is_login(*c))
            .take(LOGIN)
            .collect();
        let word = word.trim_end_matches(['.', '-', '@']);
        if !word.is_empty() && !word.starts_with('@') {
            found.insert(word.to_lowercase());
        }
    }
    found
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mention_begins_a_word() {
        let found = |text| mentions(text).into_iter().collect::<Vec<_>>();
        assert_eq!(found("@anna, ask @Ben."), ["anna", "ben"]);
        assert_eq!(found("write to anna@example.org"), [""; 0]);
        assert_eq!(found("(@jörg) @ @@x"), ["jörg", "x"]);
        assert_eq!(mentions(&"@a1 @b2 ".repeat(1000)).len(), 2);
    }

    #[test]
    fn texts_have_limits() {
        assert_eq!(line("  Anna  ", 10), Ok("Anna".to_owned()));
        assert_eq!(line("a\nb", 10), Err(TextError::Control));
        assert_eq!(line(" ", 10), Err(TextError::Empty));
        assert_eq!(body("a\nb\tc", 5), Ok(()));
        assert_eq!(body("a\u{7}", 5), Err(TextError::Control));
        assert_eq!(body("aaaaaa", 5), Err(TextError::TooLong { limit: 5 }));
        assert_eq!(login("Anna.B"), Ok("anna.b".to_owned()));
        assert!(login("a b").is_err() && login("<b>").is_err());
        assert!(is_id("01J-a_b") && !is_id("") && !is_id("ä") && !is_id(&"x".repeat(65)));
    }
}
