//! The SIP endpoint: bytes and commands in, bytes and call events out. Owns transactions, dialogs and their
//! timers; knows no socket, no clock and no media. One owner drives it (see [`crate::shell`]).
//!
//! ```text
//! handle(now, input)   poll_output() -> Option<SipOutput>   deadline() -> Option<MediaTime>
//! ```

mod call;
mod commands;
mod digest;
mod errands;
mod far_end;
mod invite;
mod limits;
mod located;
mod outcome;
mod outgoing;
mod refer;
mod refusals;
mod requests;
mod resolve;
mod send;
mod spent;
mod streams;
mod tags;
mod takeover;
mod timers;
mod transactions;
mod uac;
mod within;
mod write;

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use crate::call::{CallCommand, CallEvent, CallId, ReferId};
use crate::sip::{self, Guard, Parsed};
use crate::trunk::{Proxy, Transport, Trunk};
use call::{Call, DialogKey};
use far_end::FarEnd;
pub use far_end::{FarEndState, Registered};
use limits::Meter;
pub use limits::TrunkCounters;
use outgoing::Outgoing;
pub use resolve::Record;
pub(crate) use resolve::{MAX_ADDRESSES, MAX_RECORDS};
use streams::Streams;
use tags::Tags;
use timers::{Owner, Timers};
use transactions::Servers;
use uac::Clients;

/// One TCP or TLS connection. The shell counts accepted ones from 0; the endpoint's own connects have the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// What a connection is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum StreamKind {
    /// TCP.
    Tcp,
    /// TLS over TCP.
    Tls,
}

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// One datagram to this address.
    Udp(SocketAddr),
    /// Bytes of an open TCP or TLS connection.
    Tcp(StreamId),
}

/// What comes in.
#[derive(Debug)]
pub enum SipInput {
    /// A UDP datagram.
    Datagram {
        /// Its source.
        from: SocketAddr,
        /// Its bytes.
        bytes: Bytes,
    },
    /// A connection was accepted; over TLS its handshake is still to come, and counts as silence until it is done.
    StreamOpened {
        /// Its id, never used before.
        stream: StreamId,
        /// The far end.
        from: SocketAddr,
        /// Which listener it came to.
        kind: StreamKind,
    },
    /// Bytes of a TCP connection.
    StreamBytes {
        /// Which.
        stream: StreamId,
        /// Its bytes, any amount.
        bytes: Bytes,
    },
    /// A TCP connection is gone, or a connect failed.
    StreamClosed {
        /// Which.
        stream: StreamId,
    },
    /// What a name stands for; empty when it stands for nothing or could not be looked up.
    Resolved {
        /// Of [`SipOutput::Resolve`].
        query: u64,
        /// Servers, in any order.
        records: Vec<Record>,
        /// How long this holds.
        ttl: Duration,
    },
    /// A datagram could not be sent to this address.
    Unreachable {
        /// Where to.
        to: SocketAddr,
    },
    /// The server is about to stop: registrations are taken back.
    Leaving,
    /// A command of the call's owner.
    Command(CallCommand),
    /// Nothing but time: timers that are due fire (they do so on every input).
    Tick,
}

/// What goes out.
#[derive(Debug)]
pub enum SipOutput {
    /// Send these bytes.
    Send {
        /// Where to.
        wire: Wire,
        /// One whole SIP message (or a keep-alive's CRLF).
        bytes: Bytes,
    },
    /// Open a connection; what is sent to it meanwhile must wait for it.
    Connect {
        /// The id of it.
        stream: StreamId,
        /// Where to.
        to: SocketAddr,
        /// TLS, with the host name or address that the far end's certificate must be for; `None`: TCP.
        tls: Option<String>,
    },
    /// Close a TCP connection: its framing is lost, it idled, or there are too many.
    CloseStream(StreamId),
    /// Look up where this is (RFC 3263); one [`SipInput::Resolved`] must follow.
    Resolve {
        /// Never used before.
        query: u64,
        /// What to look up; its host is a name.
        proxy: Proxy,
    },
    /// Something happened to a call.
    Event(CallEvent),
}

