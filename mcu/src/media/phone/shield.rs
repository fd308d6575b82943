//! What protects one stream of a phone: nothing, or SRTP and SRTCP with keys that signalling has told, or that a handshake gives. Knows
//! no sockets.
//!
//! A packet that is not authenticated is nobody's: it opens no latch and no jitter buffer. Indices grow over a whole key, whatever else
//! signalling changes; a new key begins anew.

use std::borrow::Cow;

use plenum_dialin::sdp::{Protection, SrtpKeys};

use crate::media::rtp_header::RtpHeader;
use crate::media::srtp::{Keys, Outbound, PacketReader, ReportReader};

/// Bytes of an RTP header of ours, which has neither sources nor extension.
const HEADER: usize = 12;
/// A rollover's packets.
const ROLLOVER: u64 = 1 << 16;

/// See the module.
#[derive(Debug)]
pub(super) enum Shield {
    Plain,
    Srtp(Box<Srtp>),
    /// Keys come of handshakes, of RTP's and of RTCP's (RFC 5764 section 4.1.2); nothing passes before.
    Handshake(Box<Agreed>),
    /// Keys that do not serve: nothing comes in and nothing goes out.
    Broken,
}

#[derive(Debug)]
pub(super) struct Srtp {
    keys: SrtpKeys,
    sender: Sender,
    packets: PacketReader,
    reports: ReportReader,
}

/// What handshakes have agreed on so far.
#[derive(Debug, Default)]
pub(super) struct Agreed {
    packets: Option<(Sender, PacketReader)>,
    reports: Option<(Sender, ReportReader)>,
}

/// What we send under one SSRC.
#[derive(Debug)]
struct Sender {
    outbound: Outbound,
    /// Sequence number, as the room counts, at which our rollovers count from zero.
    origin: Option<u64>,
}

impl Sender {
    fn new(keys: &Keys, ssrc: u32) -> Option<Self> {
        Some(Self {
            outbound: Outbound::first(keys, ssrc)?,
            origin: None,
        })
    }

    fn protect(&mut self, sequence: u64, packet: &mut Vec<u8>) -> bool {
        let origin = *self.origin.get_or_insert(sequence - sequence % ROLLOVER);
        sequence
            .checked_sub(origin)
            .is_some_and(|index| self.outbound.protect(packet, HEADER, index))
    }

    fn protect_report(&mut self, packet: &[u8]) -> Option<Cow<'static, [u8]>> {
        let mut packet = packet.to_vec();
        let protected = self.outbound.protect_report(&mut packet);
        protected.then_some(packet.into())
    }
}

impl Srtp {
    fn new(told: &SrtpKeys, ssrc: u32) -> Option<Self> {
        let keys = Keys::told(told)?;
        Some(Self {
            keys: told.clone(),
            sender: Sender::new(&keys, ssrc)?,
            packets: PacketReader::new(&keys)?,
            reports: ReportReader::new(&keys)?,
        })
    }

    /// Replaces what has changed, and only that: the same keystream must not begin again.
    fn renew(&mut self, told: &SrtpKeys) -> Option<()> {
        let keys = Keys::told(told)?;
        if told.suite != self.keys.suite || told.ours != self.keys.ours {
            self.sender = Sender::new(&keys, self.sender.outbound.ssrc())?;
        }
        if told.suite != self.keys.suite || told.theirs != self.keys.theirs {
            self.packets = PacketReader::new(&keys)?;
            self.reports = ReportReader::new(&keys)?;
        }
        self.keys = told.clone();
        Some(())
    }
}

impl Shield {
    /// For a stream that we send under `ssrc`.
    pub(super) fn new(protection: Option<&Protection>, ssrc: u32) -> Self {
        match protection {
            None => Self::Plain,
            Some(Protection::Sdes(keys)) => {
                Srtp::new(keys, ssrc).map_or(Self::Broken, |srtp| Self::Srtp(Box::new(srtp)))
            }
            Some(Protection::Dtls(_)) => Self::Handshake(Box::default()),
        }
    }

