//! What goes over the wire, as docs/companion.md tells it: events, refusals, answers.
//!
//! Knows no table and no connection. Requests are structs beside their handlers; [`parse`] reads them.

use axum::extract::ws::Utf8Bytes;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::store::{Draft, Receipt, StoreError};
use crate::text::TextError;

/// Version of the protocol.
pub(crate) const VERSION: u32 = 1;
/// Largest frame, bytes.
pub(crate) const MAX_FRAME: usize = 256 * 1024;

/// What an event is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Kind {
    Text,
    Ink,
    Edit,
    Delete,
    React,
    Join,
    Leave,
    Change,
    Call,
}

impl Kind {
    pub(crate) const ALL: [Self; 9] = [
        Self::Text,
        Self::Ink,
        Self::Edit,
        Self::Delete,
        Self::React,
        Self::Join,
        Self::Leave,
        Self::Change,
        Self::Call,
    ];

    /// As on the wire and in the table.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Ink => "ink",
            Self::Edit => "edit",
            Self::Delete => "delete",
            Self::React => "react",
            Self::Join => "join",
            Self::Leave => "leave",
            Self::Change => "change",
            Self::Call => "call",
        }
    }

    /// The kind of that name.
    pub(crate) fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == name)
    }
}

/// One entry of a conversation's log.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Event {
    pub(crate) conversation: String,
    pub(crate) seq: i64,
    pub(crate) kind: Kind,
    pub(crate) sender: String,
    pub(crate) client_id: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) target: Option<i64>,
    pub(crate) body: Box<RawValue>,
    /// Milliseconds since 1970.
    pub(crate) ts: i64,
}

impl Event {
    pub(crate) fn new(draft: &Draft, receipt: Receipt) -> Self {
        Self {
            conversation: draft.conversation.clone(),
            seq: receipt.seq,
            kind: draft.kind,
            sender: draft.sender.clone(),
            client_id: draft.client_id.clone(),
            target: draft.target,
            body: raw(draft.body.clone()),
            ts: receipt.ts,
        }
    }
}

/// `text` as JSON as it stands; what is no JSON becomes `{}`.
pub(crate) fn raw(text: String) -> Box<RawValue> {
    RawValue::from_string(text).unwrap_or_else(|_| {
        tracing::error!("a body in the database is no json");
        RawValue::NULL.to_owned()
    })
}

/// A row of `events` in the order of [`EVENT_COLUMNS`].
pub(crate) type EventRow = (
    String,
    i64,
    String,
    String,
    String,
    Option<i64>,
    String,
    i64,
);
/// What [`EventRow`] takes, of a table called `e`.
pub(crate) const EVENT_COLUMNS: &str =
    "e.conversation, e.seq, e.kind, e.sender, e.client_id, e.target, e.body, e.ts";

impl From<EventRow> for Event {
    fn from((conversation, seq, kind, sender, client_id, target, body, ts): EventRow) -> Self {
        Self {
            conversation,
            seq,
            // Steps of the database know every kind; one of a newer version never opens here.
            kind: Kind::from_name(&kind).unwrap_or(Kind::Change),
            sender,
            client_id,
            target,
            body: raw(body),
            ts,
        }
    }
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Code {
    BadRequest,
    NotFound,
    Forbidden,
    TooLarge,
    TooMany,
    Rate,
    Conflict,
    Unavailable,
}

/// A request that is not done.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Refusal {
    pub(crate) code: Code,
    pub(crate) detail: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) retry_ms: Option<u64>,
}

impl Refusal {
    pub(crate) fn new(code: Code, detail: impl Into<String>) -> Self {
        Self {
            code,
            detail: detail.into(),
            retry_ms: None,
        }
    }

    pub(crate) fn bad(detail: impl Into<String>) -> Self {
        Self::new(Code::BadRequest, detail)
    }

    pub(crate) fn not_found(detail: impl Into<String>) -> Self {
        Self::new(Code::NotFound, detail)
    }

    pub(crate) fn forbidden(detail: impl Into<String>) -> Self {
        Self::new(Code::Forbidden, detail)
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Self {
        match error {
            StoreError::Refused(why) => Self::new(Code::Conflict, why),
            StoreError::Busy => Self::new(Code::Unavailable, "The server has too much to write."),
            error => {
                tracing::error!(%error, "store failed");
                Self::new(Code::Unavailable, "The database failed.")
            }
        }
    }
}

impl From<sqlx::Error> for Refusal {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

impl From<TextError> for Refusal {
    fn from(error: TextError) -> Self {
        let code = match error {
            TextError::TooLong { .. } => Code::TooLarge,
            TextError::Empty | TextError::Control => Code::BadRequest,
        };
        Self::new(code, format!("Refused: {error}."))
    }
}

/// What a handler gives: the fields of `done` beside `type` and `id`, an object.
pub(crate) type Answer = Result<Value, Refusal>;

/// A request's own fields; what it doesn't know is refused if `T` says `deny_unknown_fields`.
///
/// # Errors
/// `bad_request`, with what serde says of it.
pub(crate) fn parse<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, Refusal> {
    serde_json::from_value(Value::Object(body)).map_err(|error| Refusal::bad(error.to_string()))
}

/// A message with its type: written once, in one pass.
#[derive(Serialize)]
struct Message<'a, B> {
    r#type: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<u64>,
    #[serde(flatten)]
    body: B,
}

/// A message with its type, as text; `body` is an object.
pub(crate) fn message(kind: &str, body: impl Serialize) -> Utf8Bytes {
    write(kind, None, body)
}

fn write(kind: &str, id: Option<u64>, body: impl Serialize) -> Utf8Bytes {
    let message = Message {
        r#type: kind,
        id,
        body,
    };
    let text = serde_json::to_string(&message).unwrap_or_else(|error| {
        tracing::error!(%error, "a message could not be written");
        json!({"type": kind, "id": id}).to_string()
    });
    text.into()
}

/// `events`, as their bodies stand.
pub(crate) fn events<E: Serialize>(events: &[E]) -> Utf8Bytes {
    #[derive(Serialize)]
    struct Events<'a, E> {
        events: &'a [E],
    }
    message("events", Events { events })
}

/// Answers request `id`.
pub(crate) fn reply(id: u64, answer: Answer) -> Utf8Bytes {
    match answer {
        Ok(value) => write("done", Some(id), value),
        Err(refusal) => write("refused", Some(id), refusal),
    }
}
