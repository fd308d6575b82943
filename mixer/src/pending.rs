//! Types that belong to the codecs and move there with their payload formats.

/// The video codecs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum VideoCodec {
    /// VP8 (RFC 7741).
    Vp8,
    /// H.264 (RFC 6184).
    H264,
}

/// A key of a telephone (RFC 4733).
#[derive(Clone, Copy, PartialEq, Eq, Hash)]
pub struct Digit(pub(crate) u8);

impl std::fmt::Debug for Digit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digit(..)")
    }
}
