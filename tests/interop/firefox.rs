//! Firefox, which has VP8 alone, in a room with two Chromium pages of which one has H.264 alone: each hears the other two and finds all three in
//! the composite, live; and where cameras are forwarded, those who can decode each other's see them.

use std::net::{IpAddr, Ipv4Addr, UdpSocket};
use std::thread::sleep;
use std::time::Duration;

use plenum_tests::browser::{Browsers, Colours, write_camera_of};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::{judge, sine};
use plenum_tests::workspace::scratch;

use crate::quarters::{self, GROUND};

const ANN: [u8; 3] = [200, 40, 40];
const BEN: [u8; 3] = [40, 90, 200];
const CID: [u8; 3] = [40, 160, 60];
const SMALL: &str = "[video]\nsize = \"640x360\"\nframe_rate = 15\n";
const LEVEL: f64 = -20.0;
const PEOPLE: [(&str, f64); 3] = [("Ann", 523.0), ("Ben", 787.0), ("Cid", 1171.0)];

#[test]
fn firefox_and_both_kinds_of_chromium_are_heard_and_seen() {
    in_real_time(|| {
        let folder = scratch("firefox").unwrap();
        let here = interface().unwrap().to_string();
        let reach = [
            ("PLENUM_SERVER__BIND", "0.0.0.0"),
            ("PLENUM_SERVER__ANNOUNCED", &here),
        ];
        // Small pictures: three browsers, and all their encoders, have the processor of one machine.
        let config = quarters::config("composite") + SMALL;
        let server = Server::launch(&folder, 20, &config, &reach).unwrap();
        let conference = server.conference("Three").unwrap();
        let page = server.page(&conference);
        let mut browsers = Browsers::start(&folder).unwrap();
        for ((person, tone), colour) in PEOPLE.into_iter().zip([ANN, BEN, CID]) {
            let microphone = folder.join(format!("{person}.wav"));
            let camera = folder.join(format!("{person}.y4m"));
            sine(tone, LEVEL, 60.0, 48_000).write(&microphone).unwrap();
            write_camera_of((320, 180), &camera, &[colour; 4]).unwrap();
            match person {
                "Ben" => browsers.open_with_codec(person, &microphone, &camera, "video/H264"),
                "Cid" => browsers.open_firefox(person, tone, &[colour; 4]),
                _ => browsers.open(person, &microphone, &camera),
            }
            .unwrap();
            browsers
                .join(person, &page, person, &conference.guest_pin)
                .unwrap();
        }
        for (person, _) in PEOPLE {
            sees(&mut browsers, person, &[ANN, BEN, CID, GROUND]);
        }
        // Tones of those who came and went, and jitter buffers.
        sleep(Duration::from_secs(3));
        for (person, own) in PEOPLE {
            let others = PEOPLE.map(|(_, tone)| tone);
            let others: Vec<f64> = others
                .into_iter()
                .filter(|tone| (tone - own).abs() > 1.0)
                .collect();
            let heard = browsers.record(person, 5).unwrap().last(3.0).unwrap();
            heard
                .write(&folder.join(format!("{person}-heard.wav")))
                .unwrap();
            println!("{:?}", judge(person, &heard, own, &others).unwrap());
        }
        browsers
            .screenshot("Cid", &folder.join("firefox-composite.png"))
            .unwrap();
        let path = format!("/conferences/{}", conference.id);
        let body = serde_json::json!({ "video": "switched" });
        assert_eq!(server.rest("PATCH", &path, &body).unwrap().0, 204);
        sees(&mut browsers, "Ann", &[CID; 4]);
        // Firefox cannot decode Ben's camera: with Ben it keeps the picture of all, without it gets cameras.
        sees(&mut browsers, "Cid", &[ANN, BEN, CID, GROUND]);
        browsers.close("Ben").unwrap();
        sees(&mut browsers, "Cid", &[ANN; 4]);
        browsers
            .screenshot("Cid", &folder.join("firefox-cameras.png"))
            .unwrap();
        server.stop().unwrap();
    });
}

/// An address of this machine beyond the loopback, of which Firefox takes no candidates. Nothing is sent to find it.
fn interface() -> anyhow::Result<IpAddr> {
    let socket = UdpSocket::bind((Ipv4Addr::UNSPECIFIED, 0))?;
    socket.connect((Ipv4Addr::new(192, 0, 2, 1), 9))?;
    Ok(socket.local_addr()?.ip())
}

/// Waits until one of the page's pictures has those quadrants and moves, in whatever size the line carries.
fn sees(browsers: &mut Browsers, person: &str, colours: &Colours) {
    eventually("the picture", Duration::from_secs(20), || {
        let pictures = browsers.look(person)?;
        let seen = pictures
            .iter()
            .any(|picture| picture.shows(colours) && picture.frames >= 8);
        anyhow::ensure!(seen, "{person} sees {pictures:?}");
        Ok(())
    })
    .unwrap();
}
