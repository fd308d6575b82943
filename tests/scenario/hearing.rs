//! What a recording holds, in numbers.

use plenum_codecs::tone::tone_rms;

/// Loudness of a tone in dBov: a full-scale sine has −3.
pub(crate) fn tone_db(samples: &[i16], hertz: f64) -> f64 {
    20.0 * (tone_rms(samples, hertz).max(1e-3) / 32_768.0).log10()
}

/// What is left in a recording when a tone is taken out, in dB below that tone: clicks, noise, other tones. Measured in windows
/// of 20 ms, the worst counts.
pub(crate) fn worst_residue_db(samples: &[i16], hertz: f64) -> f64 {
    samples
        .chunks_exact(960)
        .map(|window| {
            let (sin, cos) = quadrature(window, hertz);
            let step = std::f64::consts::TAU * hertz / 48_000.0;
            let mut rest = 0.0;
            let mut tone = 0.0;
            for (i, &sample) in (0u32..).zip(window) {
                let angle = step * f64::from(i);
                let model = sin * angle.sin() + cos * angle.cos();
                tone += model * model;
                rest += (f64::from(sample) - model).powi(2);
            }
            10.0 * (rest.max(1.0) / tone.max(1.0)).log10()
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

/// Least-squares fit of a sine and a cosine.
fn quadrature(window: &[i16], hertz: f64) -> (f64, f64) {
    let step = std::f64::consts::TAU * hertz / 48_000.0;
    let (mut ss, mut cc, mut sc, mut xs, mut xc) = (0.0, 0.0, 0.0, 0.0, 0.0);
    for (i, &sample) in (0u32..).zip(window) {
        let (sin, cos) = (step * f64::from(i)).sin_cos();
        let sample = f64::from(sample);
        ss += sin * sin;
        cc += cos * cos;
        sc += sin * cos;
        xs += sample * sin;
        xc += sample * cos;
    }
    let determinant = ss * cc - sc * sc;
    (
        (xs * cc - xc * sc) / determinant,
        (xc * ss - xs * sc) / determinant,
    )
}

/// Energy per 10 ms in dB: how words follow each other.
pub(crate) fn envelope(samples: &[i16]) -> Vec<f64> {
    samples
        .chunks_exact(480)
        .map(|chunk| {
            let energy: f64 = chunk.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            10.0 * (energy / 480.0 + 100.0).log10()
        })
        .collect()
}

/// Correlation of two series (1: the same shape), at the shift of at most `reach` at which they match best.
pub(crate) fn best_correlation(a: &[f64], b: &[f64], reach: usize) -> f64 {
    (0..=reach)
        .flat_map(|shift| {
            [
                correlation(a, b.get(shift..).unwrap()),
                correlation(a.get(shift..).unwrap(), b),
            ]
        })
        .fold(f64::NEG_INFINITY, f64::max)
}

fn correlation(a: &[f64], b: &[f64]) -> f64 {
    let length = a.len().min(b.len());
    let (a, b) = (a.get(..length).unwrap(), b.get(..length).unwrap());
    let mean =
        |series: &[f64]| series.iter().sum::<f64>() / f64::from(u32::try_from(length).unwrap());
    let (mean_a, mean_b) = (mean(a), mean(b));
    let (mut aa, mut bb, mut ab) = (0.0, 0.0, 0.0);
    for (x, y) in a.iter().zip(b) {
        aa += (x - mean_a).powi(2);
        bb += (y - mean_b).powi(2);
        ab += (x - mean_a) * (y - mean_b);
    }
    ab / (aa * bb).sqrt()
}

/// Speech as far as a codec and a jitter buffer care: a gliding voice of about 120 Hz with its harmonics, in syllables and with
/// pauses between words. 48 kHz mono.
pub(crate) fn speech(seconds: u32, seed: u64) -> Vec<i16> {
    let mut random = fastrand::Rng::with_seed(seed);
    let total = seconds as usize * 48_000;
    let mut samples = Vec::with_capacity(total);
    let mut phase = 0.0_f64;
    while samples.len() < total {
        let length = 4_800 + random.usize(0..9_600);
        let (from, to) = (100.0 + 60.0 * random.f64(), 100.0 + 60.0 * random.f64());
        let brightness = 0.4 + 0.4 * random.f64();
        for i in 0..length {
            let part =
                f64::from(u32::try_from(i).unwrap()) / f64::from(u32::try_from(length).unwrap());
            phase += std::f64::consts::TAU * (from + (to - from) * part) / 48_000.0;
            let mut voice = 0.0;
            let mut weight = 1.0;
            for harmonic in 1..12 {
                voice += weight * (phase * f64::from(harmonic)).sin();
                weight *= brightness;
            }
            let loudness = (std::f64::consts::PI * part).sin() * 5_000.0;
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
            samples.push((voice * loudness) as i16);
        }
        if random.u8(0..3) == 0 {
            samples.resize(samples.len() + 4_800 + random.usize(0..9_600), 0);
        }
    }
    samples.truncate(total);
    samples
}
