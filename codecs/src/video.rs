//! Video: pictures, the payload formats of VP8 and H.264, and their encoders and decoders.

mod assembly;
pub mod decoder;
pub mod encoder;
pub mod h264;
mod libvpx;
mod openh264;
mod picture;
pub mod vp8;

use bytes::Bytes;

pub use assembly::MAX_FRAME;
pub use picture::{I420Picture, I420View, MAX_SIDE, psnr};

/// Units of the RTP timestamp per second, for all video.
pub const CLOCK_RATE: u32 = 90_000;

/// The video codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VideoCodec {
    /// VP8 (RFC 6386, payload RFC 7741).
    Vp8,
    /// H.264 Constrained Baseline (payload RFC 6184, packetization mode 1).
    H264,
}

impl VideoCodec {
    /// Encoding name in SDP.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Vp8 => "VP8",
            Self::H264 => "H264",
        }
    }

    /// The codec of an SDP encoding name, in any case of letters.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Vp8, Self::H264]
            .into_iter()
            .find(|codec| codec.name().eq_ignore_ascii_case(name))
    }

    /// Whether a picture that needs no other one begins with this payload: where a switch may happen.
    #[must_use]
    pub fn is_keyframe_start(self, payload: &[u8]) -> bool {
        match self {
            Self::Vp8 => vp8::is_keyframe_start(payload),
            Self::H264 => h264::is_keyframe_start(payload),
        }
    }

    /// Height in pixels of the keyframe that begins with this payload, of H.264 up to 15 too large; `None` when none does, or it cannot be
    /// read.
    #[must_use]
    pub fn keyframe_height(self, payload: &[u8]) -> Option<u16> {
        match self {
            Self::Vp8 => vp8::keyframe_height(payload),
            Self::H264 => h264::keyframe_height(payload),
        }
    }
}

/// One whole encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct VideoFrame {
    /// RTP timestamp, 90 kHz.
    pub timestamp: u32,
    /// Needs no other picture.
    pub keyframe: bool,
    /// Pictures or packets were lost between the frame given out before and this one. Unless it is a keyframe, what it
    /// decodes to is damaged.
    pub follows_loss: bool,
    /// VP8 frame, or H.264 access unit in Annex B with four-octet start codes.
    pub data: Bytes,
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise, and its numbers are small"
)]
mod tests;

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "a test stops at the first surprise, and its numbers are small"
)]
mod codec_tests;
