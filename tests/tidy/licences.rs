//! Licences of everything that is compiled in or shipped to browsers.

use std::process::Command;

use plenum_tests::workspace::root;
use serde_json::Value;

use crate::source::text;

const ALLOWED: [&str; 17] = [
    "MIT",
    "MIT-0",
    "Apache-2.0",
    "Apache-2.0 WITH LLVM-exception",
    "BSD-1-Clause",
    "BSD-2-Clause",
    "BSD-3-Clause",
    "0BSD",
    "ISC",
    "Zlib",
    "MPL-2.0",
    "Unicode-3.0",
    "Unicode-DFS-2016",
    "CC0-1.0",
    "BSL-1.0",
    "CDLA-Permissive-2.0",
    "Unlicense",
];

/// Whether an SPDX expression leaves at least one way of using the package under allowed licences.
fn allowed(expression: &str) -> bool {
    let expression = expression.replace('/', " OR ");
    let tokens: Vec<String> = expression
        .replace('(', " ( ")
        .replace(')', " ) ")
        .split_whitespace()
        .map(str::to_owned)
        .collect();
    let mut at = 0;
    either(&tokens, &mut at) && at == tokens.len()
}

fn either(tokens: &[String], at: &mut usize) -> bool {
    let mut good = both(tokens, at);
    while tokens.get(*at).is_some_and(|token| token == "OR") {
        *at += 1;
        good |= both(tokens, at);
    }
    good
}

fn both(tokens: &[String], at: &mut usize) -> bool {
    let mut good = one(tokens, at);
    while tokens.get(*at).is_some_and(|token| token == "AND") {
        *at += 1;
        good &= one(tokens, at);
    }
    good
}

fn one(tokens: &[String], at: &mut usize) -> bool {
    let Some(token) = tokens.get(*at) else {
        return false;
    };
    *at += 1;
    if token == "(" {
        let good = either(tokens, at);
        *at += 1;
        return good;
    }
    let mut name = token.clone();
    if tokens.get(*at).is_some_and(|token| token == "WITH") {
        name = format!(
            "{name} WITH {}",
            tokens.get(*at + 1).map_or("", String::as_str)
        );
        *at += 2;
    }
    ALLOWED.contains(&name.as_str())
}

#[test]
fn every_crate_has_an_allowed_licence() {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--format-version", "1", "--locked", "--offline"])
        .args(["--filter-platform", "x86_64-unknown-linux-gnu"])
        .current_dir(root())
        .output()
        .unwrap();
    assert!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let packages = metadata["packages"].as_array().unwrap();
    let refused: Vec<String> = packages
        .iter()
        .filter(|package| !package["license"].as_str().is_some_and(allowed))
        .map(|package| format!("{} {}", package["name"], package["license"]))
        .collect();
    assert!(packages.len() > 100, "only {} packages", packages.len());
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn every_npm_package_of_the_page_has_an_allowed_licence() {
    let lock: Value = serde_json::from_str(&text("web/package-lock.json").unwrap()).unwrap();
    let packages = lock["packages"].as_object().unwrap();
    let shipped: Vec<_> = packages
        .iter()
        .filter(|(path, package)| !path.is_empty() && package["dev"] != true)
        .collect();
    assert!(!shipped.is_empty());
    let refused: Vec<String> = shipped
        .iter()
        .filter(|(_, package)| !package["license"].as_str().is_some_and(allowed))
        .map(|(path, package)| format!("{path} {}", package["license"]))
        .collect();
    assert!(refused.is_empty(), "{refused:#?}");
}

#[test]
fn expressions_are_read_as_spdx_means_them() {
    assert!(allowed("MIT OR GPL-3.0"));
    assert!(allowed("MIT/Apache-2.0"));
    assert!(allowed("(MIT OR Apache-2.0) AND Unicode-3.0"));
    assert!(allowed("Apache-2.0 WITH LLVM-exception"));
    assert!(!allowed("GPL-3.0"));
    assert!(!allowed("MIT AND GPL-3.0"));
    assert!(!allowed("(MIT OR Apache-2.0) AND OpenSSL"));
    assert!(!allowed(""));
}
