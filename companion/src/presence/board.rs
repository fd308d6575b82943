//! Everybody's presence and who watches whom: what came in, what changed, who is to be told.
//!
//! Pure: the shell brings events with their time and asks [`Board::flush`] a few times a second; nobody is looked at in whom
//! nothing changed. It knows no table and no socket: people and watchers have keys.

mod person;
mod tags;

use std::collections::{BTreeSet, HashMap, HashSet};
use std::sync::Arc;

use super::{Busy, DeviceKind, Engaged, Limits, Manual, Moment, Observed, OutOfOffice, State};
use crate::visibility::{Level, Location, Reach, reach};
pub use person::Viewer;
use person::{Edge, Person};
use tags::Tags;

/// One socket that watches.
pub type Watcher = u64;

/// Why a person is watched; more than one may hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub enum Reason {
    /// A contact.
    Contact = 1,
    /// Asked for by `watch`.
    Asked = 2,
    /// In view of the same room.
    Room = 4,
    /// A tagged contact.
    Tagged = 8,
}

/// Levels that a person gives to others.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rules {
    /// By user.
    pub users: HashMap<String, Level>,
    /// By domain of the viewer's e-mail, lower case.
    pub domains: HashMap<String, Level>,
}

impl Rules {
    /// The level of `viewer`.
    #[must_use]
    pub fn level(&self, viewer: &Viewer) -> Level {
        let default = match viewer.colleague {
            true => Level::Company,
            false => Level::Public,
        };
        let by_domain = || self.domains.get(viewer.domain.as_deref()?);
        let by_user = self.users.get(&*viewer.user);
        by_user.or_else(by_domain).copied().unwrap_or(default)
    }
}

/// What a watcher is to be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// Whom.
    pub watcher: Watcher,
    /// Presences as JSON, one for each person in whom something changed.
    pub presence: Vec<Arc<str>>,
    /// Tagged people who became available.
    pub tagged: Vec<Arc<str>>,
}

#[derive(Debug)]
struct Watching {
    viewer: Viewer,
    watched: BTreeSet<Arc<str>>,
}

/// See the module.
#[derive(Debug, Default)]
pub struct Board {
    people: HashMap<Arc<str>, Person>,
    watchers: HashMap<Watcher, Watching>,
    timers: BTreeSet<(Moment, Arc<str>)>,
    dirty: HashSet<Arc<str>>,
    tags: Tags,
    custom: HashMap<String, Arc<str>>,
}

impl Board {
    /// `custom` names the house's states and their words in its first language.
    #[must_use]
    pub fn new(custom: HashMap<String, Arc<str>>) -> Self {
        Self {
            custom,
            ..Self::default()
        }
    }

    /// A socket came.
    pub fn come(&mut self, watcher: Watcher, viewer: Viewer) {
        let watched = BTreeSet::new();
        self.watchers.insert(watcher, Watching { viewer, watched });
    }

    /// A socket went: it watches nobody any more. Its device, if it was one, is left to [`Self::sign_out`] or its lease.
    pub fn go(&mut self, watcher: Watcher) {
        let Some(watching) = self.watchers.remove(&watcher) else {
            return;
        };
        for user in watching.watched {
            if let Some(person) = self.people.get_mut(&user) {
                person.forget(watcher, u8::MAX);
            }
            self.drop_if_empty(&user);
        }
    }

    /// Has `watcher` told of `user` from now on; what it sees now. `None` for a watcher who never came.
    pub fn watch(
        &mut self,
        now: Moment,
        watcher: Watcher,
        user: &str,
        reason: Reason,
    ) -> Option<Arc<str>> {
        let person = person(&mut self.people, user);
        let watching = self.watchers.get_mut(&watcher)?;
        let audience = person.audience(&watching.viewer);
        person.remember(Edge::new(watcher, audience, reason));
        watching.watched.insert(Arc::clone(&person.key));
        Some(person.render(now, audience, &self.custom))
    }

