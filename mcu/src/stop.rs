//! The server's stop, as tasks wait for it.

use tokio::sync::watch;

/// Resolves once the server has begun to stop.
pub(crate) async fn requested(stop: &mut watch::Receiver<bool>) {
    if stop.wait_for(|stop| *stop).await.is_err() {
        // The server is gone without a word: whoever owns this task ends it.
        std::future::pending::<()>().await;
    }
}
