//! Heads: the last number of each conversation that had events lately, told to its members now and then. Whoever missed
//! something, for whatever reason, learns it so and reads `history`.
#![expect(
    clippy::disallowed_types,
    reason = "noted once a commit; lookups of nanoseconds need no task to own the table"
)]

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use serde_json::json;

use crate::server::protocol::{Event, message};
use crate::server::{Companion, clock};

/// How often.
const PERIOD: Duration = Duration::from_secs(30);
/// What had no event for this long was told already.
const LATELY: Duration = Duration::from_secs(75);

/// Last numbers of this process. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Heads {
    lately: Arc<Mutex<HashMap<String, (i64, Instant)>>>,
}

impl Heads {
    /// Notes committed events.
    pub(crate) fn note(&self, events: &[Event]) {
        let now = clock::instant();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        for event in events {
            lately.insert(event.conversation.clone(), (event.seq, now));
        }
    }

    fn take(&self) -> Vec<(String, i64)> {
        let now = clock::instant();
        let mut lately = self.lately.lock().unwrap_or_else(PoisonError::into_inner);
        lately.retain(|_, (_, at)| now.saturating_duration_since(*at) < LATELY);
        lately
            .iter()
            .map(|(conversation, (seq, _))| (conversation.clone(), *seq))
            .collect()
    }
}

/// Tells heads, until the runtime ends.
pub(crate) async fn keep_told(companion: Companion) {
    let mut round = tokio::time::interval(PERIOD);
    loop {
        round.tick().await;
        let mut by_user: HashMap<Arc<str>, HashMap<String, i64>> = HashMap::new();
        for (conversation, seq) in companion.heads.take() {
            for user in companion.hub.listeners(&conversation) {
                by_user
                    .entry(user)
                    .or_default()
                    .insert(conversation.clone(), seq);
            }
        }
        for (user, last) in by_user {
            companion
                .hub
                .tell(&user, message("heads", json!({ "last": last })));
        }
    }
}
