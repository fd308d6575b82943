//! Rooms homed on a worker: ticks, and what the mixer puts out.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use mio::net::UdpSocket;
use plenum_codecs::MediaTime;
use plenum_mixer::{Event, Input, LegId, OutPacket, Output, Room, RoomStats, Track};
use rustc_hash::FxHashMap;

use super::legs::{Kind, Leg};
use super::links::{Crossing, ToLeg};
use super::run::{Timer, Worker};
use super::seats::Seat;
use crate::media::guard::Guarded;
use crate::media::metrics::{Dropped, Metrics, Traffic};
use crate::media::outbox::Outbox;
use crate::media::phone::Phone;
use crate::media::{ComposeSink, LegGone, RoomEvent, RoomId, TapSink, clock};

/// A tick that begins later than this after its time is a missed deadline: half of the 20 ms.
const LATE: Duration = Duration::from_millis(10);
/// Outputs of a room that are carried out before other rooms, sockets and timers have their turn: half a
/// millisecond of sending. A room of thousands would else make all others on its worker miss their ticks.
const SLICE: usize = 128;

pub(super) struct HomedRoom {
    /// Mixing and decoding strangers' bytes: a panic ends this room, not the worker and with it everybody's.
    pub(super) room: Guarded<Room>,
    pub(super) outbox: Outbox,
    /// Who records, if somebody does.
    pub(super) tap: Option<TapSink>,
    /// Who composes, if the room has a composite.
    pub(super) composer: Option<ComposeSink>,
    /// The legs in the room, and where their transports are.
    pub(super) seats: FxHashMap<LegId, Seat>,
    /// The rest of its outputs waits for its turn.
    pub(super) draining: bool,
    /// What the metrics know of it.
    counted: RoomStats,
}

impl HomedRoom {
    pub(super) fn new(room: Room, outbox: Outbox) -> Self {
        Self {
            room: Guarded::new(room),
            outbox,
            tap: None,
            composer: None,
            seats: FxHashMap::default(),
            draining: false,
            counted: RoomStats::default(),
        }
    }

    /// Brings the metrics up to date.
    pub(super) fn count(&mut self, metrics: &Metrics) {
        let Ok(stats) = self.room.call(|room| room.stats()) else {
            return;
        };
        metrics.add_room(&self.counted, &stats);
        self.counted = stats;
    }
}

/// One payload as the WebRTC stack wants it, shared by all listeners of a rendition: the mixer hands the same
/// bytes out once per leg, so remembering the last conversion saves a copy each.
#[derive(Default)]
pub(super) struct PayloadCache {
    /// Holding the bytes keeps their address from being used again.
    last: Option<(Bytes, Arc<[u8]>)>,
}

impl PayloadCache {
    fn get(&mut self, payload: &Bytes) -> Arc<[u8]> {
        if let Some((bytes, shared)) = &self.last
            && bytes.as_ptr() == payload.as_ptr()
            && bytes.len() == payload.len()
        {
            return Arc::clone(shared);
        }
        let shared: Arc<[u8]> = Arc::from(&payload[..]);
        self.last = Some((payload.clone(), Arc::clone(&shared)));
        shared
    }
}

impl Worker {
    /// A room's 20 ms are over.
    pub(super) fn tick(&mut self, id: RoomId, now: Instant) {
        let Some(due) = self.with_room(id, |room| room.deadline()) else {
            return;
        };
        // Overload: the last tick's packets have not all left. They go before this one's, so that what waits stays
        // within one tick.
        self.drain_all(id);
        if now.saturating_duration_since(clock::to_instant(due)) > LATE {
            self.metrics.deadline_misses.inc();
        }
        let begun = Instant::now();
        self.with_room(id, |room| {
            room.handle(clock::to_media(now), Input::Timeout);
        });
        self.metrics.tick.observe(begun.elapsed().as_secs_f64());
        if let Some(homed) = self.rooms.get_mut(&id) {
            homed.outbox.flush();
        }
        self.drain(id);
        self.arm_room(id);
    }

