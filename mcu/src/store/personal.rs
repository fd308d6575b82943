//! Personal PINs as kept: whose, for how long, and nothing of the digits but an argon2id string.

use sqlx::{FromRow, Row};

use super::{Store, StoreError};
use crate::auth::Role;

/// Personal PINs of one conference; each more makes a guess luckier.
const MOST: i64 = 500;

/// A PIN of one person in one conference, without its digits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PersonalPin {
    /// `n_…`
    pub id: String,
    /// Key of presence of the person.
    pub user: String,
    /// How they are shown.
    pub name: String,
    /// What it lets them do.
    pub role: Role,
    /// The person is known by their place in the conference alone: the PIN goes with it.
    pub passing: bool,
    /// Milliseconds since 1970.
    pub created_ms: i64,
    /// From then on it is wrong; `None`: never. Milliseconds since 1970.
    pub expires_ms: Option<i64>,
}

/// What came of keeping one.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// It is on disk, and the person's former one is gone.
    Yes,
    /// Somebody else's PIN is the same.
    Taken,
    /// The conference has as many as it may.
    TooMany,
}

impl<'r> FromRow<'r, sqlx::sqlite::SqliteRow> for PersonalPin {
    fn from_row(row: &'r sqlx::sqlite::SqliteRow) -> sqlx::Result<Self> {
        let host: bool = row.try_get("host")?;
        Ok(Self {
            id: row.try_get("id")?,
            user: row.try_get("user")?,
            name: row.try_get("name")?,
            role: if host { Role::Host } else { Role::Guest },
            passing: row.try_get("passing")?,
            created_ms: row.try_get("created_ms")?,
            expires_ms: row.try_get("expires_ms")?,
        })
    }
}

impl Store {
    /// Keeps a personal PIN of the conference with ULID `conference`, in place of the person's former one.
    ///
    /// # Errors
    /// When the database fails, or the conference is gone.
    pub async fn keep_personal(
        &self,
        conference: &str,
        pin: &PersonalPin,
        hash: &str,
    ) -> Result<Kept, StoreError> {
        let mut transaction = self.writer.begin().await?;
        sqlx::query(
            "DELETE FROM personal_pins WHERE conference = $1 AND (user = $2 OR expires_ms <= $3)",
        )
        .bind(conference)
        .bind(&pin.user)
        .bind(pin.created_ms)
        .execute(&mut *transaction)
        .await?;
        let count: i64 =
            sqlx::query_scalar("SELECT COUNT(*) FROM personal_pins WHERE conference = $1")
                .bind(conference)
                .fetch_one(&mut *transaction)
                .await?;
        if count >= MOST {
            return Ok(Kept::TooMany);
        }
        let done = sqlx::query(
            "INSERT INTO personal_pins (id, conference, user, name, host, hash, passing, created_ms, expires_ms) \
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9) ON CONFLICT DO NOTHING",
        )
        .bind(&pin.id)
        .bind(conference)
        .bind(&pin.user)
        .bind(&pin.name)
        .bind(pin.role == Role::Host)
        .bind(hash)
        .bind(pin.passing)
        .bind(pin.created_ms)
        .bind(pin.expires_ms)
        .execute(&mut *transaction)
        .await?;
        if done.rows_affected() == 0 {
            return Ok(Kept::Taken);
        }
        transaction.commit().await?;
        Ok(Kept::Yes)
    }

