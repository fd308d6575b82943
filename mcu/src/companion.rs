//! The companion's seam to the engine: makes conferences for its conversations and links to come into them.
//!
//! Called by the companion through [`Bridge`]; knows no message and no contact.

use std::sync::Arc;
use std::time::Duration;

use plenum_companion::server as companion;
use plenum_companion::server::{
    Bridge, BridgeError, CalendarConfig, CompanionConfig, Database, FileLimits, Limits, Pending,
    Presence, RoomPolicy, User,
};

use crate::auth::{ApiKeys, Role};
use crate::conference::{self, Conferences, NewConference};
use crate::config::{Config, TlsConfig};

/// Name of the database in the data folder.
const DATABASE: &str = "companion.db";
/// Folder of files in the data folder.
const FILES: &str = "files";
/// A link is good for so long: the conference that it leads to is of today.
const LINK_LIFE: Duration = Duration::from_secs(24 * 3600);

/// What the companion is told, from the configuration.
pub(crate) fn settings(config: &Config, presence: Presence) -> CompanionConfig {
    let data = &config.server.data_dir;
    let section = &config.companion;
    CompanionConfig {
        database: database(config),
        secure: config.http.tls != TlsConfig::Off,
        limits: Limits {
            message: section.message,
            post: section.post,
            people: section.people,
            ..Limits::default()
        },
        rooms: RoomPolicy {
            past: section.rooms_past,
        },
        retention: section.keep,
        files: FileLimits {
            folder: data.join(FILES),
            file: section.file,
            quota: section.quota,
            forbidden: section.forbidden_types.clone(),
            scan: section.scan.clone(),
        },
        presence,
        calendar: CalendarConfig {
            private: section.calendar_private,
            zone: section.calendar_zone.clone(),
        },
    }
}

/// Where the companion keeps everything.
pub(crate) fn database(config: &Config) -> Database {
    config
        .companion
        .database
        .clone()
        .unwrap_or_else(|| Database::Sqlite(config.server.data_dir.join(DATABASE)))
}

/// The engine as the companion sees it.
pub(crate) struct Engine {
    pub(crate) conferences: Conferences,
    pub(crate) keys: Arc<ApiKeys>,
}

impl Bridge for Engine {
    fn make<'a>(&'a self, subject: &'a str) -> Pending<'a, Result<String, BridgeError>> {
        Box::pin(async move {
            let around = self.conferences.around();
            let name: String = subject
                .chars()
                .filter(|c| !c.is_control())
                .take(100)
                .collect();
            let wanted = NewConference {
                name: if name.trim().is_empty() {
                    "Conversation".to_owned()
                } else {
                    name
                },
                ..NewConference::default()
            };
            let made = conference::create(&around.store, &around.pins, wanted).await;
            made.map(|created| created.record.number)
                .map_err(|error| BridgeError::Unavailable(error.to_string()))
        })
    }

    fn link<'a>(
        &'a self,
        conference: &'a str,
        user: &'a User,
    ) -> Pending<'a, Result<String, BridgeError>> {
        Box::pin(async move {
            let around = self.conferences.around();
            let found = around.store.find(conference).await;
            let record = found
                .map_err(|error| BridgeError::Unavailable(error.to_string()))?
                .ok_or(BridgeError::Gone)?;
            // Those who talk together are equal; whoever was invited from outside is a guest here, too.
            let role = match user.role {
                companion::Role::Guest => Role::Guest,
                _ => Role::Host,
            };
            let (token, _) = around
                .tokens
                .issue(
                    &record.id,
                    role,
                    Some(user.name.clone()),
                    Some(user.id.clone()),
                    LINK_LIFE,
                )
                .map_err(|error| BridgeError::Unavailable(error.to_string()))?;
            Ok(format!("/join/{}?token={token}", record.number))
        })
    }

    fn present<'a>(&'a self, conference: &'a str) -> Pending<'a, Option<Vec<String>>> {
        Box::pin(async move {
            match self.conferences.around().store.find(conference).await {
                Ok(Some(record)) => self.conferences.users(&record.id).await,
                Ok(None) | Err(_) => None,
            }
        })
    }

    fn accepts_key(&self, key: &str) -> bool {
        self.keys.accepts(key)
    }
}
