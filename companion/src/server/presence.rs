//! Presence in the shell: the board under a lock, its clock, and the task that tells watchers.
//!
//! Called by sockets (leases, wishes, watching), by the engine through [`Presence`], by badges. What adds up to what, and who
//! sees it, is decided by `crate::presence` and `crate::visibility`.
#![expect(
    clippy::disallowed_types,
    reason = "leases of all sockets and the engine's words are lookups of microseconds; a task between would add a queue to each"
)]

mod directory;
mod own;
mod watching;

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, OnceLock, PoisonError};
use std::time::{Duration, Instant};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tokio::sync::{Notify, broadcast, mpsc};

pub(crate) use directory::{Directories, Directory, is_colleague, seen_user, viewer};
pub(crate) use own::{load, settings_of};
pub(crate) use watching::{go, greeting, people_of};

use super::clock;
use super::hub::Outlet;
use super::protocol::{Answer, Refusal, parse};
use super::socket::Client;
use super::store::Store;
use crate::presence::board::{Board, Told, Viewer};
use crate::presence::{
    Choice, Engaged, Engagement, LEASE, LOST_LEASE_GRACE, Manual, Moment, State as Shown,
};
use crate::visibility::{Level, Reach};

/// Requests that are answered here.
pub(crate) const KINDS: &[&str] = &[
    "alive",
    "presence",
    "note",
    "location",
    "out_of_office",
    "settings",
    "watch",
    "unwatch",
    "people",
    "users",
    "card",
    "list",
];
/// Changes are gathered this long before watchers are told.
const COALESCE: Duration = Duration::from_millis(150);
/// Changes that a slow focus may be behind before it looks at everybody anew.
const CHANGES: usize = 256;
/// Wishes set by the API that wait to be written; more are refused.
const WISHES: usize = 256;
/// People who are known at once, users or not.
const CAPACITY: usize = 200_000;

/// A state of the house's.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CustomState {
    /// Its name on the wire.
    pub id: String,
    /// It behaves as this choice.
    pub class: Choice,
    /// Its words by language; the first is for clients that have none of the others.
    #[serde(serialize_with = "as_map")]
    pub text: Vec<(String, String)>,
}

fn as_map<S: serde::Serializer>(
    text: &[(String, String)],
    serializer: S,
) -> Result<S::Ok, S::Error> {
    serializer.collect_map(text.iter().map(|(language, text)| (language, text)))
}

/// Somebody's state may be different now.
pub type Changed = broadcast::Receiver<Arc<str>>;

/// See the module. Cheap to clone.
#[derive(Clone)]
pub struct Presence {
    inner: Arc<Inner>,
}

struct Inner {
    state: Mutex<State>,
    /// Something is to be told, or a timer is nearer than before.
    wake: Notify,
    changes: broadcast::Sender<Arc<str>>,
    custom: Vec<CustomState>,
    started: AtomicBool,
    /// Takes wishes that the API sets, to be written.
    kept: OnceLock<mpsc::Sender<Wish>>,
    /// The clock that never goes back, from milliseconds since 1970.
    start: (Instant, i64),
}

/// Whose, and which.
type Wish = (String, Option<Manual>);

#[derive(Default)]
struct State {
    board: Board,
    outlets: HashMap<u64, Outlet>,
    /// Users who allow a badge.
    badges: HashSet<String>,
}

impl std::fmt::Debug for Presence {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Presence")
    }
}

impl Presence {
    /// Nobody is there yet. Watchers are told once [`Self::start`] was called.
    #[must_use]
    pub fn new(custom: Vec<CustomState>) -> Self {
        let words = custom.iter().filter_map(|state| {
            let (_, text) = state.text.first()?;
            Some((state.id.clone(), Arc::from(text.as_str())))
        });
        let state = State {
            board: Board::new(words.collect()),
            ..State::default()
        };
        Self {
            inner: Arc::new(Inner {
                state: Mutex::new(state),
                wake: Notify::new(),
                changes: broadcast::channel(CHANGES).0,
                custom,
                started: AtomicBool::new(false),
                kept: OnceLock::new(),
                start: (clock::instant(), clock::now_ms()),
            }),
        }
    }

