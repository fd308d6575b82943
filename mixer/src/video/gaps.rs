//! What is missing of an incoming stream, and since when. What does not come soon will not come, and whoever sees the stream stands still until
//! a keyframe: a browser asks for that only after seconds. Pure; knows no payload.

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::MediaTime;

/// What is missing for so long has been asked for about three times, of which one in ten fails at 5 % loss each way.
const OVERDUE: Duration = Duration::from_millis(300);
/// Numbers that are remembered; when more are missing, the oldest tell enough.
const MOST: usize = 64;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Gaps {
    newest: Option<u64>,
    /// Oldest first.
    missing: VecDeque<(u64, MediaTime)>,
}

impl Gaps {
    /// A packet came; `begins` says that a keyframe begins with it, and what is missing before it matters no more.
    pub(super) fn arrived(&mut self, now: MediaTime, sequence: u64, begins: bool) {
        let newest = *self.newest.get_or_insert(sequence);
        if sequence > newest {
            let room = MOST - self.missing.len();
            let between = (newest + 1..sequence).take(room);
            self.missing.extend(between.map(|number| (number, now)));
            self.newest = Some(sequence);
        } else {
            self.missing.retain(|(number, _)| *number != sequence);
        }
        if begins {
            self.missing.retain(|(number, _)| *number > sequence);
        }
    }

    /// Something is missing that should have come by now.
    pub(super) fn overdue(&self, now: MediaTime) -> bool {
        let oldest = self.missing.front();
        oldest.is_some_and(|(_, since)| now.since(*since) >= OVERDUE)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: u64) -> MediaTime {
        MediaTime::from_millis(millis)
    }

    #[test]
    fn what_overtakes_or_comes_again_is_not_missing() {
        let mut gaps = Gaps::default();
        for (time, number) in [(0, 10), (10, 13), (20, 11), (150, 12), (160, 14)] {
            gaps.arrived(at(time), number, false);
        }
        assert!(!gaps.overdue(at(10_000)), "{gaps:?}");
    }

    #[test]
    fn what_does_not_come_is_overdue_until_a_keyframe_begins_after_it() {
        let mut gaps = Gaps::default();
        gaps.arrived(at(0), 10, true);
        gaps.arrived(at(10), 12, false);
        assert!(!gaps.overdue(at(309)) && gaps.overdue(at(310)));
        gaps.arrived(at(400), 14, false);
        gaps.arrived(at(410), 15, true);
        assert!(!gaps.overdue(at(10_000)), "{gaps:?}");
        gaps.arrived(at(420), 17, false);
        assert!(gaps.overdue(at(720)), "the keyframe itself has a hole");
    }

    #[test]
    fn a_stream_that_jumps_is_remembered_within_bounds() {
        let mut gaps = Gaps::default();
        gaps.arrived(at(0), 0, false);
        for jump in 1..1_000 {
            gaps.arrived(at(jump), jump << 32, false);
        }
        assert_eq!(gaps.missing.len(), MOST);
        assert!(gaps.overdue(at(2_000)));
    }
}
