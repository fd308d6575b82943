//! The full text index: written with the event, in its transaction. An edit replaces what its target had, a deletion removes it.
//!
//! Called by the writer alone; knows nothing of who may read.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use serde::Deserialize;
use sqlx::AssertSqlSafe;

use crate::server::protocol::Kind;
use crate::server::store::{Dialect, Draft, StoreError, Tx, places};
use crate::words::tokens;

/// Rows of one statement.
const ROWS: usize = 64;
/// Positions that PostgreSQL keeps of one lexeme.
const POSITIONS: usize = 255;

#[derive(Deserialize, Default)]
struct Body {
    #[serde(default)]
    text: String,
    #[serde(default)]
    files: Vec<File>,
}

#[derive(Deserialize)]
struct File {
    #[serde(default)]
    name: String,
}

impl Body {
    /// Bodies are ours; of one that isn't readable nothing is found.
    fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }

    fn tokens(&self) -> Vec<String> {
        let mut all = tokens(&self.text);
        for file in &self.files {
            all.extend(tokens(&file.name));
        }
        all.truncate(crate::words::TEXT_TOKENS);
        all
    }
}

/// What is indexed of one post.
struct Row<'a> {
    conversation: &'a str,
    seq: i64,
    sender: &'a str,
    tokens: Vec<String>,
}

impl Row<'_> {
    fn words(&self, dialect: Dialect) -> String {
        match dialect {
            Dialect::Sqlite => self.tokens.join(" "),
            Dialect::Postgres => tsvector(self),
        }
    }

    fn keys(&self) -> String {
        format!("t c{} a{}", self.conversation, self.sender)
    }
}

/// A `tsvector` as PostgreSQL reads it. Tokens hold letters, digits and their marks only; quotes are for the keys' colons.
fn tsvector(row: &Row<'_>) -> String {
    let mut positions: BTreeMap<&str, Vec<usize>> = BTreeMap::new();
    for (at, token) in row.tokens.iter().enumerate() {
        let of = positions.entry(token).or_default();
        if of.len() < POSITIONS {
            of.push(at + 1);
        }
    }
    let mut text = format!(
        "'t:' '{}' '{}'",
        key('c', row.conversation),
        key('a', row.sender)
    );
    for (token, at) in positions {
        let at: Vec<String> = at.iter().map(usize::to_string).collect();
        // Writing to a String cannot fail.
        let _ = write!(text, " '{token}':{}", at.join(","));
    }
    text
}

/// A key of PostgreSQL's index: small letters, as tokens are, and nothing that could end its quotes.
pub(super) fn key(kind: char, id: &str) -> String {
    let id: String = id.chars().filter(char::is_ascii_alphanumeric).collect();
    format!("{kind}:{}", id.to_ascii_lowercase())
}

/// Brings the index up to `fresh`, which have just been inserted.
///
/// # Errors
/// When the database fails.
pub(crate) async fn keep(tx: &mut Tx, fresh: &[(&Draft, i64)]) -> Result<(), StoreError> {
    let mut rows: Vec<Row<'_>> = Vec::new();
    for (draft, seq) in fresh {
        match draft.kind {
            Kind::Text => rows.push(Row {
                conversation: &draft.conversation,
                seq: *seq,
                sender: &draft.sender,
                tokens: Body::read(&draft.body).tokens(),
            }),
            Kind::Edit | Kind::Delete => {
                // In order: what is edited may be in this very batch.
                insert(tx, &std::mem::take(&mut rows)).await?;
                replace(tx, draft).await?;
            }
            _ => {}
        }
    }
    insert(tx, &rows).await
}

async fn replace(tx: &mut Tx, draft: &Draft) -> Result<(), StoreError> {
    let Some(target) = draft.target else {
        return Ok(());
    };
    let found: Option<(i64, String, String)> =
        sqlx::query_as("SELECT pos, sender, body FROM events WHERE conversation = $1 AND seq = $2")
            .bind(&draft.conversation)
            .bind(target)
            .fetch_optional(tx.connection())
            .await?;
    let Some((pos, sender, body)) = found else {
        return Ok(());
    };
    remove(tx, pos).await?;
    if draft.kind == Kind::Delete {
        return Ok(());
    }
    let body = Body {
        text: Body::read(&draft.body).text,
        files: Body::read(&body).files,
    };
    let row = Row {
        conversation: &draft.conversation,
        seq: target,
        sender: &sender,
        tokens: body.tokens(),
    };
    insert(tx, &[row]).await
}

/// Removes what is indexed of the event at `pos`.
///
/// # Errors
/// When the database fails.
pub(crate) async fn remove(tx: &mut Tx, pos: i64) -> Result<(), StoreError> {
    let sql = match tx.dialect() {
        Dialect::Sqlite => "DELETE FROM post_words WHERE rowid = $1",
        Dialect::Postgres => "DELETE FROM post_words WHERE pos = $1",
    };
    sqlx::query(sql).bind(pos).execute(tx.connection()).await?;
    Ok(())
}

async fn insert(tx: &mut Tx, mut rows: &[Row<'_>]) -> Result<(), StoreError> {
    // Statements of few different lengths stay prepared.
    while let Some(power) = rows.len().min(ROWS).checked_ilog2() {
        let (chunk, rest) = rows.split_at(1 << power);
        insert_chunk(tx, chunk).await?;
        rows = rest;
    }
    Ok(())
}

async fn insert_chunk(tx: &mut Tx, rows: &[Row<'_>]) -> Result<(), StoreError> {
    let dialect = tx.dialect();
    let columns = match dialect {
        Dialect::Sqlite => 4,
        Dialect::Postgres => 3,
    };
    let values = places(dialect, rows.len(), columns);
    let (into, columns) = match dialect {
        Dialect::Sqlite => ("rowid, words, keys", "v.column3, v.column4"),
        Dialect::Postgres => ("pos, words", "CAST(v.column3 AS tsvector)"),
    };
    let sql = format!(
        "INSERT INTO post_words ({into}) SELECT e.pos, {columns} FROM (VALUES {}) AS v CROSS JOIN events e \
         WHERE e.conversation = v.column1 AND e.seq = v.column2",
        values
    );
    let mut query = sqlx::query(AssertSqlSafe(sql));
    for row in rows {
        query = query
            .bind(row.conversation)
            .bind(row.seq)
            .bind(row.words(dialect));
        if dialect == Dialect::Sqlite {
            query = query.bind(row.keys());
        }
    }
    query.execute(tx.connection()).await?;
    Ok(())
}
