//! Active speech level after ITU-T P.56, method B: how loud somebody speaks, pauses left out.

/// Time constant of the envelope in seconds.
const ENVELOPE: f64 = 0.03;
/// Gaps up to this, in seconds, belong to speech.
const HANGOVER: f64 = 0.2;
/// What counts as active is at most this far below the active level, in dB.
const MARGIN: f64 = 15.9;

/// Of 16-bit samples, in dB below a full-scale square wave (dBov); −100 when there is no speech.
#[must_use]
pub fn active_level(samples: &[i16], rate: u32) -> f64 {
    let rate = f64::from(rate);
    let decay = (-1.0 / (rate * ENVELOPE)).exp();
    let hangover = rate * HANGOVER;
    let thresholds: Vec<f64> = (0..15).map(|bit| 2.0_f64.powi(bit)).collect();
    let mut active = vec![0.0_f64; thresholds.len()];
    let mut since = vec![hangover; thresholds.len()];
    let (mut energy, mut first, mut envelope) = (0.0, 0.0, 0.0);
    for &sample in samples {
        let sample = f64::from(sample);
        energy += sample * sample;
        first = decay * first + (1.0 - decay) * sample.abs();
        envelope = decay * envelope + (1.0 - decay) * first;
        for ((threshold, active), since) in thresholds.iter().zip(&mut active).zip(&mut since) {
            *since = if envelope >= *threshold {
                0.0
            } else {
                *since + 1.0
            };
            if *since < hangover {
                *active += 1.0;
            }
        }
    }
    let full_scale = 20.0 * 32_768.0_f64.log10();
    let mut before: Option<(f64, f64)> = None;
    for (threshold, active) in thresholds
        .iter()
        .zip(active)
        .filter(|(_, active)| *active > 0.0)
    {
        let level = 10.0 * (energy / active).log10();
        let distance = level - 20.0 * threshold.log10() - MARGIN;
        if distance <= 0.0 {
            let level = before.map_or(level, |(former, over)| {
                former + (level - former) * over / (over - distance)
            });
            return level - full_scale;
        }
        before = Some((level, distance));
    }
    -100.0
}

#[cfg(test)]
mod tests {
    use super::active_level;
    use crate::tone::sine;

    #[test]
    fn pauses_do_not_lower_the_level() {
        let tone = sine(1_000.0, -20.0, 1.0, 8_000).samples;
        let mut speech = Vec::new();
        for _ in 0..4 {
            speech.extend(&tone);
            speech.extend(vec![0; 16_000]);
        }
        let level = active_level(&speech, 8_000);
        // A sine's RMS is 3 dB below its peak; 200 ms of each pause count as speech.
        assert!((level + 23.8).abs() < 0.3, "{level:.2} dBov");
    }
}