    /// A handshake of RTP's has given keys.
    pub(super) fn agree(&mut self, keys: &Keys, ssrc: u32) {
        if let Self::Handshake(agreed) = self {
            agreed.packets = Sender::new(keys, ssrc).zip(PacketReader::new(keys));
        }
    }

    /// The same of RTCP's.
    pub(super) fn agree_reports(&mut self, keys: &Keys, ssrc: u32) {
        if let Self::Handshake(agreed) = self {
            agreed.reports = Sender::new(keys, ssrc).zip(ReportReader::new(keys));
        }
    }

    /// Signalling has agreed on other keys, or on the same.
    pub(super) fn update(&mut self, protection: Option<&Protection>, ssrc: u32) {
        *self = match (std::mem::replace(self, Self::Broken), protection) {
            (Self::Handshake(agreed), Some(Protection::Dtls(_))) => Self::Handshake(agreed),
            (Self::Srtp(mut srtp), Some(Protection::Sdes(keys))) => match srtp.renew(keys) {
                Some(()) => Self::Srtp(srtp),
                None => Self::Broken,
            },
            (_, protection) => Self::new(protection, ssrc),
        };
    }

    /// The readable packet of an RTP datagram, decrypted in place. `None`: it is not the phone's, or came before.
    pub(super) fn open<'a>(&mut self, datagram: &'a mut [u8]) -> Option<&'a [u8]> {
        let packets = match self {
            Self::Plain => return Some(datagram),
            Self::Broken => return None,
            Self::Srtp(srtp) => &mut srtp.packets,
            Self::Handshake(agreed) => &mut agreed.packets.as_mut()?.1,
        };
        let RtpHeader {
            ssrc,
            sequence,
            length,
            ..
        } = RtpHeader::parse(datagram)?;
        let payload = packets.open_any(ssrc, sequence, length, datagram)?;
        let end = length + payload.len();
        datagram.get(..end)
    }

    /// The readable compound of an RTCP datagram. `None` as with [`Self::open`].
    pub(super) fn open_report<'a>(&mut self, datagram: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Plain => Some(datagram.into()),
            Self::Broken => None,
            Self::Srtp(srtp) => srtp.reports.open(datagram).map(Into::into),
            Self::Handshake(agreed) => agreed.reports.as_mut()?.1.open(datagram).map(Into::into),
        }
    }

    /// Protects an RTP packet of ours in place, whose number is the low 16 bits of `sequence`. False: it must not be sent.
    pub(super) fn protect(&mut self, sequence: u64, packet: &mut Vec<u8>) -> bool {
        match self {
            Self::Plain => true,
            Self::Broken => false,
            Self::Srtp(srtp) => srtp.sender.protect(sequence, packet),
            Self::Handshake(agreed) => {
                let sender = agreed.packets.as_mut().map(|(sender, _)| sender);
                sender.is_some_and(|sender| sender.protect(sequence, packet))
            }
        }
    }

    /// Protects a compound RTCP packet of ours. `None`: it must not be sent.
    pub(super) fn protect_report<'a>(&mut self, packet: &'a [u8]) -> Option<Cow<'a, [u8]>> {
        match self {
            Self::Plain => Some(packet.into()),
            Self::Broken => None,
            Self::Srtp(srtp) => srtp.sender.protect_report(packet),
            Self::Handshake(agreed) => agreed.reports.as_mut()?.0.protect_report(packet),
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use plenum_codecs::audio::AudioCodec;
    use plenum_dialin::sdp::{
        KeyMaterial, SessionPolicy, SrtpPolicy, accept_answer, answer, offer,
    };

    use super::*;

    /// The keys of both ends after an offer and its answer, made of these seeds.
    fn agreed(offering: u8, answering: u8) -> (Protection, Protection) {
        let policy = |seed| SessionPolicy {
            codecs: vec![AudioCodec::Pcmu],
            telephone_event: false,
            local_rtp: "192.0.2.1:20000".parse().unwrap(),
            local_rtcp_port: None,
            local_video: None,
            session_id: 1,
            srtp: SrtpPolicy::Required(KeyMaterial::new(&[seed; KeyMaterial::LENGTH])),
        };
        let (text, session) = offer(&policy(offering), None);
        let theirs = answer(&text, &policy(answering), None).unwrap();
        let ours = accept_answer(&theirs.answer, &policy(offering), &session).unwrap();
        (ours.srtp.unwrap(), theirs.audio.srtp.unwrap())
    }

    /// A packet with this number, protected.
    fn sent(shield: &mut Shield, sequence: u64) -> Option<Vec<u8>> {
        let mut packet = vec![0x80, 0];
        packet.extend(u16::try_from(sequence % ROLLOVER).unwrap().to_be_bytes());
        packet.extend([0; 4]);
        packet.extend(9_u32.to_be_bytes());
        packet.extend(sequence.to_be_bytes());
        shield.protect(sequence, &mut packet).then_some(packet)
    }

    fn heard(shield: &mut Shield, packet: &[u8]) -> Option<u64> {
        let mut datagram = packet.to_vec();
        let plain = shield.open(&mut datagram)?;
        Some(u64::from_be_bytes(*plain.get(12..)?.first_chunk()?))
    }

    #[test]
    fn numbers_roll_over_as_often_as_they_like_and_copies_are_not_heard() {
        let (ours, theirs) = agreed(1, 2);
        let (mut us, mut phone) = (Shield::new(Some(&ours), 9), Shield::new(Some(&theirs), 9));
        // The room's count begins anywhere.
        let first = 5 * ROLLOVER + 65_000;
        for sequence in (first..first + 3 * ROLLOVER).step_by(7) {
            let packet = sent(&mut us, sequence).unwrap();
            assert_eq!(heard(&mut phone, &packet), Some(sequence));
            assert_eq!(heard(&mut phone, &packet), None, "a copy");
        }
    }

    #[test]
    fn a_refresh_goes_on_and_a_new_key_begins_anew() {
        let (ours, theirs) = agreed(1, 2);
        let (mut us, mut phone) = (Shield::new(Some(&ours), 9), Shield::new(Some(&theirs), 9));
        let first = sent(&mut us, 70_000).unwrap();
        assert_eq!(heard(&mut phone, &first), Some(70_000));
        us.update(Some(&ours), 9);
        phone.update(Some(&theirs), 9);
        assert_eq!(sent(&mut us, 70_000), None, "the same index twice");
        assert_eq!(heard(&mut phone, &first), None, "a copy from before");
        let last = sent(&mut us, 70_001).unwrap();

        let (ours, theirs) = agreed(3, 4);
        us.update(Some(&ours), 9);
        phone.update(Some(&theirs), 9);
        assert_eq!(heard(&mut phone, &last), None, "the key of before");
        let next = sent(&mut us, 70_002).unwrap();
        assert_eq!(heard(&mut phone, &next), Some(70_002));
    }

    #[test]
    fn what_is_plain_or_of_another_key_is_not_heard_and_reports_neither() {
        let (ours, theirs) = agreed(1, 2);
        let mut plain = Shield::new(None, 9);
        let mut phone = Shield::new(Some(&theirs), 9);
        let packet = sent(&mut plain, 1).unwrap();
        assert_eq!(heard(&mut plain, &packet), Some(1));
        assert_eq!(heard(&mut phone, &packet), None);
        let mut stranger = Shield::new(Some(&agreed(5, 6).0), 9);
        let packet = sent(&mut stranger, 1).unwrap();
        assert_eq!(heard(&mut phone, &packet), None);

        let report = [0x80, 201, 0, 1, 0, 0, 0, 9];
        assert!(phone.open_report(&report).is_none());
        let mut us = Shield::new(Some(&ours), 9);
        let secret = us.protect_report(&report).unwrap().into_owned();
        assert_eq!(phone.open_report(&secret).as_deref(), Some(&report[..]));
        assert!(phone.open_report(&secret).is_none(), "a copy");
    }
}
