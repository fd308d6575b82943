//! One picture of all in real browsers: each camera in its tile of what Chromium decodes, live, and a phone as a tile without a picture.

use std::time::Duration;

use plenum_tests::browser::{Browsers, Colours, write_camera_of};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

use crate::quarters::{self, GROUND};

const ANN: [u8; 3] = [200, 40, 40];
const BEN: [u8; 3] = [40, 90, 200];

#[test]
fn two_pages_see_each_other_in_one_live_picture_and_change_its_layout() {
    in_real_time(|| {
        let folder = scratch("composite").unwrap();
        let server = Server::start_with(&folder, 20, &quarters::config("composite")).unwrap();
        let conference = server.conference("Picture").unwrap();
        let page = server.page(&conference);
        let mut browsers = Browsers::start(&folder).unwrap();
        // Ann's camera comes in three sizes, Ben's in its own.
        for (name, person, colour, size, tone, pin) in [
            ("ann", "Ann", ANN, (1_280, 720), 523.0, &conference.host_pin),
            ("ben", "Ben", BEN, (320, 180), 787.0, &conference.guest_pin),
        ] {
            let microphone = folder.join(format!("{name}.wav"));
            let camera = folder.join(format!("{name}.y4m"));
            sine(tone, -20.0, 60.0, 48_000).write(&microphone).unwrap();
            write_camera_of(size, &camera, &[colour; 4]).unwrap();
            browsers.open(name, &microphone, &camera).unwrap();
            browsers.join(name, &page, person, pin).unwrap();
        }
        let mut shown = |name: &str, colours: Colours| {
            eventually("the composite", Duration::from_secs(20), || {
                let pictures = browsers.look(name)?;
                anyhow::ensure!(
                    pictures.len() == 1
                        && pictures.iter().all(|picture| picture.size == (1_280, 720)
                            && picture.shows(&colours)
                            && picture.frames >= 8),
                    "{name} sees {pictures:?}"
                );
                Ok(())
            })
            .unwrap();
        };
        for name in ["ann", "ben"] {
            shown(name, [ANN, BEN, GROUND, GROUND]);
        }
        let path = format!("/conferences/{}", conference.id);
        let body = serde_json::json!({ "layout": "picture-in-picture" });
        assert_eq!(server.rest("PATCH", &path, &body).unwrap().0, 204);
        eventually("the other layout", Duration::from_secs(10), || {
            let pictures = browsers.look("ben")?;
            let near = |seen: [u8; 3], wanted: [u8; 3]| {
                seen.iter().zip(wanted).all(|(s, w)| s.abs_diff(w) <= 40)
            };
            // One of them is large: the upper left, and the upper right, show the same.
            let large = pictures.iter().any(|picture| {
                [ANN, BEN].iter().any(|colour| {
                    near(picture.quadrants[0], *colour) && near(picture.quadrants[1], *colour)
                })
            });
            anyhow::ensure!(large, "Ben sees {pictures:?}");
            Ok(())
        })
        .unwrap();
        browsers
            .screenshot("ann", &folder.join("composite.png"))
            .unwrap();
        let metrics = server.metrics().unwrap();
        let encodes = metrics.sum("plenum_composite_encodes_total", &[]).unwrap();
        let pictures = metrics.sum("plenum_composite_pictures_total", &[]).unwrap();
        assert!(
            encodes > 30.0 && encodes < pictures * 1.5,
            "{encodes} of {pictures}"
        );
        // Chromium's feedback says what its line carries, and nothing was held back on it.
        let mut before = (0.0, 0.0);
        eventually("a line as wide as it is", Duration::from_secs(30), || {
            let metrics = server.metrics()?;
            let line = |part: &str| {
                let name = format!("plenum_media_viewer_line_bits_per_second_{part}");
                metrics.sum(&name, &[])
            };
            let now = (line("count")?, line("sum")?);
            let (samples, mean) = (now.0 - before.0, (now.1 - before.1) / (now.0 - before.0));
            before = now;
            println!("{samples} estimates, {mean} bit/s");
            anyhow::ensure!(samples >= 1.0 && mean > 1_000_000.0, "{samples}: {mean}");
            Ok(())
        })
        .unwrap();
        let metrics = server.metrics().unwrap();
        let paced = metrics.sum("plenum_media_dropped_total", &["reason=\"paced\""]);
        assert_eq!(paced.unwrap(), 0.0);
        server.stop().unwrap();
    });
}
