//! Who is in a conversation: `open`, `add`, `leave`, `rename`, `notify`.
//!
//! Newcomers to a group read what was said in it before, for it was said to the group. A direct conversation stays between two:
//! whoever is added to it makes a group, which begins empty.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::log::conversation;
use super::notes::erase_notes_of;
use super::{blocking, require_member};
use crate::server::Companion;
use crate::server::clock::now_ms;
use crate::server::protocol::{Answer, Code, Kind, Refusal, message};
use crate::server::socket::Client;
use crate::server::store::{Draft, StoreError, Tx};
use crate::text;
use crate::visibility::Reach;

/// `open`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Open {
    with: Vec<String>,
    subject: Option<String>,
}

pub(super) async fn open(client: &Client, request: Open) -> Answer {
    let subject = match request.subject.as_deref().map(str::trim) {
        None | Some("") => String::new(),
        Some(subject) => text::line(subject, text::NAME)?,
    };
    let me = client.user.id.clone();
    if client.user.guest_of.is_some() {
        return Err(Refusal::forbidden("Guests open no conversations."));
    }
    let mut others: BTreeSet<String> = request.with.into_iter().collect();
    others.remove(&me);
    let others: Vec<String> = others.into_iter().collect();
    require_room(client, others.len() + 1)?;
    require_users(&client.companion, &others).await?;
    let id = match others.as_slice() {
        [] => return Err(Refusal::bad("A conversation is with somebody.")),
        [other] => direct(client, other.clone()).await?,
        _ => {
            let people = std::iter::once(me.clone()).chain(others).collect();
            group(client, people, subject).await?
        }
    };
    Ok(json!({"conversation": conversation(&client.companion, &me, &id).await?}))
}

/// The one conversation with `other`.
async fn direct(client: &Client, other: String) -> Result<String, Refusal> {
    let person = blocking::require_unblocked(client, &other).await?;
    let me = client.user.id.clone();
    let pair = if me < other {
        format!("{me} {other}")
    } else {
        format!("{other} {me}")
    };
    let found: Option<(String,)> = sqlx::query_as("SELECT id FROM conversations WHERE pair = $1")
        .bind(pair.clone())
        .fetch_optional(client.companion.store.reader())
        .await?;
    if let Some((id,)) = found {
        blocking::open(client, &id, &person).await?;
        return Ok(id);
    }
    let members = [me.clone(), other];
    let people = members.clone();
    let made = client.companion.store.write(move |tx| {
        async move {
            let (id,): (String,) = sqlx::query_as(
                "INSERT INTO conversations (id, kind, pair, created_by, created_ms) VALUES ($1, 'direct', $2, $3, $4) \
                 ON CONFLICT (pair) DO UPDATE SET pair = excluded.pair RETURNING id",
            )
            .bind(ulid::Ulid::new().to_string())
            .bind(pair)
            .bind(me)
            .bind(now_ms())
            .fetch_one(tx.connection())
            .await?;
            for user in people {
                enter(tx, &id, &user).await?;
            }
            Ok(id)
        }
        .boxed()
    });
    let id = made.await?;
    let [me, other] = members;
    blocking::open(client, &id, &person).await?;
    let told = match client.companion.reach(&client.user, &other) {
        Reach::Never => vec![me],
        Reach::Now | Reach::Later => vec![me, other],
    };
    announce(&client.companion, &id, &told).await?;
    Ok(id)
}

/// A new conversation of `people`; the first is who makes it.
async fn group(client: &Client, people: Vec<String>, subject: String) -> Result<String, Refusal> {
    let id = ulid::Ulid::new().to_string();
    let (me, new, members) = (client.user.id.clone(), id.clone(), people.clone());
    let made = client.companion.store.write(move |tx| {
        async move {
            sqlx::query(
                "INSERT INTO conversations (id, kind, subject, created_by, created_ms) VALUES ($1, 'group', $2, $3, $4)",
            )
            .bind(new.clone())
            .bind(subject)
            .bind(me.clone())
            .bind(now_ms())
            .execute(tx.connection())
            .await?;
            for user in &members {
                enter(tx, &new, user).await?;
            }
            tx.append(note(&new, &me, Kind::Join, &json!({"users": members})))
                .await?;
            Ok(())
        }
        .boxed()
    });
    made.await?;
    announce(&client.companion, &id, &people).await?;
    Ok(id)
}

/// Makes `user` a member, within a transaction; whoever is one stays so.
pub(crate) async fn enter(tx: &mut Tx, conversation: &str, user: &str) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO members (conversation, user_id, joined_ms) VALUES ($1, $2, $3) ON CONFLICT DO NOTHING",
    )
    .bind(conversation.to_owned())
    .bind(user.to_owned())
    .bind(now_ms())
    .execute(tx.connection())
    .await?;
    Ok(())
}

