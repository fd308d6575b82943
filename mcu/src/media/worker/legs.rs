//! A leg as the worker of its transport holds it, and what its room's home tells it.

use std::net::SocketAddr;
use std::time::Instant;

use mio::Token;
use plenum_mixer::{Input, LegId};

use super::links::{Crossing, ToRoom};
use super::run::Worker;
use super::{Done, Reply, answer};
use crate::media::budget::Budget;
use crate::media::clip::ClipPlayer;
use crate::media::guard::Guarded;
use crate::media::metrics::Dropped;
use crate::media::phone::Phone;
use crate::media::webrtc::PeerTransport;
use crate::media::{LegGone, MediaError, RoomId, directory};

/// What waits for a leg's new room while it moves: a second of packets. More media is dropped and counted.
const HELD: usize = 64;

/// A leg's transport and the room that the leg is in.
pub(super) struct Leg {
    pub(super) room: RoomId,
    /// While the leg moves to another room: what it has for that one, in order.
    pub(super) held: Option<Vec<ToRoom>>,
    pub(super) kind: Kind,
}

pub(super) enum Kind {
    Peer(Box<Peer>),
    Phone(Box<PhoneLeg>),
    Clip(Box<ClipPlayer>),
}

/// A WebRTC peer.
pub(super) struct Peer {
    pub(super) transport: Guarded<PeerTransport>,
    /// Our ICE fragment for it; the key in the worker's map.
    pub(super) ufrag: String,
    /// Addresses that STUN requests with this fragment came from, proved or not.
    pub(super) sources: Vec<SocketAddr>,
    /// Addresses that proved to know the password; they may send DTLS and SRTP.
    pub(super) addresses: Vec<SocketAddr>,
    pub(super) budget: Budget,
    /// When it last showed that it is there, by ICE or authenticated media.
    pub(super) heard: Instant,
    pub(super) born: Instant,
    pub(super) connected: bool,
    /// What the line to it carries in bit/s, if that is known.
    pub(super) estimate: Option<u64>,
    /// It is in the worker's list of peers to flush.
    pub(super) dirty: bool,
}

/// A phone and its places in the poll.
pub(super) struct PhoneLeg {
    pub(super) phone: Phone,
    pub(super) rtp: Token,
    pub(super) rtcp: Token,
    /// RTP and RTCP of its video, if it has any.
    pub(super) video: Option<(Token, Token)>,
}

impl Leg {
    pub(super) fn peer(&mut self) -> Option<&mut Peer> {
        match &mut self.kind {
            Kind::Peer(peer) => Some(peer),
            Kind::Phone(_) | Kind::Clip(_) => None,
        }
    }
}

impl Worker {
    /// Which worker is home to a room.
    pub(super) fn home_of(&self, room: RoomId) -> usize {
        directory::home_of(room, self.workers)
    }

    /// Has something reach a worker: another with the next batch, this one at once.
    pub(super) fn cross(&mut self, to: usize, crossing: Crossing) {
        if to == self.index {
            self.on_crossing(to, crossing, Instant::now());
        } else {
            self.links.push(to, crossing);
        }
    }

    /// Gives a leg's packet or wish to its room.
    pub(super) fn give(&mut self, leg: LegId, now: Instant, input: Input) {
        self.tell_room(leg, now, ToRoom::Input(input));
    }

    /// Tells a leg's room something, wherever that is.
    pub(super) fn tell_room(&mut self, leg: LegId, now: Instant, what: ToRoom) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        if let Some(held) = &mut entry.held {
            if held.len() < HELD || !matches!(what, ToRoom::Input(Input::Packet { .. })) {
                held.push(what);
            } else {
                self.metrics.dropped(Dropped::Crossing, 1);
            }
            return;
        }
        let room = entry.room;
        let home = self.home_of(room);
        if home == self.index {
            self.hear(room, now, what);
        } else {
            self.links.push(home, Crossing::ToRoom { room, what });
        }
    }

    /// A leg is where it was told to move to, or back where it was: what it held goes there.
    pub(super) fn settled(
        &mut self,
        leg: LegId,
        room: RoomId,
        (done, outcome): (Done, Result<(), MediaError>),
        now: Instant,
    ) {
        self.release(leg, room, now);
        done.tell(outcome);
    }

    fn release(&mut self, leg: LegId, room: RoomId, now: Instant) {
        if let Some(reason) = self.departed.remove(&leg) {
            let left = Crossing::Left {
                leg,
                room,
                reason,
                done: None,
            };
            return self.cross(self.home_of(room), left);
        }
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        entry.room = room;
        for what in entry.held.take().unwrap_or_default() {
            self.tell_room(leg, now, what);
        }
    }

    /// A leg's room is closed or broken: so ends its transport.
    pub(super) fn evict(&mut self, leg: LegId, room: RoomId) {
        if self.legs.get(&leg).is_some_and(|entry| entry.room == room) {
            self.drop_leg(leg);
        }
        self.departed.remove(&leg);
    }

    /// Ends a leg's transport and has its room know, which tells its owner when there is a `reason`.
    pub(super) fn end_leg(&mut self, leg: LegId, reason: Option<LegGone>, done: Option<Reply<()>>) {
        let Some(entry) = self.drop_leg(leg) else {
            done.into_iter().for_each(|done| answer(done, ()));
            return;
        };
        if entry.held.is_some() {
            // Where it will be is known when it has settled.
            self.departed.insert(leg, reason);
            done.into_iter().for_each(|done| answer(done, ()));
            return;
        }
        let room = entry.room;
        let left = Crossing::Left {
            leg,
            room,
            reason,
            done,
        };
        self.cross(self.home_of(room), left);
    }

    /// A leg ended by itself.
    pub(super) fn gone(&mut self, leg: LegId, reason: LegGone) {
        self.end_leg(leg, Some(reason), None);
    }
}
