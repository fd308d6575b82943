//! What came of a stream while somebody waits for a keyframe of it: where packets overtake each other, the one that a keyframe begins with
//! may come after others of it. Pure and bounded; packets are shared, not copied. It does not know who waits.

use std::collections::VecDeque;

use plenum_codecs::MediaPacket;

/// Packets that are held, the newest: most of a keyframe in full HD, or half a second of a camera.
const MOST: usize = 128;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Held {
    /// By their unwrapped numbers, rising.
    packets: VecDeque<(u64, MediaPacket)>,
    /// All that came with a higher number than this is here, as long as anything is held.
    complete_above: Option<u64>,
}

impl Held {
    /// A packet came; `newest` is the highest number of those before it, if there were any.
    pub(super) fn hold(&mut self, newest: Option<u64>, sequence: u64, packet: &MediaPacket) {
        let above = *self.complete_above.get_or_insert(newest.unwrap_or(0));
        if sequence <= above {
            return;
        }
        let after = self.packets.iter().rev();
        let after = after.take_while(|(number, _)| *number > sequence).count();
        let at = self.packets.len() - after;
        let twice = at
            .checked_sub(1)
            .and_then(|before| self.packets.get(before))
            .is_some_and(|(number, _)| *number == sequence);
        if twice {
            return;
        }
        self.packets.insert(at, (sequence, packet.clone()));
        if self.packets.len() > MOST
            && let Some((lowest, _)) = self.packets.pop_front()
        {
            self.complete_above = Some(lowest);
        }
    }

    /// Nobody waits any more.
    pub(super) fn release(&mut self) {
        if self.complete_above.take().is_some() {
            self.packets = VecDeque::new();
        }
    }

    /// Whether all that came after this number is here.
    pub(super) fn reaches(&self, sequence: u64) -> bool {
        self.complete_above.is_some_and(|above| sequence > above)
    }

    /// What came after this number, in order.
    pub(super) fn after(&self, sequence: u64) -> impl Iterator<Item = &(u64, MediaPacket)> {
        let held = self.packets.iter();
        held.skip_while(move |(number, _)| *number <= sequence)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn packet(sequence: u16) -> MediaPacket {
        MediaPacket {
            payload_type: 96,
            marker: false,
            sequence,
            timestamp: 0,
            ssrc: 1,
            audio_level: None,
            payload: bytes::Bytes::new(),
        }
    }

    fn numbers(held: &Held, after: u64) -> Vec<u64> {
        held.after(after).map(|(number, _)| *number).collect()
    }

    #[test]
    fn what_overtook_is_there_in_order_and_once() {
        let mut held = Held::default();
        let mut newest = 10;
        for number in [13, 12, 15, 12, 9, 11] {
            held.hold(Some(newest), number, &packet(0));
            newest = newest.max(number);
        }
        assert_eq!(numbers(&held, 11), [12, 13, 15]);
        assert!(held.reaches(11) && !held.reaches(10), "10 came before");
        held.release();
        assert!(!held.reaches(11) && numbers(&held, 0).is_empty());
    }

    #[test]
    fn of_too_many_the_newest_are_held_and_what_is_missing_is_known() {
        let mut held = Held::default();
        for number in 1..=1_000_u64 {
            held.hold(number.checked_sub(1), number, &packet(0));
        }
        let lowest = 1_000 - MOST as u64;
        assert!(!held.reaches(lowest) && held.reaches(lowest + 1));
        assert_eq!(numbers(&held, 0).len(), MOST);
    }
}
