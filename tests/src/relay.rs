//! A bad line between real clients and the server under test: a relay that loses and delays datagrams.
//!
//! The server binds 127.0.0.1 and announces [`Relay::ADDRESS`], where the relay listens on the same ports. Each client that it hears gets a
//! socket of its own towards the server, so the server tells clients apart as it would behind a NAT. What is lost is drawn from a seeded
//! generator per flow and direction.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::time::Duration;

use anyhow::{Context as _, Result};
use tokio::net::UdpSocket;
use tokio::runtime::Runtime;
use tokio::sync::mpsc;
use tokio::time::Instant;

/// Longer than any datagram of a call.
const DATAGRAM: usize = 2_048;
/// What would stand longer in a narrow line's queue is lost.
const QUEUE: Duration = Duration::from_millis(300);

/// A running relay. Dropping it closes its sockets.
#[derive(Debug)]
pub struct Relay {
    // Held for its tasks: they end with it.
    _runtime: Runtime,
    line: Arc<Line>,
}

/// What the relay does to each datagram, both ways.
#[derive(Debug)]
struct Line {
    loss_per_mille: AtomicU32,
    jitter_ms: AtomicU32,
    /// On top of it, the same for all.
    delay_ms: AtomicU32,
    /// Towards each client that is first heard from now on, in bit/s; 0: as much as there is.
    rate: AtomicU64,
    /// Narrow lines are so no more.
    widened: AtomicBool,
    passed: AtomicU64,
    lost: AtomicU64,
    seed: u64,
}

impl Relay {
    /// Where clients find the relay.
    pub const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(127, 0, 0, 2));

    /// Relays `lossy` ports through the bad line and `clean` ports (signalling) as they are. The line is perfect until
    /// [`Relay::impair`].
    ///
    /// # Errors
    /// When a port is taken.
    pub fn start(
        lossy: impl IntoIterator<Item = u16>,
        clean: impl IntoIterator<Item = u16>,
        seed: u64,
    ) -> Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(1)
            .enable_all()
            .build()?;
        let line = |seed| {
            Arc::new(Line {
                loss_per_mille: AtomicU32::new(0),
                jitter_ms: AtomicU32::new(0),
                delay_ms: AtomicU32::new(0),
                rate: AtomicU64::new(0),
                widened: AtomicBool::new(false),
                passed: AtomicU64::new(0),
                lost: AtomicU64::new(0),
                seed,
            })
        };
        let (bad, good) = (line(seed), line(seed));
        let ports = lossy.into_iter().map(|port| (port, &bad));
        for (port, line) in ports.chain(clean.into_iter().map(|port| (port, &good))) {
            let address = SocketAddr::new(Self::ADDRESS, port);
            let door = runtime
                .block_on(UdpSocket::bind(address))
                .with_context(|| format!("binding the relay to {address}"))?;
            runtime.spawn(serve(Arc::new(door), port, Arc::clone(line)));
        }
        Ok(Self {
            _runtime: runtime,
            line: bad,
        })
    }

    /// From now on loses so many of 1,000 datagrams each way, and delays each by up to `jitter_ms`, without keeping their order.
    pub fn impair(&self, loss_per_mille: u32, jitter_ms: u32) {
        self.line
            .loss_per_mille
            .store(loss_per_mille, Ordering::Relaxed);
        self.line.jitter_ms.store(jitter_ms, Ordering::Relaxed);
    }

    /// From now on everything takes so long each way, beside what [`Relay::impair`] says.
    pub fn delay(&self, delay_ms: u32) {
        self.line.delay_ms.store(delay_ms, Ordering::Relaxed);
    }

    /// Clients that are first heard after this have a line of so many bit/s, with a queue, towards them; 0: of any rate.
    pub fn narrow(&self, bits_per_second: u64) {
        self.line.rate.store(bits_per_second, Ordering::Relaxed);
    }

    /// All lines are of any rate from now on.
    pub fn widen(&self) {
        self.narrow(0);
        self.line.widened.store(true, Ordering::Relaxed);
    }

    /// Datagrams passed on and lost so far on the bad line.
    #[must_use]
    pub fn counts(&self) -> (u64, u64) {
        let line = &self.line;
        (
            line.passed.load(Ordering::Relaxed),
            line.lost.load(Ordering::Relaxed),
        )
    }
}

impl Line {
    /// How long the next datagram takes; `None`: it is lost.
    fn fate(&self, random: &mut fastrand::Rng) -> Option<Duration> {
        if random.u32(0..1_000) < self.loss_per_mille.load(Ordering::Relaxed) {
            self.lost.fetch_add(1, Ordering::Relaxed);
            return None;
        }
        self.passed.fetch_add(1, Ordering::Relaxed);
        let jitter = self.jitter_ms.load(Ordering::Relaxed);
        let delay = self.delay_ms.load(Ordering::Relaxed) + random.u32(0..=jitter);
        Some(Duration::from_millis(u64::from(delay)))
    }
}