/// Timer values of RFC 3261 table 4.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timing {
    /// T1, round-trip estimate: 500 ms.
    pub t1: Duration,
    /// T2, longest retransmission interval: 4 s.
    pub t2: Duration,
    /// T4, longest time a message stays in the network: 5 s.
    pub t4: Duration,
}

impl Default for Timing {
    fn default() -> Self {
        Self {
            t1: Duration::from_millis(500),
            t2: Duration::from_secs(4),
            t4: Duration::from_secs(5),
        }
    }
}

/// Bounds of everything that a peer can make grow.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Calls at once; more are answered 503.
    pub calls: usize,
    /// Largest message, headers and body, in bytes; larger requests are answered 513, streams closed.
    pub message: usize,
    /// Server transactions remembered at once; more requests are answered 503 without state.
    pub transactions: usize,
    /// TCP connections at once; more are closed.
    pub streams: usize,
    /// A TCP connection without a byte, and without a call, for this long is closed.
    pub stream_idle: Duration,
    /// An unfinished message on a TCP connection may take this long.
    pub stream_partial: Duration,
    /// An INVITE that nobody answered or refused for this long is answered 480.
    pub unanswered: Duration,
    /// Messages refused without state (403, 400, 503 …) per second; above, they are dropped silently.
    pub refusals_per_second: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            calls: 2_000,
            message: 64 * 1024,
            transactions: 20_000,
            streams: 1_000,
            stream_idle: Duration::from_secs(120),
            stream_partial: Duration::from_secs(10),
            unanswered: Duration::from_secs(60),
            refusals_per_second: 200,
        }
    }
}

/// How an endpoint is set up.
#[derive(Clone, Debug)]
pub struct EndpointConfig {
    /// Address that peers reach us at: Contact and Via. Same port for UDP and TCP.
    pub announced: SocketAddr,
    /// The same over TLS; `None`: TLS is not served.
    pub announced_tls: Option<SocketAddr>,
    /// Who may call; requests of other sources get 403.
    pub trunks: Vec<Trunk>,
    /// Bounds.
    pub limits: Limits,
    /// Timer values.
    pub timing: Timing,
    /// Session interval that we ask for when the caller names none but supports timers (RFC 4028): 1800 s.
    pub session_interval: Duration,
    /// Smallest session interval we accept; smaller are answered 422: 90 s.
    pub session_minimum: Duration,
    /// Server and User-Agent header; empty: none.
    pub server: String,
    /// An established call without a session timer is probed by OPTIONS this often: 300 s.
    pub liveness: Duration,
    /// Secret that tags, branches and digest nonces are made from; random per start.
    pub secret: [u8; 32],
}

impl EndpointConfig {
    /// A configuration with the defaults of the RFCs.
    #[must_use]
    pub fn new(announced: SocketAddr, trunks: Vec<Trunk>) -> Self {
        Self {
            announced,
            announced_tls: None,
            trunks,
            limits: Limits::default(),
            timing: Timing::default(),
            session_interval: Duration::from_secs(1_800),
            session_minimum: Duration::from_secs(90),
            server: "Plenum".to_owned(),
            liveness: Duration::from_secs(300),
            secret: [0; 32],
        }
    }
}

/// Monotonic counts and gauges, for metrics.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct EndpointCounters {
    /// Requests that came in, retransmissions included.
    pub requests: u64,
    /// Messages that could not be parsed.
    pub malformed: u64,
    /// Requests from sources that no trunk knows.
    pub untrusted: u64,
    /// Requests recognised as retransmissions.
    pub retransmissions: u64,
    /// Messages dropped because a bound was reached.
    pub overload: u64,
    /// INVITEs that failed digest authentication.
    pub unauthenticated: u64,
    /// Calls ended for want of an ACK.
    pub missing_acks: u64,
    /// Calls ended by the session timer.
    pub sessions_expired: u64,
    /// Calls now (gauge).
    pub calls: usize,
    /// Server transactions now (gauge).
    pub transactions: usize,
    /// TCP connections now (gauge).
    pub streams: usize,
}

