//! Who speaks into which channel of the room and hears which: side conversations, whispers, languages.
//!
//! Pure: participants are names, channels numbers. [`super::aside`] takes it to the room and to the screens.

use std::collections::{BTreeMap, HashMap};

use plenum_mixer::{Channel, Channels};

/// How loud those who talk aside hear the conference, if they want to.
const ROOM_BEHIND_ASIDE_DB: f32 = -15.0;
/// How loud the original is behind its interpretation.
const ROOM_BEHIND_LANGUAGE_DB: f32 = -12.0;

/// Why there is no channel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct NoneFree;

/// What a channel is for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Use {
    /// They talk among themselves, two at least.
    Aside {
        members: Vec<String>,
        hear_room: bool,
    },
    /// One speaks to one, who hears it on top of the conference.
    Whisper { from: String, to: String },
    /// Somebody interprets into it, whoever wants to listens.
    Language {
        name: String,
        interpreter: Option<String>,
    },
}

/// What one participant's leg is to be told.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Route {
    pub(super) speaks: Channels,
    pub(super) hears: Vec<(Channel, f32)>,
}

impl Default for Route {
    fn default() -> Self {
        Self {
            speaks: Channels::MAIN,
            hears: vec![(Channel::MAIN, 0.0)],
        }
    }
}

/// See the module. Channels that nobody uses any more are free again.
#[derive(Debug, Default)]
pub(super) struct Uses {
    uses: BTreeMap<u8, Use>,
    /// Who listens to which language.
    listening: HashMap<String, u8>,
}

impl Uses {
    /// The lowest channel that is free.
    fn free(&self) -> Result<u8, NoneFree> {
        (1..)
            .take_while(|number| Channel::new(*number).is_some())
            .find(|number| !self.uses.contains_key(number))
            .ok_or(NoneFree)
    }

    /// The side conversation that `who` is in, its members and whether they hear the room.
    pub(super) fn aside(&self, who: &str) -> Option<u8> {
        self.uses.iter().find_map(|(number, channel)| {
            let is_member = matches!(channel, Use::Aside { members, .. } if members.iter().any(|member| member == who));
            is_member.then_some(*number)
        })
    }

    /// Who is in the side conversation `number`.
    pub(super) fn members(&self, number: u8) -> &[String] {
        match self.uses.get(&number) {
            Some(Use::Aside { members, .. }) => members,
            _ => &[],
        }
    }

    /// Puts `joiners` into the side conversation `into`, or into a new one.
    pub(super) fn open_aside(
        &mut self,
        into: Option<u8>,
        joiners: &[String],
        hears: bool,
    ) -> Result<u8, NoneFree> {
        let number = match into {
            Some(number) => number,
            None => self.free()?,
        };
        let aside = self.uses.entry(number).or_insert_with(|| Use::Aside {
            members: Vec::new(),
            hear_room: hears,
        });
        if let Use::Aside { members, hear_room } = aside {
            *hear_room = hears;
            for joiner in joiners {
                if !members.contains(joiner) {
                    members.push(joiner.clone());
                }
            }
        }
        Ok(number)
    }

    /// Takes `who` out of its side conversation; nobody talks aside alone. Returns all who are back.
    pub(super) fn leave_aside(&mut self, who: &str) -> Vec<String> {
        let Some(number) = self.aside(who) else {
            return Vec::new();
        };
        if let Some(Use::Aside { members, .. }) = self.uses.get_mut(&number)
            && members.len() > 2
        {
            members.retain(|member| member != who);
            return vec![who.to_owned()];
        }
        self.close(number)
    }

    /// `from` whispers to `to`, and to nobody else.
    pub(super) fn whisper(&mut self, from: &str, to: &str) -> Result<(), NoneFree> {
        self.hush(from);
        let number = self.free()?;
        let (from, to) = (from.to_owned(), to.to_owned());
        self.uses.insert(number, Use::Whisper { from, to });
        Ok(())
    }

