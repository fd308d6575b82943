//! What viewers get: how late a picture is, how soon another speaker is seen, how soon there is a picture after an outage, and how sharp a
//! tile of the composite is. Against the aims, with bots on another WebRTC stack; delays are from the painting of a camera's picture
//! to its being decoded, the bots' own codecs included. The bots ask for no retransmissions, so losses are not judged here.

#![expect(clippy::print_stdout, reason = "the figures are the output")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, ensure};
use plenum_benches::Figure;
use plenum_benches::clip::Clip;
use plenum_benches::scene::{self, scene};
use plenum_codecs::MediaTime;
use plenum_codecs::video::I420Picture;
use plenum_codecs::video::decoder::H264Decoder;
use plenum_codecs::video::encoder::{H264Encoder, VideoSetting};
use plenum_mixer::LegId;
use plenum_mixer::compose::{Composer, Fonts, Layouts, Person};
use plenum_tests::attendee::{Attendee, Glimpse, Ticket, Voice, until};
use plenum_tests::relay::Relay;
use plenum_tests::server::{Conference, Server};
use plenum_tests::workspace;
use serde_json::json;
use tokio::time::sleep;

/// Tiles in the shape of marks: 640x256 of 1280x720, so that a block has 80 pixels.
const CONFIG: &str = r#"
[conference]
layout = "marks"

[[video.layouts]]
name = "marks"
grid = "40x45"
tiles = ["0,0,20,16", "20,0,20,16", "0,16,20,16", "20,16,20,16"]
"#;
const BLOCK: usize = 80;
const SOON: Duration = Duration::from_secs(10);
/// How long delays are measured, and how often the speaker changes.
const LOOKS: Duration = Duration::from_secs(20);
const CHANGES: usize = 10;
/// How long nothing passes, either way.
const OUTAGE: Duration = Duration::from_secs(10);
/// Pictures of a tile that are compared, and those before that only warm up.
const PICTURES: u64 = 300;
const WARMING: u64 = 60;
const TILE: (u16, u16) = (640, 360);
/// Of the whole picture of four tiles, bit/s, …
const BITRATE: u32 = 1_500_000;
/// … and how like its source a tile is to be, in dB.
const SHARP: f64 = 34.0;
/// Real cameras' clips (Y4M), with a colon between their paths.
const CLIPS: &str = "VIDEO_CLIPS";

/// A server with one conference behind a relay, and who is in it.
struct Hall {
    server: Server,
    relay: Relay,
    conference: Conference,
}

impl Hall {
    fn open(name: &str) -> Result<Self> {
        let announced = Relay::ADDRESS.to_string();
        let environment = [
            ("PLENUM_SERVER__ANNOUNCED", announced.as_str()),
            ("PLENUM_MEDIA__WORKERS", "1"),
        ];
        let folder = workspace::scratch(name)?;
        let server = Server::launch(&folder, 4, CONFIG, &environment)?;
        let relay = Relay::start([server.media.port()], [], 7)?;
        let conference = server.conference(name)?;
        Ok(Self {
            server,
            relay,
            conference,
        })
    }

    async fn enter(&self, name: &str, tone: u32, person: u8, camera: bool) -> Result<Attendee> {
        let ticket = Ticket {
            http: self.server.http,
            conference: self.conference.id.clone(),
            pin: Some(self.conference.guest_pin.clone()),
        };
        let voice = Voice {
            tone: Some(tone),
            person: Some(person),
            camera,
            patient: false,
        };
        Attendee::join(&ticket, name, voice).await
    }

    fn patch(&self, path: &str, body: &serde_json::Value) -> Result<()> {
        let path = format!("/conferences/{}{path}", self.conference.id);
        let (status, _) = self.server.rest("PATCH", &path, body)?;
        ensure!(status == 204, "{path}: {status}");
        Ok(())
    }

    /// `viewer` sees the composite from now on.
    async fn shows_composite(&self, viewer: &Attendee) -> Result<()> {
        let path = format!("/participants/{}", viewer.id());
        self.patch(&path, &json!({ "view": "composite" }))?;
        until("the composite", SOON, || {
            let view = viewer.view();
            let mid = view.slot_mids.first().context("no slot")?;
            viewer.peer.senses.composite(mid).context("no composite")
        })
        .await?;
        Ok(())
    }
}

/// A value of sorted ones below which so many of a hundred lie.
fn percentile(mut of: Vec<Duration>, percent: usize) -> Result<f64> {
    of.sort_unstable();
    let at = (of.len() * percent / 100).min(of.len().saturating_sub(1));
    let value = of.get(at).context("nothing was seen")?;
    Ok(value.as_secs_f64() * 1_000.0)
}

fn print(name: &str, value: f64, unit: &'static str, floor: f64) {
    let figure = Figure {
        name,
        value,
        unit,
        floor,
    };
    println!("{figure}");
}

