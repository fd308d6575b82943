//! Takes keys out of TOML text and the environment one by one and remembers every fault with its line.
//!
//! Knows no key's meaning. What nobody took is an unknown key.

use std::collections::BTreeMap;
use std::fmt;
use std::ops::RangeInclusive;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::Serialize;
use toml::de::{DeTable, DeValue};

use super::ENVIRONMENT_PREFIX;

/// One thing wrong with the configuration.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fault {
    /// Line in the file from 1, when it comes from one.
    pub line: Option<usize>,
    /// `section.key`; empty for the file as a whole.
    pub key: String,
    /// What was given.
    pub value: String,
    /// What is wrong with it.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(line) = self.line {
            write!(f, "line {line}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}", self.key)?;
            if !self.value.is_empty() {
                write!(f, " = {}", self.value)?;
            }
            write!(f, ": ")?;
        }
        write!(f, "{}; {}", self.reason, self.remedy)
    }
}

/// Every fault of a configuration; never empty.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub struct ConfigFaults(Vec<Fault>);

impl ConfigFaults {
    /// The faults in the order of the file.
    #[must_use]
    pub fn faults(&self) -> &[Fault] {
        &self.0
    }

    pub(super) fn unreadable(path: &Path, error: &std::io::Error) -> Self {
        Self::whole(
            format!("{} cannot be read: {error}", path.display()),
            "check the path and its permissions",
        )
    }

    fn whole(reason: String, remedy: &str) -> Self {
        Self(vec![Fault {
            line: None,
            key: String::new(),
            value: String::new(),
            reason,
            remedy: remedy.into(),
        }])
    }
}

impl fmt::Display for ConfigFaults {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let plural = if self.0.len() == 1 { "" } else { "s" };
        write!(f, "{} fault{plural} in the configuration", self.0.len())?;
        self.0.iter().try_for_each(|fault| write!(f, "\n  {fault}"))
    }
}

/// A value as written; the environment knows text only.
#[derive(Debug, Clone)]
enum Value {
    Text(String),
    Integer(String),
    Boolean(bool),
    List(Vec<String>),
    Environment(String),
    Other(&'static str),
}

impl Value {
    fn shown(&self) -> String {
        match self {
            Self::Text(text) => format!("{text:?}"),
            Self::Integer(text) | Self::Environment(text) => text.clone(),
            Self::Boolean(on) => on.to_string(),
            Self::List(items) => format!("{items:?}"),
            Self::Other(kind) => format!("<{kind}>"),
        }
    }
}

struct Entry {
    line: Option<usize>,
    value: Value,
}

/// See the module.
pub(super) struct Reader {
    entries: BTreeMap<String, Entry>,
    known: Vec<String>,
    faults: Vec<Fault>,
}

impl Reader {
    pub(super) fn empty() -> Self {
        Self {
            entries: BTreeMap::new(),
            known: Vec::new(),
            faults: Vec::new(),
        }
    }

    pub(super) fn new(
        text: &str,
        environment: impl Iterator<Item = (String, String)>,
    ) -> Result<Self, ConfigFaults> {
        let mut reader = Self::empty();
        let (table, errors) = DeTable::parse_recoverable(text);
        reader.faults.extend(errors.iter().map(|error| Fault {
            line: error.span().map(|span| line_of(text, span.start)),
            key: String::new(),
            value: String::new(),
            reason: error.message().to_owned(),
            remedy: "mend the TOML".into(),
        }));
        if !reader.faults.is_empty() {
            return Err(ConfigFaults(reader.faults));
        }
        reader.flatten(text, "", table.get_ref());
        for (name, value) in environment {
            if let Some((section, key)) = name
                .strip_prefix(ENVIRONMENT_PREFIX)
                .and_then(|rest| rest.split_once("__"))
            {
                let path = format!(
                    "{}.{}",
                    section.to_ascii_lowercase(),
                    key.to_ascii_lowercase()
                );
                reader.entries.insert(
                    path,
                    Entry {
                        line: None,
                        value: Value::Environment(value),
                    },
                );
            }
        }
        Ok(reader)
    }

