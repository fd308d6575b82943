//! Looks names up for the endpoint. Each look-up is a task of its own; the endpoint has one for each call that is being placed at most, and
//! gives it up by itself.

use tokio::net::lookup_host;
use tokio::task::JoinSet;

use crate::endpoint::Record;
use crate::trunk::Proxy;

/// Addresses of one name.
const MAX_RECORDS: usize = 32;

/// Look-ups under way.
#[derive(Default)]
pub(super) struct Names {
    running: JoinSet<(u64, Vec<Record>)>,
}

impl Names {
    pub(super) fn ask(&mut self, query: u64, proxy: Proxy) {
        self.running
            .spawn(async move { (query, addresses(&proxy).await) });
    }

    /// The next that is found; never, while there is none.
    pub(super) async fn next(&mut self) -> (u64, Vec<Record>) {
        loop {
            match self.running.join_next().await {
                Some(Ok(found)) => return found,
                Some(Err(error)) => tracing::error!(%error, "look-up died"),
                None => std::future::pending().await,
            }
        }
    }
}

async fn addresses(proxy: &Proxy) -> Vec<Record> {
    let transport = proxy.transport.unwrap_or_default();
    let port = proxy.port.unwrap_or(transport.default_port());
    match lookup_host((proxy.host.as_str(), port)).await {
        Ok(found) => found
            .take(MAX_RECORDS)
            .map(|address| Record {
                address,
                transport,
                priority: 0,
                weight: 0,
            })
            .collect(),
        Err(error) => {
            tracing::warn!(%error, "a trunk's name cannot be looked up");
            Vec::new()
        }
    }
}
