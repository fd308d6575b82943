//! Keys of SRTP in session descriptions (SDES, RFC 4568): reads and writes `a=crypto`, chooses what both can. Encrypts nothing.

use std::fmt;

use super::dtls::{DtlsLine, DtlsSession, Fingerprint};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD as BASE64;

/// Longest master key with its salt, bytes.
const LONGEST: usize = 46;
/// `a=crypto` lines of one stream that are looked at.
const MAX_LINES: usize = 16;
/// Streams of a call that have keys: audio and video.
const STREAMS: usize = 2;

/// How media is protected, in the order of our offers (RFC 4568 section 6.2, RFC 6188 section 4).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum CryptoSuite {
    /// `AES_CM_128_HMAC_SHA1_80`.
    AesCm128HmacSha1_80,
    /// `AES_CM_128_HMAC_SHA1_32`: a tag of 4 bytes on RTP, 10 on RTCP.
    AesCm128HmacSha1_32,
    /// `AES_256_CM_HMAC_SHA1_80`.
    AesCm256HmacSha1_80,
}

impl CryptoSuite {
    const ALL: [Self; 3] = [
        Self::AesCm128HmacSha1_80,
        Self::AesCm128HmacSha1_32,
        Self::AesCm256HmacSha1_80,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::AesCm128HmacSha1_80 => "AES_CM_128_HMAC_SHA1_80",
            Self::AesCm128HmacSha1_32 => "AES_CM_128_HMAC_SHA1_32",
            Self::AesCm256HmacSha1_80 => "AES_256_CM_HMAC_SHA1_80",
        }
    }

    fn from_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|suite| suite.name().eq_ignore_ascii_case(name))
    }

    /// Bytes of the master key; 14 of salt follow it.
    #[must_use]
    pub const fn key_length(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 | Self::AesCm128HmacSha1_32 => 16,
            Self::AesCm256HmacSha1_80 => 32,
        }
    }

    const fn length(self) -> usize {
        self.key_length() + 14
    }

    const fn index(self) -> usize {
        match self {
            Self::AesCm128HmacSha1_80 => 0,
            Self::AesCm128HmacSha1_32 => 1,
            Self::AesCm256HmacSha1_80 => 2,
        }
    }
}

/// A master key followed by its salt. Debug shows neither.
#[derive(Clone, PartialEq, Eq)]
pub struct MasterKey(Vec<u8>);

impl MasterKey {
    /// Key, then salt.
    #[must_use]
    pub fn expose(&self) -> &[u8] {
        &self.0
    }
}

impl fmt::Debug for MasterKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterKey(redacted)")
    }
}

/// Random bytes that an offer or answer takes its keys from, each of them once, and our certificate's name. Debug shows nothing.
#[derive(Clone, PartialEq, Eq)]
pub struct KeyMaterial {
    keys: [[[u8; LONGEST]; CryptoSuite::ALL.len()]; STREAMS],
    certificate: Option<Fingerprint>,
}

impl KeyMaterial {
    /// Bytes that it takes.
    pub const LENGTH: usize = LONGEST * CryptoSuite::ALL.len() * STREAMS;

    /// Out of `random`, which must never have served before.
    #[must_use]
    pub fn new(random: &[u8; Self::LENGTH]) -> Self {
        let mut keys = [[[0; LONGEST]; CryptoSuite::ALL.len()]; STREAMS];
        let places = keys.iter_mut().flatten().flatten();
        places.zip(random).for_each(|(place, byte)| *place = *byte);
        Self {
            keys,
            certificate: None,
        }
    }

    /// With a certificate, so that keys may come of a handshake, too.
    #[must_use]
    pub fn with_certificate(self, fingerprint: Fingerprint) -> Self {
        Self {
            certificate: Some(fingerprint),
            ..self
        }
    }

    fn key(&self, stream: Stream, suite: CryptoSuite) -> MasterKey {
        let keys = match stream {
            Stream::Audio => &self.keys[0],
            Stream::Video => &self.keys[1],
        };
        let bytes = keys.get(suite.index()).map_or(&[][..], |key| &key[..]);
        MasterKey(bytes.iter().copied().take(suite.length()).collect())
    }
}

impl fmt::Debug for KeyMaterial {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("KeyMaterial(redacted)")
    }
}

/// Whether media of a call is encrypted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum SrtpPolicy {
    /// Never: streams of SRTP are refused.
    #[default]
    Off,
    /// If the far end wants it. Offers of ours have keys in a stream of the plain profile, which who knows no SRTP may take as plain.
    Optional(KeyMaterial),
    /// Always: plain streams are refused.
    Required(KeyMaterial),
    /// Always, and by a handshake with this certificate of ours (DTLS-SRTP): keys in SDP are left alone.
    Dtls(Fingerprint),
}

impl SrtpPolicy {
    const fn material(&self) -> Option<&KeyMaterial> {
        match self {
            Self::Off | Self::Dtls(_) => None,
            Self::Optional(material) | Self::Required(material) => Some(material),
        }
    }

    pub(super) const fn is_required(&self) -> bool {
        matches!(self, Self::Required(_) | Self::Dtls(_))
    }

    /// Our certificate's, if handshakes are to be had.
    pub(super) fn certificate(&self) -> Option<&Fingerprint> {
        match self {
            Self::Dtls(fingerprint) => Some(fingerprint),
            _ => self.material()?.certificate.as_ref(),
        }
    }

