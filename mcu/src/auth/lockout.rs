//! Who has tried too many wrong PINs, and which conference's door has seen too many, is shut out for a while, doubling.
//!
//! An attempt is counted, on disk too, before its PIN is looked at, and taken off again when that was right: neither many at once nor
//! a restart gives a guess for nothing. Who would be one too many while others are looked at waits for them: a crowd with the right PIN is
//! not shut out. Beside it, [`super::Guard`] slows down whoever has guessed wrongly. Knows no PIN.

use std::collections::HashMap;
use std::sync::{Arc, PoisonError};

use tokio::sync::{Mutex, MutexGuard, Notify};

use super::guard::{Door, GuardKey};
use crate::store::{Store, StoreError};

const MINUTE: i64 = 60_000;
const DAY: i64 = 24 * 60 * MINUTE;
/// Subjects remembered; beyond it those nearest to being forgiven are forgotten.
const CAPACITY: usize = 10_000;

/// How many wrong PINs in what time shut out for how long. Times are milliseconds.
#[derive(Debug, Clone, Copy)]
struct Limits {
    most: u32,
    within: i64,
    first: i64,
    longest: i64,
    /// Wrong PINs in all, after which the door stays shut.
    cap: u32,
}

const CALLER: Limits = Limits {
    most: 10,
    within: 15 * MINUTE,
    first: 15 * MINUTE,
    longest: DAY,
    cap: u32::MAX,
};

const CONFERENCE: Limits = Limits {
    most: 20,
    within: 10 * MINUTE,
    first: 10 * MINUTE,
    longest: 60 * MINUTE,
    cap: 100,
};

/// The wrong PINs of one subject. Times are milliseconds since 1970.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Since `since_ms`.
    pub failures: u32,
    /// When they began to be counted.
    pub since_ms: i64,
    /// Until then nothing is evaluated.
    pub closed_until_ms: i64,
    /// How often it was shut; forgiven by a quiet day.
    pub closings: u32,
    /// Since the PINs are as they are.
    pub total: u32,
}

impl Tally {
    fn is_shut(&self, limits: Limits, now: i64) -> bool {
        self.closed_until_ms > now || self.total >= limits.cap
    }

    /// One more would be too many if all under way were wrong.
    fn is_full(&self, limits: Limits, now: i64) -> bool {
        let current = now - self.since_ms <= limits.within;
        self.total >= limits.cap || (current && self.failures >= limits.most)
    }

    /// Counts an attempt. `false`: it is shut, and nothing is counted.
    fn begin(&mut self, limits: Limits, now: i64) -> bool {
        if self.is_shut(limits, now) {
            return false;
        }
        if now - self.since_ms.max(self.closed_until_ms) > DAY {
            self.closings = 0;
        }
        if now - self.since_ms > limits.within {
            (self.failures, self.since_ms) = (0, now);
        }
        if self.failures >= limits.most {
            // They were under way when the server ended, or the call did.
            self.shut(limits, now);
            return false;
        }
        self.failures += 1;
        self.total = self.total.saturating_add(1);
        true
    }

    /// The attempt was right.
    fn right(&mut self) {
        self.failures = self.failures.saturating_sub(1);
        self.total = self.total.saturating_sub(1);
    }

    /// The attempt was wrong; `true` when that shuts it.
    fn wrong(&mut self, limits: Limits, now: i64) -> bool {
        let full = self.closed_until_ms <= now && self.failures >= limits.most;
        if full {
            self.shut(limits, now);
        }
        full || self.total >= limits.cap
    }

    fn shut(&mut self, limits: Limits, now: i64) {
        let times = 1_i64 << self.closings.min(20);
        self.closed_until_ms = now + limits.first.saturating_mul(times).min(limits.longest);
        self.closings = self.closings.saturating_add(1);
        self.failures = 0;
    }

    /// When nothing of it matters any more.
    fn forgiven_ms(&self, limits: Limits) -> i64 {
        if limits.cap < u32::MAX && self.total > 0 {
            return i64::MAX;
        }
        self.since_ms.max(self.closed_until_ms) + DAY
    }
}

/// An attempt that may be evaluated. Dropped without word of how it ended, it stays counted.
#[derive(Debug)]
#[must_use]
pub struct Attempt {
    caller: String,
    conference: Option<String>,
    under_way: UnderWay,
}

