//! Samples between samples: of two rows, and along a row. What scaling spends its time on, hence with the instructions that were made for
//! it where the processor has them; the same arithmetic in Rust elsewhere, and for what these cannot do.
//!
//! Weights are of 128: the product of a sample with one, and the sum of two such, fit 16 bits with a sign.

/// What the weights of two samples add up to.
const ONE: u8 = 128;
/// Half of a unit of a sum, for rounding.
const HALF: u16 = 64;
/// A row is to have so many samples after its last that can be read.
pub(super) const PADDING: usize = 16;

/// Where a sample of the target lies between two samples of the source, `index` and the next.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Tap {
    pub(super) index: usize,
    /// Of the second, below [`ONE`].
    pub(super) weight: u8,
}

/// The centre of target sample `at` of `target` lies there among `source` samples; the sample after the last has no weight.
pub(super) fn tap(at: usize, source: usize, target: usize) -> Tap {
    let one = usize::from(ONE);
    // (at + ½) · source / target − ½ in units of 1/128, rounded.
    let place = ((2 * at + 1) * source * one / target.max(1)).div_ceil(2);
    let most = source.saturating_sub(1) * one;
    let place = place.saturating_sub(one / 2).min(most);
    Tap {
        index: place / one,
        weight: u8::try_from(place % one).unwrap_or(0),
    }
}

/// Between two samples, rounded.
#[expect(clippy::cast_possible_truncation, reason = "a mean of octets is one")]
fn mix(first: u8, second: u8, weight: u8) -> u8 {
    let part = |sample: u8, weight: u8| u16::from(sample) * u16::from(weight);
    ((part(first, ONE - weight) + part(second, weight) + HALF) / u16::from(ONE)) as u8
}

/// A row between two rows of its length, `weight`/128 of the second.
pub(super) fn rows(above: &[u8], below: &[u8], weight: u8, out: &mut [u8]) {
    #[cfg(target_arch = "x86_64")]
    if weight > 0 && std::arch::is_x86_feature_detected!("ssse3") {
        // SAFETY: the processor has what the function is compiled for.
        #[expect(unsafe_code, reason = "the compiler cannot know the processor")]
        return unsafe { vector::rows(above, below, weight, out) };
    }
    rows_anywhere(above, below, weight, out);
}

fn rows_anywhere(above: &[u8], below: &[u8], weight: u8, out: &mut [u8]) {
    for ((out, above), below) in out.iter_mut().zip(above).zip(below) {
        *out = mix(*above, *below, weight);
    }
}

/// How a row becomes a longer or a shorter one.
#[derive(Debug, Default)]
pub(super) struct Columns {
    /// Source and target length.
    lengths: (usize, usize),
    taps: Vec<Tap>,
    /// The same for each eight samples of the target; none when they lie too far from each other.
    #[cfg(target_arch = "x86_64")]
    steps: Vec<Step>,
}

/// Eight samples between two each of sixteen neighbours.
#[cfg(target_arch = "x86_64")]
#[derive(Debug, Clone, Copy, Default)]
struct Step {
    /// The first of the sixteen.
    start: usize,
    /// Which two of them, one pair after the other, and their weights.
    chosen: [u8; 16],
    weights: [u8; 16],
}

#[cfg(target_arch = "x86_64")]
impl Step {
    const SAMPLES: usize = 8;

    fn new(taps: &[Tap]) -> Option<Self> {
        let start = taps.first()?.index;
        let mut step = Self {
            start,
            ..Self::default()
        };
        let pairs = step.chosen.as_chunks_mut().0.iter_mut();
        for ((pair, weights), tap) in pairs.zip(step.weights.as_chunks_mut().0).zip(taps) {
            let at = u8::try_from(tap.index - start).ok().filter(|at| *at < 15)?;
            (*pair, *weights) = match tap.weight {
                // A weight of 128 is one too many for an octet with a sign.
                0 => ([at, at], [ONE / 2, ONE / 2]),
                weight => ([at, at + 1], [ONE - weight, weight]),
            };
        }
        Some(step)
    }
}

impl Columns {
    /// Prepares for rows of such lengths.
    pub(super) fn prepare(&mut self, source: usize, target: usize) {
        if self.lengths == (source, target) {
            return;
        }
        self.lengths = (source, target);
        self.taps.clear();
        self.taps
            .extend((0..target).map(|at| tap(at, source, target)));
        #[cfg(target_arch = "x86_64")]
        {
            let steps: Option<Vec<Step>> = self.taps.chunks(Step::SAMPLES).map(Step::new).collect();
            self.steps = steps.unwrap_or_default();
        }
    }

    /// Stretches or squeezes a row, of which the last sample stands another [`PADDING`] times behind it.
    pub(super) fn stretch(&self, row: &[u8], out: &mut [u8]) {
        #[cfg(target_arch = "x86_64")]
        if !self.steps.is_empty() && std::arch::is_x86_feature_detected!("ssse3") {
            // SAFETY: the processor has what the function is compiled for.
            #[expect(unsafe_code, reason = "the compiler cannot know the processor")]
            return unsafe { vector::columns(row, &self.steps, out) };
        }
        self.stretch_anywhere(row, out);
    }

    fn stretch_anywhere(&self, row: &[u8], out: &mut [u8]) {
        for (out, tap) in out.iter_mut().zip(&self.taps) {
            if let Some([first, second]) = row.get(tap.index..).and_then(|row| row.first_chunk()) {
                *out = mix(*first, *second, tap.weight);
            }
        }
    }
}

