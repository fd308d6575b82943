//! Who is in a conference and how each is shown and told. Owned by one focus; knows no policy.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use plenum_companion::presence::State;
use plenum_dialin::commands::CommandKeys;
use plenum_mixer::{LegId, PlayId};

use super::seat::{Link, MediaHold, Outgoing};
use crate::auth::Role;
use crate::signal::protocol::{EndReason, Kind, ParticipantView, ServerMessage, SlotView};

/// Why somebody cannot be heard.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Mute {
    Off,
    BySelf,
    ByHost,
}

/// So long after the host's mute a phone's `*6` means the same as the host: the keys were on their way before the
/// caller could hear that it is muted (network, key presses, the prompt's first words).
const CROSSED: Duration = Duration::from_millis(2_500);

impl Mute {
    /// What `*6` makes of it; `since` is how long ago the host muted the phone.
    pub(super) fn toggled(self, since: Option<Duration>) -> Self {
        match self {
            Self::Off => Self::BySelf,
            Self::ByHost if since.is_some_and(|since| since < CROSSED) => Self::ByHost,
            Self::BySelf | Self::ByHost => Self::Off,
        }
    }
}

/// One person in the conference.
#[derive(Debug)]
pub(super) struct Participant {
    pub(super) id: String,
    pub(super) name: String,
    pub(super) kind: Kind,
    pub(super) role: Role,
    /// Key of presence.
    pub(super) user: String,
    pub(super) presence: State,
    pub(super) mute: Mute,
    /// When the host muted it last.
    pub(super) host_muted: Option<Instant>,
    pub(super) deafened: bool,
    pub(super) held: bool,
    /// How loud the others hear it.
    pub(super) gain_db: i8,
    /// The channel it talks aside in, and the language it listens to.
    pub(super) side: Option<u8>,
    pub(super) listening: Option<u8>,
    /// Its name in its own voice.
    pub(super) spoken: Option<Arc<[i16]>>,
    /// The music that plays for it alone.
    pub(super) music: Option<PlayId>,
    pub(super) camera: bool,
    pub(super) talking: bool,
    pub(super) hand: bool,
    pub(super) leg: Option<LegId>,
    /// What a returning browser's next offer is compared with.
    pub(super) hold: Option<MediaHold>,
    /// `mid` of each video slot, and whose video is in it.
    pub(super) slot_mids: Vec<String>,
    pub(super) slots: Vec<Option<LegId>>,
    /// Slots last asked for.
    pub(super) slots_told: usize,
    pub(super) link: Link,
    /// Counts connections: what an older one still says is ignored.
    pub(super) generation: u64,
    /// When a participant without a connection was last heard of.
    pub(super) lost: Option<Instant>,
    /// SHA-256 of the secret that gives the place back.
    pub(super) resume: [u8; 32],
    pub(super) keys: CommandKeys,
}

impl Participant {
    pub(super) fn view(&self) -> ParticipantView {
        ParticipantView {
            id: self.id.clone(),
            name: self.name.clone(),
            kind: self.kind,
            role: self.role,
            muted: self.mute != Mute::Off,
            deafened: self.deafened,
            held: self.held,
            gain_db: self.gain_db,
            side: self.side,
            listening: self.listening,
            camera: self.camera,
            talking: self.talking,
            hand: self.hand,
            presence: self.presence,
        }
    }
}

/// See the module. In the order of joining.
#[derive(Debug, Default)]
pub(super) struct Roster {
    people: Vec<Participant>,
    /// Position by leg would shift; the id does not.
    by_leg: HashMap<LegId, String>,
}

