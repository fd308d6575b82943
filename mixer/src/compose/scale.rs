//! Scales I420 pictures into a part of a canvas: halved by boxes as often as that fits, then bilinear.
//!
//! Its loops are over slices of equal length, so that the compiler makes vector instructions of them.

use plenum_codecs::video::I420Picture;

use super::layout::Rect;

/// Rows that are stretched side by side, one in each lane of a vector.
const BAND: usize = 8;

/// Memory for scaling, kept from picture to picture.
#[derive(Debug, Default)]
pub struct Scaler {
    halved: [Vec<u8>; 3],
    /// Rows of a band, one after the other, and room to turn them.
    band: Vec<u8>,
    spare: Vec<u8>,
    /// The same by columns, before and after stretching.
    turned: Vec<[u8; BAND]>,
    stretched: Vec<[u8; BAND]>,
    columns: Vec<Tap>,
    /// Source and target length that `columns` are for.
    columns_for: (usize, usize),
}

/// Where a target sample lies between two samples of the source.
#[derive(Debug, Clone, Copy)]
struct Tap {
    index: u32,
    /// Of the sample after `index`, of 256.
    weight: u32,
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
        let above = self.row(index as usize);
        if weight == 0 {
            let length = out.len().min(above.len());
            if let (Some(out), Some(above)) = (out.get_mut(..length), above.get(..length)) {
                out.copy_from_slice(above);
            }
        } else {
            blend(above, self.row(index as usize + 1), weight, out);
        }
    }
}

impl Scaler {
    /// Fills `into` of the canvas with the part `from` of a picture. Nothing happens when either lies outside.
    pub fn scale(
        &mut self,
        picture: &I420Picture,
        from: Rect,
        canvas: &mut I420Picture,
        into: Rect,
    ) {
        let strides = [canvas.stride(0), canvas.stride(1), canvas.stride(2)];
        let targets = canvas.planes_mut();
        for plane in 0..3 {
            let shrink = usize::from(plane > 0);
            let part = |value: u16| usize::from(value) >> shrink;
            let stride = picture.stride(plane);
            let start = part(from.y) * stride + part(from.x);
            let source = View {
                data: picture.planes()[plane].get(start..).unwrap_or(&[]),
                stride,
                width: part(from.width).min(stride.saturating_sub(part(from.x))),
                height: part(from.height).min(picture.rows(plane).saturating_sub(part(from.y))),
            };
            let stride = strides[plane];
            let start = part(into.y) * stride + part(into.x);
            let Some(target) = targets[plane].get_mut(start..) else {
                return;
            };
            let (width, height) = (part(into.width), part(into.height));
            if source.width == 0 || source.height == 0 || width == 0 || width > stride {
                return;
            }
            self.plane(source, target, stride, (width, height));
        }
    }

    fn plane(
        &mut self,
        source: View<'_>,
        target: &mut [u8],
        stride: usize,
        (width, height): (usize, usize),
    ) {
        let [mut first, mut second, mut third] = std::mem::take(&mut self.halved);
        let mut current = source;
        for halved in [&mut first, &mut second, &mut third] {
            if current.width >= 2 * width && current.height >= 2 * height {
                current = halve(current, halved);
            }
        }
        self.bilinear(current, target, stride, (width, height));
        self.halved = [first, second, third];
    }

    fn bilinear(
        &mut self,
        source: View<'_>,
        target: &mut [u8],
        stride: usize,
        (width, height): (usize, usize),
    ) {
        if source.width == width {
            for (y, line) in target.chunks_mut(stride).take(height).enumerate() {
                if let Some(line) = line.get_mut(..width) {
                    source.between(tap(y, source.height, height), line);
                }
            }
            return;
        }
        if self.columns_for != (source.width, width) {
            self.columns.clear();
            self.columns
                .extend((0..width).map(|x| tap(x, source.width, width)));
            self.columns_for = (source.width, width);
        }
        let padded = source.width.next_multiple_of(BAND);
        let wide = width.next_multiple_of(BAND);
        let most = padded.max(wide) * BAND;
        self.band.resize(most, 0);
        self.spare.resize(most, 0);
        // The sample after the last is looked at, and counts nothing.
        self.turned.resize(padded + BAND, [0; BAND]);
        self.stretched.resize(wide, [0; BAND]);
        for (band, lines) in target
            .chunks_mut(stride * BAND)
            .take(height.div_ceil(BAND))
            .enumerate()
        {
            for (row, out) in self.band.chunks_exact_mut(padded).take(BAND).enumerate() {
                let y = (band * BAND + row).min(height - 1);
                if let Some(out) = out.get_mut(..source.width) {
                    source.between(tap(y, source.height, height), out);
                }
            }
            let (rows, spare) = (&mut self.band, &mut self.spare);
            turn_in(rows, spare, padded, &mut self.turned);
            stretch(&self.turned, &self.columns, &mut self.stretched);
            turn_out(&self.stretched, rows, spare);
            let left = height - band * BAND;
            for (line, row) in lines
                .chunks_mut(stride)
                .zip(spare.chunks_exact(wide))
                .take(left.min(BAND))
            {
                if let (Some(line), Some(row)) = (line.get_mut(..width), row.get(..width)) {
                    line.copy_from_slice(row);
                }
            }
        }
    }
}

