//! The focus and its media room: events of the room become roster and messages.

use std::time::Instant;

use plenum_dialin::Digit;
use plenum_dialin::attendant::PromptKey;
use plenum_dialin::commands::InCallCommand;
use plenum_mixer::{Command, Event, LegId};

use super::focus::Focus;
use super::seat::{Link, MediaHold, Newcomer};
use crate::auth::Role;
use crate::media::{Clip, LegGone, RoomEvent, RoomId, clock};
use crate::signal::protocol::{EndReason, ErrorCode, Kind, LeaveReason, ServerMessage};

/// What the demo's host is called.
const HOST_NAME: &str = "Plenum host";

impl Focus {
    pub(super) async fn room_event(&mut self, room: RoomId, event: RoomEvent) {
        if self.room != Some(room) {
            return;
        }
        match event {
            RoomEvent::Mixer(Event::Talking { leg, on }) => self.talking(leg, on),
            RoomEvent::Mixer(Event::Floor { holder }) => {
                self.floor = holder;
                self.picture.floor(holder);
                let participant = holder
                    .and_then(|leg| self.roster.owner(leg))
                    .map(str::to_owned);
                self.tell_all(&ServerMessage::Floor { participant });
            }
            RoomEvent::Mixer(Event::Slot { leg, slot, source }) => {
                self.slot(leg, usize::from(slot), source)
            }
            RoomEvent::Mixer(Event::CompositeWanted { on }) => self.composite_wanted(on),
            RoomEvent::Mixer(Event::Digit { leg, digit }) => self.key(leg, digit).await,
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
            RoomEvent::LegGone { leg, reason } => self.leg_gone(leg, reason).await,
        }
    }

    fn talking(&mut self, leg: LegId, on: bool) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        if let Some(person) = self.roster.get_mut(&participant) {
            person.talking = on;
        }
        self.picture.talking(leg, on);
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

    /// A key of a phone in the conference, from RTP or SIP INFO.
    pub(super) async fn key(&mut self, leg: LegId, digit: Digit) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        let Some(person) = self.roster.get_mut(&participant) else {
            return;
        };
        let host = person.role == Role::Host;
        match person.keys.digit(clock::now(), digit) {
            Some(InCallCommand::ToggleMute) => {
                let since = person.host_muted.map(|at| at.elapsed());
                let mute = person.mute.toggled(since);
                self.set_mute(&participant, mute);
            }
            Some(InCallCommand::ToggleHand) => {
                person.hand = !person.hand;
                self.show(&participant);
            }
            Some(InCallCommand::ToggleRecording) if host => self.toggle_recording(leg).await,
            Some(InCallCommand::ToggleRecording) => self.say(leg, PromptKey::NotAllowed),
            Some(InCallCommand::Help) if host => self.say(leg, PromptKey::HelpHost),
            Some(InCallCommand::Help) => self.say(leg, PromptKey::Help),
            None => {}
        }
    }

    async fn leg_gone(&mut self, leg: LegId, reason: LegGone) {
        let Some(participant) = self.roster.owner(leg).map(str::to_owned) else {
            return;
        };
        tracing::info!(?reason, "leg ended by itself");
        self.roster.set_leg(&participant, None);
        self.paint_people();
        let Some(person) = self.roster.get_mut(&participant) else {
            return;
        };
        person.hold = None;
        person.slots.clear();
        person.music = None;
        let (talked, kind) = (std::mem::take(&mut person.talking), person.kind);
        if talked {
            self.news.talking(&participant);
            self.publish_due(Instant::now());
        }
        match kind {
            // The page still talks to us: it can offer anew. If it does not, its silence ends it.
            Kind::Browser => {
                let words = "The media connection was lost. Build a new one.";
                self.tell(
                    &participant,
                    &ServerMessage::error(ErrorCode::NegotiationFailed, words),
                );
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

    pub(super) async fn negotiating(&mut self, participant: &str, generation: u64, leg: LegId) {
        let current = self
            .roster
            .get(participant)
            .is_some_and(|person| person.generation == generation);
        if !current {
            return;
        }
        if let Some(before) = self.roster.set_leg(participant, Some(leg)) {
            self.drop_leg(before).await;
        }
        self.tell_recorder(participant);
        self.paint_people();
        if let Some(person) = self.roster.get_mut(participant) {
            person.hold = None;
            person.music = None;
            person.slots.clear();
            person.slot_mids.clear();
            // What the leg before has begun nobody will end.
            if std::mem::take(&mut person.talking) {
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
        match self.roster.get_mut(participant) {
            Some(person) if person.generation == generation && person.leg == Some(leg) => {
                let camera = person.camera;
                if person.hold.as_ref() != Some(&hold) {
                    // A new leg knows nothing of what was said before.
                    self.gate(participant);
                    self.command_room(Command::Camera { leg, on: camera });
                    self.gate_screen(participant);
                    self.gate_view(participant);
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
        };
        self.seat_clip(newcomer, room);
        self.tell_slots(None);
    }

    pub(super) fn command_room(&self, command: Command) {
        let Some(room) = self.room else { return };
        if let Err(error) = self.around.media.command(room, command) {
            tracing::warn!(%error, "room command lost");
        }
    }
}
