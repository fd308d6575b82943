//! What administrators do to users: list, change, disable, new passwords, tokens for programs.

use futures_util::FutureExt;
use serde::Deserialize;
use sqlx::AssertSqlSafe;
use utoipa::ToSchema;

use super::sessions::{digest, secret};
use super::{NewUser, People, PeopleError, Role, USER_COLUMNS, User, check};
use crate::server::clock::now_ms;
use crate::server::hub::Sessions;
use crate::server::store::StoreError;

/// What of a user is to be different; what is absent stays, an empty text clears.
#[derive(Clone, Default, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct UserChange {
    /// Shown.
    pub name: Option<String>,
    /// What they do.
    pub title: Option<String>,
    /// Whom they do it for.
    pub company: Option<String>,
    /// Their address.
    pub email: Option<String>,
    /// Number at work.
    pub work_phone: Option<String>,
    /// Number of the mobile.
    pub mobile: Option<String>,
    /// Number at home.
    pub home_phone: Option<String>,
    /// `user` or `admin`.
    pub role: Option<Role>,
    /// May not sign in.
    pub disabled: Option<bool>,
    /// A new password; all sessions end.
    pub password: Option<String>,
}

impl std::fmt::Debug for UserChange {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("UserChange")
    }
}

impl People {
    /// All users but guests, by login.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn list(&self) -> Result<Vec<User>, StoreError> {
        let sql =
            format!("SELECT {USER_COLUMNS} FROM users u WHERE u.role <> 'guest' ORDER BY u.login");
        let query = sqlx::query_as(AssertSqlSafe(sql));
        Ok(query.fetch_all(self.store.reader()).await?)
    }

    /// Gives a user another password and ends all their sessions.
    ///
    /// # Errors
    /// When it is refused or there is no such user.
    pub async fn reset_password(&self, id: &str, password: String) -> Result<(), PeopleError> {
        self.set_password(id, password).await?;
        Ok(self.end_sessions(id, Sessions::All).await?)
    }

    /// Keeps a user from signing in, and ends all their sessions; or lets them in again.
    ///
    /// # Errors
    /// When there is no such user.
    pub async fn disable(&self, id: &str, disabled: bool) -> Result<(), PeopleError> {
        let user = id.to_owned();
        let done = self.store.write(move |tx| {
            async move {
                let done = sqlx::query("UPDATE users SET disabled = $2 WHERE id = $1")
                    .bind(user)
                    .bind(i64::from(disabled))
                    .execute(tx.connection())
                    .await?;
                Ok(done.rows_affected() == 1)
            }
            .boxed()
        });
        if !done.await? {
            return Err(PeopleError::Unknown);
        }
        if disabled {
            self.end_sessions(id, Sessions::All).await?;
        }
        Ok(())
    }

    /// Changes what `change` names; gives the user as it is then.
    ///
    /// # Errors
    /// When something is refused or there is no such user.
    pub async fn change(&self, id: &str, change: UserChange) -> Result<User, PeopleError> {
        let old = self.find(id).await?.ok_or(PeopleError::Unknown)?;
        let fixed = matches!(old.role, Role::Guest | Role::Service);
        if change.role.is_some_and(|role| {
            role != old.role && (fixed || !matches!(role, Role::User | Role::Admin))
        }) {
            return Err(PeopleError::Invalid(
                "the role is user or admin, and stays for guests and services".to_owned(),
            ));
        }
        let new = NewUser {
            login: old.login.clone(),
            name: change.name.unwrap_or(old.name),
            password: change.password,
            title: change.title.or(old.title),
            company: change.company.or(old.company),
            email: change.email.or(old.email),
            work_phone: change.work_phone.or(old.work_phone),
            mobile: change.mobile.or(old.mobile),
            home_phone: change.home_phone.or(old.home_phone),
            role: Some(change.role.unwrap_or(old.role)),
        };
        let (checked, password) = check(new).map_err(PeopleError::Invalid)?;
        let user = User {
            id: old.id,
            guest_of: old.guest_of,
            disabled: old.disabled,
            ..checked
        };
        self.keep(user.clone()).await?;
        if let Some(password) = password {
            self.reset_password(id, password).await?;
        }
        if let Some(disabled) = change.disabled {
            self.disable(id, disabled).await?;
        }
        self.find(id).await?.ok_or(PeopleError::Unknown)
    }

    async fn keep(&self, user: User) -> Result<(), StoreError> {
        self.store
            .write(move |tx| {
                async move {
                    sqlx::query(
                        "UPDATE users SET name = $2, title = $3, company = $4, email = $5, work_phone = $6, mobile = $7, \
                         home_phone = $8, role = $9 WHERE id = $1",
                    )
                    .bind(user.id)
                    .bind(user.name)
                    .bind(user.title)
                    .bind(user.company)
                    .bind(user.email)
                    .bind(user.work_phone)
                    .bind(user.mobile)
                    .bind(user.home_phone)
                    .bind(user.role.as_str())
                    .execute(tx.connection())
                    .await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }

    /// A new token of a service user; the old ones stay.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub async fn make_token(&self, user: &str) -> Result<String, PeopleError> {
        let token = secret()?;
        let (hash, user) = (digest(&token), user.to_owned());
        self.store
            .write(move |tx| {
                async move {
                    sqlx::query(
                        "INSERT INTO service_tokens (hash, user_id, created_ms) VALUES ($1, $2, $3)",
                    )
                    .bind(hash)
                    .bind(user)
                    .bind(now_ms())
                    .execute(tx.connection())
                    .await?;
                    Ok(())
                }
                .boxed()
            })
            .await?;
        Ok(token)
    }
}
