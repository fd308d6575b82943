//! What workers tell each other: batches over one bounded queue for each pair and direction.
//!
//! A room hears legs whose transports live on other workers, and they hear it. Whatever a worker has for another
//! is gathered during a round of its loop and crosses as one batch. It knows nothing of rooms and legs but their
//! numbers; what a crossing means is in [`super::seats`] (the room's side) and [`super::legs`] (the leg's).
//!
//! Bounds: [`BATCHES`] in a queue. While it is full, what comes waits with the sender: media up to [`MEDIA`],
//! then all of it is dropped, for it is stale by then, and counted; control always, for each is caused by one leg or
//! one call of control, and new legs are refused while [`CONTROL`] of it waits.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, TrySendError, sync_channel};

use mio::Waker;
use plenum_mixer::{Input, LegConfig, LegId, LegStats, OutPacket, Track};

use super::{Done, Reply};
use crate::media::{LegGone, MediaError, RoomId};

/// Batches in a queue. Few: a batch holds whatever a round brought.
const BATCHES: usize = 8;
/// Media that waits for a worker that does not take its batches: eight ticks of 2,000 listeners.
const MEDIA: usize = 16_384;
/// Control that waits for such a worker before new legs are refused.
const CONTROL: usize = 4_096;
/// Emptied batches kept for their memory.
const SPARE: usize = 4;

/// In order of sending.
type Batch = VecDeque<Crossing>;

/// What one worker tells another.
pub(super) enum Crossing {
    /// To a room's home, from a leg's transport.
    ToRoom { room: RoomId, what: ToRoom },
    /// To a leg's transport, from the room's home.
    ToLeg { leg: LegId, what: ToLeg },
    /// To a room's home: a leg takes its seat.
    Seat(Box<Arrival>),
    /// To a room's home: a leg's transport has ended, by itself when there is a reason.
    Left {
        leg: LegId,
        room: RoomId,
        reason: Option<LegGone>,
        done: Option<Reply<()>>,
    },
    /// To a room's home: give the leg up to the home of another room.
    Move {
        leg: LegId,
        from: RoomId,
        to: RoomId,
        reply: Reply<Result<(), MediaError>>,
    },
    /// To the home that gave a leg up: the other has refused it.
    Return(Box<Arrival>),
    /// To a leg's transport: this is its room now, the new one or, if the move failed, the old one. Who ordered the
    /// move hears of it from there, so that the leg may be moved again at once.
    Settled {
        leg: LegId,
        room: RoomId,
        done: Done,
        outcome: Result<(), MediaError>,
    },
    /// To a leg's transport: its place in this room has ended, and it with it.
    Evict { leg: LegId, room: RoomId },
    /// To a room's home.
    Stats {
        leg: LegId,
        room: RoomId,
        reply: Reply<Result<LegStats, MediaError>>,
    },
}

/// What a leg has for its room.
pub(super) enum ToRoom {
    Input(Input),
    Reconfigure(Box<LegConfig>),
    Connected(LegId),
}

/// What a room has for a leg.
pub(super) enum ToLeg {
    Audio(OutPacket),
    Video { slot: u8, packet: OutPacket },
    Keyframe { track: Track },
}

/// A leg on its way into a room.
pub(super) struct Arrival {
    pub(super) mixer: plenum_mixer::Leg,
    pub(super) seat: super::seats::Seat,
    pub(super) to: RoomId,
    /// Where it was, if it moves.
    pub(super) from: Option<RoomId>,
    pub(super) done: Done,
}

impl Crossing {
    /// What may be dropped when the other worker does not keep up: packets, and wishes that are repeated.
    fn is_media(&self) -> bool {
        match self {
            Self::ToLeg { .. } => true,
            Self::ToRoom {
                what: ToRoom::Input(input),
                ..
            } => matches!(input, Input::Packet { .. } | Input::Feedback { .. }),
            _ => false,
        }
    }
}

/// Wakes a worker, once for whatever comes before it has looked.
pub(super) struct Doorbell {
    waker: Waker,
    rung: AtomicBool,
}

impl Doorbell {
    pub(super) fn new(waker: Waker) -> Self {
        Self {
            waker,
            rung: AtomicBool::new(false),
        }
    }

