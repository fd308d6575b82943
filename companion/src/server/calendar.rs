//! Calendars in the shell: addresses that people give, read every five minutes, and what comes of them put on the board.
//!
//! What an entry means is `crate::calendar`'s; getting it, and from where nothing is got, is [`fetch`]'s. An address is a
//! secret of its owner: it reaches no log.

mod fetch;

use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, Semaphore};

pub use fetch::CalendarConfig;
use fetch::Fetcher;

use super::protocol::{Answer, Code, Refusal, parse};
use super::socket::Client;
use super::store::StoreError;
use super::{Companion, Role};
use crate::presence::Busy;

/// Requests that are answered here.
pub(crate) const KINDS: &[&str] = &["calendar"];
/// Longest address, bytes.
const MAX_URL: usize = 2_048;
/// Each is read this often.
const EVERY: Duration = Duration::from_secs(300);
/// Calendars that are got at once.
const AT_ONCE: usize = 4;

/// What the shell keeps of calendars.
#[derive(Debug)]
pub(crate) struct Calendars {
    fetcher: Fetcher,
    at_once: Arc<Semaphore>,
    /// An address is new: read it now.
    fresh: Notify,
}

impl Calendars {
    pub(crate) fn new(config: CalendarConfig) -> Self {
        Self {
            fetcher: Fetcher::new(config),
            at_once: Arc::new(Semaphore::new(AT_ONCE)),
            fresh: Notify::new(),
        }
    }
}

/// An address, or none.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Address {
    url: Option<String>,
}

/// Answers one of [`KINDS`].
///
/// # Errors
/// As docs/companion.md says.
pub(crate) async fn answer(client: &mut Client, _kind: &str, body: Map<String, Value>) -> Answer {
    client.rate.take()?;
    if !matches!(client.user.role, Role::User | Role::Admin) {
        return Err(Refusal::forbidden("Guests and programs have no calendar."));
    }
    let Address { url } = parse(body)?;
    let url = url
        .map(|url| url.trim().to_owned())
        .filter(|url| !url.is_empty());
    if url.as_ref().is_some_and(|url| url.len() > MAX_URL) {
        return Err(Refusal::new(
            Code::TooLarge,
            "An address is 2048 bytes at most.",
        ));
    }
    // The form that Apple and Google show.
    let url = url.map(|url| match url.strip_prefix("webcal://") {
        Some(rest) => format!("https://{rest}"),
        None => url,
    });
    if url.as_deref().is_some_and(|url| !fetch::is_address(url)) {
        return Err(Refusal::bad("url is an https:// or http:// address."));
    }
    let companion = &client.companion;
    let user = client.user.id.clone();
    let row = (user.clone(), url.clone());
    let kept = companion.store.write(move |tx| {
        async move {
            sqlx::query(
                "INSERT INTO presence (user_id, calendar) VALUES ($1, $2) \
                 ON CONFLICT (user_id) DO UPDATE SET calendar = excluded.calendar",
            )
            .bind(row.0)
            .bind(row.1)
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    kept.await?;
    match url {
        Some(_) => companion.calendars.fresh.notify_one(),
        None => put(companion, &user, Vec::new()),
    }
    Ok(json!({}))
}

fn put(companion: &Companion, user: &str, busy: Vec<Busy>) {
    companion
        .presence
        .board(|board, now| board.calendar(now, user, busy.into()));
}

/// Reads all calendars, again and again; ends with the runtime.
pub(crate) async fn run(companion: Companion) {
    loop {
        if let Err(error) = round(&companion).await {
            tracing::warn!(%error, "calendars could not be looked up");
        }
        // Woken or not: all are read anew, an address that has just come among them.
        let _ = tokio::time::timeout(EVERY, companion.calendars.fresh.notified()).await;
    }
}

async fn round(companion: &Companion) -> Result<(), StoreError> {
    let rows: Vec<(String, String)> = sqlx::query_as(
        "SELECT user_id, calendar FROM presence WHERE calendar IS NOT NULL ORDER BY user_id",
    )
    .fetch_all(companion.store.reader())
    .await?;
    let mut running = tokio::task::JoinSet::new();
    for (user, url) in rows {
        let Ok(permit) = Arc::clone(&companion.calendars.at_once)
            .acquire_owned()
            .await
        else {
            break;
        };
        let companion = companion.clone();
        running.spawn(async move {
            let now = companion.presence.now();
            match companion.calendars.fetcher.busy(&url, now).await {
                Ok(busy) => put(&companion, &user, busy),
                // What was read before stands: its times are absolute.
                Err(error) => tracing::debug!(%error, "a calendar was not read"),
            }
            drop(permit);
        });
    }
    while running.join_next().await.is_some() {}
    Ok(())
}
