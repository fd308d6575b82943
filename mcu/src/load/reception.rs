//! What one leg receives, counted: loss by sequence gaps, interarrival jitter, gaps without audio. Looks at RTP headers only and
//! reads no clock.

use std::time::{Duration, Instant};

use super::rtp::{Block, Seen};

/// Longer than this without a packet is a gap: three packets in a row.
const GAP: Duration = Duration::from_millis(60);
/// How often a leg's jitter is noted.
const NOTE: Duration = Duration::from_secs(1);

/// Counts of one leg over the time that is measured.
#[derive(Debug, Clone, Default)]
pub(super) struct Counts {
    pub(super) received: u64,
    /// That never came, though later ones did.
    pub(super) lost: u64,
    pub(super) duplicates: u64,
    pub(super) gaps: u64,
    pub(super) longest_gap: Duration,
    /// The interarrival jitter (RFC 3550 section 6.4.1) of each second, milliseconds.
    pub(super) jitter: Vec<f32>,
}

/// One stream's sequence numbers.
#[derive(Debug, Clone, Copy)]
struct Stream {
    ssrc: u32,
    first: u64,
    highest: u64,
    /// The 64 numbers up to the highest that have come.
    window: u64,
    received: u64,
    /// As they were at the last report.
    reported: (u64, u64),
}

impl Stream {
    fn begin(seen: &Seen) -> Self {
        // Room below the first, for packets that were overtaken by it.
        let first = u64::from(seen.sequence) + 0x1_0000;
        Self {
            ssrc: seen.ssrc,
            first,
            highest: first,
            window: 1,
            received: 1,
            reported: (0, 0),
        }
    }

    /// Whether the packet is a new one.
    fn push(&mut self, sequence: u16) -> bool {
        let ahead = i64::from(sequence.wrapping_sub(low_half(self.highest)).cast_signed());
        let Some(extended) = self.highest.checked_add_signed(ahead) else {
            return false;
        };
        if extended > self.highest {
            let shift = u32::try_from(extended - self.highest).unwrap_or(u32::MAX);
            self.window = self.window.checked_shl(shift).unwrap_or(0) | 1;
            self.highest = extended;
        } else {
            let bit = 1u64
                .checked_shl(u32::try_from(self.highest - extended).unwrap_or(u32::MAX))
                .unwrap_or(0);
            // Older than the window counts as late beyond use: it stays lost.
            if bit == 0 || self.window & bit != 0 {
                return false;
            }
            self.window |= bit;
            self.first = self.first.min(extended);
        }
        self.received += 1;
        true
    }

    fn expected(&self) -> u64 {
        self.highest - self.first + 1
    }

    fn lost(&self) -> u64 {
        self.expected().saturating_sub(self.received)
    }
}

fn low_half(number: u64) -> u16 {
    u16::try_from(number & 0xffff).unwrap_or_default()
}

/// See the module.
#[derive(Debug)]
pub(super) struct Reception {
    clock_rate: f64,
    /// When the first packet of all came.
    pub(super) first: Option<Instant>,
    last: Option<Instant>,
    stream: Option<Stream>,
    /// Arrival and timestamp of the last packet, for the jitter.
    transit: Option<(Instant, u32)>,
    /// Seconds.
    jitter: f64,
    noted: Option<Instant>,
    counts: Counts,
}

impl Reception {
    pub(super) fn new(clock_rate: u32) -> Self {
        Self {
            clock_rate: f64::from(clock_rate),
            first: None,
            last: None,
            stream: None,
            transit: None,
            jitter: 0.0,
            noted: None,
            counts: Counts::default(),
        }
    }

    /// Begins to measure: what came before does not count.
    pub(super) fn restart(&mut self, now: Instant) {
        self.counts = Counts::default();
        self.stream = None;
        self.last = Some(now);
        self.noted = Some(now);
    }

    pub(super) fn push(&mut self, now: Instant, seen: &Seen) {
        self.first.get_or_insert(now);
        let fresh = match &mut self.stream {
            Some(stream) if stream.ssrc == seen.ssrc => stream.push(seen.sequence),
            other => {
                if let Some(ended) = other.replace(Stream::begin(seen)) {
                    self.counts.lost += ended.lost();
                }
                self.transit = None;
                true
            }
        };
        if !fresh {
            self.counts.duplicates += 1;
            return;
        }
        self.counts.received += 1;
        self.note_gap(now);
        self.note_jitter(now, seen.timestamp);
    }

    fn note_gap(&mut self, now: Instant) {
        if let Some(last) = self.last.replace(now) {
            let silent = now.saturating_duration_since(last);
            if silent > GAP {
                self.counts.gaps += 1;
                self.counts.longest_gap = self.counts.longest_gap.max(silent);
            }
        }
    }

