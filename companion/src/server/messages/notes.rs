//! What users note for themselves about a conversation, a call in it, or a call to a phone: `annotate`, `notes`.
//!
//! A note is its writer's alone, on all their devices: no event, nobody else is told, and search of messages knows nothing of it. A call's
//! note stands with the event that began the call, whichever of the call's events was named, and goes with it.

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sqlx::AnyPool;

use super::past::Wanted;
use super::require_member;
use crate::server::people::Role;
use crate::server::protocol::{Answer, Code, Refusal};
use crate::server::socket::Client;
use crate::server::store::{StoreError, Tx};
use crate::server::{Companion, clock};
use crate::text;

/// Longest note, bytes.
const NOTE: usize = 4 * 1024;
/// Notes of one user.
const NOTES: i64 = 2_000;
/// Notes in one answer.
const PAGE: i64 = 100;
/// Events of calls among which a call's beginning is looked for.
const BEGINNINGS: i64 = 100;
/// `seq` of a conversation's own note.
const CONVERSATION: i64 = 0;
/// `seq` of a note on a call to a phone.
const PHONE: i64 = -1;

/// Of a note: about, seq, conference, text, ts, number, name.
type Row = (
    String,
    i64,
    String,
    String,
    i64,
    Option<String>,
    Option<String>,
);

/// Notes of a user on what they may still see: conversations that they read, and their own calls.
const MINE: &str = "SELECT n.about, n.seq, n.conference, n.text, n.ts, p.phone, p.name FROM notes n \
    LEFT JOIN readers m ON n.seq >= 0 AND m.conversation = n.about AND m.user_id = n.user_id \
    LEFT JOIN phone_calls p ON n.seq = -1 AND p.id = n.about AND p.user_id = n.user_id \
    WHERE n.user_id = $1 AND (m.user_id IS NOT NULL OR p.id IS NOT NULL)";

/// One note.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Note {
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conversation: Option<String>,
    /// Of the event that began the call.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) seq: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) conference: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone_call: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) phone: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) name: Option<String>,
    pub(crate) text: String,
    /// When it was written, milliseconds since 1970.
    pub(crate) ts: i64,
}

impl From<Row> for Note {
    fn from((about, seq, conference, text, ts, phone, name): Row) -> Self {
        let on_phone = seq == PHONE;
        Self {
            conversation: (!on_phone).then(|| about.clone()),
            seq: (seq > CONVERSATION).then_some(seq),
            conference: (seq > CONVERSATION).then_some(conference),
            phone_call: on_phone.then_some(about),
            phone,
            name: name.filter(|name| !name.is_empty()),
            text,
            ts,
        }
    }
}

/// `annotate`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Annotate {
    conversation: Option<String>,
    seq: Option<i64>,
    phone_call: Option<String>,
    text: Option<String>,
}

/// What a note is about: its key in the table.
struct About {
    id: String,
    seq: i64,
    conference: String,
}

/// What became of a note.
enum Kept {
    Away,
    /// What it was to be about went meanwhile.
    Gone,
    Here(Note),
}

