//! An uncompressed picture.

use crate::error::CodecError;

/// Largest width and height of a picture.
pub const MAX_SIDE: u16 = 4_096;

/// A picture in I420: a plane of luma, then two planes of chroma at half the width and height (rounded up), each without
/// padding between rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct I420Picture {
    width: u16,
    height: u16,
    data: Vec<u8>,
}

impl I420Picture {
    /// A black picture.
    ///
    /// # Errors
    /// [`CodecError::Setting`] when a side is 0 or more than 4096.
    pub fn black(width: u16, height: u16) -> Result<Self, CodecError> {
        check_size(width, height)?;
        let mut picture = Self {
            width,
            height,
            data: Vec::new(),
        };
        let luma = picture.luma_size();
        picture.data.resize(luma, 16);
        picture.data.resize(luma + 2 * picture.chroma_size(), 128);
        Ok(picture)
    }

    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.height
    }

    /// Width in samples, which is also the stride, of plane 0 (Y), 1 (U) or 2 (V).
    #[must_use]
    pub const fn stride(&self, plane: usize) -> usize {
        plane_size((self.width, self.height), plane).0
    }

    /// Rows of plane 0 (Y), 1 (U) or 2 (V).
    #[must_use]
    pub const fn rows(&self, plane: usize) -> usize {
        plane_size((self.width, self.height), plane).1
    }

    const fn chroma_size(&self) -> usize {
        self.stride(1) * self.rows(1)
    }

    const fn luma_size(&self) -> usize {
        self.width as usize * self.height as usize
    }

    /// The three planes: Y, U, V.
    #[must_use]
    pub fn planes(&self) -> [&[u8]; 3] {
        let (y, chroma) = self.data.split_at(self.luma_size());
        let (u, v) = chroma.split_at(self.chroma_size());
        [y, u, v]
    }

    /// A look at it.
    #[must_use]
    pub fn view(&self) -> I420View<'_> {
        I420View {
            width: self.width,
            height: self.height,
            planes: self.planes(),
            strides: [0, 1, 2].map(|plane| self.stride(plane)),
        }
    }

    /// The three planes for writing: Y, U, V.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (luma, size) = (self.luma_size(), self.chroma_size());
        let (y, chroma) = self.data.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(size);
        [y, u, v]
    }
}

/// Width and height in samples of plane 0 (Y), 1 (U) or 2 (V) of a picture of that size.
pub(super) const fn plane_size((width, height): (u16, u16), plane: usize) -> (usize, usize) {
    let (width, height) = (width as usize, height as usize);
    match plane {
        0 => (width, height),
        _ => (width.div_ceil(2), height.div_ceil(2)),
    }
}

/// # Errors
/// [`CodecError::Setting`] when a side is 0 or more than [`MAX_SIDE`].
pub(super) fn check_size(width: u16, height: u16) -> Result<(), CodecError> {
    for (what, side) in [("picture width", width), ("picture height", height)] {
        if side == 0 || side > MAX_SIDE {
            return Err(CodecError::Setting {
                what,
                value: i64::from(side),
                allowed: "1 to 4096",
            });
        }
    }
    Ok(())
}

/// A look at a picture in I420 that lies somewhere else, as in the buffers of a decoder: rows may have padding between them.
#[derive(Debug, Clone, Copy)]
pub struct I420View<'a> {
    pub(super) width: u16,
    pub(super) height: u16,
    pub(super) planes: [&'a [u8]; 3],
    pub(super) strides: [usize; 3],
}

impl<'a> I420View<'a> {
    /// Width in pixels.
    #[must_use]
    pub const fn width(&self) -> u16 {
        self.width
    }

    /// Height in pixels.
    #[must_use]
    pub const fn height(&self) -> u16 {
        self.height
    }

    /// The rows of plane 0 (Y), 1 (U) or 2 (V), [`I420View::stride`] samples apart; the last one need not have its padding.
    #[must_use]
    pub const fn plane(&self, plane: usize) -> &'a [u8] {
        self.planes[plane]
    }

    /// Samples from one row of a plane to the next.
    #[must_use]
    pub const fn stride(&self, plane: usize) -> usize {
        self.strides[plane]
    }

    /// Width and height in samples of plane 0 (Y), 1 (U) or 2 (V).
    #[must_use]
    pub const fn plane_size(&self, plane: usize) -> (usize, usize) {
        plane_size((self.width, self.height), plane)
    }

    /// A picture of its own.
    #[must_use]
    pub fn to_picture(&self) -> I420Picture {
        let mut data = Vec::new();
        for plane in 0..3 {
            let (width, rows) = self.plane_size(plane);
            data.reserve_exact(width * rows);
            for row in self.plane(plane).chunks(self.stride(plane)).take(rows) {
                data.extend_from_slice(&row[..width]);
            }
        }
        I420Picture {
            width: self.width,
            height: self.height,
            data,
        }
    }
}

/// Peak signal-to-noise ratio of the luma of two pictures of the same size in dB; 99 when they are equal, 0 when the sizes
/// differ.
#[must_use]
#[expect(clippy::cast_precision_loss, reason = "a ratio in dB")]
pub fn psnr(a: &I420Picture, b: &I420Picture) -> f64 {
    if (a.width, a.height) != (b.width, b.height) {
        return 0.0;
    }
    let squares: u64 = a.planes()[0]
        .iter()
        .zip(b.planes()[0])
        .map(|(&x, &y)| u64::from(x.abs_diff(y)).pow(2))
        .sum();
    if squares == 0 {
        return 99.0;
    }
    10.0 * (255.0 * 255.0 * a.luma_size() as f64 / squares as f64).log10()
}
