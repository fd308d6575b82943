//! The worker's thread: poll, inbox, sockets, timers, in turn.

use std::collections::{HashMap, VecDeque};
use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Events, Interest, Poll, Token, Waker};
use plenum_codecs::MediaPacket;
use plenum_mixer::{LegId, Output, Track};
use rustc_hash::FxHashMap;

use super::legs::{Kind, Leg};
use super::links::{Doorbell, Links};
use super::rooms::{HomedRoom, PayloadCache, Tally};
use super::{INBOX, Load, Message, Shared};
use crate::media::directory::Directory;
use crate::media::log_limit::LogLimit;
use crate::media::metrics::{Dropped, Metrics};
use crate::media::timers::Timers;
use crate::media::webrtc::{Identity, PeerEvent};
use crate::media::{LegGone, MediaConfig, MediaError, RoomId};

pub(super) const WAKER: Token = Token(0);
pub(super) const WEBRTC: Token = Token(1);
/// Phones' sockets come after these.
pub(super) const FIRST_PHONE: usize = 2;

/// The loop comes round at least this often, for the heartbeat.
const IDLE: Duration = Duration::from_millis(100);
/// Between rounds while nothing is due, so that packets come in by the handful: being woken costs more than a packet does.
/// It delays what comes in by so much at most, and no tick.
const REST: Duration = Duration::from_millis(1);
/// Messages taken per round, so that a flood of calls does not delay a tick.
const MESSAGES: usize = 64;
/// Timers fired per round.
const TIMERS: usize = 512;
/// What other workers sent that is acted upon per round: half a millisecond of sending.
const CROSSINGS: usize = 128;
/// Peers with packets to send before no more timers are fired in a round.
const DIRTY: usize = 256;
/// Until something that another worker's full queue did not take is tried again.
const RETRY: Duration = Duration::from_millis(1);
/// Between looks at time-outs and metrics.
const HOUSEKEEPING: Duration = Duration::from_secs(1);
/// Rounds of housekeeping between samples of the WebRTC legs' jitter and loss.
const SAMPLE_EVERY: u64 = 5;
/// Asked of the kernel for the shared socket, both ways: 100 ms of 4,000 listeners at 50 packets per second.
const SOCKET_BUFFER: usize = 4 * 1024 * 1024;
/// Longer than any datagram a peer may send us.
const SCRATCH: usize = 2_048;

/// What wants to be called at a time.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(super) enum Timer {
    Room(RoomId),
    Clip(LegId),
    Peer(LegId),
    Report(LegId),
    /// A phone's, for its keys.
    Handshake(LegId),
    Housekeeping,
}

/// Everything one worker owns.
pub(super) struct Worker {
    pub(super) index: usize,
    /// How many there are.
    pub(super) workers: usize,
    pub(super) config: MediaConfig,
    /// The WebRTC address that peers are told.
    pub(super) local: SocketAddr,
    pub(super) identity: Arc<Identity>,
    pub(super) metrics: Arc<Metrics>,
    pub(super) directory: Arc<Directory>,
    pub(super) load: Arc<Load>,
    pub(super) poll: Poll,
    pub(super) socket: UdpSocket,
    inbox: Receiver<Message>,
    bell: Arc<Doorbell>,
    pub(super) links: Links,
    stop: Arc<AtomicBool>,
    // Keys that are numbers of ours need no hash that resists strangers; they are looked up several times a packet.
    /// Rooms homed here; their legs may live anywhere.
    pub(super) rooms: FxHashMap<RoomId, HomedRoom>,
    /// Legs whose transports live here; their rooms may be homed anywhere.
    pub(super) legs: FxHashMap<LegId, Leg>,
    /// Legs that ended while they moved, and why, until it is known whom to tell.
    pub(super) departed: HashMap<LegId, Option<LegGone>>,
    /// Rooms with outputs that wait for their turn.
    pub(super) undrained: VecDeque<RoomId>,
    /// Phones' sockets in the poll.
    pub(super) tokens: FxHashMap<Token, LegId>,
    pub(super) next_token: usize,
    /// Addresses that proved to be a peer's.
    pub(super) addresses: HashMap<SocketAddr, LegId>,
    /// Our ICE fragments.
    pub(super) ufrags: HashMap<Vec<u8>, LegId>,
    pub(super) timers: Timers<Timer>,
    /// Peers with packets to send.
    pub(super) dirty: Vec<LegId>,
    /// Peers whose state panicked, not yet acted upon.
    pub(super) faulted: Vec<LegId>,
    /// What peers did, not yet acted upon.
    pub(super) happened: VecDeque<(LegId, PeerEvent)>,
    /// Sockets that may hold more; the poll is edge-triggered and will not tell again.
    ready: Vec<Token>,
    pub(super) log: LogLimit,
    pub(super) payloads: PayloadCache,
    rounds: u64,
    // Buffers kept for their capacity.
    pub(super) scratch: Vec<u8>,
    /// The audio packet that is being sent.
    pub(super) packet: Vec<u8>,
    pub(super) tally: Tally,
    pub(super) peer_events: Vec<PeerEvent>,
    pub(super) clip_packets: Vec<(Track, MediaPacket)>,
    pub(super) outputs: Vec<Output>,
}

