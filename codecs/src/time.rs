//! The time of media: nanoseconds since the process started. Owned by whoever drives the cores; nothing here reads a clock.

use std::ops::{Add, AddAssign, Sub};
use std::time::Duration;

/// A point in time, in nanoseconds since an epoch that the driver of the cores chose (the process's start).
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct MediaTime(u64);

impl MediaTime {
    /// The epoch.
    pub const ZERO: Self = Self(0);
    /// Later than every other time: "never".
    pub const MAX: Self = Self(u64::MAX);

    /// The time `nanos` nanoseconds after the epoch.
    #[must_use]
    pub const fn from_nanos(nanos: u64) -> Self {
        Self(nanos)
    }

    /// The time `micros` microseconds after the epoch; saturates.
    #[must_use]
    pub const fn from_micros(micros: u64) -> Self {
        Self(micros.saturating_mul(1_000))
    }

    /// The time `millis` milliseconds after the epoch; saturates.
    #[must_use]
    pub const fn from_millis(millis: u64) -> Self {
        Self(millis.saturating_mul(1_000_000))
    }

    /// Nanoseconds since the epoch.
    #[must_use]
    pub const fn as_nanos(self) -> u64 {
        self.0
    }

    /// Whole microseconds since the epoch.
    #[must_use]
    pub const fn as_micros(self) -> u64 {
        self.0 / 1_000
    }

    /// Whole milliseconds since the epoch.
    #[must_use]
    pub const fn as_millis(self) -> u64 {
        self.0 / 1_000_000
    }

    /// What a video timestamp of RTP (90 kHz) shows at this time, if it began with zero at the epoch; it wraps around after 13 hours.
    #[must_use]
    pub fn video_timestamp(self) -> u32 {
        let ticks = u128::from(self.as_micros()) * 9 / 100;
        u32::try_from(ticks & u128::from(u32::MAX)).unwrap_or_default()
    }

    /// Time passed since `earlier`, zero when `earlier` is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> Duration {
        Duration::from_nanos(self.0.saturating_sub(earlier.0))
    }

    /// `duration` before this, not before the epoch.
    #[must_use]
    pub fn saturating_sub(self, duration: Duration) -> Self {
        Self(self.0.saturating_sub(nanos(duration)))
    }
}

/// Nanoseconds of a duration; saturates after 584 years.
fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

impl Add<Duration> for MediaTime {
    type Output = Self;

    /// Saturates at [`MediaTime::MAX`].
    fn add(self, duration: Duration) -> Self {
        Self(self.0.saturating_add(nanos(duration)))
    }
}

impl AddAssign<Duration> for MediaTime {
    fn add_assign(&mut self, duration: Duration) {
        *self = *self + duration;
    }
}

impl Sub for MediaTime {
    type Output = Duration;

    /// The same as [`MediaTime::since`]: zero when `earlier` is later.
    fn sub(self, earlier: Self) -> Duration {
        self.since(earlier)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn arithmetic_saturates_at_both_ends() {
        let second = MediaTime::from_millis(1_000);
        assert_eq!(second.as_nanos(), 1_000_000_000);
        assert_eq!(
            second + Duration::from_millis(20),
            MediaTime::from_millis(1_020)
        );
        assert_eq!(
            second.since(MediaTime::from_millis(400)),
            Duration::from_millis(600)
        );
        assert_eq!(MediaTime::ZERO.since(second), Duration::ZERO);
        assert_eq!(MediaTime::MAX + Duration::from_secs(1), MediaTime::MAX);
        assert_eq!(
            second.saturating_sub(Duration::from_secs(2)),
            MediaTime::ZERO
        );
    }
}
