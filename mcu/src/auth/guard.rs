//! Slows guessing down: each wrong PIN of a caller or address delays its next answer, doubling; time heals.
//!
//! Bounded; when full, the entry nearest to being healed is forgotten. Knows addresses only as keyed hashes.

use std::collections::HashMap;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use sha2::{Digest, Sha256};

use crate::secret::{self, SecretError};

/// Delay after the first wrong PIN.
const FIRST_DELAY: Duration = Duration::from_millis(250);
/// Longest delay; below the 5 s that the attendant waits for an answer.
const LONGEST_DELAY: Duration = Duration::from_secs(4);
/// One failure is forgiven after this long.
const HEALING: Duration = Duration::from_secs(60);
/// Callers remembered.
const CAPACITY: usize = 10_000;

/// PINs of one caller or address that are checked side by side while none was wrong; others wait their turn.
const SIDE_BY_SIDE: usize = 16;
/// PINs of one caller or address at the door at once; more are refused.
const AT_THE_DOOR: usize = 512;

/// By which door somebody comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Door {
    /// A phone call.
    Phone,
    /// The page.
    Web,
}

/// Who guesses.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct GuardKey {
    /// Of the address or number, keyed.
    pub(super) hash: u64,
    pub(super) door: Door,
}

#[derive(Debug, Clone, Copy)]
struct Entry {
    failures: u32,
    last: Instant,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct Guard {
    /// Keys the hashes: without it numbers could be tried out.
    secret: Arc<str>,
    // Shared by every session and call; a lookup of nanoseconds needs no task to own it.
    entries: Arc<Mutex<HashMap<GuardKey, Entry>>>,
    // Likewise; holds only those who are at the door now.
    doors: Arc<Mutex<HashMap<GuardKey, Queue>>>,
}

#[derive(Debug, Default)]
struct Queue {
    inside: usize,
    gate: Arc<tokio::sync::Mutex<()>>,
}

/// A place at the door, given back when dropped.
#[derive(Debug)]
pub struct Turn {
    guard: Guard,
    key: GuardKey,
    gate: Option<tokio::sync::OwnedMutexGuard<()>>,
}

impl Drop for Turn {
    fn drop(&mut self) {
        let doors = &self.guard.doors;
        let mut doors = doors.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(door) = doors.get_mut(&self.key) {
            door.inside = door.inside.saturating_sub(1);
            if door.inside == 0 {
                doors.remove(&self.key);
            }
        }
    }
}

/// Whose an address is, as far as it tells: the IPv4 address, or the /64 network, of which one host may use all.
pub(crate) fn network(address: IpAddr) -> u128 {
    match address.to_canonical() {
        IpAddr::V4(v4) => u128::from(u32::from(v4)),
        IpAddr::V6(v6) => u128::from(v6) >> 64 << 64,
    }
}

impl Guard {
    /// Key of a web client.
    #[must_use]
    pub fn address(&self, address: IpAddr) -> GuardKey {
        self.key(Door::Web, &[&network(address).to_be_bytes()])
    }

    /// Key of a phone: trunk and calling number.
    #[must_use]
    pub fn caller(&self, trunk: &str, number: &str) -> GuardKey {
        self.key(Door::Phone, &[trunk.as_bytes(), number.as_bytes()])
    }

    fn key(&self, door: Door, parts: &[&[u8]]) -> GuardKey {
        let mut digest = Sha256::new();
        digest.update(&*self.secret);
        digest.update([u8::from(door == Door::Phone)]);
        for part in parts {
            digest.update(part.len().to_be_bytes());
            digest.update(part);
        }
        let hash = digest.finalize();
        let hash = hash.iter().take(8);
        let hash = hash.fold(0, |hash, byte| hash << 8 | u64::from(*byte));
        GuardKey { hash, door }
    }

    /// One whose keys are the same after a restart: with the secret in `path`, which is made when it is not there.
    ///
    /// # Errors
    /// When it can be neither read nor made.
    pub fn load(path: &Path) -> Result<Self, SecretError> {
        let secret = secret::load_or_create(path)?.into();
        Ok(Self {
            secret,
            ..Self::default()
        })
    }

    /// Waits for `key`'s turn to have a PIN checked; `None` when too many of it are waiting. Once one was wrong,
    /// or many come at once, they are checked one by one: otherwise a hundred connections would guess a hundred
    /// times as fast, and keep the few threads that check PINs from everybody else.
    pub async fn turn(&self, key: GuardKey) -> Option<Turn> {
        let (mut turn, gate) = {
            let mut doors = self.doors.lock().unwrap_or_else(PoisonError::into_inner);
            let door = doors.entry(key).or_default();
            if door.inside >= AT_THE_DOOR {
                return None;
            }
            door.inside += 1;
            let crowded = door.inside > SIDE_BY_SIDE || !self.delay(key, Instant::now()).is_zero();
            let turn = Turn {
                guard: self.clone(),
                key,
                gate: None,
            };
            (turn, crowded.then(|| Arc::clone(&door.gate)))
        };
        if let Some(gate) = gate {
            turn.gate = Some(gate.lock_owned().await);
        }
        Some(turn)
    }

