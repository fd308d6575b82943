//! How HTTP and SIP are secured: the same three ways, each with certificates of its own.

use std::fmt;
use std::path::PathBuf;

use super::reader::Reader;

/// With which certificate TLS is served.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TlsConfig {
    /// Not at all. Over plain http browsers give their microphone on localhost only.
    Off,
    /// A certificate of our own making, kept in the data folder.
    SelfSigned,
    /// The operator's certificate chain and private key, both PEM.
    Files {
        /// Certificate chain, leaf first.
        certificate: PathBuf,
        /// PKCS#8, SEC1 or PKCS#1 private key.
        key: PathBuf,
    },
}

/// SIP over TLS.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SipTls {
    /// TCP port; 0 takes any free one.
    pub port: u16,
    /// Certificate, if TLS is served.
    pub certificate: TlsConfig,
    /// PEM file of the authorities that connections of ours trust; `None`: the system's.
    pub authorities: Option<PathBuf>,
}

/// Reads `tls`, `certificate` and `key` of a section.
pub(super) fn read(reader: &mut Reader, section: &str) -> TlsConfig {
    const WAYS: &str = "use \"off\", \"self-signed\" or \"files\"";
    let at = format!("{section}.tls");
    let mode = reader.parsed(&at, "off".to_owned(), |text| Ok(text.to_owned()), WAYS);
    let certificate = reader.path(&format!("{section}.certificate"));
    let key = reader.path(&format!("{section}.key"));
    let remedy = format!(
        "name the PEM files in {section}.certificate and {section}.key, with {section}.tls = \"files\""
    );
    let fault = match (mode.as_str(), certificate, key) {
        ("files", Some(certificate), Some(key)) => return TlsConfig::Files { certificate, key },
        ("off", None, None) => return TlsConfig::Off,
        ("self-signed", None, None) => return TlsConfig::SelfSigned,
        ("files", ..) => ("needs both the certificate and its key", remedy.as_str()),
        ("off" | "self-signed", ..) => (
            "a certificate or key is named but not used",
            remedy.as_str(),
        ),
        _ => ("no such way", WAYS),
    };
    reader.fault(&at, &mode, fault.0, fault.1);
    TlsConfig::Off
}

pub(super) fn read_sip(reader: &mut Reader) -> SipTls {
    SipTls {
        port: reader.integer(
            "sip.tls_port",
            5061_u16,
            0..=65_535,
            "a TCP port, or 0 for any free one",
        ),
        certificate: read(reader, "sip"),
        authorities: reader.path("sip.authorities"),
    }
}

impl fmt::Display for TlsConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Off => "off",
            Self::SelfSigned => "self-signed",
            Self::Files { .. } => "files",
        })
    }
}
