//! What a worker does for control: rooms and legs come, change, move and go.

use std::sync::atomic::Ordering;
use std::time::Instant;

use mio::Token;
use plenum_dialin::sdp::Direction;
use plenum_mixer::{Command, Input, LegConfig, LegId, LegStats, Room};

use super::legs::{Kind, Leg, Peer, PhoneLeg};
use super::rooms::HomedRoom;
use super::run::{Timer, Worker};
use super::{Message, Movable, Parcel};
use crate::media::budget::Budget;
use crate::media::clip::{Clip, ClipPlayer};
use crate::media::guard::{Faulted, Guarded};
use crate::media::metrics::Fault;
use crate::media::outbox::Outbox;
use crate::media::phone::{Phone, PhoneMedia};
use crate::media::ports::RtpSockets;
use crate::media::webrtc::PeerTransport;
use crate::media::{LegGone, MediaError, PeerAnswer, RoomId, clock};

impl Worker {
    pub(super) fn on_message(&mut self, message: Message) {
        let now = Instant::now();
        match message {
            Message::OpenRoom {
                room,
                config,
                events,
                reply,
            } => {
                let homed = HomedRoom::new(
                    Room::new(config, clock::to_media(now)),
                    Outbox::new(room, events),
                );
                self.rooms.insert(room, homed);
                self.metrics.rooms.inc();
                self.load.rooms.fetch_add(1, Ordering::Relaxed);
                self.arm_room(room);
                answer(reply, ());
            }
            Message::CloseRoom { room, reply } => answer(reply, self.close_room(room)),
            Message::AddPeer {
                room,
                leg,
                offer,
                reply,
            } => answer(reply, self.add_peer(room, leg, &offer, now)),
            Message::Renegotiate { leg, offer, reply } => {
                answer(reply, self.renegotiate(leg, &offer, now))
            }
            Message::AddPhone {
                room,
                leg,
                sockets,
                media,
                reply,
            } => {
                answer(reply, self.add_phone(room, leg, sockets, media, now));
            }
            Message::UpdatePhone { leg, media, reply } => {
                answer(reply, self.update_phone(leg, media, now))
            }
            Message::AddClip {
                room,
                leg,
                clip,
                reply,
            } => answer(reply, self.add_clip(room, leg, &clip, now)),
            Message::MoveLeg { leg, to, reply } => answer(reply, self.move_leg(leg, to, now)),
            Message::TakeLeg { leg, reply } => answer(reply, self.take_leg(leg, now)),
            Message::PutLeg { to, parcel, reply } => answer(reply, self.put_leg(to, *parcel, now)),
            Message::RemoveLeg { leg, reply } => {
                self.end_leg(leg);
                answer(reply, ());
            }
            Message::Command { room, command } => {
                self.give_room(room, now, Input::Command(command));
                self.arm_room(room);
            }
            Message::Tap { room, tap, sink } => {
                if let Some(homed) = self.rooms.get_mut(&room) {
                    homed.tap = sink;
                }
                self.give_room(room, now, Input::Command(Command::Tap(tap)));
            }
            Message::LegStats { leg, reply } => answer(reply, self.leg_stats(leg)),
        }
    }

    fn close_room(&mut self, room: RoomId) -> Result<(), MediaError> {
        let legs: Vec<LegId> = self
            .legs
            .iter()
            .filter(|(_, l)| l.room == room)
            .map(|(id, _)| *id)
            .collect();
        for leg in legs {
            self.end_leg(leg);
        }
        let mut homed = self.rooms.remove(&room).ok_or(MediaError::UnknownRoom)?;
        homed.count(&self.metrics);
        self.timers.remove(Timer::Room(room));
        self.metrics.rooms.dec();
        self.load.rooms.fetch_sub(1, Ordering::Relaxed);
        Ok(())
    }

    fn is_open(&self, room: RoomId) -> bool {
        self.rooms
            .get(&room)
            .is_some_and(|homed| !homed.room.is_gone())
    }

