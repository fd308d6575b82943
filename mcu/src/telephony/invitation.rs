//! Asks whoever picks up a call out of a conference to press 1: carries keys, time and the ends of prompts to the pure machine, its wishes
//! to the room.

use std::sync::Arc;

use plenum_dialin::HangupReason;
use plenum_dialin::attendant::{Invitation, InvitationInput, InvitationOutput};
use plenum_mixer::{Command, Event, PlayId};

use super::answer::{Negotiation, Step};
use super::call::{self, End, Leg, Line, apply, end_of};
use super::talk::{order, play, until};
use crate::media::{RoomEvent, clock};

/// Whether they come.
pub(super) async fn accepted(
    line: &mut Line,
    negotiation: &mut Negotiation,
    leg: &mut Leg,
) -> Result<bool, End> {
    let mut invitation = Invitation::default();
    let mut playing = 0;
    let mut input = InvitationInput::Started;
    loop {
        match invitation.handle(clock::now(), input) {
            None => {}
            Some(InvitationOutput::Play(prompt)) => {
                stop(line, leg, playing);
                playing += 1;
                let words = line.conferences.around().prompts.say(line.language, prompt);
                play(&line.conferences, leg, playing, &[Arc::clone(&words)]);
            }
            Some(InvitationOutput::Accepted) => {
                stop(line, leg, playing);
                return Ok(true);
            }
            Some(InvitationOutput::Declined) => return Ok(false),
        }
        let due = invitation.deadline().map(clock::to_instant);
        input = tokio::select! {
            step = call::next(line, negotiation) => match step? {
                Step::Digit(digit) => InvitationInput::Digit(digit),
                Step::Media(answer) => {
                    apply(line, negotiation, leg.leg, answer).await;
                    InvitationInput::Tick
                }
                Step::Confirmed | Step::Nothing | Step::Picture => InvitationInput::Tick,
            },
            event = leg.events.recv() => match event {
                Some((_, RoomEvent::Mixer(Event::Digit { digit, .. }))) => InvitationInput::Digit(digit),
                Some((_, RoomEvent::Mixer(Event::PlayFinished { play }))) if play.0 == playing => {
                    InvitationInput::PromptFinished
                }
                Some((_, RoomEvent::LegGone { reason, .. })) => return Err(end_of(reason)),
                Some(_) => InvitationInput::Tick,
                None => return Err(End::HangUp(HangupReason::InternalError)),
            },
            () = until(due) => InvitationInput::Tick,
        };
    }
}

fn stop(line: &Line, leg: &Leg, playing: u64) {
    if playing > 0 {
        let play = PlayId(playing);
        order(&line.conferences, leg, Command::StopPlay { play });
    }
}
