//! The process-wide epoch that turns the system's monotonic clock into [`MediaTime`].
//!
//! The cores read no clock; everything that calls them takes its time from here.

use std::sync::OnceLock;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use plenum_codecs::MediaTime;

/// Seconds from 1900 to 1970 (RFC 3550 §4).
const NTP_TO_UNIX: u64 = 2_208_988_800;

fn epoch() -> Instant {
    static EPOCH: OnceLock<Instant> = OnceLock::new();
    // A second back, so that an instant taken just before the first call still has a media time.
    *EPOCH.get_or_init(|| {
        Instant::now()
            .checked_sub(Duration::from_secs(1))
            .unwrap_or_else(Instant::now)
    })
}

/// A moment on both clocks, taken at the first call and kept: sender reports of all streams must agree, also
/// when the wall clock is set meanwhile.
fn wall() -> (Instant, SystemTime) {
    static WALL: OnceLock<(Instant, SystemTime)> = OnceLock::new();
    *WALL.get_or_init(|| (Instant::now(), SystemTime::now()))
}

/// NTP time of an instant for sender reports: seconds since 1900 in the upper half (RFC 3550 §4). The WebRTC
/// stack keeps a pair of its own, taken when the first peer is built; [`crate::media::webrtc`] calls this then.
#[must_use]
pub fn to_ntp(instant: Instant) -> u64 {
    let (anchor, moment) = wall();
    let time = moment + instant.saturating_duration_since(anchor);
    let time = time
        .checked_sub(anchor.saturating_duration_since(instant))
        .unwrap_or(time);
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    let fraction = (u64::from(since.subsec_nanos()) << 32) / 1_000_000_000;
    (since.as_secs().wrapping_add(NTP_TO_UNIX) << 32) | fraction
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
