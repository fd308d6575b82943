//! Numbers with languages, a fixed conference, and names that are heard again: the attendant in virtual time.

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::Digit;
use plenum_dialin::attendant::{
    Attendant, AttendantConfig, AttendantInput, AttendantOutput, AttendantResult, CheckResult,
    ConferenceNumber, Language, PromptKey, Reception,
};

/// A caller of a number; control knows conference 1001 with PIN 2001 and conference 1002 without.
struct Caller {
    attendant: Attendant,
    now: MediaTime,
    /// One word for each thing that the attendant did, prompts by their keys.
    heard: Vec<String>,
    joined: Option<String>,
    hung_up: Option<AttendantResult>,
}

fn language(code: &str) -> Language {
    Language::parse(code).unwrap()
}

impl Caller {
    fn of(languages: &str, conference: &str, names: bool) -> Self {
        let reception = Reception {
            languages: languages.split_whitespace().map(language).collect(),
            conference: ConferenceNumber::parse(conference),
        };
        let config = AttendantConfig {
            names,
            ..AttendantConfig::default()
        };
        Self {
            attendant: Attendant::of(config, reception),
            now: MediaTime::from_millis(5),
            heard: Vec::new(),
            joined: None,
            hung_up: None,
        }
    }

    fn give(&mut self, input: AttendantInput) {
        self.attendant.handle(self.now, input);
        while let Some(output) = self.attendant.poll_output() {
            self.take(output);
        }
    }

    fn take(&mut self, output: AttendantOutput) {
        match output {
            AttendantOutput::Play(prompts) => {
                self.heard
                    .extend(prompts.iter().map(|p| p.as_str().to_owned()));
            }
            AttendantOutput::OfferLanguages { first, languages } => {
                self.heard.push(first.as_str().to_owned());
                self.heard.extend(languages.iter().map(Language::to_string));
            }
            AttendantOutput::ReviewName => self.heard.push("review".into()),
            AttendantOutput::StopPlaying => self.heard.push("stop".into()),
            AttendantOutput::Record(_) => self.heard.push("record".into()),
            AttendantOutput::EndRecording => self.heard.push("recorded".into()),
            AttendantOutput::Check { conference, pin } => {
                let pin = pin.as_ref().map(|pin| pin.expose());
                let result = match (conference.as_str(), pin) {
                    ("1001", Some("2001")) | ("1002", None) => CheckResult::Ok,
                    (_, None) => CheckResult::NeedPin,
                    (_, Some(_)) => CheckResult::Wrong,
                };
                self.attendant
                    .handle(self.now, AttendantInput::Checked(result));
            }
            AttendantOutput::Join { conference, .. } => {
                self.joined = Some(conference.as_str().to_owned());
            }
            AttendantOutput::Hangup(result) => self.hung_up = Some(result),
        }
    }

    /// `keys` may be digits, `.` for the end of what plays, `~` for the next time-out, `!` and `?` for a recording with and without a
    /// voice in it, `^` for the start.
    fn does(&mut self, keys: &str) {
        for key in keys.chars() {
            match key {
                '^' => self.give(AttendantInput::Started),
                '.' => self.give(AttendantInput::PromptFinished),
                '!' => self.give(AttendantInput::Recorded(true)),
                '?' => self.give(AttendantInput::Recorded(false)),
                '~' => {
                    if let Some(due) = self.attendant.deadline() {
                        self.now = self.now.max(due);
                        self.give(AttendantInput::Tick);
                    }
                }
                key => self.give(AttendantInput::Digit(Digit::from_char(key).unwrap())),
            }
        }
    }
}

/// (what, languages, conference, names, what the caller does, what is heard, language, joined)
type Row = (
    &'static str,
    &'static str,
    &'static str,
    bool,
    &'static str,
    &'static str,
    &'static str,
    Option<&'static str>,
);

