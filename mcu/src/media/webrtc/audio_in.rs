//! The audio streams from one peer, from the datagram to the mixer's packet, past the WebRTC stack.
//!
//! A microphone sends a packet every 20 ms, silent or not, and most are silent. The stack finds out which line a stream
//! belongs to and authenticates its first packet; then it is made to forget the stream, whose packets cost a third here of
//! what they cost there. What the stack would have told the peer of it goes with the reports of
//! [`super::audio::AudioStream`].

use std::time::Instant;

use bytes::Bytes;
use plenum_codecs::{AudioLevel, MediaPacket};

use crate::media::phone::reception::Reception;
use crate::media::phone::wire::ReceptionBlock;
use crate::media::rtp_header::{RtpHeader, unpadded};
use crate::media::srtp::{Keys, PacketReader};

/// Streams taken over: a microphone, a shared tab, and one change of either. What comes beyond stays with the stack.
const STREAMS: usize = 4;
/// Opus counts time at 48 kHz whatever it carries (RFC 7587 §4.1).
const CLOCK_RATE: u32 = 48_000;

/// What became of a datagram.
#[derive(Debug, PartialEq, Eq)]
pub(in crate::media) enum Heard {
    /// Not of a stream that was taken over.
    Foreign,
    /// Of one, but not the peer's, a replay, or on a line that is closed.
    Refused,
    Packet(MediaPacket),
}

#[derive(Debug)]
pub(super) struct AudioReceiver {
    /// A line on which the peer may send us audio is open, and there [`Self::level_extension`] was agreed.
    open: bool,
    /// Id of the header extension of RFC 6464.
    level_extension: Option<u8>,
    reader: Option<PacketReader>,
    streams: Vec<Reception>,
    born: Instant,
}

impl AudioReceiver {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            open: false,
            level_extension: None,
            reader: None,
            streams: Vec::new(),
            born: now,
        }
    }

    /// Another offer was answered: whether there is a line to receive on, and the level's extension on it.
    pub(super) fn agree(&mut self, open: bool, level_extension: Option<u8>) {
        self.open = open;
        self.level_extension = level_extension;
    }

    /// DTLS is up. False when the keys are not what its profile says.
    pub(super) fn unlock(&mut self, keys: &Keys) -> bool {
        if self.reader.is_none() {
            self.reader = PacketReader::new(keys);
        }
        self.reader.is_some()
    }

    /// Takes over the stream of an authenticated audio packet, whose sequence number with its rollovers is `index`.
    /// False when it stays with the stack.
    pub(super) fn take_over(&mut self, now: Instant, packet: &MediaPacket, index: u64) -> bool {
        let Some(reader) = self
            .reader
            .as_mut()
            .filter(|_| self.streams.len() < STREAMS)
        else {
            return false;
        };
        reader.begin(packet.ssrc, index);
        let mut reception = Reception::new(packet, CLOCK_RATE);
        reception.count(now, self.born, packet, true);
        self.streams.push(reception);
        true
    }

    /// The streams that were taken over.
    pub(super) fn ssrcs(&self) -> impl Iterator<Item = u32> {
        self.streams.iter().map(Reception::ssrc)
    }

    /// Reads a datagram that looks like RTP; one that is [`Heard::Foreign`] is as it was, others are spoilt.
    pub(super) fn receive(&mut self, now: Instant, datagram: &mut [u8]) -> Heard {
        let Some(header) = RtpHeader::parse(datagram) else {
            return Heard::Foreign;
        };
        let Some(reception) = self
            .streams
            .iter_mut()
            .find(|stream| stream.ssrc() == header.ssrc)
        else {
            return Heard::Foreign;
        };
        let level = self.level_extension.and_then(|id| header.element(id, 1));
        let audio_level = level
            .and_then(|level| level.first())
            .map(|byte| AudioLevel {
                dbov: byte & 0x7f,
                voice: byte & 0x80 != 0,
            });
        let (payload_type, marker, padded) = (header.payload_type, header.marker, header.padded);
        let (sequence, timestamp, ssrc) = (header.sequence, header.timestamp, header.ssrc);
        let length = header.length;
        let opened = self
            .reader
            .as_mut()
            .and_then(|reader| reader.open(ssrc, sequence, length, datagram));
        let Some(payload) = opened.and_then(|payload| unpadded(payload, padded)) else {
            return Heard::Refused;
        };
        let packet = MediaPacket {
            payload_type,
            marker,
            sequence,
            timestamp,
            ssrc,
            audio_level,
            payload: Bytes::copy_from_slice(payload),
        };
        // What comes while the line is closed is not lost.
        reception.count(now, self.born, &packet, true);
        if self.open {
            Heard::Packet(packet)
        } else {
            Heard::Refused
        }
    }

    /// Their sender report has come: whose it is, and the middle 32 bits of its NTP time.
    pub(super) fn sender_report(&mut self, ssrc: u32, ntp_middle: u32, now: Instant) {
        for stream in &mut self.streams {
            stream.sender_report(ssrc, ntp_middle, now);
        }
    }

    /// What the next report says of the streams, each from its last one on.
    pub(super) fn report(&mut self, now: Instant) -> Vec<ReceptionBlock> {
        let streams = self.streams.iter_mut();
        streams.map(|stream| stream.report(now).0).collect()
    }
}
