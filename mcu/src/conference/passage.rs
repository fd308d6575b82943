//! Ways between door, lobby and conference. A leg moves from room to room and keeps its stream, so that nobody notices a gap.

use std::time::Instant;

use plenum_dialin::attendant::PromptKey;
use plenum_mixer::{Channels, Command as MixerCommand, LegId, RoomConfig};
use sha2::{Digest, Sha256};

use super::arrival::fresh;
use super::entry::Refusal;
use super::focus::Focus;
use super::lobby::{Stay, words_for};
use super::manners::WaitsFor;
use super::order::Denied;
use super::roster::Participant;
use super::seat::{Newcomer, Seat};
use crate::auth::Role;
use crate::media::{MediaError, RoomId};
use crate::signal::protocol::{EndReason, Kind, LeaveReason};

impl Focus {
    /// Seats `newcomer` in the lobby.
    pub(super) async fn join_lobby(
        &mut self,
        newcomer: Newcomer,
        waits_for: WaitsFor,
    ) -> Result<Seat, Refusal> {
        let room = self.open_lobby().await?;
        self.bring_in(newcomer.leg, room).await?;
        let (id, secret) = fresh()?;
        let (mut person, seat) = self.place(id.clone(), newcomer, &secret)?;
        person.room = person.leg.map(|_| room);
        self.opened = true;
        self.wait(person, Stay::new(waits_for, false), secret);
        self.say_waiting(&id, &[words_for(waits_for)]);
        Ok(seat)
    }

    /// The rest of it, whoever comes from the door or from the conference.
    fn wait(&mut self, person: Participant, stay: Stay, secret: String) {
        let id = person.id.clone();
        self.lobby.put(person, stay);
        self.gate_waiting(&id);
        self.show_waiting(&id, Some(secret));
        self.tell_phones_of_waiting(Instant::now());
    }

    /// The lobby's media room, opened by the first who needs it.
    async fn open_lobby(&mut self) -> Result<RoomId, Refusal> {
        if let Some(room) = self.lobby.room {
            return Ok(room);
        }
        let config = RoomConfig {
            max_talkers: 1,
            levelling: false,
            video_slots: 1,
            ..RoomConfig::default()
        };
        let room = self
            .around
            .media
            .open_room(config, self.events.clone())
            .await
            .map_err(|error| {
                tracing::error!(%error, "lobby could not be opened");
                Refusal::Unavailable
            })?;
        self.lobby.room = Some(room);
        self.play_lobby_music();
        Ok(room)
    }

    /// In the lobby nobody is heard or seen.
    fn gate_lobby(&self, leg: LegId) {
        self.command_lobby(MixerCommand::Mute { leg, on: true });
        self.command_lobby(MixerCommand::Speak {
            leg,
            channels: Channels::NONE,
        });
        self.command_lobby(MixerCommand::Deafen { leg, on: false });
        self.command_lobby(MixerCommand::Camera { leg, on: false });
    }

    /// Gates all legs of somebody who waits; by phone they hear nothing from the page.
    pub(super) fn gate_waiting(&self, id: &str) {
        let Some(person) = self.lobby.people.get(id) else {
            return;
        };
        for leg in person.legs() {
            self.gate_lobby(leg);
            let on = person.ear() != Some(leg);
            self.command_lobby(MixerCommand::Deafen { leg, on });
        }
    }

    /// Lets somebody in who waits; `false` when that could not be done.
    pub(super) async fn let_in(&mut self, id: &str) -> bool {
        let Ok(room) = self.open_room().await else {
            return false;
        };
        let Ok(secret) = crate::secret::token() else {
            return false;
        };
        let Some((mut person, stay)) = self.lobby.take(id) else {
            return false;
        };
        if let Some(leg) = person.leg {
            match self.around.media.move_leg(leg, room).await {
                Ok(()) => person.room = Some(room),
                // Its offer is being answered: it is moved then. Or it is gone, which is told next.
                Err(MediaError::UnknownLeg) if person.kind == Kind::Browser => {}
                Err(MediaError::UnknownLeg) => {
                    person.end(EndReason::Left);
                    return false;
                }
                Err(error) => {
                    tracing::warn!(%error, "leg could not be moved in");
                    self.lobby.put(person, stay);
                    return false;
                }
            }
        }
        self.move_handset(&mut person, room).await;
        person.resume = Sha256::digest(secret.as_bytes()).into();
        person.slots_told = 0;
        person.slots.clear();
        self.seat_person(person);
        self.gate_all(id);
        self.welcome(id, stay.waits_for);
        self.greet(id, secret);
        self.settle_camera(id);
        self.close_empty_lobby().await;
        true
    }

