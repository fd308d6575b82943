//! The vocabulary between the SIP endpoint and whoever owns rooms and media: calls, events, commands.
//!
//! Debug output never shows numbers, names, called users, SDP or INFO bodies: they end up in logs.

use std::fmt;
use std::time::Duration;

use crate::trunk::Proxy;

/// One call, from its INVITE to its end. Unique for the life of an endpoint, never used again.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct CallId(pub u64);

/// One REFER of a far end's, unique for the life of an endpoint.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash)]
pub struct ReferId(pub(crate) u64);

/// Ids of calls that we place have this bit; the endpoint counts those that come in from 0.
const PLACED: u64 = 1 << 63;

impl CallId {
    /// The id of the `count`th call that its owner places.
    #[must_use]
    pub const fn placed(count: u64) -> Self {
        Self(PLACED | count)
    }

    /// Whether we have placed it.
    #[must_use]
    pub const fn is_placed(self) -> bool {
        self.0 & PLACED != 0
    }
}

impl fmt::Display for CallId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.0)
    }
}

/// One way to place a call. Debug shows neither number nor SDP.
#[derive(Clone, PartialEq, Eq)]
pub struct Route {
    /// Name of a trunk with [`crate::trunk::Outbound`].
    pub trunk: String,
    /// The number, digits after a `+` or none; the trunk's rules write it as is usual there.
    pub number: String,
    /// Our offer.
    pub sdp: String,
}

impl fmt::Debug for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Route")
            .field("trunk", &self.trunk)
            .finish_non_exhaustive()
    }
}

/// Whose place a call of ours is to take: as the Replaces and the Referred-By of an INVITE say it (RFC 3891, RFC 3892). Debug shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct Replacement {
    pub(crate) replaces: String,
    pub(crate) referred_by: String,
}

impl fmt::Debug for Replacement {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Replacement(redacted)")
    }
}

/// Who calls, as the trunk says it (see [`crate::identity`]). Debug shows neither.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Caller {
    /// Display name, without quotes, control characters removed, at most 64 characters; empty when there is none.
    pub display: String,
    /// Number or user part, percent-decoded, at most 64 characters and what the trunk's rules add; empty when unknown.
    pub number: String,
    /// Wants to be anonymous: the number, if any, is known to the network and to be shown to nobody.
    pub anonymous: bool,
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Caller(redacted)")
    }
}

/// Why a call came to its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum EndReason {
    /// The far end sent BYE.
    CallerHungUp,
    /// The caller sent CANCEL before the answer.
    Cancelled,
    /// We refused the INVITE ([`CallCommand::Refuse`]).
    Refused,
    /// We hung up ([`CallCommand::Hangup`]).
    HungUp,
    /// No ACK came for the 2xx within 64·T1 (RFC 3261 section 13.3.1.4).
    NoAck,
    /// The session timer ran out without a refresh (RFC 4028 section 10).
    SessionExpired,
    /// The ACK carried no or no usable answer to our offer, or the peer broke the dialog.
    PeerFault,
    /// Nobody answered or refused the call within the endpoint's limit.
    Unanswered,
    /// The peer answered 481 or 408 to a request of ours within the dialog.
    DialogGone,
    /// A call of ours was refused with this status: 408 when nobody answered at all, 503 when no trunk could be reached or had room.
    Rejected(u16),
    /// A call of ours rang, and nobody took it for as long as was wanted.
    RangOut,
}

impl EndReason {
    /// Stable label for metrics, out of a bounded set.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::CallerHungUp => "caller_hung_up",
            Self::Cancelled => "cancelled",
            Self::Refused => "refused",
            Self::HungUp => "hung_up",
            Self::NoAck => "no_ack",
            Self::SessionExpired => "session_expired",
            Self::PeerFault => "peer_fault",
            Self::Unanswered => "unanswered",
            Self::DialogGone => "dialog_gone",
            Self::Rejected(_) => "rejected",
            Self::RangOut => "rang_out",
        }
    }
}

/// Why we hang up; goes into the BYE's Reason header (RFC 3326).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum HangupReason {
    /// An ordinary end: left, removed, conference ended, attendant said goodbye.
    Normal,
    /// No RTP came for too long.
    MediaTimeout,
    /// The far end has shown another certificate than it named, or none in time: its media cannot be trusted.
    MediaSecurity,
    /// The server stops.
    ServerStopping,
    /// Something of ours broke.
    InternalError,
}

