//! The state of one call: its dialog (RFC 3261 section 12), the INVITE or UPDATE that waits for its owner, the 2xx
//! that waits for its ACK, the session timer. Only data and questions; what happens to it stands beside it.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::refer::Referral;
use super::send::Sent;
use super::{Arrival, StreamId, Way, Wire};
use crate::call::{CallId, HangupReason};
use crate::sip::{Hop, Request};

/// What identifies a dialog: Call-ID, our tag, the peer's tag (RFC 3261 section 12).
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) struct DialogKey {
    pub(super) call_id: Vec<u8>,
    pub(super) local_tag: Vec<u8>,
    pub(super) remote_tag: Vec<u8>,
}

/// How far the call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Phase {
    /// The INVITE is not answered.
    Early,
    /// 2xx sent, no ACK yet.
    Answered,
    /// ACK came.
    Standing,
}

/// What kind of request waits for the owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PendingKind {
    Initial,
    Reinvite,
    Update,
    /// An INVITE of somebody who is to take the call's place.
    Takeover,
}

/// A request that waits for the owner's word.
pub(super) struct Pending {
    pub(super) kind: PendingKind,
    pub(super) server: u64,
    pub(super) request: Box<Request>,
    pub(super) arrival: Arrival,
    /// It held no SDP: ours is the offer.
    pub(super) we_offer: bool,
    /// When it is refused for want of an answer.
    pub(super) due: MediaTime,
    pub(super) session: Option<SessionTerms>,
    /// What the call becomes when a takeover is accepted.
    pub(super) successor: Option<Box<Call>>,
}

/// A 2xx to an INVITE that is repeated until its ACK (RFC 3261 section 13.3.1.4).
pub(super) struct Unacked {
    pub(super) bytes: Bytes,
    pub(super) wire: Wire,
    pub(super) cseq: u32,
    pub(super) repeat: MediaTime,
    pub(super) wait: Duration,
    pub(super) end: MediaTime,
    /// The ACK must carry the answer to our offer.
    pub(super) we_offered: bool,
}

/// Terms of the session timer (RFC 4028).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct SessionTerms {
    pub(super) interval: Duration,
    pub(super) we_refresh: bool,
    /// The peer supports timers, so Require says so.
    pub(super) require: bool,
}

/// A running session timer.
#[derive(Clone, Copy, Debug)]
pub(super) struct SessionTimer {
    pub(super) terms: SessionTerms,
    /// When we hang up (RFC 4028 section 10: a little early).
    pub(super) expires: MediaTime,
    /// When we refresh, if it is our turn and no refresh is under way.
    pub(super) refresh: Option<MediaTime>,
}

impl SessionTimer {
    pub(super) fn start(now: MediaTime, terms: SessionTerms) -> Self {
        let early = Duration::from_secs(32).min(terms.interval / 3);
        Self {
            terms,
            expires: now + (terms.interval - early),
            refresh: terms.we_refresh.then(|| now + terms.interval / 2),
        }
    }
}

/// Where the peer's packets come from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    pub(super) source: SocketAddr,
    pub(super) stream: Option<StreamId>,
    pub(super) way: Way,
    /// Its own address is of no use to us.
    pub(super) behind_nat: bool,
}

/// One call.
pub(super) struct Call {
    pub(super) id: CallId,
    /// Which trunk's.
    pub(super) trunk: usize,
    pub(super) key: DialogKey,
    /// Our From and To of requests within the dialog.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) target: Hop,
    pub(super) routes: Vec<Hop>,
    pub(super) peer: Peer,
    /// Called by a `sips` URI.
    pub(super) sips: bool,
    pub(super) remote_cseq: u32,
    pub(super) local_cseq: u32,
    pub(super) phase: Phase,
    pub(super) pending: Option<Pending>,
    pub(super) unacked: Option<Unacked>,
    pub(super) session: Option<SessionTimer>,
    /// Next OPTIONS of a call without a session timer.
    pub(super) probe: Option<MediaTime>,
    /// `Ended` has been told; the BYE waits for the ACK (RFC 3261 section 15).
    pub(super) farewell: Option<HangupReason>,
    pub(super) referral: Referral,
    /// A REFER of ours.
    pub(super) sent: Option<Sent>,
    pub(super) armed: Option<MediaTime>,
}

impl Call {
    pub(super) fn is_over(&self) -> bool {
        self.farewell.is_some()
    }

    pub(super) fn uses(&self, stream: StreamId) -> bool {
        self.peer.stream == Some(stream)
    }

    /// The earliest of its timers.
    pub(super) fn deadline(&self) -> Option<MediaTime> {
        [
            self.pending.as_ref().map(|pending| pending.due),
            self.unacked
                .as_ref()
                .map(|unacked| unacked.repeat.min(unacked.end)),
            self.session.map(|session| {
                session
                    .refresh
                    .map_or(session.expires, |at| at.min(session.expires))
            }),
            self.probe,
            self.sent.and_then(|sent| sent.due),
        ]
        .into_iter()
        .flatten()
        .min()
    }
}
