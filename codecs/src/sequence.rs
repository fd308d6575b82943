//! Unwrapping of counters that wrap: RTP sequence numbers (16 bit) and timestamps (32 bit) to 64 bit.
//!
//! Each number is read as the one nearest to the newest seen so far, so reordered packets land behind it and a gap of up to
//! half of the range lands before it.

/// Where the first number is placed, so that packets older than the first one still have a place below it.
const SEQUENCE_ORIGIN: u64 = 1 << 16;
const TIMESTAMP_ORIGIN: u64 = 1 << 32;

/// Extends 16-bit RTP sequence numbers to 64 bits.
#[derive(Debug, Clone, Default)]
pub struct Unwrapper {
    newest: Option<u64>,
}

impl Unwrapper {
    /// An unwrapper that has seen nothing; the first number becomes `65536 + number`.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: None }
    }

    /// The 64-bit number nearest to the newest seen whose low 16 bits are `sequence`. Never below zero.
    pub fn unwrap(&mut self, sequence: u16) -> u64 {
        let Some(newest) = self.newest else {
            let first = SEQUENCE_ORIGIN + u64::from(sequence);
            self.newest = Some(first);
            return first;
        };
        let ahead = sequence.wrapping_sub(low16(newest));
        let number = if ahead < 0x8000 {
            newest + u64::from(ahead)
        } else {
            let behind = u64::from(ahead.wrapping_neg());
            // Below zero there is nothing: a stream that walks backwards for ever is pushed up by one turn.
            newest
                .checked_sub(behind)
                .unwrap_or(newest + u64::from(ahead))
        };
        self.newest = Some(newest.max(number));
        number
    }

    /// The highest number given out so far.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }
}

/// Extends 32-bit RTP timestamps to 64 bits.
#[derive(Debug, Clone, Default)]
pub struct TimestampUnwrapper {
    newest: Option<u64>,
}

impl TimestampUnwrapper {
    /// An unwrapper that has seen nothing; the first timestamp becomes `2^32 + timestamp`.
    #[must_use]
    pub const fn new() -> Self {
        Self { newest: None }
    }

    /// The 64-bit number nearest to the newest seen whose low 32 bits are `timestamp`. Never below zero.
    pub fn unwrap(&mut self, timestamp: u32) -> u64 {
        let Some(newest) = self.newest else {
            let first = TIMESTAMP_ORIGIN + u64::from(timestamp);
            self.newest = Some(first);
            return first;
        };
        let ahead = timestamp.wrapping_sub(low32(newest));
        let number = if ahead < 0x8000_0000 {
            newest + u64::from(ahead)
        } else {
            let behind = u64::from(ahead.wrapping_neg());
            newest
                .checked_sub(behind)
                .unwrap_or(newest + u64::from(ahead))
        };
        self.newest = Some(newest.max(number));
        number
    }

    /// The highest number given out so far.
    #[must_use]
    pub const fn newest(&self) -> Option<u64> {
        self.newest
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low bits are what is wanted"
)]
const fn low16(number: u64) -> u16 {
    number as u16
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "the low bits are what is wanted"
)]
const fn low32(number: u64) -> u32 {
    number as u32
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn wrap_counts_up_and_late_packets_fall_behind() {
        let mut unwrapper = Unwrapper::new();
        let first = unwrapper.unwrap(65_534);
        assert_eq!(unwrapper.unwrap(1), first + 3);
        assert_eq!(unwrapper.unwrap(65_535), first + 1);
        assert_eq!(unwrapper.newest(), Some(first + 3));
        assert_eq!(unwrapper.unwrap(2), first + 4);
    }

    #[test]
    fn packets_older_than_the_first_have_a_place() {
        let mut unwrapper = Unwrapper::new();
        let first = unwrapper.unwrap(0);
        assert_eq!(unwrapper.unwrap(65_535), first - 1);
        let mut timestamps = TimestampUnwrapper::new();
        let first = timestamps.unwrap(0);
        assert_eq!(timestamps.unwrap(u32::MAX - 959), first - 960);
    }

    proptest! {
        /// A true counter that moves by less than half of the range in either direction is followed exactly.
        #[test]
        fn follows_a_true_counter(start in 0u16.., steps in prop::collection::vec(-2_000i64..2_000, 1..400)) {
            let mut unwrapper = Unwrapper::new();
            let mut truth = 1_000_000_000 * 65_536 + i64::from(start);
            let offset = truth - unwrapper.unwrap(start).cast_signed();
            let mut newest = truth;
            for step in steps {
                let next = truth + step;
                // Stay within the half range of the newest, as the contract asks.
                truth = if newest - next > 30_000 { newest } else { next };
                newest = newest.max(truth);
                let wire = u16::try_from(truth.rem_euclid(65_536)).unwrap_or(0);
                prop_assert_eq!(unwrapper.unwrap(wire).cast_signed() + offset, truth);
            }
        }

        /// Whatever comes: the low bits are kept, the newest never falls, and no number is further than half a range off.
        #[test]
        fn newest_is_monotonic_for_any_input(numbers in prop::collection::vec(0u16.., 1..2_000)) {
            let mut unwrapper = Unwrapper::new();
            let mut newest = 0;
            for number in numbers {
                let unwrapped = unwrapper.unwrap(number);
                prop_assert_eq!(low16(unwrapped), number);
                let now = unwrapper.newest().unwrap_or(0);
                prop_assert!(now >= newest && now >= unwrapped);
                newest = now;
            }
        }

        #[test]
        fn timestamps_are_monotonic_for_any_input(numbers in prop::collection::vec(0u32.., 1..2_000)) {
            let mut unwrapper = TimestampUnwrapper::new();
            let mut newest = 0;
            for number in numbers {
                let unwrapped = unwrapper.unwrap(number);
                prop_assert_eq!(low32(unwrapped), number);
                let now = unwrapper.newest().unwrap_or(0);
                prop_assert!(now >= newest && now >= unwrapped);
                newest = now;
            }
        }
    }
}
