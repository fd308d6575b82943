//! What is new about the people of a conference, gathered so that many changes become one message. Pure: time is an argument.
//!
//! The first change after a pause is told at once. What changes within the interval that it opens is told together at its end,
//! each participant as it is then. Who was shown the whole roster meanwhile is told only what has changed since.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::signal::protocol::LeaveReason;

/// Least time between two messages about people.
const SHORTEST: Duration = Duration::from_millis(100);
/// In large conferences it is longer, so that 4,000 such messages leave per second at most …
const PER_LISTENER: Duration = Duration::from_micros(250);
/// … up to this: what is shown must not lag behind what is heard.
const LONGEST: Duration = Duration::from_millis(500);

/// What one recipient is told of one participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Told {
    Joined,
    Changed,
    /// Nothing but whether they talk.
    Talking,
    Left(LeaveReason),
}

/// All that has happened to one participant. Moments are counted, not timed.
#[derive(Debug)]
struct Entry {
    id: String,
    /// When they came, if since the last message.
    joined: Option<u64>,
    /// When anything but their talking changed last.
    changed: Option<u64>,
    /// When anything changed last.
    last: u64,
    left: Option<LeaveReason>,
}

impl Entry {
    /// For whoever knows all up to the moment `since`.
    fn told(&self, since: u64) -> Option<Told> {
        let is_stranger = self.joined.is_some_and(|joined| joined > since);
        if self.last <= since {
            return None;
        }
        match self.left {
            // Came and went: nobody has missed anything.
            Some(_) if is_stranger => None,
            Some(reason) => Some(Told::Left(reason)),
            None if is_stranger => Some(Told::Joined),
            None if self.changed.is_some_and(|changed| changed > since) => Some(Told::Changed),
            None => Some(Told::Talking),
        }
    }
}

/// See the module. It holds one entry for each participant at most.
#[derive(Debug, Default)]
pub(super) struct News {
    /// In the order in which something first happened to them.
    entries: Vec<Entry>,
    places: HashMap<String, usize>,
    /// Who was shown the whole roster since the last message, and when.
    briefed: HashMap<String, u64>,
    moment: u64,
    /// The interval that the last message opened ends then.
    quiet_until: Option<Instant>,
}

impl News {
    fn entry(&mut self, id: &str) -> &mut Entry {
        self.moment += 1;
        let place = match self.places.get(id) {
            Some(place) => *place,
            None => {
                self.entries.push(Entry {
                    id: id.to_owned(),
                    joined: None,
                    changed: None,
                    last: 0,
                    left: None,
                });
                self.places.insert(id.to_owned(), self.entries.len() - 1);
                self.entries.len() - 1
            }
        };
        let entry = &mut self.entries[place];
        entry.last = self.moment;
        entry
    }

    pub(super) fn joined(&mut self, id: &str) {
        let entry = self.entry(id);
        entry.joined = Some(entry.last);
    }

    pub(super) fn changed(&mut self, id: &str) {
        let entry = self.entry(id);
        entry.changed = Some(entry.last);
    }

    pub(super) fn talking(&mut self, id: &str) {
        self.entry(id);
    }

    pub(super) fn left(&mut self, id: &str, reason: LeaveReason) {
        self.entry(id).left = Some(reason);
        self.briefed.remove(id);
    }

    /// `id` has been shown everybody just now.
    pub(super) fn briefed(&mut self, id: &str) {
        self.briefed.insert(id.to_owned(), self.moment);
    }

    /// Whether something about `id` has not been told yet.
    pub(super) fn is_pending(&self, id: &str) -> bool {
        self.places.contains_key(id)
    }

    /// When it is to be told: a moment that may be past; `None` when there is nothing.
    pub(super) fn due(&self, now: Instant) -> Option<Instant> {
        (!self.entries.is_empty()).then(|| self.quiet_until.unwrap_or(now))
    }

    /// Everything that is to be told now to `listeners`; the next interval begins.
    pub(super) fn take(&mut self, now: Instant, listeners: usize) -> Bulletin {
        let listeners = u32::try_from(listeners).unwrap_or(u32::MAX);
        let interval = PER_LISTENER.saturating_mul(listeners);
        self.quiet_until = Some(now + interval.clamp(SHORTEST, LONGEST));
        self.places.clear();
        Bulletin {
            entries: std::mem::take(&mut self.entries),
            briefed: std::mem::take(&mut self.briefed),
        }
    }
}

