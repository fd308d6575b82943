//! RTP and RTCP of phone legs on the wire: the only file that names the `rtp` and `rtcp` crates.
//!
//! Their parsers have not been proved against hostile bytes, so a panic in one is caught and counts as a
//! malformed packet.

use std::panic::{AssertUnwindSafe, catch_unwind};

use bytes::Bytes;
use plenum_codecs::MediaPacket;
use plenum_mixer::OutPacket;
use rtcp::goodbye::Goodbye;
use rtcp::receiver_report::ReceiverReport;
use rtcp::reception_report::ReceptionReport;
use rtcp::sender_report::SenderReport;
use rtcp::source_description::{
    SdesType, SourceDescription, SourceDescriptionChunk, SourceDescriptionItem,
};
use rtp::header::Header;
use rtp::packet::Packet;
use webrtc_util::marshal::{Marshal, MarshalSize, Unmarshal};

/// RTP without payload is 12 bytes; the longest sane audio packet is 120 ms of G.711 with extensions.
const SHORTEST: usize = 12;
const LONGEST: usize = 1_500;

/// Parses an RTP datagram; `None` when it is none.
pub(in crate::media) fn parse(datagram: &[u8]) -> Option<MediaPacket> {
    if !(SHORTEST..=LONGEST).contains(&datagram.len()) || datagram.first()? >> 6 != 2 {
        return None;
    }
    let mut bytes = without_extension(datagram)?;
    let packet = catch_unwind(AssertUnwindSafe(|| Packet::unmarshal(&mut bytes)))
        .ok()?
        .ok()?;
    Some(MediaPacket {
        payload_type: packet.header.payload_type,
        marker: packet.header.marker,
        sequence: packet.header.sequence_number,
        timestamp: packet.header.timestamp,
        ssrc: packet.header.ssrc,
        audio_level: None,
        payload: packet.payload,
    })
}

/// The datagram less its header extension (RFC 3550 §5.3.1), which no phone leg uses: the crate's reader of extensions panics on
/// lying lengths, and each panic would be a line in the log.
fn without_extension(datagram: &[u8]) -> Option<Bytes> {
    let first = *datagram.first()?;
    if first & 0x10 == 0 {
        return Some(Bytes::copy_from_slice(datagram));
    }
    let start = SHORTEST + 4 * usize::from(first & 0x0f);
    let words = datagram.get(start + 2..start + 4)?.first_chunk()?;
    let payload = datagram.get(start + 4 + 4 * usize::from(u16::from_be_bytes(*words))..)?;
    let mut plain = Vec::with_capacity(start + payload.len());
    plain.push(first & !0x10);
    plain.extend_from_slice(datagram.get(1..start)?);
    plain.extend_from_slice(payload);
    Some(plain.into())
}

/// The sender and receiver reports of a compound packet (RFC 3550 §6.4), none of them shorter than its blocks; the crate's readers
/// of other packets panic on lying lengths. `None` when the compound is malformed.
fn reports_of(datagram: &[u8]) -> Option<Bytes> {
    let (mut rest, mut reports) = (datagram, Vec::new());
    datagram.first()?;
    while !rest.is_empty() {
        let &[first, kind, high, low] = rest.first_chunk()?;
        let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
        let packet = rest.get(..length)?;
        let fixed = match kind {
            200 => Some(28),
            201 => Some(8),
            _ => None,
        };
        if first >> 6 != 2 {
            return None;
        }
        if let Some(fixed) = fixed {
            if length < fixed + 24 * usize::from(first & 0x1f) {
                return None;
            }
            reports.extend_from_slice(packet);
        }
        rest = rest.get(length..)?;
    }
    Some(reports.into())
}

/// Writes a packet into `buffer`, which keeps its capacity from packet to packet. False, and nothing to send,
/// when the packet cannot be written.
pub(super) fn write(packet: &OutPacket, ssrc: u32, buffer: &mut Vec<u8>) -> bool {
    let sequence = u16::try_from(packet.sequence & 0xffff).unwrap_or_default();
    let header = Header {
        version: 2,
        marker: packet.marker,
        payload_type: packet.payload_type,
        sequence_number: sequence,
        timestamp: packet.timestamp,
        ssrc,
        ..Header::default()
    };
    let head = header.marshal_size();
    buffer.clear();
    buffer.resize(head, 0);
    let written = header.marshal_to(buffer.as_mut_slice());
    buffer.extend_from_slice(&packet.payload);
    matches!(written, Ok(length) if length == head)
}

