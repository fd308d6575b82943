//! The lobby: who waits before a conference, in a media room of its own with music, where nobody hears or sees anybody.
//!
//! Owned by the focus and apart from the roster, so that nothing that the roster's people are told or hear reaches who waits. How
//! somebody comes and goes is in [`super::passage`].

use std::collections::HashMap;
use std::time::{Duration, Instant};

use plenum_dialin::attendant::PromptKey;
use plenum_mixer::{Audience, Command, Event, LegId, PlayId};

use super::focus::Focus;
use super::manners::{LobbyPolicy, WaitsFor};
use super::order::Denied;
use super::roster::{Mute, Participant, Roster};
use super::seat::{Action, Link};
use crate::auth::{Role, Shut};
use crate::media::{LegGone, RoomEvent, RoomId};
use crate::signal::protocol::{EndReason, Kind, ServerMessage, WaitingView};
use crate::store::now_ms;

/// Hosts are shown so many of those who wait, and how many there are.
const LISTED: usize = 200;
/// Changes of the list within this time are told together.
const GATHERED: Duration = Duration::from_millis(150);
/// Hosts on phones are told of waiting people this often at most.
const TOLD: Duration = Duration::from_secs(20);
/// Last words to a phone are cut after this.
const FAREWELL: Duration = Duration::from_secs(8);

/// What hosts order about the lobby.
#[derive(Debug, Clone)]
pub(crate) enum Gate {
    /// Guests wait in it, or come in at once.
    Lobby(bool),
    Admit(String),
    AdmitAll,
    Deny(String),
    /// From the conference to the lobby.
    SendBack(String),
}

/// How long somebody waits, and for what.
#[derive(Debug, Clone, Copy)]
pub(super) struct Stay {
    since_ms: i64,
    pub(super) waits_for: WaitsFor,
    /// A host has sent them here.
    sent_back: bool,
    /// Last words to a phone that was turned away; they are cut then.
    farewell: Option<(PlayId, Instant)>,
}

impl Stay {
    pub(super) fn new(waits_for: WaitsFor, sent_back: bool) -> Self {
        Self {
            since_ms: now_ms(),
            waits_for,
            sent_back,
            farewell: None,
        }
    }
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Lobby {
    pub(super) people: Roster,
    pub(super) stays: HashMap<String, Stay>,
    pub(super) room: Option<RoomId>,
    /// One player for all who wait.
    pub(super) music: Option<PlayId>,
    /// When hosts are told how the list is now.
    due: Option<Instant>,
    /// When hosts on phones were told last.
    told: Option<Instant>,
}

impl Lobby {
    /// How many wait.
    pub(super) fn len(&self) -> usize {
        self.people.len()
    }

    pub(super) fn take(&mut self, id: &str) -> Option<(Participant, Stay)> {
        let person = self.people.remove(id)?;
        let stay = self.stays.remove(id);
        self.changed();
        Some((
            person,
            stay.unwrap_or_else(|| Stay::new(WaitsFor::Host, false)),
        ))
    }

    pub(super) fn put(&mut self, person: Participant, stay: Stay) {
        self.stays.insert(person.id.clone(), stay);
        self.people.insert(person);
        self.changed();
    }

    pub(super) fn changed(&mut self) {
        self.due.get_or_insert_with(|| Instant::now() + GATHERED);
    }

    /// When something is due by itself.
    pub(super) fn next(&self) -> Option<Instant> {
        let farewells = self
            .stays
            .values()
            .filter_map(|stay| Some(stay.farewell?.1));
        farewells.chain(self.due).min()
    }

    /// Those who wait, whoever has waited longest first; not those who hear their last words.
    pub(super) fn list(&self) -> Vec<WaitingView> {
        self.people
            .iter()
            .filter_map(|person| {
                let stay = self.stays.get(&person.id)?;
                stay.farewell.is_none().then(|| WaitingView {
                    id: person.id.clone(),
                    name: person.name.clone(),
                    kind: person.kind,
                    since_ms: stay.since_ms,
                    waits_for: stay.waits_for,
                })
            })
            .collect()
    }
}

impl Focus {
    /// What `role` waits for, if it has to.
    pub(super) fn waits_for(&self, role: Role, sent_back: bool) -> Option<WaitsFor> {
        match role {
            Role::Host => None,
            Role::Guest => self.rules.guest_waits_for(self.leaders(), sent_back),
        }
    }