    /// Turns nested tables into `section.key` and arrays of tables into `section.key[0].key`.
    fn flatten(&mut self, text: &str, prefix: &str, table: &DeTable<'_>) {
        for (key, value) in table.iter() {
            let path = if prefix.is_empty() {
                key.get_ref().to_string()
            } else {
                format!("{prefix}.{}", key.get_ref())
            };
            let line = Some(line_of(text, key.span().start));
            match value.get_ref() {
                DeValue::Table(inner) => self.flatten(text, &path, inner),
                DeValue::Array(items)
                    if !items.is_empty() && items.iter().all(|item| item.get_ref().is_table()) =>
                {
                    for (index, item) in items.iter().enumerate() {
                        if let Some(inner) = item.get_ref().as_table() {
                            self.flatten(text, &format!("{path}[{index}]"), inner);
                        }
                    }
                }
                other => {
                    self.entries.insert(
                        path,
                        Entry {
                            line,
                            value: leaf(other),
                        },
                    );
                }
            }
        }
    }

    /// Whether the file or the environment gives `path`.
    pub(super) fn has(&self, path: &str) -> bool {
        self.entries.contains_key(path)
    }

    /// Every key asked for so far.
    pub(super) fn known(self) -> Vec<String> {
        self.known
    }

    /// How many tables the array `path` has, counting gaps as present.
    pub(super) fn tables(&self, path: &str) -> usize {
        let start = format!("{path}[");
        self.entries
            .keys()
            .filter_map(|key| {
                key.strip_prefix(&start)?
                    .split_once(']')?
                    .0
                    .parse::<usize>()
                    .ok()
            })
            .max()
            .map_or(0, |last| last + 1)
    }

    /// Line of a key that was not read yet.
    pub(super) fn line(&self, path: &str) -> Option<usize> {
        self.entries.get(path).and_then(|entry| entry.line)
    }

    /// Records a fault of a key that was read, or of several keys together.
    pub(super) fn fault(&mut self, key: &str, value: &str, reason: &str, remedy: &str) {
        self.fault_at(None, key, value, reason, remedy);
    }

    /// The same, with the line that the key was in.
    pub(super) fn fault_at(
        &mut self,
        line: Option<usize>,
        key: &str,
        value: &str,
        reason: &str,
        remedy: &str,
    ) {
        self.faults.push(Fault {
            line,
            key: key.into(),
            value: value.into(),
            reason: reason.into(),
            remedy: remedy.into(),
        });
    }

    /// A string that `parse` understands.
    pub(super) fn parsed<T>(
        &mut self,
        path: &str,
        default: T,
        parse: impl FnOnce(&str) -> Result<T, String>,
        remedy: &str,
    ) -> T {
        let result = self.take(path, |value| match value {
            Value::Text(text) | Value::Environment(text) => parse(text),
            _ => Err("is not a string".into()),
        });
        self.settle(path, result, default, remedy)
    }

    /// A path; an empty string counts as absent.
    pub(super) fn path(&mut self, path: &str) -> Option<PathBuf> {
        let parse = |text: &str| {
            Ok(Some(text)
                .filter(|text| !text.is_empty())
                .map(PathBuf::from))
        };
        self.parsed(path, None, parse, "a path in quotes")
    }

    /// A whole number within `bounds`.
    pub(super) fn integer<T>(
        &mut self,
        path: &str,
        default: T,
        bounds: RangeInclusive<T>,
        remedy: &str,
    ) -> T
    where
        T: std::str::FromStr + PartialOrd + fmt::Display + Copy,
    {
        let result = self.take(path, |value| {
            let (Value::Integer(text) | Value::Environment(text)) = value else {
                return Err("is not a whole number".into());
            };
            match text.parse::<T>() {
                Ok(number) if bounds.contains(&number) => Ok(number),
                _ => Err(format!(
                    "is not a whole number from {} to {}",
                    bounds.start(),
                    bounds.end()
                )),
            }
        });
        self.settle(path, result, default, remedy)
    }

    /// Whole seconds within `bounds`.
    pub(super) fn seconds(
        &mut self,
        path: &str,
        default: u64,
        bounds: RangeInclusive<u64>,
    ) -> Duration {
        Duration::from_secs(self.integer(path, default, bounds, "whole seconds"))
    }

