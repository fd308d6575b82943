//! Sequence and timestamps of a leg's outgoing audio: continuous whatever encoder the payloads come from.

use std::time::Duration;

use plenum_codecs::MediaTime;

use crate::LegId;

/// One tick.
const TICK: Duration = Duration::from_nanos(TICK_NANOS);
const TICK_NANOS: u64 = 20_000_000;

#[derive(Debug, Clone, Copy)]
struct Anchor {
    at: MediaTime,
    timestamp: u32,
    /// Units of a 20 ms frame.
    frame: u32,
    /// Ticks since `at` of the last packet.
    ticks: u64,
}

/// The outgoing audio stream of a leg.
#[derive(Debug)]
pub(crate) struct AudioSender {
    next_sequence: u64,
    first_timestamp: u32,
    anchor: Option<Anchor>,
}

/// Header fields of a packet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Stamp {
    pub(crate) sequence: u64,
    pub(crate) timestamp: u32,
    /// First packet, or first after a gap.
    pub(crate) marker: bool,
}

impl AudioSender {
    pub(crate) fn new(leg: LegId) -> Self {
        let scattered = leg.0.wrapping_add(1).wrapping_mul(0x9e37_79b9_7f4a_7c15);
        Self {
            // Below 2^15, so that a loss at the beginning cannot be mistaken for a wrap (RFC 3711 §3.3.1).
            next_sequence: scattered >> 49,
            first_timestamp: u32::try_from(scattered & 0xffff_ffff).unwrap_or(0),
            anchor: None,
        }
    }

    /// The header fields of the packet of the tick `at`; `frame` is 20 ms in units of its clock.
    pub(crate) fn stamp(&mut self, at: MediaTime, frame: u32) -> Stamp {
        let sequence = self.next_sequence;
        self.next_sequence += 1;
        let anchor = match self.anchor {
            Some(anchor) if anchor.frame == frame => anchor,
            // Another clock: goes on one frame after the last packet.
            Some(old) => Anchor {
                at,
                timestamp: timestamp(&old).wrapping_add(old.frame),
                frame,
                ticks: 0,
            },
            None => Anchor {
                at,
                timestamp: self.first_timestamp,
                frame,
                ticks: 0,
            },
        };
        let begins = self.anchor.is_none_or(|old| old.frame != frame);
        // Two rooms may tick at different phases: round to the nearest tick, but always onwards.
        let ticks = at.since(anchor.at) + TICK / 2;
        // Of 64 bits, because dividing 128 costs more than the rest of a stamp.
        let ticks = u64::try_from(ticks.as_nanos()).unwrap_or(0) / TICK_NANOS;
        let ticks = if begins {
            0
        } else {
            ticks.max(anchor.ticks + 1)
        };
        let marker = begins || ticks > anchor.ticks + 1;
        let anchor = Anchor { ticks, ..anchor };
        self.anchor = Some(anchor);
        Stamp {
            sequence,
            timestamp: timestamp(&anchor),
            marker,
        }
    }
}

#[expect(
    clippy::cast_possible_truncation,
    reason = "RTP timestamps wrap at 32 bits"
)]
fn timestamp(anchor: &Anchor) -> u32 {
    anchor
        .timestamp
        .wrapping_add((anchor.ticks as u32).wrapping_mul(anchor.frame))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pause_advances_the_timestamp_but_not_the_sequence() {
        let mut sender = AudioSender::new(LegId(9));
        let first = sender.stamp(MediaTime::from_millis(100), 160);
        let second = sender.stamp(MediaTime::from_millis(120), 160);
        let later = sender.stamp(MediaTime::from_millis(1_120), 160);
        assert!(first.marker && !second.marker && later.marker);
        assert_eq!(second.timestamp, first.timestamp.wrapping_add(160));
        assert_eq!(later.timestamp, second.timestamp.wrapping_add(50 * 160));
        assert_eq!(
            [second.sequence, later.sequence],
            [first.sequence + 1, first.sequence + 2]
        );
    }

    #[test]
    fn a_room_of_another_phase_neither_repeats_nor_skips_a_timestamp() {
        let mut sender = AudioSender::new(LegId(2));
        let mut last = sender.stamp(MediaTime::from_millis(0), 960);
        for at in [20, 40, 51, 71, 91, 100, 120, 140] {
            let next = sender.stamp(MediaTime::from_millis(at), 960);
            assert_eq!(
                next.timestamp.wrapping_sub(last.timestamp),
                960,
                "at {at} ms"
            );
            last = next;
        }
    }
}
