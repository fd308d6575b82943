//! WSOLA: makes speech shorter or longer by a period of the voice, which is found by normalised cross-correlation, so that neither
//! pitch nor phase breaks. Knows nothing of why.

/// Samples over which the two sides of a seam are blended: 5 ms.
const OVERLAP: usize = 240;
/// Samples of what was played before that are compared as well: 5 ms.
const CONTEXT: usize = 240;
/// Shortest and longest piece: 2.5 ms (a voice of 400 Hz) to 15 ms (66 Hz).
pub(super) const MIN_LAG: usize = 120;
pub(super) const MAX_LAG: usize = 720;
/// The first search sees means of so many samples.
const COARSE: usize = 4;
/// Parts of a sum.
const LANES: usize = 16;
/// Mean square below which any seam is inaudible: −55 dBov.
const QUIET: f32 = 3_400.0;

/// Takes a piece of at most `limit` samples out of the beginning of `pcm`; gives its length, 0 when no seam is as good as `wanted`
/// (−1 to 1) or there is too little. `before` is what was played last.
pub(super) fn shorten(before: &[i16], pcm: &mut Vec<i16>, limit: usize, wanted: f32) -> usize {
    let Some(lag) = find(before, pcm, limit, wanted) else {
        return 0;
    };
    for i in 0..OVERLAP {
        if let (Some(&from), Some(&to)) = (pcm.get(i), pcm.get(i + lag)) {
            pcm[i] = blend(from, to, i);
        }
    }
    pcm.drain(OVERLAP..OVERLAP + lag);
    lag
}

/// Plays a piece at the beginning of `pcm` twice; gives its length, 0 as [`shorten`] does.
pub(super) fn lengthen(before: &[i16], pcm: &mut Vec<i16>, limit: usize, wanted: f32) -> usize {
    let Some(lag) = find(before, pcm, limit, wanted) else {
        return 0;
    };
    let mut seam = [0; OVERLAP];
    for (i, sample) in seam.iter_mut().enumerate() {
        if let (Some(&from), Some(&to)) = (pcm.get(i + lag), pcm.get(i)) {
            *sample = blend(from, to, i);
        }
    }
    let repeated: Vec<i16> = seam
        .iter()
        .chain(pcm.get(OVERLAP..lag + OVERLAP).unwrap_or(&[]))
        .copied()
        .collect();
    pcm.splice(lag..lag + OVERLAP, repeated);
    lag
}

fn blend(from: i16, to: i16, position: usize) -> i16 {
    let overlap = i32::try_from(OVERLAP).unwrap_or(1);
    let fade = i32::try_from(position).unwrap_or(0);
    let blended = (i32::from(from) * (overlap - fade) + i32::from(to) * fade) / overlap;
    i16::try_from(blended).unwrap_or(to)
}

/// The lag at which the signal is most like itself.
fn find(before: &[i16], pcm: &[i16], limit: usize, wanted: f32) -> Option<usize> {
    let longest = MAX_LAG.min(limit).min(pcm.len().saturating_sub(OVERLAP));
    if longest < MIN_LAG {
        return None;
    }
    let context = before.len().min(CONTEXT) / COARSE * COARSE;
    let signal: Vec<f32> = before
        .get(before.len() - context..)?
        .iter()
        .chain(pcm.get(..longest + OVERLAP)?)
        .map(|&sample| f32::from(sample))
        .collect();
    let compared = context + OVERLAP;
    if power(signal.get(..compared)?) < QUIET {
        return Some(longest);
    }
    let few: Vec<f32> = signal
        .chunks_exact(COARSE)
        .map(|few| few.iter().sum())
        .collect();
    let (coarse, _) = best(&few, compared / COARSE, MIN_LAG / COARSE..=longest / COARSE)?;
    let around = coarse * COARSE;
    let near = around.saturating_sub(COARSE).max(MIN_LAG)..=(around + COARSE).min(longest);
    let (lag, likeness) = best(&signal, compared, near)?;
    (likeness >= wanted).then_some(lag)
}

