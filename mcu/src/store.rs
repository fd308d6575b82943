//! What outlives the process: conferences, in SQLite (WAL, synchronous, one writer).
//!
//! Called by [`crate::conference`] and the command line; knows no policy and no PIN in clear.

mod personal;

use std::collections::HashMap;
use std::path::Path;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use sqlx::sqlite::{
    SqliteConnectOptions, SqliteJournalMode, SqlitePool, SqlitePoolOptions, SqliteSynchronous,
};
use sqlx::{FromRow, Row};

pub use personal::{Kept, PersonalPin};

use crate::auth::Tally;
use crate::conference::{LobbyPolicy, Manners};
use crate::config::VideoPolicy;

/// Connections that read at once; writers queue for one connection of their own.
const READERS: u32 = 4;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// A conference of this number exists.
    #[error("a conference of this number exists already")]
    NumberTaken,
    /// The database did not do it.
    #[error("the database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database is of a newer or damaged shape.
    #[error("the database cannot be brought to this version: {0}")]
    Migration(#[from] sqlx::migrate::MigrateError),
}

/// A conference as kept.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConferenceRecord {
    /// ULID.
    pub id: String,
    /// Number that people dial and type: 1 to 16 digits.
    pub number: String,
    /// Name on the page.
    pub name: String,
    /// PINs.
    pub pins: Pins,
    /// Minutes until it ends, from the first who comes: 0, none; `None`, as configured.
    pub max_minutes: Option<u32>,
    /// Who waits before it, and when it ends without its leader.
    pub manners: Manners,
    /// Guests stay out, until somebody unlocks it or it ends.
    pub locked: bool,
    /// Made to call somebody.
    pub is_call: bool,
    /// Milliseconds since 1970.
    pub created_ms: i64,
}

/// argon2id strings of a conference's PINs.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Pins {
    /// Makes its bearer host.
    pub host: Option<String>,
    /// Asked of guests; `None` lets everybody in.
    pub guest: Option<String>,
    /// From then on the host's is wrong; `None`: never. Milliseconds since 1970.
    pub host_expires_ms: Option<i64>,
    /// The same of the guests': an expired one lets nobody in.
    pub guest_expires_ms: Option<i64>,
}

impl Pins {
    /// What makes its bearer host and what lets guests in at `now_ms`, if anything.
    pub(crate) fn at(&self, now_ms: i64) -> [Option<&str>; 2] {
        let holds = |expires: Option<i64>| expires.is_none_or(|expires| expires > now_ms);
        let host = self.host.as_deref();
        let guest = self.guest.as_deref();
        [
            host.filter(|_| holds(self.host_expires_ms)),
            guest.filter(|_| holds(self.guest_expires_ms)),
        ]
    }
}

impl std::fmt::Debug for Pins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Pins(redacted)")
    }
}

impl FromRow<'_, sqlx::sqlite::SqliteRow> for ConferenceRecord {
    fn from_row(row: &sqlx::sqlite::SqliteRow) -> Result<Self, sqlx::Error> {
        Ok(Self {
            id: row.try_get("id")?,
            number: row.try_get("number")?,
            name: row.try_get("name")?,
            pins: Pins {
                host: row.try_get("host_pin")?,
                guest: row.try_get("guest_pin")?,
                host_expires_ms: row.try_get("host_pin_expires_ms")?,
                guest_expires_ms: row.try_get("guest_pin_expires_ms")?,
            },
            max_minutes: row.try_get("max_minutes")?,
            manners: Manners {
                // A policy of a newer version is the configured one.
                lobby: row
                    .try_get::<Option<String>, _>("lobby")?
                    .and_then(|name| LobbyPolicy::from_name(&name)),
                wait_for_leader: row.try_get("wait_for_leader")?,
                end_with_leader_seconds: row.try_get("end_with_leader_seconds")?,
                // A policy of a newer version is the configured one.
                video: row
                    .try_get::<Option<String>, _>("video")?
                    .and_then(|name| VideoPolicy::from_name(&name).ok()),
                max_video_kbps: row.try_get("max_video_kbps")?,
            },
            locked: row.try_get("locked")?,
            is_call: row.try_get("is_call")?,
            created_ms: row.try_get("created_ms")?,
        })
    }
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    readers: SqlitePool,
    writer: SqlitePool,
}