/// How messages travel, as Via and Contact name it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
enum Way {
    Udp,
    Tcp,
    Tls,
}

impl Way {
    const fn of(kind: StreamKind) -> Self {
        match kind {
            StreamKind::Tcp => Self::Tcp,
            StreamKind::Tls => Self::Tls,
        }
    }

    const fn by(transport: Transport) -> Self {
        match transport {
            Transport::Udp => Self::Udp,
            Transport::Tcp => Self::Tcp,
            Transport::Tls => Self::Tls,
        }
    }

    /// The transport of a Via (RFC 3261 section 18).
    const fn as_str(self) -> &'static str {
        match self {
            Self::Udp => "UDP",
            Self::Tcp => "TCP",
            Self::Tls => "TLS",
        }
    }
}

/// Where a message came from.
#[derive(Clone, Copy, Debug)]
struct Arrival {
    source: SocketAddr,
    /// `None`: UDP.
    stream: Option<StreamId>,
    way: Way,
}

/// The endpoint. See the module's documentation.
pub struct SipEndpoint {
    config: EndpointConfig,
    /// Digest state per trunk.
    guards: Vec<Option<Guard>>,
    /// Limits per trunk.
    meters: Vec<Meter>,
    outputs: VecDeque<SipOutput>,
    counters: EndpointCounters,
    timers: Timers,
    tags: Tags,
    servers: Servers,
    clients: Clients,
    outgoing: Outgoing,
    /// Per trunk.
    far_ends: Vec<FarEnd>,
    streams: Streams,
    calls: HashMap<CallId, Call>,
    dialogs: HashMap<DialogKey, CallId>,
    next_call: u64,
    next_refer: ReferId,
    /// Stateless refusals left in the running second, and that second.
    refusals: (u32, u64),
}

impl SipEndpoint {
    /// An endpoint without calls.
    #[must_use]
    pub fn new(config: EndpointConfig) -> Self {
        let guards = config
            .trunks
            .iter()
            .map(|trunk| {
                trunk
                    .credentials
                    .clone()
                    .map(|credentials| Guard::new(credentials, config.secret))
            })
            .collect();
        let mut endpoint = Self {
            guards,
            meters: config.trunks.iter().map(Meter::new).collect(),
            outputs: VecDeque::new(),
            counters: EndpointCounters::default(),
            timers: Timers::default(),
            tags: Tags::new(config.secret),
            servers: Servers::default(),
            clients: Clients::default(),
            outgoing: Outgoing::default(),
            far_ends: config.trunks.iter().map(FarEnd::new).collect(),
            streams: Streams::default(),
            calls: HashMap::new(),
            dialogs: HashMap::new(),
            next_refer: ReferId::default(),
            next_call: 0,
            refusals: (config.limits.refusals_per_second, 0),
            config,
        };
        endpoint.start_far_ends();
        endpoint
    }

    /// Takes an input; then [`Self::poll_output`] until it is dry. Timers that are due fire first.
    pub fn handle(&mut self, now: MediaTime, input: SipInput) {
        self.expire(now);
        match input {
            SipInput::Datagram { from, bytes } => self.on_datagram(now, from, bytes),
            SipInput::StreamOpened { stream, from, kind } => {
                self.on_stream_opened(now, stream, from, kind);
            }
            SipInput::StreamBytes { stream, bytes } => self.on_stream_bytes(now, stream, &bytes),
            SipInput::StreamClosed { stream } => {
                self.streams.remove(stream);
                self.way_lost(now, Wire::Tcp(stream));
            }
            SipInput::Resolved {
                query,
                records,
                ttl,
            } => self.on_resolved(now, query, records, ttl),
            SipInput::Unreachable { to } => self.way_lost(now, Wire::Udp(to)),
            SipInput::Leaving => self.deregister(now),
            SipInput::Command(command) => self.on_command(now, command),
            SipInput::Tick => {}
        }
    }