/// How many attempts at each subject are being looked at, and who waits for their ends.
#[derive(Debug, Clone, Default)]
struct UnderWay {
    // A lookup of nanoseconds, from a drop too, which cannot await.
    counts: Arc<std::sync::Mutex<HashMap<String, u32>>>,
    ended: Arc<Notify>,
}

impl UnderWay {
    fn at(&self, subject: &str) -> bool {
        let counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        counts.contains_key(subject)
    }

    fn begin(&self, subjects: &[String]) {
        let mut counts = self.counts.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            *counts.entry(subject.clone()).or_default() += 1;
        }
    }
}

impl Drop for Attempt {
    fn drop(&mut self) {
        let subjects = self.subjects();
        let counts = &self.under_way.counts;
        let mut counts = counts.lock().unwrap_or_else(PoisonError::into_inner);
        for subject in subjects {
            if let Some(count) = counts.get_mut(&subject) {
                *count -= 1;
                if *count == 0 {
                    counts.remove(&subject);
                }
            }
        }
        self.under_way.ended.notify_waiters();
    }
}

/// What is left of a conference's door after a wrong PIN.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shut {
    /// It is shut for so many seconds.
    For(u64),
    /// It stays shut until the PINs are others.
    UntilRotated,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Lockout {
    store: Store,
    // Held over the write to disk: counts reach it in their order.
    tallies: Arc<Mutex<HashMap<String, Tally>>>,
    under_way: UnderWay,
}

impl Lockout {
    /// With what was counted before.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn load(store: Store, now_ms: i64) -> Result<Self, StoreError> {
        let mut tallies = store.lockouts().await?;
        let over = |subject: &str, tally: &Tally| tally.forgiven_ms(limits(subject)) <= now_ms;
        let forgiven = tallies.extract_if(|subject, tally| over(subject, tally));
        store
            .forget_lockouts(forgiven.map(|(subject, _)| subject).collect())
            .await?;
        Ok(Self {
            store,
            tallies: Arc::new(Mutex::new(tallies)),
            under_way: UnderWay::default(),
        })
    }

    /// Whether `who` and the door of `conference` (a ULID; `None` for one that is unknown) are open now.
    pub async fn is_open(&self, who: GuardKey, conference: Option<&str>, now_ms: i64) -> bool {
        let tallies = self.tallies.lock().await;
        subjects(who, conference).iter().all(|subject| {
            let tally = tallies.get(subject);
            tally.is_none_or(|tally| !tally.is_shut(limits(subject), now_ms))
        })
    }

    /// Counts an attempt of `who` at `conference`; `None` when it is not to be evaluated.
    ///
    /// # Errors
    /// When the database fails: then it is not to be evaluated either.
    pub async fn begin(
        &self,
        who: GuardKey,
        conference: Option<&str>,
        now_ms: i64,
    ) -> Result<Option<Attempt>, StoreError> {
        let subjects = subjects(who, conference);
        let mut tallies = self.when_clear(&subjects, now_ms).await;
        make_room(&mut tallies);
        let mut open = true;
        for subject in &subjects {
            let tally = tallies.entry(subject.clone()).or_default();
            open &= tally.begin(limits(subject), now_ms);
        }
        self.write(&tallies, &subjects).await?;
        if !open {
            return Ok(None);
        }
        self.under_way.begin(&subjects);
        let mut subjects = subjects.into_iter();
        Ok(Some(Attempt {
            caller: subjects.next().unwrap_or_default(),
            conference: subjects.next(),
            under_way: self.under_way.clone(),
        }))
    }

    /// The tallies, once it does not depend on attempts under way whether one more is too many.
    async fn when_clear(
        &self,
        subjects: &[String],
        now_ms: i64,
    ) -> MutexGuard<'_, HashMap<String, Tally>> {
        loop {
            let ended = self.under_way.ended.notified();
            tokio::pin!(ended);
            ended.as_mut().enable();
            let tallies = self.tallies.lock().await;
            let waits = subjects.iter().any(|subject| {
                let tally = tallies.get(subject);
                tally.is_some_and(|tally| tally.is_full(limits(subject), now_ms))
                    && self.under_way.at(subject)
            });
            if !waits {
                return tallies;
            }
            drop(tallies);
            ended.await;
        }
    }

    /// The PIN of `attempt` was right.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn right(&self, attempt: &Attempt) -> Result<(), StoreError> {
        let subjects = attempt.subjects();
        let mut tallies = self.tallies.lock().await;
        for subject in &subjects {
            if let Some(tally) = tallies.get_mut(subject) {
                tally.right();
            }
        }
        self.write(&tallies, &subjects).await
    }

    /// The PIN of `attempt` was wrong; tells when that shuts the conference's door.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn wrong(&self, attempt: &Attempt, now_ms: i64) -> Result<Option<Shut>, StoreError> {
        let subjects = attempt.subjects();
        let mut tallies = self.tallies.lock().await;
        let mut shut = None;
        for subject in &subjects {
            let Some(tally) = tallies.get_mut(subject) else {
                continue;
            };
            let limits = limits(subject);
            if tally.wrong(limits, now_ms) && attempt.conference.as_ref() == Some(subject) {
                let left = u64::try_from(tally.closed_until_ms - now_ms).unwrap_or(0);
                shut = Some(if tally.total >= limits.cap {
                    Shut::UntilRotated
                } else {
                    Shut::For(left.div_ceil(1_000))
                });
            }
        }
        self.write(&tallies, &subjects).await?;
        Ok(shut)
    }

    /// The PINs of `conference` are others: its doors are as new.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn rotated(&self, conference: &str) -> Result<(), StoreError> {
        let mut tallies = self.tallies.lock().await;
        let doors = [Door::Phone, Door::Web].map(|door| door_of(conference, door));
        for door in &doors {
            tallies.insert(door.clone(), Tally::default());
        }
        self.write(&tallies, &doors).await
    }

    async fn write(
        &self,
        tallies: &HashMap<String, Tally>,
        subjects: &[String],
    ) -> Result<(), StoreError> {
        let rows = subjects
            .iter()
            .filter_map(|subject| Some((subject.as_str(), *tallies.get(subject)?)));
        self.store.keep_lockouts(rows).await
    }
}

