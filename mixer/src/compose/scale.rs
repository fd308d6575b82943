//! Scales I420 pictures into a part of a canvas: halved by boxes as often as that fits, then bilinear.

use plenum_codecs::video::{I420Picture, I420View};

use super::blend::{self, Columns, PADDING, Tap, tap};
use super::layout::Rect;

/// Memory for scaling, kept from picture to picture.
#[derive(Debug, Default)]
pub struct Scaler {
    halved: [Vec<u8>; 3],
    /// A row of the source's width.
    row: Vec<u8>,
    /// Of luma and of chroma.
    columns: [Columns; 2],
}

/// A part of a plane.
#[derive(Debug, Clone, Copy)]
struct View<'a> {
    data: &'a [u8],
    stride: usize,
    width: usize,
    height: usize,
}

impl<'a> View<'a> {
    fn row(&self, y: usize) -> &'a [u8] {
        let start = y.min(self.height.saturating_sub(1)) * self.stride;
        self.data.get(start..start + self.width).unwrap_or(&[])
    }

    /// A row between two rows.
    fn between(&self, Tap { index, weight }: Tap, out: &mut [u8]) {
        let above = self.row(index);
        if weight == 0 {
            let length = out.len().min(above.len());
            if let (Some(out), Some(above)) = (out.get_mut(..length), above.get(..length)) {
                out.copy_from_slice(above);
            }
        } else {
            blend::rows(above, self.row(index + 1), weight, out);
        }
    }
}

/// The part of a plane that is written, and the same part of another picture, which becomes the same: while a row is in the processor's
/// cache that costs little.
#[derive(Debug)]
struct Target<'a> {
    data: &'a mut [u8],
    stride: usize,
    copy: Option<(&'a mut [u8], usize)>,
}

impl Target<'_> {
    /// A line that was written, copied to where it is wanted, too.
    fn copy(&mut self, y: usize, width: usize) {
        let Some((copy, stride)) = &mut self.copy else {
            return;
        };
        let line = |stride: usize| y * stride..y * stride + width;
        let lines = (
            self.data.get(line(self.stride)),
            copy.get_mut(line(*stride)),
        );
        if let (Some(from), Some(into)) = lines {
            into.copy_from_slice(from);
        }
    }
}

/// A part of a picture, to be written.
#[derive(Debug)]
pub(super) struct Part<'a> {
    pub(super) picture: &'a mut I420Picture,
    pub(super) rect: Rect,
}

impl Part<'_> {
    /// Of each plane what begins with the part's first sample, and the stride; empty when the part lies outside.
    fn planes(&mut self) -> [(&mut [u8], usize); 3] {
        let Rect { x, y, width, .. } = self.rect;
        let strides = [0, 1].map(|plane| self.picture.stride(plane));
        let [luma, u, v] = self.picture.planes_mut();
        // Chroma is half as wide and as high.
        [(luma, 0), (u, 1), (v, 1)].map(|(data, shrink)| {
            let stride = strides[shrink];
            let part = |value: u16| usize::from(value) >> shrink;
            let inside = part(x) + part(width) <= stride;
            let begun = data.get_mut(part(y) * stride + part(x)..);
            (begun.filter(|_| inside).unwrap_or_default(), stride)
        })
    }
}

impl Scaler {
    /// Fills `into` of the canvas with the part `from` of a picture. Nothing happens when either lies outside.
    pub fn scale(
        &mut self,
        picture: I420View<'_>,
        from: Rect,
        canvas: &mut I420Picture,
        into: Rect,
    ) {
        let part = Part {
            picture: canvas,
            rect: into,
        };
        self.scale_twice(picture, from, part, None);
    }

    /// The same into parts of two pictures, of one size.
    pub(super) fn scale_twice(
        &mut self,
        picture: I420View<'_>,
        from: Rect,
        mut into: Part<'_>,
        mut copy: Option<Part<'_>>,
    ) {
        let size = (into.rect.width, into.rect.height);
        let mut copies = copy.as_mut().map(Part::planes).map(IntoIterator::into_iter);
        for (plane, (data, stride)) in into.planes().into_iter().enumerate() {
            let copy = copies.as_mut().and_then(Iterator::next);
            let shrink = usize::from(plane > 0);
            let part = |value: u16| usize::from(value) >> shrink;
            // Of an odd side the last sample has chroma, too.
            let shrunk = u16::from(plane > 0);
            let (wide, high) = picture.plane_size(plane);
            let start = part(from.y) * picture.stride(plane) + part(from.x);
            let source = View {
                data: picture.plane(plane).get(start..).unwrap_or_default(),
                stride: picture.stride(plane),
                width: part(from.width + shrunk).min(wide.saturating_sub(part(from.x))),
                height: part(from.height + shrunk).min(high.saturating_sub(part(from.y))),
            };
            let size = (part(size.0), part(size.1));
            if source.width == 0 || source.height == 0 || size.0 == 0 || data.is_empty() {
                return;
            }
            let mut target = Target { data, stride, copy };
            self.plane(source, &mut target, size, shrink);
        }
    }

    fn plane(
        &mut self,
        source: View<'_>,
        target: &mut Target<'_>,
        (width, height): (usize, usize),
        kind: usize,
    ) {
        let [mut first, mut second, mut third] = std::mem::take(&mut self.halved);
        let mut current = source;
        for halved in [&mut first, &mut second, &mut third] {
            if current.width >= 2 * width && current.height >= 2 * height {
                current = halve(current, halved);
            }
        }
        self.bilinear(current, target, (width, height), kind);
        self.halved = [first, second, third];
    }

