//! One person, two ways: who is in by the page and calls with a PIN of their own, or the other way round, is one participant. They speak and
//! hear by phone, the page shows and sees; leaving either way keeps the other.

use std::time::Instant;

use plenum_dialin::attendant::PromptKey;
use plenum_mixer::{Command as MixerCommand, LegId};
use sha2::{Digest, Sha256};

use super::entry::Refusal;
use super::focus::Focus;
use super::order::Denied;
use super::personal::{self, Holder};
use super::roster::{Handset, Mute, Participant, Roster};
use super::seat::{Link, Newcomer, Outgoing, Seat};
use super::{ConferenceError, Surroundings};
use crate::auth::Role;
use crate::media::RoomId;
use crate::signal::protocol::{Digits, EndReason, ErrorCode, Kind, ServerMessage};
use crate::store::{ConferenceRecord, now_ms};

/// A PIN that somebody made for themselves on the page holds so long: a day, in milliseconds.
const OWN_LIFE_MS: i64 = 24 * 60 * 60 * 1_000;
/// Nobody makes PINs faster.
const PIN_PAUSE: std::time::Duration = std::time::Duration::from_secs(2);

const fn higher(one: Role, other: Role) -> Role {
    match (one, other) {
        (Role::Guest, Role::Guest) => Role::Guest,
        _ => Role::Host,
    }
}

impl Focus {
    /// The place of whoever comes, if they have one already by the other way: by the page, for a call; by phone, for a page.
    pub(super) fn partner(&self, newcomer: &Newcomer) -> Option<String> {
        let user = newcomer.user.as_deref()?;
        let other = match newcomer.kind {
            Kind::Phone => Kind::Browser,
            Kind::Browser => Kind::Phone,
            Kind::Host => return None,
        };
        let everybody = self.roster.iter().chain(self.lobby.people.iter());
        let same = everybody.filter(|person| person.kind == other && person.user == user);
        // Of several pages the one that came last; one without a phone before.
        let found = same.max_by_key(|person| (person.handset.is_none(), person.generation));
        found.map(|person| person.id.clone())
    }

    /// Seats `newcomer` at the place that they have already.
    pub(super) async fn join_partner(
        &mut self,
        id: String,
        newcomer: Newcomer,
    ) -> Result<Seat, Refusal> {
        self.generations += 1;
        let generation = self.generations;
        let seat = Seat {
            participant: id.clone(),
            generation,
            hold: None,
            commands: self.commands.upgrade().ok_or(Refusal::Unavailable)?,
        };
        match newcomer.leg {
            Some(leg) => self.take_handset(&id, leg, newcomer, generation).await?,
            None => self.take_page(&id, newcomer, generation)?,
        }
        let waits = self.lobby.stays.contains_key(&id);
        let people = self.people_with(&id);
        if waits && people.get(&id).is_some_and(Participant::leads) {
            self.let_in(&id).await;
        }
        if self.leaders() > 0 {
            // Others may have waited for them.
            self.settle_lobby().await;
        }
        Ok(seat)
    }

    /// Who is here by the page calls.
    async fn take_handset(
        &mut self,
        id: &str,
        leg: LegId,
        newcomer: Newcomer,
        generation: u64,
    ) -> Result<(), Refusal> {
        let room = if self.lobby.stays.contains_key(id) {
            self.lobby.room.ok_or(Refusal::Unavailable)?
        } else {
            self.open_room().await?
        };
        self.bring_in(Some(leg), room).await?;
        self.end_handset(id, EndReason::Replaced).await;
        let people = self.people_with(id);
        let Some(person) = people.get_mut(id) else {
            return Err(Refusal::Unavailable);
        };
        person.language = newcomer.language;
        if newcomer.spoken.is_some() {
            person.spoken = newcomer.spoken;
        }
        let page_role = person.role;
        let handset = Handset {
            leg,
            room: Some(room),
            link: newcomer.link,
            generation,
            role: newcomer.role,
            page_role,
        };
        people.pair(id, handset);
        people.set_role(id, higher(page_role, newcomer.role));
        self.paired(id);
        if let Some(stay) = self.lobby.stays.get(id) {
            let words = super::lobby::words_for(stay.waits_for);
            self.say_waiting(id, &[words]);
        } else if self
            .roster
            .get(id)
            .is_some_and(|person| person.mute != Mute::Off)
        {
            self.say(leg, PromptKey::Muted);
        } else {
            self.say(leg, PromptKey::NowIn);
        }
        Ok(())
    }

