//! Making, altering and deleting rooms.

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{Access, Role, Standing, known, managed, people, standing};
use crate::server::clock::now_ms;
use crate::server::messages::{conversation, note};
use crate::server::protocol::{Answer, Code, Kind, Refusal, message};
use crate::server::socket::Client;
use crate::server::store::{StoreError, Tx};
use crate::text;
use crate::words::{fold, line, runs};

/// Rooms that one person may have made.
const MADE: i64 = 200;
/// Longest category, bytes.
const CATEGORY: usize = 100;
/// Longest topic, bytes.
const TOPIC: usize = 500;
/// Longest description, bytes.
const DESCRIPTION: usize = 4000;

/// `room_create`, and with `room` `room_set`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    room: Option<String>,
    name: Option<String>,
    category: Option<String>,
    topic: Option<String>,
    description: Option<String>,
    access: Option<Access>,
    auditorium: Option<bool>,
}

/// `room_delete`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Delete {
    room: String,
    name: String,
}

/// What a room is, checked.
#[derive(Debug, Clone)]
struct Shape {
    name: String,
    category: String,
    topic: String,
    description: String,
    access: Access,
    auditorium: bool,
}

/// One line or nothing.
fn optional(text: &str, limit: usize) -> Result<String, Refusal> {
    if text.trim().is_empty() {
        return Ok(String::new());
    }
    Ok(text::line(text, limit)?)
}

impl Shape {
    /// What `wish` makes of a room that was `before`, or of a new one.
    fn new(wish: Wish, before: Option<&Standing>) -> Result<Self, Refusal> {
        let old = before.map(|standing| &standing.room);
        let was = |value: Option<String>, old: Option<&String>| value.or_else(|| old.cloned());
        let name = was(wish.name, old.map(|room| &room.name));
        let name = name.ok_or_else(|| Refusal::bad("A room has a name."))?;
        let name = text::line(&name, text::NAME)?;
        if runs(&name).is_empty() {
            return Err(Refusal::bad("A room's name has letters or digits."));
        }
        let description =
            was(wish.description, old.map(|room| &room.description)).unwrap_or_default();
        if !description.trim().is_empty() {
            text::body(&description, DESCRIPTION)?;
        }
        let category = was(wish.category, old.map(|room| &room.category)).unwrap_or_default();
        let topic = was(wish.topic, old.map(|room| &room.topic)).unwrap_or_default();
        Ok(Self {
            name,
            category: optional(&category, CATEGORY)?,
            topic: optional(&topic, TOPIC)?,
            description: description.trim().to_owned(),
            access: wish
                .access
                .or(old.map(|room| room.access))
                .unwrap_or(Access::Open),
            auditorium: wish
                .auditorium
                .or(old.map(|room| room.auditorium))
                .unwrap_or_default(),
        })
    }

    fn key(&self) -> String {
        fold(&self.name)
    }

    fn words(&self) -> String {
        line(&format!(
            "{} {} {} {}",
            self.name, self.category, self.topic, self.description
        ))
    }

    /// Refuses a name that another room has, unless one of both is secret: a refusal would tell of it.
    async fn require_name(&self, tx: &mut Tx, own: &str) -> Result<(), StoreError> {
        if self.access == Access::Secret {
            return Ok(());
        }
        let taken: Option<(String,)> = sqlx::query_as(
            "SELECT conversation FROM rooms WHERE name_key = $1 AND access <> 'secret' AND conversation <> $2",
        )
        .bind(self.key())
        .bind(own.to_owned())
        .fetch_optional(tx.connection())
        .await?;
        taken.map_or(Ok(()), |_| {
            Err(StoreError::Refused("Another room has this name."))
        })
    }

    async fn write(&self, tx: &mut Tx, id: &str) -> Result<(), StoreError> {
        sqlx::query(
            "INSERT INTO rooms (conversation, name, name_key, category, topic, description, access, auditorium, words) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT (conversation) DO UPDATE SET name = excluded.name, \
             name_key = excluded.name_key, category = excluded.category, topic = excluded.topic, \
             description = excluded.description, access = excluded.access, auditorium = excluded.auditorium, \
             words = excluded.words",
        )
        .bind(id.to_owned())
        .bind(self.name.clone())
        .bind(self.key())
        .bind(self.category.clone())
        .bind(self.topic.clone())
        .bind(self.description.clone())
        .bind(self.access.as_str())
        .bind(i64::from(self.auditorium))
        .bind(self.words())
        .execute(tx.connection())
        .await?;
        Ok(())
    }

    /// What a `change` event tells of the difference to `before`; nothing if there is none.
    fn difference(&self, before: &Standing) -> Option<Value> {
        let old = &before.room;
        let mut body = Map::new();
        let mut room = Map::new();
        if self.name != old.name {
            body.insert("subject".into(), self.name.clone().into());
        }
        if self.topic != old.topic {
            body.insert("topic".into(), self.topic.clone().into());
        }
        if self.category != old.category {
            room.insert("category".into(), self.category.clone().into());
        }
        if self.description != old.description {
            room.insert("description".into(), self.description.clone().into());
        }
        if self.access != old.access {
            room.insert("access".into(), self.access.as_str().into());
        }
        if self.auditorium != old.auditorium {
            room.insert("auditorium".into(), self.auditorium.into());
        }
        if !room.is_empty() {
            body.insert("room".into(), room.into());
        }
        (!body.is_empty()).then(|| body.into())
    }
}

