//! Filters of people over posts in their rooms: kept, compiled together, and held against posts as they arrive.
//!
//! [`follow`] reads the log behind the writer from where it had got, so that a restart neither loses nor doubles a catch, and posting
//! waits for no filter. What a filter catches is kept only for who is in the room then.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::{AnyPool, AssertSqlSafe};
use tokio::sync::Notify;

use super::protocol::{Answer, Code, Refusal, message, parse};
use super::search::{HIT_COLUMNS, hits, text_of};
use super::socket::Client;
use super::store::StoreError;
use super::{Companion, clock};
use crate::filter::{FILTER_WORDS, FILTERS, Filters, Post, WORD_CHARS, ego};
use crate::story::plain;
use crate::text;
use crate::words::pattern;

/// The requests that are answered here.
pub(crate) const KINDS: &[&str] = &["filter_set", "filter_remove", "filter_hits"];

/// Events that are read at once.
const BATCH: i64 = 256;
/// Hits of one answer.
const PAGE: i64 = 50;
/// A post is told and kept for at most so many filters, the oldest first: words that everybody waits for are no news.
const CATCHES: usize = 1000;
/// Filters are read anew this often even if none was changed: names of people change.
const STALE: Duration = Duration::from_secs(60);

/// The follower's name.
const NAME: &str = "filters";

/// A filter as its owner sees it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Shown {
    id: String,
    name: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    words: Vec<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    author: Option<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    rooms: Vec<String>,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    ego: bool,
    alert: bool,
}

type Row = (String, String, String, Option<String>, String, i64, i64);
const COLUMNS: &str = "f.id, f.name, f.words, f.author, f.rooms, f.ego, f.alert";

impl From<Row> for Shown {
    fn from((id, name, words, author, rooms, ego, alert): Row) -> Self {
        let list = |json: String| serde_json::from_str(&json).unwrap_or_default();
        Self {
            id,
            name,
            words: list(words),
            author,
            rooms: list(rooms),
            ego: ego != 0,
            alert: alert != 0,
        }
    }
}

/// Wakes the follower.
#[derive(Debug, Default)]
pub(crate) struct Bell {
    rung: Notify,
    /// Filters were changed.
    changed: AtomicBool,
}

impl Bell {
    /// There are new events.
    pub(crate) fn ring(&self) {
        self.rung.notify_one();
    }

    fn change(&self) {
        self.changed.store(true, Ordering::Release);
    }
}

/// Answers a request of [`KINDS`].
///
/// # Errors
/// What is refused, as the protocol tells.
pub(crate) async fn answer(client: &mut Client, kind: &str, body: Map<String, Value>) -> Answer {
    client.rate.take()?;
    match kind {
        "filter_set" => set(client, parse(body)?).await,
        "filter_remove" => remove(client, parse(body)?).await,
        "filter_hits" => caught(client, parse(body)?).await,
        _ => Err(Refusal::bad("There is no request of this type.")),
    }
}

/// The filters of `user`, by name.
///
/// # Errors
/// When the database fails.
pub(crate) async fn of(reader: &AnyPool, user: &str) -> Result<Vec<Shown>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM filters f WHERE f.user_id = $1 ORDER BY f.name, f.id");
    let rows: Vec<Row> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(user.to_owned())
        .fetch_all(reader)
        .await?;
    Ok(rows.into_iter().map(Shown::from).collect())
}

/// `filter_set`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Set {
    filter: Option<String>,
    name: String,
    #[serde(default)]
    words: Vec<String>,
    author: Option<String>,
    #[serde(default)]
    rooms: Vec<String>,
    #[serde(default)]
    ego: bool,
    #[serde(default)]
    alert: bool,
}

impl Set {
    fn check(&self) -> Result<(), Refusal> {
        if self.words.len() > FILTER_WORDS || self.rooms.len() > FILTER_WORDS {
            let detail = format!("A filter has at most {FILTER_WORDS} words and rooms.");
            return Err(Refusal::new(Code::TooMany, detail));
        }
        for word in &self.words {
            if word.chars().nth(WORD_CHARS).is_some() {
                let detail = format!("A word has at most {WORD_CHARS} characters.");
                return Err(Refusal::new(Code::TooLarge, detail));
            }
            if pattern(word).is_none() {
                return Err(Refusal::bad("A word has letters or digits."));
            }
        }
        let ids = self.rooms.iter().chain(&self.author);
        if !ids.into_iter().all(|id| text::is_id(id)) {
            return Err(Refusal::bad("author and rooms are ids."));
        }
        let any =
            self.ego || !self.words.is_empty() || !self.rooms.is_empty() || self.author.is_some();
        any.then_some(()).ok_or_else(|| {
            Refusal::bad("A filter has words, an author, rooms or is the ego filter.")
        })
    }
}

