//! Who sees what: the choices of viewers, what hosts and the API give them, and how many video slots each can use for it.

use std::time::Instant;

use plenum_mixer::{Command, LegId, Viewing};

use super::focus::Focus;
use super::order::Denied;
use super::roster::Participant;
use crate::signal::protocol::{Kind, ServerMessage};
use crate::signal::view::View;

impl Focus {
    /// `target` sees something else from now on; `None`: what the conference gives.
    pub(super) fn order_view(&mut self, target: &str, view: Option<View>) -> Result<(), Denied> {
        self.require_video()?;
        let person = self.roster.get_mut(target).ok_or(Denied::Nobody)?;
        if std::mem::replace(&mut person.view, view) != view {
            self.command_view(target);
            self.show(target);
            self.tell_slots(Some(target));
        }
        Ok(())
    }

    /// Tells the room what the leg of `target` is to see.
    pub(super) fn command_view(&self, target: &str) {
        let Some(person) = self.roster.get(target) else {
            return;
        };
        if let Some(leg) = person.leg {
            let view = choice(person, self.is_blind()).map(Viewing::from);
            self.command_room(Command::View { leg, view });
        }
    }

    /// A new leg sees what the conference gives; tells the room where that is not what it is to see.
    pub(super) fn gate_view(&self, target: &str) {
        let blind = self.is_blind();
        let person = self.roster.get(target);
        if person.and_then(|person| choice(person, blind)).is_some() {
            self.command_view(target);
        }
    }

    /// The mixer has found that somebody shall see the composite, or nobody any more.
    pub(super) fn composite_wanted(&mut self, on: bool) {
        let before = self.picture.layout().is_some();
        self.picture.wanted = on;
        if on {
            self.start_composite();
        } else {
            self.finish_composite();
        }
        if self.picture.layout().is_some() != before {
            self.show_conference();
        }
        self.tell_all_slots();
    }

    /// Asks each browser for as many video slots as it can use now, one of them for a screen while one is shared: `changed`, who has come,
    /// come back or switched its camera, and everybody when that is another number than before.
    pub(super) fn tell_slots(&mut self, changed: Option<&str>) {
        let cameras = self.roster.cameras();
        let most = usize::from(self.around.config.video_slots);
        let screens = usize::from(self.podium.presenter().is_some());
        // For those without a camera, and for those with one.
        let counts =
            [cameras, cameras.saturating_sub(1)].map(|others| (others + screens).clamp(1, most));
        let all = std::mem::replace(&mut self.slots_told, counts) != counts;
        let concerned: Vec<String> = match changed {
            _ if all => self.roster.iter().map(|person| person.id.clone()).collect(),
            changed => changed.into_iter().map(str::to_owned).collect(),
        };
        for participant in concerned {
            self.tell_slots_to(&participant, counts);
        }
    }

    /// The same when what viewers see by themselves is something else.
    pub(super) fn tell_all_slots(&mut self) {
        self.slots_told = [0; 2];
        self.tell_slots(None);
    }

    fn tell_slots_to(&mut self, participant: &str, counts: [usize; 2]) {
        let given = self.picture.given();
        let composed = self.picture.is_composed();
        let blind = self.is_blind();
        let Some(person) = self.roster.get_mut(participant) else {
            return;
        };
        let count = match choice(person, blind).unwrap_or(given) {
            View::Cameras => counts[usize::from(person.camera)],
            View::Composite if !composed => counts[usize::from(person.camera)],
            View::Composite | View::Nothing => 1,
        };
        if person.kind == Kind::Browser && std::mem::replace(&mut person.slots_told, count) != count
        {
            self.tell(participant, &ServerMessage::Slots { count });
        }
    }

    /// What is seen in the slots of `participant`.
    pub(super) fn tell_video(&mut self, participant: &str) {
        if let Some(video) = self
            .roster
            .get(participant)
            .and_then(|person| self.roster.video(person))
        {
            self.tell(participant, &video);
        }
    }

    /// So many sizes of somebody's camera are used; [`u8::MAX`]: all.
    pub(super) fn camera_sizes(&mut self, leg: LegId, count: u8) {
        if let Some(participant) = self.roster.owner(leg).map(str::to_owned) {
            let count = (count != u8::MAX).then_some(count);
            self.tell(&participant, &ServerMessage::CameraSizes { count });
        }
    }

    /// Nobody is seen before they are known.
    pub(super) fn introduce(&mut self, shown: &str) {
        if self.news.is_pending(shown) {
            self.publish(Instant::now());
        }
    }
}

/// What somebody sees whatever the conference gives: phones, which have one picture, that of all. Nothing where there is no video.
fn choice(person: &Participant, blind: bool) -> Option<View> {
    if blind {
        return Some(View::Nothing);
    }
    let phone = (person.kind == Kind::Phone).then_some(View::Composite);
    person.view.or(phone)
}