/// With `pmaddubsw` and `pshufb`, of SSSE3: all processors of the last decade have them.
#[cfg(target_arch = "x86_64")]
mod vector {
    use std::arch::x86_64::{
        __m128i, _mm_add_epi16, _mm_maddubs_epi16, _mm_packus_epi16, _mm_set1_epi16,
        _mm_shuffle_epi8, _mm_srli_epi16, _mm_unpackhi_epi8, _mm_unpacklo_epi8,
    };

    use bytemuck::cast;

    use super::{HALF, ONE, Step, rows_anywhere};

    /// Eight means of two samples each.
    #[target_feature(enable = "ssse3")]
    fn means(pairs: __m128i, weights: __m128i) -> __m128i {
        let half = _mm_set1_epi16(HALF.cast_signed());
        let sums = _mm_maddubs_epi16(pairs, weights);
        _mm_srli_epi16::<7>(_mm_add_epi16(sums, half))
    }

    #[target_feature(enable = "ssse3")]
    pub(super) fn rows(above: &[u8], below: &[u8], weight: u8, out: &mut [u8]) {
        let weights = _mm_set1_epi16(i16::from_le_bytes([ONE - weight, weight]));
        let (above, above_rest) = above.as_chunks::<16>();
        let (below, below_rest) = below.as_chunks::<16>();
        let (out, out_rest) = out.as_chunks_mut::<16>();
        for ((out, above), below) in out.iter_mut().zip(above).zip(below) {
            let (above, below): (__m128i, __m128i) = (cast(*above), cast(*below));
            let left = means(_mm_unpacklo_epi8(above, below), weights);
            let right = means(_mm_unpackhi_epi8(above, below), weights);
            *out = cast(_mm_packus_epi16(left, right));
        }
        rows_anywhere(above_rest, below_rest, weight, out_rest);
    }

    /// Eight samples of the target, each in sixteen bits.
    #[target_feature(enable = "ssse3")]
    fn step(row: &[u8], step: &Step) -> Option<__m128i> {
        let near = row.get(step.start..)?.first_chunk::<16>()?;
        let pairs = _mm_shuffle_epi8(cast(*near), cast(step.chosen));
        Some(means(pairs, cast(step.weights)))
    }

    #[target_feature(enable = "ssse3")]
    pub(super) fn columns(row: &[u8], steps: &[Step], out: &mut [u8]) {
        let (twice, last) = steps.as_chunks::<2>();
        let (out, out_rest) = out.as_chunks_mut::<16>();
        for (out, [left, right]) in out.iter_mut().zip(twice) {
            if let (Some(left), Some(right)) = (step(row, left), step(row, right)) {
                *out = cast(_mm_packus_epi16(left, right));
            }
        }
        let left = twice.get(out.len()..).unwrap_or_default().as_flattened();
        for (out, left) in out_rest
            .chunks_mut(Step::SAMPLES)
            .zip(left.iter().chain(last))
        {
            if let Some(samples) = step(row, left) {
                let samples: [u8; 16] = cast(_mm_packus_epi16(samples, samples));
                out.copy_from_slice(&samples[..out.len()]);
            }
        }
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test's numbers are small"
)]
mod tests {
    use super::*;

    fn noise(length: usize, seed: u64) -> Vec<u8> {
        let mut random = fastrand::Rng::with_seed(seed);
        (0..length).map(|_| random.u8(..)).collect()
    }

    #[test]
    fn a_mix_is_the_rounded_mean_by_weight() {
        let all = || (0..=255u8).flat_map(|first| (0..=255).map(move |second| (first, second)));
        for weight in [0, 1, 43, 64, 127] {
            for (first, second) in all() {
                let (a, b) = (f64::from(first), f64::from(second));
                let mean = (a * f64::from(128 - weight) + b * f64::from(weight)) / 128.0;
                let rounded = (mean + 0.5).floor() as u8;
                assert_eq!(
                    mix(first, second, weight),
                    rounded,
                    "{first} {second} {weight}"
                );
            }
        }
    }

    #[test]
    fn taps_lie_evenly_within_the_source() {
        for (source, target) in [(640, 424), (320, 424), (1, 7), (7, 1), (1_918, 2)] {
            let taps: Vec<Tap> = (0..target).map(|at| tap(at, source, target)).collect();
            for (at, tap) in taps.iter().enumerate() {
                let place = (at as f64 + 0.5) * source as f64 / target as f64 - 0.5;
                let place = place.clamp(0.0, source as f64 - 1.0);
                let own = tap.index as f64 + f64::from(tap.weight) / 128.0;
                assert!(
                    (own - place).abs() < 0.006,
                    "{at} of {target}: {own} for {place}"
                );
            }
        }
    }

    #[test]
    fn vectors_give_what_plain_rust_gives() {
        for length in [1, 15, 16, 17, 100, 640] {
            let (above, below) = (noise(length, 1), noise(length, 2));
            let (mut fast, mut plain) = (vec![0; length], vec![0; length]);
            for weight in 0..128 {
                rows(&above, &below, weight, &mut fast);
                rows_anywhere(&above, &below, weight, &mut plain);
                assert_eq!(fast, plain, "{length} by {weight}");
            }
        }
        let mut columns = Columns::default();
        for (source, target) in [
            (640, 424),
            (320, 212),
            (480, 319),
            (600, 318),
            (639, 320),
            (320, 213),
            (64, 1_000),
            (1_000, 64),
            (2, 3),
            (1, 5),
            (5, 1),
        ] {
            let mut row = noise(source, 3);
            let last = row[source - 1];
            row.resize(source + PADDING, last);
            columns.prepare(source, target);
            let (mut fast, mut plain) = (vec![0; target], vec![0; target]);
            columns.stretch(&row, &mut fast);
            columns.stretch_anywhere(&row, &mut plain);
            assert_eq!(fast, plain, "{source} to {target}");
        }
    }
}
