//! Whether losses are frequent enough to wait for the packet after each, which would mend it, and for how long. Knows nothing of jitter.

/// A leaky bucket of losses: so much runs out with each packet that comes, so that a loss of 1 % is tolerated as a late packet is …
const LEAK: u32 = 1;
/// … and so much runs in with each loss.
const LOSS: u32 = 100;
/// Three losses in short succession and it is worth to wait, …
const WORTH: u32 = 3 * LOSS;
/// … until they have run out: the bucket holds 16 s of packets of 20 ms, so that the delay does not come and go with chance.
const FULL: u32 = 8 * LOSS;
/// Nothing is waited for longer than this, in ns: 40 ms, which a tick's phase makes 60 at most. Packets of 20 ms mend each other within it
/// unless they also come very late.
const LONGEST: i64 = 40_000_000;

/// What losses have told of waiting for their successors.
#[derive(Debug, Default)]
pub(super) struct Mending {
    bucket: u32,
    worth: bool,
    /// How late the latest packet came, of those that mended within [`LONGEST`].
    latest: i64,
}

impl Mending {
    /// A packet has come.
    pub(super) fn came(&mut self) {
        self.drain(LEAK);
    }

    /// A packet that counted as lost has come after all: that is jitter.
    pub(super) fn found(&mut self) {
        self.drain(LOSS);
    }

    /// A packet was lost, which its successor could have mended so many ns later than it was due itself.
    pub(super) fn lost(&mut self, late: i64) {
        self.bucket = (self.bucket + LOSS).min(FULL);
        self.worth |= self.bucket >= WORTH;
        if late <= LONGEST {
            self.latest = self.latest.max(late);
        }
    }

    /// How long to wait, in ns.
    pub(super) fn wait(&self) -> i64 {
        if self.worth { self.latest } else { 0 }
    }

    fn drain(&mut self, by: u32) {
        self.bucket = self.bucket.saturating_sub(by);
        if self.bucket == 0 {
            *self = Self::default();
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Packets of 20 ms, of which every `nth` is lost and mended after `late` ms; gives after how many the wait changes.
    fn changes(mending: &mut Mending, packets: u32, nth: u32, late: i64) -> Vec<(u32, i64)> {
        let mut before = mending.wait();
        let mut changes = Vec::new();
        for packet in 1..=packets {
            if packet.is_multiple_of(nth) {
                mending.lost(late * 1_000_000);
            } else {
                mending.came();
            }
            if std::mem::replace(&mut before, mending.wait()) != mending.wait() {
                changes.push((packet, mending.wait() / 1_000_000));
            }
        }
        changes
    }

    #[test]
    fn frequent_losses_are_waited_for_and_rare_ones_are_not() {
        let mut mending = Mending::default();
        assert_eq!(changes(&mut mending, 10_000, 100, 20), []);
        let mut mending = Mending::default();
        assert_eq!(changes(&mut mending, 10_000, 20, 20), [(80, 20)]);
    }

    #[test]
    fn the_wait_outlasts_chance_and_ends_with_the_losses() {
        let mut mending = Mending::default();
        changes(&mut mending, 1_000, 20, 20);
        // Five seconds without any loss are no sign of a better line.
        assert_eq!(changes(&mut mending, 250, u32::MAX, 20), []);
        assert_eq!(changes(&mut mending, 1_000, 20, 20), []);
        let [(packets, wait)] = changes(&mut mending, 1_000, u32::MAX, 20)[..] else {
            panic!("one change")
        };
        assert!((700..=800).contains(&packets) && wait == 0, "{packets}");
    }

    #[test]
    fn packets_that_are_only_late_are_no_losses() {
        let mut mending = Mending::default();
        for _ in 0..20 {
            mending.lost(20_000_000);
            mending.found();
        }
        assert_eq!(mending.wait(), 0);
    }

    #[test]
    fn what_would_come_too_late_is_not_waited_for() {
        let mut mending = Mending::default();
        assert_eq!(changes(&mut mending, 1_000, 20, 60), []);
        changes(&mut mending, 1_000, 20, 27);
        assert_eq!(mending.wait(), 27_000_000);
    }
}
