//! Painting on an I420 picture: flat areas, frames and stamps. Rectangles that reach beyond the picture are cut off.

use plenum_codecs::video::I420Picture;

use super::layout::Rect;

/// Red, green, blue.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(super) struct Colour(pub(super) [u8; 3]);

impl Colour {
    /// From `0xrrggbb`.
    pub(super) const fn hex(rgb: u32) -> Self {
        let [_, r, g, b] = rgb.to_be_bytes();
        Self([r, g, b])
    }

    /// Y, U, V: ITU-R BT.601, limited range, as browsers take pictures without a note on their colours.
    pub(super) fn yuv(self) -> [u8; 3] {
        let [r, g, b] = self.0.map(i32::from);
        let part = |value: i32| u8::try_from(value.clamp(0, 255)).unwrap_or(u8::MAX);
        [
            part(((66 * r + 129 * g + 25 * b + 128) >> 8) + 16),
            part(((-38 * r - 74 * g + 112 * b + 128) >> 8) + 128),
            part(((112 * r - 94 * g - 18 * b + 128) >> 8) + 128),
        ]
    }
}

/// One plane of a stamp: what is added, and how much of what was there stays.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
struct Layer {
    width: usize,
    /// Value times opacity / 255.
    values: Vec<u8>,
    /// 255 − opacity.
    stays: Vec<u8>,
}

impl Layer {
    /// A sample of an opacity of 0 to 255.
    fn push(&mut self, value: u32, opacity: u32) {
        let part = |n: u32| u8::try_from(n.min(255)).unwrap_or(u8::MAX);
        self.values.push(part((value * opacity + 127) / 255));
        self.stays.push(part(255 - opacity.min(255)));
    }
}

/// A drawing with soft edges, ready to be put onto a canvas.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Stamp {
    layers: [Layer; 3],
}

impl Stamp {
    /// From rows of `width` (even) pixels of red, green, blue and opacity; the number of rows is even.
    pub(super) fn new(width: usize, pixels: &[[u8; 4]]) -> Self {
        let yuv: Vec<[u8; 3]> = pixels
            .iter()
            .map(|[r, g, b, _]| Colour([*r, *g, *b]).yuv())
            .collect();
        let mut layers = <[Layer; 3]>::default();
        layers[0].width = width;
        for (yuv, pixel) in yuv.iter().zip(pixels) {
            layers[0].push(yuv[0].into(), pixel[3].into());
        }
        let rows = pixels.len() / width.max(1);
        for (plane, layer) in layers.iter_mut().enumerate().skip(1) {
            layer.width = width / 2;
            for y in 0..rows / 2 {
                for x in 0..width / 2 {
                    let block = [0, 1, width, width + 1].map(|step| 2 * y * width + 2 * x + step);
                    // The mean of four pixels, those that are seen more counting more.
                    let opacity: u32 = block.iter().map(|at| u32::from(pixels[*at][3])).sum();
                    let sum: u32 = block
                        .iter()
                        .map(|at| u32::from(yuv[*at][plane]) * u32::from(pixels[*at][3]))
                        .sum();
                    let mean = sum.checked_div(opacity).unwrap_or(128);
                    layer.push(mean, opacity / 4);
                }
            }
        }
        Self { layers }
    }

    /// Pixels.
    pub(super) fn width(&self) -> u16 {
        u16::try_from(self.layers[0].width).unwrap_or(u16::MAX)
    }

    /// Pixels.
    pub(super) fn height(&self) -> u16 {
        let layer = &self.layers[0];
        u16::try_from(layer.values.len() / layer.width.max(1)).unwrap_or(u16::MAX)
    }
}

/// Fills a rectangle with one colour.
pub(super) fn fill(canvas: &mut I420Picture, rect: Rect, colour: Colour) {
    let strides = [canvas.stride(0), canvas.stride(1), canvas.stride(2)];
    let values = colour.yuv();
    for (plane, target) in canvas.planes_mut().into_iter().enumerate() {
        let shrink = usize::from(plane > 0);
        let part = |value: u16| usize::from(value) >> shrink;
        let rows = target.chunks_exact_mut(strides[plane]);
        for row in rows.skip(part(rect.y)).take(part(rect.height)) {
            let end = row.len().min(part(rect.x) + part(rect.width));
            if let Some(row) = row.get_mut(part(rect.x)..end) {
                row.fill(values[plane]);
            }
        }
    }
}

/// Draws a frame of an even thickness inside of a rectangle.
pub(super) fn frame(canvas: &mut I420Picture, rect: Rect, thickness: u16, colour: Colour) {
    let Rect {
        x,
        y,
        width,
        height,
    } = rect;
    let thickness = thickness.min(width).min(height);
    let sides = [
        (x, y, width, thickness),
        (x, y + height - thickness, width, thickness),
        (x, y, thickness, height),
        (x + width - thickness, y, thickness, height),
    ];
    for (x, y, width, height) in sides {
        let side = Rect {
            x,
            y,
            width,
            height,
        };
        fill(canvas, side, colour);
    }
}

/// Puts a stamp onto the canvas, its corner at even `x` and `y`.
pub(super) fn stamp(canvas: &mut I420Picture, stamp: &Stamp, x: u16, y: u16) {
    let strides = [canvas.stride(0), canvas.stride(1), canvas.stride(2)];
    for ((plane, target), layer) in canvas
        .planes_mut()
        .into_iter()
        .enumerate()
        .zip(&stamp.layers)
    {
        let shrink = usize::from(plane > 0);
        let (left, top) = (usize::from(x) >> shrink, usize::from(y) >> shrink);
        let rows = target.chunks_exact_mut(strides[plane]).skip(top);
        let width = layer.width.max(1);
        let lines = layer
            .values
            .chunks_exact(width)
            .zip(layer.stays.chunks_exact(width));
        for (row, (values, stays)) in rows.zip(lines) {
            let Some(row) = row.get_mut(left..) else {
                return;
            };
            for ((sample, value), stays) in row.iter_mut().zip(values).zip(stays) {
                let below = u16::from(*sample) * u16::from(*stays);
                // Divided by 255, exactly enough; the sum of two shares of 255 is no more than that.
                let below = (below + 128 + (below >> 8)) >> 8;
                *sample = (u16::from(*value) + below).min(255) as u8;
            }
        }
    }
}
