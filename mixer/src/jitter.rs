//! Packets of one stream waiting for their time: order, loss and lateness. Knows neither decoders nor samples' values.
//!
//! All durations are samples at 48 kHz, timestamps are unwrapped and in the same unit.

mod delay;
mod mending;

use std::collections::BTreeMap;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;
use plenum_codecs::audio::comfort_noise::ComfortNoise;
use plenum_codecs::audio::{AudioCodec, FRAME};

use delay::DelayEstimator;

/// Empty ticks that are concealed before the stream counts as paused (DTX, or gone).
const STARVED_TICKS: u32 = 5;
/// Packets kept at most, for those that hold no audio and so escape the cap in time.
const MAX_PACKETS: usize = 128;
/// A sequence number so far ahead or behind means that the sender began anew.
const RESTART_DISTANCE: u64 = 1_000;
/// Longest gap that is concealed: 120 ms. After a longer one the stream just goes on.
const MAX_CONCEALED: u64 = 5_760;
/// Granularity of concealment in the codecs: 2.5 ms.
const CONCEAL_UNIT: u64 = 120;
/// How far the delay may be off its target before something is done: 10 ms.
const TOLERANCE: i64 = 480;
/// The margin is left alone while it is short of the target by no more than this: 5 ms.
pub(crate) const TOLERATED_UNDER: i64 = 240;
/// 20 ms: one frame of phase between a packet's arrival and the tick is not the buffer's doing.
const PHASE: i64 = 960;

/// What a packet carries.
#[derive(Debug, Clone)]
pub(crate) enum Body {
    /// A payload to be decoded.
    Audio {
        codec: AudioCodec,
        payload: Bytes,
        /// −dBov, where it is known without decoding.
        level: Option<u8>,
    },
    /// A telephone event, or the description of the background: takes a sequence number, and time passes in silence or in that noise.
    Quiet(Option<ComfortNoise>),
}

/// A packet in the buffer.
#[derive(Debug, Clone)]
pub(crate) struct Stored {
    pub(crate) body: Body,
    /// Of the first sample.
    pub(crate) timestamp: u64,
    pub(crate) samples: u64,
    /// The loss of the packet before is better hidden with it at hand.
    pub(crate) mends: bool,
    pub(crate) arrived: MediaTime,
}

/// What became of a packet that was pushed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pushed {
    Stored,
    Late,
    Duplicate,
    /// Far from all others: kept aside until the next one tells whether the sender has begun anew.
    Strange,
}

/// How the playing stands to its target, all in samples.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Timing {
    /// What is played now could have been played so much earlier, had its packet come as fast as the fastest.
    pub(crate) delay: i64,
    /// So much later may packets come than the fastest: the delay without what is decoded and waits for the rest of a frame.
    pub(crate) margin: i64,
    pub(crate) target: i64,
}

impl Timing {
    /// By how much the delay is too long; a phase of up to a frame is not.
    pub(crate) fn over(&self) -> i64 {
        self.delay - self.target - PHASE
    }

    /// By how much packets should be allowed to come later than they are.
    pub(crate) fn under(&self) -> i64 {
        self.target - self.margin
    }
}

/// What to play next.
#[derive(Debug)]
pub(crate) enum Step {
    /// This packet.
    Play(Stored),
    /// So many samples are lost for good; the packet after them is still in the buffer.
    Lost { samples: usize },
    /// Nothing is there in time: conceal one frame.
    Starved,
    /// The stream pauses or fills up: silence.
    Wait,
}

/// Counters, monotonic.
#[derive(Debug, Clone, Copy, Default)]
pub(crate) struct JitterStats {
    pub(crate) lost: u64,
    pub(crate) late: u64,
    pub(crate) duplicates: u64,
    pub(crate) overflowed: u64,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Nothing plays until the first packet has waited out the target delay.
    Waiting,
    Playing,
}

