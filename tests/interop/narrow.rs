//! The picture of all over a narrow line between real browsers: a smaller size that moves, while others keep the whole, and the whole again
//! when the line is better.

use std::time::Duration;

use plenum_tests::browser::{Browsers, Colours};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;

use crate::line::{Camera, Line};
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
    in_real_time(|| {
        let mut line = Line::start("narrow-composite", &quarters::config("composite"));
        line.enter("ann", 523.0, &Camera::Busy((640, 360), &ANN));
        line.enter("cy", 1_171.0, &Camera::Plain(&CY));
        line.relay.narrow(NARROW);
        line.enter("dee", 787.0, &Camera::Plain(&CY));
        let Line {
            folder,
            server,
            relay,
            mut browsers,
            ..
        } = line;
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
    });
}
