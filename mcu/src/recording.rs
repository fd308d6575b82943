//! Recordings: what a room's tap gives becomes files, on a thread of each recording's own, so that neither a media worker
//! nor a conference ever waits for a disk.
//!
//! Called by the focus, which owns a [`Recording`], and by REST, which looks at what is kept; see [`shelf`]. Knows no
//! conference and no roster.

mod manifest;
mod opus;
mod shelf;
mod take;
mod thread;
mod wav;

use std::collections::HashSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use prometheus::{IntCounter, IntGauge, Registry};
use tokio::sync::oneshot;

use crate::config::{RecordingConfig, RecordingFormat as Format};

pub(crate) use manifest::{End, Manifest};
pub(crate) use shelf::ShelfError;
pub(crate) use thread::Recording;

/// Recordings at once: each is a thread and some open files.
const MOST: usize = 256;
/// A disk that has not made a folder within this is not waited for.
const PATIENCE: Duration = Duration::from_secs(3);

/// What is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Spec {
    pub(crate) format: Format,
    /// A file for each participant beside the mix.
    pub(crate) tracks: bool,
}

/// Why a recording did not begin.
#[derive(Debug, thiserror::Error)]
pub(crate) enum StartError {
    /// The configuration forbids it.
    #[error("recording is switched off")]
    Off,
    /// Overload.
    #[error("too many recordings")]
    TooMany,
    /// Less than the configured space is left.
    #[error("the disk is full")]
    DiskFull,
    /// Our fault: no folder, no file, no thread, or no answer of the disk.
    #[error("the disk: {0}")]
    Disk(#[from] io::Error),
}

/// Figures of recordings.
#[derive(Debug, Clone)]
struct Figures {
    running: IntGauge,
    dropped: IntCounter,
    failures: IntCounter,
}

impl Figures {
    fn register(registry: &Registry) -> Result<Self, prometheus::Error> {
        let counter = |name: &str, help: &str| -> Result<IntCounter, prometheus::Error> {
            let counter = IntCounter::new(name, help)?;
            registry.register(Box::new(counter.clone()))?;
            Ok(counter)
        };
        let running = IntGauge::new("plenum_recordings", "Recordings that run now.")?;
        registry.register(Box::new(running.clone()))?;
        Ok(Self {
            running,
            dropped: counter(
                "plenum_recording_dropped_frames_total",
                "Frames of 20 ms that were not recorded because the disk was too slow.",
            )?,
            failures: counter(
                "plenum_recording_failures_total",
                "Recordings that ended because they could not be written, or did not begin for that reason.",
            )?,
        })
    }
}

/// The server's recordings, those that run and those that are kept. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Recorder {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    config: RecordingConfig,
    folder: PathBuf,
    figures: Figures,
    // Ids that a thread writes to: asked before one is deleted, set and cleared once each; held for nanoseconds.
    running: Mutex<HashSet<String>>,
}

impl Shared {
    fn running(&self) -> MutexGuard<'_, HashSet<String>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recorder {
    /// Keeps recordings in `folder`.
    ///
    /// # Errors
    /// When the metrics are registered already.
    pub(crate) fn new(
        config: RecordingConfig,
        folder: PathBuf,
        registry: &Registry,
    ) -> Result<Self, prometheus::Error> {
        Ok(Self {
            shared: Arc::new(Shared {
                config,
                folder,
                figures: Figures::register(registry)?,
                running: Mutex::default(),
            }),
        })
    }

    /// What is recorded when nobody says what.
    pub(crate) fn usual(&self) -> Spec {
        Spec {
            format: self.shared.config.format,
            tracks: false,
        }
    }

    /// Begins a recording of the conference of `number`, called `name`.
    pub(crate) async fn start(
        &self,
        number: &str,
        name: &str,
        spec: Spec,
    ) -> Result<Recording, StartError> {
        if !self.shared.config.enabled {
            return Err(StartError::Off);
        }
        let (ready, begun) = oneshot::channel();
        let conference = (number.to_owned(), name.to_owned());
        thread::spawn(Arc::clone(&self.shared), conference, spec, ready)?;
        let outcome = match tokio::time::timeout(PATIENCE, begun).await {
            Ok(Ok(outcome)) => outcome,
            Ok(Err(_)) => Err(StartError::Disk(io::Error::other("recorder died"))),
            Err(_) => Err(StartError::Disk(io::ErrorKind::TimedOut.into())),
        };
        if matches!(outcome, Err(StartError::DiskFull | StartError::Disk(_))) {
            self.shared.figures.failures.inc();
        }
        outcome
    }
}
