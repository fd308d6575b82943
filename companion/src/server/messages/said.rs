//! Saying something, and what is done to it later: `send`, `edit`, `delete`, `react`.
//!
//! An edit and a deletion are events of their own, and the message itself is changed with them: whoever reads it later, or
//! searches, finds what it says now. What was deleted is gone.

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use sqlx::AssertSqlSafe;

use super::ink::Ink;
use super::require_member;
use crate::server::files;
use crate::server::protocol::{Answer, Code, Kind, Refusal, parse};
use crate::server::rooms;
use crate::server::socket::Client;
use crate::server::store::{Draft, Receipt, StoreError, Tx};
use crate::story::story;
use crate::text;

/// Files of one message.
const FILES: usize = 20;
/// Longest emoji, bytes: families are long.
const EMOJI: usize = 64;

/// `send`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Send {
    conversation: String,
    client_id: String,
    kind: Kind,
    body: Map<String, Value>,
}

/// The body of a text.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Text {
    #[serde(default)]
    text: String,
    importance: Option<Importance>,
    #[serde(default)]
    files: Vec<NamedFile>,
}

#[derive(Deserialize)]
#[serde(rename_all = "snake_case")]
enum Importance {
    High,
}

/// A file as a client names it; of what else it says nothing is believed.
#[derive(Deserialize)]
struct NamedFile {
    id: String,
}

pub(super) async fn send(client: &mut Client, request: Send) -> Answer {
    require_member(client, &request.conversation)?;
    require_id(&request.client_id)?;
    client.rate.take()?;
    let (body, mentions, files) = match request.kind {
        Kind::Text => said(client, &request).await?,
        Kind::Ink => {
            rooms::check_post(client, &request.conversation).await?;
            let limit = client.companion.config.limits.post;
            let ink: Ink = parse(request.body)?;
            (ink.check(limit)?, Vec::new(), Vec::new())
        }
        _ => return Err(Refusal::bad("Only text and ink are sent.")),
    };
    let draft = Draft {
        mentions: mentioned(client, &request.conversation, mentions).await?,
        conversation: request.conversation,
        kind: request.kind,
        sender: client.user.id.clone(),
        client_id: request.client_id,
        target: None,
        body,
    };
    let store = &client.companion.store;
    if files.is_empty() {
        return Ok(receipt(store.append(draft).await?));
    }
    let sent = store.write(move |tx| {
        async move {
            let conversation = draft.conversation.clone();
            let receipt = tx.append(draft).await?;
            for file in files {
                files::share(tx, &file, &conversation, receipt.seq).await?;
            }
            Ok(receipt)
        }
        .boxed()
    });
    Ok(receipt(sent.await?))
}

/// What a text says: its body, whom it may mention, its files.
async fn said(
    client: &Client,
    request: &Send,
) -> Result<(String, Vec<String>, Vec<String>), Refusal> {
    let is_room = rooms::check_post(client, &request.conversation).await?;
    let text: Text = parse(request.body.clone())?;
    let limits = &client.companion.config.limits;
    let limit = if is_room { limits.post } else { limits.message };
    if text.files.is_empty() || !text.text.trim().is_empty() {
        text::body(&text.text, limit)?;
    }
    if text.files.len() > FILES {
        return Err(Refusal::new(
            Code::TooMany,
            format!("A message has at most {FILES} files."),
        ));
    }
    let mut body = json!({"text": text.text});
    if let Value::Object(fields) = &mut body {
        if let Some(Importance::High) = text.importance {
            fields.insert("importance".to_owned(), "high".into());
        }
        if let Some(story) = story(&text.text) {
            fields.insert("story".to_owned(), story.into());
        }
        if !text.files.is_empty() {
            let mut files = Vec::new();
            for file in &text.files {
                files.push(files::describe(client, &file.id).await?);
            }
            fields.insert("files".to_owned(), files.into());
        }
    }
    let files = text.files.into_iter().map(|file| file.id).collect();
    let mentions = text::mentions(&text.text).into_iter().collect();
    Ok((body.to_string(), mentions, files))
}

/// The members of `conversation` among `logins`.
async fn mentioned(
    client: &Client,
    conversation: &str,
    logins: Vec<String>,
) -> Result<Vec<String>, Refusal> {
    if logins.is_empty() {
        return Ok(Vec::new());
    }
    let places: Vec<String> = (2..logins.len() + 2).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT u.id FROM users u JOIN members m ON m.user_id = u.id WHERE m.conversation = $1 AND u.login IN ({})",
        places.join(", ")
    );
    let mut query =
        sqlx::query_as::<_, (String,)>(AssertSqlSafe(sql)).bind(conversation.to_owned());
    for login in logins {
        query = query.bind(login);
    }
    let rows = query.fetch_all(client.companion.store.reader()).await?;
    Ok(rows.into_iter().map(|(id,)| id).collect())
}

fn require_id(id: &str) -> Result<(), Refusal> {
    if text::is_id(id) {
        Ok(())
    } else {
        Err(Refusal::bad(
            "A client_id has 1 to 64 printable ASCII characters.",
        ))
    }
}

fn receipt(receipt: Receipt) -> Value {
    json!({"seq": receipt.seq, "ts": receipt.ts})
}

/// `edit`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Edit {
    conversation: String,
    client_id: String,
    target: i64,
    text: String,
}

