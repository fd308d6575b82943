//! Video packets of one peer on their way out: a keyframe leaves over some time instead of at once, so that it does not stand in
//! the line's queues before the sound.
//!
//! Each slot has a queue, and they take turns: a screen's keyframe does not stand before a camera. Pure, bounded by the time that it takes
//! to empty. It knows nothing of sockets, and its owner's rounds are its clock.

use std::collections::VecDeque;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_mixer::OutPacket;

/// How much faster than the line's estimated rate packets leave: a keyframe of eight pictures' size is out after three.
const FACTOR: u64 = 5;
const FACTOR_OF: u64 = 2;
/// What may leave at once after a pause, in time at the pace, and at least: an ordinary picture waits for nothing.
const BURST: Duration = Duration::from_millis(10);
const LEAST_BURST: i64 = 4 * 1_200;
/// The slowest pace, in bit/s: whatever the estimate, a sound's worth of picture trickles through.
const SLOWEST: u64 = 100_000;
/// What would wait for longer is not taken: the picture after would be stale before it is seen.
const LONGEST: Duration = Duration::from_millis(500);
/// A slot that lost pictures begins again with a keyframe when the rest waits for no longer than this.
const SHORT: Duration = Duration::from_millis(100);
/// Between a slot's wishes for a keyframe to begin again with; doubled while they do not help, so that one slow line does not
/// cost all the others the quality of their pictures.
const FIRST_WISH: Duration = Duration::from_millis(500);
const LAST_WISH: Duration = Duration::from_secs(8);
/// A slot that dropped nothing for so long has a line that carries it.
const WELL: Duration = Duration::from_secs(10);
/// A slot that dropped a picture within this time gets less than it is to get.
const STARVED: Duration = Duration::from_secs(2);
const NANOS_PER_SECOND: u128 = 1_000_000_000;

/// A packet that waits.
#[derive(Debug)]
pub(super) struct Waiting {
    pub(super) slot: u8,
    pub(super) packet: OutPacket,
    pub(super) payload: Arc<[u8]>,
}

/// See the module.
#[derive(Debug)]
pub(super) struct Pacer {
    /// In bit/s; before anything is known of the line packets leave at once.
    pace: Option<u64>,
    /// Bytes that may leave now; negative after a packet that was larger.
    credit: i64,
    refilled: Instant,
    lanes: Vec<Lane>,
    /// The lane whose turn it is.
    turn: usize,
}

/// A slot's queue.
#[derive(Debug, Default)]
struct Lane {
    queue: VecDeque<Waiting>,
    bytes: usize,
    /// The timestamp of the newest picture.
    picture: Option<u32>,
    /// Pictures are dropped until a keyframe comes.
    dropping: bool,
    dropped: Option<Instant>,
    wished: Option<Instant>,
    pause: Duration,
}

