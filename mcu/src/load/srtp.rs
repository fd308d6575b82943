//! SRTP of one browser leg from the keys that its DTLS handshake gave: the only file that names `rtc_srtp`.
//!
//! The generator protects and unprotects by itself, as the WebRTC stack's way of a packet costs several times as much.

use anyhow::{Context as _, anyhow};
use bytes::BytesMut;
use rtc_srtp::context::Context;
use rtc_srtp::protection_profile::ProtectionProfile;

use crate::dtls::{Exported, SrtpProfile};

fn protection(profile: SrtpProfile) -> anyhow::Result<ProtectionProfile> {
    Ok(match profile {
        SrtpProfile::AES128_CM_SHA1_80 => ProtectionProfile::Aes128CmHmacSha1_80,
        SrtpProfile::AEAD_AES_128_GCM => ProtectionProfile::AeadAes128Gcm,
        SrtpProfile::AEAD_AES_256_GCM => ProtectionProfile::AeadAes256Gcm,
        other => anyhow::bail!("SRTP profile {other:?} is unknown"),
    })
}

/// Both directions of a leg.
pub(super) struct Srtp {
    outbound: Context,
    inbound: Context,
}

impl Srtp {
    /// # Errors
    /// When the keys do not fit the profile.
    pub(super) fn new(keys: &Exported) -> anyhow::Result<Self> {
        let profile = protection(keys.profile)?;
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
