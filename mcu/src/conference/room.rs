//! The focus and its media room: events of the room become roster and messages.

use std::time::Instant;

use plenum_mixer::{Command, Event, LegId};
use tokio::sync::oneshot;

use super::focus::Focus;
use super::seat::{Link, MediaHold, Newcomer};
use crate::auth::Role;
use crate::media::{Clip, LegGone, RoomEvent, RoomId};
use crate::signal::protocol::{EndReason, ErrorCode, Kind, LeaveReason, ServerMessage};

/// What the demo's host is called.
const HOST_NAME: &str = "Plenum host";

impl Focus {
    pub(super) async fn room_event(&mut self, room: RoomId, event: RoomEvent) {
        if self.lobby.room == Some(room) {
            return self.lobby_event(event).await;
        }
        if self.room != Some(room) {
            return;
        }
        match event {
            RoomEvent::Mixer(Event::Talking { leg, on }) => self.talking(leg, on),
            RoomEvent::Mixer(Event::Floor { holder }) => {
                self.floor = holder;
                self.picture
                    .floor(holder.map(|holder| self.face_of(holder)));
                let participant = holder
                    .and_then(|leg| self.roster.owner(leg))
                    .map(str::to_owned);
                self.tell_all(&ServerMessage::Floor { participant });
            }
            RoomEvent::Mixer(Event::Slot { leg, slot, source }) => {
                self.slot(leg, usize::from(slot), source)
            }
            RoomEvent::Mixer(Event::CameraSizes { leg, count }) => self.camera_sizes(leg, count),
            RoomEvent::Mixer(Event::CompositeWanted { on }) => self.composite_wanted(on),
            RoomEvent::Mixer(Event::Digit { leg, digit, source }) => {
                self.key(leg, digit, source).await;
            }
            RoomEvent::Mixer(Event::PlayFinished { play }) => self.play_finished(play),
            RoomEvent::Connected { .. } | RoomEvent::Captured { .. } => {}
            RoomEvent::LegGone {
                reason: LegGone::RoomFault,
                ..
            } => {
                // Whoever comes back finds a new room.
                tracing::error!("conference lost its room");
                self.close(EndReason::ConferenceEnded).await;
            }
            RoomEvent::LegGone { leg, .. } if self.lobby.people.owner(leg).is_some() => {
                self.lobby_event(event).await;
            }
            RoomEvent::LegGone { .. } => self.leg_ended(event).await,
        }
    }

    /// A leg of the roster's has ended by itself.
    pub(super) async fn leg_ended(&mut self, event: RoomEvent) {
        if let RoomEvent::LegGone { leg, reason } = event {
            self.leg_gone(leg, reason).await;
        }
    }

    /// What a page is told then.
    pub(super) fn media_lost() -> (ErrorCode, &'static str) {
        (
            ErrorCode::NegotiationFailed,
            "The media connection was lost. Build a new one.",
        )
    }