impl Pacer {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            pace: None,
            credit: LEAST_BURST,
            refilled: now,
            lanes: Vec::new(),
            turn: 0,
        }
    }

    /// The line carries so many bit/s, as far as is known.
    pub(super) fn set_estimate(&mut self, now: Instant, estimate: u64) {
        self.refill(now);
        self.pace = Some((estimate.saturating_mul(FACTOR) / FACTOR_OF).max(SLOWEST));
    }

    /// Takes a packet in; `begins` says that a keyframe begins with it. False when it is dropped: what waits already takes too
    /// long. Whole pictures are, with all that refer to them.
    pub(super) fn push(&mut self, now: Instant, waiting: Waiting, begins: bool) -> bool {
        let index = usize::from(waiting.slot);
        if self.lanes.len() <= index {
            self.lanes.resize_with(index + 1, Lane::default);
        }
        let backlog = self.backlog(index);
        let Some(lane) = self.lanes.get_mut(index) else {
            return false;
        };
        let timestamp = waiting.packet.timestamp;
        // A retransmission for a gap belongs to a picture that was decided upon.
        let newer = lane
            .picture
            .is_none_or(|newest| (1..1 << 31).contains(&timestamp.wrapping_sub(newest)));
        if newer {
            lane.picture = Some(timestamp);
            if lane.dropping {
                lane.dropping = !(begins && backlog <= SHORT);
            } else {
                lane.dropping = backlog > LONGEST;
            }
        }
        if lane.dropping {
            lane.dropped = Some(now);
            return false;
        }
        lane.bytes += waiting.payload.len();
        lane.queue.push_back(waiting);
        true
    }

    /// The next packet that may leave now.
    pub(super) fn pop(&mut self, now: Instant) -> Option<Waiting> {
        self.refill(now);
        if self.pace.is_some() && self.credit <= 0 {
            return None;
        }
        let lanes = self.lanes.len();
        let mut turns = (0..lanes).map(|step| (self.turn + step) % lanes);
        let lane = turns.find(|at| {
            let lane = self.lanes.get(*at);
            lane.is_some_and(|lane| !lane.queue.is_empty())
        })?;
        self.turn = lane + 1;
        let lane = self.lanes.get_mut(lane)?;
        let next = lane.queue.pop_front()?;
        lane.bytes -= next.payload.len();
        if self.pace.is_some() {
            self.credit -= i64::try_from(next.payload.len()).unwrap_or(i64::MAX);
        }
        Some(next)
    }

    /// When [`Self::pop`] has the next packet; `None` while nothing waits.
    pub(super) fn due(&self) -> Option<Instant> {
        self.lanes.iter().find(|lane| !lane.queue.is_empty())?;
        let missing = usize::try_from(1 - self.credit).unwrap_or(0);
        Some(self.refilled + self.time_of(missing))
    }

    /// A slot that needs a keyframe to begin again and whose line is free for it; each is told of seldom, see [`FIRST_WISH`].
    pub(super) fn wish(&mut self, now: Instant) -> Option<u8> {
        let slot = (0..self.lanes.len()).find(|at| {
            let dropping = self.lanes.get(*at).is_some_and(|lane| lane.dropping);
            dropping
                && self.backlog(*at) <= SHORT
                && self.lanes.get_mut(*at).is_some_and(|lane| lane.wishes(now))
        })?;
        u8::try_from(slot).ok()
    }

    /// When [`Self::wish`] may have something to say, if anything is amiss.
    pub(super) fn wish_due(&self, now: Instant) -> Option<Instant> {
        let amiss = self.lanes.iter().any(|lane| lane.dropping);
        amiss.then(|| now + SHORT)
    }

    /// Whether pictures were dropped lately.
    pub(super) fn starves(&self, now: Instant) -> bool {
        let lately = |at: Instant| now.saturating_duration_since(at) < STARVED;
        self.lanes
            .iter()
            .any(|lane| lane.dropped.is_some_and(lately))
    }

    /// How long what waits for a slot takes to leave, while all take turns.
    fn backlog(&self, index: usize) -> Duration {
        let own = self.lanes.get(index).map_or(0, |lane| lane.bytes);
        let before = self.lanes.iter().map(|lane| lane.bytes.min(own));
        self.time_of(before.sum())
    }

    fn time_of(&self, bytes: usize) -> Duration {
        let Some(pace) = self.pace else {
            return Duration::ZERO;
        };
        let bits = u128::try_from(bytes).unwrap_or(0) * 8;
        let nanos = bits * NANOS_PER_SECOND / u128::from(pace);
        Duration::from_nanos(u64::try_from(nanos).unwrap_or(u64::MAX))
    }

    fn refill(&mut self, now: Instant) {
        let passed = now.saturating_duration_since(self.refilled);
        self.refilled = self.refilled.max(now);
        let Some(pace) = self.pace else { return };
        let bytes = |time: Duration| {
            let bytes = time.as_nanos() * u128::from(pace) / 8 / NANOS_PER_SECOND;
            i64::try_from(bytes).unwrap_or(i64::MAX)
        };
        let most = bytes(BURST).max(LEAST_BURST);
        self.credit = self.credit.saturating_add(bytes(passed)).min(most);
    }
}

impl Lane {
    fn wishes(&mut self, now: Instant) -> bool {
        if !self.dropping {
            return false;
        }
        let Some(last) = self.wished else {
            self.wished = Some(now);
            self.pause = FIRST_WISH;
            return true;
        };
        let since = now.saturating_duration_since(last);
        if since >= WELL.max(self.pause) {
            self.pause = FIRST_WISH;
        } else if since >= self.pause {
            self.pause = (self.pause * 2).min(LAST_WISH);
        } else {
            return false;
        }
        self.wished = Some(now);
        true
    }
}

#[cfg(test)]
#[expect(
    clippy::cast_possible_truncation,
    reason = "a test's numbers are small"
)]
mod tests {
    use bytes::Bytes;
    use plenum_codecs::MediaTime;

    use super::*;

    const MTU: usize = 1_200;

    fn waiting(slot: u8, sequence: u64, timestamp: u32) -> Waiting {
        let packet = OutPacket {
            payload_type: 96,
            marker: false,
            sequence,
            timestamp,
            payload: Bytes::new(),
            audio_level: None,
            captured: MediaTime::from_millis(0),
        };
        Waiting {
            slot,
            packet,
            payload: vec![0; MTU].into(),
        }
    }

    /// Pushes a picture; how many of its packets were taken.
    fn picture(pacer: &mut Pacer, now: Instant, number: u32, packets: usize, key: bool) -> usize {
        (0..packets)
            .filter(|n| {
                let sequence = u64::from(number) * 1_000 + *n as u64;
                pacer.push(now, waiting(0, sequence, number * 3_000), key && *n == 0)
            })
            .count()
    }

