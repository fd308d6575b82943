//! A conversation as a file: JSON with all of its log, or one mail (.eml) with its transcript. Streamed: page by page, whatever its length.
//!
//! Whoever is in the conversation gets what they may read there. People are named as others see them, without address.

pub(crate) mod calls;
mod mail;

use std::collections::HashMap;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Path, Query, State};
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures_util::stream::try_unfold;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::AssertSqlSafe;

use super::messages::{Note, of_conversation};
use super::problem::Problem;
use super::protocol::{EVENT_COLUMNS, Event, EventRow};
use super::rest::Signed;
use super::store::StoreError;
use super::{Companion, clock};

/// Events that are read at once.
const PAGE: i64 = 500;
/// People that a mail's header names.
const NAMED: usize = 100;

/// What the file is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Format {
    /// Everything.
    Json,
    /// A mail with a transcript.
    Eml,
}

/// How to export.
#[derive(Debug, Deserialize, utoipa::IntoParams)]
#[serde(deny_unknown_fields)]
pub(crate) struct Wish {
    format: Format,
}

/// Somebody of the conversation.
#[derive(Debug, Clone, Serialize)]
struct Person {
    id: String,
    login: String,
    name: String,
}

/// The conversation.
#[derive(Debug, Clone, Serialize)]
struct Head {
    id: String,
    kind: String,
    subject: String,
    created: i64,
}

/// Where the export is.
struct Walk {
    companion: Companion,
    user: String,
    head: Head,
    people: HashMap<String, Person>,
    after: i64,
    stage: Stage,
    format: Format,
    encoder: mail::Encoder,
    first: bool,
    /// Of who exports, on the conversation and its calls.
    notes: Vec<Note>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    Events,
    Done,
}

/// The route's description.
#[derive(utoipa::OpenApi)]
#[openapi(paths(export))]
pub(crate) struct ExportDoc;

/// A conversation's log as a file.
#[utoipa::path(get, path = "/api/v1/companion/conversations/{id}/export", params(Wish, ("id" = String, Path)), responses(
    (status = 200, description = "application/json or message/rfc822, as an attachment"),
    (status = 401, body = Problem), (status = 404, body = Problem)))]
pub(crate) async fn export(
    State(companion): State<Companion>,
    Signed(found): Signed,
    Path(id): Path<String>,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Wish { format }) = wish?;
    let row: Option<(String, String, i64)> = sqlx::query_as(
        "SELECT c.kind, c.subject, c.created_ms FROM conversations c JOIN readers m ON m.conversation = c.id \
         WHERE c.id = $1 AND m.user_id = $2",
    )
    .bind(id.clone())
    .bind(found.user.id.clone())
    .fetch_optional(companion.store.reader())
    .await?;
    let (kind, subject, created) =
        row.ok_or_else(|| Problem::new(StatusCode::NOT_FOUND, "There is no such conversation."))?;
    let people = people(&companion, &id).await?;
    let notes = of_conversation(&companion, &found.user.id, &id).await?;
    let head = Head {
        id,
        kind,
        subject,
        created,
    };
    let walk = Walk {
        companion,
        user: found.user.id,
        head,
        people,
        after: 0,
        stage: Stage::Head,
        format,
        encoder: mail::Encoder::default(),
        first: true,
        notes,
    };
    Ok(respond(walk))
}

fn respond(walk: Walk) -> Response {
    // Ids are of letters and digits.
    let name: String = walk
        .head
        .id
        .chars()
        .filter(char::is_ascii_alphanumeric)
        .collect();
    let format = walk.format;
    let body = Body::from_stream(try_unfold(walk, next));
    attachment(body, format, &format!("conversation-{name}"))
}

/// A file of that name, without its ending.
fn attachment(body: Body, format: Format, name: &str) -> Response {
    let (kind, extension) = match format {
        Format::Json => ("application/json", "json"),
        Format::Eml => ("message/rfc822", "eml"),
    };
    let disposition = format!("attachment; filename=\"{name}.{extension}\"");
    let mut response = body.into_response();
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    if let Ok(value) = HeaderValue::from_str(&disposition) {
        headers.insert(header::CONTENT_DISPOSITION, value);
    }
    response
}

