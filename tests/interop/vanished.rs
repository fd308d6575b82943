//! Somebody's browser dies. The others are told within 20 s.

use std::time::{Duration, Instant};

use anyhow::ensure;
use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

const CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const LIMIT: Duration = Duration::from_secs(20);

#[test]
fn a_browser_that_dies_leaves_the_roster_within_20_seconds() {
    in_real_time(|| {
        let folder = scratch("vanished").unwrap();
        let server = Server::start(&folder, 20).unwrap();
        let conference = server.conference("Fragile").unwrap();
        let (microphone, camera) = (folder.join("tone.wav"), folder.join("camera.y4m"));
        sine(523.0, -20.0, 60.0, 48_000).write(&microphone).unwrap();
        write_camera(&camera, &CAMERA).unwrap();
        let mut browsers = Browsers::start(&folder).unwrap();
        for (name, person) in [("ann", "Ann"), ("ben", "Ben")] {
            browsers.open(name, &microphone, &camera).unwrap();
            browsers
                .join(
                    name,
                    &server.page(&conference),
                    person,
                    &conference.guest_pin,
                )
                .unwrap();
        }
        let people = |browsers: &mut Browsers, wanted: &str| {
            let text = browsers.text("ben")?;
            anyhow::ensure!(text.contains(wanted), "Ben's page says {text:?}");
            Ok(())
        };
        eventually("both on Ben's page", Duration::from_secs(10), || {
            people(&mut browsers, "2 participants")
        })
        .unwrap();
        let died = Instant::now();
        browsers.crash("ann").unwrap();
        eventually("Ann off Ben's page", LIMIT, || {
            people(&mut browsers, "1 participant\n")
        })
        .unwrap();
        println!("Ann was gone after {:.1} s", died.elapsed().as_secs_f64());
        eventually("one WebRTC leg", LIMIT, || {
            let metrics = server.metrics()?;
            let legs = metrics.sum("plenum_media_legs", &["kind=\"webrtc\""])?;
            ensure!((legs - 1.0).abs() < 0.5, "{legs} WebRTC legs are left");
            Ok(())
        })
        .unwrap();
        server.stop().unwrap();
    });
}
