//! Which simulcast layer each slot of a viewer gets: what its line carries, shared out. Pure; knows neither packets nor keyframes.

use std::collections::VecDeque;
use std::time::Duration;

use plenum_codecs::MediaTime;
use smallvec::SmallVec;

/// A line is trusted with what it carried all this time: down at once, up slowly.
const TRUST: Duration = Duration::from_secs(3);
/// Samples remembered for that, five a second and some more.
const SAMPLES: usize = 32;
/// What a layer that is not seen yet must leave free, as its rate is not steady: a fifth.
pub(crate) const MARGIN: (u64, u64) = (6, 5);
/// Layers that all but the first slot may have: their tiles are small.
const SMALL_TILE: usize = 2;
/// Taken for the rate of a layer that has not been measured, in bit/s, by its place from below.
const GUESSES: [u64; 3] = [150_000, 500_000, 1_500_000];
/// Over which a stream's rate is measured.
const WINDOW: Duration = Duration::from_secs(1);

/// What a viewer's line carries.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// Since when it carries no less, and bit/s, rising: the first is the least of the time that counts.
    least: VecDeque<(MediaTime, u64)>,
}

impl Line {
    /// There is a new estimate, in bit/s.
    pub(crate) fn tell(&mut self, now: MediaTime, estimate: u64) {
        let mut since = now;
        while let Some((before, bits)) = self.least.back().copied()
            && (bits >= estimate || self.least.len() >= SAMPLES)
        {
            since = before;
            self.least.pop_back();
        }
        self.least.push_back((since, estimate));
    }

    /// The last estimate, in bit/s.
    pub(super) fn latest(&self) -> Option<u64> {
        self.least.back().map(|(_, bits)| *bits)
    }

    /// What may be sent, in bit/s; `None` when nothing is known.
    pub(super) fn usable(&mut self, now: MediaTime) -> Option<u64> {
        while let Some((since, _)) = self.least.get(1)
            && now.since(*since) >= TRUST
        {
            self.least.pop_front();
        }
        self.least.front().map(|(_, bits)| *bits)
    }
}

/// The rate of a stream, in bit/s.
#[derive(Debug, Default)]
pub(super) struct Rate {
    bytes: u64,
    since: Option<MediaTime>,
    measured: Option<u64>,
}

impl Rate {
    /// A packet came.
    pub(super) fn count(&mut self, now: MediaTime, bytes: usize) {
        let since = *self.since.get_or_insert(now);
        let passed = now.since(since);
        if passed >= WINDOW {
            let millis = u64::try_from(passed.as_millis()).unwrap_or(u64::MAX);
            let rate = self.bytes * 8_000 / millis.max(1);
            // A keyframe is a peak that passes.
            self.measured = Some(self.measured.map_or(rate, |before| (before * 3 + rate) / 4));
            (self.bytes, self.since) = (0, Some(now));
        }
        self.bytes += u64::try_from(bytes).unwrap_or(0);
    }

    /// The rate, once it was measured.
    pub(super) const fn known(&self) -> Option<u64> {
        self.measured
    }

    /// The rate, or what a layer of that place usually has.
    pub(super) fn or_guess(&self, layer: u8) -> u64 {
        let guess = GUESSES[usize::from(layer).min(GUESSES.len() - 1)];
        self.measured.unwrap_or(guess)
    }
}

/// What there is for a slot.
#[derive(Debug, Clone, Default)]
pub(super) struct Source {
    /// Rates of its layers in bit/s, the smallest first; none: the slot is empty.
    pub(super) rates: SmallVec<[u64; 3]>,
    /// Which of them is seen now.
    pub(super) seen: Option<usize>,
}

/// The layer for each slot, as an index of its rates; the first slots come first. Whatever the line, the first slot has its
/// smallest layer.
pub(super) fn choose(usable: Option<u64>, sources: &[Source]) -> SmallVec<[Option<usize>; 4]> {
    let most = |slot: usize, source: &Source| {
        let allowed = if slot == 0 { usize::MAX } else { SMALL_TILE };
        source.rates.len().min(allowed).checked_sub(1)
    };
    let all = || sources.iter().enumerate();
    let Some(mut spare) = usable else {
        return all().map(|(slot, source)| most(slot, source)).collect();
    };
    let first = all().find(|(_, source)| !source.rates.is_empty());
    let first = first.map(|(slot, _)| slot);
    let mut chosen: SmallVec<[Option<usize>; 4]> = SmallVec::new();
    for (slot, source) in all() {
        let fits = !source.rates.is_empty() && (Some(slot) == first || source.need(0) <= spare);
        if fits {
            spare = spare.saturating_sub(source.rates[0]);
        }
        chosen.push(fits.then_some(0));
    }
    for (slot, source) in all() {
        let (Some(lowest), Some(most)) = (chosen[slot], most(slot, source)) else {
            continue;
        };
        let cost = |layer: usize| source.need(layer).saturating_sub(source.rates[lowest]);
        if let Some(layer) = (1..=most).rev().find(|layer| cost(*layer) <= spare) {
            spare -= source.rates[layer]
                .saturating_sub(source.rates[lowest])
                .min(spare);
            chosen[slot] = Some(layer);
        }
    }
    chosen
}

