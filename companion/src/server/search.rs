//! Full text search over what one may read, newest first.
//!
//! [`index`] writes, this reads. Whoever asks finds posts of conversations that they are in now, from where they may read on; nothing else
//! shows, not even by a count. The engines differ in one statement each.

pub(crate) mod index;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use sqlx::{AnyPool, AssertSqlSafe};

use super::protocol::{Answer, Code, Refusal, parse};
use super::socket::Client;
use super::store::{Dialect, Store};
use crate::search::Query;
use crate::words::{line, pattern};

/// Hits of one answer.
const LIMIT: i64 = 50;
/// In so many conversations the index itself looks in them alone; who is in more sees hits of others dropped.
const SCOPED: usize = 32;
/// Names in `from:` and `in:` stand for at most so many.
const NAMED: usize = 100;
/// Clocks are set back by less than this, ms: positions are taken so much too widely, times are then looked at one by one.
const CLOCK_STEP: i64 = 3_600_000;

/// The request that is answered here.
pub(crate) const KINDS: &[&str] = &["search"];

/// Answers `search`.
///
/// # Errors
/// What is refused, as the protocol tells.
pub(crate) async fn answer(client: &mut Client, body: Map<String, Value>) -> Answer {
    client.rate.take()?;
    let hits = search(&client.companion.store, &client.user.id, parse(body)?).await?;
    serde_json::to_value(hits)
        .map_err(|_| Refusal::new(Code::Unavailable, "The hits cannot be told."))
}

/// `search`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ask {
    query: String,
    conversation: Option<String>,
    before: Option<i64>,
    limit: Option<i64>,
}

/// One post that was found.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Hit {
    pub(crate) conversation: String,
    pub(crate) seq: i64,
    pub(crate) sender: String,
    pub(crate) ts: i64,
    pub(crate) snippet: String,
}

/// An answer of hits; `next` asks for those before.
#[derive(Debug, PartialEq, Eq, Serialize)]
pub(crate) struct Hits {
    pub(crate) hits: Vec<Hit>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) next: Option<i64>,
}

/// A conversation of whoever asks, and what it is called.
type Place = (String, String, String);
type Row = (i64, String, i64, String, i64, String);

/// What the index is asked.
struct Plan {
    places: Option<Vec<String>>,
    authors: Option<Vec<String>>,
    below: i64,
    from: i64,
    limit: i64,
}

/// Answers `ask` of user `me`.
///
/// # Errors
/// `bad_request` for a query that cannot be meant; whatever the database says.
pub(crate) async fn search(store: &Store, me: &str, ask: Ask) -> Result<Hits, Refusal> {
    let query = Query::parse(&ask.query).map_err(|fault| Refusal::bad(fault.to_string()))?;
    let reader = store.reader();
    let places = places(reader, me, &query, ask.conversation.as_deref()).await?;
    let authors = authors(reader, me, &query.from).await?;
    let nobody = authors.as_ref().is_some_and(Vec::is_empty);
    if nobody || places.as_ref().is_some_and(Vec::is_empty) {
        return Ok(Hits {
            hits: Vec::new(),
            next: None,
        });
    }
    let below = match query.before {
        Some(ts) => position(reader, ts.saturating_add(CLOCK_STEP)).await?,
        None => i64::MAX,
    };
    let from = match query.after {
        Some(ts) => position(reader, ts.saturating_sub(CLOCK_STEP)).await?,
        None => 0,
    };
    let plan = Plan {
        places,
        authors,
        below: below.min(ask.before.unwrap_or(i64::MAX)),
        from,
        limit: ask.limit.unwrap_or(LIMIT).clamp(1, LIMIT),
    };
    let mut rows = find(store, me, &query, &plan).await?;
    let wanted = usize::try_from(plan.limit).unwrap_or_default();
    let more = rows.len() > wanted;
    rows.truncate(wanted);
    Ok(hits(rows, more, |text| query.snippet(text)))
}

