//! Whose camera is shown for whose voice: a person who speaks by phone may be seen by a browser. A handful at most.

use plenum_codecs::MediaTime;

use super::Room;
use crate::LegId;

/// Voice and face, of each person who has two legs.
#[derive(Debug, Default)]
pub(super) struct Faces(Vec<(LegId, LegId)>);

impl Faces {
    /// Who is shown when `voice` has the floor.
    pub(super) fn of(&self, voice: LegId) -> LegId {
        let pair = self.0.iter().find(|(known, _)| *known == voice);
        pair.map_or(voice, |(_, face)| *face)
    }

    /// Either has left.
    pub(super) fn forget(&mut self, leg: LegId) {
        self.0.retain(|(voice, face)| *voice != leg && *face != leg);
    }

    fn set(&mut self, voice: LegId, face: Option<LegId>) {
        self.0.retain(|(known, _)| *known != voice);
        self.0.extend(face.map(|face| (voice, face)));
    }
}

impl Room {
    pub(super) fn set_face(&mut self, now: MediaTime, voice: LegId, face: Option<LegId>) {
        if !self.legs.contains(voice) {
            return;
        }
        let before = self.faces.of(voice);
        self.faces.set(voice, face);
        let shown = self.faces.of(voice);
        if shown != before && self.floor.holder() == Some(voice) {
            self.video
                .floor_changed(now, shown, &mut self.legs, &mut self.outputs);
        }
    }
}
