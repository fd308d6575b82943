//! A caller chooses a language by key, and hears it from then on: at the attendant and in the conference.

use std::thread::sleep;
use std::time::Duration;

use plenum_tests::baresip::Baresip;
use plenum_tests::real_time::in_real_time;
use plenum_tests::server::Server;
use plenum_tests::tone::{Recording, sine};
use plenum_tests::workspace::scratch;

/// What stands in for a prompt, by its place in the prompts' folder, and its tone in Hz.
const PROMPTS: [(&str, f64); 7] = [
    ("en/choose-language-1", 510.0),
    ("es/choose-language-2", 690.0),
    ("es/enter-conference-id", 870.0),
    ("es/enter-pin", 1_050.0),
    ("es/joining", 1_230.0),
    ("es/first-participant", 1_410.0),
    ("es/muted", 1_590.0),
];
/// What must not be heard of the language that was not chosen.
const OTHER: (&str, f64) = ("en/enter-conference-id", 1_770.0);

/// The level of a tone in the second in which it is loudest, dBFS.
pub(crate) fn loudest(heard: &Recording, hertz: f64) -> f64 {
    let seconds = heard.samples.len() as f64 / f64::from(heard.rate);
    let starts = (0..).map(|fifth| f64::from(fifth) / 5.0);
    starts
        .take_while(|from| from + 1.0 < seconds)
        .map(|from| heard.between(from, 1.0).unwrap().level(hertz).unwrap())
        .fold(f64::MIN, f64::max)
}

#[test]
fn the_language_chosen_by_key_is_heard_at_the_attendant_and_in_the_conference() {
    in_real_time(|| {
        let folder = scratch("languages").unwrap();
        let prompts = folder.join("prompts");
        for (name, hertz) in PROMPTS.into_iter().chain([OTHER]) {
            let path = prompts.join(format!("{name}.wav"));
            std::fs::create_dir_all(path.parent().unwrap()).unwrap();
            sine(hertz, -20.0, 0.8, 16_000).write(&path).unwrap();
        }
        let microphone = folder.join("silence.wav");
        sine(300.0, -90.0, 90.0, 48_000).write(&microphone).unwrap();
        let dir = prompts.to_str().unwrap();
        let settings = [
            ("PLENUM_PROMPTS__DIR", dir),
            ("PLENUM_SIP__LANGUAGES", "en,es"),
        ];
        let server = Server::start_overridden(&folder, 20, &settings).unwrap();
        let conference = server.conference("Idiomas").unwrap();
        let mut phone =
            Baresip::start(&folder.join("baresip"), &microphone, "pcmu/8000/1").unwrap();
        phone.dial(&format!("sip:plenum@{}", server.sip)).unwrap();
        // The welcome and both choices, to their end.
        sleep(Duration::from_secs(6));
        phone.key("2").unwrap();
        sleep(Duration::from_secs(2));
        phone.key(&format!("{}#", conference.id)).unwrap();
        sleep(Duration::from_secs(2));
        phone.key(&format!("{}#", conference.guest_pin)).unwrap();
        sleep(Duration::from_secs(4));
        phone.key("*6").unwrap();
        sleep(Duration::from_secs(3));
        let heard = phone.hang_up().unwrap();
        heard.write(&folder.join("heard.wav")).unwrap();
        for (name, hertz) in PROMPTS {
            let level = loudest(&heard, hertz);
            assert!(level > -26.0, "{name} at {level:.1} dBFS");
        }
        let level = loudest(&heard, OTHER.1);
        assert!(level < -34.0, "{} at {level:.1} dBFS", OTHER.0);
        server.stop().unwrap();
    });
}
