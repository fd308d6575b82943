//! SRTP of one browser leg from the keys that its DTLS handshake gave: the only file that names `rtc_srtp`.
//!
//! The generator protects and unprotects by itself, as the WebRTC stack's way of a packet costs several times as much.

use anyhow::{Context as _, anyhow};
use bytes::BytesMut;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

/// What a handshake agreed on.
pub(super) struct Keys {
    pub(super) profile: Profile,
    /// Client's key, server's key, client's salt, server's salt (RFC 5764 section 4.2).
    pub(super) material: Vec<u8>,
    /// We are the DTLS client.
    pub(super) client: bool,
}

impl std::fmt::Debug for Keys {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Keys").finish_non_exhaustive()
    }
}

/// The protection profiles in use.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Profile {
    Aes128Cm,
    Aes128Gcm,
    Aes256Gcm,
}

impl Profile {
    const fn protection(self) -> ProtectionProfile {
        match self {
            Self::Aes128Cm => ProtectionProfile::Aes128CmHmacSha1_80,
            Self::Aes128Gcm => ProtectionProfile::AeadAes128Gcm,
            Self::Aes256Gcm => ProtectionProfile::AeadAes256Gcm,
        }
    }
}

/// Both directions of a leg.
pub(super) struct Srtp {
    outbound: Context,
    inbound: Context,
}

impl Srtp {
    /// # Errors
    /// When the keys do not fit the profile.
    pub(super) fn new(keys: &Keys) -> anyhow::Result<Self> {
        let profile = keys.profile.protection();
        let (key, salt) = (profile.key_len(), profile.salt_len());
        let crypto = rtc_srtp::crypto::default_provider()
            .map_err(|error| anyhow!("no crypto for SRTP: {error}"))?;
        let of = |client: bool| {
            let place = usize::from(!client);
            let key_at = place * key;
            let salt_at = 2 * key + place * salt;
            let material = &keys.material;
            let master = material.get(key_at..key_at + key);
            let master = master.context("SRTP key cut short")?;
            let salt = material.get(salt_at..salt_at + salt);
            let salt = salt.context("SRTP salt cut short")?;
            Context::new(master, salt, profile, None, None, crypto.crypto())
                .map_err(|error| anyhow!("SRTP: {error}"))
        };
        Ok(Self {
            outbound: of(keys.client)?,
            inbound: of(!keys.client)?,
        })
    }

    pub(super) fn protect(&mut self, rtp: &[u8]) -> Option<BytesMut> {
        self.outbound.encrypt_rtp(rtp).ok()
    }

    pub(super) fn protect_rtcp(&mut self, rtcp: &[u8]) -> Option<BytesMut> {
        self.outbound.encrypt_rtcp(rtcp).ok()
    }

    /// The RTP packet in clear; `None` when it is forged.
    pub(super) fn unprotect(&mut self, srtp: &[u8]) -> Option<BytesMut> {
        self.inbound.decrypt_rtp(srtp).ok()
    }
}
