//! SDP offer/answer (RFC 3264) of one phone call: one audio stream of plain RTP, every other m-line refused
//! with port 0. Tolerant of what comes in, strict in what goes out. Owns no sockets.

use std::net::SocketAddr;

use plenum_codecs::audio::AudioCodec;

/// Direction of a stream as *we* hold it after negotiation.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Direction {
    /// Both ways.
    SendReceive,
    /// We only send (the far end said `recvonly`).
    SendOnly,
    /// We only receive (the far end said `sendonly`: it holds us and may play music).
    ReceiveOnly,
    /// Neither way (hold).
    Inactive,
}

impl Direction {
    /// Whether we send media.
    #[must_use]
    pub const fn sends(self) -> bool {
        matches!(self, Self::SendReceive | Self::SendOnly)
    }

    /// Whether we expect media.
    #[must_use]
    pub const fn receives(self) -> bool {
        matches!(self, Self::SendReceive | Self::ReceiveOnly)
    }

    /// Whether the far end has put us on hold.
    #[must_use]
    pub const fn is_hold(self) -> bool {
        !matches!(self, Self::SendReceive)
    }
}

/// What we are ready to do in one call.
#[derive(Clone, Debug)]
pub struct SessionPolicy {
    /// Codecs that we take, best first.
    pub codecs: Vec<AudioCodec>,
    /// Take part in telephone-event (RFC 4733).
    pub telephone_event: bool,
    /// Our RTP address as announced.
    pub local_rtp: SocketAddr,
    /// Our RTCP port when it is not RTP's plus one (RFC 3605).
    pub local_rtcp_port: Option<u16>,
    /// Number in the o-line; stays the same for the whole call.
    pub session_id: u64,
}

/// What must be remembered of a session for the next offer or answer. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    version: u64,
}

/// The audio stream as agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AudioSession {
    /// Where the far end says it receives RTP; an unspecified address means "hold" of the old kind.
    pub remote_rtp: SocketAddr,
    /// Where it receives RTCP.
    pub remote_rtcp: SocketAddr,
    /// The codec.
    pub codec: AudioCodec,
    /// Payload type to *send* with: the far end's number.
    pub payload_type: u8,
    /// Payload type that the far end sends with: the number that we announced. The same when we answered.
    pub receive_payload_type: u8,
    /// telephone-event: payload type and clock rate in Hz.
    pub telephone_event: Option<(u8, u32)>,
    /// Comfort noise (RFC 3389) payload type, when the far end offered it.
    pub comfort_noise: Option<u8>,
    /// Which ways media flow.
    pub direction: Direction,
    /// Packet time that the far end wants, milliseconds, 10 to 120; 20 when it says nothing.
    pub ptime: u16,
}

/// The outcome of an offer that was answered.
#[derive(Clone, Debug)]
pub struct Negotiated {
    /// Our SDP to send.
    pub answer: String,
    /// To remember.
    pub session: Session,
    /// The stream.
    pub audio: AudioSession,
}

/// Why a description cannot be used. All are the peer's fault and map to 488, except the first two: 400.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SdpError {
    /// Larger than the bound.
    #[error("session description of {0} bytes is too long")]
    TooLong(usize),
    /// It cannot be read.
    #[error("session description cannot be read")]
    Malformed,
    /// Too many m-lines.
    #[error("session description has {0} media, too many")]
    TooManyMedia(usize),
    /// No audio stream that is not refused or of a profile that we lack.
    #[error("no audio stream over RTP/AVP")]
    NoAudio,
    /// Only secure RTP is offered, which is not supported on SIP calls yet.
    #[error("only SRTP is offered")]
    OnlySrtp,
    /// No codec in common.
    #[error("no codec in common")]
    NoCodec,
    /// No usable address.
    #[error("no usable connection address")]
    NoAddress,
    /// An answer that does not fit the offer.
    #[error("answer does not fit the offer")]
    AnswerMismatch,
}

impl SdpError {
    /// The status to refuse an offer with.
    #[must_use]
    pub const fn status(&self) -> u16 {
        match self {
            Self::TooLong(_) | Self::Malformed => 400,
            _ => 488,
        }
    }
}

/// Answers an offer. `previous` is the session so far when it is a re-INVITE or UPDATE.
///
/// # Errors
/// When the offer cannot be read or holds nothing that we can do.
pub fn answer(
    _offer: &str,
    _policy: &SessionPolicy,
    _previous: Option<&Session>,
) -> Result<Negotiated, SdpError> {
    Err(SdpError::NoAudio)
}

/// Makes an offer of ours, for an INVITE without one.
#[must_use]
pub fn offer(_policy: &SessionPolicy, _previous: Option<&Session>) -> (String, Session) {
    (String::new(), Session { version: 1 })
}

/// Reads the answer to an offer of ours.
///
/// # Errors
/// When the answer cannot be read or does not fit the offer.
pub fn accept_answer(
    _answer: &str,
    _policy: &SessionPolicy,
    _offered: &Session,
) -> Result<AudioSession, SdpError> {
    Err(SdpError::NoAudio)
}