    /// Call after something was put into one of the worker's queues.
    pub(super) fn ring(&self) {
        // Both ends swap: whoever finds the bell rung already knows that the worker has not looked yet.
        if self.rung.swap(true, Ordering::AcqRel) {
            return;
        }
        // Without the wake the worker looks at its next timer, 100 ms later at most.
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "media worker cannot be woken");
        }
    }

    /// The worker is about to look into its queues.
    pub(super) fn answer(&self) {
        self.rung.swap(false, Ordering::AcqRel);
    }
}

struct Outlet {
    queue: SyncSender<Batch>,
    bell: Arc<Doorbell>,
    waiting: Batch,
    /// How much of what waits is media.
    media: usize,
}

struct Inlet {
    queue: Receiver<Batch>,
    batch: Batch,
}

/// One worker's ends of the queues to and from all others.
#[derive(Default)]
pub(super) struct Links {
    /// By worker; none for itself and for those that have died.
    outlets: Vec<Option<Outlet>>,
    inlets: Vec<Option<Inlet>>,
    /// Which inlet is read now.
    turn: usize,
    spare: Vec<Batch>,
    dropped: u64,
    died: Vec<usize>,
}

/// Joins workers, known by their bells, each with each.
pub(super) fn join(bells: &[Arc<Doorbell>]) -> Vec<Links> {
    let mut all: Vec<Links> = bells.iter().map(|_| Links::default()).collect();
    for (from, _) in bells.iter().enumerate() {
        for (to, bell) in bells.iter().enumerate() {
            let (sender, receiver) = sync_channel(BATCHES);
            let outlet = Outlet {
                queue: sender,
                bell: Arc::clone(bell),
                waiting: Batch::new(),
                media: 0,
            };
            let inlet = Inlet {
                queue: receiver,
                batch: Batch::new(),
            };
            if let Some(links) = all.get_mut(from) {
                links.outlets.push((from != to).then_some(outlet));
            }
            if let Some(links) = all.get_mut(to) {
                links.inlets.push((from != to).then_some(inlet));
            }
        }
    }
    all
}

impl Links {
    /// Has something cross with the next [`Links::flush`].
    pub(super) fn push(&mut self, to: usize, crossing: Crossing) {
        let Some(outlet) = self.outlets.get_mut(to).and_then(Option::as_mut) else {
            self.dropped += u64::from(crossing.is_media());
            return;
        };
        if crossing.is_media() {
            if outlet.media >= MEDIA {
                outlet.waiting.retain(|waiting| !waiting.is_media());
                self.dropped += u64::try_from(outlet.media).unwrap_or_default();
                outlet.media = 0;
            }
            outlet.media += 1;
        }
        outlet.waiting.push_back(crossing);
    }

    /// Whether so much waits for a worker that no leg should be added to what it has to do.
    pub(super) fn is_stuck(&self, to: usize) -> bool {
        self.outlets
            .get(to)
            .and_then(Option::as_ref)
            .is_some_and(|outlet| outlet.waiting.len() - outlet.media >= CONTROL)
    }

    /// Sends what waits, as far as the queues take it. True when something still waits.
    pub(super) fn flush(&mut self) -> bool {
        let mut waits = false;
        for outlet in self.outlets.iter_mut().flatten() {
            if outlet.waiting.is_empty() {
                continue;
            }
            let next = self.spare.pop().unwrap_or_default();
            match outlet
                .queue
                .try_send(std::mem::replace(&mut outlet.waiting, next))
            {
                Ok(()) => {
                    outlet.media = 0;
                    outlet.bell.ring();
                }
                Err(TrySendError::Full(batch)) => {
                    self.spare
                        .push(std::mem::replace(&mut outlet.waiting, batch));
                    waits = true;
                }
                // The inlet tells of a dead worker.
                Err(TrySendError::Disconnected(_)) => outlet.media = 0,
            }
        }
        waits
    }

    /// The next crossing that has come, and from whom.
    pub(super) fn receive(&mut self) -> Option<(usize, Crossing)> {
        for _ in 0..=self.inlets.len() {
            let turn = self.turn;
            if let Some(inlet) = self.inlets.get_mut(turn).and_then(Option::as_mut) {
                if let Some(crossing) = inlet.batch.pop_front() {
                    return Some((turn, crossing));
                }
                match inlet.queue.try_recv() {
                    Ok(batch) => {
                        let spent = std::mem::replace(&mut inlet.batch, batch);
                        if self.spare.len() < SPARE && spent.capacity() > 0 {
                            self.spare.push(spent);
                        }
                        if let Some(crossing) = inlet.batch.pop_front() {
                            return Some((turn, crossing));
                        }
                    }
                    Err(TryRecvError::Empty) => {}
                    Err(TryRecvError::Disconnected) => self.bury(turn),
                }
            }
            self.turn = (turn + 1) % self.inlets.len().max(1);
        }
        None
    }

