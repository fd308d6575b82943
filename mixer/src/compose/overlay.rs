//! What stands on top of all tiles: a line of text, the time of day, the operator's mark.

use plenum_codecs::video::I420Picture;
use smallvec::SmallVec;

use super::canvas::{self, Colour, Stamp};
use super::layout::Rect;
use super::sketch::Sketch;
use super::text::Text;

const GROUND: Colour = Colour::hex(0x000e_1016);
const BANNER: Colour = Colour::hex(0x004f_46e5);
const WHITE: Colour = Colour::hex(0x00ff_ffff);
/// Darkness behind the clock, of 255, and of the banner.
const SHADE: u8 = 168;
const SOLID: u8 = 235;

/// Where something stands. Names of tiles stand at their lower left, so none of these does.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Overlay {
    /// A line of text at the top, in the middle.
    Banner,
    /// Short text in the upper right corner.
    Clock,
    /// A mark in the lower right corner.
    Mark,
}

/// A drawing with opacity, for [`Overlay::Mark`].
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
    laid: [Option<Laid>; 3],
}

#[derive(Debug)]
struct Laid {
    /// What it says; empty for a mark.
    text: String,
    stamp: Stamp,
    rect: Rect,
    stale: bool,
}

impl Overlays {
    /// Another text in that place, or none; whether that is a change.
    pub(super) fn write(
        &mut self,
        overlay: Overlay,
        words: &str,
        canvas: &I420Picture,
        text: &mut Text,
    ) -> bool {
        let place = &mut self.laid[overlay as usize];
        let before = place.as_ref().map_or("", |laid| laid.text.as_str());
        if before == words {
            return false;
        }
        let stamp = line(overlay, words, canvas, text);
        *place = stamp.map(|stamp| Laid::new(overlay, words, stamp, canvas));
        true
    }

    pub(super) fn mark(&mut self, mark: &Mark, canvas: &I420Picture) {
        self.laid[Overlay::Mark as usize] =
            Some(Laid::new(Overlay::Mark, "", mark.stamp(), canvas));
    }

    /// Below it something is drawn anew, so that it is, too. Gives the areas of those of which that was not known yet: all that lies
    /// below them has to be drawn, or what is half transparent would be laid on itself.
    pub(super) fn spoil(&mut self, is_drawn: impl Fn(Rect) -> bool) -> SmallVec<[Rect; 3]> {
        let laid = self.laid.iter_mut().flatten();
        laid.filter(|laid| !laid.stale && is_drawn(laid.rect))
            .map(|laid| {
                laid.stale = true;
                laid.rect
            })
            .collect()
    }

    pub(super) fn draw(&mut self, canvas: &mut I420Picture) {
        for laid in self.laid.iter_mut().flatten() {
            if std::mem::take(&mut laid.stale) {
                canvas::stamp(canvas, &laid.stamp, laid.rect.x, laid.rect.y);
            }
        }
    }
}

impl Laid {
    fn new(overlay: Overlay, words: &str, stamp: Stamp, canvas: &I420Picture) -> Self {
        let (width, height) = (stamp.width(), stamp.height());
        let margin = margin(canvas);
        let right = canvas.width().saturating_sub(width + margin) & !1;
        let bottom = canvas.height().saturating_sub(height + margin) & !1;
        let (x, y) = match overlay {
            Overlay::Banner => ((canvas.width().saturating_sub(width) / 2) & !1, margin),
            Overlay::Clock => (right, margin),
            Overlay::Mark => (right, bottom),
        };
        let rect = Rect {
            x,
            y,
            width,
            height,
        };
        Self {
            text: words.to_owned(),
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

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "lengths within a canvas"
)]
fn line(overlay: Overlay, words: &str, canvas: &I420Picture, text: &mut Text) -> Option<Stamp> {
    let size = (f32::from(canvas.height()) / 30.0).round().max(12.0);
    let pad = (size * 0.6).round();
    let (share, colour, shade) = match overlay {
        Overlay::Banner => (0.6, BANNER, SOLID),
        Overlay::Clock | Overlay::Mark => (0.3, GROUND, SHADE),
    };
    let space = f32::from(canvas.width()) * share - 2.0 * pad;
    let words = text.line(words, size, space, overlay == Overlay::Banner, WHITE)?;
    let height = (size * 1.75).round();
    let mut sketch = Sketch::new(words.width() + 2 * pad as usize, height as usize);
    let corner = (sketch.width() as f32, sketch.height() as f32);
    sketch.round_rect((0.0, 0.0), corner, size * 0.4, colour, shade);
    let top = (corner.1 - words.height() as f32) / 2.0;
    sketch.lay(&words, pad as i32, top.round() as i32);
    Some(sketch.stamp())
}