    /// Who is here by phone opens the page.
    fn take_page(&mut self, id: &str, newcomer: Newcomer, generation: u64) -> Result<(), Refusal> {
        let secret = crate::secret::token().map_err(|_| Refusal::Unavailable)?;
        let people = self.people_with(id);
        let Some(person) = people.get_mut(id) else {
            return Err(Refusal::Unavailable);
        };
        let Some(leg) = person.leg else {
            return Err(Refusal::Unavailable);
        };
        let handset = Handset {
            leg,
            room: person.room.take(),
            link: std::mem::replace(&mut person.link, Link::None),
            generation: person.generation,
            role: person.role,
            page_role: newcomer.role,
        };
        person.kind = Kind::Browser;
        person.name = newcomer.name;
        person.generation = generation;
        person.resume = Sha256::digest(secret.as_bytes()).into();
        person.slots_told = 0;
        person.slots.clear();
        person.films = false;
        let role = higher(handset.role, handset.page_role);
        let filmed = people.set_camera(id, false);
        people.set_leg(id, None);
        people.pair(id, handset);
        people.set_role(id, role);
        people.connect(id, newcomer.link);
        if filmed {
            self.command_room(MixerCommand::Camera { leg, on: false });
        }
        if self.lobby.stays.contains_key(id) {
            self.lobby.changed();
            self.show_waiting(id, Some(secret));
            return Ok(());
        }
        self.around.metrics.of(Kind::Phone).dec();
        self.around.metrics.of(Kind::Browser).inc();
        self.paired(id);
        self.brief(id, role, secret);
        self.publish_due(Instant::now());
        self.tell_presenting(id);
        self.tell_slots(Some(id));
        self.brief_lobby(id);
        self.brief_calls(id);
        Ok(())
    }

    /// Tells the room, the recorder and the screens how `id` is now, who has another leg or one less.
    fn paired(&mut self, id: &str) {
        if self.lobby.stays.contains_key(id) {
            self.gate_waiting(id);
            return;
        }
        // Music plays for the leg that was: it begins again with the one that is.
        let music = self
            .roster
            .get_mut(id)
            .and_then(|person| person.music.take());
        if let Some(play) = music {
            self.command_room(MixerCommand::StopPlay { play });
        }
        self.gate(id);
        self.tell_recorder(id);
        self.settle_music(Some(id));
        self.mind_leader();
        self.show(id);
    }

    /// Tells the room what it is to do with both legs of `id`.
    pub(super) fn gate_pair(&self, id: &str) {
        let Some(person) = self.roster.get(id) else {
            return;
        };
        let Some(handset) = &person.handset else {
            return;
        };
        let (voice, face) = (handset.leg, person.leg);
        self.command_room(MixerCommand::Face { voice, face });
        if let Some(leg) = face {
            self.command_room(MixerCommand::Mute { leg, on: true });
            self.command_room(MixerCommand::Deafen { leg, on: true });
        }
    }

    /// Ends the phone of `id` beside its page, if there is one; `false` when there is none.
    async fn end_handset(&mut self, id: &str, why: EndReason) -> bool {
        let Some(mut handset) = self.people_with(id).unpair(id) else {
            return false;
        };
        handset.link.end(why);
        self.drop_leg(handset.leg).await;
        let people = self.people_with(id);
        let face = people.get_mut(id).and_then(|person| {
            person.talking = false;
            person.leg
        });
        people.set_role(id, handset.page_role);
        if let Some(face) = face {
            self.picture.talking(face, false);
        }
        true
    }

    /// The phone of `id` is gone, or is to be. The page goes on with what it hears; its microphone waits for its owner, who may not
    /// expect to be heard in the room where they sit.
    pub(super) async fn handset_left(&mut self, id: &str, why: EndReason) -> bool {
        if !self.end_handset(id, why).await {
            return false;
        }
        if let Some(person) = self.people_with(id).get_mut(id)
            && person.mute == Mute::Off
        {
            person.mute = Mute::BySelf;
        }
        if !self.lobby.stays.contains_key(id) {
            self.news.talking(id);
        }
        self.paired(id);
        true
    }

    /// The page of `id`, who goes on by phone, is gone; `false` when there is no phone.
    pub(super) async fn page_left(&mut self, id: &str, why: EndReason) -> bool {
        let has = self.people_with(id).get(id);
        if has.is_none_or(|person| person.handset.is_none()) {
            return false;
        }
        let waits = self.lobby.stays.contains_key(id);
        if !waits {
            self.step_down(id);
        }
        let people = self.people_with(id);
        let Some(handset) = people.unpair(id) else {
            return false;
        };
        let page = people.set_leg(id, Some(handset.leg));
        people.set_role(id, handset.role);
        people.set_camera(id, false);
        if let Some(person) = people.get_mut(id) {
            person.link.end(why);
            person.kind = Kind::Phone;
            person.room = handset.room;
            person.generation = handset.generation;
            person.hold = None;
            person.films = false;
            person.slots.clear();
            person.slot_mids.clear();
        }
        people.connect(id, handset.link);
        if let Some(leg) = page {
            self.drop_leg(leg).await;
        }
        if waits {
            self.lobby.changed();
        } else {
            self.around.metrics.of(Kind::Browser).dec();
            self.around.metrics.of(Kind::Phone).inc();
            self.command_view(id);
            self.tell_slots(None);
        }
        self.paired(id);
        true
    }