/// A worker ready to run, and what its handle needs.
pub(super) struct Prepared {
    pub(super) worker: Worker,
    pub(super) inbox: SyncSender<Message>,
    pub(super) bell: Arc<Doorbell>,
    pub(super) stop: Arc<AtomicBool>,
    pub(super) load: Arc<Load>,
    pub(super) address: SocketAddr,
}

/// Binds the socket and builds the worker.
pub(super) fn prepare(index: usize, shared: &Shared<'_>) -> Result<Prepared, MediaError> {
    let config = shared.config;
    let offset = u16::try_from(index).unwrap_or(u16::MAX);
    let port = if config.udp_port == 0 {
        0
    } else {
        config.udp_port.saturating_add(offset)
    };
    let wanted = SocketAddr::new(config.bind, port);
    let failed = |source: io::Error| MediaError::Socket {
        address: wanted,
        source,
    };
    let poll = Poll::new().map_err(failed)?;
    let (mut socket, address) = bind(wanted).map_err(failed)?;
    poll.registry()
        .register(&mut socket, WEBRTC, Interest::READABLE)
        .map_err(failed)?;
    let waker = Waker::new(poll.registry(), WAKER).map_err(failed)?;
    let bell = Arc::new(Doorbell::new(waker));
    let (sender, inbox) = sync_channel(INBOX);
    let (stop, load) = (Arc::new(AtomicBool::new(false)), Arc::new(Load::default()));
    let now = Instant::now();
    let mut timers = Timers::new();
    timers.set(Timer::Housekeeping, now + HOUSEKEEPING);
    let worker = Worker {
        index,
        workers: config.workers.max(1),
        config: config.clone(),
        local: SocketAddr::new(config.announced.unwrap_or(config.bind), address.port()),
        identity: Arc::clone(shared.identity),
        metrics: Arc::clone(shared.metrics),
        directory: Arc::clone(shared.directory),
        load: Arc::clone(&load),
        poll,
        socket,
        inbox,
        bell: Arc::clone(&bell),
        links: Links::default(),
        stop: Arc::clone(&stop),
        rooms: FxHashMap::default(),
        legs: FxHashMap::default(),
        departed: HashMap::new(),
        undrained: VecDeque::new(),
        tokens: FxHashMap::default(),
        next_token: FIRST_PHONE,
        addresses: HashMap::new(),
        ufrags: HashMap::new(),
        timers,
        dirty: Vec::new(),
        faulted: Vec::new(),
        happened: VecDeque::new(),
        ready: Vec::new(),
        log: LogLimit::new(now),
        payloads: PayloadCache::default(),
        rounds: 0,
        scratch: vec![0; SCRATCH],
        packet: Vec::with_capacity(SCRATCH),
        tally: Tally::default(),
        peer_events: Vec::new(),
        clip_packets: Vec::new(),
        outputs: Vec::new(),
    };
    Ok(Prepared {
        worker,
        inbox: sender,
        bell,
        stop,
        load,
        address,
    })
}

fn bind(wanted: SocketAddr) -> io::Result<(UdpSocket, SocketAddr)> {
    let socket = std::net::UdpSocket::bind(wanted)?;
    socket.set_nonblocking(true)?;
    let options = socket2::SockRef::from(&socket);
    // The kernel caps the sizes silently; failing to set them is no reason not to serve.
    if options.set_recv_buffer_size(SOCKET_BUFFER).is_err()
        || options.set_send_buffer_size(SOCKET_BUFFER).is_err()
    {
        tracing::warn!("media socket keeps its default buffers");
    }
    let address = socket.local_addr()?;
    Ok((UdpSocket::from_std(socket), address))
}

impl Worker {
    /// Runs until asked to stop.
    pub(super) fn run(mut self) {
        let mut events = Events::with_capacity(256);
        let (mut busy, mut waits) = (false, false);
        while !self.stop.load(Ordering::Acquire) {
            self.metrics.heartbeats().beat(self.index);
            let wait = if busy || !self.ready.is_empty() {
                Duration::ZERO
            } else {
                std::thread::sleep(self.wait().min(REST));
                self.wait().min(if waits { RETRY } else { IDLE })
            };
            if let Err(error) = self.poll.poll(&mut events, Some(wait))
                && error.kind() != io::ErrorKind::Interrupted
                && self.log.admit(Instant::now()).is_some()
            {
                tracing::error!(%error, "media worker cannot poll");
            }
            for event in &events {
                if event.token() != WAKER && !self.ready.contains(&event.token()) {
                    self.ready.push(event.token());
                }
            }
            self.bell.answer();
            busy = self.read_inbox();
            busy |= self.read_links();
            self.read_sockets();
            busy |= self.fire_timers();
            self.settle();
            busy |= self.drain_waiting();
            self.settle();
            waits = self.flush_links();
            self.tally.flush(&self.metrics);
        }
        let legs: Vec<LegId> = self.legs.keys().copied().collect();
        for leg in legs {
            self.drop_leg(leg);
        }
        self.metrics
            .rooms
            .sub(i64::try_from(self.rooms.len()).unwrap_or_default());
    }

