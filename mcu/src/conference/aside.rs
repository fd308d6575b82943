//! Side conversations, whispers and languages: who may, and how the room and the screens learn of it.

use plenum_dialin::attendant::PromptKey;
use plenum_mixer::Command as MixerCommand;

use super::channels::NoneFree;
use super::focus::Focus;
use super::order::Denied;
use super::roster::Participant;
use crate::auth::Role;
use crate::signal::protocol::{ChannelView, Kind, ServerMessage};

/// Longest name of a language, characters.
const MAX_NAME: usize = 40;

/// What somebody wants about who hears whom.
#[derive(Debug, Clone)]
pub(crate) enum Wish {
    /// To talk aside with these, or to take them into one's side conversation.
    Aside {
        participants: Vec<String>,
        hear_room: bool,
    },
    /// Back to the conference.
    Return,
    /// To be heard by this one only, or no more.
    Whisper(String, bool),
    /// To hear this language, or the conference as it is.
    Listen(Option<u8>),
}

impl From<NoneFree> for Denied {
    fn from(_: NoneFree) -> Self {
        Self::Unavailable("There are too many side conversations and languages.")
    }
}

impl Focus {
    /// Grants `actor`'s wish.
    pub(super) fn grant(&mut self, actor: &str, wish: Wish) -> Result<(), Denied> {
        match wish {
            Wish::Aside {
                participants,
                hear_room,
            } => {
                self.require_free_to_whisper(actor)?;
                let is_host = self.is_host(actor);
                let own = participants.iter().any(|who| who == actor);
                if !(is_host || own) {
                    return Err(Denied::Forbidden("Only a host sends others aside."));
                }
                self.open_aside(&participants, hear_room, (!is_host).then_some(actor))
            }
            Wish::Return => {
                let back = self.uses.leave_aside(actor);
                self.reroute(back);
                Ok(())
            }
            Wish::Whisper(to, on) => self.whisper(actor, &to, on),
            Wish::Listen(language) => {
                if language.is_some_and(|number| !self.uses.is_language(number)) {
                    return Err(Denied::Invalid("There is no such language."));
                }
                self.uses.listen(actor, language);
                self.reroute(vec![actor.to_owned()]);
                Ok(())
            }
        }
    }

    pub(super) fn is_host(&self, actor: &str) -> bool {
        self.roster
            .get(actor)
            .is_some_and(|person| person.role == Role::Host)
    }

    fn require_free_to_whisper(&self, actor: &str) -> Result<(), Denied> {
        if self.around.config.side_conversations || self.is_host(actor) {
            return Ok(());
        }
        Err(Denied::Forbidden("Only a host may do this."))
    }

    /// Lets `participants` talk aside. Whoever talks aside already is joined, all by the same conversation; a guest who asks
    /// joins others to the one it is in, not itself to theirs.
    pub(super) fn open_aside(
        &mut self,
        participants: &[String],
        hear_room: bool,
        guest: Option<&str>,
    ) -> Result<(), Denied> {
        let mut members: Vec<String> = Vec::new();
        let mut into = None;
        for who in participants {
            match self.roster.get(who).map(|person| person.kind) {
                None => return Err(Denied::Nobody),
                Some(Kind::Host) => return Err(Denied::Forbidden("The demo's host stays here.")),
                Some(Kind::Browser | Kind::Phone) => {}
            }
            if !members.contains(who) {
                members.push(who.clone());
            }
            let aside = self.uses.aside(who);
            if aside.is_some() && into.is_some() && aside != into {
                return Err(Denied::Forbidden("They talk aside already, with others."));
            }
            into = into.or(aside);
        }
        if into.is_some() && guest.is_some_and(|guest| self.uses.aside(guest) != into) {
            return Err(Denied::Forbidden("They talk aside already."));
        }
        if members.len() < 2 && into.is_none() {
            return Err(Denied::Invalid("It takes two to talk aside."));
        }
        let number = self.uses.open_aside(into, &members, hear_room)?;
        let all = self.uses.members(number).to_vec();
        self.reroute(all);
        Ok(())
    }

    /// Brings all of a side conversation back.
    pub(super) fn close_aside(&mut self, number: u8) -> Result<(), Denied> {
        if self.uses.members(number).is_empty() {
            return Err(Denied::Invalid("There is no such side conversation."));
        }
        let back = self.uses.close(number);
        self.reroute(back);
        Ok(())
    }

