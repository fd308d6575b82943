//! Shortens speech by one period of the voice, so that it is hardly heard. (A full WSOLA comes later.)

/// Overlap in which the two halves are blended: 5 ms.
const OVERLAP: usize = 240;
/// Shortest and longest piece that is taken out: 2.5 ms … 10 ms.
const MIN_LAG: usize = 120;
const MAX_LAG: usize = 480;
/// Only every fourth sample is compared, at every second lag: plenty below 6 kHz.
const STRIDE: usize = 4;

/// Takes the piece out of the beginning of `pcm` whose ends are most alike; returns its length, 0 when there is too little.
pub(super) fn shorten(pcm: &mut Vec<i16>) -> usize {
    if pcm.len() < OVERLAP + MAX_LAG {
        return 0;
    }
    let lag = best_lag(pcm);
    for i in 0..OVERLAP {
        let fade = i32::try_from(i).unwrap_or(0);
        let overlap = i32::try_from(OVERLAP).unwrap_or(1);
        let (Some(&from), Some(&to)) = (pcm.get(i), pcm.get(i + lag)) else {
            break;
        };
        let blended = (i32::from(from) * (overlap - fade) + i32::from(to) * fade) / overlap;
        if let Some(sample) = pcm.get_mut(i) {
            *sample = i16::try_from(blended).unwrap_or(i16::MAX);
        }
    }
    pcm.drain(OVERLAP..OVERLAP + lag);
    lag
}

fn best_lag(pcm: &[i16]) -> usize {
    let difference = |lag: usize| -> u64 {
        (0..OVERLAP)
            .step_by(STRIDE)
            .map(|i| {
                let at = |index: usize| i32::from(pcm.get(index).copied().unwrap_or(0));
                u64::from((at(i) - at(i + lag)).unsigned_abs()).pow(2)
            })
            .sum()
    };
    (MIN_LAG..=MAX_LAG)
        .step_by(2)
        .min_by_key(|&lag| difference(lag))
        .unwrap_or(MIN_LAG)
}

#[cfg(test)]
mod tests {
    use plenum_codecs::tone::Tone;

    use super::shorten;

    #[test]
    fn a_tone_is_shortened_without_a_click() {
        let mut pcm = Vec::new();
        Tone::new(440.0, 8_000.0).extend(1_920, &mut pcm);
        let removed = shorten(&mut pcm);
        assert!((120..=480).contains(&removed));
        assert_eq!(pcm.len(), 1_920 - removed);
        let steepest = pcm
            .windows(2)
            .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
            .max();
        // The tone's own steepest step is 8000 · 2π · 440/48000 = 461.
        assert!(steepest.is_some_and(|step| step < 520), "{steepest:?}");
    }

    #[test]
    fn too_little_is_left_alone() {
        let mut pcm = vec![1; 700];
        assert_eq!(shorten(&mut pcm), 0);
        assert_eq!(pcm.len(), 700);
    }
}
