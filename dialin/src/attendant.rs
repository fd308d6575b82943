//! The attendant: the pure state machine that answers a phone call, asks for a conference and a PIN, and
//! hands the caller over or says goodbye. It knows digits, prompts by name and time; nothing of audio or SIP.
//!
//! ```text
//! Started ► welcome, "conference number" ─digits #─► Check ─Ok──────────► joining ► Join
//!              ▲ 3 tries, time-outs              │NeedPin
//!              │                                 ▼
//!              └───── wrong ◄─Check─ digits # ◄─ "PIN"          tries or calls too long ► goodbye ► Hangup
//! ```
//! A [`Reception`] with several languages lets the caller choose first; one with a conference skips the question for it. With
//! [`AttendantConfig::names`] the caller is asked for its name before "joining", hears it again, and keeps it or says it anew.
//! Every path ends: each stage has three tries, each wait has a time-out, the whole has [`AttendantConfig::total`].

mod invitation;
mod language;
mod reception;
mod words;

use std::collections::VecDeque;
use std::fmt;
use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::Digit;

pub use invitation::{Invitation, InvitationInput, InvitationOutput};
pub use language::Language;
pub use reception::Reception;
pub use words::{ConferenceNumber, Pin, PromptKey};

/// What control says to a [`AttendantOutput::Check`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CheckResult {
    /// Let in.
    Ok,
    /// Asked without a PIN: one is needed. To be said of unknown conferences too, so that numbers cannot be probed.
    NeedPin,
    /// No such conference or wrong PIN: which of them is not said. With a PIN this counts a PIN try.
    Wrong,
    /// The conference is locked.
    Locked,
    /// The conference is full.
    Full,
    /// Cannot be said now (overload, store down).
    TryLater,
}

/// How the attendant came to its end; a bounded label of metrics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum AttendantResult {
    /// Joined.
    Joined,
    /// Three wrong conference numbers.
    WrongConference,
    /// Three wrong PINs.
    WrongPin,
    /// Nothing was keyed, three times.
    NoInput,
    /// The whole took too long.
    TooLong,
    /// Locked.
    Locked,
    /// Full.
    Full,
    /// Could not be checked.
    Unavailable,
}

impl AttendantResult {
    /// Label of metrics.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Joined => "joined",
            Self::WrongConference => "wrong_conference",
            Self::WrongPin => "wrong_pin",
            Self::NoInput => "no_input",
            Self::TooLong => "too_long",
            Self::Locked => "locked",
            Self::Full => "full",
            Self::Unavailable => "unavailable",
        }
    }
}

/// What the attendant is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AttendantInput {
    /// The call stands (ACK is in): begin.
    Started,
    /// The caller keyed a digit.
    Digit(Digit),
    /// What the last [`AttendantOutput::Play`] asked for has been played to its end.
    PromptFinished,
    /// The answer to the last [`AttendantOutput::Check`].
    Checked(CheckResult),
    /// What was recorded after [`AttendantOutput::Record`] is there; whether anything was heard.
    Recorded(bool),
    /// Nothing but time.
    Tick,
}

/// What the attendant wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum AttendantOutput {
    /// Play these prompts, one after the other; whatever plays is stopped first.
    Play(Vec<PromptKey>),
    /// Play `first`, then "for this language press 1", 2 and so on, each in its own; counts as a [`Self::Play`].
    OfferLanguages {
        /// Before the choices, in the language spoken now.
        first: PromptKey,
        /// In the order of their keys.
        languages: Vec<Language>,
    },
    /// Play what was recorded, then [`PromptKey::ReviewName`]; counts as a [`Self::Play`].
    ReviewName,
    /// Stop what plays (barge-in).
    StopPlaying,
    /// Ask control; one [`AttendantInput::Checked`] must follow.
    Check {
        /// Conference keyed.
        conference: ConferenceNumber,
        /// PIN keyed; `None` in the first question.
        pin: Option<Pin>,
    },
    /// Record what the caller says, so long at most.
    Record(Duration),
    /// The recording is over.
    EndRecording,
    /// Move the leg into the conference. The attendant is done.
    Join {
        /// Conference keyed.
        conference: ConferenceNumber,
        /// PIN keyed; tells host from guest.
        pin: Option<Pin>,
    },
    /// Hang up. The attendant is done.
    Hangup(AttendantResult),
}

