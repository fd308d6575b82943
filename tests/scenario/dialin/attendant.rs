//! The attendant as a caller meets it, in virtual time.

use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::Digit;
use plenum_dialin::attendant::{
    Attendant, AttendantConfig, AttendantInput, AttendantOutput, AttendantResult, CheckResult,
    PromptKey,
};
use plenum_dialin::commands::{CommandKeys, CommandTable, InCallCommand};
use proptest::prelude::{Strategy, any, prop_assert, proptest};
use proptest::{collection, prop_oneof};

/// A caller at an attendant; control knows conference 1001 with PIN 2001 and conference 1002 without.
struct Caller {
    attendant: Attendant,
    now: MediaTime,
    said: Vec<AttendantOutput>,
    /// Says something after the tone.
    speaks: bool,
}

fn known(conference: &str, pin: Option<&str>) -> CheckResult {
    match (conference, pin) {
        ("1001", Some("2001")) | ("1002", None) => CheckResult::Ok,
        ("1003", _) => CheckResult::Locked,
        (_, None) => CheckResult::NeedPin,
        (_, Some(_)) => CheckResult::Wrong,
    }
}

impl Caller {
    fn new() -> Self {
        Self {
            attendant: Attendant::new(AttendantConfig::default()),
            now: MediaTime::from_millis(5),
            said: Vec::new(),
            speaks: false,
        }
    }

    /// Where callers say their names.
    fn asked_for_a_name() -> Self {
        let mut caller = Self::new();
        caller.attendant = Attendant::new(AttendantConfig {
            names: true,
            ..AttendantConfig::default()
        });
        caller.give(AttendantInput::Started);
        caller.key("1002#");
        assert_eq!(caller.last_play(), [PromptKey::SayName]);
        caller
    }

    fn started() -> Self {
        let mut caller = Self::new();
        caller.give(AttendantInput::Started);
        caller
    }

    fn give(&mut self, input: AttendantInput) {
        self.attendant.handle(self.now, input);
        while let Some(output) = self.attendant.poll_output() {
            let check = match &output {
                AttendantOutput::Check { conference, pin } => Some(known(
                    conference.as_str(),
                    pin.as_ref().map(|pin| pin.expose()),
                )),
                _ => None,
            };
            let ended = output == AttendantOutput::EndRecording;
            self.said.push(output);
            if ended {
                let recorded = AttendantInput::Recorded(self.speaks);
                self.attendant.handle(self.now, recorded);
            }
            if let Some(result) = check {
                self.attendant
                    .handle(self.now, AttendantInput::Checked(result));
            }
        }
    }

    fn key(&mut self, keys: &str) {
        for key in keys.chars() {
            self.give(AttendantInput::Digit(Digit::from_char(key).unwrap()));
        }
    }

    /// Waits for the next deadline.
    fn wait(&mut self) {
        if let Some(due) = self.attendant.deadline() {
            self.now = self.now.max(due);
            self.give(AttendantInput::Tick);
        }
    }

    fn last_play(&self) -> &[PromptKey] {
        let play = self.said.iter().rev().find_map(|said| match said {
            AttendantOutput::Play(prompts) => Some(prompts.as_slice()),
            _ => None,
        });
        play.unwrap_or_default()
    }

    fn joined(&self) -> Option<(&str, Option<&str>)> {
        match self.said.last()? {
            AttendantOutput::Join { conference, pin } => {
                Some((conference.as_str(), pin.as_ref().map(|pin| pin.expose())))
            }
            _ => None,
        }
    }
}

#[test]
fn id_and_pin_lead_into_the_conference() {
    let mut caller = Caller::started();
    assert_eq!(
        caller.last_play(),
        [PromptKey::Welcome, PromptKey::EnterConferenceId]
    );
    caller.give(AttendantInput::PromptFinished);
    caller.key("1001#");
    assert_eq!(caller.last_play(), [PromptKey::EnterPin]);
    caller.give(AttendantInput::PromptFinished);
    caller.key("2001#");
    assert_eq!(caller.last_play(), [PromptKey::Joining]);
    assert_eq!(caller.joined(), None, "the words are heard first");
    caller.give(AttendantInput::PromptFinished);
    assert_eq!(caller.joined(), Some(("1001", Some("2001"))));
    assert!(caller.attendant.is_done());
    assert_eq!(caller.attendant.deadline(), None);
}

#[test]
fn the_first_key_stops_the_prompt_and_no_pin_is_asked_where_none_is_needed() {
    let mut caller = Caller::started();
    caller.key("1");
    assert_eq!(caller.said.last(), Some(&AttendantOutput::StopPlaying));
    caller.key("002#");
    assert_eq!(caller.last_play(), [PromptKey::Joining]);
    caller.give(AttendantInput::PromptFinished);
    assert_eq!(caller.joined(), Some(("1002", None)));
}

#[test]
fn everything_keyed_ahead_is_taken() {
    let mut caller = Caller::new();
    caller.key("1001#2001#");
    caller.give(AttendantInput::Started);
    assert_eq!(caller.last_play(), [PromptKey::Joining]);
    assert!(
        !caller
            .said
            .contains(&AttendantOutput::Play(vec![PromptKey::EnterPin])),
        "nothing is asked twice"
    );
}

