//! Who is in a conversation: `open`, `notify`.

use std::collections::BTreeSet;

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::log::conversation;
use super::require_member;
use crate::server::Companion;
use crate::server::clock::now_ms;
use crate::server::protocol::{Answer, Code, Kind, Refusal, message};
use crate::server::socket::Client;
use crate::server::store::{Draft, StoreError, Tx};
use crate::text;

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
    announce(&client.companion, &id, &members).await?;
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
        if companion.hub.is_connected(user) {
            let value = conversation(companion, user, id).await?;
            let told = message("conversation", json!({"conversation": value}));
            companion.hub.tell(user, told);
        }
    }
    Ok(())
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
async fn require_users(companion: &Companion, ids: &[String]) -> Result<(), Refusal> {
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
