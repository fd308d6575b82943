//! How loud a leg is and whether it speaks: −dBov per tick in, smoothed loudness out. All in dB above −127 dBov.

/// Louder than this is speech, whatever the line sounds like: −50 dBov.
const SPEECH: f32 = 77.0;
/// On a quiet line speech may begin at −62 dBov, so that nothing is missing of who speaks at −45 dBov on average, …
const QUIETEST_SPEECH: f32 = 65.0;
/// … but only by so much above the noise of the line.
const ABOVE_NOISE: f32 = 9.0;
/// Once speaking, down to so much less still is.
const HYSTERESIS: f32 = 6.0;
/// Share of a rise that is followed in a tick.
const ATTACK: f32 = 0.6;
/// Share of a fall that is followed in a tick: 90 % in 220 ms.
const RELEASE: f32 = 0.2;
/// The noise of a line is the least that was heard of it in one to two of these: 1 s in ticks.
const WINDOW: u32 = 50;
/// Less than this (−90 dBov) is no noise of a line: it is muted, or gated by the sender.
const DIGITAL_SILENCE: f32 = 37.0;

/// Smoothed loudness of one leg.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LevelMeter {
    loudness: f32,
    speaking: bool,
    floor: NoiseFloor,
}

impl LevelMeter {
    /// Takes in the level of one tick in −dBov (127 is silence).
    pub(crate) fn update(&mut self, dbov: u8) {
        let loudness = above_silence(dbov);
        let rate = if loudness > self.loudness {
            ATTACK
        } else {
            RELEASE
        };
        self.loudness += (loudness - self.loudness) * rate;
        self.floor.update(loudness, self.loudness);
        let onset = match self.floor.noise() {
            Some(noise) => (noise + ABOVE_NOISE).clamp(QUIETEST_SPEECH, SPEECH),
            None => SPEECH,
        };
        let threshold = if self.speaking {
            onset - HYSTERESIS
        } else {
            onset
        };
        // A beginning is taken at once, so that nothing of it is missed; the end is that of the smoothed loudness.
        self.speaking = loudness > onset || self.loudness > threshold;
    }

    /// Smoothed.
    pub(crate) fn loudness(&self) -> f32 {
        self.loudness
    }

    /// Nothing was heard for long enough that nothing remains of it.
    pub(crate) fn is_silent(&self) -> bool {
        self.loudness < 1.0
    }

    /// Loud enough to be mixed.
    pub(crate) fn speaking(&self) -> bool {
        self.speaking
    }

    /// The noise of the line; `None` until it has been heard for a second.
    pub(crate) fn noise(&self) -> Option<f32> {
        self.floor.noise()
    }
}

/// −dBov as dB above −127 dBov.
pub(crate) fn above_silence(dbov: u8) -> f32 {
    f32::from(127 - dbov.min(127))
}

/// Minimum statistics: speech has gaps between its words and syllables, and what is heard in them is the line.
#[derive(Debug, Clone, Copy, Default)]
struct NoiseFloor {
    /// Least of the window that is over.
    last: Option<f32>,
    /// Least of this window, so far.
    least: f32,
    ticks: u32,
    /// The tick before was no digital silence: this one's level is of all its 20 ms.
    sounding: bool,
}

impl NoiseFloor {
    fn update(&mut self, loudness: f32, smoothed: f32) {
        let sounding = loudness >= DIGITAL_SILENCE;
        if !std::mem::replace(&mut self.sounding, sounding) || !sounding {
            return;
        }
        // A rise is seen at once, a dip of one tick is none.
        let heard = loudness.max(smoothed);
        self.least = if self.ticks == 0 {
            heard
        } else {
            self.least.min(heard)
        };
        self.ticks += 1;
        if self.ticks == WINDOW {
            self.last = Some(self.least);
            self.ticks = 0;
        }
    }

    fn noise(&self) -> Option<f32> {
        let last = self.last?;
        Some(if self.ticks == 0 {
            last
        } else {
            last.min(self.least)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::LevelMeter;

    #[test]
    fn speech_counts_at_once_and_ends_after_a_pause() {
        let mut meter = LevelMeter::default();
        meter.update(45);
        assert!(meter.speaking());
        let ticks = (1..100).find(|_| {
            meter.update(127);
            !meter.speaking()
        });
        assert!(
            ticks.is_some_and(|ticks| (1..10).contains(&ticks)),
            "{ticks:?}"
        );
    }

    #[test]
    fn line_noise_is_not_speech() {
        let mut meter = LevelMeter::default();
        for _ in 0..500 {
            meter.update(55);
            assert!(!meter.speaking());
        }
    }

    #[test]
    fn line_noise_that_comes_back_after_a_mute_is_not_speech() {
        let mut meter = LevelMeter::default();
        for (ticks, dbov) in [(200, 60), (200, 127), (200, 55), (20, 127), (200, 54)] {
            for _ in 0..ticks {
                meter.update(dbov);
                assert!(!meter.speaking());
            }
        }
    }

    #[test]
    fn a_quiet_caller_on_a_quiet_line_speaks_from_the_first_sound() {
        let mut meter = LevelMeter::default();
        for _ in 0..100 {
            meter.update(75);
        }
        // What a word at −45 dBov begins with.
        let ticks = [60, 57, 50].into_iter().position(|dbov| {
            meter.update(dbov);
            meter.speaking()
        });
        assert_eq!(ticks, Some(0));
        for _ in 0..3 {
            for dbov in [45, 41, 48, 55, 60, 52, 44, 50] {
                meter.update(dbov);
                assert!(meter.speaking(), "at −{dbov} dBov");
            }
        }
        let ticks = (1..100).find(|_| {
            meter.update(75);
            !meter.speaking()
        });
        assert!(ticks.is_some_and(|ticks| ticks < 12), "{ticks:?}");
    }

    #[test]
    fn a_steady_tone_never_becomes_noise() {
        let mut meter = LevelMeter::default();
        for _ in 0..3_000 {
            meter.update(18);
        }
        assert!(meter.speaking());
    }
}