/// How late each picture of `sender` was when it was first seen.
fn delays(sender: &Attendee, person: u8, seen: &[Glimpse]) -> Vec<Duration> {
    let mut last = None;
    let of = seen.iter().filter(|glimpse| glimpse.mark.person == person);
    let first = of.filter(|glimpse| last.replace(glimpse.mark.count) != Some(glimpse.mark.count));
    let late = |glimpse: &Glimpse| {
        let painted = sender.peer.feed.painted(glimpse.mark.count)?;
        Some(glimpse.at.saturating_duration_since(painted))
    };
    first.filter_map(late).collect()
}

/// What of the composite's delay passes in the composer, stage by stage: means in ms.
fn print_stages(hall: &Hall) -> Result<()> {
    let metrics = hall.server.metrics()?;
    for (name, stage) in [
        ("video_delay_composite_queue", "queue"),
        ("video_delay_composite_wait", "wait"),
        ("video_delay_composite_picture", "picture"),
    ] {
        let of = |what: &str| metrics.sum(&format!("plenum_composite_{stage}_seconds_{what}"), &[]);
        let mean = of("sum")? / of("count")?.max(1.0) * 1_000.0;
        print(name, mean, "ms", mean);
    }
    Ok(())
}

async fn clean_line(hall: &Hall) -> Result<()> {
    let ann = hall.enter("Ann", 523, 0x11, true).await?;
    let bob = hall.enter("Bob", 787, 0x22, true).await?;
    let cleo = hall.enter("Cleo", 1_171, 0x43, false).await?;
    let dan = hall.enter("Dan", 1_447, 0x84, false).await?;
    hall.shows_composite(&dan).await?;
    hall.patch("", &json!({ "spotlight": ann.id() }))?;
    sleep(Duration::from_secs(3)).await;
    for viewer in [&cleo, &dan] {
        viewer.peer.senses.keep_journal((0, 0), BLOCK);
    }
    sleep(LOOKS).await;
    for (name, viewer, aim) in [
        ("video_delay_switched_p95", &cleo, 30.0),
        ("video_delay_composite_p95", &dan, 120.0),
    ] {
        let seen = viewer.peer.senses.take_journal();
        let delays = delays(&ann, 0x11, &seen);
        eprintln!("{name}: of {} pictures", delays.len());
        print(name, percentile(delays, 95)?, "ms", aim);
    }
    print_stages(hall)?;
    let slot = cleo.view().slot_mids.first().context("no slot")?.clone();
    let mut changes = Vec::new();
    for change in 0..CHANGES {
        let (next, person) = if change % 2 == 0 {
            (&bob, 0x22)
        } else {
            (&ann, 0x11)
        };
        cleo.peer.senses.keep_journal((0, 0), BLOCK);
        let asked = Instant::now();
        hall.patch("", &json!({ "spotlight": next.id() }))?;
        sleep(Duration::from_secs(2)).await;
        let seen = cleo.peer.senses.take_journal();
        let first = seen
            .iter()
            .find(|seen| seen.mid == slot && seen.mark.person == person);
        let first = first.context("the other speaker was not seen within 2 s")?;
        changes.push(first.at - asked);
    }
    print(
        "video_speaker_switch_max",
        percentile(changes, 100)?,
        "ms",
        500.0,
    );
    Ok(())
}

async fn outage(hall: &Hall) -> Result<()> {
    let ann = hall.enter("Ann", 523, 0x11, true).await?;
    let cleo = hall.enter("Cleo", 1_171, 0x43, false).await?;
    let dan = hall.enter("Dan", 1_447, 0x84, false).await?;
    hall.shows_composite(&dan).await?;
    sleep(Duration::from_secs(2)).await;
    let viewers = [("switched", &cleo), ("composite", &dan)];
    for (_, viewer) in viewers {
        viewer.peer.senses.keep_journal((0, 0), BLOCK);
    }
    hall.relay.impair(1_000, 0);
    sleep(OUTAGE).await;
    for (_, viewer) in viewers {
        viewer.peer.senses.keep_journal((0, 0), BLOCK);
    }
    let back = Instant::now();
    hall.relay.impair(0, 0);
    sleep(Duration::from_secs(8)).await;
    for (name, viewer) in viewers {
        let seen = viewer.peer.senses.take_journal();
        let fresh = |seen: &&Glimpse| {
            let painted = ann.peer.feed.painted(seen.mark.count);
            seen.mark.person == 0x11 && painted.is_some_and(|painted| painted >= back)
        };
        let first = seen.iter().find(fresh);
        let first = first.with_context(|| format!("{name}: nothing within 8 s"))?;
        let after = (first.at - back).as_secs_f64() * 1_000.0;
        print(
            &format!("video_back_{name}_after_outage"),
            after,
            "ms",
            2_000.0,
        );
    }
    Ok(())
}