/// What happened to a call. `Ended` is the last event of every call and comes exactly once.
#[derive(Clone, PartialEq, Eq)]
pub enum CallEvent {
    /// A new call: answer with [`CallCommand::Answer`] or [`CallCommand::Refuse`]. `100 Trying` is out already.
    Incoming {
        /// The call.
        call: CallId,
        /// Name of the trunk it came over.
        trunk: String,
        /// Who calls.
        caller: Caller,
        /// User part of the Request-URI, percent-decoded, at most 64 characters.
        called: String,
        /// The SDP offer; `None` for an INVITE without one: answer with an offer of ours, the answer comes as `AnswerIn`.
        offer: Option<String>,
        /// The trunk has done its own IVR: `called` is a conference ID to join at once.
        direct: bool,
        /// Signalling is encrypted, so that keys in it are worth something.
        over_tls: bool,
    },
    /// The ACK for our answer is in: the call stands.
    Confirmed {
        /// The call.
        call: CallId,
    },
    /// The answer to the offer that we made in a 2xx (late offer). Comes before `Confirmed`, or later again for
    /// a re-INVITE without SDP.
    AnswerIn {
        /// The call.
        call: CallId,
        /// The SDP answer.
        answer: String,
    },
    /// A re-INVITE or UPDATE with an offer: answer with [`CallCommand::AcceptOffer`] or [`CallCommand::RefuseOffer`].
    Offered {
        /// The call.
        call: CallId,
        /// The SDP offer.
        offer: String,
    },
    /// A re-INVITE without SDP: we must offer. Reply with [`CallCommand::AcceptOffer`] holding an offer of ours.
    OfferWanted {
        /// The call.
        call: CallId,
    },
    /// Another far end is to take the place of this one (RFC 3891). Reply as to [`CallEvent::Offered`] or, without an offer, as to
    /// [`CallEvent::OfferWanted`]: nothing of what was agreed with the one before holds, its keys least of all.
    Succeeded {
        /// The call.
        call: CallId,
        /// The SDP offer, if there is one.
        offer: Option<String>,
        /// Whether the INVITE came over TLS.
        over_tls: bool,
    },
    /// A SIP INFO arrived (already answered 200). See [`crate::info::digit`].
    Info {
        /// The call.
        call: CallId,
        /// Lower-case `type/subtype`.
        content_type: String,
        /// The body, at most 4 KiB.
        body: Vec<u8>,
    },
    /// The far end wants somebody else called in its place (REFER, answered 202 already): tell it by [`CallCommand::Referral`] how far that is, at
    /// last by a final status.
    Referred {
        /// The call.
        call: CallId,
        /// Which wish it is.
        refer: ReferId,
        /// User part of Refer-To, percent-decoded, at most 64 characters.
        to: String,
        /// The far end's own call with them, whose place the new one is to take.
        replaces: Option<Replacement>,
    },
    /// How far it is with whom the far end was sent to by [`CallCommand::Refer`]: 180 once at most, then one final status. 408: nothing was heard
    /// in time; a 200 may follow, from whoever got there late. The call stands whatever it is.
    Sent {
        /// The call.
        call: CallId,
        /// SIP status of the far end's other call, or of its refusal.
        status: u16,
    },
    /// A call of ours rings at the far end. Comes once for each trunk at most.
    Ringing {
        /// The call.
        call: CallId,
    },
    /// A call of ours was taken: it stands. From here on it is a call like any other.
    Answered {
        /// The call.
        call: CallId,
        /// Which of [`CallCommand::Dial`]'s routes it took.
        route: usize,
        /// The SDP answer to that route's offer.
        answer: String,
    },
    /// The call is over; its id is never used again.
    Ended {
        /// The call.
        call: CallId,
        /// Why.
        reason: EndReason,
    },
}

impl CallEvent {
    /// The call that this is about.
    #[must_use]
    pub const fn call(&self) -> CallId {
        match self {
            Self::Incoming { call, .. }
            | Self::Confirmed { call }
            | Self::AnswerIn { call, .. }
            | Self::Offered { call, .. }
            | Self::OfferWanted { call }
            | Self::Succeeded { call, .. }
            | Self::Info { call, .. }
            | Self::Referred { call, .. }
            | Self::Sent { call, .. }
            | Self::Ringing { call }
            | Self::Answered { call, .. }
            | Self::Ended { call, .. } => *call,
        }
    }
}