/// An event that the server writes for `sender`.
pub(crate) fn note(conversation: &str, sender: &str, kind: Kind, body: &Value) -> Draft {
    Draft {
        conversation: conversation.to_owned(),
        kind,
        sender: sender.to_owned(),
        client_id: ulid::Ulid::new().to_string(),
        target: None,
        body: body.to_string(),
        mentions: Vec::new(),
    }
}

/// Tells `people`, who are members from now on, of the conversation.
pub(crate) async fn announce(
    companion: &Companion,
    id: &str,
    people: &[String],
) -> Result<(), Refusal> {
    for user in people {
        companion.hub.joined(user, id);
    }
    retell(companion, id, people).await
}

fn require_room(client: &Client, people: usize) -> Result<(), Refusal> {
    let limit = client.companion.config.limits.people;
    if people > limit {
        return Err(Refusal::new(
            Code::TooMany,
            format!("A conversation has at most {limit} people; make a room."),
        ));
    }
    Ok(())
}

/// Whether all of `ids` are users who can be written to.
pub(crate) async fn require_users(companion: &Companion, ids: &[String]) -> Result<(), Refusal> {
    if ids.is_empty() {
        return Ok(());
    }
    let places: Vec<String> = (1..=ids.len()).map(|n| format!("${n}")).collect();
    let sql = format!(
        "SELECT COUNT(*) FROM users WHERE disabled = 0 AND role <> 'guest' AND id IN ({})",
        places.join(", ")
    );
    let mut query = sqlx::query_as::<_, (i64,)>(AssertSqlSafe(sql));
    for id in ids {
        query = query.bind(id.clone());
    }
    let (count,) = query.fetch_one(companion.store.reader()).await?;
    if usize::try_from(count) == Ok(ids.len()) {
        Ok(())
    } else {
        Err(Refusal::not_found("There is no such user."))
    }
}

/// `add`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Add {
    conversation: String,
    users: Vec<String>,
}

pub(super) async fn add(client: &Client, request: Add) -> Answer {
    require_member(client, &request.conversation)?;
    if client.user.guest_of.is_some() {
        return Err(Refusal::forbidden("Guests add nobody."));
    }
    let companion = &client.companion;
    let (kind, subject) = kind_of(companion, &request.conversation).await?;
    let there = members(companion, &request.conversation).await?;
    let wanted: BTreeSet<String> = request.users.into_iter().collect();
    let new: Vec<String> = wanted
        .into_iter()
        .filter(|user| !there.contains(user))
        .collect();
    require_room(client, there.len() + new.len())?;
    require_users(companion, &new).await?;
    if new.is_empty() {
        return Err(Refusal::new(Code::Conflict, "They are all in it."));
    }
    match kind.as_str() {
        "direct" => {
            let me = client.user.id.clone();
            let others = there.into_iter().chain(new).filter(|user| *user != me);
            let people = std::iter::once(me.clone()).chain(others).collect();
            let id = group(client, people, subject).await?;
            Ok(json!({"conversation": conversation(companion, &me, &id).await?, "seq": 1}))
        }
        "group" => {
            let (id, me, people) = (
                request.conversation.clone(),
                client.user.id.clone(),
                new.clone(),
            );
            let most = i64::try_from(companion.config.limits.people).unwrap_or(i64::MAX);
            let added = companion.store.write(move |tx| {
                async move {
                    for user in &people {
                        enter(tx, &id, user).await?;
                    }
                    let (count,): (i64,) =
                        sqlx::query_as("SELECT COUNT(*) FROM members WHERE conversation = $1")
                            .bind(id.clone())
                            .fetch_one(tx.connection())
                            .await?;
                    if count > most {
                        return Err(StoreError::Refused("The conversation is full."));
                    }
                    tx.append(note(&id, &me, Kind::Join, &json!({"users": people})))
                        .await
                }
                .boxed()
            });
            let receipt = added.await?;
            announce(companion, &request.conversation, &new).await?;
            retell(companion, &request.conversation, &there).await?;
            Ok(json!({"seq": receipt.seq}))
        }
        _ => Err(Refusal::bad("A room's people are appointed.")),
    }
}

/// `leave`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Leave {
    conversation: String,
}

