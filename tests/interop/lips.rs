//! Whether lips are with the voice in Chromium: one page's camera flashes while its microphone beeps, another one sees and hears it, first the
//! camera as it comes, then the composite.

use std::time::Duration;

use plenum_tests::browser::Colours;

use crate::line::{Camera, Line};

const CAMERA: Colours = [[40, 60, 40]; 4];
const WATCHED: u32 = 10;
/// What is to be, in ms. It is printed, not judged: on cores that are shared with all others sound waits for its turn, too.
const AIM: f64 = 45.0;
/// Without anything that keeps them together they are further apart than this, in ms.
const APART: f64 = 250.0;
/// Of the flashes so many are seen and heard.
const LEAST: usize = 5;

#[test]
fn lips_are_with_the_voice() {
    let mut line = Line::start("lips", "");
    line.enter_flashing("ann");
    line.enter("ben", 787.0, &Camera::Plain(&CAMERA));
    // Jitter buffers, and the first reports of when what was said.
    std::thread::sleep(Duration::from_secs(10));
    for view in ["cameras", "composite"] {
        if view == "composite" {
            line.browsers
                .pick("ben", "What is seen", "One picture of everybody")
                .unwrap();
            std::thread::sleep(Duration::from_secs(10));
        }
        let mut late = line.browsers.lips("ben", WATCHED).unwrap();
        late.sort_by(f64::total_cmp);
        let middle = late.get(late.len() / 2).copied();
        println!(
            "{view}: the voice is {middle:.0?} ms after the lips, to be within {AIM}: {late:.0?}"
        );
        assert!(late.len() >= LEAST, "{late:?}");
        assert!(
            middle.is_some_and(|middle| middle.abs() < APART),
            "{late:?}"
        );
    }
    line.server.stop().unwrap();
}