    fn check_space(&self, room: RoomId, leg: LegId) -> Result<(), MediaError> {
        if !self.is_open(room) {
            return Err(MediaError::UnknownRoom);
        }
        if self.legs.contains_key(&leg) || self.legs.len() >= self.config.limits.legs_per_worker {
            return Err(MediaError::Full);
        }
        Ok(())
    }

    fn add_peer(
        &mut self,
        room: RoomId,
        leg: LegId,
        offer: &str,
        now: Instant,
    ) -> Result<PeerAnswer, MediaError> {
        self.check_space(room, leg)?;
        let (identity, local, limits) = (&self.identity, self.local, &self.config.limits);
        let mut answer = None;
        let built = Guarded::build(|| {
            let (peer, sdp) = PeerTransport::accept(identity, local, offer, limits, now)?;
            answer = Some(sdp);
            Ok(peer)
        });
        let mut transport = match built {
            Ok(built) => built.map_err(MediaError::Offer)?,
            Err(Faulted) => {
                self.metrics.fault(Fault::Panic);
                return Err(MediaError::PeerFault);
            }
        };
        let known = transport.call(|t| (t.ufrag(), t.leg_config(leg)));
        let (Ok((ufrag, Some(config))), Some(answer)) = (known, answer) else {
            return Err(MediaError::PeerFault);
        };
        self.ufrags.insert(ufrag.as_bytes().to_vec(), leg);
        let peer = Peer {
            transport,
            ufrag,
            sources: Vec::new(),
            addresses: Vec::new(),
            budget: Budget::new(&self.config.limits, now),
            heard: now,
            born: now,
            connected: false,
            dirty: false,
            lost: 0,
        };
        self.settle_leg(
            room,
            leg,
            Kind::Peer(Box::new(peer)),
            plenum_mixer::Leg::new(config, clock::to_media(now)),
            now,
        );
        self.advance_peer(leg, now);
        Ok(answer)
    }

    fn renegotiate(
        &mut self,
        leg: LegId,
        offer: &str,
        now: Instant,
    ) -> Result<PeerAnswer, MediaError> {
        let limits = self.config.limits.clone();
        let peer = self
            .legs
            .get_mut(&leg)
            .and_then(Leg::peer)
            .ok_or(MediaError::UnknownLeg)?;
        let outcome = peer.transport.call(|t| {
            let answer = t.negotiate(offer, &limits)?;
            Ok((answer, t.ufrag(), t.leg_config(leg)))
        });
        let (answer, ufrag, config) = match outcome {
            Ok(negotiated) => negotiated.map_err(MediaError::Offer)?,
            Err(Faulted) => {
                self.metrics.fault(Fault::Panic);
                self.gone(leg, LegGone::PeerFault);
                return Err(MediaError::PeerFault);
            }
        };
        if peer.ufrag != ufrag {
            // An ICE restart: the old fragment is dead, and the sources begin to count anew. Addresses that
            // proved themselves stay until the peer has moved, so that media does not stop meanwhile.
            self.ufrags.remove(peer.ufrag.as_bytes());
            self.ufrags.insert(ufrag.as_bytes().to_vec(), leg);
            peer.ufrag = ufrag;
            peer.sources = peer.addresses.clone();
            peer.heard = now;
        }
        if let Some(config) = config {
            self.reconfigure(leg, config, now);
        }
        self.advance_peer(leg, now);
        Ok(answer)
    }

    fn reconfigure(&mut self, leg: LegId, config: LegConfig, now: Instant) {
        let Some(room) = self.legs.get(&leg).map(|l| l.room) else {
            return;
        };
        self.with_room(room, |room| room.reconfigure(clock::to_media(now), config));
        self.drain(room);
        self.arm_room(room);
    }

