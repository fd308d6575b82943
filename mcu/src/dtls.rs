//! DTLS for the WebRTC stack of either end: the server's and the load generator's.
//!
//! The stack takes its DTLS from whom it is told to and keeps the SRTP master keys to itself. Here they are seen on their way
//! to it. All handshakes share one configuration, as making one tests the cryptography of every curve, which takes longer
//! than the handshake.

use std::cell::RefCell;
use std::fmt::{self, Debug, Formatter};
use std::sync::{Arc, OnceLock};
use std::time::Instant;

use dimpl::{Config, Dtls, DtlsCertificate};
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::crypto::CryptoError;
pub(crate) use str0m::crypto::dtls::SrtpProfile;
use str0m::crypto::dtls::{
    DtlsImplError, DtlsInstance, DtlsOutput, DtlsProvider, DtlsVersion, ProtocolVersion,
};

/// What a handshake has agreed on for SRTP.
pub(crate) struct Exported {
    pub(crate) profile: SrtpProfile,
    /// Client's key, server's key, client's salt, server's salt (RFC 5764 §4.2).
    pub(crate) material: Vec<u8>,
    /// We are the DTLS client.
    pub(crate) client: bool,
}

impl Debug for Exported {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("Exported").finish_non_exhaustive()
    }
}

/// The keys of one peer, there once its DTLS is up.
pub(crate) type Slot = Arc<OnceLock<Exported>>;

thread_local! {
    /// Of the DTLS that this thread built last: the stack builds one with each peer and gives no way to it.
    static LAST: RefCell<Option<Slot>> = const { RefCell::new(None) };
}

/// The stack's cryptography, with this DTLS.
pub(crate) fn provider() -> CryptoProvider {
    static SEEN: OnceLock<Seen> = OnceLock::new();
    let mut provider = str0m::crypto::from_feature_flags();
    let inner = provider.dtls_provider;
    provider.dtls_provider = SEEN.get_or_init(|| Seen {
        inner,
        configuration: OnceLock::new(),
    });
    provider
}

/// Runs `build`, which builds one peer's stack over a [`provider`], and returns where its keys will be.
pub(crate) fn keys_of<T>(build: impl FnOnce() -> T) -> (T, Option<Slot>) {
    LAST.take();
    let built = build();
    (built, LAST.take())
}

#[derive(Debug)]
struct Seen {
    inner: &'static dyn DtlsProvider,
    /// With the largest datagram that it is for.
    configuration: OnceLock<(Option<usize>, Arc<Config>)>,
}

impl Seen {
    fn configuration(&self, mtu: Option<usize>) -> Result<Arc<Config>, CryptoError> {
        if let Some((_, config)) = self.configuration.get().filter(|(of, _)| *of == mtu) {
            return Ok(Arc::clone(config));
        }
        // ICE has shown that the address is the peer's before DTLS begins (RFC 6347 §4.2.1).
        let builder = Config::builder().use_server_cookie(false);
        let config = match mtu {
            Some(mtu) => builder.mtu(mtu),
            None => builder,
        }
        .build()
        .map_err(|error| CryptoError::Other(format!("no DTLS configuration: {error}")))?;
        let config = Arc::new(config);
        let (of, shared) = self
            .configuration
            .get_or_init(|| (mtu, Arc::clone(&config)));
        Ok(if *of == mtu {
            Arc::clone(shared)
        } else {
            config
        })
    }
}

impl DtlsProvider for Seen {
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
        let config = self.configuration(mtu)?;
        let cert = DtlsCertificate {
            certificate: cert.certificate.clone(),
            private_key: cert.private_key.clone(),
        };
        let dtls = match dtls_version {
            DtlsVersion::Dtls12 => Dtls::new_12(config, cert, now),
            DtlsVersion::Dtls13 => Dtls::new_13(config, cert, now),
            DtlsVersion::Auto => Dtls::new_auto(config, cert, now),
            _ => {
                return Err(CryptoError::Other(format!(
                    "DTLS {dtls_version} is unknown"
                )));
            }
        };
        let exported = Slot::default();
        LAST.set(Some(Arc::clone(&exported)));
        Ok(Box::new(SeenInstance { dtls, exported }))
    }
}

struct SeenInstance {
    dtls: Dtls,
    exported: Slot,
}

impl Debug for SeenInstance {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        f.debug_struct("SeenInstance").finish_non_exhaustive()
    }
}

impl DtlsInstance for SeenInstance {
    fn set_active(&mut self, active: bool) {
        self.dtls.set_active(active);
    }

    fn handle_packet(&mut self, packet: &[u8]) -> Result<(), DtlsImplError> {
        self.dtls.handle_packet(packet)
    }

    fn poll_output<'a>(&mut self, buf: &'a mut [u8]) -> DtlsOutput<'a> {
        let output = self.dtls.poll_output(buf);
        if let DtlsOutput::KeyingMaterial(material, profile) = &output {
            let exported = Exported {
                profile: *profile,
                material: material.to_vec(),
                client: self.dtls.is_active(),
            };
            // DTLS exports once; the stack would take new keys where we keep the old.
            if self.exported.set(exported).is_err() {
                tracing::warn!("DTLS exported keys twice");
            }
        }
        output
    }

    fn handle_timeout(&mut self, now: Instant) -> Result<(), DtlsImplError> {
        self.dtls.handle_timeout(now)
    }

    fn send_application_data(&mut self, data: &[u8]) -> Result<usize, DtlsImplError> {
        self.dtls.send_application_data(data)
    }

    fn is_active(&self) -> bool {
        self.dtls.is_active()
    }

    fn protocol_version(&self) -> Option<ProtocolVersion> {
        self.dtls.protocol_version()
    }

    fn is_closing(&self) -> bool {
        self.dtls.is_closing()
    }

    fn is_closed(&self) -> bool {
        self.dtls.is_closed()
    }

    fn close(&mut self) -> Result<(), DtlsImplError> {
        self.dtls.close()
    }
}