/// Who is in the conversation or has written in it.
async fn people(companion: &Companion, id: &str) -> Result<HashMap<String, Person>, StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT u.id, u.login, u.name FROM users u WHERE u.id IN (SELECT sender FROM events WHERE conversation = $1) \
         OR u.id IN (SELECT user_id FROM members WHERE conversation = $1)",
    )
    .bind(id.to_owned())
    .fetch_all(companion.store.reader())
    .await?;
    let person =
        |(id, login, name): (String, String, String)| (id.clone(), Person { id, login, name });
    Ok(rows.into_iter().map(person).collect())
}

/// The next piece of the file.
async fn next(mut walk: Walk) -> Result<Option<(Bytes, Walk)>, StoreError> {
    let piece = match walk.stage {
        Stage::Head => {
            walk.stage = Stage::Events;
            walk.begin()
        }
        Stage::Events => {
            let page = walk.page().await?;
            let Some(last) = page.last() else {
                walk.stage = Stage::Done;
                let end = walk.end();
                return Ok(Some((end.into(), walk)));
            };
            walk.after = last.seq;
            let mut piece = Vec::new();
            for event in page {
                walk.write(&event, &mut piece);
            }
            piece
        }
        Stage::Done => return Ok(None),
    };
    Ok(Some((piece.into(), walk)))
}

impl Walk {
    async fn page(&self) -> Result<Vec<Event>, StoreError> {
        let sql = format!(
            "SELECT {EVENT_COLUMNS} FROM events e JOIN readers m ON m.conversation = e.conversation AND m.user_id = $2 \
             WHERE e.conversation = $1 AND e.seq > $3 AND e.seq > m.from_seq ORDER BY e.seq LIMIT $4"
        );
        let rows: Vec<EventRow> = sqlx::query_as(AssertSqlSafe(sql))
            .bind(self.head.id.clone())
            .bind(self.user.clone())
            .bind(self.after)
            .bind(PAGE)
            .fetch_all(self.companion.store.reader())
            .await?;
        Ok(rows.into_iter().map(Event::from).collect())
    }

    fn begin(&mut self) -> Vec<u8> {
        match self.format {
            Format::Json => {
                let mut people: Vec<&Person> = self.people.values().collect();
                people.sort_by(|a, b| a.id.cmp(&b.id));
                let (conversation, people) = (json!(self.head), json!(people));
                let (exported, notes) = (clock::now_ms(), json!(self.notes));
                format!("{{\"conversation\":{conversation},\"exported\":{exported},\"people\":{people},\"notes\":{notes},\"events\":[")
                    .into_bytes()
            }
            Format::Eml => {
                let mut people: Vec<(&str, &str)> = self
                    .people
                    .values()
                    .map(|one| (one.name.as_str(), one.login.as_str()))
                    .collect();
                people.sort_unstable();
                people.truncate(NAMED);
                let from = self
                    .people
                    .get(&self.user)
                    .map(|me| (me.name.as_str(), me.login.as_str()));
                let mut head = mail::head(
                    &self.head.id,
                    &self.head.subject,
                    self.head.created,
                    from,
                    &people,
                );
                self.write_note(None, &mut head);
                head
            }
        }
    }

    fn write(&mut self, event: &Event, piece: &mut Vec<u8>) {
        match self.format {
            Format::Json => {
                if !std::mem::take(&mut self.first) {
                    piece.push(b',');
                }
                piece.extend_from_slice(b"\n");
                piece.extend_from_slice(json!(event).to_string().as_bytes());
            }
            Format::Eml => {
                let people = &self.people;
                let name = |id: &str| {
                    people
                        .get(id)
                        .map_or_else(|| "?".to_owned(), |one| one.name.clone())
                };
                if let Some(line) = mail::transcript(event, name) {
                    self.encoder.push(line.as_bytes(), piece);
                }
                self.write_note(Some(event.seq), piece);
            }
        }
    }

    /// What was noted there, in a mail.
    fn write_note(&mut self, seq: Option<i64>, piece: &mut Vec<u8>) {
        if let Some(note) = self.notes.iter().find(|note| note.seq == seq) {
            let line = mail::note(&note.text);
            self.encoder.push(line.as_bytes(), piece);
        }
    }

    fn end(&mut self) -> Vec<u8> {
        match self.format {
            Format::Json => b"\n]}\n".to_vec(),
            Format::Eml => self.encoder.finish(),
        }
    }
}