pub(super) async fn edit(client: &mut Client, request: Edit) -> Answer {
    let Edit {
        conversation,
        client_id,
        target,
        text,
    } = request;
    text::body(&text, client.companion.config.limits.post)?;
    let draft = about(
        client,
        conversation,
        client_id,
        target,
        Kind::Edit,
        &json!({"text": text}),
    )?;
    let done = client.companion.store.write(move |tx| {
        async move {
            let (conversation, sender) = (draft.conversation.clone(), draft.sender.clone());
            let body = find(tx, &conversation, target, Some((&sender, Kind::Text))).await?;
            let receipt = tx.append(draft).await?;
            if receipt.fresh {
                let mut body: Value = serde_json::from_str(&body).unwrap_or_else(|_| json!({}));
                match story(&text) {
                    Some(line) => body["story"] = line.into(),
                    None => drop(body.as_object_mut().and_then(|body| body.remove("story"))),
                }
                body["text"] = text.into();
                body["edited"] = receipt.ts.into();
                rewrite(tx, &conversation, target, body.to_string()).await?;
            }
            Ok(receipt)
        }
        .boxed()
    });
    Ok(receipt(done.await?))
}

/// `delete`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    conversation: String,
    client_id: String,
    target: i64,
}

pub(super) async fn delete(client: &mut Client, request: Delete) -> Answer {
    let Delete {
        conversation,
        client_id,
        target,
    } = request;
    let draft = about(
        client,
        conversation,
        client_id,
        target,
        Kind::Delete,
        &json!({}),
    )?;
    let done = client.companion.store.write(move |tx| {
        async move {
            let (conversation, sender) = (draft.conversation.clone(), draft.sender.clone());
            let receipt = tx.append(draft).await?;
            if receipt.fresh {
                find_own(tx, &conversation, target, &sender).await?;
                erase(tx, &conversation, target).await?;
            }
            Ok(receipt)
        }
        .boxed()
    });
    Ok(receipt(done.await?))
}

/// Empties a message and its edits, takes its files from the conversation and its mentions away.
pub(crate) async fn erase(tx: &mut Tx, conversation: &str, target: i64) -> Result<(), StoreError> {
    rewrite(tx, conversation, target, "{}".to_owned()).await?;
    for sql in [
        "UPDATE events SET body = '{}' WHERE conversation = $1 AND target = $2 AND kind = 'edit'",
        "DELETE FROM file_shares WHERE conversation = $1 AND seq = $2",
        "DELETE FROM mentions WHERE conversation = $1 AND seq = $2",
    ] {
        sqlx::query(sql)
            .bind(conversation.to_owned())
            .bind(target)
            .execute(tx.connection())
            .await?;
    }
    Ok(())
}

/// `react`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct React {
    conversation: String,
    client_id: String,
    target: i64,
    emoji: String,
    on: bool,
}

pub(super) async fn react(client: &mut Client, request: React) -> Answer {
    let React {
        conversation,
        client_id,
        target,
        emoji,
        on,
    } = request;
    let emoji = text::line(&emoji, EMOJI)?;
    let draft = about(
        client,
        conversation,
        client_id,
        target,
        Kind::React,
        &json!({"emoji": emoji, "on": on}),
    )?;
    let done = client.companion.store.write(move |tx| {
        async move {
            find(tx, &draft.conversation.clone(), target, None).await?;
            tx.append(draft).await
        }
        .boxed()
    });
    Ok(receipt(done.await?))
}

/// An event about another, if the client may say so now.
fn about(
    client: &mut Client,
    conversation: String,
    client_id: String,
    target: i64,
    kind: Kind,
    body: &Value,
) -> Result<Draft, Refusal> {
    require_member(client, &conversation)?;
    require_id(&client_id)?;
    client.rate.take()?;
    Ok(Draft {
        conversation,
        kind,
        sender: client.user.id.clone(),
        client_id,
        target: Some(target),
        body: body.to_string(),
        mentions: Vec::new(),
    })
}

/// The body of what stands at `seq`, if it is still there; and of that sender and kind, if wished.
async fn find(
    tx: &mut Tx,
    conversation: &str,
    seq: i64,
    of: Option<(&str, Kind)>,
) -> Result<String, StoreError> {
    let found: Option<(String, String, String)> = sqlx::query_as(
        "SELECT sender, kind, body FROM events WHERE conversation = $1 AND seq = $2 AND kind IN ('text', 'ink', 'call')",
    )
    .bind(conversation.to_owned())
    .bind(seq)
    .fetch_optional(tx.connection())
    .await?;
    let Some((sender, kind, body)) = found.filter(|(_, _, body)| body != "{}") else {
        return Err(StoreError::Refused("There is no such message any more."));
    };
    match of {
        Some((by, wanted)) if sender != by || kind != wanted.as_str() => {
            Err(StoreError::Refused("It is not a text of yours."))
        }
        _ => Ok(body),
    }
}

async fn find_own(
    tx: &mut Tx,
    conversation: &str,
    seq: i64,
    sender: &str,
) -> Result<(), StoreError> {
    let own: Option<(i64,)> = sqlx::query_as(
        "SELECT seq FROM events WHERE conversation = $1 AND seq = $2 AND sender = $3 AND kind IN ('text', 'ink') AND body <> '{}'",
    )
    .bind(conversation.to_owned())
    .bind(seq)
    .bind(sender.to_owned())
    .fetch_optional(tx.connection())
    .await?;
    own.map(|_| ())
        .ok_or(StoreError::Refused("There is no such message of yours."))
}

async fn rewrite(
    tx: &mut Tx,
    conversation: &str,
    seq: i64,
    body: String,
) -> Result<(), StoreError> {
    sqlx::query("UPDATE events SET body = $3 WHERE conversation = $1 AND seq = $2")
        .bind(conversation.to_owned())
        .bind(seq)
        .bind(body)
        .execute(tx.connection())
        .await?;
    Ok(())
}
