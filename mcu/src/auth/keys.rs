//! API keys: kept as SHA-256, compared in constant time.

use std::path::{Path, PathBuf};

use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;

use crate::secret::{self, SecretError};

/// Characters that a key has at least: about 120 bits of base 64.
const SHORTEST: usize = 24;

/// Why keys cannot be had.
#[derive(Debug, thiserror::Error)]
pub enum ApiKeyError {
    /// A file is missing or empty.
    #[error("API key file {0}")]
    File(#[from] SecretError),
    /// A key could be guessed.
    #[error("the API key in {path} is shorter than {SHORTEST} characters", path = .0.display())]
    TooShort(PathBuf),
}

/// The keys that the API accepts.
#[derive(Clone)]
pub struct ApiKeys(Vec<[u8; 32]>);

impl std::fmt::Debug for ApiKeys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "ApiKeys({})", self.0.len())
    }
}

impl ApiKeys {
    /// The key in `admin`, which is made when it isn't there, and those in `files`.
    ///
    /// # Errors
    /// When a file cannot be read or its key is too short.
    pub fn load(admin: &Path, files: &[PathBuf]) -> Result<Self, ApiKeyError> {
        let mut keys = vec![(admin.to_owned(), secret::load_or_create(admin)?)];
        for file in files {
            keys.push((file.clone(), secret::read(file)?));
        }
        if let Some((path, _)) = keys.iter().find(|(_, key)| key.len() < SHORTEST) {
            return Err(ApiKeyError::TooShort(path.clone()));
        }
        Ok(Self(
            keys.into_iter()
                .map(|(_, key)| Sha256::digest(key.as_bytes()).into())
                .collect(),
        ))
    }

    /// Whether `key` is one of them; takes as long for a wrong one.
    #[must_use]
    pub fn accepts(&self, key: &str) -> bool {
        let given: [u8; 32] = Sha256::digest(key.as_bytes()).into();
        let matched = self.0.iter().fold(subtle::Choice::from(0), |found, known| {
            found | known.ct_eq(&given)
        });
        matched.into()
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn the_admin_key_is_made_once_and_private() {
        let folder = crate::scratch::Folder::new();
        let admin = folder.path().join("admin.key");
        let keys = ApiKeys::load(&admin, &[]).unwrap();
        let key = secret::read(&admin).unwrap();
        assert!(keys.accepts(&key));
        assert!(!keys.accepts("") && !keys.accepts(&format!("{key}x")));
        assert_eq!(
            std::fs::metadata(&admin).unwrap().permissions().mode() & 0o777,
            0o600
        );
        assert!(ApiKeys::load(&admin, &[]).unwrap().accepts(&key));
    }

    #[test]
    fn a_short_key_is_refused() {
        let folder = crate::scratch::Folder::new();
        let short = folder.path().join("short.key");
        secret::write_private(&short, b"letmein\n").unwrap();
        assert!(matches!(
            ApiKeys::load(&folder.path().join("admin.key"), &[short]),
            Err(ApiKeyError::TooShort(_))
        ));
    }
}