    fn drain(pacer: &mut Pacer, now: Instant) -> usize {
        std::iter::from_fn(|| pacer.pop(now)).count()
    }

    #[test]
    fn before_anything_is_known_of_the_line_nothing_waits() {
        let now = Instant::now();
        let mut pacer = Pacer::new(now);
        assert_eq!(picture(&mut pacer, now, 1, 200, true), 200);
        assert_eq!(drain(&mut pacer, now), 200);
        assert!(pacer.due().is_none() && pacer.wish(now).is_none());
    }

    #[test]
    fn a_keyframe_leaves_at_two_and_a_half_times_the_lines_rate() {
        let begin = Instant::now();
        let mut pacer = Pacer::new(begin);
        pacer.set_estimate(begin, 2_000_000);
        // 60 kB at 5 Mbit/s: 96 ms, less the 10 ms that may leave at once.
        assert_eq!(picture(&mut pacer, begin, 1, 50, true), 50);
        let mut now = begin;
        let mut most = 0;
        while pacer.due().is_some() {
            let left = drain(&mut pacer, now);
            if now > begin {
                most = most.max(left);
            }
            now += Duration::from_millis(1);
        }
        let took = now - begin;
        assert!((80..=96).contains(&(took.as_millis() as u32)), "{took:?}");
        assert!(most <= 1, "{most} packets in a millisecond");
        // An ordinary picture waits for nothing.
        let later = now + Duration::from_millis(30);
        picture(&mut pacer, later, 2, 5, false);
        assert_eq!(drain(&mut pacer, later), 5);
    }

    #[test]
    fn a_keyframe_of_one_slot_holds_up_no_other() {
        let begin = Instant::now();
        let mut pacer = Pacer::new(begin);
        pacer.set_estimate(begin, 500_000);
        // A screen's 180 kB, over a second at this pace, then a camera's pictures.
        assert_eq!(picture(&mut pacer, begin, 1, 150, true), 150);
        let mut now = begin;
        let mut seen = 0;
        for number in 1..=20_u32 {
            for part in 0..2 {
                let sequence = u64::from(number * 2 + part);
                assert!(pacer.push(now, waiting(1, sequence, number * 3_000), false));
            }
            for _ in 0..50 {
                now += Duration::from_millis(1);
                seen += std::iter::from_fn(|| pacer.pop(now))
                    .filter(|waiting| waiting.slot == 1)
                    .count();
            }
        }
        assert!(seen >= 38, "{seen} of 40 packets in step");
    }

    #[test]
    fn the_time_of_the_next_packet_is_told_exactly() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        pacer.set_estimate(now, 400_000);
        picture(&mut pacer, now, 1, 30, true);
        drain(&mut pacer, now);
        for _ in 0..10 {
            let due = pacer.due().unwrap_or(now);
            assert!(pacer.pop(due - Duration::from_micros(50)).is_none());
            now = due + Duration::from_micros(20);
            assert_eq!(drain(&mut pacer, now), 1);
        }
    }

    #[test]
    fn what_waits_too_long_is_dropped_by_whole_pictures_until_a_keyframe() {
        let mut now = Instant::now();
        let mut pacer = Pacer::new(now);
        pacer.set_estimate(now, 300_000);
        // 0.75 Mbit/s leave, 2.9 come.
        let (mut taken, mut whole) = (0, true);
        for number in 1..90 {
            let got = picture(&mut pacer, now, number, 10, number == 1);
            whole &= got == 0 || got == 10;
            taken += got;
            for _ in 0..33 {
                drain(&mut pacer, now);
                now += Duration::from_millis(1);
            }
            assert!(pacer.backlog(0) < LONGEST + Duration::from_millis(140));
        }
        assert!(whole && taken < 200, "{taken}");
        assert_eq!(pacer.wish(now), Some(0));
        assert_eq!(pacer.wish(now), None, "asked once");
        assert_eq!(picture(&mut pacer, now, 90, 3, false), 0);
        assert_eq!(picture(&mut pacer, now, 91, 3, true), 3);
        assert_eq!(picture(&mut pacer, now, 92, 3, false), 3);
    }

    #[test]
    fn a_line_that_never_carries_its_picture_asks_ever_more_seldom() {
        let begin = Instant::now();
        let mut now = begin;
        let mut pacer = Pacer::new(now);
        pacer.set_estimate(now, 100_000);
        let mut wishes = 0;
        let mut key = true;
        for number in 1..1_800 {
            picture(&mut pacer, now, number, 5, key);
            key = false;
            for _ in 0..33 {
                drain(&mut pacer, now);
                now += Duration::from_millis(1);
            }
            if pacer.wish(now).is_some() {
                wishes += 1;
                key = true;
            }
        }
        let minute = (now - begin).as_secs();
        assert!((59..=60).contains(&minute));
        assert!((5..=12).contains(&wishes), "{wishes} in a minute");
    }
}
