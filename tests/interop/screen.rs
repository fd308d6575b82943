//! A shared tab in real browsers: the slide is read cell by cell at full resolution while the presenter's camera is seen beside it.

use std::time::{Duration, Instant};

use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

const ANN: Colours = [[200, 40, 40]; 4];
const BEN: Colours = [[40, 160, 60]; 4];
/// What Ann's microphone and the slide sound like, in Hz.
const VOICE: f64 = 523.0;
const SOUND: f64 = 1_171.0;
/// A late joiner is to read the slide within a second; three browsers on a few cores take their time, too.
const LATE: Duration = Duration::from_secs(2);
/// The slide around its words.
const SLIDE: [u8; 3] = [90, 160, 220];

/// Waits until a page shows the slide in full size and hardly a cell of it is wrong.
fn reads(browsers: &mut Browsers, name: &str, limit: Duration) {
    eventually("the slide", limit, || {
        let reading = browsers.read(name)?;
        anyhow::ensure!(
            reading.size == (1_920, 1_080) && reading.right > 0.99,
            "{name} has {reading:?}"
        );
        Ok(())
    })
    .unwrap();
}

/// Cleo, who has come late, reads the slide within [`LATE`].
fn reads_soon(browsers: &mut Browsers) {
    let mut after = (Duration::MAX, Duration::MAX);
    eventually("the slide", Duration::from_secs(10), || {
        after = browsers.sharp("cleo")?;
        Ok(())
    })
    .unwrap();
    eprintln!(
        "a late joiner sees it after {:?}, and reads it after {:?}",
        after.0, after.1
    );
    assert!(after.1 < LATE, "{after:?}");
}

#[test]
fn a_shared_tab_is_read_at_full_resolution_beside_the_camera() {
    in_real_time(|| {
        let folder = scratch("screen").unwrap();
        let server = Server::start(&folder, 21).unwrap();
        let conference = server.conference("Slides").unwrap();
        let page = server.page(&conference);
        let mut browsers = Browsers::start(&folder).unwrap();
        let join = |browsers: &mut Browsers, name: &str, person, colours, pin: &str| {
            let microphone = folder.join(format!("{name}.wav"));
            let camera = folder.join(format!("{name}.y4m"));
            let tone = if name == "ann" { VOICE } else { 787.0 };
            sine(tone, -30.0, 60.0, 48_000).write(&microphone).unwrap();
            write_camera(&camera, colours).unwrap();
            match name {
                "ann" => browsers.open_to_share(name, &microphone, &camera),
                "cleo" => browsers.open_to_read(name, &microphone, &camera),
                _ => browsers.open(name, &microphone, &camera),
            }
            .unwrap();
            browsers.join(name, &page, person, pin).unwrap();
        };
        join(&mut browsers, "ann", "Ann", &ANN, &conference.host_pin);
        join(&mut browsers, "ben", "Ben", &BEN, &conference.guest_pin);

        browsers.slide("ann").unwrap();
        browsers.click("ann", "^share your screen$").unwrap();
        let shared = Instant::now();
        reads(&mut browsers, "ben", Duration::from_secs(20));
        eprintln!(
            "read {:.1} s after the button was pressed",
            shared.elapsed().as_secs_f64()
        );
        let pictures = browsers.look("ben").unwrap();
        let camera = |pictures: &[plenum_tests::browser::Picture]| {
            pictures
                .iter()
                .any(|picture| picture.shows(&ANN) && picture.frames >= 8)
        };
        assert!(
            camera(&pictures),
            "Ann's camera is seen beside it: {pictures:?}"
        );
        assert!(browsers.text("ben").unwrap().contains("Ann is sharing"));
        assert!(browsers.text("ann").unwrap().contains("You are sharing"));
        for name in ["ann", "ben"] {
            browsers
                .screenshot(name, &folder.join(format!("{name}.png")))
                .unwrap();
        }

        let heard = browsers.record("ben", 3).unwrap();
        let levels = [VOICE, SOUND].map(|tone| heard.level(tone).unwrap());
        eprintln!("Ben hears Ann and her slide at {levels:.1?} dB");
        assert!(levels.iter().all(|level| *level > -45.0), "{levels:?}");

        // Nothing moves on the slide, and somebody comes late.
        join(&mut browsers, "cleo", "Cleo", &BEN, &conference.guest_pin);
        reads_soon(&mut browsers);
        browsers.close("cleo").unwrap();

        // One picture of all: the slide is the most of it.
        let path = format!("/conferences/{}", conference.id);
        let composite = |on: bool| {
            let body = serde_json::json!({ "composite": on });
            assert_eq!(server.rest("PATCH", &path, &body).unwrap().0, 204);
        };
        composite(true);
        eventually(
            "the slide in the composite",
            Duration::from_secs(15),
            || {
                let pictures = browsers.look("ben")?;
                let near = |seen: [u8; 3]| seen.iter().zip(SLIDE).all(|(s, w)| s.abs_diff(w) <= 40);
                let staged = pictures.iter().any(|picture| {
                    picture.size == (1_280, 720)
                        && near(picture.quadrants[0])
                        && near(picture.quadrants[2])
                });
                anyhow::ensure!(staged, "{pictures:?}");
                Ok(())
            },
        )
        .unwrap();
        browsers
            .screenshot("ben", &folder.join("composite.png"))
            .unwrap();
        composite(false);

        // The tab is closed, which ends the share as the browser's own button does.
        browsers.unslide("ann").unwrap();
        eventually("the end of the share", Duration::from_secs(10), || {
            let pictures = browsers.look("ben")?;
            let text = browsers.text("ben")?;
            anyhow::ensure!(
                camera(&pictures) && !text.contains("is sharing"),
                "{pictures:?} {text}"
            );
            Ok(())
        })
        .unwrap();
        assert!(!browsers.text("ann").unwrap().contains("You are sharing"));
        server.stop().unwrap();
    });
}
