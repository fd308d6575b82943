//! How fast one socket may speak.

use std::collections::HashMap;
use std::time::{Duration, Instant};

use crate::server::protocol::{Code, Refusal};
use crate::server::{Limits, clock};

/// A user types into a conversation at most this often.
const TYPING: Duration = Duration::from_secs(3);
/// Conversations whose last typing is remembered.
const TYPED: usize = 64;

/// Tokens that fill with time. Of one socket.
#[derive(Debug)]
pub(crate) struct Rate {
    per_second: f64,
    burst: f64,
    tokens: f64,
    since: Instant,
    typed: HashMap<String, Instant>,
}

impl Rate {
    /// Full.
    pub(crate) fn new(limits: &Limits) -> Self {
        Self {
            per_second: f64::from(limits.rate),
            burst: f64::from(limits.burst),
            tokens: f64::from(limits.burst),
            since: clock::instant(),
            typed: HashMap::new(),
        }
    }

    /// Takes one.
    ///
    /// # Errors
    /// `rate`, with the time until there is one.
    pub(crate) fn take(&mut self) -> Result<(), Refusal> {
        self.take_at(clock::instant())
    }

    fn take_at(&mut self, now: Instant) -> Result<(), Refusal> {
        let passed = now.saturating_duration_since(self.since).as_secs_f64();
        self.since = now;
        self.tokens = (self.tokens + passed * self.per_second).min(self.burst);
        if self.tokens < 1.0 {
            let wait = Duration::from_secs_f64((1.0 - self.tokens) / self.per_second.max(0.001));
            let wait = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
            return Err(Refusal {
                retry_ms: Some(wait.max(1)),
                ..Refusal::new(Code::Rate, "You are too fast.")
            });
        }
        self.tokens -= 1.0;
        Ok(())
    }

    /// Whether typing into `conversation` is told again.
    pub(crate) fn may_type(&mut self, conversation: &str) -> bool {
        let now = clock::instant();
        if self.typed.len() >= TYPED {
            self.typed
                .retain(|_, at| now.saturating_duration_since(*at) < TYPING);
        }
        let last = self.typed.get(conversation);
        if self.typed.len() >= TYPED
            || last.is_some_and(|at| now.saturating_duration_since(*at) < TYPING)
        {
            return false;
        }
        self.typed.insert(conversation.to_owned(), now);
        true
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn thirty_at_once_then_ten_a_second() {
        let mut rate = Rate::new(&Limits::default());
        let start = rate.since;
        for _ in 0..30 {
            rate.take_at(start).unwrap();
        }
        let refusal = rate.take_at(start).unwrap_err();
        assert_eq!((refusal.code, refusal.retry_ms), (Code::Rate, Some(100)));
        rate.take_at(start + Duration::from_millis(101)).unwrap();
        rate.take_at(start + Duration::from_millis(102))
            .unwrap_err();
    }
}
