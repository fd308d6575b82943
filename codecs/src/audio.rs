//! Audio codecs behind one encoder and one decoder type: always 48 kHz mono `i16` on this side of them.
//!
//! Knows nothing of packets, order or loss; the jitter buffer decides what to decode and when to conceal.

pub mod comfort_noise;
mod conceal;
pub mod g711;
pub mod g722;
mod opus_codec;
mod opus_encoder;

use bytes::Bytes;
use std::hash::{Hash, Hasher};

use crate::error::CodecError;
use crate::resample::{Downsampler, Ratio};
use conceal::TelephonyDecoder;
use opus_codec::OpusDecoder;
use opus_encoder::OpusEncoder;

/// Samples per second of every decoded signal.
pub const SAMPLE_RATE: u32 = 48_000;
/// Samples of one 20 ms frame, mono.
pub const FRAME: usize = 960;
/// Longest payload that is decoded, in samples at 48 kHz: 120 ms.
pub const MAX_PAYLOAD_SAMPLES: usize = 5_760;
/// One 20 ms frame, 48 kHz mono.
pub type Frame = [i16; FRAME];

/// The audio codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum AudioCodec {
    /// Opus (RFC 6716, RFC 7587).
    Opus,
    /// G.722 at 64 kbit/s: 16 kHz, though its RTP clock is 8000 Hz (RFC 3551 §4.5.2).
    G722,
    /// G.711 µ-law.
    Pcmu,
    /// G.711 A-law.
    Pcma,
}

impl AudioCodec {
    /// All of them, best first.
    pub const ALL: [Self; 4] = [Self::Opus, Self::G722, Self::Pcmu, Self::Pcma];

    /// Units of the RTP timestamp per second.
    #[must_use]
    pub const fn clock_rate(self) -> u32 {
        match self {
            Self::Opus => 48_000,
            Self::G722 | Self::Pcmu | Self::Pcma => 8_000,
        }
    }

    /// Encoding name in SDP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Opus => "opus",
            Self::G722 => "G722",
            Self::Pcmu => "PCMU",
            Self::Pcma => "PCMA",
        }
    }

    /// Payload type of RFC 3551, for codecs that have one.
    #[must_use]
    pub const fn static_payload_type(self) -> Option<u8> {
        match self {
            Self::Opus => None,
            Self::G722 => Some(9),
            Self::Pcmu => Some(0),
            Self::Pcma => Some(8),
        }
    }

    /// The codec of an SDP encoding name, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Units of the RTP timestamp in one 20 ms frame.
    #[must_use]
    pub const fn frame_timestamps(self) -> u32 {
        self.clock_rate() / 50
    }
}

/// How an Opus encoder is set up.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum OpusMode {
    /// RESTRICTED_LOWDELAY: cheapest and fastest, no in-band FEC. For listeners without loss.
    LowDelay {
        /// Bits per second.
        bitrate: u32,
        /// 0 (cheap) to 10.
        complexity: u8,
    },
    /// VOIP with in-band FEC, for listeners with loss.
    Voip {
        /// Bits per second.
        bitrate: u32,
        /// Loss to protect against, 1..=100 %.
        fec_loss_percent: u8,
    },
}

impl OpusMode {
    /// What a mix goes out as: RESTRICTED_LOWDELAY, 80 kbit/s, complexity 5.
    ///
    /// Speech that a browser has coded at 32 kbit/s, coded again (PESQ-WB, mean of five voices; time per frame): 3.50 at 32 kbit/s (43 µs),
    /// 3.92 at 48 (47 µs), 4.17 at 64 (52 µs), 4.28 at 80 (58 µs), 4.31 at 96; below complexity 5 it loses 0.2, above it gains 0.04 for
    /// twice the time. VOIP at 40 kbit/s has 4.26 for 110 µs and 4 ms more delay.
    pub const MIX: Self = Self::LowDelay {
        bitrate: 80_000,
        complexity: 5,
    };
    /// What a listener with loss gets: VOIP with FEC for 10 % loss, 32 kbit/s.
    pub const LOSSY: Self = Self::Voip {
        bitrate: 32_000,
        fec_loss_percent: 10,
    };
}

/// What an encoder is made from, and the key by which listeners share one: equal settings give equal payloads.
///
/// For other codecs the Opus mode has no meaning and takes no part in equality.
#[derive(Debug, Clone, Copy)]
pub struct EncoderSetting {
    /// The codec.
    pub codec: AudioCodec,
    /// Mode when the codec is Opus.
    pub opus: OpusMode,
}

impl EncoderSetting {
    /// The usual setting of a codec; Opus as [`OpusMode::MIX`].
    #[must_use]
    pub const fn of(codec: AudioCodec) -> Self {
        Self {
            codec,
            opus: OpusMode::MIX,
        }
    }

    /// Opus in a given mode.
    #[must_use]
    pub const fn opus(mode: OpusMode) -> Self {
        Self {
            codec: AudioCodec::Opus,
            opus: mode,
        }
    }

