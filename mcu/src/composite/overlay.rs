//! What stands on a composite beside the people: the operator's mark, the time of day, and a banner, the operator's or the conference's.

use std::time::{Duration, Instant};

use jiff::Timestamp;
use jiff::tz::TimeZone;
use plenum_mixer::compose::Composer;

use crate::config::VideoConfig;

/// Between looks at the clock.
const LOOK: Duration = Duration::from_millis(500);

/// See the module.
#[derive(Debug)]
pub(super) struct Overlays {
    zone: Option<TimeZone>,
    due: Instant,
    /// The operator's banner, and the conference's own instead.
    given: String,
    banner: Option<String>,
    /// The composer has not been told of it.
    banner_is_new: bool,
}

impl Overlays {
    /// Puts the mark on a new composer.
    pub(super) fn new(config: &VideoConfig, composer: &mut Composer) -> Self {
        if let Some(mark) = &config.watermark {
            composer.set_mark(mark);
        }
        Self {
            zone: config.clock.clone(),
            due: Instant::now(),
            given: config.banner.clone(),
            banner: None,
            banner_is_new: true,
        }
    }

    /// The conference's own banner; `None`: the operator's. It is shaped by [`Self::advance`].
    pub(super) fn set_banner(&mut self, text: Option<String>) {
        self.banner = text;
        self.banner_is_new = true;
    }

    /// What was last said of that.
    pub(super) fn banner(&self) -> Option<String> {
        self.banner.clone()
    }

    /// Puts the banner and the time on it, when they have changed. Both are text in fonts of any origin: it may panic, and is to be called
    /// where that is caught.
    pub(super) fn advance(&mut self, now: Instant, composer: &mut Composer) {
        if std::mem::take(&mut self.banner_is_new) {
            composer.set_banner(self.banner.as_deref().unwrap_or(&self.given));
        }
        let Some(zone) = self.zone.as_ref().filter(|_| now >= self.due) else {
            return;
        };
        self.due = now + LOOK;
        composer.set_time(&time_of_day(Timestamp::now(), zone));
    }
}

/// Hours and minutes.
fn time_of_day(at: Timestamp, zone: &TimeZone) -> String {
    let local = at.to_zoned(zone.clone());
    format!("{:02}:{:02}", local.hour(), local.minute())
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;

    #[test]
    fn the_time_is_that_of_the_zone_in_summer_and_in_winter() {
        let zone = TimeZone::get("Europe/Berlin").unwrap();
        let at = |text: &str| time_of_day(text.parse().unwrap(), &zone);
        assert_eq!(at("2026-11-27T23:05:09Z"), "00:05");
        assert_eq!(at("2026-07-01T07:59:59Z"), "09:59");
    }
}
