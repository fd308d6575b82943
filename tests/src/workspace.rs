//! Where things are: the repository, the built binary, the folder for what a test leaves behind.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, PoisonError};

use anyhow::{Context as _, Result, bail};

/// The root of the repository.
#[must_use]
pub fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .map_or_else(|| PathBuf::from("."), Path::to_path_buf)
}

/// The folder of the profile in which this test was built (`target/release`).
///
/// # Errors
/// When the running executable has no path, or lies outside a cargo target folder.
pub fn profile_dir() -> Result<PathBuf> {
    let exe = std::env::current_exe().context("the path of the running test")?;
    let dir = exe
        .ancestors()
        .find(|dir| dir.file_name().is_some_and(|name| name == "deps"))
        .and_then(Path::parent)
        .or_else(|| exe.parent())
        .context("the folder of the running test")?;
    Ok(dir.to_path_buf())
}

/// The binary that `make run` starts: `plenum` beside this test in the same profile.
///
/// # Errors
/// When it has not been built. A test that cannot find it must fail, never skip.
pub fn plenum() -> Result<PathBuf> {
    let binary = profile_dir()?.join("plenum");
    if !binary.is_file() {
        bail!(
            "{} is missing: build it with `make build`",
            binary.display()
        );
    }
    Ok(binary)
}

/// A fresh folder for what one test leaves behind, under the target folder so that it can be looked at afterwards. The tests run in
/// parallel: the second that asks for `name` gets `name-2`.
///
/// # Errors
/// When it cannot be created.
pub fn scratch(name: &str) -> Result<PathBuf> {
    static ASKED: Mutex<BTreeMap<String, u32>> = Mutex::new(BTreeMap::new());
    let times = {
        let mut asked = ASKED.lock().unwrap_or_else(PoisonError::into_inner);
        let times = asked.entry(name.to_owned()).or_default();
        *times += 1;
        *times
    };
    let name = match times {
        1 => name.to_owned(),
        times => format!("{name}-{times}"),
    };
    let dir = profile_dir()?.join("interop").join(name);
    if dir.exists() {
        std::fs::remove_dir_all(&dir).with_context(|| format!("emptying {}", dir.display()))?;
    }
    std::fs::create_dir_all(&dir).with_context(|| format!("creating {}", dir.display()))?;
    Ok(dir)
}

/// A command that runs `program` as root, by sudo where we are somebody else. Our user id is asked of /proc, so that no unsafe
/// call is needed.
///
/// # Errors
/// When /proc does not say who we are.
pub fn as_root(program: &Path) -> Result<Command> {
    let status = std::fs::read_to_string("/proc/self/status").context("reading the own user id")?;
    let root = status
        .lines()
        .find_map(|line| line.strip_prefix("Uid:"))
        .and_then(|ids| ids.split_whitespace().nth(1).map(|id| id == "0"))
        .context("no Uid in /proc/self/status")?;
    if root {
        return Ok(Command::new(program));
    }
    let mut command = Command::new("sudo");
    command.arg("-n").arg(program);
    Ok(command)
}

/// Finds a program on the search path.
///
/// # Errors
/// When it is not installed: names the package that holds it.
pub fn program(name: &str, package: &str) -> Result<PathBuf> {
    let path = std::env::var_os("PATH").context("PATH is not set")?;
    std::env::split_paths(&path)
        .map(|dir| dir.join(name))
        .find(|candidate| candidate.is_file())
        .with_context(|| {
            format!("{name} is not installed (Debian package {package}): run `make deps`")
        })
}
