//! Who may import whom: the table of ARCHITECTURE.md.

use std::collections::BTreeSet;

use plenum_tests::workspace::root;
use toml::Table;

use crate::source::{code_lines, rust_below, text};

/// Crate folder, the crates of ours that its product code may name, and whether it may name tokio.
const TABLE: [(&str, &[&str], bool); 5] = [
    ("codecs", &[], false),
    ("mixer", &["codecs"], false),
    ("dialin", &["codecs"], true),
    ("companion", &[], true),
    ("mcu", &["codecs", "mixer", "dialin", "companion"], true),
];

const ALL: [&str; 7] = [
    "codecs",
    "mixer",
    "dialin",
    "companion",
    "mcu",
    "tests",
    "benches",
];

fn manifest(folder: &str) -> Table {
    let path = root().join(folder).join("Cargo.toml");
    std::fs::read_to_string(path).unwrap().parse().unwrap()
}

fn names(manifest: &Table, section: &str) -> BTreeSet<String> {
    manifest
        .get(section)
        .and_then(|table| table.as_table())
        .map(|table| table.keys().cloned().collect())
        .unwrap_or_default()
}

/// The whole word `name` as a path's start or an import: `name::`, `use name;`, `extern crate name`.
fn names_crate(line: &str, name: &str) -> bool {
    line.match_indices(name).any(|(at, _)| {
        let before = line.as_bytes().get(at.wrapping_sub(1)).copied();
        let after = line.get(at + name.len()..).unwrap_or_default();
        before.is_none_or(|b| !b.is_ascii_alphanumeric() && b != b'_' && b != b'"')
            && (after.starts_with("::") || after.starts_with(';') || after.starts_with(" as "))
    })
}

fn files_that_name(folder: &str, name: &str) -> Vec<String> {
    rust_below(&format!("{folder}/"))
        .into_iter()
        .filter(|path| {
            text(path).is_some_and(|text| code_lines(&text).any(|line| names_crate(line, name)))
        })
        .collect()
}

/// Files of the product alone: neither tests nor examples.
fn product_that_names(folder: &str, name: &str) -> Vec<String> {
    files_that_name(folder, name)
        .into_iter()
        .filter(|path| path.starts_with(&format!("{folder}/src/")) && !path.ends_with("/tests.rs"))
        .collect()
}

#[test]
fn every_member_of_the_workspace_stands_in_the_table() {
    let workspace = manifest(".");
    let members: BTreeSet<&str> = workspace["workspace"]["members"]
        .as_array()
        .unwrap()
        .iter()
        .filter_map(|member| member.as_str())
        .collect();
    assert_eq!(members, ALL.into_iter().collect());
}

#[test]
fn crates_depend_only_on_whom_the_table_allows() {
    for (folder, allowed, tokio) in TABLE {
        let manifest = manifest(folder);
        for section in ["dependencies", "dev-dependencies", "build-dependencies"] {
            for name in names(&manifest, section) {
                if let Some(ours) = name.strip_prefix("plenum-") {
                    assert!(
                        allowed.contains(&ours),
                        "{folder} must not depend on {ours} ({section})"
                    );
                }
                assert!(
                    name != "tokio" || tokio,
                    "{folder} must not depend on tokio ({section})"
                );
            }
        }
        for other in ALL.into_iter().filter(|other| *other != folder) {
            let files = files_that_name(folder, &format!("plenum_{other}"));
            assert!(
                allowed.contains(&other) || files.is_empty(),
                "{folder} must not name plenum_{other}: {files:?}"
            );
        }
    }
}

#[test]
fn only_shells_name_tokio() {
    let strays: Vec<String> = [
        ("codecs", "-"),
        ("mixer", "-"),
        ("dialin", "shell"),
        ("companion", "server"),
    ]
    .into_iter()
    .flat_map(|(folder, shell)| {
        product_that_names(folder, "tokio")
            .into_iter()
            .filter(move |path| {
                !path.starts_with(&format!("{folder}/src/{shell}.rs"))
                    && !path.starts_with(&format!("{folder}/src/{shell}/"))
            })
    })
    .collect();
    assert!(
        strays.is_empty(),
        "tokio is named outside the shells: {strays:?}"
    );
}