pub(super) async fn leave(client: &Client, request: Leave) -> Answer {
    let id = request.conversation;
    require_member(client, &id)?;
    let companion = &client.companion;
    let (kind, _) = kind_of(companion, &id).await?;
    if kind != "group" {
        return Err(Refusal::bad("Only groups are left so."));
    }
    let (conversation, me) = (id.clone(), client.user.id.clone());
    let left = companion.store.write(move |tx| {
        async move {
            exit(tx, &conversation, &me).await?;
            tx.append(note(
                &conversation,
                &me,
                Kind::Leave,
                &json!({"users": [me]}),
            ))
            .await
        }
        .boxed()
    });
    let receipt = left.await?;
    dismiss(companion, &id, &client.user.id);
    let rest = members(companion, &id).await?;
    retell(companion, &id, &rest).await?;
    Ok(json!({"seq": receipt.seq}))
}

/// Takes `user` out, within a transaction.
pub(crate) async fn exit(tx: &mut Tx, conversation: &str, user: &str) -> Result<(), StoreError> {
    for sql in [
        "DELETE FROM members WHERE conversation = $1 AND user_id = $2",
        "DELETE FROM mentions WHERE conversation = $1 AND user_id = $2",
    ] {
        sqlx::query(sql)
            .bind(conversation.to_owned())
            .bind(user.to_owned())
            .execute(tx.connection())
            .await?;
    }
    erase_notes_of(tx, conversation, user).await
}

/// Tells `user`, who is no longer a member.
pub(crate) fn dismiss(companion: &Companion, id: &str, user: &str) {
    companion.hub.left(user, id);
    companion
        .hub
        .tell(user, message("gone", json!({"conversation": id})));
}

/// `rename`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Rename {
    conversation: String,
    subject: String,
}

pub(super) async fn rename(client: &Client, request: Rename) -> Answer {
    let id = request.conversation;
    require_member(client, &id)?;
    let companion = &client.companion;
    let (kind, _) = kind_of(companion, &id).await?;
    if kind != "group" {
        return Err(Refusal::bad("Only groups are renamed so."));
    }
    let subject = text::line(&request.subject, text::NAME)?;
    let (conversation, me) = (id.clone(), client.user.id.clone());
    let renamed = companion.store.write(move |tx| {
        async move {
            sqlx::query("UPDATE conversations SET subject = $2 WHERE id = $1")
                .bind(conversation.clone())
                .bind(subject.clone())
                .execute(tx.connection())
                .await?;
            tx.append(note(
                &conversation,
                &me,
                Kind::Change,
                &json!({"subject": subject}),
            ))
            .await
        }
        .boxed()
    });
    let receipt = renamed.await?;
    let people = members(companion, &id).await?;
    retell(companion, &id, &people).await?;
    Ok(json!({"seq": receipt.seq}))
}

/// Kind and subject.
pub(super) async fn kind_of(companion: &Companion, id: &str) -> Result<(String, String), Refusal> {
    let found: Option<(String, String)> =
        sqlx::query_as("SELECT kind, subject FROM conversations WHERE id = $1")
            .bind(id.to_owned())
            .fetch_optional(companion.store.reader())
            .await?;
    found.ok_or_else(|| Refusal::not_found("There is no such conversation."))
}

/// Who is in it, the first first.
pub(crate) async fn members(companion: &Companion, id: &str) -> Result<Vec<String>, Refusal> {
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT user_id FROM members WHERE conversation = $1 ORDER BY joined_ms, user_id",
    )
    .bind(id.to_owned())
    .fetch_all(companion.store.reader())
    .await?;
    Ok(rows.into_iter().map(|(user,)| user).collect())
}

/// Tells connected `people` what the conversation is now.
pub(crate) async fn retell(
    companion: &Companion,
    id: &str,
    people: &[String],
) -> Result<(), Refusal> {
    for user in people {
        if companion.hub.is_connected(user) {
            let value = conversation(companion, user, id).await?;
            let told = message("conversation", json!({"conversation": value}));
            companion.hub.tell(user, told);
        }
    }
    Ok(())
}

/// `notify`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Notify {
    conversation: String,
    level: Level,
}

#[derive(Debug, Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Level {
    All,
    Mentions,
    None,
}

pub(super) async fn notify(client: &Client, request: Notify) -> Answer {
    require_member(client, &request.conversation)?;
    let level = match request.level {
        Level::All => "all",
        Level::Mentions => "mentions",
        Level::None => "none",
    };
    let user = client.user.id.clone();
    let kept = client.companion.store.write(move |tx| {
        async move {
            sqlx::query("UPDATE members SET notify = $3 WHERE conversation = $1 AND user_id = $2")
                .bind(request.conversation)
                .bind(user)
                .bind(level)
                .execute(tx.connection())
                .await?;
            Ok(())
        }
        .boxed()
    });
    kept.await?;
    Ok(json!({}))
}
