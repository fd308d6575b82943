//! The picture of all over a narrow line between real browsers: a smaller size that moves, while others keep the whole, and the whole again
//! when the line is better.

use std::time::Duration;

use plenum_tests::browser::{Browsers, Colours, write_busy_camera, write_camera_of};
use plenum_tests::process::eventually;
use plenum_tests::relay::Relay;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

use crate::quarters;

const ANN: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const CY: Colours = [[120, 90, 30]; 4];
/// What Dee's line carries, in bit/s, her sound included.
const NARROW: u64 = 300_000;

/// Width and height of the one picture that somebody sees, if it moves.
fn size_for(browsers: &mut Browsers, name: &str) -> anyhow::Result<(u64, u64)> {
    let pictures = browsers.look(name)?;
    let moving = pictures.iter().find(|picture| picture.frames >= 5);
    let moving = moving.map(|picture| picture.size);
    moving.ok_or_else(|| anyhow::anyhow!("{name} sees {pictures:?}"))
}

#[test]
fn a_narrow_line_has_the_picture_of_all_in_a_smaller_size_and_others_have_the_whole() {
    let folder = scratch("narrow-composite").unwrap();
    let announced = Relay::ADDRESS.to_string();
    let config = quarters::config("composite");
    let environment = [
        ("PLENUM_SERVER__ANNOUNCED", announced.as_str()),
        ("PLENUM_MEDIA__WORKERS", "1"),
    ];
    let server = Server::launch(&folder, 4, &config, &environment).unwrap();
    let relay = Relay::start([server.media.port()], [], 7).unwrap();
    let conference = server.conference("Narrow").unwrap();
    let page = server.page(&conference);
    let mut browsers = Browsers::start(&folder).unwrap();
    for (name, person, tone) in [
        ("ann", "Ann", 523.0),
        ("cy", "Cy", 1_171.0),
        ("dee", "Dee", 787.0),
    ] {
        if name == "dee" {
            relay.narrow(NARROW);
        }
        let microphone = folder.join(format!("{name}.wav"));
        let camera = folder.join(format!("{name}.y4m"));
        sine(tone, -20.0, 60.0, 48_000).write(&microphone).unwrap();
        if name == "ann" {
            write_busy_camera((640, 360), &camera, &ANN).unwrap();
        } else {
            write_camera_of((320, 180), &camera, &CY).unwrap();
        }
        browsers.open(name, &microphone, &camera).unwrap();
        browsers
            .join(name, &page, person, &conference.guest_pin)
            .unwrap();
    }
    let settled = |browsers: &mut Browsers, dee: (u64, u64)| {
        let sizes = (size_for(browsers, "cy")?, size_for(browsers, "dee")?);
        anyhow::ensure!(sizes == ((1_280, 720), dee), "Cy and Dee see {sizes:?}");
        Ok(())
    };
    let quarter = (320, 180);
    eventually("a size for each", Duration::from_secs(40), || {
        settled(&mut browsers, quarter)
    })
    .unwrap();
    // And so it stays.
    let looks: Vec<String> = (0..8)
        .filter_map(|_| settled(&mut browsers, quarter).err())
        .map(|unsettled| unsettled.to_string())
        .collect();
    assert!(looks.len() <= 1, "{} of 8 looks: {looks:#?}", looks.len());
    let made = |size: &str| {
        let size = format!("size=\"{size}\"");
        let metrics = server.metrics().unwrap();
        let name = "plenum_composite_renditions";
        metrics.sum(name, &[&size]).unwrap()
    };
    assert_eq!(["whole", "half", "quarter"].map(made), [1.0, 0.0, 1.0]);
    browsers
        .screenshot("dee", &folder.join("narrow.png"))
        .unwrap();
    relay.widen();
    eventually("the whole again", Duration::from_secs(60), || {
        settled(&mut browsers, (1_280, 720))
    })
    .unwrap();
    eventually("one rendition", Duration::from_secs(5), || {
        let sizes = ["whole", "half", "quarter"].map(made);
        anyhow::ensure!(sizes == [1.0, 0.0, 0.0], "{sizes:?}");
        Ok(())
    })
    .unwrap();
    server.stop().unwrap();
}
