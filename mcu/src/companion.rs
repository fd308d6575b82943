//! The companion's seam to the engine: makes conferences for its conversations and links to come into them.
//!
//! Called by the companion through [`Bridge`]; knows no message and no contact.

use std::sync::Arc;
use std::time::Duration;

use plenum_companion::server as companion;
use plenum_companion::server::{
    Bridge, BridgeError, CalendarConfig, CompanionConfig, Database, FileLimits, Limits, Occasion,
    Pending, Presence, RoomPolicy, User,
};

use crate::auth::{ApiKeys, Role};
use crate::conference::{self, Conferences, Denied, DialOrder, NewConference};
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

impl From<Denied> for BridgeError {
    fn from(denied: Denied) -> Self {
        match denied {
            Denied::Nobody => Self::Gone,
            Denied::Invalid(why) | Denied::Forbidden(why) => Self::Refused(why.to_owned()),
            Denied::Unavailable(why) => Self::Unavailable(why.to_owned()),
        }
    }
}

/// The engine as the companion sees it.
pub(crate) struct Engine {
    pub(crate) conferences: Conferences,
    pub(crate) keys: Arc<ApiKeys>,
}

impl Bridge for Engine {
    fn make<'a>(
        &'a self,
        subject: &'a str,
        occasion: Occasion,
    ) -> Pending<'a, Result<String, BridgeError>> {
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
                is_call: occasion == Occasion::Call,
                ..NewConference::default()
            };
            let made = conference::create(&around.store, &around.pins, wanted).await;
            let created = made.map_err(|error| BridgeError::Unavailable(error.to_string()))?;
            Ok(created.record.number)
        })
    }

    fn dials(&self) -> bool {
        self.conferences.around().dialler.is_some()
    }

    fn may_dial(&self, number: &str) -> Result<(), BridgeError> {
        let dialler = self.conferences.around().dialler.as_ref();
        let dialler = dialler.ok_or(Denied::Unavailable("This server calls no phones."))?;
        dialler.number(number)?;
        Ok(())
    }

    fn dial<'a>(
        &'a self,
        conference: &'a str,
        number: &'a str,
        name: Option<&'a str>,
    ) -> Pending<'a, Result<(), BridgeError>> {
        Box::pin(async move {
            let found = self.conferences.around().store.find(conference).await;
            let record = found
                .map_err(|error| BridgeError::Unavailable(error.to_string()))?
                .ok_or(BridgeError::Gone)?;
            let order = DialOrder::Call(number.to_owned(), name.map(str::to_owned));
            let placed = self.conferences.dial(&record.id, order).await;
            placed.ok_or(BridgeError::Gone)??;
            Ok(())
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
