//! Who is the active speaker. Slower than the mix: a cough or a "yes" must not turn everybody's picture over.

use crate::LegId;
use crate::talkers::Candidate;

/// A free floor is taken after 200 ms of speech; all in ticks of 20 ms.
const TAKE_FREE: u32 = 10;
/// The floor of a holder who has been silent for 500 ms …
const HOLDER_SILENT: u32 = 25;
/// … is taken after 400 ms of speech.
const TAKE_IDLE: u32 = 20;
/// From a holder who is speaking it is taken after 2 s of speech that is louder.
const TAKE_BUSY: u32 = 100;
/// Louder by so many dB.
const MARGIN: f32 = 3.0;
/// Nobody loses the floor sooner than 1 s after taking it.
const TENURE: u32 = 50;

#[derive(Debug, Clone, Copy)]
struct Speaker {
    leg: LegId,
    /// Ticks of speech, counted down twice as fast in silence.
    speech: u32,
    /// Ticks of speech louder than the holder's, likewise.
    louder: u32,
}

/// The floor of a room.
#[derive(Debug, Default)]
pub(crate) struct Floor {
    holder: Option<LegId>,
    /// Holds the floor whoever speaks.
    spotlight: Option<LegId>,
    holder_silent: u32,
    tenure: u32,
    speakers: Vec<Speaker>,
}

impl Floor {
    pub(crate) fn holder(&self) -> Option<LegId> {
        self.holder
    }

    /// Takes in the legs that are in the main channel's mix in this tick; true when the floor has passed on.
    pub(crate) fn update(&mut self, talkers: &[Candidate]) -> bool {
        self.tenure = self.tenure.saturating_add(1);
        let holder = talkers
            .iter()
            .find(|talker| Some(talker.leg) == self.holder && talker.speaking);
        self.holder_silent = if holder.is_some() {
            0
        } else {
            self.holder_silent.saturating_add(1)
        };
        let threshold = holder.map_or(0.0, |holder| holder.loudness + MARGIN);
        for talker in talkers.iter().filter(|talker| talker.speaking) {
            if !self
                .speakers
                .iter()
                .any(|speaker| speaker.leg == talker.leg)
            {
                self.speakers.push(Speaker {
                    leg: talker.leg,
                    speech: 0,
                    louder: 0,
                });
            }
        }
        for speaker in &mut self.speakers {
            let speech = talkers
                .iter()
                .find(|talker| talker.leg == speaker.leg && talker.speaking);
            speaker.speech = count(speaker.speech, speech.is_some());
            speaker.louder = count(
                speaker.louder,
                speech.is_some_and(|talker| talker.loudness > threshold),
            );
        }
        self.speakers.retain(|speaker| speaker.speech > 0);
        if self.spotlight.is_some() {
            return false;
        }
        let Some(challenger) = self.challenger() else {
            return false;
        };
        self.pass_to(challenger);
        true
    }

    /// Gives the floor to a leg until another call or its leaving, or with `None` lets it go round again; true when it has passed on.
    pub(crate) fn spotlight(&mut self, leg: Option<LegId>) -> bool {
        self.spotlight = leg;
        match leg {
            Some(leg) if self.holder != Some(leg) => {
                self.pass_to(leg);
                true
            }
            _ => false,
        }
    }

    fn pass_to(&mut self, leg: LegId) {
        self.holder = Some(leg);
        self.holder_silent = 0;
        self.tenure = 0;
        self.speakers
            .iter_mut()
            .for_each(|speaker| speaker.louder = 0);
    }

    /// A leg has left; true when it held the floor, which is free then.
    pub(crate) fn remove(&mut self, leg: LegId) -> bool {
        self.speakers.retain(|speaker| speaker.leg != leg);
        self.spotlight.take_if(|spotlight| *spotlight == leg);
        let held = self.holder == Some(leg);
        if held {
            self.holder = None;
            self.tenure = TENURE;
        }
        held
    }

    fn challenger(&self) -> Option<LegId> {
        let best = |measure: fn(&Speaker) -> u32| {
            self.speakers
                .iter()
                .filter(|speaker| Some(speaker.leg) != self.holder)
                .max_by_key(|speaker| (measure(speaker), std::cmp::Reverse(speaker.leg)))
                .map(|speaker| (speaker.leg, measure(speaker)))
        };
        if self.holder.is_none() {
            return best(|speaker| speaker.speech)
                .filter(|(_, speech)| *speech >= TAKE_FREE)
                .map(|(leg, _)| leg);
        }
        if self.tenure < TENURE {
            return None;
        }
        if self.holder_silent >= HOLDER_SILENT {
            return best(|speaker| speaker.speech)
                .filter(|(_, speech)| *speech >= TAKE_IDLE)
                .map(|(leg, _)| leg);
        }
        best(|speaker| speaker.louder)
            .filter(|(_, louder)| *louder >= TAKE_BUSY)
            .map(|(leg, _)| leg)
    }
}

fn count(ticks: u32, on: bool) -> u32 {
    if on {
        (ticks + 1).min(2 * TAKE_BUSY)
    } else {
        ticks.saturating_sub(2)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Channels;

    fn talker(leg: u64, loudness: f32) -> Candidate {
        Candidate {
            leg: LegId(leg),
            channels: Channels::MAIN,
            loudness,
            speaking: true,
        }
    }

    fn ticks_until_change(floor: &mut Floor, talkers: &[Candidate]) -> Option<u32> {
        (1..1_000).find(|_| floor.update(talkers))
    }

    #[test]
    fn the_first_who_speaks_takes_the_floor() {
        let mut floor = Floor::default();
        assert_eq!(
            ticks_until_change(&mut floor, &[talker(7, 100.0)]),
            Some(TAKE_FREE)
        );
        assert_eq!(floor.holder(), Some(LegId(7)));
    }

    #[test]
    fn a_cough_does_not_take_the_floor() {
        let mut floor = Floor::default();
        ticks_until_change(&mut floor, &[talker(1, 100.0)]);
        for _ in 0..100 {
            floor.update(&[talker(1, 100.0)]);
        }
        for _ in 0..15 {
            assert!(!floor.update(&[talker(2, 110.0), talker(1, 100.0)]));
        }
        for _ in 0..100 {
            assert!(!floor.update(&[talker(1, 100.0)]));
        }
    }

    #[test]
    fn it_passes_on_when_the_holder_is_silent_and_stays_when_all_are() {
        let mut floor = Floor::default();
        ticks_until_change(&mut floor, &[talker(1, 100.0)]);
        for _ in 0..500 {
            assert!(!floor.update(&[]));
        }
        let ticks = ticks_until_change(&mut floor, &[talker(2, 90.0)]);
        assert_eq!(ticks, Some(TAKE_IDLE));
        assert_eq!(floor.holder(), Some(LegId(2)));
    }

    #[test]
    fn equally_loud_talkers_do_not_take_turns() {
        let mut floor = Floor::default();
        ticks_until_change(&mut floor, &[talker(1, 100.0), talker(2, 100.0)]);
        assert_eq!(
            ticks_until_change(&mut floor, &[talker(1, 100.0), talker(2, 101.0)]),
            None
        );
    }
}
