//! A thread that carries the media of many legs: one socket each, one epoll, frames sent by a wheel of twenty slots of a
//! millisecond, so that the legs' packets are spread as those of strangers are.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TryRecvError, sync_channel};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow};
use bytes::BytesMut;
use mio::{Events, Interest, Poll, Token};

use super::leg::{Leg, Outcome};

const MILLISECOND: Duration = Duration::from_millis(1);
const SLOTS: usize = 20;
/// Legs that may wait to be taken over; whoever brings more waits.
const WAITING: usize = 1_024;
/// A frame that leaves so late is the generator's fault, and counted.
const LATE: Duration = Duration::from_millis(10);
/// Datagrams read of one socket before others get their turn.
const AT_ONCE: usize = 64;

/// How the generator's own network is: for what it sends.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Weather {
    /// Share of sent packets that is lost.
    pub(super) loss: f64,
    /// Each is delayed by up to this.
    pub(super) jitter: Duration,
    /// Share of received packets that is thrown away before it is counted.
    pub(super) deaf: f64,
}

/// What a carrier is told.
pub(super) enum Order {
    Carry(Box<Leg>),
    /// The measurement begins.
    Measure,
    /// It is over.
    Count,
    /// From now on only the measured talker speaks.
    Solo,
    /// What is said and heard from now on is not noted any more: people leave, which is heard.
    Rest,
    /// Say goodbye and hand over the results.
    Finish,
}

/// What all carriers have done so far.
#[derive(Debug, Default)]
pub(super) struct Progress {
    /// Legs that have heard a first packet.
    pub(super) heard: AtomicUsize,
    /// Frames that left over 10 ms late.
    pub(super) late: AtomicU64,
    /// Frames that left.
    pub(super) sent: AtomicU64,
}

/// A running thread.
pub(super) struct Carrier {
    orders: SyncSender<Order>,
    thread: JoinHandle<Vec<Outcome>>,
}

impl Carrier {
    /// # Errors
    /// When the system has no threads or descriptors left.
    pub(super) fn start(weather: Weather, progress: Arc<Progress>) -> anyhow::Result<Self> {
        let (orders, inbox) = sync_channel(WAITING);
        let wheel = Wheel::new(inbox, weather, progress)?;
        let thread = std::thread::Builder::new()
            .name("carrier".to_owned())
            .spawn(move || wheel.run())
            .context("no thread for media")?;
        Ok(Self { orders, thread })
    }

    pub(super) fn orders(&self) -> SyncSender<Order> {
        self.orders.clone()
    }

    /// # Errors
    /// When the thread has ended before its time.
    pub(super) fn tell(&self, order: Order) -> anyhow::Result<()> {
        self.orders
            .send(order)
            .map_err(|_| anyhow!("a media thread has ended"))
    }

    /// Ends the legs and gives their results.
    ///
    /// # Errors
    /// When the thread has ended before its time.
    pub(super) fn finish(self) -> anyhow::Result<Vec<Outcome>> {
        self.tell(Order::Finish)?;
        self.thread
            .join()
            .map_err(|_| anyhow!("a media thread has panicked"))
    }
}

struct Wheel {
    inbox: Receiver<Order>,
    poll: Poll,
    legs: Vec<Leg>,
    slots: [Vec<usize>; SLOTS],
    connecting: Vec<usize>,
    /// Legs that have heard nothing yet.
    deaf: Vec<usize>,
    begin: Instant,
    /// The millisecond that is next.
    tick: u64,
    weather: Weather,
    random: fastrand::Rng,
    /// Packets on their way through the jitter; of equal times in order.
    delayed: BTreeMap<(Instant, u64), (usize, SocketAddr, BytesMut)>,
    serial: u64,
    solo: bool,
    progress: Arc<Progress>,
}

impl Wheel {
    fn new(
        inbox: Receiver<Order>,
        weather: Weather,
        progress: Arc<Progress>,
    ) -> anyhow::Result<Self> {
        Ok(Self {
            inbox,
            poll: Poll::new().context("epoll")?,
            legs: Vec::new(),
            slots: Default::default(),
            connecting: Vec::new(),
            deaf: Vec::new(),
            begin: Instant::now(),
            tick: 0,
            weather,
            random: fastrand::Rng::with_seed(1),
            delayed: BTreeMap::new(),
            serial: 0,
            solo: false,
            progress,
        })
    }

    fn run(mut self) -> Vec<Outcome> {
        let mut events = Events::with_capacity(1_024);
        let mut buffer = vec![0; 2_048];
        while self.obey() {
            self.send();
            // An interrupted wait is a short one.
            let _ = self.poll.poll(&mut events, Some(MILLISECOND));
            for event in &events {
                self.read(event.token().0, &mut buffer);
            }
        }
        let now = Instant::now();
        self.legs.into_iter().map(|leg| leg.finish(now)).collect()
    }

