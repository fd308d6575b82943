//! Both kinds of picture in one room of real browsers: cameras for most, one picture for who chooses it, and for who cannot decode
//! what the others send.

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
const CY: [u8; 3] = [40, 160, 60];

#[test]
fn a_page_without_vp8_sees_all_in_one_picture_while_others_see_cameras_or_what_they_choose() {
    in_real_time(|| {
        let folder = scratch("views").unwrap();
        let server = Server::start_with(&folder, 20, &quarters::config("switched")).unwrap();
        let conference = server.conference("Views").unwrap();
        let page = server.page(&conference);
        let mut browsers = Browsers::start(&folder).unwrap();
        for (name, person, colour, tone, codec) in [
            ("ann", "Ann", ANN, 523.0, None),
            ("ben", "Ben", BEN, 787.0, None),
            ("cy", "Cy", CY, 1_171.0, Some("video/H264")),
        ] {
            let microphone = folder.join(format!("{name}.wav"));
            let camera = folder.join(format!("{name}.y4m"));
            sine(tone, -20.0, 60.0, 48_000).write(&microphone).unwrap();
            write_camera_of((320, 180), &camera, &[colour; 4]).unwrap();
            match codec {
                None => browsers.open(name, &microphone, &camera).unwrap(),
                Some(codec) => browsers
                    .open_with_codec(name, &microphone, &camera, codec)
                    .unwrap(),
            }
            browsers
                .join(name, &page, person, &conference.guest_pin)
                .unwrap();
        }
        let all: Colours = [ANN, BEN, CY, GROUND];
        let shown = |browsers: &mut Browsers, name: &str, wanted: &[Colours]| {
            eventually("what is seen", Duration::from_secs(25), || {
                let pictures = browsers.look(name)?;
                let live: Vec<_> = pictures.iter().filter(|p| p.frames >= 5).collect();
                anyhow::ensure!(
                    live.len() == wanted.len()
                        && wanted.iter().all(|w| live.iter().any(|p| p.shows(w))),
                    "{name} sees {pictures:?}"
                );
                Ok(())
            })
            .unwrap();
        };
        // Cy has chosen nothing, sends H.264 and cannot decode the others' VP8; they can decode both.
        shown(&mut browsers, "cy", &[all]);
        shown(&mut browsers, "ann", &[[BEN; 4], [CY; 4]]);
        shown(&mut browsers, "ben", &[[ANN; 4], [CY; 4]]);
        let encodes = |codec: &str| {
            let metrics = server.metrics().unwrap();
            let label = format!("codec=\"{codec}\"");
            metrics
                .sum("plenum_composite_encodes_total", &[&label])
                .unwrap()
        };
        assert!(encodes("h264") > 5.0 && encodes("vp8") < 0.5);

        // Ben chooses by the page's menu, and Ann goes on seeing cameras.
        browsers
            .pick("ben", "What is seen", "One picture of everybody")
            .unwrap();
        shown(&mut browsers, "ben", &[all]);
        browsers
            .screenshot("ben", &folder.join("picture.png"))
            .unwrap();
        shown(&mut browsers, "ann", &[[BEN; 4], [CY; 4]]);
        browsers
            .screenshot("ann", &folder.join("cameras.png"))
            .unwrap();
        browsers.pick("ben", "What is seen", "No video").unwrap();
        shown(&mut browsers, "ben", &[]);
        browsers
            .screenshot("ben", &folder.join("nothing.png"))
            .unwrap();
        browsers
            .pick("ben", "What is seen", "Speaker large")
            .unwrap();
        shown(&mut browsers, "ben", &[[ANN; 4], [CY; 4]]);
        // Cy may have cameras it can decode, of which there is none.
        browsers
            .pick("cy", "What is seen", "Speaker large")
            .unwrap();
        shown(&mut browsers, "cy", &[]);
        eventually("no composer", Duration::from_secs(5), || {
            let running = server.metrics()?.sum("plenum_composites", &[])?;
            anyhow::ensure!(running < 0.5, "{running} run");
            Ok(())
        })
        .unwrap();
        server.stop().unwrap();
    });
}