/// The centre of target sample `at` of `target` lies there among `source` samples; the sample after the last is never needed.
fn tap(at: usize, source: usize, target: usize) -> Tap {
    let (at, source, target) = (at as u64, source as u64, target.max(1) as u64);
    // (at + ½) · source / target − ½, in 1/256.
    let place = ((2 * at + 1) * source * 128 / target).saturating_sub(128);
    let most = source.saturating_sub(1) * 256;
    let place = place.min(most);
    Tap {
        index: u32::try_from(place >> 8).unwrap_or(0),
        weight: u32::try_from(place & 255).unwrap_or(0),
    }
}

/// Mixes two rows, `weight`/256 of the second.
#[expect(clippy::cast_possible_truncation, reason = "a weight is below 256")]
fn blend(above: &[u8], below: &[u8], weight: u32, out: &mut [u8]) {
    let weight = weight as u16;
    for ((out, above), below) in out.iter_mut().zip(above).zip(below) {
        *out = mix(*above, *below, weight);
    }
}

/// Between two samples, `weight`/256 of the second. With one product: modulo 65,536 the sum is right, whatever the difference's sign.
fn mix(first: u8, second: u8, weight: u16) -> u8 {
    let (first, second) = (u16::from(first), u16::from(second));
    let more = second.wrapping_sub(first).wrapping_mul(weight);
    ((first << 8).wrapping_add(more).wrapping_add(128) >> 8) as u8
}

/// Eight rows of a band become columns: three times its halves are put into each other, octet by octet.
fn turn_in(band: &mut [u8], spare: &mut [u8], width: usize, columns: &mut [[u8; BAND]]) {
    let length = width * BAND;
    let (Some(band), Some(spare)) = (band.get_mut(..length), spare.get_mut(..length)) else {
        return;
    };
    interleave(band, spare);
    interleave(spare, band);
    interleave(band, columns.as_flattened_mut());
}

/// Columns become rows again, in `rows`.
fn turn_out(columns: &[[u8; BAND]], spare: &mut [u8], rows: &mut [u8]) {
    let columns = columns.as_flattened();
    let length = columns.len();
    let (Some(spare), Some(rows)) = (spare.get_mut(..length), rows.get_mut(..length)) else {
        return;
    };
    deal(columns, rows);
    deal(rows, spare);
    deal(spare, rows);
}

/// One of the first half, one of the second, and so on: the compiler has instructions for that.
fn interleave(halves: &[u8], out: &mut [u8]) {
    let (first, second) = halves.split_at(halves.len() / 2);
    let pairs = out.as_chunks_mut().0.iter_mut();
    for ((pair, first), second) in pairs.zip(first).zip(second) {
        *pair = [*first, *second];
    }
}

/// The other way round.
fn deal(pairs: &[u8], out: &mut [u8]) {
    let (first, second) = out.split_at_mut(pairs.len() / 2);
    let pairs = pairs.as_chunks().0.iter();
    for ((pair, first), second) in pairs.zip(first).zip(second) {
        // Written so, it becomes vector instructions.
        let both = u16::from_le_bytes(*pair);
        (*first, *second) = ((both & 0xff) as u8, (both >> 8) as u8);
    }
}

/// Each column of the target between two of the source.
#[expect(
    clippy::cast_possible_truncation,
    reason = "a weight is below 256; written so, the lanes become one vector"
)]
fn stretch(source: &[[u8; BAND]], columns: &[Tap], out: &mut [[u8; BAND]]) {
    for (out, tap) in out.iter_mut().zip(columns) {
        let at = tap.index as usize;
        let Some([left, right]) = source
            .get(at..at + 2)
            .and_then(|pair| pair.first_chunk::<2>())
        else {
            continue;
        };
        let weight = tap.weight as u16;
        for lane in 0..BAND {
            out[lane] = mix(left[lane], right[lane], weight);
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
    fn a_mix_is_the_rounded_mean_by_weight() {
        for (first, second) in
            (0..=255).flat_map(|first| (0..=255).map(move |second| (first, second)))
        {
            for weight in [0u16, 1, 85, 128, 170, 255] {
                let sum = u32::from(first) * u32::from(256 - weight)
                    + u32::from(second) * u32::from(weight);
                assert_eq!(
                    u32::from(mix(first, second, weight)),
                    (sum + 128) >> 8,
                    "{first} {second} {weight}"
                );
            }
        }
    }

    #[test]
    fn turned_rows_are_columns_and_turned_again_rows() {
        for width in [8, 16, 72, 640] {
            let rows: Vec<u8> = (0..width * BAND)
                .map(|at| (at * 7 + at / 251) as u8)
                .collect();
            let (mut band, mut spare) = (rows.clone(), vec![0; rows.len()]);
            let mut columns = vec![[0; BAND]; width];
            turn_in(&mut band, &mut spare, width, &mut columns);
            for (x, column) in columns.iter().enumerate() {
                for (row, octet) in column.iter().enumerate() {
                    assert_eq!(*octet, rows[row * width + x], "{x}, {row} of {width}");
                }
            }
            turn_out(&columns, &mut band, &mut spare);
            assert_eq!(spare, rows, "{width}");
        }
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
            scaler.scale(&source, whole(&source), &mut canvas, into);
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
        Scaler::default().scale(&source, from, &mut canvas, into);
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
            scaler.scale(&source, whole(&source), &mut canvas, into);
            let away = Rect {
                x: 60,
                y: 60,
                ..into
            };
            scaler.scale(&source, away, &mut canvas, into);
        }
    }
}
