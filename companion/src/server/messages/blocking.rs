//! Nothing of whom a person has blocked reaches them: while that lasts they are no reader of the direct conversation of both.
//!
//! It is settled before the other says or does anything in it, and when either opens it, so that whatever makes somebody blocked
//! (a contact's level, a group's, a domain's) needs to know nothing of conversations. Whoever is blocked notices no difference.
#![expect(
    clippy::disallowed_types,
    reason = "looked up with each message; a task between would add a queue"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};

use futures_util::FutureExt;

use super::members::{announce, dismiss};
use crate::server::Companion;
use crate::server::people::User;
use crate::server::protocol::{Code, Refusal};
use crate::server::socket::Client;
use crate::server::store::StoreError;
use crate::visibility::Reach;

/// Conversations that are remembered.
const KNOWN: usize = 20_000;

/// A member of a direct conversation.
#[derive(Debug, Clone)]
struct Member {
    user: String,
    withheld: bool,
}

/// Who is in which direct conversation, and from whom it is withheld; of others that they are none. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Directs {
    known: Arc<Mutex<HashMap<String, Vec<Member>>>>,
}

impl Directs {
    fn get(&self, conversation: &str) -> Option<Vec<Member>> {
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.get(conversation).cloned()
    }

    fn keep(&self, conversation: &str, members: Vec<Member>) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= KNOWN {
            known.clear();
        }
        known.insert(conversation.to_owned(), members);
    }

    fn forget(&self, conversation: &str) {
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.remove(conversation);
    }
}

/// Before the client does anything in `conversation`: whether the other one hears of it. Whoever is not in it settles nothing.
///
/// # Errors
/// When the database fails.
pub(super) async fn settle(client: &Client, conversation: &str) -> Result<(), Refusal> {
    if !client
        .companion
        .hub
        .is_member(&client.user.id, conversation)
    {
        return Ok(());
    }
    settle_mine(client, conversation).await
}

/// Whether the other one hears of what the client, who is in it, does.
async fn settle_mine(client: &Client, conversation: &str) -> Result<(), Refusal> {
    let members = members(&client.companion, conversation).await?;
    let Some(other) = members.iter().find(|one| one.user != client.user.id) else {
        return Ok(());
    };
    withhold(&client.companion, conversation, &client.user, other).await
}

/// Refuses who wants to write to somebody whom they have blocked.
///
/// # Errors
/// `conflict` then, or `not_found`, or when the database fails.
pub(super) async fn require_unblocked(client: &Client, other: &str) -> Result<User, Refusal> {
    let companion = &client.companion;
    let Some(other) = companion.people.find(other).await? else {
        return Err(Refusal::not_found("There is no such user."));
    };
    if companion.reach(&other, &client.user.id) == Reach::Never {
        return Err(Refusal::new(
            Code::Conflict,
            "You have blocked them. Give them another level of access first.",
        ));
    }
    Ok(other)
}

/// When the client opens the direct `conversation` with `other`: both ways.
///
/// # Errors
/// When the database fails.
pub(super) async fn open(client: &Client, conversation: &str, other: &User) -> Result<(), Refusal> {
    let companion = &client.companion;
    let there = members(companion, conversation).await?;
    if let Some(me) = there.iter().find(|one| one.user == client.user.id) {
        withhold(companion, conversation, other, me).await?;
    }
    settle_mine(client, conversation).await
}

/// Makes `to` a reader of what `from` says, or none.
async fn withhold(
    companion: &Companion,
    conversation: &str,
    from: &User,
    to: &Member,
) -> Result<(), Refusal> {
    let withheld = companion.reach(from, &to.user) == Reach::Never;
    if withheld == to.withheld {
        return Ok(());
    }
    let (id, user) = (conversation.to_owned(), to.user.clone());
    let written = companion.store.write(move |tx| {
        async move {
            sqlx::query(
                "UPDATE members SET withheld = $3 WHERE conversation = $1 AND user_id = $2",
            )
            .bind(id)
            .bind(user)
            .bind(i64::from(withheld))
            .execute(tx.connection())
            .await?;
            Ok::<_, StoreError>(())
        }
        .boxed()
    });
    written.await?;
    // The other one may have been settled meanwhile.
    companion.directs.forget(conversation);
    if withheld {
        // Whoever never had the conversation has nothing to lose.
        if companion.hub.is_member(&to.user, conversation) {
            dismiss(companion, conversation, &to.user);
        }
        return Ok(());
    }
    announce(companion, conversation, std::slice::from_ref(&to.user)).await
}

/// Both who are in it; nobody when it is not direct.
async fn members(companion: &Companion, conversation: &str) -> Result<Vec<Member>, Refusal> {
    if let Some(known) = companion.directs.get(conversation) {
        return Ok(known);
    }
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT m.user_id, m.withheld FROM members m JOIN conversations c ON c.id = m.conversation \
         WHERE c.id = $1 AND c.kind = 'direct'",
    )
    .bind(conversation.to_owned())
    .fetch_all(companion.store.reader())
    .await?;
    let member = |(user, withheld)| Member {
        user,
        withheld: withheld != 0,
    };
    let members: Vec<Member> = rows.into_iter().map(member).collect();
    companion.directs.keep(conversation, members.clone());
    Ok(members)
}
