//! What we received of one RTP source, as RTCP reports it (RFC 3550 appendix A.1, A.3, A.8).

use std::time::Instant;

use plenum_codecs::MediaPacket;
use plenum_codecs::sequence::Unwrapper;

use super::wire::ReceptionBlock;

#[derive(Debug)]
pub(in crate::media) struct Reception {
    ssrc: u32,
    clock_rate: u32,
    unwrapper: Unwrapper,
    first: u64,
    highest: u64,
    received: u64,
    /// Expected and received at the last report.
    reported: (u64, u64),
    /// Transit time of the last packet in timestamp units, and its running variation times 16.
    transit: Option<u32>,
    jitter16: u32,
    sender_report: Option<(u32, Instant)>,
}

/// Loss since the last report.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct Interval {
    pub(in crate::media) lost: u64,
}

impl Reception {
    pub(in crate::media) fn new(packet: &MediaPacket, clock_rate: u32) -> Self {
        let mut unwrapper = Unwrapper::new();
        let first = unwrapper.unwrap(packet.sequence);
        Self {
            ssrc: packet.ssrc,
            clock_rate,
            unwrapper,
            first,
            highest: first,
            received: 0,
            reported: (0, 0),
            transit: None,
            jitter16: 0,
            sender_report: None,
        }
    }

    pub(in crate::media) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Counts a packet. `speech` packets have timestamps that run with the clock; telephone events do not
    /// and say nothing of jitter.
    pub(in crate::media) fn count(
        &mut self,
        now: Instant,
        since: Instant,
        packet: &MediaPacket,
        speech: bool,
    ) {
        self.received += 1;
        self.highest = self.highest.max(self.unwrapper.unwrap(packet.sequence));
        if !speech {
            return;
        }
        let arrival = now.saturating_duration_since(since).as_micros()
            * u128::from(self.clock_rate)
            / 1_000_000;
        let arrival = u32::try_from(arrival & 0xffff_ffff).unwrap_or_default();
        let transit = arrival.wrapping_sub(packet.timestamp);
        if let Some(last) = self.transit.replace(transit) {
            let moved = transit.wrapping_sub(last);
            let d = moved.min(moved.wrapping_neg());
            // A jump of more than ten seconds is a new timeline, not jitter.
            if d < self.clock_rate.saturating_mul(10) {
                self.jitter16 = self.jitter16 - ((self.jitter16 + 8) >> 4) + d;
            }
        }
    }

    /// Their sender report has come.
    pub(in crate::media) fn sender_report(&mut self, ssrc: u32, ntp_middle: u32, now: Instant) {
        if ssrc == self.ssrc {
            self.sender_report = Some((ntp_middle, now));
        }
    }

    /// Jitter in seconds.
    pub(in crate::media) fn jitter(&self) -> f64 {
        f64::from(self.jitter16) / 16.0 / f64::from(self.clock_rate.max(1))
    }

    /// The block of the next report, and what was lost since the last.
    pub(in crate::media) fn report(&mut self, now: Instant) -> (ReceptionBlock, Interval) {
        let expected = self.highest - self.first + 1;
        let (expected_before, received_before) = self.reported;
        self.reported = (expected, self.received);
        let expected_now = expected - expected_before;
        let lost = expected_now.saturating_sub(self.received - received_before);
        let fraction = (lost << 8).checked_div(expected_now).unwrap_or(0).min(255);
        let total_lost = expected.saturating_sub(self.received).min(0x7f_ffff);
        let (last_sender_report, delay) = self.sender_report.map_or((0, 0), |(ntp, at)| {
            let delay = now.saturating_duration_since(at).as_micros() * 65_536 / 1_000_000;
            (ntp, u32::try_from(delay).unwrap_or(u32::MAX))
        });
        let block = ReceptionBlock {
            ssrc: self.ssrc,
            fraction_lost: u8::try_from(fraction).unwrap_or(u8::MAX),
            total_lost: u32::try_from(total_lost).unwrap_or_default(),
            highest_sequence: u32::try_from(self.highest & 0xffff_ffff).unwrap_or_default(),
            jitter: self.jitter16 >> 4,
            last_sender_report,
            delay,
        };
        (block, Interval { lost })
    }
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests {
    use std::time::Duration;

    use bytes::Bytes;

    use super::*;

    fn packet(n: u32) -> MediaPacket {
        MediaPacket {
            payload_type: 0,
            marker: false,
            sequence: 65_530_u16.wrapping_add(u16::try_from(n).unwrap_or_default()),
            timestamp: 0xffff_ff00_u32.wrapping_add(n * 160),
            ssrc: 7,
            audio_level: None,
            payload: Bytes::new(),
        }
    }

    /// Every tenth packet lost, each odd one `late` behind its time.
    fn run(late: Duration) -> (ReceptionBlock, Interval, f64) {
        let start = Instant::now();
        let mut reception = Reception::new(&packet(0), 8_000);
        for n in (0..250).filter(|n| n % 10 != 9) {
            let arrival = start
                + Duration::from_millis(20) * n
                + if n % 2 == 1 { late } else { Duration::ZERO };
            reception.count(arrival, start, &packet(n), true);
        }
        let jitter = reception.jitter();
        let (block, interval) = reception.report(start);
        (block, interval, jitter)
    }

    #[test]
    fn loss_is_counted_over_the_rollover() {
        let (block, interval, _) = run(Duration::ZERO);
        assert_eq!(interval.lost, 24, "the last lost packet is not missed yet");
        assert_eq!(block.total_lost, 24);
        assert_eq!(block.fraction_lost, (24 * 256 / 249) as u8);
        assert_eq!(
            block.highest_sequence & 0xffff,
            u32::from(packet(248).sequence)
        );
    }

    #[test]
    fn jitter_is_nothing_on_a_clean_path_and_near_the_swing_on_a_bad_one() {
        let (_, _, clean) = run(Duration::ZERO);
        assert!(clean < 0.000_2, "{clean}");
        let (_, _, bad) = run(Duration::from_millis(10));
        assert!((0.006..0.011).contains(&bad), "{bad}");
    }

    #[test]
    fn the_second_report_speaks_of_its_own_interval() {
        let start = Instant::now();
        let mut reception = Reception::new(&packet(0), 8_000);
        for n in [0, 1, 2, 5] {
            reception.count(start, start, &packet(n), true);
        }
        assert_eq!(reception.report(start).1, Interval { lost: 2 });
        for n in 6..10 {
            reception.count(start, start, &packet(n), true);
        }
        let (block, interval) = reception.report(start);
        assert_eq!(
            (interval.lost, block.fraction_lost, block.total_lost),
            (0, 0, 2)
        );
    }

    #[test]
    fn their_sender_report_comes_back_with_its_age() {
        let start = Instant::now();
        let mut reception = Reception::new(&packet(0), 8_000);
        reception.sender_report(8, 1, start);
        assert_eq!(
            reception.report(start).0.last_sender_report,
            0,
            "of another source"
        );
        reception.sender_report(7, 0xabcd, start);
        let (block, _) = reception.report(start + Duration::from_millis(1_500));
        assert_eq!((block.last_sender_report, block.delay), (0xabcd, 98_304));
    }
}
