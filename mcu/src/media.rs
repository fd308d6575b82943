//! Media: the workers that own sockets, WebRTC peers, phone legs, clips and the rooms they meet in.
//!
//! Control calls [`Media`] from tokio tasks; each call becomes one message to the worker that owns the
//! room or the leg, and its answer comes back through a one-shot channel. Nothing here knows
//! conferences, PINs or signalling; nothing outside knows threads, sockets or SRTP.
//!
//! A worker is one OS thread with one UDP socket for all of its WebRTC peers and a socket pair per
//! phone leg. A room is homed on one worker and mixed there; the transports of its legs live on any, and stay where
//! they began.

mod budget;
mod clip;
pub mod clock;
mod demux;
mod directory;
pub mod fuzz;
mod guard;
#[cfg(test)]
mod live;
mod log_limit;
mod metrics;
mod offer;
mod outbox;
mod phone;
mod ports;
mod rtp_header;
mod simulcast;
mod srtp;
mod timers;
mod transport_cc;
mod watch;
mod webrtc;
mod worker;

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::ops::RangeInclusive;
use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_dialin::sdp::Fingerprint;
use plenum_mixer::{Command, Compose, Input, Ladder, LegId, LegStats, RoomConfig, Tap, TapFrame};
use tokio::sync::{mpsc, oneshot};

use self::directory::Directory;
use self::metrics::Metrics;
use self::watch::Watch;
use self::webrtc::Identity;
use self::worker::{Load, Message, WorkerHandle};

pub use self::clip::{Clip, ClipError, ClipPicture};
pub use self::offer::OfferError;
pub use self::phone::dtls::Fault as NoKeys;
pub use self::phone::{PhoneMedia, PhoneVideo};
pub use self::ports::RtpSockets;

/// A room, unique for the life of the process. The number also says which worker is its home.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct RoomId(pub u64);

/// Where the media workers listen and what they allow.
#[derive(Debug, Clone)]
pub struct MediaConfig {
    /// Worker threads, at least 1.
    pub workers: usize,
    /// By how many legs the home of a room may carry more than the least loaded worker before the room's next leg
    /// goes there. A small conference stays on one worker, and nothing of it crosses.
    pub together: usize,
    /// Local address of every media socket.
    pub bind: IpAddr,
    /// Address told to peers instead of `bind`: the public side of a 1:1 NAT.
    pub announced: Option<IpAddr>,
    /// UDP port of worker 0; worker *i* takes `udp_port + i`. 0 lets the kernel choose.
    pub udp_port: u16,
    /// Ports of phone legs. RTP takes an even port, RTCP the odd one above it (RFC 3550 §11).
    pub rtp_ports: RangeInclusive<u16>,
    /// A phone leg that is not on hold ends after this long without a packet.
    pub rtp_silence: Duration,
    /// A WebRTC leg ends when ICE has not connected, or has lost its peer, for this long.
    pub ice_timeout: Duration,
    /// What one peer may cost.
    pub limits: Limits,
}

impl Default for MediaConfig {
    fn default() -> Self {
        Self {
            workers: 1,
            together: 50,
            bind: IpAddr::V4(Ipv4Addr::LOCALHOST),
            announced: None,
            udp_port: 10_000,
            rtp_ports: 20_000..=29_999,
            rtp_silence: Duration::from_secs(30),
            ice_timeout: Duration::from_secs(15),
            limits: Limits::default(),
        }
    }
}

/// What one peer may cost the worker it lives on.
#[derive(Debug, Clone)]
pub struct Limits {
    /// Legs on one worker; one more is refused with [`MediaError::Full`].
    pub legs_per_worker: usize,
    /// Bytes of one SDP offer.
    pub sdp_bytes: usize,
    /// `m=` lines of one offer.
    pub media_lines: usize,
    /// Packets per second that one leg may send, with a burst of two seconds.
    pub packets_per_second: u32,
    /// Bytes per second that one leg may send, with a burst of two seconds.
    pub bytes_per_second: u32,
    /// Source addresses that one peer's STUN requests may come from during its life.
    pub stun_sources: usize,
}

