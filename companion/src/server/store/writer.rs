//! The one task that writes: takes what waits, at most 256 at once, into one transaction, and answers after COMMIT.
//!
//! It gives events their numbers. A run of events is one statement; other work runs behind a savepoint, so that what is
//! refused leaves the others alone.

use std::collections::HashMap;

use futures_util::future::BoxFuture;
use sqlx::pool::PoolConnection;
use sqlx::{Any, AnyConnection, AnyPool, AssertSqlSafe};
use tokio::sync::{mpsc, oneshot};

use super::{Dialect, StoreError};
use crate::server::clock;
use crate::server::protocol::{Event, Kind};
use crate::server::search::index;

/// Writes in one commit.
const BATCH: usize = 256;
/// Conversations whose last number is remembered.
const HEADS: usize = 20_000;

/// An event that has no number yet.
#[derive(Clone)]
pub(crate) struct Draft {
    pub(crate) conversation: String,
    pub(crate) kind: Kind,
    pub(crate) sender: String,
    pub(crate) client_id: String,
    pub(crate) target: Option<i64>,
    /// JSON.
    pub(crate) body: String,
    /// Users whom it mentions.
    pub(crate) mentions: Vec<String>,
}

impl Draft {
    fn key(&self) -> (&str, &str, &str) {
        (&self.conversation, &self.sender, &self.client_id)
    }
}

/// Where an event stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Receipt {
    pub(crate) seq: i64,
    /// Milliseconds since 1970.
    pub(crate) ts: i64,
    /// It was not there before.
    pub(crate) fresh: bool,
}

type Answer = oneshot::Sender<Result<Receipt, StoreError>>;
/// Tells whoever asked whether the commit was made.
pub(super) type Tell = Box<dyn FnOnce(bool) + Send>;
type Work = Box<dyn for<'a> FnOnce(&'a mut Tx) -> BoxFuture<'a, (bool, Tell)> + Send>;

/// One write.
pub(super) enum Job {
    Append(Draft, Answer),
    Work(Work),
}

/// The open transaction.
pub(crate) struct Tx {
    connection: PoolConnection<Any>,
    dialect: Dialect,
    heads: HashMap<String, i64>,
    fresh: Vec<Event>,
}

impl Tx {
    /// Whose SQL it takes.
    pub(crate) const fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// Where to execute statements.
    pub(crate) fn connection(&mut self) -> &mut AnyConnection {
        &mut self.connection
    }

