//! Samples times a gain: vectorised, without a step where the gain changes.

use plenum_codecs::audio::Frame;

use crate::bus::Mix;

/// How fast a voice comes in and goes out: 5 ms. No click, and an onset is not softened.
const EDGE: usize = 240;

/// Brings a voice to its gain within the frame, from `from` at its beginning. What comes out may be louder than 16 bits hold.
pub(crate) fn apply_gain(frame: &Frame, from: f32, to: f32, out: &mut Mix) {
    let length = if from > 0.0 && to > 0.0 {
        frame.len()
    } else {
        EDGE
    };
    #[expect(clippy::cast_precision_loss, reason = "a frame has 960 samples")]
    let step = (to - from) / length as f32;
    let (edge, rest) = frame.split_at(length);
    let (edge_out, rest_out) = out.split_at_mut(length);
    for ((out, &sample), i) in edge_out.iter_mut().zip(edge).zip(1_i16..) {
        *out = round(f32::from(sample) * (from + step * f32::from(i)));
    }
    for (out, &sample) in rest_out.iter_mut().zip(rest) {
        *out = round(f32::from(sample) * to);
    }
}

/// To the nearest whole number within ±4,000,000. `f32::round` is a function call per sample where the machine is not known to have SSE4.1.
pub(crate) fn round(sample: f32) -> i32 {
    // 1.5 · 2^23: adding it leaves no room for a fraction in the mantissa, whose low bits then are the number.
    const MAGIC: f32 = 12_582_912.0;
    const BITS: u32 = MAGIC.to_bits();
    (sample.clamp(-4.0e6, 4.0e6) + MAGIC)
        .to_bits()
        .wrapping_sub(BITS)
        .cast_signed()
}

/// Into 16 bits.
#[expect(
    clippy::cast_possible_truncation,
    reason = "clamped to the range of i16"
)]
pub(crate) fn clip(sample: i32) -> i16 {
    sample.clamp(i32::from(i16::MIN), i32::from(i16::MAX)) as i16
}

#[cfg(test)]
mod tests {
    use plenum_codecs::audio::FRAME;

    use super::*;

    #[test]
    fn a_gain_is_reached_without_a_step() {
        let mut out = [0; FRAME];
        for (from, to) in [(0.0, 1.0), (1.0, 0.0), (1.0, 4.0), (0.5, 0.51)] {
            apply_gain(&[10_000; FRAME], from, to, &mut out);
            assert!(out.windows(2).all(|pair| (pair[1] - pair[0]).abs() <= 43));
            assert_eq!(out[FRAME - 1], round(10_000.0 * to));
        }
    }

    #[test]
    fn rounding_is_to_the_nearest() {
        for (sample, whole) in [
            (0.4, 0),
            (0.6, 1),
            (-0.6, -1),
            (-32_768.4, -32_768),
            (1e9, 4_000_000),
            (-1e9, -4_000_000),
        ] {
            assert_eq!(round(sample), whole);
        }
    }
}
