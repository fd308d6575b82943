//! The attendant's talk with one caller: carries digits, time and the ends of prompts to the pure machine, and its wishes
//! to the room and the door.

use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use plenum_dialin::attendant::{
    Attendant, AttendantConfig, AttendantInput, AttendantOutput, AttendantResult, CheckResult,
    ConferenceNumber, Language, Pin as Code, PromptKey,
};
use plenum_dialin::keying::Keying;
use plenum_dialin::{Digit, DigitSource};
use plenum_mixer::{Audience, Command, Event, PlayId};

use super::answer::{Negotiation, Step};
use super::call::{self, End, Leg, Line, apply, end_of, precheck};
use super::numbers::Number;
use crate::auth::GuardKey;
use crate::conference::{Admission, Conferences, Credential, Refusal};
use crate::config::Announce;
use crate::media::{RoomEvent, clock};

/// Last words of a call that the attendant no longer leads are cut after this.
const FAREWELL: Duration = Duration::from_secs(8);

/// How a talk ended while the caller was there.
pub(super) enum Outcome {
    /// With the name as it was said, if it was.
    Admitted(Box<Admission>, Option<Arc<[i16]>>),
    Refused(AttendantResult),
}

type Check = Pin<Box<dyn Future<Output = (CheckResult, Option<Admission>)> + Send>>;

/// See the module.
pub(super) struct Talk {
    attendant: Attendant,
    who: GuardKey,
    /// The sound whose end the attendant waits for.
    playing: u64,
    check: Option<Check>,
    admitted: Option<Admission>,
    name: Option<Arc<[i16]>>,
    keying: Keying,
}

impl Talk {
    pub(super) fn new(who: GuardKey, announce: Announce, number: &Number) -> Self {
        let config = AttendantConfig {
            names: announce == Announce::Names,
            ..AttendantConfig::default()
        };
        Self {
            attendant: Attendant::of(config, number.reception.clone()),
            who,
            playing: 0,
            check: None,
            admitted: None,
            name: None,
            keying: Keying::default(),
        }
    }

    /// Talks until the caller is admitted, sent away, or gone.
    pub(super) async fn run(
        mut self,
        line: &mut Line,
        negotiation: &mut Negotiation,
        leg: &mut Leg,
    ) -> Result<Outcome, End> {
        self.attendant.handle(clock::now(), AttendantInput::Started);
        loop {
            let outcome = self.outputs(line, leg)?;
            line.language = self.attendant.language();
            if let Some(outcome) = outcome {
                return Ok(outcome);
            }
            let due = self.attendant.deadline().map(clock::to_instant);
            let input = tokio::select! {
                step = call::next(line, negotiation) => match step? {
                    Step::Digit(digit) => match self.key(digit, DigitSource::Info) {
                        Some(input) => input,
                        None => continue,
                    },
                    Step::Media(answer) => {
                        apply(line, negotiation, leg.leg, answer).await;
                        continue;
                    }
                    Step::Confirmed | Step::Nothing | Step::Picture => continue,
                },
                event = leg.events.recv() => match event {
                    Some((_, event)) => match self.room_event(event)? {
                        Some(input) => input,
                        None => continue,
                    },
                    None => return Err(End::HangUp(plenum_dialin::HangupReason::InternalError)),
                },
                (result, admitted) = checked(&mut self.check) => {
                    self.check = None;
                    self.admitted = admitted;
                    AttendantInput::Checked(result)
                },
                () = until(due) => AttendantInput::Tick,
            };
            self.attendant.handle(clock::now(), input);
        }
    }

    /// A key press, unless it is known already from another source.
    fn key(&mut self, digit: Digit, source: DigitSource) -> Option<AttendantInput> {
        self.keying
            .admits(clock::now(), source, digit)
            .then_some(AttendantInput::Digit(digit))
    }

    fn room_event(&mut self, event: RoomEvent) -> Result<Option<AttendantInput>, End> {
        match event {
            RoomEvent::Mixer(Event::Digit { digit, source, .. }) => Ok(self.key(digit, source)),
            RoomEvent::Mixer(Event::PlayFinished { play }) if play.0 == self.playing => {
                Ok(Some(AttendantInput::PromptFinished))
            }
            RoomEvent::Captured { pcm, .. } => {
                self.name = Some(pcm).filter(|pcm| !pcm.is_empty());
                Ok(Some(AttendantInput::Recorded(self.name.is_some())))
            }
            RoomEvent::LegGone { reason, .. } => Err(end_of(reason)),
            RoomEvent::Mixer(_) | RoomEvent::Connected { .. } => Ok(None),
        }
    }

