//! All legs of a run: lets them join at their pace, hands their media to the carriers, and sends them home.

use std::collections::HashMap;
use std::io::{IsTerminal as _, Write as _};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::SyncSender;
use std::time::{Duration, Instant};

use anyhow::{Context as _, anyhow, bail};
use plenum_codecs::audio::AudioCodec;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use super::browser::{self, Door};
use super::carrier::{Carrier, Order, Progress, Weather};
use super::http::Target;
use super::leg::{Leg, Outcome, Part, Setting, Species, Way};
use super::phone::{Call, Exchange, Number};
use super::speech::{Speech, Voice};
use super::webrtc::Identity;
use super::{Plan, janus};

/// Legs per media thread: half a core's worth.
const PER_CARRIER: usize = 1_000;
/// A leg that has joined and heard nothing for this long hears nothing.
const DEAFNESS: Duration = Duration::from_secs(12);
/// Farewells take no longer.
const FAREWELL: Duration = Duration::from_secs(15);
const GLANCE: Duration = Duration::from_millis(100);

/// How browsers get in.
#[derive(Clone)]
pub(super) enum Entrance {
    /// Leg after leg takes the next one.
    Plenum(Vec<Door>),
    Janus {
        room: u64,
    },
}

/// A leg's signalling after it has joined.
enum Seat {
    Plenum(browser::Session),
    Janus(janus::Session),
    Phone(Call),
}

/// What every leg's task needs.
struct Shared {
    target: Target,
    entrance: Entrance,
    identity: Identity,
    exchange: Option<Exchange>,
    opus: Arc<Voice>,
    phone: Arc<Voice>,
    orders: Vec<SyncSender<Order>>,
    placed: AtomicUsize,
    plan: Plan,
}

/// How a leg's task ended.
enum End {
    /// It never got in.
    Outside(anyhow::Error),
    /// The server sent it away.
    Lost(anyhow::Error),
    Left,
}

/// See the module.
pub(super) struct Crew {
    shared: Arc<Shared>,
    carriers: Vec<Carrier>,
    pub(super) progress: Arc<Progress>,
    leave: watch::Sender<bool>,
    tasks: JoinSet<End>,
    /// Reasons why legs did not get in, and why they were sent away, with how many each.
    pub(super) outside: HashMap<String, usize>,
    pub(super) lost: HashMap<String, usize>,
}

impl Crew {
    /// Nobody has joined yet.
    ///
    /// # Errors
    /// When a thread, a port or a codec cannot be had.
    pub(super) async fn hire(
        plan: &Plan,
        target: &Target,
        entrance: Entrance,
        speech: &Speech,
    ) -> anyhow::Result<Self> {
        let progress = Arc::new(Progress::default());
        let weather = Weather {
            loss: plan.loss / 100.0,
            jitter: Duration::from_secs_f64(plan.jitter / 1_000.0),
            deaf: plan.check_loss / 100.0,
        };
        let threads = plan.legs().div_ceil(PER_CARRIER).max(1);
        let carriers = (0..threads)
            .map(|_| Carrier::start(weather, Arc::clone(&progress)))
            .collect::<anyhow::Result<Vec<_>>>()?;
        let codec = AudioCodec::from(plan.codec);
        let opus = Arc::new(Voice::encode(AudioCodec::Opus, speech)?);
        let phone = match codec {
            AudioCodec::Opus => Arc::clone(&opus),
            _ if plan.phones == 0 => Arc::clone(&opus),
            other => Arc::new(Voice::encode(other, speech)?),
        };
        let exchange = match plan.phones {
            0 => None,
            _ => Some(Exchange::open(super::http::resolve(&plan.sip)?).await?),
        };
        let shared = Shared {
            target: target.clone(),
            entrance,
            identity: Identity::generate()?,
            exchange,
            opus,
            phone,
            orders: carriers.iter().map(Carrier::orders).collect(),
            placed: AtomicUsize::new(0),
            plan: plan.clone(),
        };
        Ok(Self {
            shared: Arc::new(shared),
            carriers,
            progress,
            leave: watch::Sender::new(false),
            tasks: JoinSet::new(),
            outside: HashMap::new(),
            lost: HashMap::new(),
        })
    }

