//! One tile: somebody's picture or avatar, and the label and frame on it.

use plenum_codecs::video::{I420Picture, I420View};

use super::Person;
use super::canvas::{self, Colour, Stamp};
use super::layout::{Place, Rect, Role};
use super::scale::{Part, Scaler};
use super::sketch::{Sketch, muted_icon, phone_icon};
use super::text::Text;
use crate::LegId;

/// Behind and between the tiles.
pub(super) const GROUND: Colour = Colour::hex(0x000e_1016);
/// Around a picture that does not fill its tile, and behind avatars.
const TILE: Colour = Colour::hex(0x001d_212d);
const LABEL: Colour = Colour::hex(0x000e_1016);
const WHITE: Colour = Colour::hex(0x00ff_ffff);
const MUTED: Colour = Colour::hex(0x00ff_7b8e);
const SPEAKING: Colour = Colour::hex(0x0034_d172);
/// Avatars; white letters on each have a contrast of 4.5 at least.
const HUES: [Colour; 8] = [
    Colour::hex(0x004f_46e5),
    Colour::hex(0x000b_7585),
    Colour::hex(0x00b4_4509),
    Colour::hex(0x009d_174d),
    Colour::hex(0x0015_803d),
    Colour::hex(0x006d_28d9),
    Colour::hex(0x001d_63c4),
    Colour::hex(0x007f_5a0a),
];
/// Darkness behind a label, of 255.
const SHADE: u8 = 168;
/// A picture that would lose more than this of its area to fill its tile is shown whole instead, in per cent.
const MOST_CROPPED: u32 = 36;
/// Of a side, in per cent, that is cut off more so that a picture need not be scaled, or only be halved.
const MOST_CUT: u32 = 3;

/// What of a tile is to be drawn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Due {
    Nothing,
    /// What stands over its picture, which is on the canvas already.
    Signs,
    Everything,
}

/// What stands over somebody's picture, drawn once.
#[derive(Debug)]
pub(super) struct Dress {
    label: Option<Stamp>,
    avatar: Option<Stamp>,
}

impl Dress {
    /// Draws the label, and the avatar, for a tile of that size.
    pub(super) fn new(person: &Person, place: Place, text: &mut Text) -> Self {
        Self {
            label: (!person.leg.is_screen())
                .then(|| label(person, place.rect, text))
                .flatten(),
            avatar: avatar(person, place.rect, text),
        }
    }
}

const fn even(pixels: u16) -> u16 {
    pixels & !1
}

/// Text on a tile of that height, in pixels.
fn text_size(rect: Rect) -> f32 {
    (f32::from(rect.height) / 18.0).round().clamp(12.0, 26.0)
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "lengths within a tile"
)]
fn label(person: &Person, rect: Rect, text: &mut Text) -> Option<Stamp> {
    let size = text_size(rect);
    let (pad, icon) = ((size * 0.55).round(), (size * 1.05).round());
    let icons = [person.muted, person.phone];
    let icons_width = icons.iter().filter(|shown| **shown).count() as f32 * (icon + pad * 0.5);
    let space = f32::from(rect.width) - 4.0 * pad - icons_width;
    let name = text.line(&person.name, size, space, false, WHITE);
    let name_width = name.as_ref().map_or(0.0, |name| name.width() as f32);
    if name.is_none() && icons_width == 0.0 {
        return None;
    }
    let height = (size * 1.75).round();
    let width = 2.0 * pad + icons_width + name_width - if name.is_none() { pad * 0.5 } else { 0.0 };
    let mut sketch = Sketch::new(width as usize, height as usize);
    let corner = (sketch.width() as f32, sketch.height() as f32);
    sketch.round_rect((0.0, 0.0), corner, size * 0.5, LABEL, SHADE);
    let mut x = pad;
    let top = (corner.1 - icon) / 2.0;
    for (shown, drawn) in icons
        .into_iter()
        .zip([muted_icon(icon, MUTED, LABEL), phone_icon(icon, WHITE)])
    {
        if shown {
            sketch.lay(&drawn, x as i32, top as i32);
            x += icon + pad * 0.5;
        }
    }
    if let Some(name) = name {
        let top = (corner.1 - name.height() as f32) / 2.0;
        sketch.lay(&name, x as i32, top.round() as i32);
    }
    Some(sketch.stamp())
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    clippy::cast_precision_loss,
    reason = "lengths within a tile"
)]
fn avatar(person: &Person, rect: Rect, text: &mut Text) -> Option<Stamp> {
    let side = (f32::from(rect.height.min(rect.width)) * 0.46).round();
    let mut sketch = Sketch::new(side as usize, side as usize);
    let middle = (side / 2.0, side / 2.0);
    sketch.disc(middle, side / 2.0 - 0.5, HUES[hue(&person.name)]);
    if person.phone {
        let size = (side * 0.5).round();
        let corner = ((side - size) / 2.0).round() as i32;
        sketch.lay(&phone_icon(size, WHITE), corner, corner);
    } else if let Some(letters) = text.line(
        &initials(&person.name),
        (side * 0.4).round(),
        side,
        true,
        WHITE,
    ) {
        let left = (side - letters.width() as f32) / 2.0;
        let top = (side - letters.height() as f32) / 2.0;
        sketch.lay(&letters, left.round() as i32, top.round() as i32);
    }
    Some(sketch.stamp())
}