    /// `from` whispers no more; returns to whom it did.
    pub(super) fn hush(&mut self, from: &str) -> Option<String> {
        let (number, to) = self
            .uses
            .iter()
            .find_map(|(number, channel)| match channel {
                Use::Whisper { from: who, to } if who == from => Some((*number, to.clone())),
                _ => None,
            })?;
        self.uses.remove(&number);
        Some(to)
    }

    /// A new language.
    pub(super) fn open_language(
        &mut self,
        name: String,
        interpreter: Option<String>,
    ) -> Result<u8, NoneFree> {
        let number = self.free()?;
        self.uses
            .insert(number, Use::Language { name, interpreter });
        Ok(number)
    }

    /// The languages: channel, name, interpreter.
    pub(super) fn languages(&self) -> impl Iterator<Item = (u8, &str, Option<&str>)> {
        self.uses
            .iter()
            .filter_map(|(number, channel)| match channel {
                Use::Language { name, interpreter } => {
                    Some((*number, name.as_str(), interpreter.as_deref()))
                }
                _ => None,
            })
    }

    /// Whether `number` is a language.
    pub(super) fn is_language(&self, number: u8) -> bool {
        matches!(self.uses.get(&number), Some(Use::Language { .. }))
    }

    fn is_interpreted(&self, number: u8) -> bool {
        let channel = self.uses.get(&number);
        matches!(
            channel,
            Some(Use::Language {
                interpreter: Some(_),
                ..
            })
        )
    }

    fn listeners(&self, number: u8) -> impl Iterator<Item = String> {
        self.listening
            .iter()
            .filter(move |(_, listened)| **listened == number)
            .map(|(who, _)| who.clone())
    }

    /// `who` listens to the language, or to the conference as it is.
    pub(super) fn listen(&mut self, who: &str, language: Option<u8>) {
        match language {
            Some(number) => self.listening.insert(who.to_owned(), number),
            None => self.listening.remove(who),
        };
    }

    /// Which language `who` listens to; while nobody interprets, that is the conference as it is.
    pub(super) fn listens(&self, who: &str) -> Option<u8> {
        self.listening.get(who).copied()
    }

    /// Frees the channel; returns all whose route is different now.
    pub(super) fn close(&mut self, number: u8) -> Vec<String> {
        let listeners: Vec<String> = self
            .listening
            .extract_if(|_, listened| *listened == number)
            .map(|(who, _)| who)
            .collect();
        match self.uses.remove(&number) {
            None => Vec::new(),
            Some(Use::Aside { members, .. }) => members,
            Some(Use::Whisper { from, to }) => vec![from, to],
            Some(Use::Language { interpreter, .. }) => {
                listeners.into_iter().chain(interpreter).collect()
            }
        }
    }

    /// `who` is gone; returns all whose route is different now. A language without an interpreter waits for another.
    pub(super) fn forget(&mut self, who: &str) -> Vec<String> {
        self.listening.remove(who);
        let mut changed = self.leave_aside(who);
        let whispers: Vec<u8> = self
            .uses
            .iter()
            .filter(|(_, channel)| {
                matches!(channel, Use::Whisper { from, to } if from == who || to == who)
            })
            .map(|(number, _)| *number)
            .collect();
        for number in whispers {
            changed.extend(self.close(number));
        }
        if let Some(number) = self.interprets(who) {
            changed.extend(self.assign(number, None));
        }
        changed.retain(|other| other != who);
        changed
    }

    /// Makes `who` the interpreter into the language, and into no other; returns all whose route is different now.
    pub(super) fn assign(&mut self, number: u8, who: Option<String>) -> Vec<String> {
        let mut changed: Vec<String> = who.iter().cloned().collect();
        let before = who.as_deref().and_then(|who| self.interprets(who));
        for (number, whom) in [(before, None), (Some(number), who)] {
            let Some(number) = number else { continue };
            changed.extend(self.listeners(number));
            if let Some(Use::Language { interpreter, .. }) = self.uses.get_mut(&number) {
                changed.extend(std::mem::replace(interpreter, whom));
            }
        }
        changed.sort_unstable();
        changed.dedup();
        changed
    }