#[test]
fn the_cores_read_no_clock_and_open_no_socket() {
    let banned = [
        "std::net",
        "std::thread",
        "std::sync::Mutex",
        "std::sync::RwLock",
        "Instant::now",
        "SystemTime",
        "std::time::Instant",
    ];
    for folder in ["codecs/src/", "mixer/src/", "companion/src/"] {
        // The companion's shell has sockets and a clock, its rules have none.
        let rules = |path: &String| !path.starts_with("companion/src/server");
        for path in rust_below(folder).into_iter().filter(rules) {
            let text = text(&path).unwrap();
            let breach =
                code_lines(&text).find(|line| banned.iter().any(|word| line.contains(word)));
            // Addresses are values, not sockets.
            assert!(
                breach.is_none_or(
                    |line| line.contains("net::IpAddr") || line.contains("net::SocketAddr;")
                ),
                "{path}: {breach:?}"
            );
        }
    }
    for folder in ["codecs", "mixer", "dialin", "companion"] {
        let path = format!("{folder}/clippy.toml");
        let bans = text(&path).unwrap_or_default();
        assert!(
            bans.contains("std::time::Instant::now"),
            "{path} does not ban the clock"
        );
    }
}

/// The load generator: the other end, which shares no transport with the server.
const LOAD: &str = "mcu/src/load/";
/// The DTLS of both ends' stacks.
const DTLS: &str = "mcu/src/dtls.rs";

#[test]
fn the_load_generator_names_each_young_crate_in_one_file_of_its_own() {
    for (name, file) in [("str0m", "webrtc.rs"), ("rtc_srtp", "srtp.rs")] {
        let files: Vec<String> = product_that_names("mcu", name)
            .into_iter()
            .filter(|file| file.starts_with(LOAD))
            .collect();
        assert_eq!(files, [format!("{LOAD}{file}")]);
    }
}

#[test]
fn one_module_each_names_the_young_crates() {
    let of =
        |folder: &str, names: &[&str]| {
            let files: BTreeSet<String> = names
                .iter()
                .flat_map(|name| product_that_names(folder, name))
                .filter(|file| !file.starts_with(LOAD) && file != DTLS)
                .collect();
            // A module is a file, or a file and what lies below it.
            let module = files.iter().find_map(|file| file.strip_suffix(".rs"));
            let module = module.unwrap_or_else(|| panic!("{names:?} in {folder}: {files:?}"));
            assert!(
                files.iter().all(|file| file == &format!("{module}.rs")
                    || file.starts_with(&format!("{module}/"))),
                "{names:?} in {folder}: {files:?}"
            );
        };
    of("mcu", &["str0m"]);
    of("mcu", &["rtc_dtls"]);
    assert_eq!(product_that_names("mcu", "dimpl"), [DTLS]);
    of("dialin", &["sipx_sip", "sipx_transport", "sipx_ua"]);
    for folder in ["codecs", "mixer", "companion"] {
        assert!(files_that_name(folder, "str0m").is_empty());
        assert!(files_that_name(folder, "sipx_sip").is_empty());
    }
    assert!(files_that_name("dialin", "str0m").is_empty());
    assert!(files_that_name("mcu", "sipx_sip").is_empty());
}

#[test]
fn crate_names_are_told_from_longer_words() {
    assert!(names_crate("use tokio::net::UdpSocket;", "tokio"));
    assert!(names_crate("let x = tokio::spawn(y);", "tokio"));
    assert!(!names_crate("use tokio_tungstenite::connect;", "tokio"));
    assert!(!names_crate("use my_tokio::x;", "tokio"));
}
