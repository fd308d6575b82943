//! A conference and its leaders: guests may wait for the first, and it may end after the last has gone.

use std::time::Instant;

use plenum_dialin::attendant::PromptKey;

use super::focus::Focus;
use crate::signal::protocol::EndReason;

/// Since when a conference that has been led is not any more.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq)]
pub(super) struct Leadership {
    led: bool,
    left: Option<Instant>,
}

impl Leadership {
    /// With so many leaders now; `true` when the last has just gone.
    fn heed(&mut self, leaders: usize, now: Instant) -> bool {
        let was_led = std::mem::replace(&mut self.led, leaders > 0);
        match (was_led, leaders > 0) {
            (_, true) => self.left = None,
            (true, false) => self.left = Some(now),
            (false, false) => {}
        }
        was_led && leaders == 0
    }
}

impl Focus {
    /// How many leaders are in.
    pub(super) fn leaders(&self) -> usize {
        self.roster.leaders()
    }

    /// Somebody has come or gone, or other rules hold.
    pub(super) fn mind_leader(&mut self) {
        let just_left = self.leadership.heed(self.leaders(), Instant::now());
        if just_left && self.rules.end_with_leader.is_some() && self.roster.guests() > 0 {
            self.announce(PromptKey::LeaderLeft);
        }
    }

    /// When the conference ends for want of a leader.
    pub(super) fn leaderless_until(&self) -> Option<Instant> {
        Some(self.leadership.left? + self.rules.end_with_leader?)
    }

    /// Ends it when that has come.
    pub(super) async fn heed_leader(&mut self, now: Instant) {
        if self.leaderless_until().is_some_and(|until| until <= now) {
            self.leadership.left = None;
            self.close(EndReason::LeaderLeft).await;
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn only_a_conference_that_was_led_is_left_and_a_leader_who_comes_back_leads_on() {
        let start = Instant::now();
        let later = start + Duration::from_secs(5);
        let mut leadership = Leadership::default();
        assert!(!leadership.heed(0, start));
        assert_eq!(leadership.left, None);
        assert!(!leadership.heed(1, start) && !leadership.heed(2, start));
        assert!(leadership.heed(0, start));
        assert!(!leadership.heed(0, later));
        assert_eq!(leadership.left, Some(start));
        assert!(!leadership.heed(1, later));
        assert_eq!(leadership.left, None);
    }
}
