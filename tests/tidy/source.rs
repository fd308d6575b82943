//! The committed files, and rules about each of them alone.

use std::path::Path;
use std::process::Command;

use plenum_tests::workspace::root;

/// Paths of all committed files, relative to the root, with `/`.
pub(crate) fn committed() -> Vec<String> {
    let listed = Command::new("git")
        .args(["ls-files", "--cached"])
        .current_dir(root())
        .output()
        .expect("git is needed to know what is committed");
    assert!(listed.status.success(), "git ls-files failed: {listed:?}");
    let files: Vec<String> = String::from_utf8(listed.stdout)
        .unwrap()
        .lines()
        .filter(|path| root().join(path).is_file())
        .map(str::to_owned)
        .collect();
    assert!(files.len() > 50, "only {} files are committed", files.len());
    files
}

/// The committed Rust files below `folder`.
pub(crate) fn rust_below(folder: &str) -> Vec<String> {
    committed()
        .into_iter()
        .filter(|path| path.starts_with(folder) && is(path, "rs"))
        .collect()
}

/// The text of a file; `None` for one that is missing or not UTF-8.
pub(crate) fn text(path: &str) -> Option<String> {
    String::from_utf8(std::fs::read(root().join(path)).ok()?).ok()
}

/// Lines with code: neither empty nor only a comment.
pub(crate) fn code_lines(text: &str) -> impl Iterator<Item = &str> {
    text.lines()
        .map(str::trim)
        .filter(|line| !line.is_empty() && !line.starts_with("//"))
}

pub(crate) fn is(path: &str, extension: &str) -> bool {
    Path::new(path).extension().is_some_and(|e| e == extension)
}

fn refuse(rule: &str, breaches: &[String]) {
    assert!(breaches.is_empty(), "{rule}:\n  {}", breaches.join("\n  "));
}

#[test]
fn no_module_lies_in_a_mod_rs() {
    let breaches: Vec<String> = rust_below("")
        .into_iter()
        .filter(|path| path.ends_with("/mod.rs"))
        .collect();
    refuse("use foo.rs beside foo/", &breaches);
}

/// Files that may be longer, and why: each is the one file that names its crate, and a second one would break that rule.
const LONGER: [(&str, usize); 2] = [("dialin/src/sip.rs", 600), ("mcu/src/media/webrtc.rs", 600)];

#[test]
fn no_file_has_more_than_500_lines_of_code() {
    let breaches: Vec<String> = rust_below("")
        .into_iter()
        .filter_map(|path| {
            let text = text(&path)?;
            let product = text.split("#[cfg(test)]\nmod tests {").next()?;
            let count = code_lines(product).count();
            let limit = LONGER
                .iter()
                .find(|(longer, _)| *longer == path)
                .map_or(500, |(_, limit)| *limit);
            (count > limit).then(|| format!("{path}: {count}"))
        })
        .collect();
    refuse(
        "split by ownership what has more than 500 lines of code",
        &breaches,
    );
}

#[test]
fn no_conflict_of_a_merge_is_committed() {
    // Spelt so that this file has none.
    let marks = ["<".repeat(7), ">".repeat(7)];
    for file in committed() {
        let Ok(text) = std::fs::read_to_string(root().join(&file)) else {
            continue;
        };
        let found = text
            .lines()
            .position(|line| marks.iter().any(|mark| line.starts_with(mark.as_str())));
        assert_eq!(found, None, "{file} has the mark of a conflict");
    }
}

#[test]
fn nothing_unfinished_is_committed() {
    let marks = [
        ["TO", "DO"].concat(),
        ["FIX", "ME"].concat(),
        ["XX", "X:"].concat(),
    ];
    let breaches = lines_that(|path, line| {
        !path.ends_with("package-lock.json")
            && marks.iter().any(|mark| line.contains(mark.as_str()))
    });
    refuse("finish it or open an issue", &breaches);
}

#[test]
fn nothing_committed_names_one_machine() {
    let places = ["/ro", "/ho", "/wo", "/tmp/w", "/tmp/t"]
        .iter()
        .zip(["ot/", "me/", "rk/", "t/", "gt/"])
        .map(|(a, b)| format!("{a}{b}"))
        .collect::<Vec<_>>();
    let breaches = lines_that(|_, line| {
        places.iter().any(|place| {
            line.match_indices(place.as_str()).any(|(at, _)| {
                // A path begins here: `shared/home/` or a URL's `…/work/` is none of a machine's.
                line.as_bytes()
                    .get(at.wrapping_sub(1))
                    .is_none_or(|before| b" \"'`(=:>".contains(before))
            })
        })
    });
    refuse("paths of one machine do not belong here", &breaches);
}

#[test]
fn locked_packages_come_from_the_public_registries() {
    let breaches = lines_that(|path, line| {
        let line = line.trim();
        match path {
            _ if is(path, "lock") => {
                line.starts_with("source = ")
                    && line != "source = \"registry+https://github.com/rust-lang/crates.io-index\""
            }
            _ if path.ends_with("package-lock.json") => {
                line.starts_with("\"resolved\":")
                    && !line.starts_with("\"resolved\": \"https://registry.npmjs.org/")
            }
            _ => {
                (path.ends_with(".npmrc") || path.contains(".cargo/")) && line.contains("registry=")
            }
        }
    });
    refuse("another registry is named", &breaches);
}

fn lines_that(breaks: impl Fn(&str, &str) -> bool) -> Vec<String> {
    committed()
        .iter()
        .filter_map(|path| Some((path, text(path)?)))
        .flat_map(|(path, text)| {
            text.lines()
                .enumerate()
                .filter(|(_, line)| breaks(path, line))
                .map(|(n, line)| {
                    let start: String = line.trim().chars().take(120).collect();
                    format!("{path}:{}: {start}", n + 1)
                })
                .collect::<Vec<_>>()
        })
        .collect()
}
