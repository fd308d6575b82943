//! argon2id (RFC 9106) in memory that is kept from hash to hash.
//!
//! A hash takes 19 MiB. Allocated and freed on whichever thread does the work, they stay behind in the allocator's arena of each, and add up.

#![expect(
    clippy::disallowed_types,
    reason = "kept memory is taken and given back within nanoseconds"
)]

use std::sync::{Mutex, PoisonError};

use argon2::password_hash::phc::{Output, ParamsString, PasswordHash, Salt};
use argon2::{Algorithm, Argon2, Block, Params, Version};

/// Memory for as many hashes as are made at once.
#[derive(Debug, Default)]
pub struct Kdf {
    spare: Mutex<Vec<Vec<Block>>>,
}

impl Kdf {
    /// The PHC string of a secret.
    ///
    /// # Errors
    /// Says what argon2 refused.
    pub fn hash(&self, secret: &str, salt: &[u8]) -> Result<String, String> {
        let params = Params::DEFAULT;
        let refused = |error: &dyn std::fmt::Display| error.to_string();
        let hash = PasswordHash {
            algorithm: Algorithm::Argon2id.ident(),
            version: Some(Version::V0x13.into()),
            params: ParamsString::try_from(&params).map_err(|error| refused(&error))?,
            salt: Some(Salt::new(salt).map_err(|error| refused(&error))?),
            hash: Some(self.output(Argon2::from(&params), secret, salt)?),
        };
        Ok(hash.to_string())
    }

    /// Whether `text` is the PHC string of `secret`.
    #[must_use]
    pub fn matches(&self, text: &str, secret: &str) -> bool {
        let Ok(hash) = PasswordHash::new(text) else {
            return false;
        };
        let (Some(salt), Some(expected)) = (&hash.salt, &hash.hash) else {
            return false;
        };
        let algorithm = Algorithm::try_from(hash.algorithm.as_str());
        let version = hash.version.map_or(Ok(Version::V0x13), Version::try_from);
        let (Ok(algorithm), Ok(version), Ok(params)) =
            (algorithm, version, Params::try_from(&hash))
        else {
            return false;
        };
        // Compared in constant time by `Output`.
        self.output(Argon2::new(algorithm, version, params), secret, salt)
            .is_ok_and(|output| output == *expected)
    }

    fn output(&self, argon2: Argon2<'_>, secret: &str, salt: &[u8]) -> Result<Output, String> {
        let params = argon2.params();
        let (length, blocks) = (params.output_len(), params.block_count());
        let mut memory = self.lock().pop().unwrap_or_default();
        memory.resize(blocks, Block::new());
        let mut output = [0; Output::MAX_LENGTH];
        let made = output
            .get_mut(..length.unwrap_or(Params::DEFAULT_OUTPUT_LEN))
            .ok_or_else(|| "the hash would be too long".to_owned())
            .and_then(|output| {
                argon2
                    .hash_password_into_with_memory(secret.as_bytes(), salt, output, &mut memory)
                    .map_err(|error| error.to_string())?;
                Output::new(output).map_err(|error| error.to_string())
            });
        self.lock().push(memory);
        made
    }

    fn lock(&self) -> std::sync::MutexGuard<'_, Vec<Vec<Block>>> {
        self.spare.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use argon2::{PasswordHasher, PasswordVerifier};

    use super::*;

    #[test]
    fn the_strings_are_argon2s_and_its_own_are_known() {
        let kdf = Kdf::default();
        let ours = kdf.hash("2001", &[7; 16]).unwrap();
        assert!(
            ours.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{ours}"
        );
        let theirs = PasswordHash::new(&ours).unwrap();
        assert!(Argon2::default().verify_password(b"2001", &theirs).is_ok());
        let theirs = Argon2::default()
            .hash_password(b"2001")
            .unwrap()
            .to_string();
        for text in [&ours, &theirs] {
            assert!(kdf.matches(text, "2001") && !kdf.matches(text, "2002"));
        }
        // Of other costs, as an older release may have stored it.
        let small = Params::new(64, 1, 1, None).unwrap();
        let theirs = Argon2::from(small).hash_password(b"2001").unwrap();
        assert!(kdf.matches(&theirs.to_string(), "2001"));
        assert!(kdf.matches(&ours, "2001"));
        assert!(!kdf.matches("", "2001") && !kdf.matches("$argon2id$v=19", "2001"));
        assert_eq!(kdf.lock().len(), 1, "memory is kept once");
    }
}
