//! SRTP and SRTCP of one association (RFC 3711, RFC 7714) for the streams that we protect ourselves: audio of browsers, and
//! phones.
//!
//! The WebRTC stack keeps its own contexts over the same master keys. No keystream may ever be used twice, so
//! whoever builds an [`Outbound`] promises that the stack never sends RTP or RTCP under its SSRC: the SSRC is
//! part of every initialization vector, and under it the indices here only grow.

mod inbound;

use aws_lc_rs::aead::{AES_128_GCM, AES_256_GCM, Aad, LessSafeKey, Nonce, UnboundKey};
use aws_lc_rs::cipher::{AES_128, AES_256, EncryptingKey, EncryptionContext, UnboundCipherKey};
use aws_lc_rs::hmac;
use plenum_dialin::sdp::{CryptoSuite, MasterKey, SrtpKeys};

pub(super) use self::inbound::{PacketReader, ReportReader};

/// Bytes of an RTCP packet that stay in the clear (RFC 3711 §3.4).
const REPORT_HEAD: usize = 8;
/// E flag and index (RFC 3711 §3.4).
const REPORT_INDEX: usize = 4;
const ENCRYPTED: u32 = 0x8000_0000;
const GCM_TAG: usize = 16;
const SHA1_TAG: usize = 10;
/// On RTP, of the suite that saves bytes.
const SHORT_SHA1_TAG: usize = 4;
/// Index of our first SRTCP packet. Should the stack have reported under the SSRC before it forgot it, it has
/// not come so far.
const FIRST_REPORT: u32 = 1 << 30;

/// What DTLS (RFC 5764 §4.1.2, RFC 7714 §14.2) or SDES (RFC 4568 §6.2, RFC 6188 §4) has agreed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Aes128CmSha1,
    /// Four bytes of tag on RTP, ten on RTCP.
    Aes128CmSha1Short,
    Aes256CmSha1,
    Aes128Gcm,
    Aes256Gcm,
}

impl Profile {
    /// Bytes of master key and salt.
    pub(super) const fn lengths(self) -> (usize, usize) {
        match self {
            Self::Aes128CmSha1 | Self::Aes128CmSha1Short => (16, 14),
            Self::Aes256CmSha1 => (32, 14),
            Self::Aes128Gcm => (16, 12),
            Self::Aes256Gcm => (32, 12),
        }
    }
}

/// The master keys of both directions.
pub(super) struct Keys {
    profile: Profile,
    ours: Master,
    theirs: Master,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys")
            .field("profile", &self.profile)
            .finish_non_exhaustive()
    }
}

#[derive(Clone)]
struct Master {
    key: Vec<u8>,
    salt: Vec<u8>,
}

impl Keys {
    /// Cuts up what DTLS exported (RFC 5764 §4.2): client key, server key, client salt, server salt.
    /// `None` when its length does not fit the profile.
    pub(super) fn new(profile: Profile, exported: &[u8], we_are_client: bool) -> Option<Self> {
        let (key, salt) = profile.lengths();
        if exported.len() != 2 * (key + salt) {
            return None;
        }
        let (keys, salts) = exported.split_at(2 * key);
        let side = |server: bool| {
            let of = |both: &[u8], length: usize| {
                let (client, servers) = both.split_at(length);
                if server { servers } else { client }.to_vec()
            };
            Master {
                key: of(keys, key),
                salt: of(salts, salt),
            }
        };
        Some(Self {
            profile,
            ours: side(!we_are_client),
            theirs: side(we_are_client),
        })
    }
}

impl Keys {
    /// The keys that signalling has told (SDES). `None` when their length does not fit the suite.
    pub(super) fn told(keys: &SrtpKeys) -> Option<Self> {
        let profile = match keys.suite {
            CryptoSuite::AesCm128HmacSha1_80 => Profile::Aes128CmSha1,
            CryptoSuite::AesCm128HmacSha1_32 => Profile::Aes128CmSha1Short,
            CryptoSuite::AesCm256HmacSha1_80 => Profile::Aes256CmSha1,
        };
        let (key, salt) = profile.lengths();
        let side = |master: &MasterKey| {
            let (key, rest) = master.expose().split_at_checked(key)?;
            (rest.len() == salt).then(|| Master {
                key: key.to_vec(),
                salt: rest.to_vec(),
            })
        };
        Some(Self {
            profile,
            ours: side(&keys.ours)?,
            theirs: side(&keys.theirs)?,
        })
    }
}

