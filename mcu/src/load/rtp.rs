//! RTP and RTCP as bytes: what a generator writes and reads of them (RFC 3550). Knows no keys and no sockets.

use plenum_codecs::AudioLevel;

/// Octets of the header that [`Header::write`] makes at most.
pub(super) const HEADER_MAX: usize = 20;

/// What is written of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Header {
    pub(super) marker: bool,
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Extension id and level (RFC 6464).
    pub(super) level: Option<(u8, AudioLevel)>,
}

impl Header {
    pub(super) fn write(&self, out: &mut Vec<u8>) {
        out.push(0x80 | if self.level.is_some() { 0x10 } else { 0 });
        out.push((u8::from(self.marker) << 7) | (self.payload_type & 0x7f));
        out.extend(self.sequence.to_be_bytes());
        out.extend(self.timestamp.to_be_bytes());
        out.extend(self.ssrc.to_be_bytes());
        if let Some((id, level)) = self.level {
            // One-byte header extensions (RFC 8285 section 4.2), one word of them.
            out.extend([0xbe, 0xde, 0, 1, id << 4, level.to_byte(), 0, 0]);
        }
    }
}

/// What is read of a packet, encrypted or not: the header is in clear.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Seen {
    pub(super) payload_type: u8,
    pub(super) sequence: u16,
    pub(super) timestamp: u32,
    pub(super) ssrc: u32,
    /// Where the payload begins.
    pub(super) payload: usize,
}

/// What a datagram is, by its first octets (RFC 7983, RFC 5761).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    Rtp(Seen),
    Rtcp,
    /// STUN, DTLS and whatever else.
    Other,
}

fn word(bytes: &[u8], at: usize) -> Option<u32> {
    let four = bytes.get(at..at + 4)?;
    Some(u32::from_be_bytes(four.try_into().ok()?))
}

fn half(bytes: &[u8], at: usize) -> Option<u16> {
    let two = bytes.get(at..at + 2)?;
    Some(u16::from_be_bytes(two.try_into().ok()?))
}

/// Sorts a datagram.
pub(super) fn kind(datagram: &[u8]) -> Kind {
    match datagram {
        [128..192, second, ..] if (192..224).contains(second) => Kind::Rtcp,
        [128..192, ..] => seen(datagram).map_or(Kind::Other, Kind::Rtp),
        _ => Kind::Other,
    }
}

fn seen(packet: &[u8]) -> Option<Seen> {
    let (first, second) = (*packet.first()?, *packet.get(1)?);
    let mut payload = 12 + 4 * usize::from(first & 0x0f);
    if first & 0x10 != 0 {
        payload += 4 + 4 * usize::from(half(packet, payload + 2)?);
    }
    (payload <= packet.len()).then_some(Seen {
        payload_type: second & 0x7f,
        sequence: half(packet, 2)?,
        timestamp: word(packet, 4)?,
        ssrc: word(packet, 8)?,
        payload,
    })
}

/// What a receiver report says of one stream.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(super) struct Block {
    pub(super) ssrc: u32,
    /// Share lost since the last report, in 256ths.
    pub(super) fraction: u8,
    pub(super) lost: u32,
    pub(super) highest: u32,
    /// In timestamp units.
    pub(super) jitter: u32,
}

/// A compound of one receiver report and a CNAME (RFC 3550 sections 6.4.2 and 6.5).
pub(super) fn receiver_report(ssrc: u32, block: Block) -> Vec<u8> {
    let mut out = vec![0x81, 201, 0, 7];
    out.extend(ssrc.to_be_bytes());
    out.extend(block.ssrc.to_be_bytes());
    let lost = block.lost.min(0x007f_ffff);
    out.extend(((u32::from(block.fraction) << 24) | lost).to_be_bytes());
    out.extend(block.highest.to_be_bytes());
    out.extend(block.jitter.to_be_bytes());
    // No sender report has been looked at: LSR and DLSR are 0.
    out.extend([0; 8]);
    out.extend([0x81, 202, 0, 3]);
    out.extend(ssrc.to_be_bytes());
    out.extend([1, 4, b'l', b'o', b'a', b'd', 0, 0]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_is_read_as_it_was_written() {
        for level in [None, Some((3, AudioLevel::SILENCE))] {
            let header = Header {
                marker: true,
                payload_type: 111,
                sequence: 65_535,
                timestamp: 0xdead_beef,
                ssrc: 7,
                level,
            };
            let mut packet = Vec::new();
            header.write(&mut packet);
            assert!(packet.len() <= HEADER_MAX);
            let payload = packet.len();
            packet.extend([1, 2, 3]);
            let seen = Seen {
                payload_type: 111,
                sequence: 65_535,
                timestamp: 0xdead_beef,
                ssrc: 7,
                payload,
            };
            assert_eq!(kind(&packet), Kind::Rtp(seen));
        }
    }

    #[test]
    fn reports_stun_and_scraps_are_no_rtp() {
        let report = receiver_report(9, Block::default());
        assert_eq!(kind(&report), Kind::Rtcp);
        assert_eq!(report.len(), 32 + 16);
        assert_eq!(kind(&[0, 1, 0, 0]), Kind::Other);
        assert_eq!(kind(&[0x90, 111, 0, 0]), Kind::Other);
        assert_eq!(kind(&[]), Kind::Other);
    }
}