fn best(
    signal: &[f32],
    compared: usize,
    lags: std::ops::RangeInclusive<usize>,
) -> Option<(usize, f32)> {
    let own = signal.get(..compared)?;
    let energy = dot(own, own);
    lags.filter_map(|lag| {
        let other = signal.get(lag..lag + compared)?;
        let likeness = dot(own, other) / (energy * dot(other, other)).sqrt().max(1.0);
        Some((lag, likeness))
    })
    .max_by(|a, b| a.1.total_cmp(&b.1))
}

/// The scalar product of as many samples as both have, summed in [`LANES`] parts that the compiler can keep in registers.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0; LANES];
    let (a, a_rest) = a.as_chunks::<LANES>();
    let (b, b_rest) = b.as_chunks::<LANES>();
    for (a, b) in a.iter().zip(b) {
        for ((sum, a), b) in sums.iter_mut().zip(a).zip(b) {
            *sum += a * b;
        }
    }
    let rest: f32 = a_rest.iter().zip(b_rest).map(|(a, b)| a * b).sum();
    sums.iter().sum::<f32>() + rest
}

#[expect(clippy::cast_precision_loss, reason = "a few hundred samples")]
fn power(signal: &[f32]) -> f32 {
    signal.iter().map(|sample| sample * sample).sum::<f32>() / signal.len().max(1) as f32
}

#[cfg(test)]
mod tests {
    use plenum_codecs::tone::Tone;

    use super::{MAX_LAG, MIN_LAG, lengthen, shorten};

    fn tone(hertz: f64, samples: usize) -> Vec<i16> {
        let mut pcm = Vec::new();
        Tone::new(hertz, 8_000.0).extend(samples, &mut pcm);
        pcm
    }

    /// A tone goes on as if nothing had been taken out or put in.
    fn worst_break(pcm: &[i16], hertz: f64) -> i32 {
        let whole = tone(hertz, pcm.len());
        pcm.iter()
            .zip(&whole)
            .map(|(&is, &should)| (i32::from(is) - i32::from(should)).abs())
            .max()
            .unwrap_or(0)
    }

    #[test]
    fn a_tone_is_stretched_either_way_without_a_break_of_phase() {
        for hertz in [100.0, 200.0, 480.0, 1_000.0] {
            for stretch in [shorten, lengthen] {
                let mut pcm = tone(hertz, 960 + 1_920);
                let before: Vec<i16> = pcm.drain(..960).collect();
                let length = pcm.len();
                let lag = stretch(&before, &mut pcm, MAX_LAG, 0.95);
                assert!((MIN_LAG..=MAX_LAG).contains(&lag), "{hertz} Hz: {lag}");
                assert_eq!(pcm.len().abs_diff(length), lag);
                let heard: Vec<i16> = before.into_iter().chain(pcm).collect();
                let off = worst_break(&heard, hertz);
                assert!(off < 80, "{hertz} Hz: {off} off after {lag}");
            }
        }
    }

    #[test]
    fn a_bad_seam_is_refused_unless_it_must_be() {
        let mut random = fastrand::Rng::with_seed(1);
        let noise: Vec<i16> = (0..2_880).map(|_| random.i16(-8_000..8_000)).collect();
        let (before, rest) = noise.split_at(960);
        let mut pcm = rest.to_vec();
        assert_eq!(shorten(before, &mut pcm, MAX_LAG, 0.8), 0);
        assert_eq!(pcm, rest);
        assert!(shorten(before, &mut pcm, MAX_LAG, -1.0) >= MIN_LAG);
    }

    #[test]
    fn too_little_is_left_alone_and_the_limit_is_kept() {
        let mut pcm = tone(440.0, 300);
        assert_eq!(shorten(&[], &mut pcm, MAX_LAG, 0.5), 0);
        assert_eq!(pcm.len(), 300);
        let mut quiet = vec![3; 1_920];
        assert_eq!(lengthen(&[], &mut quiet, 200, 0.9), 200);
    }
}
