//! Tells the protocols on one UDP socket apart (RFC 7983) and finds whose a STUN request is.

/// What a datagram's first byte says it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Stun,
    Dtls,
    /// SRTP or SRTCP.
    Rtp,
}

/// Sorts a datagram by RFC 7983 §7; `None` for what no peer of ours sends.
pub(super) fn kind_of(datagram: &[u8]) -> Option<Kind> {
    match *datagram.first()? {
        0..=1 if datagram.len() >= STUN_HEADER => Some(Kind::Stun),
        20..=63 => Some(Kind::Dtls),
        128..=191 if datagram.len() >= 8 => Some(Kind::Rtp),
        _ => None,
    }
}

/// Whether an RTP-range datagram is RTCP (RFC 5761 §4: packet types 192..=223 in the second byte).
pub(super) fn is_rtcp(datagram: &[u8]) -> bool {
    datagram
        .get(1)
        .is_some_and(|second| (192..=223).contains(second))
}

const STUN_HEADER: usize = 20;
const MAGIC: [u8; 4] = [0x21, 0x12, 0xa4, 0x42];
const USERNAME: u16 = 0x0006;
const BINDING_REQUEST: u16 = 0x0001;
const BINDING_SUCCESS: u16 = 0x0101;

/// The receiver's ufrag in a binding request: USERNAME is `receiver:sender` (RFC 8445 §7.2.2).
pub(super) fn receiver_ufrag(datagram: &[u8]) -> Option<&[u8]> {
    if datagram.get(4..8)? != MAGIC || message_type(datagram)? != BINDING_REQUEST {
        return None;
    }
    let mut rest = datagram.get(STUN_HEADER..)?;
    while let Some(head) = rest.get(..4) {
        let length = usize::from(u16::from_be_bytes([head[2], head[3]]));
        let value = rest.get(4..4 + length)?;
        if u16::from_be_bytes([head[0], head[1]]) == USERNAME {
            let colon = value.iter().position(|b| *b == b':')?;
            return value.get(..colon);
        }
        rest = rest.get(4 + length.next_multiple_of(4)..)?;
    }
    None
}

/// Whether a datagram of ours is a binding success: its receiver has proved that it knows the password.
pub(super) fn is_binding_success(datagram: &[u8]) -> bool {
    datagram.len() >= STUN_HEADER && message_type(datagram) == Some(BINDING_SUCCESS)
}

fn message_type(datagram: &[u8]) -> Option<u16> {
    Some(u16::from_be_bytes([*datagram.first()?, *datagram.get(1)?]))
}

#[cfg(test)]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests {
    use super::*;

    fn request(username: &[u8]) -> Vec<u8> {
        let padded = username.len().next_multiple_of(4);
        let mut out = vec![0, 1, 0, (12 + padded) as u8];
        out.extend(MAGIC);
        out.extend([7; 12]);
        out.extend([0, 0x24, 0, 4, 1, 2, 3, 4]);
        out.extend([0, 6, 0, username.len() as u8]);
        out.extend(username);
        out.resize(20 + 12 + padded, 0);
        out
    }

    #[test]
    fn protocols_are_told_apart_by_the_first_byte() {
        assert_eq!(kind_of(&request(b"abcd:efgh")), Some(Kind::Stun));
        assert_eq!(kind_of(&[22; 40]), Some(Kind::Dtls));
        assert_eq!(kind_of(&[0x80; 40]), Some(Kind::Rtp));
        for nobody in [&[][..], &[0; 19], &[70; 40], &[200; 40], &[0x80; 7]] {
            assert_eq!(kind_of(nobody), None);
        }
    }

    #[test]
    fn rtcp_is_told_from_rtp_even_with_marker() {
        assert!(is_rtcp(&[0x80, 200]));
        assert!(is_rtcp(&[0x80, 206]));
        assert!(!is_rtcp(&[0x80, 96]));
        assert!(!is_rtcp(&[0x80, 0x80 | 111]));
    }

    #[test]
    fn the_receivers_ufrag_is_found() {
        assert_eq!(receiver_ufrag(&request(b"abcd:efgh")), Some(&b"abcd"[..]));
        assert_eq!(
            receiver_ufrag(&request(b"longer+ufrag/1:x")),
            Some(&b"longer+ufrag/1"[..])
        );
        assert_eq!(receiver_ufrag(&request(b"nocolon")), None);
    }

    #[test]
    fn cut_requests_hold_no_ufrag() {
        let whole = request(b"abcde:fghijk");
        for cut in 0..whole.len() {
            assert_eq!(receiver_ufrag(&whole[..cut]), None, "cut at {cut}");
        }
    }
}
