//! From a conversation to a conference: `confer`, `decline`, ringing, what the log says of it.
//!
//! A conversation has one conference at a time. It rings until somebody answers, declines or the time is over; when it has ended
//! the log says who missed it. Knows of the engine only what [`crate::server::Bridge`] tells.
#![expect(
    clippy::disallowed_types,
    reason = "a few calls of seconds; requests and the clock's task share them"
)]

use std::collections::{BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::members::{kind_of, members, note};
use super::{phones, require_member};
use crate::server::protocol::{Answer, Code, Kind, Refusal, message};
use crate::server::socket::Client;
use crate::server::store::StoreError;
use crate::server::{BridgeError, Companion, Occasion, clock};
use crate::visibility::Reach;

/// How often calls are looked at.
const PERIOD: Duration = Duration::from_secs(1);
/// A call rings this long.
const RING: Duration = Duration::from_secs(45);
/// Whoever calls has this long to come into the conference.
const COMING: Duration = Duration::from_secs(60);
/// Conversations that call at once.
const CALLS: usize = 10_000;
/// So many of those who were in a conference the log names.
const TOLD: usize = 100;

/// What a conference is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Media {
    Audio,
    Video,
    Share,
}

/// One that runs or rings.
#[derive(Debug)]
struct Call {
    conference: String,
    by: String,
    media: Vec<Media>,
    since: Instant,
    /// Those whose devices ring.
    ringing: BTreeSet<String>,
    /// Those who have not come, so far.
    missed: BTreeSet<String>,
    /// Those who were in it, [`TOLD`] at most.
    came: BTreeSet<String>,
    /// Somebody has been in it.
    has_run: bool,
}

/// What is looked at each second, without who is called and who came.
struct Glance {
    conference: String,
    by: String,
    since: Instant,
    has_run: bool,
}

impl Call {
    fn glance(&self) -> Glance {
        Glance {
            conference: self.conference.clone(),
            by: self.by.clone(),
            since: self.since,
            has_run: self.has_run,
        }
    }
}

/// Calls of all conversations. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Calls {
    open: Arc<Mutex<HashMap<String, Call>>>,
}

impl Calls {
    fn lock(&self) -> MutexGuard<'_, HashMap<String, Call>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// `confer`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Confer {
    conversation: String,
    media: Vec<Media>,
}

pub(super) async fn confer(client: &mut Client, request: Confer) -> Answer {
    let Confer {
        conversation,
        media,
    } = request;
    require_member(client, &conversation)?;
    if media.is_empty() || media.len() > 3 {
        return Err(Refusal::bad("A conference has media: audio, video, share."));
    }
    client.rate.take()?;
    let open = client
        .companion
        .calls
        .lock()
        .get(&conversation)
        .map(|call| call.conference.clone());
    if let Some(conference) = open {
        answered(&client.companion, &conversation, &client.user.id);
        let link = link(client, &conference).await?;
        return Ok(json!({"conference": conference, "link": link}));
    }
    begin(client, conversation, media).await
}