impl Attempt {
    fn subjects(&self) -> Vec<String> {
        let mut subjects = vec![self.caller.clone()];
        subjects.extend(self.conference.clone());
        subjects
    }
}

/// The caller, then the door.
fn subjects(who: GuardKey, conference: Option<&str>) -> Vec<String> {
    let mut subjects = vec![format!("caller:{:016x}", who.hash)];
    subjects.extend(conference.map(|conference| door_of(conference, who.door)));
    subjects
}

/// Phones and the web have a door each: guessing by phone shuts nobody out of the page.
fn door_of(conference: &str, door: Door) -> String {
    match door {
        Door::Phone => format!("phone:{conference}"),
        Door::Web => format!("web:{conference}"),
    }
}

fn limits(subject: &str) -> Limits {
    if subject.starts_with("caller:") {
        CALLER
    } else {
        CONFERENCE
    }
}

/// Callers nearest to being forgiven give way to a new one; conferences are bounded by those that exist.
fn make_room(tallies: &mut HashMap<String, Tally>) {
    if tallies.len() < CAPACITY {
        return;
    }
    let mut callers: Vec<_> = tallies
        .iter()
        .filter(|(subject, _)| subject.starts_with("caller:"))
        .map(|(subject, tally)| (tally.failures, tally.forgiven_ms(CALLER), subject.clone()))
        .collect();
    callers.sort_unstable_by_key(|(failures, forgiven, _)| (*forgiven, *failures));
    for (_, _, subject) in callers.into_iter().take(CAPACITY / 10) {
        tallies.remove(&subject);
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::auth::Guard;

    const CONFERENCE_ID: &str = "01J9ZQ6Y7T";

    async fn load(folder: &crate::scratch::Folder, now: i64) -> Lockout {
        let store = Store::open(&folder.path().join("plenum.db")).await.unwrap();
        Lockout::load(store, now).await.unwrap()
    }

    /// One wrong PIN; says whether it was evaluated.
    async fn guess(lockout: &Lockout, who: GuardKey, now: i64) -> bool {
        let attempt = lockout.begin(who, Some(CONFERENCE_ID), now).await.unwrap();
        if let Some(attempt) = &attempt {
            lockout.wrong(attempt, now).await.unwrap();
        }
        attempt.is_some()
    }

    #[tokio::test]
    async fn of_a_thousand_wrong_pins_of_varying_callers_with_a_restart_a_hundred_are_evaluated() {
        for every in [1_000, 5 * MINUTE] {
            let folder = crate::scratch::Folder::new();
            let guard = Guard::default();
            let mut now = 1_764_198_000_000;
            let mut lockout = load(&folder, now).await;
            let mut evaluated = 0;
            for number in 0..1_000 {
                if number == 500 {
                    lockout.store.close().await;
                    lockout = load(&folder, now).await;
                }
                let who = guard.caller("trunk", &format!("+49{number}"));
                evaluated += u32::from(guess(&lockout, who, now).await);
                now += every;
            }
            let most = if every == 1_000 { 40 } else { 100 };
            assert!(evaluated <= most, "{evaluated} evaluated");
            let honest = guard.caller("trunk", "+4930");
            let tries = lockout
                .begin(honest, Some(CONFERENCE_ID), now)
                .await
                .unwrap();
            assert!(tries.is_none(), "the door is shut for all");
            let page = guard.address("192.0.2.1".parse().unwrap());
            assert!(lockout.is_open(page, Some(CONFERENCE_ID), now).await);
            lockout.rotated(CONFERENCE_ID).await.unwrap();
            assert!(lockout.is_open(honest, Some(CONFERENCE_ID), now).await);
        }
    }

    #[tokio::test]
    async fn many_at_once_are_counted_before_they_are_judged_and_right_ones_are_taken_off() {
        let folder = crate::scratch::Folder::new();
        let guard = Guard::default();
        let now = 1_764_198_000_000;
        let lockout = load(&folder, now).await;
        let mut under_way = Vec::new();
        for number in 0..20 {
            let who = guard.caller("trunk", &format!("+49{number}"));
            let attempt = lockout.begin(who, Some(CONFERENCE_ID), now).await.unwrap();
            under_way.extend(attempt);
        }
        assert_eq!(under_way.len(), 20);
        let who = guard.caller("trunk", "+4930");
        let mut next = Box::pin(lockout.begin(who, Some(CONFERENCE_ID), now));
        let soon = std::time::Duration::from_millis(50);
        assert!(
            tokio::time::timeout(soon, &mut next).await.is_err(),
            "it waits"
        );
        // One of them is right: so the next is looked at, and no other.
        let right = under_way.pop().unwrap();
        lockout.right(&right).await.unwrap();
        drop(right);
        let last = next.await.unwrap().unwrap();
        drop((last, under_way));
        assert!(
            lockout
                .begin(who, Some(CONFERENCE_ID), now)
                .await
                .unwrap()
                .is_none()
        );
        let lockout = load(&folder, now).await;
        assert!(
            !lockout.is_open(who, Some(CONFERENCE_ID), now).await,
            "nor after a crash"
        );

        let other = "01J9ZQ8Q2M";
        for _ in 0..50 {
            let attempt = lockout.begin(who, Some(other), now).await.unwrap().unwrap();
            lockout.right(&attempt).await.unwrap();
        }
        assert!(lockout.is_open(who, Some(other), now).await);
    }

    #[tokio::test]
    async fn a_caller_is_shut_out_for_longer_each_time_up_to_a_day_and_forgiven_after_a_quiet_one()
    {
        let folder = crate::scratch::Folder::new();
        let guard = Guard::default();
        let who = guard.caller("trunk", "+49301");
        let mut now = 1_764_198_000_000;
        let lockout = load(&folder, now).await;
        let mut lengths = Vec::new();
        for _ in 0..9 {
            let mut tries = 0;
            while let Some(attempt) = lockout.begin(who, None, now).await.unwrap() {
                lockout.wrong(&attempt, now).await.unwrap();
                tries += 1;
            }
            assert_eq!(tries, 10);
            let from = now;
            while !lockout.is_open(who, None, now).await {
                now += MINUTE;
            }
            lengths.push((now - from) / MINUTE);
        }
        assert_eq!(lengths, [15, 30, 60, 120, 240, 480, 960, 1_440, 1_440]);
        now += 2 * DAY;
        assert!(load(&folder, now).await.tallies.lock().await.is_empty());
    }
}
