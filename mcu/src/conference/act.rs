//! What participants may do to themselves; what hosts may do to others is in [`super::order`].

use plenum_mixer::Command as MixerCommand;

use super::focus::Focus;
use super::order::Denied;
use super::roster::{Mute, Participant};
use super::seat::Action;
use crate::auth::Role;
use crate::signal::protocol::{LeaveReason, ServerMessage};

impl Focus {
    /// Carries out what `actor` asks for, or tells it why not.
    pub(super) async fn act(&mut self, actor: &str, action: Action) {
        if let Err(denied) = self.try_act(actor, action).await {
            let (code, message) = denied.spoken();
            self.tell(actor, &ServerMessage::error(code, message));
        }
    }

    async fn try_act(&mut self, actor: &str, action: Action) -> Result<(), Denied> {
        match action {
            Action::Mute(true) => self.set_mute(actor, Mute::BySelf),
            Action::StayMuted => self.set_mute(actor, Mute::ByHost),
            Action::Mute(false) if self.is_silenced(actor) => {
                return Err(Denied::Forbidden("The host has muted the audience."));
            }
            Action::Mute(false) => self.set_mute(actor, Mute::Off),
            Action::Camera(on) => {
                let Some(person) = self.roster.get_mut(actor) else {
                    return Ok(());
                };
                person.films = on;
                let muted = person.video_muted;
                if on && muted {
                    self.require_video()?;
                    return Err(Denied::Forbidden("A host has turned your camera off."));
                }
                self.settle_camera(actor);
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
            Action::View(view) => self.order_view(actor, view)?,
            Action::Leave => self.leave_page(actor, LeaveReason::Left).await,
            Action::PhonePin(on) => self.order_pin(actor, on)?,
            Action::Wish(wish) => self.grant(actor, wish)?,
            Action::Turn(turn) => self.turn(actor, turn)?,
            Action::Order(order) => {
                self.require_host(actor)?;
                self.order(order).await?;
            }
        }
        Ok(())
    }

    pub(super) fn require_host(&self, actor: &str) -> Result<(), Denied> {
        match self.roster.get(actor).map(|person| person.role) {
            Some(Role::Host) => Ok(()),
            _ => Err(Denied::Forbidden("Only a host may do this.")),
        }
    }

    /// Mutes in the room, on every screen, and in the ear of a phone.
    pub(super) fn set_mute(&mut self, target: &str, mute: Mute) {
        let person = self.roster.get(target);
        let was_on = person.is_some_and(|person| person.mute != Mute::Off);
        let phone = person.and_then(Participant::phone_leg);
        self.mute_silently(target, mute);
        let on = mute != Mute::Off;
        if let Some(leg) = phone
            && on != was_on
        {
            self.say_muted(leg, on);
        }
    }

    /// The same, with no word to a phone.
    pub(super) fn mute_silently(&mut self, target: &str, mute: Mute) {
        let Some(person) = self.roster.get_mut(target) else {
            return;
        };
        let before = std::mem::replace(&mut person.mute, mute);
        if before == mute {
            return;
        }
        self.gate(target);
        if (before == Mute::Off) != (mute == Mute::Off) {
            self.show(target);
        }
    }

    /// Shows whoever films and may.
    pub(super) fn settle_camera(&mut self, target: &str) {
        let Some(person) = self.roster.get(target) else {
            return;
        };
        let on = person.films && !person.video_muted;
        if !self.roster.set_camera(target, on) {
            return;
        }
        if let Some(leg) = self.roster.get(target).and_then(|person| person.leg) {
            self.command_room(MixerCommand::Camera { leg, on });
        }
        self.show(target);
        self.tell_slots(Some(target));
    }
}