impl Limits {
    /// What all who are not a call's phone may send to its ports: enough to prove that they are, behind a NAT.
    fn for_strangers(&self) -> Self {
        Self {
            packets_per_second: self.packets_per_second / 10,
            bytes_per_second: self.bytes_per_second / 10,
            ..self.clone()
        }
    }
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            legs_per_worker: 8_000,
            sdp_bytes: 64 * 1024,
            media_lines: 40,
            packets_per_second: 1_500,
            bytes_per_second: 1_500_000,
            stun_sources: 32,
        }
    }
}

/// Why a call into the media plane was not carried out.
#[derive(Debug, thiserror::Error)]
pub enum MediaError {
    /// Our fault at start: a socket or a thread could not be had.
    #[error("cannot open media socket {address}: {source}")]
    Socket {
        /// The address that was asked for.
        address: SocketAddr,
        /// What the system said.
        source: io::Error,
    },
    /// Our fault at start.
    #[error("cannot start media worker: {0}")]
    Start(String),
    /// Overload: every pair of the configured RTP range is in use.
    #[error("no free pair of RTP ports")]
    PortsExhausted,
    /// Overload: the worker carries as many legs as it may.
    #[error("media worker is full")]
    Full,
    /// Overload: the worker's inbox is full, or the leg moves already; nothing was done.
    #[error("media worker does not keep up")]
    Busy,
    /// The worker has stopped; nothing more happens in its rooms.
    #[error("media worker has stopped")]
    Stopped,
    /// There is no such room (any more).
    #[error("no such room")]
    UnknownRoom,
    /// There is no such leg (any more), or it is of another kind.
    #[error("no such leg")]
    UnknownLeg,
    /// The peer's fault: its offer cannot be answered. The leg is as it was before.
    #[error("offer refused: {0}")]
    Offer(#[from] OfferError),
    /// The peer's fault: its state broke while it was negotiating. The leg is gone.
    #[error("peer fault")]
    PeerFault,
}

/// Takes the frames of a tapped room, on the worker's thread: it must neither block nor fail.
pub type TapSink = Box<dyn FnMut(TapFrame) + Send>;

/// Takes what a room has for its composer, on the worker's thread: it must neither block nor fail.
pub type ComposeSink = Box<dyn FnMut(Compose) + Send>;

/// What happens in a room, told to its owner.
///
/// Delivered through the channel given to [`Media::open_room`]. While that channel is full, events wait in
/// the worker (1,024 per room) and are tried again every tick; beyond that the oldest mixer events are
/// dropped and counted. [`RoomEvent::LegGone`] is never dropped.
#[derive(Debug)]
pub enum RoomEvent {
    /// Something the mixer noticed: digits, talking, floor, slots, finished prompts.
    Mixer(plenum_mixer::Event),
    /// ICE and DTLS of a WebRTC leg are up, or a phone leg's first packet came.
    Connected {
        /// The leg.
        leg: LegId,
    },
    /// A capture of the leg is over: what was said, 48 kHz mono; empty when nothing was.
    Captured {
        /// The leg.
        leg: LegId,
        /// The samples.
        pcm: Arc<[i16]>,
    },
    /// The leg has ended by itself; it is in no room now.
    LegGone {
        /// The leg.
        leg: LegId,
        /// Why.
        reason: LegGone,
    },
}

/// Why a leg ended by itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum LegGone {
    /// ICE never connected, or the peer was not heard of for the configured time.
    IceTimeout,
    /// No RTP came for the configured time while the call was not on hold.
    RtpSilence,
    /// The peer broke the rules or its state faulted; it alone is dropped.
    PeerFault,
    /// No handshake of a phone's gave keys: the peer's fault, or its line's.
    NoKeys(NoKeys),
    /// The peer closed (DTLS close-notify).
    Closed,
    /// Our fault: the room's mixer panicked. All its legs go; the room takes no others.
    RoomFault,
    /// Our fault: the worker that the leg's transport lived on has died.
    WorkerFault,
}

/// The answer to a browser's offer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PeerAnswer {
    /// The SDP answer, candidates included.
    pub sdp: String,
    /// `mid` of each video slot the server sends, in m-line order; index = slot.
    pub slot_mids: Vec<String>,
    /// `mid` of the line that takes the peer's shared screen: the second video line that it sends on.
    pub screen_mid: Option<String>,
}

