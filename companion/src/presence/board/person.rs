//! One person on the board: sources, words, levels, watchers, and what those were last told.

use std::collections::HashMap;
use std::sync::Arc;

use serde::Serialize;

use super::tags::Tags;
use super::{Moment, Reason, Rules, Told, Watcher, of};
use crate::presence::{Choice, Class, Presentity};
use crate::visibility::{Known, Level, Location, Seen, own_view, view};

/// Who looks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Viewer {
    /// Their key.
    pub user: Arc<str>,
    /// Domain of their e-mail, lower case.
    pub domain: Option<Box<str>>,
    /// A user of this server rather than a guest or a program.
    pub colleague: bool,
}

/// What a person has written about themselves.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(super) struct Words {
    pub(super) note: Option<String>,
    pub(super) location: Option<Location>,
}

/// As whom somebody sees a person.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Audience {
    Own,
    Level(Level),
}

impl Audience {
    /// Views that differ.
    const COUNT: usize = 6;

    const fn index(self) -> usize {
        match self {
            Self::Level(level) => level as usize,
            Self::Own => Self::COUNT - 1,
        }
    }
}

/// One watcher of a person.
#[derive(Debug, Clone, Copy)]
pub(super) struct Edge {
    watcher: Watcher,
    audience: Audience,
    reasons: u8,
    /// Its level has changed since it was last told.
    stale: Option<Audience>,
}

impl Edge {
    pub(super) const fn new(watcher: Watcher, audience: Audience, reason: Reason) -> Self {
        Self {
            watcher,
            audience,
            reasons: reason as u8,
            stale: None,
        }
    }
}

#[derive(Debug)]
pub(super) struct Person {
    pub(super) key: Arc<str>,
    pub(super) sources: Presentity<Watcher, Arc<str>>,
    pub(super) words: Words,
    pub(super) rules: Option<Box<Rules>>,
    /// Outlives devices.
    pub(super) last_active: Option<Moment>,
    /// When it stands in the board's timers.
    pub(super) timer: Option<Moment>,
    /// In order of watchers.
    edges: Vec<Edge>,
    /// What watchers were told.
    published: Known,
    /// The word that the person's own devices were told.
    word: Word,
}

/// What somebody has said of themselves and only their own devices see.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
struct Word {
    choice: Option<Choice>,
    until: Option<Moment>,
    /// When they are back in office.
    back: Option<Moment>,
}

/// A presence on the wire.
#[derive(Serialize)]
struct Wire<'a> {
    user: &'a str,
    #[serde(flatten)]
    seen: Seen<'a>,
    #[serde(skip_serializing_if = "Option::is_none")]
    choice: Option<Choice>,
    #[serde(skip_serializing_if = "Option::is_none")]
    until: Option<i64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    oof_until: Option<i64>,
}

impl Person {
    pub(super) fn new(key: Arc<str>) -> Self {
        Self {
            key,
            sources: Presentity::default(),
            words: Words::default(),
            rules: None,
            last_active: None,
            timer: None,
            edges: Vec::new(),
            published: Known::default(),
            word: Word::default(),
        }
    }

    pub(super) fn audience(&self, viewer: &Viewer) -> Audience {
        if viewer.user == self.key {
            return Audience::Own;
        }
        Audience::Level(match &self.rules {
            Some(rules) => rules.level(viewer),
            None => Rules::default().level(viewer),
        })
    }

    pub(super) fn remember(&mut self, edge: Edge) {
        match self
            .edges
            .binary_search_by_key(&edge.watcher, |one| one.watcher)
        {
            Ok(at) => {
                if let Some(known) = self.edges.get_mut(at) {
                    known.reasons |= edge.reasons;
                }
            }
            Err(at) => self.edges.insert(at, edge),
        }
    }

    /// Takes reasons from a watcher; `true` when none is left.
    pub(super) fn forget(&mut self, watcher: Watcher, reasons: u8) -> bool {
        let Ok(at) = self.edges.binary_search_by_key(&watcher, |one| one.watcher) else {
            return true;
        };
        let Some(edge) = self.edges.get_mut(at) else {
            return true;
        };
        edge.reasons &= !reasons;
        let gone = edge.reasons & !(Reason::Tagged as u8) == 0;
        if gone {
            self.edges.remove(at);
            // A day of comings and goings leaves no room behind.
            if self.edges.capacity() > 64 && self.edges.len() < self.edges.capacity() / 4 {
                self.edges.shrink_to_fit();
            }
        }
        gone
    }

    fn edge(&self, watcher: Watcher) -> Option<&Edge> {
        let at = self
            .edges
            .binary_search_by_key(&watcher, |one| one.watcher)
            .ok()?;
        self.edges.get(at)
    }

    pub(super) fn is_watched(&self, watcher: Watcher, reason: Reason) -> bool {
        self.edge(watcher)
            .is_some_and(|edge| edge.reasons & reason as u8 != 0)
    }

    pub(super) fn watchers(&self) -> usize {
        self.edges.len()
    }

    /// Nothing is known and nobody looks.
    pub(super) fn is_empty(&self) -> bool {
        self.edges.is_empty()
            && self.rules.is_none()
            && self.words == Words::default()
            && self.sources.devices.is_empty()
            && self.sources.engaged.is_empty()
            && self.sources == Presentity::default()
    }