/// A colour that stays with the name; the page has the same.
fn hue(name: &str) -> usize {
    let sum = name.chars().fold(7u64, |sum, letter| {
        (sum * 31 + u64::from(u32::from(letter))) % 1_000_003
    });
    usize::try_from(sum).unwrap_or(0) % HUES.len()
}

/// One or two letters that stand for a name.
fn initials(name: &str) -> String {
    let mut words = name
        .split(|letter: char| !letter.is_alphanumeric())
        .filter_map(|word| word.chars().next());
    let first = words.next();
    first
        .into_iter()
        .chain(words.next_back())
        .flat_map(char::to_uppercase)
        .collect()
}

/// Whether nothing of a picture is cropped there: what is presented is to be read.
pub(super) fn is_whole(place: Place, leg: LegId) -> bool {
    place.role == Role::Presentation || leg.is_screen()
}

/// Scales a picture to what is shown of it in a tile, and draws it on the canvas if it fills the tile. Says whether it has.
pub(super) fn fill(
    (shown, canvas): (&mut Option<I420Picture>, &mut I420Picture),
    picture: I420View<'_>,
    (place, whole): (Place, bool),
    scaler: &mut Scaler,
) -> bool {
    let (from, into) = fit(picture.width(), picture.height(), place.rect, whole);
    let same = |shown: &I420Picture| (shown.width(), shown.height()) == (into.width, into.height);
    if !shown.as_ref().is_some_and(same) {
        // A tile always has a size that a picture can have.
        *shown = I420Picture::black(into.width, into.height).ok();
    }
    let Some(shown) = shown else {
        return false;
    };
    let shown = Part {
        picture: shown,
        rect: Rect { x: 0, y: 0, ..into },
    };
    let fills = into == place.rect;
    let drawn = fills.then_some(Part {
        picture: canvas,
        rect: into,
    });
    scaler.scale_twice(picture, from, shown, drawn);
    fills
}

/// Draws a tile anew, or what stands over a picture that [`fill`] has drawn. What is shown of a picture fits the tile, unless that has
/// changed its size since.
pub(super) fn draw(
    canvas: &mut I420Picture,
    (place, whole, due): (Place, bool, Due),
    (picture, dress, speaking): (Option<&I420Picture>, &Dress, bool),
    scaler: &mut Scaler,
) {
    let rect = place.rect;
    match picture {
        Some(_) if due == Due::Signs => {}
        Some(picture) => {
            let (from, into) = fit(picture.width(), picture.height(), rect, whole);
            if into != rect {
                canvas::fill(canvas, rect, TILE);
            }
            scaler.scale(picture.view(), from, canvas, into);
        }
        None => {
            canvas::fill(canvas, rect, TILE);
            if let Some(avatar) = &dress.avatar {
                let x = rect.x + even(rect.width.saturating_sub(avatar.width()) / 2);
                let y = rect.y + even(rect.height.saturating_sub(avatar.height()) / 2);
                canvas::stamp(canvas, avatar, x, y);
            }
        }
    }
    let thickness = even(rect.height / 120).clamp(4, 6);
    if let Some(label) = &dress.label {
        let margin = thickness + even(rect.height / 40);
        let y = (rect.y + rect.height).saturating_sub(label.height() + margin);
        canvas::stamp(canvas, label, rect.x + margin, even(y));
    }
    if speaking {
        canvas::frame(canvas, rect, thickness, SPEAKING);
    } else if place.role == Role::Inset {
        canvas::frame(canvas, rect, 2, GROUND);
    }
}

/// Nobody sits here.
pub(super) fn clear(canvas: &mut I420Picture, place: Place) {
    canvas::fill(canvas, place.rect, GROUND);
}