/// Makes the conference and rings the others.
async fn begin(client: &Client, conversation: String, media: Vec<Media>) -> Answer {
    let companion = &client.companion;
    let me = &client.user;
    let (kind, subject) = kind_of(companion, &conversation).await?;
    let people = members(companion, &conversation).await?;
    let title = if subject.is_empty() {
        &me.name
    } else {
        &subject
    };
    let occasion = match kind.as_str() {
        "room" => Occasion::Room,
        _ => Occasion::Call,
    };
    let made = companion.bridge.make(title, occasion).await;
    let conference = made.map_err(refuse)?;
    // A room's people are not called together: who is there sees it in the log.
    let called: BTreeSet<String> = if kind == "room" {
        BTreeSet::new()
    } else {
        people.into_iter().filter(|user| *user != me.id).collect()
    };
    // Whoever is not to be disturbed, or has blocked the caller, hears nothing of it now.
    let rung: BTreeSet<String> = called
        .iter()
        .filter(|user| companion.reach(me, user) == Reach::Now)
        .cloned()
        .collect();
    let call = Call {
        conference: conference.clone(),
        by: me.id.clone(),
        media: media.clone(),
        since: clock::instant(),
        ringing: rung.clone(),
        missed: called,
        came: BTreeSet::new(),
        has_run: false,
    };
    // Two at once: the first makes it.
    let first = {
        let mut open = companion.calls.lock();
        if open.len() >= CALLS {
            return Err(Refusal::new(Code::Unavailable, "Too many call at once."));
        }
        match open.get(&conversation) {
            Some(call) => Some(call.conference.clone()),
            None => {
                open.insert(conversation.clone(), call);
                None
            }
        }
    };
    if let Some(conference) = first {
        let link = link(client, &conference).await?;
        return Ok(json!({"conference": conference, "link": link}));
    }
    let body = json!({"conference": conference, "media": media, "state": "started"});
    let said = companion
        .store
        .append(note(&conversation, &me.id, Kind::Call, &body))
        .await;
    if let Err(error) = said {
        companion.calls.lock().remove(&conversation);
        return Err(error.into());
    }
    for user in &rung {
        ring(client, user, &conversation, &subject, &conference, &media).await;
    }
    let link = link(client, &conference).await?;
    Ok(json!({"conference": conference, "link": link}))
}

async fn ring(
    client: &Client,
    user: &str,
    conversation: &str,
    subject: &str,
    conference: &str,
    media: &[Media],
) {
    let companion = &client.companion;
    if !companion.hub.is_connected(user) {
        return;
    }
    let user = match companion.people.find(user).await {
        Ok(Some(user)) => user,
        Ok(None) | Err(_) => return,
    };
    match companion.bridge.link(conference, &user).await {
        Ok(link) => companion.hub.tell(
            &user.id,
            message(
                "ring",
                json!({"conversation": conversation, "from": client.user.id, "subject": subject, "media": media,
                    "conference": conference, "link": link}),
            ),
        ),
        Err(error) => tracing::warn!(%error, "somebody could not be rung"),
    }
}

/// A link of the client's own into `conference`.
pub(super) async fn link(client: &Client, conference: &str) -> Result<String, Refusal> {
    let link = client.companion.bridge.link(conference, &client.user);
    link.await.map_err(refuse)
}

/// Why the engine does not do it.
pub(super) fn refuse(error: BridgeError) -> Refusal {
    match error {
        BridgeError::Refused(why) => Refusal::new(Code::Forbidden, why),
        BridgeError::Gone => Refusal::not_found("There is no such conference any more."),
        BridgeError::Unavailable(why) => Refusal::new(Code::Unavailable, why),
    }
}

/// What the log tells of a call.
#[derive(Deserialize)]
struct Said {
    conference: String,
    media: Vec<Media>,
}

/// Takes up calls that had not ended when the server did: whoever was in them has [`COMING`] to come back, then they end.
///
/// # Errors
/// When the database fails.
pub(crate) async fn reopen_calls(companion: &Companion) -> Result<(), StoreError> {
    let rows: Vec<(String, String, String)> = sqlx::query_as(
        "SELECT e.conversation, e.sender, e.body FROM events e WHERE e.kind = 'call' AND e.body LIKE '%\"state\":\"started\"%' \
         AND e.seq = (SELECT MAX(x.seq) FROM events x WHERE x.kind = 'call' AND x.conversation = e.conversation) LIMIT $1",
    )
    .bind(i64::try_from(CALLS).unwrap_or(i64::MAX))
    .fetch_all(companion.store.reader())
    .await?;
    for (conversation, by, body) in rows {
        let Ok(Said { conference, media }) = serde_json::from_str(&body) else {
            continue;
        };
        let call = Call {
            conference,
            by,
            media,
            since: clock::instant(),
            ringing: BTreeSet::new(),
            missed: BTreeSet::new(),
            came: BTreeSet::new(),
            has_run: false,
        };
        companion.calls.lock().insert(conversation, call);
    }
    Ok(())
}

