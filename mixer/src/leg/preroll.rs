//! The last packets of a leg that nobody hears, not decoded: they warm its decoder when it begins to be heard, and if they hold the beginning
//! of the word that made it loud, they are played.

use std::collections::VecDeque;

use bytes::Bytes;
use plenum_codecs::audio::AudioCodec;

/// Samples that may be played: 60 ms. As much again is not kept; 20 ms more are, for the decoder.
const PLAYED: u64 = 2_880;
const KEPT: u64 = PLAYED + 960;
/// The beginning of a word may be as quiet as this (−dBov).
const FAINTEST: u8 = 60;

/// A packet whose time has passed.
#[derive(Debug)]
pub(super) struct Skipped {
    pub(super) codec: AudioCodec,
    pub(super) payload: Bytes,
    pub(super) samples: u64,
    /// −dBov; `None`: it is not to be played, however loud.
    pub(super) level: Option<u8>,
}

/// The last 80 ms of them.
#[derive(Debug, Default)]
pub(super) struct Preroll {
    packets: VecDeque<Skipped>,
    samples: u64,
}

impl Preroll {
    /// Keeps a packet in place of the oldest.
    pub(super) fn push(&mut self, packet: Skipped) {
        self.samples += packet.samples;
        self.packets.push_back(packet);
        while let Some(oldest) = self.packets.front()
            && self.samples - oldest.samples >= KEPT
        {
            self.samples -= oldest.samples;
            self.packets.pop_front();
        }
    }

    pub(super) fn is_empty(&self) -> bool {
        self.packets.is_empty()
    }

    pub(super) fn clear(&mut self) {
        self.packets.clear();
        self.samples = 0;
    }

    /// The oldest packet, and whether it is a part of the word; `None` when all have been taken.
    pub(super) fn pop(&mut self) -> Option<(Skipped, bool)> {
        let mut samples = 0;
        let word = self
            .packets
            .iter()
            .rev()
            .take_while(|packet| {
                samples += packet.samples;
                samples <= PLAYED && packet.level.is_some_and(|level| level <= FAINTEST)
            })
            .count();
        let is_word = word == self.packets.len();
        let packet = self.packets.pop_front()?;
        self.samples -= packet.samples;
        Some((packet, is_word))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn popped(levels: &[Option<u8>]) -> Vec<bool> {
        let mut preroll = Preroll::default();
        for &level in levels {
            preroll.push(Skipped {
                codec: AudioCodec::Opus,
                payload: Bytes::new(),
                samples: 960,
                level,
            });
        }
        std::iter::from_fn(|| preroll.pop())
            .map(|(_, word)| word)
            .collect()
    }

    #[test]
    fn what_leads_to_the_word_without_a_pause_is_played_up_to_60_ms() {
        let (loud, faint, quiet) = (Some(30), Some(58), Some(90));
        assert_eq!(
            popped(&[quiet, quiet, faint, loud]),
            [false, false, true, true]
        );
        assert_eq!(
            popped(&[loud, quiet, quiet, loud]),
            [false, false, false, true]
        );
        assert_eq!(popped(&[loud; 9]), [false, true, true, true]);
        assert_eq!(popped(&[quiet; 3]), [false; 3]);
    }

    #[test]
    fn what_was_said_while_muted_is_not() {
        assert_eq!(popped(&[None, None, Some(20)]), [false, false, true]);
        assert_eq!(popped(&[Some(20), None]), [false, false]);
    }
}