    /// Words for a phone that has been let in.
    fn welcome(&mut self, id: &str, waited_for: WaitsFor) {
        let Some(person) = self.roster.get(id) else {
            return;
        };
        let Some(leg) = person.phone_leg() else {
            return;
        };
        let words: &[_] = match waited_for {
            WaitsFor::Leader => &[PromptKey::LeaderArrived, PromptKey::NowIn],
            WaitsFor::Host => &[PromptKey::NowIn],
        };
        let sounds: Vec<_> = words
            .iter()
            .map(|word| self.around.prompts.say(person.language, *word))
            .collect();
        self.play(plenum_mixer::Audience::Leg(leg), sounds);
    }

    /// Tells the room all about the leg of `id`, which is new in it.
    fn gate_all(&self, id: &str) {
        self.gate(id);
        self.gate_screen(id);
        if let Some(person) = self.roster.get(id)
            && let Some(leg) = person.leg
        {
            let on = person.camera;
            self.command_room(MixerCommand::Camera { leg, on });
        }
    }

    /// Sends somebody from the conference to the lobby.
    pub(super) async fn send_back(&mut self, target: &str) -> Result<(), Denied> {
        self.require_person(target)?;
        if self
            .roster
            .get(target)
            .is_some_and(|person| person.role == Role::Host)
        {
            return Err(Denied::Forbidden("A host cannot be sent to the lobby."));
        }
        let unable = Denied::Unavailable("They could not be sent to the lobby.");
        let lobby = self.open_lobby().await.map_err(|_| unable)?;
        let secret = crate::secret::token().map_err(|_| unable)?;
        let leg = self.roster.get(target).and_then(|person| person.leg);
        let mut moved = None;
        if let Some(leg) = leg {
            match self.around.media.move_leg(leg, lobby).await {
                Ok(()) => moved = Some(lobby),
                // Its offer is being answered: it is moved then. Or it is gone, which is told next.
                Err(MediaError::UnknownLeg) => {}
                Err(error) => {
                    tracing::warn!(%error, "leg could not be moved into the lobby");
                    return Err(unable);
                }
            }
        }
        let Some(mut person) = self.take_out(target, LeaveReason::Lobby) else {
            return Err(Denied::Nobody);
        };
        person.room = moved;
        self.move_handset(&mut person, lobby).await;
        person.resume = Sha256::digest(secret.as_bytes()).into();
        person.camera = false;
        person.talking = false;
        person.presenting = false;
        person.hand = false;
        person.side = None;
        person.listening = None;
        // What played for its leg alone has ended with the move.
        person.music = None;
        let id = person.id.clone();
        let waits_for = self.rules.guest_waits_for(self.leaders(), true);
        let stay = Stay::new(waits_for.unwrap_or(WaitsFor::Host), true);
        self.wait(person, stay, secret);
        self.say_waiting(&id, &[PromptKey::SentToLobby]);
        Ok(())
    }

    /// Takes somebody out of the lobby for good.
    pub(super) async fn leave_lobby(&mut self, id: &str, end: EndReason) {
        let Some((mut person, _)) = self.lobby.take(id) else {
            return;
        };
        self.forget_pin(&person);
        person.end(end);
        for leg in person.legs() {
            self.drop_leg(leg).await;
        }
        self.close_empty_lobby().await;
    }

    /// Takes everybody out of it.
    pub(super) async fn empty_lobby(&mut self, end: EndReason) {
        let all: Vec<_> = self
            .lobby
            .people
            .iter()
            .map(|person| person.id.clone())
            .collect();
        for id in all {
            self.leave_lobby(&id, end).await;
        }
    }

    /// A lobby with nobody in it is not mixed.
    pub(super) async fn close_empty_lobby(&mut self) {
        if self.lobby.len() > 0 {
            return;
        }
        self.lobby.music = None;
        if let Some(room) = self.lobby.room.take()
            && let Err(error) = self.around.media.close_room(room).await
        {
            tracing::warn!(%error, "lobby could not be closed");
        }
    }

    /// The offer of somebody who waits has been answered.
    pub(super) async fn negotiated_waiting(&mut self, id: &str) {
        let Some(leg) = self.lobby.people.get(id).and_then(|person| person.leg) else {
            return;
        };
        if let Some(room) = self.lobby.room {
            self.bring(id, leg, room).await;
        }
        self.gate_waiting(id);
    }

    /// Moves a leg to where its participant is, if that has changed while its offer was answered.
    pub(super) async fn bring(&mut self, id: &str, leg: LegId, room: RoomId) {
        let people = self.people_with(id);
        let Some(person) = people.get_mut(id) else {
            return;
        };
        if person.room.replace(room) == Some(room) {
            return;
        }
        if let Err(error) = self.around.media.move_leg(leg, room).await {
            tracing::warn!(%error, "leg could not follow its participant");
        }
    }
}