    /// Sets the room's timer to what the mixer wants.
    pub(super) fn arm_room(&mut self, id: RoomId) {
        match self.with_room(id, |room| room.deadline()) {
            // An empty room wants nothing; a deadline at the end of time would stay in the heap for ever.
            Some(MediaTime::MAX) | None => self.timers.remove(Timer::Room(id)),
            Some(due) => self.timers.set(Timer::Room(id), clock::to_instant(due)),
        }
    }

    /// Calls into a room's mixer; `None` when there is no such room, or it has panicked, now or earlier.
    pub(super) fn with_room<R>(
        &mut self,
        id: RoomId,
        call: impl FnOnce(&mut Room) -> R,
    ) -> Option<R> {
        let homed = self.rooms.get_mut(&id)?;
        if homed.room.is_gone() {
            return None;
        }
        if let Ok(result) = homed.room.call(call) {
            return Some(result);
        }
        self.metrics.room_faults.inc();
        tracing::error!("a room panicked and was dropped with its legs");
        self.clear_room(id, Some(LegGone::RoomFault));
        None
    }

    /// Gives the room an input and carries out what follows.
    pub(super) fn give_room(&mut self, room: RoomId, now: Instant, input: Input) {
        self.with_room(room, |room| room.handle(clock::to_media(now), input));
        self.drain(room);
    }

    /// Carries out what the mixer wants done, at once or, if that is much, a slice in each round.
    pub(super) fn drain(&mut self, id: RoomId) {
        // What waits goes first.
        if self.rooms.get(&id).is_some_and(|homed| homed.draining) || !self.drain_slice(id) {
            return;
        }
        if let Some(homed) = self.rooms.get_mut(&id) {
            homed.draining = true;
            self.undrained.push_back(id);
        }
    }

    /// Carries out everything the mixer wants done.
    pub(super) fn drain_all(&mut self, id: RoomId) {
        while self.drain_slice(id) {}
    }

    /// A slice of the room that has waited longest. True when more waits.
    pub(super) fn drain_waiting(&mut self) -> bool {
        if let Some(id) = self.undrained.pop_front() {
            if self.drain_slice(id) {
                self.undrained.push_back(id);
            } else if let Some(homed) = self.rooms.get_mut(&id) {
                homed.draining = false;
            }
        }
        !self.undrained.is_empty()
    }

    /// True when there may be more.
    fn drain_slice(&mut self, id: RoomId) -> bool {
        let mut outputs = std::mem::take(&mut self.outputs);
        let taken = self.with_room(id, |room| {
            outputs.extend(std::iter::from_fn(|| room.poll_output()).take(SLICE));
        });
        let more = taken.is_some() && outputs.len() == SLICE;
        for output in outputs.drain(..) {
            match output {
                Output::Audio { leg, packet } => self.hand_out(id, leg, ToLeg::Audio(packet)),
                Output::Video { leg, slot, packet } => {
                    self.hand_out(id, leg, ToLeg::Video { slot, packet });
                }
                Output::KeyframeRequest { leg, track, .. } => {
                    self.hand_out(id, leg, ToLeg::Keyframe { track });
                }
                Output::Event(event) => self.announce(id, RoomEvent::Mixer(event)),
                Output::Captured { leg, pcm } => {
                    self.announce(id, RoomEvent::Captured { leg, pcm });
                }
                Output::Tap(frame) => {
                    let sink = self.rooms.get_mut(&id).and_then(|homed| homed.tap.as_mut());
                    if let Some(sink) = sink {
                        sink(frame);
                    }
                }
                Output::Compose(work) => {
                    let homed = self.rooms.get_mut(&id);
                    if let Some(sink) = homed.and_then(|homed| homed.composer.as_mut()) {
                        sink(work);
                    }
                }
            }
        }
        self.outputs = outputs;
        more
    }

