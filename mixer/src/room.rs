//! The room.

use std::collections::BTreeMap;

use plenum_codecs::MediaTime;

use crate::{Input, Leg, LegConfig, LegId, LegStats, Output, RoomConfig, RoomStats};

/// A sans-IO conference room: mixes audio every 20 ms and forwards video at once.
#[derive(Debug)]
pub struct Room {
    #[expect(dead_code, reason = "skeleton")]
    config: RoomConfig,
    legs: BTreeMap<LegId, Leg>,
}

impl Room {
    /// An empty room.
    #[must_use]
    pub fn new(config: RoomConfig, _now: MediaTime) -> Self {
        Self { config, legs: BTreeMap::new() }
    }

    /// Puts a leg in. A leg of the same id that is in the room already is given back.
    pub fn insert(&mut self, _now: MediaTime, leg: Leg) -> Option<Leg> {
        self.legs.insert(leg.id(), leg)
    }

    /// Takes a leg out, to be dropped or put into another room.
    pub fn take(&mut self, _now: MediaTime, leg: LegId) -> Option<Leg> {
        self.legs.remove(&leg)
    }

    /// Takes on newly negotiated media of a leg; `false` when it is not in the room.
    pub fn reconfigure(&mut self, _now: MediaTime, config: LegConfig) -> bool {
        self.legs.get_mut(&config.id).is_some_and(|leg| {
            leg.reconfigure(config);
            true
        })
    }

    /// Takes in a packet, feedback, a command or the passing of time. Then poll the outputs.
    pub fn handle(&mut self, _now: MediaTime, _input: Input) {}

    /// The next thing to do, `None` when all is done.
    pub fn poll_output(&mut self) -> Option<Output> {
        None
    }

    /// When [`Input::Timeout`] is due; for an empty room the end of time.
    #[must_use]
    pub fn deadline(&self) -> MediaTime {
        MediaTime::from_nanos(u64::MAX)
    }

    /// Counters of a leg; `None` when it is not in the room.
    #[must_use]
    pub fn leg_stats(&self, _leg: LegId) -> Option<LegStats> {
        None
    }

    /// Counters of the room.
    #[must_use]
    pub fn stats(&self) -> RoomStats {
        RoomStats::default()
    }
}
