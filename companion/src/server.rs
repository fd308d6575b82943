//! The shell around the rules: database, people, sockets, REST.
//!
//! [`Companion::open`] starts it, [`Companion::router`] is what HTTP serves below `/api/v1/companion`. It knows no media: the
//! engine is behind [`Bridge`], and tells what it knows of people by itself.

mod badge;
mod bridge;
mod calendar;
mod clock;
mod contacts;
mod export;
mod files;
mod filters;
mod hub;
mod lists;
mod messages;
mod metrics;
mod people;
mod presence;
mod problem;
mod protocol;
mod rest;
mod retention;
mod rooms;
mod search;
mod socket;
mod store;

use std::sync::Arc;
use std::time::Duration;

use prometheus::Registry;
use tokio::sync::{Semaphore, mpsc};

pub use bridge::{Bridge, BridgeError, Occasion, Pending};
pub use calendar::CalendarConfig;
pub use files::FileLimits;
pub use people::{DEMO_USERS, DemoUser, Kdf, NewUser, People, PeopleError, Role, User, UserChange};
pub use presence::{Changed, CustomState, Presence};
pub use retention::Retention;
pub use store::{Database, StoreError, Upkeep};

use hub::Hub;
use protocol::Event;
use store::Store;

/// How often what follows posts is rung without any.
const PASSING: Duration = Duration::from_secs(1);

/// Bounds; `[companion]` sets them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limits {
    /// Longest message, bytes.
    pub message: usize,
    /// Longest post in a room, bytes.
    pub post: usize,
    /// People in a direct or group conversation.
    pub people: usize,
    /// Sockets that have not said `hello`.
    pub waiting: usize,
    /// They have this long to say it.
    pub hello: Duration,
    /// Messages of one user in a second, on average.
    pub rate: u32,
    /// Messages of one user at once.
    pub burst: u32,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            message: 8 * 1024,
            post: 32 * 1024,
            people: 100,
            waiting: 256,
            hello: Duration::from_secs(10),
            rate: 10,
            burst: 30,
        }
    }
}

/// What holds for all rooms; `[companion]` sets it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RoomPolicy {
    /// Whether newcomers read what was posted before they came.
    pub past: bool,
}

impl Default for RoomPolicy {
    fn default() -> Self {
        Self { past: true }
    }
}

/// What the companion is told at its start.
#[derive(Debug, Clone)]
pub struct CompanionConfig {
    /// Where it keeps everything.
    pub database: Database,
    /// Files that people send.
    pub files: FileLimits,
    /// Whether pages come over TLS: cookies are marked so.
    pub secure: bool,
    /// Bounds.
    pub limits: Limits,
    /// What holds for all rooms.
    pub rooms: RoomPolicy,
    /// How long events are kept.
    pub retention: Retention,
    /// Who is there: the engine's own, which knows the house's states.
    pub presence: Presence,
    /// How calendars are got.
    pub calendar: CalendarConfig,
}

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Companion {
    shell: Arc<Shell>,
}

impl std::fmt::Debug for Companion {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Companion")
    }
}

/// What handlers share.
#[doc(hidden)]
pub struct Shell {
    pub(crate) config: CompanionConfig,
    pub(crate) store: Store,
    pub(crate) people: People,
    pub(crate) hub: Hub,
    pub(crate) halls: rooms::Halls,
    pub(crate) views: rooms::views::Views,
    pub(crate) bell: filters::Bell,
    pub(crate) presence: Presence,
    pub(crate) directories: presence::Directories,
    pub(crate) calendars: calendar::Calendars,
    pub(crate) badges: badge::Badges,
    pub(crate) bridge: Arc<dyn Bridge>,
    pub(crate) shelf: files::Shelf,
    pub(crate) marks: messages::Marks,
    pub(crate) heads: messages::Heads,
    pub(crate) calls: messages::Calls,
    pub(crate) phones: messages::Phones,
    pub(crate) directs: messages::Directs,
    pub(crate) metrics: metrics::Metrics,
    /// Of sockets that have not said hello.
    pub(crate) doors: Arc<Semaphore>,
}

impl std::ops::Deref for Companion {
    type Target = Shell;

    fn deref(&self) -> &Shell {
        &self.shell
    }
}

