//! What limiting does to tones and to many voices, in numbers.

#![expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    reason = "the numbers of a test are small"
)]

use std::f64::consts::TAU;

use super::*;

/// Frames of a sum of sines: hertz and amplitude.
fn tones(parts: &[(f64, f64)], frames: usize) -> Vec<Mix> {
    (0..frames)
        .map(|frame| {
            std::array::from_fn(|i| {
                let seconds = (frame * FRAME + i) as f64 / 48_000.0;
                let sum: f64 = parts
                    .iter()
                    .map(|(hertz, amplitude)| amplitude * (TAU * hertz * seconds).sin())
                    .sum();
                sum as i32
            })
        })
        .collect()
}

fn limited(mixes: &[Mix]) -> Vec<Frame> {
    let mut limiter = Limiter::default();
    mixes
        .iter()
        .map(|mix| {
            let mut out = [0; FRAME];
            limiter.process(mix, &mut out);
            out
        })
        .collect()
}

/// What is no multiple of `mix` in `out`, in dB below it: distortion. By spans of 100 ms, so that a gain which moves slowly is none.
fn distortion_db(mix: &[Mix], out: &[Frame]) -> f64 {
    let (mut rest, mut kept) = (0.0, 0.0);
    for (mix, out) in mix.chunks(5).zip(out.chunks(5)) {
        let pairs = || {
            mix.iter()
                .flatten()
                .zip(out.iter().flatten())
                .map(|(&x, &y)| (f64::from(x), f64::from(y)))
        };
        let (xx, xy) = pairs().fold((0.0, 0.0), |(xx, xy), (x, y)| (xx + x * x, xy + x * y));
        let gain = if xx > 0.0 { xy / xx } else { 1.0 };
        rest += pairs().map(|(x, y)| (y - gain * x).powi(2)).sum::<f64>();
        kept += gain * gain * xx;
    }
    10.0 * (rest / kept).log10()
}

/// Gain of each frame in dB.
fn gains_db(mix: &[Mix], out: &[Frame]) -> Vec<f64> {
    mix.iter()
        .zip(out)
        .map(|(mix, out)| {
            let power = |energy: f64| 10.0 * energy.max(1.0).log10();
            let before: f64 = mix.iter().map(|&x| f64::from(x).powi(2)).sum();
            let after: f64 = out.iter().map(|&y| f64::from(y).powi(2)).sum();
            power(after) - power(before)
        })
        .collect()
}

/// RMS of what a course of gains (50 per second) holds between 1 and 10 Hz, in dB: what is heard as pumping.
fn ripple_db(gains: &[f64]) -> f64 {
    let count = gains.len() as f64;
    let power: f64 = (1..gains.len() / 2)
        .filter(|&bin| (1.0..=10.0).contains(&(bin as f64 * 50.0 / count)))
        .map(|bin| {
            let (mut re, mut im) = (0.0, 0.0);
            for (i, gain) in gains.iter().enumerate() {
                let angle = TAU * (bin * i) as f64 / count;
                re += gain * angle.cos();
                im += gain * angle.sin();
            }
            2.0 * (re * re + im * im) / (count * count)
        })
        .sum();
    power.sqrt()
}

/// Voices of `dbov` each, together: gliding harmonics in syllables of 100 to 300 ms with pauses.
fn voices(count: u64, dbov: f64, frames: usize) -> Vec<Mix> {
    let mut mixes = vec![[0; FRAME]; frames];
    for seed in 0..count {
        let mut random = fastrand::Rng::with_seed(seed + 1);
        let mut samples = Vec::with_capacity(frames * FRAME + 20_000);
        let mut phase = 0.0_f64;
        while samples.len() < frames * FRAME {
            let length = random.usize(4_800..14_400);
            let pitch = 90.0 + 130.0 * random.f64();
            for i in 0..length {
                let part = i as f64 / length as f64;
                phase += TAU * pitch * (1.0 + 0.2 * part) / 48_000.0;
                let voice: f64 = (1..12)
                    .map(|k| (phase * f64::from(k)).sin() * 0.7_f64.powi(k))
                    .sum();
                samples.push(voice * (std::f64::consts::PI * part).sin());
            }
            let pause = if random.u8(0..4) == 0 { 9_600 } else { 960 };
            samples.resize(samples.len() + pause, 0.0);
        }
        samples.truncate(frames * FRAME);
        let spoken: Vec<f64> = samples.iter().copied().filter(|x| *x != 0.0).collect();
        let rms = (spoken.iter().map(|x| x * x).sum::<f64>() / spoken.len() as f64).sqrt();
        let gain = 32_768.0 * 10.0_f64.powf(dbov / 20.0) / rms;
        for (mix, voice) in mixes.iter_mut().zip(samples.chunks_exact(FRAME)) {
            for (mix, sample) in mix.iter_mut().zip(voice) {
                *mix += (sample * gain) as i32;
            }
        }
    }
    mixes
}

