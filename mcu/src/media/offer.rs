//! What must hold of an SDP offer before the WebRTC stack may see it.
//!
//! The stack asserts on a payload type bound twice and spends memory per `m=` line; both are in the hands of
//! any stranger with a browser console. This reads just enough of the offer to refuse such ones.

use std::collections::HashMap;

use super::Limits;

/// Why an offer was refused. Always the peer's fault.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OfferError {
    /// More bytes than the configured cap.
    #[error("offer has {0} bytes")]
    TooLong(usize),
    /// More `m=` lines than the configured cap.
    #[error("offer has more than {0} media lines")]
    TooManyLines(usize),
    /// A payload type is listed twice, or stands for two codecs.
    #[error("payload type {0} is bound twice")]
    PayloadTypeTwice(u8),
    /// A data channel or another kind of media that is not served.
    #[error("media other than audio and video is not served")]
    NotAudioVideo,
    /// There is no audio line with a codec we have.
    #[error("no usable audio line")]
    NoAudio,
    /// The media lines do not start with those of the earlier offers.
    #[error("media lines changed their order")]
    Reordered,
    /// A header extension id stands for two extensions, or the transport-wide number has two ids.
    #[error("header extension ids are ambiguous")]
    AmbiguousExtension,
    /// Not SDP, or not what WebRTC needs.
    #[error("malformed: {0}")]
    Malformed(String),
}

/// Kind of an `m=` line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum LineKind {
    Audio,
    Video,
}

/// One `m=` line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) kind: LineKind,
    pub(super) mid: String,
}

/// The `m=` lines of an offer, in order.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Outline {
    pub(super) lines: Vec<Line>,
    /// Header extension id of the transport-wide number, on whichever line it stands.
    pub(super) transport_number: Option<u8>,
    /// What each header extension id stands for, in a bundle the same on every line (RFC 9143 §9.2).
    extensions: HashMap<u8, String>,
}

impl Outline {
    /// Reads and checks an offer.
    pub(super) fn read(offer: &str, limits: &Limits) -> Result<Self, OfferError> {
        if offer.len() > limits.sdp_bytes {
            return Err(OfferError::TooLong(offer.len()));
        }
        let mut lines: Vec<Line> = Vec::new();
        let mut codecs = Codecs::default();
        let mut extensions = HashMap::new();
        for line in offer.lines() {
            let line = line.trim_end();
            if let Some(media) = line.strip_prefix("m=") {
                if lines.len() == limits.media_lines {
                    return Err(OfferError::TooManyLines(limits.media_lines));
                }
                lines.push(Line {
                    kind: codecs.begin(media)?,
                    mid: String::new(),
                });
            } else if let Some(mid) = line.strip_prefix("a=mid:") {
                let Some(last) = lines.last_mut() else {
                    continue;
                };
                // str0m keeps 16 bytes of a mid; a longer one would come back cut.
                if mid.is_empty() || mid.len() > 16 || !mid.is_ascii() || !last.mid.is_empty() {
                    return Err(OfferError::Malformed("a=mid".to_owned()));
                }
                last.mid = mid.to_owned();
            } else if let Some(map) = line.strip_prefix("a=rtpmap:") {
                codecs.map(map)?;
            } else if let Some(map) = line.strip_prefix("a=extmap:") {
                map_extension(&mut extensions, map)?;
            }
        }
        let mut mids: Vec<&str> = lines.iter().map(|l| l.mid.as_str()).collect();
        mids.sort_unstable();
        let twice = mids.windows(2).any(|pair| pair[0] == pair[1]);
        if twice || mids.first().is_none_or(|mid| mid.is_empty()) {
            return Err(OfferError::Malformed(
                "every m= line needs an a=mid of its own".to_owned(),
            ));
        }
        let mut numbers = extensions
            .iter()
            .filter(|(_, uri)| *uri == TRANSPORT_NUMBER)
            .map(|(id, _)| *id);
        let transport_number = numbers.next();
        if numbers.next().is_some() {
            return Err(OfferError::AmbiguousExtension);
        }
        Ok(Self {
            lines,
            transport_number,
            extensions,
        })
    }

    /// Whether this offer keeps the lines of an earlier one in their places (RFC 3264 §8).
    pub(super) fn continues(&self, earlier: &Self) -> bool {
        self.lines.starts_with(&earlier.lines)
    }

