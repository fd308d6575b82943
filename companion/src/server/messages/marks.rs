//! How far people have got: `read`, delivered, and that somebody types.

use futures_util::FutureExt;
use serde::Deserialize;
use serde_json::json;

use super::log::conversation;
use super::require_member;
use crate::server::Companion;
use crate::server::protocol::{Answer, message};
use crate::server::socket::Client;

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
    Ok(json!({"unread": now["unread"], "mentions": now["mentions"]}))
}

/// `user`'s device was sent `conversation` up to `seq`.
pub(crate) fn delivered(_companion: &Companion, user: &str, conversation: &str, seq: i64) {
    tracing::trace!(user, conversation, seq, "delivered");
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