    fn key(&self) -> (AudioCodec, Option<OpusMode>) {
        (
            self.codec,
            (self.codec == AudioCodec::Opus).then_some(self.opus),
        )
    }
}

impl PartialEq for EncoderSetting {
    fn eq(&self, other: &Self) -> bool {
        self.key() == other.key()
    }
}

impl Eq for EncoderSetting {}

impl Hash for EncoderSetting {
    fn hash<H: Hasher>(&self, state: &mut H) {
        self.key().hash(state);
    }
}

/// Decodes one stream. Output is always 48 kHz mono.
#[derive(Debug)]
pub struct AudioDecoder(DecoderKind);

#[derive(Debug)]
enum DecoderKind {
    Opus(Box<OpusDecoder>),
    Telephony(Box<TelephonyDecoder>),
}

impl AudioDecoder {
    /// A decoder in its initial state.
    ///
    /// # Errors
    /// [`CodecError::Library`] when libopus has no memory.
    pub fn new(codec: AudioCodec) -> Result<Self, CodecError> {
        let telephony = |decoder| DecoderKind::Telephony(Box::new(decoder));
        Ok(Self(match codec {
            AudioCodec::Opus => DecoderKind::Opus(Box::new(OpusDecoder::new()?)),
            AudioCodec::G722 => telephony(TelephonyDecoder::g722()),
            AudioCodec::Pcmu => telephony(TelephonyDecoder::g711(g711::Law::Mu)),
            AudioCodec::Pcma => telephony(TelephonyDecoder::g711(g711::Law::A)),
        }))
    }

    /// Appends the samples of one payload of at most 120 ms; stereo Opus is mixed down.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] or [`CodecError::TooLarge`] when the payload is not valid; nothing is appended then.
    pub fn decode(&mut self, payload: &[u8], out: &mut Vec<i16>) -> Result<(), CodecError> {
        match &mut self.0 {
            DecoderKind::Opus(decoder) => decoder.decode(payload, out),
            DecoderKind::Telephony(decoder) => decoder.decode(payload, out),
        }
    }

    /// Appends `samples` (at 48 kHz, a multiple of 120) in place of a lost payload: Opus PLC, or repetition of the pitch with
    /// a fade for G.711 and G.722. Never fails: where the codec cannot, silence is appended.
    pub fn conceal(&mut self, samples: usize, out: &mut Vec<i16>) {
        match &mut self.0 {
            DecoderKind::Opus(decoder) => decoder.conceal(samples, out),
            DecoderKind::Telephony(decoder) => decoder.conceal(samples, out),
        }
    }

    /// Appends `samples` (at 48 kHz, a multiple of 120) of a pause that the sender has announced (Opus DTX): the background as the decoder
    /// knows it, for as long as it lasts. For other codecs it is silence.
    pub fn pause(&mut self, samples: usize, out: &mut Vec<i16>) {
        match &mut self.0 {
            DecoderKind::Opus(decoder) => decoder.pause(samples, out),
            DecoderKind::Telephony(_) => out.resize(out.len() + samples, 0),
        }
    }

    /// As [`AudioDecoder::conceal`] for the end of a gap, when the payload after it has come already: G.711 goes over from what came before
    /// to what comes after. That payload is to be decoded next as usual.
    pub fn conceal_before(&mut self, next_payload: &[u8], samples: usize, out: &mut Vec<i16>) {
        match &mut self.0 {
            DecoderKind::Opus(decoder) => decoder.conceal(samples, out),
            DecoderKind::Telephony(decoder) => decoder.conceal_before(next_payload, samples, out),
        }
    }

    /// Recovers a lost payload of `samples` (48 kHz, a multiple of 120) from the in-band FEC of the payload after it.
    /// Returns false and appends nothing when that payload carries none; then [`AudioDecoder::conceal`] is the way. The next
    /// payload itself is to be decoded afterwards as usual.
    ///
    /// # Errors
    /// [`CodecError::Malformed`] when `next_payload` is not valid Opus.
    pub fn decode_fec(
        &mut self,
        next_payload: &[u8],
        samples: usize,
        out: &mut Vec<i16>,
    ) -> Result<bool, CodecError> {
        match &mut self.0 {
            DecoderKind::Opus(decoder) => decoder.decode_fec(next_payload, samples, out),
            DecoderKind::Telephony(_) => Ok(false),
        }
    }
}

/// Samples at 48 kHz that a payload holds, without decoding it.
///
/// # Errors
/// [`CodecError::Malformed`] or [`CodecError::TooLarge`] when it is empty, not valid, or longer than 120 ms.
pub fn payload_samples(codec: AudioCodec, payload: &[u8]) -> Result<usize, CodecError> {
    match codec {
        AudioCodec::Opus => opus_codec::payload_samples(payload),
        AudioCodec::G722 => conceal::payload_samples("G.722 payload", payload),
        AudioCodec::Pcmu | AudioCodec::Pcma => conceal::payload_samples("G.711 payload", payload),
    }
}