/// Handle to the media plane. Clones share the workers.
#[derive(Clone)]
pub struct Media {
    shared: Arc<Shared>,
}

struct Shared {
    config: MediaConfig,
    workers: Vec<WorkerHandle>,
    fingerprint: Fingerprint,
    directory: Arc<Directory>,
    ports: ports::PortPool,
    watch: Watch,
}

impl Drop for Shared {
    fn drop(&mut self) {
        for worker in &self.workers {
            worker.request_stop();
        }
    }
}

impl std::fmt::Debug for Media {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Media")
            .field("workers", &self.shared.workers.len())
            .finish_non_exhaustive()
    }
}

impl Media {
    /// Opens the sockets and starts the workers.
    ///
    /// # Errors
    /// When a socket cannot be bound, a thread cannot start, or the metrics are registered already.
    pub fn start(config: MediaConfig, registry: &prometheus::Registry) -> Result<Self, MediaError> {
        let count = config.workers.max(1);
        if config.announced.unwrap_or(config.bind).is_unspecified() {
            return Err(MediaError::Start(
                "an announced address is needed when binding to all addresses".to_owned(),
            ));
        }
        let metrics =
            Metrics::register(registry, count).map_err(|e| MediaError::Start(e.to_string()))?;
        let identity =
            Arc::new(Identity::generate().map_err(|e| MediaError::Start(e.to_string()))?);
        let fingerprint = phone::dtls::Identity::get()
            .ok_or_else(|| MediaError::Start("no certificate for phones".to_owned()))?
            .fingerprint()
            .clone();
        let directory = Arc::new(Directory::default());
        let shared = worker::Shared {
            config: &config,
            identity: &identity,
            metrics: &metrics,
            directory: &directory,
        };
        let workers = worker::start(count, &shared)?;
        let watch = Watch::start(metrics.heartbeats().clone(), count)?;
        let ports = ports::PortPool::new(&config);
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                workers,
                fingerprint,
                directory,
                ports,
                watch,
            }),
        })
    }

    /// Of the certificate that phones are shown.
    #[must_use]
    pub fn fingerprint(&self) -> &Fingerprint {
        &self.shared.fingerprint
    }

    /// The configuration the workers run with.
    #[must_use]
    pub fn config(&self) -> &MediaConfig {
        &self.shared.config
    }

    /// Whether every worker runs; one that has hung for a second does not.
    #[must_use]
    pub fn is_well(&self) -> bool {
        self.shared.watch.all_run()
    }

    /// Local addresses of the workers' WebRTC sockets, by worker.
    #[must_use]
    pub fn webrtc_addresses(&self) -> Vec<SocketAddr> {
        self.shared.workers.iter().map(|w| w.address).collect()
    }

    /// Opens an empty room on the worker with the fewest legs. Its events go to `events`.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub async fn open_room(
        &self,
        config: RoomConfig,
        events: mpsc::Sender<(RoomId, RoomEvent)>,
    ) -> Result<RoomId, MediaError> {
        let (index, worker) = self
            .shared
            .workers
            .iter()
            .enumerate()
            .min_by_key(|(_, w)| w.load.score())
            .ok_or(MediaError::Stopped)?;
        let room = self
            .shared
            .directory
            .next_room(index, self.shared.workers.len());
        worker
            .ask(|reply| Message::OpenRoom {
                room,
                config,
                events,
                reply,
            })
            .await?;
        Ok(room)
    }

    /// Closes a room and ends every leg in it, without [`RoomEvent::LegGone`].
    ///
    /// # Errors
    /// [`MediaError::UnknownRoom`], [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub async fn close_room(&self, room: RoomId) -> Result<(), MediaError> {
        self.home(room)
            .ask(|reply| Message::CloseRoom { room, reply })
            .await?
    }

    /// A fresh leg number, unique for the life of the process.
    #[must_use]
    pub fn next_leg(&self) -> LegId {
        self.shared.directory.next_leg()
    }

    /// Answers a browser's first offer and puts its leg into `room`.
    ///
    /// # Errors
    /// [`MediaError::Offer`] for an offer that cannot be answered, [`MediaError::Full`] and the like.
    pub async fn add_peer(
        &self,
        room: RoomId,
        leg: LegId,
        offer: String,
    ) -> Result<PeerAnswer, MediaError> {
        self.place(room)
            .ask(|reply| Message::AddPeer {
                room,
                leg,
                offer,
                reply,
            })
            .await?
    }

    /// Answers a later offer of the same browser: more slots, a camera, an ICE restart.
    ///
    /// # Errors
    /// [`MediaError::Offer`] (the leg goes on as before) or [`MediaError::UnknownLeg`].
    pub async fn renegotiate(&self, leg: LegId, offer: String) -> Result<PeerAnswer, MediaError> {
        self.owner(leg)?
            .ask(|reply| Message::Renegotiate { leg, offer, reply })
            .await?
    }

    /// Takes a pair of RTP/RTCP sockets for one call. They are released when dropped or with the leg.
    ///
    /// # Errors
    /// [`MediaError::PortsExhausted`].
    pub fn bind_rtp(&self) -> Result<RtpSockets, MediaError> {
        self.shared.ports.bind()
    }

    /// RTP socket pairs in use now.
    #[must_use]
    pub fn rtp_pairs_in_use(&self) -> usize {
        self.shared.ports.in_use()
    }

    /// Puts a phone leg into `room`.
    ///
    /// # Errors
    /// [`MediaError::UnknownRoom`], [`MediaError::Full`] and the like; the sockets are released then.
    pub async fn add_phone(
        &self,
        room: RoomId,
        leg: LegId,
        sockets: RtpSockets,
        media: PhoneMedia,
    ) -> Result<(), MediaError> {
        self.place(room)
            .ask(|reply| Message::AddPhone {
                room,
                leg,
                sockets,
                media,
                reply,
            })
            .await?
    }

    /// Applies a re-INVITE: another address, codec or direction. Only this unlocks the latched source.
    ///
    /// # Errors
    /// [`MediaError::UnknownLeg`] and the like.
    pub async fn update_phone(&self, leg: LegId, media: PhoneMedia) -> Result<(), MediaError> {
        self.owner(leg)?
            .ask(|reply| Message::UpdatePhone { leg, media, reply })
            .await?
    }

    /// Gives a phone leg the video that was agreed with it, changes it, or takes it away.
    ///
    /// # Errors
    /// [`MediaError::UnknownLeg`] and the like; the leg goes on without video when its sockets cannot be watched.
    pub async fn phone_video(
        &self,
        leg: LegId,
        video: Option<PhoneVideo>,
    ) -> Result<(), MediaError> {
        self.owner(leg)?
            .ask(|reply| Message::PhoneVideo { leg, video, reply })
            .await?
    }

    /// A phone has asked for a keyframe by signalling. Not awaited.
    ///
    /// # Errors
    /// [`MediaError::UnknownLeg`] and the like.
    pub fn phone_wants_keyframe(&self, leg: LegId) -> Result<(), MediaError> {
        self.owner(leg)?.tell(Message::PhoneWantsKeyframe { leg })
    }

    /// Puts a looped, pre-encoded source into `room`. It hears and sees nothing.
    ///
    /// # Errors
    /// [`MediaError::UnknownRoom`], [`MediaError::Full`] and the like.
    pub async fn add_clip(&self, room: RoomId, leg: LegId, clip: Clip) -> Result<(), MediaError> {
        self.place(room)
            .ask(|reply| Message::AddClip {
                room,
                leg,
                clip,
                reply,
            })
            .await?
    }

    /// Moves a leg to another room. SSRC, sequence and jitter state stay, and what the leg sends meanwhile reaches its
    /// new room; its transport stays on its worker.
    ///
    /// # Errors
    /// [`MediaError::UnknownRoom`] or [`MediaError::Busy`]: the leg is still where it was.
    /// [`MediaError::UnknownLeg`]: it is gone, maybe because its old room closed while the new one refused it.
    pub async fn move_leg(&self, leg: LegId, to: RoomId) -> Result<(), MediaError> {
        self.owner(leg)?
            .ask(|reply| Message::MoveLeg { leg, to, reply })
            .await?
    }

    /// Ends a leg, without [`RoomEvent::LegGone`]. A leg that is gone already is no error.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub async fn remove_leg(&self, leg: LegId) -> Result<(), MediaError> {
        match self.owner(leg) {
            Ok(worker) => worker.ask(|reply| Message::RemoveLeg { leg, reply }).await,
            Err(_) => Ok(()),
        }
    }

    /// Gives a room's mixer a command. Not awaited: it takes effect at the worker's next round.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub fn command(&self, room: RoomId, command: Command) -> Result<(), MediaError> {
        self.home(room).tell(Message::Command { room, command })
    }

    /// Taps a room: every tick's frames go to `sink`, which replaces an earlier one. Not awaited.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub fn tap(&self, room: RoomId, tap: Tap, sink: TapSink) -> Result<(), MediaError> {
        self.home(room).tell(Message::Tap {
            room,
            tap,
            sink: Some(sink),
        })
    }

    /// Ends the tapping of a room. Not awaited.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub fn untap(&self, room: RoomId) -> Result<(), MediaError> {
        self.home(room).tell(Message::Tap {
            room,
            tap: Tap::Off,
            sink: None,
        })
    }

    /// Makes a room's viewers see its composite, whose renditions have these rates; the cameras go to `sink`, which replaces an earlier one.
    /// Not awaited.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub fn compose(
        &self,
        room: RoomId,
        ladder: Ladder,
        sink: ComposeSink,
    ) -> Result<(), MediaError> {
        let composer = Some((ladder, sink));
        self.home(room).tell(Message::Compose { room, composer })
    }

    /// Makes a room's viewers see cameras again. Not awaited.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub fn uncompose(&self, room: RoomId) -> Result<(), MediaError> {
        let composer = None;
        self.home(room).tell(Message::Compose { room, composer })
    }

    /// Hands a room what its composer has made or needs. Not awaited.
    ///
    /// # Errors
    /// [`MediaError::Busy`] or [`MediaError::Stopped`].
    pub fn composed(&self, room: RoomId, inputs: Vec<Input>) -> Result<(), MediaError> {
        self.home(room).tell(Message::Composed { room, inputs })
    }

    /// What the mixer counted for one leg.
    ///
    /// # Errors
    /// [`MediaError::UnknownLeg`] and the like.
    pub async fn leg_stats(&self, leg: LegId) -> Result<LegStats, MediaError> {
        self.owner(leg)?
            .ask(|reply| Message::LegStats { leg, reply })
            .await?
    }

    /// Ends all legs, closes the sockets and joins the threads, waiting at most `deadline`.
    /// Returns how many workers had not stopped by then.
    pub async fn stop(&self, deadline: Duration) -> usize {
        let until = Instant::now() + deadline;
        self.shared.watch.stop();
        for worker in &self.shared.workers {
            worker.request_stop();
        }
        let mut running = self.shared.workers.len();
        while running > 0 && Instant::now() < until {
            running = self
                .shared
                .workers
                .iter()
                .filter(|w| !w.has_stopped())
                .count();
            if running > 0 {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
        }
        running
    }

    /// The worker for a new leg of `room`: its home, unless that carries clearly more than another.
    fn place(&self, room: RoomId) -> &WorkerHandle {
        let home = self.home(room);
        let margin = self.shared.config.together * Load::LEG;
        let least = self.shared.workers.iter().min_by_key(|w| w.load.score());
        match least {
            Some(least) if home.load.score() > least.load.score() + margin => least,
            _ => home,
        }
    }

    fn home(&self, room: RoomId) -> &WorkerHandle {
        let workers = &self.shared.workers;
        &workers[directory::home_of(room, workers.len())]
    }

    fn owner(&self, leg: LegId) -> Result<&WorkerHandle, MediaError> {
        let index = self
            .shared
            .directory
            .owner(leg)
            .ok_or(MediaError::UnknownLeg)?;
        self.shared.workers.get(index).ok_or(MediaError::UnknownLeg)
    }
}

impl WorkerHandle {
    /// Sends a message that carries a reply channel and waits for the reply.
    async fn ask<T>(
        &self,
        message: impl FnOnce(oneshot::Sender<T>) -> Message,
    ) -> Result<T, MediaError> {
        let (reply, answer) = oneshot::channel();
        self.tell(message(reply))?;
        answer.await.map_err(|_| MediaError::Stopped)
    }
}
