//! PINs: argon2id strings, checked off the async threads, few at a time, in time that tells nothing.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use plenum_companion::server::Kdf;
use sha2::{Digest, Sha256};
use tokio::sync::Semaphore;

use super::Role;
use crate::secret;
use crate::store::{ConferenceRecord, now_ms};

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
    right: Arc<Mutex<HashMap<[u8; 32], Known>>>,
}

/// What a PIN that was right before gives.
#[derive(Clone, PartialEq, Eq)]
pub enum Known {
    /// A role.
    Role(Role),
    /// It is somebody's own, kept as [`Checked::own`], unless it was taken back or expired meanwhile.
    Own(Arc<str>),
}

impl std::fmt::Debug for Known {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Known(redacted)")
    }
}

/// What a PIN may be.
pub struct Checked {
    /// The conference's, with the role that it gives.
    pub role: Option<Role>,
    /// What it would be kept as if it were somebody's own. Under one salt for all of a conference: one hash says whose it is, and a PIN of
    /// so few digits is no safer under a salt of its own.
    pub own: String,
}

impl std::fmt::Debug for Checked {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Checked(redacted)")
    }
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

    /// What `pin` is in `record`; no role when it is wrong or the conference unknown. All cost the same.
    ///
    /// # Errors
    /// When the check could not be made.
    pub async fn check(
        &self,
        record: Option<&ConferenceRecord>,
        pin: &str,
    ) -> Result<Checked, PinError> {
        let pins = record.map(|record| record.pins.at(now_ms()));
        let [host, guest] = pins.unwrap_or_default().map(|pin| pin.map(str::to_owned));
        let salt = salt_of(record.map_or("", |record| record.id.as_str()));
        let (decoy, given) = (Arc::clone(&self.decoy), pin.to_owned());
        let checked = self
            .off_thread(move |kdf| {
                // All are always checked, real or not: the time tells neither which matched nor what exists.
                let is_host = matches(kdf, host.as_deref(), &decoy, &given);
                let is_guest = matches(kdf, guest.as_deref(), &decoy, &given);
                let own = kdf.hash(&given, &salt).map_err(PinError::Hash)?;
                let role = if is_host {
                    Some(Role::Host)
                } else {
                    is_guest.then_some(Role::Guest)
                };
                Ok(Checked { role, own })
            })
            .await?;
        if let (Some(record), Some(role)) = (record, checked.role) {
            self.remember(record, pin, Known::Role(role));
        }
        Ok(checked)
    }

    /// What `pin` has been in `record` before, as far as is remembered.
    #[must_use]
    pub fn recall(&self, record: &ConferenceRecord, pin: &str) -> Option<Known> {
        let digest = self.digest(record, pin);
        let right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        right.get(&digest).cloned()
    }

    /// Remembers what `pin` is in `record`.
    pub fn remember(&self, record: &ConferenceRecord, pin: &str, known: Known) {
        let digest = self.digest(record, pin);
        let mut right = self.right.lock().unwrap_or_else(PoisonError::into_inner);
        if right.len() >= REMEMBERED {
            right.clear();
        }
        right.insert(digest, known);
    }

    /// Binds the PIN to this process, the conference and its very hashes as they hold now, so that a changed or expired PIN is not
    /// remembered.
    fn digest(&self, record: &ConferenceRecord, pin: &str) -> [u8; 32] {
        let mut digest = Sha256::new();
        digest.update(self.process_key);
        let [host, guest] = record.pins.at(now_ms());
        for part in [Some(record.id.as_str()), host, guest] {
            let part = part.unwrap_or_default();
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

/// Sixteen bytes that are a conference's own: its ULID has 80 random bits.
fn salt_of(conference: &str) -> [u8; 16] {
    let mut digest = Sha256::new();
    digest.update("plenum personal pin");
    digest.update(conference);
    let mut salt = [0; 16];
    salt.copy_from_slice(&digest.finalize()[..16]);
    salt
}

fn matches(kdf: &Kdf, stored: Option<&str>, decoy: &str, pin: &str) -> bool {
    let right = kdf.matches(stored.unwrap_or(decoy), pin);
    right && stored.is_some()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::store::Pins;

    #[tokio::test]
    async fn each_pin_gives_its_role_and_no_other_does() {
        let verifier = PinVerifier::new().unwrap();
        let pins = Pins {
            host: Some(verifier.hash("9001".into()).await.unwrap()),
            guest: Some(verifier.hash("2001".into()).await.unwrap()),
            ..Pins::default()
        };
        let mut record = ConferenceRecord {
            id: "a".into(),
            number: "1".into(),
            name: String::new(),
            pins,
            max_minutes: None,
            manners: crate::conference::Manners::default(),
            locked: false,
            is_call: false,
            created_ms: 0,
        };
        let role = async |record: Option<&ConferenceRecord>, pin: &str| {
            verifier.check(record, pin).await.unwrap().role
        };
        for _ in 0..2 {
            assert_eq!(role(Some(&record), "9001").await, Some(Role::Host));
            assert_eq!(role(Some(&record), "2001").await, Some(Role::Guest));
            assert_eq!(role(Some(&record), "2002").await, None);
        }
        let known = Some(Known::Role(Role::Guest));
        assert_eq!(verifier.recall(&record, "2001"), known);
        assert_eq!(verifier.recall(&record, "2002"), None);
        assert_eq!(role(None, "2001").await, None);
        record.pins.guest_expires_ms = Some(now_ms() - 1);
        assert_eq!(verifier.recall(&record, "2001"), None, "an expired PIN");
        assert_eq!(role(Some(&record), "2001").await, None);
        record.pins.guest_expires_ms = Some(now_ms() + 60_000);
        assert_eq!(verifier.recall(&record, "2001"), known);
        record.pins.guest = None;
        assert_eq!(verifier.recall(&record, "2001"), None, "a changed PIN");
        assert_eq!(role(Some(&record), "2001").await, None);
    }

    #[tokio::test]
    async fn a_personal_pin_is_kept_the_same_each_time_and_another_in_each_conference() {
        let verifier = PinVerifier::new().unwrap();
        let own = async |conference: &str, pin: &str| {
            let record = ConferenceRecord {
                id: conference.to_owned(),
                number: "4711".to_owned(),
                name: "Talk".to_owned(),
                pins: Pins::default(),
                max_minutes: None,
                manners: crate::conference::Manners::default(),
                locked: false,
                is_call: false,
                created_ms: 0,
            };
            verifier.check(Some(&record), pin).await.unwrap().own
        };
        let kept = own("a", "12345678").await;
        assert!(kept.starts_with("$argon2id$") && !kept.contains("12345678"));
        assert_eq!(own("a", "12345678").await, kept);
        assert_ne!(own("b", "12345678").await, kept);
        assert_ne!(own("a", "12345679").await, kept);
    }
}
