//! What comes before and after conference and PIN: the choice of a language, the way to a fixed conference, and a name that is heard
//! again before it is kept.

use std::time::Duration;

use plenum_codecs::MediaTime;

use super::{Attendant, AttendantOutput, ConferenceNumber, Language, Pin, PromptKey, Stage};

/// A recording that is not told of within this has failed.
const RECORDED: Duration = Duration::from_secs(1);

/// What the number that was called says of its callers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Reception {
    /// Languages to choose from, 9 at most; the first is spoken until one is chosen. None are English alone.
    pub languages: Vec<Language>,
    /// The only conference of this number; callers are not asked for one.
    pub conference: Option<ConferenceNumber>,
}

impl Attendant {
    /// The language that is spoken now: the one chosen, else the first.
    #[must_use]
    pub const fn language(&self) -> Language {
        self.language
    }

    /// Greets, and asks for the language if there is a choice, else for the conference.
    pub(super) fn greet(&mut self, now: MediaTime) {
        if self.reception.languages.len() > 1 {
            self.stage = Stage::Language;
            if self.ahead.is_empty() {
                self.offer_languages(now, PromptKey::Welcome);
            } else {
                self.drain_ahead(now);
            }
        } else {
            self.pending.push(PromptKey::Welcome);
            self.ask_conference(now);
        }
    }

    /// For the conference number, unless there is but one.
    fn ask_conference(&mut self, now: MediaTime) {
        if let Some(conference) = self.reception.conference.clone() {
            return self.check(now, conference, None);
        }
        self.stage = Stage::Conference;
        if self.ahead.is_empty() {
            self.play(now, vec![PromptKey::EnterConferenceId]);
        } else {
            self.pending.clear();
            self.drain_ahead(now);
        }
    }

    fn offer_languages(&mut self, now: MediaTime, first: PromptKey) {
        self.outputs.push_back(AttendantOutput::OfferLanguages {
            first,
            languages: self.reception.languages.clone(),
        });
        self.playing = true;
        self.timer = Some(now + self.config.longest_prompt * 2);
    }

    /// A key in the menu of languages.
    pub(super) fn choose(&mut self, now: MediaTime, key: char) {
        let place = key.to_digit(10).and_then(|digit| digit.checked_sub(1));
        let language = place
            .and_then(|place| usize::try_from(place).ok())
            .and_then(|place| self.reception.languages.get(place));
        match language {
            Some(&language) => {
                self.language = language;
                self.ask_conference(now);
            }
            None => self.not_chosen(now, PromptKey::InvalidChoice),
        }
    }

    /// Again; who does not choose is spoken to in the first language.
    pub(super) fn not_chosen(&mut self, now: MediaTime, why: PromptKey) {
        self.ahead.clear();
        self.language_failures = self.language_failures.saturating_add(1);
        if self.language_failures >= self.config.tries {
            return self.ask_conference(now);
        }
        self.stage = Stage::Language;
        self.offer_languages(now, why);
    }

    /// The name is said, or will not be.
    pub(super) fn named(&mut self, now: MediaTime) {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Name {
                conference,
                pin,
                speaks,
            } => {
                self.stop_playing();
                if speaks {
                    self.outputs.push_back(AttendantOutput::EndRecording);
                    self.await_recording(now, conference, pin);
                } else {
                    self.admit(now, conference, pin);
                }
            }
            other => self.stage = other,
        }
    }

    /// The name has been recorded, or was not said.
    pub(super) fn recorded(&mut self, now: MediaTime, heard: bool) {
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Name {
                conference,
                pin,
                speaks: true,
            }
            | Stage::Review {
                conference,
                pin,
                heard: false,
            } => {
                if heard {
                    self.stage = Stage::Review {
                        conference,
                        pin,
                        heard,
                    };
                    self.outputs.push_back(AttendantOutput::ReviewName);
                    self.playing = true;
                    self.timer = Some(now + self.config.longest_prompt);
                } else {
                    self.admit(now, conference, pin);
                }
            }
            other => self.stage = other,
        }
    }

    /// Waits for what was recorded.
    pub(super) fn await_recording(
        &mut self,
        now: MediaTime,
        conference: ConferenceNumber,
        pin: Option<Pin>,
    ) {
        let heard = false;
        self.stage = Stage::Review {
            conference,
            pin,
            heard,
        };
        self.timer = Some(now + RECORDED);
    }

    /// A key while the name is heard again: `*` says it anew, `#` keeps it. No key (`None`) keeps it, too.
    pub(super) fn review(&mut self, now: MediaTime, key: Option<char>) {
        self.stop_playing();
        match std::mem::replace(&mut self.stage, Stage::Done) {
            Stage::Review {
                conference,
                pin,
                heard: true,
            } if key == Some('*') && self.names < self.config.tries => {
                self.ask_name(now, conference, pin);
            }
            Stage::Review {
                conference,
                pin,
                heard: true,
            } if key.is_some_and(|key| key != '#' && key != '*') => {
                self.stage = Stage::Review {
                    conference,
                    pin,
                    heard: true,
                };
                self.timer = Some(now + self.config.first_digit);
            }
            Stage::Review {
                conference, pin, ..
            } => self.admit(now, conference, pin),
            other => self.stage = other,
        }
    }

    pub(super) fn ask_name(
        &mut self,
        now: MediaTime,
        conference: ConferenceNumber,
        pin: Option<Pin>,
    ) {
        self.names = self.names.saturating_add(1);
        let speaks = false;
        self.stage = Stage::Name {
            conference,
            pin,
            speaks,
        };
        self.play(now, vec![PromptKey::SayName]);
    }

    pub(super) fn admit(&mut self, now: MediaTime, conference: ConferenceNumber, pin: Option<Pin>) {
        self.stage = Stage::Joining { conference, pin };
        self.play(now, vec![PromptKey::Joining]);
    }
}
