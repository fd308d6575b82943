//! What the video decoders have in common. The decoders themselves are next to their libraries.

use super::I420Picture;

pub use super::libvpx::Vp8Decoder;
pub use super::openh264::H264Decoder;

/// What came of decoding one frame.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Decoded {
    /// The picture, when there is one.
    pub picture: Option<I420Picture>,
    /// The frame refers to something that is missing or was damaged: ask the sender for a keyframe (PLI).
    pub needs_keyframe: bool,
}
