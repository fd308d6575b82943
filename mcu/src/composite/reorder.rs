//! Puts a camera's packets back into order: what is missing is waited for while retransmissions may bring it, or until a whole keyframe
//! has come that makes it needless. Knows no payload.

use std::collections::BTreeMap;
use std::time::Duration;

use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::{MediaPacket, MediaTime};

/// A packet that is missing is given up when the next one has waited so long: the stack asks five times for it, each a round trip after
/// the one before, 100 ms and more.
const PATIENCE: Duration = Duration::from_millis(600);
/// When it has waited so long, a keyframe may come sooner than what is missing.
const OVERDUE: Duration = Duration::from_millis(300);
/// Packets that wait; more, and the missing one is given up: a second of 4 Mbit/s.
const MOST: usize = 400;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Reorder {
    ssrc: Option<u32>,
    numbers: Unwrapper,
    /// The number that comes next.
    next: Option<u64>,
    waiting: BTreeMap<u64, (MediaTime, MediaPacket)>,
    /// With which of them the newest keyframe begins.
    keyframe: Option<u64>,
}

impl Reorder {
    /// Takes a packet in; late ones are dropped. `begins` says that a keyframe begins with it.
    pub(super) fn push(&mut self, now: MediaTime, packet: MediaPacket, begins: bool) {
        if self.ssrc.replace(packet.ssrc) != Some(packet.ssrc) {
            *self = Self {
                ssrc: self.ssrc,
                ..Self::default()
            };
        }
        let number = self.numbers.unwrap(packet.sequence);
        let next = *self.next.get_or_insert(number);
        if number >= next {
            if begins {
                self.begins(number, packet.timestamp);
            }
            self.waiting.insert(number, (now, packet));
        }
    }

    /// A keyframe begins with its first packet; of H.264 several look like one.
    fn begins(&mut self, number: u64, timestamp: u32) {
        let known = self.keyframe.and_then(|keyframe| {
            let (_, packet) = self.waiting.get(&keyframe)?;
            Some((keyframe, packet.timestamp))
        });
        self.keyframe = Some(match known {
            Some((keyframe, of)) if of == timestamp => keyframe.min(number),
            Some((keyframe, _)) => keyframe.max(number),
            None => number,
        });
    }

    /// Something is missing for so long that a keyframe is to be asked for.
    pub(super) fn is_overdue(&self, now: MediaTime) -> bool {
        let first = self.waiting.first_key_value();
        first.is_some_and(|(number, (since, _))| {
            self.next != Some(*number) && now.since(*since) >= OVERDUE
        })
    }

    /// The next packet in order, if it is there or need not be waited for any more.
    pub(super) fn pop(&mut self, now: MediaTime) -> Option<MediaPacket> {
        let (number, (since, _)) = self.waiting.first_key_value()?;
        let in_order = self.next == Some(*number);
        if !in_order && now.since(*since) < PATIENCE && self.waiting.len() < MOST {
            let keyframe = self.whole_keyframe()?;
            self.waiting = self.waiting.split_off(&keyframe);
        }
        let (number, (_, packet)) = self.waiting.pop_first()?;
        self.next = Some(number + 1);
        self.keyframe = self.keyframe.filter(|keyframe| *keyframe > number);
        Some(packet)
    }

    /// With which packet a keyframe begins all of which is there.
    fn whole_keyframe(&self) -> Option<u64> {
        let first = self.keyframe?;
        let in_order = (first..).zip(self.waiting.range(first..));
        for (expected, (number, (_, packet))) in in_order {
            if *number != expected {
                return None;
            }
            if packet.marker {
                return Some(first);
            }
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;

    fn packet(sequence: u16) -> MediaPacket {
        MediaPacket {
            payload_type: 96,
            marker: false,
            sequence,
            timestamp: 0,
            ssrc: 1,
            audio_level: None,
            payload: Bytes::from_static(b"x"),
        }
    }

    fn popped(reorder: &mut Reorder, now: u64) -> Vec<u16> {
        std::iter::from_fn(|| reorder.pop(MediaTime::from_millis(now)))
            .map(|packet| packet.sequence)
            .collect()
    }

    #[test]
    fn a_packet_that_is_sent_again_takes_its_place() {
        let mut reorder = Reorder::default();
        for (at, sequence) in [(0, 65_534), (1, 65_535), (2, 1), (3, 2)] {
            reorder.push(MediaTime::from_millis(at), packet(sequence), false);
        }
        assert_eq!(popped(&mut reorder, 4), [65_534, 65_535]);
        reorder.push(MediaTime::from_millis(50), packet(0), false);
        assert_eq!(popped(&mut reorder, 50), [0, 1, 2]);
        reorder.push(MediaTime::from_millis(51), packet(1), false);
        assert_eq!(popped(&mut reorder, 51), [0u16; 0], "it came twice");
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let mut reorder = Reorder::default();
        reorder.push(MediaTime::from_millis(0), packet(10), false);
        assert_eq!(popped(&mut reorder, 0), [10]);
        reorder.push(MediaTime::from_millis(10), packet(12), false);
        let overdue = |reorder: &Reorder, now| reorder.is_overdue(MediaTime::from_millis(now));
        assert!(!overdue(&reorder, 309) && overdue(&reorder, 310));
        assert_eq!(popped(&mut reorder, 609), [0u16; 0]);
        assert_eq!(popped(&mut reorder, 610), [12]);
        for sequence in 20..450 {
            reorder.push(MediaTime::from_millis(620), packet(sequence), false);
        }
        assert_eq!(popped(&mut reorder, 620).len(), 430, "too many wait");
    }

    #[test]
    fn a_whole_keyframe_ends_the_waiting_for_what_is_before_it() {
        let mut reorder = Reorder::default();
        let at = MediaTime::from_millis;
        let last = MediaPacket {
            marker: true,
            ..packet(23)
        };
        reorder.push(at(0), packet(10), true);
        assert_eq!(popped(&mut reorder, 0), [10]);
        reorder.push(at(10), packet(12), false);
        reorder.push(at(20), packet(21), true);
        reorder.push(at(20), last, false);
        assert_eq!(popped(&mut reorder, 30), [0u16; 0], "a part is missing");
        reorder.push(at(40), packet(22), false);
        reorder.push(at(41), packet(24), false);
        assert_eq!(popped(&mut reorder, 41), [21, 22, 23, 24]);
        reorder.push(at(42), packet(12), false);
        assert_eq!(popped(&mut reorder, 42), [0u16; 0], "it comes too late");
    }

    #[test]
    fn another_source_begins_anew() {
        let mut reorder = Reorder::default();
        reorder.push(MediaTime::from_millis(0), packet(40_000), false);
        let other = MediaPacket {
            ssrc: 2,
            ..packet(3)
        };
        reorder.push(MediaTime::from_millis(1), other, false);
        assert_eq!(popped(&mut reorder, 1), [3]);
    }
}