/// The packets of one stream in order, and when each is due.
#[derive(Debug)]
pub(crate) struct JitterBuffer {
    packets: BTreeMap<u64, Stored>,
    /// Samples in `packets`.
    queued: u64,
    /// Upper bound of `queued` plus what is decoded and waits.
    cap: u64,
    state: State,
    /// Sequence number to be played next.
    next: Option<u64>,
    /// Which of the 64 sequence numbers before `next` had come, nearest in bit 0.
    seen: u64,
    /// Timestamp that the next packet has when nothing is lost.
    position: u64,
    /// Samples already concealed for a packet that is not known to be lost.
    ahead: u64,
    starved: u32,
    /// The last packet taken out was an event.
    quiet: bool,
    /// A packet far from all others.
    strange: Option<(u64, Stored)>,
    /// The last packet in order of sequence, and the timestamp at its end.
    newest: Option<(u64, u64)>,
    delay: DelayEstimator,
    pub(crate) stats: JitterStats,
}

impl JitterBuffer {
    pub(crate) fn new(cap: Duration) -> Self {
        Self {
            packets: BTreeMap::new(),
            queued: 0,
            cap: u64::try_from(cap.as_micros()).unwrap_or(u64::MAX) * 48 / 1_000,
            state: State::Waiting,
            next: None,
            seen: 0,
            position: 0,
            ahead: 0,
            starved: 0,
            quiet: false,
            strange: None,
            newest: None,
            delay: DelayEstimator::new(),
            stats: JitterStats::default(),
        }
    }

    /// Takes in a packet; `pending` samples are decoded already and count against the cap, by which the oldest packets go.
    pub(crate) fn push(&mut self, sequence: u64, packet: Stored, pending: usize) -> Pushed {
        if let Some(next) = self.next {
            if sequence + RESTART_DISTANCE < next || sequence > next + RESTART_DISTANCE {
                match self.strange.take() {
                    Some((strange, first)) if strange + 1 == sequence => {
                        self.restart();
                        self.store(strange, first, pending);
                    }
                    _ => {
                        self.strange = Some((sequence, packet));
                        return Pushed::Strange;
                    }
                }
            } else if sequence < next {
                return self.refuse_late(next - 1 - sequence);
            }
        }
        self.strange = None;
        self.store(sequence, packet, pending)
    }

    fn store(&mut self, sequence: u64, packet: Stored, pending: usize) -> Pushed {
        if self.packets.contains_key(&sequence) {
            self.stats.duplicates += 1;
            return Pushed::Duplicate;
        }
        if matches!(packet.body, Body::Audio { .. }) {
            self.follow(sequence, &packet);
            self.delay
                .observe(packet.arrived, packet.timestamp, packet.samples);
        }
        self.queued += packet.samples;
        self.packets.insert(sequence, packet);
        let pending = u64::try_from(pending).unwrap_or(u64::MAX);
        while self.packets.len() > 1
            && (self.queued + pending > self.cap || self.packets.len() > MAX_PACKETS)
        {
            self.drop_oldest();
        }
        Pushed::Stored
    }

    /// The next thing to play, `pending` samples being decoded and not yet played.
    pub(crate) fn step(&mut self, now: MediaTime, pending: usize) -> Step {
        loop {
            let Some((&sequence, first)) = self.packets.first_key_value() else {
                return self.starve();
            };
            if self.state == State::Waiting {
                let due = self.delay.expected(first.timestamp) + samples_nanos(self.delay.target());
                if nanos(now) < due
                    && i64::try_from(self.queued).unwrap_or(i64::MAX) < self.delay.target()
                {
                    return Step::Wait;
                }
                self.begin(sequence);
            }
            let next = self.next.unwrap_or(sequence);
            let early = self
                .packets
                .get(&next)
                .is_some_and(|packet| self.is_early(now, packet, pending));
            if early {
                return self.starve();
            }
            self.starved = 0;
            if sequence > next {
                let samples = self.skip_gap(next, sequence);
                if samples > 0 {
                    return Step::Lost { samples };
                }
                continue;
            }
            if let Some(packet) = self.take_first(now, pending) {
                return Step::Play(packet);
            }
        }
    }

