//! Who sits in the rooms homed on a worker: legs of its own and of others come, move on and go.
//!
//! A seat is where a leg's mixing state is; the leg's transport is on the worker that the seat names, and stays there.

use std::sync::atomic::Ordering;
use std::time::Instant;

use plenum_codecs::MediaTime;
use plenum_mixer::LegId;

use super::links::{Arrival, Crossing, ToRoom};
use super::run::{Timer, Worker};
use super::{Done, Reply, answer};
use crate::media::{LegGone, MediaError, RoomEvent, RoomId, clock};

/// A leg in a room.
#[derive(Debug, Clone, Copy)]
pub(super) struct Seat {
    /// Where its transport lives.
    pub(super) worker: usize,
    pub(super) webrtc: bool,
    /// Lost packets already in the metrics.
    pub(super) lost: u64,
}

/// Mixes follow each other at this distance.
const TICK_NANOS: u64 = 20_000_000;

/// The last time before `now` that is a whole number of ticks before the ticks of `room`. Rooms that were filled at one
/// time do not tick at one time: multiples of the golden ratio spread them evenly, however many there are.
fn in_phase(now: MediaTime, room: RoomId) -> MediaTime {
    const GOLDEN: u64 = 0x9e37_79b9_7f4a_7c15;
    let fraction = room.0.wrapping_mul(GOLDEN) >> 32;
    let phase = (fraction * TICK_NANOS) >> 32;
    let past = (now.as_nanos() + TICK_NANOS - phase) % TICK_NANOS;
    MediaTime::from_nanos(now.as_nanos().saturating_sub(past))
}

impl Worker {
    /// Acts on what another worker, or this one in its other part, has told.
    pub(super) fn on_crossing(&mut self, from: usize, crossing: Crossing, now: Instant) {
        match crossing {
            Crossing::ToRoom { room, what } => self.hear(room, now, what),
            Crossing::ToLeg { leg, what } => self.serve(leg, &what),
            Crossing::Seat(arrival) => self.seat(*arrival, now),
            Crossing::Left {
                leg,
                room,
                reason,
                done,
            } => self.left(leg, room, reason, done, now),
            Crossing::Move {
                leg,
                from: room,
                to,
                reply,
            } => self.give_up(from, leg, (room, to), reply, now),
            Crossing::Return(arrival) => self.take_back(*arrival, now),
            Crossing::Settled {
                leg,
                room,
                done,
                outcome,
            } => self.settled(leg, room, (done, outcome), now),
            Crossing::Evict { leg, room } => self.evict(leg, room),
            Crossing::Stats { leg, room, reply } => {
                let stats = self.with_room(room, |room| room.leg_stats(leg));
                answer(
                    reply,
                    match stats {
                        Some(stats) => stats.ok_or(MediaError::UnknownLeg),
                        None => Err(MediaError::UnknownRoom),
                    },
                );
            }
        }
    }

    /// A leg has something for a room homed here.
    pub(super) fn hear(&mut self, room: RoomId, now: Instant, what: ToRoom) {
        match what {
            ToRoom::Input(input) => self.give_room(room, now, input),
            ToRoom::Reconfigure(config) => {
                self.with_room(room, |room| room.reconfigure(clock::to_media(now), *config));
                self.drain(room);
                self.arm_room(room);
            }
            ToRoom::Connected(leg) => self.announce(room, RoomEvent::Connected { leg }),
        }
    }

    /// A leg comes into a room. One that cannot goes back to where it was, or ends.
    fn seat(&mut self, arrival: Arrival, now: Instant) {
        let (leg, worker, to) = (arrival.mixer.id(), arrival.seat.worker, arrival.to);
        let moves = arrival.from.is_some();
        match self.sit(arrival, now) {
            Ok(done) if moves => self.settle_move(worker, leg, to, done, Ok(())),
            Ok(done) => done.tell(Ok(())),
            Err(arrival) => match arrival.from {
                Some(from) => self.cross(self.home_of(from), Crossing::Return(arrival)),
                None => {
                    self.cross(worker, Crossing::Evict { leg, room: to });
                    arrival.done.tell(Err(MediaError::UnknownRoom));
                }
            },
        }
    }

    /// A leg that its new room refused goes on in its old one. When that has closed meanwhile, the leg ends.
    fn take_back(&mut self, mut arrival: Arrival, now: Instant) {
        let (leg, worker) = (arrival.mixer.id(), arrival.seat.worker);
        let Some(from) = arrival.from else { return };
        arrival.to = from;
        match self.sit(arrival, now) {
            Ok(done) => self.settle_move(worker, leg, from, done, Err(MediaError::UnknownRoom)),
            Err(arrival) => {
                self.cross(worker, Crossing::Evict { leg, room: from });
                arrival.done.tell(Err(MediaError::UnknownLeg));
            }
        }
    }

    /// Tells a leg's transport how its move ended.
    fn settle_move(
        &mut self,
        worker: usize,
        leg: LegId,
        room: RoomId,
        done: Done,
        outcome: Result<(), MediaError>,
    ) {
        let settled = Crossing::Settled {
            leg,
            room,
            done,
            outcome,
        };
        self.cross(worker, settled);
    }

