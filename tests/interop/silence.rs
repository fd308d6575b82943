//! A silent microphone costs little: the server asks browsers for DTX, and what is said after a silence is heard whole.

use std::time::Duration;

use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::syllables;
use plenum_tests::workspace::scratch;

const CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const ANN: f64 = 523.0;
const LEVEL: f64 = -20.0;
/// Ann is silent, then talks, again and again; seconds.
const SILENCE: f64 = 12.0;
const SPEECH: f64 = 9.0;
/// Long enough for one whole speech, wherever it begins; seconds.
const HEARD: u32 = 32;

#[test]
fn a_silent_browser_sends_few_packets_and_its_next_word_is_whole() {
    in_real_time(|| {
        let folder = scratch("silence").unwrap();
        let server = Server::start_with(&folder, 4, "[conference]\nvideo = \"off\"\n").unwrap();
        let conference = server.conference("Quiet").unwrap();
        let (microphone, camera) = (folder.join("ann.wav"), folder.join("camera.y4m"));
        let mut speech = syllables(ANN, LEVEL, SPEECH, 48_000);
        let mut samples = vec![0; 12 * 48_000];
        samples.append(&mut speech.samples);
        speech.samples = samples;
        speech.write(&microphone).unwrap();
        write_camera(&camera, &CAMERA).unwrap();
        let mut browsers = Browsers::start(&folder).unwrap();
        for (name, person) in [("ann", "Ann"), ("ben", "Ben")] {
            browsers.open(name, &microphone, &camera).unwrap();
            let page = server.page(&conference);
            browsers
                .join(name, &page, person, &conference.guest_pin)
                .unwrap();
        }
        eventually("both in the room", Duration::from_secs(20), || {
            let text = browsers.text("ben")?;
            anyhow::ensure!(text.contains("2 participants"), "Ben's page says {text:?}");
            Ok(())
        })
        .unwrap();
        // Ben's microphone plays the same at another time, so he is muted: only Ann is heard.
        browsers.click("ben", "^mute").unwrap();

        let before = browsers.hearing("ann").unwrap().said;
        let heard = browsers.record("ben", HEARD).unwrap();
        let said = browsers.hearing("ann").unwrap().said - before;
        heard.write(&folder.join("ben.wav")).unwrap();

        let stretches = heard.stretches(ANN).unwrap();
        let talking: f64 = stretches.iter().map(|(from, to)| to - from).sum();
        let most = talking.mul_add(50.0, (f64::from(HEARD) - talking) * 5.0);
        println!("{said} packets, {most:.0} expected at most; heard at {stretches:.2?} s");
        assert!(
            f64::from(u32::try_from(said).unwrap()) < most + 100.0
                && talking < f64::from(HEARD) - 8.0,
            "{said} packets in {HEARD} s of which it talked {talking:.1} s"
        );
        let &(from, to) = stretches
            .iter()
            .find(|(from, to)| *from > 1.0 && *to < f64::from(HEARD) - 1.0)
            .unwrap();
        // The last syllable ends 100 ms before the speech does.
        assert!(
            (to - from - (SPEECH - 0.1)).abs() < 0.1,
            "heard from {from:.2} to {to:.2} s, silent for {SILENCE} s before"
        );
        let whole = heard.between(from, to - from).unwrap();
        let holes = whole.holes(ANN).unwrap();
        assert!(holes < 0.01, "{holes:.3} of it is gone");
        server.stop().unwrap();
    });
}
