//! How far people have got: `read`, delivered, and that somebody types.
//!
//! Marks are gathered and told once in a second: a hundred people who get one message are one message to each, not a hundred.
//! Rooms have none, and where more than a hundred listen nobody is told: that would be everybody's marks to everybody.
#![expect(
    clippy::disallowed_types,
    reason = "every socket notes what it sent; a queue between would be longer than the table"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::{Value, json};
use sqlx::AssertSqlSafe;

use super::log::conversation;
use super::require_member;
use crate::server::Companion;
use crate::server::protocol::{Answer, message};
use crate::server::socket::Client;
use crate::server::store::{StoreError, Tx, places, power};

/// `read`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Read {
    conversation: String,
    seq: i64,
}

pub(super) async fn read(client: &Client, request: Read) -> Answer {
    require_member(client, &request.conversation)?;
    let (id, user, seq) = (
        request.conversation.clone(),
        client.user.id.clone(),
        request.seq,
    );
    let kept = client.companion.store.write(move |tx| {
        async move {
            // Never beyond what there is, never back.
            sqlx::query(
                "UPDATE members SET read_seq = (SELECT COALESCE(MAX(e.seq), 0) FROM events e WHERE e.conversation = $1 \
                 AND e.seq <= $3) WHERE conversation = $1 AND user_id = $2 AND read_seq < $3",
            )
            .bind(id)
            .bind(user)
            .bind(seq)
            .execute(tx.connection())
            .await?;
            Ok(())
        }
        .boxed()
    });
    kept.await?;
    let now = conversation(&client.companion, &client.user.id, &request.conversation).await?;
    let told = message(
        "read",
        json!({
            "conversation": request.conversation,
            "read_seq": now["read_seq"],
            "unread": now["unread"],
            "mentions": now["mentions"],
        }),
    );
    let hub = &client.companion.hub;
    hub.tell_others(&client.user.id, Some(client.outlet.id), told);
    // Others learn it by the next round of marks.
    let read_seq = now["read_seq"].as_i64().unwrap_or(0);
    delivered(
        &client.companion,
        &client.user.id,
        &request.conversation,
        read_seq,
    );
    Ok(json!({"unread": now["unread"], "mentions": now["mentions"]}))
}

/// Marks of one statement.
const ROWS: usize = 64;
/// Marks are told this often.
const PERIOD: Duration = Duration::from_secs(1);
/// Marks that wait; more are dropped, for the next ones say the same and more.
const WAITING: usize = 50_000;

/// Who has got how far since marks were last told. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Marks {
    waiting: Arc<Mutex<HashMap<(String, String), i64>>>,
}

impl Marks {
    fn note(&self, user: &str, conversation: &str, seq: i64) {
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if waiting.len() < WAITING {
            let mark = waiting
                .entry((conversation.to_owned(), user.to_owned()))
                .or_default();
            *mark = seq.max(*mark);
        }
    }

    fn take(&self) -> HashMap<(String, String), i64> {
        std::mem::take(&mut *self.waiting.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

/// Listeners of one conversation who are told of each other's marks.
const AUDIENCE: usize = 100;

/// `user`'s device was sent `conversation` up to `seq`.
pub(crate) fn delivered(companion: &Companion, user: &str, conversation: &str, seq: i64) {
    if companion.halls.kind(conversation).is_none() {
        companion.marks.note(user, conversation, seq);
    }
}

/// Keeps and tells marks, until the runtime ends.
pub(crate) async fn keep_marked(companion: Companion) {
    let mut round = tokio::time::interval(PERIOD);
    round.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        round.tick().await;
        let waiting = companion.marks.take();
        if waiting.is_empty() {
            continue;
        }
        match keep(&companion, waiting).await {
            Ok(told) => {
                for (conversation, marks) in told {
                    if companion.hub.audience(&conversation) > AUDIENCE {
                        continue;
                    }
                    let told = message(
                        "marks",
                        json!({"conversation": conversation, "marks": marks}),
                    );
                    companion.hub.tell_all(&conversation, None, told);
                }
            }
            // The next marks say the same and more.
            Err(error) => tracing::warn!(%error, "marks could not be kept"),
        }
    }
}

/// Keeps marks; gives those of each conversation.
async fn keep(
    companion: &Companion,
    waiting: HashMap<(String, String), i64>,
) -> Result<HashMap<String, Vec<Value>>, StoreError> {
    let waiting: Vec<((String, String), i64)> = waiting.into_iter().collect();
    companion
        .store
        .write(move |tx| {
            async move {
                let mut told: HashMap<String, Vec<Value>> = HashMap::new();
                for some in waiting.chunks(ROWS) {
                    let mut rest = some;
                    while let Some((chunk, after)) = power(rest) {
                        for (conversation, user, delivered, read) in update(tx, chunk).await? {
                            let mark = json!({"user": user, "delivered": delivered.max(read), "read": read});
                            told.entry(conversation).or_default().push(mark);
                        }
                        rest = after;
                    }
                }
                Ok(told)
            }
            .boxed()
        })
        .await
}

/// What is kept of a mark: conversation, user, delivered, read.
type Kept = (String, String, i64, i64);

async fn update(tx: &mut Tx, marks: &[((String, String), i64)]) -> Result<Vec<Kept>, StoreError> {
    let sql = format!(
        "UPDATE members SET delivered_seq = CASE WHEN members.delivered_seq < v.column3 THEN v.column3 \
         ELSE members.delivered_seq END FROM (VALUES {}) AS v \
         WHERE members.conversation = v.column1 AND members.user_id = v.column2 \
         RETURNING members.conversation, members.user_id, members.delivered_seq, members.read_seq",
        places(tx.dialect(), marks.len(), 3)
    );
    let mut query = sqlx::query_as::<_, Kept>(AssertSqlSafe(sql));
    for ((conversation, user), seq) in marks {
        query = query.bind(conversation).bind(user).bind(*seq);
    }
    Ok(query.fetch_all(tx.connection()).await?)
}

/// `typing`
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Typing {
    conversation: String,
}

pub(super) fn typing(client: &mut Client, request: &Typing) -> Answer {
    require_member(client, &request.conversation)?;
    if client.rate.may_type(&request.conversation) {
        let user = &client.user.id;
        let told = message(
            "typing",
            json!({"conversation": request.conversation, "user": user}),
        );
        client
            .companion
            .hub
            .tell_all(&request.conversation, Some(user), told);
    }
    Ok(json!({}))
}
