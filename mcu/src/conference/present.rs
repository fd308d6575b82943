//! Presenters and their screens: who may ask, give and take the turn, and how the room, the picture and the pages learn of it.

use std::time::Instant;

use plenum_mixer::Command as MixerCommand;

use super::focus::Focus;
use super::order::Denied;
use super::podium::Crowded;
use crate::auth::Role;
use crate::signal::protocol::{Kind, ServerMessage};

/// What somebody wants about who presents.
#[derive(Debug, Clone)]
pub(crate) enum Turn {
    /// To present, now or when it is one's turn; whether with a sound that is part of the microphone's track.
    Ask {
        /// It is.
        sound: bool,
    },
    /// To present no more, or to wait no longer.
    End,
    /// The presenter or a host: it is that one's turn.
    Give(String),
    /// The presenter or a host: that one waits no longer.
    Refuse(String),
    /// A host: the same at once, whoever does.
    Take {
        /// It is.
        sound: bool,
    },
}

impl From<Crowded> for Denied {
    fn from(_: Crowded) -> Self {
        Self::Unavailable("Too many wait to present already.")
    }
}

impl Focus {
    /// Carries out what `actor` wants, if it may.
    pub(super) fn turn(&mut self, actor: &str, turn: Turn) -> Result<(), Denied> {
        let now = Instant::now();
        if !matches!(turn, Turn::End | Turn::Refuse(_)) {
            self.require_video()?;
        }
        let before = self.presenter();
        let changed = match turn {
            Turn::Ask { sound } => {
                self.shares_sound(actor, sound);
                self.podium.present(actor)?
            }
            Turn::End => self.podium.withdraw(actor, now),
            Turn::Take { sound } => {
                self.require_host(actor)?;
                self.shares_sound(actor, sound);
                self.podium.take(actor)
            }
            Turn::Give(to) => {
                self.require_chair(actor)?;
                match self.roster.get(&to).map(|person| person.kind) {
                    Some(Kind::Browser) => self.podium.give(&to, now),
                    Some(_) => return Err(Denied::Forbidden("They have no screen to present.")),
                    None => return Err(Denied::Nobody),
                }
            }
            Turn::Refuse(to) => {
                self.require_chair(actor)?;
                self.podium.waits(&to) && self.podium.withdraw(&to, now)
            }
        };
        self.settle_podium(before, changed);
        Ok(())
    }

    /// Whoever presents, or is about to, does so no more.
    pub(super) fn stop_presenting(&mut self) {
        if let Some(who) = self.podium.turn().map(str::to_owned) {
            self.step_down(&who);
        }
    }

    /// `participant` neither presents nor waits to: it wants so, or has left.
    pub(super) fn step_down(&mut self, participant: &str) {
        let before = self.presenter();
        let changed = self.podium.withdraw(participant, Instant::now());
        self.settle_podium(before, changed);
    }

    /// Turns that were not taken pass on.
    pub(super) fn heed_podium(&mut self, now: Instant) {
        let before = self.presenter();
        let changed = self.podium.lapse(now);
        self.settle_podium(before, changed);
    }

    /// Who presents and who waits, for all or for who has just come.
    pub(super) fn presenting(&self) -> ServerMessage {
        ServerMessage::Presenting {
            participant: self.podium.turn().map(str::to_owned),
            begun: self.podium.presenter().is_some(),
            waiting: self.podium.waiting().to_vec(),
        }
    }

    /// The same, for `participant` alone, when there is something to tell.
    pub(super) fn tell_presenting(&mut self, participant: &str) {
        if self.podium.turn().is_some() {
            let message = self.presenting();
            self.tell(participant, &message);
        }
    }

    /// Tells the room whether the screen of `participant` is shown: after a change, and when its leg is a new one.
    pub(super) fn gate_screen(&self, participant: &str) {
        let Some(leg) = self.roster.get(participant).and_then(|person| person.leg) else {
            return;
        };
        let on = self.podium.presenter() == Some(participant);
        self.command_room(MixerCommand::Screen { leg, on });
    }

    /// What `actor` presents, now or when it is their turn, has a sound or none.
    fn shares_sound(&mut self, actor: &str, sound: bool) {
        if let Some(person) = self.roster.get_mut(actor) {
            person.shares_sound = sound;
        }
        self.gate(actor);
    }

    fn presenter(&self) -> Option<String> {
        self.podium.presenter().map(str::to_owned)
    }

    /// Who decides whose turn it is.
    fn require_chair(&self, actor: &str) -> Result<(), Denied> {
        let host = self
            .roster
            .get(actor)
            .is_some_and(|person| person.role == Role::Host);
        if host || self.podium.turn() == Some(actor) {
            return Ok(());
        }
        Err(Denied::Forbidden(
            "Only who presents or a host may do this.",
        ))
    }

    /// After a change, with who presented `before` it.
    fn settle_podium(&mut self, before: Option<String>, changed: bool) {
        if !changed {
            return;
        }
        let now = self.presenter();
        if before != now {
            for participant in before.iter().chain(&now) {
                let presents = now.as_ref() == Some(participant);
                if let Some(person) = self.roster.get_mut(participant) {
                    person.presenting = presents;
                }
                if let Some(person) = self.roster.get(participant) {
                    self.engage(person);
                }
                self.gate_screen(participant);
                self.gate(participant);
                self.show(participant);
            }
            self.paint_people();
            self.stage_screen(now.is_some());
            self.tell_slots(None);
        }
        let message = self.presenting();
        self.tell_all(&message);
    }
}