/// What a report says of the stream we receive (RFC 3550 §6.4.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct ReceptionBlock {
    pub(super) ssrc: u32,
    /// Lost since the last report, in 256ths.
    pub(super) fraction_lost: u8,
    /// Lost in all, 24 bits.
    pub(super) total_lost: u32,
    pub(super) highest_sequence: u32,
    /// In timestamp units.
    pub(super) jitter: u32,
    /// Middle 32 bits of the NTP time of their last sender report; 0 before the first.
    pub(super) last_sender_report: u32,
    /// Since it came, in 1/65536 s.
    pub(super) delay: u32,
}

/// What we have sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::media) struct SenderBlock {
    /// The moment of the report, and the timestamp that a packet of that moment would have.
    pub(in crate::media) ntp: u64,
    pub(in crate::media) timestamp: u32,
    pub(in crate::media) packets: u32,
    pub(in crate::media) octets: u32,
}

/// Writes SR (when we send) or RR with what it says of at most 31 streams, and SDES with the CNAME: a compound packet (RFC 3550 §6.1).
pub(in crate::media) fn report(
    ssrc: u32,
    sender: Option<SenderBlock>,
    received: impl IntoIterator<Item = ReceptionBlock>,
    cname: &str,
) -> Option<Bytes> {
    let reports: Vec<ReceptionReport> = received
        .into_iter()
        .map(|r| ReceptionReport {
            ssrc: r.ssrc,
            fraction_lost: r.fraction_lost,
            total_lost: r.total_lost,
            last_sequence_number: r.highest_sequence,
            jitter: r.jitter,
            last_sender_report: r.last_sender_report,
            delay: r.delay,
        })
        .collect();
    let first: Box<dyn rtcp::packet::Packet + Send + Sync> = match sender {
        Some(sender) => Box::new(SenderReport {
            ssrc,
            ntp_time: sender.ntp,
            rtp_time: sender.timestamp,
            packet_count: sender.packets,
            octet_count: sender.octets,
            reports,
            profile_extensions: Bytes::new(),
        }),
        None => Box::new(ReceiverReport {
            ssrc,
            reports,
            profile_extensions: Bytes::new(),
        }),
    };
    rtcp::packet::marshal(&[first, Box::new(description(ssrc, cname))]).ok()
}

fn description(ssrc: u32, cname: &str) -> SourceDescription {
    let name = SourceDescriptionItem {
        sdes_type: SdesType::SdesCname,
        text: Bytes::copy_from_slice(cname.as_bytes()),
    };
    SourceDescription {
        chunks: vec![SourceDescriptionChunk {
            source: ssrc,
            items: vec![name],
        }],
    }
}

/// Writes an empty RR, SDES and BYE: the stream has ended (RFC 3550 §6.6).
pub(in crate::media) fn goodbye(ssrc: u32, cname: &str) -> Option<Bytes> {
    let first = ReceiverReport {
        ssrc,
        ..ReceiverReport::default()
    };
    let bye = Goodbye {
        sources: vec![ssrc],
        reason: Bytes::new(),
    };
    rtcp::packet::marshal(&[
        Box::new(first),
        Box::new(description(ssrc, cname)),
        Box::new(bye),
    ])
    .ok()
}

/// What their report told us.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(in crate::media) struct Report {
    /// Whose sender reports there are, and the middle 32 bits of their NTP times.
    pub(in crate::media) senders: Vec<(u32, u32)>,
    /// Of our stream: lost since their last report in 256ths, jitter in timestamp units.
    pub(in crate::media) ours: Option<(u8, u32)>,
}

