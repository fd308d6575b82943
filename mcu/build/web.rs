//! Builds the browser client with npm into `OUT_DIR/web`, which the binary embeds.
//!
//! Writes nothing into the source tree but `web/node_modules`. Knows nothing of what the page does.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use super::fault::Fault;

/// Where the client lives, seen from the `mcu` package.
const SOURCE: &str = "../web";

/// What the built page depends on, relative to [`SOURCE`].
const INPUTS: [&str; 8] = [
    "src",
    "public",
    "index.html",
    "app.html",
    "vite.config.ts",
    "tsconfig.json",
    "package.json",
    "package-lock.json",
];

/// Node versions that the bundler runs on: 20 from minor 19, 22 from minor 12, anything newer.
const NODE_REMEDY: &str = "install Node.js 22 with npm (https://nodejs.org), or build without the page: \
     cargo build --release --no-default-features";

/// Installs the locked packages when the lock has changed and bundles the page into `OUT_DIR/web`.
pub(crate) fn build() -> Result<(), Fault> {
    let source = Path::new(&variable("CARGO_MANIFEST_DIR")?).join(SOURCE);
    let out = PathBuf::from(variable("OUT_DIR")?).join("web");
    for input in INPUTS {
        println!("cargo::rerun-if-changed={}", source.join(input).display());
    }
    check_node()?;
    install(&source)?;
    run(
        &source,
        &[
            "run",
            "build",
            "--",
            "--emptyOutDir",
            "--outDir",
            &out.to_string_lossy(),
        ],
        "run `npm ci && npm run build` in web/ to see what is wrong",
    )?;
    if out.join("index.html").is_file() {
        Ok(())
    } else {
        Err(Fault::new(
            "the page's build left no index.html",
            "run `npm run build` in web/",
        ))
    }
}

fn variable(name: &str) -> Result<String, Fault> {
    env::var(name).map_err(|_| Fault::new(format!("{name} is not set"), "build with cargo"))
}

/// Refuses a Node.js too old for the bundler before npm prints a page of its own about it.
fn check_node() -> Result<(), Fault> {
    let missing = |what: &str| {
        Fault::new(
            format!("the page is built with npm, and {what}"),
            NODE_REMEDY,
        )
    };
    let output = Command::new("node")
        .arg("--version")
        .output()
        .map_err(|_| missing("there is no `node` in PATH"))?;
    let text = String::from_utf8_lossy(&output.stdout).trim().to_owned();
    let mut numbers = text
        .trim_start_matches('v')
        .split('.')
        .map_while(|part| part.parse::<u32>().ok());
    let version = (numbers.next().unwrap_or(0), numbers.next().unwrap_or(0));
    let suits = match version.0 {
        20 => version.1 >= 19,
        22 => version.1 >= 12,
        major => major > 22,
    };
    if suits {
        Ok(())
    } else {
        Err(missing(&format!(
            "Node.js {text} is too old: 20.19 or 22.12 at least"
        )))
    }
}

/// `npm ci`, unless `node_modules` already holds this very lock: the stamp is a copy of it.
fn install(source: &Path) -> Result<(), Fault> {
    let remedy = "run `npm ci --ignore-scripts` in web/; it needs the npm registry or a warm cache";
    let lock = fs::read(source.join("package-lock.json")).map_err(|error| {
        Fault::new(
            format!("web/package-lock.json: {error}"),
            "restore it from the repository",
        )
    })?;
    let stamp = source.join("node_modules/.plenum-installed");
    if fs::read(&stamp).is_ok_and(|installed| installed == lock) {
        return Ok(());
    }
    run(
        source,
        &[
            "ci",
            "--ignore-scripts",
            "--include=dev",
            "--no-fund",
            "--no-audit",
            "--prefer-offline",
        ],
        remedy,
    )?;
    fs::write(&stamp, lock)
        .map_err(|error| Fault::new(format!("{}: {error}", stamp.display()), remedy))
}

/// Runs npm in `folder`; its whole output is the fault's text when it fails.
fn run(folder: &Path, arguments: &[&str], remedy: &str) -> Result<(), Fault> {
    let output = Command::new("npm")
        .args(arguments)
        .current_dir(folder)
        .env("NO_COLOR", "1")
        .env("NO_UPDATE_NOTIFIER", "1")
        .output()
        .map_err(|error| {
            Fault::new(
                format!("the page is built with npm, and `npm` did not start: {error}"),
                NODE_REMEDY,
            )
        })?;
    if output.status.success() {
        return Ok(());
    }
    let said = [output.stdout, output.stderr]
        .map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
        .concat();
    Err(Fault::new(
        format!("npm {} failed\n{said}", arguments.join(" ")),
        remedy,
    ))
}
