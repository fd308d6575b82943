//! The resampler judged by signal-to-noise ratios and by its frequency response.

use super::*;
use proptest::prelude::*;
use std::f64::consts::TAU;

fn sine(rate: f64, hertz: f64, amplitude: f64, count: usize) -> Vec<i16> {
    (0..u32::try_from(count).unwrap())
        .map(|i| (amplitude * (TAU * hertz * f64::from(i) / rate).sin()).round() as i16)
        .collect()
}

/// Power of the best-fitting sine over the power of the rest, in dB; and the sine's amplitude.
fn sine_to_rest(samples: &[i16], rate: f64, hertz: f64) -> (f64, f64) {
    let basis = |i: usize| (TAU * hertz * i as f64 / rate).sin_cos();
    let (mut ss, mut sc, mut cc, mut ys, mut yc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, &y) in samples.iter().enumerate() {
        let (s, c) = basis(i);
        ss += s * s;
        sc += s * c;
        cc += c * c;
        ys += f64::from(y) * s;
        yc += f64::from(y) * c;
    }
    let determinant = ss * cc - sc * sc;
    let (a, b) = (
        (ys * cc - yc * sc) / determinant,
        (yc * ss - ys * sc) / determinant,
    );
    let (mut signal, mut rest) = (0.0, 0.0);
    for (i, &y) in samples.iter().enumerate() {
        let (s, c) = basis(i);
        let fitted = a * s + b * c;
        signal += fitted * fitted;
        rest += (f64::from(y) - fitted).powi(2);
    }
    (10.0 * (signal / rest).log10(), a.hypot(b))
}

fn up(ratio: Ratio, input: &[i16]) -> Vec<i16> {
    let mut out = Vec::new();
    Upsampler::new(ratio).push(input, &mut out);
    out
}

fn down(ratio: Ratio, input: &[i16]) -> Vec<i16> {
    let mut out = Vec::new();
    Downsampler::new(ratio).push(input, &mut out);
    out
}

const RATIOS: [(Ratio, f64); 2] = [(Ratio::Six, 8_000.0), (Ratio::Three, 16_000.0)];
/// Tones of the pass band, as parts of the lower rate's Nyquist frequency.
const PASS: [f64; 7] = [0.0313, 0.1, 0.2571, 0.4, 0.6137, 0.75, 0.8499];

#[test]
fn raising_keeps_tones_clean_to_90_db() {
    for (ratio, rate) in RATIOS {
        for part in PASS {
            let hertz = part * rate / 2.0;
            let raised = up(ratio, &sine(rate, hertz, 32_000.0, 4_000));
            let (clean, amplitude) = sine_to_rest(&raised[600..], 48_000.0, hertz);
            assert!(clean >= 90.0, "{hertz} Hz at {rate} Hz: {clean:.1} dB");
            assert!(
                (amplitude / 32_000.0 - 1.0).abs() < 0.002,
                "{hertz} Hz at {rate} Hz: amplitude {amplitude:.1}"
            );
        }
    }
}

#[test]
fn lowering_keeps_tones_clean_to_90_db() {
    for (ratio, rate) in RATIOS {
        for part in PASS {
            let hertz = part * rate / 2.0;
            let lowered = down(ratio, &sine(48_000.0, hertz, 32_000.0, 24_000));
            let (clean, amplitude) = sine_to_rest(&lowered[100..], rate, hertz);
            assert!(clean >= 90.0, "{hertz} Hz to {rate} Hz: {clean:.1} dB");
            assert!(
                (amplitude / 32_000.0 - 1.0).abs() < 0.002,
                "{hertz} Hz to {rate} Hz: amplitude {amplitude:.1}"
            );
        }
    }
}

#[test]
fn lowering_lets_nothing_fold_back() {
    for (ratio, rate) in RATIOS {
        for part in [1.15, 1.3, 1.9, 2.0, 2.1, 2.7] {
            let hertz = part * rate / 2.0;
            let lowered = down(ratio, &sine(48_000.0, hertz, 32_000.0, 24_000));
            let loudest = lowered[100..]
                .iter()
                .map(|sample| sample.unsigned_abs())
                .max();
            // One unit is 90 dB below the tone.
            assert!(
                loudest <= Some(1),
                "{hertz} Hz comes through to {rate} Hz as {loudest:?}"
            );
        }
    }
}

#[test]
fn the_filter_is_flat_in_the_pass_band_and_100_db_down_in_the_stop_band() {
    for (ratio, rate) in RATIOS {
        let taps = ratio.prototype();
        let gain = |hertz: f64| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, &tap) in taps.iter().enumerate() {
                let (s, c) = (TAU * hertz * i as f64 / 48_000.0).sin_cos();
                re += f64::from(tap) * c;
                im += f64::from(tap) * s;
            }
            20.0 * f64::hypot(re, im).log10()
        };
        for step in 0..=850 {
            let hertz = rate / 2.0 * f64::from(step) / 1_000.0;
            assert!(
                gain(hertz).abs() < 0.01,
                "{:.3} dB at {hertz} Hz",
                gain(hertz)
            );
        }
        let mut hertz = rate / 2.0 * 1.15;
        while hertz <= 24_000.0 {
            assert!(gain(hertz) < -100.0, "{:.1} dB at {hertz} Hz", gain(hertz));
            hertz += 7.0;
        }
    }
}

#[test]
fn full_scale_clips_instead_of_wrapping() {
    let square: Vec<i16> = (0..800)
        .map(|i| if i / 20 % 2 == 0 { i16::MAX } else { i16::MIN })
        .collect();
    let raised = up(Ratio::Six, &square);
    // The middle of each half wave, 24 samples later, has the sign of the input.
    for i in (200..780).step_by(20) {
        let middle = raised[(i + 10 + 24) * 6];
        assert_eq!(middle > 0, i / 20 % 2 == 0, "at {i}: {middle}");
        assert!(middle.unsigned_abs() > 30_000);
    }
}

proptest! {
    /// How the input is cut does not matter, and one frame in is one frame out.
    #[test]
    fn cutting_makes_no_difference(
        samples in prop::collection::vec(any::<i16>(), 0..1_500),
        cuts in prop::collection::vec(0usize..400, 1..20),
        six in any::<bool>(),
    ) {
        let ratio = if six { Ratio::Six } else { Ratio::Three };
        let (mut raised, mut lowered) = (Vec::new(), Vec::new());
        let (mut raise, mut lower) = (Upsampler::new(ratio), Downsampler::new(ratio));
        let mut rest = samples.as_slice();
        for cut in cuts.into_iter().cycle().take(2_000) {
            let (now, later) = rest.split_at((cut + 1).min(rest.len()));
            let before = raised.len();
            raise.push(now, &mut raised);
            lower.push(now, &mut lowered);
            prop_assert_eq!(raised.len() - before, now.len() * ratio.factor());
            rest = later;
            if rest.is_empty() {
                break;
            }
        }
        prop_assert_eq!(raised, up(ratio, &samples));
        prop_assert_eq!(lowered.len(), samples.len() / ratio.factor());
        prop_assert_eq!(lowered, down(ratio, &samples));
    }
}
