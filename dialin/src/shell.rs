//! The tokio shell of the endpoint: UDP, TCP and TLS sockets, the clock, bounded channels. Decides nothing of SIP.

mod names;
mod sockets;
mod streams;
mod tls;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;
use tokio::net::{TcpListener, TcpStream, UdpSocket};
use tokio::sync::{mpsc, watch};
use tokio::time::Instant;

use crate::call::{CallCommand, CallEvent, HangupReason};
use crate::endpoint::{
    EndpointConfig, EndpointCounters, Limits, SipEndpoint, SipInput, SipOutput, StreamId,
    StreamKind, Timing, TrunkCounters, Wire,
};
use crate::trunk::Trunk;
use names::Names;
use streams::StreamEvent;
use tls::Tls;
pub use tls::TlsSettings;
pub use tokio_rustls::rustls;

/// How to serve SIP.
#[derive(Clone, Debug)]
pub struct SipConfig {
    /// Address and port of the UDP socket and the TCP listener. Port 0: the system chooses one for both.
    pub bind: SocketAddr,
    /// Address that peers reach us at, when it differs from `bind`; its port 0 means the bound port.
    pub announced: Option<SocketAddr>,
    /// TLS beside UDP and TCP.
    pub tls: Option<TlsSettings>,
    /// Who may call.
    pub trunks: Vec<Trunk>,
    /// Whom names of trunks are asked of; empty: the system's name servers.
    pub nameservers: Vec<SocketAddr>,
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
            tls: None,
            trunks,
            nameservers: Vec::new(),
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
        /// `UDP`, `TCP` or `TLS`.
        transport: &'static str,
        /// Where.
        address: SocketAddr,
        /// The system's reason.
        source: std::io::Error,
    },
    /// Bound to every interface, and nobody said which address to announce.
    #[error("{0} is no address that a phone can reach: an announced address is needed")]
    Unannounced(SocketAddr),
    /// The operating system gave no random bytes.
    #[error("no random bytes to be had")]
    NoRandomness,
    /// The receiver of events is gone.
    #[error("nobody takes call events any more")]
    EventsClosed,
}

/// Bound sockets that do not serve yet: addresses are known before the first call can come.
#[derive(Debug)]
pub struct SipShell {
    config: EndpointConfig,
    local: SocketAddr,
    udp: UdpSocket,
    tcp: TcpListener,
    tls: Option<Tls>,
    nameservers: Vec<SocketAddr>,
    counters: watch::Sender<(EndpointCounters, Vec<TrunkCounters>)>,
}