    /// Whether the transport-wide number, agreed under `id`, has moved, or something else has taken its id.
    pub(super) fn moves_transport_number(&self, id: u8) -> bool {
        let stands_for = self.extensions.get(&id);
        stands_for.is_some_and(|uri| uri != TRANSPORT_NUMBER)
            || self.transport_number.is_some_and(|now| now != id)
    }
}

/// The offer without the transport-wide number on its audio lines, so that the answer does not agree to it there: the
/// stack, which answers each number with a feedback, does not see most of the audio.
pub(super) fn without_audio_numbers(offer: &str) -> String {
    let mut audio = false;
    let kept = offer.split_inclusive('\n').filter(|line| {
        if let Some(media) = line.strip_prefix("m=") {
            audio = media.starts_with("audio ");
        }
        !(audio && line.starts_with("a=extmap:") && line.trim_end().ends_with(TRANSPORT_NUMBER))
    });
    kept.collect()
}

/// The transport-wide sequence number, as the stack knows it.
const TRANSPORT_NUMBER: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// Takes over `<id>["/"<direction>] <URI> …` (RFC 8285 §5).
fn map_extension(extensions: &mut HashMap<u8, String>, map: &str) -> Result<(), OfferError> {
    let malformed = || OfferError::Malformed("a=extmap".to_owned());
    let (number, rest) = map.split_once(' ').ok_or_else(malformed)?;
    let id = number.split('/').next().unwrap_or_default();
    let id = id.parse::<u8>().map_err(|_| malformed())?;
    let uri = rest.split(' ').next().unwrap_or_default();
    match extensions.get(&id) {
        Some(known) if known != uri => Err(OfferError::AmbiguousExtension),
        Some(_) => Ok(()),
        None => {
            extensions.insert(id, uri.to_owned());
            Ok(())
        }
    }
}

/// Payload types seen so far. In a bundle one payload type stands for one codec (RFC 9143 §10.1.2).
#[derive(Debug, Default)]
struct Codecs {
    /// Of the whole offer.
    by_type: HashMap<u8, String>,
    /// Of this `m=` line: whether its `rtpmap` came already.
    of_line: HashMap<u8, bool>,
}

impl Codecs {
    fn begin(&mut self, media: &str) -> Result<LineKind, OfferError> {
        let mut fields = media.split(' ');
        let kind = match fields.next() {
            Some("audio") => LineKind::Audio,
            Some("video") => LineKind::Video,
            _ => return Err(OfferError::NotAudioVideo),
        };
        self.of_line.clear();
        for field in fields.skip(2) {
            let Ok(number @ 0..=127) = field.parse::<u8>() else {
                return Err(OfferError::Malformed("m= line".to_owned()));
            };
            if self.of_line.insert(number, false).is_some() {
                return Err(OfferError::PayloadTypeTwice(number));
            }
        }
        Ok(kind)
    }

