//! Users: who they are, their passwords and sessions.
//!
//! Called by REST, sockets and the command line. Passwords are argon2id strings; of cookies and tokens only the SHA-256 is
//! kept. Knows no presence and no conversation.

mod admin;
mod first;
mod guard;
mod guests;
mod import;
mod kdf;
mod sessions;

use std::sync::Arc;

use futures_util::FutureExt;
use serde::{Deserialize, Serialize};
use tokio::sync::Semaphore;
use utoipa::ToSchema;

pub use admin::UserChange;
pub use first::{DEMO_USERS, DemoUser};
pub use kdf::Kdf;
pub(crate) use sessions::{Found, SESSION_S, SignIn, Verdict};

use super::clock::now_ms;
use super::store::{Database, Store, StoreError, Tx};
use crate::text;
use guard::Guesses;

/// Shortest password, characters.
const SHORTEST: usize = 8;
/// Why an insertion is taken back.
const TAKEN: &str = "a user of this login exists already";
/// Longest, bytes: argon2 takes more, a person doesn't.
const LONGEST: usize = 1024;

/// Why something about people was not done.
#[derive(Debug, thiserror::Error)]
pub enum PeopleError {
    /// The database.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// What was given; says what and why.
    #[error("{0}")]
    Invalid(String),
    /// The login is another's.
    #[error("a user of this login exists already")]
    Taken,
    /// No such user.
    #[error("there is no such user")]
    Unknown,
    /// argon2 failed.
    #[error("hashing failed: {0}")]
    Hash(String),
    /// No random source.
    #[error("no random source: {0}")]
    Random(std::io::Error),
    /// Metrics of one name twice; a programming error.
    #[error("metrics: {0}")]
    Metrics(#[from] prometheus::Error),
}

impl From<sqlx::Error> for PeopleError {
    fn from(error: sqlx::Error) -> Self {
        StoreError::from(error).into()
    }
}

/// What a user may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Role {
    /// A colleague.
    User,
    /// Looks after users, too.
    Admin,
    /// Of one conversation.
    Guest,
    /// A program.
    Service,
}

impl Role {
    /// As on the wire and in the table.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::User => "user",
            Self::Admin => "admin",
            Self::Guest => "guest",
            Self::Service => "service",
        }
    }

    /// The role of that name.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::User, Self::Admin, Self::Guest, Self::Service]
            .into_iter()
            .find(|role| role.as_str() == name)
    }
}

/// A person or program. Serialized whole it is for itself and administrators; what others get is a matter of visibility.
#[derive(Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct User {
    /// ULID.
    pub id: String,
    /// Lower case.
    pub login: String,
    /// Shown.
    pub name: String,
    /// What they do.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub title: Option<String>,
    /// Whom they do it for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub company: Option<String>,
    /// Their address.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// Number at work.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub work_phone: Option<String>,
    /// Number of the mobile.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mobile: Option<String>,
    /// Number at home.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub home_phone: Option<String>,
    /// What they may do.
    pub role: Role,
    /// May not sign in.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub disabled: bool,
    /// Of a guest: the one conversation.
    #[serde(skip)]
    pub guest_of: Option<String>,
}

impl std::fmt::Debug for User {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("User")
            .field("id", &self.id)
            .field("role", &self.role)
            .finish_non_exhaustive()
    }
}

/// Columns of a [`User`], of a table called `u`.
pub(crate) const USER_COLUMNS: &str = "u.id, u.login, u.name, u.title, u.company, u.email, u.work_phone, u.mobile, \
                                       u.home_phone, u.role, u.disabled, u.guest_of";

impl sqlx::FromRow<'_, sqlx::any::AnyRow> for User {
    fn from_row(row: &sqlx::any::AnyRow) -> Result<Self, sqlx::Error> {
        use sqlx::Row;
        let role: String = row.try_get("role")?;
        Ok(Self {
            id: row.try_get("id")?,
            login: row.try_get("login")?,
            name: row.try_get("name")?,
            title: row.try_get("title")?,
            company: row.try_get("company")?,
            email: row.try_get("email")?,
            work_phone: row.try_get("work_phone")?,
            mobile: row.try_get("mobile")?,
            home_phone: row.try_get("home_phone")?,
            // Of a role that is not known nobody may do more than a user.
            role: Role::from_name(&role).unwrap_or(Role::User),
            disabled: row.try_get::<i64, _>("disabled")? != 0,
            guest_of: row.try_get("guest_of")?,
        })
    }
}

