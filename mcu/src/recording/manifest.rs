//! `recording.json`: what a recording is, beside its files. Written whole at every change, never patched.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

/// Name of the file.
const NAME: &str = "recording.json";

/// See the module.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Manifest {
    /// ULID.
    pub(crate) id: String,
    /// Number of the conference.
    pub(crate) conference: String,
    /// Its name at that time.
    pub(crate) name: String,
    pub(crate) state: State,
    /// Why it ended.
    pub(crate) end: Option<End>,
    /// Milliseconds since 1970.
    pub(crate) started_ms: i64,
    pub(crate) ended_ms: Option<i64>,
    /// Of what was recorded; pauses are left out.
    pub(crate) duration_ms: u64,
    pub(crate) pauses: Vec<Pause>,
    pub(crate) files: Vec<Track>,
    /// Frames of 20 ms that the disk was too slow for; silence stands in their place.
    pub(crate) dropped_frames: u64,
}

/// Where a recording stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum State {
    Recording,
    Paused,
    /// Stopped as it was meant.
    Finished,
    /// Stopped because it could not be written; what is there plays.
    Failed,
    /// The server ended without stopping it; what is there plays.
    Interrupted,
}

impl State {
    /// Something writes to it, or the server died while something did.
    pub(crate) fn is_open(self) -> bool {
        matches!(self, Self::Recording | Self::Paused)
    }
}

/// Why a recording ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum End {
    /// By a host, a key or the API, or because everybody has left.
    Stopped,
    /// `recording.max_hours` are full.
    TooLong,
    /// The disk is full, or below `recording.min_free_mb`.
    DiskFull,
    /// The disk refused to take more for another reason.
    WriteFailed,
}

impl End {
    pub(crate) fn is_failure(self) -> bool {
        matches!(self, Self::DiskFull | Self::WriteFailed)
    }
}

impl From<&io::Error> for End {
    fn from(error: &io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => Self::DiskFull,
            _ => Self::WriteFailed,
        }
    }
}

/// A pause: nothing of it is in the files.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Pause {
    /// Where in the files, milliseconds from their beginning.
    pub(crate) at_ms: u64,
    /// Milliseconds since 1970.
    pub(crate) from_ms: i64,
    pub(crate) until_ms: Option<i64>,
}

/// One file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Track {
    /// As in `GET /recordings/{id}/files/{name}`.
    pub(crate) name: String,
    /// Who is heard in it; null: everybody.
    pub(crate) participant: Option<String>,
    /// Where they are first heard, milliseconds from the beginning. All files begin at the same moment.
    pub(crate) heard_from_ms: u64,
}

impl Manifest {
    /// Reads the manifest of `folder`.
    pub(super) fn load(folder: &Path) -> io::Result<Self> {
        let text = fs::read(folder.join(NAME))?;
        serde_json::from_slice(&text)
            .map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
    }

    /// Writes it beside and moves it into place, so that it is whole after any crash.
    pub(super) fn save(&self, folder: &Path) -> io::Result<()> {
        let text = serde_json::to_vec_pretty(self).map_err(io::Error::other)?;
        let (path, beside): (PathBuf, PathBuf) = (folder.join(NAME), folder.join("recording.new"));
        match fs::write(&beside, &text).and_then(|()| fs::rename(&beside, &path)) {
            Ok(()) => Ok(()),
            Err(_) => {
                // A full disk has no second place for it; the first is still there.
                let _ = fs::remove_file(&beside);
                fs::write(&path, &text)
            }
        }
    }

    pub(super) fn fail_or_finish(&mut self, end: End, now_ms: i64) {
        self.state = if end.is_failure() {
            State::Failed
        } else {
            State::Finished
        };
        self.close(now_ms);
        self.end = Some(end);
    }

    pub(super) fn interrupt(&mut self, now_ms: i64) {
        self.state = State::Interrupted;
        self.close(now_ms);
    }

    fn close(&mut self, now_ms: i64) {
        self.ended_ms = Some(now_ms);
        if let Some(open) = self
            .pauses
            .last_mut()
            .filter(|pause| pause.until_ms.is_none())
        {
            open.until_ms = Some(now_ms);
        }
    }
}
