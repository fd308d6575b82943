//! The sum of all that is heard in a tick. 32 bits hold 65,536 voices at full scale, so nothing clips here.

use plenum_codecs::audio::{FRAME, Frame};

/// One frame of a mix before it is limited.
pub(crate) type Mix = [i32; FRAME];

/// The sum of one tick.
#[derive(Debug)]
pub(crate) struct Bus {
    sum: Box<Mix>,
}

impl Bus {
    pub(crate) fn new() -> Self {
        Self {
            sum: Box::new([0; FRAME]),
        }
    }

    pub(crate) fn clear(&mut self) {
        self.sum.fill(0);
    }

    pub(crate) fn add(&mut self, frame: &Frame) {
        add(&mut self.sum, frame);
    }

    /// All of it: what a leg hears that adds nothing itself.
    pub(crate) fn full(&self) -> &Mix {
        &self.sum
    }

    /// Mix-minus: all but `own`, exactly, because the subtraction comes before any limiting.
    pub(crate) fn minus(&self, own: &Frame, out: &mut Mix) {
        for ((out, &sum), &own) in out.iter_mut().zip(self.sum.iter()).zip(own) {
            *out = sum - i32::from(own);
        }
    }
}

/// Adds a frame to a mix.
pub(crate) fn add(mix: &mut Mix, frame: &Frame) {
    for (mix, &sample) in mix.iter_mut().zip(frame) {
        *mix += i32::from(sample);
    }
}

/// Brings a voice to its gain within the frame, from `from` at its beginning; what comes out is what goes into the bus.
#[expect(
    clippy::cast_possible_truncation,
    reason = "`as` saturates, which clips"
)]
pub(crate) fn apply_gain(frame: &Frame, from: f32, to: f32, out: &mut Frame) {
    if from.to_bits() == to.to_bits() && to.to_bits() == 1.0_f32.to_bits() {
        out.copy_from_slice(frame);
        return;
    }
    // 5 ms: no click, and an onset is not softened.
    const RAMP: u16 = 240;
    let step = (to - from) / f32::from(RAMP);
    let mut gain = from;
    for (i, (out, &sample)) in out.iter_mut().zip(frame).enumerate() {
        gain = if i < usize::from(RAMP) {
            gain + step
        } else {
            to
        };
        *out = (f32::from(sample) * gain).round() as i16;
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn voice(seed: u64, peak: i16) -> Frame {
        let mut random = fastrand::Rng::with_seed(seed);
        std::array::from_fn(|_| random.i16(-peak..=peak))
    }

    proptest! {
        #[test]
        fn mix_minus_is_the_sum_of_the_others(
            voices in proptest::collection::vec((any::<u64>(), 0..=i16::MAX), 1..40)
        ) {
            let frames: Vec<Frame> = voices.iter().map(|&(seed, peak)| voice(seed, peak)).collect();
            let mut bus = Bus::new();
            frames.iter().for_each(|frame| bus.add(frame));
            let mut heard = [0; FRAME];
            for (listener, own) in frames.iter().enumerate() {
                bus.minus(own, &mut heard);
                for (i, &sample) in heard.iter().enumerate() {
                    let others: i32 = frames.iter().enumerate()
                        .filter(|(other, _)| *other != listener)
                        .map(|(_, frame)| i32::from(frame[i]))
                        .sum();
                    prop_assert_eq!(sample, others);
                }
            }
        }
    }

    #[test]
    fn a_gain_is_reached_without_a_step() {
        let mut out = [0; FRAME];
        apply_gain(&[10_000; FRAME], 0.0, 1.0, &mut out);
        assert!(
            out.windows(2)
                .all(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs() <= 43)
        );
        assert_eq!(out[FRAME - 1], 10_000);
    }
}