    /// `true` or `false`.
    pub(super) fn boolean(&mut self, path: &str, default: bool) -> bool {
        let result = self.take(path, |value| match value {
            Value::Boolean(on) => Ok(*on),
            Value::Environment(text) => text
                .parse()
                .map_err(|_| "is neither true nor false".to_owned()),
            _ => Err("is neither true nor false".into()),
        });
        self.settle(path, result, default, "write true or false without quotes")
    }

    /// An array of strings; the environment separates them by commas.
    pub(super) fn list(&mut self, path: &str) -> Vec<String> {
        let result = self.take(path, |value| match value {
            Value::List(items) => Ok(items.clone()),
            Value::Environment(text) => Ok(text
                .split(',')
                .map(str::trim)
                .filter(|item| !item.is_empty())
                .map(str::to_owned)
                .collect()),
            _ => Err("is not an array of strings".into()),
        });
        self.settle(path, result, Vec::new(), "write [\"one\", \"two\"]")
    }

    /// Every fault, with the keys that nobody took among them.
    pub(super) fn finish(mut self) -> Result<(), ConfigFaults> {
        let leftover: Vec<_> = std::mem::take(&mut self.entries).into_iter().collect();
        for (path, entry) in leftover {
            let remedy = match nearest(&path, &self.known) {
                Some(known) => format!("did you mean {known}?"),
                None => "remove it; config.example.toml lists every key".to_owned(),
            };
            let value = entry.value.shown();
            self.faults.push(Fault {
                line: entry.line,
                key: path,
                value,
                reason: "no such key".into(),
                remedy,
            });
        }
        self.faults
            .sort_by_key(|fault| fault.line.unwrap_or(usize::MAX));
        if self.faults.is_empty() {
            Ok(())
        } else {
            Err(ConfigFaults(self.faults))
        }
    }

    fn take<T>(
        &mut self,
        path: &str,
        parse: impl FnOnce(&Value) -> Result<T, String>,
    ) -> Option<Result<T, (Entry, String)>> {
        self.known.push(path.to_owned());
        let entry = self.entries.remove(path)?;
        Some(parse(&entry.value).map_err(|reason| (entry, reason)))
    }

    fn settle<T>(
        &mut self,
        path: &str,
        result: Option<Result<T, (Entry, String)>>,
        default: T,
        remedy: &str,
    ) -> T {
        match result {
            None => default,
            Some(Ok(value)) => value,
            Some(Err((entry, reason))) => {
                let value = entry.value.shown();
                self.faults.push(Fault {
                    line: entry.line,
                    key: path.into(),
                    value,
                    reason,
                    remedy: remedy.into(),
                });
                default
            }
        }
    }
}

fn leaf(value: &DeValue<'_>) -> Value {
    match value {
        DeValue::String(text) => Value::Text(text.to_string()),
        DeValue::Integer(number) if number.radix() == 10 => {
            Value::Integer(number.as_str().to_owned())
        }
        DeValue::Boolean(on) => Value::Boolean(*on),
        DeValue::Array(items) => items
            .iter()
            .map(|item| item.get_ref().as_str().map(str::to_owned))
            .collect::<Option<Vec<_>>>()
            .map_or(Value::Other("array"), Value::List),
        other => Value::Other(other.type_str()),
    }
}

/// Line from 1 of the byte at `offset`.
fn line_of(text: &str, offset: usize) -> usize {
    text.bytes()
        .take(offset)
        .filter(|byte| *byte == b'\n')
        .count()
        + 1
}

/// The known key most like `path`, if it is within three edits.
fn nearest<'a>(path: &str, known: &'a [String]) -> Option<&'a str> {
    known
        .iter()
        .map(|key| (edits(path, key), key.as_str()))
        .min()
        .filter(|(distance, _)| *distance <= 3)
        .map(|(_, key)| key)
}

/// Levenshtein distance in bytes.
fn edits(a: &str, b: &str) -> usize {
    let mut row: Vec<usize> = (0..=b.len()).collect();
    for (i, x) in a.bytes().enumerate() {
        let mut diagonal = i;
        let mut left = i + 1;
        for (cell, y) in row.iter_mut().skip(1).zip(b.bytes()) {
            let substituted = diagonal + usize::from(x != y);
            diagonal = *cell;
            left = substituted.min(left + 1).min(diagonal + 1);
            *cell = left;
        }
        if let Some(first) = row.first_mut() {
            *first = i + 1;
        }
    }
    row.last().copied().unwrap_or(0)
}
