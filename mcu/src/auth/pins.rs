//! PINs: argon2id strings, checked off the async threads, few at a time, in time that tells nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use plenum_companion::server::Kdf;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::Role;
use crate::secret;
use crate::store::{ConferenceRecord, Pins};

/// Right PINs remembered, so that a hundred callers of one conference cost one argon2.
const REMEMBERED: usize = 1024;

/// Why a PIN could not be hashed or checked; nobody's fault but ours.
#[derive(Debug, thiserror::Error)]
pub enum PinError {
    /// argon2 refused.
    #[error("hashing failed: {0}")]
    Hash(String),
    /// No random source.
    #[error("no random source: {0}")]
    Random(#[from] std::io::Error),
    /// The thread died or the server is stopping.
    #[error("the check was interrupted")]
    Interrupted,
}

/// Hashes and checks PINs. Cheap to clone.
#[derive(Clone)]
pub struct PinVerifier {
    permits: Arc<Semaphore>,
    kdf: Arc<Kdf>,
    /// Checked in place of a conference that does not exist or has no such PIN.
    decoy: Arc<str>,
    /// Keys the memory: without it the digests below could be tried out.
    process_key: [u8; 32],
    // Shared by every session and call; a lookup of nanoseconds needs no task to own it.
    right: Arc<Mutex<HashMap<[u8; 32], Role>>>,
}

impl std::fmt::Debug for PinVerifier {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("PinVerifier")
    }
}

impl PinVerifier {
    /// A verifier that leaves at least half of the cores to media.
    ///
    /// # Errors
    /// When there is no random source.
    pub fn new() -> Result<Self, PinError> {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        let kdf = Kdf::default();
        let decoy = hash(&kdf, &secret::token()?)?.into();
        Ok(Self {
            permits: Arc::new(Semaphore::new((cores / 2).max(1))),
            kdf: Arc::new(kdf),
            decoy,
            process_key: secret::random()?,
            right: Arc::default(),
        })
    }

    /// The argon2id string of `pin`.
    ///
    /// # Errors
    /// When hashing fails.
    pub async fn hash(&self, pin: String) -> Result<String, PinError> {
        self.off_thread(move |kdf| hash(kdf, &pin)).await
    }

    /// The role that `pin` gives in `record`; `None` when it is wrong or the conference unknown. Both cost the same.
    ///
    /// # Errors
    /// When the check could not be made.
    pub async fn role(
        &self,
        record: Option<&ConferenceRecord>,
        pin: &str,
    ) -> Result<Option<Role>, PinError> {
        let memory = record.map(|record| self.digest(record, pin));
        if let Some(role) = memory.and_then(|digest| self.recall(&digest)) {
            return Ok(Some(role));
        }
        let Pins { host, guest } = record.map(|record| record.pins.clone()).unwrap_or_default();
        let (decoy, given) = (Arc::clone(&self.decoy), pin.to_owned());
        let role = self
            .off_thread(move |kdf| {
                // Both are always checked, real or not: the time tells neither which matched nor what exists.
                let is_host = matches(kdf, host.as_deref(), &decoy, &given);
                let is_guest = matches(kdf, guest.as_deref(), &decoy, &given);
                Ok(if is_host {
                    Some(Role::Host)
                } else {
                    is_guest.then_some(Role::Guest)
                })
            })
            .await?;
        if let (Some(digest), Some(role)) = (memory, role) {
            let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
            if right.len() >= REMEMBERED {
                right.clear();
            }
            right.insert(digest, role);
        }
        Ok(role)
    }

    /// Whether `pin` has opened `record` before, as far as is remembered.
    #[must_use]
    pub fn remembers(&self, record: &ConferenceRecord, pin: &str) -> bool {
        self.recall(&self.digest(record, pin)).is_some()
    }

    fn recall(&self, digest: &[u8; 32]) -> Option<Role> {
        self.right
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .get(digest)
            .copied()
    }

    /// Binds the PIN to this process, the conference and its very hashes, so that a changed PIN is not remembered.
    fn digest(&self, record: &ConferenceRecord, pin: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.process_key);
        for part in [
            Some(&record.id),
            record.pins.host.as_ref(),
            record.pins.guest.as_ref(),
        ] {
            let part = part.map_or("", String::as_str);
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        digest.update(pin);
        digest.finalize().into()
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kdf) -> Result<T, PinError> + Send + 'static,
    ) -> Result<T, PinError> {
        let permit = Arc::clone(&self.permits)
            .acquire_owned()
            .await
            .map_err(|_| PinError::Interrupted)?;
        let kdf = Arc::clone(&self.kdf);
        let done = tokio::task::spawn_blocking(move || {
            let result = work(&kdf);
            drop(permit);
            result
        });
        done.await.map_err(|_| PinError::Interrupted)?
    }
}

fn hash(kdf: &Kdf, pin: &str) -> Result<String, PinError> {
    let salt: [u8; 16] = secret::random()?;
    kdf.hash(pin, &salt).map_err(PinError::Hash)
}

fn matches(kdf: &Kdf, stored: Option<&str>, decoy: &str, pin: &str) -> bool {
    let right = kdf.matches(stored.unwrap_or(decoy), pin);
    right && stored.is_some()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    #[tokio::test]
    async fn each_pin_gives_its_role_and_no_other_does() {
        let verifier = PinVerifier::new().unwrap();
        let pins = Pins {
            host: Some(verifier.hash("9001".into()).await.unwrap()),
            guest: Some(verifier.hash("2001".into()).await.unwrap()),
        };
        let mut record = ConferenceRecord {
            id: "a".into(),
            number: "1".into(),
            name: String::new(),
            pins,
            max_minutes: None,
            manners: crate::conference::Manners::default(),
            created_ms: 0,
        };
        for _ in 0..2 {
            assert_eq!(
                verifier.role(Some(&record), "9001").await.unwrap(),
                Some(Role::Host)
            );
            assert_eq!(
                verifier.role(Some(&record), "2001").await.unwrap(),
                Some(Role::Guest)
            );
            assert_eq!(verifier.role(Some(&record), "2002").await.unwrap(), None);
        }
        assert_eq!(verifier.role(None, "2001").await.unwrap(), None);
        record.pins.guest = None;
        assert_eq!(
            verifier.role(Some(&record), "2001").await.unwrap(),
            None,
            "a changed PIN is not remembered"
        );
    }
}
