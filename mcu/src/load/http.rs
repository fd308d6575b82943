//! Where the server is, and connections to it: plain or TLS, for the WebSocket and for a few short requests.

use std::net::{IpAddr, SocketAddr};
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use anyhow::{Context as _, bail, ensure};
use rustls_pki_types::pem::PemObject as _;
use rustls_pki_types::{CertificateDer, ServerName};
use tokio::io::{AsyncRead, AsyncReadExt as _, AsyncWrite, AsyncWriteExt as _};
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_rustls::TlsConnector;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest as _;
use tokio_tungstenite::tungstenite::http::HeaderValue;
use tokio_tungstenite::tungstenite::protocol::WebSocketConfig;

/// A server that does not answer within this time does not answer.
const PATIENCE: Duration = Duration::from_secs(10);
/// What a WebSocket reads at once, bytes; the library clears as much before every look at the socket.
const READ_BUFFER: usize = 4 * 1024;
/// The largest answer that is read.
const ANSWER_MAX: u64 = 8 * 1024 * 1024;

/// A byte stream to the server.
pub(super) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// A WebSocket to the server.
pub(super) type Socket = WebSocketStream<Box<dyn Stream>>;

/// The server as a URL names it.
#[derive(Clone)]
pub(super) struct Target {
    tls: Option<TlsConnector>,
    host: String,
    pub(super) address: SocketAddr,
    /// An address of this machine from which the server is reached.
    pub(super) local: IpAddr,
}

impl Target {
    /// Reads `http://host:port` or `https://…` (`ws://` and `wss://` too); `ca` is a PEM file to trust.
    ///
    /// # Errors
    /// When the URL cannot be read, its host has no address, or TLS cannot be set up.
    pub(super) fn parse(url: &str, ca: Option<&Path>) -> anyhow::Result<Self> {
        let (scheme, rest) = url
            .split_once("://")
            .with_context(|| format!("{url} is no URL such as http://127.0.0.1:8080"))?;
        let secure = match scheme {
            "http" | "ws" => false,
            "https" | "wss" => true,
            other => bail!("{other}:// is not served; http:// and https:// are"),
        };
        let authority = rest.split('/').next().unwrap_or_default();
        let with_port = if authority.rsplit(':').next().is_some_and(is_port) {
            authority.to_owned()
        } else {
            format!("{authority}:{}", if secure { 443 } else { 80 })
        };
        let (host, _) = with_port.rsplit_once(':').unwrap_or((authority, ""));
        let address = resolve(&with_port)?;
        Ok(Self {
            tls: secure.then(|| connector(ca)).transpose()?,
            host: host.trim_matches(['[', ']']).to_owned(),
            address,
            local: local_address(address)?,
        })
    }

    /// # Errors
    /// When nobody answers there.
    async fn connect(&self) -> anyhow::Result<Box<dyn Stream>> {
        let address = self.address;
        let stream = timeout(PATIENCE, TcpStream::connect(address))
            .await
            .with_context(|| format!("{address} does not answer"))?
            .with_context(|| format!("nothing answers at {address}"))?;
        stream.set_nodelay(true)?;
        let Some(tls) = &self.tls else {
            return Ok(Box::new(stream));
        };
        let name = ServerName::try_from(self.host.clone())?;
        let stream = timeout(PATIENCE, tls.connect(name, stream))
            .await
            .with_context(|| format!("{address} does not answer to TLS"))?
            .with_context(|| format!("TLS with {address} (--ca names a certificate to trust)"))?;
        Ok(Box::new(stream))
    }

    /// Opens a WebSocket.
    ///
    /// # Errors
    /// When nobody answers, or not with a WebSocket.
    pub(super) async fn socket(
        &self,
        path: &str,
        protocol: Option<&'static str>,
    ) -> anyhow::Result<Socket> {
        let stream = self.connect().await?;
        let mut request = format!("ws://{}{path}", self.address).into_client_request()?;
        if let Some(protocol) = protocol {
            let value = HeaderValue::from_static(protocol);
            request
                .headers_mut()
                .insert("sec-websocket-protocol", value);
        }
        let config = WebSocketConfig::default().read_buffer_size(READ_BUFFER);
        let opened = tokio_tungstenite::client_async_with_config(request, stream, Some(config));
        let (socket, _) = timeout(PATIENCE, opened)
            .await
            .with_context(|| format!("{} does not answer", self.address))?
            .with_context(|| format!("no WebSocket at {}{path}", self.address))?;
        Ok(socket)
    }

    /// One request; the answer's status and body.
    ///
    /// # Errors
    /// When there is no answer.
    pub(super) async fn request(
        &self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: &str,
    ) -> anyhow::Result<(u16, String)> {
        let mut stream = self.connect().await?;
        let key = key.map_or_else(String::new, |key| {
            format!("Authorization: Bearer {key}\r\n")
        });
        let request = format!(
            "{method} {path} HTTP/1.1\r\nHost: {}\r\nConnection: close\r\n{key}\
             Content-Type: application/json\r\nContent-Length: {}\r\n\r\n{body}",
            self.address,
            body.len()
        );
        stream.write_all(request.as_bytes()).await?;
        let mut answer = Vec::new();
        let read = stream.take(ANSWER_MAX).read_to_end(&mut answer).await;
        let answer = String::from_utf8_lossy(&answer);
        let (head, body) = answer
            .split_once("\r\n\r\n")
            .with_context(|| format!("no HTTP answer of {} ({read:?})", self.address))?;
        let status = head.split(' ').nth(1).and_then(|word| word.parse().ok());
        let chunked = head.to_ascii_lowercase().contains("transfer-encoding");
        ensure!(!chunked, "{path} is answered in chunks");
        Ok((status.context("no HTTP status")?, body.to_owned()))
    }
}

fn is_port(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// The first address of `host:port`.
///
/// # Errors
/// When there is none.
pub(super) fn resolve(host: &str) -> anyhow::Result<SocketAddr> {
    use std::net::ToSocketAddrs as _;
    host.to_socket_addrs()
        .ok()
        .and_then(|mut found| found.next())
        .with_context(|| format!("{host} is no host:port with an address"))
}

/// The address of this machine from which `remote` is reached.
///
/// # Errors
/// When there is no way there.
pub(super) fn local_address(remote: SocketAddr) -> anyhow::Result<IpAddr> {
    let any: SocketAddr = if remote.is_ipv4() {
        ([0, 0, 0, 0], 0).into()
    } else {
        ([0; 16], 0).into()
    };
    let probe = std::net::UdpSocket::bind(any)?;
    probe
        .connect(remote)
        .with_context(|| format!("no way to {remote}"))?;
    Ok(probe.local_addr()?.ip())
}

fn connector(ca: Option<&Path>) -> anyhow::Result<TlsConnector> {
    let path = ca.context("https:// needs --ca with the certificate to trust")?;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in CertificateDer::pem_file_iter(path)
        .with_context(|| format!("reading {}", path.display()))?
    {
        roots.add(certificate?)?;
    }
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let config = rustls::ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(TlsConnector::from(Arc::new(config)))
}