#[test]
fn a_wrong_pin_three_times_hangs_up() {
    let mut caller = Caller::started();
    caller.key("1001#");
    caller.key("1#");
    assert_eq!(
        caller.last_play(),
        [PromptKey::InvalidPin, PromptKey::EnterPin]
    );
    caller.key("2#");
    caller.key("3#");
    assert_eq!(
        caller.last_play(),
        [PromptKey::InvalidPin, PromptKey::Goodbye]
    );
    caller.key("2001#");
    caller.give(AttendantInput::PromptFinished);
    assert_eq!(
        caller.said.last(),
        Some(&AttendantOutput::Hangup(AttendantResult::WrongPin))
    );
}

#[test]
fn an_unknown_conference_sounds_like_a_wrong_pin() {
    let heard = |conference: &str| {
        let mut caller = Caller::started();
        caller.key(conference);
        caller.key("#9#9#9#");
        caller.give(AttendantInput::PromptFinished);
        caller
            .said
            .into_iter()
            .filter(|said| !matches!(said, AttendantOutput::Check { .. }))
            .collect::<Vec<_>>()
    };
    assert_eq!(heard("1001"), heard("7777"));
}

#[test]
fn going_back_buys_no_more_guesses() {
    let mut caller = Caller::started();
    for _ in 0..2 {
        caller.key("1001#99#*");
    }
    caller.key("1001#99#");
    caller.give(AttendantInput::PromptFinished);
    assert_eq!(
        caller.said.last(),
        Some(&AttendantOutput::Hangup(AttendantResult::WrongPin))
    );
}

#[test]
fn star_clears_the_entry() {
    let mut caller = Caller::started();
    caller.key("99*1001#77*2001#");
    assert_eq!(caller.last_play(), [PromptKey::Joining]);
}

#[test]
fn a_pause_ends_the_entry_as_hash_does() {
    let mut caller = Caller::started();
    caller.key("1001");
    let before = caller.now;
    caller.wait();
    assert_eq!(
        caller.now.since(before),
        AttendantConfig::default().next_digit
    );
    assert_eq!(caller.last_play(), [PromptKey::EnterPin]);
}

#[test]
fn a_silent_caller_is_asked_three_times_and_then_let_go() {
    let mut caller = Caller::started();
    caller.give(AttendantInput::PromptFinished);
    caller.wait();
    assert_eq!(
        caller.last_play(),
        [PromptKey::Timeout, PromptKey::EnterConferenceId]
    );
    caller.give(AttendantInput::PromptFinished);
    caller.wait();
    caller.give(AttendantInput::PromptFinished);
    caller.wait();
    assert_eq!(caller.last_play(), [PromptKey::Timeout, PromptKey::Goodbye]);
    caller.give(AttendantInput::PromptFinished);
    assert_eq!(
        caller.said.last(),
        Some(&AttendantOutput::Hangup(AttendantResult::NoInput))
    );
}

#[test]
fn a_locked_conference_is_said_to_be_so() {
    let mut caller = Caller::started();
    caller.key("1003#");
    assert_eq!(caller.last_play(), [PromptKey::Locked, PromptKey::Goodbye]);
    caller.wait(); // the end of the prompt is never reported
    assert_eq!(
        caller.said.last(),
        Some(&AttendantOutput::Hangup(AttendantResult::Locked))
    );
}

#[test]
fn a_check_that_nobody_answers_ends_the_call() {
    let mut attendant = Attendant::new(AttendantConfig::default());
    let start = MediaTime::from_millis(1);
    attendant.handle(start, AttendantInput::Started);
    for key in "1001#".chars() {
        attendant.handle(start, AttendantInput::Digit(Digit::from_char(key).unwrap()));
    }
    let due = attendant.deadline().unwrap();
    attendant.handle(due, AttendantInput::Tick);
    attendant.handle(due, AttendantInput::Checked(CheckResult::Ok));
    let said: Vec<_> = std::iter::from_fn(|| attendant.poll_output()).collect();
    assert_eq!(
        said.last(),
        Some(&AttendantOutput::Play(vec![
            PromptKey::TryLater,
            PromptKey::Goodbye
        ]))
    );
}

#[test]
fn nothing_keyed_shows_in_debug_output() {
    let mut caller = Caller::new();
    caller.key("8642");
    caller.give(AttendantInput::Started);
    caller.key("#9753#");
    let shown = format!("{:?} {:?}", caller.attendant, caller.said);
    assert!(shown.contains("Check"));
    for secret in ["8642", "9753", "'8'", "\"8"] {
        assert!(!shown.contains(secret), "{secret} in {shown}");
    }
}

const NAME: AttendantOutput = AttendantOutput::Record(Duration::from_secs(3));

