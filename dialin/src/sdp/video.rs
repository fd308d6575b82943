//! The video stream of a call: H.264 in packetization mode 1 (RFC 6184), taken when it is offered and wanted, refused with port 0
//! otherwise. It never refuses a call.

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;

use std::net::SocketAddr;

use plenum_codecs::video::h264::Limit;

use super::crypto::{self, Line, Protection};
use super::read::{Description, H264Format};
use super::{Direction, SdpError, Session, SessionPolicy};

/// Level 4 (1920x1088): what we say that we take at most.
const MOST_LEVEL: u8 = 40;
/// Our payload type in an offer.
pub(super) const OFFERED: u8 = 120;
/// Constrained Baseline, level 3.1: of an offer of ours.
pub(super) const OFFERED_PROFILE: [u8; 3] = [0x42, 0xe0, 0x1f];
/// Of 1,000 bits of `b=AS`, which counts headers (RFC 4566 section 5.8), those that are video.
const VIDEO_PER_MILLE: u64 = 950;

/// How the far end wants to be asked for keyframes, and asks: by RTCP, as far as it says so (RFC 4585, RFC 5104).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct KeyframeFeedback {
    /// `nack pli`.
    pub pli: bool,
    /// `ccm fir`.
    pub fir: bool,
}

/// The video stream as agreed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct VideoSession {
    /// Where the far end says it receives RTP.
    pub remote_rtp: SocketAddr,
    /// Where it receives RTCP.
    pub remote_rtcp: SocketAddr,
    /// Payload type to *send* with.
    pub payload_type: u8,
    /// Payload type that the far end sends with.
    pub receive_payload_type: u8,
    /// Which ways media flow.
    pub direction: Direction,
    /// What the far end takes: its level, its parameters beyond that, and its `b=` line.
    pub limit: Limit,
    /// By RTCP.
    pub feedback: KeyframeFeedback,
    /// How it is encrypted, if it is.
    pub srtp: Option<Protection>,
    /// `profile-level-id` of the answer.
    pub(super) profile: [u8; 3],
    /// `level-asymmetry-allowed` was offered.
    pub(super) asymmetric: bool,
}

/// Whether an offer holds a video stream that is not refused, so that it is worth having a port for it.
#[must_use]
pub fn offers_video(offer: &str) -> bool {
    Description::read(offer).is_ok_and(|description| {
        description
            .media()
            .iter()
            .any(|media| media.media.eq_ignore_ascii_case("video") && media.port != 0)
    })
}

/// The video stream of an answer to our offer, if the far end took it. Call it after [`super::accept_answer`].
///
/// # Errors
/// When the answer cannot be read.
pub fn accept_video_answer(
    answer: &str,
    policy: &SessionPolicy,
    offered: &Session,
) -> Result<Option<VideoSession>, SdpError> {
    let description = Description::read(answer)?;
    let Some(place) = place(&offered.media) else {
        return Ok(None);
    };
    let Some((_, line, session)) =
        choose(&description, policy).filter(|(index, ..)| *index == place)
    else {
        return Ok(None);
    };
    let srtp = match line {
        None => None,
        Some(line) => Some(
            crypto::accept(line, &offered.keys.video_offered).ok_or(SdpError::AnswerMismatch)?,
        ),
    };
    Ok(Some(VideoSession {
        receive_payload_type: OFFERED,
        srtp,
        ..session
    }))
}

/// Which m-line of a session is the video stream in offers of ours: the first.
pub(super) fn place(media: &[(String, String)]) -> Option<usize> {
    media
        .iter()
        .position(|(kind, _)| kind.eq_ignore_ascii_case("video"))
}

/// The first video stream that we can take, with its keys if it is encrypted.
pub(super) fn choose(
    description: &Description,
    policy: &SessionPolicy,
) -> Option<(usize, Option<Line>, VideoSession)> {
    policy.local_video?;
    (0..description.media().len()).find_map(|index| {
        let line = description.video_at(index, &policy.srtp)?;
        Some((index, line, stream(description, index)?))
    })
}

fn stream(description: &Description, index: usize) -> Option<VideoSession> {
    let format = description
        .h264_formats(index)
        .into_iter()
        .filter(|format| format.packetization_mode == 1)
        .filter_map(|format| Some((rank(format.profile)?, format)))
        .min_by_key(|(rank, _)| *rank)?
        .1;
    let limit = limit(&format, description.bandwidth(index))?;
    let remote_rtp = description.rtp_address(index).ok()?;
    let direction = description.direction(index).reversed();
    Some(VideoSession {
        remote_rtcp: description.rtcp_address(index, remote_rtp),
        remote_rtp,
        payload_type: format.number,
        receive_payload_type: format.number,
        direction: super::held_by_address(direction, remote_rtp),
        limit,
        feedback: description.keyframe_feedback(index, format.number),
        srtp: None,
        profile: [
            format.profile[0],
            format.profile[1],
            format.profile[2].min(MOST_LEVEL),
        ],
        asymmetric: format.asymmetric,
    })
}

/// Baseline first: it is what we send. Decoders of Main and High take it, too, and we take theirs.
fn rank(profile: [u8; 3]) -> Option<u8> {
    match profile[0] {
        0x42 => Some(0),
        0x4d => Some(1),
        0x64 => Some(2),
        _ => None,
    }
}

/// What the far end takes (RFC 6184 section 8.1), and never more than its bandwidth.
fn limit(format: &H264Format, bandwidth: Option<Bandwidth>) -> Option<Limit> {
    let [profile, constraints, level] = format.profile;
    // In Baseline and Main level 1b is 11 with constraint_set3_flag (ITU-T H.264 §A.3.1); some write 9.
    let level_1b = level == 9 || (profile != 0x64 && constraints & 0x10 != 0);
    let level = if level == 9 { 11 } else { level };
    let mut limit = Limit::of_level(level, level_1b)?;
    let raise = |value: &mut u32, by: Option<u32>| *value = (*value).max(by.unwrap_or(0));
    raise(&mut limit.macroblocks, format.max_fs);
    raise(&mut limit.macroblocks_per_second, format.max_mbps);
    let max_br = format.max_br.map(|kilobits| kilobits.saturating_mul(1_000));
    raise(&mut limit.bitrate, max_br);
    let cap = match bandwidth {
        None => u64::from(u32::MAX),
        Some(Bandwidth::Media(bits)) => bits,
        Some(Bandwidth::WithHeaders(kilobits)) => kilobits.saturating_mul(VIDEO_PER_MILLE),
    };
    limit.bitrate = limit.bitrate.min(u32::try_from(cap).unwrap_or(u32::MAX));
    Some(limit)
}

/// A `b=` line of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Bandwidth {
    /// `TIAS` (RFC 3890): bits per second without headers of lower layers.
    Media(u64),
    /// `AS`: kilobits per second with headers.
    WithHeaders(u64),
}
