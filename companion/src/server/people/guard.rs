//! Guesses at passwords: ten wrong ones from one address or for one login within a quarter of an hour, then it waits.
#![expect(
    clippy::disallowed_types,
    reason = "lookups of nanoseconds need no task to own the table"
)]

use std::collections::{HashMap, VecDeque};
use std::net::IpAddr;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Wrong passwords that are allowed within [`WINDOW_MS`].
const ALLOWED: usize = 10;
/// A quarter of an hour, milliseconds.
const WINDOW_MS: i64 = 15 * 60 * 1000;
/// Logins and addresses remembered; the longest unheard of is forgotten first.
const REMEMBERED: usize = 20_000;

#[derive(Debug, Clone, PartialEq, Eq, Hash)]
enum Subject {
    Login(String),
    Address(IpAddr),
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(super) struct Guesses {
    seen: Arc<Mutex<HashMap<Subject, VecDeque<i64>>>>,
}

/// One home is one address: of IPv6 the first 64 bits.
fn address(from: IpAddr) -> IpAddr {
    match from.to_canonical() {
        IpAddr::V6(address) => IpAddr::V6((u128::from(address) >> 64 << 64).into()),
        address => address,
    }
}

fn subjects(login: &str, from: IpAddr) -> [Subject; 2] {
    // A login that nobody can have is none to remember.
    let login: String = login.chars().take(crate::text::LOGIN).collect();
    [Subject::Login(login), Subject::Address(address(from))]
}

impl Guesses {
    fn lock(&self) -> MutexGuard<'_, HashMap<Subject, VecDeque<i64>>> {
        self.seen.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Seconds to wait, if any.
    pub(super) fn wait(&self, login: &str, from: IpAddr, now: i64) -> Option<u64> {
        let seen = self.lock();
        let waits = subjects(login, from).into_iter().filter_map(|subject| {
            let times = seen.get(&subject)?;
            let first = times.iter().rev().nth(ALLOWED - 1)?;
            let left = first + WINDOW_MS - now;
            (left > 0).then(|| u64::try_from(left / 1000 + 1).unwrap_or(1))
        });
        waits.max()
    }

    /// Counts an attempt at a login.
    pub(super) fn count(&self, login: &str, from: IpAddr, now: i64) {
        self.count_all(subjects(login, from), now);
    }

    /// Counts an attempt at something that has no login.
    pub(super) fn count_address(&self, from: IpAddr, now: i64) {
        self.count_all([Subject::Address(address(from))], now);
    }

    fn count_all(&self, subjects: impl IntoIterator<Item = Subject>, now: i64) {
        let mut seen = self.lock();
        for subject in subjects {
            if seen.len() >= REMEMBERED && !seen.contains_key(&subject) {
                seen.retain(|_, times| times.back().is_some_and(|time| time + WINDOW_MS > now));
            }
            if seen.len() >= REMEMBERED && !seen.contains_key(&subject) {
                let oldest = seen.iter().min_by_key(|(_, times)| times.back().copied());
                if let Some(oldest) = oldest.map(|(subject, _)| subject.clone()) {
                    seen.remove(&oldest);
                }
            }
            let times = seen.entry(subject).or_default();
            times.push_back(now);
            if times.len() > ALLOWED {
                times.pop_front();
            }
        }
    }

    /// It was right: the login is forgiven, the address keeps its other guesses.
    pub(super) fn forget(&self, login: &str, from: IpAddr) {
        let mut seen = self.lock();
        let [login, address] = subjects(login, from);
        seen.remove(&login);
        if let Some(times) = seen.get_mut(&address) {
            times.pop_back();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOME: IpAddr = IpAddr::V4(std::net::Ipv4Addr::LOCALHOST);
    const OTHER: IpAddr = IpAddr::V4(std::net::Ipv4Addr::new(192, 0, 2, 1));

    #[test]
    fn ten_guesses_then_a_quarter_of_an_hour() {
        let guesses = Guesses::default();
        for at in 0..10 {
            assert_eq!(guesses.wait("anna", HOME, at), None);
            guesses.count("anna", HOME, at);
        }
        assert_eq!(guesses.wait("anna", HOME, 10), Some(900));
        assert_eq!(guesses.wait("anna", OTHER, 10), Some(900), "the login");
        assert_eq!(guesses.wait("ben", HOME, 10), Some(900), "the address");
        assert_eq!(guesses.wait("ben", OTHER, 10), None);
        assert_eq!(guesses.wait("anna", HOME, WINDOW_MS + 1), None);
    }

    #[test]
    fn who_signs_in_rightly_is_forgiven_but_not_the_address() {
        let guesses = Guesses::default();
        for at in 0..9 {
            guesses.count("anna", HOME, at);
        }
        guesses.count("anna", HOME, 9);
        guesses.forget("anna", HOME);
        assert_eq!(guesses.wait("anna", OTHER, 10), None);
        guesses.count("ben", HOME, 10);
        assert!(guesses.wait("ben", HOME, 11).is_some());
    }

    #[test]
    fn memory_is_bounded() {
        let guesses = Guesses::default();
        for at in 0..30_000_i64 {
            guesses.count(&format!("x{at}"), HOME, at);
        }
        assert!(guesses.lock().len() <= REMEMBERED + 2);
    }
}