    fn talking(&mut self, leg: LegId, on: bool) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        if let Some(person) = self.roster.get_mut(&participant) {
            person.talking = on;
        }
        self.picture.talking(self.face_of(leg), on);
        self.news.talking(&participant);
        self.publish_due(Instant::now());
    }

    fn slot(&mut self, leg: LegId, slot: usize, source: Option<LegId>) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        let Some(person) = self.roster.get_mut(&participant) else {
            return;
        };
        if person.leg != Some(leg) {
            // What a phone beside a page would see.
            return;
        }
        if person.slots.len() <= slot {
            person.slots.resize(slot + 1, None);
        }
        if let Some(cell) = person.slots.get_mut(slot) {
            *cell = source;
        }
        let shown = source.and_then(|leg| self.roster.owner(leg));
        if let Some(shown) = shown.map(str::to_owned) {
            self.introduce(&shown);
        }
        self.tell_video(&participant);
    }

    async fn leg_gone(&mut self, leg: LegId, reason: LegGone) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        tracing::info!(?reason, "leg ended by itself");
        if let Some(id) = Self::owner_of_handset(&self.roster, leg) {
            self.handset_left(&id, EndReason::Left).await;
            return;
        }
        self.roster.set_leg(&participant, None);
        self.paint_people();
        let Some(person) = self.roster.get_mut(&participant) else {
            return;
        };
        person.hold = None;
        person.slots.clear();
        let kind = person.kind;
        let talked = person.forget_sound();
        if talked {
            self.news.talking(&participant);
            self.publish_due(Instant::now());
        }
        match kind {
            // The page still talks to us: it can offer anew. If it does not, its silence ends it.
            Kind::Browser => {
                let (code, words) = Self::media_lost();
                self.tell(&participant, &ServerMessage::error(code, words));
            }
            Kind::Phone => {
                self.leave(&participant, LeaveReason::Lost, EndReason::Left)
                    .await
            }
            Kind::Host => {
                self.leave(&participant, LeaveReason::Left, EndReason::Left)
                    .await
            }
        }
    }

    pub(super) async fn negotiating(
        &mut self,
        participant: &str,
        generation: u64,
        leg: LegId,
        reply: oneshot::Sender<RoomId>,
    ) {
        let waits = self.lobby.stays.contains_key(participant);
        let room = if waits { self.lobby.room } else { self.room };
        let current = self
            .people_with(participant)
            .get(participant)
            .is_some_and(|person| person.generation == generation);
        if !current {
            return;
        }
        if let Some(before) = self
            .people_with(participant)
            .set_leg(participant, Some(leg))
        {
            self.drop_leg(before).await;
        }
        if let Some(room) = room {
            if let Some(person) = self.people_with(participant).get_mut(participant) {
                person.room = Some(room);
            }
            // A session that is gone needs no room.
            let _ = reply.send(room);
        }
        self.tell_recorder(participant);
        self.paint_people();
        if let Some(person) = self.people_with(participant).get_mut(participant) {
            person.hold = None;
            person.slots.clear();
            person.slot_mids.clear();
            if person.forget_sound() {
                self.news.talking(participant);
                self.publish_due(Instant::now());
            }
        }
    }

    pub(super) async fn negotiated(
        &mut self,
        participant: &str,
        generation: u64,
        hold: MediaHold,
        mids: Vec<String>,
    ) {
        let leg = hold.leg;
        if let Some(person) = self.lobby.people.get_mut(participant)
            && person.generation == generation
            && person.leg == Some(leg)
        {
            person.hold = Some(hold);
            person.slot_mids = mids;
            return self.negotiated_waiting(participant).await;
        }
        match self.roster.get_mut(participant) {
            Some(person) if person.generation == generation && person.leg == Some(leg) => {
                let camera = person.camera;
                if person.hold.as_ref() != Some(&hold) {
                    // A new leg knows nothing of what was said before.
                    if let Some(room) = self.room {
                        self.bring(participant, leg, room).await;
                    }
                    self.gate(participant);
                    self.command_room(Command::Camera { leg, on: camera });
                    self.gate_screen(participant);
                    self.gate_view(participant);
                    self.gate_limit(participant);
                }
                if let Some(person) = self.roster.get_mut(participant) {
                    person.hold = Some(hold);
                    person.slot_mids = mids;
                }
                self.tell_video(participant);
                self.settle_music(Some(participant));
            }
            // It came back on another connection, or it has left while its offer was answered.
            other => {
                if other.is_none_or(|person| person.leg != Some(leg)) {
                    self.drop_leg(leg).await;
                }
            }
        }
    }

    /// The demo's host takes its seat.
    pub(super) async fn seat_host(&mut self, clip: Clip) {
        let Some(room) = self.room else { return };
        let leg = self.around.media.next_leg();
        if let Err(error) = self.around.media.add_clip(room, leg, clip).await {
            tracing::warn!(%error, "demo host could not join");
            return;
        }
        let newcomer = Newcomer {
            name: HOST_NAME.to_owned(),
            kind: Kind::Host,
            role: Role::Host,
            user: Some("plenum-host".to_owned()),
            link: Link::None,
            leg: Some(leg),
            spoken: None,
            language: plenum_dialin::attendant::Language::default(),
            invited: false,
        };
        self.seat_clip(newcomer);
        self.tell_slots(None);
    }

    pub(super) fn command_room(&self, command: Command) {
        let Some(room) = self.room else { return };
        if let Err(error) = self.around.media.command(room, command) {
            tracing::warn!(%error, "room command lost");
        }
    }
}