    fn bilinear(
        &mut self,
        source: View<'_>,
        target: &mut Target<'_>,
        (width, height): (usize, usize),
        kind: usize,
    ) {
        let (row, columns) = (&mut self.row, &mut self.columns[kind]);
        if source.width != width {
            columns.prepare(source.width, width);
            row.resize(source.width + PADDING, 0);
        }
        for y in 0..height {
            let start = y * target.stride;
            let Some(line) = target.data.get_mut(start..start + width) else {
                return;
            };
            let tap = tap(y, source.height, height);
            if source.width == width {
                source.between(tap, line);
            } else if let Some((own, padding)) = row.split_at_mut_checked(source.width) {
                source.between(tap, own);
                padding.fill(own.last().copied().unwrap_or_default());
                columns.stretch(row, line);
            }
            target.copy(y, width);
        }
    }
}

/// Means of two by two samples; an odd last row or column is left out.
///
/// Rounded up from row to row and down from column to column, so that grey stays as bright as it is.
fn halve<'a>(source: View<'_>, out: &'a mut Vec<u8>) -> View<'a> {
    /// Samples at once: with a number that the compiler knows, it uses vectors.
    const WIDE: usize = 32;
    let (width, height) = (source.width / 2, source.height / 2);
    out.resize(width * height, 0);
    for (y, line) in out.chunks_exact_mut(width.max(1)).enumerate() {
        let (above, below) = (source.row(2 * y), source.row(2 * y + 1));
        let (above, above_rest) = above.as_chunks::<WIDE>();
        let (below, below_rest) = below.as_chunks::<WIDE>();
        let (halves, halves_rest) = line.as_chunks_mut::<{ WIDE / 2 }>();
        for ((half, above), below) in halves.iter_mut().zip(above).zip(below) {
            let rows: [u8; WIDE] = std::array::from_fn(|at| mean_up(above[at], below[at]));
            *half = std::array::from_fn(|at| u8::midpoint(rows[2 * at], rows[2 * at + 1]));
        }
        let pairs = above_rest.chunks_exact(2).zip(below_rest.chunks_exact(2));
        for (half, (above, below)) in halves_rest.iter_mut().zip(pairs) {
            *half = u8::midpoint(mean_up(above[0], below[0]), mean_up(above[1], below[1]));
        }
    }
    View {
        data: out,
        stride: width,
        width,
        height,
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a mean of octets is one")]
fn mean_up(a: u8, b: u8) -> u8 {
    ((u16::from(a) + u16::from(b) + 1) >> 1) as u8
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a test stops at the first surprise, and its numbers are small"
)]
mod tests {
    use plenum_codecs::video::psnr;

    use super::*;

    fn whole(picture: &I420Picture) -> Rect {
        Rect {
            x: 0,
            y: 0,
            width: picture.width(),
            height: picture.height(),
        }
    }

    /// Smooth waves, the same scene at any size.
    fn waves(width: u16, height: u16) -> I420Picture {
        let mut picture = I420Picture::black(width, height).unwrap();
        let stride = picture.stride(0);
        for (at, pixel) in picture.planes_mut()[0].iter_mut().enumerate() {
            let x = ((at % stride) as f64 + 0.5) / f64::from(width);
            let y = ((at / stride) as f64 + 0.5) / f64::from(height);
            *pixel = (128.0 + 60.0 * (x * 20.0).sin() + 50.0 * (y * 14.0 + x * 5.0).cos()) as u8;
        }
        picture
    }

    #[test]
    fn a_scaled_picture_is_the_same_scene() {
        let mut scaler = Scaler::default();
        for (from, to) in [
            ((1_280, 720), (424, 238)),
            ((1_280, 720), (640, 360)),
            ((640, 360), (424, 238)),
            ((320, 180), (1_280, 720)),
            ((1_918, 1_078), (212, 118)),
            ((640, 360), (640, 360)),
        ] {
            let source = waves(from.0, from.1);
            let mut canvas = I420Picture::black(to.0, to.1).unwrap();
            let into = whole(&canvas);
            scaler.scale(source.view(), whole(&source), &mut canvas, into);
            let quality = psnr(&canvas, &waves(to.0, to.1));
            // What halving leaves out of odd sizes moves the scene by less than a pixel.
            assert!(quality > 38.0, "{from:?} to {to:?}: {quality:.1} dB");
        }
    }

    #[test]
    fn only_the_part_is_read_and_only_the_part_is_written() {
        let mut source = I420Picture::black(64, 48).unwrap();
        for (at, pixel) in source.planes_mut()[0].iter_mut().enumerate() {
            *pixel = if at % 64 >= 32 { 200 } else { 100 };
        }
        let mut canvas = I420Picture::black(100, 80).unwrap();
        let (from, into) = (
            Rect {
                x: 32,
                y: 0,
                width: 32,
                height: 48,
            },
            Rect {
                x: 10,
                y: 20,
                width: 50,
                height: 40,
            },
        );
        Scaler::default().scale(source.view(), from, &mut canvas, into);
        for (at, pixel) in canvas.planes()[0].iter().enumerate() {
            let inside = (10..60).contains(&(at % 100)) && (20..60).contains(&(at / 100));
            assert_eq!(*pixel, if inside { 200 } else { 16 }, "at {at}");
        }
    }

    #[test]
    fn odd_and_tiny_pictures_do_no_harm() {
        let mut scaler = Scaler::default();
        for (width, height) in [(1, 1), (2, 2), (3, 5), (17, 31), (4_096, 1)] {
            let source = I420Picture::black(width, height).unwrap();
            let mut canvas = I420Picture::black(64, 64).unwrap();
            let into = whole(&canvas);
            scaler.scale(source.view(), whole(&source), &mut canvas, into);
            let away = Rect {
                x: 60,
                y: 60,
                ..into
            };
            scaler.scale(source.view(), away, &mut canvas, into);
        }
    }
}