    /// Hands something to a leg's transport, here or on another worker.
    fn hand_out(&mut self, room: RoomId, leg: LegId, what: ToLeg) {
        if self.legs.contains_key(&leg) {
            return self.serve(leg, &what);
        }
        let seat = self
            .rooms
            .get(&room)
            .and_then(|homed| homed.seats.get(&leg));
        match seat.map(|seat| seat.worker) {
            Some(worker) if worker != self.index => {
                self.links.push(worker, Crossing::ToLeg { leg, what });
            }
            _ => self.metrics.dropped(Dropped::LegGone, 1),
        }
    }

    /// Sends what its room has for a leg.
    pub(super) fn serve(&mut self, leg: LegId, what: &ToLeg) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return self.metrics.dropped(Dropped::LegGone, 1);
        };
        let outcome = match what {
            ToLeg::Audio(packet) => {
                let wire = (&self.socket, &mut self.packet);
                send_audio(entry, packet, wire, &mut self.tally)
            }
            ToLeg::Video { slot, packet } => match &mut entry.kind {
                Kind::Phone(leg) => {
                    let buffer = &mut self.packet;
                    send_phone_video(&mut leg.phone, packet, buffer, &mut self.tally)
                }
                _ => send_video(entry, *slot, packet, &mut self.payloads),
            },
            ToLeg::Keyframe { track } => request_keyframe(entry, *track),
        };
        note(
            outcome,
            leg,
            entry,
            &mut self.dirty,
            &mut self.faulted,
            &self.metrics,
        );
    }

    /// Tells the room's owner that a leg is connected or gone.
    pub(super) fn announce(&mut self, room: RoomId, event: RoomEvent) {
        if let Some(homed) = self.rooms.get_mut(&room) {
            post(&mut homed.outbox, event, &self.metrics);
        }
    }
}

fn post(outbox: &mut Outbox, event: RoomEvent, metrics: &Metrics) {
    if let RoomEvent::Mixer(Event::Digit { .. }) = event {
        // Digits wait like the rest; that they were keyed is all a trace may say.
        tracing::trace!("digit received");
    }
    let dropped = outbox.push(event);
    if dropped > 0 {
        metrics.dropped(Dropped::Events, dropped);
    }
}

/// What became of something sent to a leg.
enum Outcome {
    /// Sent, or nothing to do.
    Done,
    /// Waits in the peer until it is flushed.
    Queued,
    Dropped(Dropped),
    /// The peer's state panicked.
    Faulted,
}

fn note(
    outcome: Outcome,
    leg: LegId,
    entry: &mut Leg,
    dirty: &mut Vec<LegId>,
    faulted: &mut Vec<LegId>,
    metrics: &Metrics,
) {
    match outcome {
        Outcome::Done => {}
        Outcome::Queued => {
            if let Kind::Peer(peer) = &mut entry.kind
                && !std::mem::replace(&mut peer.dirty, true)
            {
                dirty.push(leg);
            }
        }
        Outcome::Dropped(reason) => metrics.dropped(reason, 1),
        Outcome::Faulted => faulted.push(leg),
    }
}

/// What a round of the loop adds to the metrics: a room has thousands of packets per tick, and each counter is
/// shared between threads.
#[derive(Debug, Default)]
pub(super) struct Tally {
    webrtc: Amount,
    webrtc_in: Amount,
    rtp: Amount,
    not_sent: u64,
}

#[derive(Debug, Default)]
struct Amount {
    packets: u64,
    bytes: u64,
}

impl Amount {
    fn count(&mut self, bytes: usize) {
        self.packets += 1;
        self.bytes += u64::try_from(bytes).unwrap_or_default();
    }

    fn add_sent(&self, traffic: &Traffic) {
        traffic.packets_out.inc_by(self.packets);
        traffic.bytes_out.inc_by(self.bytes);
    }

