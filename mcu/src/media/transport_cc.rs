//! Guards the WebRTC stack against transport-wide sequence numbers that run below its first one.
//!
//! str0m 0.25 extends the 16-bit number of each authenticated packet to the nearest one around the highest
//! it has seen. A number more than half the range above a young maximum goes *below zero*, wraps to almost
//! 2⁶⁴ and lets the feedback builder loop over the gap for ever: 1, 65530, 2 is enough. The number lies
//! in a header extension and is in clear, so a packet that could do it is dropped before SRTP.

use super::rtp_header::RtpHeader;

/// Half of the 16-bit range: a number further than this above the maximum is taken to lie below it.
const HALF: u64 = 1 << 15;
const RANGE: u64 = 1 << 16;

/// Watches one peer's transport-wide numbers.
///
/// It must not trust packets before they are authenticated: a forged one could move its idea of the maximum
/// and open the way for the next. So it keeps a *lower bound* of the stack's maximum, raised only by packets
/// that came out of SRTP, and drops whatever would underflow from any maximum at or above that bound.
#[derive(Debug, Default)]
pub(super) struct NumberGuard {
    /// Highest extended number known to be authenticated.
    authenticated: Option<u64>,
    /// Lowest number let through while none was authenticated: the stack's maximum is at least this.
    lowest: Option<u16>,
}

impl NumberGuard {
    /// Whether a packet with this number may go to the stack.
    pub(super) fn admit(&mut self, number: u16) -> bool {
        if let Some(bound) = self.authenticated {
            return bound >= RANGE || u64::from(number) <= bound + HALF;
        }
        let Some(lowest) = self.lowest else {
            self.lowest = Some(number);
            return true;
        };
        if u64::from(number) > u64::from(lowest) + HALF {
            return false;
        }
        self.lowest = Some(lowest.min(number));
        true
    }

    /// The stack has authenticated a packet with this number.
    pub(super) fn authenticated(&mut self, number: u16) {
        let extended = self
            .authenticated
            .map_or(u64::from(number), |max| extend(max, number));
        self.authenticated = Some(self.authenticated.map_or(extended, |max| max.max(extended)));
    }
}

/// The number nearest to `max`; never below zero, because [`NumberGuard::admit`] stood before.
fn extend(max: u64, number: u16) -> u64 {
    let candidate = (max - max % RANGE) + u64::from(number);
    if candidate > max + HALF {
        candidate.saturating_sub(RANGE)
    } else if candidate + HALF < max {
        candidate + RANGE
    } else {
        candidate
    }
}

/// The transport-wide number in an RTP packet whose negotiated extension id is `id`, as the stack finds it.
/// `None` when there is none, or the header is malformed (the stack refuses such packets itself).
pub(super) fn number_of(packet: &[u8], id: u8) -> Option<u16> {
    let value = RtpHeader::parse(packet)?.element(id, 2)?;
    Some(u16::from_be_bytes(*value.first_chunk()?))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests {
    use super::*;

    /// Feeds numbers as packets that all authenticate; returns those let through.
    fn passed(numbers: &[u16]) -> Vec<u16> {
        let mut guard = NumberGuard::default();
        let mut out = Vec::new();
        for &number in numbers {
            if guard.admit(number) {
                guard.authenticated(number);
                out.push(number);
            }
        }
        out
    }

    #[test]
    fn the_three_packets_that_hang_the_stack_do_not_pass() {
        assert_eq!(passed(&[1, 65_530, 2]), [1, 2]);
    }

    #[test]
    fn forged_packets_cannot_open_the_way() {
        let mut guard = NumberGuard::default();
        assert!(guard.admit(1));
        guard.authenticated(1);
        for forged in [20_000, 32_000, 32_769] {
            assert!(
                guard.admit(forged),
                "harmless by itself, and SRTP will refuse it"
            );
        }
        assert!(!guard.admit(65_530), "only 1 was authenticated");
    }

    #[test]
    fn before_anything_is_authenticated_the_lowest_number_counts() {
        let mut guard = NumberGuard::default();
        assert!(guard.admit(20_000));
        assert!(guard.admit(5));
        assert!(!guard.admit(40_000));
        assert!(guard.admit(30_000));
    }

    #[test]
    fn an_honest_stream_passes_whole_through_two_wraps_and_with_reordering() {
        for start in [0_u64, 1, 100, 32_767, 32_768, 65_500] {
            let mut numbers: Vec<u16> = (start..start + 150_000)
                .map(|n| (n % RANGE) as u16)
                .collect();
            for pair in numbers[8..].chunks_mut(7) {
                pair.reverse();
            }
            assert_eq!(passed(&numbers).len(), numbers.len(), "start {start}");
        }
    }

    #[test]
    fn the_number_is_found_in_both_header_forms() {
        let mut one = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 2];
        one.extend([0x10, 0x7f, 0x00, 0x31, 0xff, 0xfa, 0, 0]);
        assert_eq!(number_of(&one, 3), Some(65_530));
        assert_eq!(number_of(&one, 4), None);
        let mut two = vec![
            0x91, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 9, 9, 9, 9, 0x10, 0x00, 0, 2,
        ];
        two.extend([1, 0, 17, 2, 0x12, 0x34, 0, 0]);
        assert_eq!(number_of(&two, 17), Some(0x1234));
    }

    #[test]
    fn a_decoy_does_not_hide_the_number_that_the_stack_reads() {
        let packet = |elements: &[u8]| {
            let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0];
            packet.push(u8::try_from(elements.len() / 4).unwrap_or_default());
            packet.extend(elements);
            packet
        };
        let twice = packet(&[0x31, 0, 2, 0x31, 0xff, 0xfa, 0, 0]);
        assert_eq!(number_of(&twice, 3), Some(65_530), "the last one counts");
        let short = packet(&[0x30, 9, 0x31, 0xff, 0xfa, 0, 0, 0]);
        assert_eq!(number_of(&short, 3), Some(65_530), "a short one does not");
        let cut = packet(&[0x31, 0xff, 0xfa, 0x3f]);
        assert_eq!(
            number_of(&cut, 3),
            Some(65_530),
            "what came before a cut counts"
        );
        let after_end = packet(&[0x31, 0xff, 0xfa, 0xf0, 0x31, 0, 2, 0]);
        assert_eq!(
            number_of(&after_end, 3),
            Some(65_530),
            "id 15 ends the block"
        );
    }

    #[test]
    fn cut_and_lying_headers_hold_no_number() {
        let mut packet = vec![0x90, 96, 0, 1, 0, 0, 0, 0, 0, 0, 0, 1, 0xbe, 0xde, 0, 1];
        packet.extend([0x31, 0xff, 0xfa, 0]);
        assert_eq!(number_of(&packet, 3), Some(65_530));
        for cut in 0..packet.len() {
            assert_eq!(number_of(&packet[..cut], 3), None, "cut at {cut}");
        }
        packet[15] = 200;
        assert_eq!(number_of(&packet, 3), None);
        packet[15] = 1;
        packet[16] = 0x3f;
        assert_eq!(number_of(&packet, 3), None);
    }
}
