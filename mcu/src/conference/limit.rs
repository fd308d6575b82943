//! How long a conference may last, and when it is warned. Pure: time is an argument.

use std::time::{Duration, Instant};

use plenum_dialin::attendant::PromptKey;

use super::focus::Focus;
use crate::signal::protocol::{EndReason, ServerMessage};

/// So long before the end all are warned, with these words.
const WARNINGS: [(Duration, PromptKey); 2] = [
    (Duration::from_secs(300), PromptKey::FiveMinutes),
    (Duration::from_secs(60), PromptKey::OneMinute),
];

/// What is to be done now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Warn(PromptKey),
    End,
}

/// See the module. Without an end nothing is ever due.
#[derive(Debug, Default)]
pub(super) struct TimeLimit {
    end: Option<Instant>,
    /// Of [`WARNINGS`], how many are past.
    warned: usize,
}

impl TimeLimit {
    /// Ends in `left`. Warnings that would come at once or are past are left out.
    pub(super) fn set(&mut self, now: Instant, left: Duration) {
        self.end = Some(now + left);
        self.warned = WARNINGS
            .iter()
            .take_while(|(before, _)| *before >= left)
            .count();
    }

    /// Until the end.
    pub(super) fn left(&self, now: Instant) -> Option<Duration> {
        Some(self.end?.saturating_duration_since(now))
    }

    /// When [`Self::take`] has something next.
    pub(super) fn next(&self) -> Option<Instant> {
        let before = WARNINGS.get(self.warned).map_or(Duration::ZERO, |w| w.0);
        self.end?.checked_sub(before)
    }

    /// What is due, each once.
    pub(super) fn take(&mut self, now: Instant) -> Option<Due> {
        if self.next()? > now {
            return None;
        }
        if let Some((_, words)) = WARNINGS.get(self.warned) {
            self.warned += 1;
            return Some(Due::Warn(*words));
        }
        self.end = None;
        Some(Due::End)
    }
}

impl Focus {
    /// The first who comes starts the clock.
    pub(super) fn start_clock(&mut self) {
        let minutes = self
            .record
            .max_minutes
            .unwrap_or(self.around.config.max_minutes);
        if minutes > 0 {
            let limit = Duration::from_secs(u64::from(minutes) * 60);
            self.limit.set(Instant::now(), limit);
        }
    }

    /// Sets a new end and tells of it.
    pub(super) fn end_in(&mut self, left: Duration, now: Instant) {
        self.limit.set(now, left);
        self.show_conference();
    }

    /// Says what is due of the time limit, or ends the conference.
    pub(super) async fn heed_clock(&mut self, now: Instant) {
        match self.limit.take(now) {
            None => {}
            Some(Due::Warn(words)) => {
                self.announce(words);
                let seconds = self.limit.left(now).unwrap_or_default().as_secs();
                self.tell_all(&ServerMessage::TimeLeft { seconds });
            }
            Some(Due::End) => self.close(EndReason::TimeLimit).await,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn it_warns_twice_then_ends_and_each_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut limit = TimeLimit::default();
        assert_eq!((limit.next(), limit.take(at(9_999))), (None, None));
        limit.set(start, Duration::from_secs(600));
        assert_eq!(limit.next(), Some(at(300)));
        assert_eq!(limit.take(at(299)), None);
        assert_eq!(limit.take(at(300)), Some(Due::Warn(PromptKey::FiveMinutes)));
        assert_eq!(limit.next(), Some(at(540)));
        assert_eq!(limit.take(at(540)), Some(Due::Warn(PromptKey::OneMinute)));
        assert_eq!(limit.take(at(599)), None);
        assert_eq!(limit.take(at(600)), Some(Due::End));
        assert_eq!(limit.take(at(601)), None);
    }

    #[test]
    fn an_extension_warns_again_and_a_short_time_is_not_warned_of_at_once() {
        let start = Instant::now();
        let at = |seconds| start + Duration::from_secs(seconds);
        let mut limit = TimeLimit::default();
        limit.set(start, Duration::from_secs(300));
        assert_eq!(limit.next(), Some(at(240)));
        limit.set(at(240), Duration::from_secs(660));
        assert_eq!(limit.take(at(600)), Some(Due::Warn(PromptKey::FiveMinutes)));
        limit.set(at(600), Duration::from_secs(3));
        assert_eq!(limit.take(at(603)), Some(Due::End));
    }
}
