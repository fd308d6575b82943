//! The query language of search: `words`, `"a phrase"`, `-word`, `from:`, `in:`, `before:`, `after:`.
//!
//! A [`Query`] is made of what somebody typed, and from it what each database's full text search takes. It holds letters and
//! digits only where an engine reads it, so no text can be a syntax error or a command. It knows no store.

use jiff::civil::Date;
use jiff::tz::TimeZone;

use crate::words::{Run, TOKEN_CHARS, cut, pairs, runs, spans, tokens_of};

/// What is typed has at most so many characters.
pub const QUERY_CHARS: usize = 512;
/// And so many words, phrases and conditions.
pub const QUERY_TERMS: usize = 24;
/// A word of so many characters or more finds what begins with it: SQLite's index has beginnings of this length, and shorter ones
/// would find nearly everything.
const BEGINNING: usize = 3;
/// Length of a [`Query::snippet`], in characters.
pub const SNIPPET_CHARS: usize = 160;

/// Why a query was not understood. The text is for whoever typed it.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Fault {
    /// Neither a word nor a condition.
    #[error("expected a word or a condition")]
    Empty,
    /// Beyond [`QUERY_CHARS`] or [`QUERY_TERMS`].
    #[error("expected at most {QUERY_CHARS} characters and {QUERY_TERMS} words")]
    TooLong,
    /// Not a date of the calendar.
    #[error("expected a date such as 2026-01-31 after {0}")]
    Date(&'static str),
    /// `from:` or `in:` without a name.
    #[error("expected a name after {0}")]
    Name(&'static str),
    /// A condition with a minus before it.
    #[error("{0} cannot be excluded, words can")]
    Excluded(&'static str),
}

/// Tokens that follow each other.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Term {
    tokens: Vec<String>,
    /// The last token may go on: `conf` finds `conference`.
    prefix: bool,
}

/// What somebody looks for. Everything given must hold.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Query {
    words: Vec<Term>,
    without: Vec<Term>,
    /// Authors by name or login, as typed: any of them.
    pub from: Vec<String>,
    /// Rooms or people by name, as typed: any of them.
    pub within: Vec<String>,
    /// Earlier than this, in ms since 1970: the beginning of the day in UTC.
    pub before: Option<i64>,
    /// At or after this, in ms since 1970: the end of the day in UTC.
    pub after: Option<i64>,
}

impl Term {
    /// A word goes on where the writer's did not end: at its last token. A phrase is taken as it is.
    fn new(text: &str, open: bool) -> Option<Self> {
        let runs = runs(text);
        let (last, before) = runs.split_last()?;
        let mut tokens = Vec::new();
        for run in before {
            tokens_of(run, &mut tokens);
        }
        let prefix = last_tokens(last, open, &mut tokens);
        Some(Self { tokens, prefix })
    }

    fn fts5(&self) -> String {
        let star = if self.prefix { " *" } else { "" };
        format!("\"{}\"{star}", self.tokens.join(" "))
    }

    fn tsquery(&self) -> String {
        let quoted: Vec<String> = self
            .tokens
            .iter()
            .map(|token| format!("'{token}'"))
            .collect();
        let star = if self.prefix { ":*" } else { "" };
        format!("({}{star})", quoted.join(" <-> "))
    }

    /// Whether the term begins at the first of `tokens`.
    fn begins(&self, tokens: &[String]) -> bool {
        tokens.len() >= self.tokens.len()
            && self
                .tokens
                .iter()
                .zip(tokens)
                .enumerate()
                .all(|(at, (wanted, token))| {
                    if self.prefix && at + 1 == self.tokens.len() {
                        token.starts_with(wanted.as_str())
                    } else {
                        token == wanted
                    }
                })
    }
}