/// A user to be.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewUser {
    /// Letters, digits, `.`, `-`, `_`, `@`.
    pub login: String,
    /// Shown.
    pub name: String,
    /// At least eight characters; none for a service.
    #[serde(default)]
    pub password: Option<String>,
    /// What they do.
    #[serde(default)]
    pub title: Option<String>,
    /// Whom they do it for.
    #[serde(default)]
    pub company: Option<String>,
    /// Their address.
    #[serde(default)]
    pub email: Option<String>,
    /// Number at work.
    #[serde(default)]
    pub work_phone: Option<String>,
    /// Number of the mobile.
    #[serde(default)]
    pub mobile: Option<String>,
    /// Number at home.
    #[serde(default)]
    pub home_phone: Option<String>,
    /// `user` unless said otherwise.
    #[serde(default)]
    pub role: Option<Role>,
}

impl std::fmt::Debug for NewUser {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("NewUser")
    }
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone)]
pub struct People {
    store: Store,
    kdf: Arc<Kdf>,
    /// Hashes at once.
    permits: Arc<Semaphore>,
    /// Checked in place of a user who isn't.
    decoy: Arc<str>,
    guesses: Guesses,
}

impl People {
    pub(crate) fn new(store: Store) -> Result<Self, PeopleError> {
        let kdf = Kdf::default();
        let decoy = hash(&kdf, &sessions::secret()?)?;
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Ok(Self {
            store,
            kdf: Arc::new(kdf),
            permits: Arc::new(Semaphore::new((cores / 2).max(1))),
            decoy: decoy.into(),
            guesses: Guesses::default(),
        })
    }

    /// People of a database whose server may run or not: for the command line.
    ///
    /// # Errors
    /// When it cannot be opened.
    pub async fn open(database: &Database) -> Result<Self, PeopleError> {
        let (store, _) = Store::open(database).await?;
        Self::new(store)
    }

    /// Adds a user.
    ///
    /// # Errors
    /// When a field is refused or the login taken.
    pub async fn add(&self, new: NewUser) -> Result<User, PeopleError> {
        let (user, password) = check(new).map_err(PeopleError::Invalid)?;
        let password = match password {
            Some(password) => Some(self.hash(password).await?),
            None => None,
        };
        self.insert(user.clone(), password).await?;
        Ok(user)
    }

    pub(crate) async fn insert(
        &self,
        user: User,
        password: Option<String>,
    ) -> Result<(), PeopleError> {
        self.insert_all(vec![(user, password)]).await
    }

    /// Adds all, or none.
    async fn insert_all(&self, users: Vec<(User, Option<String>)>) -> Result<(), PeopleError> {
        let added = self.store.write(move |tx| {
            async move {
                for (user, password) in users {
                    if !insert(tx, user, password).await? {
                        return Err(StoreError::Refused(TAKEN));
                    }
                }
                Ok(())
            }
            .boxed()
        });
        match added.await {
            Err(StoreError::Refused(TAKEN)) => Err(PeopleError::Taken),
            other => Ok(other?),
        }
    }