    /// Adds one event, as [`super::Store::append`] does, with the rest of the transaction.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn append(&mut self, draft: Draft) -> Result<Receipt, StoreError> {
        let receipts = self.append_all(std::slice::from_ref(&draft)).await?;
        receipts
            .first()
            .copied()
            .ok_or(StoreError::Refused("no event was written"))
    }

    /// Adds events in their order; those that are there already get what they had.
    async fn append_all(&mut self, drafts: &[Draft]) -> Result<Vec<Receipt>, StoreError> {
        let mut known = self.find(drafts).await?;
        let ts = clock::now_ms();
        let mut receipts = Vec::with_capacity(drafts.len());
        let mut fresh: Vec<(&Draft, Receipt)> = Vec::new();
        for draft in drafts {
            let key = draft.key();
            let key = (key.0.to_owned(), key.1.to_owned(), key.2.to_owned());
            if let Some(receipt) = known.get(&key) {
                receipts.push(*receipt);
                continue;
            }
            let receipt = Receipt {
                seq: self.next(&draft.conversation).await?,
                ts,
                fresh: true,
            };
            let again = Receipt {
                fresh: false,
                ..receipt
            };
            known.insert(key, again);
            receipts.push(receipt);
            fresh.push((draft, receipt));
        }
        let mut rest = fresh.as_slice();
        while let Some((chunk, after)) = power(rest) {
            self.insert(chunk).await?;
            rest = after;
        }
        let indexed: Vec<(&Draft, i64)> = fresh
            .iter()
            .map(|(draft, receipt)| (*draft, receipt.seq))
            .collect();
        index::keep(self, &indexed).await?;
        for (draft, receipt) in &fresh {
            self.keep_mentions(draft, receipt.seq).await?;
            self.fresh.push(Event::new(draft, *receipt));
        }
        Ok(receipts)
    }

    async fn next(&mut self, conversation: &str) -> Result<i64, StoreError> {
        if let Some(head) = self.heads.get_mut(conversation) {
            *head += 1;
            return Ok(*head);
        }
        let (last,): (i64,) =
            sqlx::query_as("SELECT COALESCE(MAX(seq), 0) FROM events WHERE conversation = $1")
                .bind(conversation)
                .fetch_one(&mut *self.connection)
                .await?;
        if self.heads.len() >= HEADS {
            self.heads.clear();
        }
        self.heads.insert(conversation.to_owned(), last + 1);
        Ok(last + 1)
    }

    /// What stands already of `drafts`, by conversation, sender and the client's id.
    async fn find(
        &mut self,
        drafts: &[Draft],
    ) -> Result<HashMap<(String, String, String), Receipt>, StoreError> {
        let mut found = HashMap::new();
        let mut rest = drafts;
        while let Some((chunk, after)) = power(rest) {
            let sql = format!(
                "SELECT e.conversation, e.sender, e.client_id, e.seq, e.ts FROM events e WHERE \
                 (e.conversation, e.sender, e.client_id) IN (VALUES {})",
                places(self.dialect, chunk.len(), 3)
            );
            let mut query =
                sqlx::query_as::<_, (String, String, String, i64, i64)>(AssertSqlSafe(sql));
            for draft in chunk {
                query = query
                    .bind(&draft.conversation)
                    .bind(&draft.sender)
                    .bind(&draft.client_id);
            }
            let rows = query.fetch_all(&mut *self.connection).await?;
            found.extend(rows.into_iter().map(|(conversation, sender, id, seq, ts)| {
                (
                    (conversation, sender, id),
                    Receipt {
                        seq,
                        ts,
                        fresh: false,
                    },
                )
            }));
            rest = after;
        }
        Ok(found)
    }

    async fn insert(&mut self, rows: &[(&Draft, Receipt)]) -> Result<(), StoreError> {
        let sql = format!(
            "INSERT INTO events (conversation, seq, kind, sender, client_id, target, body, ts) VALUES {}",
            places(self.dialect, rows.len(), 8)
        );
        let mut query = sqlx::query(AssertSqlSafe(sql));
        for (draft, receipt) in rows {
            query = query
                .bind(&draft.conversation)
                .bind(receipt.seq)
                .bind(draft.kind.as_str())
                .bind(&draft.sender)
                .bind(&draft.client_id)
                .bind(draft.target)
                .bind(&draft.body)
                .bind(receipt.ts);
        }
        query.execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn keep_mentions(&mut self, draft: &Draft, seq: i64) -> Result<(), StoreError> {
        for user in &draft.mentions {
            sqlx::query(
                "INSERT INTO mentions (conversation, seq, user_id) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
            )
            .bind(&draft.conversation)
            .bind(seq)
            .bind(user)
            .execute(&mut *self.connection)
            .await?;
        }
        Ok(())
    }

    async fn say(&mut self, sql: &'static str) -> Result<(), StoreError> {
        sqlx::raw_sql(sql).execute(&mut *self.connection).await?;
        Ok(())
    }

    async fn begin(&mut self) -> Result<(), StoreError> {
        self.say(match self.dialect {
            Dialect::Sqlite => "BEGIN IMMEDIATE",
            Dialect::Postgres => "BEGIN",
        })
        .await
    }

    /// Begins, on another connection where this one is of no use any more: the database was away, or cut us off.
    async fn begin_anew(&mut self, pool: &AnyPool) -> Result<(), StoreError> {
        if self.begin().await.is_ok() {
            return Ok(());
        }
        self.renew(pool).await?;
        self.begin().await
    }

    /// Takes another connection.
    async fn renew(&mut self, pool: &AnyPool) -> Result<(), StoreError> {
        self.heads.clear();
        let broken = std::mem::replace(&mut self.connection, pool.acquire().await?);
        drop(broken.detach());
        tracing::warn!("the companion's database was connected to anew");
        Ok(())
    }

    /// Forgets the transaction and what was remembered of it.
    async fn abandon(&mut self) {
        self.heads.clear();
        self.fresh.clear();
        if let Err(error) = self.say("ROLLBACK").await {
            tracing::warn!(%error, "rollback failed");
        }
    }
}

/// The longest run of a power of two from the front: statements of few different lengths stay prepared.
pub(crate) fn power<T>(items: &[T]) -> Option<(&[T], &[T])> {
    let length = items.len().checked_ilog2().map(|log| 1_usize << log)?;
    items.split_at_checked(length)
}

