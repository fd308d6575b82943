//! Somebody's history of calls as a file: those of their conversations, those to phones, and what they noted about them. JSON, or one mail.
//!
//! Streamed by pages, the newest first, as the page lists them.

use std::collections::HashMap;
use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::rejection::QueryRejection;
use axum::extract::{Query, State};
use axum::response::Response;
use futures_util::stream::try_unfold;
use serde_json::json;

use super::{Format, Wish, attachment, mail};
use crate::server::messages::{Legend, Part, past_calls};
use crate::server::people::User;
use crate::server::problem::Problem;
use crate::server::rest::Signed;
use crate::server::store::StoreError;
use crate::server::{Companion, clock};

/// The route's description.
#[derive(utoipa::OpenApi)]
#[openapi(paths(export))]
pub(crate) struct CallsDoc;

/// One's own history of calls as a file.
#[utoipa::path(get, path = "/api/v1/companion/calls/export", params(Wish), responses(
    (status = 200, description = "application/json or message/rfc822, as an attachment"),
    (status = 401, body = Problem)))]
pub(crate) async fn export(
    State(companion): State<Companion>,
    Signed(found): Signed,
    wish: Result<Query<Wish>, QueryRejection>,
) -> Result<Response, Problem> {
    let Query(Wish { format }) = wish?;
    let rows: Vec<(String, String)> = sqlx::query_as("SELECT id, name FROM users")
        .fetch_all(companion.store.reader())
        .await
        .map_err(StoreError::from)?;
    let legend = Legend::read(&companion, &found.user.id).await?;
    let walk = Walk {
        companion,
        legend: Arc::new(legend),
        user: found.user,
        names: rows.into_iter().collect(),
        stage: Stage::Head,
        format,
        encoder: mail::Encoder::default(),
        is_first: true,
    };
    let body = Body::from_stream(try_unfold(walk, next));
    Ok(attachment(body, format, "calls"))
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Stage {
    Head,
    /// Calls before this time are still to be told.
    Calls(i64),
    End,
    Done,
}

struct Walk {
    companion: Companion,
    user: User,
    names: HashMap<String, String>,
    legend: Arc<Legend>,
    stage: Stage,
    format: Format,
    encoder: mail::Encoder,
    is_first: bool,
}

async fn next(mut walk: Walk) -> Result<Option<(Bytes, Walk)>, StoreError> {
    let mut piece = Vec::new();
    match walk.stage {
        Stage::Head => {
            walk.begin(&mut piece);
            walk.stage = Stage::Calls(i64::MAX);
        }
        Stage::Calls(before) => {
            let part = past_calls(&walk.companion, &walk.user.id, before).await?;
            walk.stage = part.next.map_or(Stage::End, Stage::Calls);
            walk.write(&part, &mut piece);
        }
        Stage::End => {
            walk.stage = Stage::Done;
            piece = match walk.format {
                Format::Json => b"\n]}\n".to_vec(),
                Format::Eml => walk.encoder.finish(),
            };
        }
        Stage::Done => return Ok(None),
    }
    Ok(Some((piece.into(), walk)))
}

impl Walk {
    fn begin(&mut self, piece: &mut Vec<u8>) {
        let now = clock::now_ms();
        let me = &self.user;
        match self.format {
            Format::Json => {
                let user = json!({"id": me.id, "login": me.login, "name": me.name});
                let head = format!("{{\"exported\":{now},\"user\":{user},\"calls\":[");
                piece.extend_from_slice(head.as_bytes());
            }
            Format::Eml => {
                let me = (me.name.as_str(), me.login.as_str());
                piece.extend_from_slice(&mail::head(
                    &format!("calls{now}{}", self.user.id),
                    "Calls",
                    now,
                    Some(me),
                    &[me],
                ));
            }
        }
    }

    /// Calls in conversations and to phones, as they follow one another.
    fn write(&mut self, part: &Part, piece: &mut Vec<u8>) {
        let legend = Arc::clone(&self.legend);
        let noted = legend.noted();
        let mut phones = part.phones.iter().peekable();
        for event in &part.events {
            while let Some(call) = phones.next_if(|call| call.ts >= event.ts) {
                let note = noted.on_phone(&call.id);
                self.phone(&call.phone, &call.name, call.ts, note, piece);
            }
            let note = noted.on_beginning(event);
            let place = legend.title(&event.conversation);
            match self.format {
                Format::Json => {
                    let call = json!({"ts": event.ts, "conversation": event.conversation, "subject": place, "by": event.sender,
                        "seq": event.seq, "body": event.body, "note": note});
                    self.push(&call, piece);
                }
                Format::Eml => {
                    let name = |id: &str| {
                        let known = self.names.get(id).cloned();
                        known.unwrap_or_else(|| "?".to_owned())
                    };
                    if let Some(line) = mail::transcript(event, name) {
                        let by = name(&event.sender);
                        self.encoder
                            .push(format!("{place}, from {by}: {line}").as_bytes(), piece);
                    }
                    self.note(note, piece);
                }
            }
        }
        for call in phones {
            let note = noted.on_phone(&call.id);
            self.phone(&call.phone, &call.name, call.ts, note, piece);
        }
    }

    fn phone(&mut self, phone: &str, name: &str, ts: i64, note: Option<&str>, piece: &mut Vec<u8>) {
        match self.format {
            Format::Json => {
                let call = json!({"ts": ts, "phone": phone, "name": name, "note": note});
                self.push(&call, piece);
            }
            Format::Eml => {
                let line = mail::phone(phone, name, ts);
                self.encoder.push(line.as_bytes(), piece);
                self.note(note, piece);
            }
        }
    }

    fn push(&mut self, call: &serde_json::Value, piece: &mut Vec<u8>) {
        if !std::mem::take(&mut self.is_first) {
            piece.push(b',');
        }
        piece.push(b'\n');
        piece.extend_from_slice(call.to_string().as_bytes());
    }

    fn note(&mut self, note: Option<&str>, piece: &mut Vec<u8>) {
        if let Some(note) = note {
            self.encoder.push(mail::note(note).as_bytes(), piece);
        }
    }
}