/// Reads a compound RTCP packet; `None` when it is none. `ours` is our SSRC.
pub(in crate::media) fn read_report(datagram: &[u8], ours: u32) -> Option<Report> {
    if datagram.len() > LONGEST {
        return None;
    }
    let mut report = Report::default();
    let mut bytes = reports_of(datagram)?;
    if bytes.is_empty() {
        return Some(report);
    }
    let packets = catch_unwind(AssertUnwindSafe(|| rtcp::packet::unmarshal(&mut bytes)))
        .ok()?
        .ok()?;
    let mut blocks: &[ReceptionReport];
    for packet in &packets {
        let any = packet.as_any();
        if let Some(sr) = any.downcast_ref::<SenderReport>() {
            let middle = u32::try_from((sr.ntp_time >> 16) & 0xffff_ffff).unwrap_or_default();
            report.senders.push((sr.ssrc, middle));
            blocks = &sr.reports;
        } else if let Some(rr) = any.downcast_ref::<ReceiverReport>() {
            blocks = &rr.reports;
        } else {
            continue;
        }
        if let Some(block) = blocks.iter().find(|b| b.ssrc == ours) {
            report.ours = Some((block.fraction_lost, block.jitter));
        }
    }
    Some(report)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use plenum_codecs::MediaTime;

    use super::*;

    fn out(payload: &'static [u8]) -> OutPacket {
        OutPacket {
            payload_type: 8,
            marker: true,
            sequence: 0x1_2345,
            timestamp: 0xdead_beef,
            payload: Bytes::from_static(payload),
            audio_level: None,
            captured: MediaTime::from_millis(1),
        }
    }

    #[test]
    fn a_packet_survives_the_wire() {
        let mut buffer = vec![9; 400];
        assert!(write(&out(b"payload"), 77, &mut buffer));
        assert_eq!(buffer.len(), 12 + 7);
        let packet = parse(&buffer).unwrap();
        assert_eq!(
            (packet.payload_type, packet.marker, packet.sequence),
            (8, true, 0x2345)
        );
        assert_eq!(
            (packet.timestamp, packet.ssrc, &packet.payload[..]),
            (0xdead_beef, 77, &b"payload"[..])
        );
    }

    #[test]
    fn an_extension_is_left_out_and_a_lying_one_is_no_packet() {
        let plain = |bytes: &[u8]| parse(bytes).map(|packet| packet.payload);
        let head = [0x90, 8, 0, 1, 0, 0, 0, 2, 0, 0, 0, 3];
        let extended = [&head[..], &[0xbe, 0xde, 0, 1, 0x10, 0xff, 0, 0], b"voice"].concat();
        assert_eq!(plain(&extended).as_deref(), Some(&b"voice"[..]));
        // One element that claims to be longer than the extension: the crate alone panics on this.
        let lying = [&head[..], &[0xbe, 0xde, 0, 1, 0x1f, 0xff, 0, 0], b"voice"].concat();
        assert_eq!(plain(&lying).as_deref(), Some(&b"voice"[..]));
        let endless = [&head[..], &[0xbe, 0xde, 0, 9, 0x10, 0xff, 0, 0], b"voice"].concat();
        assert_eq!(plain(&endless), None);
    }

    #[test]
    fn reports_are_read_amid_packets_that_we_do_not_need() {
        let block = SenderBlock {
            ntp: 1 << 32,
            timestamp: 1,
            packets: 2,
            octets: 3,
        };
        let report = report(5, Some(block), None, "x").unwrap();
        // A feedback packet whose length leaves no room for what it should hold: the crate alone panics on it.
        let short_feedback = [0x81, 205, 0, 0];
        let compound = [&short_feedback[..], &report].concat();
        assert_eq!(read_report(&compound, 7).unwrap().senders[0].0, 5);
        assert_eq!(read_report(&short_feedback, 7), Some(Report::default()));
        assert_eq!(read_report(&[], 7), None);
        assert_eq!(read_report(&report[..report.len() - 1], 7), None);
    }

    #[test]
    fn mutated_packets_and_reports_never_panic() {
        let mut rtp = Vec::new();
        assert!(write(&out(b"some payload"), 77, &mut rtp));
        let rtcp = report(
            5,
            Some(SenderBlock {
                ntp: 1 << 32,
                timestamp: 1,
                packets: 2,
                octets: 3,
            }),
            None,
            "x",
        )
        .unwrap();
        let mut random = fastrand::Rng::with_seed(7);
        for _ in 0..20_000 {
            for seed in [&rtp[..], &rtcp[..]] {
                let mut bytes = seed.to_vec();
                for _ in 0..random.usize(1..4) {
                    let at = random.usize(..bytes.len());
                    bytes[at] = random.u8(..);
                }
                bytes.truncate(random.usize(..=bytes.len()));
                // Whatever comes out, it came out.
                std::hint::black_box((parse(&bytes), read_report(&bytes, 5)));
            }
        }
        assert!(parse(&rtp).is_some() && read_report(&rtcp, 5).is_some());
    }

    #[test]
    fn reports_say_what_was_received_and_sent() {
        let block = ReceptionBlock {
            ssrc: 42,
            fraction_lost: 25,
            total_lost: 7,
            highest_sequence: 0x1_0005,
            jitter: 33,
            last_sender_report: 9,
            delay: 10,
        };
        let sr = report(
            5,
            Some(SenderBlock {
                ntp: 1 << 32,
                timestamp: 1,
                packets: 2,
                octets: 3,
            }),
            Some(block),
            "plenum",
        )
        .unwrap();
        let theirs = read_report(&sr, 42).unwrap();
        assert_eq!(theirs.ours, Some((25, 33)));
        assert_eq!(theirs.senders[0].0, 5);
        let rr = report(5, None, Some(block), "plenum").unwrap();
        assert_eq!(
            read_report(&rr, 42).unwrap(),
            Report {
                senders: Vec::new(),
                ours: Some((25, 33))
            }
        );
        assert_eq!(read_report(&rr, 43).unwrap(), Report::default());
    }
}
