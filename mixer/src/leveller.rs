//! Slow levelling: callers whose voices come in at −45 to −15 dBov end equally loud.
//!
//! A voice's loudness is its active speech level in the spirit of ITU-T P.56: the mean power of the ticks in which it speaks, pauses left
//! out. The gain moves slowly towards what brings that to [`TARGET`], and only in such ticks: in a pause it stands still, so that the noise
//! of the line does not breathe. What does not fluctuate as speech does (tones, a fan) is left as it is.

use crate::level::above_silence;

/// Where voices are brought to: −26 dBov, the nominal active speech level of ITU-T P.56 and G.100. In dB above −127 dBov, as all levels here.
const TARGET: f32 = 101.0;
/// Bounds of the gain in dB. A quiet voice is never made quieter for its noise.
const GAIN: std::ops::RangeInclusive<f32> = -20.0..=30.0;
/// No gain lifts the noise of a line above −38 dBov.
const LOUDEST_NOISE: f32 = 89.0;
/// A voice that is off by less is as it should be, …
const TOLERATED: f32 = 1.0;
/// … and one that was off by more is brought as near as this.
const REACHED: f32 = 0.2;
/// dB per tick: 6 dB/s within the first seconds of speech, …
const FIRST_RATE: f32 = 0.12;
/// … 3 dB/s when somebody is far off, …
const FAR_RATE: f32 = 0.06;
/// … 1.5 dB/s otherwise.
const RATE: f32 = 0.03;
/// Far is more than this in dB.
const FAR: f32 = 6.0;
/// The first seconds of speech: 6 s in ticks.
const FIRST_TICKS: u16 = 300;
/// Ticks of speech before anything is concluded from them: 0.5 s.
const ENOUGH: u16 = 25;
/// The level is the mean of so much speech: 8 s in ticks.
const MEMORY: u16 = 400;
/// Who has become quieter by so many dB (another microphone, further away) is measured anew. The mean of levels is some 5 dB below the
/// level of the mean power.
const BROKEN_OFF: f32 = 15.0;
/// Speech is so much above the noise of the line, …
const ABOVE_NOISE: f32 = 6.0;
/// … at most so much below the loudest lately, which is some 8 dB above the active level, …
const BELOW_PEAK: f32 = 24.0;
/// … which is forgotten by 3 dB/s, …
const PEAK_DECAY: f32 = 0.06;
/// … and at least −62 dBov.
const QUIETEST: f32 = 65.0;
/// Gaps of 200 ms between syllables belong to speech (ITU-T P.56 §5).
const HANGOVER: u8 = 10;
/// Mean difference, in dB, between one tick and the next from which on something fluctuates as speech does; that of speech is 3 to 5 dB.
const FLUCTUATION: f32 = 1.0;
/// A single difference counts as this at most: a tone on a line with gaps is no speech.
const LARGEST_STEP: f32 = 6.0;
/// Share by which a tick changes the slow means.
const SLOW: f32 = 0.02;

/// Active speech level of one voice, and its gain.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Leveller {
    /// Mean power of the ticks of speech; 1 at −127 dBov.
    power: f32,
    /// Ticks in that mean, at most [`MEMORY`].
    count: u16,
    /// Ticks of speech so far, up to [`FIRST_TICKS`].
    spoken: u16,
    /// The loudest lately.
    peak: f32,
    /// Ticks that may still belong to speech.
    hangover: u8,
    /// Slow mean of the level in speech.
    mean: f32,
    /// Level of the last tick of speech, and the slow mean of the difference between ticks.
    last: f32,
    fluctuation: f32,
    adapting: bool,
    gain_db: f32,
    /// The same, linear.
    gain: f32,
}

impl Default for Leveller {
    fn default() -> Self {
        Self {
            power: 0.0,
            count: 0,
            spoken: 0,
            peak: 0.0,
            hangover: 0,
            mean: 0.0,
            last: 0.0,
            fluctuation: 0.0,
            adapting: false,
            gain_db: 0.0,
            gain: 1.0,
        }
    }
}

impl Leveller {
    /// Takes in the level (−dBov) of a tick that was decoded, and the noise of the line as far as it is known.
    pub(crate) fn update(&mut self, dbov: u8, noise: Option<f32>) {
        let Some(noise) = noise else {
            return;
        };
        let level = above_silence(dbov);
        if !self.speaks(level, noise) {
            return;
        }
        self.measure(level);
        if self.count >= ENOUGH && self.fluctuation > FLUCTUATION {
            self.approach(noise);
        }
    }

    /// Linear gain that the voice has now.
    pub(crate) fn gain(&self) -> f32 {
        self.gain
    }

    /// The same in dB.
    pub(crate) fn gain_db(&self) -> f32 {
        self.gain_db
    }

    fn speaks(&mut self, level: f32, noise: f32) -> bool {
        let audible = level > (noise + ABOVE_NOISE).max(QUIETEST);
        if audible {
            self.peak = level.max(self.peak - PEAK_DECAY);
        }
        if audible && level > self.peak - BELOW_PEAK {
            self.hangover = HANGOVER;
            return true;
        }
        let gap = self.hangover > 0;
        self.hangover = self.hangover.saturating_sub(1);
        gap
    }

