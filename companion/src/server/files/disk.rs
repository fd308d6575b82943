//! The folder of files: pieces appended in order, one writer each, bytes looked at when whole.
#![expect(
    clippy::disallowed_types,
    reason = "who writes which file is looked up within nanoseconds"
)]

use std::collections::HashSet;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::fs::{File, OpenOptions};
use tokio::io::{AsyncReadExt, AsyncWriteExt};

/// Largest image that is shown, bytes.
const IMAGE: u64 = 4 * 1024 * 1024;
/// A scan may take so long.
const SCAN: Duration = Duration::from_secs(120);

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Shelf {
    folder: Arc<Path>,
    writing: Arc<Mutex<HashSet<String>>>,
}

/// The right to write one file; given back when dropped.
#[derive(Debug)]
pub(crate) struct Pen {
    shelf: Shelf,
    id: String,
}

impl Drop for Pen {
    fn drop(&mut self) {
        self.shelf.lock().remove(&self.id);
    }
}

impl Shelf {
    pub(crate) fn new(folder: &Path) -> Self {
        Self {
            folder: folder.into(),
            writing: Arc::default(),
        }
    }

    fn lock(&self) -> MutexGuard<'_, HashSet<String>> {
        self.writing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `id` is one of ours: a ULID, never a path.
    pub(crate) fn path(&self, id: &str) -> PathBuf {
        let end: String = id.chars().skip(id.len().saturating_sub(2)).collect();
        self.folder.join(end).join(id)
    }

    /// The right to write `id`; `None` while somebody has it.
    pub(crate) fn pen(&self, id: &str) -> Option<Pen> {
        self.lock().insert(id.to_owned()).then(|| Pen {
            shelf: self.clone(),
            id: id.to_owned(),
        })
    }

    /// Bytes that are there.
    pub(crate) async fn length(&self, id: &str) -> io::Result<u64> {
        match tokio::fs::metadata(self.path(id)).await {
            Ok(metadata) => Ok(metadata.len()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(0),
            Err(error) => Err(error),
        }
    }

    /// Appends; on disk when this returns.
    pub(crate) async fn append(&self, pen: &Pen, bytes: &[u8]) -> io::Result<()> {
        let path = self.path(&pen.id);
        if let Some(folder) = path.parent() {
            let mut builder = tokio::fs::DirBuilder::new();
            builder.recursive(true).mode(0o700);
            builder.create(folder).await?;
        }
        let mut file = OpenOptions::new()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(&path)
            .await?;
        file.write_all(bytes).await?;
        file.sync_all().await
    }

    pub(crate) async fn open(&self, id: &str) -> io::Result<File> {
        File::open(self.path(id)).await
    }

    pub(crate) async fn remove(&self, id: &str) -> io::Result<()> {
        match tokio::fs::remove_file(self.path(id)).await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            other => other,
        }
    }

    /// The type of an image that may be shown.
    pub(crate) async fn image(&self, id: &str) -> io::Result<Option<&'static str>> {
        if self.length(id).await? > IMAGE {
            return Ok(None);
        }
        let mut head = Vec::with_capacity(16);
        self.open(id).await?.take(16).read_to_end(&mut head).await?;
        Ok(sniff(&head))
    }

    /// Whether `command` lets the file pass.
    pub(crate) async fn scan(&self, command: &[String], id: &str) -> io::Result<bool> {
        let Some((program, arguments)) = command.split_first() else {
            return Ok(true);
        };
        let asked = tokio::process::Command::new(program)
            .args(arguments)
            .arg(self.path(id))
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .kill_on_drop(true)
            .status();
        match tokio::time::timeout(SCAN, asked).await {
            Ok(status) => Ok(status?.success()),
            Err(_) => Err(io::ErrorKind::TimedOut.into()),
        }
    }
}

/// The type that the first bytes tell.
fn sniff(head: &[u8]) -> Option<&'static str> {
    if head.starts_with(b"\x89PNG\r\n\x1a\n") {
        return Some("image/png");
    }
    if head.starts_with(b"\xff\xd8\xff") {
        return Some("image/jpeg");
    }
    if head.starts_with(b"GIF87a") || head.starts_with(b"GIF89a") {
        return Some("image/gif");
    }
    let webp = head.starts_with(b"RIFF") && head.get(8..12) == Some(b"WEBP");
    webp.then_some("image/webp")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bytes_tell_the_type() {
        assert_eq!(sniff(b"\x89PNG\r\n\x1a\n...."), Some("image/png"));
        assert_eq!(sniff(b"RIFF\0\0\0\0WEBPVP8 "), Some("image/webp"));
        assert_eq!(sniff(b"<svg onload=alert(1)>"), None);
        assert_eq!(sniff(b"RIFF"), None);
        assert_eq!(sniff(b""), None);
    }
}
