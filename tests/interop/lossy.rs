//! Two browsers and a soft phone on a line that loses 5 %, then 10 % of all datagrams both ways: each still hears the others all the time.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use plenum_tests::baresip::Baresip;
use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::relay::Relay;
use plenum_tests::server::Server;
use plenum_tests::tone::{Recording, syllables};
use plenum_tests::workspace::scratch;

// Whole periods in 20 ms: the phone plays on where a packet is missing, and a tone that goes on in another phase there would, cancelling
// itself, count as gone.
const ANN: f64 = 500.0;
const BEN: f64 = 800.0;
const PHONE: f64 = 1_150.0;
const LEVEL: f64 = -20.0;
const CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];
const RTP_PORTS: u16 = 4;
const SEED: u64 = 5;
/// Of each recording, seconds.
const HEARD: f64 = 8.0;

/// The share of its syllables in which a tone may be gone for the worst listener. A line that loses 5 % each way and has nobody who makes up
/// for it takes 10 %, one of 10 % takes 19 %.
const HOLES_AT_5_PERCENT: f64 = 0.05;
const HOLES_AT_10_PERCENT: f64 = 0.10;

fn judge(who: &str, loss: u32, heard: &Recording, own: f64, most: f64) -> Result<String> {
    let mut report = format!("{who} at {loss} % loss:");
    for tone in [ANN, BEN, PHONE] {
        let level = heard.loud(tone)?;
        if (tone - own).abs() < 1.0 {
            ensure!(
                level < LEVEL - 30.0,
                "{report} the own {tone} Hz at {level:.1} dB"
            );
            continue;
        }
        let holes = heard.holes(tone)?;
        report += &format!(" {tone} Hz {level:.1} dB, holes {holes:.3};");
        ensure!((level - LEVEL).abs() < 3.0, "{report} not as loud as sent");
        ensure!(holes <= most, "{report} at most {most} expected");
    }
    Ok(report)
}

/// The tones but its own are there, most of the time.
fn hears(heard: &Recording, own: f64) -> Result<()> {
    for tone in [ANN, BEN, PHONE] {
        let level = heard.loud(tone)?;
        let is_there = (level - LEVEL).abs() < 3.0 || (tone - own).abs() < 1.0;
        ensure!(is_there, "{tone} Hz at {level:.1} dB");
    }
    Ok(())
}

fn open(browsers: &mut Browsers, folder: &Path, name: &str, tone: f64) {
    let microphone = folder.join(format!("{name}.wav"));
    let camera = folder.join(format!("{name}.y4m"));
    syllables(tone, LEVEL, 60.0, 48_000)
        .write(&microphone)
        .unwrap();
    write_camera(&camera, &CAMERA).unwrap();
    browsers.open(name, &microphone, &camera).unwrap();
}

#[test]
fn everybody_is_heard_at_5_and_at_10_percent_loss() {
    in_real_time(|| {
        let folder = scratch("lossy").unwrap();
        let announced = Relay::ADDRESS.to_string();
        let environment = [
            ("PLENUM_SERVER__ANNOUNCED", announced.as_str()),
            ("PLENUM_MEDIA__WORKERS", "2"),
            ("PLENUM_CONFERENCE__VIDEO", "off"),
        ];
        let server = Server::start_overridden(&folder, RTP_PORTS, &environment).unwrap();
        let media = server.media.port();
        let rtp = server.rtp.0..=server.rtp.1;
        let relay = Relay::start((media..media + 2).chain(rtp), [server.sip.port()], SEED).unwrap();
        relay.impair(50, 0);

        let conference = server.conference("Bad line").unwrap();
        let mut browsers = Browsers::start(&folder).unwrap();
        for (name, person, tone) in [("ann", "Ann", ANN), ("ben", "Ben", BEN)] {
            open(&mut browsers, &folder, name, tone);
            browsers
                .join(
                    name,
                    &server.page(&conference),
                    person,
                    &conference.guest_pin,
                )
                .unwrap();
        }
        let microphone = folder.join("baresip.wav");
        syllables(PHONE, LEVEL, 180.0, 48_000)
            .write(&microphone)
            .unwrap();
        let mut phone =
            Baresip::start(&folder.join("baresip"), &microphone, "pcmu/8000/1").unwrap();
        phone
            .dial(&format!(
                "sip:plenum@{}:{}",
                Relay::ADDRESS,
                server.sip.port()
            ))
            .unwrap();
        let answered = Instant::now();
        phone
            .key(&format!("{}#{}#", conference.id, conference.guest_pin))
            .unwrap();
        eventually(
            "three people on Ann's page",
            Duration::from_secs(25),
            || {
                let text = browsers.text("ann")?;
                ensure!(text.contains("3 participants"), "the page says {text:?}");
                phone.check_in_call()
            },
        )
        .unwrap();

        // Being on the roster is not hearing yet: a handshake over such a line takes its time, and the phone is welcomed first.
        for (name, own) in [("ann", ANN), ("ben", BEN)] {
            eventually("both others are heard", Duration::from_secs(25), || {
                hears(&browsers.record(name, 1)?, own)
            })
            .unwrap();
        }
        let mut windows = Vec::new();
        let mut verdicts = Vec::new();
        for (loss, most) in [(5, HOLES_AT_5_PERCENT), (10, HOLES_AT_10_PERCENT)] {
            relay.impair(loss * 10, 0);
            sleep(Duration::from_secs(6));
            windows.push((loss, most, answered.elapsed().as_secs_f64()));
            for (name, own) in [("ann", ANN), ("ben", BEN)] {
                let heard = browsers.record(name, 8).unwrap();
                heard
                    .write(&folder.join(format!("{name}-{loss}.wav")))
                    .unwrap();
                verdicts.push(judge(name, loss, &heard, own, most));
            }
            phone.check_in_call().unwrap();
        }
        browsers
            .screenshot("ann", &folder.join("lossy.png"))
            .unwrap();
        let heard = phone.hang_up().unwrap();
        heard.write(&folder.join("phone-heard.wav")).unwrap();
        for (loss, most, from) in windows {
            let heard = heard.between(from, HEARD).unwrap();
            verdicts.push(judge("the phone", loss, &heard, PHONE, most));
        }
        let (passed, lost) = relay.counts();
        for verdict in &verdicts {
            println!("{verdict:?}");
        }
        println!("{lost} of {} datagrams were lost", passed + lost);
        assert!(
            lost * 25 > passed,
            "{lost} of {passed} lost: the line was not bad"
        );
        assert!(verdicts.iter().all(Result::is_ok), "{verdicts:#?}");
        server.stop().unwrap();
    });
}
