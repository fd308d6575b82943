//! The thread of one recording, and how it is reached: a bounded queue that holds 5 s of frames.
//!
//! Who feeds it never waits. Frames that do not fit are dropped and counted, and silence takes their place; orders have
//! places of their own in the queue.

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::time::{Duration, Instant};

use plenum_mixer::{LegId, Tap, TapFrame};
use prometheus::IntCounter;
use tokio::sync::oneshot;

use super::manifest::End;
use super::take::{Take, Who};
use super::{MOST, Shared, Spec, StartError};
use crate::media::TapSink;

/// Frames that wait: 5 s.
const FRAMES: usize = 250;
/// Orders that wait, beside the frames.
const ORDERS: usize = 1024;
/// What a crash may cost, but for what is on its way: half of the second that is allowed.
const FLUSH: Duration = Duration::from_millis(500);
/// Between looks at the space that is left.
const LOOK: Duration = Duration::from_secs(2);

/// What waits for the thread.
enum Item {
    Frame(TapFrame),
    Who(LegId, Who),
    Pause,
    Resume,
    Stop,
}

/// The way into the queue.
#[derive(Debug, Clone)]
struct Inlet {
    queue: SyncSender<Item>,
    waiting: Arc<AtomicUsize>,
    dropped: Arc<AtomicU64>,
    dropped_by_all: IntCounter,
}

impl Inlet {
    fn frame(&self, frame: TapFrame) {
        if self.waiting.load(Ordering::Relaxed) >= FRAMES {
            self.dropped.fetch_add(1, Ordering::Relaxed);
            self.dropped_by_all.inc();
            return;
        }
        self.waiting.fetch_add(1, Ordering::Relaxed);
        // It has its place; a thread that is gone has said so, and the focus ends the tap.
        let _ = self.queue.try_send(Item::Frame(frame));
    }
}

/// A recording that runs. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Recording {
    pub(crate) id: String,
    pub(crate) started_ms: i64,
    pub(crate) tracks: bool,
    inlet: Inlet,
    ended: oneshot::Receiver<End>,
}

impl Recording {
    /// What the room's tap must give.
    pub(crate) fn tap(&self) -> Tap {
        if self.tracks {
            Tap::MixAndLegs
        } else {
            Tap::Mix
        }
    }

    /// Where the tap's frames go.
    pub(crate) fn sink(&self) -> TapSink {
        let inlet = self.inlet.clone();
        Box::new(move |frame| inlet.frame(frame))
    }

    /// Says whose leg that is; `false` when the recorder does not keep up.
    pub(crate) fn knows(&self, leg: LegId, participant: &str, name: &str) -> bool {
        let who = Who {
            participant: participant.to_owned(),
            name: name.to_owned(),
        };
        self.order(Item::Who(leg, who))
    }

    /// Leaves out what comes, or goes on; `false` when the recorder does not keep up.
    pub(crate) fn pause(&self, on: bool) -> bool {
        self.order(if on { Item::Pause } else { Item::Resume })
    }

    /// When it has ended, how; ready at once when it has ended by itself.
    pub(crate) async fn ended(&mut self) -> End {
        (&mut self.ended).await.unwrap_or(End::WriteFailed)
    }

    /// Stops it and waits at most `patience` for its files to be whole.
    pub(crate) async fn stop(mut self, patience: Duration) -> Option<End> {
        self.order(Item::Stop);
        tokio::time::timeout(patience, self.ended()).await.ok()
    }

    fn order(&self, item: Item) -> bool {
        self.inlet.queue.try_send(item).is_ok()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        // Ended already, or so far behind that its frames end with the tap.
        let _ = self.inlet.queue.try_send(Item::Stop);
    }
}

/// Starts the thread, which makes the files and then says that it is `ready`.
pub(super) fn spawn(
    shared: Arc<Shared>,
    conference: (String, String),
    spec: Spec,
    ready: oneshot::Sender<Result<Recording, StartError>>,
) -> io::Result<()> {
    std::thread::Builder::new()
        .name("recorder".to_owned())
        .spawn(move || match prepare(&shared, conference, spec) {
            Err(error) => {
                // Whoever asked may be gone; then nobody wants to know.
                let _ = ready.send(Err(error));
            }
            Ok(take) => run(&shared, take, spec, ready),
        })
        .map(|_| ())
}

fn prepare(shared: &Shared, conference: (String, String), spec: Spec) -> Result<Take, StartError> {
    if shared.running().len() >= MOST {
        return Err(StartError::TooMany);
    }
    crate::secret::create_folder(&shared.folder).map_err(|error| error.source)?;
    if is_full(&shared.folder, shared.config.min_free) {
        return Err(StartError::DiskFull);
    }
    let id = ulid::Ulid::new().to_string();
    let folder = shared.folder.join(&conference.0).join(&id);
    Take::create(folder, id, conference, spec).map_err(|error| match End::from(&error) {
        End::DiskFull => StartError::DiskFull,
        _ => StartError::Disk(error),
    })
}

