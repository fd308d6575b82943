//! Who is in a room: joining, leaving, appointing, dismissing.

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};

use super::change::{require_manager, shown};
use super::{DISMISSED, Role, known, managed, standing};
use crate::server::Companion;
use crate::server::clock::now_ms;
use crate::server::messages::{announce, erase_notes_of, note, require_users};
use crate::server::protocol::{Answer, Code, Kind, Refusal, message};
use crate::server::socket::Client;
use crate::server::store::{StoreError, Tx};

/// People in one room.
const PEOPLE: i64 = 10_000;
/// People of one request.
const AT_ONCE: usize = 500;
/// People of one answer.
const PAGE: usize = 1000;

/// `room_join`, `room_leave`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Which {
    room: String,
}

/// `room_people`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct List {
    room: String,
    after: Option<String>,
}

/// `room_appoint`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Appoint {
    room: String,
    users: Vec<String>,
    role: Role,
}

/// `room_dismiss`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dismiss {
    room: String,
    users: Vec<String>,
}

/// Makes `user` a member, within a transaction: they have read what there is, and may read it if `past`. Whether they were none.
pub(super) async fn enter(
    tx: &mut Tx,
    room: &str,
    user: &str,
    past: bool,
) -> Result<bool, StoreError> {
    let from = if past { "0" } else { "last" };
    let sql = format!(
        "INSERT INTO members (conversation, user_id, from_seq, joined_ms, delivered_seq, read_seq) \
         SELECT $1, $2, {from}, $3, last, last FROM (SELECT COALESCE(MAX(seq), 0) AS last FROM events WHERE conversation = $1) x \
         WHERE 0 = 0 ON CONFLICT DO NOTHING"
    );
    let done = sqlx::query(sqlx::AssertSqlSafe(sql))
        .bind(room.to_owned())
        .bind(user.to_owned())
        .bind(now_ms())
        .execute(tx.connection())
        .await?;
    Ok(done.rows_affected() > 0)
}

pub(super) async fn set_role(
    tx: &mut Tx,
    room: &str,
    user: &str,
    role: &'static str,
) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO room_roles (conversation, user_id, role) SELECT $1, u.id, $3 FROM users u WHERE u.id = $2 \
         ON CONFLICT (conversation, user_id) DO UPDATE SET role = excluded.role",
    )
    .bind(room.to_owned())
    .bind(user.to_owned())
    .bind(role)
    .execute(tx.connection())
    .await?;
    Ok(())
}

async fn exit(tx: &mut Tx, room: &str, user: &str) -> Result<bool, StoreError> {
    let done = sqlx::query("DELETE FROM members WHERE conversation = $1 AND user_id = $2")
        .bind(room.to_owned())
        .bind(user.to_owned())
        .execute(tx.connection())
        .await?;
    erase_notes_of(tx, room, user).await?;
    Ok(done.rows_affected() > 0)
}

async fn require_place(tx: &mut Tx, room: &str) -> Result<(), StoreError> {
    let (people,): (i64,) = sqlx::query_as("SELECT COUNT(*) FROM members WHERE conversation = $1")
        .bind(room.to_owned())
        .fetch_one(tx.connection())
        .await?;
    if people > PEOPLE {
        return Err(StoreError::Refused("A room has at most 10,000 people."));
    }
    Ok(())
}

/// A room always has who can let others in.
async fn require_a_manager(tx: &mut Tx, room: &str) -> Result<(), StoreError> {
    let (managers,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM room_roles WHERE conversation = $1 AND role = 'manager'",
    )
    .bind(room.to_owned())
    .fetch_one(tx.connection())
    .await?;
    if managers == 0 {
        return Err(StoreError::Refused("A room keeps one manager at least."));
    }
    Ok(())
}

/// `user` is in `room` no longer: nothing of it reaches them any more.
pub(super) fn gone(companion: &Companion, user: &str, room: &str) {
    companion.hub.left(user, room);
    companion.views.leave(user, room);
    let told = message("gone", json!({"conversation": room}));
    companion.hub.tell(user, told);
}

