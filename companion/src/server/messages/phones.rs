//! Calling a phone from the companion: `dial`.
//!
//! A conference is made and its maker comes into it by a link, as with `confer`; once they are there the phone is called into it.
//! Which numbers may be called the engine says; what became of a call shows in its conference. Nobody's number is in a log line.
#![expect(
    clippy::disallowed_types,
    reason = "a few calls of seconds; requests and the clock's task share them"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use serde_json::json;
use sqlx::AnyPool;

use super::calls::{link, refuse};
use crate::contacts::phone;
use crate::server::people::Role;
use crate::server::protocol::{Answer, Code, Refusal, message};
use crate::server::socket::Client;
use crate::server::store::StoreError;
use crate::server::{Companion, Occasion, clock};
use crate::text;

/// Whoever calls has this long to come into the conference.
const COMING: Duration = Duration::from_secs(60);
/// Calls of one user that wait for them to come.
const OF_ONE: usize = 3;
/// Calls that wait at once.
const WAITING: usize = 1_000;
/// Longest name, bytes.
const NAME: usize = 160;

/// One that waits until its caller is there.
struct Waiting {
    by: String,
    phone: String,
    name: Option<String>,
    since: Instant,
}

/// By conference. Cheap to clone.
#[derive(Clone, Default)]
pub(crate) struct Phones {
    waiting: Arc<Mutex<HashMap<String, Waiting>>>,
}

impl Phones {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Waiting>> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `dial`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Dial {
    phone: String,
    name: Option<String>,
}

pub(super) async fn dial(client: &mut Client, request: Dial) -> Answer {
    if client.user.role == Role::Guest {
        return Err(Refusal::forbidden("Guests call no phones."));
    }
    client.rate.take()?;
    let number = phone(&request.phone).map_err(|error| Refusal::bad(error.to_string()))?;
    let name = match request.name.as_deref().map(str::trim) {
        None | Some("") => None,
        Some(name) => Some(text::line(name, NAME)?),
    };
    let companion = &client.companion;
    companion.bridge.may_dial(&number).map_err(refuse)?;
    {
        let waiting = companion.phones.lock();
        let mine = waiting.values().filter(|one| one.by == client.user.id);
        if mine.count() >= OF_ONE || waiting.len() >= WAITING {
            return Err(Refusal::new(Code::TooMany, "Too many calls wait already."));
        }
    }
    // Whom somebody calls is their own affair, and others may see what a conference is called.
    let made = companion
        .bridge
        .make(&client.user.name, Occasion::Call)
        .await;
    let conference = made.map_err(refuse)?;
    keep(client, &number, name.as_deref()).await?;
    let link = link(client, &conference).await?;
    companion.phones.lock().insert(
        conference.clone(),
        Waiting {
            by: client.user.id.clone(),
            phone: number,
            name,
            since: clock::instant(),
        },
    );
    Ok(json!({"conference": conference, "link": link}))
}

/// The caller's history knows of it.
async fn keep(client: &Client, number: &str, name: Option<&str>) -> Result<(), Refusal> {
    let (user, number) = (client.user.id.clone(), number.to_owned());
    let name = name.unwrap_or_default().to_owned();
    let kept = client.companion.store.write(move |tx| {
        async move {
            sqlx::query(
                "INSERT INTO phone_calls (id, user_id, phone, name, ts) VALUES ($1, $2, $3, $4, $5)",
            )
            .bind(ulid::Ulid::new().to_string())
            .bind(user)
            .bind(number)
            .bind(name)
            .bind(clock::now_ms())
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    Ok(kept.await?)
}

/// One of them in the history.
#[derive(Debug, Serialize)]
pub(crate) struct PhoneCall {
    pub(crate) id: String,
    pub(crate) phone: String,
    pub(crate) name: String,
    /// Milliseconds since 1970.
    pub(crate) ts: i64,
}

/// Calls of `user` to phones with `after <= ts < before`, the newest first, `limit` at most.
///
/// # Errors
/// When the database fails.
pub(super) async fn made(
    reader: &AnyPool,
    user: &str,
    after: i64,
    before: i64,
    limit: i64,
) -> Result<Vec<PhoneCall>, StoreError> {
    let rows: Vec<(String, String, String, i64)> = sqlx::query_as(
        "SELECT id, phone, name, ts FROM phone_calls WHERE user_id = $1 AND ts >= $2 AND ts < $3 ORDER BY ts DESC LIMIT $4",
    )
    .bind(user.to_owned())
    .bind(after)
    .bind(before)
    .bind(limit)
    .fetch_all(reader)
    .await?;
    let told = rows.into_iter().map(|(id, phone, name, ts)| PhoneCall {
        id,
        phone,
        name,
        ts,
    });
    Ok(told.collect())
}

/// Calls the phones of those who have come, and forgets those who have not.
pub(super) async fn look(companion: &Companion) {
    let now = clock::instant();
    let waiting: Vec<(String, String)> = {
        let mut waiting = companion.phones.lock();
        waiting.retain(|_, one| now.saturating_duration_since(one.since) < COMING);
        let each = waiting.iter();
        each.map(|(conference, one)| (conference.clone(), one.by.clone()))
            .collect()
    };
    for (conference, by) in waiting {
        let present = companion.bridge.present(&conference).await;
        if present.is_some_and(|users| users.contains(&by)) {
            place(companion, &conference).await;
        }
    }
}

async fn place(companion: &Companion, conference: &str) {
    let Some(Waiting {
        by, phone, name, ..
    }) = companion.phones.lock().remove(conference)
    else {
        return;
    };
    let placed = companion
        .bridge
        .dial(conference, &phone, name.as_deref())
        .await;
    if let Err(error) = placed {
        let Refusal { code, detail, .. } = refuse(error);
        let told =
            json!({"conference": conference, "phone": phone, "code": code, "detail": detail});
        companion.hub.tell(&by, message("dial_over", told));
    }
}
