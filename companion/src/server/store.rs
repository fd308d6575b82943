//! The companion's database: SQLite in the data folder, or PostgreSQL, with the same SQL.
//!
//! Reads go to a pool, every write through one task that commits many at once ([`writer`]); nothing is answered before
//! COMMIT. Both dialects take `$N`, `ON CONFLICT`, `RETURNING`; keys are TEXT, times and truths BIGINT, JSON is TEXT. A sum
//! is `CAST(… AS BIGINT)`, for PostgreSQL's is NUMERIC otherwise. Knows tables, no rule of who may do what.

mod migrate;
mod upkeep;
mod writer;

use std::path::PathBuf;
use std::time::Duration;

use futures_util::future::BoxFuture;
use sqlx::any::{AnyConnectOptions, AnyPoolOptions};
use sqlx::{AnyPool, ConnectOptions, Executor};
use tokio::sync::{mpsc, oneshot};

pub use upkeep::Upkeep;
pub(crate) use writer::{Draft, Receipt, Tx, places, power};

use super::protocol::Event;

/// Connections that read at once.
const READERS: u32 = 4;
/// Connections of the one writer: a second takes the place of one that broke.
const WRITERS: u32 = 2;
/// Writes that wait for the writer; more are refused.
const WAITING: usize = 4096;
/// Commits whose events wait for the hub; the writer waits when it is full.
const PUBLISHED: usize = 64;

/// Why the store failed.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database did not do it.
    #[error("the companion's database failed: {0}")]
    Database(#[from] sqlx::Error),
    /// The database was made by a newer version.
    #[error("the companion's database has step {step}, which this version does not know")]
    Newer {
        /// Its number.
        step: i64,
    },
    /// Too many writes wait, or the server stops.
    #[error("the companion's database has too much to write")]
    Busy,
    /// A rule that the transaction itself found broken.
    #[error("{0}")]
    Refused(&'static str),
    /// A file beside the database.
    #[error("{path}: {source}", path = path.display())]
    File {
        /// Which.
        path: PathBuf,
        /// Why.
        source: std::io::Error,
    },
}

/// Where the database is.
#[derive(Clone, PartialEq, Eq)]
pub enum Database {
    /// A file, made when it isn't there.
    Sqlite(PathBuf),
    /// `postgres://user:password@host/name`.
    Postgres(String),
}

impl std::fmt::Debug for Database {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Sqlite(path) => f.debug_tuple("Sqlite").field(path).finish(),
            Self::Postgres(_) => f.write_str("Postgres(redacted)"),
        }
    }
}

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Dialect {
    /// SQLite, WAL, synchronous FULL.
    Sqlite,
    /// PostgreSQL.
    Postgres,
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Store {
    dialect: Dialect,
    readers: AnyPool,
    jobs: mpsc::Sender<writer::Job>,
}

impl Store {
    /// Opens or makes the database and brings it to this version; events come out of the receiver after their commit, in order.
    ///
    /// # Errors
    /// When it cannot be opened or is of a newer version.
    pub(crate) async fn open(
        database: &Database,
    ) -> Result<(Self, mpsc::Receiver<Vec<Event>>), StoreError> {
        sqlx::any::install_default_drivers();
        let (dialect, options) = options(database)?;
        let writing = pool(dialect, WRITERS).connect_with(options.clone()).await?;
        let mut connection = writing.acquire().await?;
        if dialect == Dialect::Sqlite {
            // The one that writes keeps what it changes again and again at hand: 16 MiB of pages, and as many in the journal.
            connection
                .execute("PRAGMA cache_size = -16384; PRAGMA wal_autocheckpoint = 4000;")
                .await?;
        }
        migrate::run(&mut connection, dialect).await?;
        let readers = pool(dialect, READERS).connect_with(options).await?;
        let (jobs, queue) = mpsc::channel(WAITING);
        let (publish, published) = mpsc::channel(PUBLISHED);
        tokio::spawn(writer::run(writing, connection, dialect, queue, publish));
        Ok((
            Self {
                dialect,
                readers,
                jobs,
            },
            published,
        ))
    }

    /// Whose SQL it takes, where that matters: full text alone.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where to read.
    pub(crate) const fn reader(&self) -> &AnyPool {
        &self.readers
    }

    /// Adds an event to its conversation's log; it is on disk when this returns. One that is there already is not added again.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait; whatever the database says.
    pub(crate) async fn append(&self, draft: Draft) -> Result<Receipt, StoreError> {
        let (answer, answered) = oneshot::channel();
        self.jobs
            .try_send(writer::Job::Append(draft, answer))
            .map_err(|_| StoreError::Busy)?;
        answered.await.map_err(|_| StoreError::Busy)?
    }

    /// Does `work` in a transaction, all or nothing; it is on disk when this returns.
    ///
    /// # Errors
    /// [`StoreError::Busy`] when too many wait; whatever `work` or the database says.
    pub(crate) async fn write<T, F>(&self, work: F) -> Result<T, StoreError>
    where
        T: Send + 'static,
        F: for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, Result<T, StoreError>> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let job = writer::Job::Work(Box::new(move |tx| {
            Box::pin(async move {
                let (kept, outcome) = match work(tx).await {
                    Ok(value) => (true, Ok(value)),
                    Err(error) => (false, Err(error)),
                };
                let tell = Box::new(move |committed: bool| {
                    // Whoever asked may have gone away.
                    let _ = answer.send(if committed || outcome.is_err() {
                        outcome
                    } else {
                        Err(StoreError::Busy)
                    });
                });
                (kept, tell as writer::Tell)
            })
        }));
        self.jobs.try_send(job).map_err(|_| StoreError::Busy)?;
        answered.await.map_err(|_| StoreError::Busy)?
    }

    /// Whether the database answers.
    pub(crate) async fn is_ready(&self) -> bool {
        sqlx::query("SELECT 1").execute(&self.readers).await.is_ok()
    }
}

fn options(database: &Database) -> Result<(Dialect, AnyConnectOptions), StoreError> {
    let (dialect, url) = match database {
        Database::Sqlite(path) => {
            let mut escaped = String::from("sqlite://");
            for c in path.to_string_lossy().chars() {
                match c {
                    '%' => escaped += "%25",
                    '?' => escaped += "%3F",
                    '#' => escaped += "%23",
                    c => escaped.push(c),
                }
            }
            (Dialect::Sqlite, escaped + "?mode=rwc")
        }
        Database::Postgres(url) => (Dialect::Postgres, url.clone()),
    };
    let options: AnyConnectOptions = url.parse()?;
    Ok((dialect, options.disable_statement_logging()))
}

fn pool(dialect: Dialect, connections: u32) -> AnyPoolOptions {
    AnyPoolOptions::new()
        .max_connections(connections)
        .acquire_timeout(Duration::from_secs(10))
        .after_connect(move |connection, _| {
            Box::pin(async move {
                if dialect == Dialect::Sqlite {
                    connection
                        .execute(
                            "PRAGMA busy_timeout = 5000; PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; \
                             PRAGMA foreign_keys = ON;",
                        )
                        .await?;
                }
                Ok(())
            })
        })
}
