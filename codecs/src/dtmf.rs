//! Keyed digits as tones in the sound (ITU-T Q.23), detected within the limits of ITU-T Q.24: each key press exactly once.
//!
//! Every 5 ms a Hann window of 25 ms is looked at. Of each of the eight frequencies it tells amplitude and phase, and how far the phase has
//! moved since the window before tells the frequency itself to a hertz. A window holds a digit when one tone of each group is where it should be
//! and both together are nearly all of the sound, which speech is not for long.

use std::collections::VecDeque;
use std::fmt;
use std::sync::LazyLock;

use crate::telephone_event::Digit;

/// Of the samples, Hz.
const RATE: f32 = 8_000.0;
/// Samples that are looked at together, 25 ms.
const WINDOW: usize = 200;
/// Samples from one look to the next, 5 ms.
const HOP: usize = 40;
/// Of each group, Hz (Q.23).
const LOW: [f32; 4] = [697.0, 770.0, 852.0, 941.0];
const HIGH: [f32; 4] = [1_209.0, 1_336.0, 1_477.0, 1_633.0];
const KEYS: [[char; 4]; 4] = [
    ['1', '2', '3', 'A'],
    ['4', '5', '6', 'B'],
    ['7', '8', '9', 'C'],
    ['*', '0', '#', 'D'],
];
/// Off by so much of its frequency a tone is none of ours: 1.5 % must be taken, 3.5 % must not (Q.24).
const TOLERANCE: f32 = 0.025;
/// Peak of a sine of −35 dBm0: 10 dB less than what must be taken. 0 dBm0 is 3.17 dB below full scale (G.711).
const LEAST: f32 = 396.0;
/// One tone may be stronger than the other by 10 dB, as a ratio of power. 8 dB must be taken (Q.24).
const TWIST: f32 = 10.0;
/// Part of the sound's power that both tones together have.
const SHARE: f32 = 0.9;
/// Looks in a row that make a key press: a tone of 40 ms (which must be taken) gives five at least, one of 23 ms (which must not) three at most.
const PRESSED: u32 = 4;
/// Looks in a row without the digit that make its end: 10 ms of silence (which must not end it) leave six, 40 ms (which must) eleven.
const RELEASED: u32 = 8;

/// Of the eight tones, LOW, then HIGH.
type Each = [f32; 8];

struct Probes {
    hann: [f32; WINDOW],
    /// Sum of `hann`.
    weight: f32,
    /// Cosine and sine of each tone at each sample, windowed: tones lie side by side, so that they are summed side by side.
    waves: [(Each, Each); WINDOW],
}

#[expect(clippy::cast_precision_loss, reason = "a window has 200 samples")]
static PROBES: LazyLock<Probes> = LazyLock::new(|| {
    let hann: [f32; WINDOW] = std::array::from_fn(|i| {
        0.5 - 0.5 * (std::f32::consts::TAU * (i as f32 + 0.5) / WINDOW as f32).cos()
    });
    let angle = |tone: usize, i: usize| {
        let turns = frequency(tone) * i as f32 / RATE;
        turns.fract() * std::f32::consts::TAU
    };
    Probes {
        hann,
        weight: hann.iter().sum(),
        waves: std::array::from_fn(|i| {
            (
                std::array::from_fn(|tone| hann[i] * angle(tone, i).cos()),
                std::array::from_fn(|tone| hann[i] * angle(tone, i).sin()),
            )
        }),
    }
});

fn frequency(tone: usize) -> f32 {
    if tone < 4 { LOW[tone] } else { HIGH[tone - 4] }
}

/// What a window holds of one frequency.
#[derive(Clone, Copy, Default)]
struct Phasor {
    re: f32,
    im: f32,
}

impl Phasor {
    fn power(self) -> f32 {
        self.re * self.re + self.im * self.im
    }

    /// By how many Hz the tone is off `nominal`, from the phase of the window before; known within ±100 Hz.
    #[expect(clippy::cast_precision_loss, reason = "a hop has 40 samples")]
    fn offset(self, before: Self, nominal: f32) -> f32 {
        let re = self.re * before.re + self.im * before.im;
        let im = self.im * before.re - self.re * before.im;
        let expected = (nominal * HOP as f32 / RATE).fract();
        let turns = im.atan2(re) / std::f32::consts::TAU - expected;
        (turns - turns.round()) * RATE / HOP as f32
    }
}

/// How much of its amplitude a sine that is off by `offset` Hz keeps under the window.
#[expect(clippy::cast_precision_loss, reason = "a window has 200 samples")]
fn response(offset: f32) -> f32 {
    let bins = (offset * WINDOW as f32 / RATE).abs();
    if bins < 1e-3 {
        return 1.0;
    }
    if (bins - 1.0).abs() < 1e-3 {
        return 0.5;
    }
    let angle = std::f32::consts::PI * bins;
    angle.sin() / (angle * (1.0 - bins * bins))
}

