//! What stands on top of all tiles: the time of day and the operator's mark, at the right, as names of tiles stand at their lower left, and a
//! banner at the upper left.

use plenum_codecs::video::I420Picture;
use smallvec::SmallVec;

use super::canvas::{self, Colour, Stamp};
use super::layout::Rect;
use super::sketch::Sketch;
use super::text::Text;

/// Behind the clock, and how dark that is, of 255.
const GROUND: Colour = Colour::hex(0x000e_1016);
const SHADE: u8 = 168;
const WHITE: Colour = Colour::hex(0x00ff_ffff);
/// What the clock and the banner take of the picture's width at most.
const CLOCK_SHARE: f32 = 0.3;
const BANNER_SHARE: f32 = 0.6;

/// The operator's mark, a drawing with opacity.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mark {
    width: usize,
    pixels: Vec<[u8; 4]>,
}

impl Mark {
    /// Most pixels of a side.
    pub const MOST: usize = 1_024;

    /// From rows of `width` pixels, each red, green, blue and opacity of 0 to 255. `None` when a side is 0 or larger than
    /// [`Self::MOST`], or a row is not whole.
    #[must_use]
    pub fn new(width: usize, pixels: Vec<[u8; 4]>) -> Option<Self> {
        let sides = 1..=Self::MOST;
        let rows = pixels.len().checked_div(width)?;
        let whole = rows * width == pixels.len();
        (whole && sides.contains(&width) && sides.contains(&rows)).then_some(Self { width, pixels })
    }

    /// With even sides, as canvases want it.
    fn stamp(&self) -> Stamp {
        let rows = self.pixels.len() / self.width.max(1);
        let (wide, high) = (self.width.next_multiple_of(2), rows.next_multiple_of(2));
        let mut pixels = vec![[0; 4]; wide * high];
        for (to, from) in pixels
            .chunks_exact_mut(wide)
            .zip(self.pixels.chunks_exact(self.width))
        {
            to[..self.width].copy_from_slice(from);
        }
        Stamp::new(wide, &pixels)
    }
}

/// The overlays of a canvas.
#[derive(Debug, Default)]
pub(super) struct Overlays {
    /// What the clock says.
    time: String,
    clock: Option<Laid>,
    /// What the banner says.
    words: String,
    banner: Option<Laid>,
    mark: Option<Laid>,
}

#[derive(Debug)]
struct Laid {
    stamp: Stamp,
    rect: Rect,
    stale: bool,
}

impl Overlays {
    /// The clock says something else, or is gone when `time` is empty; whether that is a change.
    pub(super) fn set_time(&mut self, time: &str, canvas: &I420Picture, text: &mut Text) -> bool {
        if self.time == time {
            return false;
        }
        time.clone_into(&mut self.time);
        self.clock = line(time, CLOCK_SHARE, canvas, text).map(|stamp| {
            let right = right_of(&stamp, canvas);
            Laid::new(stamp, right, margin(canvas))
        });
        true
    }

    /// The banner says something else, or is gone when `words` is empty; whether that is a change. What is too long is cut.
    pub(super) fn set_banner(
        &mut self,
        words: &str,
        canvas: &I420Picture,
        text: &mut Text,
    ) -> bool {
        if self.words == words {
            return false;
        }
        words.clone_into(&mut self.words);
        let corner = margin(canvas);
        let stamp = line(words, BANNER_SHARE, canvas, text);
        self.banner = stamp.map(|stamp| Laid::new(stamp, corner, corner));
        true
    }

    pub(super) fn set_mark(&mut self, mark: &Mark, canvas: &I420Picture) {
        let stamp = mark.stamp();
        let right = right_of(&stamp, canvas);
        let below = stamp.height() + margin(canvas);
        let y = canvas.height().saturating_sub(below) & !1;
        self.mark = Some(Laid::new(stamp, right, y));
    }

    fn laid(&mut self) -> impl Iterator<Item = &mut Laid> {
        let lines = self.clock.iter_mut().chain(&mut self.banner);
        lines.chain(&mut self.mark)
    }

    /// Below it something is drawn anew, so that it is, too. Gives the areas of those of which that was not known yet: all that lies
    /// below them has to be drawn, or what is half transparent would be laid on itself.
    pub(super) fn spoil(&mut self, is_drawn: impl Fn(Rect) -> bool) -> SmallVec<[Rect; 3]> {
        self.laid()
            .filter(|laid| !laid.stale && is_drawn(laid.rect))
            .map(|laid| {
                laid.stale = true;
                laid.rect
            })
            .collect()
    }

    pub(super) fn draw(&mut self, canvas: &mut I420Picture) {
        for laid in self.laid() {
            if std::mem::take(&mut laid.stale) {
                canvas::stamp(canvas, &laid.stamp, laid.rect.x, laid.rect.y);
            }
        }
    }
}

impl Laid {
    /// With its corner at `(x, y)`.
    fn new(stamp: Stamp, x: u16, y: u16) -> Self {
        let rect = Rect {
            x,
            y,
            width: stamp.width(),
            height: stamp.height(),
        };
        Self {
            stamp,
            rect,
            stale: false,
        }
    }
}

/// 12 pixels at 720p.
const fn margin(canvas: &I420Picture) -> u16 {
    (canvas.height() / 60) & !1
}

/// Where a stamp begins that stands at the right.
fn right_of(stamp: &Stamp, canvas: &I420Picture) -> u16 {
    canvas
        .width()
        .saturating_sub(stamp.width() + margin(canvas))
        & !1
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "lengths within a canvas"
)]
fn line(words: &str, share: f32, canvas: &I420Picture, text: &mut Text) -> Option<Stamp> {
    let size = (f32::from(canvas.height()) / 30.0).round().max(12.0);
    let pad = (size * 0.6).round();
    let words = text.line(words, size, f32::from(canvas.width()) * share, false, WHITE)?;
    let height = (size * 1.75).round();
    let mut sketch = Sketch::new(words.width() + 2 * pad as usize, height as usize);
    let corner = (sketch.width() as f32, sketch.height() as f32);
    sketch.round_rect((0.0, 0.0), corner, size * 0.4, GROUND, SHADE);
    let top = (corner.1 - words.height() as f32) / 2.0;
    sketch.lay(&words, pad as i32, top.round() as i32);
    Some(sketch.stamp())
}
