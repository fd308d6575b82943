//! A token bucket. Pure: time is an argument.

use std::time::{Duration, Instant};

/// Lets `burst` through at once and one more each `interval`.
#[derive(Debug)]
pub(super) struct Bucket {
    /// The bucket is full again then; later instants are debt.
    full_at: Instant,
    interval: Duration,
    burst: u32,
}

impl Bucket {
    pub(super) fn new(now: Instant, interval: Duration, burst: u32) -> Self {
        Self {
            full_at: now,
            interval,
            burst,
        }
    }

    /// Takes one if there is one.
    pub(super) fn take(&mut self, now: Instant) -> bool {
        let full_at = self.full_at.max(now) + self.interval;
        let fits = full_at.saturating_duration_since(now) <= self.interval * self.burst;
        if fits {
            self.full_at = full_at;
        }
        fits
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_burst_passes_and_then_one_per_interval() {
        let start = Instant::now();
        let mut bucket = Bucket::new(start, Duration::from_millis(50), 3);
        let passed = |bucket: &mut Bucket, at: u64| bucket.take(start + Duration::from_millis(at));
        assert!((0..3).all(|_| passed(&mut bucket, 0)));
        assert!(!passed(&mut bucket, 49));
        assert!(passed(&mut bucket, 50) && !passed(&mut bucket, 50));
        assert!((0..3).all(|_| passed(&mut bucket, 1000)));
        assert!(!passed(&mut bucket, 1000));
    }
}
