//! Which legs are in the mix: the loudest few of each channel, with hysteresis so that they do not flap.

use smallvec::SmallVec;

use crate::{Channel, Channels, LegId};

/// A leg stays in the mix so long after its last word: 500 ms in ticks.
const HOLD_TICKS: u32 = 25;
/// By so much louder a newcomer displaces the quietest at once when the mix is full: 6 dB. The longer it has spoken unheard, the less is
/// asked of it, …
const MARGIN: f32 = 6.0;
/// … and after 1 s, in ticks, whoever is not louder makes room: of nine who speak alike each is heard most of the time, and none never.
const PATIENCE: u16 = 50;
/// Before 3 s, in ticks, of a turn are over only somebody louder by the whole margin ends it: where many speak at once, voices would else
/// come and go within words, and each change costs decodes and encodes.
const TURN: u32 = 150;
/// Of those who speak unheard so many, the loudest, are looked at.
const WAITING: usize = 16;

/// A leg that may be mixed, in this tick.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Candidate {
    pub(crate) leg: LegId,
    /// Into which its voice goes.
    pub(crate) channels: Channels,
    /// Smoothed, in dB.
    pub(crate) loudness: f32,
    pub(crate) speaking: bool,
}

#[derive(Debug, Clone, Copy)]
struct Talker {
    leg: LegId,
    loudness: f32,
    quiet: u32,
    /// Ticks since it came into the mix.
    turn: u32,
}

/// Legs that came into the mix (true) or went out of it (false) in a tick.
pub(crate) type Changes = SmallVec<[(LegId, bool); 4]>;

/// The legs in the mixes of all channels. A whisper in one displaces nobody in another.
#[derive(Debug)]
pub(crate) struct Talkers {
    /// Per channel.
    max: usize,
    /// The main one first, others while somebody talks there.
    channels: SmallVec<[(Channel, Stage); 1]>,
}

impl Talkers {
    pub(crate) fn new(max: usize) -> Self {
        Self {
            max: max.max(1),
            channels: SmallVec::from_iter([(Channel::MAIN, Stage::default())]),
        }
    }

    /// Channels in which the leg is mixed.
    pub(crate) fn of(&self, leg: LegId) -> Channels {
        let stages = self.channels.iter();
        stages
            .filter(|(_, stage)| stage.contains(leg))
            .map(|(channel, _)| *channel)
            .collect()
    }

    /// Channels in which anybody is mixed.
    pub(crate) fn channels(&self) -> impl Iterator<Item = Channel> {
        let stages = self.channels.iter();
        stages
            .filter(|(_, stage)| !stage.talkers.is_empty())
            .map(|(channel, _)| *channel)
    }

    /// Legs that are mixed; who is in several channels counts in each.
    pub(crate) fn len(&self) -> usize {
        self.channels
            .iter()
            .map(|(_, stage)| stage.talkers.len())
            .sum()
    }

    /// A leg has left; true when it was mixed in the main channel.
    pub(crate) fn remove(&mut self, leg: LegId) -> bool {
        let mut main = false;
        for (channel, stage) in &mut self.channels {
            main |= stage.remove(leg) && *channel == Channel::MAIN;
        }
        main
    }

    /// Chooses among all that may be mixed; gives the changes in the main channel.
    pub(crate) fn select(&mut self, candidates: &[Candidate]) -> Changes {
        for candidate in candidates {
            if candidate.channels == Channels::MAIN {
                continue;
            }
            for channel in candidate.channels.iter() {
                if !self.channels.iter().any(|(known, _)| *known == channel) {
                    self.channels.push((channel, Stage::default()));
                }
            }
        }
        let mut main = Changes::new();
        for (channel, stage) in &mut self.channels {
            let changes = stage.select(self.max, *channel, candidates);
            if *channel == Channel::MAIN {
                main = changes;
            }
        }
        self.channels
            .retain(|(channel, stage)| *channel == Channel::MAIN || !stage.talkers.is_empty());
        main
    }
}

/// The legs in the mix of one channel.
#[derive(Debug, Default)]
struct Stage {
    talkers: SmallVec<[Talker; 8]>,
    /// Who speaks but is not mixed, the most urgent first, of those the longest unheard.
    waiting: SmallVec<[Waiting; 4]>,
}

