//! Wishes for keyframes in RTCP: PLI (RFC 4585 §6.3.1), FIR (RFC 5104 §4.3.1) and the full intra request of old (RFC 2032 §5.2.1).
//! Read and written by hand: the `rtcp` crate's readers of feedback panic on lying lengths.

/// Payload-specific feedback.
const PSFB: u8 = 206;
/// Its formats.
const PLI: u8 = 1;
const FIR: u8 = 4;
/// The packet type of a full intra request.
const FULL_INTRA: u8 = 192;

/// Whether a compound, or one reduced in size (RFC 5506), asks for a keyframe. Whose is not looked at: one stream of ours goes
/// to who sends it, and phones exist that name none.
pub(in crate::media) fn wants_keyframe(datagram: &[u8]) -> bool {
    let mut rest = datagram;
    while let Some(&[first, kind, high, low]) = rest.first_chunk() {
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        if first >> 6 != 2 || rest.len() < length {
            return false;
        }
        let asks = match kind {
            PSFB => length >= 12 && matches!(first & 0x1f, PLI | FIR),
            FULL_INTRA => true,
            _ => false,
        };
        if asks {
            return true;
        }
        rest = rest.get(length..).unwrap_or_default();
    }
    false
}

/// A PLI.
pub(super) fn pli(ours: u32, theirs: u32) -> Vec<u8> {
    feedback(PLI, ours, theirs, &[])
}

/// A FIR; `number` is another one with each.
pub(super) fn fir(ours: u32, theirs: u32, number: u8) -> Vec<u8> {
    let [a, b, c, d] = theirs.to_be_bytes();
    // The media source of the header is unused (RFC 5104 §4.3.1.2).
    feedback(FIR, ours, 0, &[a, b, c, d, number, 0, 0, 0])
}

fn feedback(format: u8, ours: u32, theirs: u32, rest: &[u8]) -> Vec<u8> {
    // Of 20 octets at most.
    let words = u8::try_from(2 + rest.len() / 4).unwrap_or_default();
    let mut packet = vec![0x80 | format, PSFB, 0, words];
    packet.extend_from_slice(&ours.to_be_bytes());
    packet.extend_from_slice(&theirs.to_be_bytes());
    packet.extend_from_slice(rest);
    packet
}

#[cfg(test)]
mod tests {
    use super::super::wire;
    use super::*;

    #[test]
    fn what_is_written_is_read_and_reports_ask_for_nothing() {
        assert!(wants_keyframe(&pli(1, 2)));
        assert!(wants_keyframe(&fir(1, 2, 3)));
        assert!(wants_keyframe(&[0x80, 192, 0, 1, 0, 0, 0, 1]));
        let report = wire::report(5, None, None, "x").unwrap_or_default();
        assert!(!report.is_empty() && !wants_keyframe(&report));
        assert!(wants_keyframe(&[&report[..], &pli(1, 2)].concat()));
    }

    #[test]
    fn lying_lengths_ask_for_nothing() {
        let whole = pli(1, 2);
        for length in 0..whole.len() {
            assert!(!wants_keyframe(&whole[..length]));
        }
        assert!(!wants_keyframe(&[0x81, PSFB, 0, 1, 0, 0, 0, 1]));
        assert!(!wants_keyframe(&[0x81, PSFB, 0xff, 0xff]));
    }
}
