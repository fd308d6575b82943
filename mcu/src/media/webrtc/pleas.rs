//! What a viewer asks to be sent again (RFC 4585 §6.2.1), and asks again: whoever has waited for the same packet for long stands still, and a
//! keyframe comes sooner than the packet. A browser asks for that only after seconds.

use std::collections::VecDeque;
use std::time::{Duration, Instant};

use smallvec::SmallVec;

/// Between the first plea for a packet and the one that is too many: three have failed.
const OVERDUE: Duration = Duration::from_millis(350);
/// A number that was not asked for since may be another packet's.
const STALE: Duration = Duration::from_secs(2);
/// Packets that are remembered of one stream; when more are missing, the oldest tell enough.
const MOST: usize = 32;
/// Streams: slots, and a screen.
const STREAMS: usize = 16;
/// RTCP: transport layer feedback, and NACK among it.
const FEEDBACK: u8 = 205;
const NACK: u8 = 1;

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Pleas {
    /// Oldest first.
    asked: VecDeque<Plea>,
    /// The streams whose viewer waits in vain.
    vain: SmallVec<[u32; 4]>,
}

#[derive(Debug)]
struct Plea {
    ssrc: u32,
    number: u16,
    since: Instant,
    /// A keyframe was wished for instead.
    answered: bool,
}

impl Pleas {
    /// Reads a compound RTCP packet in the clear; whatever is malformed in it is no plea.
    pub(super) fn read(&mut self, now: Instant, compound: &[u8]) {
        let mut rest = compound;
        while let [first, kind, high, low, ..] = *rest {
            let length = 4 * (usize::from(u16::from_be_bytes([high, low])) + 1);
            let Some((packet, next)) = rest.split_at_checked(length) else {
                return;
            };
            rest = next;
            if (first & 0x1f, kind) == (NACK, FEEDBACK)
                && let Some((head, entries)) = packet.split_at_checked(12)
                && let [.., a, b, c, d] = *head
            {
                let ssrc = u32::from_be_bytes([a, b, c, d]);
                // One that asks for more in one go tells nothing new.
                for entry in entries.chunks_exact(4).take(MOST) {
                    if let [a, b, c, d] = *entry {
                        let (number, after) =
                            (u16::from_be_bytes([a, b]), u16::from_be_bytes([c, d]));
                        self.asks(now, ssrc, number);
                        let more = (0..16_u16).filter(|bit| after >> bit & 1 == 1);
                        for bit in more {
                            self.asks(now, ssrc, number.wrapping_add(bit + 1));
                        }
                    }
                }
            }
        }
    }

    fn asks(&mut self, now: Instant, ssrc: u32, number: u16) {
        let past = |plea: &Plea| now.saturating_duration_since(plea.since);
        while self.asked.front().is_some_and(|plea| past(plea) > STALE) {
            self.asked.pop_front();
        }
        let mut known = self.asked.iter();
        match known.find(|plea| (plea.ssrc, plea.number) == (ssrc, number)) {
            Some(plea) if !plea.answered && past(plea) >= OVERDUE => {
                self.vain.push(ssrc);
                let stream = self.asked.iter_mut().filter(|plea| plea.ssrc == ssrc);
                stream.for_each(|plea| plea.answered = true);
            }
            Some(_) => {}
            None => {
                let of_it = self.asked.iter().filter(|plea| plea.ssrc == ssrc).count();
                if of_it >= MOST || self.asked.len() >= MOST * STREAMS {
                    return;
                }
                self.asked.push_back(Plea {
                    ssrc,
                    number,
                    since: now,
                    answered: false,
                });
            }
        }
    }

    /// A stream that needs a keyframe, once.
    pub(super) fn take(&mut self) -> Option<u32> {
        self.vain.pop()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A receiver report of nothing, then a plea for `number` and the one after the next.
    fn compound(number: u8) -> Vec<u8> {
        let mut bytes = vec![0x80, 201, 0, 1, 0, 0, 0, 9];
        bytes.extend([0x81, 205, 0, 3, 0, 0, 0, 9, 0, 0, 0, 7, 0, number, 0, 2]);
        bytes
    }

    #[test]
    fn who_asks_for_the_same_packet_for_long_needs_a_keyframe_once() {
        let now = Instant::now();
        let at = |millis| now + Duration::from_millis(millis);
        let mut pleas = Pleas::default();
        for millis in [0, 120, 240] {
            pleas.read(at(millis), &compound(5));
            assert_eq!(pleas.take(), None);
        }
        pleas.read(at(360), &compound(5));
        assert_eq!((pleas.take(), pleas.take()), (Some(7), None));
        pleas.read(at(480), &compound(5));
        assert_eq!(pleas.take(), None, "a keyframe is on its way");
        pleas.read(at(600), &compound(6));
        pleas.read(at(1_000), &compound(6));
        assert_eq!(pleas.take(), Some(7), "it was lost, too");
    }

    #[test]
    fn of_an_outage_on_several_streams_each_gets_its_keyframe() {
        let now = Instant::now();
        let mut pleas = Pleas::default();
        for millis in [0, 120, 240, 360] {
            for ssrc in [7, 8] {
                for number in 0..240 {
                    pleas.asks(now + Duration::from_millis(millis), ssrc, number);
                }
            }
        }
        let mut all = [pleas.take(), pleas.take()];
        all.sort_unstable();
        assert_eq!((all, pleas.take()), ([Some(7), Some(8)], None));
    }

    #[test]
    fn a_number_that_comes_round_again_is_another_packet() {
        let now = Instant::now();
        let mut pleas = Pleas::default();
        pleas.read(now, &compound(5));
        pleas.read(now + Duration::from_secs(60), &compound(5));
        assert_eq!(pleas.take(), None);
    }

    #[test]
    fn garbage_is_no_plea_and_pleas_are_bounded() {
        let now = Instant::now();
        let mut random = fastrand::Rng::with_seed(4);
        let mut pleas = Pleas::default();
        for length in 0..2_000 {
            let mut bytes: Vec<u8> = (0..length % 300).map(|_| random.u8(..)).collect();
            if let [first, kind, ..] = bytes.as_mut_slice() {
                (*first, *kind) = (0x81, 205);
            }
            pleas.read(now, &bytes);
            pleas.read(now, &compound(random.u8(..)));
        }
        assert!(pleas.asked.len() <= MOST * STREAMS);
    }
}