    fn bury(&mut self, worker: usize) {
        if let Some(inlet) = self.inlets.get_mut(worker) {
            *inlet = None;
        }
        if let Some(outlet) = self.outlets.get_mut(worker) {
            *outlet = None;
        }
        self.died.push(worker);
    }

    /// Workers found dead since the last call.
    pub(super) fn take_died(&mut self) -> Vec<usize> {
        std::mem::take(&mut self.died)
    }

    /// Media dropped since the last call.
    pub(super) fn take_dropped(&mut self) -> u64 {
        std::mem::take(&mut self.dropped)
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use mio::{Poll, Token};
    use plenum_mixer::Feedback;

    use super::*;

    fn pair() -> (Links, Links, Vec<Poll>) {
        let polls: Vec<Poll> = (0..2).map(|_| Poll::new().unwrap()).collect();
        let bell = |poll: &Poll| {
            let waker = Waker::new(poll.registry(), Token(0)).unwrap();
            Arc::new(Doorbell::new(waker))
        };
        let bells: Vec<_> = polls.iter().map(bell).collect();
        let mut links = join(&bells);
        let second = links.pop().unwrap();
        (links.pop().unwrap(), second, polls)
    }

    fn media(n: u64) -> Crossing {
        let (leg, slot) = (LegId(n), 0);
        let what = ToRoom::Input(Input::Feedback {
            leg,
            feedback: Feedback::KeyframeRequest { slot },
        });
        Crossing::ToRoom {
            room: RoomId(1),
            what,
        }
    }

    fn control(n: u64) -> Crossing {
        Crossing::Evict {
            leg: LegId(n),
            room: RoomId(1),
        }
    }

    fn number(crossing: &Crossing) -> u64 {
        match crossing {
            Crossing::ToRoom {
                what: ToRoom::Input(Input::Feedback { leg, .. }),
                ..
            }
            | Crossing::Evict { leg, .. } => leg.0,
            _ => u64::MAX,
        }
    }

    #[test]
    fn what_crosses_arrives_in_order() {
        let (mut here, mut there, _polls) = pair();
        let mut next = 0;
        for round in 0..50 {
            for n in 0..7 {
                here.push(
                    1,
                    if n == 3 {
                        control(round * 7 + n)
                    } else {
                        media(round * 7 + n)
                    },
                );
            }
            here.flush();
            if round % 3 == 0 {
                while let Some((from, crossing)) = there.receive() {
                    assert_eq!((from, number(&crossing)), (0, next));
                    next += 1;
                }
            }
        }
        while let Some((_, crossing)) = there.receive() {
            assert_eq!(number(&crossing), next);
            next += 1;
        }
        assert_eq!((next, here.take_dropped()), (350, 0));
    }

    #[test]
    fn a_worker_that_hangs_loses_media_but_no_control() {
        let (mut here, mut there, _polls) = pair();
        for n in 0..60_000 {
            here.push(1, media(n));
            if n % 10 == 0 {
                here.push(1, control(n));
            }
            if n % 1_000 == 0 {
                here.flush();
            }
        }
        assert!(here.is_stuck(1) && !here.is_stuck(0));
        let (mut controls, mut medias) = (Vec::new(), 0_u64);
        loop {
            here.flush();
            let Some((_, crossing)) = there.receive() else {
                break;
            };
            if crossing.is_media() {
                medias += 1;
            } else {
                controls.push(number(&crossing));
            }
        }
        assert_eq!(controls, (0..6_000).map(|n| n * 10).collect::<Vec<_>>());
        let dropped = here.take_dropped();
        assert_eq!(medias + dropped, 60_000);
        assert!(dropped >= 32_768, "{dropped}");
        assert!(!here.is_stuck(1));
    }

    #[test]
    fn a_dead_worker_is_told_of_once() {
        let (mut here, there, _polls) = pair();
        drop(there);
        assert!(here.receive().is_none());
        assert_eq!(here.take_died(), [1]);
        here.push(1, media(1));
        here.push(1, control(1));
        assert!(!here.flush() && here.receive().is_none());
        assert_eq!((here.take_died(), here.take_dropped()), (Vec::new(), 1));
    }
}
