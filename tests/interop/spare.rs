//! A camera in three sizes between real browsers: while it is only seen small its page sends only that, and the largest again when somebody
//! can see it.

use std::time::{Duration, Instant};

use plenum_tests::browser::{Browsers, Colours, write_busy_camera, write_camera_of};
use plenum_tests::process::eventually;
use plenum_tests::relay::Relay;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

const ANN: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const DEE: Colours = [[120, 90, 30]; 4];
/// What Dee's line carries, in bit/s, her sound included.
const NARROW: u64 = 350_000;

/// Bit/s of Ann's camera within two seconds, all sizes.
fn rate(browsers: &mut Browsers) -> anyhow::Result<u64> {
    let (before, since) = (browsers.filmed("ann")?, Instant::now());
    std::thread::sleep(Duration::from_secs(2));
    let bits = (browsers.filmed("ann")? - before) * 8_000;
    Ok(bits / u64::try_from(since.elapsed().as_millis())?)
}

#[test]
fn a_page_sends_no_more_sizes_of_its_camera_than_are_seen() {
    let folder = scratch("spare").unwrap();
    let announced = Relay::ADDRESS.to_string();
    let environment = [
        ("PLENUM_SERVER__ANNOUNCED", announced.as_str()),
        ("PLENUM_MEDIA__WORKERS", "1"),
    ];
    let server = Server::start_overridden(&folder, 4, &environment).unwrap();
    let relay = Relay::start([server.media.port()], [], 7).unwrap();
    let conference = server.conference("Spare").unwrap();
    let page = server.page(&conference);
    let mut browsers = Browsers::start(&folder).unwrap();
    for (name, person, tone) in [("ann", "Ann", 523.0), ("dee", "Dee", 787.0)] {
        if name == "dee" {
            relay.narrow(NARROW);
        }
        let microphone = folder.join(format!("{name}.wav"));
        let camera = folder.join(format!("{name}.y4m"));
        sine(tone, -20.0, 60.0, 48_000).write(&microphone).unwrap();
        if name == "ann" {
            write_busy_camera((1_280, 720), &camera, &ANN).unwrap();
        } else {
            write_camera_of((320, 180), &camera, &DEE).unwrap();
        }
        browsers.open(name, &microphone, &camera).unwrap();
        browsers
            .join(name, &page, person, &conference.guest_pin)
            .unwrap();
    }
    let mut most = 0;
    let spare = eventually("the smallest size alone", Duration::from_secs(45), || {
        let sent = rate(&mut browsers)?;
        most = most.max(sent);
        anyhow::ensure!(sent < 250_000, "{sent} bit/s, {most} before");
        Ok(sent)
    })
    .unwrap();
    println!("{most} bit/s with all sizes, {spare} with the smallest");
    assert!(most > 3 * spare);
    let seen = browsers.look("dee").unwrap();
    let small = seen
        .iter()
        .any(|picture| picture.size == (320, 180) && picture.shows(&ANN) && picture.frames >= 5);
    assert!(small, "Dee sees {seen:?}");
    relay.widen();
    eventually("the largest again", Duration::from_secs(40), || {
        let seen = browsers.look("dee")?;
        let large = seen.iter().any(|picture| {
            picture.size == (1_280, 720) && picture.shows(&ANN) && picture.frames >= 5
        });
        anyhow::ensure!(large, "Dee sees {seen:?}");
        Ok(())
    })
    .unwrap();
    let again = rate(&mut browsers).unwrap();
    println!("{again} bit/s with all sizes again");
    assert!(again > 3 * spare);
    server.stop().unwrap();
}