#[test]
fn a_mix_below_the_ceiling_passes_unchanged() {
    // Eight talkers of −20 dBFS each, their crests together.
    let parts: Vec<(f64, f64)> = (1..=8).map(|k| (f64::from(k) * 123.0, 3_276.8)).collect();
    let mixes = tones(&parts, 500);
    let out = limited(&mixes);
    assert!(
        mixes
            .iter()
            .flatten()
            .zip(out.iter().flatten())
            .all(|(&mix, &out)| mix == i32::from(out))
    );
}

#[test]
fn a_loud_mix_is_turned_down_and_comes_back() {
    let mut limiter = Limiter::default();
    let mut out = [0; FRAME];
    for _ in 0..100 {
        limiter.process(&[90_000; FRAME], &mut out);
    }
    assert!(
        out.iter()
            .all(|&sample| (29_000..=29_210).contains(&sample))
    );
    // 9.8 dB at 2 dB/s, after half a second.
    let back = (0..1_000).position(|_| {
        limiter.process(&[10_000; FRAME], &mut out);
        out.iter().all(|&sample| sample == 10_000)
    });
    assert!(back.is_some_and(|ticks| (200..300).contains(&ticks)));
}

#[test]
fn a_single_peak_is_over_within_a_third_of_a_second() {
    let mut limiter = Limiter::default();
    let mut out = [0; FRAME];
    limiter.process(&[60_000; FRAME], &mut out);
    for _ in 0..16 {
        limiter.process(&[10_000; FRAME], &mut out);
    }
    let lost = 20.0 * (f64::from(out[FRAME - 1]) / 10_000.0).log10();
    assert!(lost > -1.0, "{lost:.2} dB");
}

#[test]
fn a_tone_above_the_ceiling_stays_a_tone() {
    for hertz in [100.0, 440.0, 1_000.0, 3_400.0] {
        for over_db in [1.0, 6.0, 12.0] {
            let amplitude = 32_767.0 * 10.0_f64.powf(over_db / 20.0);
            let mixes = tones(&[(hertz, amplitude)], 150);
            let out = limited(&mixes);
            let settled = distortion_db(&mixes[100..], &out[100..]);
            assert!(
                settled < -60.0,
                "{hertz} Hz, +{over_db} dB: {settled:.1} dB"
            );
            let peak = out.iter().flatten().map(|s| s.unsigned_abs()).max();
            assert!(peak < Some(32_767), "{hertz} Hz, +{over_db} dB: {peak:?}");
        }
    }
}

#[test]
fn nothing_reaches_full_scale_wherever_it_begins() {
    for begins in (0..FRAME).step_by(17) {
        for height in [33_000, 66_000, 260_000] {
            let mut mix = [0; FRAME];
            for (i, sample) in mix.iter_mut().enumerate().skip(begins) {
                let sign = if i / 24 % 2 == 0 { 1 } else { -1 };
                *sample = height * sign;
            }
            let out = limited(&[[0; FRAME], mix, mix]);
            assert!(out.iter().flatten().all(|s| s.unsigned_abs() < 32_767));
        }
    }
}

#[test]
fn many_loud_talkers_are_not_pumped() {
    // Of a limiter with one gain that comes back by 25 dB/s: −31 dB and 0.27 dB, −20 dB and 1.30 dB.
    for (dbov, distortion, ripple, mean) in [(-20.0, -32.0, 0.2, -0.5), (-12.0, -28.0, 0.35, -9.0)]
    {
        let mixes = voices(8, dbov, 1_000);
        let out = limited(&mixes);
        let gains = gains_db(&mixes[100..], &out[100..]);
        let figures = (
            distortion_db(&mixes[100..], &out[100..]),
            ripple_db(&gains),
            gains.iter().sum::<f64>() / gains.len() as f64,
        );
        assert!(
            figures.0 < distortion && figures.1 < ripple && figures.2 > mean,
            "8 talkers of {dbov} dBov each: distortion, ripple, mean gain in dB {figures:.2?}"
        );
    }
}
