//! Reads a session description, tolerantly and within bounds, and answers questions about its audio.

use std::net::{IpAddr, SocketAddr};

use plenum_codecs::audio::AudioCodec;

use super::crypto::{self, Line, SrtpPolicy};
use super::dtls::DtlsLine;
use super::video::{Bandwidth, KeyframeFeedback};
use super::{Direction, SdpError};

/// Largest description, bytes.
const MAX_BYTES: usize = 16 * 1024;
/// Most m-lines.
const MAX_MEDIA: usize = 16;
/// Most formats of one m-line that are looked at.
const MAX_FORMATS: usize = 32;

/// A parsed description.
pub(super) struct Description(sdp_types::Session);

/// The payload types of one m-line, with their names.
pub(super) struct Formats(Vec<Format>);

/// How the media of an m-line is protected.
enum MediaProtection {
    None,
    Srtp(Line),
    /// It is, and we cannot or may not.
    Unknown,
}

struct Format {
    number: u8,
    name: String,
    rate: u32,
    channels: u32,
}

impl Description {
    pub(super) fn read(text: &str) -> Result<Self, SdpError> {
        if text.len() > MAX_BYTES {
            return Err(SdpError::TooLong(text.len()));
        }
        let session =
            sdp_types::Session::parse(text.as_bytes()).map_err(|_| SdpError::Malformed)?;
        if session.medias.len() > MAX_MEDIA {
            return Err(SdpError::TooManyMedia(session.medias.len()));
        }
        Ok(Self(session))
    }

    pub(super) fn media(&self) -> &[sdp_types::Media] {
        &self.0.medias
    }

    fn at(&self, index: usize) -> Option<&sdp_types::Media> {
        self.0.medias.get(index)
    }

    /// Media type and profile of every m-line, as they came.
    pub(super) fn media_lines(&self) -> Vec<(String, String)> {
        self.0
            .medias
            .iter()
            .map(|media| (media.media.clone(), media.proto.clone()))
            .collect()
    }

    /// The first audio stream that we can take encrypted, with its keys, else the first plain one.
    pub(super) fn choose_audio(
        &self,
        policy: &SrtpPolicy,
    ) -> Result<(usize, Option<Line>), SdpError> {
        let mut plain = None;
        let mut error = SdpError::NoAudio;
        for (index, media) in self.0.medias.iter().enumerate() {
            if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 {
                continue;
            }
            match self.protection(index, policy) {
                Some(MediaProtection::Srtp(line)) => return Ok((index, Some(line))),
                Some(MediaProtection::None) => plain = plain.or(Some(index)),
                Some(MediaProtection::Unknown) => error = SdpError::OnlySrtp,
                None => {}
            }
        }
        match plain {
            Some(_) if policy.is_required() => Err(SdpError::OnlyPlain),
            Some(index) => Ok((index, None)),
            None => Err(error),
        }
    }

    /// How an m-line's media is to be protected; `None` when it is not RTP. Many phones offer keys in the plain profile when they can
    /// do without.
    fn protection(&self, index: usize, policy: &SrtpPolicy) -> Option<MediaProtection> {
        let media = self.at(index)?;
        let (otherwise, keys) = match media.proto.to_ascii_uppercase().as_str() {
            "RTP/AVP" | "RTP/AVPF" => (MediaProtection::None, true),
            "RTP/SAVP" | "RTP/SAVPF" => (MediaProtection::Unknown, true),
            // Of a handshake alone (RFC 5764 section 8).
            "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" => (MediaProtection::Unknown, false),
            _ => return None,
        };
        let keys = match policy {
            SrtpPolicy::Optional(_) | SrtpPolicy::Required(_) if keys => {
                crypto::first(media.get_attribute_values("crypto").flatten()).map(Line::Sdes)
            }
            _ => None,
        };
        let line = keys.or_else(|| self.handshake(index, policy).map(Line::Dtls));
        Some(line.map_or(otherwise, MediaProtection::Srtp))
    }

    /// What an m-line, or the session for all of them, says of its DTLS handshake, if we may have one.
    fn handshake(&self, index: usize, policy: &SrtpPolicy) -> Option<DtlsLine> {
        policy.certificate()?;
        let media = self.at(index)?;
        let own = media.has_attribute("fingerprint");
        let of_media = media.get_attribute_values("fingerprint").flatten();
        let of_session = self.0.get_attribute_values("fingerprint").flatten();
        let setup = media
            .get_first_attribute_value("setup")
            .or_else(|| self.0.get_first_attribute_value("setup"))
            .flatten();
        if own {
            DtlsLine::read(of_media, setup)
        } else {
            DtlsLine::read(of_session, setup)
        }
    }

