//! The certificates of HTTPS and of SIP over TLS: the operator's, or one of our own making kept in the data folder. Files that
//! change are read again, and new connections get what is in them.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use axum_server::tls_rustls::RustlsConfig;
use plenum_dialin::shell::TlsSettings;
use rustls::crypto::CryptoProvider;
use rustls::{ClientConfig, RootCertStore, ServerConfig as Acceptor};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, PrivateKeyDer};
use tokio::sync::watch;

use crate::config::{ServerConfig, SipTls, TlsConfig};
use crate::secret::{self, SecretError};
use crate::stop;

/// How often the files are looked at.
const LOOK: Duration = Duration::from_secs(5);
/// Where Debian and its kin keep the authorities that they trust.
const SYSTEM_AUTHORITIES: &str = "/etc/ssl/certs/ca-certificates.crt";
/// What browsers are offered above TLS.
const WEB: [&[u8]; 2] = [b"h2", b"http/1.1"];

/// Why TLS cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// A file is not as it must be.
    #[error("certificate {certificate} with key {key}: {source}", certificate = certificate.display(), key = key.display())]
    Files {
        /// Chain.
        certificate: PathBuf,
        /// Key.
        key: PathBuf,
        /// Why.
        source: io::Error,
    },
    /// The file of authorities is not as it must be.
    #[error("certificate authorities in {file}: {reason}", file = file.display())]
    Authorities {
        /// Which.
        file: PathBuf,
        /// Why.
        reason: String,
    },
    /// Our own certificate could not be made.
    #[error("self-signed certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// Our own certificate could not be kept.
    #[error("self-signed certificate: {0}")]
    Keep(#[from] SecretError),
}

/// The files of one listener, and whom to tell of what is new in them.
pub(crate) struct Renewal {
    files: Files,
    /// Application protocols that are offered.
    protocols: &'static [&'static [u8]],
    renew: Box<dyn Fn(Arc<Acceptor>) + Send>,
}

/// A chain and its key, and when they were written.
struct Files {
    certificate: PathBuf,
    key: PathBuf,
    written: [Option<SystemTime>; 2],
}

/// HTTPS; `None` for plain http.
pub(crate) fn web(
    tls: &TlsConfig,
    server: &ServerConfig,
) -> Result<Option<(RustlsConfig, Renewal)>, TlsError> {
    let Some(files) = Files::of(tls, server)? else {
        return Ok(None);
    };
    let config = RustlsConfig::from_config(files.read(&WEB)?);
    let renewal = Renewal {
        files,
        protocols: &WEB,
        renew: Box::new({
            let config = config.clone();
            move |fresh| config.reload_from_config(fresh)
        }),
    };
    Ok(Some((config, renewal)))
}

/// SIP over TLS; `None` when it is not served.
pub(crate) fn sip(
    tls: &SipTls,
    server: &ServerConfig,
) -> Result<Option<(TlsSettings, Renewal)>, TlsError> {
    let Some(files) = Files::of(&tls.certificate, server)? else {
        return Ok(None);
    };
    let (renew, config) = watch::channel(files.read(&[])?);
    let settings = TlsSettings {
        bind: std::net::SocketAddr::new(server.bind, tls.port),
        server: config,
        client: Arc::new(client(tls.authorities.as_deref())?),
    };
    let renewal = Renewal {
        files,
        protocols: &[],
        renew: Box::new(move |fresh| {
            renew.send_replace(fresh);
        }),
    };
    Ok(Some((settings, renewal)))
}

/// Looks at the files until `stop`. Files that cannot be used are told of once and change nothing.
pub(crate) async fn keep_fresh(mut renewals: Vec<Renewal>, mut stop: watch::Receiver<bool>) {
    let mut look = tokio::time::interval(LOOK);
    loop {
        tokio::select! {
            _ = look.tick() => {}
            () = stop::requested(&mut stop) => return,
        }
        for renewal in &mut renewals {
            let written = written(&renewal.files.certificate, &renewal.files.key);
            if written == renewal.files.written {
                continue;
            }
            renewal.files.written = written;
            match renewal.files.read(renewal.protocols) {
                Ok(fresh) => {
                    (renewal.renew)(fresh);
                    tracing::info!("certificate renewed");
                }
                Err(error) => tracing::warn!(%error, "certificate not renewed"),
            }
        }
    }
}