/// Rows as an answer.
pub(crate) fn hits(rows: Vec<Row>, more: bool, snippet: impl Fn(&str) -> String) -> Hits {
    let next = rows.last().map(|row| row.0).filter(|_| more);
    let hits = rows
        .into_iter()
        .map(|(_, conversation, seq, sender, ts, body)| Hit {
            conversation,
            seq,
            sender,
            ts,
            snippet: snippet(&text_of(&body)),
        });
    Hits {
        hits: hits.collect(),
        next,
    }
}

/// The text in a body.
pub(crate) fn text_of(body: &str) -> String {
    #[derive(Deserialize)]
    struct Body {
        text: Option<String>,
    }
    let body: Option<Body> = serde_json::from_str(body).ok();
    body.and_then(|body| body.text).unwrap_or_default()
}

/// The columns of a [`Row`] of event `e`, whose body has its text as it was last edited.
pub(crate) const HIT_COLUMNS: &str = "e.pos, e.conversation, e.seq, e.sender, e.ts, e.body";

async fn find(store: &Store, me: &str, query: &Query, plan: &Plan) -> Result<Vec<Row>, Refusal> {
    let (from, matches) = match store.dialect() {
        Dialect::Sqlite => (
            "post_words w CROSS JOIN events e ON e.pos = w.rowid",
            "post_words MATCH $1 AND w.rowid < $2 AND w.rowid >= $3",
        ),
        Dialect::Postgres => (
            "post_words w JOIN events e ON e.pos = w.pos",
            "w.words @@ CAST($1 AS tsquery) AND w.pos < $2 AND w.pos >= $3",
        ),
    };
    let order = match store.dialect() {
        Dialect::Sqlite => "w.rowid",
        Dialect::Postgres => "w.pos",
    };
    let sql = format!(
        "SELECT {HIT_COLUMNS} FROM {from} JOIN readers m ON m.conversation = e.conversation AND m.user_id = $4 \
         WHERE {matches} AND e.seq > m.from_seq AND e.ts < $5 AND e.ts >= $6 ORDER BY {order} DESC LIMIT $7"
    );
    let matching = match store.dialect() {
        Dialect::Sqlite => fts5(query, plan),
        Dialect::Postgres => tsquery(query, plan),
    };
    let rows = sqlx::query_as(AssertSqlSafe(sql))
        .bind(matching)
        .bind(plan.below)
        .bind(plan.from)
        .bind(me)
        .bind(query.before.unwrap_or(i64::MAX))
        .bind(query.after.unwrap_or(i64::MIN))
        .bind(plan.limit + 1)
        .fetch_all(store.reader())
        .await?;
    Ok(rows)
}

fn fts5(query: &Query, plan: &Plan) -> String {
    let keys = |kind: char, ids: &[String]| {
        let keys: Vec<String> = ids
            .iter()
            .map(|id| format!("\"{kind}{}\"", id.replace('"', "")))
            .collect();
        format!("keys : ({})", keys.join(" OR "))
    };
    let mut parts: Vec<String> = query
        .fts5()
        .map(|words| format!("words : ({words})"))
        .into_iter()
        .collect();
    parts.extend(plan.places.as_ref().map(|places| keys('c', places)));
    parts.extend(plan.authors.as_ref().map(|authors| keys('a', authors)));
    if parts.is_empty() {
        parts.push("keys : \"t\"".into());
    }
    let found = parts.join(" AND ");
    match query.fts5_without() {
        Some(without) => format!("({found}) NOT words : ({without})"),
        None => found,
    }
}

fn tsquery(query: &Query, plan: &Plan) -> String {
    let keys = |kind: char, ids: &[String]| {
        let keys: Vec<String> = ids
            .iter()
            .map(|id| format!("'{}'", index::key(kind, id)))
            .collect();
        format!("({})", keys.join(" | "))
    };
    let mut parts: Vec<String> = query.tsquery().into_iter().collect();
    parts.extend(plan.places.as_ref().map(|places| keys('c', places)));
    parts.extend(plan.authors.as_ref().map(|authors| keys('a', authors)));
    if parts.is_empty() {
        parts.push("'t:'".into());
    }
    parts.extend(
        query
            .tsquery_without()
            .map(|without| format!("!({without})")),
    );
    parts.join(" & ")
}

