//! Cameras in three sizes between real browsers: over a good line the speaker comes in the largest, others in the middle one; over a
//! narrow line what it carries, and nobody else has less for it.

use std::path::Path;
use std::time::Duration;

use anyhow::Result;
use plenum_tests::browser::{Browsers, Colours, write_busy_camera, write_camera_of};
use plenum_tests::process::eventually;
use plenum_tests::relay::Relay;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

const ANN: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const BEN: Colours = [
    [60, 180, 200],
    [200, 200, 200],
    [180, 60, 180],
    [50, 50, 50],
];

const CY: [u8; 3] = [120, 90, 30];

type Write = fn((usize, usize), &Path, &Colours) -> Result<()>;

fn open(
    browsers: &mut Browsers,
    folder: &Path,
    name: &str,
    (write, size, camera_of): (Write, (usize, usize), &Colours),
    tone: f64,
) {
    let microphone = folder.join(format!("{name}.wav"));
    let camera = folder.join(format!("{name}.y4m"));
    sine(tone, -20.0, 60.0, 48_000).write(&microphone).unwrap();
    write(size, &camera, camera_of).unwrap();
    browsers.open(name, &microphone, &camera).unwrap();
}

#[test]
fn a_good_line_has_one_camera_in_its_largest_size_and_the_other_in_the_middle_one() {
    let folder = scratch("sizes").unwrap();
    let server = Server::start(&folder, 20).unwrap();
    let conference = server.conference("Sizes").unwrap();
    let page = server.page(&conference);
    let mut browsers = Browsers::start(&folder).unwrap();
    for (name, person, camera_of, size, tone) in [
        ("ann", "Ann", ANN, (1_280, 720), 523.0),
        ("ben", "Ben", BEN, (1_280, 720), 787.0),
        ("cy", "Cy", [CY; 4], (320, 180), 1_171.0),
    ] {
        let camera = (write_camera_of as Write, size, &camera_of);
        open(&mut browsers, &folder, name, camera, tone);
        browsers
            .join(name, &page, person, &conference.guest_pin)
            .unwrap();
    }
    // Who speaks, and so has the first slot, changes between the two; never are both large.
    eventually("two sizes", Duration::from_secs(40), || {
        let pictures = browsers.look("cy")?;
        let of = |colours: &Colours| {
            let shown = pictures.iter().find(|picture| picture.shows(colours));
            shown
                .filter(|picture| picture.frames >= 5)
                .map(|picture| picture.size)
        };
        let mut sizes = [of(&ANN), of(&BEN)];
        sizes.sort_unstable();
        anyhow::ensure!(
            sizes == [Some((640, 360)), Some((1_280, 720))],
            "Cy sees {pictures:?}"
        );
        Ok(())
    })
    .unwrap();
    // A small camera comes in its own size, and in no smaller one.
    eventually("the small camera", Duration::from_secs(20), || {
        let pictures = browsers.look("ann")?;
        let small = pictures.iter().any(|picture| {
            picture.size == (320, 180) && picture.shows(&[CY; 4]) && picture.frames >= 5
        });
        anyhow::ensure!(small, "Ann sees {pictures:?}");
        Ok(())
    })
    .unwrap();
    browsers
        .screenshot("cy", &folder.join("sizes.png"))
        .unwrap();
    server.stop().unwrap();
}

/// What Dee's line carries, in bit/s: her sound and the smallest size of one camera.
const NARROW: u64 = 400_000;

#[test]
fn a_narrow_line_has_a_smaller_size_that_moves_and_others_keep_the_largest() {
    let folder = scratch("narrow").unwrap();
    let announced = Relay::ADDRESS.to_string();
    let environment = [
        ("PLENUM_SERVER__ANNOUNCED", announced.as_str()),
        ("PLENUM_MEDIA__WORKERS", "1"),
    ];
    let server = Server::start_overridden(&folder, 4, &environment).unwrap();
    let relay = Relay::start([server.media.port()], [], 7).unwrap();
    let conference = server.conference("Narrow").unwrap();
    let page = server.page(&conference);
    let mut browsers = Browsers::start(&folder).unwrap();
    for (name, person, size, tone) in [
        ("ann", "Ann", (1_280, 720), 523.0),
        ("cy", "Cy", (320, 180), 1_171.0),
        ("dee", "Dee", (320, 180), 787.0),
    ] {
        if name == "dee" {
            relay.narrow(NARROW);
        }
        let colours = if name == "ann" { ANN } else { [CY; 4] };
        let write: Write = if name == "ann" {
            write_busy_camera
        } else {
            write_camera_of
        };
        open(&mut browsers, &folder, name, (write, size, &colours), tone);
        browsers
            .join(name, &page, person, &conference.guest_pin)
            .unwrap();
    }
    // Of a picture that stands still no frames come.
    let ann_as_seen_by = |browsers: &mut Browsers, name: &str| {
        let pictures = browsers.look(name)?;
        let shown = pictures.iter().find(|picture| picture.shows(&ANN));
        let moving = shown.filter(|picture| picture.frames >= 5);
        let size = moving.map(|picture| picture.size);
        anyhow::ensure!(size.is_some(), "{name} sees {pictures:?}");
        anyhow::Ok(size)
    };
    let settled = |browsers: &mut Browsers| {
        let [cy, dee] = ["cy", "dee"].map(|name| ann_as_seen_by(browsers, name));
        let sizes = (cy?, dee?);
        let expected = (Some((1_280, 720)), Some((320, 180)));
        anyhow::ensure!(sizes == expected, "Cy and Dee see {sizes:?}");
        Ok(())
    };
    eventually("a size for each", Duration::from_secs(40), || {
        settled(&mut browsers)
    })
    .unwrap();
    // And so it stays.
    let looks: Vec<String> = (0..10)
        .filter_map(|_| settled(&mut browsers).err())
        .map(|unsettled| unsettled.to_string())
        .collect();
    assert!(looks.len() <= 2, "{} of 10 looks: {looks:#?}", looks.len());
    browsers
        .screenshot("dee", &folder.join("narrow.png"))
        .unwrap();
    server.stop().unwrap();
}
