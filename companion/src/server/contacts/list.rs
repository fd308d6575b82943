//! A person's list as rows, as rules, as on the wire.

use std::collections::HashMap;

use serde_json::{Value, json};

use crate::contacts::{Given, RECENT, rules};
use crate::presence::board::Rules;
use crate::server::store::{Store, StoreError};
use crate::visibility::Level;

/// A group.
#[derive(Debug, Clone)]
pub(super) struct Group {
    pub(super) id: String,
    name: String,
    level: Option<Level>,
}

/// A contact: a user or a number.
#[derive(Debug, Clone)]
pub(super) struct Contact {
    pub(super) id: String,
    pub(super) user: Option<String>,
    phone: Option<String>,
    name: Option<String>,
    tagged: bool,
    level: Option<Level>,
    groups: Vec<String>,
}

/// A contact who is a user, to be watched.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Watched {
    pub(crate) user: String,
    pub(crate) tagged: bool,
}

/// The whole list.
#[derive(Debug, Clone, Default)]
pub(crate) struct List {
    revision: i64,
    pub(super) groups: Vec<Group>,
    pub(super) contacts: Vec<Contact>,
    users: HashMap<String, Level>,
    domains: HashMap<String, Level>,
}

type ContactRow = (
    String,
    Option<String>,
    Option<String>,
    Option<String>,
    i64,
    Option<String>,
);

fn level(word: Option<String>) -> Option<Level> {
    Level::of(&word?)
}

/// Contacts of `owner` who are users.
///
/// # Errors
/// When the database fails.
pub(crate) async fn watched(store: &Store, owner: &str) -> Result<Vec<Watched>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT user_id, tagged FROM contacts WHERE owner = $1 AND user_id IS NOT NULL",
    )
    .bind(owner.to_owned())
    .fetch_all(store.reader())
    .await?;
    let one = |(user, tagged): (String, i64)| Watched {
        user,
        tagged: tagged != 0,
    };
    Ok(rows.into_iter().map(one).collect())
}

impl List {
    /// The list of `owner`.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn read(store: &Store, owner: &str) -> Result<Self, StoreError> {
        let reader = store.reader();
        let owned = |sql: &'static str| sqlx::query_as(sql).bind(owner.to_owned());
        let revision: Option<(i64,)> =
            sqlx::query_as("SELECT revision FROM contact_revisions WHERE owner = $1")
                .bind(owner.to_owned())
                .fetch_optional(reader)
                .await?;
        let groups: Vec<(String, String, Option<String>)> = sqlx::query_as(
            "SELECT id, name, level FROM contact_groups WHERE owner = $1 ORDER BY created_ms, id",
        )
        .bind(owner.to_owned())
        .fetch_all(reader)
        .await?;
        let contacts: Vec<ContactRow> = owned(
            "SELECT id, user_id, phone, name, tagged, level FROM contacts WHERE owner = $1 ORDER BY created_ms, id",
        )
        .fetch_all(reader)
        .await?;
        let memberships: Vec<(String, String)> = sqlx::query_as(
            "SELECT m.contact, m.group_id FROM contact_memberships m JOIN contacts c ON c.id = m.contact \
             WHERE c.owner = $1 ORDER BY m.group_id",
        )
        .bind(owner.to_owned())
        .fetch_all(reader)
        .await?;
        let levels: Vec<(String, String, String)> =
            sqlx::query_as("SELECT kind, target, level FROM contact_levels WHERE owner = $1")
                .bind(owner.to_owned())
                .fetch_all(reader)
                .await?;
        let mut list = Self {
            revision: revision.map_or(0, |(revision,)| revision),
            groups: groups
                .into_iter()
                .map(|(id, name, word)| Group {
                    id,
                    name,
                    level: level(word),
                })
                .collect(),
            ..Self::default()
        };
        let mut of: HashMap<String, Vec<String>> = HashMap::new();
        for (contact, group) in memberships {
            of.entry(contact).or_default().push(group);
        }
        list.contacts = contacts
            .into_iter()
            .map(|(id, user, phone, name, tagged, word)| Contact {
                groups: of.remove(&id).unwrap_or_default(),
                id,
                user,
                phone,
                name,
                tagged: tagged != 0,
                level: level(word),
            })
            .collect();
        list.beside(levels);
        Ok(list)
    }

    fn beside(&mut self, levels: Vec<(String, String, String)>) {
        for (kind, target, word) in levels {
            let to = match kind.as_str() {
                "domain" => &mut self.domains,
                _ => &mut self.users,
            };
            if let Some(level) = Level::of(&word) {
                to.insert(target, level);
            }
        }
    }

    /// Contacts who are users.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        let one = |contact: &Contact| {
            Some(Watched {
                user: contact.user.clone()?,
                tagged: contact.tagged,
            })
        };
        self.contacts.iter().filter_map(one).collect()
    }

    /// What comes of it for others.
    pub(crate) fn rules(&self) -> Rules {
        let levels: HashMap<&str, Level> = self
            .groups
            .iter()
            .filter_map(|group| Some((group.id.as_str(), group.level?)))
            .collect();
        let given: Vec<Given> = self
            .contacts
            .iter()
            .filter_map(|contact| {
                let groups = contact.groups.iter();
                Some(Given {
                    user: contact.user.as_deref()?,
                    own: contact.level,
                    groups: groups
                        .filter_map(|id| levels.get(id.as_str()).copied())
                        .collect(),
                })
            })
            .collect();
        rules(&given, self.users.clone(), self.domains.clone())
    }

    /// As docs/companion.md has it.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn wire(&self, store: &Store, owner: &str) -> Result<Value, StoreError> {
        let groups = self.groups.iter().map(|group| {
            let mut wire = json!({"id": group.id, "name": group.name});
            put(&mut wire, "level", group.level);
            wire
        });
        let contacts = self.contacts.iter().map(|contact| {
            let mut wire = json!({
                "id": contact.id,
                "groups": contact.groups,
                "tagged": contact.tagged,
            });
            put(&mut wire, "user", contact.user.as_deref());
            put(&mut wire, "phone", contact.phone.as_deref());
            put(&mut wire, "name", contact.name.as_deref());
            put(&mut wire, "level", contact.level);
            wire
        });
        let levels = [("user", &self.users), ("domain", &self.domains)];
        let levels = levels.into_iter().flat_map(|(kind, given)| {
            given
                .iter()
                .map(move |(target, level)| json!({kind: target, "level": level}))
        });
        Ok(json!({
            "revision": self.revision,
            "groups": groups.collect::<Vec<_>>(),
            "contacts": contacts.collect::<Vec<_>>(),
            "levels": levels.collect::<Vec<_>>(),
            "recent": recent(store, owner).await?,
        }))
    }
}