/// Which keys to derive (RFC 3711 §4.3.2): the label of the cipher's; authentication and salt come after it.
#[derive(Debug, Clone, Copy)]
enum Use {
    Rtp = 0,
    Rtcp = 3,
}

impl Master {
    /// AES in counter mode over zeroes (RFC 3711 §4.3.3).
    fn derive(&self, label: u8, out: &mut [u8]) -> Option<()> {
        let cipher = if self.key.len() == 32 {
            &AES_256
        } else {
            &AES_128
        };
        let mut vector = [0; 16];
        vector
            .get_mut(..self.salt.len())?
            .copy_from_slice(&self.salt);
        vector[7] ^= label;
        let key = EncryptingKey::ctr(UnboundCipherKey::new(cipher, &self.key).ok()?).ok()?;
        out.fill(0);
        let context = EncryptionContext::Iv128(vector.into());
        key.less_safe_encrypt(out, context).ok()?;
        Some(())
    }

    fn cipher(&self, profile: Profile, purpose: Use) -> Option<Cipher> {
        let label = purpose as u8;
        let mut key = [0; 32];
        let key = key.get_mut(..self.key.len())?;
        self.derive(label, key)?;
        let mut salt = [0; 14];
        self.derive(label + 2, salt.get_mut(..self.salt.len())?)?;
        Some(match profile {
            Profile::Aes128Gcm | Profile::Aes256Gcm => {
                let algorithm = if key.len() == 32 {
                    &AES_256_GCM
                } else {
                    &AES_128_GCM
                };
                Cipher::Gcm {
                    key: LessSafeKey::new(UnboundKey::new(algorithm, key).ok()?),
                    salt: *salt.first_chunk()?,
                }
            }
            Profile::Aes128CmSha1 | Profile::Aes128CmSha1Short | Profile::Aes256CmSha1 => {
                let block = if key.len() == 32 { &AES_256 } else { &AES_128 };
                let short = matches!(profile, Profile::Aes128CmSha1Short);
                let mut secret = [0; 20];
                self.derive(label + 1, &mut secret)?;
                Cipher::Counter(Box::new(Counter {
                    key: EncryptingKey::ctr(UnboundCipherKey::new(block, key).ok()?).ok()?,
                    secret: hmac::Key::new(hmac::HMAC_SHA1_FOR_LEGACY_USE_ONLY, &secret),
                    salt,
                    tag: match purpose {
                        Use::Rtp if short => SHORT_SHA1_TAG,
                        Use::Rtp | Use::Rtcp => SHA1_TAG,
                    },
                }))
            }
        })
    }
}

/// A session key, ready for use.
enum Cipher {
    Gcm {
        key: LessSafeKey,
        salt: [u8; 12],
    },
    /// Old browsers and phones only, and large.
    Counter(Box<Counter>),
}

struct Counter {
    key: EncryptingKey,
    secret: hmac::Key,
    salt: [u8; 14],
    /// Bytes of the tag that are sent.
    tag: usize,
}

impl std::fmt::Debug for Cipher {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Cipher")
    }
}

/// RFC 7714 §8.1 and §9.1: two zero bytes, SSRC, 48 bits of index; an SRTCP index fills the lower 32.
fn gcm_nonce(salt: [u8; 12], ssrc: u32, index: u64) -> Nonce {
    let number = (u128::from(ssrc) << 48) | u128::from(index & 0xffff_ffff_ffff);
    let mut padded = [0; 16];
    if let Some(tail) = padded.last_chunk_mut() {
        *tail = salt;
    }
    let vector = (number ^ u128::from_be_bytes(padded)).to_be_bytes();
    Nonce::assume_unique_for_key(vector.last_chunk().copied().unwrap_or_default())
}

/// RFC 3711 §4.1.1: salt, SSRC and index above the 16 bits of the block counter.
fn counter_vector(salt: [u8; 14], ssrc: u32, index: u64) -> EncryptionContext {
    let mut padded = [0; 16];
    if let Some(head) = padded.first_chunk_mut() {
        *head = salt;
    }
    let number = (u128::from(ssrc) << 64) | (u128::from(index & 0xffff_ffff_ffff) << 16);
    EncryptionContext::Iv128((u128::from_be_bytes(padded) ^ number).to_be_bytes().into())
}

