//! Looking after a database, whether its server runs or not: a copy of it, and a look for damage.

use std::path::Path;
use std::process::Stdio;

use sqlx::AssertSqlSafe;

use super::{Database, Dialect, Store, StoreError};

/// Faults of one kind that are told.
const TOLD: i64 = 100;

/// What must select nothing, and what it says of each row that it does select.
const RULES: &[(&str, &str)] = &[
    (
        "a log has a gap",
        "SELECT conversation FROM events GROUP BY conversation HAVING COUNT(*) <> MAX(seq) - MIN(seq) + 1",
    ),
    (
        "a member of no conversation",
        "SELECT m.conversation FROM members m WHERE NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = m.conversation)",
    ),
    (
        "a member who is no user",
        "SELECT m.user_id FROM members m WHERE NOT EXISTS (SELECT 1 FROM users u WHERE u.id = m.user_id)",
    ),
    (
        "an event of no conversation",
        "SELECT DISTINCT e.conversation FROM events e WHERE NOT EXISTS (SELECT 1 FROM conversations c WHERE c.id = e.conversation)",
    ),
    (
        "an event about one that is not before it",
        "SELECT e.conversation FROM events e WHERE e.target IS NOT NULL AND (e.target >= e.seq OR e.target < 1)",
    ),
    (
        "read beyond the end",
        "SELECT m.conversation FROM members m WHERE m.read_seq > (SELECT COALESCE(MAX(e.seq), 0) FROM events e WHERE \
         e.conversation = m.conversation)",
    ),
];

/// See the module.
#[derive(Debug)]
pub struct Upkeep {
    store: Store,
    database: Database,
}

impl Upkeep {
    /// Opens the database.
    ///
    /// # Errors
    /// When it cannot be opened or is of a newer version.
    pub async fn open(database: &Database) -> Result<Self, StoreError> {
        let (store, _) = Store::open(database).await?;
        Ok(Self {
            store,
            database: database.clone(),
        })
    }

    /// Copies the database, as of one moment, to the file `to`, which must not exist: SQLite's own copy, or `pg_dump`'s custom
    /// format.
    ///
    /// # Errors
    /// When the file exists or the copy fails.
    pub async fn backup(&self, to: &Path) -> Result<(), StoreError> {
        let fault = |source| StoreError::File {
            path: to.to_owned(),
            source,
        };
        if to.exists() {
            return Err(fault(std::io::ErrorKind::AlreadyExists.into()));
        }
        match &self.database {
            Database::Sqlite(_) => {
                let path = to.to_string_lossy().into_owned();
                sqlx::query("VACUUM INTO $1")
                    .bind(path)
                    .execute(self.store.reader())
                    .await?;
                Ok(())
            }
            Database::Postgres(url) => {
                // The password goes by the environment: arguments are seen by everybody on the machine.
                let (url, password) = without_password(url);
                let mut dump = tokio::process::Command::new("pg_dump");
                dump.args(["--format=custom", "--file"])
                    .arg(to)
                    .arg("--dbname")
                    .arg(url)
                    .stdin(Stdio::null());
                if let Some(password) = password {
                    dump.env("PGPASSWORD", password);
                }
                let dumped = dump.output().await.map_err(fault)?;
                if dumped.status.success() {
                    return Ok(());
                }
                let said = String::from_utf8_lossy(&dumped.stderr).into_owned();
                Err(fault(std::io::Error::other(format!("pg_dump: {said}"))))
            }
        }
    }

    /// Faults of the database; none when it is whole.
    ///
    /// # Errors
    /// When it cannot be looked at.
    pub async fn check(&self) -> Result<Vec<String>, StoreError> {
        let mut faults = Vec::new();
        if self.store.dialect() == Dialect::Sqlite {
            let said: Vec<(String,)> = sqlx::query_as("PRAGMA integrity_check")
                .fetch_all(self.store.reader())
                .await?;
            faults.extend(
                said.into_iter()
                    .map(|(line,)| line)
                    .filter(|line| line != "ok"),
            );
        }
        for (what, sql) in RULES {
            let sql = format!("SELECT * FROM ({sql}) found LIMIT {TOLD}");
            let rows: Vec<(String,)> = sqlx::query_as(AssertSqlSafe(sql))
                .fetch_all(self.store.reader())
                .await?;
            faults.extend(rows.into_iter().map(|(id,)| format!("{what}: {id}")));
        }
        Ok(faults)
    }
}

/// The address without its password, and the password.
fn without_password(url: &str) -> (String, Option<String>) {
    let Some((scheme, rest)) = url.split_once("://") else {
        return (url.to_owned(), None);
    };
    let end = rest.find(['/', '?']).unwrap_or(rest.len());
    let (authority, path) = rest.split_at_checked(end).unwrap_or((rest, ""));
    let Some((user, host)) = authority.rsplit_once('@') else {
        return (url.to_owned(), None);
    };
    match user.split_once(':') {
        Some((user, password)) => (
            format!("{scheme}://{user}@{host}{path}"),
            Some(decoded(password)),
        ),
        None => (url.to_owned(), None),
    }
}

/// Text with its percent signs resolved.
fn decoded(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        let digits = after.get(..2).and_then(|two| std::str::from_utf8(two).ok());
        match digits.and_then(|two| u8::from_str_radix(two, 16).ok()) {
            Some(byte) if *first == b'%' => {
                bytes.push(byte);
                rest = after.get(2..).unwrap_or_default();
            }
            _ => {
                bytes.push(*first);
                rest = after;
            }
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_password_leaves_the_address() {
        let split = |url| without_password(url);
        assert_eq!(
            split("postgres://a:p%40w@h:1/d?x=y"),
            ("postgres://a@h:1/d?x=y".to_owned(), Some("p@w".to_owned()))
        );
        assert_eq!(split("postgres://a@h/d").1, None);
        assert_eq!(split("postgres:///d?host=@:x").1, None);
    }
}