    /// The next packet with audio. Events have neither samples nor a time of their own, so they say nothing of what is due.
    pub(crate) fn peek(&self) -> Option<&Stored> {
        self.packets
            .values()
            .find(|packet| matches!(packet.body, Body::Audio { .. }))
    }

    /// The packet after a gap, if it directly follows the lost one and so may mend its loss.
    pub(crate) fn following(&self) -> Option<&Stored> {
        let (sequence, packet) = self.packets.first_key_value()?;
        (Some(*sequence) == self.next).then_some(packet)
    }

    /// How playing now stands to the target; `None` while that cannot be told: in pauses and gaps.
    pub(crate) fn timing(&self, now: MediaTime, pending: usize) -> Option<Timing> {
        if self.state != State::Playing {
            return None;
        }
        let timestamp = match self.packets.first_key_value() {
            Some((sequence, _)) if Some(*sequence) == self.next => self.peek()?.timestamp,
            None if self.starved == 0 && !self.quiet => self.position,
            _ => return None,
        };
        let delay = self.lateness(now, timestamp, pending);
        Some(Timing {
            delay,
            margin: delay - i64::try_from(pending % FRAME).unwrap_or(0),
            target: self.delay.target(),
        })
    }

    /// Nothing waits and nothing is expected.
    pub(crate) fn is_idle(&self) -> bool {
        self.packets.is_empty() && self.state == State::Waiting
    }

    /// Samples that wait.
    pub(crate) fn queued(&self) -> u64 {
        self.queued
    }

    /// Delay aimed at, in samples.
    pub(crate) fn target(&self) -> i64 {
        self.delay.target()
    }

    /// Interarrival jitter (RFC 3550 §6.4.1) in ns.
    pub(crate) fn jitter_nanos(&self) -> u64 {
        self.delay.jitter_nanos()
    }

    /// Forgets the stream but not the counters: the sender began anew.
    pub(crate) fn restart(&mut self) {
        self.packets.clear();
        self.queued = 0;
        self.state = State::Waiting;
        self.next = None;
        self.seen = 0;
        self.ahead = 0;
        self.quiet = false;
        self.strange = None;
        self.newest = None;
        self.delay = DelayEstimator::new();
    }

    /// A timestamp that goes back although the sequence goes on is on a new base.
    fn follow(&mut self, sequence: u64, packet: &Stored) {
        if let Some((newest, end)) = self.newest {
            if sequence <= newest {
                return;
            }
            if packet.timestamp + packet.samples <= end {
                self.delay.rebase();
            }
        }
        self.newest = Some((sequence, packet.timestamp + packet.samples));
    }

    /// The sender has paused (DTX): the next packet is there but its time has not come.
    fn is_early(&self, now: MediaTime, packet: &Stored, pending: usize) -> bool {
        self.state == State::Playing
            && matches!(packet.body, Body::Audio { .. })
            && packet.timestamp > self.position + self.ahead + FRAME as u64
            && self.lateness(now, packet.timestamp, pending) < self.delay.target() - TOLERANCE / 2
    }

    fn refuse_late(&mut self, age: u64) -> Pushed {
        if age < 64 && self.seen >> age & 1 == 1 {
            self.stats.duplicates += 1;
            return Pushed::Duplicate;
        }
        if age < 64 {
            self.seen |= 1 << age;
        }
        self.stats.late += 1;
        self.delay.observe_late();
        Pushed::Late
    }

    fn starve(&mut self) -> Step {
        if self.state == State::Waiting {
            return Step::Wait;
        }
        if std::mem::take(&mut self.quiet) {
            // Events came instead of audio: a pause, not a loss. What follows waits out the target delay again.
            self.state = State::Waiting;
            return Step::Wait;
        }
        self.starved += 1;
        if self.starved > STARVED_TICKS {
            self.state = State::Waiting;
            return Step::Wait;
        }
        self.ahead += FRAME as u64;
        Step::Starved
    }

