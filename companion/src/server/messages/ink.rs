//! What is drawn: strokes of numbers, never markup.

use serde::{Deserialize, Serialize};

use crate::server::protocol::{Code, Refusal};

/// Longest side, in units of its own.
const SIDE: u32 = 4096;
/// Strokes of one drawing.
const STROKES: usize = 2000;
/// Widest stroke, in the same units.
const SIZE: f32 = 200.0;

/// A drawing.
#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Ink {
    width: u32,
    height: u32,
    strokes: Vec<Stroke>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(deny_unknown_fields)]
struct Stroke {
    /// `#rrggbb`
    color: String,
    size: f32,
    /// x, y, x, y, …
    points: Vec<f32>,
}

impl Stroke {
    fn is_good(&self) -> bool {
        let color = self.color.strip_prefix('#');
        color.is_some_and(|hex| hex.len() == 6 && hex.bytes().all(|b| b.is_ascii_hexdigit()))
            && self.size > 0.0
            && self.size <= SIZE
            && !self.points.is_empty()
            && self.points.len().is_multiple_of(2)
            && self.points.iter().all(|point| point.is_finite())
    }
}

impl Ink {
    /// As JSON of at most `limit` bytes.
    ///
    /// # Errors
    /// When it is none that can be shown.
    pub(super) fn check(&self, limit: usize) -> Result<String, Refusal> {
        let sides = [self.width, self.height];
        if sides.iter().any(|side| !(1..=SIDE).contains(side)) {
            return Err(Refusal::bad("A drawing's sides are 1 to 4096."));
        }
        if self.strokes.is_empty() || self.strokes.len() > STROKES {
            return Err(Refusal::bad("A drawing has 1 to 2000 strokes."));
        }
        if !self.strokes.iter().all(Stroke::is_good) {
            return Err(Refusal::bad(
                "A stroke has a color #rrggbb, a size of at most 200 and pairs of points.",
            ));
        }
        let text = serde_json::to_string(self).map_err(|error| Refusal::bad(error.to_string()))?;
        if text.len() > limit {
            return Err(Refusal::new(Code::TooLarge, "The drawing is too large."));
        }
        Ok(text)
    }
}
