//! Small drawings with soft edges: made once in RGB, then stamped onto a canvas again and again.

use super::canvas::{Colour, Stamp};

/// A drawing in straight RGB and opacity.
#[derive(Debug, Clone)]
pub(super) struct Sketch {
    width: usize,
    height: usize,
    /// Red, green, blue, opacity.
    pixels: Vec<[u8; 4]>,
}

/// A point in pixels.
pub(super) type Point = (f32, f32);

impl Sketch {
    /// An empty one; the sides are made even.
    pub(super) fn new(width: usize, height: usize) -> Self {
        let (width, height) = (width.next_multiple_of(2), height.next_multiple_of(2));
        Self {
            width,
            height,
            pixels: vec![[0; 4]; width * height],
        }
    }

    pub(super) fn width(&self) -> usize {
        self.width
    }

    pub(super) fn height(&self) -> usize {
        self.height
    }

    /// Puts a pixel over what is there; outside of the drawing nothing happens.
    pub(super) fn over(&mut self, x: i32, y: i32, Colour([r, g, b]): Colour, opacity: u8) {
        let (Ok(x), Ok(y)) = (usize::try_from(x), usize::try_from(y)) else {
            return;
        };
        if opacity == 0 || x >= self.width {
            return;
        }
        let Some(pixel) = self.pixels.get_mut(y * self.width + x) else {
            return;
        };
        let above = u32::from(opacity);
        let below = u32::from(pixel[3]) * (255 - above) / 255;
        let sum = above + below;
        for (channel, value) in pixel.iter_mut().zip([r, g, b]) {
            let mixed = (u32::from(value) * above + u32::from(*channel) * below) / sum.max(1);
            *channel = u8::try_from(mixed).unwrap_or(u8::MAX);
        }
        pixel[3] = u8::try_from(sum).unwrap_or(u8::MAX);
    }

    /// Paints where `distance` (pixels to the edge, negative inside) says so.
    fn paint(&mut self, colour: Colour, opacity: u8, distance: impl Fn(Point) -> f32) {
        for y in 0..self.height {
            for x in 0..self.width {
                #[expect(clippy::cast_precision_loss, reason = "a drawing is small")]
                let at = (x as f32 + 0.5, y as f32 + 0.5);
                let cover = (0.5 - distance(at)).clamp(0.0, 1.0);
                #[expect(
                    clippy::cast_possible_truncation,
                    clippy::cast_sign_loss,
                    clippy::cast_possible_wrap,
                    reason = "0 to 255, and a drawing is small"
                )]
                self.over(
                    x as i32,
                    y as i32,
                    colour,
                    (cover * f32::from(opacity)) as u8,
                );
            }
        }
    }

    /// A rectangle with round corners from one corner to the opposite one.
    pub(super) fn round_rect(
        &mut self,
        from: Point,
        to: Point,
        radius: f32,
        colour: Colour,
        opacity: u8,
    ) {
        let middle = (f32::midpoint(from.0, to.0), f32::midpoint(from.1, to.1));
        let half = (
            (to.0 - from.0) / 2.0 - radius,
            (to.1 - from.1) / 2.0 - radius,
        );
        self.paint(colour, opacity, |(x, y)| {
            let (dx, dy) = ((x - middle.0).abs() - half.0, (y - middle.1).abs() - half.1);
            dx.max(0.0).hypot(dy.max(0.0)) + dx.max(dy).min(0.0) - radius
        });
    }

    pub(super) fn disc(&mut self, middle: Point, radius: f32, colour: Colour) {
        self.paint(colour, u8::MAX, |(x, y)| {
            (x - middle.0).hypot(y - middle.1) - radius
        });
    }

    /// A line through points, with round ends and corners.
    pub(super) fn line(&mut self, points: &[Point], thickness: f32, colour: Colour) {
        self.paint(colour, u8::MAX, |at| {
            let pairs = points.iter().zip(points.iter().skip(1));
            let nearest = pairs.map(|(from, to)| to_segment(at, *from, *to));
            nearest.fold(f32::INFINITY, f32::min) - thickness / 2.0
        });
    }

    /// Lays another drawing over this one, its corner at `(x, y)`.
    pub(super) fn lay(&mut self, other: &Self, x: i32, y: i32) {
        for (row, line) in (0i32..).zip(other.pixels.chunks_exact(other.width.max(1))) {
            for (column, [r, g, b, a]) in (0i32..).zip(line) {
                self.over(x + column, y + row, Colour([*r, *g, *b]), *a);
            }
        }
    }

    /// What is stamped onto a canvas.
    pub(super) fn stamp(&self) -> Stamp {
        Stamp::new(self.width, &self.pixels)
    }
}

fn to_segment(at: Point, from: Point, to: Point) -> f32 {
    let (dx, dy) = (to.0 - from.0, to.1 - from.1);
    let length = dx * dx + dy * dy;
    let along = if length > 0.0 {
        (((at.0 - from.0) * dx + (at.1 - from.1) * dy) / length).clamp(0.0, 1.0)
    } else {
        0.0
    };
    (at.0 - from.0 - along * dx).hypot(at.1 - from.1 - along * dy)
}

/// A microphone with a stroke through it, in a square with sides of `size`.
pub(super) fn muted_icon(size: f32, colour: Colour, ground: Colour) -> Sketch {
    let mut sketch = square(size);
    let at = |x: f32, y: f32| (x * size, y * size);
    let stroke = size * 0.095;
    sketch.round_rect(at(0.37, 0.08), at(0.63, 0.56), size * 0.13, colour, u8::MAX);
    let cradle: Vec<Point> = (0u8..=12)
        .map(|step| {
            let turn = f32::from(step) / 12.0 * std::f32::consts::PI;
            at(0.5 - 0.27 * turn.cos(), 0.44 + 0.27 * turn.sin())
        })
        .collect();
    sketch.line(&cradle, stroke, colour);
    sketch.line(&[at(0.5, 0.71), at(0.5, 0.9)], stroke, colour);
    sketch.line(&[at(0.34, 0.91), at(0.66, 0.91)], stroke, colour);
    sketch.line(&[at(0.13, 0.18), at(0.83, 0.88)], stroke * 2.6, ground);
    sketch.line(&[at(0.13, 0.12), at(0.87, 0.86)], stroke, colour);
    sketch
}

/// A telephone's handset, in a square with sides of `size`.
pub(super) fn phone_icon(size: f32, colour: Colour) -> Sketch {
    let mut sketch = square(size);
    let at = |x: f32, y: f32| (x * size, y * size);
    // A thin bow between two thick ends, leaning to the left.
    let bow: Vec<Point> = (0u8..=10)
        .map(|step| {
            let turn = (0.5 + f32::from(step) / 10.0 * 0.5) * std::f32::consts::PI;
            at(0.86 + 0.62 * turn.cos(), 0.14 + 0.62 * turn.sin())
        })
        .collect();
    sketch.line(&bow, size * 0.17, colour);
    sketch.line(&[at(0.22, 0.2), at(0.32, 0.34)], size * 0.23, colour);
    sketch.line(&[at(0.8, 0.78), at(0.66, 0.68)], size * 0.23, colour);
    sketch
}

fn square(size: f32) -> Sketch {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "an icon's side"
    )]
    let side = size.ceil().max(2.0) as usize;
    Sketch::new(side, side)
}