    fn map(&mut self, map: &str) -> Result<(), OfferError> {
        let malformed = || OfferError::Malformed("a=rtpmap".to_owned());
        let (number, codec) = map.split_once(' ').ok_or_else(malformed)?;
        let number = number.parse::<u8>().map_err(|_| malformed())?;
        match self.of_line.get_mut(&number) {
            Some(mapped @ false) => *mapped = true,
            Some(true) => return Err(OfferError::PayloadTypeTwice(number)),
            None => return Err(malformed()),
        }
        let codec = codec.to_ascii_lowercase();
        match self.by_type.get(&number) {
            Some(known) if *known != codec => Err(OfferError::PayloadTypeTwice(number)),
            Some(_) => Ok(()),
            None => {
                self.by_type.insert(number, codec);
                Ok(())
            }
        }
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use super::*;

    const AUDIO: &str =
        "m=audio 9 UDP/TLS/RTP/SAVPF 111 0\r\na=mid:0\r\na=rtpmap:111 opus/48000/2\r\n";
    const VIDEO: &str = "m=video 9 UDP/TLS/RTP/SAVPF 96 97\r\na=mid:1\r\na=rtpmap:96 VP8/90000\r\na=rtpmap:97 rtx/90000\r\n";

    fn read(body: &str) -> Result<Outline, OfferError> {
        Outline::read(
            &format!("v=0\r\n{body}"),
            &Limits {
                media_lines: 4,
                ..Limits::default()
            },
        )
    }

    #[test]
    fn lines_are_read_in_order() {
        let outline = read(&format!("{AUDIO}{VIDEO}")).unwrap();
        let lines: Vec<_> = outline
            .lines
            .iter()
            .map(|l| (l.kind, l.mid.as_str()))
            .collect();
        assert_eq!(lines, [(LineKind::Audio, "0"), (LineKind::Video, "1")]);
    }

    #[test]
    fn one_payload_type_twice_is_refused() {
        let in_line = AUDIO.replace("111 0", "111 0 111");
        assert_eq!(read(&in_line), Err(OfferError::PayloadTypeTwice(111)));
        let two_maps = format!("{AUDIO}a=rtpmap:111 PCMU/8000\r\n");
        assert_eq!(read(&two_maps), Err(OfferError::PayloadTypeTwice(111)));
        let across = format!("{AUDIO}{}", VIDEO.replace("96", "111"));
        assert_eq!(read(&across), Err(OfferError::PayloadTypeTwice(111)));
        let second_video = VIDEO.replace("mid:1", "mid:2");
        assert!(
            read(&format!("{AUDIO}{VIDEO}{second_video}")).is_ok(),
            "the same codec on two lines is fine"
        );
    }

    #[test]
    fn size_and_line_caps_hold() {
        let long = format!("{AUDIO}{}", "a=x:y\r\n".repeat(20_000));
        assert!(matches!(read(&long), Err(OfferError::TooLong(_))));
        let many: String = (0..5)
            .map(|n| AUDIO.replace("mid:0", &format!("mid:{n}")))
            .collect();
        assert_eq!(read(&many), Err(OfferError::TooManyLines(4)));
    }

    #[test]
    fn data_channels_are_refused() {
        let data =
            format!("{AUDIO}m=application 9 UDP/DTLS/SCTP webrtc-datachannel\r\na=mid:5\r\n");
        assert_eq!(read(&data), Err(OfferError::NotAudioVideo));
    }

    #[test]
    fn mids_are_needed_once_each() {
        assert!(matches!(
            read(&AUDIO.replace("a=mid:0\r\n", "")),
            Err(OfferError::Malformed(_))
        ));
        assert!(matches!(
            read(&format!("{AUDIO}{AUDIO}")),
            Err(OfferError::Malformed(_))
        ));
        assert!(matches!(read(""), Err(OfferError::Malformed(_))));
    }

    #[test]
    fn the_transport_wide_number_has_one_id_on_all_lines() {
        let with = |body: &str, id: u8, uri: &str| format!("{body}a=extmap:{id} {uri}\r\n");
        let (number, level) = (
            TRANSPORT_NUMBER,
            "urn:ietf:params:rtp-hdrext:ssrc-audio-level",
        );
        let both = format!("{}{}", with(AUDIO, 3, number), with(VIDEO, 3, number));
        let outline = read(&both).unwrap();
        assert_eq!(outline.transport_number, Some(3));
        assert!(outline.moves_transport_number(5) && !outline.moves_transport_number(3));
        let video_only = read(&format!("{AUDIO}{}", with(VIDEO, 7, number))).unwrap();
        assert_eq!(video_only.transport_number, Some(7));
        for ambiguous in [
            format!("{}{}", with(AUDIO, 3, number), with(VIDEO, 5, number)),
            format!("{}{}", with(AUDIO, 3, level), with(VIDEO, 3, number)),
        ] {
            assert_eq!(read(&ambiguous), Err(OfferError::AmbiguousExtension));
        }
        let taken = read(&with(AUDIO, 3, level)).unwrap();
        assert!(taken.moves_transport_number(3) && taken.transport_number.is_none());
    }

    #[test]
    fn audio_is_offered_without_the_transport_wide_number() {
        let level = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
        let with = |line: &str, uri: &str| format!("{line}a=extmap:3 {uri}\r\n");
        let audio = with(AUDIO, level);
        let video = with(VIDEO, TRANSPORT_NUMBER);
        let offered = format!("{}{video}", with(&audio, TRANSPORT_NUMBER));
        assert_eq!(without_audio_numbers(&offered), format!("{audio}{video}"));
    }

    #[test]
    fn a_later_offer_may_add_lines_but_not_move_them() {
        let first = read(&format!("{AUDIO}{VIDEO}")).unwrap();
        let more = read(&format!(
            "{AUDIO}{VIDEO}{}",
            VIDEO.replace("mid:1", "mid:2")
        ))
        .unwrap();
        let moved = read(&format!("{VIDEO}{AUDIO}")).unwrap();
        assert!(more.continues(&first));
        assert!(!moved.continues(&first));
        assert!(!first.continues(&more));
    }
}
