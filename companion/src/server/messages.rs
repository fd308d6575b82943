//! Conversations: what is said in them, who is in them, how far each has read.
//!
//! Called by sockets. Each request of [`KINDS`] is answered here or in a module below; the log itself is the store's.

mod blocking;
mod calls;
mod heads;
mod ink;
mod log;
mod marks;
mod members;
mod notes;
mod past;
mod phones;
mod rate;
mod said;

use std::collections::HashMap;

use serde_json::{Map, Value, json};

pub(crate) use blocking::Directs;
pub(crate) use calls::{Calls, keep_called, reopen_calls};
pub(crate) use heads::{Heads, keep_told};
pub(crate) use log::conversation;
pub(crate) use marks::{Marks, delivered, keep_marked};
pub(crate) use members::{announce, enter, members, note, require_users};
pub(crate) use notes::{Note, erase_notes, erase_notes_of, of_conversation};
pub(crate) use past::{Legend, Part, past_calls};
pub(crate) use phones::Phones;
pub(crate) use rate::Rate;

use super::Companion;
use super::protocol::{Answer, MAX_FRAME, Refusal, parse};
use super::socket::Client;

/// Requests that are answered here.
pub(crate) const KINDS: &[&str] = &[
    "open", "add", "leave", "rename", "send", "edit", "delete", "react", "history", "read",
    "typing", "notify", "confer", "decline", "calls", "dial", "annotate", "notes",
];

/// Those of them that others hear of.
const SAYING: &[&str] = &["send", "edit", "delete", "react", "typing", "confer"];

/// Answers one of [`KINDS`].
///
/// # Errors
/// As docs/companion.md says.
pub(crate) async fn answer(client: &mut Client, kind: &str, body: Map<String, Value>) -> Answer {
    if SAYING.contains(&kind)
        && let Some(conversation) = body.get("conversation").and_then(Value::as_str)
    {
        blocking::settle(client, conversation).await?;
    }
    match kind {
        "open" => members::open(client, parse(body)?).await,
        "add" => members::add(client, parse(body)?).await,
        "leave" => members::leave(client, parse(body)?).await,
        "rename" => members::rename(client, parse(body)?).await,
        "send" => said::send(client, parse(body)?).await,
        "edit" => said::edit(client, parse(body)?).await,
        "delete" => said::delete(client, parse(body)?).await,
        "react" => said::react(client, parse(body)?).await,
        "confer" => calls::confer(client, parse(body)?).await,
        "decline" => calls::decline(client, &parse(body)?),
        "calls" => past::calls(client, parse(body)?).await,
        "annotate" => notes::annotate(client, parse(body)?).await,
        "notes" => notes::notes(client, parse(body)?).await,
        "dial" => phones::dial(client, parse(body)?).await,
        "history" => log::history(client, parse(body)?).await,
        "read" => marks::read(client, parse(body)?).await,
        "typing" => marks::typing(client, &parse(body)?),
        "notify" => members::notify(client, parse(body)?).await,
        _ => Err(Refusal::bad("There is no request of this type.")),
    }
}

/// What clients may know of bounds.
pub(crate) fn limits(companion: &Companion) -> Value {
    let limits = &companion.config.limits;
    json!({
        "message": limits.message,
        "post": limits.post,
        "people": limits.people,
        "frame": MAX_FRAME,
        "file": companion.config.files.file,
        "phones": companion.bridge.dials(),
    })
}

/// The conversations of who said hello; from now on the hub knows them, too.
///
/// # Errors
/// When the database fails.
pub(crate) async fn conversations(client: &Client) -> Answer {
    log::conversations(client).await
}

/// Sends the events that come after `cursors`, or `reset` where too many do.
///
/// # Errors
/// When the database fails.
pub(crate) async fn catch_up(
    client: &Client,
    cursors: HashMap<String, i64>,
) -> Result<(), Refusal> {
    log::catch_up(client, cursors).await
}

/// Whether `client` is in `conversation`.
///
/// # Errors
/// `not_found`: whoever is not in it does not learn that it exists.
pub(crate) fn require_member(client: &Client, conversation: &str) -> Result<(), Refusal> {
    if client
        .companion
        .hub
        .is_member(&client.user.id, conversation)
    {
        Ok(())
    } else {
        Err(Refusal::not_found("There is no such conversation."))
    }
}