    /// A reason to tell `watcher` of `user` is gone.
    pub fn unwatch(&mut self, watcher: Watcher, user: &str, reason: Reason) {
        let Some(person) = self.people.get_mut(user) else {
            return;
        };
        if person.forget(watcher, reason as u8) {
            if let Some(watching) = self.watchers.get_mut(&watcher) {
                watching.watched.remove(user);
            }
            self.drop_if_empty(user);
        }
    }

    /// Sockets of `user`.
    #[must_use]
    pub fn sockets(&self, user: &str) -> Vec<Watcher> {
        let own = |(_, one): &(&Watcher, &Watching)| &*one.viewer.user == user;
        self.watchers
            .iter()
            .filter(own)
            .map(|(id, _)| *id)
            .collect()
    }

    /// How many people `watcher` watches for `reason`.
    #[must_use]
    pub fn watched(&self, watcher: Watcher, reason: Reason) -> usize {
        let watched = self.watchers.get(&watcher).map(|one| &one.watched);
        watched
            .into_iter()
            .flatten()
            .filter(|user| {
                let person = self.people.get(*user);
                person.is_some_and(|person| person.is_watched(watcher, reason))
            })
            .count()
    }

    /// A device is there, or still there.
    pub fn alive(&mut self, now: Moment, user: &str, device: Watcher, alive: Alive) {
        self.with(now, user, |person| {
            let sources = &mut person.sources;
            let known = sources.devices.contains_key(&device);
            let touched = sources.last_active(now);
            sources.renew(now, device, alive.kind, alive.active);
            // A page that connects anew while its last connection is still believed was not touched by that.
            if let (false, false, Some(touched)) = (known, alive.active, touched)
                && let Some(device) = sources.devices.get_mut(&device)
            {
                device.last_active = Some(touched);
            }
            if let Some(device) = sources.devices.get_mut(&device) {
                device.full_screen = match (alive.full_screen, device.full_screen) {
                    (true, since) => since.or(Some(now)),
                    (false, _) => None,
                };
            }
        });
    }

    /// A device's connection is gone without a sign-out: the grace begins.
    pub fn lost(&mut self, now: Moment, user: &str, device: Watcher) {
        self.with(now, user, |person| {
            if let Some(device) = person.sources.devices.get_mut(&device) {
                device.lease_until = device.lease_until.min(now);
                device.full_screen = None;
            }
        });
    }

    /// A device has signed out; no grace.
    pub fn sign_out(&mut self, now: Moment, user: &str, device: Watcher) {
        self.with(now, user, |person| {
            person.last_active = person.sources.last_active(now).max(person.last_active);
            person.sources.devices.remove(&device);
        });
    }

    /// The engine: `user` is engaged, or still engaged, as `participant`.
    pub fn engaged(&mut self, now: Moment, user: &str, participant: &str, engaged: Engaged) {
        self.with(now, user, |person| {
            let map = &mut person.sources.engaged;
            map.insert(participant.into(), engaged);
        });
    }

    /// The engagement of `user` as `participant`, if it is known.
    #[must_use]
    pub fn engagement(&self, user: &str, participant: &str) -> Option<&Engaged> {
        self.people.get(user)?.sources.engaged.get(participant)
    }

    /// The engine: that is over.
    pub fn left(&mut self, now: Moment, user: &str, participant: &str) {
        self.with(now, user, |person| {
            person.last_active = person.sources.last_active(now).max(person.last_active);
            person.sources.engaged.remove(participant);
        });
    }

    /// Own wish, or none.
    pub fn choose(&mut self, now: Moment, user: &str, manual: Option<Manual>) {
        self.with(now, user, |person| person.sources.manual = manual);
    }

    /// Out of office by own word, or no longer.
    pub fn out_of_office(&mut self, now: Moment, user: &str, word: Option<OutOfOffice>) {
        self.with(now, user, |person| person.sources.out_of_office = word);
    }

