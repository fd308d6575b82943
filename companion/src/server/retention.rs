//! What goes: events older than the policy of their kind of conversation, and the logs of deleted conversations. A few at a time, so that
//! the writer is there for others.
//!
//! An event goes with what was said of it (edits, reactions), its words in the index and its catches. The newest of a conversation is
//! emptied and stays, so that numbers go on. Nothing here decides who may delete.

use std::time::Duration;

use futures_util::FutureExt;

use super::messages::erase_notes;
use super::search::{index, position};
use super::store::{Store, StoreError, Tx};
use super::{Companion, clock};

/// Events of one write.
const PIECE: i64 = 100;
/// Between two pieces.
const PAUSE: Duration = Duration::from_millis(20);
/// Between two looks.
const PACE: Duration = Duration::from_secs(600);
const DAY_MS: i64 = 86_400_000;

/// How many days events are kept; none: for ever.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Retention {
    /// Of conversations of two.
    pub direct: Option<u32>,
    /// Of conversations of several.
    pub group: Option<u32>,
    /// Of rooms.
    pub room: Option<u32>,
}

impl Retention {
    fn kinds(self) -> impl Iterator<Item = (&'static str, i64)> {
        [
            ("direct", self.direct),
            ("group", self.group),
            ("room", self.room),
        ]
        .into_iter()
        .filter_map(|(kind, days)| Some((kind, i64::from(days?))))
    }
}

/// Keeps to the policy until the runtime ends.
pub(crate) async fn keep(companion: Companion) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        match companion.sweep(clock::now_ms()).await {
            Ok(0) => {}
            Ok(events) => tracing::info!(events, "old events deleted"),
            Err(error) => tracing::error!(%error, "old events could not be deleted"),
        }
    }
}

/// Deletes what is to go at `now_ms`; how many events.
///
/// # Errors
/// When the database fails.
pub(crate) async fn sweep(
    store: &Store,
    policy: Retention,
    now_ms: i64,
) -> Result<u64, StoreError> {
    let mut gone = doomed(store).await?;
    for (kind, days) in policy.kinds() {
        let before = now_ms.saturating_sub(days.saturating_mul(DAY_MS));
        forget_notes(store, kind, before).await?;
        if kind == "direct" {
            forget_phones(store, before).await?;
        }
        // Clocks were perhaps set back by less than an hour: times decide, the position only bounds the search.
        let below = position(store.reader(), before.saturating_add(3_600_000)).await?;
        loop {
            let found: Vec<Old> = sqlx::query_as(
                "SELECT e.pos, e.conversation, e.seq FROM events e JOIN conversations c ON c.id = e.conversation \
                 WHERE e.pos < $1 AND e.ts < $2 AND c.kind = $3 AND (COALESCE(e.target, 0) <> e.seq OR e.seq < \
                 (SELECT MAX(x.seq) FROM events x WHERE x.conversation = e.conversation)) ORDER BY e.pos LIMIT $4",
            )
            .bind(below)
            .bind(before)
            .bind(kind)
            .bind(PIECE)
            .fetch_all(store.reader())
            .await?;
            if found.is_empty() {
                break;
            }
            gone += erase(store, found, true).await?;
            tokio::time::sleep(PAUSE).await;
        }
    }
    Ok(gone)
}

/// What was noted about a conversation is kept as long as what is said in it.
async fn forget_notes(store: &Store, kind: &'static str, before: i64) -> Result<(), StoreError> {
    let gone = store.write(move |tx| {
        async move {
            sqlx::query(
                "DELETE FROM notes WHERE seq = 0 AND ts < $1 AND about IN (SELECT id FROM conversations WHERE kind = $2)",
            )
            .bind(before)
            .bind(kind)
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    gone.await
}

/// Calls to phones are kept as long as direct conversations.
async fn forget_phones(store: &Store, before: i64) -> Result<(), StoreError> {
    let gone = store.write(move |tx| {
        async move {
            for sql in [
                "DELETE FROM notes WHERE seq = -1 AND about IN (SELECT id FROM phone_calls WHERE ts < $1)",
                "DELETE FROM phone_calls WHERE ts < $1",
            ] {
                sqlx::query(sql)
                    .bind(before)
                    .execute(tx.connection())
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    gone.await
}

/// An event: its position, conversation and number.
type Old = (i64, String, i64);

/// The logs of deleted conversations.
async fn doomed(store: &Store) -> Result<u64, StoreError> {
    let mut gone = 0;
    let rooms: Vec<(String,)> = sqlx::query_as("SELECT conversation FROM doomed")
        .fetch_all(store.reader())
        .await?;
    for (room,) in rooms {
        loop {
            let found: Vec<Old> = sqlx::query_as(
                "SELECT pos, conversation, seq FROM events WHERE conversation = $1 LIMIT $2",
            )
            .bind(room.clone())
            .bind(PIECE)
            .fetch_all(store.reader())
            .await?;
            if found.is_empty() {
                break;
            }
            gone += erase(store, found, false).await?;
            tokio::time::sleep(PAUSE).await;
        }
        let done = store.write(move |tx| {
            async move {
                erase_notes(tx, &room, None).await?;
                sqlx::query("DELETE FROM doomed WHERE conversation = $1")
                    .bind(room)
                    .execute(tx.connection())
                    .await?;
                Ok(())
            }
            .boxed()
        });
        done.await?;
    }
    Ok(gone)
}

async fn erase(store: &Store, events: Vec<Old>, keep_last: bool) -> Result<u64, StoreError> {
    let count = u64::try_from(events.len()).unwrap_or_default();
    let done = store.write(move |tx| {
        async move {
            for (pos, conversation, seq) in events {
                let of: Vec<(i64, i64)> =
                    sqlx::query_as("SELECT pos, seq FROM events WHERE conversation = $1 AND target = $2 AND seq <> $2")
                        .bind(conversation.clone())
                        .bind(seq)
                        .fetch_all(tx.connection())
                        .await?;
                for (pos, seq) in of {
                    erase_one(tx, pos, &conversation, seq, keep_last).await?;
                }
                erase_one(tx, pos, &conversation, seq, keep_last).await?;
            }
            Ok(())
        }
        .boxed()
    });
    done.await?;
    Ok(count)
}

async fn erase_one(
    tx: &mut Tx,
    pos: i64,
    conversation: &str,
    seq: i64,
    keep_last: bool,
) -> Result<(), StoreError> {
    index::remove(tx, pos).await?;
    erase_notes(tx, conversation, Some(seq)).await?;
    sqlx::query("DELETE FROM filter_hits WHERE pos = $1")
        .bind(pos)
        .execute(tx.connection())
        .await?;
    // A file that no message names any more is swept away by its own rule.
    for sql in [
        "DELETE FROM mentions WHERE conversation = $1 AND seq = $2",
        "DELETE FROM file_shares WHERE conversation = $1 AND seq = $2",
    ] {
        sqlx::query(sql)
            .bind(conversation.to_owned())
            .bind(seq)
            .execute(tx.connection())
            .await?;
    }
    let (last,): (i64,) =
        sqlx::query_as("SELECT COALESCE(MAX(seq), 0) FROM events WHERE conversation = $1")
            .bind(conversation.to_owned())
            .fetch_one(tx.connection())
            .await?;
    // A deletion of itself is shown by nobody.
    let sql = if keep_last && seq == last {
        "UPDATE events SET kind = 'delete', target = seq, body = '{}' WHERE pos = $1"
    } else {
        "DELETE FROM events WHERE pos = $1"
    };
    sqlx::query(sql).bind(pos).execute(tx.connection()).await?;
    Ok(())
}
