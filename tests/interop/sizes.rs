//! Cameras in three sizes between real browsers: over a good line the speaker comes in the largest, others in the middle one; over a
//! narrow line what it carries, and nobody else has less for it.

use std::time::Duration;

use plenum_tests::browser::{Browsers, Colours, write_camera_of};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

use crate::line::{Camera, Line};

const ANN: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const BEN: Colours = [
    [60, 180, 200],
    [200, 200, 200],
    [180, 60, 180],
    [50, 50, 50],
];

const CY: [u8; 3] = [120, 90, 30];

#[test]
fn a_good_line_has_one_camera_in_its_largest_size_and_the_other_in_the_middle_one() {
    in_real_time(|| {
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
            let microphone = folder.join(format!("{name}.wav"));
            let camera = folder.join(format!("{name}.y4m"));
            sine(tone, -20.0, 60.0, 48_000).write(&microphone).unwrap();
            write_camera_of(size, &camera, &camera_of).unwrap();
            browsers.open(name, &microphone, &camera).unwrap();
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
    });
}

/// What Dee's line carries, in bit/s: her sound and the smallest size of one camera.
const NARROW: u64 = 400_000;

#[test]
fn a_narrow_line_has_a_smaller_size_that_moves_and_others_keep_the_largest() {
    in_real_time(|| {
        let mut line = Line::start("narrow", "");
        line.enter("ann", 523.0, &Camera::Busy((1_280, 720), &ANN));
        line.enter("cy", 1_171.0, &Camera::Plain(&[CY; 4]));
        line.relay.narrow(NARROW);
        line.enter("dee", 787.0, &Camera::Plain(&[CY; 4]));
        let Line {
            folder,
            server,
            relay: _relay,
            mut browsers,
            ..
        } = line;
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
            // A sender whose processor is busy makes all its sizes three quarters of what they were, both ways.
            let expected = [((1_280, 720), (320, 180)), ((960, 540), (240, 135))]
                .map(|(largest, smallest)| (Some(largest), Some(smallest)));
            anyhow::ensure!(expected.contains(&sizes), "Cy and Dee see {sizes:?}");
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
    });
}