    /// Own limits.
    pub fn limits(&mut self, now: Moment, user: &str, limits: Limits) {
        self.with(now, user, |person| person.sources.limits = limits);
    }

    /// The calendar anew, in order of beginnings.
    pub fn calendar(&mut self, now: Moment, user: &str, calendar: Arc<[Busy]>) {
        self.with(now, user, |person| person.sources.calendar = calendar);
    }

    /// Own note.
    pub fn note(&mut self, now: Moment, user: &str, note: Option<String>) {
        self.with(now, user, |person| person.words.note = note);
    }

    /// Own location.
    pub fn location(&mut self, now: Moment, user: &str, location: Option<Location>) {
        self.with(now, user, |person| person.words.location = location);
    }

    /// What `user` lets others see has changed: who sees something else now is told at the next flush.
    pub fn rules(&mut self, now: Moment, user: &str, rules: Rules) {
        let watchers = &self.watchers;
        let person = person(&mut self.people, user);
        person.rules = Some(Box::new(rules)).filter(|rules| **rules != Rules::default());
        person.relevel(|watcher| watchers.get(&watcher).map(|one| &one.viewer));
        self.with(now, user, |_| {});
    }

    /// The level of access that `user` gives to `viewer`.
    #[must_use]
    pub fn level(&self, user: &str, viewer: &Viewer) -> Level {
        let rules = self
            .people
            .get(user)
            .and_then(|person| person.rules.as_ref());
        match rules {
            Some(rules) => rules.level(viewer),
            None => Rules::default().level(viewer),
        }
    }

    /// How a message or call of `viewer` reaches `user`.
    #[must_use]
    pub fn reach(&self, now: Moment, user: &str, viewer: &Viewer) -> Reach {
        reach(self.observe(now, user).state, self.level(user, viewer))
    }

    /// The truth about `user`, for the user and for the engine.
    #[must_use]
    pub fn observe(&self, now: Moment, user: &str) -> Observed {
        let person = self.people.get(user);
        person.map_or_else(Observed::default, |person| person.sources.observe(now))
    }

    /// The truth, as a state.
    #[must_use]
    pub fn state(&self, now: Moment, user: &str) -> State {
        self.observe(now, user).state
    }

    /// What `viewer` sees of `user`, as JSON.
    #[must_use]
    pub fn view(&self, now: Moment, user: &str, viewer: &Viewer) -> Arc<str> {
        match self.people.get(user) {
            Some(person) => person.render(now, person.audience(viewer), &self.custom),
            None => {
                let nobody = Person::new(user.into());
                nobody.render(now, nobody.audience(viewer), &self.custom)
            }
        }
    }

    /// What `level` sees of `user`, as JSON: for badges.
    #[must_use]
    pub fn view_at(&self, now: Moment, user: &str, level: Level) -> Arc<str> {
        let audience = person::Audience::Level(level);
        match self.people.get(user) {
            Some(person) => person.render(now, audience, &self.custom),
            None => Person::new(user.into()).render(now, audience, &self.custom),
        }
    }

    /// The calendar of `user`.
    #[must_use]
    pub fn busy(&self, user: &str) -> Arc<[Busy]> {
        match self.people.get(user) {
            Some(person) => Arc::clone(&person.sources.calendar),
            None => Arc::new([]),
        }
    }

    /// People who are known, watchers, and who watches whom, in number.
    #[must_use]
    pub fn counts(&self) -> (usize, usize, usize) {
        let edges = self.people.values().map(Person::watchers).sum();
        (self.people.len(), self.watchers.len(), edges)
    }

    /// People who are known.
    #[must_use]
    pub fn counts_people(&self) -> usize {
        self.people.len()
    }

    /// When [`Self::flush`] has something to do at the latest.
    #[must_use]
    pub fn next(&self) -> Option<Moment> {
        let timer = self.timers.first().map(|(when, _)| *when);
        [timer, self.tags.next()].into_iter().flatten().min()
    }

