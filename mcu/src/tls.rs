//! The certificate of HTTPS: the operator's, or one of our own making kept in the data folder.

use std::io;
use std::path::{Path, PathBuf};

use axum_server::tls_rustls::RustlsConfig;

use crate::config::{ServerConfig, TlsConfig};
use crate::secret::{self, SecretError};

/// Why HTTPS cannot be served.
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
    /// Our own certificate could not be made.
    #[error("self-signed certificate: {0}")]
    Generate(#[from] rcgen::Error),
    /// Our own certificate could not be kept.
    #[error("self-signed certificate: {0}")]
    Keep(#[from] SecretError),
}

/// The acceptor's configuration; `None` for plain http.
pub(crate) async fn load(
    tls: &TlsConfig,
    server: &ServerConfig,
) -> Result<Option<RustlsConfig>, TlsError> {
    let (certificate, key) = match tls {
        TlsConfig::Off => return Ok(None),
        TlsConfig::Files { certificate, key } => (certificate.clone(), key.clone()),
        TlsConfig::SelfSigned => self_signed(&server.data_dir, server)?,
    };
    // ring for HTTPS; media has a provider of its own. A second installation in one process changes nothing.
    let _ = rustls::crypto::ring::default_provider().install_default();
    match RustlsConfig::from_pem_file(&certificate, &key).await {
        Ok(config) => Ok(Some(config)),
        Err(source) => Err(TlsError::Files {
            certificate,
            key,
            source,
        }),
    }
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
