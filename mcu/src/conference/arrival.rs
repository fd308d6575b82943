//! How people come into a conference and come back to it: their seats, their secrets, and the whole state that they are told.

use std::time::Instant;

use plenum_mixer::RoomConfig;
use sha2::{Digest, Sha256};
use subtle::ConstantTimeEq;
use tokio::sync::mpsc;

use super::entry::Refusal;
use super::focus::Focus;
use super::roster::Participant;
use super::seat::{Command, Link, Newcomer, Outgoing, Seat};
use crate::auth::Role;
use crate::media::RoomId;
use crate::signal::protocol::{EndReason, Kind};

impl Focus {
    pub(super) async fn join(&mut self, newcomer: Newcomer) -> Result<Seat, Refusal> {
        if self.locked && newcomer.role == Role::Guest {
            return Err(Refusal::Locked);
        }
        if self.roster.guests() >= self.around.config.max_participants {
            return Err(Refusal::Full);
        }
        let room = self.open_room().await?;
        if let Some(leg) = newcomer.leg {
            self.around
                .media
                .move_leg(leg, room)
                .await
                .map_err(|error| {
                    tracing::warn!(%error, "leg could not be moved in");
                    Refusal::Unavailable
                })?;
        }
        let secret = crate::secret::token().map_err(|_| Refusal::Unavailable)?;
        let id = format!("p_{}", ulid::Ulid::new());
        let seat = self.seat(id, newcomer, &secret, room)?;
        self.greet(&seat.participant, secret);
        Ok(seat)
    }

    /// The conference's media room, opened by the first who needs it.
    async fn open_room(&mut self) -> Result<RoomId, Refusal> {
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
        self.start_composite();
        Ok(room)
    }

    fn seat(
        &mut self,
        id: String,
        newcomer: Newcomer,
        secret: &str,
        room: RoomId,
    ) -> Result<Seat, Refusal> {
        let commands = self.sender().ok_or(Refusal::Unavailable)?;
        let user = newcomer.user.clone().unwrap_or_else(|| id.clone());
        self.around.presence.joined(&user, &id);
        self.generations += 1;
        let state = self.around.presence.state(&user);
        let participant = Participant::new(id, newcomer, (user, state), self.generations, secret);
        let seat = Seat {
            participant: participant.id.clone(),
            generation: participant.generation,
            room,
            hold: None,
            commands,
        };
        self.around.metrics.of(participant.kind).inc();
        if !std::mem::replace(&mut self.opened, true) {
            self.start_clock();
        }
        self.roster.insert(participant);
        self.tell_recorder(&seat.participant);
        self.gate_view(&seat.participant);
        self.news.joined(&seat.participant);
        self.paint_people();
        Ok(seat)
    }

    /// The whole state to a session that has just come or come back.
    fn greet(&mut self, participant: &str, secret: String) {
        let Some(person) = self.roster.get(participant) else {
            return;
        };
        let (kind, role) = (person.kind, person.role);
        self.brief(participant, role, secret);
        self.publish_due(Instant::now());
        self.tell_presenting(participant);
        self.tell_slots(Some(participant));
        self.entered(participant, kind);
    }

    pub(super) fn resume(&mut self, secret: &str, link: mpsc::Sender<Outgoing>) -> Option<Seat> {
        let digest: [u8; 32] = Sha256::digest(secret.as_bytes()).into();
        let found = self.roster.iter().find(|person| {
            person.kind == Kind::Browser && bool::from(person.resume.ct_eq(&digest))
        });
        let id = found?.id.clone();
        let (room, commands) = (self.room?, self.sender()?);
        // Each return has a secret of its own: one that leaked is good once at most.
        let renewed = crate::secret::token().ok()?;
        self.generations += 1;
        let generation = self.generations;
        let person = self.roster.get_mut(&id)?;
        person.end(EndReason::Replaced);
        person.generation = generation;
        person.slots_told = 0;
        person.resume = Sha256::digest(renewed.as_bytes()).into();
        let (hold, role) = (person.hold.clone(), person.role);
        self.roster.connect(&id, Link::Session(link));
        self.around.metrics.resumes.inc();
        self.brief(&id, role, renewed);
        self.tell_presenting(&id);
        self.tell_slots(Some(&id));
        if let Some(video) = self
            .roster
            .get(&id)
            .and_then(|person| self.roster.video(person))
        {
            self.tell(&id, &video);
        }
        Some(Seat {
            participant: id,
            generation,
            room,
            hold,
            commands,
        })
    }

    fn sender(&self) -> Option<mpsc::Sender<Command>> {
        self.commands.upgrade()
    }

    /// Seats the demo's host, which nobody has to greet.
    pub(super) fn seat_clip(&mut self, newcomer: Newcomer, room: RoomId) {
        let id = format!("p_{}", ulid::Ulid::new());
        if self.seat(id.clone(), newcomer, "", room).is_ok() {
            self.roster.set_camera(&id, true);
            if let Some(host) = self.roster.get_mut(&id) {
                host.films = true;
            }
            self.show(&id);
        }
    }
}