    /// Whether [`Self::flush`] has something to tell already.
    #[must_use]
    pub fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }

    /// What came of everything up to `now`: one entry for each watcher who sees something else than before. The second
    /// part names everybody in whom something changed.
    pub fn flush(&mut self, now: Moment) -> (Vec<Told>, Vec<Arc<str>>) {
        while let Some((when, user)) = self.timers.pop_first_if_due(now) {
            if let Some(person) = self.people.get_mut(&user) {
                person.lapse(now);
                if person.timer == Some(when) {
                    person.timer = None;
                }
            }
            self.dirty.insert(user);
        }
        let mut told = HashMap::new();
        let mut changed = Vec::new();
        for user in std::mem::take(&mut self.dirty) {
            if let Some(person) = self.people.get_mut(&user) {
                if person.publish(now, &self.custom, &mut told, &mut self.tags) {
                    changed.push(Arc::clone(&user));
                }
                arm(&mut self.timers, now, person);
            }
            self.drop_if_empty(&user);
        }
        for (watcher, user) in self.tags.due(now) {
            let person = self.people.get(&user);
            if person.is_some_and(|person| person.is_available_for(watcher, now)) {
                of(&mut told, watcher).tagged.push(user);
            }
        }
        (told.into_values().collect(), changed)
    }

    fn with(&mut self, now: Moment, user: &str, change: impl FnOnce(&mut Person)) {
        let person = person(&mut self.people, user);
        change(person);
        if person.is_changed(now) {
            self.dirty.insert(Arc::clone(&person.key));
        } else {
            arm(&mut self.timers, now, person);
            self.drop_if_empty(user);
        }
    }

    fn drop_if_empty(&mut self, user: &str) {
        let empty = self.people.get(user).is_some_and(Person::is_empty);
        if empty
            && !self.dirty.contains(user)
            && let Some(person) = self.people.remove(user)
            && let Some(when) = person.timer
        {
            self.timers.remove(&(when, person.key));
        }
    }
}

/// What a device says of itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Alive {
    /// What it is.
    pub kind: DeviceKind,
    /// Somebody touched it since it last said so.
    pub active: bool,
    /// Something fills its screen.
    pub full_screen: bool,
}

fn person<'a>(people: &'a mut HashMap<Arc<str>, Person>, user: &str) -> &'a mut Person {
    let key = match people.get_key_value(user) {
        Some((key, _)) => Arc::clone(key),
        None => user.into(),
    };
    people
        .entry(Arc::clone(&key))
        .or_insert_with(|| Person::new(key))
}

/// Sets the timer unless it is set for earlier: a lease that is renewed moves nothing.
fn arm(timers: &mut BTreeSet<(Moment, Arc<str>)>, now: Moment, person: &mut Person) {
    let next = person.sources.next_change(now);
    if let Some(next) = next
        && person.timer.is_none_or(|timer| next < timer)
    {
        if let Some(timer) = person.timer.replace(next) {
            timers.remove(&(timer, Arc::clone(&person.key)));
        }
        timers.insert((next, Arc::clone(&person.key)));
    }
}

fn of(told: &mut HashMap<Watcher, Told>, watcher: Watcher) -> &mut Told {
    told.entry(watcher).or_insert_with(|| Told {
        watcher,
        presence: Vec::new(),
        tagged: Vec::new(),
    })
}

trait PopDue<T> {
    fn pop_first_if_due(&mut self, now: Moment) -> Option<(Moment, T)>;
}

impl<T: Ord> PopDue<T> for BTreeSet<(Moment, T)> {
    fn pop_first_if_due(&mut self, now: Moment) -> Option<(Moment, T)> {
        let due = self.first().is_some_and(|(when, _)| *when <= now);
        if due { self.pop_first() } else { None }
    }
}

#[cfg(test)]
mod tests;