/// Detects digits in sound of 8 kHz. About 3 µs per 20 ms that are not silent (`leg_g711_tones`), 2 KiB.
pub struct ToneDetector {
    samples: VecDeque<f32>,
    before: Option<[Phasor; 8]>,
    /// What the last looks agree on, and how many they are.
    run: Option<(Digit, u32)>,
    /// The key that is down, and looks since it was seen.
    down: Option<(Digit, u32)>,
}

impl Default for ToneDetector {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for ToneDetector {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ToneDetector(…)")
    }
}

impl ToneDetector {
    /// Has heard nothing.
    #[must_use]
    pub fn new() -> Self {
        Self {
            samples: VecDeque::with_capacity(2 * WINDOW),
            before: None,
            run: None,
            down: None,
        }
    }

    /// Takes in what comes next, 8 kHz mono. A digit comes out once, about 35 ms after its key went down. In less than 75 ms there is
    /// never more than one; of longer pieces the last is told.
    pub fn push(&mut self, samples: impl IntoIterator<Item = i16>) -> Option<Digit> {
        let mut pressed = None;
        for sample in samples {
            self.samples.push_back(f32::from(sample));
            if self.samples.len() == WINDOW {
                let seen = self.look();
                pressed = self.note(seen).or(pressed);
                self.samples.drain(..HOP);
            }
        }
        pressed
    }

    /// The digit in the window, if it holds one.
    fn look(&mut self) -> Option<Digit> {
        let probes = &*PROBES;
        let samples: &[f32] = self.samples.make_contiguous();
        let power = power(samples, probes);
        // Both tones together; silence costs no more than this.
        if power < LEAST * LEAST {
            self.before = None;
            return None;
        }
        let now = phasors(samples, probes);
        let before = self.before.replace(now)?;
        let low = strongest(&now[..4]);
        let high = 4 + strongest(&now[4..]);
        let square = |tone: usize| square_of_peak(now[tone], before[tone], tone, probes.weight);
        let (low_square, high_square) = (square(low)?, square(high)?);
        let alike = low_square <= TWIST * high_square && high_square <= TWIST * low_square;
        let whole = (low_square + high_square) / 2.0 >= SHARE * power;
        (alike && whole)
            .then(|| Digit::from_char(KEYS[low][high - 4]))
            .flatten()
    }

    /// Makes key presses of what the looks see.
    fn note(&mut self, seen: Option<Digit>) -> Option<Digit> {
        self.run = seen.map(|digit| match self.run {
            Some((same, looks)) if same == digit => (digit, looks + 1),
            _ => (digit, 1),
        });
        self.down = match self.down {
            Some((digit, _)) if seen == Some(digit) => Some((digit, 0)),
            Some((digit, looks)) if looks + 1 < RELEASED => Some((digit, looks + 1)),
            _ => None,
        };
        let (digit, looks) = self.run?;
        let is_new = looks == PRESSED && self.down.is_none_or(|(down, _)| down != digit);
        if is_new {
            self.down = Some((digit, 0));
        }
        is_new.then_some(digit)
    }
}

/// Mean power under the window, without the mean itself: lines have an offset.
fn power(samples: &[f32], probes: &Probes) -> f32 {
    let (mut sum, mut squares) = (0.0, 0.0);
    for (sample, weight) in samples.iter().zip(&probes.hann) {
        sum += weight * sample;
        squares += weight * sample * sample;
    }
    let mean = sum / probes.weight;
    squares / probes.weight - mean * mean
}

fn phasors(samples: &[f32], probes: &Probes) -> [Phasor; 8] {
    let (mut re, mut im): (Each, Each) = ([0.0; 8], [0.0; 8]);
    for (sample, (cosines, sines)) in samples.iter().zip(&probes.waves) {
        for tone in 0..8 {
            re[tone] += sample * cosines[tone];
            im[tone] -= sample * sines[tone];
        }
    }
    std::array::from_fn(|tone| Phasor {
        re: re[tone],
        im: im[tone],
    })
}

fn strongest(tones: &[Phasor]) -> usize {
    let powers = tones.iter().map(|phasor| phasor.power());
    powers
        .enumerate()
        .max_by(|(_, a), (_, b)| a.total_cmp(b))
        .map_or(0, |(tone, _)| tone)
}

/// Square of the peak of one tone; `None` when it is too weak or off its frequency.
fn square_of_peak(now: Phasor, before: Phasor, tone: usize, weight: f32) -> Option<f32> {
    let nominal = frequency(tone);
    let offset = now.offset(before, nominal);
    if offset.abs() > TOLERANCE * nominal {
        return None;
    }
    let peak = 2.0 * now.power().sqrt() / (weight * response(offset));
    (peak >= LEAST).then_some(peak * peak)
}

#[cfg(test)]
mod tests;
