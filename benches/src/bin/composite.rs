//! What composing costs beyond its codecs: nine cameras decoded, composed and encoded, against the bare codec calls on the same pictures;
//! and what a picture costs when only one tile of it has changed; full HD from the cameras' 360p. In CPU time of the thread. With an
//! argument only the lines whose names contain it.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::time::Duration;

use anyhow::Context;
use bytes::Bytes;
use plenum_benches::scene::{self, scene};
use plenum_benches::{Figure, thread_time};
use plenum_codecs::MediaTime;
use plenum_codecs::video::decoder::{H264Decoder, Vp8Decoder};
use plenum_codecs::video::encoder::{H264Encoder, VideoSetting, Vp8Encoder};
use plenum_codecs::video::{I420Picture, I420View};
use plenum_mixer::LegId;
use plenum_mixer::compose::{Composer, Fonts, Layouts, Person};

const CAMERAS: u8 = 9;
/// Pictures of each run, and those of them that only warm up.
const PICTURES: u64 = 215;
const WARMING: u64 = 15;
/// Pictures of which one tile has changed.
const ONE_TILE: u64 = 2_000;
/// A composite, and bits per second of it.
const CANVAS: Canvas = Canvas {
    size: (1_280, 720),
    bitrate: 2_000_000,
};
const FULL_HD: Canvas = Canvas {
    size: (1_920, 1_080),
    bitrate: 4_000_000,
};
/// What nine easy 720p25 streams may cost of a core; FreeSWITCH takes 62 % with one encode for all.
const EASY_PERCENT: f64 = 45.0;
/// What their codec calls alone cost on the machine of which that is said. Others are slower, and not always as much.
const EASY_ALONE: f64 = 46.0 * 25.0 / 30.0;

#[derive(Debug, Clone, Copy)]
struct Canvas {
    size: (u16, u16),
    bitrate: u32,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Codec {
    Vp8,
    H264,
}

enum Encoder {
    Vp8(Box<Vp8Encoder>),
    H264(Box<H264Encoder>),
}

impl Encoder {
    fn new(codec: Codec, setting: VideoSetting) -> anyhow::Result<Self> {
        Ok(match codec {
            Codec::Vp8 => Self::Vp8(Box::new(Vp8Encoder::new(setting)?)),
            Codec::H264 => Self::H264(Box::new(H264Encoder::new(setting)?)),
        })
    }

    fn encode(&mut self, picture: &I420Picture, at: MediaTime) -> anyhow::Result<Option<Bytes>> {
        let frame = match self {
            Self::Vp8(encoder) => encoder.encode(picture, at)?,
            Self::H264(encoder) => encoder.encode(picture, at)?,
        };
        Ok(frame.map(|frame| frame.data))
    }
}

enum Decoder {
    Vp8(Vp8Decoder),
    H264(H264Decoder),
}

impl Decoder {
    fn new(codec: Codec) -> anyhow::Result<Self> {
        Ok(match codec {
            Codec::Vp8 => Self::Vp8(Vp8Decoder::new()?),
            Codec::H264 => Self::H264(H264Decoder::new()?),
        })
    }

    fn decode(&mut self, frame: &[u8]) -> anyhow::Result<Option<I420View<'_>>> {
        Ok(match self {
            Self::Vp8(decoder) => decoder.decode(frame)?.picture,
            Self::H264(decoder) => decoder.decode(frame)?.picture,
        })
    }
}

/// The cameras' encoded pictures, one after the other.
fn cameras(
    codec: Codec,
    (width, height): (u16, u16),
    frame_rate: u8,
) -> anyhow::Result<Vec<Vec<Bytes>>> {
    let setting = VideoSetting {
        width,
        height,
        bitrate: u32::from(width) * u32::from(height) * 3 / 2,
        frame_rate,
    };
    let noise = scene::texture();
    let mut picture = I420Picture::black(width, height)?;
    (0..CAMERAS)
        .map(|person| {
            let mut encoder = Encoder::new(codec, setting)?;
            let mut frames = Vec::new();
            let mut number = 0;
            while frames.len() < usize::try_from(PICTURES)? {
                scene(person, number, &mut picture, &noise);
                frames.extend(encoder.encode(&picture, time(number, frame_rate))?);
                number += 1;
            }
            Ok(frames)
        })
        .collect()
}

fn time(number: u64, frame_rate: u8) -> MediaTime {
    MediaTime::from_micros(number * 1_000_000 / u64::from(frame_rate))
}

fn composer((width, height): (u16, u16)) -> anyhow::Result<Composer> {
    let layouts = Layouts::built_in();
    let layout = layouts.get("grid").context("a grid")?.clone();
    let fonts = Fonts::none().found_in("/usr/share/fonts".as_ref());
    let mut composer = Composer::new(width, height, layout, fonts)?;
    let person = |leg: u8| Person {
        leg: LegId(leg.into()),
        name: format!("Participant {leg}"),
        phone: false,
        muted: leg.is_multiple_of(2),
        camera: true,
    };
    composer.set_people((0..CAMERAS).map(person).collect());
    composer.set_talking(LegId(3), true);
    Ok(composer)
}

/// Mean time of one of so many in ms.
fn mean(total: Duration, count: u64) -> f64 {
    let count = u32::try_from(count).unwrap_or(u32::MAX);
    total.as_secs_f64() * 1_000.0 / f64::from(count.max(1))
}