impl Store {
    /// Opens or makes the database at `path` and brings it to this version.
    ///
    /// # Errors
    /// When the file cannot be opened or is of a newer version.
    pub async fn open(path: &Path) -> Result<Self, StoreError> {
        let options = SqliteConnectOptions::new()
            .filename(path)
            .create_if_missing(true)
            .journal_mode(SqliteJournalMode::Wal)
            .synchronous(SqliteSynchronous::Full)
            .busy_timeout(Duration::from_secs(5))
            .foreign_keys(true);
        let writer = SqlitePoolOptions::new()
            .max_connections(1)
            .connect_with(options.clone())
            .await?;
        sqlx::migrate!("./migrations").run(&writer).await?;
        let readers = SqlitePoolOptions::new()
            .max_connections(READERS)
            .connect_with(options)
            .await?;
        Ok(Self { readers, writer })
    }

    /// Keeps a new conference; it is on disk when this returns.
    ///
    /// # Errors
    /// When the number is taken or the database fails.
    pub async fn create(&self, record: &ConferenceRecord) -> Result<(), StoreError> {
        let done = sqlx::query(
            "INSERT INTO conferences (id, number, name, host_pin, guest_pin, created_ms, max_minutes, \
             lobby, wait_for_leader, end_with_leader_seconds, video, max_video_kbps, host_pin_expires_ms, \
             guest_pin_expires_ms, locked, is_call) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16) ON CONFLICT (number) DO NOTHING",
        )
        .bind(&record.id)
        .bind(&record.number)
        .bind(&record.name)
        .bind(&record.pins.host)
        .bind(&record.pins.guest)
        .bind(record.created_ms)
        .bind(record.max_minutes)
        .bind(record.manners.lobby.map(LobbyPolicy::as_str))
        .bind(record.manners.wait_for_leader)
        .bind(record.manners.end_with_leader_seconds)
        .bind(record.manners.video.map(VideoPolicy::as_str))
        .bind(record.manners.max_video_kbps)
        .bind(record.pins.host_expires_ms)
        .bind(record.pins.guest_expires_ms)
        .bind(record.locked)
        .bind(record.is_call)
        .execute(&self.writer)
        .await?;
        if done.rows_affected() == 1 {
            Ok(())
        } else {
            Err(StoreError::NumberTaken)
        }
    }

    /// Keeps other manners for the conference of `number`; `false` when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_manners(&self, number: &str, manners: Manners) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE conferences SET lobby = $2, wait_for_leader = $3, end_with_leader_seconds = $4, \
             video = $5, max_video_kbps = $6 WHERE number = $1",
        )
        .bind(number)
        .bind(manners.lobby.map(LobbyPolicy::as_str))
        .bind(manners.wait_for_leader)
        .bind(manners.end_with_leader_seconds)
        .bind(manners.video.map(VideoPolicy::as_str))
        .bind(manners.max_video_kbps)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// The conference of `number`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, number: &str) -> Result<Option<ConferenceRecord>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM conferences WHERE number = $1").bind(number);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// Keeps other PINs for the conference of `number`; `false` when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_pins(&self, number: &str, pins: &Pins) -> Result<bool, StoreError> {
        let done = sqlx::query(
            "UPDATE conferences SET host_pin = $2, guest_pin = $3, host_pin_expires_ms = $4, \
             guest_pin_expires_ms = $5 WHERE number = $1",
        )
        .bind(number)
        .bind(&pins.host)
        .bind(&pins.guest)
        .bind(pins.host_expires_ms)
        .bind(pins.guest_expires_ms)
        .execute(&self.writer)
        .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Keeps whether the conference with ULID `id` is locked; it is on disk when this returns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn set_locked(&self, id: &str, locked: bool) -> Result<(), StoreError> {
        sqlx::query("UPDATE conferences SET locked = $2 WHERE id = $1")
            .bind(id)
            .bind(locked)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// All tallies of wrong PINs.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn lockouts(&self) -> Result<HashMap<String, Tally>, StoreError> {
        let rows = sqlx::query("SELECT * FROM lockouts")
            .fetch_all(&self.readers)
            .await?;
        let read = |row: &sqlx::sqlite::SqliteRow| {
            let tally = Tally {
                failures: row.try_get("failures")?,
                since_ms: row.try_get("since_ms")?,
                closed_until_ms: row.try_get("closed_until_ms")?,
                closings: row.try_get("closings")?,
                total: row.try_get("total")?,
            };
            Ok((row.try_get("subject")?, tally))
        };
        rows.iter().map(read).collect()
    }

    /// Keeps some of them, all or none; they are on disk when this returns.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn keep_lockouts(
        &self,
        rows: impl Iterator<Item = (&str, Tally)> + Send,
    ) -> Result<(), StoreError> {
        let rows: Vec<_> = rows.collect();
        let mut transaction = self.writer.begin().await?;
        for (subject, tally) in rows {
            sqlx::query(
                "INSERT OR REPLACE INTO lockouts (subject, failures, since_ms, closed_until_ms, closings, total) \
                 VALUES ($1, $2, $3, $4, $5, $6)",
            )
            .bind(subject)
            .bind(tally.failures)
            .bind(tally.since_ms)
            .bind(tally.closed_until_ms)
            .bind(tally.closings)
            .bind(tally.total)
            .execute(&mut *transaction)
            .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// Forgets some of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_lockouts(&self, subjects: Vec<String>) -> Result<(), StoreError> {
        let mut transaction = self.writer.begin().await?;
        for subject in subjects {
            sqlx::query("DELETE FROM lockouts WHERE subject = $1")
                .bind(subject)
                .execute(&mut *transaction)
                .await?;
        }
        Ok(transaction.commit().await?)
    }

    /// All conferences from the oldest, at most `limit`, after the one with ULID `after`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self, after: &str, limit: u32) -> Result<Vec<ConferenceRecord>, StoreError> {
        let query = sqlx::query_as("SELECT * FROM conferences WHERE id > $1 ORDER BY id LIMIT $2")
            .bind(after)
            .bind(i64::from(limit));
        Ok(query.fetch_all(&self.readers).await?)
    }

    /// Forgets the conference of `number`; `false` when there was none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn delete(&self, number: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM conferences WHERE number = $1")
            .bind(number)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.readers).await.is_ok()
    }

    /// Ends all connections; the log is folded into the database.
    pub async fn close(&self) {
        self.readers.close().await;
        self.writer.close().await;
    }
}