/// Times and tries.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AttendantConfig {
    /// Tries per stage.
    pub tries: u8,
    /// From the end of the prompt to the first digit.
    pub first_digit: Duration,
    /// Between two digits; then the entry is taken as if `#` had been keyed.
    pub next_digit: Duration,
    /// A prompt whose end is not reported within this counts as finished.
    pub longest_prompt: Duration,
    /// An unanswered check counts as [`CheckResult::TryLater`].
    pub check: Duration,
    /// The whole.
    pub total: Duration,
    /// Whether callers say their names.
    pub names: bool,
    /// The longest name.
    pub name: Duration,
}

impl Default for AttendantConfig {
    fn default() -> Self {
        Self {
            tries: 3,
            first_digit: Duration::from_secs(10),
            next_digit: Duration::from_secs(5),
            longest_prompt: Duration::from_secs(20),
            check: Duration::from_secs(5),
            total: Duration::from_secs(180),
            names: false,
            name: Duration::from_secs(3),
        }
    }
}

/// Digits kept while a check is under way; more are dropped.
const TYPE_AHEAD: usize = 40;

/// Digits of one entry; a longer one is wrong whatever it says.
const ENTRY: usize = 16;

/// What has been keyed of one number. Debug shows nothing of it.
#[derive(Clone, Default)]
struct Entry {
    digits: String,
    too_long: bool,
}

impl fmt::Debug for Entry {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Entry(redacted)")
    }
}

impl Entry {
    fn push(&mut self, key: char) {
        if self.digits.len() < ENTRY {
            self.digits.push(key);
        } else {
            self.too_long = true;
        }
    }

    fn is_empty(&self) -> bool {
        self.digits.is_empty()
    }

    /// What was keyed, unless it was too long; empties the entry.
    fn take(&mut self) -> Option<String> {
        let taken = std::mem::take(self);
        (!taken.too_long).then_some(taken.digits)
    }
}

/// Where the conversation stands.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Stage {
    /// Not started.
    Waiting,
    /// The language is being chosen.
    Language,
    /// The conference number is being keyed.
    Conference,
    /// Control has been asked; `pin` is `None` in the first question.
    Checking {
        conference: ConferenceNumber,
        pin: Option<Pin>,
    },
    /// The PIN is being keyed.
    Pin { conference: ConferenceNumber },
    /// "Say your name" plays, then (`speaks`) the caller does.
    Name {
        conference: ConferenceNumber,
        pin: Option<Pin>,
        speaks: bool,
    },
    /// What was said as a name is awaited, then (`heard`) played, to be kept or not.
    Review {
        conference: ConferenceNumber,
        pin: Option<Pin>,
        heard: bool,
    },
    /// "You are now joining" plays.
    Joining {
        conference: ConferenceNumber,
        pin: Option<Pin>,
    },
    /// The last words play.
    Farewell(AttendantResult),
    /// Said `Join` or `Hangup`.
    Done,
}

/// The attendant of one call. See the module's documentation.
#[derive(Debug)]
pub struct Attendant {
    config: AttendantConfig,
    reception: Reception,
    language: Language,
    outputs: VecDeque<AttendantOutput>,
    stage: Stage,
    entry: Entry,
    ahead: VecDeque<Digit>,
    playing: bool,
    /// The running wait: end of prompt, first or next digit, or the answer to a check.
    timer: Option<MediaTime>,
    /// End of the whole.
    end: Option<MediaTime>,
    /// Said before what is played next.
    pending: Vec<PromptKey>,
    language_failures: u8,
    conference_failures: u8,
    /// How often the name was asked for.
    names: u8,
    /// Never reset, so that going back with `*` buys no more guesses.
    pin_failures: u8,
}