impl Source {
    /// What the line must carry for that layer.
    fn need(&self, layer: usize) -> u64 {
        let rate = self.rates[layer];
        if self.seen.is_some_and(|seen| layer <= seen) {
            rate
        } else {
            rate.saturating_mul(MARGIN.0) / MARGIN.1
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const CAMERA: [u64; 3] = [150_000, 500_000, 1_500_000];

    fn cameras(count: usize, seen: Option<usize>) -> Vec<Source> {
        let rates = SmallVec::from_slice(&CAMERA);
        vec![Source { rates, seen }; count]
    }

    fn shares(bits: u64, slots: usize) -> Vec<Option<usize>> {
        choose(Some(bits), &cameras(slots, None)).to_vec()
    }

    #[test]
    fn a_weak_line_has_the_smallest_layers_or_none() {
        assert_eq!(shares(50_000, 2), [Some(0), None]);
        assert_eq!(shares(300_000, 4), [Some(0), None, None, None]);
        assert_eq!(shares(350_000, 4), [Some(0), Some(0), None, None]);
        assert_eq!(shares(800_000, 2), [Some(1), Some(0)]);
        assert_eq!(shares(5_000_000, 4), [Some(2), Some(1), Some(1), Some(1)]);
    }

    #[test]
    fn a_line_of_which_nothing_is_known_has_what_its_tiles_show() {
        assert_eq!(
            choose(None, &cameras(2, None)).as_slice(),
            [Some(2), Some(1)]
        );
        let sources = [Source::default(), Source::default()];
        assert_eq!(choose(None, &sources).as_slice(), [None, None]);
    }

    #[test]
    fn what_is_seen_stays_where_what_is_new_would_not_fit() {
        let line = Some(1_600_000);
        assert_eq!(choose(line, &cameras(1, Some(2))).as_slice(), [Some(2)]);
        assert_eq!(choose(line, &cameras(1, Some(1))).as_slice(), [Some(1)]);
    }

    #[test]
    fn a_line_goes_down_at_once_and_up_after_seconds() {
        let at = MediaTime::from_millis;
        let mut line = Line::default();
        assert_eq!(line.usable(at(0)), None);
        for (told, bits, usable) in [
            (0, 2_000, 2_000),
            (1_000, 500, 500),
            (1_200, 3_000, 500),
            (4_100, 2_500, 500),
            (4_300, 2_600, 2_500),
            (7_400, 2_600, 2_600),
        ] {
            line.tell(at(told), bits);
            assert_eq!(line.usable(at(told)), Some(usable), "at {told}");
        }
    }

    #[test]
    fn a_rate_is_measured_and_guessed_before() {
        let mut rate = Rate::default();
        assert_eq!(rate.or_guess(1), 500_000);
        for n in 0..200 {
            rate.count(MediaTime::from_millis(n * 20), 1_000);
        }
        assert!((395_000..=405_000).contains(&rate.or_guess(1)), "{rate:?}");
    }

    proptest! {
        #[test]
        fn no_line_is_given_more_than_it_carries(
            line in 0_u64..6_000_000,
            rates in prop::collection::vec(prop::collection::vec(10_000_u64..2_000_000, 0..4), 0..5),
            seen in prop::option::of(0_usize..3),
        ) {
            let sources: Vec<Source> = rates
                .iter()
                .map(|rates| {
                    let mut rates = rates.clone();
                    rates.sort_unstable();
                    Source { rates: SmallVec::from_vec(rates), seen }
                })
                .collect();
            let chosen = choose(Some(line), &sources);
            prop_assert_eq!(chosen.len(), sources.len());
            let cost = |slot: usize| chosen[slot].map_or(0, |layer| sources[slot].rates[layer]);
            let first = sources.iter().find(|source| !source.rates.is_empty());
            let least = first.map_or(0, |source| source.rates[0]);
            let total: u64 = (0..sources.len()).map(cost).sum();
            prop_assert!(total <= line.max(least), "{} of {}", total, line);
        }
    }
}