    /// Carries out what a host orders about the lobby.
    pub(super) async fn order_gate(&mut self, gate: Gate) -> Result<(), Denied> {
        match gate {
            Gate::Lobby(on) => {
                self.rules.lobby = if on {
                    LobbyPolicy::Guests
                } else {
                    LobbyPolicy::Off
                };
                self.rules_changed().await;
            }
            Gate::Admit(who) => {
                self.require_waiting(&who)?;
                if !self.let_in(&who).await {
                    return Err(Denied::Unavailable("They could not be let in."));
                }
            }
            Gate::AdmitAll => {
                self.admit_all().await;
            }
            Gate::Deny(who) => {
                self.require_waiting(&who)?;
                self.turn_away(&who).await;
            }
            Gate::SendBack(who) => self.send_back(&who).await?,
        }
        Ok(())
    }

    /// Lets in all who wait; says how many.
    pub(super) async fn admit_all(&mut self) -> usize {
        let mut admitted = 0;
        for waiting in self.lobby.list() {
            admitted += usize::from(self.let_in(&waiting.id).await);
        }
        admitted
    }

    /// Turns away all who wait; says how many.
    pub(super) async fn turn_all_away(&mut self) -> usize {
        let waiting = self.lobby.list();
        for one in &waiting {
            self.turn_away(&one.id).await;
        }
        waiting.len()
    }

    fn require_waiting(&self, who: &str) -> Result<(), Denied> {
        let waits = self.lobby.stays.get(who);
        waits
            .filter(|stay| stay.farewell.is_none())
            .map(|_| ())
            .ok_or(Denied::Nobody)
    }

    /// Other rules hold.
    pub(super) async fn rules_changed(&mut self) {
        self.show_conference();
        self.settle_lobby().await;
        self.mind_leader();
    }

    /// Lets in whoever need not wait any longer, and tells the others what for they wait now: after a change of rules or of leaders.
    pub(super) async fn settle_lobby(&mut self) {
        let mut free = Vec::new();
        let mut changed = Vec::new();
        let leaders = self.leaders();
        for (id, stay) in &mut self.lobby.stays {
            if stay.farewell.is_some() {
                continue;
            }
            match self.rules.guest_waits_for(leaders, stay.sent_back) {
                None => free.push((stay.since_ms, id.clone())),
                Some(now) if now == stay.waits_for => {}
                Some(now) => {
                    stay.waits_for = now;
                    changed.push((id.clone(), now));
                }
            }
        }
        free.sort_unstable();
        for (_, id) in free {
            self.let_in(&id).await;
        }
        for (id, waits_for) in changed {
            self.lobby.changed();
            let words: &[_] = match waits_for {
                WaitsFor::Host => &[PromptKey::LeaderArrived, PromptKey::WaitForHost],
                WaitsFor::Leader => &[PromptKey::WaitForLeader],
            };
            self.say_waiting(&id, words);
            self.show_waiting(&id, None);
        }
    }

    /// Says it to a phone that waits; over the music, which is quieter.
    pub(super) fn say_waiting(&mut self, id: &str, words: &[PromptKey]) -> Option<PlayId> {
        let person = self.lobby.people.get(id)?;
        let leg = person.phone_leg()?;
        let sounds: Vec<_> = words
            .iter()
            .map(|word| self.around.prompts.say(person.language, *word))
            .collect();
        self.next_play += 1;
        let play = PlayId(self.next_play);
        self.command_lobby(Command::Play {
            play,
            to: Audience::Leg(leg),
            sound: sounds.into(),
            repeat: false,
        });
        Some(play)
    }

    /// Shows a browser that it waits and for what; `resume` when it has a new secret.
    pub(super) fn show_waiting(&mut self, id: &str, resume: Option<String>) {
        let Some(stay) = self.lobby.stays.get(id) else {
            return;
        };
        let message = ServerMessage::Waiting {
            participant: id.to_owned(),
            resume,
            conference: self.record.number.clone(),
            name: self.record.name.clone(),
            waits_for: stay.waits_for,
        };
        self.tell_waiting(id, &message);
    }