impl Attendant {
    /// An attendant that waits for [`AttendantInput::Started`].
    #[must_use]
    pub fn new(config: AttendantConfig) -> Self {
        Self::of(config, Reception::default())
    }

    /// The same for callers of a certain number.
    #[must_use]
    pub fn of(config: AttendantConfig, reception: Reception) -> Self {
        Self {
            config,
            language: reception.languages.first().copied().unwrap_or_default(),
            reception,
            outputs: VecDeque::new(),
            stage: Stage::Waiting,
            entry: Entry::default(),
            ahead: VecDeque::new(),
            playing: false,
            timer: None,
            end: None,
            pending: Vec::new(),
            language_failures: 0,
            conference_failures: 0,
            names: 0,
            pin_failures: 0,
        }
    }

    /// Takes an input; then [`Self::poll_output`] until it is dry. Once done, inputs are ignored.
    /// [`AttendantInput::PromptFinished`] must be said of the latest `Play` only.
    pub fn handle(&mut self, now: MediaTime, input: AttendantInput) {
        if self.stage == Stage::Done {
            return;
        }
        self.expire(now);
        match input {
            AttendantInput::Started => self.start(now),
            AttendantInput::Digit(digit) => self.digit(now, digit),
            AttendantInput::PromptFinished if self.playing => self.prompt_finished(now),
            AttendantInput::Checked(result) => self.checked(now, result),
            AttendantInput::Recorded(heard) => self.recorded(now, heard),
            AttendantInput::PromptFinished | AttendantInput::Tick => {}
        }
    }

