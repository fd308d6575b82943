//! Contacts: what is taken as a name or number, how people are found by what is typed, and the levels that come of a list.
//!
//! Pure; the rows are the shell's. Knows no presence.

use std::collections::HashMap;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::is_combining_mark;

use crate::presence::board::Rules;
use crate::visibility::Level;

/// Contacts of one person.
pub const MAX_CONTACTS: usize = 1_000;
/// Groups of one person.
pub const MAX_GROUPS: usize = 100;
/// Groups that one contact is in.
pub const MAX_GROUPS_OF_ONE: usize = 20;
/// Levels given to users and domains who are no contacts.
pub const MAX_LEVELS: usize = 1_000;
/// Longest name of a group or of a number, bytes.
pub const MAX_NAME: usize = 100;
/// People whom one lately had to do with.
pub const RECENT: usize = 10;
/// Hits of a search over people.
pub const MAX_HITS: usize = 20;
/// Longest query, bytes.
pub const MAX_QUERY: usize = 200;

/// Why something is not taken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ContactError {
    /// No telephone number.
    #[error(
        "expected a telephone number of 2 to 20 digits, a + before them if it is international"
    )]
    Phone,
    /// No domain.
    #[error("expected a domain such as example.org")]
    Domain,
}

/// A telephone number as it is kept: digits, with `+` before them where it was typed.
///
/// # Errors
/// When it holds letters, or too few or many digits.
pub fn phone(text: &str) -> Result<String, ContactError> {
    let text = text.trim();
    let (plus, rest) = match text.strip_prefix('+') {
        Some(rest) => ("+", rest),
        None => ("", text),
    };
    let mut number = String::from(plus);
    for letter in rest.chars() {
        match letter {
            '0'..='9' | '*' | '#' => number.push(letter),
            ' ' | '-' | '.' | '/' | '(' | ')' | '\u{a0}' => {}
            _ => return Err(ContactError::Phone),
        }
    }
    let digits = number.bytes().filter(u8::is_ascii_digit).count();
    match digits {
        2..=20 if number.len() <= 24 => Ok(number),
        _ => Err(ContactError::Phone),
    }
}

/// A domain as it is kept: lower case.
///
/// # Errors
/// When it is none.
pub fn domain(text: &str) -> Result<String, ContactError> {
    let text = text.trim().trim_start_matches('@').to_lowercase();
    let label = |label: &str| {
        !label.is_empty()
            && label
                .chars()
                .all(|letter| letter.is_alphanumeric() || letter == '-')
    };
    if text.len() <= 253 && text.split('.').all(label) {
        Ok(text)
    } else {
        Err(ContactError::Domain)
    }
}

/// The domain of an e-mail address, lower case.
#[must_use]
pub fn domain_of(email: &str) -> Option<String> {
    let (_, name) = email.rsplit_once('@')?;
    domain(name).ok()
}

/// Lower case without accents: `Müller`, `MULLER` and `muller` are one.
#[must_use]
pub fn fold(text: &str) -> String {
    text.nfkd()
        .filter(|letter| !is_combining_mark(*letter))
        .flat_map(char::to_lowercase)
        .map(plain)
        .collect()
}

/// Letters that Unicode does not take apart.
fn plain(letter: char) -> char {
    match letter {
        'ø' => 'o',
        'ł' => 'l',
        'đ' | 'ð' => 'd',
        'ı' => 'i',
        other => other,
    }
}

/// A person as the search sees them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Their key.
    pub user: String,
    /// Folded words of name and login.
    words: Vec<String>,
    /// Folded words that only those find who may see them: title, company, e-mail.
    profile: Vec<String>,
    /// For the order of hits.
    name: String,
}

impl Entry {
    /// From what is known of a person; `profile` holds title, company and e-mail.
    #[must_use]
    pub fn new(user: &str, name: &str, login: &str, profile: &[&str]) -> Self {
        let mut known = words(name);
        known.push(fold(login));
        Self {
            user: user.to_owned(),
            words: known,
            profile: profile.iter().flat_map(|text| words(text)).collect(),
            name: fold(name),
        }
    }
}

fn words(text: &str) -> Vec<String> {
    fold(text)
        .split(|letter: char| !letter.is_alphanumeric())
        .filter(|word| !word.is_empty())
        .map(str::to_owned)
        .collect()
}

/// Everybody, to be searched: by beginnings of words, in any order.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Directory {
    entries: Vec<Entry>,
}

impl Directory {
    /// In order of names.
    #[must_use]
    pub fn new(mut entries: Vec<Entry>) -> Self {
        entries.sort_by(|one, other| one.name.cmp(&other.name).then(one.user.cmp(&other.user)));
        Self { entries }
    }

    /// The first `limit` people in whom each word of `query` begins a word. `sees_profile` tells of a person whether the
    /// searcher may see more than the name.
    #[must_use]
    pub fn search(
        &self,
        query: &str,
        limit: usize,
        mut sees_profile: impl FnMut(&str) -> bool,
    ) -> Vec<&str> {
        let wanted = words(query);
        if wanted.is_empty() {
            return Vec::new();
        }
        let begins = |words: &[String], wanted: &String| {
            words.iter().any(|word| word.starts_with(wanted.as_str()))
        };
        self.entries
            .iter()
            .filter(|entry| {
                wanted
                    .iter()
                    .all(|word| begins(&entry.words, word) || begins(&entry.profile, word))
            })
            .filter(|entry| {
                wanted.iter().all(|word| begins(&entry.words, word)) || sees_profile(&entry.user)
            })
            .take(limit.min(MAX_HITS))
            .map(|entry| entry.user.as_str())
            .collect()
    }
}

/// A contact as far as levels go.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Given<'a> {
    /// Whom.
    pub user: &'a str,
    /// The level of their own.
    pub own: Option<Level>,
    /// The levels of the groups that they are in.
    pub groups: Vec<Level>,
}

/// The levels that come of a list: a contact's own, else the strictest of their groups'; `users` and `domains` are given beside
/// the list and count less than a contact's own.
#[must_use]
pub fn rules(
    contacts: &[Given],
    users: HashMap<String, Level>,
    domains: HashMap<String, Level>,
) -> Rules {
    let mut all = users;
    for contact in contacts {
        let strictest = contact.groups.iter().max().copied();
        let beside = all.get(contact.user).copied();
        if let Some(level) = contact.own.or(beside).or(strictest) {
            all.insert(contact.user.to_owned(), level);
        }
    }
    Rules {
        users: all,
        domains,
    }
}

#[cfg(test)]
mod tests;
