//! A camera in three sizes between real browsers: while it is only seen small its page sends only that, and the largest again when somebody
//! can see it.

use std::time::{Duration, Instant};

use plenum_tests::browser::{Browsers, Colours};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;

use crate::line::{Camera, Line};

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
    in_real_time(|| {
        let mut line = Line::start("spare", "");
        line.enter("ann", 523.0, &Camera::Busy((1_280, 720), &ANN));
        line.relay.narrow(NARROW);
        line.enter("dee", 787.0, &Camera::Plain(&DEE));
        let Line {
            server,
            relay,
            mut browsers,
            ..
        } = line;
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
        let small = seen.iter().any(|picture| {
            picture.size == (320, 180) && picture.shows(&ANN) && picture.frames >= 5
        });
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
    });
}