struct Costs {
    /// Decoders and encoder alone.
    bare: f64,
    /// Everything.
    whole: f64,
    /// What is neither.
    compose: f64,
}

/// The same pictures decoded and encoded twice, in turns: with what is between, and without.
fn measure(
    canvas: Canvas,
    codec: Codec,
    size: (u16, u16),
    frame_rate: u8,
) -> anyhow::Result<Costs> {
    let cameras = cameras(codec, size, frame_rate)?;
    let setting = VideoSetting {
        width: canvas.size.0,
        height: canvas.size.1,
        bitrate: canvas.bitrate,
        frame_rate,
    };
    let decoders = || {
        (0..CAMERAS)
            .map(|_| Decoder::new(codec))
            .collect::<anyhow::Result<Vec<_>>>()
    };
    let mut composer = composer(canvas.size)?;
    let (mut decode, mut decode_bare) = (decoders()?, decoders()?);
    let mut encoder = Encoder::new(codec, setting)?;
    let mut encoder_bare = Encoder::new(codec, setting)?;
    let mut sums = [Duration::ZERO; 3];
    for number in 0..PICTURES {
        let at = usize::try_from(number)?;
        let frames = cameras
            .iter()
            .map(|frames| frames.get(at).context("a picture"))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let begun = thread_time();
        let mut spent = Duration::ZERO;
        for ((leg, decoder), frame) in (0u64..).zip(&mut decode).zip(&frames) {
            if let Some(picture) = decoder.decode(frame)? {
                let before = thread_time();
                composer.set_picture(LegId(leg), picture);
                spent += thread_time() - before;
            }
        }
        let before = thread_time();
        composer.compose();
        spent += thread_time() - before;
        encoder.encode(composer.canvas(), time(number, frame_rate))?;
        let composed = thread_time();
        for (decoder, frame) in decode_bare.iter_mut().zip(&frames) {
            std::hint::black_box(decoder.decode(frame)?);
        }
        encoder_bare.encode(composer.canvas(), time(number, frame_rate))?;
        let done = thread_time();
        if number >= WARMING {
            for (sum, time) in sums
                .iter_mut()
                .zip([composed - begun, done - composed, spent])
            {
                *sum += time;
            }
        }
    }
    let [whole, bare, compose] = sums.map(|sum| mean(sum, PICTURES - WARMING));
    Ok(Costs {
        bare,
        whole,
        compose,
    })
}

/// Composing when the picture of one of nine has changed, in ms.
fn one_tile() -> anyhow::Result<f64> {
    let mut composer = composer(CANVAS.size)?;
    let picture = I420Picture::black(640, 360)?;
    for leg in 0..CAMERAS {
        composer.set_picture(LegId(leg.into()), picture.view());
    }
    composer.compose();
    let begun = thread_time();
    for _ in 0..ONE_TILE {
        composer.set_picture(LegId(4), picture.view());
        composer.compose();
    }
    Ok(mean(thread_time() - begun, ONE_TILE))
}

/// What nine easy streams take of a core.
fn easy_streams() -> anyhow::Result<()> {
    let easy = measure(CANVAS, Codec::H264, (1_280, 720), 25)?;
    let percent = |spent: f64| spent * 25.0 / 10.0;
    for (name, value) in [
        ("composite_9x720p25_core", percent(easy.whole)),
        ("composite_9x720p25_codecs_alone", percent(easy.bare)),
        // As much more than them there as here.
        (
            "composite_9x720p25_core_on_design_machine",
            EASY_ALONE * easy.whole / easy.bare,
        ),
    ] {
        let figure = Figure {
            name,
            value,
            unit: "%",
            floor: EASY_PERCENT,
        };
        println!("{figure}");
    }
    Ok(())
}

fn main() -> anyhow::Result<()> {
    let cases = [
        ("composite_9x720p_h264", CANVAS, Codec::H264, (1_280, 720)),
        ("composite_9x720p_vp8", CANVAS, Codec::Vp8, (1_280, 720)),
        ("composite_1080p30_h264", FULL_HD, Codec::H264, (640, 360)),
        ("composite_1080p30_vp8", FULL_HD, Codec::Vp8, (640, 360)),
        ("composite_9x360p_h264", CANVAS, Codec::H264, (640, 360)),
        ("composite_9x360p_vp8", CANVAS, Codec::Vp8, (640, 360)),
    ];
    let mut nine = 0.0;
    let only = std::env::args().nth(1).unwrap_or_default();
    let wanted = |name: &str| name.contains(&only);
    for (name, canvas, codec, size) in cases {
        if !wanted(name) {
            continue;
        }
        let Costs {
            bare,
            whole,
            compose,
        } = measure(canvas, codec, size, 30)?;
        let figure = Figure {
            name,
            value: whole,
            unit: "ms",
            floor: bare,
        };
        println!("{figure:.2}");
        nine = compose;
        eprintln!("{name}: of it {compose:.2} ms between the codecs");
    }
    if wanted("composite_9x720p25") {
        easy_streams()?;
    }
    if !wanted("composite_one_tile_of_nine") {
        return Ok(());
    }
    let figure = Figure {
        name: "composite_one_tile_of_nine",
        value: one_tile()?,
        unit: "ms",
        floor: nine / f64::from(CAMERAS),
    };
    println!("{figure:.3}");
    Ok(())
}