async fn set(client: &Client, request: Set) -> Answer {
    request.check()?;
    let shown = Shown {
        id: request
            .filter
            .clone()
            .unwrap_or_else(|| ulid::Ulid::new().to_string()),
        name: text::line(&request.name, text::NAME)?,
        words: request.words,
        author: request.author,
        rooms: request.rooms,
        ego: request.ego,
        alert: request.alert,
    };
    let (me, kept, new) = (
        client.user.id.clone(),
        shown.clone(),
        request.filter.is_none(),
    );
    let written = client.companion.store.write(move |tx| {
        async move {
            let mine: Vec<(String,)> = sqlx::query_as("SELECT id FROM filters WHERE user_id = $1")
                .bind(me.clone())
                .fetch_all(tx.connection())
                .await?;
            if new && mine.len() >= FILTERS {
                return Err(StoreError::Refused("You have as many filters as one may have."));
            }
            if !new && mine.iter().all(|(id,)| *id != kept.id) {
                return Err(StoreError::Refused("There is no such filter."));
            }
            sqlx::query(
                "INSERT INTO filters (id, user_id, name, words, author, rooms, ego, alert) \
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8) ON CONFLICT (id) DO UPDATE SET name = excluded.name, \
                 words = excluded.words, author = excluded.author, rooms = excluded.rooms, ego = excluded.ego, \
                 alert = excluded.alert",
            )
            .bind(kept.id)
            .bind(me)
            .bind(kept.name)
            .bind(json!(kept.words).to_string())
            .bind(kept.author)
            .bind(json!(kept.rooms).to_string())
            .bind(i64::from(kept.ego))
            .bind(i64::from(kept.alert))
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    written.await?;
    client.companion.bell.change();
    Ok(json!({ "filter": shown }))
}

/// `filter_remove`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Remove {
    filter: String,
}

async fn remove(client: &Client, request: Remove) -> Answer {
    let (me, id) = (client.user.id.clone(), request.filter.clone());
    let written = client.companion.store.write(move |tx| {
        async move {
            let done = sqlx::query("DELETE FROM filters WHERE id = $1 AND user_id = $2")
                .bind(id.clone())
                .bind(me)
                .execute(tx.connection())
                .await?;
            if done.rows_affected() == 0 {
                return Ok(false);
            }
            sqlx::query("DELETE FROM filter_hits WHERE filter = $1")
                .bind(id)
                .execute(tx.connection())
                .await?;
            Ok(true)
        }
        .boxed()
    });
    if !written.await? {
        return Err(Refusal::not_found("There is no such filter."));
    }
    client.companion.bell.change();
    Ok(json!({"filter": request.filter}))
}

/// `filter_hits`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Ask {
    filter: String,
    before: Option<i64>,
}

/// What the filter caught and its owner may still read.
async fn caught(client: &Client, ask: Ask) -> Answer {
    let sql = format!(
        "SELECT {HIT_COLUMNS} FROM filter_hits h JOIN filters f ON f.id = h.filter AND f.user_id = $1 \
         JOIN events e ON e.pos = h.pos JOIN members m ON m.conversation = e.conversation AND m.user_id = f.user_id \
         WHERE h.filter = $2 AND h.pos < $3 AND e.seq > m.from_seq AND NOT EXISTS (SELECT 1 FROM events d \
         WHERE d.conversation = e.conversation AND d.target = e.seq AND d.kind = 'delete') ORDER BY h.pos DESC LIMIT $4"
    );
    let mut rows = sqlx::query_as(AssertSqlSafe(sql))
        .bind(client.user.id.clone())
        .bind(ask.filter)
        .bind(ask.before.unwrap_or(i64::MAX))
        .bind(PAGE + 1)
        .fetch_all(client.companion.store.reader())
        .await?;
    let wanted = usize::try_from(PAGE).unwrap_or_default();
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    let hits = hits(rows, more, |text| {
        let line = plain(text);
        match line.char_indices().nth(crate::search::SNIPPET_CHARS) {
            Some((at, _)) => format!("{}…", line.get(..at).unwrap_or_default()),
            None => line,
        }
    });
    serde_json::to_value(hits)
        .map_err(|_| Refusal::new(Code::Unavailable, "The hits cannot be told."))
}

/// A post that the follower reads: position, conversation, seq, sender, body.
type Fresh = (i64, String, i64, String, String);

/// A catch: whose, by which filter, where.
struct Catch {
    owner: String,
    filter: String,
    conversation: String,
    seq: i64,
    pos: i64,
}

/// All filters, and when they were read.
struct Compiled {
    filters: Filters,
    at: std::time::Instant,
}

/// Holds new posts against all filters until the runtime ends.
pub(crate) async fn follow(companion: Companion) {
    let mut compiled: Option<Compiled> = None;
    loop {
        match step(&companion, &mut compiled).await {
            Ok(true) => {}
            Ok(false) => companion.bell.rung.notified().await,
            Err(error) => {
                tracing::error!(%error, "filters could not look at posts");
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
        }
    }
}

/// Looks at the next events; whether there were any.
async fn step(companion: &Companion, compiled: &mut Option<Compiled>) -> Result<bool, StoreError> {
    let reader = companion.store.reader();
    let at: Option<(i64,)> = sqlx::query_as("SELECT pos FROM followers WHERE name = $1")
        .bind(NAME)
        .fetch_optional(reader)
        .await?;
    let at = at.map_or(0, |(pos,)| pos);
    let ends: Vec<(i64,)> =
        sqlx::query_as("SELECT pos FROM events WHERE pos > $1 ORDER BY pos LIMIT $2")
            .bind(at)
            .bind(BATCH)
            .fetch_all(reader)
            .await?;
    let Some((end,)) = ends.last().copied() else {
        return Ok(false);
    };
    let posts: Vec<Fresh> = sqlx::query_as(
        "SELECT e.pos, e.conversation, e.seq, e.sender, e.body FROM events e JOIN rooms r ON r.conversation = e.conversation \
         WHERE e.pos > $1 AND e.pos <= $2 AND e.kind = 'text' ORDER BY e.pos",
    )
    .bind(at)
    .bind(end)
    .fetch_all(reader)
    .await?;
    let mut catches = Vec::new();
    if !posts.is_empty() {
        let filters = &current(companion, compiled).await?.filters;
        for post in &posts {
            catches.extend(look(filters, post));
        }
    }
    let kept = companion.store.write(move |tx| {
        async move {
            let mut kept = Vec::new();
            for catch in catches {
                let done = sqlx::query(
                    "INSERT INTO filter_hits (filter, pos) SELECT $1, $2 FROM readers WHERE conversation = $3 \
                     AND user_id = $4 ON CONFLICT DO NOTHING",
                )
                .bind(catch.filter.clone())
                .bind(catch.pos)
                .bind(catch.conversation.clone())
                .bind(catch.owner.clone())
                .execute(tx.connection())
                .await?;
                if done.rows_affected() > 0 {
                    kept.push(catch);
                }
            }
            sqlx::query(
                "INSERT INTO followers (name, pos) VALUES ($1, $2) ON CONFLICT (name) DO UPDATE SET pos = excluded.pos",
            )
            .bind(NAME)
            .bind(end)
            .execute(tx.connection())
            .await?;
            Ok(kept)
        }
        .boxed()
    });
    for catch in kept.await? {
        let body =
            json!({"filter": catch.filter, "conversation": catch.conversation, "seq": catch.seq});
        companion.hub.tell(&catch.owner, message("match", body));
    }
    Ok(true)
}

fn look(filters: &Filters, (pos, conversation, seq, sender, body): &Fresh) -> Vec<Catch> {
    let text = text_of(body);
    let post = Post {
        conversation,
        sender,
        text: &text,
    };
    let caught = filters.caught(post).into_iter().take(CATCHES);
    caught
        .map(|filter| Catch {
            owner: filter.owner.clone(),
            filter: filter.id.clone(),
            conversation: conversation.clone(),
            seq: *seq,
            pos: *pos,
        })
        .collect()
}

/// The filters as they are, read anew when changed or old.
async fn current<'a>(
    companion: &Companion,
    compiled: &'a mut Option<Compiled>,
) -> Result<&'a Compiled, StoreError> {
    let changed = companion.bell.changed.swap(false, Ordering::AcqRel);
    let now = clock::instant();
    let fresh = compiled
        .take()
        .filter(|known| !changed && now.duration_since(known.at) < STALE);
    let known = match fresh {
        Some(known) => known,
        None => Compiled {
            filters: read(companion.store.reader()).await?,
            at: now,
        },
    };
    Ok(compiled.insert(known))
}