impl Roster {
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    /// People other than the demo's host.
    pub(super) fn guests(&self) -> usize {
        self.people
            .iter()
            .filter(|person| person.kind != Kind::Host)
            .count()
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Participant> {
        self.people.iter()
    }

    pub(super) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Participant> {
        self.people.iter_mut()
    }

    pub(super) fn get(&self, id: &str) -> Option<&Participant> {
        self.people.iter().find(|person| person.id == id)
    }

    pub(super) fn get_mut(&mut self, id: &str) -> Option<&mut Participant> {
        self.people.iter_mut().find(|person| person.id == id)
    }

    pub(super) fn insert(&mut self, participant: Participant) {
        if let Some(leg) = participant.leg {
            self.by_leg.insert(leg, participant.id.clone());
        }
        self.people.push(participant);
    }

    pub(super) fn remove(&mut self, id: &str) -> Option<Participant> {
        let index = self.people.iter().position(|person| person.id == id)?;
        let person = self.people.remove(index);
        self.by_leg.retain(|_, owner| *owner != person.id);
        Some(person)
    }

    /// Gives `id` another leg; the one before is returned.
    pub(super) fn set_leg(&mut self, id: &str, leg: Option<LegId>) -> Option<LegId> {
        let person = self.people.iter_mut().find(|person| person.id == id)?;
        let before = std::mem::replace(&mut person.leg, leg).filter(|before| Some(*before) != leg);
        if let Some(before) = before {
            self.by_leg.remove(&before);
        }
        if let Some(leg) = leg {
            self.by_leg.insert(leg, id.to_owned());
        }
        before
    }

    /// Whose leg that is.
    pub(super) fn owner(&self, leg: LegId) -> Option<&str> {
        self.by_leg.get(&leg).map(String::as_str)
    }

    /// Everybody as shown.
    pub(super) fn views(&self) -> Vec<ParticipantView> {
        self.people.iter().map(Participant::view).collect()
    }

    /// What `participant` sees, once its slots are negotiated.
    pub(super) fn video(&self, participant: &Participant) -> Option<ServerMessage> {
        if participant.slot_mids.is_empty() {
            return None;
        }
        let shown = |slot: usize| participant.slots.get(slot).copied().flatten();
        let slots = participant
            .slot_mids
            .iter()
            .enumerate()
            .map(|(slot, mid)| SlotView {
                composite: shown(slot) == Some(LegId::COMPOSITE),
                mid: mid.clone(),
                participant: shown(slot)
                    .and_then(|leg| self.owner(leg))
                    .map(str::to_owned),
            });
        Some(ServerMessage::Video {
            slots: slots.collect(),
        })
    }

    /// Sends to every session but `except`'s. Returns those that do not read and have been cut off.
    pub(super) fn broadcast(
        &mut self,
        message: &ServerMessage,
        except: Option<&str>,
    ) -> Vec<String> {
        let text = Utf8Bytes::from(message.to_json());
        let mut slow = Vec::new();
        for person in self
            .people
            .iter_mut()
            .filter(|person| Some(person.id.as_str()) != except)
        {
            if !person.send(&text) {
                slow.push(person.id.clone());
            }
        }
        slow
    }
}

impl Participant {
    /// Queues `text`; `false` when the session does not read and has been cut off.
    pub(super) fn send(&mut self, text: &Utf8Bytes) -> bool {
        let Link::Session(session) = &self.link else {
            return true;
        };
        match session.try_send(Outgoing::Text(text.clone())) {
            Ok(()) => true,
            Err(_) => {
                self.link = Link::None;
                false
            }
        }
    }

    /// Last word to whoever is behind this participant.
    pub(super) fn end(&mut self, reason: EndReason) {
        match std::mem::replace(&mut self.link, Link::None) {
            Link::Session(session) => {
                // A full queue: dropping the sender ends the session just as well.
                let _ = session.try_send(Outgoing::Ended(reason));
            }
            Link::Call(call) => {
                let _ = call.try_send(reason);
            }
            Link::None => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_six_that_crosses_the_hosts_mute_does_not_open_the_microphone() {
        let after = |millis| Some(Duration::from_millis(millis));
        assert_eq!(Mute::Off.toggled(None), Mute::BySelf);
        assert_eq!(Mute::Off.toggled(after(10)), Mute::BySelf);
        assert_eq!(Mute::BySelf.toggled(after(10)), Mute::Off);
        assert_eq!(Mute::ByHost.toggled(after(300)), Mute::ByHost);
        assert_eq!(Mute::ByHost.toggled(after(3_000)), Mute::Off);
    }
}
