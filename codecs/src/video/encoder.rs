//! What the video encoders have in common. The encoders themselves are next to their libraries.

use bytes::Bytes;

use crate::error::CodecError;

pub use super::libvpx::Vp8Encoder;
pub use super::openh264::H264Encoder;

/// What a video encoder is made from.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct VideoSetting {
    /// Width in pixels: even, 16..=4096.
    pub width: u16,
    /// Height in pixels: even, 16..=2304.
    pub height: u16,
    /// Bits per second, 20,000..=50,000,000.
    pub bitrate: u32,
    /// Pictures per second, 1..=60. Rate control counts on it.
    pub frame_rate: u8,
}

impl VideoSetting {
    /// Bits per second as the libraries take it.
    pub(super) fn validate(&self) -> Result<(), CodecError> {
        let check = |what, value: u32, low: u32, high: u32, even: bool, allowed| {
            if (low..=high).contains(&value) && !(even && value % 2 == 1) {
                return Ok(());
            }
            Err(CodecError::Setting {
                what,
                value: i64::from(value),
                allowed,
            })
        };
        check(
            "video width",
            self.width.into(),
            16,
            4_096,
            true,
            "an even number, 16 to 4096",
        )?;
        check(
            "video height",
            self.height.into(),
            16,
            2_304,
            true,
            "an even number, 16 to 2304",
        )?;
        check(
            "video bit rate",
            self.bitrate,
            20_000,
            50_000_000,
            false,
            "20000 to 50000000 bit/s",
        )?;
        check(
            "video frame rate",
            self.frame_rate.into(),
            1,
            60,
            false,
            "1 to 60 per second",
        )
    }
}

/// One encoded picture.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EncodedFrame {
    /// Needs no other picture.
    pub keyframe: bool,
    /// VP8 frame, or H.264 access unit in Annex B.
    pub data: Bytes,
}