    /// Whose PIN has this hash in the conference with ULID `conference`, if it has not expired at `now_ms`.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn find_personal(
        &self,
        conference: &str,
        hash: &str,
        now_ms: i64,
    ) -> Result<Option<PersonalPin>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM personal_pins WHERE conference = $1 AND hash = $2 \
             AND (expires_ms IS NULL OR expires_ms > $3)",
        )
        .bind(conference)
        .bind(hash)
        .bind(now_ms);
        Ok(query.fetch_optional(&self.readers).await?)
    }

    /// Those of the conference with ULID `conference`, the oldest first, expired ones too.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn personal(&self, conference: &str) -> Result<Vec<PersonalPin>, StoreError> {
        let query = sqlx::query_as(
            "SELECT * FROM personal_pins WHERE conference = $1 ORDER BY created_ms, id",
        )
        .bind(conference);
        Ok(query.fetch_all(&self.readers).await?)
    }

    /// Takes back the PIN `id` of the conference with ULID `conference`; `false` when there is none.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_personal(&self, conference: &str, id: &str) -> Result<bool, StoreError> {
        let done = sqlx::query("DELETE FROM personal_pins WHERE conference = $1 AND id = $2")
            .bind(conference)
            .bind(id)
            .execute(&self.writer)
            .await?;
        Ok(done.rows_affected() > 0)
    }

    /// Takes back the PIN of `user` in the conference with ULID `conference`, if there is one.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn revoke_personal_of(&self, conference: &str, user: &str) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM personal_pins WHERE conference = $1 AND user = $2")
            .bind(conference)
            .bind(user)
            .execute(&self.writer)
            .await?;
        Ok(())
    }

    /// Forgets the PINs of whoever was known by their place alone: in the conference with ULID `conference`, or in all of them.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn forget_passing(&self, conference: Option<&str>) -> Result<(), StoreError> {
        sqlx::query("DELETE FROM personal_pins WHERE passing AND ($1 IS NULL OR conference = $1)")
            .bind(conference)
            .execute(&self.writer)
            .await?;
        Ok(())
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;
    use crate::conference::Manners;
    use crate::store::{ConferenceRecord, Pins};

    fn pin(user: &str, expires_ms: Option<i64>) -> PersonalPin {
        PersonalPin {
            id: format!("n_{}", ulid::Ulid::new()),
            user: user.into(),
            name: user.to_uppercase(),
            role: Role::Host,
            passing: user.starts_with("p_"),
            created_ms: 100,
            expires_ms,
        }
    }

    #[tokio::test]
    async fn a_personal_pin_is_found_until_it_expires_is_replaced_or_taken_back() {
        let folder = crate::scratch::Folder::new();
        let store = Store::open(&folder.path().join("plenum.db")).await.unwrap();
        let conference = ConferenceRecord {
            id: "c".into(),
            number: "1".into(),
            name: String::new(),
            pins: Pins::default(),
            max_minutes: None,
            manners: Manners::default(),
            locked: false,
            is_call: false,
            created_ms: 0,
        };
        store.create(&conference).await.unwrap();
        let ann = pin("ann", Some(200));
        assert_eq!(
            store.keep_personal("c", &ann, "h1").await.unwrap(),
            Kept::Yes
        );
        let ben = pin("ben", None);
        assert_eq!(
            store.keep_personal("c", &ben, "h1").await.unwrap(),
            Kept::Taken
        );
        assert_eq!(
            store.keep_personal("c", &ben, "h2").await.unwrap(),
            Kept::Yes
        );
        let found =
            async |hash: &'static str, now| store.find_personal("c", hash, now).await.unwrap();
        assert_eq!(found("h1", 199).await, Some(ann));
        assert_eq!(found("h1", 200).await, None, "expired");
        assert_eq!(store.find_personal("d", "h2", 0).await.unwrap(), None);
        let again = pin("ben", None);
        assert_eq!(
            store.keep_personal("c", &again, "h3").await.unwrap(),
            Kept::Yes
        );
        assert_eq!(found("h2", 0).await, None, "replaced");
        assert!(store.revoke_personal("c", &again.id).await.unwrap());
        assert!(!store.revoke_personal("c", &again.id).await.unwrap());
        let passing = pin("p_1", None);
        store.keep_personal("c", &passing, "h4").await.unwrap();
        store.forget_passing(Some("d")).await.unwrap();
        assert_eq!(found("h4", 0).await, Some(passing));
        store.forget_passing(None).await.unwrap();
        assert_eq!(found("h4", 0).await, None);
        store.keep_personal("c", &ben, "h2").await.unwrap();
        store.delete("1").await.unwrap();
        assert_eq!(found("h2", 0).await, None, "gone with its conference");
        assert!(store.keep_personal("c", &ben, "h2").await.is_err());
    }
}