    fn note_jitter(&mut self, now: Instant, timestamp: u32) {
        if let Some((before, earlier)) = self.transit.replace((now, timestamp)) {
            let arrived = now.saturating_duration_since(before).as_secs_f64();
            let spoken = f64::from(timestamp.wrapping_sub(earlier).cast_signed()) / self.clock_rate;
            self.jitter += ((arrived - spoken).abs() - self.jitter) / 16.0;
        }
        let due = self.noted.is_none_or(|at| now >= at + NOTE);
        if due {
            self.noted = Some(now);
            #[expect(clippy::cast_possible_truncation, reason = "milliseconds of jitter")]
            self.counts.jitter.push((self.jitter * 1_000.0) as f32);
        }
    }

    /// What a receiver report says now; `None` before anything came.
    pub(super) fn report(&mut self) -> Option<Block> {
        let rate = self.clock_rate;
        let stream = self.stream.as_mut()?;
        let (expected, received) = (stream.expected(), stream.received);
        let (since_expected, since_received) = (
            expected.saturating_sub(stream.reported.0),
            received.saturating_sub(stream.reported.1),
        );
        stream.reported = (expected, received);
        let lost = since_expected.saturating_sub(since_received);
        let fraction = (lost * 256).checked_div(since_expected).unwrap_or(0);
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a positive number of timestamp units"
        )]
        let jitter = (self.jitter * rate) as u32;
        Some(Block {
            ssrc: stream.ssrc,
            fraction: u8::try_from(fraction).unwrap_or(u8::MAX),
            lost: u32::try_from(stream.lost()).unwrap_or(u32::MAX),
            highest: u32::try_from((stream.highest - 0x1_0000) & 0xffff_ffff).unwrap_or_default(),
            jitter,
        })
    }

    /// The counts up to `now`: a stream that has stopped ends in a gap.
    pub(super) fn finish(&mut self, now: Instant) -> Counts {
        let mut counts = self.counts.clone();
        counts.lost += self.stream.map_or(0, |stream| stream.lost());
        if let Some(last) = self.last {
            let silent = now.saturating_duration_since(last);
            if silent > GAP {
                counts.gaps += 1;
                counts.longest_gap = counts.longest_gap.max(silent);
            }
        }
        counts
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const FRAME: Duration = Duration::from_millis(20);

    fn seen(number: u32) -> Seen {
        Seen {
            payload_type: 0,
            sequence: u16::try_from((number + 65_000) & 0xffff).unwrap_or_default(),
            timestamp: number.wrapping_mul(160),
            ssrc: 5,
            payload: 12,
        }
    }

    fn receive(numbers: impl Iterator<Item = u32>) -> Counts {
        let begin = Instant::now();
        let mut reception = Reception::new(8_000);
        reception.restart(begin);
        let mut end = begin;
        for number in numbers {
            end = begin + FRAME * number;
            reception.push(end, &seen(number));
        }
        reception.finish(end)
    }

    #[test]
    fn what_was_thrown_away_is_counted_to_the_packet() {
        let mut random = fastrand::Rng::with_seed(3);
        let mut thrown = 0;
        let counts = receive((1..10_000).filter(|number| {
            let keep = *number == 1 || *number == 9_999 || random.f64() >= 0.05;
            thrown += u64::from(!keep);
            keep
        }));
        assert!((400..600).contains(&thrown), "{thrown}");
        assert_eq!(counts.lost, thrown);
        assert_eq!(counts.received, 9_999 - thrown);
    }

    #[test]
    fn reordered_packets_are_no_loss_and_repeated_ones_count_once() {
        let counts = receive([2, 1, 4, 3, 3, 5, 5, 6].into_iter());
        assert_eq!((counts.lost, counts.received, counts.duplicates), (0, 6, 2));
    }

    #[test]
    fn three_packets_in_a_row_that_are_missing_are_a_gap_and_so_is_silence_at_the_end() {
        let counts = receive((1..10).chain(13..20));
        assert_eq!((counts.gaps, counts.lost), (1, 3));
        assert_eq!(counts.longest_gap, FRAME * 4);

        let begin = Instant::now();
        let mut reception = Reception::new(8_000);
        reception.restart(begin);
        let counts = reception.finish(begin + Duration::from_secs(2));
        assert_eq!(counts.longest_gap, Duration::from_secs(2));
    }

    #[test]
    fn jitter_is_what_the_arrivals_vary_by() {
        let begin = Instant::now();
        let mut reception = Reception::new(8_000);
        for number in 0..1_000 {
            let late = Duration::from_millis(if number % 2 == 0 { 0 } else { 6 });
            reception.push(begin + FRAME * number + late, &seen(number));
        }
        let last = reception.finish(begin).jitter.last().copied();
        assert!(last.is_some_and(|ms| (5.5..6.5).contains(&ms)), "{last:?}");
    }

    #[test]
    fn a_report_says_the_share_lost_since_the_last_one() {
        let begin = Instant::now();
        let mut reception = Reception::new(8_000);
        assert_eq!(reception.report(), None);
        (0..100).for_each(|number| reception.push(begin, &seen(number)));
        assert_eq!(reception.report().map(|block| block.fraction), Some(0));
        (100..200)
            .filter(|number| number % 4 != 0)
            .for_each(|number| reception.push(begin, &seen(number)));
        let block = reception.report();
        assert_eq!(
            block.map(|block| (block.fraction, block.lost)),
            Some((64, 25))
        );
    }
}
