//! Rooms: lasting conversations with a name, found in a directory, with an access and with people of three roles.
//!
//! A room is a conversation of kind `room` in the same log. Here is what a room is and who may know of it; [`change`] makes, alters
//! and deletes, [`people`] lets in and sends away, [`views`] knows who looks at one now. Knows nothing of posts but who may write them.

mod change;
mod halls;
mod people;
pub(crate) mod views;

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use sqlx::{Any, AnyPool, AssertSqlSafe, Executor};

pub(crate) use halls::{Hall, Halls};

use super::people::Role as UserRole;
use super::protocol::{Answer, Refusal, parse};
use super::socket::Client;
use crate::words::runs;

/// The requests that are answered here.
pub(crate) const KINDS: &[&str] = &[
    "rooms",
    "room_create",
    "room_set",
    "room_delete",
    "room_join",
    "room_leave",
    "room_people",
    "room_appoint",
    "room_dismiss",
    "view",
];

/// Rooms of one answer of the directory.
const PAGE: usize = 50;
/// Words of one search of the directory.
const WORDS: usize = 8;

/// Who may come in, and who may know.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Access {
    /// Everybody.
    Open,
    /// Who is appointed; everybody may know.
    Closed,
    /// Who is appointed; nobody else may know.
    Secret,
}

impl Access {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Closed => "closed",
            Self::Secret => "secret",
        }
    }

    /// What a row says; the closest of what it might.
    fn from_row(name: &str) -> Self {
        match name {
            "open" => Self::Open,
            "closed" => Self::Closed,
            _ => Self::Secret,
        }
    }
}

/// What somebody is in a room; each may what those before may.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Role {
    /// Reads; posts unless it is an auditorium.
    Member,
    /// Posts always.
    Presenter,
    /// Appoints, dismisses, alters, deletes.
    Manager,
}

/// The role of who was dismissed, in rows alone.
const DISMISSED: &str = "dismissed";

impl Role {
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Member => "member",
            Self::Presenter => "presenter",
            Self::Manager => "manager",
        }
    }

    fn from_row(name: &str) -> Option<Self> {
        [Self::Member, Self::Presenter, Self::Manager]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// A room as its protocol shows it to one person.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub(crate) struct Room {
    pub(crate) id: String,
    pub(crate) name: String,
    pub(crate) category: String,
    pub(crate) topic: String,
    pub(crate) description: String,
    pub(crate) access: Access,
    pub(crate) auditorium: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) role: Option<Role>,
    /// How many are in it.
    pub(crate) people: i64,
}

/// A room and how somebody stands to it.
#[derive(Debug, Clone)]
pub(crate) struct Standing {
    pub(crate) room: Room,
    /// Is in it now.
    pub(crate) inside: bool,
    appointed: Option<Role>,
    dismissed: bool,
    admin: bool,
}

type Row = (
    String,
    String,
    String,
    String,
    String,
    String,
    i64,
    i64,
    String,
    i64,
);

/// Columns of a [`Row`] of room `r`, for the user of parameter 1, beside [`TABLES`].
const COLUMNS: &str = "r.conversation, r.name, r.category, r.topic, r.description, r.access, r.auditorium, \
     (SELECT COUNT(*) FROM members x WHERE x.conversation = r.conversation), COALESCE(p.role, ''), \
     CAST(CASE WHEN m.user_id IS NULL THEN 0 ELSE 1 END AS BIGINT)";
const TABLES: &str = "rooms r LEFT JOIN room_roles p ON p.conversation = r.conversation AND p.user_id = $1 \
     LEFT JOIN members m ON m.conversation = r.conversation AND m.user_id = $1";

impl Standing {
    fn new(row: Row, admin: bool) -> Self {
        let (id, name, category, topic, description, access, auditorium, people, role, inside) =
            row;
        let appointed = Role::from_row(&role);
        let inside = inside != 0;
        Self {
            room: Room {
                id,
                name,
                category,
                topic,
                description,
                access: Access::from_row(&access),
                auditorium: auditorium != 0,
                role: appointed.or(inside.then_some(Role::Member)),
                people,
            },
            inside,
            appointed,
            dismissed: role == DISMISSED,
            admin,
        }
    }