    pub(super) fn formats(&self, index: usize) -> Formats {
        let Some(media) = self.at(index) else {
            return Formats(Vec::new());
        };
        let maps: Vec<(u8, &str)> = media
            .get_attribute_values("rtpmap")
            .flatten()
            .take(2 * MAX_FORMATS)
            .filter_map(|value| {
                let (number, rest) = value.trim().split_once(char::is_whitespace)?;
                Some((number.parse().ok()?, rest.trim()))
            })
            .collect();
        let mut formats: Vec<Format> = Vec::new();
        for number in media
            .fmt
            .split_ascii_whitespace()
            .take(MAX_FORMATS)
            .filter_map(|text| text.parse::<u8>().ok())
        {
            if number > 127 || formats.iter().any(|known| known.number == number) {
                continue;
            }
            let map = maps
                .iter()
                .find(|(of, _)| *of == number)
                .map(|(_, map)| *map);
            formats.extend(map.map_or_else(
                || Format::well_known(number),
                |map| Format::parse(number, map),
            ));
        }
        Formats(formats)
    }

    /// Direction of the far end, the media's before the session's.
    pub(super) fn direction(&self, index: usize) -> Direction {
        const NAMES: [(&str, Direction); 4] = [
            ("sendrecv", Direction::SendReceive),
            ("sendonly", Direction::SendOnly),
            ("recvonly", Direction::ReceiveOnly),
            ("inactive", Direction::Inactive),
        ];
        let of = |has: &dyn Fn(&str) -> bool| {
            NAMES
                .iter()
                .find(|(name, _)| has(name))
                .map(|(_, direction)| *direction)
        };
        self.at(index)
            .and_then(|media| of(&|name| media.has_attribute(name)))
            .or_else(|| of(&|name| self.0.has_attribute(name)))
            .unwrap_or(Direction::SendReceive)
    }

    pub(super) fn rtp_address(&self, index: usize) -> Result<SocketAddr, SdpError> {
        let media = self.at(index).ok_or(SdpError::NoAudio)?;
        let connection = media
            .connections
            .first()
            .or(self.0.connection.as_ref())
            .ok_or(SdpError::NoAddress)?;
        let ip = address(&connection.connection_address).ok_or(SdpError::NoAddress)?;
        Ok(SocketAddr::new(ip, media.port))
    }

    /// RTCP address: `a=rtcp` (RFC 3605), else the next port.
    pub(super) fn rtcp_address(&self, index: usize, rtp: SocketAddr) -> SocketAddr {
        let next = SocketAddr::new(rtp.ip(), rtp.port().saturating_add(1));
        let value = self
            .at(index)
            .and_then(|media| media.get_first_attribute_value("rtcp"))
            .flatten();
        let Some(value) = value else { return next };
        let mut words = value.split_ascii_whitespace();
        let Some(port) = words
            .next()
            .and_then(|port| port.parse::<u16>().ok())
            .filter(|port| *port != 0)
        else {
            return next;
        };
        let ip = words.nth(2).and_then(address).unwrap_or(rtp.ip());
        SocketAddr::new(ip, port)
    }

    /// A video stream that is not refused and whose protection the policy allows, with its keys.
    pub(super) fn video_at(&self, index: usize, policy: &SrtpPolicy) -> Option<Option<Line>> {
        self.at(index)
            .filter(|media| media.media.eq_ignore_ascii_case("video") && media.port != 0)?;
        match self.protection(index, policy)? {
            MediaProtection::Srtp(line) => Some(Some(line)),
            MediaProtection::None => (!policy.is_required()).then_some(None),
            MediaProtection::Unknown => None,
        }
    }

    /// The H.264 of an m-line, in the far end's order.
    pub(super) fn h264_formats(&self, index: usize) -> Vec<H264Format> {
        let numbers = self.formats(index).0.into_iter().filter(|format| {
            format.name == "h264" && format.rate == plenum_codecs::video::CLOCK_RATE
        });
        let formats = numbers
            .map(|format| H264Format::parse(format.number, self.parameters(index, format.number)));
        formats.collect()
    }

    /// The `a=fmtp` of a payload type.
    fn parameters(&self, index: usize, number: u8) -> &str {
        let values = self.at(index).into_iter().flat_map(|media| {
            media
                .get_attribute_values("fmtp")
                .flatten()
                .take(2 * MAX_FORMATS)
        });
        values
            .filter_map(|value| value.trim().split_once(char::is_whitespace))
            .find(|(of, _)| of.parse() == Ok(number))
            .map_or("", |(_, parameters)| parameters)
    }

    /// What `a=rtcp-fb` says of keyframes, of all payload types or of this one (RFC 4585 section 4.2).
    pub(super) fn keyframe_feedback(&self, index: usize, number: u8) -> KeyframeFeedback {
        let mut feedback = KeyframeFeedback::default();
        let values = self.at(index).into_iter().flat_map(|media| {
            media
                .get_attribute_values("rtcp-fb")
                .flatten()
                .take(4 * MAX_FORMATS)
        });
        for value in values {
            let words: Vec<&str> = value.split_ascii_whitespace().take(3).collect();
            let [of, kind, parameter] = words[..] else {
                continue;
            };
            if of != "*" && of.parse() != Ok(number) {
                continue;
            }
            feedback.pli |= (kind, parameter) == ("nack", "pli");
            feedback.fir |= (kind, parameter) == ("ccm", "fir");
        }
        feedback
    }