    pub(super) fn tell_waiting(&mut self, id: &str, message: &ServerMessage) {
        let person = self.lobby.people.get(id);
        if person.is_some_and(|person| !person.send(&message.to_json().into())) {
            self.around.metrics.slow_sessions.inc();
            self.lobby.people.disconnect(id, Instant::now());
        }
    }

    /// Tells hosts who waits.
    fn list_lobby(&mut self) {
        let mut waiting = self.lobby.list();
        let count = waiting.len();
        waiting.truncate(LISTED);
        let message = ServerMessage::Lobby { waiting, count };
        let hosts = self.roster.iter().filter(|person| person.leads());
        let hosts: Vec<_> = hosts
            .filter(|person| matches!(person.link, Link::Session(_)))
            .map(|person| person.id.clone())
            .collect();
        for host in hosts {
            self.tell(&host, &message);
        }
    }

    /// Tells hosts that wrong PINs have shut a door.
    pub(super) fn tell_guessed(&mut self, shut: Shut) {
        let closed_seconds = match shut {
            Shut::For(seconds) => Some(seconds),
            Shut::UntilRotated => None,
        };
        let message = ServerMessage::PinsGuessed { closed_seconds };
        let hosts = self.roster.iter().filter(|person| person.leads());
        let hosts: Vec<_> = hosts.map(|person| person.id.clone()).collect();
        for host in hosts {
            self.tell(&host, &message);
        }
    }

    /// The same to one host who has just come, when there is something to tell.
    pub(super) fn brief_lobby(&mut self, host: &str) {
        let is_host = self.roster.get(host).is_some_and(Participant::leads);
        if is_host && self.lobby.len() > 0 {
            self.lobby.changed();
        }
    }

    /// A host on a phone hears that somebody waits.
    pub(super) fn tell_phones_of_waiting(&mut self, now: Instant) {
        if self.lobby.told.is_some_and(|told| now < told + TOLD) {
            return;
        }
        let hosts = self.roster.iter().filter(|person| person.leads());
        let phones: Vec<LegId> = hosts.filter_map(Participant::phone_leg).collect();
        for leg in phones {
            self.lobby.told = Some(now);
            self.say(leg, PromptKey::SomebodyWaits);
        }
    }

    /// Tells hosts what has changed, and ends whoever had its last words.
    pub(super) async fn heed_lobby(&mut self, now: Instant) {
        if self.lobby.due.is_some_and(|due| due <= now) {
            self.lobby.due = None;
            self.list_lobby();
        }
        let over = |stay: &Stay| stay.farewell.is_some_and(|(_, until)| until <= now);
        self.end_farewells(over).await;
    }

    async fn end_farewells(&mut self, over: impl Fn(&Stay) -> bool) {
        let stays = self.lobby.stays.iter().filter(|(_, stay)| over(stay));
        let gone: Vec<_> = stays.map(|(id, _)| id.clone()).collect();
        for id in gone {
            self.leave_lobby(&id, EndReason::Denied).await;
        }
    }

    /// Turns `who` away: a browser at once, a phone with words.
    async fn turn_away(&mut self, who: &str) {
        match self.say_waiting(who, &[PromptKey::NotAdmitted, PromptKey::Goodbye]) {
            Some(play) => {
                let until = Instant::now() + FAREWELL;
                if let Some(stay) = self.lobby.stays.get_mut(who) {
                    stay.farewell = Some((play, until));
                }
                self.lobby.changed();
            }
            None => self.leave_lobby(who, EndReason::Denied).await,
        }
    }

