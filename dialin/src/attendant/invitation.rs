//! What somebody hears whom a conference calls: "you are invited, press 1", until they do, three times at most. Pure; a voice mail presses
//! nothing and never gets in.

use std::time::Duration;

use plenum_codecs::MediaTime;
use plenum_codecs::telephone_event::Digit;

use super::PromptKey;

/// How often it is said.
const TIMES: u8 = 3;
/// From its end to the next time.
const PAUSE: Duration = Duration::from_secs(5);
/// A prompt whose end is not reported within this counts as finished.
const LONGEST: Duration = Duration::from_secs(20);

/// What an invitation is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationInput {
    /// Media stands: begin.
    Started,
    /// A key.
    Digit(Digit),
    /// What was to be played has been.
    PromptFinished,
    /// Nothing but time.
    Tick,
}

/// What it wants.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvitationOutput {
    /// Play this; whatever plays is stopped first.
    Play(PromptKey),
    /// They come.
    Accepted,
    /// They do not. The last words have been said.
    Declined,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Waiting,
    /// It has been said so often, and plays or not.
    Asking(u8, bool),
    Farewell,
    Done,
}

/// See the module.
#[derive(Debug)]
pub struct Invitation {
    stage: Stage,
    timer: Option<MediaTime>,
    output: Option<InvitationOutput>,
}

impl Default for Invitation {
    fn default() -> Self {
        Self {
            stage: Stage::Waiting,
            timer: None,
            output: None,
        }
    }
}

impl Invitation {
    /// Takes an input; gives what is wanted, if anything. Once it was [`InvitationOutput::Accepted`] or
    /// [`InvitationOutput::Declined`], inputs are ignored.
    pub fn handle(&mut self, now: MediaTime, input: InvitationInput) -> Option<InvitationOutput> {
        let due = self.timer.is_some_and(|at| at <= now);
        match (self.stage, input) {
            (Stage::Waiting, InvitationInput::Started) => self.ask(now, 1),
            (Stage::Asking(..), InvitationInput::Digit(digit)) if digit.as_char() == '1' => {
                self.end(InvitationOutput::Accepted);
            }
            (Stage::Asking(times, true), InvitationInput::PromptFinished) => {
                self.stage = Stage::Asking(times, false);
                self.timer = Some(now + PAUSE);
            }
            (Stage::Asking(times, true), _) if due => {
                self.stage = Stage::Asking(times, false);
                self.timer = Some(now + PAUSE);
            }
            (Stage::Asking(times, false), _) if due && times < TIMES => self.ask(now, times + 1),
            (Stage::Asking(_, false), _) if due => {
                self.stage = Stage::Farewell;
                self.play(now, PromptKey::Goodbye);
            }
            (Stage::Farewell, InvitationInput::PromptFinished) => {
                self.end(InvitationOutput::Declined);
            }
            (Stage::Farewell, _) if due => self.end(InvitationOutput::Declined),
            _ => {}
        }
        self.output.take()
    }

    /// When to call [`Self::handle`] with [`InvitationInput::Tick`] at the latest.
    #[must_use]
    pub const fn deadline(&self) -> Option<MediaTime> {
        self.timer
    }

    fn ask(&mut self, now: MediaTime, times: u8) {
        self.stage = Stage::Asking(times, true);
        self.play(now, PromptKey::Invited);
    }

    fn play(&mut self, now: MediaTime, prompt: PromptKey) {
        self.timer = Some(now + LONGEST);
        self.output = Some(InvitationOutput::Play(prompt));
    }

    fn end(&mut self, output: InvitationOutput) {
        self.stage = Stage::Done;
        self.timer = None;
        self.output = Some(output);
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use InvitationInput as I;
    use InvitationOutput as O;

    const START: MediaTime = MediaTime::from_millis(1_000);
    const ASK: Option<O> = Some(O::Play(PromptKey::Invited));

    fn key(key: char) -> I {
        Digit::from_char(key).map_or(I::Tick, I::Digit)
    }

    #[test]
    fn one_lets_in_at_any_time_and_other_keys_do_nothing() {
        let mut invitation = Invitation::default();
        assert_eq!(
            invitation.handle(START, key('1')),
            None,
            "before it is asked"
        );
        assert_eq!(invitation.handle(START, I::Started), ASK);
        assert_eq!(invitation.handle(START, key('2')), None);
        assert_eq!(invitation.handle(START, key('#')), None);
        assert_eq!(invitation.handle(START, key('1')), Some(O::Accepted));
        assert_eq!(invitation.handle(START, key('1')), None, "once");
        assert_eq!(invitation.deadline(), None);
    }

    #[test]
    fn a_voice_mail_hears_it_three_times_and_is_told_goodbye() {
        for reports in [true, false] {
            let (mut invitation, mut now) = (Invitation::default(), START);
            let mut said = Vec::new();
            said.extend(invitation.handle(now, I::Started));
            while let Some(due) = invitation.deadline() {
                if reports {
                    now += Duration::from_secs(3);
                    said.extend(invitation.handle(now, I::PromptFinished));
                }
                now = now.max(due);
                said.extend(invitation.handle(now, I::Tick));
            }
            let asked = said.iter().filter(|it| Some(**it) == ASK).count();
            assert_eq!(asked, 3, "{said:?}");
            let end = [O::Play(PromptKey::Goodbye), O::Declined];
            assert_eq!(said.get(3..), Some(&end[..]), "{said:?}");
            assert!(now.since(START) < Duration::from_secs(120));
        }
    }
}
