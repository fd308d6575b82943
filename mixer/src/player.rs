//! Prompts and tones as inputs of the bus.

use std::sync::Arc;

use plenum_codecs::audio::{FRAME, Frame};

use crate::{Audience, Channel, LegId, PlayId};

/// Silence between the parts of a sound: a quarter of a second.
const BREATH: usize = 48_000 / 4;

/// What is played: parts one after the other, each 48 kHz mono, with a breath between them. Cheap to clone, and made without a look at a
/// sample.
#[derive(Debug, Clone)]
pub struct Sound {
    /// None is empty.
    parts: Arc<[Arc<[i16]>]>,
}

impl From<Arc<[i16]>> for Sound {
    fn from(part: Arc<[i16]>) -> Self {
        Self::from(vec![part])
    }
}

impl From<Vec<Arc<[i16]>>> for Sound {
    fn from(mut parts: Vec<Arc<[i16]>>) -> Self {
        parts.retain(|part| !part.is_empty());
        Self {
            parts: parts.into(),
        }
    }
}

/// Players at once in a room; a further one displaces the oldest.
const MAX_PLAYERS: usize = 32;

#[derive(Debug)]
struct Player {
    play: PlayId,
    to: Audience,
    sound: Sound,
    repeat: bool,
    /// The part that plays, and how much of it and the breath after it has been played.
    part: usize,
    position: usize,
    frame: Frame,
}

impl Player {
    /// Renders the frame of this tick; false at the end.
    fn advance(&mut self) -> bool {
        self.frame.fill(0);
        let mut filled = 0;
        while filled < FRAME {
            let Some(part) = self.sound.parts.get(self.part) else {
                if !self.repeat || self.sound.parts.is_empty() {
                    break;
                }
                self.part = 0;
                continue;
            };
            let is_last = self.part + 1 == self.sound.parts.len();
            let end = part.len() + if is_last { 0 } else { BREATH };
            let rest = part.get(self.position..).unwrap_or(&[]);
            let left = if rest.is_empty() {
                end - self.position
            } else {
                rest.len()
            };
            let count = left.min(FRAME - filled);
            if let (Some(to), Some(from)) = (
                self.frame.get_mut(filled..filled + count),
                rest.get(..count),
            ) {
                to.copy_from_slice(from);
            }
            filled += count;
            self.position += count;
            if self.position >= end {
                self.part += 1;
                self.position = 0;
            }
        }
        filled > 0
    }
}

/// All that plays in a room.
#[derive(Debug, Default)]
pub(crate) struct Players {
    players: Vec<Player>,
}

impl Players {
    /// Starts one; returns the one that had to make room.
    pub(crate) fn start(
        &mut self,
        play: PlayId,
        to: Audience,
        sound: Sound,
        repeat: bool,
    ) -> Option<PlayId> {
        self.stop(play);
        let displaced = (self.players.len() >= MAX_PLAYERS).then(|| self.players.remove(0).play);
        self.players.push(Player {
            play,
            to,
            sound,
            repeat,
            part: 0,
            position: 0,
            frame: [0; FRAME],
        });
        displaced
    }

    pub(crate) fn stop(&mut self, play: PlayId) {
        self.players.retain(|player| player.play != play);
    }

    /// The leg has left, and with it what played for it alone.
    pub(crate) fn remove_leg(&mut self, leg: LegId) {
        self.players
            .retain(|player| player.to != Audience::Leg(leg));
    }

    /// Renders this tick; returns those that came to their end.
    pub(crate) fn advance(&mut self) -> Vec<PlayId> {
        let mut finished = Vec::new();
        self.players.retain_mut(|player| {
            let plays = player.advance();
            if !plays {
                finished.push(player.play);
            }
            plays
        });
        finished
    }

    /// Whether something plays for this leg alone.
    pub(crate) fn any_for(&self, leg: LegId) -> bool {
        self.players
            .iter()
            .any(|player| player.to == Audience::Leg(leg))
    }

    /// The legs for which something plays that is for them alone; one may come several times.
    pub(crate) fn listeners(&self) -> impl Iterator<Item = LegId> {
        self.players.iter().filter_map(|player| match player.to {
            Audience::Leg(leg) => Some(leg),
            Audience::Everyone | Audience::Channel(_) => None,
        })
    }

    /// The frames of this tick that a channel carries, with the channel; `None` is all of them.
    pub(crate) fn public(&self) -> impl Iterator<Item = (Option<Channel>, &Frame)> {
        self.players.iter().filter_map(|player| match player.to {
            Audience::Everyone => Some((None, &player.frame)),
            Audience::Channel(channel) => Some((Some(channel), &player.frame)),
            Audience::Leg(_) => None,
        })
    }

    /// The frames of this tick for an audience.
    pub(crate) fn frames(&self, to: Audience) -> impl Iterator<Item = &Frame> {
        self.players
            .iter()
            .filter(move |player| player.to == to)
            .map(|player| &player.frame)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_prompt_plays_to_its_last_sample_and_then_is_finished() {
        let mut players = Players::default();
        players.start(
            PlayId(1),
            Audience::Everyone,
            sound(&[&[5; FRAME + 10]]),
            false,
        );
        assert!(players.advance().is_empty());
        assert!(players.advance().is_empty());
        let frame: Vec<i16> = players
            .frames(Audience::Everyone)
            .flatten()
            .copied()
            .collect();
        assert_eq!(frame.iter().filter(|&&sample| sample == 5).count(), 10);
        assert_eq!(players.advance(), [PlayId(1)]);
        assert!(players.advance().is_empty());
    }

    #[test]
    fn music_begins_again_without_a_gap() {
        let mut players = Players::default();
        players.start(
            PlayId(1),
            Audience::Leg(LegId(3)),
            sound(&[&[7; 100]]),
            true,
        );
        for _ in 0..5 {
            assert!(players.advance().is_empty());
            assert!(
                players
                    .frames(Audience::Leg(LegId(3)))
                    .all(|frame| frame.iter().all(|&sample| sample == 7))
            );
        }
    }

    #[test]
    fn parts_follow_each_other_after_a_breath() {
        let mut players = Players::default();
        let parts = sound(&[&[], &[3; 100], &[], &[4; FRAME]]);
        players.start(PlayId(1), Audience::Everyone, parts, true);
        let mut heard: Vec<i16> = Vec::new();
        for _ in 0..40 {
            assert!(players.advance().is_empty());
            heard.extend(players.frames(Audience::Everyone).flatten());
        }
        let once = [vec![3; 100], vec![0; BREATH], vec![4; FRAME]].concat();
        let wanted: Vec<i16> = once.iter().cycle().take(heard.len()).copied().collect();
        assert_eq!(heard, wanted);
    }

    fn sound(parts: &[&[i16]]) -> Sound {
        let parts: Vec<Arc<[i16]>> = parts.iter().map(|&part| part.into()).collect();
        parts.into()
    }

    #[test]
    fn an_empty_prompt_is_finished_at_once() {
        let mut players = Players::default();
        players.start(PlayId(1), Audience::Everyone, sound(&[&[]]), true);
        assert_eq!(players.advance(), [PlayId(1)]);
    }
}