    fn begin(&mut self, sequence: u64) {
        if let Some(next) = self.next {
            self.stats.lost += sequence.saturating_sub(next);
            self.forget(sequence.saturating_sub(next));
        }
        self.state = State::Playing;
        self.next = Some(sequence);
        self.position = self
            .packets
            .get(&sequence)
            .map_or(self.position, |first| first.timestamp);
        self.ahead = 0;
    }

    /// Moves `next` over a gap and says how many samples of it are still to be concealed.
    fn skip_gap(&mut self, next: u64, sequence: u64) -> usize {
        let missing = sequence - next;
        let first = self.packets.get(&sequence);
        let typical = first.map_or(0, |packet| packet.samples) * missing;
        let exact = first
            .and_then(|packet| packet.timestamp.checked_sub(self.position))
            .unwrap_or(0);
        let plausible = (1..=missing * MAX_CONCEALED).contains(&exact);
        let gap = if plausible { exact } else { typical };
        self.stats.lost += missing;
        self.forget(missing);
        self.next = Some(sequence);
        if let Some(first) = self.packets.get(&sequence).filter(|first| first.mends) {
            self.delay
                .observe_mendable(first.arrived, first.timestamp.saturating_sub(first.samples));
        }
        let samples =
            gap.saturating_sub(self.ahead).min(MAX_CONCEALED) / CONCEAL_UNIT * CONCEAL_UNIT;
        self.ahead = self.ahead.saturating_sub(gap);
        usize::try_from(samples).unwrap_or(0)
    }

    /// Takes the first packet out; `None` when its time was concealed already and to play it would only add delay.
    fn take_first(&mut self, now: MediaTime, pending: usize) -> Option<Stored> {
        let (sequence, packet) = self.packets.pop_first()?;
        self.queued -= packet.samples;
        self.next = Some(sequence + 1);
        self.seen = self.seen << 1 | 1;
        self.quiet = matches!(packet.body, Body::Quiet(_));
        if self.quiet {
            return Some(packet);
        }
        self.position = packet.timestamp + packet.samples;
        let ahead = std::mem::take(&mut self.ahead);
        // One frame of phase is not the packet's doing, and without another packet behind it, dropping it would only have the next frame
        // concealed as well, and so on for ever.
        let tolerable = self.delay.target() + PHASE + TOLERANCE;
        if ahead >= packet.samples
            && !self.packets.is_empty()
            && self.lateness(now, packet.timestamp, pending) > tolerable
        {
            self.ahead = ahead - packet.samples;
            self.stats.late += 1;
            return None;
        }
        Some(packet)
    }

    fn drop_oldest(&mut self) {
        if let Some((sequence, packet)) = self.packets.pop_first() {
            let missing = self.next.map_or(0, |next| sequence.saturating_sub(next));
            self.stats.lost += missing;
            self.forget(missing);
            self.queued -= packet.samples;
            self.position = packet.timestamp + packet.samples;
            self.next = Some(sequence + 1);
            self.seen = self.seen << 1 | 1;
            self.stats.overflowed += 1;
        }
    }

    fn forget(&mut self, packets: u64) {
        self.seen = u32::try_from(packets)
            .ok()
            .and_then(|shift| self.seen.checked_shl(shift))
            .unwrap_or(0);
    }

    /// How long after its fastest possible arrival a sample would be played, in samples.
    fn lateness(&self, now: MediaTime, timestamp: u64, pending: usize) -> i64 {
        let behind = nanos(now) - self.delay.expected(timestamp);
        nanos_samples(behind) + i64::try_from(pending).unwrap_or(0)
    }
}

fn nanos(time: MediaTime) -> i64 {
    i64::try_from(time.as_nanos()).unwrap_or(i64::MAX)
}

/// 48 samples are a millisecond.
fn samples_nanos(samples: i64) -> i64 {
    samples.saturating_mul(62_500) / 3
}

fn nanos_samples(nanos: i64) -> i64 {
    nanos.saturating_mul(3) / 62_500
}

#[cfg(test)]
mod tests;
