//! Contacts in the shell: a person's list, its groups, the levels given to others; told to all devices of that person.
//!
//! Rules are `crate::contacts`'. Calling a number is the page's: it dials by the conference it makes, see docs/companion.md.

mod change;
mod list;

use std::collections::BTreeSet;

use serde_json::{Map, Value, json};

pub(crate) use list::{List, Watched, watched};

use super::Companion;
use super::presence::Presence;
use super::protocol::{Answer, Refusal, message, parse};
use super::socket::Client;
use super::store::{Store, StoreError};
use crate::presence::board::Reason;

/// Requests that are answered here.
pub(crate) const KINDS: &[&str] = &[
    "contact_set",
    "contact_remove",
    "group_set",
    "group_remove",
    "level_set",
];
/// People whom hello names beside contacts: members of conversations.
const MAX_KNOWN: i64 = 2_000;

/// Answers one of [`KINDS`].
///
/// # Errors
/// As docs/companion.md says.
pub(crate) async fn answer(client: &mut Client, kind: &str, body: Map<String, Value>) -> Answer {
    client.rate.take()?;
    if !matches!(client.user.role, super::Role::User | super::Role::Admin) {
        return Err(Refusal::forbidden("Guests and programs have no contacts."));
    }
    let before = watched(&client.companion.store, &client.user.id).await?;
    let done = match kind {
        "contact_set" => change::contact_set(client, parse(body)?).await,
        "contact_remove" => change::contact_remove(client, parse(body)?).await,
        "group_set" => change::group_set(client, parse(body)?).await,
        "group_remove" => change::group_remove(client, parse(body)?).await,
        "level_set" => change::level_set(client, parse(body)?).await,
        _ => Err(Refusal::bad("There is no request of this type.")),
    }?;
    changed(&client.companion, &client.user.id, &before).await?;
    Ok(done)
}

/// All devices get the list, watch who is new in it, and everybody sees as much as they now may.
async fn changed(companion: &Companion, owner: &str, before: &[Watched]) -> Result<(), Refusal> {
    let list = List::read(&companion.store, owner).await?;
    let after = list.watched();
    let rules = list.rules();
    let fresh = companion.presence.board(|board, now| {
        let mut fresh = Vec::new();
        board.rules(now, owner, rules);
        for socket in board.sockets(owner) {
            let known: BTreeSet<&str> = before.iter().map(|one| one.user.as_str()).collect();
            let mut kept = BTreeSet::new();
            for contact in &after {
                kept.insert(contact.user.as_str());
                let seen = board.watch(now, socket, &contact.user, Reason::Contact);
                match contact.tagged {
                    true => drop(board.watch(now, socket, &contact.user, Reason::Tagged)),
                    false => board.unwatch(socket, &contact.user, Reason::Tagged),
                }
                if !known.contains(contact.user.as_str()) {
                    fresh.extend(seen.map(|seen| (socket, seen)));
                }
            }
            for gone in before
                .iter()
                .filter(|one| !kept.contains(one.user.as_str()))
            {
                board.unwatch(socket, &gone.user, Reason::Tagged);
                board.unwatch(socket, &gone.user, Reason::Contact);
            }
        }
        fresh
    });
    for (socket, seen) in fresh {
        companion.presence.send(socket, &[seen]);
    }
    let told = json!({"contacts": list.wire(&companion.store, owner).await?});
    companion.hub.tell(owner, message("contacts", told));
    Ok(())
}

/// The client's list, as on the wire.
///
/// # Errors
/// When the database fails.
pub(crate) async fn contacts(client: &Client) -> Answer {
    let store = &client.companion.store;
    let list = List::read(store, &client.user.id).await?;
    Ok(list.wire(store, &client.user.id).await?)
}

/// Everybody whom the client's page has to name from the beginning: contacts, and members of direct and group conversations.
///
/// # Errors
/// When the database fails.
pub(crate) async fn known(client: &Client) -> Result<Vec<String>, Refusal> {
    let store = &client.companion.store;
    let rows: Vec<(String,)> = sqlx::query_as(
        "SELECT DISTINCT other.user_id FROM members own \
         JOIN conversations c ON c.id = own.conversation AND c.kind <> 'room' \
         JOIN members other ON other.conversation = own.conversation WHERE own.user_id = $1 LIMIT $2",
    )
    .bind(client.user.id.clone())
    .bind(MAX_KNOWN)
    .fetch_all(store.reader())
    .await?;
    let contacts = watched(store, &client.user.id).await?;
    let ids: BTreeSet<String> = rows
        .into_iter()
        .map(|(user,)| user)
        .chain(contacts.into_iter().map(|contact| contact.user))
        .collect();
    Ok(ids.into_iter().collect())
}

/// Puts the levels that people give on the board, at the start.
///
/// # Errors
/// When the database fails.
pub(crate) async fn load(store: &Store, presence: &Presence) -> Result<(), StoreError> {
    for (owner, rules) in list::all_rules(store).await? {
        presence.board(|board, now| board.rules(now, &owner, rules));
    }
    Ok(())
}