const PATHS: [Row; 20] = [
    (
        "one language is not asked for",
        "de",
        "",
        false,
        "^",
        "welcome enter-conference-id",
        "de",
        None,
    ),
    (
        "two are, each in its own words",
        "en es",
        "",
        false,
        "^",
        "welcome en es",
        "en",
        None,
    ),
    (
        "a key chooses, over the prompt",
        "en es fr",
        "",
        false,
        "^2",
        "welcome en es fr stop enter-conference-id",
        "es",
        None,
    ),
    (
        "a key after the prompt",
        "en es",
        "",
        false,
        "^.1",
        "welcome en es enter-conference-id",
        "en",
        None,
    ),
    (
        "a key that is none of them",
        "en es",
        "",
        false,
        "^9",
        "welcome en es stop invalid-choice en es",
        "en",
        None,
    ),
    (
        "star and pound are none either",
        "en es",
        "",
        false,
        "^#*2",
        "welcome en es stop invalid-choice en es stop invalid-choice en es stop enter-conference-id",
        "es",
        None,
    ),
    (
        "three wrong keys: the first language",
        "en es",
        "",
        false,
        "^999",
        "welcome en es stop invalid-choice en es stop invalid-choice en es stop enter-conference-id",
        "en",
        None,
    ),
    (
        "silence is told, then the first language",
        "fr en",
        "",
        false,
        "^.~.~.~",
        "welcome fr en timeout fr en timeout fr en enter-conference-id",
        "fr",
        None,
    ),
    (
        "an end of the prompt that is never told",
        "fr en",
        "",
        false,
        "^~2",
        "welcome fr en enter-conference-id",
        "en",
        None,
    ),
    (
        "everything keyed ahead of the answer",
        "en es",
        "",
        false,
        "21001#2001#^.",
        "joining",
        "es",
        Some("1001"),
    ),
    (
        "everything keyed over the first prompt",
        "en es",
        "",
        false,
        "^21002#.",
        "welcome en es stop enter-conference-id stop joining",
        "es",
        Some("1002"),
    ),
    (
        "a fixed conference asks for the pin alone",
        "de",
        "1001",
        false,
        "^.2001#.",
        "welcome enter-pin joining",
        "de",
        Some("1001"),
    ),
    (
        "a fixed conference without a pin",
        "de",
        "1002",
        false,
        "^.",
        "welcome joining",
        "de",
        Some("1002"),
    ),
    (
        "a fixed conference in a chosen language",
        "en it",
        "1001",
        false,
        "^2.2001#.",
        "welcome en it stop enter-pin joining",
        "it",
        Some("1001"),
    ),
    (
        "star begins the pin anew",
        "de",
        "1001",
        false,
        "^*.2001#.",
        "welcome enter-pin stop enter-pin joining",
        "de",
        Some("1001"),
    ),
    (
        "a name is heard and kept",
        "fr",
        "1002",
        true,
        "^.#!.#.",
        "welcome say-name record recorded review joining",
        "fr",
        Some("1002"),
    ),
    (
        "a name is kept without a key",
        "fr",
        "1002",
        true,
        "^.~!.~.",
        "welcome say-name record recorded review joining",
        "fr",
        Some("1002"),
    ),
    (
        "a name is said again, over the prompt",
        "fr",
        "1002",
        true,
        "^.#!*.#!#.",
        "welcome say-name record recorded review stop say-name record recorded review stop joining",
        "fr",
        Some("1002"),
    ),
    (
        "nothing was said",
        "fr",
        "1002",
        true,
        "^.#?.",
        "welcome say-name record recorded joining",
        "fr",
        Some("1002"),
    ),
    (
        "the recording never comes",
        "fr",
        "1002",
        true,
        "^.#~.",
        "welcome say-name record recorded joining",
        "fr",
        Some("1002"),
    ),
];

#[test]
fn every_path_through_a_number_is_as_the_table_says() {
    for (what, languages, conference, names, keys, heard, spoken, joined) in PATHS {
        let mut caller = Caller::of(languages, conference, names);
        caller.does(keys);
        assert_eq!(caller.heard.join(" "), heard, "{what}");
        assert_eq!(caller.attendant.language(), language(spoken), "{what}");
        assert_eq!(caller.joined.as_deref(), joined, "{what}");
    }
}

#[test]
fn a_name_is_said_three_times_at_most() {
    let mut caller = Caller::of("en", "1002", true);
    caller.does("^.#!*.#!*.#!*.");
    let asked = caller
        .heard
        .iter()
        .filter(|heard| *heard == PromptKey::SayName.as_str());
    assert_eq!(asked.count(), 3);
    assert_eq!(caller.joined.as_deref(), Some("1002"));
}

#[test]
fn three_wrong_pins_of_a_fixed_conference_end_with_words_in_the_chosen_language() {
    let mut caller = Caller::of("en de", "1001", false);
    caller.does("^2.1#.1#.1#.");
    assert_eq!(caller.heard.last().map(String::as_str), Some("goodbye"));
    assert_eq!(caller.attendant.language(), language("de"));
    assert_eq!(caller.hung_up, Some(AttendantResult::WrongPin));
}
