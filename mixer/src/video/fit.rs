//! Which size of the composite a viewer's line carries. Pure: sees estimates and rates, knows neither packets nor encoders.
//!
//! Estimates begin at half a megabit, climb for seconds and waver, so one that is too low says little: only what is too low for
//! seconds counts, and the way back takes longer.

use std::time::Duration;

use plenum_codecs::MediaTime;

use crate::{Ladder, Size};

/// So long, all in all, a line must have carried too little; while it carries enough this is forgotten twice as fast.
const TOO_LITTLE: Duration = Duration::from_secs(4);
const FORGETS: u32 = 2;
/// After the first estimate the stack is still looking for what the line carries.
const BEGINNING: Duration = Duration::from_secs(10);
/// In bit/s: until then only what is clearly below where estimates begin counts.
const CLEARLY_WEAK: u64 = 420_000;
/// What is sent may be little because little moves; the line must carry this part of the nominal rate all the same, or each keyframe
/// would take seconds.
const LEAST_PART: u64 = 3;
/// What a larger size must leave free: a fifth.
const MARGIN: (u64, u64) = (6, 5);
/// How long a line must have carried a larger size before it gets that: longer each time that it turned out to be too large.
const PATIENCE: Duration = Duration::from_secs(8);
const MOST_PATIENCE: Duration = Duration::from_secs(120);
/// A larger size that was kept for so long was right.
const KEPT: Duration = Duration::from_secs(30);
/// Looks that are further apart than this count as so far apart.
const LONGEST_LOOK: Duration = Duration::from_secs(1);
/// An estimate counts for so much of the smoothed one: about two seconds.
const SMOOTHING: u64 = 8;

/// See the module.
#[derive(Debug)]
pub(crate) struct Fit {
    size: Size,
    /// Since when anything is known of the line.
    known: Option<MediaTime>,
    looked: MediaTime,
    smooth: u64,
    too_little: Duration,
    ample: Option<MediaTime>,
    patience: Duration,
    widened: Option<MediaTime>,
}

impl Default for Fit {
    fn default() -> Self {
        Self {
            size: Size::Whole,
            known: None,
            looked: MediaTime::ZERO,
            smooth: 0,
            too_little: Duration::ZERO,
            ample: None,
            patience: PATIENCE,
            widened: None,
        }
    }
}

impl Fit {
    pub(super) const fn size(&self) -> Size {
        self.size
    }

    /// Several times a second: what the line carries in bit/s as last estimated, and what the rendition that is seen takes of it, as far
    /// as that is known. Whether another size fits now.
    pub(super) fn look(
        &mut self,
        now: MediaTime,
        estimate: u64,
        ladder: &Ladder,
        taken: Option<u64>,
    ) -> bool {
        let passed = now.since(self.looked).min(LONGEST_LOOK);
        self.looked = now;
        let Some(known) = self.known else {
            (self.known, self.smooth) = (Some(now), estimate);
            return false;
        };
        self.smooth = (self.smooth * (SMOOTHING - 1) + estimate) / SMOOTHING;
        let nominal = u64::from(ladder.rate(self.size));
        let taken = taken.unwrap_or(nominal);
        let mut need = taken.clamp(nominal / LEAST_PART, nominal);
        if now.since(known) < BEGINNING {
            need = need.min(CLEARLY_WEAK);
        }
        if estimate < need {
            self.too_little += passed;
        } else {
            self.too_little = self.too_little.saturating_sub(passed * FORGETS);
        }
        if self.too_little >= TOO_LITTLE {
            return self.narrow(now, ladder);
        }
        self.widen(now, estimate, ladder)
    }

    fn narrow(&mut self, now: MediaTime, ladder: &Ladder) -> bool {
        self.too_little = Duration::ZERO;
        self.ample = None;
        let smaller = || Size::ALL.into_iter().filter(|size| *size > self.size);
        let fits = |size: &Size| u64::from(ladder.rate(*size)) <= self.smooth;
        let Some(size) = smaller().find(fits).or_else(|| smaller().next_back()) else {
            return false;
        };
        self.patience = match self.widened.take() {
            Some(widened) if now.since(widened) < KEPT => (self.patience * 2).min(MOST_PATIENCE),
            _ => PATIENCE,
        };
        self.size = size;
        true
    }

