//! The legs of a room side by side, so that a walk over thousands of them runs straight through memory, and which of them have
//! anything to say. Knows nothing of what a leg does.

use std::collections::HashMap;

use crate::{Leg, LegId};

/// The legs of a room.
#[derive(Debug, Default)]
pub(crate) struct Legs {
    /// In no order that means anything.
    legs: Vec<Leg>,
    places: HashMap<LegId, usize>,
    /// Places of the legs that a tick has to look at for their voice.
    awake: Vec<usize>,
}

impl Legs {
    pub(crate) fn len(&self) -> usize {
        self.legs.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.legs.is_empty()
    }

    pub(crate) fn contains(&self, id: LegId) -> bool {
        self.places.contains_key(&id)
    }

    pub(crate) fn get(&self, id: LegId) -> Option<&Leg> {
        self.legs.get(*self.places.get(&id)?)
    }

    pub(crate) fn get_mut(&mut self, id: LegId) -> Option<&mut Leg> {
        self.legs.get_mut(*self.places.get(&id)?)
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Leg> {
        self.legs.iter()
    }

    pub(crate) fn iter_mut(&mut self) -> impl Iterator<Item = &mut Leg> {
        self.legs.iter_mut()
    }

    /// Puts a leg in, awake; its id must not be here yet.
    pub(crate) fn insert(&mut self, mut leg: Leg) {
        let place = self.legs.len();
        leg.awake = true;
        self.places.insert(leg.id(), place);
        self.awake.push(place);
        self.legs.push(leg);
    }

    pub(crate) fn remove(&mut self, id: LegId) -> Option<Leg> {
        let place = self.places.remove(&id)?;
        let leg = self.legs.swap_remove(place);
        self.awake.retain(|awake| *awake != place);
        if let Some(moved) = self.legs.get(place) {
            self.places.insert(moved.id(), place);
            let before = self.legs.len();
            if let Some(awake) = self.awake.iter_mut().find(|awake| **awake == before) {
                *awake = place;
            }
        }
        Some(leg)
    }

    /// The leg, which the next tick has to look at.
    pub(crate) fn wake(&mut self, id: LegId) -> Option<&mut Leg> {
        let place = *self.places.get(&id)?;
        let leg = self.legs.get_mut(place)?;
        if !leg.awake {
            leg.awake = true;
            self.awake.push(place);
        }
        Some(leg)
    }

    /// Shows every leg that is awake.
    pub(crate) fn each_awake(&mut self, mut see: impl FnMut(&mut Leg)) {
        for &place in &self.awake {
            if let Some(leg) = self.legs.get_mut(place) {
                see(leg);
            }
        }
    }

    /// Lets those rest that have nothing more to say.
    pub(crate) fn rest(&mut self, rests: impl Fn(&Leg) -> bool) {
        let legs = &mut self.legs;
        self.awake.retain(|&place| {
            let Some(leg) = legs.get_mut(place) else {
                return false;
            };
            leg.awake = !rests(leg);
            leg.awake
        });
    }
}

#[cfg(test)]
mod tests {
    use plenum_codecs::MediaTime;

    use super::*;
    use crate::{AudioSetting, LegConfig};

    fn leg(id: u64) -> Leg {
        let audio = AudioSetting {
            receive: Vec::new(),
            send: None,
            telephone_event: None,
            comfort_noise: None,
            level_extension: false,
        };
        let config = LegConfig {
            id: LegId(id),
            audio,
            video: None,
            muted: false,
            listen_only: false,
        };
        Leg::new(config, MediaTime::from_millis(0))
    }

    fn awake(legs: &mut Legs) -> Vec<u64> {
        let mut ids = Vec::new();
        legs.each_awake(|leg| ids.push(leg.id().0));
        ids.sort_unstable();
        ids
    }

    #[test]
    fn who_leaves_takes_nobody_elses_place() {
        let mut legs = Legs::default();
        (0..5).for_each(|id| legs.insert(leg(id)));
        legs.rest(|leg| leg.id().0 < 3);
        assert_eq!(awake(&mut legs), [3, 4]);
        assert_eq!(legs.remove(LegId(1)).map(|leg| leg.id()), Some(LegId(1)));
        assert!(legs.remove(LegId(1)).is_none() && !legs.contains(LegId(1)));
        assert_eq!(awake(&mut legs), [3, 4]);
        legs.wake(LegId(0));
        legs.wake(LegId(0));
        assert_eq!(awake(&mut legs), [0, 3, 4]);
        legs.remove(LegId(4));
        assert_eq!(awake(&mut legs), [0, 3]);
        for id in [0, 2, 3] {
            assert_eq!(legs.get(LegId(id)).map(Leg::id), Some(LegId(id)));
        }
        assert_eq!(legs.len(), 3);
    }
}
