//! A media worker: one OS thread that owns sockets, legs and rooms and shares nothing with the others.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, SyncSender, TrySendError, sync_channel};
use std::thread::JoinHandle;

use plenum_mixer::{Command, LegId, LegStats, RoomConfig};
use tokio::sync::{mpsc, oneshot};

use super::clip::Clip;
use super::directory::Directory;
use super::metrics::Metrics;
use super::phone::PhoneMedia;
use super::ports::RtpSockets;
use super::webrtc::Identity;
use super::{MediaConfig, MediaError, PeerAnswer, RoomEvent, RoomId};

/// Messages that wait for one worker. More are refused with [`MediaError::Busy`].
const INBOX: usize = 4_096;

type Reply<T> = oneshot::Sender<T>;

/// What control asks of a worker.
pub(super) enum Message {
    OpenRoom { room: RoomId, config: RoomConfig, events: mpsc::Sender<(RoomId, RoomEvent)>, reply: Reply<()> },
    CloseRoom { room: RoomId, reply: Reply<Result<(), MediaError>> },
    AddPeer { room: RoomId, leg: LegId, offer: String, reply: Reply<Result<PeerAnswer, MediaError>> },
    Renegotiate { leg: LegId, offer: String, reply: Reply<Result<PeerAnswer, MediaError>> },
    AddPhone {
        room: RoomId,
        leg: LegId,
        sockets: RtpSockets,
        media: PhoneMedia,
        reply: Reply<Result<(), MediaError>>,
    },
    UpdatePhone { leg: LegId, media: PhoneMedia, reply: Reply<Result<(), MediaError>> },
    AddClip { room: RoomId, leg: LegId, clip: Clip, reply: Reply<Result<(), MediaError>> },
    MoveLeg { leg: LegId, to: RoomId, reply: Reply<Result<(), MediaError>> },
    TakeLeg { leg: LegId, reply: Reply<Result<Parcel, MediaError>> },
    PutLeg { to: RoomId, parcel: Parcel, reply: Reply<Result<(), MediaError>> },
    RemoveLeg { leg: LegId, reply: Reply<()> },
    Command { room: RoomId, command: Command },
    LegStats { leg: LegId, reply: Reply<Result<LegStats, MediaError>> },
}

/// A leg on its way between workers.
pub(super) struct Parcel {}

/// How much a worker carries.
#[derive(Debug, Default)]
pub(super) struct Load {
    legs: AtomicUsize,
    rooms: AtomicUsize,
}

impl Load {
    pub(super) fn score(&self) -> usize {
        self.legs.load(Ordering::Relaxed) * 16 + self.rooms.load(Ordering::Relaxed)
    }
}

/// Control's end of a worker.
pub(super) struct WorkerHandle {
    pub(super) address: SocketAddr,
    pub(super) load: Arc<Load>,
    inbox: SyncSender<Message>,
}

impl WorkerHandle {
    pub(super) fn start(
        _index: usize,
        _config: &MediaConfig,
        _identity: &Arc<Identity>,
        _metrics: &Arc<Metrics>,
        _directory: &Arc<Directory>,
    ) -> Result<Self, MediaError> {
        Err(MediaError::Start("workers are still being built".to_owned()))
    }
    pub(super) fn tell(&self, message: Message) -> Result<(), MediaError> {
        match self.inbox.try_send(message) {
            Ok(()) => Ok(()),
            Err(TrySendError::Full(_)) => Err(MediaError::Busy),
            Err(TrySendError::Disconnected(_)) => Err(MediaError::Stopped),
        }
    }
    pub(super) fn request_stop(&self) {}
    pub(super) fn has_stopped(&self) -> bool {
        true
    }
}
