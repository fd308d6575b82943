//! What a person says of themselves: written to the database, then to the board. Read back at the start.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::{Deserialize, Deserializer, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::mpsc;

use super::Presence;
use crate::presence::{Choice, Limits, Manual, Moment, OutOfOffice};
use crate::server::Companion;
use crate::server::protocol::{Answer, Code, Refusal};
use crate::server::socket::Client;
use crate::server::store::{Store, StoreError};
use crate::text;
use crate::visibility::{Level, Location, LocationKind};

/// Longest note and out-of-office text, bytes.
const MAX_TEXT: usize = 1_000;
/// Longest name of a place, bytes.
const MAX_PLACE: usize = 200;
/// Longest life of a choice, seconds: a year.
const MAX_LIFE_S: u64 = 366 * 24 * 3600;
/// Bounds of a person's own limits, seconds.
const IDLE_S: std::ops::RangeInclusive<u64> = 30..=172_800;
/// What a page may keep of its own, bytes of JSON.
const MAX_CLIENT: usize = 4096;

/// A person's settings, as in the database and on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub(crate) struct Settings {
    /// Inactive after this long without a touch.
    pub(crate) inactive_s: u64,
    /// Away after this long.
    pub(crate) away_s: u64,
    /// Presenting, or a full screen, is Do not disturb.
    pub(crate) presenting_is_dnd: bool,
    /// The public badge is shown.
    pub(crate) badge: bool,
    /// The page's own.
    pub(crate) client: Map<String, Value>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            inactive_s: 300,
            away_s: 900,
            presenting_is_dnd: true,
            badge: false,
            client: Map::new(),
        }
    }
}

impl Settings {
    const fn limits(&self) -> Limits {
        Limits {
            inactive: Duration::from_secs(self.inactive_s),
            away: Duration::from_secs(self.away_s),
            presenting_is_dnd: self.presenting_is_dnd,
        }
    }
}

/// Changes of [`Settings`].
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct SettingsChange {
    inactive_s: Option<u64>,
    away_s: Option<u64>,
    presenting_is_dnd: Option<bool>,
    badge: Option<bool>,
    client: Option<Map<String, Value>>,
}

/// The settings of `user`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn settings_of(store: &Store, user: &str) -> Result<Settings, StoreError> {
    let row: Option<(String,)> = sqlx::query_as("SELECT settings FROM presence WHERE user_id = $1")
        .bind(user.to_owned())
        .fetch_optional(store.reader())
        .await?;
    Ok(row.map(|(text,)| read_settings(&text)).unwrap_or_default())
}

fn read_settings(text: &str) -> Settings {
    // A key that an older version wrote and this one reads otherwise falls back to all defaults.
    serde_json::from_str(text).unwrap_or_default()
}

/// `settings`: changes some, answers all.
pub(super) async fn settings(client: &mut Client, change: SettingsChange) -> Answer {
    client.rate.take()?;
    let mut settings = settings_of(&client.companion.store, &client.user.id).await?;
    settings.inactive_s = change.inactive_s.unwrap_or(settings.inactive_s);
    settings.away_s = change.away_s.unwrap_or(settings.away_s);
    settings.presenting_is_dnd = change
        .presenting_is_dnd
        .unwrap_or(settings.presenting_is_dnd);
    settings.badge = change.badge.unwrap_or(settings.badge);
    settings.client = change.client.unwrap_or(settings.client);
    let both = [settings.inactive_s, settings.away_s];
    if !both.iter().all(|limit| IDLE_S.contains(limit)) || settings.inactive_s > settings.away_s {
        return Err(Refusal::bad(
            "inactive_s and away_s are 30 to 172800, the first at most the second.",
        ));
    }
    let text = written(&settings)?;
    if written(&settings.client)?.len() > MAX_CLIENT {
        return Err(Refusal::new(
            Code::TooLarge,
            "client is 4096 bytes at most.",
        ));
    }
    let user = client.user.id.clone();
    keep(
        client,
        "INSERT INTO presence (user_id, settings) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET settings = excluded.settings",
        vec![Some(text)],
    )
    .await?;
    let limits = settings.limits();
    client
        .companion
        .presence
        .board(|board, now| board.limits(now, &user, limits));
    client.companion.presence.set_badge(&user, settings.badge);
    Ok(json!({ "settings": settings }))
}

fn written(value: &impl Serialize) -> Result<String, Refusal> {
    serde_json::to_string(value).map_err(|error| Refusal::bad(error.to_string()))
}

/// A wish, or none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wish {
    choice: Option<Choice>,
    custom: Option<String>,
    life_s: Option<u64>,
}

