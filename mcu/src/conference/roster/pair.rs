//! Somebody who is here twice: by the page and by a phone. One place, two legs; what they say and hear goes by the phone.

use plenum_mixer::LegId;

use super::{Participant, Roster};
use crate::auth::Role;
use crate::conference::seat::Link;
use crate::media::RoomId;
use crate::signal::protocol::Kind;

/// The phone of somebody whose place is a browser's.
#[derive(Debug)]
pub(in crate::conference) struct Handset {
    pub(in crate::conference) leg: LegId,
    /// The media room in which it is.
    pub(in crate::conference) room: Option<RoomId>,
    /// The call.
    pub(in crate::conference) link: Link,
    /// Of the call's seat.
    pub(in crate::conference) generation: u64,
    /// What its PIN lets them do.
    pub(in crate::conference) role: Role,
    /// What they may do without it.
    pub(in crate::conference) page_role: Role,
}

impl Participant {
    /// Their leg by phone, if they have one.
    pub(in crate::conference) fn phone_leg(&self) -> Option<LegId> {
        let own = self.leg.filter(|_| self.kind == Kind::Phone);
        self.handset.as_ref().map(|handset| handset.leg).or(own)
    }

    /// The leg by which they speak and hear.
    pub(in crate::conference) fn ear(&self) -> Option<LegId> {
        self.phone_leg().or(self.leg)
    }

    /// All their legs.
    pub(in crate::conference) fn legs(&self) -> impl Iterator<Item = LegId> {
        let handset = self.handset.as_ref().map(|handset| handset.leg);
        self.leg.into_iter().chain(handset)
    }

    /// The leg that is not by phone is gone or another: what it has begun nobody will end. True when it talked.
    pub(in crate::conference) fn forget_sound(&mut self) -> bool {
        if self.handset.is_some() {
            return false;
        }
        self.music = None;
        std::mem::take(&mut self.talking)
    }

    /// Whether a call's seat of this generation is their phone's, beside the page.
    pub(in crate::conference) fn has_handset(&self, generation: u64) -> bool {
        let handset = self.handset.as_ref();
        handset.is_some_and(|handset| handset.generation == generation)
    }
}

impl Roster {
    /// `id` speaks and hears by this phone from now on; who had one had it taken before.
    pub(in crate::conference) fn pair(&mut self, id: &str, handset: Handset) {
        let Some(number) = self.numbers.get(id).copied() else {
            return;
        };
        self.by_leg.insert(handset.leg, number);
        if let Some(person) = self.get_mut(id) {
            person.handset = Some(handset);
        }
    }

    /// Takes the phone of `id`.
    pub(in crate::conference) fn unpair(&mut self, id: &str) -> Option<Handset> {
        let handset = self.get_mut(id)?.handset.take()?;
        self.by_leg.remove(&handset.leg);
        Some(handset)
    }

    /// `id` may do other things from now on.
    pub(in crate::conference) fn set_role(&mut self, id: &str, role: Role) {
        let Some(person) = self.get_mut(id) else {
            return;
        };
        let led = person.leads();
        person.role = role;
        let leads = person.leads();
        self.leaders = self.leaders + usize::from(leads) - usize::from(led);
    }
}