/// ring for HTTPS and SIP; media has a provider of its own.
fn provider() -> Arc<CryptoProvider> {
    Arc::new(rustls::crypto::ring::default_provider())
}

impl std::fmt::Debug for Renewal {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Renewal")
            .field("certificate", &self.files.certificate)
            .finish_non_exhaustive()
    }
}

impl Files {
    fn of(tls: &TlsConfig, server: &ServerConfig) -> Result<Option<Self>, TlsError> {
        let (certificate, key) = match tls {
            TlsConfig::Off => return Ok(None),
            TlsConfig::Files { certificate, key } => (certificate.clone(), key.clone()),
            TlsConfig::SelfSigned => self_signed(&server.data_dir, server)?,
        };
        let written = written(&certificate, &key);
        Ok(Some(Self {
            certificate,
            key,
            written,
        }))
    }

    fn read(&self, protocols: &[&[u8]]) -> Result<Arc<Acceptor>, TlsError> {
        let read = || -> Result<Acceptor, Box<dyn std::error::Error + Send + Sync>> {
            let chain =
                CertificateDer::pem_file_iter(&self.certificate)?.collect::<Result<Vec<_>, _>>()?;
            let key = PrivateKeyDer::from_pem_file(&self.key)?;
            let mut config = Acceptor::builder_with_provider(provider())
                .with_safe_default_protocol_versions()?
                .with_no_client_auth()
                .with_single_cert(chain, key)?;
            config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
            Ok(config)
        };
        read().map(Arc::new).map_err(|error| TlsError::Files {
            certificate: self.certificate.clone(),
            key: self.key.clone(),
            source: io::Error::other(error),
        })
    }
}

fn written(certificate: &Path, key: &Path) -> [Option<SystemTime>; 2] {
    [certificate, key].map(|file| std::fs::metadata(file).ok()?.modified().ok())
}

/// Trusts the authorities in a PEM file, else the system's; a system without any trusts nobody.
fn client(authorities: Option<&Path>) -> Result<ClientConfig, TlsError> {
    let system = Path::new(SYSTEM_AUTHORITIES);
    let file = authorities.unwrap_or(system);
    let fault = |reason: String| TlsError::Authorities {
        file: file.to_path_buf(),
        reason,
    };
    let mut roots = RootCertStore::empty();
    if authorities.is_some() || system.is_file() {
        let certificates =
            CertificateDer::pem_file_iter(file).map_err(|error| fault(error.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|error| fault(error.to_string()))?;
            // One old root that rustls does not take is no reason to trust none.
            if let Err(error) = roots.add(certificate) {
                tracing::debug!(%error, "an authority is not used");
            }
        }
        if roots.is_empty() {
            return Err(fault("no certificate that can be used is in it".into()));
        }
    }
    let config = ClientConfig::builder_with_provider(provider())
        .with_safe_default_protocol_versions()
        .map_err(|error| fault(error.to_string()))?;
    Ok(config.with_root_certificates(roots).with_no_client_auth())
}

/// Makes the certificate once; a browser that was told to trust it does not ask again.
fn self_signed(folder: &Path, server: &ServerConfig) -> Result<(PathBuf, PathBuf), TlsError> {
    let (certificate, key) = (
        folder.join("self-signed.pem"),
        folder.join("self-signed.key"),
    );
    if certificate.is_file() && key.is_file() {
        return Ok((certificate, key));
    }
    let mut names = vec![
        "localhost".to_owned(),
        "127.0.0.1".to_owned(),
        "::1".to_owned(),
    ];
    for address in [server.bind, server.reachable()] {
        if !address.is_unspecified() && !names.contains(&address.to_string()) {
            names.push(address.to_string());
        }
    }
    let made = rcgen::generate_simple_self_signed(names)?;
    secret::write_private(&key, made.signing_key.serialize_pem().as_bytes())?;
    secret::write_private(&certificate, made.cert.pem().as_bytes())?;
    Ok((certificate, key))
}