/// `presence`: sets or clears the own wish.
pub(super) async fn choose(client: &mut Client, wish: Wish) -> Answer {
    client.rate.take()?;
    let presence = client.companion.presence.clone();
    let custom = match &wish.custom {
        None => None,
        Some(id) => Some(
            presence
                .custom()
                .iter()
                .find(|state| state.id == *id)
                .ok_or_else(|| Refusal::not_found("There is no such state."))?,
        ),
    };
    if wish
        .life_s
        .is_some_and(|life| life == 0 || life > MAX_LIFE_S)
    {
        return Err(Refusal::bad("life_s is 1 to 31622400."));
    }
    let choice = match (wish.choice, custom) {
        (Some(_), Some(_)) => return Err(Refusal::bad("Either choice or custom.")),
        (choice, custom) => choice.or(custom.map(|state| state.class)),
    };
    let now = presence.now();
    let manual = choice.map(|choice| Manual {
        choice,
        custom: custom.map(|state| state.id.as_str().into()),
        since: now,
        until: wish.life_s.map(|life| now.plus(Duration::from_secs(life))),
    });
    wished(&client.companion, &client.user.id, manual).await?;
    let viewer = super::viewer(&client.user);
    let seen = presence.look(|board, now| board.view(now, &client.user.id, &viewer));
    Ok(json!({ "presence": super::super::protocol::raw(seen.to_string()) }))
}

/// Keeps a wish and puts it on the board.
///
/// # Errors
/// When the database fails.
pub(crate) async fn wished(
    companion: &Companion,
    user: &str,
    manual: Option<Manual>,
) -> Result<(), StoreError> {
    write_wish(&companion.store, user.to_owned(), manual.clone()).await?;
    companion
        .presence
        .board(|board, now| board.choose(now, user, manual));
    Ok(())
}

/// Writes wishes that are on the board already, of users alone: the engine knows people by other keys, too.
pub(super) async fn keep_wishes(
    store: Store,
    mut wishes: mpsc::Receiver<(String, Option<Manual>)>,
) {
    while let Some((user, manual)) = wishes.recv().await {
        if let Err(error) = keep_wish(&store, user, manual).await {
            tracing::warn!(%error, "a wish was not written");
        }
    }
}

async fn keep_wish(store: &Store, user: String, manual: Option<Manual>) -> Result<(), StoreError> {
    let known: Option<(String,)> = sqlx::query_as("SELECT id FROM users WHERE id = $1")
        .bind(user.clone())
        .fetch_optional(store.reader())
        .await?;
    match known {
        Some(_) => write_wish(store, user, manual).await,
        None => Ok(()),
    }
}

