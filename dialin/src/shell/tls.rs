//! TLS under SIP (RFC 3261 section 26.2): the acceptor as it is now, and what connections of ours trust. Makes no certificate and
//! reads no file; whoever does sends new configurations.

use std::sync::Arc;

use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::rustls::pki_types::ServerName;
use tokio_rustls::rustls::{ClientConfig, ServerConfig};
use tokio_rustls::{TlsAcceptor, TlsConnector};

use std::net::SocketAddr;

/// How to serve SIP over TLS.
#[derive(Clone, Debug)]
pub struct TlsSettings {
    /// Address and port of the listener. Port 0: the system chooses one.
    pub bind: SocketAddr,
    /// Our certificate; a new one is used from the next connection on, and those that stand are left alone.
    pub server: watch::Receiver<Arc<ServerConfig>>,
    /// Whom connections of ours trust.
    pub client: Arc<ClientConfig>,
}

/// The listener, and what it takes to answer and to connect.
#[derive(Debug)]
pub(super) struct Tls {
    pub(super) listener: TcpListener,
    server: watch::Receiver<Arc<ServerConfig>>,
    client: Arc<ClientConfig>,
}

impl Tls {
    pub(super) fn new(listener: TcpListener, settings: TlsSettings) -> Self {
        Self {
            listener,
            server: settings.server,
            client: settings.client,
        }
    }

    pub(super) fn acceptor(&self) -> TlsAcceptor {
        TlsAcceptor::from(Arc::clone(&self.server.borrow()))
    }

    /// `None` when `host` is nothing that a certificate can be for.
    pub(super) fn connector(&self, host: &str) -> Option<(TlsConnector, ServerName<'static>)> {
        let name = ServerName::try_from(host.to_owned()).ok()?;
        Some((TlsConnector::from(Arc::clone(&self.client)), name))
    }
}
