//! Sockets and the board: leases, whom a socket watches, and what it asks about people.

use std::sync::Arc;

use serde::Deserialize;
use serde_json::value::RawValue;
use serde_json::{Map, Value, json};

use super::{Directory, seen_user, viewer};
use crate::contacts::{MAX_HITS, MAX_QUERY};
use crate::presence::board::{Alive, Reason, Viewer};
use crate::presence::{BusyKind, DeviceKind, Manual, Moment, State};
use crate::server::hub::SIGNED_OUT;
use crate::server::people::{Role, User};
use crate::server::protocol::{Answer, Code, Refusal, raw};
use crate::server::socket::{Client, Device, Hello};
use crate::server::{Companion, contacts, lists};
use crate::visibility::{Field, Level, Seen, sees};

/// People whom a socket watches beside its contacts.
const MAX_WATCHED: usize = 200;
/// How far a schedule reaches.
const SCHEDULE_MS: i64 = 14 * 24 * 3600 * 1000;

/// A socket said hello: its device is there, and it watches itself and its contacts. Gives what `done` says.
///
/// # Errors
/// When the database fails.
async fn come(client: &Client, hello: &Hello) -> Result<Vec<Arc<str>>, Refusal> {
    let presence = &client.companion.presence;
    let user = &client.user.id;
    if hello.appear_offline {
        let manual = Manual {
            choice: crate::presence::Choice::AppearOffline,
            custom: None,
            since: presence.now(),
            until: None,
        };
        super::own::wished(&client.companion, user, Some(manual)).await?;
    }
    let contacts = contacts::watched(&client.companion.store, user).await?;
    let id = client.outlet.id;
    presence.with(|state| {
        state.outlets.insert(id, client.outlet.clone());
    });
    Ok(presence.board(|board, now| {
        board.come(id, viewer(&client.user));
        let alive = Alive {
            kind: kind(client.device),
            active: false,
            full_screen: false,
        };
        board.alive(now, user, id, alive);
        let own = board.watch(now, id, user, Reason::Contact);
        let others = contacts.iter().filter_map(|contact| {
            let seen = board.watch(now, id, &contact.user, Reason::Contact);
            if contact.tagged {
                board.watch(now, id, &contact.user, Reason::Tagged);
            }
            seen
        });
        own.into_iter().chain(others.collect::<Vec<_>>()).collect()
    }))
}

/// What hello's answer says of people: contacts, presences, the own settings, the house's states, and who is who.
///
/// # Errors
/// When the database fails.
pub(crate) async fn greeting(
    client: &Client,
    hello: &Hello,
) -> Result<Map<String, Value>, Refusal> {
    let store = &client.companion.store;
    let seen = come(client, hello).await?;
    let known = contacts::known(client).await?;
    let directory = client.companion.directories.holding(store, &known).await?;
    let known: Vec<_> = known.iter().filter_map(|id| directory.get(id)).collect();
    let settings = super::settings_of(store, &client.user.id).await?;
    let greeting = json!({
        "contacts": contacts::contacts(client).await?,
        "presence": raws(&seen),
        "settings": settings,
        "custom_states": client.companion.presence.custom(),
        "users": users_of(client, &known),
    });
    match greeting {
        Value::Object(fields) => Ok(fields),
        _ => Ok(Map::new()),
    }
}

/// A socket is gone; its device has signed out, or is believed a while longer.
pub(crate) fn go(client: &Client) {
    let signed_out = *client.outlet.closing().borrow() == Some(SIGNED_OUT);
    let id = client.outlet.id;
    client.companion.presence.with(|state| {
        state.outlets.remove(&id);
    });
    client.companion.presence.board(|board, now| {
        board.go(id);
        match signed_out {
            true => board.sign_out(now, &client.user.id, id),
            false => board.lost(now, &client.user.id, id),
        }
    });
}

const fn kind(device: Device) -> DeviceKind {
    match device {
        Device::Browser => DeviceKind::Browser,
        Device::Mobile => DeviceKind::Mobile,
        Device::Phone => DeviceKind::Phone,
    }
}

/// A lease renewed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Lease {
    active: bool,
    #[serde(default)]
    full_screen: bool,
}

