//! What is kept: found, listed, deleted; mended after a crash; thrown away when it is too old.
//!
//! The folders are the truth, there is no table beside them: `<folder>/<conference>/<id>/recording.json`. Everything here
//! waits for the disk, so callers on the runtime go through [`Recorder::shelf`].

use std::fs;
use std::io;
use std::path::{Component, Path, PathBuf};
use std::time::Duration;

use super::manifest::Manifest;
use super::{Recorder, take};
use crate::conference::is_number;
use crate::store::now_ms;

/// Why nothing was done.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ShelfError {
    /// There is none of that id.
    #[error("there is no such recording")]
    Unknown,
    /// It is being written.
    #[error("the recording runs")]
    Running,
    /// Our fault: the disk.
    #[error("the disk: {0}")]
    Disk(#[from] io::Error),
}

impl Recorder {
    /// Runs `work` where it may wait for the disk.
    pub(crate) async fn shelf<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Self) -> Result<T, ShelfError> + Send + 'static,
    ) -> Result<T, ShelfError> {
        let this = self.clone();
        tokio::task::spawn_blocking(move || work(&this))
            .await
            .map_err(|error| ShelfError::Disk(io::Error::other(error)))?
    }

    /// Up to `count` recordings from the oldest behind the id `after`, of one conference or of all.
    pub(crate) fn list(
        &self,
        conference: Option<&str>,
        after: &str,
        count: usize,
    ) -> Result<Vec<Manifest>, ShelfError> {
        let mut found: Vec<(String, PathBuf)> = self
            .folders()?
            .into_iter()
            .filter(|(_, folder)| conference.is_none_or(|number| is_of(folder, number)))
            .filter(|(id, _)| id.as_str() > after)
            .collect();
        found.sort_unstable();
        let loaded = found.iter().filter_map(|(_, folder)| load(folder));
        Ok(loaded.take(count).collect())
    }

    /// The recording of `id`.
    pub(crate) fn find(&self, id: &str) -> Result<Manifest, ShelfError> {
        load(&self.folder_of(id)?).ok_or(ShelfError::Unknown)
    }

    /// Where the file `name` of a recording lies; `name` as its manifest says.
    pub(crate) fn file(&self, id: &str, name: &str) -> Result<PathBuf, ShelfError> {
        let folder = self.folder_of(id)?;
        let manifest = load(&folder).ok_or(ShelfError::Unknown)?;
        let is_plain = Path::new(name)
            .components()
            .all(|part| matches!(part, Component::Normal(_)));
        let is_listed = manifest.files.iter().any(|file| file.name == name);
        if is_plain && is_listed {
            Ok(folder.join(name))
        } else {
            Err(ShelfError::Unknown)
        }
    }

    /// Deletes a recording and all its files.
    pub(crate) fn delete(&self, id: &str) -> Result<(), ShelfError> {
        let folder = self.folder_of(id)?;
        if self.shared.running().contains(id) {
            return Err(ShelfError::Running);
        }
        fs::remove_dir_all(&folder)?;
        if let Some(conference) = folder.parent() {
            // Goes with its last recording.
            let _ = fs::remove_dir(conference);
        }
        Ok(())
    }

    /// Mends what a crash left open; gives how many. To be called before anything is recorded.
    pub(crate) fn recover(&self) -> Result<usize, ShelfError> {
        let mut count = 0;
        for (id, folder) in self.folders()? {
            if self.shared.running().contains(&id) {
                continue;
            }
            let Some(mut manifest) = load(&folder).filter(|manifest| manifest.state.is_open())
            else {
                continue;
            };
            // Mending writes; what is asked is when the last sound came.
            let ended = written(&folder, &manifest).unwrap_or_else(now_ms);
            manifest.duration_ms = take::repair(&folder, &manifest);
            manifest.interrupt(ended);
            manifest.save(&folder)?;
            count += 1;
        }
        Ok(count)
    }

    /// Deletes what is older than configured; gives how many.
    pub(crate) fn expire(&self) -> Result<usize, ShelfError> {
        let Some(keep) = self.shared.config.keep else {
            return Ok(0);
        };
        let oldest = now_ms() - i64::try_from(keep.as_millis()).unwrap_or(i64::MAX);
        let mut count = 0;
        for (id, folder) in self.folders()? {
            let is_old = load(&folder)
                .is_some_and(|manifest| manifest.ended_ms.is_some_and(|ended| ended < oldest));
            if is_old && self.delete(&id).is_ok() {
                count += 1;
            }
        }
        Ok(count)
    }

    fn folder_of(&self, id: &str) -> Result<PathBuf, ShelfError> {
        // Only what is an id goes on to be a path.
        if !is_id(id) {
            return Err(ShelfError::Unknown);
        }
        self.folders()?
            .into_iter()
            .find(|(found, _)| found == id)
            .map(|(_, folder)| folder)
            .ok_or(ShelfError::Unknown)
    }

    /// Every recording's id and folder.
    fn folders(&self) -> Result<Vec<(String, PathBuf)>, ShelfError> {
        let mut all = Vec::new();
        for conference in entries(&self.shared.folder)? {
            if !name(&conference).is_some_and(is_number) {
                continue;
            }
            for folder in entries(&conference)? {
                if let Some(id) = name(&folder).filter(|id| is_id(id)) {
                    all.push((id.to_owned(), folder.clone()));
                }
            }
        }
        Ok(all)
    }
}

/// What lies in a folder; nothing when there is no such folder (any more), or it is none.
fn entries(folder: &Path) -> io::Result<Vec<PathBuf>> {
    match fs::read_dir(folder) {
        Err(error)
            if matches!(
                error.kind(),
                io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
            ) =>
        {
            Ok(Vec::new())
        }
        Err(error) => Err(error),
        Ok(entries) => entries.map(|entry| Ok(entry?.path())).collect(),
    }
}

fn name(path: &Path) -> Option<&str> {
    path.file_name()?.to_str()
}

fn is_id(text: &str) -> bool {
    ulid::Ulid::from_string(text).is_ok_and(|id| id.to_string() == text)
}

fn is_of(folder: &Path, conference: &str) -> bool {
    folder.parent().and_then(name) == Some(conference)
}

fn load(folder: &Path) -> Option<Manifest> {
    match Manifest::load(folder) {
        Ok(manifest) => Some(manifest),
        Err(error) => {
            tracing::warn!(%error, "a recording without a manifest");
            None
        }
    }
}

/// When the first file of a recording was last written, milliseconds since 1970.
fn written(folder: &Path, manifest: &Manifest) -> Option<i64> {
    let written = fs::metadata(folder.join(&manifest.files.first()?.name))
        .and_then(|about| about.modified())
        .ok()?;
    let since: Duration = written.duration_since(std::time::UNIX_EPOCH).ok()?;
    i64::try_from(since.as_millis()).ok()
}