impl fmt::Debug for CallEvent {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Incoming {
                call,
                trunk,
                offer,
                direct,
                ..
            } => f
                .debug_struct("Incoming")
                .field("call", call)
                .field("trunk", trunk)
                .field("with_offer", &offer.is_some())
                .field("direct", direct)
                .finish_non_exhaustive(),
            Self::Ended { call, reason } => f
                .debug_struct("Ended")
                .field("call", call)
                .field("reason", reason)
                .finish(),
            other => {
                let name = match other {
                    Self::Confirmed { .. } => "Confirmed",
                    Self::AnswerIn { .. } => "AnswerIn",
                    Self::Offered { .. } => "Offered",
                    Self::OfferWanted { .. } => "OfferWanted",
                    Self::Succeeded { .. } => "Succeeded",
                    Self::Referred { .. } => "Referred",
                    Self::Sent { .. } => "Sent",
                    Self::Ringing { .. } => "Ringing",
                    Self::Answered { .. } => "Answered",
                    _ => "Info",
                };
                f.debug_struct(name)
                    .field("call", &other.call())
                    .finish_non_exhaustive()
            }
        }
    }
}

/// What the owner wants done with a call. Commands for a call that has ended are ignored (they race with its end).
#[derive(Clone, PartialEq, Eq)]
pub enum CallCommand {
    /// Place a call. `Ended` follows if it cannot be, or is not taken.
    Dial {
        /// The call: an id of [`CallId::placed`] that was never used.
        call: CallId,
        /// Trunks in the order in which they are tried: the next one when one cannot be reached or fails (5xx).
        routes: Vec<Route>,
        /// How long it rings.
        ring: Duration,
        /// Whose place it takes; whoever cannot let it do so refuses it.
        replaces: Option<Replacement>,
    },
    /// Send `180 Ringing`.
    Ring {
        /// The call.
        call: CallId,
    },
    /// Answer the INVITE with 200 and this SDP (answer, or offer when the INVITE had none).
    Answer {
        /// The call.
        call: CallId,
        /// SDP of ours.
        sdp: String,
    },
    /// Refuse the INVITE with a status from 300 to 699 (others are sent as 500). `Ended` follows.
    Refuse {
        /// The call.
        call: CallId,
        /// SIP status.
        status: u16,
    },
    /// Answer a re-INVITE or UPDATE with 200 and this SDP.
    AcceptOffer {
        /// The call.
        call: CallId,
        /// SDP of ours.
        sdp: String,
    },
    /// Refuse a re-INVITE or UPDATE (usually 488); the session goes on as it was.
    RefuseOffer {
        /// The call.
        call: CallId,
        /// SIP status.
        status: u16,
    },
    /// Ask the far end for a keyframe by SIP INFO (RFC 5168). Left out while an earlier one waits for its answer.
    AskPicture {
        /// The call.
        call: CallId,
    },
    /// Tell who has asked for another call how far that is (NOTIFY); from 200 on it is the last word.
    Referral {
        /// The call.
        call: CallId,
        /// Whose wish it is about; of one that is over nothing is said any more.
        refer: ReferId,
        /// SIP status of the other call.
        status: u16,
    },
    /// Ask the far end to call somebody else in our place (REFER); what comes of it is told by [`CallEvent::Sent`]. One at a time.
    Refer {
        /// The call.
        call: CallId,
        /// The number, as in [`Route`]; the call's own trunk must take calls of ours, whose way of writing it counts.
        number: String,
        /// Where the number is, if not simply at the trunk's domain; what it says must be the trunk's.
        at: Option<Proxy>,
    },
    /// End the call whatever its state: BYE, or a refusal when not yet answered. `Ended` follows at once.
    Hangup {
        /// The call.
        call: CallId,
        /// Why.
        reason: HangupReason,
    },
}

impl CallCommand {
    /// The call that this is about.
    #[must_use]
    pub const fn call(&self) -> CallId {
        match self {
            Self::Dial { call, .. }
            | Self::Ring { call }
            | Self::Answer { call, .. }
            | Self::Refuse { call, .. }
            | Self::AcceptOffer { call, .. }
            | Self::RefuseOffer { call, .. }
            | Self::AskPicture { call }
            | Self::Referral { call, .. }
            | Self::Refer { call, .. }
            | Self::Hangup { call, .. } => *call,
        }
    }
}

impl fmt::Debug for CallCommand {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let name = match self {
            Self::Dial { .. } => "Dial",
            Self::Ring { .. } => "Ring",
            Self::Answer { .. } => "Answer",
            Self::Refuse { .. } => "Refuse",
            Self::AcceptOffer { .. } => "AcceptOffer",
            Self::RefuseOffer { .. } => "RefuseOffer",
            Self::AskPicture { .. } => "AskPicture",
            Self::Referral { .. } => "Referral",
            Self::Refer { .. } => "Refer",
            Self::Hangup { .. } => "Hangup",
        };
        f.debug_struct(name)
            .field("call", &self.call())
            .finish_non_exhaustive()
    }
}