    /// What the lobby's media room tells.
    pub(super) async fn lobby_event(&mut self, event: RoomEvent) {
        match event {
            RoomEvent::Mixer(Event::Digit { leg, digit, .. }) => {
                let owner = self.lobby.people.owner(leg).map(str::to_owned);
                if let Some(id) = owner {
                    self.lobby_key(&id, digit);
                }
            }
            RoomEvent::Mixer(Event::PlayFinished { play }) => {
                if self.lobby.music == Some(play) {
                    // It has no end: words to many at once have displaced it.
                    self.play_lobby_music();
                }
                self.end_farewells(|stay| stay.farewell.is_some_and(|(last, _)| last == play))
                    .await;
            }
            RoomEvent::LegGone {
                reason: LegGone::RoomFault,
                ..
            } => {
                tracing::error!("lobby lost its room");
                self.lobby.room = None;
                self.empty_lobby(EndReason::ConferenceEnded).await;
            }
            RoomEvent::LegGone { leg, .. } if self.lobby.people.owner(leg).is_none() => {
                self.leg_ended(event).await;
            }
            RoomEvent::LegGone { leg, .. } => self.lobby_leg_gone(leg).await,
            RoomEvent::Mixer(_) | RoomEvent::Connected { .. } | RoomEvent::Captured { .. } => {}
        }
    }

    /// A key of a phone in the lobby, from RTP or SIP INFO: whatever asks for help is told what it waits for.
    pub(super) fn lobby_key(&mut self, id: &str, digit: plenum_dialin::Digit) {
        let Some(stay) = self
            .lobby
            .stays
            .get(id)
            .filter(|stay| stay.farewell.is_none())
        else {
            return;
        };
        if digit.as_char() == '*' {
            return;
        }
        let words = words_for(stay.waits_for);
        self.say_waiting(id, &[words]);
    }

    async fn lobby_leg_gone(&mut self, leg: LegId) {
        if let Some(id) = Self::owner_of_handset(&self.lobby.people, leg) {
            self.handset_left(&id, EndReason::Left).await;
            return;
        }
        let Some(id) = self.lobby.people.owner(leg).map(str::to_owned) else {
            return;
        };
        self.lobby.people.set_leg(&id, None);
        match self.lobby.people.get_mut(&id) {
            // The page still talks to us: it can offer anew.
            Some(person) if person.kind == Kind::Browser => {
                person.hold = None;
                let (code, words) = Self::media_lost();
                self.tell_waiting(&id, &ServerMessage::error(code, words));
            }
            _ => self.leave_lobby(&id, EndReason::Left).await,
        }
    }

    /// What somebody who waits may do: settle how they will be heard, seen and what they see once in, and leave.
    pub(super) async fn act_waiting(&mut self, actor: &str, action: Action) {
        let Some(person) = self.lobby.people.get_mut(actor) else {
            return;
        };
        match action {
            Action::Mute(true) => person.mute = Mute::BySelf,
            Action::StayMuted => person.mute = Mute::ByHost,
            Action::Mute(false) => person.mute = Mute::Off,
            Action::Camera(on) => person.films = on,
            Action::View(view) => person.view = view,
            Action::Leave => {
                if !self.page_left(actor, EndReason::Left).await {
                    self.leave_lobby(actor, EndReason::Left).await;
                }
            }
            Action::PhonePin(_)
            | Action::Hand(_)
            | Action::Wish(_)
            | Action::Turn(_)
            | Action::Order(_) => {
                let (code, words) = Denied::Forbidden("You are in the lobby.").spoken();
                self.tell_waiting(actor, &ServerMessage::error(code, words));
            }
        }
    }

    pub(super) fn play_lobby_music(&mut self) {
        self.next_play += 1;
        let play = PlayId(self.next_play);
        self.lobby.music = Some(play);
        self.command_lobby(Command::Play {
            play,
            to: Audience::Everyone,
            sound: self.around.prompts.music().into(),
            repeat: true,
        });
    }

    pub(super) fn command_lobby(&self, command: Command) {
        let Some(room) = self.lobby.room else { return };
        if let Err(error) = self.around.media.command(room, command) {
            tracing::warn!(%error, "command to the lobby was lost");
        }
    }
}

/// What a phone hears that waits.
pub(super) const fn words_for(waits_for: WaitsFor) -> PromptKey {
    match waits_for {
        WaitsFor::Host => PromptKey::WaitForHost,
        WaitsFor::Leader => PromptKey::WaitForLeader,
    }
}
