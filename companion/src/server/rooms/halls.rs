//! Which conversations are rooms and which of them auditoria, known without asking the database: every post asks.
//!
//! Read once at the start; whoever makes, alters or deletes a room tells it.
#![expect(
    clippy::disallowed_types,
    reason = "a lookup by every post, as in the hub"
)]

use std::collections::HashMap;
use std::sync::{PoisonError, RwLock};

use sqlx::AnyPool;

/// What kind of room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Hall {
    /// Everybody in it posts.
    Room,
    /// Presenters and managers post.
    Auditorium,
}

impl Hall {
    const fn new(auditorium: bool) -> Self {
        if auditorium {
            Self::Auditorium
        } else {
            Self::Room
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Halls {
    rooms: RwLock<HashMap<String, Hall>>,
}

impl Halls {
    /// As the database has it.
    ///
    /// # Errors
    /// When it fails.
    pub(crate) async fn read(reader: &AnyPool) -> Result<Self, sqlx::Error> {
        let rows: Vec<(String, i64)> = sqlx::query_as("SELECT conversation, auditorium FROM rooms")
            .fetch_all(reader)
            .await?;
        let rooms = rows
            .into_iter()
            .map(|(id, auditorium)| (id, Hall::new(auditorium != 0)));
        Ok(Self {
            rooms: RwLock::new(rooms.collect()),
        })
    }

    pub(super) fn put(&self, room: &str, auditorium: bool) {
        let mut rooms = self.rooms.write().unwrap_or_else(PoisonError::into_inner);
        rooms.insert(room.to_owned(), Hall::new(auditorium));
    }

    pub(super) fn remove(&self, room: &str) {
        self.rooms
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .remove(room);
    }

    /// What `conversation` is; nothing if no room.
    pub(crate) fn kind(&self, conversation: &str) -> Option<Hall> {
        let rooms = self.rooms.read().unwrap_or_else(PoisonError::into_inner);
        rooms.get(conversation).copied()
    }
}
