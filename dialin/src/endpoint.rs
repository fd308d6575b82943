//! The SIP endpoint: bytes and commands in, bytes and call events out. Owns transactions, dialogs and their
//! timers; knows no socket, no clock and no media. One owner drives it (see [`crate::shell`]).
//!
//! ```text
//! handle(now, input)   poll_output() -> Option<SipOutput>   deadline() -> Option<MediaTime>
//! ```

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use crate::call::{CallCommand, CallEvent};
use crate::trunk::Trunk;

/// One TCP connection. The shell counts accepted ones from 0; the endpoint's own connects have the top bit set.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct StreamId(pub u64);

/// Where a message goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Wire {
    /// One datagram to this address.
    Udp(SocketAddr),
    /// Bytes of an open TCP connection.
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
    /// A TCP connection was accepted.
    StreamOpened {
        /// Its id, never used before.
        stream: StreamId,
        /// The far end.
        from: SocketAddr,
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
    /// Open a TCP connection; what is sent to it meanwhile must wait for it.
    Connect {
        /// The id of it.
        stream: StreamId,
        /// Where to.
        to: SocketAddr,
    },
    /// Close a TCP connection: its framing is lost, it idled, or there are too many.
    CloseStream(StreamId),
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
    /// Server header.
    pub server: String,
    /// Seed of tags and branches; take it from the operating system's random source.
    pub seed: u64,
    /// Secret that digest nonces are signed with; random per start.
    pub nonce_secret: [u8; 32],
}

impl EndpointConfig {
    /// A configuration with the defaults of the RFCs.
    #[must_use]
    pub fn new(announced: SocketAddr, trunks: Vec<Trunk>) -> Self {
        Self {
            announced,
            trunks,
            limits: Limits::default(),
            timing: Timing::default(),
            session_interval: Duration::from_secs(1_800),
            session_minimum: Duration::from_secs(90),
            server: "Plenum".to_owned(),
            seed: 0,
            nonce_secret: [0; 32],
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

/// The endpoint. See the module's documentation.
pub struct SipEndpoint {
    config: EndpointConfig,
}

impl SipEndpoint {
    /// An endpoint without calls.
    #[must_use]
    pub fn new(config: EndpointConfig) -> Self {
        Self { config }
    }

    /// Takes an input; then [`Self::poll_output`] until it is dry.
    pub fn handle(&mut self, _now: MediaTime, _input: SipInput) {}

    /// The next thing to send or to tell, in order.
    pub fn poll_output(&mut self) -> Option<SipOutput> {
        None
    }

    /// When to call [`Self::handle`] with [`SipInput::Tick`] at the latest; `None`: no timer runs.
    #[must_use]
    pub fn deadline(&self) -> Option<MediaTime> {
        None
    }

    /// Counts for metrics.
    #[must_use]
    pub fn counters(&self) -> EndpointCounters {
        EndpointCounters::default()
    }
}
