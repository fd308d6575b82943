//! How much loss a listener reports, and how much its encoder has to protect against: few steps, so that listeners share renditions,
//! and slow to come back, so that nobody flaps.

use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::audio::{AudioCodec, EncoderSetting, OpusMode};

/// Loss from which a listener is protected: 2 %.
const HARMFUL: f32 = 0.02;
/// Loss up to which protection against 5 % and against 10 % is enough.
const LIGHT: f32 = 0.06;
const MEDIUM: f32 = 0.13;
/// As [`OpusMode::LOSSY`]: speech coding needs less than low delay for the same quality.
const PROTECTED_BITRATE: u32 = match OpusMode::LOSSY {
    OpusMode::LowDelay { bitrate, .. } | OpusMode::Voip { bitrate, .. } => bitrate,
};
/// Less protection is enough only when it was so for this long.
const CLEAN: Duration = Duration::from_secs(12);
/// Share of a new report in the estimate, when it tells of more loss and of less.
const RISE: f32 = 0.6;
const FALL: f32 = 0.3;

/// Steps of protection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
enum Protection {
    #[default]
    None,
    Light,
    Medium,
    Heavy,
}

impl Protection {
    fn against(loss: f32) -> Self {
        match loss {
            _ if loss < HARMFUL => Self::None,
            _ if loss < LIGHT => Self::Light,
            _ if loss < MEDIUM => Self::Medium,
            _ => Self::Heavy,
        }
    }

    /// In per cent, as the encoder is told.
    const fn percent(self) -> u8 {
        match self {
            Self::None => 0,
            Self::Light => 5,
            Self::Medium => 10,
            Self::Heavy => 20,
        }
    }
}

/// The loss of one listener over time.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LossWatch {
    /// Smoothed, 0 to 1.
    loss: f32,
    protection: Protection,
    /// Since when less would have been enough, and the most that was wanted since.
    better: Option<(MediaTime, Protection)>,
}

impl LossWatch {
    /// Takes in a receiver report, in 1/256; true when the protection has changed.
    pub(crate) fn report(&mut self, now: MediaTime, fraction: u8) -> bool {
        let loss = f32::from(fraction) / 256.0;
        let rate = if loss > self.loss { RISE } else { FALL };
        self.loss += (loss - self.loss) * rate;
        let wanted = Protection::against(self.loss);
        let before = self.protection;
        if wanted >= self.protection {
            self.protection = wanted;
            self.better = None;
        } else {
            let (since, most) = self.better.unwrap_or((now, Protection::None));
            // What was reported, not the estimate, which still falls.
            let most = most.max(Protection::against(loss));
            if now.since(since) >= CLEAN {
                self.protection = most;
                self.better = None;
            } else {
                self.better = Some((since, most));
            }
        }
        self.protection != before
    }

    /// What the listener's encoder is to be: as negotiated while nothing is lost.
    pub(crate) fn apply(&self, negotiated: EncoderSetting) -> EncoderSetting {
        let percent = self.protection.percent();
        if negotiated.codec != AudioCodec::Opus || percent == 0 {
            return negotiated;
        }
        let mode = match negotiated.opus {
            OpusMode::LowDelay { .. } => OpusMode::Voip {
                bitrate: PROTECTED_BITRATE,
                fec_loss_percent: percent,
            },
            OpusMode::Voip {
                bitrate,
                fec_loss_percent,
            } => OpusMode::Voip {
                bitrate,
                fec_loss_percent: fec_loss_percent.max(percent),
            },
        };
        EncoderSetting::opus(mode)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Seconds until the setting is as wanted, when this is reported once a second.
    fn seconds_until(
        watch: &mut LossWatch,
        from: u64,
        fraction: u8,
        wanted: Option<u8>,
    ) -> Option<u64> {
        (0..60).find(|second| {
            watch.report(MediaTime::from_millis((from + second) * 1_000), fraction);
            percent(*watch) == wanted
        })
    }

    fn percent(watch: LossWatch) -> Option<u8> {
        match watch.apply(EncoderSetting::of(AudioCodec::Opus)).opus {
            OpusMode::LowDelay { .. } => None,
            OpusMode::Voip {
                fec_loss_percent, ..
            } => Some(fec_loss_percent),
        }
    }

    #[test]
    fn loss_is_answered_within_two_reports_in_steps() {
        for (fraction, step) in [(10, Some(5)), (26, Some(10)), (60, Some(20)), (2, None)] {
            let mut watch = LossWatch::default();
            let took = seconds_until(&mut watch, 0, fraction, step);
            assert!(took.is_some_and(|took| took <= 1), "{fraction}: {took:?}");
            watch.report(MediaTime::from_millis(2_000), fraction);
            assert_eq!(percent(watch), step);
        }
    }

    #[test]
    fn protection_ends_after_a_clean_while_and_not_before() {
        let mut watch = LossWatch::default();
        (0..10).for_each(|second| {
            watch.report(MediaTime::from_millis(second * 1_000), 26);
        });
        let took = seconds_until(&mut watch, 10, 0, None);
        assert!(
            took.is_some_and(|took| (12..=20).contains(&took)),
            "{took:?}"
        );
    }

    #[test]
    fn loss_that_comes_and_goes_does_not_flap() {
        let mut watch = LossWatch::default();
        let mut changes = 0;
        for second in 0..300 {
            let fraction = if second % 10 < 3 { 26 } else { 0 };
            changes += u32::from(watch.report(MediaTime::from_millis(second * 1_000), fraction));
        }
        assert!(changes <= 2, "{changes} changes");
    }

    #[test]
    fn codecs_without_protection_stay_as_they_are() {
        let mut watch = LossWatch::default();
        watch.report(MediaTime::from_millis(0), 255);
        let pcmu = EncoderSetting::of(AudioCodec::Pcmu);
        assert_eq!(watch.apply(pcmu), pcmu);
    }
}