/// A leg that speaks while the mix is full of others.
#[derive(Debug, Clone, Copy)]
struct Waiting {
    leg: LegId,
    loudness: f32,
    /// Ticks in a row.
    since: u16,
}

impl Waiting {
    /// How loud a talker has to be to keep its place.
    fn claim(&self) -> f32 {
        let patience = 1.0 - f32::from(self.since.min(PATIENCE)) / f32::from(PATIENCE);
        self.loudness - MARGIN * patience
    }

    fn displaces(&self, talker: &Talker) -> bool {
        let claim = if talker.turn < TURN {
            self.loudness - MARGIN
        } else {
            self.claim()
        };
        claim >= talker.loudness
    }
}

impl Stage {
    fn contains(&self, leg: LegId) -> bool {
        self.talkers.iter().any(|talker| talker.leg == leg)
    }

    fn remove(&mut self, leg: LegId) -> bool {
        let before = self.talkers.len();
        self.talkers.retain(|talker| talker.leg != leg);
        before != self.talkers.len()
    }

    /// Chooses among all that may be mixed. A talker that is not a candidate any more goes at once.
    fn select(&mut self, max: usize, channel: Channel, all: &[Candidate]) -> Changes {
        let candidates = || {
            let here = move |candidate: &&Candidate| candidate.channels.contains(channel);
            all.iter().filter(here)
        };
        let mut changes = Changes::new();
        self.talkers.retain(|talker| {
            let current = candidates().find(|candidate| candidate.leg == talker.leg);
            talker.quiet = if current.is_some_and(|candidate| candidate.speaking) {
                0
            } else {
                talker.quiet + 1
            };
            talker.turn = talker.turn.saturating_add(1);
            talker.loudness = current.map_or(0.0, |candidate| candidate.loudness);
            let stays = current.is_some() && talker.quiet <= HOLD_TICKS;
            if !stays {
                changes.push((talker.leg, false));
            }
            stays
        });
        self.queue(candidates());
        for newcomer in std::mem::take(&mut self.waiting) {
            if !self.make_room(max, newcomer, &mut changes) {
                self.waiting.push(newcomer);
                continue;
            }
            self.talkers.push(Talker {
                leg: newcomer.leg,
                loudness: newcomer.loudness,
                quiet: 0,
                turn: 0,
            });
            changes.push((newcomer.leg, true));
        }
        changes
    }