/// Until it is stopped or cannot go on.
fn run(
    shared: &Arc<Shared>,
    take: Take,
    spec: Spec,
    ready: oneshot::Sender<Result<Recording, StartError>>,
) {
    let (queue, inbox) = sync_channel(FRAMES + ORDERS);
    let (done, ended) = oneshot::channel();
    let inlet = Inlet {
        queue,
        waiting: Arc::default(),
        dropped: Arc::default(),
        dropped_by_all: shared.figures.dropped.clone(),
    };
    let running = Running::new(shared, take.id());
    let recording = Recording {
        id: take.id().to_owned(),
        started_ms: take.started_ms(),
        tracks: spec.tracks,
        inlet: inlet.clone(),
        ended,
    };
    let (waiting, dropped) = (Arc::clone(&inlet.waiting), Arc::clone(&inlet.dropped));
    // The queue is closed once the focus and the tap have let go of it.
    drop(inlet);
    // Whoever asked has lost its patience: the recording is dropped here, which stops it.
    let _ = ready.send(Ok(recording));
    let mut writer = Writer {
        take,
        waiting,
        max: shared.config.max,
        min_free: shared.config.min_free,
        flushed: Instant::now(),
        looked: Instant::now(),
    };
    let end = writer.run(&inbox).unwrap_or_else(|error| {
        tracing::warn!(%error, "recording cannot be written");
        End::from(&error)
    });
    let end = writer.take.end(end, dropped.load(Ordering::Relaxed));
    if end.is_failure() {
        shared.figures.failures.inc();
    }
    drop(running);
    // A focus that is gone needs no word.
    let _ = done.send(end);
}

/// The loop's state.
struct Writer {
    take: Take,
    waiting: Arc<AtomicUsize>,
    max: Duration,
    min_free: u64,
    flushed: Instant,
    looked: Instant,
}

impl Writer {
    fn run(&mut self, inbox: &Receiver<Item>) -> io::Result<End> {
        loop {
            match inbox.recv_timeout(FLUSH) {
                Ok(Item::Frame(frame)) => {
                    self.waiting.fetch_sub(1, Ordering::Relaxed);
                    self.take.frame(&frame)?;
                }
                Ok(Item::Who(leg, who)) => self.take.knows(leg, who),
                Ok(Item::Pause) => self.take.pause()?,
                Ok(Item::Resume) => self.take.resume()?,
                Ok(Item::Stop) | Err(RecvTimeoutError::Disconnected) => return Ok(End::Stopped),
                Err(RecvTimeoutError::Timeout) => {}
            }
            if self.flushed.elapsed() >= FLUSH {
                self.take.flush()?;
                self.flushed = Instant::now();
            }
            if u128::from(self.take.duration_ms()) >= self.max.as_millis() {
                return Ok(End::TooLong);
            }
            if self.looked.elapsed() >= LOOK {
                self.looked = Instant::now();
                if is_full(self.take.folder(), self.min_free) {
                    return Ok(End::DiskFull);
                }
            }
        }
    }
}

/// Whether less than `min_free` bytes are left to us. A file system that does not say has space.
fn is_full(folder: &Path, min_free: u64) -> bool {
    rustix::fs::statvfs(folder)
        .is_ok_and(|stats| stats.f_bavail.saturating_mul(stats.f_frsize) < min_free)
}

/// Counted as running until dropped, also by a panic.
struct Running {
    shared: Arc<Shared>,
    id: String,
}

impl Running {
    fn new(shared: &Arc<Shared>, id: &str) -> Self {
        shared.running().insert(id.to_owned());
        shared.figures.running.inc();
        Self {
            shared: Arc::clone(shared),
            id: id.to_owned(),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.shared.running().remove(&self.id);
        self.shared.figures.running.dec();
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use plenum_codecs::MediaTime;
    use plenum_codecs::audio::FRAME;

    use super::*;

    #[test]
    fn a_disk_that_hangs_costs_frames_and_neither_waits_nor_orders() {
        let (queue, inbox) = sync_channel(FRAMES + ORDERS);
        let inlet = Inlet {
            queue,
            waiting: Arc::default(),
            dropped: Arc::default(),
            dropped_by_all: IntCounter::new("dropped", "dropped").unwrap(),
        };
        for tick in 0..300 {
            inlet.frame(TapFrame {
                at: MediaTime::from_millis(20 * tick),
                mix: Box::new([0; FRAME]),
                legs: Vec::new(),
            });
        }
        assert_eq!(inlet.dropped.load(Ordering::Relaxed), 50);
        assert_eq!(inlet.dropped_by_all.get(), 50);
        assert!(inlet.queue.try_send(Item::Stop).is_ok());
        assert_eq!(inbox.try_iter().count(), FRAMES + 1);
    }
}