    /// Whether offers of ours want a handshake.
    pub(super) const fn offers_handshake(&self) -> bool {
        matches!(self, Self::Dtls(_))
    }
}

/// Which of a call's streams.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stream {
    Audio,
    Video,
}

/// How a stream is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// Keys in SDP.
    Sdes(SrtpKeys),
    /// Keys come of a handshake on the media's way.
    Dtls(DtlsSession),
}

/// The keys of one stream, both ways. They change only if the far end's do, or the suite.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SrtpKeys {
    /// How.
    pub suite: CryptoSuite,
    /// Of what we send.
    pub ours: MasterKey,
    /// Of what comes.
    pub theirs: MasterKey,
    /// Which line of the offer.
    pub(super) tag: u32,
}

/// An `a=crypto` line that we can do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct CryptoLine {
    pub(super) tag: u32,
    pub(super) suite: CryptoSuite,
    pub(super) key: MasterKey,
}

impl CryptoLine {
    /// Reads the value of the attribute (RFC 4568 section 9.1). `None` for suites, key parameters and session parameters that we
    /// lack; a lifetime is taken, for no call sends 2^31 packets.
    fn parse(value: &str) -> Option<Self> {
        let mut words = value.split_ascii_whitespace();
        let tag = words.next().filter(|tag| tag.len() <= 9)?.parse().ok()?;
        let suite = CryptoSuite::from_name(words.next()?)?;
        let key = words.next()?;
        // A parameter that is not known forbids the line, but for a hint on the window of replays.
        if !words.all(|word| word.starts_with("WSH=") || word.starts_with('-')) {
            return None;
        }
        let (method, rest) = key.split_once(':')?;
        let mut parts = rest.split('|');
        let encoded = parts.next()?;
        // A master key identifier has a colon; several keys have a semicolon.
        if !method.eq_ignore_ascii_case("inline") || parts.any(|part| part.contains([':', ';'])) {
            return None;
        }
        let key = BASE64.decode(encoded).ok()?;
        (key.len() == suite.length()).then_some(Self {
            tag,
            suite,
            key: MasterKey(key),
        })
    }

    /// The attribute's value.
    pub(super) fn write(&self) -> String {
        format!(
            "{} {} inline:{}",
            self.tag,
            self.suite.name(),
            BASE64.encode(&self.key.0)
        )
    }
}

/// How a stream of the far end's is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Line {
    Sdes(CryptoLine),
    Dtls(DtlsLine),
}

/// The first line, in the far end's order, that we can do.
pub(super) fn first<'a>(values: impl Iterator<Item = &'a str>) -> Option<CryptoLine> {
    values.take(MAX_LINES).find_map(CryptoLine::parse)
}

/// What to answer a line with: the key that we have if nothing has changed, else a new one.
pub(super) fn answer(
    line: Line,
    policy: &SrtpPolicy,
    stream: Stream,
    previous: Option<&Protection>,
) -> Option<Protection> {
    let line = match line {
        Line::Dtls(line) => return Some(Protection::Dtls(line.answered(handshake(previous)))),
        Line::Sdes(line) => line,
    };
    let kept = sdes(previous).filter(|keys| keys.suite == line.suite && keys.theirs == line.key);
    let ours = match kept {
        Some(keys) => keys.ours.clone(),
        None => policy.material()?.key(stream, line.suite),
    };
    Some(Protection::Sdes(SrtpKeys {
        suite: line.suite,
        ours,
        theirs: line.key,
        tag: line.tag,
    }))
}

fn handshake(protection: Option<&Protection>) -> Option<&DtlsSession> {
    match protection? {
        Protection::Dtls(session) => Some(session),
        Protection::Sdes(_) => None,
    }
}

fn sdes(protection: Option<&Protection>) -> Option<&SrtpKeys> {
    match protection? {
        Protection::Sdes(keys) => Some(keys),
        Protection::Dtls(_) => None,
    }
}

/// The lines of an offer of ours: of a stream that is encrypted, the key that it has; none where keys come of a handshake.
pub(super) fn offer(
    policy: &SrtpPolicy,
    stream: Stream,
    previous: Option<&Protection>,
) -> Vec<CryptoLine> {
    let Some(material) = policy.material() else {
        return Vec::new();
    };
    if matches!(previous, Some(Protection::Dtls(_))) {
        return Vec::new();
    }
    if let Some(keys) = sdes(previous) {
        return vec![CryptoLine {
            tag: 1,
            suite: keys.suite,
            key: keys.ours.clone(),
        }];
    }
    let lines = (1..).zip(CryptoSuite::ALL);
    lines
        .map(|(tag, suite)| CryptoLine {
            tag,
            suite,
            key: material.key(stream, suite),
        })
        .collect()
}

/// What the line of an answer to `offered`, or to an offer of a handshake, agrees on. `None`: it answers nothing that was offered.
pub(super) fn accept(line: Line, offered: &[CryptoLine]) -> Option<Protection> {
    let line = match line {
        // Where no key was offered a handshake was, or nothing that a certificate is for.
        Line::Dtls(line) => {
            let offered = offered.is_empty();
            return offered.then(|| Protection::Dtls(line.accepted()));
        }
        Line::Sdes(line) => line,
    };
    let ours = offered
        .iter()
        .find(|ours| ours.tag == line.tag && ours.suite == line.suite)?;
    Some(Protection::Sdes(SrtpKeys {
        suite: line.suite,
        ours: ours.key.clone(),
        theirs: line.key,
        tag: line.tag,
    }))
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