pub(super) async fn annotate(client: &mut Client, request: Annotate) -> Answer {
    if client.user.role == Role::Guest {
        return Err(Refusal::forbidden("Guests keep no notes."));
    }
    client.rate.take()?;
    let said = request.text.unwrap_or_default().trim().to_owned();
    if !said.is_empty() {
        text::body(&said, NOTE)?;
    }
    let about = match (request.conversation, request.phone_call) {
        (Some(conversation), None) => in_log(client, conversation, request.seq).await?,
        (None, Some(call)) if request.seq.is_none() => on_phone(client, call).await?,
        _ => {
            return Err(Refusal::bad(
                "A note is on a conversation, a call in it by seq, or a phone_call.",
            ));
        }
    };
    let (user, ts) = (client.user.id.clone(), clock::now_ms());
    let kept = client.companion.store.write(move |tx| {
        async move {
            forget(tx, &user, &about).await?;
            if said.is_empty() {
                return Ok(Kept::Away);
            }
            let (count,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM notes WHERE user_id = $1")
                .bind(user.clone())
                .fetch_one(tx.connection())
                .await?;
            if count >= NOTES {
                return Err(StoreError::Refused("There are 2,000 notes already."));
            }
            let done = sqlx::query(about.insert())
                .bind(user)
                .bind(about.id.clone())
                .bind(about.seq)
                .bind(about.conference.clone())
                .bind(said.clone())
                .bind(ts)
                .execute(tx.connection())
                .await?;
            if done.rows_affected() == 0 {
                return Ok(Kept::Gone);
            }
            Ok(Kept::Here(Note::from((
                about.id,
                about.seq,
                about.conference,
                said,
                ts,
                None,
                None,
            ))))
        }
        .boxed()
    });
    match kept.await {
        Ok(Kept::Away) => Ok(json!({})),
        Ok(Kept::Gone) => Err(Refusal::not_found("That is not here any more.")),
        Ok(Kept::Here(note)) => Ok(json!({"note": note})),
        Err(StoreError::Refused(why)) => Err(Refusal::new(Code::TooMany, why)),
        Err(error) => Err(error.into()),
    }
}

impl About {
    /// Writes the note where what it is about is still before its writer.
    const fn insert(&self) -> &'static str {
        match self.seq {
            PHONE => {
                "INSERT INTO notes (user_id, about, seq, conference, text, ts) SELECT $1, $2, $3, $4, $5, $6 \
                 WHERE EXISTS (SELECT 1 FROM phone_calls p WHERE p.id = $2 AND p.user_id = $1)"
            }
            CONVERSATION => {
                "INSERT INTO notes (user_id, about, seq, conference, text, ts) SELECT $1, $2, $3, $4, $5, $6 \
                 WHERE EXISTS (SELECT 1 FROM readers m WHERE m.conversation = $2 AND m.user_id = $1)"
            }
            _ => {
                "INSERT INTO notes (user_id, about, seq, conference, text, ts) SELECT $1, $2, $3, $4, $5, $6 \
                 WHERE EXISTS (SELECT 1 FROM readers m JOIN events e ON e.conversation = m.conversation \
                 WHERE m.conversation = $2 AND m.user_id = $1 AND e.seq = $3)"
            }
        }
    }
}

async fn forget(tx: &mut Tx, user: &str, about: &About) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM notes WHERE user_id = $1 AND about = $2 AND seq = $3")
        .bind(user.to_owned())
        .bind(about.id.clone())
        .bind(about.seq)
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// The conversation itself, or the call of which `seq` is an event.
async fn in_log(client: &Client, conversation: String, seq: Option<i64>) -> Result<About, Refusal> {
    require_member(client, &conversation)?;
    let Some(seq) = seq else {
        return Ok(About {
            id: conversation,
            seq: CONVERSATION,
            conference: String::new(),
        });
    };
    #[derive(Deserialize)]
    struct Call {
        conference: String,
        state: String,
    }
    let rows: Vec<(i64, String)> = sqlx::query_as(
        "SELECT e.seq, e.body FROM events e JOIN readers m ON m.conversation = e.conversation AND m.user_id = $2 \
         WHERE e.conversation = $1 AND e.kind = 'call' AND e.seq <= $3 AND e.seq > m.from_seq ORDER BY e.seq DESC LIMIT $4",
    )
    .bind(conversation.clone())
    .bind(client.user.id.clone())
    .bind(seq)
    .bind(BEGINNINGS)
    .fetch_all(client.companion.store.reader())
    .await?;
    let calls: Vec<(i64, Call)> = rows
        .into_iter()
        .filter_map(|(seq, body)| Some((seq, serde_json::from_str(&body).ok()?)))
        .collect();
    let named = calls.iter().find(|(at, _)| *at == seq);
    let (_, named) = named.ok_or_else(|| Refusal::not_found("There is no such call."))?;
    let beginning = calls
        .iter()
        .find(|(_, call)| call.conference == named.conference && call.state == "started");
    Ok(About {
        id: conversation,
        seq: beginning.map_or(seq, |(seq, _)| *seq),
        conference: named.conference.clone(),
    })
}

async fn on_phone(client: &Client, call: String) -> Result<About, Refusal> {
    let found: Option<(String,)> =
        sqlx::query_as("SELECT id FROM phone_calls WHERE id = $1 AND user_id = $2")
            .bind(call)
            .bind(client.user.id.clone())
            .fetch_optional(client.companion.store.reader())
            .await?;
    let (id,) = found.ok_or_else(|| Refusal::not_found("There is no such call."))?;
    Ok(About {
        id,
        seq: PHONE,
        conference: String::new(),
    })
}

