//! Files that people send: taken piece by piece, kept beside the database, given only as attachments.
//!
//! Called by REST and by messages that name them. A file belongs to its sender until a message names it; then its conversation
//! gets it. What no message names within a day is swept away. Knows no type but four of images, by their bytes.

mod disk;
mod routes;
mod sweep;

use std::path::PathBuf;

use serde_json::{Value, json};

use super::Companion;
use super::protocol::Refusal;
use super::socket::Client;
use super::store::{StoreError, Tx};

pub(crate) use disk::Shelf;
pub(crate) use routes::{FilesDoc, routes};
pub(crate) use sweep::keep_swept;

/// Bounds of files.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FileLimits {
    /// Where they lie.
    pub folder: PathBuf,
    /// Largest, bytes; 0 allows none.
    pub file: u64,
    /// All of one user's together, bytes.
    pub quota: u64,
    /// Ends of names that are refused, such as `exe`.
    pub forbidden: Vec<String>,
    /// A command that is asked about each, with the path after it; it refuses by any exit code but 0. Empty: none.
    pub scan: Vec<String>,
}

/// A file as the database has it.
#[derive(Debug, Clone, sqlx::FromRow)]
pub(crate) struct FileRow {
    pub(crate) id: String,
    pub(crate) owner: String,
    pub(crate) name: String,
    pub(crate) r#type: String,
    pub(crate) size: i64,
    pub(crate) state: String,
    pub(crate) image: Option<String>,
}

impl FileRow {
    pub(crate) fn is_whole(&self) -> bool {
        self.state == "whole"
    }
}

pub(crate) async fn find(companion: &Companion, id: &str) -> Result<Option<FileRow>, sqlx::Error> {
    sqlx::query_as("SELECT id, owner, name, type, size, state, image FROM files WHERE id = $1")
        .bind(id.to_owned())
        .fetch_optional(companion.store.reader())
        .await
}

/// What a message says of a file of its sender's.
///
/// # Errors
/// When it is not theirs or not whole.
pub(crate) async fn describe(client: &Client, id: &str) -> Result<Value, Refusal> {
    let found = find(&client.companion, id).await?;
    let file = found
        .filter(|file| file.owner == client.user.id && file.is_whole())
        .ok_or_else(|| Refusal::not_found("There is no such file of yours."))?;
    let mut value =
        json!({"id": file.id, "name": file.name, "type": file.r#type, "size": file.size});
    if let (Value::Object(fields), Some(_)) = (&mut value, &file.image) {
        fields.insert("image".to_owned(), true.into());
    }
    Ok(value)
}

/// `conversation` gets the file, for its message `seq` names it.
pub(crate) async fn share(
    tx: &mut Tx,
    file: &str,
    conversation: &str,
    seq: i64,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO file_shares (file, conversation, seq) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(file.to_owned())
    .bind(conversation.to_owned())
    .bind(seq)
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// Whether `user` may have the file: its owner, and members of conversations that got it.
pub(crate) async fn may_read(
    companion: &Companion,
    file: &FileRow,
    user: &str,
) -> Result<bool, sqlx::Error> {
    if file.owner == user {
        return Ok(true);
    }
    let shared: Option<(i64,)> = sqlx::query_as(
        "SELECT s.seq FROM file_shares s JOIN readers m ON m.conversation = s.conversation WHERE s.file = $1 \
         AND m.user_id = $2 AND s.seq > m.from_seq LIMIT 1",
    )
    .bind(file.id.clone())
    .bind(user.to_owned())
    .fetch_optional(companion.store.reader())
    .await?;
    Ok(shared.is_some())
}
