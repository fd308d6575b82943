//! How late packets come: a histogram with forgetting, and the target delay that lets most of them come in time.

use std::time::Duration;

use plenum_codecs::MediaTime;

use super::mending::Mending;
use super::{TOLERATED_UNDER, nanos, nanos_samples, samples_nanos};

/// Width of a bin: 5 ms.
const BIN_NANOS: i64 = 5_000_000;
const BIN_SAMPLES: i64 = 240;
const BINS: usize = 32;
/// Of a hundred packets one may come too late.
const LATE_PERCENT: u32 = 1;
/// 10 ms: one tick's phase is added by the tick itself.
const MIN_TARGET: i64 = 480;
/// 160 ms, so that a burst still fits under the buffer's cap.
const MAX_TARGET: i64 = 7_680;
/// No delay that is allowed would have saved a packet that is later than this; it says nothing of what the delay should be.
const HOPELESS_NANOS: i64 = 160_000_000;
/// So many hopeless packets in a row, not catching up, are a new path and not a stall.
const NEW_PATH: u32 = 10;
/// What came in the running and in the last window counts: all is forgotten after 2 to 4 s, and the sender's clock may drift.
const WINDOW: Duration = Duration::from_secs(2);
/// A jump of transit time by so much is a new time base, not jitter: 2 s.
const REBASE_NANOS: i64 = 2_000_000_000;

/// What is known of one stretch of time.
#[derive(Debug, Clone, Copy)]
struct Window {
    bins: [u32; BINS],
    /// Smallest transit time (arrival − timestamp, ns).
    fastest: i64,
}

impl Window {
    const EMPTY: Self = Self {
        bins: [0; BINS],
        fastest: i64::MAX,
    };
}

#[derive(Debug)]
pub(super) struct DelayEstimator {
    running: Window,
    last: Window,
    since: MediaTime,
    target: i64,
    last_transit: Option<i64>,
    /// Hopeless packets in a row.
    hopeless: u32,
    /// After a stall packets come in a burst, each less late than the one before: one event, not many late packets.
    catching_up: bool,
    jitter: i64,
    mending: Mending,
}

impl DelayEstimator {
    pub(super) fn new() -> Self {
        Self {
            running: Window::EMPTY,
            last: Window::EMPTY,
            since: MediaTime::ZERO,
            target: MIN_TARGET,
            last_transit: None,
            hopeless: 0,
            catching_up: false,
            jitter: 0,
            mending: Mending::default(),
        }
    }

    /// A packet of `samples` has come.
    pub(super) fn observe(&mut self, now: MediaTime, timestamp: u64, samples: u64) {
        let transit = transit(now, timestamp);
        if self
            .last_transit
            .is_some_and(|last| (transit - last).abs() > REBASE_NANOS)
        {
            self.rebase();
        }
        let change = self
            .last_transit
            .replace(transit)
            .map_or(0, |last| transit - last);
        self.jitter += (change.abs() - self.jitter) / 16;
        self.forget(now);
        self.running.fastest = self.running.fastest.min(transit);
        let late = transit - self.reference();
        let falls = change <= -samples_nanos(i64::try_from(samples).unwrap_or(0)) / 2;
        if late > HOPELESS_NANOS {
            self.catching_up = true;
            self.hopeless = if falls { 0 } else { self.hopeless + 1 };
            if self.hopeless >= NEW_PATH {
                self.rebase();
                self.last_transit = Some(transit);
                self.running.fastest = transit;
            }
            return;
        }
        self.hopeless = 0;
        self.catching_up &= falls;
        if !self.catching_up {
            self.count(late);
            self.mending.came();
        }
    }

    /// A lost packet can be mended by its successor, which came at `now`.
    pub(super) fn observe_mendable(&mut self, now: MediaTime, timestamp: u64) {
        let late = transit(now, timestamp) - self.reference();
        if !self.catching_up && late <= HOPELESS_NANOS {
            self.mending.lost(late);
        }
    }

    /// A packet that had been given up came.
    pub(super) fn observe_late(&mut self) {
        self.mending.found();
    }

    /// When the sample of that timestamp comes at the earliest, in ns; may be before the epoch.
    pub(super) fn expected(&self, timestamp: u64) -> i64 {
        self.reference().saturating_add(timestamp_nanos(timestamp))
    }

    /// In samples, rounded up by 5 ms to 10 ms from what packets need, whether because they are late or because they mend others.
    pub(super) fn target(&self) -> i64 {
        let mended = nanos_samples(self.mending.wait()) + TOLERATED_UNDER;
        self.target.max(mended)
    }

    pub(super) fn jitter_nanos(&self) -> u64 {
        u64::try_from(self.jitter).unwrap_or(0)
    }

    /// The sender's timestamps have a new base: what was known of delays is void.
    pub(super) fn rebase(&mut self) {
        *self = Self {
            jitter: self.jitter,
            ..Self::new()
        };
    }

    fn forget(&mut self, now: MediaTime) {
        let elapsed = now.since(self.since);
        if elapsed < WINDOW {
            return;
        }
        // After a long pause the sender's clock may be anywhere.
        self.last = if elapsed < 2 * WINDOW {
            self.running
        } else {
            Window::EMPTY
        };
        self.running = Window::EMPTY;
        self.since = now;
    }

    fn count(&mut self, late: i64) {
        let bin = usize::try_from(late / BIN_NANOS).unwrap_or(0).min(BINS - 1);
        if let Some(count) = self.running.bins.get_mut(bin) {
            *count += 1;
        }
        self.target = self.quantile();
    }

    fn reference(&self) -> i64 {
        match self.running.fastest.min(self.last.fastest) {
            i64::MAX => 0,
            fastest => fastest,
        }
    }

    /// The delay by which all but the latest packets have come.
    fn quantile(&self) -> i64 {
        let counts = || self.running.bins.iter().zip(&self.last.bins);
        let total: u32 = counts().map(|(running, last)| running + last).sum();
        let tolerated = total * LATE_PERCENT / 100;
        let mut later = 0;
        let mut target = MIN_TARGET + BIN_SAMPLES * i64::try_from(BINS - 1).unwrap_or(0);
        for (running, last) in counts().rev() {
            later += running + last;
            if later > tolerated {
                break;
            }
            target -= BIN_SAMPLES;
        }
        target.clamp(MIN_TARGET, MAX_TARGET)
    }
}

fn timestamp_nanos(timestamp: u64) -> i64 {
    // 2^32 samples are a day; unwrapped timestamps stay far below the limit of i64 in ns / 20834.
    samples_nanos(i64::try_from(timestamp & 0xff_ffff_ffff).unwrap_or(0))
}

fn transit(now: MediaTime, timestamp: u64) -> i64 {
    nanos(now).saturating_sub(timestamp_nanos(timestamp))
}