    fn add_received(&self, traffic: &Traffic) {
        traffic.packets_in.inc_by(self.packets);
        traffic.bytes_in.inc_by(self.bytes);
    }
}

impl Tally {
    /// A datagram of `bytes` has come in on the shared socket.
    pub(super) fn webrtc_came(&mut self, bytes: usize) {
        self.webrtc_in.count(bytes);
    }

    /// Counts what has gathered, and begins anew.
    pub(super) fn flush(&mut self, metrics: &Metrics) {
        let Self {
            webrtc,
            webrtc_in,
            rtp,
            not_sent,
        } = std::mem::take(self);
        webrtc.add_sent(&metrics.webrtc);
        webrtc_in.add_received(&metrics.webrtc);
        rtp.add_sent(&metrics.rtp);
        if not_sent > 0 {
            metrics.dropped(Dropped::SendFull, not_sent);
        }
    }
}

/// Sends at once: sound waits for nothing.
fn send_audio(
    entry: &mut Leg,
    packet: &OutPacket,
    (socket, buffer): (&UdpSocket, &mut Vec<u8>),
    tally: &mut Tally,
) -> Outcome {
    match &mut entry.kind {
        Kind::Peer(peer) if !peer.connected => Outcome::Dropped(Dropped::NotConnected),
        Kind::Peer(peer) => match peer.transport.call(|t| t.write_audio(packet, buffer)) {
            Ok(Some(to)) => {
                match socket.send_to(buffer, to) {
                    Ok(sent) => tally.webrtc.count(sent),
                    Err(_) => tally.not_sent += 1,
                }
                Outcome::Done
            }
            Ok(None) => Outcome::Dropped(Dropped::NotConnected),
            Err(_) => Outcome::Faulted,
        },
        Kind::Phone(leg) => {
            match leg.phone.send(packet, buffer) {
                Some(bytes) => tally.rtp.count(bytes),
                None => tally.not_sent += 1,
            }
            Outcome::Done
        }
        Kind::Clip(_) => Outcome::Done,
    }
}

fn send_phone_video(
    phone: &mut Phone,
    packet: &OutPacket,
    buffer: &mut Vec<u8>,
    tally: &mut Tally,
) -> Outcome {
    // Padding: a phone asks for nothing that is lost, and some send on whatever follows a hole.
    if packet.payload.is_empty() {
        return Outcome::Done;
    }
    match phone.video().map(|video| video.send(packet, buffer)) {
        Some(Some(bytes)) => tally.rtp.count(bytes),
        Some(None) => tally.not_sent += 1,
        // Signalling has taken it away, and the room does not know yet.
        None => return Outcome::Dropped(Dropped::LegGone),
    }
    Outcome::Done
}

fn send_video(
    entry: &mut Leg,
    slot: u8,
    packet: &OutPacket,
    payloads: &mut PayloadCache,
) -> Outcome {
    match &mut entry.kind {
        Kind::Peer(peer) if !peer.connected => Outcome::Dropped(Dropped::NotConnected),
        Kind::Peer(peer) => {
            let payload = payloads.get(&packet.payload);
            queued(
                peer.transport
                    .call(|t| t.write_video(slot, packet, payload)),
            )
        }
        Kind::Phone(_) | Kind::Clip(_) => Outcome::Done,
    }
}

/// Clips have a keyframe each second and need no asking.
fn request_keyframe(entry: &mut Leg, track: Track) -> Outcome {
    match &mut entry.kind {
        Kind::Peer(peer) => match peer.transport.call(|t| t.request_keyframe(track)) {
            Ok(true) => Outcome::Queued,
            Ok(false) => Outcome::Done,
            Err(_) => Outcome::Faulted,
        },
        Kind::Phone(leg) => {
            if let Some(video) = leg.phone.video() {
                video.request_keyframe();
            }
            Outcome::Done
        }
        Kind::Clip(_) => Outcome::Done,
    }
}

