//! Reads a session description, tolerantly and within bounds, and answers questions about its audio.

use std::net::{IpAddr, SocketAddr};

use plenum_codecs::audio::AudioCodec;

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

    /// The first audio stream that we can take.
    pub(super) fn choose_audio(&self) -> Result<usize, SdpError> {
        let mut secure = false;
        for (index, media) in self.0.medias.iter().enumerate() {
            if !media.media.eq_ignore_ascii_case("audio") || media.port == 0 {
                continue;
            }
            match media.proto.to_ascii_uppercase().as_str() {
                "RTP/AVP" | "RTP/AVPF" => return Ok(index),
                "RTP/SAVP" | "RTP/SAVPF" | "UDP/TLS/RTP/SAVP" | "UDP/TLS/RTP/SAVPF" => {
                    secure = true
                }
                _ => {}
            }
        }
        Err(if secure {
            SdpError::OnlySrtp
        } else {
            SdpError::NoAudio
        })
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
