//! How people come into a conference and come back to it: their seats, their secrets, and the whole state that they are told.

use std::time::Instant;

use plenum_mixer::{LegId, RoomConfig};
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;

use super::entry::Refusal;
use super::focus::Focus;
use super::roster::{Participant, Roster};
use super::seat::{Command, Link, Newcomer, Outgoing, Seat};
use crate::auth::Role;
use crate::media::RoomId;
use crate::signal::protocol::{EndReason, Kind};

/// What somebody new is known by, and the secret by which they come back.
pub(super) fn fresh() -> Result<(String, String), Refusal> {
    let secret = crate::secret::token().map_err(|_| Refusal::Unavailable)?;
    Ok((format!("p_{}", ulid::Ulid::new()), secret))
}

impl Focus {
    pub(super) async fn join(&mut self, newcomer: Newcomer) -> Result<Seat, Refusal> {
        if let Some(place) = self.partner(&newcomer) {
            return self.join_partner(place, newcomer).await;
        }
        if self.locked && newcomer.role == Role::Guest && !newcomer.invited {
            return Err(Refusal::Locked);
        }
        if self.roster.guests() + self.lobby.len() >= self.around.config.max_participants {
            return Err(Refusal::Full);
        }
        if let Some(waits_for) = self.waits_for(newcomer.role, false)
            && !newcomer.invited
        {
            return self.join_lobby(newcomer, waits_for).await;
        }
        let room = self.open_room().await?;
        self.bring_in(newcomer.leg, room).await?;
        let (id, secret) = fresh()?;
        let has_leg = newcomer.leg.is_some();
        let seat = self.seat(id, newcomer, &secret)?;
        if let Some(person) = self.roster.get_mut(&seat.participant) {
            person.room = has_leg.then_some(room);
        }
        self.greet(&seat.participant, secret);
        self.settle_lobby().await;
        Ok(seat)
    }

    /// Moves the leg of a newcomer, who has one if by phone, from the attendant into a room of ours.
    pub(super) async fn bring_in(&self, leg: Option<LegId>, room: RoomId) -> Result<(), Refusal> {
        let Some(leg) = leg else { return Ok(()) };
        let moved = self.around.media.move_leg(leg, room).await;
        moved.map_err(|error| {
            tracing::warn!(%error, "leg could not be moved in");
            Refusal::Unavailable
        })
    }

    /// The conference's media room, opened by the first who needs it.
    pub(super) async fn open_room(&mut self) -> Result<RoomId, Refusal> {
        if let Some(room) = self.room {
            return Ok(room);
        }
        let config = RoomConfig {
            max_talkers: self.around.config.max_talkers,
            levelling: self.around.config.levelling,
            video_slots: self.around.config.video_slots,
            ..RoomConfig::default()
        };
        let room = self
            .around
            .media
            .open_room(config, self.events.clone())
            .await
            .map_err(|error| {
                tracing::error!(%error, "room could not be opened");
                Refusal::Unavailable
            })?;
        self.room = Some(room);
        self.give_view();
        self.give_limit();
        self.start_composite();
        Ok(room)
    }

    fn seat(&mut self, id: String, newcomer: Newcomer, secret: &str) -> Result<Seat, Refusal> {
        let (person, seat) = self.place(id, newcomer, secret)?;
        self.seat_person(person);
        Ok(seat)
    }

    /// Somebody new, in no room yet.
    pub(super) fn place(
        &mut self,
        id: String,
        newcomer: Newcomer,
        secret: &str,
    ) -> Result<(Participant, Seat), Refusal> {
        let commands = self.sender().ok_or(Refusal::Unavailable)?;
        let user = newcomer.user.clone().unwrap_or_else(|| id.clone());
        self.generations += 1;
        let state = self.around.presence.state(&user);
        let participant = Participant::new(id, newcomer, (user, state), self.generations, secret);
        let seat = Seat {
            participant: participant.id.clone(),
            generation: participant.generation,
            hold: None,
            commands,
        };
        Ok((participant, seat))
    }

    /// Takes `person` onto the roster.
    pub(super) fn seat_person(&mut self, mut person: Participant) {
        self.engage(&person);
        person.presence = self.around.presence.state(&person.user);
        person.video_muted |= self.is_blind();
        let id = person.id.clone();
        self.around.metrics.of(person.kind).inc();
        if !std::mem::replace(&mut self.opened, true) {
            self.start_clock();
        }
        self.roster.insert(person);
        self.regauge();
        self.tell_recorder(&id);
        self.gate_view(&id);
        self.gate_limit(&id);
        self.news.joined(&id);
        self.paint_people();
        self.silence_newcomer(&id);
        self.mind_leader();
    }

    /// The whole state to a session that has just come or come back.
    pub(super) fn greet(&mut self, participant: &str, secret: String) {
        let Some(person) = self.roster.get(participant) else {
            return;
        };
        let (kind, role) = (person.kind, person.role);
        self.brief(participant, role, secret);
        self.publish_due(Instant::now());
        self.tell_presenting(participant);
        self.tell_slots(Some(participant));
        self.brief_lobby(participant);
        self.brief_calls(participant);
        self.entered(participant, kind);
    }

    pub(super) fn resume(&mut self, secret: &str, link: mpsc::Sender<Outgoing>) -> Option<Seat> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let everybody = self.roster.iter().chain(self.lobby.people.iter());
        let found = everybody
            .filter(|person| person.kind == Kind::Browser)
            .find(|person| bool::from(person.resume.ct_eq(&digest)));
        let id = found?.id.clone();
        let commands = self.sender()?;
        // Each return has a secret of its own: one that leaked is good once at most.
        let renewed = crate::secret::token().ok()?;
        self.generations += 1;
        let generation = self.generations;
        let people = self.people_with(&id);
        let person = people.get_mut(&id)?;
        person.link.end(EndReason::Replaced);
        person.generation = generation;
        person.slots_told = 0;
        person.resume = Sha256::digest(renewed.as_bytes()).into();
        let (hold, role) = (person.hold.clone(), person.role);
        people.connect(&id, Link::Session(link));
        self.around.metrics.resumes.inc();
        let seat = Seat {
            participant: id.clone(),
            generation,
            hold,
            commands,
        };
        if self.lobby.stays.contains_key(&id) {
            self.show_waiting(&id, Some(renewed));
            return Some(seat);
        }
        self.brief(&id, role, renewed);
        self.tell_presenting(&id);
        self.tell_slots(Some(&id));
        self.brief_lobby(&id);
        self.brief_calls(&id);
        if let Some(video) = self
            .roster
            .get(&id)
            .and_then(|person| self.roster.video(person))
        {
            self.tell(&id, &video);
        }
        Some(seat)
    }

    /// Where `id` is: in the conference, or in the lobby.
    pub(super) fn people_with(&mut self, id: &str) -> &mut Roster {
        if self.lobby.stays.contains_key(id) {
            &mut self.lobby.people
        } else {
            &mut self.roster
        }
    }

    fn sender(&self) -> Option<mpsc::Sender<Command>> {
        self.commands.upgrade()
    }

    /// Seats the demo's host, which nobody has to greet.
    pub(super) fn seat_clip(&mut self, newcomer: Newcomer) {
        let id = format!("p_{}", ulid::Ulid::new());
        if self.seat(id.clone(), newcomer, "").is_ok() {
            self.roster.set_camera(&id, true);
            if let Some(host) = self.roster.get_mut(&id) {
                host.films = true;
            }
            self.show(&id);
        }
    }
}