    /// Does what has been ordered; false at the end.
    fn obey(&mut self) -> bool {
        loop {
            let order = match self.inbox.try_recv() {
                Ok(order) => order,
                Err(TryRecvError::Empty) => return true,
                Err(TryRecvError::Disconnected) => return false,
            };
            let now = Instant::now();
            match order {
                Order::Carry(leg) => self.carry(*leg),
                Order::Measure => self.legs.iter_mut().for_each(|leg| leg.measure(now)),
                Order::Count => self.legs.iter_mut().for_each(|leg| leg.count(now)),
                Order::Solo => self.solo = true,
                Order::Rest => self.legs.iter_mut().for_each(Leg::rest),
                Order::Finish => return false,
            }
        }
    }

    fn carry(&mut self, mut leg: Leg) {
        let index = self.legs.len();
        // Out of descriptors: the leg stays silent, and is told of as one that has heard nothing.
        let _ = self
            .poll
            .registry()
            .register(&mut leg.socket, Token(index), Interest::READABLE);
        self.legs.push(leg);
        // 7 is prime to 20: neighbours do not send one after the other.
        if let Some(slot) = self.slots.get_mut(index * 7 % SLOTS) {
            slot.push(index);
        }
        self.connecting.push(index);
        self.deaf.push(index);
    }

    /// Sends what is due.
    fn send(&mut self) {
        let now = Instant::now();
        let legs = &mut self.legs;
        self.connecting.retain(|&index| {
            let Some(leg) = legs.get_mut(index) else {
                return false;
            };
            leg.advance(now);
            leg.is_connecting()
        });
        let before = self.deaf.len();
        self.deaf
            .retain(|&index| legs.get(index).is_some_and(|leg| !leg.has_heard()));
        let heard = before - self.deaf.len();
        self.progress.heard.fetch_add(heard, Ordering::Relaxed);
        loop {
            let due = self.begin + Duration::from_millis(self.tick);
            if due > now {
                break;
            }
            self.turn(now, due);
            self.tick += 1;
        }
        while let Some(entry) = self.delayed.first_entry() {
            if entry.key().0 > now {
                break;
            }
            let (index, to, bytes) = entry.remove();
            self.put(index, to, &bytes);
        }
    }

    /// One millisecond's slot.
    fn turn(&mut self, now: Instant, due: Instant) {
        let slot = usize::try_from(self.tick % 20).unwrap_or_default();
        let indexes = self.slots.get_mut(slot).map(std::mem::take);
        let indexes = indexes.unwrap_or_default();
        let frames = u64::try_from(indexes.len()).unwrap_or_default();
        self.progress.sent.fetch_add(frames, Ordering::Relaxed);
        if now.saturating_duration_since(due) > LATE {
            self.progress.late.fetch_add(frames, Ordering::Relaxed);
        }
        for &index in &indexes {
            let Some(leg) = self.legs.get_mut(index) else {
                continue;
            };
            leg.advance(now);
            let report = leg.next_report(now);
            let frame = leg.next(now, self.solo);
            if let Some((to, bytes)) = report {
                self.put(index, to, &bytes);
            }
            if let Some((to, bytes)) = frame {
                self.expose(now, index, to, bytes);
            }
        }
        if let Some(slot) = self.slots.get_mut(slot) {
            *slot = indexes;
        }
    }

    /// Sends a packet through the weather.
    fn expose(&mut self, now: Instant, index: usize, to: SocketAddr, bytes: BytesMut) {
        if self.weather.loss > 0.0 && self.random.f64() < self.weather.loss {
            return;
        }
        if self.weather.jitter.is_zero() {
            return self.put(index, to, &bytes);
        }
        let at = now + self.weather.jitter.mul_f64(self.random.f64());
        self.serial += 1;
        self.delayed.insert((at, self.serial), (index, to, bytes));
    }

    fn put(&self, index: usize, to: SocketAddr, bytes: &[u8]) {
        if let Some(leg) = self.legs.get(index) {
            leg.put(to, bytes);
        }
    }

    fn read(&mut self, index: usize, buffer: &mut [u8]) {
        let Some(leg) = self.legs.get_mut(index) else {
            return;
        };
        for _ in 0..AT_ONCE {
            match leg.socket.recv_from(buffer) {
                Ok((length, from)) => {
                    let lose = self.weather.deaf > 0.0 && self.random.f64() < self.weather.deaf;
                    let datagram = buffer.get(..length).unwrap_or_default();
                    leg.receive(Instant::now(), from, datagram, lose);
                }
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => break,
                // An ICMP error of an earlier packet.
                Err(_) => {}
            }
        }
    }
}