    /// Whether they may know that it exists.
    fn knows(&self) -> bool {
        self.room.access != Access::Secret || self.inside || self.appointed.is_some() || self.admin
    }

    fn may_enter(&self) -> bool {
        let open = self.room.access == Access::Open && !self.dismissed;
        self.inside || open || self.appointed.is_some() || self.admin
    }

    pub(crate) fn manages(&self) -> bool {
        self.admin || self.appointed == Some(Role::Manager)
    }

    fn may_post(&self) -> bool {
        self.inside && (!self.room.auditorium || self.appointed >= Some(Role::Presenter))
    }
}

/// How `user` stands to `room`; nothing where they may not know of it.
///
/// # Errors
/// When the database fails.
pub(crate) async fn standing<'e>(
    reader: impl Executor<'e, Database = Any>,
    user: &str,
    admin: bool,
    room: &str,
) -> Result<Option<Standing>, sqlx::Error> {
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE r.conversation = $2");
    let row: Option<Row> = sqlx::query_as(AssertSqlSafe(sql))
        .bind(user.to_owned())
        .bind(room.to_owned())
        .fetch_optional(reader)
        .await?;
    Ok(row
        .map(|row| Standing::new(row, admin))
        .filter(Standing::knows))
}

/// The rooms that `user` is in, or only one of them, for lists of conversations.
///
/// # Errors
/// When the database fails.
pub(crate) async fn mine(
    reader: &AnyPool,
    user: &str,
    only: Option<&str>,
) -> Result<Vec<Room>, sqlx::Error> {
    let one = if only.is_some() {
        " AND r.conversation = $2"
    } else {
        ""
    };
    let sql = format!("SELECT {COLUMNS} FROM {TABLES} WHERE m.user_id IS NOT NULL{one}");
    let mut query = sqlx::query_as::<_, Row>(AssertSqlSafe(sql)).bind(user.to_owned());
    if let Some(id) = only {
        query = query.bind(id.to_owned());
    }
    let rows = query.fetch_all(reader).await?;
    Ok(rows
        .into_iter()
        .map(|row| Standing::new(row, false).room)
        .collect())
}

/// Refuses a member who may not post in `conversation`, if that is an auditorium and they no presenter. Whether it is a room at all.
///
/// # Errors
/// `forbidden`; whatever the database says.
pub(crate) async fn check_post(client: &Client, conversation: &str) -> Result<bool, Refusal> {
    match client.companion.halls.kind(conversation) {
        None => Ok(false),
        Some(Hall::Room) => Ok(true),
        Some(Hall::Auditorium) => {
            let reader = client.companion.store.reader();
            let standing = standing(reader, &client.user.id, false, conversation).await?;
            if standing.is_some_and(|standing| standing.may_post()) {
                return Ok(true);
            }
            Err(Refusal::forbidden(
                "Only presenters and managers post here.",
            ))
        }
    }
}

/// Answers a request of [`KINDS`].
///
/// # Errors
/// What is refused, as the protocol tells.
pub(crate) async fn answer(client: &mut Client, kind: &str, body: Map<String, Value>) -> Answer {
    match kind {
        "view" => return views::view(client, parse(body)?),
        "room_people" => return people::list(client, parse(body)?).await,
        _ => {}
    }
    if client.user.role == UserRole::Guest {
        return Err(Refusal::forbidden("Guests have their one conversation."));
    }
    client.rate.take()?;
    match kind {
        "rooms" => directory(client, parse(body)?).await,
        "room_create" => change::create(client, parse(body)?).await,
        "room_set" => change::set(client, parse(body)?).await,
        "room_delete" => change::delete(client, parse(body)?).await,
        "room_join" => people::join(client, parse(body)?).await,
        "room_leave" => people::leave(client, parse(body)?).await,
        "room_appoint" => people::appoint(client, parse(body)?).await,
        "room_dismiss" => people::dismiss(client, parse(body)?).await,
        _ => Err(Refusal::bad("There is no request of this type.")),
    }
}

