//! What each trunk has now and has had refused: calls at once, new calls a second. Knows no dialogs.

use plenum_codecs::MediaTime;

use super::far_end::FarEndState;
use crate::trunk::Trunk;

/// Counts of one trunk.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct TrunkCounters {
    /// Calls now (gauge).
    pub calls: usize,
    /// INVITEs refused because as many calls as allowed stand.
    pub over_calls: u64,
    /// INVITEs refused because more came in a second than allowed.
    pub over_rate: u64,
    /// INVITEs that failed digest authentication.
    pub unauthenticated: u64,
    /// What is known of its far end.
    pub far_end: FarEndState,
}

/// Why a trunk may have no further call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Over {
    Calls,
    Rate,
}

impl Over {
    /// Seconds after which to try again.
    pub(super) const fn retry_after(self) -> u32 {
        match self {
            Self::Calls => 5,
            Self::Rate => 1,
        }
    }
}

/// A second, in the units of [`Meter::tokens`].
const SECOND: u64 = 1_000_000;

/// One trunk's.
pub(super) struct Meter {
    pub(super) counters: TrunkCounters,
    /// Calls that may come now, in millionths; as many as a second allows at most.
    tokens: u64,
    filled: MediaTime,
}

impl Meter {
    pub(super) fn new(trunk: &Trunk) -> Self {
        Self {
            counters: TrunkCounters::default(),
            tokens: u64::from(trunk.calls_per_second.unwrap_or_default()) * SECOND,
            filled: MediaTime::ZERO,
        }
    }

    /// Whether another call may come; refusals are counted.
    pub(super) fn admit(&mut self, now: MediaTime, trunk: &Trunk) -> Result<(), Over> {
        if trunk
            .max_calls
            .is_some_and(|most| self.counters.calls >= most)
        {
            self.counters.over_calls += 1;
            return Err(Over::Calls);
        }
        let Some(rate) = trunk.calls_per_second.map(u64::from) else {
            return Ok(());
        };
        let passed = now.as_micros().saturating_sub(self.filled.as_micros());
        self.filled = now;
        let most = rate.saturating_mul(SECOND);
        self.tokens = self
            .tokens
            .saturating_add(passed.saturating_mul(rate))
            .min(most);
        match self.tokens.checked_sub(SECOND) {
            Some(left) => {
                self.tokens = left;
                Ok(())
            }
            None => {
                self.counters.over_rate += 1;
                Err(Over::Rate)
            }
        }
    }
}
