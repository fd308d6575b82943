//! Which device shows which room now. Who is in view of a room is told to the others in view, a moment later and at once for all who came.
//!
//! Knows no table: whoever asks has been let in. Nothing of it is kept.
#![expect(
    clippy::disallowed_types,
    reason = "lookups of microseconds by every socket, as in the hub"
)]

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use serde::Deserialize;
use serde_json::json;

use crate::server::Companion;
use crate::server::messages::require_member;
use crate::server::protocol::{Answer, message};
use crate::server::socket::Client;

/// At most so many people in view are named.
const NAMED: usize = 200;
/// Changes of a room's view are told together, so often.
const PACE: Duration = Duration::from_millis(250);

/// `view`.
#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct View {
    room: Option<String>,
}

#[derive(Debug, Default)]
struct State {
    /// Of each socket: whose it is and what it shows.
    devices: HashMap<u64, (Arc<str>, Arc<str>)>,
    /// Of each room: whose sockets show it, and how many of them.
    rooms: HashMap<Arc<str>, HashMap<Arc<str>, usize>>,
    /// Rooms whose view has changed since it was told.
    changed: HashSet<Arc<str>>,
}

impl State {
    fn close(&mut self, device: u64) {
        let Some((user, room)) = self.devices.remove(&device) else {
            return;
        };
        let Some(users) = self.rooms.get_mut(&room) else {
            return;
        };
        if let Some(devices) = users.get_mut(&user) {
            *devices = devices.saturating_sub(1);
            if *devices == 0 {
                users.remove(&user);
                self.changed.insert(Arc::clone(&room));
            }
        }
        if self.rooms.get(&room).is_some_and(HashMap::is_empty) {
            self.rooms.remove(&room);
            self.changed.remove(&room);
        }
    }

    fn open(&mut self, device: u64, user: &str, room: &str) {
        let (user, room): (Arc<str>, Arc<str>) = (user.into(), room.into());
        self.devices
            .insert(device, (Arc::clone(&user), Arc::clone(&room)));
        let devices = self
            .rooms
            .entry(Arc::clone(&room))
            .or_default()
            .entry(user)
            .or_default();
        *devices += 1;
        if *devices == 1 {
            self.changed.insert(room);
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(crate) struct Views {
    state: Mutex<State>,
}

impl Views {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Socket `device` of `user` shows `room`, or no room.
    pub(crate) fn show(&self, device: u64, user: &str, room: Option<&str>) {
        let mut state = self.lock();
        state.close(device);
        if let Some(room) = room {
            state.open(device, user, room);
        }
    }

    /// `user` is in `room` no longer: none of their sockets shows it.
    pub(crate) fn leave(&self, user: &str, room: &str) {
        let mut state = self.lock();
        let of = |(whose, shown): &(Arc<str>, Arc<str>)| &**whose == user && &**shown == room;
        let devices: Vec<u64> = state
            .devices
            .iter()
            .filter(|(_, at)| of(at))
            .map(|(id, _)| *id)
            .collect();
        for device in devices {
            state.close(device);
        }
    }

    /// Who is in view of `room`, in order of their ids, at most [`NAMED`].
    pub(crate) fn users(&self, room: &str) -> Vec<String> {
        let state = self.lock();
        let users: BTreeSet<&Arc<str>> = state
            .rooms
            .get(room)
            .into_iter()
            .flat_map(HashMap::keys)
            .collect();
        users
            .into_iter()
            .take(NAMED)
            .map(|user| (**user).to_owned())
            .collect()
    }

    /// Everybody in view of `room`.
    fn everybody(&self, room: &str) -> Vec<Arc<str>> {
        let state = self.lock();
        state
            .rooms
            .get(room)
            .into_iter()
            .flat_map(HashMap::keys)
            .cloned()
            .collect()
    }

    fn changed(&self) -> HashSet<Arc<str>> {
        std::mem::take(&mut self.lock().changed)
    }
}

pub(super) fn view(client: &Client, request: View) -> Answer {
    let views = &client.companion.views;
    if let Some(room) = &request.room {
        require_member(client, room)?;
    }
    views.show(client.outlet.id, &client.user.id, request.room.as_deref());
    let users = request
        .room
        .map(|room| views.users(&room))
        .unwrap_or_default();
    Ok(json!({ "users": users }))
}

/// Tells changes until the runtime ends.
pub(crate) async fn tell(companion: Companion) {
    let mut pace = tokio::time::interval(PACE);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Skip);
    loop {
        pace.tick().await;
        for room in companion.views.changed() {
            let users = companion.views.users(&room);
            let told = message("view", json!({"room": &*room, "users": users}));
            for user in companion.views.everybody(&room) {
                companion.hub.tell(&user, told.clone());
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_is_in_view_while_any_device_shows_the_room() {
        let views = Views::default();
        views.show(1, "a", Some("r"));
        views.show(2, "a", Some("r"));
        views.show(3, "b", Some("r"));
        assert_eq!(views.users("r"), ["a", "b"]);
        assert_eq!(views.changed().len(), 1);
        views.show(1, "a", None);
        assert!(views.changed().is_empty());
        views.show(2, "a", Some("s"));
        assert_eq!(
            (views.users("r"), views.users("s")),
            (vec!["b".into()], vec!["a".into()])
        );
        assert_eq!(views.changed().len(), 2);
        views.leave("b", "r");
        views.leave("a", "r");
        assert!(views.users("r").is_empty());
        assert_eq!(views.lock().rooms.len(), 1);
        assert_eq!(views.lock().devices.len(), 1);
    }
}