/// The part of a picture that is shown, and the part of the tile that shows it.
///
/// A picture fills its tile and loses what does not fit of its edges, unless that were too much (a phone held upright) or nothing
/// may be lost (what is presented): then it is shown whole, with bars beside it.
fn fit(width: u16, height: u16, tile: Rect, whole: bool) -> (Rect, Rect) {
    let all = Rect {
        x: 0,
        y: 0,
        width,
        height,
    };
    let (width, height) = (u32::from(width), u32::from(height));
    let (wide, high) = (u32::from(tile.width).max(1), u32::from(tile.height).max(1));
    let pixels = |value: u32| u16::try_from(value & !1).unwrap_or(u16::MAX);
    // Both shapes as areas that can be compared.
    let (own, wanted) = (width * high, wide * height);
    let (more, less) = (own.max(wanted).max(1), own.min(wanted));
    if whole || (more - less) * 100 / more > MOST_CROPPED {
        let (w, h) = if own > wanted {
            (wide, wide * height / width.max(1))
        } else {
            (high * width / height.max(1), high)
        };
        // A pixel of rounding is no bar.
        let close = |side: u32, tile: u32| {
            if tile - side.min(tile) <= 4 {
                tile
            } else {
                side.max(2)
            }
        };
        let (w, h) = (pixels(close(w, wide)), pixels(close(h, high)));
        let into = Rect {
            x: tile.x + even((tile.width - w) / 2),
            y: tile.y + even((tile.height - h) / 2),
            width: w,
            height: h,
        };
        return (all, into);
    }
    let (w, h) = if own > wanted {
        (height * wide / high, height)
    } else {
        (width, width * high / wide)
    };
    // A gap between tiles makes them a little smaller than the sizes that cameras have: cut by that, a picture stays sharp, and is drawn
    // for a fraction of the cost.
    let cut = |side: u32, wanted: u32| wanted <= side && (side - wanted) * 100 <= side * MOST_CUT;
    let mut halved = (0..=3).map(|times| (wide << times, high << times));
    let (w, h) = halved
        .find(|(wide, high)| cut(w, *wide) && cut(h, *high))
        .unwrap_or((w, h));
    let from = Rect {
        x: pixels((width - w.min(width)) / 2),
        y: pixels((height - h.min(height)) / 2),
        width: u16::try_from(w.clamp(1, width)).unwrap_or(all.width),
        height: u16::try_from(h.clamp(1, height)).unwrap_or(all.height),
    };
    (from, tile)
}

#[cfg(test)]
mod tests {
    use super::*;

    const TILE_RECT: Rect = Rect {
        x: 100,
        y: 40,
        width: 320,
        height: 180,
    };

    fn fitted(width: u16, height: u16, whole: bool) -> (Rect, Rect) {
        fit(width, height, TILE_RECT, whole)
    }

    #[test]
    fn a_picture_of_the_tiles_shape_fills_it() {
        for (width, height) in [(1_280, 720), (640, 360), (320, 180)] {
            let (from, into) = fitted(width, height, false);
            assert_eq!((from.width, from.height, into), (width, height, TILE_RECT));
        }
    }

    #[test]
    fn a_picture_of_four_to_three_loses_its_top_and_bottom() {
        let (from, into) = fitted(640, 480, false);
        assert_eq!((from.x, from.y, from.width, from.height), (0, 60, 640, 360));
        assert_eq!(into, TILE_RECT);
    }

    #[test]
    fn a_picture_a_little_larger_than_its_tile_or_twice_that_is_cut_and_not_scaled() {
        for (width, height, x, y, part) in [
            (324, 184, 2, 2, (320, 180)),
            (326, 244, 2, 32, (320, 180)),
            (648, 364, 4, 2, (640, 360)),
        ] {
            let (from, into) = fitted(width, height, false);
            assert_eq!((from.x, from.y), (x, y), "{width}x{height}");
            assert_eq!(((from.width, from.height), into), (part, TILE_RECT));
        }
        // More than that is scaled, and so is what is smaller.
        for (width, height) in [(340, 192), (318, 178)] {
            let (from, _) = fitted(width, height, false);
            assert!(
                from.width >= width - 2 && from.height >= height - 2,
                "{from:?}"
            );
        }
    }

    #[test]
    fn a_picture_held_upright_is_shown_whole_between_bars() {
        let (from, into) = fitted(720, 1_280, false);
        assert_eq!((from.width, from.height), (720, 1_280));
        assert_eq!((into.height, into.width), (180, 100));
        assert_eq!(into.x, 100 + 110);
    }

    #[test]
    fn what_is_presented_is_never_cropped() {
        let (from, into) = fitted(640, 480, true);
        assert_eq!((from.width, from.height), (640, 480));
        assert_eq!((into.width, into.height), (240, 180));
    }

    #[test]
    fn initials_are_first_and_last() {
        for (name, letters) in [
            ("Ann", "A"),
            ("ann b. smith", "AS"),
            ("Łukasz Żak", "ŁŻ"),
            ("李小龙", "李"),
            ("…", ""),
        ] {
            assert_eq!(initials(name), letters, "{name}");
        }
    }
}
