//! How loud a leg is and whether it speaks: −dBov per tick in, smoothed loudness out.

/// Louder than this (dB above −127 dBov) is speech: −50 dBov.
const SPEECH: f32 = 77.0;
/// Once speaking, down to −56 dBov still is.
const STILL_SPEECH: f32 = 71.0;
/// Share of a rise that is followed in a tick.
const ATTACK: f32 = 0.6;
/// Share of a fall that is followed in a tick: 90 % in 220 ms.
const RELEASE: f32 = 0.2;

/// Smoothed loudness of one leg.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct LevelMeter {
    loudness: f32,
    speaking: bool,
}

impl LevelMeter {
    /// Takes in the level of one tick in −dBov (127 is silence).
    pub(crate) fn update(&mut self, dbov: u8) {
        let loudness = f32::from(127 - dbov.min(127));
        let rate = if loudness > self.loudness {
            ATTACK
        } else {
            RELEASE
        };
        self.loudness += (loudness - self.loudness) * rate;
        // A beginning is taken at once, so that nothing of it is missed; the end is that of the smoothed loudness.
        self.speaking =
            loudness > SPEECH || self.loudness > if self.speaking { STILL_SPEECH } else { SPEECH };
    }

    /// Smoothed, in dB above −127 dBov.
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
        }
        assert!(!meter.speaking());
    }
}