    fn widen(&mut self, now: MediaTime, estimate: u64, ladder: &Ladder) -> bool {
        let Some(larger) = self.size.larger() else {
            return false;
        };
        let need = u64::from(ladder.rate(larger)) * MARGIN.0 / MARGIN.1;
        if estimate < need {
            self.ample = None;
            return false;
        }
        let since = *self.ample.get_or_insert(now);
        let wide = now.since(since) >= self.patience;
        if wide {
            self.size = larger;
            self.ample = None;
            self.widened = Some(now);
        }
        wide
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 2 Mbit/s, 600 and 150 kbit/s.
    fn ladder() -> Ladder {
        Ladder::below(2_000_000)
    }

    struct Line {
        fit: Fit,
        now: u64,
    }

    impl Line {
        /// Looks five times a second at what the line carries by the millisecond; the time of each change of size, in ms.
        fn runs(&mut self, millis: u64, carries: impl Fn(u64) -> u64) -> Vec<(u64, Size)> {
            let end = self.now + millis;
            let mut changes = Vec::new();
            while self.now < end {
                let estimate = carries(self.now);
                let now = MediaTime::from_millis(self.now);
                if self.fit.look(now, estimate, &ladder(), Some(1_900_000)) {
                    changes.push((self.now, self.fit.size()));
                }
                self.now += 200;
            }
            changes
        }
    }

    fn line() -> Line {
        Line {
            fit: Fit::default(),
            now: 0,
        }
    }

    #[test]
    fn a_good_line_whose_estimate_takes_seconds_to_climb_keeps_the_whole_picture() {
        let climbs = |at: u64| 500_000 + at * 150;
        assert_eq!(line().runs(60_000, climbs), []);
        let wavers = |at: u64| {
            if at % 3_000 < 1_800 {
                1_700_000
            } else {
                2_500_000
            }
        };
        assert_eq!(line().runs(120_000, wavers), []);
        let dips = |at: u64| {
            if at % 15_000 > 12_000 {
                300_000
            } else {
                3_000_000
            }
        };
        assert_eq!(line().runs(120_000, dips), []);
    }

    #[test]
    fn a_line_that_stays_weak_gets_what_it_carries() {
        for (carries, wanted) in [
            (300_000, Size::Quarter),
            (100_000, Size::Quarter),
            (700_000, Size::Half),
            (1_500_000, Size::Half),
        ] {
            let changes = line().runs(60_000, |_| carries);
            assert_eq!(changes.len(), 1, "{carries}: {changes:?}");
            assert_eq!(changes[0].1, wanted, "{carries}");
            let latest = if carries < CLEARLY_WEAK {
                4_500
            } else {
                14_500
            };
            assert!(changes[0].0 <= latest, "{carries}: {changes:?}");
        }
    }

    #[test]
    fn the_way_back_takes_longer_each_time_that_it_was_wrong() {
        let mut line = line();
        line.runs(20_000, |_| 300_000);
        assert_eq!(line.fit.size(), Size::Quarter);
        let back = line.runs(30_000, |_| 3_000_000);
        let sizes: Vec<Size> = back.iter().map(|(_, size)| *size).collect();
        assert_eq!(sizes, [Size::Half, Size::Whole], "{back:?}");
        assert!((8_000..9_000).contains(&(back[0].0 - 20_000)), "{back:?}");
        // It carries the whole for 10 s at a time only.
        let begun = line.now;
        let flaps = line.runs(300_000, |at| {
            if (at - begun) % 20_000 < 10_000 {
                900_000
            } else {
                3_000_000
            }
        });
        assert!(flaps.len() <= 4, "{flaps:?}");
    }

    #[test]
    fn where_little_moves_a_line_of_a_third_does() {
        let mut fit = Fit::default();
        let mut moves = 0;
        for look in 0..300 {
            let now = MediaTime::from_millis(look * 200);
            moves += u32::from(fit.look(now, 800_000, &ladder(), Some(120_000)));
        }
        assert_eq!((moves, fit.size()), (0, Size::Whole));
    }
}
