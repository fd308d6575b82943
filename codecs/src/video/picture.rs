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
        let mut picture = Self {
            width,
            height,
            data: Vec::new(),
        };
        picture.check()?;
        let luma = usize::from(width) * usize::from(height);
        picture.data.resize(luma, 16);
        picture.data.resize(luma + 2 * picture.chroma_size(), 128);
        Ok(picture)
    }

    /// A picture of given rows: of plane 0 from the top, then of planes 1 and 2. Rows are at least as long as the plane is wide.
    ///
    /// # Errors
    /// As [`I420Picture::black`].
    pub(super) fn of_rows<'a>(
        width: u16,
        height: u16,
        row: impl Fn(usize, usize) -> &'a [u8],
    ) -> Result<Self, CodecError> {
        let mut picture = Self {
            width,
            height,
            data: Vec::new(),
        };
        picture.check()?;
        picture
            .data
            .reserve_exact(picture.luma_size() + 2 * picture.chroma_size());
        for plane in 0..3 {
            let stride = picture.stride(plane);
            for y in 0..picture.rows(plane) {
                picture.data.extend_from_slice(&row(plane, y)[..stride]);
            }
        }
        Ok(picture)
    }

    fn check(&self) -> Result<(), CodecError> {
        for (what, side) in [
            ("picture width", self.width),
            ("picture height", self.height),
        ] {
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
        if plane == 0 {
            self.width as usize
        } else {
            (self.width as usize).div_ceil(2)
        }
    }

    /// Rows of plane 0 (Y), 1 (U) or 2 (V).
    #[must_use]
    pub const fn rows(&self, plane: usize) -> usize {
        if plane == 0 {
            self.height as usize
        } else {
            (self.height as usize).div_ceil(2)
        }
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

    /// The three planes for writing: Y, U, V.
    pub fn planes_mut(&mut self) -> [&mut [u8]; 3] {
        let (luma, size) = (self.luma_size(), self.chroma_size());
        let (y, chroma) = self.data.split_at_mut(luma);
        let (u, v) = chroma.split_at_mut(size);
        [y, u, v]
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