/// The text may go on behind a run without spaces: its last character is the beginning of a pair.
fn last_tokens(run: &Run, open: bool, tokens: &mut Vec<String>) -> bool {
    if !run.spaceless {
        let length = run.text.chars().count();
        tokens.push(cut(&run.text));
        return open && (BEGINNING..=TOKEN_CHARS).contains(&length);
    }
    let single = run.text.chars().nth(1).is_none();
    if single {
        tokens.push(run.text.clone());
    } else {
        pairs(&run.text, tokens);
    }
    single
}

struct Typed<'a> {
    rest: &'a str,
}

const QUOTES: [char; 6] = ['"', '“', '”', '„', '«', '»'];

impl<'a> Typed<'a> {
    fn quoted(&mut self) -> Option<&'a str> {
        let inner = self.rest.strip_prefix(QUOTES)?;
        let (text, rest) = inner.split_once(QUOTES).unwrap_or((inner, ""));
        self.rest = rest;
        Some(text)
    }

    fn bare(&mut self) -> &'a str {
        let end = self
            .rest
            .find(|c: char| c.is_whitespace() || QUOTES.contains(&c))
            .unwrap_or(self.rest.len());
        let (text, rest) = self.rest.split_at(end);
        self.rest = rest;
        text
    }

    fn key(&mut self) -> Option<&'static str> {
        ["from:", "in:", "before:", "after:"]
            .into_iter()
            .find(|key| {
                let head = self.rest.get(..key.len());
                let is = head.is_some_and(|head| head.eq_ignore_ascii_case(key));
                if is {
                    self.rest = self.rest.get(key.len()..).unwrap_or_default();
                }
                is
            })
    }
}

impl Query {
    /// What `text` asks for.
    ///
    /// # Errors
    /// When it is empty, too long, or a condition has no name or no date.
    pub fn parse(text: &str) -> Result<Self, Fault> {
        if text.chars().nth(QUERY_CHARS).is_some() {
            return Err(Fault::TooLong);
        }
        let mut query = Self::default();
        let mut typed = Typed { rest: text };
        let mut terms = 0;
        loop {
            typed.rest = typed.rest.trim_start();
            if typed.rest.is_empty() {
                break;
            }
            terms += 1;
            if terms > QUERY_TERMS {
                return Err(Fault::TooLong);
            }
            query.take(&mut typed)?;
        }
        if query == Self::default() {
            return Err(Fault::Empty);
        }
        Ok(query)
    }

    fn take(&mut self, typed: &mut Typed<'_>) -> Result<(), Fault> {
        let minus = typed.rest.strip_prefix('-');
        if let Some(rest) = minus {
            typed.rest = rest;
        }
        if let Some(key) = typed.key() {
            if minus.is_some() {
                return Err(Fault::Excluded(key));
            }
            let value = match typed.quoted() {
                Some(text) => text,
                None => typed.bare(),
            };
            return self.condition(key, value.trim());
        }
        let (text, open) = match typed.quoted() {
            Some(text) => (text, false),
            None => (typed.bare(), true),
        };
        // A word of punctuation alone asks for nothing.
        if let Some(term) = Term::new(text, open && minus.is_none()) {
            let terms = if minus.is_some() {
                &mut self.without
            } else {
                &mut self.words
            };
            terms.push(term);
        }
        Ok(())
    }

    fn condition(&mut self, key: &'static str, value: &str) -> Result<(), Fault> {
        if key == "before:" || key == "after:" {
            let day: Date = value.parse().map_err(|_| Fault::Date(key))?;
            let (first, last) = bounds(day).ok_or(Fault::Date(key))?;
            if key == "before:" {
                self.before = Some(self.before.map_or(first, |known| known.min(first)));
            } else {
                self.after = Some(self.after.map_or(last, |known| known.max(last)));
            }
            return Ok(());
        }
        if value.is_empty() {
            return Err(Fault::Name(key));
        }
        let names = if key == "from:" {
            &mut self.from
        } else {
            &mut self.within
        };
        names.push(value.to_owned());
        Ok(())
    }

