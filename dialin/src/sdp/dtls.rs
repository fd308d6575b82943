//! DTLS-SRTP in session descriptions (RFC 5763, RFC 8122, RFC 4145): whose certificate media must show, and who begins. Shakes no hands.

use std::fmt;

/// `a=fingerprint` lines of one stream that are looked at.
const MAX_LINES: usize = 8;
/// The profile of our offers (RFC 5764 section 8).
pub(super) const PROFILE: &str = "UDP/TLS/RTP/SAVP";

/// What signalling has agreed for the handshake.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct DtlsSession {
    /// Of the certificate that the far end must show.
    pub peer: Fingerprint,
    /// Whether we begin.
    pub role: DtlsRole,
}

/// Who begins the handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum DtlsRole {
    /// We do: the DTLS client.
    Active,
    /// The far end does: we are the DTLS server.
    Passive,
}

impl DtlsRole {
    const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Passive => "passive",
        }
    }
}

/// Hashes that certificates are named by. SHA-1 and MD5, which RFC 8122 section 5 gives up, are none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum CertificateHash {
    /// SHA-256.
    Sha256,
    /// SHA-384.
    Sha384,
    /// SHA-512.
    Sha512,
}

impl CertificateHash {
    const ALL: [Self; 3] = [Self::Sha256, Self::Sha384, Self::Sha512];

    const fn name(self) -> &'static str {
        match self {
            Self::Sha256 => "sha-256",
            Self::Sha384 => "sha-384",
            Self::Sha512 => "sha-512",
        }
    }

    /// Bytes.
    const fn length(self) -> usize {
        match self {
            Self::Sha256 => 32,
            Self::Sha384 => 48,
            Self::Sha512 => 64,
        }
    }
}

/// The hash of a certificate in DER (RFC 8122 section 5).
#[derive(Clone, PartialEq, Eq)]
pub struct Fingerprint {
    hash: CertificateHash,
    digest: Vec<u8>,
}

impl Fingerprint {
    /// Of SHA-256.
    #[must_use]
    pub fn sha256(digest: [u8; 32]) -> Self {
        Self {
            hash: CertificateHash::Sha256,
            digest: digest.to_vec(),
        }
    }

    /// Which hash.
    #[must_use]
    pub const fn hash(&self) -> CertificateHash {
        self.hash
    }

    /// Its bytes, as many as the hash has.
    #[must_use]
    pub fn digest(&self) -> &[u8] {
        &self.digest
    }

    fn parse(value: &str) -> Option<Self> {
        let (name, digest) = value.trim().split_once(char::is_whitespace)?;
        let mut known = CertificateHash::ALL.into_iter();
        let hash = known.find(|hash| hash.name().eq_ignore_ascii_case(name))?;
        let digest = digest.trim();
        if digest.len() != hash.length() * 3 - 1 {
            return None;
        }
        let byte = |text: &str| {
            let good = text.len() == 2 && text.bytes().all(|digit| digit.is_ascii_hexdigit());
            u8::from_str_radix(text, 16).ok().filter(|_| good)
        };
        let bytes = digest.split(':').map(byte);
        let digest: Vec<u8> = bytes.collect::<Option<_>>()?;
        (digest.len() == hash.length()).then_some(Self { hash, digest })
    }
}

/// The value of the attribute.
impl fmt::Display for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.hash.name())?;
        for (at, byte) in self.digest.iter().enumerate() {
            let before = if at == 0 { ' ' } else { ':' };
            write!(f, "{before}{byte:02X}")?;
        }
        Ok(())
    }
}

impl fmt::Debug for Fingerprint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fingerprint({})", self.hash.name())
    }
}

/// What the far end says of the handshake of one stream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct DtlsLine {
    fingerprint: Fingerprint,
    setup: Setup,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Setup {
    Active,
    Passive,
    Either,
    /// Left out.
    Unsaid,
}

impl DtlsLine {
    /// From the values of `a=fingerprint` and `a=setup`. `None` when no fingerprint is of a hash that we take, or the handshake is to
    /// wait (`holdconn`). Of several fingerprints the one of the longest hash counts: all are of one certificate.
    pub(super) fn read<'a>(
        fingerprints: impl Iterator<Item = &'a str>,
        setup: Option<&str>,
    ) -> Option<Self> {
        let known = fingerprints.take(MAX_LINES).filter_map(Fingerprint::parse);
        let setup = match setup
            .map(|setup| setup.trim().to_ascii_lowercase())
            .as_deref()
        {
            Some("active") => Setup::Active,
            Some("passive") => Setup::Passive,
            Some("actpass") => Setup::Either,
            Some(_) => return None,
            None => Setup::Unsaid,
        };
        Some(Self {
            fingerprint: known.max_by_key(Fingerprint::hash)?,
            setup,
        })
    }

    /// What to answer. Where the far end leaves it to us it begins: a phone behind a NAT is reached by nobody before it has spoken
    /// (RFC 5763 section 5 recommends the other way for the sake of media before the answer, which we have none of).
    pub(super) fn answered(self, previous: Option<&DtlsSession>) -> DtlsSession {
        let role = match self.setup {
            Setup::Passive => DtlsRole::Active,
            Setup::Active | Setup::Unsaid => DtlsRole::Passive,
            // Whoever leaves the question open again wants no other handshake (RFC 5763 section 6.6), unless it is another one.
            Setup::Either => match previous {
                Some(known) if known.peer == self.fingerprint => known.role,
                _ => DtlsRole::Passive,
            },
        };
        DtlsSession {
            peer: self.fingerprint,
            role,
        }
    }

    /// What an answer to an offer of ours, which left it open, has agreed on.
    pub(super) fn accepted(self) -> DtlsSession {
        let role = match self.setup {
            Setup::Passive | Setup::Unsaid => DtlsRole::Active,
            Setup::Active | Setup::Either => DtlsRole::Passive,
        };
        DtlsSession {
            peer: self.fingerprint,
            role,
        }
    }
}

/// Our lines: whose certificate, and who begins; `None`: as the far end likes.
pub(super) fn lines(ours: &Fingerprint, role: Option<DtlsRole>) -> [String; 2] {
    let setup = role.map_or("actpass", DtlsRole::as_str);
    [format!("a=fingerprint:{ours}"), format!("a=setup:{setup}")]
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "tests")]
mod tests;
