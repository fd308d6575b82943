//! SDP offer/answer (RFC 3264) of one phone call: one audio stream, one of video where that is wanted, both plain or with SRTP
//! (RFC 4568, RFC 5763), every other m-line refused with port 0. Tolerant of what comes in, strict in what goes out. Owns no sockets.

mod crypto;
mod dtls;
mod read;
#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
mod video;
mod write;

use std::fmt;
use std::net::SocketAddr;

use plenum_codecs::audio::AudioCodec;

use crypto::{CryptoLine, Stream};
pub use crypto::{CryptoSuite, KeyMaterial, MasterKey, Protection, SrtpKeys, SrtpPolicy};
pub use dtls::{CertificateHash, DtlsRole, DtlsSession, Fingerprint};
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
    /// Whether media is encrypted.
    pub srtp: SrtpPolicy,
}

/// What must be remembered of a session for the next offer or answer. Opaque, in Debug too: descriptions hold keys.
#[derive(Clone, PartialEq, Eq)]
pub struct Session {
    /// Version in the o-line that was sent last.
    version: u64,
    /// Our description as sent last, without its version: an unchanged one keeps its version (RFC 3264 section 8).
    sent: String,
    /// Media types and profiles of all m-lines so far; they may only grow (RFC 3264 section 8).
    media: Vec<(String, String)>,
    /// Payload types that we offered, per codec, and that of telephone-event.
    offered: Vec<(AudioCodec, u8)>,
    keys: Keys,
}

/// Keys of a session's audio and video: those agreed, and those that we offered.
#[derive(Clone, Default, PartialEq, Eq)]
struct Keys {
    audio: Option<Protection>,
    video: Option<Protection>,
    audio_offered: Vec<CryptoLine>,
    video_offered: Vec<CryptoLine>,
}

impl Session {
    /// Takes the keys of an answer to our offer, so that the next offer or answer goes on with them.
    pub fn agreed(&mut self, audio: &AudioSession, video: Option<&VideoSession>) {
        self.keys.audio.clone_from(&audio.srtp);
        self.keys.video = video.and_then(|video| video.srtp.clone());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Session")
            .field("version", &self.version)
            .finish_non_exhaustive()
    }
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
    /// How it is encrypted, if it is.
    pub srtp: Option<Protection>,
}

/// The outcome of an offer that was answered.
#[derive(Clone)]
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

impl fmt::Debug for Negotiated {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Negotiated")
            .field("audio", &self.audio)
            .field("video", &self.video)
            .finish_non_exhaustive()
    }
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
    #[error("no audio stream over RTP")]
    NoAudio,
    /// Only SRTP is offered, which the trunk does not have, or in no way that we can do.
    #[error("only SRTP is offered, or in a way that is not supported")]
    OnlySrtp,
    /// Only plain RTP is offered, and the trunk wants SRTP.
    #[error("no SRTP is offered, which the trunk requires")]
    OnlyPlain,
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
    let (index, line) = description.choose_audio(&policy.srtp)?;
    let formats = description.formats(index);
    let (codec, payload_type) = choose_codec(&formats, policy).ok_or(SdpError::NoCodec)?;
    let mut audio = stream(&description, index, &formats, codec, payload_type, policy)?;
    let known = previous.map(|previous| &previous.keys);
    audio.srtp = line.and_then(|line| {
        let known = known.and_then(|keys| keys.audio.as_ref());
        crypto::answer(line, &policy.srtp, Stream::Audio, known)
    });
    let video = video::choose(&description, policy).map(|(index, line, mut video)| {
        video.srtp = line.and_then(|line| {
            let known = known.and_then(|keys| keys.video.as_ref());
            crypto::answer(line, &policy.srtp, Stream::Video, known)
        });
        (index, video)
    });
    let body = write::answer(&description, index, &audio, video.as_ref(), policy);
    let media = description.media_lines();
    let (answer, mut session) = versioned(body, media, Vec::new(), policy, previous);
    session.agreed(&audio, video.as_ref().map(|(_, video)| video));
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
    let profile = if policy.srtp.offers_handshake() {
        dtls::PROFILE
    } else if policy.srtp.is_required() {
        "RTP/SAVP"
    } else {
        "RTP/AVP"
    };
    let fresh = |kind: &str| (kind.to_owned(), profile.to_owned());
    let mut media = previous.map_or_else(|| vec![fresh("audio")], |session| session.media.clone());
    if policy.local_video.is_some() && video::place(&media).is_none() {
        media.push(fresh("video"));
    }
    let mut keys = previous.map_or_else(Keys::default, |session| session.keys.clone());
    keys.audio_offered = crypto::offer(&policy.srtp, Stream::Audio, keys.audio.as_ref());
    keys.video_offered = crypto::offer(&policy.srtp, Stream::Video, keys.video.as_ref());
    let body = write::offer(&offered, &media, &keys, policy);
    let (text, mut session) = versioned(body, media, offered, policy, previous);
    session.keys = keys;
    (text, session)
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
    let (index, line) = description.choose_audio(&policy.srtp)?;
    let formats = description.formats(index);
    let (codec, payload_type) = choose_codec(&formats, policy).ok_or(SdpError::NoCodec)?;
    let receive = offered
        .offered
        .iter()
        .find(|(of, _)| *of == codec)
        .map(|(_, number)| *number);
    let mut audio = stream(&description, index, &formats, codec, payload_type, policy)?;
    audio.receive_payload_type = receive.ok_or(SdpError::AnswerMismatch)?;
    audio.srtp = match line {
        None => None,
        Some(line) => Some(
            crypto::accept(line, &offered.keys.audio_offered).ok_or(SdpError::AnswerMismatch)?,
        ),
    };
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
        srtp: None,
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
            keys: Keys::default(),
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