    /// Puts a leg into the room it is for, if that is open.
    fn sit(&mut self, arrival: Arrival, now: Instant) -> Result<Done, Box<Arrival>> {
        let (leg, room) = (arrival.mixer.id(), arrival.to);
        if !self.is_open(room) {
            return Err(Box::new(arrival));
        }
        let Arrival {
            mixer, seat, done, ..
        } = arrival;
        if let Some(homed) = self.rooms.get_mut(&room) {
            homed.seats.insert(leg, seat);
            self.load.seats.fetch_add(1, Ordering::Relaxed);
        }
        let at = clock::to_media(now);
        self.with_room(room, |mixing| {
            let empty = mixing.deadline() == MediaTime::MAX;
            mixing.insert(if empty { in_phase(at, room) } else { at }, mixer);
        });
        self.drain_all(room);
        self.arm_room(room);
        Ok(done)
    }

    /// Takes a leg out of a room; `None` when it is not there.
    fn rise(
        &mut self,
        room: RoomId,
        leg: LegId,
        now: Instant,
    ) -> Option<(Seat, plenum_mixer::Leg)> {
        let seat = self.rooms.get_mut(&room)?.seats.remove(&leg)?;
        self.load.seats.fetch_sub(1, Ordering::Relaxed);
        let mixer = self.with_room(room, |room| room.take(clock::to_media(now), leg))?;
        // What the room still has for the leg leaves before anything of another room.
        self.drain_all(room);
        self.arm_room(room);
        Some((seat, mixer?))
    }

    /// A leg is to move on to another room, maybe of another worker.
    fn give_up(
        &mut self,
        transport: usize,
        leg: LegId,
        (from, to): (RoomId, RoomId),
        reply: Reply<Result<(), MediaError>>,
        now: Instant,
    ) {
        let home = self.home_of(to);
        let refusal = if home == self.index && !self.is_open(to) {
            Some(MediaError::UnknownRoom)
        } else if self.links.is_stuck(home) {
            Some(MediaError::Busy)
        } else {
            None
        };
        if let Some(refusal) = refusal {
            return self.settle_move(transport, leg, from, Done::Leg(reply), Err(refusal));
        }
        let Some((seat, mixer)) = self.rise(from, leg, now) else {
            // Its room has closed, or has broken just now.
            self.cross(transport, Crossing::Evict { leg, room: from });
            return answer(reply, Err(MediaError::UnknownLeg));
        };
        let arrival = Arrival {
            mixer,
            seat,
            to,
            from: Some(from),
            done: Done::Leg(reply),
        };
        self.cross(home, Crossing::Seat(Box::new(arrival)));
    }

    /// A leg's transport has ended.
    fn left(
        &mut self,
        leg: LegId,
        room: RoomId,
        reason: Option<LegGone>,
        done: Option<Reply<()>>,
        now: Instant,
    ) {
        let seated = self
            .rooms
            .get(&room)
            .is_some_and(|homed| homed.seats.contains_key(&leg));
        if seated {
            self.rise(room, leg, now);
            if let Some(reason) = reason {
                self.announce(room, RoomEvent::LegGone { leg, reason });
            }
        }
        done.into_iter().for_each(|done| answer(done, ()));
    }

    /// Ends all legs of a room, wherever they live; the owner hears of it when there is a `reason`.
    pub(super) fn clear_room(&mut self, room: RoomId, reason: Option<LegGone>) {
        let Some(homed) = self.rooms.get_mut(&room) else {
            return;
        };
        let seats = std::mem::take(&mut homed.seats);
        self.load.seats.fetch_sub(seats.len(), Ordering::Relaxed);
        for (leg, seat) in seats {
            self.cross(seat.worker, Crossing::Evict { leg, room });
            if let Some(reason) = reason {
                self.announce(room, RoomEvent::LegGone { leg, reason });
            }
        }
    }

    pub(super) fn close_room(&mut self, room: RoomId) -> Result<(), MediaError> {
        self.clear_room(room, None);
        let mut homed = self.rooms.remove(&room).ok_or(MediaError::UnknownRoom)?;
        homed.count(&self.metrics);
        self.timers.remove(Timer::Room(room));
        self.metrics.rooms.dec();
        self.load.rooms.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    pub(super) fn is_open(&self, room: RoomId) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|homed| !homed.room.is_gone())
    }

    /// Another worker has died: so have the transports there, and the rooms.
    pub(super) fn mourn(&mut self, worker: usize) {
        tracing::error!(worker, "media worker died; its legs and rooms are lost");
        let now = Instant::now();
        let mut lost = Vec::new();
        for (room, homed) in &self.rooms {
            let there = homed.seats.iter().filter(|(_, seat)| seat.worker == worker);
            lost.extend(there.map(|(leg, _)| (*room, *leg)));
        }
        for (room, leg) in lost {
            self.directory.forget(leg);
            self.left(leg, room, Some(LegGone::WorkerFault), None, now);
        }
        let homeless: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, entry)| self.home_of(entry.room) == worker)
            .map(|(leg, _)| *leg)
            .collect();
        for leg in homeless {
            self.drop_leg(leg);
        }
    }
}

#[cfg(test)]
mod tests;