/// Milliseconds since 1970.
#[must_use]
pub fn now_ms() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_millis()).unwrap_or(i64::MAX)
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn record(number: &str) -> ConferenceRecord {
        ConferenceRecord {
            id: ulid::Ulid::new().to_string(),
            number: number.into(),
            name: "Ünïcode \" name".into(),
            pins: Pins {
                host: Some("$argon2id$x".into()),
                host_expires_ms: number.ends_with('2').then_some(7),
                ..Pins::default()
            },
            max_minutes: number.ends_with('2').then_some(90),
            manners: Manners {
                lobby: number.ends_with('2').then_some(LobbyPolicy::Guests),
                video: number.ends_with('2').then_some(VideoPolicy::Composite),
                ..Manners::default()
            },
            locked: number.ends_with('2'),
            is_call: number.ends_with('1'),
            created_ms: now_ms(),
        }
    }

    #[test]
    fn a_pin_holds_until_it_expires() {
        let pins = Pins {
            host: Some("h".into()),
            guest: Some("g".into()),
            guest_expires_ms: Some(200),
            ..Pins::default()
        };
        assert_eq!(pins.at(199), [Some("h"), Some("g")]);
        assert_eq!(pins.at(200), [Some("h"), None]);
    }

    #[tokio::test]
    async fn conferences_are_kept_found_listed_and_forgotten() {
        let folder = crate::scratch::Folder::new();
        let path = folder.path().join("plenum.db");
        let store = Store::open(&path).await.unwrap();
        let (one, two) = (record("1001"), record("1002"));
        store.create(&one).await.unwrap();
        store.create(&two).await.unwrap();
        assert!(matches!(
            store.create(&record("1001")).await,
            Err(StoreError::NumberTaken)
        ));
        // A second opening without a close sees what was acknowledged: the log alone carries it.
        let again = Store::open(&path).await.unwrap();
        assert_eq!(again.find("1001").await.unwrap(), Some(one.clone()));
        let mut listed = again.list("", 10).await.unwrap();
        // Of ULIDs of one millisecond any may be the lesser.
        listed.sort_by(|a, b| a.number.cmp(&b.number));
        assert_eq!(listed, [one.clone(), two]);
        let manners = Manners {
            wait_for_leader: Some(true),
            end_with_leader_seconds: Some(60),
            video: Some(VideoPolicy::Off),
            max_video_kbps: Some(600),
            ..Manners::default()
        };
        assert!(again.set_manners("1001", manners).await.unwrap());
        assert!(!again.set_manners("7", manners).await.unwrap());
        let found = store.find("1001").await.unwrap();
        assert_eq!(found.map(|found| found.manners), Some(manners));
        again.set_locked(&one.id, true).await.unwrap();
        let found = store.find("1001").await.unwrap();
        assert_eq!(found.map(|found| found.locked), Some(true));
        assert!(again.delete("1001").await.unwrap());
        assert!(!again.delete("1001").await.unwrap());
        assert_eq!(store.find("1001").await.unwrap(), None);
    }
}