/// `decline`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Decline {
    conversation: String,
    conference: String,
}

pub(super) fn decline(client: &Client, request: &Decline) -> Answer {
    require_member(client, &request.conversation)?;
    let me = &client.user.id;
    let by = {
        let mut open = client.companion.calls.lock();
        let call = open
            .get_mut(&request.conversation)
            .filter(|call| call.conference == request.conference);
        call.and_then(|call| {
            call.missed.remove(me);
            call.ringing.remove(me).then(|| call.by.clone())
        })
    };
    if let Some(by) = by {
        let told = over(&request.conversation, &request.conference, "declined", me);
        client.companion.hub.tell(me, told.clone());
        client.companion.hub.tell(&by, told);
    }
    Ok(json!({}))
}

fn over(
    conversation: &str,
    conference: &str,
    reason: &str,
    user: &str,
) -> axum::extract::ws::Utf8Bytes {
    message(
        "ring_over",
        json!({"conversation": conversation, "conference": conference, "reason": reason, "user": user}),
    )
}

/// `user` comes: their devices stop ringing.
fn answered(companion: &Companion, conversation: &str, user: &str) {
    let conference = {
        let mut open = companion.calls.lock();
        open.get_mut(conversation).and_then(|call| {
            call.missed.remove(user);
            call.ringing.remove(user).then(|| call.conference.clone())
        })
    };
    if let Some(conference) = conference {
        let told = over(conversation, &conference, "answered", user);
        companion.hub.tell(user, told);
    }
}

/// Looks after calls, until the runtime ends.
pub(crate) async fn keep_called(companion: Companion) {
    let mut round = tokio::time::interval(PERIOD);
    loop {
        round.tick().await;
        let open: Vec<(String, Glance)> = companion
            .calls
            .lock()
            .iter()
            .map(|(id, call)| (id.clone(), call.glance()))
            .collect();
        for (conversation, call) in open {
            look(&companion, &conversation, call).await;
        }
        phones::look(&companion).await;
    }
}

/// What has become of one call.
async fn look(companion: &Companion, conversation: &str, call: Glance) {
    let present = companion.bridge.present(&call.conference).await;
    for user in present.iter().flatten() {
        answered(companion, conversation, user);
    }
    let age = clock::instant().saturating_duration_since(call.since);
    if age >= RING {
        for user in stop_ringing(companion, conversation) {
            let told = over(conversation, &call.conference, "missed", &user);
            companion.hub.tell(&user, told.clone());
            companion.hub.tell(&call.by, told);
        }
    }
    if let Some(present) = present {
        if let Some(call) = companion.calls.lock().get_mut(conversation) {
            call.has_run = true;
            for user in present {
                if call.came.len() >= TOLD {
                    break;
                }
                call.came.insert(user);
            }
        }
        return;
    }
    if call.has_run || age >= COMING {
        end(companion, conversation).await;
    }
}

/// Those who rang until now.
fn stop_ringing(companion: &Companion, conversation: &str) -> BTreeSet<String> {
    let mut open = companion.calls.lock();
    let call = open.get_mut(conversation);
    call.map_or_else(BTreeSet::new, |call| std::mem::take(&mut call.ringing))
}

/// The call is over: the log says so, and who missed it.
async fn end(companion: &Companion, conversation: &str) {
    let Some(call) = companion.calls.lock().remove(conversation) else {
        return;
    };
    for user in &call.ringing {
        let told = over(conversation, &call.conference, "ended", user);
        companion.hub.tell(user, told);
    }
    let mut body = json!({"conference": call.conference, "media": call.media, "state": "ended"});
    if let Value::Object(fields) = &mut body {
        for (key, users) in [("missed", &call.missed), ("users", &call.came)] {
            if !users.is_empty() {
                fields.insert(key.to_owned(), json!(users));
            }
        }
    }
    let said = companion
        .store
        .append(note(conversation, &call.by, Kind::Call, &body))
        .await;
    if let Err(error) = said {
        tracing::warn!(%error, "the end of a call is not in the log");
    }
}
