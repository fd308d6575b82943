//! A number with its own greeting that leads to one conference, called by a phone whose number the trunk gives in its own way.

use std::thread::sleep;
use std::time::Duration;

use anyhow::ensure;
use plenum_tests::baresip::Baresip;
use plenum_tests::process::eventually;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::sine;
use plenum_tests::workspace::scratch;
use serde_json::Value;

use crate::languages::loudest;

/// The greeting, and what stands in for the question for a number, Hz.
const GREETING: f64 = 690.0;
const QUESTION: f64 = 1_050.0;

#[test]
fn a_number_greets_in_its_own_way_asks_for_the_pin_alone_and_shows_who_calls() {
    in_real_time(|| {
        let folder = scratch("numbers").unwrap();
        let greeting = folder.join("greeting.wav");
        sine(GREETING, -20.0, 1.5, 48_000).write(&greeting).unwrap();
        let prompts = folder.join("prompts/en");
        std::fs::create_dir_all(&prompts).unwrap();
        let question = prompts.join("enter-conference-id.wav");
        sine(QUESTION, -20.0, 1.5, 16_000).write(&question).unwrap();
        let more = format!(
            "\n[prompts]\ndir = \"{}\"\n\n\
         [[sip.numbers]]\nnumber = \"+49 30 123456\"\nlanguages = [\"en\"]\ngreeting = \"{}\"\nconference = \"4711\"\n\n\
         [[sip.trunks]]\nname = \"pbx\"\naddresses = [\"127.0.0.1\"]\ncaller = \"from\"\n\
         rewrite_caller = [\"0=+49\"]\nrewrite_called = [\"0=+49\"]\n",
            folder.join("prompts").display(),
            greeting.display(),
        );
        let server = Server::start_with(&folder, 10, &more).unwrap();
        let made = serde_json::json!({ "name": "Hotline", "id": "4711", "guest_pin": "2468" });
        assert_eq!(server.rest("POST", "/conferences", &made).unwrap().0, 201);
        let microphone = folder.join("silence.wav");
        sine(300.0, -90.0, 90.0, 48_000).write(&microphone).unwrap();
        let home = folder.join("baresip");
        let mut phone = Baresip::start_as(&home, &microphone, "0891234567", true).unwrap();
        phone
            .dial(&format!("sip:030123456@{}", server.sip))
            .unwrap();
        // The greeting and the question for the PIN.
        sleep(Duration::from_secs(6));
        phone.key("2468#").unwrap();
        let inside = || {
            let (_, shown) = server.rest("GET", "/conferences/4711/participants", &Value::Null)?;
            let caller = shown["participants"][0].clone();
            ensure!(caller["kind"] == "phone", "{shown}");
            Ok(caller)
        };
        let caller = eventually("the caller inside", Duration::from_secs(10), inside).unwrap();
        assert_eq!(caller["name"], "+4989•••67");
        let heard = phone.hang_up().unwrap();
        let level = loudest(&heard, GREETING);
        assert!(level > -26.0, "the greeting is heard at {level:.1} dBFS");
        let level = loudest(&heard, QUESTION);
        assert!(level < -34.0, "a number is asked for at {level:.1} dBFS");
        server.stop().unwrap();
    });
}
