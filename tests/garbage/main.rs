//! A minute of garbage at every port, while people talk: they notice nothing.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::print_stdout,
    reason = "what was heard, shown with --nocapture"
)]

mod senders;

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::sleep;
use std::time::{Duration, Instant};

use plenum_tests::baresip::Baresip;
use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::server::Server;
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;

const TONES: [f64; 3] = [523.0, 1171.0, 1733.0];
const CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const LASTS: Duration = Duration::from_mins(1);

#[test]
fn a_minute_of_garbage_at_every_port_leaves_the_calls_unharmed() {
    let folder = scratch("garbage").unwrap();
    let mut server = Server::start(&folder, 400).unwrap();
    let conference = server.conference("Quiet").unwrap();
    let keys = format!("{}#{}#", conference.id, conference.guest_pin);

    let wav = |tone: f64| {
        let path = folder.join(format!("{tone}.wav"));
        sine(tone, -20.0, 240.0, 48_000).write(&path).unwrap();
        path
    };
    let camera = folder.join("camera.y4m");
    write_camera(&camera, &CAMERA).unwrap();
    let mut browsers = Browsers::start(&folder).unwrap();
    browsers.open("ann", &wav(TONES[0]), &camera).unwrap();
    browsers
        .join(
            "ann",
            &server.page(&conference),
            "Ann",
            &conference.guest_pin,
        )
        .unwrap();
    let mut phones =
        [("opus/48000/1", TONES[1]), ("pcmu/8000/1", TONES[2])].map(|(codec, tone)| {
            let folder = folder.join(format!("baresip-{tone}"));
            let mut phone = Baresip::start(&folder, &wav(tone), codec).unwrap();
            phone.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
            phone.key(&keys).unwrap();
            phone
        });
    sleep(Duration::from_secs(8));

    let stop = Arc::new(AtomicBool::new(false));
    let senders = senders::start(&server, &conference, &stop);
    let until = Instant::now() + LASTS;
    let mut slowest = Duration::ZERO;
    while Instant::now() < until {
        sleep(Duration::from_secs(5));
        server.check_alive().unwrap();
        for phone in &mut phones {
            phone.check_in_call().unwrap();
        }
        let states = browsers.states("ann").unwrap();
        assert_eq!(states, ["connected"], "Ann's connections");
        let asked = Instant::now();
        server.metrics().unwrap();
        slowest = slowest.max(asked.elapsed());
    }
    let ann = browsers.record("ann", 6).unwrap();
    stop.store(true, Ordering::Relaxed);
    for sender in senders {
        let (name, sent) = sender.join().unwrap();
        println!("{name}: {sent}");
        assert!(sent > 500, "{name} sent only {sent} pieces of garbage");
    }
    assert!(
        slowest < Duration::from_secs(2),
        "/metrics took {slowest:?}"
    );
    let [opus, pcmu] = phones.map(|phone| phone.hang_up().unwrap());

    let verdicts = [
        judge(
            "Ann",
            &ann.last(4.0).unwrap(),
            TONES[0],
            &[TONES[1], TONES[2]],
        ),
        judge(
            "the Opus phone",
            &opus.last(55.0).unwrap(),
            TONES[1],
            &[TONES[0], TONES[2]],
        ),
        judge(
            "the G.711 phone",
            &pcmu.last(55.0).unwrap(),
            TONES[2],
            &[TONES[0], TONES[1]],
        ),
    ];
    for verdict in &verdicts {
        println!("{verdict:?}");
    }
    assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
    // Whoever leaves first makes the other's recording end with a farewell tone and one tone less.
    let opus_steady = opus.last(55.0).unwrap().steadiness(TONES[2]).unwrap();
    let pcmu_steady = pcmu
        .last(60.0)
        .unwrap()
        .between(0.0, 55.0)
        .unwrap()
        .steadiness(TONES[1])
        .unwrap();
    println!("steady: Opus phone {opus_steady:.3}, G.711 phone {pcmu_steady:.3}");
    assert!(
        opus_steady > 0.97,
        "the Opus phone heard interruptions: {opus_steady:.3}"
    );
    assert!(
        pcmu_steady > 0.97,
        "the G.711 phone heard interruptions: {pcmu_steady:.3}"
    );
    server.stop().unwrap();
}