    fn whisper(&mut self, actor: &str, to: &str, on: bool) -> Result<(), Denied> {
        self.require_free_to_whisper(actor)?;
        if on && (actor == to || self.roster.get(to).is_none()) {
            return Err(Denied::Nobody);
        }
        if let Some(before) = self.uses.hush(actor) {
            self.tell_whisper(actor, &before, false);
            self.reroute(vec![actor.to_owned(), before]);
        }
        if on {
            self.uses.whisper(actor, to)?;
            self.tell_whisper(actor, to, true);
            self.reroute(vec![actor.to_owned(), to.to_owned()]);
        }
        Ok(())
    }

    /// Nobody else is to know.
    fn tell_whisper(&mut self, from: &str, to: &str, on: bool) {
        let message = ServerMessage::Whisper {
            from: from.to_owned(),
            to: to.to_owned(),
            on,
        };
        for who in [from, to] {
            self.tell(who, &message);
        }
    }

    /// Opens a language; `interpreter` speaks into it from now on.
    pub(super) fn open_language(
        &mut self,
        name: &str,
        interpreter: Option<String>,
    ) -> Result<(), Denied> {
        let name = name.trim();
        let fits = (1..=MAX_NAME).contains(&name.chars().count());
        if !fits || name.chars().any(char::is_control) {
            return Err(Denied::Invalid("A language's name has 1 to 40 characters."));
        }
        if interpreter
            .as_deref()
            .is_some_and(|who| self.roster.get(who).is_none())
        {
            return Err(Denied::Nobody);
        }
        let same = self
            .uses
            .languages()
            .find(|(_, known, _)| *known == name)
            .map(|(number, ..)| number);
        let number = match same {
            Some(number) => number,
            None => self.uses.open_language(name.to_owned(), None)?,
        };
        let changed = self.uses.assign(number, interpreter);
        self.reroute(changed);
        self.show_conference();
        Ok(())
    }

    /// Whoever listened hears the conference as it is.
    pub(super) fn close_language(&mut self, number: u8) -> Result<(), Denied> {
        if !self.uses.is_language(number) {
            return Err(Denied::Invalid("There is no such language."));
        }
        let back = self.uses.close(number);
        self.reroute(back);
        self.show_conference();
        Ok(())
    }

    /// As shown.
    pub(super) fn language_views(&self) -> Vec<ChannelView> {
        self.uses
            .languages()
            .map(|(channel, name, interpreter)| ChannelView {
                channel,
                name: name.to_owned(),
                interpreter: interpreter.map(str::to_owned),
            })
            .collect()
    }

    /// `participant` has left: what stood on it is over.
    pub(super) fn forget_channels(&mut self, participant: &str) {
        let interpreted = self
            .uses
            .languages()
            .any(|(_, _, interpreter)| interpreter == Some(participant));
        let changed = self.uses.forget(participant);
        self.reroute(changed);
        if interpreted {
            self.show_conference();
        }
    }

    /// Tells the room and the screens of those whose routes may be different now.
    fn reroute(&mut self, participants: Vec<String>) {
        for participant in participants {
            let (aside, listening) = (
                self.uses.aside(&participant),
                self.uses.listens(&participant),
            );
            let Some(person) = self.roster.get_mut(&participant) else {
                continue;
            };
            let was = std::mem::replace(&mut person.side, aside);
            let shown = was != aside || person.listening != listening;
            person.listening = listening;
            let phone = person.phone_leg();
            self.route(&participant);
            if shown {
                self.show(&participant);
            }
            // A phone has no screen to say it.
            match (phone, was, aside) {
                (Some(leg), None, Some(_)) => self.say(leg, PromptKey::Aside),
                (Some(leg), Some(_), None) => self.say(leg, PromptKey::Returned),
                _ => {}
            }
        }
    }

    /// Tells the room what the leg of `participant` speaks into and hears.
    pub(super) fn route(&self, participant: &str) {
        let Some(leg) = self.leg_of(participant) else {
            return;
        };
        let route = self.uses.route(participant);
        self.command_room(MixerCommand::Speak {
            leg,
            channels: route.speaks,
        });
        self.command_room(MixerCommand::Hear {
            leg,
            hears: route.hears,
        });
    }

    fn leg_of(&self, participant: &str) -> Option<plenum_mixer::LegId> {
        self.roster.get(participant).and_then(Participant::ear)
    }
}