    /// Whose phone beside a page that leg is.
    pub(super) fn owner_of_handset(people: &Roster, leg: LegId) -> Option<String> {
        let person = people.get(people.owner(leg)?)?;
        let handset = person.handset.as_ref()?;
        (handset.leg == leg).then(|| person.id.clone())
    }

    /// The leg by which whoever has `leg` is seen.
    pub(super) fn face_of(&self, leg: LegId) -> LegId {
        let owner = self.roster.owner(leg).and_then(|id| self.roster.get(id));
        let face = owner.filter(|person| person.handset.is_some());
        face.and_then(|person| person.leg).unwrap_or(leg)
    }

    /// Moves the phone of somebody who goes between lobby and conference along.
    pub(super) async fn move_handset(&self, person: &mut Participant, room: RoomId) {
        let Some(handset) = &mut person.handset else {
            return;
        };
        match self.around.media.move_leg(handset.leg, room).await {
            Ok(()) => handset.room = Some(room),
            // It is gone, which is told next.
            Err(error) => tracing::warn!(%error, "a phone could not follow its page"),
        }
    }

    /// Makes a PIN for `actor`, who hears of it alone; or takes it back.
    pub(super) fn order_pin(&mut self, actor: &str, on: bool) -> Result<(), Denied> {
        if self.around.sip.is_none() {
            return Err(Denied::Unavailable("This server takes no phones."));
        }
        let now = Instant::now();
        let person = self.roster.get_mut(actor).ok_or(Denied::Nobody)?;
        if person
            .pin_asked
            .is_some_and(|asked| now < asked + PIN_PAUSE)
        {
            return Err(Denied::Unavailable("Please wait a moment."));
        }
        person.pin_asked = Some(now);
        let Link::Session(link) = person.link.clone() else {
            return Ok(());
        };
        let holder = Holder {
            user: person.user.clone(),
            name: person.name.clone(),
            role: person.role,
            passing: person.user == person.id,
        };
        let (around, record) = (self.around.clone(), self.record.clone());
        tokio::spawn(async move {
            let message = match on {
                true => give(&around, &record, holder).await,
                false => take_back(&around, &record, &holder.user).await,
            };
            // Who does not read is cut off by what else comes.
            let _ = link.try_send(Outgoing::Text(message.to_json().into()));
        });
        Ok(())
    }

    /// `person` has left: a PIN by which nobody but their place was known is of no use any more.
    pub(super) fn forget_pin(&self, person: &Participant) {
        if person.pin_asked.is_none() || person.user != person.id {
            return;
        }
        let (store, conference) = (self.around.store.clone(), self.record.id.clone());
        let user = person.user.clone();
        tokio::spawn(async move {
            if let Err(error) = store.revoke_personal_of(&conference, &user).await {
                tracing::warn!(%error, "a personal pin outlives its place");
            }
        });
    }
}

async fn give(around: &Surroundings, record: &ConferenceRecord, holder: Holder) -> ServerMessage {
    // As it is now: its PINs may be others than when it was opened.
    let record = match around.store.find(&record.number).await {
        Ok(Some(record)) => record,
        Ok(None) => return unable("The conference is gone."),
        Err(error) => {
            tracing::error!(%error, "store failed");
            return unable("The PIN could not be made.");
        }
    };
    let expires_ms = now_ms() + OWN_LIFE_MS;
    match personal::issue(around, &record, holder, Some(expires_ms)).await {
        Ok(issued) => ServerMessage::PhonePin {
            pin: Some(Digits(issued.digits)),
            expires_ms: Some(expires_ms),
        },
        Err(ConferenceError::Invalid(why)) => ServerMessage::error(ErrorCode::Forbidden, why),
        Err(error) => {
            tracing::error!(%error, "a personal pin could not be made");
            unable("The PIN could not be made.")
        }
    }
}

async fn take_back(around: &Surroundings, record: &ConferenceRecord, user: &str) -> ServerMessage {
    match around.store.revoke_personal_of(&record.id, user).await {
        Ok(()) => ServerMessage::PhonePin {
            pin: None,
            expires_ms: None,
        },
        Err(error) => {
            tracing::error!(%error, "store failed");
            unable("The PIN could not be taken back.")
        }
    }
}

fn unable(words: &str) -> ServerMessage {
    ServerMessage::error(ErrorCode::Unavailable, words)
}
