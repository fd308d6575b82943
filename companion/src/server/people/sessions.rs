//! Signing in and staying so: cookies and tokens of 256 random bits, of which only the SHA-256 is kept.

use std::net::IpAddr;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use futures_util::FutureExt;
use sha2::{Digest, Sha256};

use super::{People, PeopleError, USER_COLUMNS, User};
use crate::server::clock::now_ms;
use crate::server::store::StoreError;

/// A session ends this long after its last use, seconds.
pub(crate) const SESSION_S: i64 = 30 * 24 * 3600;
/// No login: what guests stand for in the guard of guesses.
const INVITES: &str = " guests";
/// Its use is noted at most this often, milliseconds.
const NOTED: i64 = 60 * 60 * 1000;

/// `N` random bytes of the operating system.
pub(super) fn random<const N: usize>() -> Result<[u8; N], PeopleError> {
    let mut bytes = [0; N];
    getrandom::fill(&mut bytes)
        .map_err(|error| PeopleError::Random(std::io::Error::other(error.to_string())))?;
    Ok(bytes)
}

/// 256 random bits as text.
pub(crate) fn secret() -> Result<String, PeopleError> {
    Ok(URL_SAFE_NO_PAD.encode(random::<32>()?))
}

/// What is kept of a secret.
pub(crate) fn digest(secret: &str) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(secret))
}

/// What a password was worth.
pub(crate) enum Verdict {
    /// It is the user's.
    Good(User),
    /// Wrong password or no such login: nobody learns which.
    Wrong,
    /// Too many wrong ones; so many seconds.
    Wait(u64),
}

/// How an attempt to sign in ended.
pub(crate) enum SignIn {
    /// The cookie's value.
    Good(User, String),
    /// As [`Verdict::Wrong`].
    Wrong,
    /// As [`Verdict::Wait`].
    Wait(u64),
}

/// Who sends a request.
#[derive(Debug, Clone)]
pub(crate) struct Found {
    pub(crate) user: User,
    /// The digest of the cookie or token.
    pub(crate) session: String,
}

impl People {
    /// Checks a password and opens a session.
    ///
    /// # Errors
    /// When it could not be checked.
    pub(crate) async fn sign_in(
        &self,
        login: &str,
        password: String,
        from: IpAddr,
    ) -> Result<SignIn, PeopleError> {
        Ok(match self.verify(login, password, from).await? {
            Verdict::Good(user) => {
                let cookie = self.open_session(&user.id).await?;
                SignIn::Good(user, cookie)
            }
            Verdict::Wrong => SignIn::Wrong,
            Verdict::Wait(seconds) => SignIn::Wait(seconds),
        })
    }

    /// Checks a password, and counts the wrong ones.
    ///
    /// # Errors
    /// When it could not be checked.
    pub(crate) async fn verify(
        &self,
        login: &str,
        password: String,
        from: IpAddr,
    ) -> Result<Verdict, PeopleError> {
        let login = login.trim().to_lowercase();
        let now = now_ms();
        if let Some(seconds) = self.guesses.wait(&login, from, now) {
            return Ok(Verdict::Wait(seconds));
        }
        // Counted before it is checked: a hundred at once are not one guess.
        self.guesses.count(&login, from, now);
        let user = self.find_login(&login).await?.filter(|user| !user.disabled);
        let kept = match &user {
            Some(user) => self.password_of(&user.id).await?,
            None => None,
        };
        let known = kept.is_some();
        let kept = kept.unwrap_or_else(|| self.decoy.to_string());
        let right = self
            .off_thread(move |kdf| kdf.matches(&kept, &password))
            .await?;
        Ok(match user.filter(|_| known && right) {
            Some(user) => {
                self.guesses.forget(&login, from);
                Verdict::Good(user)
            }
            None => Verdict::Wrong,
        })
    }

    /// Seconds that whoever is at `from` has to wait before another guess at an invitation.
    pub(crate) fn must_wait(&self, from: IpAddr) -> Option<u64> {
        self.guesses.wait(INVITES, from, now_ms())
    }

    /// An invitation was none.
    pub(crate) fn count_guess(&self, from: IpAddr) {
        self.guesses.count_address(from, now_ms());
    }

