//! Reading logs: lists of conversations, history, what a cursor lacks.

use std::collections::{HashMap, HashSet};

use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::require_member;
use crate::server::Companion;
use crate::server::hub::Frame;
use crate::server::protocol::{self, Answer, EVENT_COLUMNS, Event, EventRow, Refusal, message};
use crate::server::rooms::{self, Room};
use crate::server::socket::Client;

/// Events that a cursor may lack; where it lacks more the client reads anew.
const BEHIND: i64 = 1000;
/// Events in one message.
const PAGE: i64 = 100;
/// Edits, deletions and reactions to a page of history that are told with it.
const LATER: i64 = 1000;
/// Unread messages that are counted.
const COUNTED: i64 = 1000;

/// What [`conversations`] reads of each.
type Row = (String, String, String, String, i64, i64, i64, i64);

/// Of a member: conversation, user, delivered, read.
type MemberRow = (String, String, i64, i64);

/// A list of all, or of one.
const LIST: &str = "SELECT c.id, c.kind, c.subject, m.notify, m.read_seq, \
    COALESCE((SELECT MAX(e.seq) FROM events e WHERE e.conversation = c.id), 0), \
    (SELECT COUNT(*) FROM (SELECT 1 AS one FROM events e WHERE e.conversation = c.id AND e.seq > m.read_seq \
      AND e.seq > m.from_seq AND e.kind IN ('text', 'ink') AND e.sender <> m.user_id LIMIT $2) counted), \
    (SELECT COUNT(*) FROM mentions n WHERE n.conversation = c.id AND n.user_id = m.user_id AND n.seq > m.read_seq) \
    FROM readers m JOIN conversations c ON c.id = m.conversation WHERE m.user_id = $1";

/// Of each the last that is shown in a list.
const LAST: &str = "FROM readers m JOIN events e ON e.conversation = m.conversation AND e.seq = \
    (SELECT x.seq FROM events x WHERE x.conversation = m.conversation AND x.kind IN ('text', 'ink', 'call') \
     AND x.seq > m.from_seq ORDER BY x.seq DESC LIMIT 1) WHERE m.user_id = $1";

/// Those of who said hello; the hub learns them.
pub(super) async fn conversations(client: &Client) -> Answer {
    let user = &client.user.id;
    let list = list(&client.companion, user, None).await?;
    for conversation in &list {
        if let Some(id) = conversation.get("id").and_then(Value::as_str) {
            client.companion.hub.joined(user, id);
        }
    }
    // Whoever was taken out of one meanwhile must not listen on.
    let still: Vec<(String,)> =
        sqlx::query_as("SELECT conversation FROM readers WHERE user_id = $1")
            .bind(user.clone())
            .fetch_all(client.companion.store.reader())
            .await?;
    let still: HashSet<String> = still.into_iter().map(|(id,)| id).collect();
    let list: Vec<Value> = list
        .into_iter()
        .filter(|conversation| {
            let id = conversation["id"].as_str().unwrap_or_default();
            let stays = still.contains(id);
            if !stays {
                client.companion.hub.left(user, id);
            }
            stays
        })
        .collect();
    Ok(list.into())
}

/// One conversation as `user` sees it.
///
/// # Errors
/// When the database fails, or `not_found` if the user is not in it.
pub(crate) async fn conversation(companion: &Companion, user: &str, id: &str) -> Answer {
    let mut list = list(companion, user, Some(id)).await?;
    list.pop()
        .ok_or_else(|| Refusal::not_found("There is no such conversation."))
}

async fn list(
    companion: &Companion,
    user: &str,
    only: Option<&str>,
) -> Result<Vec<Value>, Refusal> {
    let of = |column: &str, place: u8| match only {
        Some(_) => format!(" AND {column} = ${place}"),
        None => String::new(),
    };
    let reader = companion.store.reader();
    let sql = format!("{LIST}{}", of("c.id", 3));
    let mut query = sqlx::query_as::<_, Row>(AssertSqlSafe(sql))
        .bind(user.to_owned())
        .bind(COUNTED);
    if let Some(id) = only {
        query = query.bind(id.to_owned());
    }
    let rows = query.fetch_all(reader).await?;
    let sql = format!(
        "SELECT o.conversation, o.user_id, o.delivered_seq, o.read_seq FROM readers m JOIN members o ON o.conversation = m.conversation \
         JOIN conversations c ON c.id = m.conversation WHERE m.user_id = $1 AND c.kind <> 'room'{} ORDER BY o.joined_ms, o.user_id",
        of("c.id", 2)
    );
    let mut query = sqlx::query_as::<_, MemberRow>(AssertSqlSafe(sql)).bind(user.to_owned());
    if let Some(id) = only {
        query = query.bind(id.to_owned());
    }
    let mut members: HashMap<String, Vec<String>> = HashMap::new();
    let mut marks: HashMap<String, Vec<Value>> = HashMap::new();
    for (conversation, member, delivered, read) in query.fetch_all(reader).await? {
        if member != user {
            let mark = json!({"user": member, "delivered": delivered.max(read), "read": read});
            marks.entry(conversation.clone()).or_default().push(mark);
        }
        members.entry(conversation).or_default().push(member);
    }
    let sql = format!("SELECT {EVENT_COLUMNS} {LAST}{}", of("m.conversation", 2));
    let mut query = sqlx::query_as::<_, EventRow>(AssertSqlSafe(sql)).bind(user.to_owned());
    if let Some(id) = only {
        query = query.bind(id.to_owned());
    }
    let last = query.fetch_all(reader).await?;
    let mut last: HashMap<String, Event> = last
        .into_iter()
        .map(|row| (row.0.clone(), row.into()))
        .collect();
    let mut rooms: HashMap<String, Room> = rooms::mine(reader, user, only)
        .await?
        .into_iter()
        .map(|room| (room.id.clone(), room))
        .collect();
    Ok(rows
        .into_iter()
        .map(
            |(id, kind, subject, notify, read_seq, last_seq, unread, mentions)| {
                let mut value = json!({
                    "kind": kind,
                    "subject": subject,
                    "members": members.remove(&id).unwrap_or_default(),
                    "last_seq": last_seq,
                    "read_seq": read_seq,
                    "unread": unread,
                    "mentions": mentions,
                    "notify": notify,
                    "marks": marks.remove(&id).unwrap_or_default(),
                });
                if let Value::Object(fields) = &mut value {
                    if let Some(last) = last.remove(&id) {
                        fields.insert("last".to_owned(), json!(last));
                    }
                    if let Some(room) = rooms.remove(&id) {
                        fields.insert("members".to_owned(), companion.views.users(&id).into());
                        fields.insert("room".to_owned(), json!(room));
                    }
                    fields.insert("id".to_owned(), id.into());
                }
                value
            },
        )
        .collect())
}

