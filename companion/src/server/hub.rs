//! Who is connected and what goes to them: queues with bounds, users, and who listens to which conversation.
//!
//! Called by sockets (come, go), by whoever changes membership, and by the task that carries committed events out. Knows no
//! table: a socket tells it the conversations of its user, changes are told as they are made.
#![expect(
    clippy::disallowed_types,
    reason = "lookups of microseconds by every socket; a task between would add a queue to each"
)]

use std::collections::{HashMap, HashSet};
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use axum::extract::ws::Utf8Bytes;
use tokio::sync::{mpsc, watch};

use super::protocol::{self, Event};

/// Messages that wait for one socket.
pub(crate) const QUEUE: usize = 256;
/// Bytes that wait for one socket.
pub(crate) const QUEUE_BYTES: usize = 1024 * 1024;
/// Sockets of one user; the oldest makes room.
const SOCKETS: usize = 32;
/// Closed because the user has too many.
const TOO_MANY: u16 = 4003;
/// Closed because it did not take what it was sent.
pub(crate) const SLOW: u16 = 4008;
/// Closed because the server goes.
const GOING: u16 = 1001;
/// Closed because its session ended.
pub(crate) const SIGNED_OUT: u16 = 4001;

/// A message on its way.
#[derive(Debug, Clone)]
pub(crate) struct Frame {
    pub(crate) text: Utf8Bytes,
    /// The last event in it.
    pub(crate) carries: Option<(Arc<str>, i64)>,
}

impl From<Utf8Bytes> for Frame {
    fn from(text: Utf8Bytes) -> Self {
        Self {
            text,
            carries: None,
        }
    }
}

/// One socket's queue. Cheap to clone.
#[derive(Debug, Clone)]
pub(crate) struct Outlet {
    /// Of this process alone.
    pub(crate) id: u64,
    /// The cookie's or token's hash.
    pub(crate) session: Arc<str>,
    queue: mpsc::Sender<Frame>,
    waiting: Arc<AtomicUsize>,
    /// The code that it is to be closed with.
    closing: Arc<watch::Sender<Option<u16>>>,
}

/// The other end of an [`Outlet`].
#[derive(Debug)]
pub(crate) struct Inlet {
    queue: mpsc::Receiver<Frame>,
    waiting: Arc<AtomicUsize>,
}

impl Inlet {
    /// The next message.
    pub(crate) async fn next(&mut self) -> Option<Frame> {
        let frame = self.queue.recv().await?;
        self.waiting.fetch_sub(frame.text.len(), Ordering::Relaxed);
        Some(frame)
    }

    /// The next message, if one waits.
    pub(crate) fn ready(&mut self) -> Option<Frame> {
        let frame = self.queue.try_recv().ok()?;
        self.waiting.fetch_sub(frame.text.len(), Ordering::Relaxed);
        Some(frame)
    }
}

impl Outlet {
    /// Sends, or has the socket closed with 4008 when it is too far behind.
    pub(crate) fn send(&self, frame: impl Into<Frame>) {
        let frame = frame.into();
        let size = frame.text.len();
        let before = self.waiting.fetch_add(size, Ordering::Relaxed);
        if before + size > QUEUE_BYTES || self.queue.try_send(frame).is_err() {
            self.waiting.fetch_sub(size, Ordering::Relaxed);
            self.close(SLOW);
        }
    }

    /// Sends when there is room: for what a socket itself asks for, page by page.
    pub(crate) async fn send_waiting(&self, frame: Frame) {
        let size = frame.text.len();
        self.waiting.fetch_add(size, Ordering::Relaxed);
        let mut closing = self.closing();
        tokio::select! {
            sent = self.queue.send(frame) => if sent.is_ok() { return },
            _ = closing.wait_for(Option::is_some) => {}
        }
        self.waiting.fetch_sub(size, Ordering::Relaxed);
    }

    /// Has the socket closed; the first code counts.
    pub(crate) fn close(&self, code: u16) {
        self.closing.send_if_modified(|now| {
            let first = now.is_none();
            now.get_or_insert(code);
            first
        });
    }

    /// Tells of the code that it is to be closed with.
    pub(crate) fn closing(&self) -> watch::Receiver<Option<u16>> {
        self.closing.subscribe()
    }
}

/// A connected user.
#[derive(Debug, Default)]
struct Online {
    outlets: Vec<Outlet>,
    conversations: HashSet<Arc<str>>,
}

#[derive(Debug, Default)]
struct State {
    users: HashMap<Arc<str>, Online>,
    /// Connected members of each conversation.
    listeners: HashMap<Arc<str>, HashSet<Arc<str>>>,
}

impl State {
    fn listen(&mut self, user: &str, conversation: &str) {
        let Some((user, _)) = self.users.get_key_value(user) else {
            return;
        };
        let user = Arc::clone(user);
        let key = match self.listeners.get_key_value(conversation) {
            Some((key, _)) => Arc::clone(key),
            None => Arc::from(conversation),
        };
        self.listeners
            .entry(Arc::clone(&key))
            .or_default()
            .insert(Arc::clone(&user));
        if let Some(online) = self.users.get_mut(&user) {
            online.conversations.insert(key);
        }
    }

    fn deafen(&mut self, user: &str, conversation: &str) {
        if let Some(listeners) = self.listeners.get_mut(conversation) {
            listeners.remove(user);
            if listeners.is_empty() {
                self.listeners.remove(conversation);
            }
        }
    }
}

/// See the module. Cheap to clone.
#[derive(Debug, Clone, Default)]
pub(crate) struct Hub {
    state: Arc<Mutex<State>>,
    ids: Arc<AtomicU64>,
}