    /// Each watcher's level anew.
    pub(super) fn relevel<'a>(&mut self, viewer: impl Fn(Watcher) -> Option<&'a Viewer>) {
        let mut edges = std::mem::take(&mut self.edges);
        for edge in &mut edges {
            let Some(viewer) = viewer(edge.watcher) else {
                continue;
            };
            let audience = self.audience(viewer);
            if audience != edge.audience {
                edge.stale.get_or_insert(edge.audience);
                edge.audience = audience;
            }
        }
        self.edges = edges;
    }

    /// Forgets what is over, keeping when somebody was last there.
    pub(super) fn lapse(&mut self, now: Moment) {
        self.last_active = self.sources.last_active(now).max(self.last_active);
        self.sources.expire(now);
    }

    fn known(&self, now: Moment, custom: &HashMap<String, Arc<str>>) -> Known {
        let observed = self.sources.observe(now);
        let before = &self.published.observed;
        let same = (observed.state, &observed.custom, &observed.activity)
            == (before.state, &before.custom, &before.activity);
        let custom_text = observed.custom.as_deref().and_then(|id| custom.get(id));
        let oof = self.sources.out_of_office.as_ref();
        Known {
            custom_text: custom_text.cloned(),
            since: if same { self.published.since } else { now },
            note: self.words.note.clone(),
            oof: oof.and_then(|oof| oof.text.as_deref()).map(str::to_owned),
            location: self.words.location.clone(),
            last_active: self.sources.last_active(now).max(self.last_active),
            next_free: self.sources.next_free(now),
            observed,
        }
    }

    /// What others see of the own word: nothing. The own devices see it.
    fn own_word(&self, now: Moment) -> Word {
        let manual = self.sources.manual.as_ref();
        let wish = manual.filter(|wish| wish.until.is_none_or(|until| now < until));
        let absence = self.sources.out_of_office.as_ref();
        Word {
            choice: wish.map(|wish| wish.choice),
            until: wish.and_then(|wish| wish.until),
            back: absence
                .and_then(|absence| absence.until)
                .filter(|until| now < *until),
        }
    }

    fn seen<'a>(known: &'a Known, audience: Audience) -> Seen<'a> {
        match audience {
            Audience::Own => own_view(known),
            Audience::Level(level) => view(known, level),
        }
    }

    fn write(&self, now: Moment, known: &Known, audience: Audience) -> Arc<str> {
        let word = match audience {
            Audience::Own => self.own_word(now),
            Audience::Level(_) => Word::default(),
        };
        let wire = Wire {
            user: &self.key,
            seen: Self::seen(known, audience),
            choice: word.choice,
            until: word.until.map(Moment::ms),
            oof_until: word.back.map(Moment::ms),
        };
        // Text, numbers and lists: it is always written.
        serde_json::to_string(&wire).unwrap_or_default().into()
    }

    pub(super) fn render(
        &self,
        now: Moment,
        audience: Audience,
        custom: &HashMap<String, Arc<str>>,
    ) -> Arc<str> {
        self.write(now, &self.known(now, custom), audience)
    }

    /// Whether anybody could see something else than they were told. Cheap: most of what comes in are renewed leases.
    pub(super) fn is_changed(&self, now: Moment) -> bool {
        let published = &self.published;
        let oof = self.sources.out_of_office.as_ref();
        published.observed != self.sources.observe(now)
            || published.note != self.words.note
            || published.location != self.words.location
            || published.oof.as_deref() != oof.and_then(|oof| oof.text.as_deref())
            || published.next_free != self.sources.next_free(now)
            || self.word != self.own_word(now)
            || self.edges.iter().any(|edge| edge.stale.is_some())
    }

    /// Tells each watcher who sees something else than before; whether the truth has changed.
    pub(super) fn publish(
        &mut self,
        now: Moment,
        custom: &HashMap<String, Arc<str>>,
        told: &mut HashMap<Watcher, Told>,
        tags: &mut Tags,
    ) -> bool {
        let fresh = self.known(now, custom);
        let word = self.own_word(now);
        let before = std::mem::replace(&mut self.published, fresh);
        let new_word = std::mem::replace(&mut self.word, word) != word;
        let fresh = &self.published;
        let mut written: [Option<Arc<str>>; Audience::COUNT] = Default::default();
        let mut news: [Option<bool>; Audience::COUNT] = Default::default();
        let mut edges = std::mem::take(&mut self.edges);
        for edge in &mut edges {
            let at = edge.audience.index();
            let seen = Self::seen(fresh, edge.audience);
            let differs = match edge.stale.take() {
                Some(old) => Self::seen(&before, old).differs(&seen),
                None => *news
                    .get_mut(at)
                    .map_or(&mut None, |slot| slot)
                    .get_or_insert_with(|| {
                        Self::seen(&before, edge.audience).differs(&seen)
                            || (edge.audience == Audience::Own && new_word)
                    }),
            };
            if !differs {
                continue;
            }
            if let Some(slot) = written.get_mut(at) {
                let text = slot.get_or_insert_with(|| self.write(now, fresh, edge.audience));
                of(told, edge.watcher).presence.push(Arc::clone(text));
            }
            let was = Self::seen(&before, edge.audience).class;
            if edge.reasons & Reason::Tagged as u8 != 0
                && seen.class == Class::Available
                && was != Class::Available
            {
                tags.add(now, edge.watcher, &self.key);
            }
        }
        self.edges = edges;
        before.observed != self.published.observed
    }

    /// Whether a watcher has seen the person available for long enough.
    pub(super) fn is_available_for(&self, watcher: Watcher, now: Moment) -> bool {
        self.edge(watcher).is_some_and(|edge| {
            edge.reasons & Reason::Tagged as u8 != 0
                && Self::seen(&self.published, edge.audience).class == Class::Available
                && now.since(self.published.since) >= super::tags::DEBOUNCE
        })
    }
}
