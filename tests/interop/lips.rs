//! Whether lips are with the voice in Chromium: one page's camera flashes while its microphone beeps, another one sees and hears it, first
//! directly from page to page, then through the server, the camera as it comes and the composite.

use std::time::Duration;

use plenum_tests::browser::{Colours, Lips};
use plenum_tests::real_time::in_real_time;

use crate::line::{Camera, Line};

const CAMERA: Colours = [[40, 60, 40]; 4];
const WATCHED: u32 = 20;
/// Chromium moves a picture or a voice by 80 ms a second at most, and begins when it has two reports of each.
const SETTLED: Duration = Duration::from_secs(25);
/// What is to be, in ms.
const AIM: f64 = 45.0;
/// What the server may add to what is between two browsers without it: twice that, as Chromium leaves 30 ms as they are in either
/// measurement, and the machine is shared.
const APART: f64 = 90.0;
/// Whatever it is between two browsers, through the server it is no more than this.
const AT_ALL: f64 = 250.0;
/// Of the flashes so many are seen and heard.
const LEAST: usize = 10;

#[test]
fn lips_are_with_the_voice() {
    in_real_time(|| {
        let mut line = Line::start("lips", "");
        line.open_flashing("ann");
        line.open("ben", 787.0, &Camera::Plain(&CAMERA));
        line.browsers.pair("ann", "ben").unwrap();
        std::thread::sleep(SETTLED);
        let direct = watch(&mut line, "directly", 0.0);
        for name in ["ann", "ben"] {
            line.join(name);
        }
        for view in ["cameras", "composite"] {
            if view == "composite" {
                line.browsers
                    .pick("ben", "What is seen", "One picture of everybody")
                    .unwrap();
            }
            std::thread::sleep(SETTLED);
            let added = watch(&mut line, view, direct);
            assert!(
                added.abs() < APART,
                "{view}: the server puts them {added:.0} ms apart"
            );
        }
        line.server.stop().unwrap();
    });
}

/// By how many ms the voice is later than without a server.
fn watch(line: &mut Line, view: &str, direct: f64) -> f64 {
    let Lips { late, reckoned } = &line.browsers.lips("ben", WATCHED).unwrap();
    assert!(late.len() >= LEAST, "{view}: {late:?}");
    let middle = |of: &[f64]| of.get(of.len() / 2).copied().unwrap_or(f64::NAN);
    let (seen, added) = (middle(late), middle(late) - direct);
    println!(
        "{view}: the voice is {seen:.0} ms after the lips, {added:.0} of it the server's, to be within {AIM}; {:.0} by the reports: {late:.0?}",
        middle(reckoned),
    );
    assert!(seen.abs() < AT_ALL, "{view}: {late:.0?}");
    added
}
