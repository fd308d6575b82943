//! The promise of the house: two browsers, a soft phone and a G.711 phone in one room. Each sends its own tone and hears exactly the other
//! three; each browser sees the other's camera.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use plenum_tests::baresip::Baresip;
use plenum_tests::browser::{Browsers, Colours, Picture, write_camera};
use plenum_tests::pcap::Performance;
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::sipp::{Calls, Sipp};
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;

/// Tones that are no multiples of one another, in the band of G.711.
const ANN: f64 = 523.0;
const BEN: f64 = 787.0;
const BARESIP: f64 = 1171.0;
const SIPP: f64 = 1733.0;
/// Four of these stay below full scale together.
const LEVEL: f64 = -20.0;

const ANN_CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const BEN_CAMERA: Colours = [
    [60, 180, 200],
    [200, 200, 200],
    [180, 60, 180],
    [50, 50, 50],
];

fn others(own: f64) -> Vec<f64> {
    [ANN, BEN, BARESIP, SIPP]
        .into_iter()
        .filter(|tone| (tone - own).abs() > 1.0)
        .collect()
}

fn open(browsers: &mut Browsers, folder: &Path, name: &str, tone: f64, colours: &Colours) {
    let microphone = folder.join(format!("{name}.wav"));
    let camera = folder.join(format!("{name}.y4m"));
    sine(tone, LEVEL, 60.0, 48_000).write(&microphone).unwrap();
    write_camera(&camera, colours).unwrap();
    browsers.open(name, &microphone, &camera).unwrap();
}

fn sees(pictures: &[Picture], colours: &Colours) -> bool {
    pictures
        .iter()
        .any(|picture| picture.shows(colours) && picture.frames >= 8)
}

/// The four, before they are known to be in.
struct Gathering {
    server: Server,
    browsers: Browsers,
    baresip: Baresip,
    sipp: Sipp,
    sipp_started: Instant,
}

fn gather(folder: &Path) -> Gathering {
    let server = Server::start(folder, 100).unwrap();
    let conference = server.conference("Tones").unwrap();
    let page = server.page(&conference);
    let keys = format!("{}#{}#", conference.id, conference.guest_pin);

    let mut browsers = Browsers::start(folder).unwrap();
    open(&mut browsers, folder, "ann", ANN, &ANN_CAMERA);
    open(&mut browsers, folder, "ben", BEN, &BEN_CAMERA);
    for (name, person) in [("ann", "Ann"), ("ben", "Ben")] {
        browsers
            .join(name, &page, person, &conference.guest_pin)
            .unwrap();
    }

    let microphone = folder.join("baresip.wav");
    sine(BARESIP, LEVEL, 180.0, 48_000)
        .write(&microphone)
        .unwrap();
    let mut baresip = Baresip::start(&folder.join("baresip"), &microphone, "opus/48000/1").unwrap();
    baresip.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
    baresip.key(&keys).unwrap();

    let sipp_started = Instant::now();
    let sipp = Calls {
        server: server.sip,
        number: "plenum",
        count: 1,
        per_second: 1,
        stay_seconds: 55,
        performance: Performance {
            lead_ms: 1000,
            digits: &keys,
            tones: false,
            tone: (SIPP, LEVEL),
            rise: 0.0,
            seconds: 70,
        },
    }
    .start(&folder.join("sipp"))
    .unwrap();
    Gathering {
        server,
        browsers,
        baresip,
        sipp,
        sipp_started,
    }
}

/// All four are in when Ann's page says so: two names and two phones. Then prompts and entry tones end, and jitter buffers settle.
fn settle(browsers: &mut Browsers, baresip: &mut Baresip) {
    eventually("four people on Ann's page", Duration::from_secs(25), || {
        let text = browsers.text("ann")?;
        let phones = text.to_lowercase().matches("phone").count();
        anyhow::ensure!(
            text.contains("Ben") && phones >= 2,
            "the page says {text:?}"
        );
        baresip.check_in_call()
    })
    .unwrap();
    sleep(Duration::from_secs(4));
}

#[test]
fn two_browsers_and_two_phones_hear_exactly_the_others_and_see_each_other() {
    in_real_time(|| {
        let folder = scratch("room").unwrap();
        let Gathering {
            server,
            mut browsers,
            mut baresip,
            sipp,
            sipp_started,
        } = gather(&folder);
        settle(&mut browsers, &mut baresip);
        let settled = sipp_started.elapsed().as_secs_f64();

        let ann = browsers.record("ann", 6).unwrap();
        let ben = browsers.record("ben", 6).unwrap();
        let ann_sees = browsers.look("ann").unwrap();
        let ben_sees = browsers.look("ben").unwrap();
        // The last sender report is at most five seconds old, with a little for the clocks of a busy machine.
        let hearing = browsers.hearing("ann").unwrap();
        let behind = hearing.received.checked_sub(hearing.sent);
        assert!(
            hearing.reports >= 4 && behind.is_some_and(|behind| behind <= 350) && hearing.lost == 0,
            "sender reports do not count what was sent: {hearing:?}"
        );
        browsers
            .screenshot("ann", &folder.join("room.png"))
            .unwrap();
        baresip.check_in_call().unwrap();
        let baresip = baresip.hang_up().unwrap();
        let ears = sipp.finish(Duration::from_secs(60)).unwrap();
        let [ear] = <[_; 1]>::try_from(ears).unwrap();
        let sipp = ear.finish().unwrap();

        for (name, heard) in [
            ("ann", &ann),
            ("ben", &ben),
            ("baresip", &baresip),
            ("sipp", &sipp),
        ] {
            heard
                .write(&folder.join(format!("{name}-heard.wav")))
                .unwrap();
        }
        assert!(
            sees(&ann_sees, &BEN_CAMERA),
            "Ann does not see Ben: {ann_sees:?}"
        );
        assert!(
            sees(&ben_sees, &ANN_CAMERA),
            "Ben does not see Ann: {ben_sees:?}"
        );
        assert!(
            !sees(&ann_sees, &ANN_CAMERA),
            "Ann sees herself: {ann_sees:?}"
        );
        assert!(
            !sees(&ben_sees, &BEN_CAMERA),
            "Ben sees himself: {ben_sees:?}"
        );
        let verdicts = [
            judge("Ann", &ann.last(4.0).unwrap(), ANN, &others(ANN)),
            judge("Ben", &ben.last(4.0).unwrap(), BEN, &others(BEN)),
            judge(
                "baresip",
                &baresip.last(8.0).unwrap(),
                BARESIP,
                &others(BARESIP),
            ),
            judge(
                "sipp",
                &sipp.between(settled, 8.0).unwrap(),
                SIPP,
                &others(SIPP),
            ),
        ];
        for verdict in &verdicts {
            println!("{verdict:?}");
        }
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
        server.stop().unwrap();
    });
}
