//! SDP offer/answer (RFC 3264) of one phone call: one audio stream of plain RTP, one of video where that is wanted, every other
//! m-line refused with port 0. Tolerant of what comes in, strict in what goes out. Owns no sockets.

mod read;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
mod video;
mod write;

use std::net::SocketAddr;

use plenum_codecs::audio::AudioCodec;

use read::{Description, Formats};
pub use video::{KeyframeFeedback, VideoSession, accept_video_answer, offers_video};

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
    /// Our RTP address for video; `None`: video is refused. Its host is that of `local_rtp`.
    pub local_video: Option<SocketAddr>,
    /// Number in the o-line; stays the same for the whole call.
    pub session_id: u64,
}

/// What must be remembered of a session for the next offer or answer. Opaque.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Session {
    /// Version in the o-line that was sent last.
    version: u64,
    /// Our description as sent last, without its version: an unchanged one keeps its version (RFC 3264 section 8).
    sent: String,
    /// Media types and profiles of all m-lines so far; they may only grow (RFC 3264 section 8).
    media: Vec<(String, String)>,
    /// Payload types that we offered, per codec, and that of telephone-event.
    offered: Vec<(AudioCodec, u8)>,
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
    /// The video stream, when one was offered that we can take.
    pub video: Option<VideoSession>,
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
    offer: &str,
    policy: &SessionPolicy,
    previous: Option<&Session>,
) -> Result<Negotiated, SdpError> {
    let description = Description::read(offer)?;
    if previous.is_some_and(|previous| description.media().len() < previous.media.len()) {
        return Err(SdpError::Malformed); // m-lines never go away (RFC 3264 section 8)
    }
    let index = description.choose_audio()?;
    let formats = description.formats(index);
    let (codec, payload_type) = choose_codec(&formats, policy).ok_or(SdpError::NoCodec)?;
    let audio = stream(&description, index, &formats, codec, payload_type, policy)?;
    let video = video::choose(&description, policy);
    let body = write::answer(&description, index, &audio, video.as_ref(), policy);
    let media = description.media_lines();
    let (answer, session) = versioned(body, media, Vec::new(), policy, previous);
    Ok(Negotiated {
        answer,
        session,
        audio,
        video: video.map(|(_, video)| video),
    })
}

/// Makes an offer of ours, for an INVITE without one.
#[must_use]
pub fn offer(policy: &SessionPolicy, previous: Option<&Session>) -> (String, Session) {
    let offered = offered_types(policy);
    // A session that has m-lines keeps them: the audio stream in the first place, refused ones as they were.
    let plain = |kind: &str| (kind.to_owned(), "RTP/AVP".to_owned());
    let mut media = previous.map_or_else(|| vec![plain("audio")], |session| session.media.clone());
    if policy.local_video.is_some() && video::place(&media).is_none() {
        media.push(plain("video"));
    }
    let body = write::offer(&offered, &media, policy);
    versioned(body, media, offered, policy, previous)
}

/// Reads the answer to an offer of ours.
///
/// # Errors
/// When the answer cannot be read or does not fit the offer.
pub fn accept_answer(
    answer: &str,
    policy: &SessionPolicy,
    offered: &Session,
) -> Result<AudioSession, SdpError> {
    let description = Description::read(answer)?;
    if description.media().len() != offered.media.len() {
        return Err(SdpError::AnswerMismatch);
    }
    let index = description.choose_audio()?;
    let formats = description.formats(index);
    let (codec, payload_type) = choose_codec(&formats, policy).ok_or(SdpError::NoCodec)?;
    let receive = offered
        .offered
        .iter()
        .find(|(of, _)| *of == codec)
        .map(|(_, number)| *number);
    let mut audio = stream(&description, index, &formats, codec, payload_type, policy)?;
    audio.receive_payload_type = receive.ok_or(SdpError::AnswerMismatch)?;
    Ok(audio)
}

/// Our first codec that the far end has too.
fn choose_codec(formats: &Formats, policy: &SessionPolicy) -> Option<(AudioCodec, u8)> {
    policy
        .codecs
        .iter()
        .find_map(|codec| formats.codec(*codec).map(|number| (*codec, number)))
}

fn stream(
    description: &Description,
    index: usize,
    formats: &Formats,
    codec: AudioCodec,
    payload_type: u8,
    policy: &SessionPolicy,
) -> Result<AudioSession, SdpError> {
    let remote_rtp = description.rtp_address(index)?;
    let direction = held_by_address(description.direction(index).reversed(), remote_rtp);
    // The clock of telephone-event is that of the codec beside it (RFC 4733 section 2.1); 8000 serves for all else.
    let wanted = codec.clock_rate();
    let telephone_event = formats
        .telephone_event(wanted)
        .or_else(|| formats.telephone_event(8_000))
        .filter(|_| policy.telephone_event);
    Ok(AudioSession {
        remote_rtcp: description.rtcp_address(index, remote_rtp),
        remote_rtp,
        codec,
        payload_type,
        receive_payload_type: payload_type,
        telephone_event,
        // Payload type 13 describes noise at 8 kHz; Opus has comfort noise of its own (RFC 7587 section 3.1.3).
        comfort_noise: formats
            .comfort_noise()
            .filter(|_| codec != AudioCodec::Opus),
        direction,
        ptime: description.ptime(index),
    })
}

/// Hold as before RFC 3264: an address of zeros means "do not send".
fn held_by_address(direction: Direction, remote: SocketAddr) -> Direction {
    match direction {
        Direction::SendReceive if remote.ip().is_unspecified() => Direction::ReceiveOnly,
        Direction::SendOnly if remote.ip().is_unspecified() => Direction::Inactive,
        other => other,
    }
}

/// Payload types of an offer of ours: static ones where they exist.
fn offered_types(policy: &SessionPolicy) -> Vec<(AudioCodec, u8)> {
    let mut dynamic = 110_u8;
    let mut offered = Vec::new();
    for codec in &policy.codecs {
        let number = codec.static_payload_type().unwrap_or_else(|| {
            dynamic += 1;
            dynamic
        });
        offered.push((*codec, number));
    }
    offered
}

/// Puts the o-line before a body, with the next version unless nothing has changed.
fn versioned(
    body: String,
    media: Vec<(String, String)>,
    offered: Vec<(AudioCodec, u8)>,
    policy: &SessionPolicy,
    previous: Option<&Session>,
) -> (String, Session) {
    let version = previous.map_or(1, |previous| {
        if previous.sent == body {
            previous.version
        } else {
            previous.version.saturating_add(1)
        }
    });
    let text = write::with_origin(&body, version, policy);
    (
        text,
        Session {
            version,
            sent: body,
            media,
            offered,
        },
    )
}

impl Direction {
    const fn reversed(self) -> Self {
        match self {
            Self::SendOnly => Self::ReceiveOnly,
            Self::ReceiveOnly => Self::SendOnly,
            other => other,
        }
    }

    /// The SDP attribute.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::SendReceive => "sendrecv",
            Self::SendOnly => "sendonly",
            Self::ReceiveOnly => "recvonly",
            Self::Inactive => "inactive",
        }
    }
}