    /// How long the next answer to `key` must wait, right or wrong.
    #[must_use]
    pub fn delay(&self, key: GuardKey, now: Instant) -> Duration {
        let entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        match entries.get(&key).map_or(0, |entry| entry.standing(now)) {
            0 => Duration::ZERO,
            failures => FIRST_DELAY
                .saturating_mul(1 << (failures - 1).min(8))
                .min(LONGEST_DELAY),
        }
    }

    /// Remembers a wrong PIN.
    pub fn failed(&self, key: GuardKey, now: Instant) {
        let mut entries = self.entries.lock().unwrap_or_else(PoisonError::into_inner);
        if entries.len() >= CAPACITY && !entries.contains_key(&key) {
            entries.retain(|_, entry| entry.standing(now) > 0);
            let mildest = entries
                .iter()
                .min_by_key(|(_, entry)| (entry.standing(now), entry.last))
                .map(|(key, _)| *key);
            if let Some(mildest) = mildest.filter(|_| entries.len() >= CAPACITY) {
                entries.remove(&mildest);
            }
        }
        let entry = entries.entry(key).or_insert(Entry {
            failures: 0,
            last: now,
        });
        *entry = Entry {
            failures: entry.standing(now).saturating_add(1).min(64),
            last: now,
        };
    }
}

impl Entry {
    /// Failures less those forgiven.
    fn standing(&self, now: Instant) -> u32 {
        let healed = now.saturating_duration_since(self.last).as_secs() / HEALING.as_secs();
        self.failures
            .saturating_sub(u32::try_from(healed).unwrap_or(u32::MAX))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn delays_double_up_to_the_longest_and_heal() {
        let guard = Guard::default();
        let key = guard.caller("trunk", "+4912345");
        let start = Instant::now();
        assert_eq!(guard.delay(key, start), Duration::ZERO);
        let delays: Vec<_> = (0..6)
            .map(|_| {
                guard.failed(key, start);
                guard.delay(key, start).as_millis()
            })
            .collect();
        assert_eq!(delays, [250, 500, 1000, 2000, 4000, 4000]);
        assert_eq!(guard.delay(key, start + HEALING * 5).as_millis(), 250);
        assert_eq!(guard.delay(key, start + HEALING * 6), Duration::ZERO);
        assert_eq!(
            guard.delay(guard.caller("trunk", "+4912346"), start),
            Duration::ZERO
        );
    }

    #[tokio::test]
    async fn who_has_guessed_wrongly_guesses_one_at_a_time_however_many_connections() {
        let guard = Guard::default();
        let key = guard.caller("trunk", "guesser");
        guard.failed(key, Instant::now());
        let first = guard.turn(key).await;
        let mut second = Box::pin(guard.turn(key));
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, &mut second).await.is_err());
        let other = guard.turn(guard.caller("trunk", "honest")).await;
        assert!(other.is_some(), "others do not wait");
        drop(first);
        assert!(second.await.is_some());
        drop(other);
        assert!(guard.doors.lock().is_ok_and(|doors| doors.is_empty()));
    }

    #[tokio::test]
    async fn many_at_once_wait_and_too_many_are_refused() {
        let guard = Guard::default();
        let key = guard.caller("trunk", "office");
        let mut inside = Vec::new();
        for _ in 0..=SIDE_BY_SIDE {
            inside.push(guard.turn(key).await);
        }
        let soon = Duration::from_millis(20);
        assert!(tokio::time::timeout(soon, guard.turn(key)).await.is_err());
        guard
            .doors
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .entry(key)
            .or_default()
            .inside = AT_THE_DOOR;
        assert!(guard.turn(key).await.is_none());
    }

    #[test]
    fn it_never_remembers_more_than_its_capacity() {
        let guard = Guard::default();
        let start = Instant::now();
        let worst = guard.caller("trunk", "worst");
        guard.failed(worst, start);
        guard.failed(worst, start);
        for number in 0..CAPACITY + 10 {
            guard.failed(guard.caller("trunk", &number.to_string()), start);
        }
        assert!(
            guard
                .entries
                .lock()
                .is_ok_and(|entries| entries.len() <= CAPACITY)
        );
        assert_eq!(
            guard.delay(worst, start).as_millis(),
            500,
            "the worst is not the one forgotten"
        );
    }
}