/// `alive`.
pub(super) fn alive(client: &Client, lease: &Lease) -> Value {
    let alive = Alive {
        kind: kind(client.device),
        active: lease.active,
        full_screen: lease.full_screen,
    };
    let presence = &client.companion.presence;
    presence.board(|board, now| board.alive(now, &client.user.id, client.outlet.id, alive));
    json!({})
}

/// Whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Users {
    users: Vec<String>,
}

/// `watch`.
pub(super) async fn watch(client: &Client, Users { users }: Users) -> Answer {
    let directory = whom(client, &users).await?;
    let presence = &client.companion.presence;
    let id = client.outlet.id;
    let fresh = users
        .iter()
        .collect::<std::collections::BTreeSet<_>>()
        .len();
    if presence.look(|board, _| board.watched(id, Reason::Asked)) + fresh > MAX_WATCHED {
        return Err(Refusal::new(
            Code::TooMany,
            "At most 200 people are watched beside contacts.",
        ));
    }
    let seen = presence.board(|board, now| {
        let one = |user: &String| match directory.get(user) {
            Some(_) => board.watch(now, id, user, Reason::Asked),
            None => Some(unknown(user)),
        };
        users.iter().filter_map(one).collect::<Vec<_>>()
    });
    Ok(json!({ "presence": raws(&seen) }))
}

/// `unwatch`.
pub(super) fn unwatch(client: &Client, Users { users }: Users) -> Value {
    let id = client.outlet.id;
    client.companion.presence.board(|board, _| {
        for user in users.iter().take(MAX_WATCHED) {
            board.unwatch(id, user, Reason::Asked);
        }
    });
    json!({})
}

/// Somebody who is not a user of this server.
fn unknown(user: &str) -> Arc<str> {
    let mut seen = serde_json::to_value(Seen::only(State::Unknown)).unwrap_or_default();
    if let Value::Object(fields) = &mut seen {
        fields.insert("user".to_owned(), user.into());
    }
    seen.to_string().into()
}

pub(crate) fn raws(presence: &[Arc<str>]) -> Vec<Box<RawValue>> {
    presence.iter().map(|text| raw(text.to_string())).collect()
}

/// Refuses whom the client may not ask about; gives everybody.
async fn whom(client: &Client, users: &[String]) -> Result<Arc<Directory>, Refusal> {
    if users.len() > MAX_WATCHED || users.iter().any(|user| user.len() > crate::text::ID) {
        return Err(Refusal::new(Code::TooMany, "At most 200 people at once."));
    }
    if client.user.role == Role::Guest {
        let members = guests_see(&client.companion, &client.user).await?;
        if !users.iter().all(|user| members.contains(user)) {
            return Err(Refusal::not_found("There is no such person."));
        }
    }
    let directories = &client.companion.directories;
    Ok(directories.holding(&client.companion.store, users).await?)
}

/// Whom a guest knows: the members of their one conversation.
async fn guests_see(companion: &Companion, guest: &User) -> Result<Vec<String>, Refusal> {
    let Some(conversation) = guest.guest_of.clone() else {
        return Ok(Vec::new());
    };
    let rows: Vec<(String,)> =
        sqlx::query_as("SELECT user_id FROM members WHERE conversation = $1")
            .bind(conversation)
            .fetch_all(companion.store.reader())
            .await?;
    Ok(rows.into_iter().map(|(user,)| user).collect())
}

/// `users`.
pub(super) async fn users(client: &Client, Users { users }: Users) -> Answer {
    let directory = whom(client, &users).await?;
    let found = users.iter().filter_map(|user| directory.get(user));
    let found: Vec<_> = found.collect();
    Ok(json!({
        "users": users_of(client, &found),
        "presence": raws(&presences(client, &found)),
    }))
}

/// What the client sees of them, as `User`s.
pub(crate) fn users_of(client: &Client, users: &[&User]) -> Vec<Value> {
    let viewer = viewer(&client.user);
    let level = |user: &User| level(client, &viewer, &user.id);
    users
        .iter()
        .map(|user| seen_user(user, level(user)))
        .collect()
}

