//! Takes away what nobody needs: uploads that were given up, files that no message names.

use std::time::Duration;

use futures_util::FutureExt;

use crate::server::Companion;
use crate::server::clock::now_ms;
use crate::server::store::StoreError;

/// How often.
const PERIOD: Duration = Duration::from_secs(3600);
/// A file may be without a message so long, milliseconds.
const ORPHAN: i64 = 24 * 3600 * 1000;
/// Files in one go.
const ONCE: i64 = 1000;

/// Sweeps hourly, until the runtime ends.
pub(crate) async fn keep_swept(companion: Companion) {
    let mut hourly = tokio::time::interval(PERIOD);
    loop {
        hourly.tick().await;
        match sweep(&companion, now_ms() - ORPHAN).await {
            Ok(0) => {}
            Ok(count) => tracing::info!(count, "files that no message names deleted"),
            Err(error) => tracing::error!(%error, "files could not be swept"),
        }
    }
}

/// Deletes what was begun before `before` and is in no message; gives the number.
pub(crate) async fn sweep(companion: &Companion, before: i64) -> Result<usize, StoreError> {
    let orphans: Vec<(String,)> = sqlx::query_as(
        "SELECT f.id FROM files f WHERE f.created_ms < $1 AND NOT EXISTS (SELECT 1 FROM file_shares s WHERE s.file = f.id) \
         LIMIT $2",
    )
    .bind(before)
    .bind(ONCE)
    .fetch_all(companion.store.reader())
    .await?;
    let mut count = 0;
    for (id,) in orphans {
        // Who writes it still needs it.
        let Some(_pen) = companion.shelf.pen(&id) else {
            continue;
        };
        let file = id.clone();
        let gone = companion.store.write(move |tx| {
            async move {
                // A message may have named it meanwhile.
                let done = sqlx::query(
                    "DELETE FROM files WHERE id = $1 AND NOT EXISTS (SELECT 1 FROM file_shares s WHERE s.file = $1)",
                )
                .bind(file)
                .execute(tx.connection())
                .await?;
                Ok(done.rows_affected() == 1)
            }
            .boxed()
        });
        if gone.await? {
            count += 1;
            if let Err(error) = companion.shelf.remove(&id).await {
                tracing::warn!(%error, "a file stays on disk");
            }
        }
    }
    Ok(count)
}
