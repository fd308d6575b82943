//! What participants may do to themselves and, as hosts, to others.

use std::time::Instant;

use plenum_mixer::Command as MixerCommand;

use super::focus::Focus;
use super::roster::Mute;
use super::seat::Action;
use crate::auth::Role;
use crate::signal::protocol::{EndReason, ErrorCode, Kind, LeaveReason, ServerMessage};

impl Focus {
    /// Carries out what `actor` asks for, or tells it why not.
    pub(super) async fn act(&mut self, actor: &str, action: Action) {
        if let Err((code, message)) = self.try_act(actor, action).await {
            self.tell(actor, &ServerMessage::error(code, message));
        }
    }

    async fn try_act(
        &mut self,
        actor: &str,
        action: Action,
    ) -> Result<(), (ErrorCode, &'static str)> {
        match action {
            Action::Mute(on) => self.set_mute(actor, if on { Mute::BySelf } else { Mute::Off }),
            Action::Camera(on) => {
                self.set_camera(actor, on);
            }
            Action::Hand(on) => {
                let changed = self
                    .roster
                    .get_mut(actor)
                    .is_some_and(|person| std::mem::replace(&mut person.hand, on) != on);
                if changed {
                    self.show(actor);
                }
            }
            Action::Leave => self.leave(actor, LeaveReason::Left, EndReason::Left).await,
            Action::MuteParticipant(target, on) => {
                self.require_host(actor)?;
                self.mute_other(&target, on)?;
            }
            Action::Remove(target) => {
                self.require_host(actor)?;
                self.require_person(&target)?;
                self.leave(&target, LeaveReason::Removed, EndReason::Removed)
                    .await;
            }
            Action::Lock(on) => {
                self.require_host(actor)?;
                if std::mem::replace(&mut self.locked, on) != on {
                    let conference = self.conference_view();
                    self.tell_all(&ServerMessage::Conference { conference }, None);
                }
            }
            Action::End => {
                self.require_host(actor)?;
                self.close(EndReason::ConferenceEnded).await;
            }
        }
        Ok(())
    }

    fn require_host(&self, actor: &str) -> Result<(), (ErrorCode, &'static str)> {
        match self.roster.get(actor).map(|person| person.role) {
            Some(Role::Host) => Ok(()),
            _ => Err((ErrorCode::Forbidden, "Only a host may do this.")),
        }
    }

    /// The demo's host can be muted, not removed: it would be back with the next guest.
    fn require_person(&self, target: &str) -> Result<(), (ErrorCode, &'static str)> {
        match self.roster.get(target).map(|person| person.kind) {
            None => Err((ErrorCode::BadMessage, "There is no such participant.")),
            Some(Kind::Host) => Err((ErrorCode::Forbidden, "The demo's host cannot be removed.")),
            Some(Kind::Browser | Kind::Phone) => Ok(()),
        }
    }

    fn mute_other(&mut self, target: &str, on: bool) -> Result<(), (ErrorCode, &'static str)> {
        match (self.roster.get(target).map(|person| person.mute), on) {
            (None, _) => Err((ErrorCode::BadMessage, "There is no such participant.")),
            (Some(Mute::Off), true) => {
                self.set_mute(target, Mute::ByHost);
                if let Some(person) = self.roster.get_mut(target) {
                    person.host_muted = Some(Instant::now());
                }
                Ok(())
            }
            (Some(Mute::ByHost), false) => {
                self.set_mute(target, Mute::Off);
                Ok(())
            }
            (Some(Mute::BySelf), false) => Err((
                ErrorCode::Forbidden,
                "Whoever muted themselves can only be unmuted by themselves.",
            )),
            (Some(_), _) => Ok(()),
        }
    }

    /// Mutes in the room, on every screen, and in the ear of a phone.
    pub(super) fn set_mute(&mut self, target: &str, mute: Mute) {
        let Some(person) = self.roster.get_mut(target) else {
            return;
        };
        let was_on = std::mem::replace(&mut person.mute, mute) != Mute::Off;
        let on = mute != Mute::Off;
        if was_on == on {
            return;
        }
        let (leg, kind) = (person.leg, person.kind);
        if let Some(leg) = leg {
            self.command_room(MixerCommand::Mute { leg, on });
            if kind == Kind::Phone {
                self.say_muted(leg, on);
            }
        }
        self.show(target);
    }

    fn set_camera(&mut self, target: &str, on: bool) {
        let Some(person) = self.roster.get_mut(target) else {
            return;
        };
        if std::mem::replace(&mut person.camera, on) == on {
            return;
        }
        if let Some(leg) = person.leg {
            self.command_room(MixerCommand::Camera { leg, on });
        }
        self.show(target);
        self.tell_slots();
    }
}