    /// The next thing to send or to tell, in order.
    pub fn poll_output(&mut self) -> Option<SipOutput> {
        self.outputs.pop_front()
    }

    /// When to call [`Self::handle`] with [`SipInput::Tick`] at the latest; `None`: no timer runs.
    #[must_use]
    pub fn deadline(&self) -> Option<MediaTime> {
        self.timers.next()
    }

    /// Counts for metrics.
    #[must_use]
    pub fn counters(&self) -> EndpointCounters {
        EndpointCounters {
            calls: self.calls.len() + self.outgoing.len(),
            transactions: self.servers.len(),
            streams: self.streams.len(),
            ..self.counters
        }
    }

    /// Counts of each trunk, in the order of the configuration.
    #[must_use]
    pub fn trunk_counters(&self) -> Vec<TrunkCounters> {
        let far_ends = self.far_ends.iter();
        let counters = self.meters.iter().zip(far_ends);
        counters
            .map(|(meter, far)| TrunkCounters {
                far_end: far.state,
                ..meter.counters
            })
            .collect()
    }

    /// The calls that have not ended, for a graceful stop.
    #[must_use]
    pub fn calls(&self) -> Vec<CallId> {
        self.calls
            .values()
            .filter(|call| !call.is_over())
            .map(|call| call.id)
            .chain(self.outgoing.running())
            .collect()
    }

    /// Requests of ours that are not answered yet, and calls that wait for their ACK to be ended.
    #[must_use]
    pub fn unfinished(&self) -> usize {
        self.clients.len() + self.calls.len() + self.outgoing.len()
    }

    fn expire(&mut self, now: MediaTime) {
        while let Some((due, owner)) = self.timers.pop(now) {
            match owner {
                Owner::Server(id) => self.server_due(now, due, id),
                Owner::Client(id) => self.client_due(now, due, id),
                Owner::Call(id) => self.call_due(now, due, id),
                Owner::Attempt(id) => self.attempt_due(now, due, id),
                Owner::FarEnd(trunk) => self.far_end_due(now, due, trunk),
                Owner::Spent(id) => self.outgoing.forget(id),
                Owner::Stream(id) => self.stream_due(now, due, id),
            }
        }
    }

    fn on_datagram(&mut self, now: MediaTime, source: SocketAddr, bytes: Bytes) {
        if bytes.iter().all(|byte| matches!(byte, b'\r' | b'\n' | 0)) {
            return; // keep-alive of RFC 5626 or of a NAT
        }
        let arrival = Arrival {
            source,
            stream: None,
            way: Way::Udp,
        };
        match sip::parse_datagram(bytes, u16::MAX.into()) {
            Ok(parsed) => self.on_message(now, arrival, parsed),
            Err(sip::Unreadable::Answerable(request)) => {
                self.counters.malformed += 1;
                self.refuse_stateless(now, arrival, &request, 400);
            }
            Err(sip::Unreadable::Not) => self.counters.malformed += 1,
        }
    }

    fn on_message(&mut self, now: MediaTime, arrival: Arrival, parsed: Parsed) {
        match parsed {
            Parsed::Request(request) => self.on_request(now, arrival, request),
            Parsed::Response(response) => self.on_response(now, &response),
        }
    }

    fn send(&mut self, wire: Wire, bytes: Bytes) {
        if let Wire::Tcp(stream) = wire
            && !self.streams.is_open(stream)
        {
            return; // the peer took its connection away; timers end what depended on it
        }
        self.outputs.push_back(SipOutput::Send { wire, bytes });
    }

    fn tell(&mut self, event: CallEvent) {
        self.outputs.push_back(SipOutput::Event(event));
    }
}

/// Puts a deadline on the heap unless an entry that is as early stands there already.
fn arm(
    timers: &mut Timers,
    deadline: Option<MediaTime>,
    armed: &mut Option<MediaTime>,
    owner: Owner,
) {
    if let Some(due) = deadline
        && armed.is_none_or(|stands| due < stands)
    {
        *armed = Some(due);
        timers.set(due, owner);
    }
}
