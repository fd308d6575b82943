//! Draws every layout with made-up people, as PPM files: `layouts FOLDER [FONTS]`.

#![expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "numbers of people and of colours"
)]

use std::path::Path;

use plenum_codecs::CodecError;
use plenum_codecs::video::I420Picture;
use plenum_mixer::LegId;
use plenum_mixer::compose::{Composer, Fonts, Layouts, Person};

const NAMES: [&str; 25] = [
    "Ann Smith",
    "Łukasz Żak",
    "+49 30 ••• 12",
    "Ελένη Παππά",
    "محمد علي",
    "Jean-Baptiste de la Tour d’Auvergne",
    "Олена Шевченко",
    "李小龙",
    "Zoë 🎉",
    "Dan",
    "Eve Adams",
    "Frank",
    "Grace Hopper",
    "Heidi",
    "Ivan",
    "Judy",
    "Kim",
    "Lee",
    "Mallory",
    "Niaj",
    "Olivia",
    "Peggy",
    "Quentin",
    "Rupert",
    "Sybil",
];

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let folder = arguments
        .next()
        .ok_or("a folder for the pictures is needed")?;
    let fonts = arguments
        .next()
        .unwrap_or_else(|| "/usr/share/fonts".to_owned());
    let fonts = Fonts::none().found_in(Path::new(&fonts));
    let layouts = Layouts::built_in();
    for name in layouts.names() {
        let Some(layout) = layouts.get(name) else {
            continue;
        };
        for count in [1, 2, 3, 4, 5, 7, 9, 16, 25] {
            let mut composer = Composer::new(1_280, 720, layout.clone(), fonts.clone())?;
            composer.set_people((0..count).map(person).collect());
            for at in (0..count).filter(|at| at % 4 != 2) {
                composer.set_picture(leg(at), portrait(at)?.view());
            }
            composer.set_talking(leg(1), true);
            composer.set_floor(leg(1));
            composer.compose();
            std::fs::write(
                Path::new(&folder).join(format!("{name}-{count:02}.ppm")),
                ppm(composer.canvas()),
            )?;
        }
    }
    Ok(())
}

fn leg(at: usize) -> LegId {
    LegId(at as u64 + 1)
}

fn person(at: usize) -> Person {
    Person {
        leg: leg(at),
        name: NAMES.get(at).copied().unwrap_or("Somebody").to_owned(),
        phone: at == 2,
        muted: at.is_multiple_of(3),
        camera: at % 4 != 2,
    }
}

/// A head and shoulders before a wall; every fifth of four to three, every seventh upright.
fn portrait(at: usize) -> Result<I420Picture, CodecError> {
    let (width, height) = match at {
        _ if at % 7 == 6 => (360, 640),
        _ if at % 5 == 4 => (640, 480),
        _ => (1_280, 720),
    };
    let mut picture = I420Picture::black(width, height)?;
    let at = at as u8;
    for plane in 0..3 {
        let stride = picture.stride(plane);
        let rows = picture.rows(plane);
        for (pixel, sample) in picture.planes_mut()[plane].iter_mut().enumerate() {
            let (x, y) = (
                (pixel % stride) as f32 / rows as f32,
                (pixel / stride) as f32 / rows as f32,
            );
            let x = x - stride as f32 / rows as f32 / 2.0;
            let head = (x / 0.19).hypot((y - 0.42) / 0.25) < 1.0;
            let body = (x / 0.42).hypot((y - 1.05) / 0.4) < 1.0;
            let wall = 120.0 + 60.0 * (y - 0.5) + 20.0 * (x * 9.0 + f32::from(at)).sin();
            *sample = match (plane, head, body) {
                (0, true, _) => 175,
                (0, _, true) => 70 + at * 3,
                (0, ..) => wall as u8,
                (1, true, _) => 108,
                (2, true, _) => 150,
                (1, _, true) => 100 + at * 5 % 60,
                (_, _, true) => 110 + at * 11 % 50,
                (1, ..) => 118 + at * 7 % 24,
                _ => 118 + at * 5 % 20,
            };
        }
    }
    Ok(picture)
}

/// BT.601, limited range.
fn ppm(picture: &I420Picture) -> Vec<u8> {
    let (width, height) = (usize::from(picture.width()), usize::from(picture.height()));
    let mut file = format!("P6 {width} {height} 255\n").into_bytes();
    let [y, u, v] = picture.planes();
    for (at, luma) in y.iter().enumerate() {
        let chroma = at / width / 2 * picture.stride(1) + at % width / 2;
        let luma = 1.164 * (f32::from(*luma) - 16.0);
        let (u, v) = (f32::from(u[chroma]) - 128.0, f32::from(v[chroma]) - 128.0);
        file.extend(
            [
                luma + 1.596 * v,
                luma - 0.392 * u - 0.813 * v,
                luma + 2.017 * u,
            ]
            .map(|value| value as u8),
        );
    }
    file
}
