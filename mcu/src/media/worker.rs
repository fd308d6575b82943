//! A media worker: one OS thread that owns sockets, legs and rooms and shares nothing with the others.
//!
//! This file is control's end: the messages and the handle. The thread is in [`run`]. What it does for the transports
//! that live on it is in [`legs`], [`peers`] and [`phones`], what for the rooms homed on it in [`rooms`] and [`seats`]; the
//! one finds the other, on whichever worker that is, through [`links`].

mod legs;
mod links;
mod messages;
mod peers;
mod phone_video;
mod phones;
mod rooms;
mod run;
mod seats;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;

use plenum_mixer::{Command, Input, Ladder, LegId, LegStats, RoomConfig, Tap};
use tokio::sync::{mpsc, oneshot};

use self::links::{Doorbell, Links};
use self::run::Prepared;
use super::clip::Clip;
use super::directory::Directory;
use super::metrics::Metrics;
use super::phone::{PhoneMedia, PhoneVideo};
use super::ports::RtpSockets;
use super::webrtc::Identity;
use super::{ComposeSink, MediaConfig, MediaError, PeerAnswer, RoomEvent, RoomId, TapSink};

/// Of media workers; the usual is 0, less goes first.
const NICE: i32 = -10;
/// Messages that wait for one worker. More are refused with [`MediaError::Busy`].
const INBOX: usize = 4_096;

type Reply<T> = oneshot::Sender<T>;

/// What control asks of a worker.
pub(super) enum Message {
    OpenRoom {
        room: RoomId,
        config: RoomConfig,
        events: mpsc::Sender<(RoomId, RoomEvent)>,
        reply: Reply<()>,
    },
    CloseRoom {
        room: RoomId,
        reply: Reply<Result<(), MediaError>>,
    },
    AddPeer {
        room: RoomId,
        leg: LegId,
        offer: String,
        reply: Reply<Result<PeerAnswer, MediaError>>,
    },
    Renegotiate {
        leg: LegId,
        offer: String,
        reply: Reply<Result<PeerAnswer, MediaError>>,
    },
    AddPhone {
        room: RoomId,
        leg: LegId,
        sockets: RtpSockets,
        media: PhoneMedia,
        reply: Reply<Result<(), MediaError>>,
    },
    UpdatePhone {
        leg: LegId,
        media: PhoneMedia,
        reply: Reply<Result<(), MediaError>>,
    },
    /// A phone's video as agreed now.
    PhoneVideo {
        leg: LegId,
        video: Option<PhoneVideo>,
        reply: Reply<Result<(), MediaError>>,
    },
    /// A phone has asked for a keyframe by signalling.
    PhoneWantsKeyframe {
        leg: LegId,
    },
    AddClip {
        room: RoomId,
        leg: LegId,
        clip: Clip,
        reply: Reply<Result<(), MediaError>>,
    },
    MoveLeg {
        leg: LegId,
        to: RoomId,
        reply: Reply<Result<(), MediaError>>,
    },
    RemoveLeg {
        leg: LegId,
        reply: Reply<()>,
    },
    Command {
        room: RoomId,
        command: Command,
    },
    Tap {
        room: RoomId,
        tap: Tap,
        sink: Option<TapSink>,
    },
    Compose {
        room: RoomId,
        composer: Option<(Ladder, ComposeSink)>,
    },
    /// What a composer has for its room.
    Composed {
        room: RoomId,
        inputs: Vec<Input>,
    },
    LegStats {
        leg: LegId,
        reply: Reply<Result<LegStats, MediaError>>,
    },
}

/// Whom to tell that a leg has, or has not, found its seat.
enum Done {
    Leg(Reply<Result<(), MediaError>>),
    /// With the answer that waited for it.
    Peer(Reply<Result<PeerAnswer, MediaError>>, Box<PeerAnswer>),
}