/// What the client sees of them, as `Presence`s.
pub(crate) fn presences(client: &Client, users: &[&User]) -> Vec<Arc<str>> {
    let viewer = viewer(&client.user);
    client.companion.presence.look(|board, now| {
        let seen = |user: &&User| board.view(now, &user.id, &viewer);
        users.iter().map(seen).collect()
    })
}

fn level(client: &Client, viewer: &Viewer, user: &str) -> Level {
    if user == client.user.id {
        return Level::Personal;
    }
    let presence = &client.companion.presence;
    presence.look(|board, _| board.level(user, viewer))
}

/// What was typed.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Search {
    query: String,
    limit: Option<usize>,
}

/// `people`.
pub(super) async fn people(client: &Client, search: Search) -> Answer {
    if !super::directory::is_colleague(&client.user) {
        return Err(Refusal::forbidden("Guests and programs search nobody."));
    }
    if search.query.len() > MAX_QUERY {
        return Err(Refusal::new(
            Code::TooLarge,
            "A query is 200 bytes at most.",
        ));
    }
    let directories = &client.companion.directories;
    let directory = directories.latest(&client.companion.store).await?;
    let viewer = viewer(&client.user);
    let limit = search.limit.unwrap_or(MAX_HITS);
    let found = directory.search(&search.query, limit, |user| {
        sees(level(client, &viewer, user), Field::Profile)
    });
    Ok(json!({
        "people": users_of(client, &found),
        "presence": raws(&presences(client, &found)),
        "lists": lists::search(client, &search.query).await?,
    }))
}

/// Those of `ids` who are known, as the client sees them.
///
/// # Errors
/// When the database fails.
pub(crate) async fn people_of(client: &Client, ids: &[String]) -> Answer {
    let directories = &client.companion.directories;
    let directory = directories.holding(&client.companion.store, ids).await?;
    let found: Vec<_> = ids.iter().filter_map(|id| directory.get(id)).collect();
    Ok(json!({
        "people": users_of(client, &found),
        "presence": raws(&presences(client, &found)),
    }))
}

/// Of whom.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Card {
    user: String,
}

/// `card`.
pub(super) async fn card(client: &Client, Card { user }: Card) -> Answer {
    let one = [user];
    let directory = whom(client, &one).await?;
    let [user] = one;
    let Some(whose) = directory.get(&user) else {
        return Err(Refusal::not_found("There is no such person."));
    };
    let theirs = level(client, &viewer(&client.user), &user);
    let mine = client
        .companion
        .presence
        .look(|board, _| board.level(&client.user.id, &viewer(whose)));
    let mut card = json!({
        "user": seen_user(whose, theirs),
        "presence": raws(&presences(client, &[whose])).pop(),
        "level": mine,
    });
    if let (Some(busy), Value::Object(fields)) = (free_busy(client, &user, theirs), &mut card) {
        fields.insert("free_busy".to_owned(), busy.into());
    }
    Ok(card)
}

/// The calendar as `level` sees it. Of an offline person the levels that people have by default see nothing, as of one who
/// blocked them.
fn free_busy(client: &Client, user: &str, level: Level) -> Option<Vec<Value>> {
    let presence = &client.companion.presence;
    let (state, busy, now) =
        presence.look(|board, now| (board.state(now, user), board.busy(user), now));
    let hidden = state == State::Offline && !sees(level, Field::NoteWhileOffline);
    if hidden || !sees(level, Field::FreeBusyNow) {
        return None;
    }
    let all = sees(level, Field::Schedule);
    let last = Moment::from_ms(now.ms().saturating_add(SCHEDULE_MS));
    let shown = busy
        .iter()
        .filter(|busy| busy.until > now && busy.from < last && (all || busy.from <= now))
        .map(|busy| {
            let kind: BusyKind = busy.kind;
            let mut interval = json!({"kind": kind});
            if let (true, Value::Object(fields)) = (all, &mut interval) {
                fields.insert("from".to_owned(), busy.from.ms().into());
                fields.insert("until".to_owned(), busy.until.ms().into());
                if let Some(subject) = busy.subject.as_deref() {
                    fields.insert("subject".to_owned(), subject.into());
                }
            }
            interval
        });
    Some(shown.collect())
}
