//! When a composite picture is due: as soon as something on it has changed and the one before is an interval old, so that a camera's picture
//! waits for nothing where it can. Pure.

use std::time::{Duration, Instant};

/// See the module.
#[derive(Debug)]
pub(super) struct Cadence {
    interval: Duration,
    /// No picture before that.
    earliest: Instant,
    /// While nothing changes: a clock on the picture may, and it becomes sharper.
    idle: Instant,
    /// Since when something has changed.
    changed: Option<Instant>,
}

impl Cadence {
    pub(super) const fn new(now: Instant, interval: Duration) -> Self {
        Self {
            interval,
            earliest: now,
            idle: now,
            changed: None,
        }
    }

    /// Something on the picture has changed, or somebody waits for a keyframe.
    pub(super) fn changed(&mut self, now: Instant) {
        self.changed.get_or_insert(now);
    }

    /// Since when something has.
    pub(super) const fn since(&self) -> Option<Instant> {
        self.changed
    }

    /// When the next picture is to be made; while nothing changes, half as often.
    pub(super) const fn due(&self) -> Instant {
        if self.changed.is_some() {
            self.earliest
        } else {
            self.idle
        }
    }

    /// Nobody sees the picture, so that nothing waits.
    pub(super) fn rest(&mut self) {
        self.changed = None;
    }

    /// A picture is made, from `begun` to `ended`; how many were left out since something changed, as there was no time for them.
    pub(super) fn made(&mut self, begun: Instant, ended: Instant) -> u32 {
        self.idle = begun + self.interval * 2;
        let Some(since) = self.changed.take() else {
            return 0;
        };
        let late = ended.saturating_duration_since(self.earliest.max(since));
        let left_out = late.as_nanos() / self.interval.as_nanos().max(1);
        // A camera's pictures are not all equally far apart: what came late does not delay the next.
        self.earliest = (self.earliest + self.interval).max(begun + self.interval / 2);
        u32::try_from(left_out).unwrap_or(u32::MAX)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const INTERVAL: Duration = Duration::from_millis(33);

    /// Makes a picture whenever one is due; when each was made and how many were left out, in ms, of changes at these times.
    fn pictures(changes: &[u64], until: u64) -> (Vec<u64>, u32) {
        let begin = Instant::now();
        let mut cadence = Cadence::new(begin, INTERVAL);
        let (mut made, mut left_out) = (Vec::new(), 0);
        for millis in 0..until {
            let now = begin + Duration::from_millis(millis);
            if changes.contains(&millis) {
                cadence.changed(now);
            }
            if now >= cadence.due() {
                made.push(millis);
                left_out += cadence.made(now, now + INTERVAL / 2);
            }
        }
        (made, left_out)
    }

    #[test]
    fn a_change_waits_for_nothing_after_a_pause() {
        let (made, left_out) = pictures(&[200, 300, 400], 401);
        for change in [200, 300, 400] {
            assert!(made.contains(&change), "{made:?}");
        }
        assert_eq!(left_out, 0);
    }

    #[test]
    fn a_camera_whose_pictures_are_not_equally_far_apart_is_shown_whole_and_soon() {
        let changes: Vec<u64> = (1..200_u64).map(|n| n * 33 + n * 7 % 11).collect();
        let (made, left_out) = pictures(&changes, 6_700);
        let waits = changes.iter().map(|change| {
            let shown = made.iter().find(|made| *made >= change);
            shown.map_or(u64::MAX, |shown| shown - change)
        });
        assert!(waits.max().is_some_and(|most| most <= 12), "{made:?}");
        assert_eq!(left_out, 0);
    }

    #[test]
    fn there_are_never_more_pictures_than_configured() {
        let all: Vec<u64> = (0..3_300).collect();
        let (made, left_out) = pictures(&all, 3_300);
        assert!((99..=101).contains(&made.len()), "{}", made.len());
        assert_eq!(left_out, 0);
    }

    #[test]
    fn pictures_for_which_there_was_no_time_are_counted() {
        let begin = Instant::now();
        let mut cadence = Cadence::new(begin, INTERVAL);
        cadence.changed(begin);
        assert_eq!(cadence.made(begin, begin + Duration::from_millis(100)), 3);
        cadence.changed(begin);
        cadence.rest();
        assert_eq!(cadence.since(), None);
    }
}
