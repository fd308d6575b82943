//! The process-wide epoch that turns the system's monotonic clock into [`MediaTime`].
//!
//! The cores read no clock; everything that calls them takes its time from here.

use std::sync::OnceLock;
use std::time::{Duration, Instant};

use plenum_codecs::MediaTime;

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    // A second back, so that an instant taken just before the first call still has a media time.
    *EPOCH.get_or_init(|| {
        Instant::now()
            .checked_sub(Duration::from_secs(1))
            .unwrap_or_else(Instant::now)
    })
}

/// Media time now.
#[must_use]
pub fn now() -> MediaTime {
    to_media(Instant::now())
}

/// Media time of an instant; instants before the epoch are the epoch.
#[must_use]
pub fn to_media(instant: Instant) -> MediaTime {
    let since = instant.saturating_duration_since(epoch());
    MediaTime::from_nanos(u64::try_from(since.as_nanos()).unwrap_or(u64::MAX))
}

/// The instant of a media time.
#[must_use]
pub fn to_instant(time: MediaTime) -> Instant {
    epoch() + Duration::from_nanos(time.as_nanos())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_instant_survives_the_way_to_media_time_and_back() {
        let now = Instant::now();
        assert_eq!(to_instant(to_media(now)), now);
    }

    #[test]
    fn media_time_does_not_go_back() {
        let first = now();
        assert!(now().as_nanos() >= first.as_nanos());
    }
}
