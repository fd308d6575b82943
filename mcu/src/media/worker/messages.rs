//! What a worker does for control: rooms and legs come, change, move and go.

use std::sync::atomic::Ordering;
use std::time::Instant;

use mio::Token;
use plenum_mixer::{Command, Input, LegId, Room};

use super::legs::{Kind, Leg, Peer, PhoneLeg};
use super::links::{Arrival, Crossing, ToRoom};
use super::rooms::HomedRoom;
use super::run::{Timer, Worker};
use super::seats::Seat;
use super::{Done, Message, Reply, answer};
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
            } => {
                if let Err((reply, error)) = self.add_peer(room, leg, &offer, reply, now) {
                    answer(reply, Err(error));
                }
            }
            Message::Renegotiate { leg, offer, reply } => {
                answer(reply, self.renegotiate(leg, &offer, now))
            }
            Message::AddPhone {
                room,
                leg,
                sockets,
                media,
                reply,
            } => match self.build_phone(room, leg, sockets, media, now) {
                Ok((phone, mixer)) => self.settle_leg(room, leg, phone, mixer, Done::Leg(reply)),
                Err(error) => answer(reply, Err(error)),
            },
            Message::UpdatePhone { leg, media, reply } => {
                answer(reply, self.update_phone(leg, media, now))
            }
            Message::PhoneVideo { leg, video, reply } => {
                answer(reply, self.set_phone_video(leg, video, now));
            }
            Message::PhoneWantsKeyframe { leg } => self.viewer_lost_picture(leg, now),
            Message::AddClip {
                room,
                leg,
                clip,
                reply,
            } => match self.check_space(room, leg) {
                Ok(()) => self.add_clip(room, leg, &clip, reply, now),
                Err(error) => answer(reply, Err(error)),
            },
            Message::MoveLeg { leg, to, reply } => self.move_leg(leg, to, reply),
            Message::RemoveLeg { leg, reply } => self.end_leg(leg, None, Some(reply)),
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
            Message::Compose { room, composer } => {
                let (ladder, sink) = composer.unzip();
                if let Some(homed) = self.rooms.get_mut(&room) {
                    homed.composer = sink;
                }
                self.give_room(room, now, Input::Command(Command::Composite(ladder)));
            }
            Message::Composed { room, inputs } => {
                for input in inputs {
                    self.give_room(room, now, input);
                }
            }
            Message::LegStats { leg, reply } => match self.legs.get(&leg) {
                Some(entry) => {
                    let room = entry.room;
                    self.cross(self.home_of(room), Crossing::Stats { leg, room, reply });
                }
                None => answer(reply, Err(MediaError::UnknownLeg)),
            },
        }
    }

    /// Whether a leg for `room` may live here. A home elsewhere has its own say when the leg takes its seat.
    fn check_space(&self, room: RoomId, leg: LegId) -> Result<(), MediaError> {
        let home = self.home_of(room);
        if home == self.index && !self.is_open(room) {
            return Err(MediaError::UnknownRoom);
        }
        if self.links.is_stuck(home) {
            return Err(MediaError::Busy);
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
        reply: Reply<Result<PeerAnswer, MediaError>>,
        now: Instant,
    ) -> Result<(), (Reply<Result<PeerAnswer, MediaError>>, MediaError)> {
        match self.build_peer(room, leg, offer, now) {
            Ok((kind, mixer, answer)) => {
                let done = Done::Peer(reply, Box::new(answer));
                self.settle_leg(room, leg, kind, mixer, done);
                self.advance_peer(leg, now);
                Ok(())
            }
            Err(error) => Err((reply, error)),
        }
    }

    fn build_peer(
        &mut self,
        room: RoomId,
        leg: LegId,
        offer: &str,
        now: Instant,
    ) -> Result<(Kind, plenum_mixer::Leg, PeerAnswer), MediaError> {
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
            estimate: None,
            dirty: false,
        };
        let mixer = plenum_mixer::Leg::new(config, clock::to_media(now));
        Ok((Kind::Peer(Box::new(peer)), mixer, answer))
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
            self.tell_room(leg, now, ToRoom::Reconfigure(Box::new(config)));
        }
        self.advance_peer(leg, now);
        Ok(answer)
    }

    fn build_phone(
        &mut self,
        room: RoomId,
        leg: LegId,
        sockets: RtpSockets,
        media: PhoneMedia,
        now: Instant,
    ) -> Result<(Kind, plenum_mixer::Leg), MediaError> {
        self.check_space(room, leg)?;
        let phone = Phone::new(sockets, media, &self.config.limits, now);
        let config = phone.leg_config(leg);
        let mut phone = self.register_phone(leg, phone)?;
        self.timers
            .set(Timer::Report(leg), phone.phone.report_due());
        if let Some(due) = phone.phone.handshakes_due() {
            self.timers.set(Timer::Handshake(leg), due);
        }
        let mixer = plenum_mixer::Leg::new(config, clock::to_media(now));
        Ok((Kind::Phone(Box::new(phone)), mixer))
    }

    fn register_phone(&mut self, leg: LegId, mut phone: Phone) -> Result<PhoneLeg, MediaError> {
        let (rtp, rtcp) = (Token(self.next_token), Token(self.next_token + 1));
        phone
            .register(self.poll.registry(), rtp, rtcp)
            .map_err(|e| MediaError::Start(e.to_string()))?;
        self.next_token += 2;
        self.tokens.insert(rtp, leg);
        self.tokens.insert(rtcp, leg);
        Ok(PhoneLeg {
            phone,
            rtp,
            rtcp,
            video: None,
        })
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
        phone.phone.update(media, now);
        // A caller that held us plays its own music, which the conference is spared.
        let on = phone.phone.is_held();
        let config = phone.phone.leg_config(leg);
        self.tell_room(leg, now, ToRoom::Reconfigure(Box::new(config)));
        self.give(leg, now, Input::Command(Command::Hold { leg, on }));
        self.look_after_handshakes(leg);
        Ok(())
    }

    fn add_clip(
        &mut self,
        room: RoomId,
        leg: LegId,
        clip: &Clip,
        reply: Reply<Result<(), MediaError>>,
        now: Instant,
    ) {
        let mixer = plenum_mixer::Leg::new(Clip::leg_config(leg), clock::to_media(now));
        self.timers.set(Timer::Clip(leg), now);
        let kind = Kind::Clip(Box::new(ClipPlayer::new(clip, now)));
        self.settle_leg(room, leg, kind, mixer, Done::Leg(reply));
    }

    /// Puts a leg into the books and has its room seat it.
    fn settle_leg(
        &mut self,
        room: RoomId,
        leg: LegId,
        kind: Kind,
        mixer: plenum_mixer::Leg,
        done: Done,
    ) {
        self.gauge(&kind).inc();
        self.load.legs.fetch_add(1, Ordering::Relaxed);
        self.metrics.worker_legs(self.index, 1);
        self.directory.settle(leg, self.index);
        let seat = Seat {
            worker: self.index,
            webrtc: matches!(kind, Kind::Peer(_)),
            lost: 0,
        };
        let entry = Leg {
            room,
            held: None,
            kind,
        };
        self.legs.insert(leg, entry);
        let arrival = Arrival {
            mixer,
            seat,
            to: room,
            from: None,
            done,
        };
        self.cross(self.home_of(room), Crossing::Seat(Box::new(arrival)));
    }

    /// Has the leg's room hand it to another. What comes from the leg meanwhile is held for that one.
    fn move_leg(&mut self, leg: LegId, to: RoomId, reply: Reply<Result<(), MediaError>>) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return answer(reply, Err(MediaError::UnknownLeg));
        };
        if entry.held.is_some() {
            return answer(reply, Err(MediaError::Busy));
        }
        let from = entry.room;
        if from == to {
            return answer(reply, Ok(()));
        }
        entry.held = Some(Vec::new());
        let order = Crossing::Move {
            leg,
            from,
            to,
            reply,
        };
        self.cross(self.home_of(from), order);
    }

    /// Takes a leg out of the books: poll, timers, gauges, load. Its room is not told.
    fn strike(&mut self, leg: LegId) -> Option<Leg> {
        let mut entry = self.legs.remove(&leg)?;
        for timer in [
            Timer::Peer(leg),
            Timer::Report(leg),
            Timer::Clip(leg),
            Timer::Handshake(leg),
        ] {
            self.timers.remove(timer);
        }
        if let Kind::Phone(phone) = &mut entry.kind {
            self.tokens.remove(&phone.rtp);
            self.tokens.remove(&phone.rtcp);
            if let Some((rtp, rtcp)) = phone.video {
                self.tokens.remove(&rtp);
                self.tokens.remove(&rtcp);
            }
            // The sockets go on in another poll or are closed; either way this one is done with them.
            if let Err(error) = phone.phone.deregister(self.poll.registry()) {
                tracing::warn!(%error, "phone socket was not registered");
            }
        }
        self.gauge(&entry.kind).dec();
        self.load.legs.fetch_sub(1, Ordering::Relaxed);
        self.metrics.worker_legs(self.index, -1);
        Some(entry)
    }

    /// Ends a leg's transport; its room is not told.
    pub(super) fn drop_leg(&mut self, leg: LegId) -> Option<Leg> {
        let mut entry = self.strike(leg)?;
        self.directory.forget(leg);
        if let Kind::Peer(peer) = &mut entry.kind {
            self.close_peer(leg, peer);
        }
        Some(entry)
    }

    fn gauge(&self, kind: &Kind) -> &prometheus::IntGauge {
        match kind {
            Kind::Peer(_) => &self.metrics.webrtc_legs,
            Kind::Phone(_) => &self.metrics.phone_legs,
            Kind::Clip(_) => &self.metrics.clip_legs,
        }
    }
}