/// `($1, $2), ($3, $4)` for two rows of two. SQLite looks for a numbered one in a list, each time: there they are `?`.
pub(crate) fn places(dialect: Dialect, rows: usize, columns: usize) -> String {
    let row = |row: usize| {
        let places: Vec<String> = (1..=columns)
            .map(|column| match dialect {
                Dialect::Sqlite => "?".to_owned(),
                Dialect::Postgres => format!("${}", row * columns + column),
            })
            .collect();
        format!("({})", places.join(", "))
    };
    (0..rows).map(row).collect::<Vec<_>>().join(", ")
}

/// Writes until nobody can ask any more.
pub(super) async fn run(
    pool: AnyPool,
    connection: PoolConnection<Any>,
    dialect: Dialect,
    mut queue: mpsc::Receiver<Job>,
    publish: mpsc::Sender<Vec<Event>>,
) {
    let mut tx = Tx {
        connection,
        dialect,
        heads: HashMap::new(),
        fresh: Vec::new(),
    };
    let mut jobs = Vec::with_capacity(BATCH);
    while queue.recv_many(&mut jobs, BATCH).await > 0 {
        let committed = commit(&mut tx, &pool, jobs.drain(..)).await;
        // The hub ends only with the server.
        if !committed.is_empty() && publish.send(committed).await.is_err() {
            tracing::debug!("nobody takes events any more");
        }
    }
}

/// Whoever waits for the commit.
enum Waiting {
    Events(Vec<Answer>, Vec<Receipt>),
    Work(Tell),
}

/// One transaction; answers everybody and gives the events that are now on disk.
async fn commit(tx: &mut Tx, pool: &AnyPool, jobs: impl Iterator<Item = Job>) -> Vec<Event> {
    let mut waiting = Vec::new();
    let mut outcome = tx.begin_anew(pool).await;
    let mut drafts = Vec::new();
    let mut answers = Vec::new();
    for job in jobs {
        match job {
            Job::Append(draft, answer) => {
                drafts.push(draft);
                answers.push(answer);
            }
            Job::Work(work) => {
                if outcome.is_ok() {
                    outcome = flush(tx, &mut drafts, &mut answers, &mut waiting).await;
                }
                if outcome.is_ok() {
                    outcome = run_work(tx, work, &mut waiting).await;
                }
            }
        }
    }
    if outcome.is_ok() {
        outcome = flush(tx, &mut drafts, &mut answers, &mut waiting).await;
    }
    if outcome.is_ok() {
        outcome = tx.say("COMMIT").await;
    }
    let done = outcome.is_ok();
    if let Err(error) = outcome {
        tracing::error!(%error, "a commit failed");
        tx.abandon().await;
    }
    answer(waiting, done);
    std::mem::take(&mut tx.fresh)
}

/// Tells everybody whether it is on disk. Those that never got to the database learn it by their dropped answer.
fn answer(waiting: Vec<Waiting>, done: bool) {
    for waiting in waiting {
        match waiting {
            Waiting::Work(tell) => tell(done),
            Waiting::Events(answers, receipts) => {
                for (answer, receipt) in answers.into_iter().zip(receipts) {
                    // Whoever asked may have gone away.
                    let _ = answer.send(if done {
                        Ok(receipt)
                    } else {
                        Err(StoreError::Busy)
                    });
                }
            }
        }
    }
}

async fn flush(
    tx: &mut Tx,
    drafts: &mut Vec<Draft>,
    answers: &mut Vec<Answer>,
    waiting: &mut Vec<Waiting>,
) -> Result<(), StoreError> {
    if drafts.is_empty() {
        return Ok(());
    }
    let receipts = tx.append_all(drafts).await?;
    drafts.clear();
    waiting.push(Waiting::Events(std::mem::take(answers), receipts));
    Ok(())
}

async fn run_work(tx: &mut Tx, work: Work, waiting: &mut Vec<Waiting>) -> Result<(), StoreError> {
    tx.say("SAVEPOINT work").await?;
    let before = tx.fresh.len();
    let (kept, tell) = work(tx).await;
    if !kept {
        tx.fresh.truncate(before);
        tx.heads.clear();
        tx.say("ROLLBACK TO SAVEPOINT work").await?;
    }
    tx.say("RELEASE SAVEPOINT work").await?;
    waiting.push(Waiting::Work(tell));
    Ok(())
}
