//! What the video decoders have in common. The decoders themselves are next to their libraries.
#![expect(
    unsafe_code,
    reason = "decoders give pointers into their buffers; what makes them sound is stated"
)]

use super::I420View;
use super::picture::{check_size, plane_size};
use crate::error::CodecError;

pub use super::libvpx::Vp8Decoder;
pub use super::openh264::H264Decoder;

/// What came of decoding one frame.
#[derive(Debug, Clone, Copy)]
pub struct Decoded<'a> {
    /// The picture, when there is one, in the decoder's own buffers: a camera's picture is looked at once, and copied by nobody.
    pub picture: Option<I420View<'a>>,
    /// The frame refers to something that is missing or was damaged: ask the sender for a keyframe (PLI).
    pub needs_keyframe: bool,
}

/// Where in its buffers a decoder has the newest picture.
#[derive(Debug, Clone, Copy)]
pub(super) struct Held {
    size: (u16, u16),
    planes: [*const u8; 3],
    strides: [usize; 3],
}

impl Held {
    /// `None` when the library gave no buffers, or such as cannot hold it.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when no picture has such a size.
    pub(super) fn new(
        size: (u16, u16),
        planes: [*mut u8; 3],
        strides: [usize; 3],
    ) -> Result<Option<Self>, CodecError> {
        check_size(size.0, size.1)?;
        let held = Self {
            size,
            planes: planes.map(<*mut u8>::cast_const),
            strides,
        };
        let narrow = |plane: usize| strides[plane] < plane_size(size, plane).0;
        let unusable = planes.iter().any(|plane| plane.is_null()) || (0..3).any(narrow);
        Ok((!unusable).then_some(held))
    }

    /// A look at the picture.
    ///
    /// # Safety
    /// Each plane must lead to as many rows of its stride in octets as such a picture has in it (of the last, its width is enough), all of
    /// them written once, which nobody writes to nor frees during `'a`.
    pub(super) unsafe fn view<'a>(self) -> I420View<'a> {
        let mut view = I420View {
            width: self.size.0,
            height: self.size.1,
            planes: [&[]; 3],
            strides: self.strides,
        };
        for plane in 0..3 {
            let (width, rows) = plane_size(self.size, plane);
            let length = self.strides[plane] * (rows - 1) + width;
            // SAFETY: the caller's promise.
            view.planes[plane] = unsafe { std::slice::from_raw_parts(self.planes[plane], length) };
        }
        view
    }
}
