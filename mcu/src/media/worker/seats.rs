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
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use std::sync::Arc;
    use std::time::Duration;

    use plenum_codecs::audio::{AudioCodec, EncoderSetting};
    use plenum_codecs::video::VideoCodec;
    use plenum_mixer::{AudioSetting, LegConfig, RoomConfig, Track, VideoSetting};
    use tokio::sync::{mpsc, oneshot};

    use super::super::links::{self, ToLeg};
    use super::super::{Message, Shared, run};
    use super::*;
    use crate::media::metrics::Metrics;
    use crate::media::{Clip, MediaConfig};

    type Events = mpsc::Receiver<(RoomId, RoomEvent)>;

    /// Two workers without threads: each does its part when told.
    fn pair() -> (Worker, Worker) {
        let config = MediaConfig {
            workers: 2,
            udp_port: 0,
            ..MediaConfig::default()
        };
        let metrics = Metrics::register(&prometheus::Registry::new(), 2).unwrap();
        let shared = Shared {
            config: &config,
            identity: &Arc::new(crate::media::webrtc::Identity::generate().unwrap()),
            metrics: &metrics,
            directory: &Arc::default(),
        };
        let mut prepared: Vec<_> = (0..2).map(|n| run::prepare(n, &shared).unwrap()).collect();
        let bells: Vec<_> = prepared.iter().map(|p| Arc::clone(&p.bell)).collect();
        let mut links = links::join(&bells);
        let (mut second, mut first) = (prepared.pop().unwrap(), prepared.pop().unwrap());
        second.worker.links = links.pop().unwrap();
        first.worker.links = links.pop().unwrap();
        (first.worker, second.worker)
    }

    /// Lets both act until neither has anything for the other.
    fn exchange(first: &mut Worker, second: &mut Worker) {
        for _ in 0..20 {
            first.flush_links();
            while second.read_links() {}
            second.flush_links();
            while first.read_links() {}
        }
    }

    /// Even rooms are homed on the first, odd ones on the second.
    fn open(worker: &mut Worker, id: u64) -> Events {
        let (events, heard) = mpsc::channel(64);
        let (reply, _) = oneshot::channel();
        worker.on_message(Message::OpenRoom {
            room: RoomId(id),
            config: RoomConfig::default(),
            events,
            reply,
        });
        heard
    }

    fn add(worker: &mut Worker, room: u64, leg: u64) -> oneshot::Receiver<Result<(), MediaError>> {
        let (reply, answer) = oneshot::channel();
        worker.on_message(Message::AddClip {
            room: RoomId(room),
            leg: LegId(leg),
            clip: Clip::build(&[0; 960], |_, _| {}).unwrap(),
            reply,
        });
        answer
    }

    fn go(worker: &mut Worker, leg: u64, to: u64) -> oneshot::Receiver<Result<(), MediaError>> {
        let (reply, answer) = oneshot::channel();
        worker.on_message(Message::MoveLeg {
            leg: LegId(leg),
            to: RoomId(to),
            reply,
        });
        answer
    }

    fn gone(events: &mut Events) -> Vec<(u64, LegGone)> {
        let mut gone: Vec<_> = std::iter::from_fn(|| events.try_recv().ok())
            .filter_map(|(_, event)| match event {
                RoomEvent::LegGone { leg, reason } => Some((leg.0, reason)),
                _ => None,
            })
            .collect();
        gone.sort_by_key(|(leg, _)| *leg);
        gone
    }

    fn seats(worker: &Worker, room: u64) -> Vec<u64> {
        let seats = worker.rooms.get(&RoomId(room)).map(|homed| &homed.seats);
        let mut seats: Vec<u64> = seats.into_iter().flatten().map(|(leg, _)| leg.0).collect();
        seats.sort_unstable();
        seats
    }

    #[test]
    fn a_room_that_panics_takes_its_legs_on_all_workers() {
        let (mut first, mut second) = pair();
        let (mut broken, mut whole) = (open(&mut first, 2), open(&mut first, 4));
        for (room, leg) in [(2, 10), (4, 11)] {
            add(&mut first, room, leg);
            add(&mut second, room, leg + 10);
        }
        exchange(&mut first, &mut second);
        assert_eq!(seats(&first, 2), [10, 20]);
        let outcome: Option<()> = first.with_room(RoomId(2), |_| panic!("a mixer's fault"));
        assert!(outcome.is_none());
        exchange(&mut first, &mut second);
        let fault = LegGone::RoomFault;
        assert_eq!(gone(&mut broken), [(10, fault), (20, fault)]);
        assert!(gone(&mut whole).is_empty());
        assert!(first.legs.contains_key(&LegId(11)) && first.legs.len() == 1);
        assert!(second.legs.contains_key(&LegId(21)) && second.legs.len() == 1);
    }

    #[test]
    fn a_worker_that_dies_takes_its_own_legs_only() {
        let (mut first, mut second) = pair();
        let mut events = open(&mut first, 2);
        let _lost = open(&mut second, 3);
        add(&mut first, 2, 10);
        add(&mut second, 2, 20);
        add(&mut first, 3, 30);
        exchange(&mut first, &mut second);
        assert_eq!(
            (seats(&first, 2), seats(&second, 3)),
            (vec![10, 20], vec![30])
        );
        drop(second);
        assert!(!first.read_links());
        first.flush_links();
        assert_eq!(gone(&mut events), [(20, LegGone::WorkerFault)]);
        assert_eq!(seats(&first, 2), [10]);
        assert!(!first.legs.contains_key(&LegId(30)), "its room is lost");
        assert_eq!(first.directory.owner(LegId(20)), None);
        assert!(
            add(&mut first, 3, 31).try_recv().is_err(),
            "nobody answers for its rooms"
        );
    }

    #[test]
    fn a_leg_moves_between_the_rooms_of_two_workers_and_its_transport_stays() {
        let (mut first, mut second) = pair();
        let (_even, _odd) = (open(&mut first, 2), open(&mut second, 3));
        add(&mut second, 2, 20);
        exchange(&mut first, &mut second);
        for to in [3, 2, 3] {
            let mut moved = go(&mut second, 20, to);
            exchange(&mut first, &mut second);
            moved.try_recv().unwrap().unwrap();
            let there = |room| if room == to { vec![20] } else { Vec::new() };
            assert_eq!((seats(&first, 2), seats(&second, 3)), (there(2), there(3)));
            assert_eq!(second.legs.get(&LegId(20)).unwrap().room, RoomId(to));
        }
    }

    #[test]
    fn a_refused_leg_goes_on_where_it_was_or_ends_when_that_has_closed() {
        let (mut first, mut second) = pair();
        let _events = open(&mut first, 2);
        add(&mut second, 2, 20);
        exchange(&mut first, &mut second);
        let mut refused = go(&mut second, 20, 3);
        exchange(&mut first, &mut second);
        assert!(matches!(
            refused.try_recv(),
            Ok(Err(MediaError::UnknownRoom))
        ));
        assert_eq!(seats(&first, 2), [20]);
        assert!(second.legs.get(&LegId(20)).unwrap().held.is_none());

        let mut refused = go(&mut second, 20, 3);
        second.flush_links();
        while first.read_links() {}
        first.close_room(RoomId(2)).unwrap();
        exchange(&mut first, &mut second);
        assert!(matches!(
            refused.try_recv(),
            Ok(Err(MediaError::UnknownLeg))
        ));
        assert!(second.legs.is_empty() && second.departed.is_empty());
        assert_eq!(second.directory.owner(LegId(20)), None);
    }

    #[test]
    fn a_leg_that_ends_while_it_moves_is_told_of_in_its_new_room() {
        let (mut first, mut second) = pair();
        let (mut old, mut new) = (open(&mut first, 2), open(&mut second, 3));
        add(&mut second, 2, 20);
        exchange(&mut first, &mut second);
        let _moved = go(&mut second, 20, 3);
        second.gone(LegId(20), LegGone::Closed);
        exchange(&mut first, &mut second);
        assert!(gone(&mut old).is_empty());
        assert_eq!(gone(&mut new), [(20, LegGone::Closed)]);
        assert!(seats(&first, 2).is_empty() && seats(&second, 3).is_empty());
        assert!(second.departed.is_empty());
    }

    #[test]
    fn what_a_leg_says_while_it_moves_is_heard_in_its_new_room() {
        let (mut first, mut second) = pair();
        let (_old, mut new) = (open(&mut first, 2), open(&mut second, 3));
        add(&mut second, 2, 20);
        exchange(&mut first, &mut second);
        let _moved = go(&mut second, 20, 3);
        let now = Instant::now();
        second.tell_room(LegId(20), now, ToRoom::Connected(LegId(20)));
        assert!(new.try_recv().is_err());
        exchange(&mut first, &mut second);
        let heard = new.try_recv().unwrap();
        assert!(matches!(
            heard,
            (RoomId(3), RoomEvent::Connected { leg: LegId(20) })
        ));
    }

    fn listener(id: u64) -> LegConfig {
        LegConfig {
            id: LegId(id),
            audio: AudioSetting {
                receive: Vec::new(),
                send: Some((111, EncoderSetting::of(AudioCodec::Opus))),
                telephone_event: None,
                comfort_noise: None,
                level_extension: false,
            },
            video: None,
            muted: false,
            listen_only: false,
        }
    }

    #[test]
    fn the_packets_of_a_big_room_leave_in_slices_and_in_order() {
        let (mut first, mut second) = pair();
        let _events = open(&mut first, 2);
        let now = Instant::now();
        for id in 0..300 {
            let (reply, _) = oneshot::channel();
            let seat = Seat {
                worker: 1,
                webrtc: false,
                lost: 0,
            };
            let arrival = Arrival {
                mixer: plenum_mixer::Leg::new(listener(id), clock::to_media(now)),
                seat,
                to: RoomId(2),
                from: None,
                done: Done::Leg(reply),
            };
            assert!(first.sit(arrival, now).is_ok());
        }
        let received = |first: &mut Worker, second: &mut Worker| {
            first.flush_links();
            let mut legs = Vec::new();
            while let Some((_, crossing)) = second.links.receive() {
                if let Crossing::ToLeg {
                    leg,
                    what: ToLeg::Audio(packet),
                } = crossing
                {
                    legs.push((packet.sequence, leg.0));
                }
            }
            legs
        };
        first.tick(RoomId(2), now + Duration::from_millis(20));
        let once = received(&mut first, &mut second);
        assert_eq!(once.len(), 128);
        assert!(first.drain_waiting() && !first.drain_waiting());
        assert_eq!(received(&mut first, &mut second).len(), 172);
        assert!(!first.drain_waiting(), "nothing is left");
        // The next tick finds the last one's packets unsent: they go first.
        first.tick(RoomId(2), now + Duration::from_millis(40));
        first.tick(RoomId(2), now + Duration::from_millis(60));
        while first.drain_waiting() {}
        let late = received(&mut first, &mut second);
        assert_eq!(late.len(), 600);
        let sequences: Vec<u64> = late
            .iter()
            .filter(|(_, leg)| *leg == 7)
            .map(|s| s.0)
            .collect();
        assert_eq!(sequences.len(), 2);
        assert_eq!(sequences.first().unwrap() + 1, *sequences.last().unwrap());
    }

    #[test]
    fn video_crosses_and_so_does_the_wish_for_a_keyframe() {
        let (mut first, mut second) = pair();
        let _events = open(&mut first, 2);
        add(&mut second, 2, 20);
        let now = Instant::now();
        for millis in [0, 40, 80] {
            second.play_clip(LegId(20), now + Duration::from_millis(millis));
        }
        exchange(&mut first, &mut second);
        let viewer = LegConfig {
            video: Some(VideoSetting {
                receive: Vec::new(),
                send: vec![(96, VideoCodec::Vp8)],
                slots: 1,
            }),
            ..listener(30)
        };
        let (reply, _) = oneshot::channel();
        let arrival = Arrival {
            mixer: plenum_mixer::Leg::new(viewer, clock::to_media(now)),
            seat: Seat {
                worker: 1,
                webrtc: true,
                lost: 0,
            },
            to: RoomId(2),
            from: None,
            done: Done::Leg(reply),
        };
        assert!(first.sit(arrival, now).is_ok());
        first.flush_links();
        let mut asked = 0;
        while let Some((_, crossing)) = second.links.receive() {
            let wish = matches!(
                crossing,
                Crossing::ToLeg {
                    leg: LegId(20),
                    what: ToLeg::Keyframe {
                        track: Track::Camera
                    },
                }
            );
            asked += usize::from(wish);
        }
        assert_eq!(asked, 1);
        // The clip comes round to its keyframe, with which the viewer begins to see.
        for millis in (120..2_200).step_by(20) {
            second.play_clip(LegId(20), now + Duration::from_millis(millis));
        }
        second.flush_links();
        while first.read_links() {}
        first.flush_links();
        let seen = std::iter::from_fn(|| second.links.receive()).filter(|(_, crossing)| {
            matches!(
                crossing,
                Crossing::ToLeg {
                    leg: LegId(30),
                    what: ToLeg::Video { slot: 0, .. },
                }
            )
        });
        assert!(seen.count() > 5);
    }

    #[test]
    fn rooms_that_fill_at_one_time_tick_at_different_times() {
        let now = MediaTime::from_millis(123_456);
        let mut phases: Vec<u64> = (1..=100)
            .map(|serial| in_phase(now, RoomId(serial * 2)).as_nanos())
            .collect();
        assert!(phases.iter().all(|at| now.as_nanos() - at < TICK_NANOS));
        phases.sort_unstable();
        let gaps = phases.windows(2).map(|pair| pair[1] - pair[0]);
        let (least, most) = (gaps.clone().min().unwrap(), gaps.max().unwrap());
        assert!(least > 50_000 && most < 600_000, "{least} {most}");
    }
}