pub(super) async fn create(client: &Client, wish: Wish) -> Answer {
    if wish.room.is_some() {
        return Err(Refusal::bad("A new room's id is the server's."));
    }
    let shape = Shape::new(wish, None)?;
    let me = client.user.id.clone();
    let (made,): (i64,) = sqlx::query_as(
        "SELECT COUNT(*) FROM conversations WHERE created_by = $1 AND kind = 'room'",
    )
    .bind(me.clone())
    .fetch_one(client.companion.store.reader())
    .await?;
    if made >= MADE {
        let detail = format!("Nobody makes more than {MADE} rooms.");
        return Err(Refusal::new(Code::TooMany, detail));
    }
    let id = ulid::Ulid::new().to_string();
    let (new, auditorium) = (id.clone(), shape.auditorium);
    let written = client.companion.store.write(move |tx| {
        async move {
            shape.require_name(tx, &new).await?;
            sqlx::query(
                "INSERT INTO conversations (id, kind, subject, created_by, created_ms) VALUES ($1, 'room', $2, $3, $4)",
            )
            .bind(new.clone())
            .bind(shape.name.clone())
            .bind(me.clone())
            .bind(now_ms())
            .execute(tx.connection())
            .await?;
            shape.write(tx, &new).await?;
            people::set_role(tx, &new, &me, Role::Manager.as_str()).await?;
            people::enter(tx, &new, &me, true).await?;
            tx.append(note(&new, &me, Kind::Join, &json!({"users": [me]}))).await?;
            Ok(())
        }
        .boxed()
    });
    written.await?;
    client.companion.halls.put(&id, auditorium);
    shown(client, &id).await
}

/// The answer of who is in room `id` from now on; their other devices hear of it.
pub(super) async fn shown(client: &Client, id: &str) -> Answer {
    let (companion, me) = (&client.companion, &client.user.id);
    companion.hub.joined(me, id);
    let value = conversation(companion, me, id).await?;
    let told = message("conversation", json!({"conversation": value}));
    companion.hub.tell_others(me, Some(client.outlet.id), told);
    Ok(json!({"conversation": value}))
}

pub(super) async fn set(client: &Client, wish: Wish) -> Answer {
    let id = wish
        .room
        .clone()
        .ok_or_else(|| Refusal::bad("Which room?"))?;
    let before = managed(client, &id).await?;
    let shape = Shape::new(wish, Some(&before))?;
    let Some(body) = shape.difference(&before) else {
        return Ok(json!({"room": before.room}));
    };
    let (me, room, admin, auditorium) = (
        client.user.id.clone(),
        id.clone(),
        before.admin,
        shape.auditorium,
    );
    let written = client.companion.store.write(move |tx| {
        async move {
            require_manager(tx, &me, admin, &room).await?;
            shape.require_name(tx, &room).await?;
            shape.write(tx, &room).await?;
            sqlx::query("UPDATE conversations SET subject = $2 WHERE id = $1")
                .bind(room.clone())
                .bind(shape.name)
                .execute(tx.connection())
                .await?;
            tx.append(note(&room, &me, Kind::Change, &body)).await?;
            Ok(())
        }
        .boxed()
    });
    written.await?;
    client.companion.halls.put(&id, auditorium);
    Ok(json!({"room": known(client, &id).await?.room}))
}

/// Within a transaction: what was so when it was asked may no longer be.
pub(super) async fn require_manager(
    tx: &mut Tx,
    user: &str,
    admin: bool,
    room: &str,
) -> Result<Standing, StoreError> {
    standing(tx.connection(), user, admin, room)
        .await?
        .filter(Standing::manages)
        .ok_or(StoreError::Refused("Only managers of the room do this."))
}

pub(super) async fn delete(client: &Client, request: Delete) -> Answer {
    let before = managed(client, &request.room).await?;
    if request.name.trim() != before.room.name {
        let detail = "To delete a room for good, name it as it is called.";
        return Err(Refusal::new(Code::Conflict, detail));
    }
    let (me, id, admin) = (client.user.id.clone(), request.room.clone(), before.admin);
    let written = client.companion.store.write(move |tx| {
        async move {
            require_manager(tx, &me, admin, &id).await?;
            // From here on nobody finds it; its log goes piece by piece, see retention.
            for sql in [
                "DELETE FROM rooms WHERE conversation = $1",
                "DELETE FROM room_roles WHERE conversation = $1",
                "DELETE FROM members WHERE conversation = $1",
                "DELETE FROM mentions WHERE conversation = $1",
                "DELETE FROM invites WHERE conversation = $1",
                "DELETE FROM conversations WHERE id = $1",
                "INSERT INTO doomed (conversation) VALUES ($1) ON CONFLICT DO NOTHING",
            ] {
                sqlx::query(sql)
                    .bind(id.clone())
                    .execute(tx.connection())
                    .await?;
            }
            Ok(())
        }
        .boxed()
    });
    written.await?;
    client.companion.halls.remove(&request.room);
    let hub = &client.companion.hub;
    for user in hub.listeners(&request.room) {
        people::gone(&client.companion, &user, &request.room);
    }
    Ok(json!({"room": request.room}))
}