    fn measure(&mut self, level: f32) {
        self.spoken = (self.spoken + 1).min(FIRST_TICKS);
        self.count = (self.count + 1).min(MEMORY);
        self.power += (10.0_f32.powf(level / 10.0) - self.power) / f32::from(self.count);
        // A gap may be digital silence, which is no level.
        let level = level.max(self.peak - BELOW_PEAK);
        if self.spoken == 1 {
            self.mean = level;
            self.last = level;
        }
        self.mean += (level - self.mean) * SLOW;
        let step = (level - std::mem::replace(&mut self.last, level)).abs();
        self.fluctuation += (step.min(LARGEST_STEP) - self.fluctuation) * SLOW;
    }

    fn approach(&mut self, noise: f32) {
        let active = 10.0 * self.power.max(1.0).log10();
        if self.mean < active - BROKEN_OFF {
            self.count = ENOUGH;
        }
        let most = (LOUDEST_NOISE - noise).clamp(0.0, *GAIN.end());
        let wanted = (TARGET - active).clamp(*GAIN.start(), most);
        let missing = wanted - self.gain_db;
        self.adapting = missing.abs() > if self.adapting { REACHED } else { TOLERATED };
        if !self.adapting {
            return;
        }
        let rate = if self.spoken < FIRST_TICKS {
            FIRST_RATE
        } else if missing.abs() > FAR {
            FAR_RATE
        } else {
            RATE
        };
        self.gain_db += missing.clamp(-rate, rate);
        self.gain = 10.0_f32.powf(self.gain_db / 20.0);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOISE: Option<f32> = Some(57.0);

    /// Levels of ticks (−dBov) of a voice: syllables of 160 ms, a pause of 400 ms after each six. Its active level is `dbov`.
    fn voice(dbov: i16) -> impl Iterator<Item = u8> {
        const SYLLABLE: [i16; 8] = [-12, -3, 2, 4, 3, 0, -6, -16];
        (0..68).cycle().map(move |tick| {
            let level = SYLLABLE.get(tick % 8).filter(|_| tick < 48);
            level.map_or(70, |level| u8::try_from(-dbov - level).unwrap_or(0))
        })
    }

    fn hears(leveller: &mut Leveller, levels: impl Iterator<Item = u8>) -> Vec<f32> {
        levels
            .map(|dbov| {
                leveller.update(dbov, NOISE);
                leveller.gain_db()
            })
            .collect()
    }

    #[test]
    fn voices_of_all_levels_are_brought_to_one() {
        for dbov in [-45_i16, -40, -35, -30, -20, -15] {
            let mut leveller = Leveller::default();
            let gains = hears(&mut leveller, voice(dbov).take(400));
            let out = f32::from(dbov) + gains.last().copied().unwrap_or(0.0);
            assert!((out + 26.0).abs() < 1.5, "{dbov} dBov became {out:.1}");
        }
    }

    #[test]
    fn a_voice_of_the_usual_level_is_not_touched() {
        let mut leveller = Leveller::default();
        hears(&mut leveller, voice(-26).take(3_000));
        assert_eq!(leveller.gain().to_bits(), 1.0_f32.to_bits());
    }

    #[test]
    fn the_gain_moves_slowly() {
        let mut leveller = Leveller::default();
        let gains = hears(&mut leveller, voice(-45).take(1_000));
        let steepest = |gains: &[f32]| {
            gains
                .windows(2)
                .map(|pair| (pair[1] - pair[0]).abs())
                .fold(0.0, f32::max)
        };
        assert!(steepest(&gains) <= FIRST_RATE * 1.01);
        // Later, though the same voice is 4 dB louder.
        let gains = hears(&mut leveller, voice(-41).take(2_000));
        assert!(steepest(&gains) <= RATE * 1.01);
        let moved = gains.last().copied().unwrap_or(0.0) - gains[0];
        assert!((-4.5..-2.5).contains(&moved), "{moved:.1} dB");
    }

    #[test]
    fn who_changes_the_microphone_is_levelled_anew() {
        let mut leveller = Leveller::default();
        hears(&mut leveller, voice(-20).take(2_000));
        let gains = hears(&mut leveller, voice(-44).take(1_500));
        let out = -44.0 + gains.last().copied().unwrap_or(0.0);
        assert!((out + 26.0).abs() < 2.0, "{out:.1} dBov");
    }

    #[test]
    fn nothing_moves_in_a_pause() {
        let mut leveller = Leveller::default();
        hears(&mut leveller, voice(-40).take(200));
        let mut pause = hears(&mut leveller, std::iter::repeat_n(70, 1_000));
        let rest = pause.split_off(usize::from(HANGOVER) + 1);
        assert!(
            rest.windows(2)
                .all(|pair| pair[0].to_bits() == pair[1].to_bits())
        );
    }

    #[test]
    fn tones_are_left_alone_even_on_a_line_with_gaps() {
        let mut leveller = Leveller::default();
        hears(&mut leveller, std::iter::repeat_n(70, 200));
        for gap in [0, 3, 20, 1, 60, 10] {
            hears(&mut leveller, std::iter::repeat_n(12, 100));
            hears(&mut leveller, std::iter::repeat_n(127, gap));
        }
        assert_eq!(leveller.gain().to_bits(), 1.0_f32.to_bits());
    }

    #[test]
    fn the_noise_of_a_bad_line_is_not_raised_beyond_bounds() {
        let mut leveller = Leveller::default();
        for dbov in voice(-45).take(1_000) {
            leveller.update(dbov, Some(72.0));
        }
        let noise = 72.0 + leveller.gain_db();
        assert!(noise <= LOUDEST_NOISE + 0.1, "{noise:.1}");
    }
}