/// What [`News`] had gathered.
#[derive(Debug)]
pub(super) struct Bulletin {
    entries: Vec<Entry>,
    briefed: HashMap<String, u64>,
}

impl Bulletin {
    /// Who it is about.
    pub(super) fn ids(&self) -> impl Iterator<Item = &str> {
        self.entries.iter().map(|entry| entry.id.as_str())
    }

    /// What those are told who have heard all before.
    pub(super) fn common(&self) -> impl Iterator<Item = (&str, Told)> {
        self.since(0)
    }

    /// What `id` is told, if that is another than the common.
    pub(super) fn own(&self, id: &str) -> Option<impl Iterator<Item = (&str, Told)>> {
        self.briefed.get(id).map(|since| self.since(*since))
    }

    fn since(&self, since: u64) -> impl Iterator<Item = (&str, Told)> {
        self.entries
            .iter()
            .filter_map(move |entry| Some((entry.id.as_str(), entry.told(since)?)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn common(bulletin: &Bulletin) -> Vec<(&str, Told)> {
        bulletin.common().collect()
    }

    #[test]
    fn the_first_change_is_told_at_once_and_what_follows_together_after_the_interval() {
        let start = Instant::now();
        let mut news = News::default();
        assert_eq!(news.due(start), None);
        news.changed("ann");
        assert_eq!(news.due(start), Some(start));
        assert_eq!(common(&news.take(start, 3)), [("ann", Told::Changed)]);
        assert_eq!(news.due(start), None);
        news.joined("bob");
        news.talking("ann");
        news.changed("bob");
        let end = start + SHORTEST;
        assert_eq!(news.due(start), Some(end));
        let told = news.take(end, 3);
        assert_eq!(
            common(&told),
            [("bob", Told::Joined), ("ann", Told::Talking)]
        );
        news.changed("ann");
        let later = end + Duration::from_secs(5);
        assert!(news.due(later).is_some_and(|due| due <= later));
    }

    #[test]
    fn a_large_conference_is_told_more_seldom_but_never_late() {
        let start = Instant::now();
        for (listeners, interval) in [
            (2, 100),
            (400, 100),
            (1_000, 250),
            (2_000, 500),
            (10_000, 500),
        ] {
            let mut news = News::default();
            news.changed("ann");
            news.take(start, listeners);
            news.changed("ann");
            let due = start + Duration::from_millis(interval);
            assert_eq!(news.due(start), Some(due), "{listeners}");
        }
    }

    #[test]
    fn who_came_and_went_in_between_is_not_told_of() {
        let mut news = News::default();
        news.joined("bob");
        news.left("bob", LeaveReason::Left);
        news.changed("ann");
        news.left("ann", LeaveReason::Lost);
        let told = news.take(Instant::now(), 2);
        assert_eq!(common(&told), [("ann", Told::Left(LeaveReason::Lost))]);
    }

    #[test]
    fn a_newcomer_is_told_what_changed_after_it_saw_everybody_and_of_no_stranger() {
        let mut news = News::default();
        news.left("zoe", LeaveReason::Left);
        news.joined("bob");
        news.joined("cat");
        news.changed("ann");
        news.talking("dan");
        news.joined("eve");
        news.briefed("eve");
        news.talking("ann");
        news.changed("bob");
        news.left("cat", LeaveReason::Left);
        news.joined("fay");
        let told = news.take(Instant::now(), 5);
        let own: Vec<_> = told.own("eve").into_iter().flatten().collect();
        assert_eq!(
            own,
            [
                ("bob", Told::Changed),
                ("cat", Told::Left(LeaveReason::Left)),
                ("ann", Told::Talking),
                ("fay", Told::Joined),
            ]
        );
        assert_eq!(
            common(&told),
            [
                ("zoe", Told::Left(LeaveReason::Left)),
                ("bob", Told::Joined),
                ("ann", Told::Changed),
                ("dan", Told::Talking),
                ("eve", Told::Joined),
                ("fay", Told::Joined),
            ]
        );
        assert!(told.own("ann").is_none());
    }
}
