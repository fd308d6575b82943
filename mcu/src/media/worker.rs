//! A media worker: one OS thread that owns sockets, legs and rooms and shares nothing with the others.
//!
//! This file is control's end: the messages and the handle. The thread is in [`run`], what it does for peers
//! in [`peers`], for phones in [`phones`], for rooms in [`rooms`].

mod legs;
mod messages;
mod peers;
mod phones;
mod rooms;
mod run;

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{SyncSender, TrySendError};
use std::thread::JoinHandle;

use mio::Waker;
use plenum_mixer::{Command, LegId, LegStats, RoomConfig, Tap};
use tokio::sync::{mpsc, oneshot};

use self::run::Prepared as Worker;
use super::clip::{Clip, ClipPlayer};
use super::directory::Directory;
use super::metrics::Metrics;
use super::phone::{Phone, PhoneMedia};
use super::ports::RtpSockets;
use super::webrtc::Identity;
use super::{MediaConfig, MediaError, PeerAnswer, RoomEvent, RoomId, TapSink};

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
    TakeLeg {
        leg: LegId,
        reply: Reply<Result<Parcel, MediaError>>,
    },
    PutLeg {
        to: RoomId,
        parcel: Box<Parcel>,
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
    LegStats {
        leg: LegId,
        reply: Reply<Result<LegStats, MediaError>>,
    },
}

/// A leg on its way between workers, with everything that belongs to it.
pub(super) struct Parcel {
    leg: LegId,
    media: Movable,
    mixer: plenum_mixer::Leg,
}

/// What can live on any worker. A WebRTC peer cannot: its remote end was told this worker's port.
enum Movable {
    Phone(Box<Phone>),
    Clip(Box<ClipPlayer>),
}

/// How much a worker carries; read by control to choose a home.
#[derive(Debug, Default)]
pub(super) struct Load {
    legs: AtomicUsize,
    rooms: AtomicUsize,
}

impl Load {
    /// Legs weigh more than rooms; a room without legs still ticks.
    pub(super) fn score(&self) -> usize {
        self.legs.load(Ordering::Relaxed) * 4 + self.rooms.load(Ordering::Relaxed)
    }
}

/// Control's end of a worker.
pub(super) struct WorkerHandle {
    /// Where its WebRTC socket is bound.
    pub(super) address: SocketAddr,
    pub(super) load: Arc<Load>,
    inbox: SyncSender<Message>,
    waker: Arc<Waker>,
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

impl WorkerHandle {
    /// Binds the socket of worker `index` and starts its thread.
    pub(super) fn start(index: usize, shared: &Shared<'_>) -> Result<Self, MediaError> {
        let Worker {
            worker,
            inbox,
            waker,
            stop,
            load,
            address,
        } = run::prepare(index, shared)?;
        let thread = std::thread::Builder::new()
            .name(format!("media-{index}"))
            .spawn(move || worker.run())
            .map_err(|e| MediaError::Start(e.to_string()))?;
        Ok(Self {
            address,
            load,
            inbox,
            waker,
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
        self.wake();
        Ok(())
    }

    pub(super) fn request_stop(&self) {
        self.stop.store(true, Ordering::Release);
        self.wake();
    }

    pub(super) fn has_stopped(&self) -> bool {
        self.thread.is_finished()
    }

    fn wake(&self) {
        // Without the wake the worker reads its inbox at its next timer, 100 ms later at most.
        if let Err(error) = self.waker.wake() {
            tracing::warn!(%error, "media worker cannot be woken");
        }
    }
}