    /// Lets all join. The first of each kind goes alone, so that what is wrong for all is said once.
    ///
    /// # Errors
    /// When the first of a kind does not get in, or nobody hears anything.
    pub(super) async fn join(&mut self) -> anyhow::Result<()> {
        let (browsers, legs) = (self.shared.plan.browsers, self.shared.plan.legs());
        let pace = Duration::from_secs_f64(1.0 / self.shared.plan.join_rate);
        let mut line = ProgressLine::default();
        for index in 0..legs {
            if index == 0 || index == browsers {
                let seat = self.shared.enter(index).await?;
                let stay = stay(seat, self.leave.subscribe());
                self.tasks.spawn(stay);
            } else {
                let (shared, leave) = (Arc::clone(&self.shared), self.leave.subscribe());
                self.tasks.spawn(async move {
                    match shared.enter(index).await {
                        Ok(seat) => stay(seat, leave).await,
                        Err(error) => End::Outside(error),
                    }
                });
            }
            self.gather();
            line.show(self.state());
            sleep(pace).await;
        }
        self.await_sound(&mut line).await
    }

    /// Placed, heard and wanted.
    fn state(&self) -> (usize, usize, usize) {
        (
            self.shared.placed.load(Ordering::Relaxed),
            self.progress.heard.load(Ordering::Relaxed),
            self.shared.plan.legs(),
        )
    }

    /// Waits until all who got in have heard something.
    async fn await_sound(&mut self, line: &mut ProgressLine) -> anyhow::Result<()> {
        let (mut before, mut changed) = (self.state(), Instant::now());
        loop {
            self.gather();
            let state = self.state();
            line.show(state);
            let (placed, heard, wanted) = state;
            if placed + self.failures() >= wanted && heard >= placed {
                break;
            }
            if state != before {
                (before, changed) = (state, Instant::now());
            }
            if changed.elapsed() > DEAFNESS {
                break;
            }
            sleep(GLANCE).await;
        }
        line.end();
        let (placed, heard, _) = self.state();
        if heard == 0 {
            bail!(
                "{placed} legs joined, and none has heard anything: signalling works, but UDP does not come through (a \
                 firewall, or server.announced?)"
            );
        }
        Ok(())
    }

    fn failures(&self) -> usize {
        self.outside.values().sum()
    }

    /// Notes whose tasks have ended.
    fn gather(&mut self) {
        while let Some(ended) = self.tasks.try_join_next() {
            self.note(ended);
        }
    }

    fn note(&mut self, ended: Result<End, tokio::task::JoinError>) {
        let (place, error) = match ended {
            Ok(End::Left) => return,
            Ok(End::Outside(error)) => (&mut self.outside, error),
            Ok(End::Lost(error)) => (&mut self.lost, error),
            Err(error) => (&mut self.lost, anyhow!("{error}")),
        };
        *place.entry(format!("{error:#}")).or_default() += 1;
    }

    /// # Errors
    /// When a media thread has ended.
    pub(super) fn tell(&self, order: impl Fn() -> Order) -> anyhow::Result<()> {
        self.carriers
            .iter()
            .try_for_each(|carrier| carrier.tell(order()))
    }

    /// Looks once more who was sent away; call it before [`Crew::dismiss`].
    pub(super) fn muster(&mut self) {
        self.gather();
    }

    /// Lets all leave, and gives what their media amounted to.
    ///
    /// # Errors
    /// When a media thread has ended before its time.
    pub(super) async fn dismiss(mut self) -> anyhow::Result<Vec<Outcome>> {
        self.leave.send_replace(true);
        let farewells = async { while self.tasks.join_next().await.is_some() {} };
        // Who is not let go goes nevertheless.
        let _ = timeout(FAREWELL, farewells).await;
        let mut outcomes = Vec::new();
        for carrier in self.carriers {
            outcomes.extend(tokio::task::block_in_place(|| carrier.finish())?);
        }
        Ok(outcomes)
    }
}

/// What is dialled: the conference itself on a trunk that is `direct`, else the attendant with keys.
fn number(plan: &Plan, door: &Door) -> Number {
    let conference = &door.conference;
    let digits = match (plan.direct, &door.pin) {
        (true, _) => String::new(),
        (false, Some(pin)) => format!("{conference}#{pin}#"),
        (false, None) => format!("{conference}#"),
    };
    Number {
        user: conference.clone(),
        digits,
        codec: AudioCodec::from(plan.codec),
    }
}

