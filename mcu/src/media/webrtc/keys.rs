//! Listens in on the DTLS part of the stack's crypto provider for the SRTP master keys it exports: the stack
//! uses them itself and does not hand them out, but lets its DTLS be replaced.

use std::cell::RefCell;
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::CryptoError;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
    SrtpProfile,
};

use crate::media::srtp::{Keys, Profile};

/// The keys of one peer, there once its DTLS is up.
pub(super) type Exported = Arc<OnceLock<Keys>>;

thread_local! {
    /// Of the DTLS that this thread built last: the stack builds one with each peer and gives no way to it.
    static LAST: RefCell<Option<Exported>> = const { RefCell::new(None) };
}

/// The provider, listened in on.
pub(super) fn tapped(mut provider: CryptoProvider) -> CryptoProvider {
    static TAP: OnceLock<Tap> = OnceLock::new();
    let inner = provider.dtls_provider;
    provider.dtls_provider = TAP.get_or_init(|| Tap { inner });
    provider
}

/// Runs `build`, which builds one peer's stack over a [`tapped`] provider, and returns where its keys will be.
pub(super) fn of<T>(build: impl FnOnce() -> T) -> (T, Option<Exported>) {
    LAST.take();
    let built = build();
    (built, LAST.take())
}

#[derive(Debug)]
struct Tap {
    inner: &'static dyn DtlsProvider,
}

impl DtlsProvider for Tap {
    fn generate_certificate(&self) -> Option<DtlsCert> {
        self.inner.generate_certificate()
    }

    fn new_dtls(
        &self,
        cert: &DtlsCert,
        now: Instant,
        dtls_version: DtlsVersion,
        mtu: Option<usize>,
    ) -> Result<Box<dyn DtlsInstance>, CryptoError> {
        let inner = self.inner.new_dtls(cert, now, dtls_version, mtu)?;
        let exported = Exported::default();
        LAST.set(Some(Arc::clone(&exported)));
        Ok(Box::new(Tapped { inner, exported }))
    }

    fn is_test(&self) -> bool {
        self.inner.is_test()
    }
}

#[derive(Debug)]
struct Tapped {
    inner: Box<dyn DtlsInstance>,
    exported: Exported,
}

impl DtlsInstance for Tapped {
    fn set_active(&mut self, active: bool) {
        self.inner.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.inner.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.inner.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output
            && let Some(profile) = profile_of(*profile)
            && let Some(keys) = Keys::new(profile, material, self.inner.is_active())
            && self.exported.set(keys).is_err()
        {
            // DTLS exports once; the stack would take new keys where we keep the old.
            tracing::warn!("DTLS exported keys twice");
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.inner.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.inner.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.inner.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.inner.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.inner.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.inner.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.inner.close()
    }
}

fn profile_of(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmSha1),
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::Aes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::Aes256Gcm),
        _ => None,
    }
}