fn queued(written: Result<bool, crate::media::guard::Faulted>) -> Outcome {
    match written {
        Ok(true) => Outcome::Queued,
        Ok(false) => Outcome::Dropped(Dropped::NotConnected),
        Err(_) => Outcome::Faulted,
    }
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::panic,
    reason = "a test stops at the first surprise"
)]
mod tests {
    use tokio::sync::mpsc;

    use super::super::Message;
    use super::*;

    fn worker() -> Worker {
        let config = crate::media::MediaConfig {
            udp_port: 0,
            ..Default::default()
        };
        let metrics = Metrics::register(&prometheus::Registry::new(), 1).unwrap();
        let shared = super::super::Shared {
            config: &config,
            identity: &Arc::new(crate::media::webrtc::Identity::generate().unwrap()),
            metrics: &metrics,
            directory: &Arc::default(),
        };
        super::super::run::prepare(0, &shared).unwrap().worker
    }

    fn open(worker: &mut Worker, id: u64) -> mpsc::Receiver<(RoomId, RoomEvent)> {
        let (events, heard) = mpsc::channel(16);
        let (reply, _) = tokio::sync::oneshot::channel();
        worker.on_message(Message::OpenRoom {
            room: RoomId(id),
            config: plenum_mixer::RoomConfig::default(),
            events,
            reply,
        });
        heard
    }

    fn seat(worker: &mut Worker, room: u64, leg: u64) -> bool {
        let (reply, mut answer) = tokio::sync::oneshot::channel();
        let tone: Vec<i16> = vec![0; 960];
        worker.on_message(Message::AddClip {
            room: RoomId(room),
            leg: LegId(leg),
            clip: crate::media::Clip::build(&tone, |_, _| {}).unwrap(),
            reply,
        });
        answer.try_recv().unwrap().is_ok()
    }

    #[test]
    fn a_room_that_panics_takes_its_own_legs_only() {
        let mut worker = worker();
        let (mut broken, mut whole) = (open(&mut worker, 1), open(&mut worker, 2));
        assert!(seat(&mut worker, 1, 11) && seat(&mut worker, 2, 22));
        let outcome: Option<()> = worker.with_room(RoomId(1), |_| panic!("a mixer's fault"));
        assert!(outcome.is_none());
        let mut gone = Vec::new();
        while let Ok((_, event)) = broken.try_recv() {
            if let RoomEvent::LegGone { leg, reason } = event {
                gone.push((leg, reason));
            }
        }
        assert_eq!(gone, [(LegId(11), LegGone::RoomFault)]);
        assert!(!seat(&mut worker, 1, 12), "a broken room takes nobody");
        worker.tick(RoomId(1), Instant::now());
        worker.tick(RoomId(2), Instant::now());
        assert!(worker.legs.contains_key(&LegId(22)) && whole.try_recv().is_err());
        assert_eq!(worker.metrics.room_faults.get(), 1);
    }

    #[test]
    fn empty_rooms_leave_nothing_on_the_timer_heap() {
        let mut worker = worker();
        for id in 1..=50 {
            let heard = open(&mut worker, id);
            drop(heard);
            let (reply, _) = tokio::sync::oneshot::channel();
            worker.on_message(Message::CloseRoom {
                room: RoomId(id),
                reply,
            });
        }
        let far = Instant::now() + Duration::from_secs(3_600);
        while worker.timers.pop_due(far).is_some() {}
        assert_eq!(worker.timers.next(), None);
    }

    #[test]
    fn listeners_of_a_rendition_share_one_payload() {
        let mut cache = PayloadCache::default();
        let rendition = Bytes::copy_from_slice(b"mix");
        let first = cache.get(&rendition.clone());
        assert!(Arc::ptr_eq(&first, &cache.get(&rendition)));
        let other = cache.get(&Bytes::copy_from_slice(b"mix"));
        assert!(!Arc::ptr_eq(&first, &other));
        assert_eq!(&other[..], b"mix");
    }
}
