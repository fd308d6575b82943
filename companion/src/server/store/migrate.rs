//! Brings a database to this version: one list, most of it the same SQL for both dialects.

use sqlx::{AnyConnection, Connection};

use super::{Dialect, StoreError};
use crate::server::clock;

/// A step's SQL.
enum Sql {
    /// Of both dialects.
    Same(&'static str),
    /// Of each its own.
    Each {
        sqlite: &'static str,
        postgres: &'static str,
    },
}

/// Steps in order, by number. A step that was released is never changed; numbers may have gaps.
const STEPS: &[(i64, Sql)] = &[
    (1, Sql::Same(include_str!("migrations/0001_people.sql"))),
    (
        2,
        Sql::Each {
            sqlite: include_str!("migrations/0002_events.sqlite.sql"),
            postgres: include_str!("migrations/0002_events.postgres.sql"),
        },
    ),
    (3, Sql::Same(include_str!("migrations/0003_talk.sql"))),
    (4, Sql::Same(include_str!("migrations/0004_withheld.sql"))),
    (10, Sql::Same(include_str!("migrations/0010_presence.sql"))),
    (11, Sql::Same(include_str!("migrations/0011_contacts.sql"))),
    (20, Sql::Same(include_str!("migrations/0020_rooms.sql"))),
    (
        21,
        Sql::Each {
            sqlite: include_str!("migrations/0021_words.sqlite.sql"),
            postgres: include_str!("migrations/0021_words.postgres.sql"),
        },
    ),
    (30, Sql::Same(include_str!("migrations/0030_phones.sql"))),
    (31, Sql::Same(include_str!("migrations/0031_lists.sql"))),
    (32, Sql::Same(include_str!("migrations/0032_notes.sql"))),
];

/// Takes each step that `connection`'s database lacks, each in a transaction.
///
/// # Errors
/// When a step fails or the database has one that this version doesn't know.
pub(super) async fn run(
    connection: &mut AnyConnection,
    dialect: Dialect,
) -> Result<(), StoreError> {
    sqlx::raw_sql(
        "CREATE TABLE IF NOT EXISTS steps (step BIGINT PRIMARY KEY, taken_ms BIGINT NOT NULL)",
    )
    .execute(&mut *connection)
    .await?;
    let taken: Vec<(i64,)> = sqlx::query_as("SELECT step FROM steps ORDER BY step")
        .fetch_all(&mut *connection)
        .await?;
    if let Some((step,)) = taken
        .iter()
        .find(|(step,)| STEPS.iter().all(|(known, _)| known != step))
    {
        return Err(StoreError::Newer { step: *step });
    }
    for (step, sql) in STEPS {
        if taken.contains(&(*step,)) {
            continue;
        }
        let sql = match (sql, dialect) {
            (Sql::Same(sql), _)
            | (Sql::Each { sqlite: sql, .. }, Dialect::Sqlite)
            | (Sql::Each { postgres: sql, .. }, Dialect::Postgres) => *sql,
        };
        let mut transaction = connection.begin().await?;
        sqlx::raw_sql(sql).execute(&mut *transaction).await?;
        sqlx::query("INSERT INTO steps (step, taken_ms) VALUES ($1, $2)")
            .bind(step)
            .bind(clock::now_ms())
            .execute(&mut *transaction)
            .await?;
        transaction.commit().await?;
    }
    Ok(())
}