    /// Starts telling watchers, unless it was started already; ends with the runtime.
    pub fn start(&self) {
        if !self.inner.started.swap(true, Ordering::Relaxed) {
            tokio::spawn(self.clone().run());
        }
    }

    async fn run(self) {
        loop {
            let (dirty, next) = self.with(|state| (state.board.is_dirty(), state.board.next()));
            let wait = next.map(|next| next.0.saturating_sub(self.now().0));
            match (dirty, wait) {
                (true, _) => {
                    tokio::time::sleep(COALESCE).await;
                    self.tell();
                }
                (false, Some(Duration::ZERO)) => self.tell(),
                (false, Some(wait)) => {
                    // Woken or not: looked at anew.
                    let _ = tokio::time::timeout(wait, self.inner.wake.notified()).await;
                }
                (false, None) => self.inner.wake.notified().await,
            }
        }
    }

    /// One flush.
    fn tell(&self) {
        let now = self.now();
        let changed = self.with(|state| {
            let (told, changed) = state.board.flush(now);
            for told in told {
                deliver(&state.outlets, &told);
            }
            changed
        });
        for user in changed {
            // Nobody listening is no fault.
            let _ = self.inner.changes.send(user);
        }
    }

    fn with<T>(&self, work: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self
            .inner
            .state
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        work(&mut state)
    }

    /// Changes the board; the teller is woken.
    pub(crate) fn board<T>(&self, work: impl FnOnce(&mut Board, Moment) -> T) -> T {
        let now = self.now();
        let done = self.with(|state| work(&mut state.board, now));
        self.inner.wake.notify_one();
        done
    }

    /// Looks at the board.
    pub(crate) fn look<T>(&self, work: impl FnOnce(&Board, Moment) -> T) -> T {
        let now = self.now();
        self.with(|state| work(&state.board, now))
    }

    /// Now, by a clock that never goes back.
    pub(crate) fn now(&self) -> Moment {
        let (start, ms) = self.inner.start;
        let passed = clock::instant().saturating_duration_since(start);
        Moment::from_ms(ms.saturating_add(i64::try_from(passed.as_millis()).unwrap_or(i64::MAX)))
    }

    /// Now, in milliseconds since 1970.
    #[must_use]
    pub fn now_ms(&self) -> i64 {
        self.now().ms()
    }

    /// The house's states.
    pub(crate) fn custom(&self) -> &[CustomState] {
        &self.inner.custom
    }

    /// Tells of users in whose state something changed.
    #[must_use]
    pub fn changes(&self) -> Changed {
        self.inner.changes.subscribe()
    }

    /// The engine: `user` is, or still is, in a call or conference as `participant`. It lapses after 45 s unless said again.
    pub fn engaged(
        &self,
        user: &str,
        participant: &str,
        kind: Engagement,
        presenting: bool,
        subject: Option<&str>,
    ) {
        self.board(|board, now| {
            if board.counts_people() >= CAPACITY {
                return;
            }
            let before = board.engagement(user, participant);
            let shown = before.and_then(|before| before.presenting);
            let engaged = Engaged {
                engagement: kind,
                // A call that a third joins is still the one that began then.
                since: before.map_or(now, |before| before.since),
                until: Some(now.plus(LEASE).plus(LOST_LEASE_GRACE)),
                presenting: presenting.then(|| shown.unwrap_or(now)),
                subject: subject.map(Into::into),
            };
            board.engaged(now, user, participant, engaged);
        });
    }

    /// The engine: that is over.
    pub fn left(&self, user: &str, participant: &str) {
        self.board(|board, now| board.left(now, user, participant));
    }

    /// What others see of `user`, at the level where nothing is hidden.
    #[must_use]
    pub fn state(&self, user: &str) -> Shown {
        self.look(|board, now| board.state(now, user))
    }