/// `notes`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notes {
    conversation: Option<String>,
    /// Those on conversations themselves, or those on calls.
    own: Option<bool>,
    query: Option<String>,
    before: Option<i64>,
    limit: Option<i64>,
}

/// The client's notes, the newest first: of one conversation or all, with all words of `query`.
pub(super) async fn notes(client: &mut Client, request: Notes) -> Answer {
    client.rate.take()?;
    let wanted = Wanted::parse(request.query.as_deref().unwrap_or_default())?;
    let limit = usize::try_from(request.limit.unwrap_or(PAGE).clamp(1, PAGE)).unwrap_or(1);
    let before = request.before.unwrap_or(i64::MAX);
    let mut found: Vec<Note> = of(client.companion.store.reader(), &client.user.id)
        .await?
        .into_iter()
        .filter(|note| note.ts < before)
        .filter(|note| {
            let place = request.conversation.as_deref();
            place.is_none() || note.conversation.as_deref() == place
        })
        .filter(|note| {
            request
                .own
                .is_none_or(|own| own == note.is_on_conversation())
        })
        .filter(|note| wanted.is_in(&note.words()))
        .take(limit + 1)
        .collect();
    let more = found.len() > limit;
    found.truncate(limit);
    let next = found.last().map(|note| note.ts).filter(|_| more);
    let mut answer = json!({"notes": found});
    if let (Value::Object(fields), Some(next)) = (&mut answer, next) {
        fields.insert("next".to_owned(), next.into());
    }
    Ok(answer)
}

impl Note {
    /// On a conversation, not on a call.
    const fn is_on_conversation(&self) -> bool {
        self.seq.is_none() && self.phone_call.is_none()
    }

    /// What a search of notes looks at.
    pub(super) fn words(&self) -> String {
        let parts = [Some(&self.text), self.name.as_ref(), self.phone.as_ref()];
        let parts: Vec<&str> = parts.into_iter().flatten().map(String::as_str).collect();
        parts.join("\n")
    }
}

/// All notes of `user` on what they may still see, the newest first.
///
/// # Errors
/// When the database fails.
pub(super) async fn of(reader: &AnyPool, user: &str) -> Result<Vec<Note>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{MINE} ORDER BY n.ts DESC, n.about, n.seq LIMIT $2"
    )))
    .bind(user.to_owned())
    .bind(NOTES)
    .fetch_all(reader)
    .await?;
    Ok(rows.into_iter().map(Note::from).collect())
}

/// The notes of `user` on one conversation and its calls, in the order of the log, for an export.
///
/// # Errors
/// When the database fails.
pub(crate) async fn of_conversation(
    companion: &Companion,
    user: &str,
    conversation: &str,
) -> Result<Vec<Note>, StoreError> {
    let rows: Vec<Row> = sqlx::query_as(sqlx::AssertSqlSafe(format!(
        "{MINE} AND n.about = $2 ORDER BY n.seq"
    )))
    .bind(user.to_owned())
    .bind(conversation.to_owned())
    .fetch_all(companion.store.reader())
    .await?;
    Ok(rows.into_iter().map(Note::from).collect())
}

/// Forgets what `user`, who goes out of a conversation, noted about it and its calls.
///
/// # Errors
/// When the database fails.
pub(crate) async fn erase_notes_of(
    tx: &mut Tx,
    conversation: &str,
    user: &str,
) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM notes WHERE about = $1 AND user_id = $2")
        .bind(conversation.to_owned())
        .bind(user.to_owned())
        .execute(tx.connection())
        .await?;
    Ok(())
}

/// Forgets what anybody noted about a call whose event goes, or, with `seq` none, about a conversation that goes.
///
/// # Errors
/// When the database fails.
pub(crate) async fn erase_notes(
    tx: &mut Tx,
    conversation: &str,
    seq: Option<i64>,
) -> Result<(), StoreError> {
    let query = match seq {
        Some(seq) => sqlx::query("DELETE FROM notes WHERE about = $1 AND seq = $2")
            .bind(conversation.to_owned())
            .bind(seq),
        None => sqlx::query("DELETE FROM notes WHERE about = $1").bind(conversation.to_owned()),
    };
    query.execute(tx.connection()).await?;
    Ok(())
}
