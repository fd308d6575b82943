//! Conferences that were made to call somebody: while no more than two are in one, presence calls it a call.
//!
//! Told by the companion's seam, asked by a focus when it begins. Knows neither who calls nor who is in it.

use std::collections::HashSet;
use std::sync::{Mutex, PoisonError};

use plenum_companion::presence::Engagement;

use super::focus::Focus;

/// Conferences that are remembered; beyond them one is like any other.
const KNOWN: usize = 50_000;

/// ULIDs of such conferences, of this run of the server.
#[derive(Debug, Default)]
pub(crate) struct Talks {
    // Looked at once a conference begins, never across an await.
    known: Mutex<HashSet<String>>,
}

impl Talks {
    /// The conference with ULID `id` is one.
    pub(crate) fn add(&self, id: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() < KNOWN {
            known.insert(id.to_owned());
        }
    }

    /// Whether the conference with ULID `id` is one.
    pub(crate) fn contains(&self, id: &str) -> bool {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.contains(id)
    }
}

impl Focus {
    /// What presence shows of those in here when `people` are.
    pub(super) fn engagement(&self, people: usize) -> Engagement {
        if self.is_talk && people <= 2 {
            Engagement::Call
        } else {
            Engagement::Conference
        }
    }

    /// Somebody has come or gone: what is a call to those who stay may have become a conference, or the other way.
    pub(super) fn regauge(&self) {
        if self.is_talk {
            self.renew_presence();
        }
    }
}