async fn write_wish(store: &Store, key: String, row: Option<Manual>) -> Result<(), StoreError> {
    let kept = store.write(move |tx| {
        async move {
            let row = row.as_ref();
            sqlx::query(
                "INSERT INTO presence (user_id, choice, custom, choice_since, choice_until) VALUES ($1, $2, $3, $4, $5) \
                 ON CONFLICT (user_id) DO UPDATE SET choice = excluded.choice, custom = excluded.custom, \
                 choice_since = excluded.choice_since, choice_until = excluded.choice_until",
            )
            .bind(key)
            .bind(row.map(|row| row.choice.word()))
            .bind(row.and_then(|row| row.custom.as_deref()).map(str::to_owned))
            .bind(row.map(|row| row.since.ms()))
            .bind(row.and_then(|row| row.until).map(Moment::ms))
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    kept.await
}

/// A text; none or blank takes it away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Note {
    text: Option<String>,
}

fn short(text: Option<String>, limit: usize) -> Result<Option<String>, Refusal> {
    match text {
        Some(text) if !text.trim().is_empty() => {
            text::body(&text, limit)?;
            Ok(Some(text.trim().to_owned()))
        }
        _ => Ok(None),
    }
}

/// `note`.
pub(super) async fn note(client: &mut Client, note: Note) -> Answer {
    client.rate.take()?;
    let text = short(note.text, MAX_TEXT)?;
    keep(
        client,
        "INSERT INTO presence (user_id, note) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET note = excluded.note",
        vec![text.clone()],
    )
    .await?;
    let user = &client.user.id;
    let presence = &client.companion.presence;
    presence.board(|board, now| board.note(now, user, text));
    Ok(json!({}))
}

/// A place; no kind takes it away.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Place {
    text: Option<String>,
    kind: Option<LocationKind>,
    #[serde(default, rename = "for")]
    audience: Vec<Level>,
}

/// `location`.
pub(super) async fn location(client: &mut Client, place: Place) -> Answer {
    client.rate.take()?;
    let text = short(place.text, MAX_PLACE)?;
    if place.audience.len() > Level::ALL.len() || place.audience.contains(&Level::Blocked) {
        return Err(Refusal::bad(
            "for names levels: personal, team, company, public.",
        ));
    }
    let location = match (place.kind, text) {
        (None, None) => None,
        (kind, text) => Some(Location {
            kind: kind.unwrap_or(LocationKind::Other),
            text: text.unwrap_or_default(),
            audience: place.audience,
        }),
    };
    let row = location.as_ref().map(written).transpose()?;
    keep(
        client,
        "INSERT INTO presence (user_id, location) VALUES ($1, $2) \
         ON CONFLICT (user_id) DO UPDATE SET location = excluded.location",
        vec![row],
    )
    .await?;
    let user = &client.user.id;
    let presence = &client.companion.presence;
    presence.board(|board, now| board.location(now, user, location));
    Ok(json!({}))
}

/// Out of office; neither text nor end: back.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Absence {
    text: Option<String>,
    #[serde(default, deserialize_with = "time")]
    until: Option<Moment>,
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Moment>, D::Error> {
    let ms = Option::<i64>::deserialize(deserializer)?;
    Ok(ms.map(Moment::from_ms))
}

/// `out_of_office`.
pub(super) async fn out_of_office(client: &mut Client, absence: Absence) -> Answer {
    client.rate.take()?;
    let now = client.companion.presence.now();
    let given = absence.text.is_some() || absence.until.is_some();
    let text = short(absence.text, MAX_TEXT)?;
    if absence.until.is_some_and(|until| until <= now) {
        return Err(Refusal::bad("until has passed."));
    }
    let word = given.then(|| OutOfOffice {
        since: now,
        until: absence.until,
        text: text.map(Into::into),
    });
    let row = word.clone();
    let user = client.user.id.clone();
    let kept = client.companion.store.write(move |tx| {
        async move {
            let row = row.as_ref();
            sqlx::query(
                "INSERT INTO presence (user_id, oof_since, oof_until, oof_text) VALUES ($1, $2, $3, $4) \
                 ON CONFLICT (user_id) DO UPDATE SET oof_since = excluded.oof_since, oof_until = excluded.oof_until, \
                 oof_text = excluded.oof_text",
            )
            .bind(user)
            .bind(row.map(|row| row.since.ms()))
            .bind(row.and_then(|row| row.until).map(Moment::ms))
            .bind(row.and_then(|row| row.text.as_deref()).map(str::to_owned))
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    kept.await?;
    let user = &client.user.id;
    let presence = &client.companion.presence;
    presence.board(|board, now| board.out_of_office(now, user, word));
    Ok(json!({}))
}

/// Writes columns of the client's own row.
async fn keep(
    client: &Client,
    sql: &'static str,
    values: Vec<Option<String>>,
) -> Result<(), StoreError> {
    let user = client.user.id.clone();
    let kept = client.companion.store.write(move |tx| {
        async move {
            let query = sqlx::query(sql).bind(user);
            let query = values.into_iter().fold(query, sqlx::query::Query::bind);
            query.execute(tx.connection()).await?;
            Ok(())
        }
        .boxed()
    });
    kept.await
}

/// A row as it is read at the start.
type Row = (
    String,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    Option<String>,
    Option<i64>,
    Option<i64>,
    Option<String>,
    String,
);

/// Puts what people have said of themselves on the board; the house's states by id.
///
/// # Errors
/// When the database fails.
pub(crate) async fn load(store: &Store, presence: &Presence) -> Result<(), StoreError> {
    let rows: Vec<Row> = sqlx::query_as(
        "SELECT user_id, choice, custom, choice_since, choice_until, note, location, oof_since, oof_until, oof_text, \
         settings FROM presence",
    )
    .fetch_all(store.reader())
    .await?;
    let known: HashMap<&str, Choice> = presence
        .custom()
        .iter()
        .map(|state| (state.id.as_str(), state.class))
        .collect();
    for (user, choice, custom, since, until, note, location, oof_since, oof_until, oof, settings) in
        rows
    {
        // A state that the house has no more is no wish any more.
        let gone = custom.as_deref().is_some_and(|id| !known.contains_key(id));
        let manual = choice
            .and_then(|word| Choice::of(&word))
            .filter(|_| !gone)
            .map(|choice| Manual {
                choice,
                custom: custom.map(Arc::from),
                since: Moment::from_ms(since.unwrap_or(0)),
                until: until.map(Moment::from_ms),
            });
        let word = oof_since.map(|since| OutOfOffice {
            since: Moment::from_ms(since),
            until: oof_until.map(Moment::from_ms),
            text: oof.map(Arc::from),
        });
        let location = location.and_then(|text| serde_json::from_str(&text).ok());
        let settings = read_settings(&settings);
        presence.set_badge(&user, settings.badge);
        presence.board(|board, now| {
            board.limits(now, &user, settings.limits());
            board.choose(now, &user, manual);
            board.out_of_office(now, &user, word);
            board.note(now, &user, note);
            board.location(now, &user, location);
        });
    }
    Ok(())
}
