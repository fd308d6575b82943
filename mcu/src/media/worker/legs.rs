//! A leg as its worker holds it.

use std::net::SocketAddr;
use std::time::Instant;

use mio::Token;

use crate::media::RoomId;
use crate::media::budget::Budget;
use crate::media::clip::ClipPlayer;
use crate::media::guard::Guarded;
use crate::media::phone::Phone;
use crate::media::webrtc::PeerTransport;

/// A leg and the room it is in.
pub(super) struct Leg {
    pub(super) room: RoomId,
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
    /// It is in the worker's list of peers to flush.
    pub(super) dirty: bool,
    /// Lost packets already in the metrics.
    pub(super) lost: u64,
}

/// A phone and its places in the poll.
pub(super) struct PhoneLeg {
    pub(super) phone: Phone,
    pub(super) rtp: Token,
    pub(super) rtcp: Token,
}