/// A field that is there.
fn put(wire: &mut Value, name: &str, value: Option<impl serde::Serialize>) {
    if let (Some(value), Value::Object(fields)) = (value, wire)
        && let Ok(value) = serde_json::to_value(value)
    {
        fields.insert(name.to_owned(), value);
    }
}

/// The last ten people with whom `owner` had a direct or group conversation.
async fn recent(store: &Store, owner: &str) -> Result<Vec<String>, StoreError> {
    let rows: Vec<(String, i64)> = sqlx::query_as(
        "SELECT other.user_id, MAX(e.ts) AS latest FROM members own \
         JOIN conversations c ON c.id = own.conversation AND c.kind <> 'room' \
         JOIN events e ON e.conversation = own.conversation \
          AND e.seq = (SELECT MAX(seq) FROM events WHERE conversation = own.conversation) \
         JOIN members other ON other.conversation = own.conversation AND other.user_id <> own.user_id \
         WHERE own.user_id = $1 GROUP BY other.user_id ORDER BY latest DESC, other.user_id LIMIT $2",
    )
    .bind(owner.to_owned())
    .bind(i64::try_from(RECENT).unwrap_or(10))
    .fetch_all(store.reader())
    .await?;
    Ok(rows.into_iter().map(|(user, _)| user).collect())
}

/// Owner, contact, user, level, and a group that it is in.
type OfGroup = (String, String, String, Option<String>, Option<String>);

/// Everybody's rules.
///
/// # Errors
/// When the database fails.
pub(super) async fn all_rules(store: &Store) -> Result<Vec<(String, Rules)>, StoreError> {
    let reader = store.reader();
    let mut lists: HashMap<String, List> = HashMap::new();
    let groups: Vec<(String, String, Option<String>)> =
        sqlx::query_as("SELECT owner, id, level FROM contact_groups WHERE level IS NOT NULL")
            .fetch_all(reader)
            .await?;
    for (owner, id, word) in groups {
        lists.entry(owner).or_default().groups.push(Group {
            id,
            name: String::new(),
            level: level(word),
        });
    }
    let contacts: Vec<OfGroup> = sqlx::query_as(
        "SELECT c.owner, c.id, c.user_id, c.level, m.group_id FROM contacts c \
         LEFT JOIN contact_memberships m ON m.contact = c.id \
         WHERE c.user_id IS NOT NULL AND (c.level IS NOT NULL OR m.group_id IS NOT NULL) ORDER BY c.owner, c.id",
    )
    .fetch_all(reader)
    .await?;
    for (owner, id, user, word, group) in contacts {
        let list = &mut lists.entry(owner).or_default().contacts;
        match list.last_mut().filter(|last| last.id == id) {
            Some(last) => last.groups.extend(group),
            None => list.push(Contact {
                id,
                user: Some(user),
                phone: None,
                name: None,
                tagged: false,
                level: level(word),
                groups: group.into_iter().collect(),
            }),
        }
    }
    let levels: Vec<(String, String, String, String)> =
        sqlx::query_as("SELECT owner, kind, target, level FROM contact_levels")
            .fetch_all(reader)
            .await?;
    for (owner, kind, target, word) in levels {
        let list = lists.entry(owner).or_default();
        list.beside(vec![(kind, target, word)]);
    }
    let rules = lists.into_iter().map(|(owner, list)| (owner, list.rules()));
    Ok(rules.collect())
}
