//! Chromium's page gives its user a PIN, a soft phone keys it, and the two are one person with one mute.

use std::thread::sleep;
use std::time::Duration;

use anyhow::{Context as _, ensure};
use plenum_tests::baresip::Baresip;
use plenum_tests::browser::{Browsers, Colours, write_camera};
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::Value;

const CAMERA: Colours = [[200, 40, 40], [40, 160, 60], [40, 60, 190], [220, 200, 60]];

/// The PIN on the page: the one that stands in two groups of four digits.
fn pin(text: &str) -> Option<String> {
    let words: Vec<&str> = text.split_whitespace().collect();
    let digits = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    let found = words.windows(3).find(|three| {
        let [first, second, third] = three else {
            return false;
        };
        digits(first) && digits(second) && *third == "#"
    })?;
    Some(found[..2].concat())
}

#[test]
fn a_page_and_the_phone_that_keys_its_pin_are_one_person_with_one_mute() {
    in_real_time(|| {
        let folder = scratch("pairing").unwrap();
        let server = Server::start(&folder, 20).unwrap();
        let conference = server.conference("Pairing").unwrap();
        let mut browsers = Browsers::start(&folder).unwrap();
        let (voice, camera) = (folder.join("ann.wav"), folder.join("ann.y4m"));
        sine(523.0, -20.0, 60.0, 48_000).write(&voice).unwrap();
        write_camera(&camera, &CAMERA).unwrap();
        browsers.open("ann", &voice, &camera).unwrap();
        browsers
            .join(
                "ann",
                &server.page(&conference),
                "Ann",
                &conference.guest_pin,
            )
            .unwrap();
        browsers.click("ann", "Get my PIN").unwrap();
        let pin = eventually("a PIN on the page", Duration::from_secs(5), || {
            pin(&browsers.text("ann")?).context("none yet")
        })
        .unwrap();

        let microphone = folder.join("phone.wav");
        sine(1_171.0, -20.0, 90.0, 48_000)
            .write(&microphone)
            .unwrap();
        let mut phone =
            Baresip::start(&folder.join("baresip"), &microphone, "pcmu/8000/1").unwrap();
        phone.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
        phone.key(&format!("{}#{pin}#", conference.id)).unwrap();
        let path = format!("/conferences/{}/participants", conference.id);
        let wait = |what: &str, by_phone: bool, muted: bool| {
            eventually(what, Duration::from_secs(15), || {
                let (_, shown) = server.rest("GET", &path, &Value::Null)?;
                let people = shown["participants"].as_array().context("people")?;
                let [ann] = &people[..] else {
                    anyhow::bail!("not one: {shown}");
                };
                let on_phone = ann["by_phone"] == true;
                ensure!(ann["name"] == "Ann" && ann["camera"] == true, "{ann}");
                ensure!(on_phone == by_phone && ann["muted"] == muted, "{ann}");
                Ok(())
            })
            .unwrap();
        };
        wait("Ann on the phone", true, false);
        // Past the page's own echo.
        sleep(Duration::from_secs(3));
        wait("Ann still heard", true, false);
        let text = browsers.text("ann").unwrap();
        assert!(text.contains("You speak and hear by phone"), "{text}");
        let shot = folder.join("by-phone.png");
        browsers.screenshot("ann", &shot).unwrap();

        phone.key("*6").unwrap();
        wait("the mute of the phone", true, true);
        browsers.click("ann", "^Unmute microphone").unwrap();
        wait("the unmute of the page", true, false);
        sleep(Duration::from_secs(3));
        wait("no answer by itself", true, false);
        phone.hang_up().unwrap();
        wait("Ann on her page alone, muted", false, true);
        browsers.click("ann", "^Unmute microphone").unwrap();
        wait("Ann heard by her page", false, false);
        browsers.close("ann").unwrap();
        server.stop().unwrap();
    });
}