pub(super) async fn join(client: &Client, request: Which) -> Answer {
    let before = known(client, &request.room).await?;
    if !before.may_enter() {
        return Err(Refusal::forbidden(
            "Managers of this room say who comes in.",
        ));
    }
    let (me, room) = (client.user.id.clone(), request.room.clone());
    let (admin, past) = (before.admin, client.companion.config.rooms.past);
    let written = client.companion.store.write(move |tx| {
        async move {
            let now = standing(tx.connection(), &me, admin, &room).await?;
            if !now.is_some_and(|standing| standing.may_enter()) {
                return Err(StoreError::Refused(
                    "Managers of this room say who comes in.",
                ));
            }
            if enter(tx, &room, &me, past).await? {
                require_place(tx, &room).await?;
                tx.append(note(&room, &me, Kind::Join, &json!({"users": [me]})))
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    written.await?;
    shown(client, &request.room).await
}

pub(super) async fn leave(client: &Client, request: Which) -> Answer {
    let before = known(client, &request.room).await?;
    if !before.inside {
        return Err(Refusal::not_found("You are not in this room."));
    }
    let (me, room) = (client.user.id.clone(), request.room.clone());
    let written = client.companion.store.write(move |tx| {
        async move {
            if exit(tx, &room, &me).await? {
                tx.append(note(&room, &me, Kind::Leave, &json!({"users": [me]})))
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    written.await?;
    gone(&client.companion, &client.user.id, &request.room);
    Ok(json!({"conversation": request.room}))
}

/// Each once, at most [`AT_ONCE`].
fn several(mut users: Vec<String>) -> Result<Vec<String>, Refusal> {
    users.sort_unstable();
    users.dedup();
    match users.len() {
        0 => Err(Refusal::bad("Whom?")),
        1..=AT_ONCE => Ok(users),
        _ => Err(Refusal::new(
            Code::TooMany,
            format!("At most {AT_ONCE} people at once."),
        )),
    }
}

pub(super) async fn appoint(client: &Client, request: Appoint) -> Answer {
    let before = managed(client, &request.room).await?;
    let users = several(request.users)?;
    require_users(&client.companion, &users).await?;
    let (me, room, role) = (
        client.user.id.clone(),
        request.room.clone(),
        request.role.as_str(),
    );
    let (admin, past, people) = (
        before.admin,
        client.companion.config.rooms.past,
        users.clone(),
    );
    let written = client.companion.store.write(move |tx| {
        async move {
            require_manager(tx, &me, admin, &room).await?;
            let mut new = Vec::new();
            for user in people {
                set_role(tx, &room, &user, role).await?;
                if enter(tx, &room, &user, past).await? {
                    new.push(user);
                }
            }
            require_a_manager(tx, &room).await?;
            if !new.is_empty() {
                require_place(tx, &room).await?;
                tx.append(note(&room, &me, Kind::Join, &json!({ "users": new })))
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    written.await?;
    announce(&client.companion, &request.room, &users).await?;
    Ok(json!({}))
}

pub(super) async fn dismiss(client: &Client, request: Dismiss) -> Answer {
    let before = managed(client, &request.room).await?;
    let users = several(request.users)?;
    let (me, room, admin, people) = (
        client.user.id.clone(),
        request.room.clone(),
        before.admin,
        users.clone(),
    );
    let written = client.companion.store.write(move |tx| {
        async move {
            require_manager(tx, &me, admin, &room).await?;
            let mut out = Vec::new();
            for user in people {
                set_role(tx, &room, &user, DISMISSED).await?;
                if exit(tx, &room, &user).await? {
                    out.push(user);
                }
            }
            require_a_manager(tx, &room).await?;
            if !out.is_empty() {
                tx.append(note(&room, &me, Kind::Leave, &json!({ "users": out })))
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    written.await?;
    for user in &users {
        if client.companion.hub.is_member(user, &request.room) {
            gone(&client.companion, user, &request.room);
        }
    }
    Ok(json!({}))
}

pub(super) async fn list(client: &Client, request: List) -> Answer {
    let standing = known(client, &request.room).await?;
    if !standing.inside && !standing.admin {
        return Err(Refusal::forbidden(
            "Only who is in the room sees who else is.",
        ));
    }
    let mut rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.user_id, COALESCE(p.role, 'member') FROM members m LEFT JOIN room_roles p \
         ON p.conversation = m.conversation AND p.user_id = m.user_id WHERE m.conversation = $1 AND m.user_id > $2 \
         ORDER BY m.user_id LIMIT $3",
    )
    .bind(request.room)
    .bind(request.after.unwrap_or_default())
    .bind(i64::try_from(PAGE + 1).unwrap_or(i64::MAX))
    .fetch_all(client.companion.store.reader())
    .await?;
    let more = rows.len() > PAGE;
    rows.truncate(PAGE);
    let next = rows.last().filter(|_| more).map(|(user, _)| user.clone());
    let people: Vec<Value> = rows
        .into_iter()
        .map(|(user, role)| json!({"user": user, "role": role}))
        .collect();
    let mut answer = json!({ "people": people });
    if let (Some(next), Value::Object(fields)) = (next, &mut answer) {
        fields.insert("next".to_owned(), next.into());
    }
    Ok(answer)
}
