//! Counters the operator sees; all monotonic unless said.

use plenum_codecs::MediaTime;
use plenum_codecs::audio::AudioCodec;

/// What happened to one leg's incoming audio, and what was sent to it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct LegStats {
    /// Audio packets taken in, telephone events included.
    pub received: u64,
    /// Packets that never came in time.
    pub lost: u64,
    /// Packets that came after their time and were dropped.
    pub late: u64,
    /// Packets that came twice.
    pub duplicates: u64,
    /// Packets dropped because the buffer was at its cap.
    pub overflowed: u64,
    /// Packets of payload types that were not negotiated, or that did not decode.
    pub malformed: u64,
    /// Interarrival jitter (RFC 3550 §6.4.1) in ns, now.
    pub jitter_ns: u64,
    /// Audio waiting in the jitter buffer in ns, now.
    pub buffer_ns: u64,
    /// Delay the jitter buffer aims at in ns, now. One tick's phase comes on top of it.
    pub target_ns: u64,
    /// How much later its audio is mixed than the fastest packet would allow, in ns, when it last played.
    pub delay_ns: u64,
    /// Samples (48 kHz) made up by concealment.
    pub concealed: u64,
    /// Packets recovered by in-band FEC.
    pub recovered: u64,
    /// Samples (48 kHz) removed to shorten the delay, by periods of the voice or in silence.
    pub accelerated: u64,
    /// Samples (48 kHz) put in to lengthen the delay, by periods of the voice or in silence.
    pub expanded: u64,
    /// Video packets taken in.
    pub video_received: u64,
    /// Audio packets sent to it.
    pub sent: u64,
    /// When its last packet of any track came in.
    pub last_packet: Option<MediaTime>,
}

/// Encodes of one codec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct EncodeCount {
    /// For all listeners of a setting together.
    pub shared: u64,
    /// For one leg whose own audio is in the bus, or who hears a player alone.
    pub private: u64,
    /// To warm up an encoder before its first frame was sent.
    pub warming: u64,
}

/// Encodes per codec.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Encodes {
    /// Opus.
    pub opus: EncodeCount,
    /// G.722.
    pub g722: EncodeCount,
    /// G.711 µ-law.
    pub pcmu: EncodeCount,
    /// G.711 A-law.
    pub pcma: EncodeCount,
}

impl Encodes {
    pub(crate) fn of(&mut self, codec: AudioCodec) -> &mut EncodeCount {
        match codec {
            AudioCodec::Opus => &mut self.opus,
            AudioCodec::G722 => &mut self.g722,
            AudioCodec::Pcmu => &mut self.pcmu,
            AudioCodec::Pcma => &mut self.pcma,
        }
    }
}

/// What a room has done.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RoomStats {
    /// Mixes made, one per 20 ms.
    pub ticks: u64,
    /// Ticks left out because the caller came too late for them.
    pub skipped_ticks: u64,
    /// Encoder runs.
    pub encodes: Encodes,
    /// Encoder or decoder failures of ours; the frame was left out.
    pub codec_failures: u64,
    /// Audio packets decoded.
    pub decodes: u64,
    /// Legs in the bus, now.
    pub talkers: usize,
    /// Legs in the room, now.
    pub legs: usize,
    /// Video packets forwarded to slots.
    pub video_forwarded: u64,
    /// Keyframe requests sent to publishers.
    pub keyframe_requests: u64,
    /// Packets that belong to no leg, or to a track that is not forwarded.
    pub ignored: u64,
}
