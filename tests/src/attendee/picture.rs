//! A picture that says whose it is and which one it is, and can be read back after lossy coding.
//!
//! Three rows of eight blocks, a bright block being a 1: the person, a counter, and both of them combined as a check.

use plenum_codecs::CodecError;
use plenum_codecs::video::I420Picture;

/// Width in pixels.
pub(super) const WIDTH: u16 = 320;
/// Height in pixels; the last 8 rows stay dark.
pub(super) const HEIGHT: u16 = 128;
/// Side of a block in pixels.
const BLOCK: usize = 40;
const BRIGHT: u8 = 210;
const DARK: u8 = 40;

/// What a picture says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Mark {
    /// Whose picture.
    pub person: u8,
    /// Which one, modulo 256.
    pub count: u8,
}

impl Mark {
    const fn rows(self) -> [u8; 3] {
        [self.person, self.count, self.person ^ self.count ^ 0x5a]
    }

    /// Paints the picture.
    ///
    /// # Errors
    /// Never for the fixed size.
    pub fn paint(self) -> Result<I420Picture, CodecError> {
        let mut picture = I420Picture::black(WIDTH, HEIGHT)?;
        let stride = picture.stride(0);
        let rows = self.rows();
        let [luma, _, _] = picture.planes_mut();
        for (at, pixel) in luma.iter_mut().enumerate() {
            let (x, y) = (at % stride / BLOCK, at / stride / BLOCK);
            let set = rows
                .get(y)
                .is_some_and(|bits| bits >> (7 - x.min(7)) & 1 == 1);
            *pixel = if set { BRIGHT } else { DARK };
        }
        Ok(picture)
    }

    /// Reads a picture; `None` when it is another one, or damaged.
    #[must_use]
    pub fn read(picture: &I420Picture) -> Option<Self> {
        if (picture.width(), picture.height()) != (WIDTH, HEIGHT) {
            return None;
        }
        Self::read_at(picture, (0, 0), BLOCK)
    }

    /// Reads the part of a larger picture that begins there and has blocks of so many pixels.
    #[must_use]
    pub fn read_at(picture: &I420Picture, corner: (usize, usize), side: usize) -> Option<Self> {
        let row = |y| {
            (0..8).try_fold(0u8, |bits, x| {
                let at = (corner.0 + x * side, corner.1 + y * side);
                Some(bits << 1 | u8::from(block(picture, at, side)?))
            })
        };
        let mark = Self {
            person: row(0)?,
            count: row(1)?,
        };
        (row(2)? == mark.rows()[2]).then_some(mark)
    }
}

/// Whether the middle of a block is bright; `None` when it is neither bright nor dark.
fn block(picture: &I420Picture, (x, y): (usize, usize), side: usize) -> Option<bool> {
    let middle = side / 2;
    let stride = picture.stride(0);
    let mut sum = 0u32;
    for line in 0..middle {
        let from = (y + side / 4 + line) * stride + x + side / 4;
        let pixels = picture.planes()[0].get(from..from + middle)?;
        sum += pixels.iter().map(|pixel| u32::from(*pixel)).sum::<u32>();
    }
    match sum / u32::try_from(middle * middle).ok()? {
        0..=90 => Some(false),
        160.. => Some(true),
        _ => None,
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests {
    use super::*;
    use plenum_codecs::MediaTime;
    use plenum_codecs::video::decoder::Vp8Decoder;
    use plenum_codecs::video::encoder::Vp8Encoder;

    #[test]
    fn a_picture_is_read_back_after_vp8() {
        let mut encoder = Vp8Encoder::new(super::super::feed::VIDEO).unwrap();
        let mut decoder = Vp8Decoder::new().unwrap();
        for count in 0..60u8 {
            let mark = Mark {
                person: 0xa7,
                count,
            };
            let at = MediaTime::from_millis(u64::from(count) * 100);
            let Some(frame) = encoder.encode(&mark.paint().unwrap(), at).unwrap() else {
                continue;
            };
            let picture = decoder.decode(&frame.data).unwrap().picture.unwrap();
            assert_eq!(Mark::read(&picture.to_picture()), Some(mark));
        }
    }

    #[test]
    fn a_grey_picture_says_nothing() {
        assert_eq!(
            Mark::read(&I420Picture::black(WIDTH, HEIGHT).unwrap()),
            None
        );
        assert_eq!(Mark::read(&I420Picture::black(64, 64).unwrap()), None);
    }
}
