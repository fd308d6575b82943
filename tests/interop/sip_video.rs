//! A real SIP video phone (baresip with H.264) and a page in one picture: each is a tile, and each sees it.

use std::fs;
use std::path::Path;
use std::time::Duration;

use plenum_tests::baresip::Baresip;
use plenum_tests::browser::{Browsers, write_camera};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

use crate::quarters::{self, GROUND};

const ANN: [u8; 3] = [200, 40, 40];
/// Luma 100, chroma 170 and 90 in BT.601.
const PHONE: [u8; 3] = [37, 113, 183];

/// 90 s of one colour at 10 pictures a second, with a bar that wanders.
fn film(path: &Path) {
    const SIZE: (usize, usize) = (160, 90);
    let mut file = b"YUV4MPEG2 W160 H90 F10:1 Ip A1:1 C420jpeg\n".to_vec();
    for frame in 0..900 {
        file.extend(b"FRAME\n");
        let bar = frame % SIZE.0;
        file.extend((0..SIZE.0 * SIZE.1).map(|at| {
            let (x, y) = (at % SIZE.0, at / SIZE.0);
            if x == bar && y.abs_diff(45) < 3 {
                235
            } else {
                100
            }
        }));
        file.extend([170; SIZE.0 * SIZE.1 / 4]);
        file.extend([90; SIZE.0 * SIZE.1 / 4]);
    }
    fs::write(path, file).unwrap();
}

#[test]
fn baresip_and_a_page_are_tiles_of_a_picture_that_both_see() {
    in_real_time(|| {
        let folder = scratch("sip-video").unwrap();
        let server = Server::start_with(&folder, 20, &quarters::config("composite")).unwrap();
        let conference = server.conference("Video phone").unwrap();
        let page = server.page(&conference);
        let mut browsers = Browsers::start(&folder).unwrap();
        let microphone = folder.join("ann.wav");
        let camera = folder.join("ann.y4m");
        sine(523.0, -20.0, 60.0, 48_000).write(&microphone).unwrap();
        write_camera(&camera, &[ANN; 4]).unwrap();
        browsers.open("ann", &microphone, &camera).unwrap();
        browsers
            .join("ann", &page, "Ann", &conference.guest_pin)
            .unwrap();

        let microphone = folder.join("phone.wav");
        let camera = folder.join("phone.y4m");
        sine(1_171.0, -20.0, 180.0, 48_000)
            .write(&microphone)
            .unwrap();
        film(&camera);
        let mut phone = Baresip::start_with_camera(
            &folder.join("baresip"),
            &microphone,
            "opus/48000/1",
            &camera,
        )
        .unwrap();
        phone.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
        // The attendant is heard; a picture comes with the conference.
        phone
            .key(&format!("{}#{}#", conference.id, conference.guest_pin))
            .unwrap();
        eventually(
            "the phone in Ann's picture",
            Duration::from_secs(25),
            || {
                let pictures = browsers.look("ann")?;
                anyhow::ensure!(
                    pictures
                        .iter()
                        .any(|picture| picture.shows(&[ANN, PHONE, GROUND, GROUND])
                            && picture.frames >= 8),
                    "Ann sees {pictures:?}"
                );
                phone.check_in_call()
            },
        )
        .unwrap();
        eventually("a picture at the phone", Duration::from_secs(10), || {
            let log = phone.log();
            anyhow::ensure!(
                log.contains("receiving with resolution 1280 x 720"),
                "{log}"
            );
            Ok(())
        })
        .unwrap();
        phone.snapshot(&folder.join("phone-sees.png")).unwrap();
        browsers
            .screenshot("ann", &folder.join("ann-sees.png"))
            .unwrap();
        phone.hang_up().unwrap();
        server.stop().unwrap();
    });
}
