//! The tokio shell of the endpoint: UDP and TCP sockets, the clock, bounded channels. Decides nothing of SIP.

use std::net::SocketAddr;
use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::call::{CallCommand, CallEvent};
use crate::endpoint::{EndpointConfig, EndpointCounters, Limits, Timing};
use crate::trunk::Trunk;

/// How to serve SIP.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Address and port of the UDP socket and the TCP listener. Port 0: the system chooses one for both.
    pub bind: SocketAddr,
    /// Address that peers reach us at, when it differs from `bind`; its port 0 means the bound port.
    pub announced: Option<SocketAddr>,
    /// Who may call.
    pub trunks: Vec<Trunk>,
    /// Bounds.
    pub limits: Limits,
    /// Timer values.
    pub timing: Timing,
    /// Session interval (RFC 4028) that we ask for.
    pub session_interval: Duration,
    /// Server header.
    pub server: String,
}

impl SipConfig {
    /// A configuration with the defaults of the RFCs.
    #[must_use]
    pub fn new(bind: SocketAddr, trunks: Vec<Trunk>) -> Self {
        Self {
            bind,
            announced: None,
            trunks,
            limits: Limits::default(),
            timing: Timing::default(),
            session_interval: Duration::from_secs(1_800),
            server: "Plenum".to_owned(),
        }
    }
}

/// Why SIP cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum SipError {
    /// A socket cannot be bound.
    #[error("cannot bind SIP {transport} on {address}: {source}")]
    Bind {
        /// `UDP` or `TCP`.
        transport: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// The receiver of events is gone.
    #[error("nobody takes call events any more")]
    EventsClosed,
}

/// Bound sockets that do not serve yet: addresses are known before the first call can come.
#[derive(Debug)]
pub struct SipShell {
    config: EndpointConfig,
    local: SocketAddr,
    counters: watch::Sender<EndpointCounters>,
}

impl SipShell {
    /// Binds UDP and TCP on one port.
    ///
    /// # Errors
    /// When a socket cannot be bound.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn bind(config: SipConfig) -> Result<Self, SipError> {
        let endpoint = EndpointConfig::new(config.bind, config.trunks);
        Ok(Self {
            config: endpoint,
            local: config.bind,
            counters: watch::Sender::default(),
        })
    }

    /// The bound address.
    #[must_use]
    pub fn local(&self) -> SocketAddr {
        self.local
    }

    /// The address in our Contact.
    #[must_use]
    pub fn announced(&self) -> SocketAddr {
        self.config.announced
    }

    /// Counters, renewed about once a second while serving.
    #[must_use]
    pub fn counters(&self) -> watch::Receiver<EndpointCounters> {
        self.counters.subscribe()
    }

    /// Serves until `stop` turns true: then every call is hung up, and the farewells get a moment to go out.
    ///
    /// # Errors
    /// When nobody takes events any more.
    #[expect(clippy::unused_async, reason = "skeleton")]
    pub async fn serve(
        self,
        _commands: mpsc::Receiver<CallCommand>,
        _events: mpsc::Sender<CallEvent>,
        _stop: watch::Receiver<bool>,
    ) -> Result<(), SipError> {
        Err(SipError::EventsClosed)
    }
}

/// Binds and serves in one go.
///
/// # Errors
/// As [`SipShell::bind`] and [`SipShell::serve`].
pub async fn serve(
    config: SipConfig,
    commands: mpsc::Receiver<CallCommand>,
    events: mpsc::Sender<CallEvent>,
    stop: watch::Receiver<bool>,
) -> Result<(), SipError> {
    SipShell::bind(config)
        .await?
        .serve(commands, events, stop)
        .await
}