/// `history`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct History {
    conversation: String,
    before: Option<i64>,
    after: Option<i64>,
    limit: Option<i64>,
}

pub(super) async fn history(client: &Client, request: History) -> Answer {
    require_member(client, &request.conversation)?;
    let limit = request.limit.unwrap_or(PAGE).clamp(1, PAGE);
    let (before, after) = (
        request.before.unwrap_or(i64::MAX),
        request.after.unwrap_or(0),
    );
    // Forwards from `after`, else backwards from `before` or the end.
    let forwards = request.after.is_some() && request.before.is_none();
    let order = if forwards { "" } else { " DESC" };
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM events e JOIN readers m ON m.conversation = e.conversation AND m.user_id = $2 \
         WHERE e.conversation = $1 AND e.seq > m.from_seq AND e.seq > $3 AND e.seq < $4 ORDER BY e.seq{order} LIMIT $5"
    );
    let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(request.conversation.clone())
        .bind(client.user.id.clone())
        .bind(after)
        .bind(before)
        .bind(limit + 1)
        .fetch_all(client.companion.store.reader())
        .await?;
    let mut events: Vec<Event> = rows.into_iter().map(Event::from).collect();
    let wanted = usize::try_from(limit).unwrap_or(0);
    let more = events.len() > wanted;
    events.truncate(wanted);
    if !forwards {
        events.reverse();
    }
    let later = later(client, &request.conversation, &events).await?;
    Ok(json!({"events": events, "more": more, "later": later}))
}

/// What was done to `events` beyond the last of them.
async fn later(
    client: &Client,
    conversation: &str,
    events: &[Event],
) -> Result<Vec<Event>, Refusal> {
    let (Some(first), Some(last)) = (events.first(), events.last()) else {
        return Ok(Vec::new());
    };
    let sql = format!(
        "SELECT {EVENT_COLUMNS} FROM events e WHERE e.conversation = $1 AND e.target >= $2 AND e.target <= $3 \
         AND e.seq > $3 ORDER BY e.seq DESC LIMIT $4"
    );
    let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(conversation.to_owned())
        .bind(first.seq)
        .bind(last.seq)
        .bind(LATER)
        .fetch_all(client.companion.store.reader())
        .await?;
    Ok(rows.into_iter().rev().map(Event::from).collect())
}

/// Sends what `cursors` lack, by pages, or `reset`.
pub(super) async fn catch_up(
    client: &Client,
    cursors: HashMap<String, i64>,
) -> Result<(), Refusal> {
    for (conversation, mut cursor) in cursors {
        if require_member(client, &conversation).is_err() {
            let gone = message("gone", json!({"conversation": conversation}));
            client.outlet.send(gone);
            continue;
        }
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM events e JOIN readers m ON m.conversation = e.conversation AND m.user_id = $2 \
             WHERE e.conversation = $1 AND e.seq > $3 AND e.seq > m.from_seq ORDER BY e.seq LIMIT $4"
        );
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(conversation.clone())
            .bind(client.user.id.clone())
            .bind(cursor)
            .bind(BEHIND + 1)
            .fetch_all(client.companion.store.reader())
            .await?;
        if rows.len() > usize::try_from(BEHIND).unwrap_or(0) {
            let reset = message("reset", json!({"conversation": conversation}));
            client.outlet.send(reset);
            continue;
        }
        let events: Vec<Event> = rows.into_iter().map(Event::from).collect();
        for page in events.chunks(usize::try_from(PAGE).unwrap_or(1)) {
            cursor = page.last().map_or(cursor, |event| event.seq);
            client
                .outlet
                .send_waiting(Frame {
                    text: protocol::events(page),
                    carries: Some((conversation.as_str().into(), cursor)),
                })
                .await;
        }
    }
    Ok(())
}