impl SipShell {
    /// Binds UDP and TCP on one port, and TLS on its own. Must be called within a tokio runtime.
    ///
    /// # Errors
    /// When a socket cannot be bound, or no announced address can be told.
    #[expect(
        clippy::unused_async,
        reason = "binds sockets of the running reactor; must not be called outside of one"
    )]
    pub async fn bind(config: SipConfig) -> Result<Self, SipError> {
        let (udp, tcp) = sockets::bind_pair(config.bind)?;
        let fault = |source| SipError::Bind {
            transport: "UDP",
            address: config.bind,
            source,
        };
        let local = udp.local_addr().map_err(fault)?;
        let announced = match config.announced {
            Some(address) if address.port() == 0 => SocketAddr::new(address.ip(), local.port()),
            Some(address) => address,
            None if local.ip().is_unspecified() => return Err(SipError::Unannounced(local)),
            None => local,
        };
        let tls = config.tls.map(sockets::bind_tls).transpose()?;
        let mut secret = [0; 32];
        getrandom::fill(&mut secret).map_err(|_| SipError::NoRandomness)?;
        let endpoint = EndpointConfig {
            limits: config.limits,
            timing: config.timing,
            session_interval: config.session_interval,
            server: config.server,
            secret,
            announced_tls: match &tls {
                None => None,
                Some(tls) => {
                    let port = tls.listener.local_addr().map_err(fault)?.port();
                    Some(SocketAddr::new(announced.ip(), port))
                }
            },
            ..EndpointConfig::new(announced, config.trunks)
        };
        Ok(Self {
            config: endpoint,
            local,
            udp,
            tcp,
            tls,
            nameservers: config.nameservers,
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

    /// Where TLS is reached, if it is served.
    #[must_use]
    pub fn announced_tls(&self) -> Option<SocketAddr> {
        self.config.announced_tls
    }

    /// Counters, those of the whole and of each trunk in its order, renewed about once a second while serving.
    #[must_use]
    pub fn counters(&self) -> watch::Receiver<(EndpointCounters, Vec<TrunkCounters>)> {
        self.counters.subscribe()
    }

    /// Serves until `stop` turns true: then every call is hung up, and the farewells get a moment to go out.
    ///
    /// Events that the owner is slow to take are kept; past [`EVENTS_KEPT`] of them the sockets are not read until
    /// it catches up. Commands are always taken, so an owner that waits to send one cannot be waited for in turn.
    ///
    /// # Errors
    /// When nobody takes events any more; calls are hung up as on a stop.
    pub async fn serve(
        self,
        commands: mpsc::Receiver<CallCommand>,
        events: mpsc::Sender<CallEvent>,
        stop: watch::Receiver<bool>,
    ) -> Result<(), SipError> {
        Driver::new(self).run(commands, events, stop).await
    }
}

/// Events that wait for the owner; above, nothing is read from the sockets.
pub const EVENTS_KEPT: usize = 1_024;

/// Messages of connections that wait for the endpoint.
const INBOX: usize = 256;

/// Datagrams taken in one go.
const BATCH: usize = 64;

/// How long farewells may take on a stop.
const FAREWELL: Duration = Duration::from_secs(2);

/// Owns the endpoint and the sockets while serving.
struct Driver {
    endpoint: SipEndpoint,
    udp: UdpSocket,
    tcp: TcpListener,
    tls: Option<Tls>,
    counters: watch::Sender<(EndpointCounters, Vec<TrunkCounters>)>,
    epoch: Instant,
    streams: HashMap<StreamId, mpsc::Sender<Bytes>>,
    next_stream: u64,
    inbox: mpsc::Sender<StreamEvent>,
    arrivals: mpsc::Receiver<StreamEvent>,
    names: Names,
    kept: VecDeque<CallEvent>,
    buffer: Vec<u8>,
}

impl Driver {
    #[expect(clippy::disallowed_methods, reason = "the shell is where the clock is")]
    fn new(shell: SipShell) -> Self {
        let (inbox, arrivals) = mpsc::channel(INBOX);
        Self {
            endpoint: SipEndpoint::new(shell.config),
            udp: shell.udp,
            tcp: shell.tcp,
            tls: shell.tls,
            counters: shell.counters,
            epoch: Instant::now(),
            streams: HashMap::new(),
            next_stream: 0,
            inbox,
            arrivals,
            names: Names::new(&shell.nameservers, shell.local.is_ipv6()),
            kept: VecDeque::new(),
            buffer: vec![0; usize::from(u16::MAX)],
        }
    }

    fn now(&self) -> MediaTime {
        MediaTime::ZERO + self.epoch.elapsed()
    }

    fn handle(&mut self, input: SipInput) {
        let now = self.now();
        self.endpoint.handle(now, input);
        self.drain();
    }

    async fn run(
        mut self,
        mut commands: mpsc::Receiver<CallCommand>,
        events: mpsc::Sender<CallEvent>,
        mut stop: watch::Receiver<bool>,
    ) -> Result<(), SipError> {
        let mut renew = tokio::time::interval(Duration::from_secs(1));
        let mut outcome = Ok(());
        while !*stop.borrow() {
            let deadline = self.wake();
            let reads = self.kept.len() < EVENTS_KEPT;
            tokio::select! {
                changed = stop.changed() => if changed.is_err() { break },
                command = commands.recv() => match command {
                    Some(command) => self.handle(SipInput::Command(command)),
                    None => break,
                },
                permit = events.reserve(), if !self.kept.is_empty() => match permit {
                    Ok(permit) => if let Some(event) = self.kept.pop_front() { permit.send(event) },
                    Err(_) => { outcome = Err(SipError::EventsClosed); break }
                },
                ready = self.udp.readable(), if reads => self.read_datagrams(ready),
                accepted = self.tcp.accept(), if reads => self.accepted(accepted, StreamKind::Tcp).await,
                accepted = accept(self.tls.as_ref()), if reads => self.accepted(accepted, StreamKind::Tls).await,
                Some(arrival) = self.arrivals.recv(), if reads => self.arrived(arrival),
                (query, records, ttl) = self.names.next() => self.handle(SipInput::Resolved { query, records, ttl }),
                () = tokio::time::sleep_until(deadline) => self.handle(SipInput::Tick),
                _ = renew.tick() => { self.count(); }
            }
        }
        self.say_farewell(&events).await;
        outcome
    }

    /// When the endpoint wants to be woken; an hour when it does not.
    fn wake(&self) -> Instant {
        let idle = self.now() + Duration::from_secs(3_600);
        self.epoch
            + self
                .endpoint
                .deadline()
                .unwrap_or(idle)
                .min(idle)
                .since(MediaTime::ZERO)
    }

    /// Hangs up every call and waits a moment for the answers, and for the owner to take the last events.
    async fn say_farewell(&mut self, events: &mpsc::Sender<CallEvent>) {
        self.handle(SipInput::Leaving);
        for call in self.endpoint.calls() {
            self.handle(SipInput::Command(CallCommand::Hangup {
                call,
                reason: HangupReason::ServerStopping,
            }));
        }
        let end = self.epoch + self.epoch.elapsed() + FAREWELL;
        let mut heard = true;
        // Where a registration is taken back may have to be looked up.
        while self.endpoint.unfinished() > 0
            || self.names.are_asked()
            || (heard && !self.kept.is_empty())
        {
            let deadline = self.wake().min(end);
            tokio::select! {
                permit = events.reserve(), if heard && !self.kept.is_empty() => match permit {
                    Ok(permit) => if let Some(event) = self.kept.pop_front() { permit.send(event) },
                    Err(_) => heard = false, // the owner stops too and need not know
                },
                ready = self.udp.readable() => self.read_datagrams(ready),
                Some(arrival) = self.arrivals.recv() => self.arrived(arrival),
                (query, records, ttl) = self.names.next() => self.handle(SipInput::Resolved { query, records, ttl }),
                () = tokio::time::sleep_until(deadline) => {
                    if deadline >= end { break }
                    self.handle(SipInput::Tick);
                }
            }
        }
        self.count();
    }

    fn count(&self) {
        let counters = (self.endpoint.counters(), self.endpoint.trunk_counters());
        self.counters.send_replace(counters);
    }

    fn read_datagrams(&mut self, ready: std::io::Result<()>) {
        if ready.is_err() {
            return;
        }
        for _ in 0..BATCH {
            // An error other than "nothing there" is an ICMP of an earlier send: of no interest.
            let Ok((length, from)) = self.udp.try_recv_from(&mut self.buffer) else {
                return;
            };
            let bytes = Bytes::copy_from_slice(self.buffer.get(..length).unwrap_or_default());
            self.handle(SipInput::Datagram {
                from: canonical(from),
                bytes,
            });
        }
    }

    async fn accepted(
        &mut self,
        accepted: std::io::Result<(TcpStream, SocketAddr)>,
        kind: StreamKind,
    ) {
        let Ok((socket, from)) = accepted else {
            // Out of descriptors: wait instead of spinning.
            return tokio::time::sleep(Duration::from_millis(50)).await;
        };
        let stream = StreamId(self.next_stream);
        self.next_stream += 1;
        let tls = match kind {
            StreamKind::Tcp => None,
            StreamKind::Tls => self.tls.as_ref().map(Tls::acceptor),
        };
        let queue = streams::run(socket, tls, stream, self.inbox.clone());
        self.streams.insert(stream, queue);
        self.handle(SipInput::StreamOpened {
            stream,
            from: canonical(from),
            kind,
        });
    }

    fn arrived(&mut self, arrival: StreamEvent) {
        match arrival {
            StreamEvent::Bytes(stream, bytes) => {
                self.handle(SipInput::StreamBytes { stream, bytes })
            }
            StreamEvent::Closed(stream) => {
                self.streams.remove(&stream);
                self.handle(SipInput::StreamClosed { stream });
            }
        }
    }

    fn connect(&mut self, stream: StreamId, to: SocketAddr, tls: Option<&str>) {
        let tls = match tls {
            None => None,
            Some(host) => {
                let Some(tls) = self.tls.as_ref().and_then(|tls| tls.connector(host)) else {
                    let closed = SipInput::StreamClosed { stream };
                    return self.endpoint.handle(self.now(), closed);
                };
                Some(tls)
            }
        };
        let queue = streams::connect(to, tls, stream, self.inbox.clone());
        self.streams.insert(stream, queue);
    }

    fn drain(&mut self) {
        while let Some(output) = self.endpoint.poll_output() {
            match output {
                SipOutput::Send {
                    wire: Wire::Udp(to),
                    bytes,
                } => {
                    if let Err(error) = self.udp.try_send_to(&bytes, to) {
                        tracing::debug!(%error, "datagram not sent");
                        // What did not fit is sent again in time; where there is no way, there is none then, either.
                        if error.kind() != std::io::ErrorKind::WouldBlock {
                            let now = self.now();
                            self.endpoint.handle(now, SipInput::Unreachable { to });
                        }
                    }
                }
                SipOutput::Send {
                    wire: Wire::Tcp(stream),
                    bytes,
                } => {
                    // A peer that does not read: its queue is full and its connection goes.
                    if self
                        .streams
                        .get(&stream)
                        .is_none_or(|queue| queue.try_send(bytes).is_err())
                        && self.streams.remove(&stream).is_some()
                    {
                        self.endpoint
                            .handle(self.now(), SipInput::StreamClosed { stream });
                    }
                }
                SipOutput::Connect { stream, to, tls } => self.connect(stream, to, tls.as_deref()),
                SipOutput::CloseStream(stream) => {
                    self.streams.remove(&stream);
                }
                SipOutput::Resolve { query, proxy } => self.names.ask(query, proxy),
                SipOutput::Event(event) => self.kept.push_back(event),
            }
        }
    }
}

/// The next connection to the TLS listener; never, when there is none.
async fn accept(tls: Option<&Tls>) -> std::io::Result<(TcpStream, SocketAddr)> {
    match tls {
        Some(tls) => tls.listener.accept().await,
        None => std::future::pending().await,
    }
}

/// IPv4-mapped addresses of a dual-stack socket as the IPv4 addresses that they are.
fn canonical(address: SocketAddr) -> SocketAddr {
    SocketAddr::new(address.ip().to_canonical(), address.port())
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