/// The conversations to look in; none: in all, which are too many to name.
async fn places(
    reader: &AnyPool,
    me: &str,
    query: &Query,
    conversation: Option<&str>,
) -> Result<Option<Vec<String>>, Refusal> {
    if query.within.is_empty() {
        if let Some(conversation) = conversation {
            return Ok(Some(vec![conversation.to_owned()]));
        }
        let mine: Vec<(String,)> =
            sqlx::query_as("SELECT conversation FROM readers WHERE user_id = $1")
                .bind(me)
                .fetch_all(reader)
                .await?;
        let few = mine.len() <= SCOPED;
        return Ok(few.then(|| mine.into_iter().map(|(id,)| id).collect()));
    }
    let mine: Vec<Place> = sqlx::query_as(
        "SELECT m.conversation, COALESCE(r.name, c.subject), COALESCE(u.name || ' ' || u.login, '') FROM readers m \
         JOIN conversations c ON c.id = m.conversation LEFT JOIN rooms r ON r.conversation = m.conversation \
         LEFT JOIN members o ON c.kind = 'direct' AND o.conversation = c.id AND o.user_id <> m.user_id \
         LEFT JOIN users u ON u.id = o.user_id WHERE m.user_id = $1",
    )
    .bind(me)
    .fetch_all(reader)
    .await?;
    let wanted: Vec<String> = query
        .within
        .iter()
        .filter_map(|name| pattern(name))
        .collect();
    let called = |name: &str| {
        let name = line(name);
        wanted.iter().any(|wanted| name.contains(wanted.as_str()))
    };
    Ok(Some(
        mine.into_iter()
            .filter(|(id, _, _)| conversation.is_none_or(|one| one == id))
            .filter(|(_, name, other)| called(name) || called(other))
            .map(|(id, _, _)| id)
            .take(NAMED)
            .collect(),
    ))
}

/// The users whom `from:` names: by login, else by words of their name. None when nobody is named.
async fn authors(
    reader: &AnyPool,
    me: &str,
    names: &[String],
) -> Result<Option<Vec<String>>, Refusal> {
    if names.is_empty() {
        return Ok(None);
    }
    let mut found = Vec::new();
    for name in names {
        if name.eq_ignore_ascii_case("me") {
            found.push(me.to_owned());
            continue;
        }
        let login = name.trim_start_matches('@').to_lowercase();
        let exact: Option<(String,)> = sqlx::query_as("SELECT id FROM users WHERE login = $1")
            .bind(login)
            .fetch_optional(reader)
            .await?;
        match exact {
            Some((id,)) => found.push(id),
            None => found.extend(called(reader, name).await?),
        }
    }
    found.truncate(NAMED);
    Ok(Some(found))
}

async fn called(reader: &AnyPool, name: &str) -> Result<Vec<String>, Refusal> {
    let Some(wanted) = pattern(name) else {
        return Ok(Vec::new());
    };
    let all: Vec<(String, String)> = sqlx::query_as("SELECT id, name FROM users")
        .fetch_all(reader)
        .await?;
    Ok(all
        .into_iter()
        .filter(|(_, name)| line(name).contains(&wanted))
        .map(|(id, _)| id)
        .collect())
}

/// The first position at or after `ts`, by halving: positions and times grow together.
///
/// # Errors
/// When the database fails.
pub(crate) async fn position(reader: &AnyPool, ts: i64) -> Result<i64, sqlx::Error> {
    let (last,): (i64,) = sqlx::query_as("SELECT COALESCE(MAX(pos), 0) FROM events")
        .fetch_one(reader)
        .await?;
    let (mut low, mut high) = (0, last + 1);
    while low < high {
        let middle = low + (high - low) / 2;
        let found: Option<(i64, i64)> =
            sqlx::query_as("SELECT pos, ts FROM events WHERE pos >= $1 ORDER BY pos LIMIT 1")
                .bind(middle)
                .fetch_optional(reader)
                .await?;
        match found {
            Some((pos, at)) if at < ts => low = pos + 1,
            _ => high = middle,
        }
    }
    Ok(low)
}

#[cfg(test)]
mod tests;