    fn add_phone(
        &mut self,
        room: RoomId,
        leg: LegId,
        sockets: RtpSockets,
        media: PhoneMedia,
        now: Instant,
    ) -> Result<(), MediaError> {
        self.check_space(room, leg)?;
        let phone = Phone::new(sockets, media, &self.config.limits, now);
        let config = phone.leg_config(leg);
        let phone = self.register_phone(leg, phone)?;
        self.timers
            .set(Timer::Report(leg), phone.phone.report_due());
        let mixer = plenum_mixer::Leg::new(config, clock::to_media(now));
        self.settle_leg(room, leg, Kind::Phone(Box::new(phone)), mixer, now);
        Ok(())
    }

    fn register_phone(&mut self, leg: LegId, mut phone: Phone) -> Result<PhoneLeg, MediaError> {
        let (rtp, rtcp) = (Token(self.next_token), Token(self.next_token + 1));
        phone
            .register(self.poll.registry(), rtp, rtcp)
            .map_err(|e| MediaError::Start(e.to_string()))?;
        self.next_token += 2;
        self.tokens.insert(rtp, leg);
        self.tokens.insert(rtcp, leg);
        Ok(PhoneLeg { phone, rtp, rtcp })
    }

    fn update_phone(
        &mut self,
        leg: LegId,
        media: PhoneMedia,
        now: Instant,
    ) -> Result<(), MediaError> {
        let Some(Kind::Phone(phone)) = self.legs.get_mut(&leg).map(|l| &mut l.kind) else {
            return Err(MediaError::UnknownLeg);
        };
        // A caller that held us plays its own music, which the conference is spared.
        let on = matches!(
            media.direction,
            Direction::ReceiveOnly | Direction::Inactive
        );
        phone.phone.update(media, now);
        let config = phone.phone.leg_config(leg);
        self.reconfigure(leg, config, now);
        if let Some(room) = self.legs.get(&leg).map(|leg| leg.room) {
            self.give_room(room, now, Input::Command(Command::Hold { leg, on }));
        }
        Ok(())
    }

    fn add_clip(
        &mut self,
        room: RoomId,
        leg: LegId,
        clip: &Clip,
        now: Instant,
    ) -> Result<(), MediaError> {
        self.check_space(room, leg)?;
        let mixer = plenum_mixer::Leg::new(Clip::leg_config(leg), clock::to_media(now));
        self.timers.set(Timer::Clip(leg), now);
        self.settle_leg(
            room,
            leg,
            Kind::Clip(Box::new(ClipPlayer::new(clip, now))),
            mixer,
            now,
        );
        Ok(())
    }

    /// Puts a leg into its room and into the books.
    fn settle_leg(
        &mut self,
        room: RoomId,
        leg: LegId,
        kind: Kind,
        mixer: plenum_mixer::Leg,
        now: Instant,
    ) {
        self.gauge(&kind).inc();
        self.legs.insert(leg, Leg { room, kind });
        self.load.legs.fetch_add(1, Ordering::Relaxed);
        self.directory.settle(leg, self.index);
        self.insert(room, mixer, now);
    }

    fn insert(&mut self, room: RoomId, mixer: plenum_mixer::Leg, now: Instant) {
        self.with_room(room, |room| {
            room.insert(clock::to_media(now), mixer);
        });
        self.drain(room);
        self.arm_room(room);
    }

    fn take(&mut self, room: RoomId, leg: LegId, now: Instant) -> Option<plenum_mixer::Leg> {
        let mixer = self.with_room(room, |room| room.take(clock::to_media(now), leg))?;
        self.drain(room);
        self.arm_room(room);
        mixer
    }

    fn move_leg(&mut self, leg: LegId, to: RoomId, now: Instant) -> Result<(), MediaError> {
        if !self.is_open(to) {
            return Err(MediaError::UnknownRoom);
        }
        let from = self.legs.get(&leg).ok_or(MediaError::UnknownLeg)?.room;
        if from == to {
            return Ok(());
        }
        let mixer = self.take(from, leg, now).ok_or(MediaError::UnknownLeg)?;
        if let Some(entry) = self.legs.get_mut(&leg) {
            entry.room = to;
        }
        self.insert(to, mixer, now);
        Ok(())
    }

