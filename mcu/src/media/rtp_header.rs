//! The part of an RTP packet that SRTP leaves readable (RFC 3550 §5.1) and its header extensions (RFC 8285), read in place.
//! Nothing in it is to be believed before the packet is authenticated.

/// Bytes without contributing sources and extension.
const FIXED: usize = 12;
const EXTENSION_FLAG: u8 = 0x10;
const PADDING_FLAG: u8 = 0x20;
/// Profiles of the two forms of extensions (RFC 8285 §4.2 and §4.3).
const ONE_BYTE: u16 = 0xbede;
const TWO_BYTE: u16 = 0x1000;
/// Ends a one-byte extension.
const STOP: u8 = 15;

/// What a packet says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct RtpHeader<'a> {
    pub(super) payload_type: u8,
    pub(super) marker: bool,
    /// The payload's last byte says how many at its end are none.
    pub(super) padded: bool,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Bytes before the payload.
    pub(super) length: usize,
    /// The extension's profile and elements.
    extension: Option<(u16, &'a [u8])>,
}

impl<'a> RtpHeader<'a> {
    /// Reads a datagram's header; `None` when it is not RTP or shorter than it says.
    pub(super) fn parse(datagram: &'a [u8]) -> Option<Self> {
        let (fixed, _) = datagram.split_first_chunk::<FIXED>()?;
        let [first, second, s0, s1, t0, t1, t2, t3, r0, r1, r2, r3] = *fixed;
        if first >> 6 != 2 {
            return None;
        }
        let mut length = FIXED + 4 * usize::from(first & 0x0f);
        let mut extension = None;
        if first & EXTENSION_FLAG != 0 {
            let [p0, p1, w0, w1] = *datagram.get(length..)?.first_chunk()?;
            let begin = length + 4;
            length = begin + 4 * usize::from(u16::from_be_bytes([w0, w1]));
            extension = Some((u16::from_be_bytes([p0, p1]), datagram.get(begin..length)?));
        }
        (datagram.len() >= length).then_some(Self {
            payload_type: second & 0x7f,
            marker: second & 0x80 != 0,
            padded: first & PADDING_FLAG != 0,
            sequence: u16::from_be_bytes([s0, s1]),
            timestamp: u32::from_be_bytes([t0, t1, t2, t3]),
            ssrc: u32::from_be_bytes([r0, r1, r2, r3]),
            length,
            extension,
        })
    }

    /// The extension element that was agreed under `id`. As in the WebRTC stack the last one counts, one of fewer than
    /// `least` bytes does not, and what is cut off ends the search.
    pub(super) fn element(&self, id: u8, least: usize) -> Option<&'a [u8]> {
        let (profile, mut rest) = self.extension?;
        let mut found = None;
        while let Some(&byte) = rest.first() {
            if byte == 0 {
                rest = rest.get(1..)?;
                continue;
            }
            let (element, length, own) = match profile {
                ONE_BYTE if byte >> 4 == STOP => break,
                ONE_BYTE => (byte >> 4, usize::from(byte & 0x0f) + 1, 1),
                p if p & 0xfff0 == TWO_BYTE => match rest.get(1) {
                    Some(length) => (byte, usize::from(*length), 2),
                    None => break,
                },
                _ => break,
            };
            let Some(value) = rest.get(own..own + length) else {
                break;
            };
            if element == id && value.len() >= least {
                found = Some(value);
            }
            rest = rest.get(own + length..).unwrap_or_default();
        }
        found
    }
}

/// The payload without its padding (RFC 3550 §5.1); `None` when that claims more than there is.
pub(super) fn unpadded(payload: &[u8], padded: bool) -> Option<&[u8]> {
    if !padded {
        return Some(payload);
    }
    let padding = usize::from(*payload.last()?);
    let length = payload.len().checked_sub(padding)?;
    (padding > 0).then(|| payload.get(..length))?
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const WHOLE: [u8; 30] = [
        0xb1,
        0x80 | 111,
        1,
        2,
        3,
        4,
        5,
        6,
        7,
        8,
        9,
        10, // two words of fixed header
        9,
        9,
        9,
        9, // one contributing source
        0xbe,
        0xde,
        0,
        1,
        0x10,
        0xa1,
        0,
        0, // level
        b'a',
        b'b',
        b'c',
        0,
        0,
        3, // payload and three of padding
    ];

    #[test]
    fn every_field_is_where_the_standard_puts_it() {
        let header = RtpHeader::parse(&WHOLE).unwrap();
        assert_eq!((header.payload_type, header.marker), (111, true));
        assert_eq!((header.sequence, header.timestamp), (0x0102, 0x0304_0506));
        assert_eq!((header.ssrc, header.length), (0x0708_090a, 24));
        assert_eq!(header.element(1, 1), Some(&[0xa1][..]));
        assert_eq!((header.element(1, 2), header.element(2, 1)), (None, None));
        let payload = unpadded(&WHOLE[header.length..], header.padded);
        assert_eq!(payload, Some(&b"abc"[..]));
    }

    #[test]
    fn what_is_cut_is_no_header() {
        for cut in 0..24 {
            assert_eq!(RtpHeader::parse(&WHOLE[..cut]), None, "cut at {cut}");
        }
        assert_eq!(RtpHeader::parse(&[0x40; 40]), None, "another version");
    }

    #[test]
    fn padding_is_at_least_the_byte_that_counts_it_and_at_most_the_payload() {
        assert_eq!(unpadded(&[1, 2, 2], true), Some(&[1][..]));
        assert_eq!(unpadded(&[2, 2], true), Some(&[][..]));
        for lie in [&[][..], &[1, 0], &[1, 3]] {
            assert_eq!(unpadded(lie, true), None, "{lie:?}");
        }
        assert_eq!(unpadded(&[], false), Some(&[][..]));
    }
}