impl Hub {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A queue for a new socket of `user`; from now on what is told to the user goes there.
    pub(crate) fn come(&self, user: &str, session: &str) -> (Outlet, Inlet) {
        let (sender, receiver) = mpsc::channel(QUEUE);
        let waiting = Arc::<AtomicUsize>::default();
        let outlet = Outlet {
            id: self.ids.fetch_add(1, Ordering::Relaxed),
            session: session.into(),
            queue: sender,
            waiting: Arc::clone(&waiting),
            closing: Arc::new(watch::Sender::new(None)),
        };
        let inlet = Inlet {
            queue: receiver,
            waiting,
        };
        let mut state = self.lock();
        let online = state.users.entry(user.into()).or_default();
        if online.outlets.len() >= SOCKETS
            && let Some(oldest) = online.outlets.first()
        {
            oldest.close(TOO_MANY);
        }
        online.outlets.push(outlet.clone());
        (outlet, inlet)
    }

    /// Forgets a socket; whether it was the user's last.
    pub(crate) fn go(&self, user: &str, outlet: u64) -> bool {
        let mut state = self.lock();
        let Some(online) = state.users.get_mut(user) else {
            return false;
        };
        online.outlets.retain(|one| one.id != outlet);
        if !online.outlets.is_empty() {
            return false;
        }
        if let Some(online) = state.users.remove(user) {
            for conversation in online.conversations {
                state.deafen(user, &conversation);
            }
        }
        true
    }

    /// `user` is a member of `conversation`: it hears of it if connected.
    pub(crate) fn joined(&self, user: &str, conversation: &str) {
        self.lock().listen(user, conversation);
    }

    /// `user` is no longer a member of `conversation`.
    pub(crate) fn left(&self, user: &str, conversation: &str) {
        let mut state = self.lock();
        state.deafen(user, conversation);
        if let Some(online) = state.users.get_mut(user) {
            online.conversations.remove(conversation);
        }
    }

    /// Whether the connected `user` is a member of `conversation`.
    pub(crate) fn is_member(&self, user: &str, conversation: &str) -> bool {
        let state = self.lock();
        let online = state.users.get(user);
        online.is_some_and(|online| online.conversations.contains(conversation))
    }

    /// Connected members of `conversation`.
    pub(crate) fn listeners(&self, conversation: &str) -> Vec<Arc<str>> {
        let state = self.lock();
        let listeners = state.listeners.get(conversation);
        listeners.map_or_else(Vec::new, |listeners| listeners.iter().cloned().collect())
    }

    /// How many connected members `conversation` has.
    pub(crate) fn audience(&self, conversation: &str) -> usize {
        self.lock()
            .listeners
            .get(conversation)
            .map_or(0, HashSet::len)
    }

    /// Whether `user` has a socket.
    pub(crate) fn is_connected(&self, user: &str) -> bool {
        self.lock().users.contains_key(user)
    }

    /// Sends to all sockets of `user`.
    pub(crate) fn tell(&self, user: &str, frame: impl Into<Frame>) {
        self.tell_others(user, None, frame);
    }

    /// Sends to all sockets of `user` but one.
    pub(crate) fn tell_others(&self, user: &str, but: Option<u64>, frame: impl Into<Frame>) {
        let frame = frame.into();
        let state = self.lock();
        let outlets = state.users.get(user).map(|online| &online.outlets);
        for outlet in outlets.into_iter().flatten() {
            if Some(outlet.id) != but {
                outlet.send(frame.clone());
            }
        }
    }

    /// Sends to all connected members of `conversation` but one user.
    pub(crate) fn tell_all(&self, conversation: &str, but: Option<&str>, frame: impl Into<Frame>) {
        let frame = frame.into();
        let state = self.lock();
        let listeners = state.listeners.get(conversation);
        for user in listeners.into_iter().flatten() {
            if Some(&**user) == but {
                continue;
            }
            let outlets = state.users.get(user).map(|online| &online.outlets);
            for outlet in outlets.into_iter().flatten() {
                outlet.send(frame.clone());
            }
        }
    }

    /// Closes all sockets: the server goes.
    pub(crate) fn close(&self) {
        let state = self.lock();
        for outlet in state.users.values().flat_map(|user| &user.outlets) {
            outlet.close(GOING);
        }
    }

    /// Closes the sockets of `user` whose session is `session`, or all but it, or all.
    pub(crate) fn sign_out(&self, user: &str, which: Sessions<'_>) {
        let state = self.lock();
        let outlets = state.users.get(user).map(|online| &online.outlets);
        for outlet in outlets.into_iter().flatten() {
            if which.contains(&outlet.session) {
                outlet.close(SIGNED_OUT);
            }
        }
    }

    /// Carries committed events to connected members, those of one conversation together and in order.
    pub(crate) fn publish(&self, events: &[Event]) {
        let mut by_conversation: HashMap<&str, Vec<&Event>> = HashMap::new();
        for event in events {
            by_conversation
                .entry(&event.conversation)
                .or_default()
                .push(event);
        }
        for (conversation, events) in by_conversation {
            let last = events.last().map_or(0, |event| event.seq);
            let frame = Frame {
                text: protocol::events(&events),
                carries: Some((conversation.into(), last)),
            };
            self.tell_all(conversation, None, frame);
        }
    }
}

/// Sessions of one user.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Sessions<'a> {
    /// This one.
    One(&'a str),
    /// All but this one.
    Others(&'a str),
    /// All.
    All,
}

impl Sessions<'_> {
    fn contains(self, session: &str) -> bool {
        match self {
            Self::One(one) => one == session,
            Self::Others(one) => one != session,
            Self::All => true,
        }
    }
}
