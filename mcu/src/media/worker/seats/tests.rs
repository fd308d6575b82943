//! Seats of two workers, which act when the test says so: no threads, no sockets read.
#![expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]

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
            limit: None,
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
