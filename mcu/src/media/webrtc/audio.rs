//! The audio stream to one peer, from the mixer's packet to the datagram, past the WebRTC stack.
//!
//! A room sends every listener a packet every 20 ms. Through the stack's queues and timers that costs several
//! times what sealing and sending do, so the stack is made to forget the stream once it has named it in its
//! answer: its SSRC is ours alone, RTP and RTCP. The stack keeps ICE, DTLS and video; the peer's own audio is
//! [`super::audio_in`]'s.

use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_mixer::OutPacket;

use super::Numbering;
use super::pleas::Pleas;
use crate::media::clock;
use crate::media::phone::wire::{self, ReceptionBlock, SenderBlock};
use crate::media::srtp::{Keys, Outbound, ReportReader};

/// Before the first sender report: the receiver needs two to line the voice up with the picture.
const FIRST_REPORT: Duration = Duration::from_millis(100);
const SECOND_REPORT: Duration = Duration::from_secs(1);
/// Between all others (RFC 3550 §6.2).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);
/// Opus counts time at 48 kHz whatever it carries (RFC 7587 §4.1).
const TICKS_PER_MILLISECOND: u128 = 48;
/// Ids of one-byte header extensions (RFC 8285 §4.2).
const EXTENSION_IDS: std::ops::RangeInclusive<u8> = 1..=14;

/// What was agreed for the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Agreed {
    /// We may send now.
    pub(super) open: bool,
    pub(super) mid: String,
    /// As in the SDP: what is sent under one name is played in step.
    pub(super) cname: String,
    /// Header extension ids: RFC 6464 and RFC 9143 §15.
    pub(super) level_extension: Option<u8>,
    pub(super) mid_extension: Option<u8>,
}

#[derive(Debug)]
pub(super) struct AudioStream {
    ssrc: u32,
    agreed: Agreed,
    numbering: Numbering,
    protection: Option<Protection>,
    sent: Sent,
    /// The peer has reported on the stream: it knows which line it belongs to.
    known: bool,
}

#[derive(Debug)]
struct Protection {
    outbound: Outbound,
    reader: ReportReader,
    /// When the next sender report is due.
    due: Instant,
}

/// What sender reports tell.
#[derive(Debug, Default)]
struct Sent {
    packets: u32,
    octets: u32,
    /// Timestamp of the last packet, and the moment that it stands for.
    last: Option<(u32, Instant)>,
    since_report: bool,
    reports: u32,
}

impl AudioStream {
    pub(super) fn new(ssrc: u32, agreed: Agreed) -> Self {
        Self {
            ssrc,
            agreed,
            numbering: Numbering::default(),
            protection: None,
            sent: Sent::default(),
            known: false,
        }
    }

    pub(super) fn ssrc(&self) -> u32 {
        self.ssrc
    }

    pub(super) fn agreed(&self) -> &Agreed {
        &self.agreed
    }

    /// Another offer was answered. Numbers, keys and counts go on.
    pub(super) fn agree(&mut self, agreed: Agreed) {
        self.agreed = agreed;
    }

    /// Holds the stream back.
    pub(super) fn shut(&mut self) {
        self.agreed.open = false;
    }

    /// DTLS is up. False when the keys are not what its profile says.
    pub(super) fn unlock(&mut self, keys: &Keys, now: Instant) -> bool {
        if self.protection.is_some() {
            return true;
        }
        self.protection = Outbound::new(keys, self.ssrc)
            .zip(ReportReader::new(keys))
            .map(|(outbound, reader)| Protection {
                outbound,
                reader,
                due: now + FIRST_REPORT,
            });
        self.protection.is_some()
    }

    /// Turns a packet into the datagram to send, in `buffer`. False, and nothing to send, before the keys are
    /// there and while the line is closed.
    pub(super) fn write(&mut self, packet: &OutPacket, buffer: &mut Vec<u8>) -> bool {
        let Some(protection) = self.protection.as_mut().filter(|_| self.agreed.open) else {
            return false;
        };
        let number = self.numbering.map(packet.sequence);
        let header = write_header(&self.agreed, self.ssrc, number, self.known, packet, buffer);
        buffer.extend_from_slice(&packet.payload);
        if !protection.outbound.protect(buffer, header, number) {
            return false;
        }
        let sent = &mut self.sent;
        sent.packets = sent.packets.wrapping_add(1);
        let octets = u32::try_from(packet.payload.len()).unwrap_or_default();
        sent.octets = sent.octets.wrapping_add(octets);
        sent.last = Some((packet.timestamp, clock::to_instant(packet.captured)));
        sent.since_report = true;
        true
    }

    /// When [`Self::report`] wants to be called.
    pub(super) fn due(&self) -> Option<Instant> {
        Some(self.protection.as_ref()?.due)
    }

