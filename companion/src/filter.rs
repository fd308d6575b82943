//! Filters over posts as they arrive: by keyword, author and room, and the ego filter, which catches somebody's own name.
//!
//! [`Filters`] is compiled once from all of them; a post is folded and read once, whatever their number. It knows no store, and not who
//! may read a post: whoever asks drops the catches of those who may not.

use std::collections::{BTreeSet, HashMap};

use aho_corasick::{AhoCorasick, AhoCorasickKind, MatchKind};

use crate::words::{line, pattern, runs};

/// Somebody has at most so many filters.
pub const FILTERS: usize = 50;
/// A filter has at most so many keywords, and names at most so many rooms.
pub const FILTER_WORDS: usize = 32;
/// A keyword has at most so many characters.
pub const WORD_CHARS: usize = 64;

/// One filter. What is given must hold: any of the words, the author, any of the rooms.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Filter {
    /// The filter's id.
    pub id: String,
    /// Whose it is; their own posts are not caught.
    pub owner: String,
    /// Words and phrases, any of which is to be found as whole words; empty: any text.
    pub words: Vec<String>,
    /// The author's user id; none: anybody.
    pub author: Option<String>,
    /// Conversations, any of them; empty: all.
    pub rooms: Vec<String>,
}

/// A post to be looked at.
#[derive(Debug, Clone, Copy)]
pub struct Post<'a> {
    /// Its conversation.
    pub conversation: &'a str,
    /// Its author's user id.
    pub sender: &'a str,
    /// Its text.
    pub text: &'a str,
}

/// Words of the ego filter: the ways in which others write `name` ("Ada Lovelace") and the `login`.
///
/// First name, last name, `A. Lovelace`, `Lovelace, Ada`, all of it; of names in scripts without spaces both orders in one word. A part of one letter is no
/// word by itself: it would catch what means somebody else.
#[must_use]
pub fn ego(name: &str, login: &str) -> Vec<String> {
    let parts: Vec<&str> = name
        .split([' ', ',', '\u{3000}'])
        .filter(|part| !runs(part).is_empty())
        .collect();
    let mut names = vec![parts.join(" "), login.to_owned()];
    if let [first, .., last] = parts.as_slice() {
        names.extend([(*first).to_owned(), (*last).to_owned()]);
        names.extend([format!("{last} {first}"), format!("{first} {last}")]);
        names.extend([format!("{last}{first}"), format!("{first}{last}")]);
        names.extend(
            first
                .chars()
                .next()
                .map(|letter| format!("{letter} {last}")),
        );
    }
    let mut known = BTreeSet::new();
    names.retain(|name| {
        let long = runs(name)
            .iter()
            .map(|run| run.text.chars().count())
            .sum::<usize>()
            > 1;
        long && known.insert(pattern(name))
    });
    names
}

/// All filters, compiled.
#[derive(Debug, Default)]
pub struct Filters {
    filters: Vec<Filter>,
    automaton: Option<AhoCorasick>,
    /// Filters of each pattern of the automaton.
    by_pattern: Vec<Vec<usize>>,
    /// Those without words, by author or else by room. One without any of these catches nothing: it would be a notification level.
    by_author: HashMap<String, Vec<usize>>,
    by_room: HashMap<String, Vec<usize>>,
}

/// The filters together were too large.
#[derive(Debug, thiserror::Error)]
#[error("the filters' words are too many: {0}")]
pub struct TooLarge(#[from] aho_corasick::BuildError);

impl Filters {
    /// Compiles `filters`.
    ///
    /// # Errors
    /// When all their words together exceed what the automaton can number (2³¹ states).
    pub fn compile(filters: Vec<Filter>) -> Result<Self, TooLarge> {
        let mut compiled = Self::default();
        let mut patterns: Vec<String> = Vec::new();
        let mut known: HashMap<String, usize> = HashMap::new();
        for (index, filter) in filters.iter().enumerate() {
            for word in filter.words.iter().filter_map(|word| pattern(word)) {
                let at = *known.entry(word).or_insert_with_key(|word| {
                    patterns.push(word.clone());
                    compiled.by_pattern.push(Vec::new());
                    patterns.len() - 1
                });
                compiled
                    .by_pattern
                    .get_mut(at)
                    .into_iter()
                    .for_each(|of| of.push(index));
            }
            compiled.place_wordless(index, filter);
        }
        if !patterns.is_empty() {
            compiled.automaton = Some(automaton(&patterns)?);
        }
        compiled.filters = filters;
        Ok(compiled)
    }

    fn place_wordless(&mut self, index: usize, filter: &Filter) {
        if !filter.words.is_empty() {
            return;
        }
        if let Some(author) = &filter.author {
            self.by_author
                .entry(author.clone())
                .or_default()
                .push(index);
            return;
        }
        for room in &filter.rooms {
            self.by_room.entry(room.clone()).or_default().push(index);
        }
    }

    /// How many there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.filters.len()
    }

    /// Whether there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.filters.is_empty()
    }

    /// The filters that catch `post`, each once, in their order.
    #[must_use]
    pub fn caught(&self, post: Post<'_>) -> Vec<&Filter> {
        let mut found: BTreeSet<usize> = BTreeSet::new();
        if let Some(automaton) = &self.automaton {
            let text = line(post.text);
            let mut seen = BTreeSet::new();
            for hit in automaton.find_overlapping_iter(&text) {
                if seen.insert(hit.pattern()) {
                    found.extend(
                        self.by_pattern
                            .get(hit.pattern().as_usize())
                            .into_iter()
                            .flatten(),
                    );
                }
            }
        }
        found.extend(self.by_author.get(post.sender).into_iter().flatten());
        found.extend(self.by_room.get(post.conversation).into_iter().flatten());
        let filters = found
            .into_iter()
            .filter_map(|index| self.filters.get(index));
        filters.filter(|filter| filter.holds(post)).collect()
    }
}

impl Filter {
    /// The conditions beside the words.
    fn holds(&self, post: Post<'_>) -> bool {
        self.owner != post.sender
            && self
                .author
                .as_deref()
                .is_none_or(|author| author == post.sender)
            && (self.rooms.is_empty() || self.rooms.iter().any(|room| room == post.conversation))
    }
}

fn automaton(patterns: &[String]) -> Result<AhoCorasick, aho_corasick::BuildError> {
    AhoCorasick::builder()
        .match_kind(MatchKind::Standard)
        .kind(Some(AhoCorasickKind::ContiguousNFA))
        .build(patterns)
}

#[cfg(test)]
mod tests;