/// Mean PSNR of the upper left of four tiles in dB, luma, after H.264 of so many bit/s. `show` paints the pictures of the four.
fn tile_psnr(bitrate: u32, show: impl Fn(u8, u64, &mut I420Picture)) -> Result<f64> {
    let mut layouts = Layouts::built_in();
    let tiles = ["0,0,1,1", "1,0,1,1", "0,1,1,1", "1,1,1,1"];
    layouts.add("quarters", "2x2", tiles)?;
    let layout = layouts.get("quarters").context("a layout")?.clone();
    let (width, height) = (TILE.0 * 2, TILE.1 * 2);
    let mut composer = Composer::new(width, height, layout, Fonts::none())?;
    let person = |leg: u8| Person {
        leg: LegId(leg.into()),
        name: String::new(),
        phone: false,
        muted: false,
        camera: true,
    };
    composer.set_people((0..4).map(person).collect());
    let mut encoder = H264Encoder::new(VideoSetting {
        width,
        height,
        bitrate,
        frame_rate: 30,
    })?;
    let mut decoder = H264Decoder::new()?;
    let mut pictures = [(); 4].map(|()| I420Picture::black(TILE.0, TILE.1));
    let mut sum = (0.0, 0_u32);
    for number in 0..PICTURES {
        for (leg, picture) in (0_u8..).zip(&mut pictures) {
            let picture = picture
                .as_mut()
                .map_err(|error| anyhow::anyhow!("{error}"))?;
            show(leg, number, picture);
            composer.set_picture(LegId(leg.into()), picture.view());
        }
        composer.compose();
        let at = MediaTime::from_micros(number * 1_000_000 / 30);
        let Some(frame) = encoder.encode(composer.canvas(), at)? else {
            continue;
        };
        let shown = decoder.decode(&frame.data)?.picture;
        let shown = shown.context("a picture")?.to_picture();
        let source = pictures[0]
            .as_ref()
            .map_err(|error| anyhow::anyhow!("{error}"))?;
        if number >= WARMING {
            sum = (sum.0 + psnr(source, &shown), sum.1 + 1);
        }
    }
    Ok(sum.0 / f64::from(sum.1.max(1)))
}

/// Of the luma, where both have a pixel; a frame and signs that the composer draws at the edges do not count.
fn psnr(source: &I420Picture, shown: &I420Picture) -> f64 {
    const EDGE: usize = 48;
    let rows = |picture: &I420Picture| picture.stride(0);
    let (own, other) = (rows(source), rows(shown));
    let mut error = 0_u64;
    let mut count = 0_u32;
    for y in EDGE..usize::from(TILE.1) - EDGE {
        for x in EDGE..usize::from(TILE.0) - EDGE {
            let a = source.planes()[0].get(y * own + x).copied().unwrap_or(0);
            let b = shown.planes()[0].get(y * other + x).copied().unwrap_or(0);
            error += u64::from(a.abs_diff(b)).pow(2);
            count += 1;
        }
    }
    #[expect(clippy::cast_precision_loss, reason = "a sum of squares of bytes")]
    let mean = error as f64 / f64::from(count.max(1));
    10.0 * (255.0_f64.powi(2) / mean.max(1e-6)).log10()
}

/// Of a made-up scene, and of the clips of real cameras that [`CLIPS`] names: each in the tile compared, the next ones beside it.
fn tiles() -> Result<()> {
    let texture = scene::texture();
    let made_up = tile_psnr(BITRATE, |leg, number, picture| {
        scene(leg, number, picture, &texture);
    })?;
    print("video_tile_psnr_1500_kbps", made_up, "dB", SHARP);
    let paths: Vec<PathBuf> = std::env::var_os(CLIPS)
        .map(|paths| std::env::split_paths(&paths).collect())
        .unwrap_or_default();
    let clips = paths.iter().map(|path| Clip::read(path, TILE.0, TILE.1));
    let clips: Vec<Clip> = clips.collect::<Result<_>>()?;
    for (first, path) in paths.iter().enumerate() {
        let clip = tile_psnr(BITRATE, |leg, number, picture| {
            let clip = &clips[(first + usize::from(leg)) % clips.len()];
            picture.clone_from(clip.picture(usize::try_from(number).unwrap_or_default()));
        })?;
        let name = path.file_stem().unwrap_or_default().to_string_lossy();
        let name = name.replace(char::is_whitespace, "_");
        print(
            &format!("video_tile_psnr_1500_kbps_{name}"),
            clip,
            "dB",
            SHARP,
        );
    }
    Ok(())
}

fn main() -> Result<()> {
    tiles()?;
    let runtime = tokio::runtime::Runtime::new()?;
    // The relay has a runtime of its own, which is neither begun nor ended within another.
    let clean = Hall::open("video-clean")?;
    runtime.block_on(clean_line(&clean))?;
    clean.server.stop()?;
    let gone = Hall::open("video-outage")?;
    runtime.block_on(outage(&gone))?;
    gone.server.stop()
}
