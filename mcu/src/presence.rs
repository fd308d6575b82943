//! Presence of the people whom the engine knows: feeds the companion's core with leases and conferences.
//!
//! Called by the focus (engagements), REST (manual states, reading). Knows no roster and no transport.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use plenum_companion::presence::{
    Engaged, Engagement, LEASE, LOST_LEASE_GRACE, Manual, Moment, Presentity, State,
};
use tokio::sync::broadcast;

/// Changes that a slow focus may be behind before it looks at everybody anew.
const CHANGES: usize = 256;
/// People with a manual state and no device are remembered up to this number.
const CAPACITY: usize = 100_000;

/// Somebody's state may be different now.
pub(crate) type Changed = broadcast::Receiver<String>;

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Presence {
    start: Instant,
    // Shared by all focuses and REST; lookups of nanoseconds need no task to own them.
    people: Arc<Mutex<HashMap<String, Presentity<String, String>>>>,
    changes: broadcast::Sender<String>,
}

impl Presence {
    pub(crate) fn new() -> Self {
        Self {
            start: Instant::now(),
            people: Arc::default(),
            changes: broadcast::channel(CHANGES).0,
        }
    }

    /// Tells of changes of manual states.
    pub(crate) fn changes(&self) -> Changed {
        self.changes.subscribe()
    }

    pub(crate) fn moment(&self) -> Moment {
        Moment(self.start.elapsed())
    }

    /// `user` is in a conference as `participant`.
    pub(crate) fn joined(&self, user: &str, participant: &str) {
        let now = self.moment();
        self.with(|people| {
            let person = people.entry(user.to_owned()).or_default();
            let engaged = Engaged {
                engagement: Engagement::Conference,
                since: now,
                until: Some(lease(now)),
                presenting: None,
                subject: None,
            };
            person.engaged.insert(participant.to_owned(), engaged);
        });
    }

    /// `user` is still heard of.
    pub(crate) fn renew(&self, user: &str, participant: &str) {
        let now = self.moment();
        self.with(|people| {
            let person = people.get_mut(user);
            if let Some(engaged) = person.and_then(|person| person.engaged.get_mut(participant)) {
                engaged.until = Some(lease(now));
            }
        });
    }

    /// `user` is no longer in a conference as `participant`.
    pub(crate) fn left(&self, user: &str, participant: &str) {
        let now = self.moment();
        self.with(|people| {
            let Some(person) = people.get_mut(user) else {
                return;
            };
            person.engaged.remove(participant);
            if person.expire(now) {
                people.remove(user);
            }
        });
    }

    /// Sets or clears the person's own wish; `false` when too many are remembered.
    pub(crate) fn wish(
        &self,
        user: &str,
        choice: Option<(plenum_companion::presence::Choice, Option<Duration>)>,
    ) -> bool {
        let now = self.moment();
        let done = self.with(|people| {
            if people.len() >= CAPACITY && !people.contains_key(user) {
                people.retain(|_, person| !person.expire(now));
            }
            if people.len() >= CAPACITY && !people.contains_key(user) {
                return false;
            }
            let person = people.entry(user.to_owned()).or_default();
            person.manual = choice.map(|(choice, life)| Manual {
                choice,
                custom: None,
                since: now,
                until: life.map(|life| Moment(now.0.saturating_add(life))),
            });
            if person.expire(now) {
                people.remove(user);
            }
            true
        });
        // Nobody listening is no fault.
        let _ = self.changes.send(user.to_owned());
        done
    }

    /// What others see of `user`.
    pub(crate) fn state(&self, user: &str) -> State {
        let now = self.moment();
        self.with(|people| {
            people
                .get(user)
                .map_or(State::Offline, |person| person.state(now))
        })
    }

    fn with<T>(
        &self,
        work: impl FnOnce(&mut HashMap<String, Presentity<String, String>>) -> T,
    ) -> T {
        work(&mut self.people.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// The end of a conference that nobody renews.
fn lease(now: Moment) -> Moment {
    Moment(now.0 + LEASE + LOST_LEASE_GRACE)
}

#[cfg(test)]
mod tests {
    use plenum_companion::presence::Choice;

    use super::*;

    #[test]
    fn a_conference_shows_until_the_last_leg_is_gone() {
        let presence = Presence::new();
        assert_eq!(presence.state("ann"), State::Offline);
        presence.joined("ann", "p_1");
        presence.joined("ann", "p_2");
        presence.left("ann", "p_1");
        assert_eq!(presence.state("ann"), State::InConference);
        assert!(presence.wish("ann", Some((Choice::DoNotDisturb, None))));
        assert_eq!(presence.state("ann"), State::DoNotDisturb);
        presence.left("ann", "p_2");
        assert_eq!(presence.state("ann"), State::Offline);
        presence.wish("ann", None);
        assert!(presence.with(|people| people.is_empty()));
    }
}
