//! Puts a camera's packets back into order: what is missing is waited for as long as a retransmission takes, no longer.
//! Knows no payload.

use std::collections::BTreeMap;
use std::time::Duration;

use plenum_codecs::sequence::Unwrapper;
use plenum_codecs::{MediaPacket, MediaTime};

/// A packet that is missing is given up when the next one has waited so long: a round trip of 60 ms and the stack's pause
/// before it asks again.
const PATIENCE: Duration = Duration::from_millis(100);
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
}

impl Reorder {
    /// Takes a packet in; late ones are dropped.
    pub(super) fn push(&mut self, now: MediaTime, packet: MediaPacket) {
        if self.ssrc.replace(packet.ssrc) != Some(packet.ssrc) {
            *self = Self {
                ssrc: self.ssrc,
                ..Self::default()
            };
        }
        let number = self.numbers.unwrap(packet.sequence);
        let next = *self.next.get_or_insert(number);
        if number >= next {
            self.waiting.insert(number, (now, packet));
        }
    }

    /// The next packet in order, if it is there or need not be waited for any more.
    pub(super) fn pop(&mut self, now: MediaTime) -> Option<MediaPacket> {
        let (number, (since, _)) = self.waiting.first_key_value()?;
        let in_order = self.next == Some(*number);
        if !in_order && now.since(*since) < PATIENCE && self.waiting.len() < MOST {
            return None;
        }
        let (number, (_, packet)) = self.waiting.pop_first()?;
        self.next = Some(number + 1);
        Some(packet)
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
            reorder.push(MediaTime::from_millis(at), packet(sequence));
        }
        assert_eq!(popped(&mut reorder, 4), [65_534, 65_535]);
        reorder.push(MediaTime::from_millis(50), packet(0));
        assert_eq!(popped(&mut reorder, 50), [0, 1, 2]);
        reorder.push(MediaTime::from_millis(51), packet(1));
        assert_eq!(popped(&mut reorder, 51), [0u16; 0], "it came twice");
    }

    #[test]
    fn what_does_not_come_is_given_up() {
        let mut reorder = Reorder::default();
        reorder.push(MediaTime::from_millis(0), packet(10));
        assert_eq!(popped(&mut reorder, 0), [10]);
        reorder.push(MediaTime::from_millis(10), packet(12));
        assert_eq!(popped(&mut reorder, 109), [0u16; 0]);
        assert_eq!(popped(&mut reorder, 110), [12]);
        for sequence in 20..450 {
            reorder.push(MediaTime::from_millis(120), packet(sequence));
        }
        assert_eq!(popped(&mut reorder, 120).len(), 430, "too many wait");
    }

    #[test]
    fn another_source_begins_anew() {
        let mut reorder = Reorder::default();
        reorder.push(MediaTime::from_millis(0), packet(40_000));
        let other = MediaPacket {
            ssrc: 2,
            ..packet(3)
        };
        reorder.push(MediaTime::from_millis(1), other);
        assert_eq!(popped(&mut reorder, 1), [3]);
    }
}
