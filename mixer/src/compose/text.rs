//! Text to drawings, in any script that a font is there for: the only place that names the text library.
//!
//! Whatever no font has a sign for is drawn as the font's own sign for that, a box.

use cosmic_text::{
    Attrs, Buffer, Ellipsize, EllipsizeHeightLimit, Family, FontSystem, Metrics, Shaping,
    SwashCache, SwashContent, Weight, Wrap, fontdb,
};

use super::canvas::Colour;
use super::sketch::Sketch;

/// Families for labels, the first that is there; else any font.
const PREFERRED: [&str; 5] = [
    "Inter",
    "Noto Sans",
    "DejaVu Sans",
    "Liberation Sans",
    "FreeSans",
];

/// Fonts that were found. Clones share them.
#[derive(Debug, Clone, Default)]
pub struct Fonts(fontdb::Database);

impl Fonts {
    /// No font: names are not shown.
    #[must_use]
    pub fn none() -> Self {
        Self::default()
    }

    /// Looks for fonts in a folder and below. Their files are read when a sign of theirs is needed.
    #[must_use]
    pub fn found_in(mut self, folder: &std::path::Path) -> Self {
        self.0.load_fonts_dir(folder);
        self
    }

    /// How many faces there are.
    #[must_use]
    pub fn count(&self) -> usize {
        self.0.len()
    }
}

/// Draws text; keeps signs that were drawn.
pub(super) struct Text {
    system: FontSystem,
    signs: SwashCache,
    any: bool,
}

impl std::fmt::Debug for Text {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Text")
            .field("any", &self.any)
            .finish_non_exhaustive()
    }
}

impl Text {
    pub(super) fn new(fonts: Fonts) -> Self {
        let mut fonts = fonts.0;
        let known = |family: &&str| {
            fonts
                .faces()
                .any(|face| face.families.iter().any(|(name, _)| name == family))
        };
        let first = fonts
            .faces()
            .find_map(|face| face.families.first())
            .map(|(name, _)| name.clone());
        let chosen = PREFERRED
            .iter()
            .find(|family| known(family))
            .map(|family| (*family).to_owned());
        if let Some(family) = chosen.or(first) {
            fonts.set_sans_serif_family(family);
        }
        Self {
            any: !fonts.is_empty(),
            system: FontSystem::new_with_locale_and_db("en-US".to_owned(), fonts),
            signs: SwashCache::new(),
        }
    }

    /// A line of text, `size` pixels high from line to line, at most `width` pixels wide and cut off with an ellipsis there. `None`
    /// when there is nothing to be seen.
    pub(super) fn line(
        &mut self,
        text: &str,
        size: f32,
        width: f32,
        bold: bool,
        colour: Colour,
    ) -> Option<Sketch> {
        if !self.any || text.trim().is_empty() || width < size {
            return None;
        }
        let height = (size * 1.3).ceil();
        let mut buffer = Buffer::new(&mut self.system, Metrics::new(size, height));
        buffer.set_wrap(Wrap::None);
        buffer.set_ellipsize(Ellipsize::End(EllipsizeHeightLimit::Lines(1)));
        buffer.set_size(Some(width), Some(height));
        let weight = if bold { Weight::BOLD } else { Weight::NORMAL };
        let attrs = Attrs::new().family(Family::SansSerif).weight(weight);
        buffer.set_text(text, &attrs, Shaping::Advanced, None);
        buffer.shape_until_scroll(&mut self.system, false);
        let run = buffer.layout_runs().next()?;
        // A line from right to left stands at the right end of its space.
        let left = run
            .glyphs
            .iter()
            .map(|glyph| glyph.x)
            .fold(f32::INFINITY, f32::min);
        let right = run
            .glyphs
            .iter()
            .map(|glyph| glyph.x + glyph.w)
            .fold(0.0, f32::max);
        if !left.is_finite() {
            return None;
        }
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "at most `width` and a little"
        )]
        let side = |length: f32| length.clamp(2.0, 4_096.0).ceil() as usize;
        let mut sketch = Sketch::new(side(right - left + 1.0), side(height));
        for glyph in run.glyphs {
            let sign = glyph.physical((-left, run.line_y), 1.0);
            let Some(image) = self.signs.get_image(&mut self.system, sign.cache_key) else {
                continue;
            };
            let (x, y) = (sign.x + image.placement.left, sign.y - image.placement.top);
            let across = image.placement.width.max(1);
            let (step, coloured) = match image.content {
                SwashContent::Mask => (1, false),
                SwashContent::Color | SwashContent::SubpixelMask => (4, true),
            };
            for (at, sample) in (0u32..).zip(image.data.chunks_exact(step)) {
                let place = |n: u32| i32::try_from(n).unwrap_or(i32::MAX);
                let (x, y) = (x + place(at % across), y + place(at / across));
                match *sample {
                    [opacity] => sketch.over(x, y, colour, opacity),
                    [r, g, b, a] if coloured => sketch.over(x, y, Colour([r, g, b]), a),
                    _ => {}
                }
            }
        }
        Some(sketch)
    }
}