/// What we send under one SSRC.
#[derive(Debug)]
pub(super) struct Outbound {
    ssrc: u32,
    rtp: Cipher,
    rtcp: Cipher,
    /// Index of the next RTP packet at least.
    next: u64,
    next_report: u32,
}

impl Outbound {
    /// `None` when a key cannot be derived, which no key of the right length does.
    pub(super) fn new(keys: &Keys, ssrc: u32) -> Option<Self> {
        Some(Self {
            ssrc,
            rtp: keys.ours.cipher(keys.profile, Use::Rtp)?,
            rtcp: keys.ours.cipher(keys.profile, Use::Rtcp)?,
            next: 0,
            next_report: FIRST_REPORT,
        })
    }

    /// The same for a key that nobody else sends under: reports count from the start, too.
    pub(super) fn first(keys: &Keys, ssrc: u32) -> Option<Self> {
        let outbound = Self::new(keys, ssrc)?;
        Some(Self {
            next_report: 0,
            ..outbound
        })
    }

    pub(super) const fn ssrc(&self) -> u32 {
        self.ssrc
    }

    /// Protects an RTP packet in place, whose first `header` bytes stay readable. `index` is its sequence number
    /// with the rollovers before it. False, with the packet spoilt, when the index is not higher than all before
    /// it: the same keystream would be used again.
    pub(super) fn protect(&mut self, packet: &mut Vec<u8>, header: usize, index: u64) -> bool {
        if index < self.next || header > packet.len() {
            return false;
        }
        self.next = index + 1;
        match &self.rtp {
            Cipher::Gcm { key, salt } => {
                let (head, body) = packet.split_at_mut(header);
                let nonce = gcm_nonce(*salt, self.ssrc, index);
                let Ok(tag) = key.seal_in_place_separate_tag(nonce, Aad::from(&*head), body) else {
                    return false;
                };
                packet.extend_from_slice(tag.as_ref());
            }
            Cipher::Counter(counter) => {
                let Counter {
                    key,
                    secret,
                    salt,
                    tag: length,
                } = &**counter;
                let vector = counter_vector(*salt, self.ssrc, index);
                let (_, body) = packet.split_at_mut(header);
                if key.less_safe_encrypt(body, vector).is_err() {
                    return false;
                }
                let mut tag = hmac::Context::with_key(secret);
                tag.update(packet);
                let [_, _, rollovers @ .., _, _] = index.to_be_bytes();
                tag.update(&rollovers);
                let tag = tag.sign();
                packet.extend_from_slice(tag.as_ref().get(..*length).unwrap_or_default());
            }
        }
        true
    }

    /// Protects a compound RTCP packet in place, which begins with our SSRC. False, with the packet spoilt, when
    /// it cannot be.
    pub(super) fn protect_report(&mut self, packet: &mut Vec<u8>) -> bool {
        if packet.get(4..REPORT_HEAD) != Some(&self.ssrc.to_be_bytes())
            || self.next_report >= ENCRYPTED
        {
            return false;
        }
        let index = self.next_report;
        self.next_report += 1;
        let trailer = (ENCRYPTED | index).to_be_bytes();
        let (head, body) = packet.split_at_mut(REPORT_HEAD);
        match &self.rtcp {
            Cipher::Gcm { key, salt } => {
                let nonce = gcm_nonce(*salt, self.ssrc, u64::from(index));
                let aad = [&*head, &trailer].concat();
                let Ok(tag) = key.seal_in_place_separate_tag(nonce, Aad::from(aad), body) else {
                    return false;
                };
                packet.extend_from_slice(tag.as_ref());
                packet.extend_from_slice(&trailer);
            }
            Cipher::Counter(counter) => {
                let Counter {
                    key,
                    secret,
                    salt,
                    tag: length,
                } = &**counter;
                let vector = counter_vector(*salt, self.ssrc, u64::from(index));
                if key.less_safe_encrypt(body, vector).is_err() {
                    return false;
                }
                packet.extend_from_slice(&trailer);
                let tag = hmac::sign(secret, packet);
                packet.extend_from_slice(tag.as_ref().get(..*length).unwrap_or_default());
            }
        }
        true
    }
}

#[cfg(test)]
mod tests;
