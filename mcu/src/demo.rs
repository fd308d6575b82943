//! What the host of the demo conference says and shows: a clip, encoded once at start.
//!
//! Knows nothing of rooms; who plays the clip and when is the conference's business.

mod glyphs;

use crate::media::{Clip, ClipError, ClipPicture};

/// Number of the demo conference.
pub const NUMBER: &str = "1001";
/// Published PIN of its guests.
pub const GUEST_PIN: &str = "2001";
/// Published PIN of its hosts.
pub const HOST_PIN: &str = "9001";
/// Its name.
pub const NAME: &str = "Demo";
/// Its ULID, by which a later start without the demo knows it and forgets it.
pub(crate) const RECORD_ID: &str = "00000000000000000P1ENVMDEM";

/// Pictures per second of a clip.
const RATE: usize = 15;

/// A colour, BT.601 limited range.
#[derive(Clone, Copy)]
struct Colour {
    y: u8,
    u: u8,
    v: u8,
}

const WHITE: Colour = Colour {
    y: 225,
    u: 128,
    v: 128,
};
const DIM: Colour = Colour {
    y: 92,
    u: 146,
    v: 116,
};
const ORANGE: Colour = Colour {
    y: 170,
    u: 55,
    v: 175,
};

/// Encodes the demo host; takes a second or two of one core.
///
/// # Errors
/// When an encoder fails.
pub fn clip(speech: &[i16]) -> Result<Clip, ClipError> {
    Clip::build(speech, draw)
}

/// A dial whose hand turns once in twelve seconds, the name, and the seconds counted.
fn draw(number: usize, picture: &mut ClipPicture<'_>) {
    background(number, picture);
    let seconds = number as f32 / RATE as f32;
    let turn = seconds / 12.0;
    let (x, y) = (picture.width as f32 / 2.0, picture.height as f32 * 0.38);
    for hour in 0_u8..12 {
        let angle = f32::from(hour) / 12.0;
        let passed = (turn.fract() - angle).rem_euclid(1.0);
        // The dot that the hand has just passed glows and fades over half a turn.
        let colour = if passed < 0.04 {
            ORANGE
        } else if passed < 0.5 {
            WHITE
        } else {
            DIM
        };
        let (dx, dy) = direction(angle);
        disc(
            picture,
            x + 88.0 * dx,
            y + 88.0 * dy,
            if passed < 0.04 { 9.0 } else { 6.0 },
            colour,
        );
    }
    let (dx, dy) = direction(turn);
    for step in 0_u8..64 {
        let reach = f32::from(step);
        disc(picture, x + reach * dx, y + reach * dy, 3.5, ORANGE);
    }
    disc(picture, x, y, 9.0, WHITE);
    let middle = picture.width / 2;
    glyphs::write("PLENUM", 6, middle, picture.height * 3 / 4, |x, y| {
        dot(picture, x, y, WHITE)
    });
    let count = format!("{:02}", number / RATE);
    glyphs::write(&count, 3, middle, picture.height * 9 / 10, |x, y| {
        dot(picture, x, y, ORANGE)
    });
}

/// The unit vector of a part of a turn, clockwise from the top.
fn direction(turn: f32) -> (f32, f32) {
    let (sin, cos) = (turn * std::f32::consts::TAU).sin_cos();
    (sin, -cos)
}

/// A night-blue gradient with a slow light wandering over it.
fn background(number: usize, picture: &mut ClipPicture<'_>) {
    let (width, height) = (picture.width, picture.height);
    let light = (number * 4) % (width * 2);
    let light = if light < width {
        light
    } else {
        2 * width - light
    };
    for (row, line) in picture.y.chunks_exact_mut(width).enumerate() {
        let base = 28 + row * 34 / height;
        for (column, luma) in line.iter_mut().enumerate() {
            let glow = 24_usize.saturating_sub(column.abs_diff(light) / 10);
            *luma = u8::try_from(base + glow).unwrap_or(u8::MAX);
        }
    }
    picture.u.fill(158);
    picture.v.fill(112);
}

fn disc(picture: &mut ClipPicture<'_>, x: f32, y: f32, radius: f32, colour: Colour) {
    let span = |middle: f32, limit: usize| {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "inside the picture, as `clamp` says"
        )]
        let edge = |at: f32| at.clamp(0.0, limit as f32) as usize;
        edge(middle - radius)..edge(middle + radius + 1.0)
    };
    for row in span(y, picture.height) {
        for column in span(x, picture.width) {
            if (column as f32 - x).hypot(row as f32 - y) <= radius {
                dot(picture, column, row, colour);
            }
        }
    }
}

fn dot(picture: &mut ClipPicture<'_>, x: usize, y: usize, colour: Colour) {
    if x < picture.width && y < picture.height {
        picture.y[y * picture.width + x] = colour.y;
        let chroma = (y / 2) * (picture.width / 2) + x / 2;
        picture.u[chroma] = colour.u;
        picture.v[chroma] = colour.v;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn drawn(number: usize) -> Vec<u8> {
        let (mut y, mut u, mut v) = (vec![0; 640 * 360], vec![0; 320 * 180], vec![0; 320 * 180]);
        draw(
            number,
            &mut ClipPicture {
                width: 640,
                height: 360,
                y: &mut y,
                u: &mut u,
                v: &mut v,
            },
        );
        y
    }

    #[test]
    fn the_picture_moves_and_stays_recognisable() {
        let (first, later) = (drawn(0), drawn(45));
        let changed = first.iter().zip(&later).filter(|(a, b)| a != b).count();
        assert!(
            changed > 10_000,
            "only {changed} pixels changed in three seconds"
        );
        let name = 270 * 640..312 * 640;
        let bright = |picture: &[u8]| {
            picture[name.clone()]
                .iter()
                .filter(|luma| **luma == WHITE.y)
                .count()
        };
        assert!(
            bright(&first) > 1_500,
            "the name is {} pixels large",
            bright(&first)
        );
        assert_eq!(bright(&first), bright(&later));
    }
}