/// Takes what clients send to one port.
async fn serve(door: Arc<UdpSocket>, port: u16, line: Arc<Line>) {
    let server = SocketAddr::from((Ipv4Addr::LOCALHOST, port));
    let mut flows: HashMap<SocketAddr, (Arc<UdpSocket>, fastrand::Rng)> = HashMap::new();
    let mut datagram = [0; DATAGRAM];
    loop {
        // An ICMP error of a client that has gone surfaces here; the door stays open.
        let Ok((length, client)) = door.recv_from(&mut datagram).await else {
            continue;
        };
        if let std::collections::hash_map::Entry::Vacant(place) = flows.entry(client) {
            let Ok(upstream) = upstream(server).await else {
                continue;
            };
            let number = line.seed ^ u64::from(client.port()) << 16 ^ u64::from(port);
            let random = fastrand::Rng::with_seed(number);
            let back = fastrand::Rng::with_seed(!number);
            tokio::spawn(answer(
                Arc::clone(&door),
                client,
                Arc::clone(&upstream),
                Arc::clone(&line),
                back,
            ));
            place.insert((upstream, random));
        }
        let Some((upstream, random)) = flows.get_mut(&client) else {
            continue;
        };
        if let Some(delay) = line.fate(random) {
            pass(delay, Arc::clone(upstream), None, &datagram[..length]).await;
        }
    }
}

async fn upstream(server: SocketAddr) -> std::io::Result<Arc<UdpSocket>> {
    let socket = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    socket.connect(server).await?;
    Ok(Arc::new(socket))
}

/// Brings one client what the server sends.
async fn answer(
    door: Arc<UdpSocket>,
    client: SocketAddr,
    upstream: Arc<UdpSocket>,
    line: Arc<Line>,
    mut random: fastrand::Rng,
) {
    let mut datagram = [0; DATAGRAM];
    let rate = line.rate.load(Ordering::Relaxed);
    let mut narrow = (rate > 0).then(|| Narrow::new(rate, Arc::clone(&door), client));
    loop {
        let Ok(length) = upstream.recv(&mut datagram).await else {
            continue;
        };
        let Some(delay) = line.fate(&mut random) else {
            continue;
        };
        match &mut narrow {
            None => pass(delay, Arc::clone(&door), Some(client), &datagram[..length]).await,
            Some(narrow) => {
                if !narrow.pass(&datagram[..length], line.widened.load(Ordering::Relaxed)) {
                    line.lost.fetch_add(1, Ordering::Relaxed);
                }
            }
        }
    }
}

/// A line of a certain rate towards one client: what comes waits in one queue, in order.
struct Narrow {
    bits_per_second: u64,
    free: Instant,
    waiting: mpsc::UnboundedSender<(Instant, Vec<u8>)>,
}

impl Narrow {
    fn new(bits_per_second: u64, door: Arc<UdpSocket>, client: SocketAddr) -> Self {
        // Bounded by QUEUE.
        let (waiting, mut queue) = mpsc::unbounded_channel::<(Instant, Vec<u8>)>();
        tokio::spawn(async move {
            while let Some((at, datagram)) = queue.recv().await {
                tokio::time::sleep_until(at).await;
                send(&door, Some(client), &datagram).await;
            }
        });
        Self {
            bits_per_second,
            free: Instant::now(),
            waiting,
        }
    }

    /// False when the queue is full. A line that was widened keeps the order alone.
    fn pass(&mut self, datagram: &[u8], widened: bool) -> bool {
        let now = Instant::now();
        if widened {
            return self.waiting.send((now, datagram.to_vec())).is_ok();
        }
        let begins = self.free.max(now);
        if begins - now > QUEUE {
            return false;
        }
        let bits = u64::try_from(datagram.len()).unwrap_or(0) * 8;
        self.free = begins + Duration::from_micros(bits * 1_000_000 / self.bits_per_second);
        self.waiting.send((self.free, datagram.to_vec())).is_ok()
    }
}

async fn pass(delay: Duration, socket: Arc<UdpSocket>, to: Option<SocketAddr>, datagram: &[u8]) {
    if delay.is_zero() {
        send(&socket, to, datagram).await;
        return;
    }
    let datagram = datagram.to_vec();
    tokio::spawn(async move {
        tokio::time::sleep(delay).await;
        send(&socket, to, &datagram).await;
    });
}

/// A datagram that cannot be sent is lost, as on any line.
async fn send(socket: &UdpSocket, to: Option<SocketAddr>, datagram: &[u8]) {
    let sent = match to {
        Some(to) => socket.send_to(datagram, to).await,
        None => socket.send(datagram).await,
    };
    drop(sent);
}