    /// The language into which `who` interprets.
    fn interprets(&self, who: &str) -> Option<u8> {
        self.languages()
            .find(|(_, _, interpreter)| *interpreter == Some(who))
            .map(|(number, ..)| number)
    }

    /// What the leg of `who` speaks into and hears.
    pub(super) fn route(&self, who: &str) -> Route {
        let mut route = Route::default();
        let hear = |number: u8| Channel::new(number).map(|channel| (channel, 0.0));
        if let Some(number) = self
            .listens(who)
            .filter(|number| self.is_interpreted(*number))
        {
            route.hears = vec![(Channel::MAIN, ROOM_BEHIND_LANGUAGE_DB)];
            route.hears.extend(hear(number));
        }
        let mut whispered = Vec::new();
        let mut aside = None;
        for (&number, channel) in &self.uses {
            let Some(own) = Channel::new(number) else {
                continue;
            };
            match channel {
                Use::Language { interpreter, .. } if interpreter.as_deref() == Some(who) => {
                    // From what the others say, not from another interpretation.
                    route = Route {
                        speaks: Channels::only(own),
                        ..Route::default()
                    };
                }
                Use::Aside { members, hear_room } if members.iter().any(|m| m == who) => {
                    aside = Some((own, *hear_room));
                }
                Use::Whisper { from, .. } if from == who => whispered.push((own, true)),
                Use::Whisper { to, .. } if to == who => whispered.push((own, false)),
                _ => {}
            }
        }
        if let Some((own, hear_room)) = aside {
            let room = hear_room.then_some((Channel::MAIN, ROOM_BEHIND_ASIDE_DB));
            route = Route {
                speaks: Channels::only(own),
                hears: room.into_iter().chain([(own, 0.0)]).collect(),
            };
        }
        for (channel, speaks) in whispered {
            if speaks {
                route.speaks = Channels::only(channel);
            } else {
                route.hears.push((channel, 0.0));
            }
        }
        route
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use super::*;

    fn names(names: &[&str]) -> Vec<String> {
        names.iter().map(|name| (*name).to_owned()).collect()
    }

    /// As (channels spoken into, channels and levels heard).
    fn route(uses: &Uses, who: &str) -> (Vec<u8>, Vec<(u8, f32)>) {
        let Route { speaks, hears } = uses.route(who);
        (
            speaks.iter().map(Channel::number).collect(),
            hears
                .into_iter()
                .map(|(channel, db)| (channel.number(), db))
                .collect(),
        )
    }

    /// What a room mixes and encodes is bounded by its channels, however many people there are: the conference, nothing, and these.
    #[test]
    fn each_use_adds_at_most_one_to_what_is_heard_and_there_are_31() {
        let mut uses = Uses::default();
        let person = |n: u8| format!("p{n}");
        for n in 0..10 {
            let pair = [person(2 * n), person(2 * n + 1)];
            uses.open_aside(None, &pair, n % 2 == 0).unwrap();
        }
        // Into asides, and to others.
        for n in 0..21 {
            uses.whisper(&format!("coach {n}"), &person(3 * n)).unwrap();
        }
        assert_eq!(uses.whisper("one too many", "p1"), Err(NoneFree));
        let mut heard: Vec<_> = Vec::new();
        for hears in (0..100).map(|n| uses.route(&person(n)).hears) {
            if !heard.contains(&hears) {
                heard.push(hears);
            }
        }
        assert!(heard.len() <= 32, "{}", heard.len());
    }

    #[test]
    fn who_talks_aside_hears_the_others_fully_and_the_room_quietly_or_not() {
        let mut uses = Uses::default();
        let one = uses
            .open_aside(None, &names(&["ann", "bob"]), true)
            .unwrap();
        let two = uses
            .open_aside(None, &names(&["dan", "eve"]), false)
            .unwrap();
        assert_eq!(
            route(&uses, "ann"),
            (vec![one], vec![(0, -15.0), (one, 0.0)])
        );
        assert_eq!(route(&uses, "bob"), route(&uses, "ann"));
        assert_eq!(route(&uses, "eve"), (vec![two], vec![(two, 0.0)]));
        assert_eq!(uses.route("cleo"), Route::default());
    }

    #[test]
    fn nobody_talks_aside_alone_and_channels_are_free_again() {
        let mut uses = Uses::default();
        let one = uses
            .open_aside(None, &names(&["ann", "bob"]), false)
            .unwrap();
        uses.open_aside(Some(one), &names(&["cleo", "bob"]), false)
            .unwrap();
        assert_eq!(uses.members(one), names(&["ann", "bob", "cleo"]));
        assert_eq!(uses.leave_aside("bob"), names(&["bob"]));
        assert_eq!(uses.leave_aside("ann"), names(&["ann", "cleo"]));
        assert_eq!(uses.leave_aside("ann"), names(&[]));
        assert_eq!(uses.route("cleo"), Route::default());
        for _ in 1..32 {
            uses.open_language("x".into(), None).unwrap();
        }
        assert_eq!(uses.open_language("x".into(), None), Err(NoneFree));
        uses.close(one);
        assert_eq!(uses.open_language("x".into(), None), Ok(one));
    }

    #[test]
    fn a_coach_is_heard_by_one_on_top_of_the_room() {
        let mut uses = Uses::default();
        uses.whisper("ann", "bob").unwrap();
        assert_eq!(route(&uses, "ann"), (vec![1], vec![(0, 0.0)]));
        assert_eq!(route(&uses, "bob"), (vec![0], vec![(0, 0.0), (1, 0.0)]));
        uses.whisper("ann", "cleo").unwrap();
        assert_eq!(uses.route("bob"), Route::default());
        assert_eq!(uses.hush("ann"), Some("cleo".to_owned()));
        assert_eq!(uses.route("ann"), Route::default());
    }

    #[test]
    fn an_interpreter_hears_the_room_and_speaks_to_those_who_listen() {
        let mut uses = Uses::default();
        let french = uses
            .open_language("Français".into(), Some("ann".into()))
            .unwrap();
        let polish = uses.open_language("Polski".into(), None).unwrap();
        uses.listen("bob", Some(french));
        assert_eq!(route(&uses, "ann"), (vec![french], vec![(0, 0.0)]));
        assert_eq!(
            route(&uses, "bob"),
            (vec![0], vec![(0, -12.0), (french, 0.0)])
        );
        assert_eq!(
            uses.assign(polish, Some("ann".into())),
            names(&["ann", "bob"])
        );
        // Nobody interprets for him now.
        assert_eq!(uses.route("bob"), Route::default());
        assert_eq!(route(&uses, "ann"), (vec![polish], vec![(0, 0.0)]));
        assert_eq!(
            uses.languages().collect::<Vec<_>>(),
            [(french, "Français", None), (polish, "Polski", Some("ann"))]
        );
        assert_eq!(uses.close(french), names(&["bob"]));
        assert_eq!(uses.route("bob"), Route::default());
    }

    #[test]
    fn who_leaves_takes_along_what_stands_on_them() {
        let mut uses = Uses::default();
        uses.open_aside(None, &names(&["ann", "bob"]), false)
            .unwrap();
        uses.whisper("cleo", "ann").unwrap();
        uses.open_language("Polski".into(), Some("ann".into()))
            .unwrap();
        let mut changed = uses.forget("ann");
        changed.sort_unstable();
        assert_eq!(changed, names(&["bob", "cleo"]));
        for who in ["ann", "bob", "cleo"] {
            assert_eq!(uses.route(who), Route::default(), "{who}");
        }
        assert_eq!(uses.languages().next().unwrap().2, None);
    }
}