    /// Carries out what the attendant wants; `Some` when it is done.
    fn outputs(&mut self, line: &Line, leg: &Leg) -> Result<Option<Outcome>, End> {
        let conferences = &line.conferences;
        let language = self.attendant.language();
        while let Some(output) = self.attendant.poll_output() {
            match output {
                AttendantOutput::Play(prompts) => {
                    let sounds = sounds(line, language, &prompts);
                    self.start_playing(conferences, leg, &sounds);
                }
                AttendantOutput::OfferLanguages { first, languages } => {
                    let mut sounds = sounds(line, language, &[first]);
                    let library = &conferences.around().prompts;
                    let choices = (1..).zip(&languages);
                    sounds.extend(choices.map(|(key, language)| library.choice(*language, key)));
                    self.start_playing(conferences, leg, &sounds);
                }
                AttendantOutput::ReviewName => {
                    let mut sounds: Vec<_> = self.name.iter().cloned().collect();
                    sounds.push(
                        conferences
                            .around()
                            .prompts
                            .say(language, PromptKey::ReviewName),
                    );
                    self.start_playing(conferences, leg, &sounds);
                }
                AttendantOutput::StopPlaying => self.stop_playing(conferences, leg),
                AttendantOutput::Record(longest) => order(
                    conferences,
                    leg,
                    Command::Capture {
                        leg: leg.leg,
                        longest,
                    },
                ),
                AttendantOutput::EndRecording => {
                    order(conferences, leg, Command::EndCapture { leg: leg.leg });
                }
                AttendantOutput::Check { conference, pin } => {
                    self.check = Some(Box::pin(check(
                        conferences.clone(),
                        conference,
                        pin,
                        self.who,
                    )));
                }
                AttendantOutput::Join { .. } => {
                    // The check that let the caller in has said who they are.
                    let admitted = self
                        .admitted
                        .take()
                        .ok_or(End::HangUp(plenum_dialin::HangupReason::InternalError))?;
                    return Ok(Some(Outcome::Admitted(
                        Box::new(admitted),
                        self.name.take(),
                    )));
                }
                AttendantOutput::Hangup(result) => return Ok(Some(Outcome::Refused(result))),
            }
        }
        Ok(None)
    }

    fn start_playing(&mut self, conferences: &Conferences, leg: &Leg, sounds: &[Arc<[i16]>]) {
        self.stop_playing(conferences, leg);
        self.playing += 1;
        play(conferences, leg, self.playing, sounds);
    }

    fn stop_playing(&self, conferences: &Conferences, leg: &Leg) {
        if self.playing > 0 {
            let play = PlayId(self.playing);
            order(conferences, leg, Command::StopPlay { play });
        }
    }
}

/// Has the attendant's room do it.
pub(super) fn order(conferences: &Conferences, leg: &Leg, command: Command) {
    let Some(room) = leg.room else { return };
    // The attendant's own time-outs take over when the end of what was ordered is never told.
    if let Err(error) = conferences.around().media.command(room, command) {
        tracing::warn!(%error, "command of the attendant was lost");
    }
}

/// What the prompts sound like for this caller.
fn sounds(line: &Line, language: Language, prompts: &[PromptKey]) -> Vec<Arc<[i16]>> {
    let around = line.conferences.around();
    let mut sounds: Vec<_> = prompts
        .iter()
        .map(|prompt| match (prompt, &line.number.greeting) {
            (PromptKey::Welcome, Some(greeting)) => Arc::clone(greeting),
            _ => around.prompts.say(language, *prompt),
        })
        .collect();
    if prompts.last() == Some(&PromptKey::SayName) {
        sounds.push(Arc::clone(&around.tones.record));
    }
    sounds
}

pub(super) fn play(conferences: &Conferences, leg: &Leg, number: u64, sounds: &[Arc<[i16]>]) {
    let command = Command::Play {
        play: PlayId(number),
        to: Audience::Leg(leg.leg),
        sound: sounds.to_vec().into(),
        repeat: false,
    };
    order(conferences, leg, command);
}

/// Last words when the door turned out shut after the attendant had opened it.
pub(super) async fn farewell(
    line: &mut Line,
    negotiation: &mut Negotiation,
    leg: &mut Leg,
    prompts: &[PromptKey],
) {
    let last = PlayId(u64::MAX);
    let words = sounds(line, line.language, prompts);
    play(&line.conferences, leg, last.0, &words);
    let spoken = async {
        loop {
            tokio::select! {
                step = call::next(line, negotiation) => match step {
                    Err(_) => return,
                    Ok(Step::Media(answer)) => apply(line, negotiation, leg.leg, answer).await,
                    Ok(_) => {}
                },
                event = leg.events.recv() => match event {
                    Some((_, RoomEvent::Mixer(Event::PlayFinished { play }))) if play == last => return,
                    Some((_, RoomEvent::LegGone { .. })) | None => return,
                    Some(_) => {}
                },
            }
        }
    };
    // Cut short or not, the call ends now.
    let _ = tokio::time::timeout(FAREWELL, spoken).await;
}

/// What the door says to a number, and to a number with its PIN.
async fn check(
    conferences: Conferences,
    conference: ConferenceNumber,
    pin: Option<Code>,
    who: GuardKey,
) -> (CheckResult, Option<Admission>) {
    let credential = pin.as_ref().map_or(Credential::Nothing, |pin| {
        Credential::Pin(pin.expose().to_owned())
    });
    let admission = match conferences
        .admit(conference.as_str(), credential, who)
        .await
    {
        Ok(admission) => admission,
        Err(Refusal::Unavailable) => return (CheckResult::TryLater, None),
        // Unknown numbers are asked for a PIN like known ones.
        Err(_) if pin.is_none() => return (CheckResult::NeedPin, None),
        Err(_) => return (CheckResult::Wrong, None),
    };
    match precheck(&conferences, &admission).await {
        Ok(()) => (CheckResult::Ok, Some(admission)),
        Err(Refusal::Full) => (CheckResult::Full, None),
        Err(_) => (CheckResult::Locked, None),
    }
}

async fn checked(check: &mut Option<Check>) -> (CheckResult, Option<Admission>) {
    match check {
        Some(check) => check.await,
        None => std::future::pending().await,
    }
}

pub(super) async fn until(due: Option<std::time::Instant>) {
    match due {
        Some(due) => tokio::time::sleep_until(due.into()).await,
        None => std::future::pending().await,
    }
}