    /// The next thing that it wants, in order.
    pub fn poll_output(&mut self) -> Option<AttendantOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle`] with [`AttendantInput::Tick`] at the latest; `None` before the start and at the end.
    #[must_use]
    pub fn deadline(&self) -> Option<MediaTime> {
        match self.stage {
            Stage::Waiting | Stage::Done => None,
            // The last words are never cut by the limit on the whole: they have their own.
            Stage::Farewell(_) | Stage::Joining { .. } => self.timer,
            _ => match (self.timer, self.end) {
                (Some(timer), Some(end)) => Some(timer.min(end)),
                (timer, end) => timer.or(end),
            },
        }
    }

    /// Whether it has said [`AttendantOutput::Join`] or [`AttendantOutput::Hangup`].
    #[must_use]
    pub fn is_done(&self) -> bool {
        self.stage == Stage::Done
    }

    fn start(&mut self, now: MediaTime) {
        if self.stage != Stage::Waiting {
            return;
        }
        self.end = Some(now + self.config.total);
        self.greet(now);
    }

    fn play(&mut self, now: MediaTime, prompts: Vec<PromptKey>) {
        let mut words = std::mem::take(&mut self.pending);
        words.extend(prompts);
        self.outputs.push_back(AttendantOutput::Play(words));
        self.playing = true;
        self.timer = Some(now + self.config.longest_prompt);
    }

    fn stop_playing(&mut self) {
        if std::mem::take(&mut self.playing) {
            self.outputs.push_back(AttendantOutput::StopPlaying);
        }
    }

    /// Fires what is due at `now`.
    fn expire(&mut self, now: MediaTime) {
        if self.deadline().is_none_or(|due| now < due) {
            return;
        }
        let ending = matches!(self.stage, Stage::Farewell(_) | Stage::Joining { .. });
        if !ending && self.end.is_some_and(|end| now >= end) {
            return self.farewell(now, &[PromptKey::Timeout], AttendantResult::TooLong);
        }
        if self.playing {
            return self.prompt_finished(now);
        }
        match self.stage {
            Stage::Checking { .. } => self.checked(now, CheckResult::TryLater),
            Stage::Conference | Stage::Pin { .. } if self.entry.is_empty() => self.no_input(now),
            Stage::Conference | Stage::Pin { .. } => self.entered(now),
            Stage::Language => self.not_chosen(now, PromptKey::Timeout),
            Stage::Name { .. } => self.named(now),
            Stage::Review { .. } => self.review(now, None),
            _ => {}
        }
    }

    fn prompt_finished(&mut self, now: MediaTime) {
        self.playing = false;
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Joining { conference, pin } => {
                self.finish(AttendantOutput::Join { conference, pin })
            }
            Stage::Farewell(result) => self.finish(AttendantOutput::Hangup(result)),
            Stage::Name {
                conference, pin, ..
            } => {
                let speaks = true;
                self.stage = Stage::Name {
                    conference,
                    pin,
                    speaks,
                };
                self.timer = Some(now + self.config.name);
                self.outputs
                    .push_back(AttendantOutput::Record(self.config.name));
            }
            stage => {
                // Who is content with their name need not say so.
                let wait = match stage {
                    Stage::Review { .. } => self.config.next_digit,
                    _ => self.config.first_digit,
                };
                self.stage = stage;
                self.timer = Some(now + wait);
            }
        }
    }

    fn finish(&mut self, last: AttendantOutput) {
        self.stage = Stage::Done;
        self.timer = None;
        self.entry = Entry::default();
        self.ahead.clear();
        self.outputs.push_back(last);
    }

    fn digit(&mut self, now: MediaTime, digit: Digit) {
        match self.stage {
            Stage::Waiting | Stage::Checking { .. } => {
                if self.ahead.len() < TYPE_AHEAD {
                    self.ahead.push_back(digit);
                }
            }
            Stage::Language | Stage::Conference | Stage::Pin { .. } => {
                self.stop_playing();
                self.key(now, digit.as_char());
            }
            // Spoken, or not willing to speak.
            Stage::Name { .. } => self.named(now),
            Stage::Review { heard: true, .. } => self.review(now, Some(digit.as_char())),
            Stage::Review { .. } => {}
            Stage::Joining { .. } => {
                self.stop_playing();
                self.prompt_finished(now);
            }
            Stage::Farewell(_) | Stage::Done => {}
        }
    }

    /// One key in a stage that takes keys.
    fn key(&mut self, now: MediaTime, key: char) {
        if self.stage == Stage::Language {
            return self.choose(now, key);
        }
        self.timer = Some(now + self.config.next_digit);
        match key {
            '#' => self.entered(now),
            '*' if self.entry.is_empty() && self.reception.conference.is_some() => {
                self.play(now, vec![PromptKey::EnterPin]);
            }
            '*' if self.entry.is_empty() => {
                // Nothing to clear: back to the beginning, so that a mistyped number can be mended.
                self.stage = Stage::Conference;
                self.play(now, vec![PromptKey::EnterConferenceId]);
            }
            '*' => {
                self.entry = Entry::default();
                self.timer = Some(now + self.config.first_digit);
            }
            '0'..='9' => self.entry.push(key),
            _ => {}
        }
    }

    /// `#`, or the caller paused after some digits.
    fn entered(&mut self, now: MediaTime) {
        let entry = self.entry.take();
        match std::mem::replace(&mut self.stage, Stage::Conference) {
            Stage::Pin { conference } => {
                if let Some(pin) = entry.and_then(|text| Pin::parse(&text)) {
                    self.check(now, conference, Some(pin));
                } else {
                    self.wrong_pin(now, conference);
                }
            }
            _ => match entry.and_then(|text| ConferenceNumber::parse(&text)) {
                Some(conference) => self.check(now, conference, None),
                None => self.wrong_conference(
                    now,
                    PromptKey::InvalidConference,
                    AttendantResult::WrongConference,
                ),
            },
        }
    }

    fn check(&mut self, now: MediaTime, conference: ConferenceNumber, pin: Option<Pin>) {
        self.timer = Some(now + self.config.check);
        self.outputs.push_back(AttendantOutput::Check {
            conference: conference.clone(),
            pin: pin.clone(),
        });
        self.stage = Stage::Checking { conference, pin };
    }

