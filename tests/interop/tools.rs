//! The clients and the measuring without the server: when one of these fails, the fault is not the server's.

use std::time::Duration;

use plenum_tests::baresip::Baresip;
use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::pcap::Performance;
use plenum_tests::real_time::in_real_time;
use plenum_tests::sipp::Calls;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;

const CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];

#[test]
fn chromium_hears_and_sees_its_fake_devices_over_a_loopback_call() {
    in_real_time(|| {
        let folder = scratch("tools-browser").unwrap();
        let microphone = folder.join("tone.wav");
        let camera = folder.join("camera.y4m");
        sine(787.0, -20.0, 60.0, 48_000).write(&microphone).unwrap();
        write_camera(&camera, &CAMERA).unwrap();
        let mut browsers = Browsers::start(&folder).unwrap();
        browsers.open("a", &microphone, &camera).unwrap();
        browsers.loopback("a").unwrap();
        let heard = browsers.record("a", 5).unwrap().last(3.0).unwrap();
        heard.write(&folder.join("heard.wav")).unwrap();
        let level = heard.level(787.0).unwrap();
        assert!((level + 20.0).abs() < 1.0, "787 Hz at {level:.2} dBFS");
        assert!(heard.level(1171.0).unwrap() < -60.0);
        let pictures = browsers.look("a").unwrap();
        assert_eq!(pictures.len(), 1, "{pictures:?}");
        assert!(pictures[0].shows(&CAMERA), "{pictures:?}");
        assert!(pictures[0].frames >= 8, "{pictures:?}");
    });
}

#[test]
fn sipp_and_baresip_hear_each_other_without_a_server() {
    in_real_time(|| {
        let folder = scratch("tools-phones").unwrap();
        let microphone = folder.join("tone.wav");
        sine(1171.0, -20.0, 60.0, 48_000)
            .write(&microphone)
            .unwrap();
        let mut baresip =
            Baresip::start(&folder.join("baresip"), &microphone, "pcmu/8000/1").unwrap();
        let sipp = Calls {
            server: baresip.sip,
            number: "caller",
            count: 1,
            per_second: 1,
            stay_seconds: 6,
            performance: Performance {
                lead_ms: 400,
                digits: "12#",
                tones: false,
                tone: (1733.0, -20.0),
                rise: 0.0,
                seconds: 8,
            },
        }
        .start(&folder.join("sipp"))
        .unwrap();
        let ears = sipp.finish(Duration::from_secs(30)).unwrap();
        baresip.wait_closed(Duration::from_secs(5)).unwrap();
        let heard = baresip.hang_up().unwrap().last(2.0).unwrap();
        let level = heard.level(1733.0).unwrap();
        assert!(
            (level + 20.0).abs() < 0.5,
            "baresip: 1733 Hz at {level:.2} dBFS"
        );
        for ear in ears {
            let heard = ear.finish().unwrap().last(2.0).unwrap();
            let level = heard.level(1171.0).unwrap();
            assert!(
                (level + 20.0).abs() < 1.0,
                "sipp: 1171 Hz at {level:.2} dBFS"
            );
        }
    });
}