impl Companion {
    /// Opens the database and starts what runs beside requests; it ends with the runtime.
    ///
    /// # Errors
    /// When the database cannot be opened or there is no random source.
    pub async fn open(
        config: CompanionConfig,
        bridge: Arc<dyn Bridge>,
        registry: &Registry,
    ) -> Result<Self, PeopleError> {
        let (store, published) = Store::open(&config.database).await?;
        let presence = config.presence.clone();
        presence::load(&store, &presence).await?;
        contacts::load(&store, &presence).await?;
        presence.start();
        presence.keep(store.clone());
        let companion = Self {
            shell: Arc::new(Shell {
                people: People::new(store.clone())?,
                hub: Hub::default(),
                halls: rooms::Halls::read(store.reader())
                    .await
                    .map_err(StoreError::from)?,
                views: rooms::views::Views::default(),
                bell: filters::Bell::default(),
                shelf: files::Shelf::new(&config.files.folder),
                marks: messages::Marks::default(),
                heads: messages::Heads::default(),
                calls: messages::Calls::default(),
                phones: messages::Phones::default(),
                directs: messages::Directs::default(),
                metrics: metrics::Metrics::register(registry)?,
                presence,
                directories: presence::Directories::default(),
                calendars: calendar::Calendars::new(config.calendar.clone()),
                badges: badge::Badges::default(),
                doors: Arc::new(Semaphore::new(config.limits.waiting)),
                config,
                store,
                bridge,
            }),
        };
        messages::reopen_calls(&companion).await?;
        tokio::spawn(companion.clone().carry(published));
        tokio::spawn(filters::follow(companion.clone()));
        tokio::spawn(rooms::views::tell(companion.clone()));
        tokio::spawn(retention::keep(companion.clone()));
        tokio::spawn(messages::keep_marked(companion.clone()));
        tokio::spawn(messages::keep_told(companion.clone()));
        tokio::spawn(messages::keep_called(companion.clone()));
        tokio::spawn(files::keep_swept(companion.clone()));
        tokio::spawn(calendar::run(companion.clone()));
        Ok(companion)
    }

    /// Everything below `/api/v1/companion`; requests bring `ConnectInfo<SocketAddr>`.
    pub fn router(&self) -> axum::Router {
        rest::router(self.clone())
    }

    /// What `/api/v1/openapi.json` says of it.
    #[must_use]
    pub fn openapi() -> utoipa::openapi::OpenApi {
        rest::openapi()
    }

    /// Says goodbye to all sockets.
    pub fn close(&self) {
        self.hub.close();
    }

    /// What HTTP serves at `/badge.js`.
    pub fn badge_script<S: Clone + Send + Sync + 'static>(&self) -> axum::routing::MethodRouter<S> {
        axum::routing::get(badge::script)
    }

    /// Who is there, for the engine.
    #[must_use]
    pub fn presence(&self) -> &Presence {
        &self.presence
    }

    /// How a message or a call of `from` reaches the user `to`: whoever rings or pops up something asks.
    #[must_use]
    pub fn reach(&self, from: &User, to: &str) -> crate::visibility::Reach {
        self.presence.reach(to, &presence::viewer(from))
    }

    /// Users, for the command line.
    #[must_use]
    pub fn people(&self) -> &People {
        &self.people
    }

    /// Whether the database answers.
    pub async fn is_ready(&self) -> bool {
        self.store.is_ready().await
    }

    /// Deletes what the policy says is too old at `now_ms` and what was left of deleted rooms; how many events.
    ///
    /// # Errors
    /// When the database fails.
    pub async fn sweep(&self, now_ms: i64) -> Result<u64, StoreError> {
        let gone = retention::sweep(&self.store, self.config.retention, now_ms).await?;
        self.metrics.expired.inc_by(gone);
        Ok(gone)
    }

    /// Carries committed events, in order, to who is connected and to what watches posts.
    async fn carry(self, mut published: mpsc::Receiver<Vec<Event>>) {
        let mut rung = clock::instant();
        while let Some(events) = published.recv().await {
            self.metrics.commits.inc();
            for event in &events {
                let kind = event.kind.as_str();
                self.metrics.events.with_label_values(&[kind]).inc();
            }
            self.heads.note(&events);
            self.hub.publish(&events);
            // Filters are about rooms; what else was said their follower passes by now and then.
            let post = |event: &Event| self.halls.kind(&event.conversation).is_some();
            let now = clock::instant();
            if events.iter().any(post) || now.saturating_duration_since(rung) > PASSING {
                rung = now;
                self.bell.ring();
            }
        }
    }
}
