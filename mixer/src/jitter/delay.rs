//! How late packets come: a histogram with forgetting, and the target delay that lets most of them come in time.

use std::time::Duration;

use plenum_codecs::MediaTime;

use super::{nanos, samples_nanos};

/// Width of a bin: 5 ms.
const BIN_NANOS: i64 = 5_000_000;
const BINS: usize = 40;
/// Per packet; at 50 packets/s half is forgotten in 4.6 s.
const FORGET: f32 = 0.997;
/// Share of packets that is to come in time.
const QUANTILE: f32 = 0.97;
/// 10 ms: one tick's phase is added by the tick itself.
const MIN_TARGET: i64 = 480;
/// 160 ms, so that a burst still fits under the buffer's cap.
const MAX_TARGET: i64 = 7_680;
/// The fastest packet of the last one to two windows is the reference; so the sender's clock may drift.
const WINDOW: Duration = Duration::from_secs(4);
/// A jump of transit time by so much is a new time base, not jitter: 2 s.
const REBASE_NANOS: i64 = 2_000_000_000;

#[derive(Debug)]
pub(super) struct DelayEstimator {
    bins: [f32; BINS],
    target: i64,
    /// Smallest transit time (arrival − timestamp, ns) of the running and of the last window.
    fastest: i64,
    fastest_before: i64,
    window_since: MediaTime,
    last_transit: Option<i64>,
    jitter: i64,
}

impl DelayEstimator {
    pub(super) fn new() -> Self {
        Self {
            bins: [0.0; BINS],
            target: MIN_TARGET,
            fastest: i64::MAX,
            fastest_before: i64::MAX,
            window_since: MediaTime::ZERO,
            last_transit: None,
            jitter: 0,
        }
    }

    pub(super) fn observe(&mut self, now: MediaTime, timestamp: u64) {
        let transit = transit(now, timestamp);
        if self
            .last_transit
            .is_some_and(|last| (transit - last).abs() > REBASE_NANOS)
        {
            *self = Self::new();
        }
        if let Some(last) = self.last_transit.replace(transit) {
            self.jitter += ((transit - last).abs() - self.jitter) / 16;
        }
        if now.since(self.window_since) >= WINDOW {
            self.fastest_before = std::mem::replace(&mut self.fastest, i64::MAX);
            self.window_since = now;
        }
        self.fastest = self.fastest.min(transit);
        let late = transit - self.reference();
        let bin = usize::try_from(late / BIN_NANOS).unwrap_or(0).min(BINS - 1);
        for (i, weight) in self.bins.iter_mut().enumerate() {
            *weight = *weight * FORGET + if i == bin { 1.0 - FORGET } else { 0.0 };
        }
        self.target = self.quantile();
    }

    /// When the sample of that timestamp comes at the earliest, in ns; may be before the epoch.
    pub(super) fn expected(&self, timestamp: u64) -> i64 {
        self.reference().saturating_add(timestamp_nanos(timestamp))
    }

    pub(super) fn target(&self) -> i64 {
        self.target
    }

    pub(super) fn jitter_nanos(&self) -> u64 {
        u64::try_from(self.jitter).unwrap_or(0)
    }

    fn reference(&self) -> i64 {
        match self.fastest.min(self.fastest_before) {
            i64::MAX => 0,
            fastest => fastest,
        }
    }

    fn quantile(&self) -> i64 {
        let wanted = self.bins.iter().sum::<f32>() * QUANTILE;
        let mut sum = 0.0;
        let mut target = MIN_TARGET;
        for weight in &self.bins {
            sum += weight;
            if sum >= wanted {
                break;
            }
            target += 240;
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