    /// The user of this id.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find(&self, id: &str) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {USER_COLUMNS} FROM users u WHERE u.id = $1");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(id.to_owned());
        Ok(query.fetch_optional(self.store.reader()).await?)
    }

    /// The user of this login.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_login(&self, login: &str) -> Result<Option<User>, StoreError> {
        let sql = format!("SELECT {USER_COLUMNS} FROM users u WHERE u.login = $1");
        let query = sqlx::query_as(sqlx::AssertSqlSafe(sql)).bind(login.to_lowercase());
        Ok(query.fetch_optional(self.store.reader()).await?)
    }

    /// Gives a user another password; sessions stay.
    ///
    /// # Errors
    /// When it is refused or there is no such user.
    pub async fn set_password(&self, id: &str, password: String) -> Result<(), PeopleError> {
        check_password(&password).map_err(PeopleError::Invalid)?;
        let (id, hash) = (id.to_owned(), self.hash(password).await?);
        let set = self.store.write(move |tx| {
            async move {
                let done = sqlx::query("UPDATE users SET password = $2 WHERE id = $1")
                    .bind(id)
                    .bind(hash)
                    .execute(tx.connection())
                    .await?;
                Ok(done.rows_affected() == 1)
            }
            .boxed()
        });
        if set.await? {
            Ok(())
        } else {
            Err(PeopleError::Unknown)
        }
    }

    /// The argon2id string of `password`, made off the async threads.
    async fn hash(&self, password: String) -> Result<String, PeopleError> {
        self.off_thread(move |kdf| hash(kdf, &password)).await?
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Kdf) -> T + Send + 'static,
    ) -> Result<T, PeopleError> {
        let interrupted = || PeopleError::Hash("interrupted".to_owned());
        let permits = Arc::clone(&self.permits);
        let permit = permits.acquire_owned().await.map_err(|_| interrupted())?;
        let kdf = Arc::clone(&self.kdf);
        let work = tokio::task::spawn_blocking(move || {
            let done = work(&kdf);
            drop(permit);
            done
        });
        work.await.map_err(|_| interrupted())
    }
}

/// Whether the login was free.
async fn insert(tx: &mut Tx, user: User, password: Option<String>) -> Result<bool, StoreError> {
    let done = sqlx::query(
        "INSERT INTO users (id, login, name, title, company, email, work_phone, mobile, home_phone, role, password, \
         guest_of, created_ms) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13) \
         ON CONFLICT (login) DO NOTHING",
    )
    .bind(user.id)
    .bind(user.login)
    .bind(user.name)
    .bind(user.title)
    .bind(user.company)
    .bind(user.email)
    .bind(user.work_phone)
    .bind(user.mobile)
    .bind(user.home_phone)
    .bind(user.role.as_str())
    .bind(password)
    .bind(user.guest_of)
    .bind(now_ms())
    .execute(tx.connection())
    .await?;
    Ok(done.rows_affected() == 1)
}

fn hash(kdf: &Kdf, password: &str) -> Result<String, PeopleError> {
    let salt: [u8; 16] = sessions::random()?;
    kdf.hash(password, &salt).map_err(PeopleError::Hash)
}

/// Whether `password` may be one.
///
/// # Errors
/// Says why not.
fn check_password(password: &str) -> Result<(), String> {
    if password.chars().count() < SHORTEST {
        return Err(format!("a password has at least {SHORTEST} characters"));
    }
    if password.len() > LONGEST {
        return Err(format!("a password has at most {LONGEST} bytes"));
    }
    Ok(())
}

/// The user that `new` describes, and the password.
fn check(new: NewUser) -> Result<(User, Option<String>), String> {
    let role = new.role.unwrap_or(Role::User);
    let login = text::login(&new.login).map_err(|_| {
        "a login has at most 64 bytes of letters, digits, '.', '-', '_' and '@'".to_owned()
    })?;
    let name = text::line(&new.name, text::NAME).map_err(|error| format!("name: {error}"))?;
    let field = |what: &str, value: Option<String>| match value.as_deref().map(str::trim) {
        None | Some("") => Ok(None),
        Some(value) => text::line(value, text::NAME)
            .map(Some)
            .map_err(|error| format!("{what}: {error}")),
    };
    if let Some(password) = &new.password {
        check_password(password)?;
    }
    let user = User {
        id: ulid::Ulid::new().to_string(),
        login,
        name,
        title: field("title", new.title)?,
        company: field("company", new.company)?,
        email: field("email", new.email)?,
        work_phone: field("work_phone", new.work_phone)?,
        mobile: field("mobile", new.mobile)?,
        home_phone: field("home_phone", new.home_phone)?,
        role,
        disabled: false,
        guest_of: None,
    };
    Ok((user, new.password))
}