async fn stay(seat: Seat, leave: watch::Receiver<bool>) -> End {
    let stayed = match seat {
        Seat::Plenum(session) => session.stay(leave).await,
        Seat::Janus(session) => session.stay(leave).await,
        Seat::Phone(call) => call.stay(leave.clone()).await,
    };
    match stayed {
        Ok(()) => End::Left,
        Err(error) => End::Lost(error),
    }
}

impl Shared {
    /// Whose turn it is; `None` at Janus.
    fn door(&self, index: usize) -> Option<&Door> {
        match &self.entrance {
            Entrance::Plenum(doors) => doors.get(index.checked_rem(doors.len())?),
            Entrance::Janus { .. } => None,
        }
    }

    /// Lets a leg in and hands its media over.
    async fn enter(&self, index: usize) -> anyhow::Result<Seat> {
        let began = Instant::now();
        let plan = &self.plan;
        let species = plan.species(index);
        let (seat, socket, way, codec, payload_type) = match species {
            Species::Browser => {
                let name = format!("Load {index}");
                let (target, identity) = (&self.target, &self.identity);
                let (seat, socket, peer) = match &self.entrance {
                    Entrance::Plenum(_) => {
                        let door = self.door(index).context("no conference")?;
                        let joined = browser::join(target, door, &name, identity).await;
                        let (session, socket, peer) = joined.context("a browser")?;
                        (Seat::Plenum(session), socket, peer)
                    }
                    Entrance::Janus { room } => {
                        let joined = janus::join(target, *room, &name, identity).await;
                        let (session, socket, peer) = joined.context("a browser")?;
                        (Seat::Janus(session), socket, peer)
                    }
                };
                let payload_type = peer.payload_type;
                let way = Way::Browser(Box::new(peer));
                (seat, socket, way, AudioCodec::Opus, payload_type)
            }
            Species::Phone => {
                let exchange = self.exchange.as_ref().context("no SIP")?;
                let number = number(plan, self.door(index).context("no conference")?);
                let called = exchange.call(&number, index).await;
                let (call, socket, line, payload_type) = called.context("a phone")?;
                let way = Way::Phone(line);
                (Seat::Phone(call), socket, way, number.codec, payload_type)
            }
        };
        let voice = match species {
            Species::Browser => Arc::clone(&self.opus),
            Species::Phone => Arc::clone(&self.phone),
        };
        let part = plan.part(index);
        let pauses = match &way {
            Way::Browser(peer) => peer.wants_pauses && !plan.continuous,
            Way::Phone(_) => false,
        };
        let leg = Leg::new(Setting {
            socket,
            way,
            codec,
            payload_type,
            position: plan.position(index, voice.speech.len()),
            voice,
            part,
            pauses,
            sampled: part != Part::Measured && plan.is_sampled(index),
            began,
        })?;
        let orders = self.orders.get(index % self.orders.len());
        orders
            .context("no media thread")?
            .try_send(Order::Carry(Box::new(leg)))
            .map_err(|_| anyhow!("the generator is overloaded"))?;
        self.placed.fetch_add(1, Ordering::Relaxed);
        Ok(seat)
    }
}

/// The line that says how far the joining has come: rewritten on a terminal, now and then elsewhere.
#[derive(Default)]
struct ProgressLine {
    last: Option<Instant>,
}

impl ProgressLine {
    fn show(&mut self, (placed, heard, wanted): (usize, usize, usize)) {
        let mut out = std::io::stderr();
        let terminal = out.is_terminal();
        let pause = Duration::from_millis(if terminal { 200 } else { 5_000 });
        if self.last.is_some_and(|last| last.elapsed() < pause) {
            return;
        }
        // Standard error may be closed; there is nobody else to tell.
        let _ = if terminal {
            write!(out, "\rjoined {placed} of {wanted}, {heard} hear ")
        } else if self.last.is_some() {
            writeln!(out, "joined {placed} of {wanted}, {heard} hear")
        } else {
            Ok(())
        };
        self.last = Some(Instant::now());
    }

    fn end(&self) {
        let mut out = std::io::stderr();
        if out.is_terminal() {
            // As above.
            let _ = write!(out, "\r\x1b[K");
        }
    }
}
