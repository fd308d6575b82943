//! What operators read, held against what the code knows.

use std::collections::BTreeSet;

use plenum_mcu::config::Config;
use toml::{Table, Value};

use crate::source::{code_lines, committed, is, rust_below, text};

const EXAMPLE: &str = "config.example.toml";

fn flatten(prefix: &str, table: &Table, keys: &mut BTreeSet<String>) {
    for (key, value) in table {
        let path = if prefix.is_empty() {
            key.clone()
        } else {
            format!("{prefix}.{key}")
        };
        match value {
            Value::Table(inner) => flatten(&path, inner, keys),
            Value::Array(items) if items.iter().any(Value::is_table) => {
                for item in items.iter().filter_map(Value::as_table) {
                    flatten(&path, item, keys);
                }
            }
            _ => {
                keys.insert(path);
            }
        }
    }
}

/// The example with its commented TOML uncommented: `# key = value` and `# [[section]]`.
fn example() -> String {
    let lines = text(EXAMPLE).unwrap();
    lines
        .lines()
        .map(|line| {
            let bare = line.trim_start_matches(['#', ' ']);
            let key = bare.split(" = ").next().unwrap_or_default();
            let is_key = bare.contains(" = ")
                && key
                    .chars()
                    .all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '_');
            if bare.starts_with("[[") || is_key {
                bare
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .join("\n")
}

#[test]
fn the_example_documents_exactly_the_known_keys() {
    let table: Table = example().parse().unwrap();
    let mut documented = BTreeSet::new();
    flatten("", &table, &mut documented);
    let known: BTreeSet<String> = Config::keys().into_iter().collect();
    let missing: Vec<_> = known.difference(&documented).collect();
    let unknown: Vec<_> = documented.difference(&known).collect();
    assert!(missing.is_empty(), "not in {EXAMPLE}: {missing:?}");
    assert!(unknown.is_empty(), "unknown keys in {EXAMPLE}: {unknown:?}");
    assert!(known.len() >= 20, "{known:?}");
}

#[test]
fn the_example_is_accepted_and_says_the_defaults() {
    let file = text(EXAMPLE).unwrap();
    let config = Config::parse(Some(&file), std::iter::empty()).unwrap();
    assert_eq!(config, Config::default());
}

/// Whole metric names in a text: `plenum_` and what follows.
fn metric_names(text: &str) -> BTreeSet<String> {
    text.match_indices("plenum_")
        .filter(|(at, _)| {
            text.as_bytes()
                .get(at.wrapping_sub(1))
                .is_none_or(|before| *before == b'"' || *before == b'`')
        })
        .map(|(at, _)| {
            text.get(at..)
                .unwrap_or_default()
                .chars()
                .take_while(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || *c == '_')
                .collect::<String>()
        })
        .filter(|name| !crate_name(name) && name != COOKIE)
        .collect()
}

/// Begins as a metric does, and is none.
const COOKIE: &str = "plenum_session";

fn crate_name(name: &str) -> bool {
    [
        "codecs",
        "mixer",
        "dialin",
        "mcu",
        "companion",
        "tests",
        "benches",
    ]
    .iter()
    .any(|folder| name.strip_prefix("plenum_") == Some(folder))
}

#[test]
fn the_documented_metrics_are_those_of_the_code() {
    let code: BTreeSet<String> = ["mcu/src/", "companion/src/"]
        .into_iter()
        .flat_map(rust_below)
        .filter(|path| !path.contains("/tests"))
        .flat_map(|path| {
            let text = text(&path).unwrap();
            let product = text
                .split("#[cfg(test)]")
                .next()
                .unwrap_or_default()
                .to_owned();
            code_lines(&product)
                .flat_map(metric_names)
                .collect::<Vec<_>>()
        })
        .collect();
    let documented = metric_names(&text("docs/metrics.md").unwrap());
    let missing: Vec<_> = code.difference(&documented).collect();
    let gone: Vec<_> = documented.difference(&code).collect();
    assert!(missing.is_empty(), "not in docs/metrics.md: {missing:?}");
    assert!(
        gone.is_empty(),
        "in docs/metrics.md, not in the code: {gone:?}"
    );
    assert!(code.len() >= 10, "{code:?}");
}

#[test]
fn documents_point_at_files_that_exist() {
    let files: BTreeSet<String> = committed().into_iter().collect();
    let mut broken = Vec::new();
    for path in files.iter().filter(|path| is(path, "md")) {
        let folder = path.rsplit_once('/').map_or("", |(folder, _)| folder);
        let body = text(path).unwrap();
        for (at, _) in body.match_indices("](") {
            let link = body.get(at + 2..).unwrap().split(')').next().unwrap();
            let file = link.split('#').next().unwrap();
            if file.is_empty() || file.contains("://") || file.starts_with("mailto:") {
                continue;
            }
            let target = if folder.is_empty() {
                file.to_owned()
            } else {
                format!("{folder}/{file}")
            };
            if !files.contains(&target) && !target.contains("../") {
                broken.push(format!("{path}: {link}"));
            }
        }
    }
    assert!(broken.is_empty(), "{broken:?}");
}