    /// Hands a leg out for another worker. The directory goes on naming this one until the other has it.
    fn take_leg(&mut self, leg: LegId, now: Instant) -> Result<Parcel, MediaError> {
        let entry = self.legs.get(&leg).ok_or(MediaError::UnknownLeg)?;
        if matches!(entry.kind, Kind::Peer(_)) {
            return Err(MediaError::OtherWorker);
        }
        let mixer = self
            .take(entry.room, leg, now)
            .ok_or(MediaError::UnknownLeg)?;
        let entry = self.strike(leg).ok_or(MediaError::UnknownLeg)?;
        let media = match entry.kind {
            Kind::Phone(phone) => Movable::Phone(Box::new(phone.phone)),
            Kind::Clip(clip) => Movable::Clip(clip),
            Kind::Peer(_) => return Err(MediaError::OtherWorker),
        };
        Ok(Parcel { leg, media, mixer })
    }

    fn put_leg(&mut self, to: RoomId, parcel: Parcel, now: Instant) -> Result<(), MediaError> {
        let Parcel { leg, media, mixer } = parcel;
        self.check_space(to, leg)?;
        let kind = match media {
            Movable::Phone(phone) => {
                let phone = self.register_phone(leg, *phone)?;
                self.timers
                    .set(Timer::Report(leg), phone.phone.report_due());
                Kind::Phone(Box::new(phone))
            }
            Movable::Clip(clip) => {
                self.timers.set(Timer::Clip(leg), now);
                Kind::Clip(clip)
            }
        };
        self.settle_leg(to, leg, kind, mixer, now);
        Ok(())
    }

    /// Takes a leg out of the books: poll, timers, gauges, load. Its room is not told.
    fn strike(&mut self, leg: LegId) -> Option<Leg> {
        let mut entry = self.legs.remove(&leg)?;
        for timer in [Timer::Peer(leg), Timer::Report(leg), Timer::Clip(leg)] {
            self.timers.remove(timer);
        }
        if let Kind::Phone(phone) = &mut entry.kind {
            self.tokens.remove(&phone.rtp);
            self.tokens.remove(&phone.rtcp);
            // The sockets go on in another poll or are closed; either way this one is done with them.
            if let Err(error) = phone.phone.deregister(self.poll.registry()) {
                tracing::warn!(%error, "phone socket was not registered");
            }
        }
        self.gauge(&entry.kind).dec();
        self.load.legs.fetch_sub(1, Ordering::Relaxed);
        Some(entry)
    }

    /// Ends a leg; returns the room it was in.
    pub(super) fn end_leg(&mut self, leg: LegId) -> Option<RoomId> {
        let mut entry = self.strike(leg)?;
        self.directory.forget(leg, self.index);
        if let Kind::Peer(peer) = &mut entry.kind {
            self.close_peer(leg, peer);
        }
        self.take(entry.room, leg, Instant::now());
        Some(entry.room)
    }

    fn leg_stats(&mut self, leg: LegId) -> Result<LegStats, MediaError> {
        let room = self.legs.get(&leg).ok_or(MediaError::UnknownLeg)?.room;
        self.with_room(room, |room| room.leg_stats(leg))
            .ok_or(MediaError::UnknownRoom)?
            .ok_or(MediaError::UnknownLeg)
    }

    fn gauge(&self, kind: &Kind) -> &prometheus::IntGauge {
        match kind {
            Kind::Peer(_) => &self.metrics.webrtc_legs,
            Kind::Phone(_) => &self.metrics.phone_legs,
            Kind::Clip(_) => &self.metrics.clip_legs,
        }
    }
}

/// Whoever asked may have gone away meanwhile; then nobody needs the answer.
fn answer<T>(reply: tokio::sync::oneshot::Sender<T>, value: T) {
    drop(reply.send(value));
}
