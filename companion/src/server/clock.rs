//! The shell's clock: the only place of the crate that reads one.
#![expect(
    clippy::disallowed_methods,
    reason = "the shell hands time to the rules"
)]

use std::time::{Instant, SystemTime, UNIX_EPOCH};

/// Milliseconds since 1970.
pub(crate) fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

/// A moment of the clock that never goes back.
pub(crate) fn instant() -> Instant {
    Instant::now()
}