/// The request's room, as whoever asks stands to it.
async fn known(client: &Client, room: &str) -> Result<Standing, Refusal> {
    let reader = client.companion.store.reader();
    standing(reader, &client.user.id, is_admin(client), room)
        .await?
        .ok_or_else(|| Refusal::not_found("There is no such room."))
}

/// The same for its managers alone.
async fn managed(client: &Client, room: &str) -> Result<Standing, Refusal> {
    let standing = known(client, room).await?;
    if standing.manages() {
        Ok(standing)
    } else {
        Err(Refusal::forbidden("Only managers of the room do this."))
    }
}

fn is_admin(client: &Client) -> bool {
    client.user.role == UserRole::Admin
}

/// `rooms`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Directory {
    query: Option<String>,
    category: Option<String>,
    after: Option<String>,
}

impl Directory {
    /// `id:name` of the last room that was shown.
    fn after(&self) -> Result<(String, String), Refusal> {
        let Some(after) = &self.after else {
            return Ok(Default::default());
        };
        let (id, name) = after
            .split_once(':')
            .ok_or_else(|| Refusal::bad("after is what next said."))?;
        Ok((name.to_owned(), id.to_owned()))
    }

    /// What a room's words must be like, each of them.
    fn patterns(&self) -> Vec<String> {
        let query: String = self
            .query
            .iter()
            .flat_map(|query| query.chars().take(200))
            .collect();
        runs(&query)
            .into_iter()
            .take(WORDS)
            // Letters and digits only: nothing that LIKE would take for a pattern.
            .map(|run| {
                let start = if run.spaceless { "" } else { " " };
                format!("%{start}{}%", run.text)
            })
            .collect()
    }
}

async fn directory(client: &Client, ask: Directory) -> Answer {
    let (name, id) = ask.after()?;
    let patterns = ask.patterns();
    let likes: String = (0..patterns.len())
        .map(|at| format!(" AND r.words LIKE ${}", at + 7))
        .collect();
    let sql = format!(
        "SELECT {COLUMNS}, r.name_key FROM {TABLES} WHERE (r.access <> 'secret' OR $2 = 1 OR m.user_id IS NOT NULL \
         OR (p.role IS NOT NULL AND p.role <> '{DISMISSED}')) AND ($3 = '' OR r.category = $3) \
         AND (r.name_key, r.conversation) > ($4, $5){likes} ORDER BY r.name_key, r.conversation LIMIT $6"
    );
    let mut query = sqlx::query(AssertSqlSafe(sql))
        .bind(&client.user.id)
        .bind(i64::from(is_admin(client)))
        .bind(ask.category.as_deref().unwrap_or_default())
        .bind(name)
        .bind(id)
        .bind(i64::try_from(PAGE + 1).unwrap_or(i64::MAX));
    for pattern in patterns {
        query = query.bind(pattern);
    }
    let rows = query.fetch_all(client.companion.store.reader()).await?;
    let mut rooms = Vec::new();
    for row in &rows {
        let (room, key) = read_row(row, is_admin(client))?;
        rooms.push((room, key));
    }
    let more = rooms.len() > PAGE;
    rooms.truncate(PAGE);
    let next = rooms
        .last()
        .filter(|_| more)
        .map(|(room, key)| format!("{}:{key}", room.id));
    let rooms: Vec<Room> = rooms.into_iter().map(|(room, _)| room).collect();
    let mut answer = json!({ "rooms": rooms });
    if let (Some(next), Value::Object(fields)) = (next, &mut answer) {
        fields.insert("next".to_owned(), next.into());
    }
    Ok(answer)
}

/// A row of the directory, which has one column more than tuples are read of.
fn read_row(row: &sqlx::any::AnyRow, admin: bool) -> Result<(Room, String), sqlx::Error> {
    use sqlx::Row as _;
    let standing = Standing::new(
        (
            row.try_get(0)?,
            row.try_get(1)?,
            row.try_get(2)?,
            row.try_get(3)?,
            row.try_get(4)?,
            row.try_get(5)?,
            row.try_get(6)?,
            row.try_get(7)?,
            row.try_get(8)?,
            row.try_get(9)?,
        ),
        admin,
    );
    Ok((standing.room, row.try_get(10)?))
}