    /// Has the wishes of users that the API sets written from now on; ends with the runtime.
    pub(crate) fn keep(&self, store: Store) {
        let (sender, wishes) = mpsc::channel(WISHES);
        // Whoever comes second has nothing to keep.
        if self.inner.kept.set(sender).is_ok() {
            tokio::spawn(own::keep_wishes(store, wishes));
        }
    }

    /// Sets or clears the wish of anybody; a user's outlives the server. `false` when too many people are known or too many
    /// wishes wait to be written.
    #[must_use]
    pub fn wish(&self, user: &str, choice: Option<(Choice, Option<Duration>)>) -> bool {
        self.board(|board, now| {
            if board.counts_people() >= CAPACITY {
                return false;
            }
            let manual = choice.map(|(choice, life)| Manual {
                choice,
                custom: None,
                since: now,
                until: life.map(|life| now.plus(life)),
            });
            let kept = self.inner.kept.get();
            let row = (user.to_owned(), manual.clone());
            if kept.is_some_and(|kept| kept.try_send(row).is_err()) {
                return false;
            }
            board.choose(now, user, manual);
            true
        })
    }

    /// Sends presences to one socket.
    pub(crate) fn send(&self, socket: u64, presence: &[Arc<str>]) {
        let outlet = self.with(|state| state.outlets.get(&socket).cloned());
        if let Some(outlet) = outlet {
            outlet.send(message(presence));
        }
    }

    /// Whether `user` lets anybody see the public's badge.
    pub(crate) fn shows_badge(&self, user: &str) -> bool {
        self.with(|state| state.badges.contains(user))
    }

    /// Lets anybody see the badge of `user`, or nobody.
    pub(crate) fn set_badge(&self, user: &str, shown: bool) {
        self.with(|state| match shown {
            true => state.badges.insert(user.to_owned()),
            false => state.badges.remove(user),
        });
    }

    /// How a message or call of `from` reaches `to`.
    pub(crate) fn reach(&self, to: &str, from: &Viewer) -> Reach {
        self.look(|board, now| board.reach(now, to, from))
    }

    /// What the public sees of `user`.
    pub(crate) fn public(&self, user: &str) -> Arc<str> {
        self.look(|board, now| board.view_at(now, user, Level::Public))
    }
}

/// Sends a watcher its changes as one message, and each alert as one.
fn deliver(outlets: &HashMap<u64, Outlet>, told: &Told) {
    let Some(outlet) = outlets.get(&told.watcher) else {
        return;
    };
    if !told.presence.is_empty() {
        outlet.send(message(&told.presence));
    }
    for user in &told.tagged {
        let alert = json!({"user": user, "state": Shown::Available});
        outlet.send(super::protocol::message("tagged", alert));
    }
}

/// `presence` from what is JSON already.
pub(crate) fn message(presence: &[Arc<str>]) -> axum::extract::ws::Utf8Bytes {
    let list = presence.join(",");
    format!(r#"{{"type":"presence","presence":[{list}]}}"#).into()
}

/// Answers one of [`KINDS`].
///
/// # Errors
/// As docs/companion.md says.
pub(crate) async fn answer(client: &mut Client, kind: &str, body: Map<String, Value>) -> Answer {
    match kind {
        "alive" => Ok(watching::alive(client, &parse(body)?)),
        "presence" => own::choose(client, parse(body)?).await,
        "note" => own::note(client, parse(body)?).await,
        "location" => own::location(client, parse(body)?).await,
        "out_of_office" => own::out_of_office(client, parse(body)?).await,
        "settings" => own::settings(client, parse(body)?).await,
        "watch" => watching::watch(client, parse(body)?).await,
        "unwatch" => Ok(watching::unwatch(client, parse(body)?)),
        "people" => watching::people(client, parse(body)?).await,
        "users" => watching::users(client, parse(body)?).await,
        "card" => watching::card(client, parse(body)?).await,
        "list" => super::lists::expand(client, parse(body)?).await,
        _ => Err(Refusal::bad("There is no request of this type.")),
    }
}

#[cfg(test)]
mod tests;
