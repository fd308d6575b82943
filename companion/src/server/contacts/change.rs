//! Changes of a list, each one transaction with the revision's next number.

use futures_util::FutureExt;
use serde::{Deserialize, Deserializer};
use serde_json::json;
use ulid::Ulid;

use crate::contacts::{self, MAX_CONTACTS, MAX_GROUPS, MAX_GROUPS_OF_ONE, MAX_LEVELS, MAX_NAME};
use crate::server::clock::now_ms;
use crate::server::protocol::{Answer, Code, Refusal};
use crate::server::socket::Client;
use crate::server::store::{StoreError, Tx};
use crate::text;
use crate::visibility::Level;

/// A field that may be absent, null or there.
fn maybe<'de, D, T>(deserializer: D) -> Result<Option<Option<T>>, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de>,
{
    Option::<T>::deserialize(deserializer).map(Some)
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactSet {
    contact: Option<String>,
    user: Option<String>,
    phone: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    name: Option<Option<String>>,
    groups: Option<Vec<String>>,
    tagged: Option<bool>,
    #[serde(default, deserialize_with = "maybe")]
    level: Option<Option<Level>>,
}

impl From<contacts::ContactError> for Refusal {
    fn from(error: contacts::ContactError) -> Self {
        Self::bad(format!("Refused: {error}."))
    }
}

/// What a transaction says: refusals are no fault of the database, and nothing was written before them.
type Done<T> = Result<Result<T, Refusal>, StoreError>;

/// `contact_set`: a new contact, or changes of one.
pub(super) async fn contact_set(client: &Client, mut set: ContactSet) -> Answer {
    if let Some(user) = &set.user {
        let directories = &client.companion.directories;
        let store = &client.companion.store;
        let directory = directories
            .holding(store, std::slice::from_ref(user))
            .await?;
        if *user == client.user.id {
            return Err(Refusal::bad("You are no contact of your own."));
        }
        if directory.get(user).is_none() {
            return Err(Refusal::not_found("There is no such person."));
        }
    }
    if let Some(number) = &set.phone {
        set.phone = Some(contacts::phone(number)?);
    }
    if let Some(Some(name)) = &set.name {
        set.name = Some(match name.trim() {
            "" => None,
            name => Some(text::line(name, MAX_NAME)?),
        });
    }
    if set
        .groups
        .as_ref()
        .is_some_and(|groups| groups.len() > MAX_GROUPS_OF_ONE)
    {
        return Err(Refusal::new(
            Code::TooMany,
            "A contact is in 20 groups at most.",
        ));
    }
    let targets = [&set.contact, &set.user, &set.phone];
    if targets.into_iter().flatten().count() != 1 {
        return Err(Refusal::bad("One of contact, user, phone."));
    }
    let owner = client.user.id.clone();
    let done = client
        .companion
        .store
        .write(move |tx| async move { set_contact(tx, owner, set).await }.boxed());
    let id = done.await??;
    Ok(json!({ "contact": id }))
}

async fn set_contact(tx: &mut Tx, owner: String, set: ContactSet) -> Done<String> {
    let target = [&set.contact, &set.user, &set.phone];
    let target = target
        .into_iter()
        .flatten()
        .next()
        .cloned()
        .unwrap_or_default();
    let column = match (&set.contact, &set.user) {
        (Some(_), _) => "SELECT id FROM contacts WHERE owner = $1 AND id = $2",
        (_, Some(_)) => "SELECT id FROM contacts WHERE owner = $1 AND user_id = $2",
        _ => "SELECT id FROM contacts WHERE owner = $1 AND phone = $2",
    };
    let found: Option<(String,)> = sqlx::query_as(column)
        .bind(owner.clone())
        .bind(target)
        .fetch_optional(tx.connection())
        .await?;
    for group in set.groups.iter().flatten() {
        if !is_own_group(tx, &owner, group).await? {
            return Ok(Err(Refusal::not_found("There is no such group.")));
        }
    }
    let id = match found {
        Some((id,)) => id,
        None if set.contact.is_some() => {
            return Ok(Err(Refusal::not_found("There is no such contact.")));
        }
        None => {
            let sql = "SELECT COUNT(*) FROM contacts WHERE owner = $1";
            if count(tx, sql, &owner).await? >= MAX_CONTACTS {
                return Ok(Err(Refusal::new(Code::TooMany, "There are 1000 contacts.")));
            }
            let id = Ulid::new().to_string();
            sqlx::query("INSERT INTO contacts (id, owner, user_id, phone, created_ms) VALUES ($1, $2, $3, $4, $5)")
                .bind(id.clone())
                .bind(owner.clone())
                .bind(set.user)
                .bind(set.phone)
                .bind(now_ms())
                .execute(tx.connection())
                .await?;
            id
        }
    };
    if let Some(name) = set.name {
        update(tx, "UPDATE contacts SET name = $2 WHERE id = $1", &id, name).await?;
    }
    if let Some(level) = set.level {
        let word = level.map(|level| level.word().to_owned());
        update(
            tx,
            "UPDATE contacts SET level = $2 WHERE id = $1",
            &id,
            word,
        )
        .await?;
    }
    if let Some(tagged) = set.tagged {
        sqlx::query("UPDATE contacts SET tagged = $2 WHERE id = $1")
            .bind(id.clone())
            .bind(i64::from(tagged))
            .execute(tx.connection())
            .await?;
    }
    if let Some(groups) = set.groups {
        put_into(tx, &id, groups).await?;
    }
    next_revision(tx, owner).await?;
    Ok(Ok(id))
}

/// The contact's groups anew.
async fn put_into(tx: &mut Tx, contact: &str, groups: Vec<String>) -> Result<(), StoreError> {
    sqlx::query("DELETE FROM contact_memberships WHERE contact = $1")
        .bind(contact.to_owned())
        .execute(tx.connection())
        .await?;
    for group in groups {
        sqlx::query(
            "INSERT INTO contact_memberships (contact, group_id) VALUES ($1, $2) ON CONFLICT (contact, group_id) DO NOTHING",
        )
        .bind(contact.to_owned())
        .bind(group)
        .execute(tx.connection())
        .await?;
    }
    Ok(())
}

async fn update(
    tx: &mut Tx,
    sql: &'static str,
    id: &str,
    value: Option<String>,
) -> Result<(), StoreError> {
    sqlx::query(sql)
        .bind(id.to_owned())
        .bind(value)
        .execute(tx.connection())
        .await?;
    Ok(())
}

async fn count(tx: &mut Tx, sql: &'static str, owner: &str) -> Result<usize, StoreError> {
    let (count,): (i64,) = sqlx::query_as(sql)
        .bind(owner.to_owned())
        .fetch_one(tx.connection())
        .await?;
    Ok(usize::try_from(count).unwrap_or(0))
}

async fn is_own_group(tx: &mut Tx, owner: &str, group: &str) -> Result<bool, StoreError> {
    let found: Option<(String,)> =
        sqlx::query_as("SELECT id FROM contact_groups WHERE owner = $1 AND id = $2")
            .bind(owner.to_owned())
            .bind(group.to_owned())
            .fetch_optional(tx.connection())
            .await?;
    Ok(found.is_some())
}

async fn next_revision(tx: &mut Tx, owner: String) -> Result<(), StoreError> {
    sqlx::query(
        "INSERT INTO contact_revisions (owner, revision) VALUES ($1, 1) \
         ON CONFLICT (owner) DO UPDATE SET revision = contact_revisions.revision + 1",
    )
    .bind(owner)
    .execute(tx.connection())
    .await?;
    Ok(())
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ContactRemove {
    contact: String,
}

/// `contact_remove`.
pub(super) async fn contact_remove(client: &Client, remove: ContactRemove) -> Answer {
    let owner = client.user.id.clone();
    let contact = remove.contact.clone();
    let done = client.companion.store.write(move |tx| {
        async move {
            // Who was blocked stays so, contact or not.
            sqlx::query(
                "INSERT INTO contact_levels (owner, kind, target, level) SELECT owner, 'user', user_id, level FROM contacts \
                 WHERE owner = $1 AND id = $2 AND user_id IS NOT NULL AND level IS NOT NULL \
                 ON CONFLICT (owner, kind, target) DO UPDATE SET level = excluded.level",
            )
            .bind(owner.clone())
            .bind(contact.clone())
            .execute(tx.connection())
            .await?;
            let gone = sqlx::query("DELETE FROM contacts WHERE owner = $1 AND id = $2")
                .bind(owner.clone())
                .bind(contact.clone())
                .execute(tx.connection())
                .await?;
            if gone.rows_affected() == 0 {
                return Ok(Err(Refusal::not_found("There is no such contact.")));
            }
            put_into(tx, &contact, Vec::new()).await?;
            next_revision(tx, owner).await?;
            Ok(Ok(()))
        }
        .boxed()
    });
    done.await??;
    Ok(json!({ "contact": remove.contact }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupSet {
    group: Option<String>,
    name: Option<String>,
    #[serde(default, deserialize_with = "maybe")]
    level: Option<Option<Level>>,
}

/// `group_set`: a new group, or changes of one.
pub(super) async fn group_set(client: &Client, set: GroupSet) -> Answer {
    let name = set
        .name
        .map(|name| text::line(&name, MAX_NAME))
        .transpose()?;
    if set.group.is_none() && name.is_none() {
        return Err(Refusal::bad("A group has a name."));
    }
    let owner = client.user.id.clone();
    let (group, level) = (set.group, set.level);
    let done = client.companion.store.write(move |tx| {
        async move {
            let id = match group {
                Some(id) if is_own_group(tx, &owner, &id).await? => id,
                Some(_) => return Ok(Err(Refusal::not_found("There is no such group."))),
                None => {
                    let sql = "SELECT COUNT(*) FROM contact_groups WHERE owner = $1";
                    if count(tx, sql, &owner).await? >= MAX_GROUPS {
                        return Ok(Err(Refusal::new(Code::TooMany, "There are 100 groups.")));
                    }
                    let id = Ulid::new().to_string();
                    sqlx::query("INSERT INTO contact_groups (id, owner, name, created_ms) VALUES ($1, $2, '', $3)")
                        .bind(id.clone())
                        .bind(owner.clone())
                        .bind(now_ms())
                        .execute(tx.connection())
                        .await?;
                    id
                }
            };
            if name.is_some() {
                update(tx, "UPDATE contact_groups SET name = $2 WHERE id = $1", &id, name).await?;
            }
            if let Some(level) = level {
                let word = level.map(|level| level.word().to_owned());
                update(tx, "UPDATE contact_groups SET level = $2 WHERE id = $1", &id, word).await?;
            }
            next_revision(tx, owner).await?;
            Ok(Ok(id))
        }
        .boxed()
    });
    let id = done.await??;
    Ok(json!({ "group": id }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct GroupRemove {
    group: String,
}

/// `group_remove`: its contacts stay.
pub(super) async fn group_remove(client: &Client, remove: GroupRemove) -> Answer {
    let owner = client.user.id.clone();
    let group = remove.group.clone();
    let done = client.companion.store.write(move |tx| {
        async move {
            let gone = sqlx::query("DELETE FROM contact_groups WHERE owner = $1 AND id = $2")
                .bind(owner.clone())
                .bind(group.clone())
                .execute(tx.connection())
                .await?;
            if gone.rows_affected() == 0 {
                return Ok(Err(Refusal::not_found("There is no such group.")));
            }
            sqlx::query("DELETE FROM contact_memberships WHERE group_id = $1")
                .bind(group)
                .execute(tx.connection())
                .await?;
            next_revision(tx, owner).await?;
            Ok(Ok(()))
        }
        .boxed()
    });
    done.await??;
    Ok(json!({ "group": remove.group }))
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct LevelSet {
    user: Option<String>,
    domain: Option<String>,
    level: Option<Level>,
}

/// `level_set`: of a user or of a domain; a contact's is the contact's own.
pub(super) async fn level_set(client: &Client, set: LevelSet) -> Answer {
    let (kind, target) = match (set.user, set.domain) {
        (Some(user), None) => ("user", user),
        (None, Some(domain)) => ("domain", contacts::domain(&domain)?),
        _ => return Err(Refusal::bad("Either user or domain.")),
    };
    if kind == "user" {
        let directories = &client.companion.directories;
        let store = &client.companion.store;
        let directory = directories
            .holding(store, std::slice::from_ref(&target))
            .await?;
        if directory.get(&target).is_none() || target == client.user.id {
            return Err(Refusal::not_found("There is no such person."));
        }
    }
    let owner = client.user.id.clone();
    let word = set.level.map(|level| level.word().to_owned());
    let done = client
        .companion
        .store
        .write(move |tx| async move { set_level(tx, owner, kind, target, word).await }.boxed());
    done.await??;
    Ok(json!({}))
}

async fn set_level(
    tx: &mut Tx,
    owner: String,
    kind: &'static str,
    target: String,
    word: Option<String>,
) -> Done<()> {
    let of_contact = match kind {
        "user" => sqlx::query("UPDATE contacts SET level = $3 WHERE owner = $1 AND user_id = $2")
            .bind(owner.clone())
            .bind(target.clone())
            .bind(word.clone())
            .execute(tx.connection())
            .await?
            .rows_affected(),
        _ => 0,
    };
    let sql = "SELECT COUNT(*) FROM contact_levels WHERE owner = $1";
    if of_contact == 0 && word.is_some() && count(tx, sql, &owner).await? >= MAX_LEVELS {
        return Ok(Err(Refusal::new(Code::TooMany, "There are 1000 levels.")));
    }
    sqlx::query("DELETE FROM contact_levels WHERE owner = $1 AND kind = $2 AND target = $3")
        .bind(owner.clone())
        .bind(kind)
        .bind(target.clone())
        .execute(tx.connection())
        .await?;
    if let (Some(word), 0) = (word, of_contact) {
        sqlx::query(
            "INSERT INTO contact_levels (owner, kind, target, level) VALUES ($1, $2, $3, $4)",
        )
        .bind(owner.clone())
        .bind(kind)
        .bind(target)
        .bind(word)
        .execute(tx.connection())
        .await?;
    }
    next_revision(tx, owner).await?;
    Ok(Ok(()))
}
