//! Which worker a room or a leg lives on, and the numbers of both.
//!
//! A room's number says its home. The worker of a leg's transport is kept in a map behind a mutex: the control plane
//! must address a leg without asking every worker, and the map is touched only when a leg comes or goes, never per
//! packet or tick.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use plenum_mixer::LegId;

use super::RoomId;

/// The worker that is home to `room` when there are `workers` of them.
pub(super) fn home_of(room: RoomId, workers: usize) -> usize {
    let workers = u64::try_from(workers.max(1)).unwrap_or(1);
    usize::try_from(room.0 % workers).unwrap_or(0)
}

#[derive(Debug, Default)]
pub(super) struct Directory {
    rooms: AtomicU64,
    legs: AtomicU64,
    places: Mutex<HashMap<LegId, usize>>,
}

impl Directory {
    /// A fresh room number whose home is worker `index` of `workers`.
    pub(super) fn next_room(&self, index: usize, workers: usize) -> RoomId {
        let serial = self.rooms.fetch_add(1, Ordering::Relaxed) + 1;
        let workers = u64::try_from(workers.max(1)).unwrap_or(1);
        RoomId(serial * workers + u64::try_from(index).unwrap_or(0))
    }

    pub(super) fn next_leg(&self) -> LegId {
        LegId(self.legs.fetch_add(1, Ordering::Relaxed) + 1)
    }

    pub(super) fn owner(&self, leg: LegId) -> Option<usize> {
        self.places().get(&leg).copied()
    }

    pub(super) fn settle(&self, leg: LegId, worker: usize) {
        self.places().insert(leg, worker);
    }

    pub(super) fn forget(&self, leg: LegId) {
        self.places().remove(&leg);
    }

    fn places(&self) -> MutexGuard<'_, HashMap<LegId, usize>> {
        // A panic while holding the lock cannot leave the map half-changed.
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_room_number_names_its_home() {
        let directory = Directory::default();
        for index in [0, 1, 2, 1, 0] {
            assert_eq!(home_of(directory.next_room(index, 3), 3), index);
        }
    }

    #[test]
    fn a_leg_has_one_place_until_it_is_forgotten() {
        let directory = Directory::default();
        let leg = directory.next_leg();
        assert_eq!(directory.owner(leg), None);
        directory.settle(leg, 1);
        assert_eq!(directory.owner(leg), Some(1));
        directory.forget(leg);
        assert_eq!(directory.owner(leg), None);
    }
}