    /// Brings up to date who waits to be mixed.
    fn queue<'a>(&mut self, candidates: impl Iterator<Item = &'a Candidate>) {
        let before = std::mem::take(&mut self.waiting);
        self.waiting = candidates
            .filter(|candidate| candidate.speaking && !self.contains(candidate.leg))
            .map(|candidate| {
                let known = before.iter().find(|waiting| waiting.leg == candidate.leg);
                Waiting {
                    leg: candidate.leg,
                    loudness: candidate.loudness,
                    since: known.map_or(0, |waiting| waiting.since.saturating_add(1)),
                }
            })
            .collect();
        self.waiting.sort_by(|a, b| {
            b.claim()
                .total_cmp(&a.claim())
                .then(b.since.cmp(&a.since))
                .then(a.leg.cmp(&b.leg))
        });
        self.waiting.truncate(WAITING);
    }

    fn make_room(&mut self, max: usize, newcomer: Waiting, changes: &mut Changes) -> bool {
        if self.talkers.len() < max {
            return true;
        }
        // Of equals who has been mixed for longest.
        let quietest = self
            .talkers
            .iter()
            .enumerate()
            .filter(|(_, talker)| newcomer.displaces(talker))
            .min_by(|(_, a), (_, b)| a.loudness.total_cmp(&b.loudness));
        let Some((index, talker)) = quietest.map(|(index, talker)| (index, *talker)) else {
            return false;
        };
        self.talkers.remove(index);
        changes.push((talker.leg, false));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidate(leg: u64, loudness: f32) -> Candidate {
        Candidate {
            leg: LegId(leg),
            channels: Channels::MAIN,
            loudness,
            speaking: loudness > 77.0,
        }
    }

    #[test]
    fn the_loudest_are_mixed_and_a_little_louder_is_not_enough() {
        let mut talkers = Talkers::new(2);
        talkers.select(&[candidate(1, 90.0), candidate(2, 95.0), candidate(3, 100.0)]);
        assert!([1, 2, 3].map(|leg| !talkers.of(LegId(leg)).is_empty()) == [false, true, true]);
        assert!(
            talkers
                .select(&[candidate(1, 100.0), candidate(2, 95.0), candidate(3, 100.0)])
                .is_empty()
        );
        let changes =
            talkers.select(&[candidate(1, 102.0), candidate(2, 95.0), candidate(3, 100.0)]);
        assert_eq!(changes.as_slice(), [(LegId(2), false), (LegId(1), true)]);
    }

    /// Ticks in which each of these was mixed, out of so many.
    fn turns(max: usize, loudness: &[f32], ticks: u16) -> Vec<u16> {
        let mut talkers = Talkers::new(max);
        let all: Vec<Candidate> = (0..)
            .zip(loudness)
            .map(|(leg, loudness)| candidate(leg, *loudness))
            .collect();
        let mut mixed = vec![0; all.len()];
        for _ in 0..ticks {
            talkers.select(&all);
            for (mixed, candidate) in mixed.iter_mut().zip(&all) {
                *mixed += u16::from(!talkers.of(candidate.leg).is_empty());
            }
        }
        mixed
    }

    #[test]
    fn of_nine_who_speak_alike_each_is_heard_most_of_the_time() {
        let mixed = turns(8, &[101.0; 9], 3_000);
        assert!(mixed.iter().all(|mixed| *mixed > 2_500), "{mixed:?}");
    }

    #[test]
    fn a_turn_lasts_however_many_wait_for_one_and_those_who_are_looked_at_get_one() {
        for (max, people, looked_at) in [(1, 3, 3), (8, 24, 24), (8, 100, 24)] {
            let mut talkers = Talkers::new(max);
            let all: Vec<Candidate> = (0..people).map(|leg| candidate(leg, 101.0)).collect();
            let mut came = std::collections::HashMap::new();
            for tick in 0..6_000_u32 {
                for (leg, on) in talkers.select(&all) {
                    if on {
                        came.insert(leg, tick);
                    } else {
                        let turn = tick - came[&leg];
                        assert!(turn >= TURN, "{leg:?} had {turn} ticks");
                    }
                }
            }
            assert_eq!(came.len(), looked_at, "{max} of {people}");
        }
    }

    #[test]
    fn who_is_quieter_than_all_others_waits_for_a_place() {
        let mut loudness = [101.0; 9];
        loudness[4] = 100.0;
        let mixed = turns(8, &loudness, 3_000);
        assert_eq!(mixed[4], 0);
        assert!(mixed.iter().filter(|mixed| **mixed == 3_000).count() == 8);
    }

    #[test]
    fn a_pause_between_words_does_not_end_a_turn() {
        let mut talkers = Talkers::new(4);
        talkers.select(&[candidate(1, 100.0)]);
        for _ in 0..HOLD_TICKS {
            assert!(talkers.select(&[candidate(1, 10.0)]).is_empty());
        }
        assert_eq!(
            talkers.select(&[candidate(1, 10.0)]).as_slice(),
            [(LegId(1), false)]
        );
    }

    #[test]
    fn a_whisper_displaces_nobody_in_the_main_channel() {
        let aside = Channel::new(4).map_or(Channels::MAIN, Channels::only);
        let mut talkers = Talkers::new(1);
        let changes = talkers.select(&[
            candidate(1, 90.0),
            Candidate {
                channels: aside,
                ..candidate(2, 120.0)
            },
        ]);
        assert_eq!(changes.as_slice(), [(LegId(1), true)]);
        assert_eq!(
            [1, 2].map(|leg| talkers.of(LegId(leg))),
            [Channels::MAIN, aside]
        );
        talkers.select(&[candidate(1, 90.0)]);
        assert_eq!(talkers.channels().collect::<Vec<_>>(), [Channel::MAIN]);
    }

    #[test]
    fn a_muted_talker_goes_at_once() {
        let mut talkers = Talkers::new(4);
        talkers.select(&[candidate(1, 100.0)]);
        assert_eq!(talkers.select(&[]).as_slice(), [(LegId(1), false)]);
    }
}