    /// The report that is due now, if one is and there is anything to say: what was sent since the last, and of what was
    /// `received`.
    pub(super) fn report(
        &mut self,
        now: Instant,
        received: impl FnOnce() -> Vec<ReceptionBlock>,
    ) -> Option<Vec<u8>> {
        let protection = self.protection.as_mut()?;
        if now < protection.due {
            return None;
        }
        let interval = if self.sent.reports < 2 {
            SECOND_REPORT
        } else {
            REPORT_INTERVAL
        };
        protection.due = now + interval;
        let (sent, received) = (self.sender_block(now), received());
        if sent.is_none() && received.is_empty() {
            return None;
        }
        self.sent.reports = self.sent.reports.saturating_add(1);
        let plain = wire::report(self.ssrc, sent, received, &self.agreed.cname)?;
        self.seal(&plain)
    }

    /// What was sent; `None` when that is nothing since the last report.
    fn sender_block(&mut self, now: Instant) -> Option<SenderBlock> {
        if !std::mem::take(&mut self.sent.since_report) {
            return None;
        }
        let (timestamp, captured) = self.sent.last?;
        let elapsed =
            now.saturating_duration_since(captured).as_micros() * TICKS_PER_MILLISECOND / 1_000;
        let elapsed = u32::try_from(elapsed & 0xffff_ffff).unwrap_or_default();
        Some(SenderBlock {
            ntp: clock::to_ntp(now),
            timestamp: timestamp.wrapping_add(elapsed),
            packets: self.sent.packets,
            octets: self.sent.octets,
        })
    }

    /// Goodbye to the stream (RFC 3550 §6.6), which it ends.
    pub(super) fn goodbye(&mut self) -> Option<Vec<u8>> {
        self.shut();
        let plain = wire::goodbye(self.ssrc, &self.agreed.cname)?;
        let sealed = self.seal(&plain);
        self.protection = None;
        sealed
    }

    fn seal(&mut self, plain: &Bytes) -> Option<Vec<u8>> {
        let mut packet = plain.to_vec();
        let protection = self.protection.as_mut()?;
        protection
            .outbound
            .protect_report(&mut packet)
            .then_some(packet)
    }

    /// What an SRTCP datagram of the peer says of the stream, and of the peer's own. What it asks to be sent again goes to `pleas`.
    pub(super) fn read_report(
        &mut self,
        now: Instant,
        datagram: &[u8],
        pleas: &mut Pleas,
    ) -> Option<wire::Report> {
        let plain = self.protection.as_mut()?.reader.open(datagram)?;
        pleas.read(now, &plain);
        let report = wire::read_report(&plain, self.ssrc)?;
        self.known |= report.ours.is_some();
        Some(report)
    }
}

/// Writes the RTP header (RFC 3550 §5.1) with the extensions that were agreed, and returns its length.
fn write_header(
    agreed: &Agreed,
    ssrc: u32,
    number: u64,
    known: bool,
    packet: &OutPacket,
    buffer: &mut Vec<u8>,
) -> usize {
    let level = agreed.level_extension.zip(packet.audio_level);
    let level = level.filter(|(id, _)| EXTENSION_IDS.contains(id));
    // The line's name until the peer knows the stream by its SSRC.
    let name = agreed.mid_extension.filter(|_| !known);
    let name = name.filter(|id| EXTENSION_IDS.contains(id));
    let name_length = u8::try_from(agreed.mid.len().saturating_sub(1))
        .ok()
        .filter(|length| *length < 16 && !agreed.mid.is_empty());
    let name = name.zip(name_length);
    let extended = level.is_some() || name.is_some();
    buffer.clear();
    buffer.push(0x80 | (u8::from(extended) << 4));
    buffer.push((u8::from(packet.marker) << 7) | (packet.payload_type & 0x7f));
    let [.., high, low] = number.to_be_bytes();
    buffer.extend_from_slice(&[high, low]);
    buffer.extend_from_slice(&packet.timestamp.to_be_bytes());
    buffer.extend_from_slice(&ssrc.to_be_bytes());
    if extended {
        let begin = buffer.len();
        buffer.extend_from_slice(&[0xbe, 0xde, 0, 0]);
        if let Some((id, level)) = level {
            let value = (u8::from(level.voice) << 7) | level.dbov.min(127);
            buffer.extend_from_slice(&[id << 4, value]);
        }
        if let Some((id, length)) = name {
            buffer.push((id << 4) | length);
            buffer.extend_from_slice(agreed.mid.as_bytes());
        }
        buffer.resize(buffer.len().next_multiple_of(4), 0);
        let words = u8::try_from((buffer.len() - begin) / 4 - 1).unwrap_or_default();
        if let Some(field) = buffer.get_mut(begin + 3) {
            *field = words;
        }
    }
    buffer.len()
}