    fn checked(&mut self, now: MediaTime, result: CheckResult) {
        let (conference, pin) = match std::mem::replace(&mut self.stage, Stage::Conference) {
            Stage::Checking { conference, pin } => (conference, pin),
            other => {
                self.stage = other;
                return;
            }
        };
        match (result, pin) {
            (CheckResult::Ok, pin) => self.welcome(now, conference, pin),
            (CheckResult::NeedPin, None) => {
                self.stage = Stage::Pin { conference };
                if self.ahead.is_empty() {
                    self.play(now, vec![PromptKey::EnterPin]);
                } else {
                    self.drain_ahead(now);
                }
            }
            (CheckResult::Wrong, None) if self.reception.conference.is_some() => {
                self.farewell(now, &[PromptKey::TryLater], AttendantResult::Unavailable);
            }
            (CheckResult::Wrong, None) => {
                self.wrong_conference(
                    now,
                    PromptKey::InvalidConference,
                    AttendantResult::WrongConference,
                );
            }
            (CheckResult::Wrong | CheckResult::NeedPin, Some(_)) => self.wrong_pin(now, conference),
            (CheckResult::Locked, _) => {
                self.farewell(now, &[PromptKey::Locked], AttendantResult::Locked)
            }
            (CheckResult::Full, _) => self.farewell(now, &[PromptKey::Full], AttendantResult::Full),
            (CheckResult::TryLater, _) => {
                self.farewell(now, &[PromptKey::TryLater], AttendantResult::Unavailable)
            }
        }
    }

    /// In. Who keyed ahead knows the way and does not want to be asked.
    fn welcome(&mut self, now: MediaTime, conference: ConferenceNumber, pin: Option<Pin>) {
        if self.config.names && self.ahead.is_empty() {
            self.ask_name(now, conference, pin);
        } else {
            self.admit(now, conference, pin);
        }
    }

    /// Type-ahead: takes the keys that came while a check was under way, up to the next check.
    fn drain_ahead(&mut self, now: MediaTime) {
        while matches!(
            self.stage,
            Stage::Language | Stage::Conference | Stage::Pin { .. }
        ) {
            let Some(digit) = self.ahead.pop_front() else {
                return;
            };
            self.key(now, digit.as_char());
        }
    }

    fn wrong_conference(&mut self, now: MediaTime, why: PromptKey, result: AttendantResult) {
        self.ahead.clear();
        self.conference_failures = self.conference_failures.saturating_add(1);
        if self.conference_failures >= self.config.tries {
            return self.farewell(now, &[why], result);
        }
        self.stage = Stage::Conference;
        self.play(now, vec![why, PromptKey::EnterConferenceId]);
    }

    fn wrong_pin(&mut self, now: MediaTime, conference: ConferenceNumber) {
        self.pin_failed(
            now,
            conference,
            PromptKey::InvalidPin,
            AttendantResult::WrongPin,
        );
    }

    fn pin_failed(
        &mut self,
        now: MediaTime,
        conference: ConferenceNumber,
        why: PromptKey,
        result: AttendantResult,
    ) {
        self.ahead.clear();
        self.pin_failures = self.pin_failures.saturating_add(1);
        if self.pin_failures >= self.config.tries {
            return self.farewell(now, &[why], result);
        }
        self.stage = Stage::Pin { conference };
        self.play(now, vec![why, PromptKey::EnterPin]);
    }

    fn no_input(&mut self, now: MediaTime) {
        match std::mem::replace(&mut self.stage, Stage::Conference) {
            Stage::Pin { conference } => {
                self.pin_failed(
                    now,
                    conference,
                    PromptKey::Timeout,
                    AttendantResult::NoInput,
                );
            }
            _ => self.wrong_conference(now, PromptKey::Timeout, AttendantResult::NoInput),
        }
    }

    fn farewell(&mut self, now: MediaTime, words: &[PromptKey], result: AttendantResult) {
        self.stage = Stage::Farewell(result);
        self.entry = Entry::default();
        self.ahead.clear();
        let mut prompts = words.to_vec();
        prompts.push(PromptKey::Goodbye);
        self.play(now, prompts);
    }
}