async fn read(reader: &AnyPool) -> Result<Filters, StoreError> {
    type Own = (
        String,
        String,
        String,
        String,
        String,
        Option<String>,
        String,
        i64,
    );
    let rows: Vec<Own> = sqlx::query_as(
        "SELECT f.id, u.id, u.name, u.login, f.words, f.author, f.rooms, f.ego FROM filters f \
         JOIN users u ON u.id = f.user_id AND u.disabled = 0 ORDER BY f.id",
    )
    .fetch_all(reader)
    .await?;
    let mut names: HashMap<String, Vec<String>> = HashMap::new();
    let mut filters = Vec::with_capacity(rows.len());
    for (id, owner, name, login, words, author, rooms, is_ego) in rows {
        let mut words: Vec<String> = serde_json::from_str(&words).unwrap_or_default();
        if is_ego != 0 {
            let own = names
                .entry(owner.clone())
                .or_insert_with(|| ego(&name, &login));
            words.extend(own.iter().cloned());
            if words.is_empty() {
                continue;
            }
        }
        filters.push(crate::filter::Filter {
            id,
            owner,
            words,
            author,
            rooms: serde_json::from_str(&rooms).unwrap_or_default(),
        });
    }
    Filters::compile(filters).map_err(|error| {
        tracing::error!(%error, "filters could not be compiled");
        StoreError::Refused("The filters are too many.")
    })
}