    async fn password_of(&self, user: &str) -> Result<Option<String>, StoreError> {
        let row: Option<(Option<String>,)> =
            sqlx::query_as("SELECT password FROM users WHERE id = $1")
                .bind(user.to_owned())
                .fetch_optional(self.store.reader())
                .await?;
        Ok(row.and_then(|(password,)| password))
    }

    /// Opens a session of `user`; gives the cookie's value.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) async fn open_session(&self, user: &str) -> Result<String, PeopleError> {
        self.open_session_until(user, now_ms() + SESSION_S * 1000)
            .await
    }

    /// The same until `expires`, milliseconds since 1970.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(super) async fn open_session_until(
        &self,
        user: &str,
        expires: i64,
    ) -> Result<String, PeopleError> {
        let cookie = secret()?;
        let (hash, user, now) = (digest(&cookie), user.to_owned(), now_ms());
        self.store
            .write(move |tx| {
                async move {
                    sqlx::query(
                        "INSERT INTO sessions (hash, user_id, created_ms, seen_ms, expires_ms) VALUES ($1, $2, $3, $4, $5)",
                    )
                    .bind(hash)
                    .bind(user)
                    .bind(now)
                    .bind(now)
                    .bind(expires)
                    .execute(tx.connection())
                    .await?;
                    sqlx::query("DELETE FROM sessions WHERE expires_ms < $1")
                        .bind(now)
                        .execute(tx.connection())
                        .await?;
                    Ok(())
                }
                .boxed()
            })
            .await?;
        Ok(cookie)
    }

    /// The user of a cookie's value; notes its use.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn by_cookie(&self, cookie: &str) -> Result<Option<Found>, StoreError> {
        self.by_session(digest(cookie)).await
    }

    /// The user of a session that is alive, by its digest; notes its use.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn by_session(&self, session: String) -> Result<Option<Found>, StoreError> {
        let now = now_ms();
        let row: Option<(String, i64)> = sqlx::query_as(
            "SELECT user_id, seen_ms FROM sessions WHERE hash = $1 AND expires_ms > $2",
        )
        .bind(session.clone())
        .bind(now)
        .fetch_optional(self.store.reader())
        .await?;
        let Some((id, seen)) = row else {
            return self.by_service(session).await;
        };
        let Some(user) = self.find(&id).await?.filter(|user| !user.disabled) else {
            return Ok(None);
        };
        if now - seen > NOTED && user.role != super::Role::Guest {
            let hash = session.clone();
            let noted = self.store.write(move |tx| {
                async move {
                    sqlx::query(
                        "UPDATE sessions SET seen_ms = $2, expires_ms = $3 WHERE hash = $1",
                    )
                    .bind(hash)
                    .bind(now)
                    .bind(now + SESSION_S * 1000)
                    .execute(tx.connection())
                    .await?;
                    Ok(())
                }
                .boxed()
            });
            noted.await?;
        }
        Ok(Some(Found { user, session }))
    }

    async fn by_service(&self, session: String) -> Result<Option<Found>, StoreError> {
        let sql = format!(
            "SELECT {USER_COLUMNS} FROM service_tokens t JOIN users u ON u.id = t.user_id WHERE t.hash = $1 AND u.disabled = 0"
        );
        let user: Option<User> = sqlx::query_as(sqlx::AssertSqlSafe(sql))
            .bind(session.clone())
            .fetch_optional(self.store.reader())
            .await?;
        Ok(user.map(|user| Found { user, session }))
    }

    /// Ends one session, all but it, or all of `user`.
    ///
    /// # Errors
    /// When the database fails.
    pub(crate) async fn end_sessions(
        &self,
        user: &str,
        which: crate::server::hub::Sessions<'_>,
    ) -> Result<(), StoreError> {
        use crate::server::hub::Sessions;
        let (sql, session) = match which {
            Sessions::One(session) => (
                "DELETE FROM sessions WHERE user_id = $1 AND hash = $2",
                session,
            ),
            Sessions::Others(session) => (
                "DELETE FROM sessions WHERE user_id = $1 AND hash <> $2",
                session,
            ),
            Sessions::All => ("DELETE FROM sessions WHERE user_id = $1 AND hash <> $2", ""),
        };
        let (user, session) = (user.to_owned(), session.to_owned());
        self.store
            .write(move |tx| {
                async move {
                    sqlx::query(sql)
                        .bind(user)
                        .bind(session)
                        .execute(tx.connection())
                        .await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}