impl Done {
    fn tell(self, outcome: Result<(), MediaError>) {
        match self {
            Self::Leg(reply) => answer(reply, outcome),
            Self::Peer(reply, sdp) => answer(reply, outcome.map(|()| *sdp)),
        }
    }
}

/// Whoever asked may have gone away meanwhile; then nobody needs the answer.
fn answer<T>(reply: Reply<T>, value: T) {
    drop(reply.send(value));
}

/// How much a worker carries; read by control to choose a home.
#[derive(Debug, Default)]
pub(super) struct Load {
    /// Transports that live on it.
    legs: AtomicUsize,
    /// Legs, its own or of others, in the rooms homed on it.
    seats: AtomicUsize,
    rooms: AtomicUsize,
}

impl Load {
    /// What a leg adds to the score of the worker of its transport: it receives and sends a packet every 20 ms, some
    /// 7 µs, where mixing costs 1 µs for another leg in the room.
    pub(super) const LEG: usize = 6;

    #[cfg(test)]
    pub(super) fn seats(&self) -> usize {
        self.seats.load(Ordering::Relaxed)
    }

    pub(super) fn score(&self) -> usize {
        self.legs.load(Ordering::Relaxed) * Self::LEG
            + self.seats.load(Ordering::Relaxed)
            + self.rooms.load(Ordering::Relaxed)
    }
}

/// Control's end of a worker.
pub(super) struct WorkerHandle {
    /// Where its WebRTC socket is bound.
    pub(super) address: SocketAddr,
    pub(super) load: Arc<Load>,
    inbox: SyncSender<Message>,
    bell: Arc<Doorbell>,
    stop: Arc<AtomicBool>,
    thread: JoinHandle<()>,
}

/// What every worker gets at its start.
pub(super) struct Shared<'a> {
    pub(super) config: &'a MediaConfig,
    pub(super) identity: &'a Arc<Identity>,
    pub(super) metrics: &'a Arc<Metrics>,
    pub(super) directory: &'a Arc<Directory>,
}

/// Binds the sockets of all workers, joins them with each other and starts their threads.
pub(super) fn start(count: usize, shared: &Shared<'_>) -> Result<Vec<WorkerHandle>, MediaError> {
    let prepared = (0..count)
        .map(|index| run::prepare(index, shared))
        .collect::<Result<Vec<_>, _>>()?;
    let bells: Vec<_> = prepared.iter().map(|p| Arc::clone(&p.bell)).collect();
    prepared
        .into_iter()
        .zip(links::join(&bells))
        .map(|(prepared, links)| WorkerHandle::start(prepared, links))
        .collect()
}

impl WorkerHandle {
    fn start(prepared: Prepared, links: Links) -> Result<Self, MediaError> {
        let Prepared {
            mut worker,
            inbox,
            bell,
            stop,
            load,
            address,
        } = prepared;
        worker.links = links;
        let thread = std::thread::Builder::new()
            .name(format!("media-{}", worker.index))
            .spawn(move || {
                come_first();
                worker.run()
            })
            .map_err(|e| MediaError::Start(e.to_string()))?;
        Ok(Self {
            address,
            load,
            inbox,
            bell,
            stop,
            thread,
        })
    }

    /// Puts a message into the inbox and wakes the worker.
    pub(super) fn tell(&self, message: Message) -> Result<(), MediaError> {
        match self.inbox.try_send(message) {
            Ok(()) => {}
            Err(TrySendError::Full(_)) => return Err(MediaError::Busy),
            Err(TrySendError::Disconnected(_)) => return Err(MediaError::Stopped),
        }
        self.bell.ring();
        Ok(())
    }

    pub(super) fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.bell.ring();
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }
}

/// Puts the calling thread before others that want the processor, where the system allows it (`CAP_SYS_NICE`, `LimitNICE=`). A tick that
/// comes late is heard; what a page or a recording does later is not.
fn come_first() {
    if let Err(error) = rustix::process::setpriority_process(None, NICE) {
        tracing::debug!(%error, "media workers share the processor with everybody else");
    }
}
