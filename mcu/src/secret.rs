//! Random secrets and the files that keep them. The operating system's random source, nothing else.

use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// A file of ours cannot be read or made.
#[derive(Debug, thiserror::Error)]
#[error("{path}: {source}", path = path.display())]
pub struct SecretError {
    /// Which.
    pub path: PathBuf,
    /// Why.
    pub source: io::Error,
}

/// `N` random bytes.
///
/// # Errors
/// When the operating system has no random source.
pub fn random<const N: usize>() -> io::Result<[u8; N]> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes).map_err(|error| io::Error::other(error.to_string()))?;
    Ok(bytes)
}

/// 192 random bits as text that fits a URL.
///
/// # Errors
/// When the operating system has no random source.
pub fn token() -> io::Result<String> {
    Ok(URL_SAFE_NO_PAD.encode(random::<24>()?))
}

/// `digits` random decimal digits, each equally likely.
///
/// # Errors
/// When the operating system has no random source.
pub fn digits(digits: usize) -> io::Result<String> {
    let mut text = String::with_capacity(digits);
    while text.len() < digits {
        // 250 is the largest multiple of ten that fits: anything above would favour small digits.
        let fair = random::<16>()?.into_iter().filter(|byte| *byte < 250);
        text.extend(
            fair.map(|byte| char::from(b'0' + byte % 10))
                .take(digits - text.len()),
        );
    }
    Ok(text)
}

/// The trimmed text of `path`; makes the file with a fresh [`token`], mode 0600, when it isn't there.
///
/// # Errors
/// When the file can neither be read nor made.
pub fn load_or_create(path: &Path) -> Result<String, SecretError> {
    let fault = |source| SecretError {
        path: path.to_owned(),
        source,
    };
    match read(path) {
        Err(error) if error.source.kind() == io::ErrorKind::NotFound => {
            let secret = token().map_err(fault)?;
            write_private(path, secret.as_bytes())?;
            Ok(secret)
        }
        other => other,
    }
}

/// The trimmed text of `path`.
///
/// # Errors
/// When the file cannot be read or is empty.
pub fn read(path: &Path) -> Result<String, SecretError> {
    let fault = |source| SecretError {
        path: path.to_owned(),
        source,
    };
    let mut text = String::new();
    std::fs::File::open(path)
        .and_then(|file| file.take(64 * 1024).read_to_string(&mut text))
        .map_err(fault)?;
    match text.lines().next().map(str::trim) {
        Some(secret) if !secret.is_empty() => Ok(secret.to_owned()),
        _ => Err(fault(io::Error::new(
            io::ErrorKind::InvalidData,
            "the file is empty",
        ))),
    }
}

/// Writes a file that only its owner may read, whole or not at all.
///
/// # Errors
/// When it cannot be written.
pub fn write_private(path: &Path, bytes: &[u8]) -> Result<(), SecretError> {
    let fault = |source| SecretError {
        path: path.to_owned(),
        source,
    };
    let unfinished = path.with_extension("unfinished");
    let mut file = std::fs::OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(true)
        .mode(0o600)
        .open(&unfinished)
        .map_err(fault)?;
    file.write_all(bytes)
        .and_then(|()| file.sync_all())
        .map_err(fault)?;
    std::fs::rename(&unfinished, path).map_err(fault)
}

/// Makes a folder that only its owner may enter.
///
/// # Errors
/// When it cannot be made.
pub fn create_folder(path: &Path) -> Result<(), SecretError> {
    let made = std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o700)
        .create(path);
    made.map_err(|source| SecretError {
        path: path.to_owned(),
        source,
    })
}