    /// What an m-line's `b=` lines allow: `TIAS`, which is exact, before `AS`.
    pub(super) fn bandwidth(&self, index: usize) -> Option<Bandwidth> {
        let of = |kind: &str| {
            let lines = &self.at(index)?.bandwidths;
            let line = lines.iter().find(|line| line.bwtype == kind)?;
            Some(line.bandwidth)
        };
        of("TIAS")
            .map(Bandwidth::Media)
            .or_else(|| of("AS").map(Bandwidth::WithHeaders))
    }

    /// Packet time in milliseconds, whole 10 ms from 10 to 120.
    pub(super) fn ptime(&self, index: usize) -> u16 {
        let value = |name: &str| {
            self.at(index)
                .and_then(|media| media.get_first_attribute_value(name))
                .flatten()
                .and_then(|value| value.trim().parse::<u16>().ok())
        };
        let most = value("maxptime").unwrap_or(120).clamp(10, 120);
        (value("ptime").unwrap_or(20).clamp(10, most) / 10) * 10
    }
}

/// A unicast address of a c-line or `a=rtcp`; names and groups are none.
fn address(text: &str) -> Option<IpAddr> {
    text.trim()
        .parse::<IpAddr>()
        .ok()
        .filter(|ip| !ip.is_multicast())
}

/// H.264 as offered (RFC 6184 section 8.1).
#[derive(Debug)]
pub(super) struct H264Format {
    pub(super) number: u8,
    /// profile_idc, constraint flags, level_idc.
    pub(super) profile: [u8; 3],
    pub(super) packetization_mode: u8,
    pub(super) asymmetric: bool,
    /// Macroblocks of a picture.
    pub(super) max_fs: Option<u32>,
    /// Macroblocks per second.
    pub(super) max_mbps: Option<u32>,
    /// In 1,000 bit/s.
    pub(super) max_br: Option<u32>,
}

impl H264Format {
    fn parse(number: u8, parameters: &str) -> Self {
        let value = |name: &str| {
            parameters.split(';').take(MAX_FORMATS).find_map(|pair| {
                let (of, value) = pair.split_once('=')?;
                of.trim().eq_ignore_ascii_case(name).then(|| value.trim())
            })
        };
        let count = |name: &str| value(name).and_then(|value| value.parse::<u32>().ok());
        let profile = value("profile-level-id")
            .filter(|id| id.len() == 6)
            .and_then(|id| u32::from_str_radix(id, 16).ok())
            // Without one it is Baseline at level 1.
            .unwrap_or(0x42_00_0a);
        let [_, profile, constraints, level] = profile.to_be_bytes();
        Self {
            number,
            profile: [profile, constraints, level],
            packetization_mode: value("packetization-mode")
                .and_then(|mode| mode.parse().ok())
                .unwrap_or(0),
            asymmetric: value("level-asymmetry-allowed") == Some("1"),
            max_fs: count("max-fs"),
            max_mbps: count("max-mbps"),
            max_br: count("max-br"),
        }
    }
}

impl Format {
    fn parse(number: u8, map: &str) -> Option<Self> {
        let mut parts = map.split('/').map(str::trim);
        let name = parts.next()?.to_ascii_lowercase();
        let rate = parts.next()?.parse().ok()?;
        let channels = parts
            .next()
            .map_or(Some(1), |channels| channels.parse().ok())?;
        Some(Self {
            number,
            name,
            rate,
            channels,
        })
    }

    /// Static payload types need no rtpmap (RFC 3551 section 6).
    fn well_known(number: u8) -> Option<Self> {
        let name = match number {
            0 => "pcmu",
            8 => "pcma",
            9 => "g722",
            13 => "cn",
            _ => return None,
        };
        Some(Self {
            number,
            name: name.to_owned(),
            rate: 8_000,
            channels: 1,
        })
    }
}

impl Formats {
    /// The far end's number of a codec.
    pub(super) fn codec(&self, codec: AudioCodec) -> Option<u8> {
        // Opus is always announced with two channels (RFC 7587 section 7); some leave them out.
        let channels: &[u32] = if codec == AudioCodec::Opus {
            &[1, 2]
        } else {
            &[1]
        };
        self.0
            .iter()
            .find(|format| {
                AudioCodec::from_name(&format.name) == Some(codec)
                    && format.rate == codec.clock_rate()
                    && channels.contains(&format.channels)
            })
            .map(|format| format.number)
    }

    pub(super) fn telephone_event(&self, rate: u32) -> Option<(u8, u32)> {
        let found = self
            .0
            .iter()
            .find(|format| format.name == "telephone-event" && format.rate == rate)?;
        Some((found.number, rate))
    }

    /// Comfort noise (RFC 3389) at 8 kHz.
    pub(super) fn comfort_noise(&self) -> Option<u8> {
        self.0
            .iter()
            .find(|format| format.name == "cn" && format.rate == 8_000)
            .map(|format| format.number)
    }
}
