//! Everybody as they are looked up and searched: the users of the database, read anew when they are older than a moment.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tokio::sync::Mutex;

use crate::contacts::{self, Entry, domain_of};
use crate::presence::board::Viewer;
use crate::server::clock;
use crate::server::people::{Role, USER_COLUMNS, User};
use crate::server::store::{Store, StoreError};
use crate::visibility::{Field, Level, sees};

/// Users are read anew when they are older than this: a command line may have added some.
const AGE: Duration = Duration::from_secs(1);
/// Or, when somebody is asked for who is not among them, than this.
const AGE_OF_A_MISS: Duration = Duration::from_millis(100);

/// Everybody at one moment.
#[derive(Debug, Default)]
pub(crate) struct Directory {
    users: HashMap<String, User>,
    search: contacts::Directory,
}

impl Directory {
    fn new(users: Vec<User>) -> Self {
        let colleagues = users.iter().filter(|user| is_colleague(user));
        let entry = |user: &User| {
            let profile = [&user.title, &user.company, &user.email];
            let profile: Vec<_> = profile.into_iter().flatten().map(String::as_str).collect();
            Entry::new(&user.id, &user.name, &user.login, &profile)
        };
        Self {
            search: contacts::Directory::new(colleagues.map(entry).collect()),
            users: users
                .into_iter()
                .map(|user| (user.id.clone(), user))
                .collect(),
        }
    }

    /// The user of this id.
    pub(crate) fn get(&self, id: &str) -> Option<&User> {
        self.users.get(id)
    }

    /// The user of this login.
    pub(crate) fn login(&self, login: &str) -> Option<&User> {
        self.users.values().find(|user| user.login == login)
    }

    /// See [`contacts::Directory::search`].
    pub(crate) fn search(
        &self,
        query: &str,
        limit: usize,
        sees_profile: impl FnMut(&str) -> bool,
    ) -> Vec<&User> {
        let hits = self.search.search(query, limit, sees_profile);
        hits.into_iter().filter_map(|id| self.get(id)).collect()
    }
}

/// The latest [`Directory`].
#[derive(Debug, Default)]
pub(crate) struct Directories {
    // A task would be a queue before a value that is read; whoever comes second waits for the first one's reading.
    latest: Mutex<Option<(Instant, Arc<Directory>)>>,
}

impl Directories {
    /// Everybody, as of a moment ago at most.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn latest(&self, store: &Store) -> Result<Arc<Directory>, StoreError> {
        self.holding(store, &[]).await
    }

    /// The same, read anew if one of `users` is not in it.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn holding(
        &self,
        store: &Store,
        users: &[String],
    ) -> Result<Arc<Directory>, StoreError> {
        let mut latest = self.latest.lock().await;
        if let Some((read, directory)) = &*latest {
            let age = clock::instant().saturating_duration_since(*read);
            let holds = users.iter().all(|user| directory.get(user).is_some());
            if holds && age < AGE {
                return Ok(Arc::clone(directory));
            }
            if !holds {
                // Whoever asks for nobodies has everybody read ten times a second at most.
                tokio::time::sleep(AGE_OF_A_MISS.saturating_sub(age)).await;
            }
        }
        let sql = format!("SELECT {USER_COLUMNS} FROM users u WHERE u.disabled = 0");
        let users: Vec<User> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .fetch_all(store.reader())
            .await?;
        let directory = Arc::new(Directory::new(users));
        *latest = Some((clock::instant(), Arc::clone(&directory)));
        Ok(directory)
    }
}

/// Users of this server, rather than guests and programs.
pub(crate) fn is_colleague(user: &User) -> bool {
    matches!(user.role, Role::User | Role::Admin)
}

/// `user` as one who looks.
pub(crate) fn viewer(user: &User) -> Viewer {
    let domain = user.email.as_deref().and_then(domain_of);
    Viewer {
        user: user.id.as_str().into(),
        domain: domain.map(String::into_boxed_str),
        colleague: is_colleague(user),
    }
}

/// `user` as somebody at `level` sees them: the wire's `User`.
pub(crate) fn seen_user(user: &User, level: Level) -> Value {
    let mut seen = json!({
        "id": user.id,
        "login": user.login,
        "name": user.name,
        "role": user.role,
    });
    let fields = [
        ("title", &user.title, Field::Profile),
        ("company", &user.company, Field::Profile),
        ("email", &user.email, Field::Profile),
        ("work_phone", &user.work_phone, Field::WorkPhone),
        ("mobile", &user.mobile, Field::MobilePhone),
        ("home_phone", &user.home_phone, Field::HomePhone),
    ];
    for (name, value, field) in fields {
        if let (Some(value), true, Some(seen)) = (value, sees(level, field), seen.as_object_mut()) {
            seen.insert(name.to_owned(), value.as_str().into());
        }
    }
    seen
}