    /// Whether there is a word to be found, rather than conditions and exclusions only.
    #[must_use]
    pub fn has_words(&self) -> bool {
        !self.words.is_empty()
    }

    /// All words, in SQLite's FTS5 language; empty without one.
    #[must_use]
    pub fn fts5(&self) -> Option<String> {
        join(&self.words, " AND ", Term::fts5)
    }

    /// What must not be there, any of it, in FTS5's language.
    #[must_use]
    pub fn fts5_without(&self) -> Option<String> {
        join(&self.without, " OR ", Term::fts5)
    }

    /// All words, as PostgreSQL's `tsquery`; empty without one.
    #[must_use]
    pub fn tsquery(&self) -> Option<String> {
        join(&self.words, " & ", Term::tsquery)
    }

    /// What must not be there, any of it, as a `tsquery`.
    #[must_use]
    pub fn tsquery_without(&self) -> Option<String> {
        join(&self.without, " | ", Term::tsquery)
    }

    /// What the full text indices of both databases must say of `text`, for tests and small sets.
    #[must_use]
    pub fn finds(&self, text: &str) -> bool {
        let tokens = crate::words::tokens(text);
        let holds = |term: &Term| {
            (0..tokens.len()).any(|at| term.begins(tokens.get(at..).unwrap_or_default()))
        };
        self.words.iter().all(holds) && !self.without.iter().any(holds)
    }

    /// One line of `text` around the first word that was looked for, at most [`SNIPPET_CHARS`] and two ellipses.
    #[must_use]
    pub fn snippet(&self, text: &str) -> String {
        let hit = spans(text)
            .find(|span| {
                let tokens = crate::words::tokens(text.get(span.clone()).unwrap_or_default());
                self.words.iter().any(|term| {
                    let first = Term {
                        tokens: term.tokens.iter().take(1).cloned().collect(),
                        prefix: term.prefix && term.tokens.len() == 1,
                    };
                    (0..tokens.len()).any(|at| first.begins(tokens.get(at..).unwrap_or_default()))
                })
            })
            .map_or(0, |span| span.start);
        around(text, hit)
    }
}

fn join(terms: &[Term], with: &str, each: fn(&Term) -> String) -> Option<String> {
    let parts: Vec<String> = terms.iter().map(each).collect();
    (!parts.is_empty()).then(|| parts.join(with))
}

fn bounds(day: Date) -> Option<(i64, i64)> {
    let first = day.to_zoned(TimeZone::UTC).ok()?;
    let last = day.tomorrow().ok()?.to_zoned(TimeZone::UTC).ok()?;
    Some((
        first.timestamp().as_millisecond(),
        last.timestamp().as_millisecond(),
    ))
}

/// One line of `text` with a third of [`SNIPPET_CHARS`] before byte `hit`.
fn around(text: &str, hit: usize) -> String {
    let (before, after) = text.split_at_checked(hit).unwrap_or(("", text));
    let lead = before
        .char_indices()
        .rev()
        .take(SNIPPET_CHARS / 3)
        .last()
        .map_or(0, |(at, _)| at);
    // Not in the middle of a word, where there are words.
    let lead = match before
        .get(lead..)
        .and_then(|part| part.find(char::is_whitespace))
    {
        Some(space) if lead > 0 => lead + space,
        _ => lead,
    };
    let shown = before.get(lead..).unwrap_or_default();
    let room = SNIPPET_CHARS.saturating_sub(shown.chars().count());
    let cut_at = after.char_indices().nth(room).map(|(at, _)| at);
    let tail = after
        .get(..cut_at.unwrap_or(after.len()))
        .unwrap_or_default();
    let (start, end) = (
        if lead > 0 { "…" } else { "" },
        if cut_at.is_some() { "…" } else { "" },
    );
    format!("{start}{}{end}", one_line(&format!("{shown}{tail}")))
}

fn one_line(text: &str) -> String {
    let words: Vec<&str> = text.split_whitespace().collect();
    words.join(" ")
}

#[cfg(test)]
mod tests;