/// Whether the payload before could be restored from this one by [`AudioDecoder::decode_fec`].
#[must_use]
pub fn carries_fec(codec: AudioCodec, payload: &[u8]) -> bool {
    codec == AudioCodec::Opus && opus_codec::has_fec(payload).unwrap_or(false)
}

/// Whether the loss of the payload before is the better hidden for having this one at hand: it carries FEC, or
/// [`AudioDecoder::conceal_before`] makes use of it.
#[must_use]
pub fn mends_loss_before(codec: AudioCodec, payload: &[u8]) -> bool {
    match codec {
        AudioCodec::Opus => carries_fec(codec, payload),
        AudioCodec::G722 => false,
        AudioCodec::Pcmu | AudioCodec::Pcma => true,
    }
}

/// Loudness of a payload in −dBov (see [`level_dbov`]) for codecs that need no decoder for it: G.711.
#[must_use]
pub fn payload_level(codec: AudioCodec, payload: &[u8]) -> Option<u8> {
    match codec {
        AudioCodec::Pcmu => Some(g711::Law::Mu.level(payload)),
        AudioCodec::Pcma => Some(g711::Law::A.level(payload)),
        AudioCodec::Opus | AudioCodec::G722 => None,
    }
}

/// Encodes one stream of 20 ms frames. A clone goes on where the original stands: to a decoder the two are one encoder, up to
/// the first frame in which what they encode differs.
#[derive(Debug, Clone)]
pub struct AudioEncoder(EncoderKind);

#[derive(Debug, Clone)]
enum EncoderKind {
    Opus(OpusEncoder),
    G711 {
        law: g711::Law,
        resampler: Downsampler,
        scratch: Vec<i16>,
    },
    G722 {
        encoder: Box<g722::Encoder>,
        resampler: Downsampler,
        scratch: Vec<i16>,
    },
}

impl AudioEncoder {
    /// An encoder in its initial state.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when the setting is out of range, [`CodecError::Library`] when libopus fails.
    pub fn new(setting: EncoderSetting) -> Result<Self, CodecError> {
        let g711 = |law| EncoderKind::G711 {
            law,
            resampler: Downsampler::new(Ratio::Six),
            scratch: Vec::new(),
        };
        Ok(Self(match setting.codec {
            AudioCodec::Opus => EncoderKind::Opus(OpusEncoder::new(setting.opus)?),
            AudioCodec::G722 => EncoderKind::G722 {
                encoder: Box::new(g722::Encoder::new()),
                resampler: Downsampler::new(Ratio::Three),
                scratch: Vec::new(),
            },
            AudioCodec::Pcmu => g711(g711::Law::Mu),
            AudioCodec::Pcma => g711(g711::Law::A),
        }))
    }

    /// The payload of one 20 ms frame.
    ///
    /// # Errors
    /// [`CodecError::Library`] when libopus fails.
    pub fn encode(&mut self, frame: &Frame) -> Result<Bytes, CodecError> {
        self.run(frame, false)
    }

    /// The payload of one 20 ms frame that is predicted from no earlier one, as far as the codec allows: a decoder that has
    /// followed another encoder with the same input may go on with this one from here. Costs quality in this frame.
    ///
    /// # Errors
    /// [`CodecError::Library`] when libopus fails.
    pub fn encode_independent(&mut self, frame: &Frame) -> Result<Bytes, CodecError> {
        self.run(frame, true)
    }

    fn run(&mut self, frame: &Frame, independent: bool) -> Result<Bytes, CodecError> {
        match &mut self.0 {
            EncoderKind::Opus(encoder) => encoder.encode(frame, independent),
            EncoderKind::G711 {
                law,
                resampler,
                scratch,
            } => {
                scratch.clear();
                resampler.push(frame, scratch);
                Ok(scratch.iter().map(|&sample| law.encode(sample)).collect())
            }
            EncoderKind::G722 {
                encoder,
                resampler,
                scratch,
            } => {
                scratch.clear();
                resampler.push(frame, scratch);
                let pairs = scratch.as_chunks().0.iter();
                Ok(pairs.map(|pair| encoder.encode(*pair)).collect())
            }
        }
    }
}

/// Loudness in −dBov as RFC 6464 has it: 0 is a square wave at full scale, 127 silence; a full-scale sine is 3.
#[must_use]
pub fn level_dbov(samples: &[i16]) -> u8 {
    let energy = samples
        .iter()
        .map(|&sample| u64::from(sample.unsigned_abs()).pow(2))
        .sum();
    energy_dbov(energy, samples.len())
}

/// The level of so many samples whose squares add up to `energy`.
#[expect(
    clippy::cast_precision_loss,
    reason = "a level has a resolution of 1 dB"
)]
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "clamped to 0..=127 first"
)]
fn energy_dbov(energy: u64, samples: usize) -> u8 {
    if energy == 0 {
        return 127;
    }
    let mean = energy as f64 / samples as f64;
    (-10.0 * (mean / (32_768.0 * 32_768.0)).log10())
        .round()
        .clamp(0.0, 127.0) as u8
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    reason = "a test stops at the first surprise, and its numbers are small"
)]
mod tests;
