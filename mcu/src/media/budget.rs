//! How much one peer may send: token buckets for packets and bytes.

use std::time::{Duration, Instant};

use super::Limits;

/// Seconds of the rate that may come at once.
const BURST_SECONDS: u64 = 2;

/// Packet and byte buckets of one leg.
#[derive(Debug)]
pub(super) struct Budget {
    packets: Bucket,
    bytes: Bucket,
    refilled: Instant,
}

/// Tokens in thousandths, so that a millisecond refills whole numbers.
#[derive(Debug)]
struct Bucket {
    rate: u64,
    level: u64,
}

impl Bucket {
    fn new(rate: u32) -> Self {
        let rate = u64::from(rate);
        Self {
            rate,
            level: rate * BURST_SECONDS * 1_000,
        }
    }

    fn refill(&mut self, millis: u64) {
        self.level = self
            .level
            .saturating_add(self.rate * millis)
            .min(self.rate * BURST_SECONDS * 1_000);
    }
}

impl Budget {
    pub(super) fn new(limits: &Limits, now: Instant) -> Self {
        Self {
            packets: Bucket::new(limits.packets_per_second),
            bytes: Bucket::new(limits.bytes_per_second),
            refilled: now,
        }
    }

    /// Takes one packet of `length` bytes; false when the peer has spent its budget.
    pub(super) fn spend(&mut self, now: Instant, length: usize) -> bool {
        let millis = now.saturating_duration_since(self.refilled).as_millis();
        let millis = u64::try_from(millis)
            .unwrap_or(u64::MAX)
            .min(BURST_SECONDS * 1_000);
        if millis > 0 {
            self.packets.refill(millis);
            self.bytes.refill(millis);
            // Keeps the part of a millisecond that was not refilled yet.
            let whole = now.saturating_duration_since(self.refilled).subsec_nanos() % 1_000_000;
            self.refilled = now
                .checked_sub(Duration::from_nanos(u64::from(whole)))
                .unwrap_or(now);
        }
        let bytes = u64::try_from(length)
            .unwrap_or(u64::MAX)
            .saturating_mul(1_000);
        if self.packets.level < 1_000 || self.bytes.level < bytes {
            return false;
        }
        self.packets.level -= 1_000;
        self.bytes.level -= bytes;
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn limits(packets: u32, bytes: u32) -> Limits {
        Limits {
            packets_per_second: packets,
            bytes_per_second: bytes,
            ..Limits::default()
        }
    }

    #[test]
    fn a_peer_that_keeps_its_rate_is_never_refused() {
        let start = Instant::now();
        let mut budget = Budget::new(&limits(100, 20_000), start);
        for n in 0..10_000_u32 {
            assert!(
                budget.spend(start + Duration::from_millis(10) * n, 200),
                "packet {n}"
            );
        }
    }

    #[test]
    fn a_flood_is_cut_to_the_rate_in_packets() {
        let start = Instant::now();
        let mut budget = Budget::new(&limits(100, 1_000_000), start);
        let passed = (0..100_000_u32)
            .filter(|n| budget.spend(start + Duration::from_micros(100) * *n, 50))
            .count();
        // 10 s at 100/s after a burst of 200.
        assert!((1_195..=1_205).contains(&passed), "{passed}");
    }

    #[test]
    fn a_flood_is_cut_to_the_rate_in_bytes() {
        let start = Instant::now();
        let mut budget = Budget::new(&limits(10_000, 100_000), start);
        let passed = (0..10_000_u32)
            .filter(|n| budget.spend(start + Duration::from_millis(1) * *n, 1_000))
            .count();
        // 10 s at 100 kB/s after a burst of 200 kB.
        assert!((1_195..=1_205).contains(&passed), "{passed}");
    }
}
