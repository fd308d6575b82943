//! The audience, all guests, is muted as one: nobody of it unmutes until a host gives the control back, or lets one speak.

use plenum_dialin::attendant::PromptKey;

use super::focus::Focus;
use super::roster::Mute;
use crate::auth::Role;
use crate::signal::protocol::Kind;

impl Focus {
    /// Mutes all guests, or lets them unmute: nobody's microphone is opened by another's key.
    pub(super) fn mute_audience(&mut self, on: bool) {
        if std::mem::replace(&mut self.audience_muted, on) == on {
            return;
        }
        let guests: Vec<_> = self
            .roster
            .iter()
            .filter(|person| person.role == Role::Guest && person.kind != Kind::Host)
            .map(|person| (person.id.clone(), person.mute))
            .collect();
        for (id, mute) in guests {
            if let Some(person) = self.roster.get_mut(&id) {
                person.may_speak = false;
            }
            match (on, mute) {
                (true, Mute::Off) => self.mute_silently(&id, Mute::ByHost),
                // From now on they can open it themselves.
                (false, Mute::ByHost) => self.mute_silently(&id, Mute::BySelf),
                _ => {}
            }
        }
        // Once for all instead of to each: a room plays few things at once.
        self.announce(if on {
            PromptKey::AudienceMuted
        } else {
            PromptKey::AudienceUnmuted
        });
        self.show_conference();
    }

    /// Whether `participant` may not unmute itself.
    pub(super) fn is_silenced(&self, participant: &str) -> bool {
        let person = self.roster.get(participant);
        self.audience_muted
            && person.is_some_and(|person| person.role == Role::Guest && !person.may_speak)
    }

    /// Who comes while the audience is muted is, too.
    pub(super) fn silence_newcomer(&mut self, participant: &str) {
        if !self.is_silenced(participant) {
            return;
        }
        if let Some(person) = self.roster.get_mut(participant) {
            person.mute = Mute::ByHost;
            let phone = person.phone_leg();
            self.gate(participant);
            if let Some(leg) = phone {
                self.say(leg, PromptKey::AudienceMuted);
            }
        }
    }
}
