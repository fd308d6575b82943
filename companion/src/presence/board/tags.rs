//! Alerts of tagged contacts: once on the change to Available, when it has held for a while.

use std::collections::{BTreeSet, HashSet};
use std::sync::Arc;
use std::time::Duration;

use super::{Moment, PopDue, Watcher};

/// Available must hold this long.
pub(super) const DEBOUNCE: Duration = Duration::from_secs(5);

#[derive(Debug, Default)]
pub(super) struct Tags {
    pending: BTreeSet<(Moment, (Watcher, Arc<str>))>,
}

impl Tags {
    /// `user` became available for `watcher`.
    pub(super) fn add(&mut self, now: Moment, watcher: Watcher, user: &Arc<str>) {
        self.pending
            .insert((now.plus(DEBOUNCE), (watcher, Arc::clone(user))));
    }

    pub(super) fn next(&self) -> Option<Moment> {
        self.pending.first().map(|(when, _)| *when)
    }

    /// Whom to tell, if what they wait for still holds.
    pub(super) fn due(&mut self, now: Moment) -> HashSet<(Watcher, Arc<str>)> {
        std::iter::from_fn(|| self.pending.pop_first_if_due(now))
            .map(|(_, pair)| pair)
            .collect()
    }
}
