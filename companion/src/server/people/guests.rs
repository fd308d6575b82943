//! Guests: whoever has an invitation's link and says a name is in one conversation until the invitation ends.

use futures_util::FutureExt;
use serde_json::json;

use super::sessions::{digest, secret};
use super::{People, PeopleError, Role, User};
use crate::server::clock::now_ms;
use crate::server::messages::{enter, note};
use crate::server::protocol::Kind;
use crate::server::store::StoreError;
use crate::text;

/// A guest who has just come.
pub(crate) struct Arrival {
    pub(crate) user: User,
    pub(crate) cookie: String,
    pub(crate) conversation: String,
    /// Milliseconds since 1970.
    pub(crate) expires_ms: i64,
}

impl People {
    /// An invitation to `conversation`: the link's secret.
    ///
    /// # Errors
    /// When it cannot be kept.
    pub(crate) async fn invite(
        &self,
        conversation: String,
        by: String,
        expires_ms: i64,
    ) -> Result<String, PeopleError> {
        let invite = secret()?;
        let hash = digest(&invite);
        self.store
            .write(move |tx| {
                async move {
                    sqlx::query("DELETE FROM invites WHERE expires_ms < $1")
                        .bind(now_ms())
                        .execute(tx.connection())
                        .await?;
                    sqlx::query(
                        "INSERT INTO invites (hash, conversation, created_by, expires_ms) VALUES ($1, $2, $3, $4)",
                    )
                    .bind(hash)
                    .bind(conversation)
                    .bind(by)
                    .bind(expires_ms)
                    .execute(tx.connection())
                    .await?;
                    Ok(())
                }
                .boxed()
            })
            .await?;
        Ok(invite)
    }

    /// Lets in who has `invite`; `None` when it is none or has ended. At most `most` people are in a conversation.
    ///
    /// # Errors
    /// When the name is refused, the conversation full or the database fails.
    pub(crate) async fn let_in(
        &self,
        invite: &str,
        name: &str,
        most: usize,
    ) -> Result<Option<Arrival>, PeopleError> {
        let name = text::line(name, text::NAME)
            .map_err(|error| PeopleError::Invalid(format!("name: {error}")))?;
        let now = now_ms();
        let found: Option<(String, i64)> = sqlx::query_as(
            "SELECT conversation, expires_ms FROM invites WHERE hash = $1 AND expires_ms > $2",
        )
        .bind(digest(invite))
        .bind(now)
        .fetch_optional(self.store.reader())
        .await?;
        let Some((conversation, expires_ms)) = found else {
            return Ok(None);
        };
        let id = ulid::Ulid::new().to_string();
        let user = User {
            login: format!("guest-{}", id.to_lowercase()),
            id,
            name,
            title: None,
            company: None,
            email: None,
            work_phone: None,
            mobile: None,
            home_phone: None,
            role: Role::Guest,
            disabled: false,
            guest_of: Some(conversation.clone()),
        };
        self.insert(user.clone(), None).await?;
        self.bring_in(&user.id, &conversation, most).await?;
        let cookie = self.open_session_until(&user.id, expires_ms).await?;
        Ok(Some(Arrival {
            user,
            cookie,
            conversation,
            expires_ms,
        }))
    }

    async fn bring_in(
        &self,
        user: &str,
        conversation: &str,
        most: usize,
    ) -> Result<(), StoreError> {
        let (user, conversation) = (user.to_owned(), conversation.to_owned());
        let most = i64::try_from(most).unwrap_or(i64::MAX);
        self.store
            .write(move |tx| {
                async move {
                    let (people, room): (i64, i64) = sqlx::query_as(
                        "SELECT COUNT(*), COUNT(CASE WHEN c.kind = 'room' THEN 1 END) FROM members m \
                         JOIN conversations c ON c.id = m.conversation WHERE m.conversation = $1",
                    )
                    .bind(conversation.clone())
                    .fetch_one(tx.connection())
                    .await?;
                    if room == 0 && people >= most {
                        return Err(StoreError::Refused("The conversation is full."));
                    }
                    enter(tx, &conversation, &user).await?;
                    tx.append(note(&conversation, &user, Kind::Join, &json!({"users": [user]})))
                        .await?;
                    Ok(())
                }
                .boxed()
            })
            .await
    }
}