    fn wait(&self) -> Duration {
        let now = Instant::now();
        self.timers
            .next()
            .map_or(IDLE, |at| at.saturating_duration_since(now).min(IDLE))
    }

    /// Takes a few messages. True when there may be more.
    fn read_inbox(&mut self) -> bool {
        for _ in 0..MESSAGES {
            let Ok(message) = self.inbox.try_recv() else {
                return false;
            };
            self.on_message(message);
            self.settle();
        }
        true
    }

    /// Acts on some of what other workers sent. True when there may be more.
    pub(super) fn read_links(&mut self) -> bool {
        let now = Instant::now();
        for _ in 0..CROSSINGS {
            let Some((from, crossing)) = self.links.receive() else {
                return false;
            };
            self.on_crossing(from, crossing, now);
        }
        true
    }

    /// Sends other workers what there is for them. True when some of it has to wait.
    pub(super) fn flush_links(&mut self) -> bool {
        let waits = self.links.flush();
        match self.links.take_dropped() {
            0 => {}
            dropped => self.metrics.dropped(Dropped::Crossing, dropped),
        }
        // When the server stops, they end one after the other.
        if !self.stop.load(Ordering::Acquire) {
            for worker in self.links.take_died() {
                self.mourn(worker);
            }
        }
        waits
    }

    fn read_sockets(&mut self) {
        let mut ready = std::mem::take(&mut self.ready);
        ready.retain(|&token| {
            let more = if token == WEBRTC {
                self.read_webrtc()
            } else {
                self.read_phone(token)
            };
            self.settle();
            more
        });
        // Nothing adds to the list meanwhile; put its capacity back.
        self.ready = ready;
    }

    /// Fires what is due. True when more may be due.
    fn fire_timers(&mut self) -> bool {
        let now = Instant::now();
        for _ in 0..TIMERS {
            match self.timers.pop_due(now) {
                None => return false,
                Some(Timer::Room(room)) => self.tick(room, now),
                Some(Timer::Clip(leg)) => self.play_clip(leg, now),
                Some(Timer::Peer(leg)) => self.advance_peer(leg, Instant::now()),
                Some(Timer::Report(leg)) => self.report_phone(leg, now),
                Some(Timer::Handshake(leg)) => self.advance_handshakes(leg, now),
                Some(Timer::Housekeeping) => self.keep_house(now),
            }
            if self.dirty.len() >= DIRTY {
                return true;
            }
        }
        true
    }

    /// Acts on what peers did and sends what is queued, until nothing is left.
    pub(super) fn settle(&mut self) {
        loop {
            while let Some((leg, event)) = self.happened.pop_front() {
                self.on_peer_event(leg, Instant::now(), event);
            }
            while let Some(leg) = self.faulted.pop() {
                self.peer_panicked(leg);
            }
            let Some(leg) = self.dirty.pop() else { return };
            self.advance_peer(leg, Instant::now());
        }
    }

    fn keep_house(&mut self, now: Instant) {
        self.timers.set(Timer::Housekeeping, now + HOUSEKEEPING);
        self.rounds += 1;
        let expired: Vec<(LegId, LegGone)> = self
            .legs
            .iter()
            .filter_map(|(leg, entry)| Some((*leg, self.expired(entry, now)?)))
            .collect();
        for (leg, reason) in expired {
            self.gone(leg, reason);
        }
        for homed in self.rooms.values_mut() {
            homed.outbox.flush();
            homed.count(&self.metrics);
        }
        if self.rounds.is_multiple_of(SAMPLE_EVERY) {
            self.sample_peers();
        }
    }

    fn expired(&self, leg: &Leg, now: Instant) -> Option<LegGone> {
        match &leg.kind {
            Kind::Peer(peer) => self.peer_expired(peer, now).then_some(LegGone::IceTimeout),
            Kind::Phone(phone) => phone
                .phone
                .is_silent(now, self.config.rtp_silence)
                .then_some(LegGone::RtpSilence),
            Kind::Clip(_) => None,
        }
    }

    /// Puts the loss and jitter of the WebRTC legs in the rooms into the metrics.
    fn sample_peers(&mut self) {
        let peers = self.legs.values_mut().filter_map(Leg::peer);
        for bits in peers.filter_map(|peer| peer.estimate) {
            // Exact far beyond any line's rate.
            self.metrics.estimate.observe(bits as f64);
        }
        for homed in self.rooms.values_mut() {
            for (leg, seat) in homed.seats.iter_mut().filter(|(_, seat)| seat.webrtc) {
                let Ok(Some(stats)) = homed.room.call(|room| room.leg_stats(*leg)) else {
                    continue;
                };
                let lost = stats.lost.saturating_sub(seat.lost);
                self.metrics.webrtc.lost.inc_by(lost);
                seat.lost = stats.lost;
                if stats.received > 0 {
                    let jitter = Duration::from_nanos(stats.jitter_ns).as_secs_f64();
                    self.metrics.webrtc.jitter.observe(jitter);
                }
            }
        }
    }
}