#[test]
fn a_name_is_recorded_until_a_key_or_for_three_seconds() {
    for key in [true, false] {
        let mut caller = Caller::asked_for_a_name();
        assert!(!caller.said.contains(&NAME), "the question is heard first");
        caller.give(AttendantInput::PromptFinished);
        assert_eq!(caller.said.last(), Some(&NAME));
        let since = caller.now;
        if key {
            caller.key("#");
        } else {
            caller.wait();
            assert_eq!(caller.now.since(since), Duration::from_secs(3));
        }
        assert!(caller.said.contains(&AttendantOutput::EndRecording));
        assert_eq!(caller.last_play(), [PromptKey::Joining]);
        caller.give(AttendantInput::PromptFinished);
        assert_eq!(caller.joined(), Some(("1002", None)));
    }
}

#[test]
fn who_keys_over_the_question_or_ahead_of_it_joins_without_a_name() {
    let mut caller = Caller::asked_for_a_name();
    caller.key("#");
    assert_eq!(caller.last_play(), [PromptKey::Joining]);
    assert!(!caller.said.contains(&NAME));
    assert!(!caller.said.contains(&AttendantOutput::EndRecording));
    // A question whose end nobody reports is over in time.
    let mut caller = Caller::asked_for_a_name();
    for _ in 0..3 {
        caller.wait();
    }
    assert_eq!(caller.joined(), Some(("1002", None)));
}

#[test]
fn star_six_toggles_mute_and_nothing_else_does() {
    let press = |keys: &str| {
        let (table, mut machine) = (CommandTable::default(), CommandKeys::new());
        let now = MediaTime::from_millis(10);
        keys.chars()
            .filter_map(|key| machine.digit(&table, now, Digit::from_char(key).unwrap()))
            .collect::<Vec<_>>()
    };
    assert_eq!(press("*6"), [InCallCommand::ToggleMute]);
    assert_eq!(
        press("**6*6"),
        [InCallCommand::ToggleMute, InCallCommand::ToggleMute]
    );
    assert_eq!(press("6"), []);
    assert_eq!(press("*16"), [InCallCommand::Help]);
    assert_eq!(press("*0"), [InCallCommand::DialOut]);
    assert_eq!(press("*5"), [InCallCommand::ToggleHand]);
    let (table, mut machine) = (CommandTable::default(), CommandKeys::new());
    machine.digit(
        &table,
        MediaTime::from_millis(0),
        Digit::from_char('*').unwrap(),
    );
    assert_eq!(
        machine.digit(
            &table,
            MediaTime::from_millis(3_001),
            Digit::from_char('6').unwrap()
        ),
        None
    );
}

#[derive(Clone, Debug)]
enum Act {
    Key(char),
    Finished,
    Checked(CheckResult),
    Wait(u64),
}

fn act() -> impl Strategy<Value = Act> {
    use CheckResult::{Full, Locked, NeedPin, Ok, TryLater, Wrong};
    prop_oneof![
        6 => collection::vec(any::<u8>(), 1).prop_map(|n| Act::Key(char::from(b"0123456789*#ABCD"[usize::from(n[0] & 15)]))),
        2 => proptest::strategy::Just(Act::Finished),
        2 => proptest::sample::select(vec![Ok, NeedPin, NeedPin, Wrong, Locked, Full, TryLater]).prop_map(Act::Checked),
        2 => (0_u64..12_000).prop_map(Act::Wait),
    ]
}

proptest! {
    #[test]
    fn the_attendant_always_ends(acts in collection::vec(act(), 0..400)) {
        let config = AttendantConfig::default();
        let mut attendant = Attendant::new(config);
        let start = MediaTime::from_millis(1);
        let mut now = start;
        attendant.handle(now, AttendantInput::Started);
        let mut last_words = 0;
        let mut guesses = 0;
        let mut drain = |attendant: &mut Attendant| {
            while let Some(output) = attendant.poll_output() {
                match output {
                    AttendantOutput::Join { .. } | AttendantOutput::Hangup(_) => last_words += 1,
                    AttendantOutput::Check { pin: Some(_), .. } => guesses += 1,
                    _ => {}
                }
            }
        };
        for act in acts {
            match act {
                Act::Key(key) => attendant.handle(now, AttendantInput::Digit(Digit::from_char(key).unwrap())),
                Act::Finished => attendant.handle(now, AttendantInput::PromptFinished),
                Act::Checked(result) => attendant.handle(now, AttendantInput::Checked(result)),
                Act::Wait(millis) => {
                    now += Duration::from_millis(millis);
                    attendant.handle(now, AttendantInput::Tick);
                }
            }
            drain(&mut attendant);
        }
        // The caller says nothing any more, nobody reports anything: it must still end, and in time.
        let mut steps = 0;
        while let Some(due) = attendant.deadline() {
            now = now.max(due);
            attendant.handle(now, AttendantInput::Tick);
            drain(&mut attendant);
            steps += 1;
            prop_assert!(steps < 100, "it waits for ever");
        }
        prop_assert!(attendant.is_done());
        prop_assert!(guesses <= usize::from(config.tries), "{guesses} guesses at PINs");
        prop_assert!(last_words == 1, "{last_words} last words");
    }
}
