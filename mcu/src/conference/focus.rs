//! The focus: one task per conference with somebody in it, the only owner of its roster and of its media room's life.
//!
//! It hears commands (sessions, calls, REST), room events (media) and time; it speaks to sessions, calls and media.
//! How people come in is in [`super::arrival`], what participants may do in [`super::act`], what hosts may in [`super::order`], who
//! presents in [`super::present`]; what the room tells in [`super::room`], what it plays in [`super::sound`]; what sessions are told in
//! [`super::telling`].

use std::sync::Arc;
use std::time::{Duration, Instant};

use plenum_dialin::DigitSource;
use plenum_mixer::LegId;
use tokio::sync::mpsc;

use super::Surroundings;
use super::channels::Uses;
use super::dialling::Dialling;
use super::leader::Leadership;
use super::limit::TimeLimit;
use super::lobby::Lobby;
use super::manners::{LobbyPolicy, Rules};
use super::news::News;
use super::picture::Picture;
use super::podium::Podium;
use super::record::{self, OnAir};
use super::roster::{Participant, Roster};
use super::seat::{Action, Command, Summary};
use super::sound::{Company, Spoken};
use crate::config::Announce;
use crate::media::{RoomEvent, RoomId};
use crate::signal::protocol::{ConferenceView, EndReason, LeaveReason};
use crate::signal::view::View;
use crate::store::ConferenceRecord;

/// Room events that may wait; media holds back further ones.
const ROOM_EVENTS: usize = 1024;
/// Leases of presence are renewed this often.
const HEARTBEAT: Duration = Duration::from_secs(10);

/// See the module.
#[derive(Debug)]
pub(super) struct Focus {
    pub(super) around: Arc<Surroundings>,
    pub(super) record: Arc<ConferenceRecord>,
    pub(super) room: Option<RoomId>,
    pub(super) roster: Roster,
    pub(super) lobby: Lobby,
    pub(super) rules: Rules,
    pub(super) leadership: Leadership,
    pub(super) news: News,
    pub(super) floor: Option<LegId>,
    /// Who is shown large whoever speaks.
    pub(super) spotlight: Option<String>,
    pub(super) picture: Picture,
    pub(super) podium: Podium,
    /// Kept, too, until it ends but by the server's end.
    pub(super) locked: bool,
    /// The server's end.
    stopping: bool,
    pub(super) audience_muted: bool,
    /// How joining and leaving are heard now.
    pub(super) announcing: Announce,
    pub(super) limit: TimeLimit,
    pub(super) uses: Uses,
    pub(super) company: Company,
    pub(super) spoken: Spoken,
    pub(super) next_play: u64,
    pub(super) dialling: Dialling,
    /// Made to call somebody.
    pub(super) is_talk: bool,
    pub(super) on_air: Option<OnAir>,
    pub(super) generations: u64,
    pub(super) events: mpsc::Sender<(RoomId, RoomEvent)>,
    inbox: Option<mpsc::Receiver<(RoomId, RoomEvent)>>,
    pub(super) commands: mpsc::WeakSender<Command>,
    pub(super) opened: bool,
    /// Video slots that those without and those with a camera were last asked for.
    pub(super) slots_told: [usize; 2],
}

impl Focus {
    pub(super) fn new(
        around: Arc<Surroundings>,
        record: Arc<ConferenceRecord>,
        commands: mpsc::WeakSender<Command>,
    ) -> Self {
        let (events, inbox) = mpsc::channel(ROOM_EVENTS);
        let rules = record.manners.rules(&around.config);
        let announcing = around.config.announce;
        let is_talk = record.is_call;
        let picture = Picture::new(rules.video, around.config.layout.clone());
        let locked = record.locked;
        Self {
            picture,
            podium: Podium::default(),
            around,
            record,
            room: None,
            roster: Roster::default(),
            lobby: Lobby::default(),
            rules,
            leadership: Leadership::default(),
            news: News::default(),
            floor: None,
            spotlight: None,
            locked,
            stopping: false,
            audience_muted: false,
            announcing,
            limit: TimeLimit::default(),
            uses: Uses::default(),
            company: Company::default(),
            spoken: Spoken::default(),
            next_play: 0,
            dialling: Dialling::default(),
            is_talk,
            on_air: None,
            generations: 0,
            events,
            inbox: Some(inbox),
            commands,
            opened: false,
            slots_told: [0; 2],
        }
    }

    /// Runs until the last person has left.
    pub(super) async fn run(mut self, mut commands: mpsc::Receiver<Command>) {
        let Some(mut events) = self.inbox.take() else {
            return;
        };
        self.around.metrics.conferences.inc();
        self.read_lock().await;
        let mut presence = self.around.presence.changes();
        let mut clip = self
            .around
            .demo
            .as_ref()
            .filter(|(number, _)| *number == self.record.number)
            .map(|(_, clip)| clip.clone());
        let mut heartbeat = tokio::time::interval(HEARTBEAT);
        let mut first = tokio::time::Instant::now() + Duration::from_secs(5);
        while !(self.opened && self.roster.guests() + self.lobby.len() == 0) {
            // Nobody came after all: the join that opened this was withdrawn or refused.
            let until = self
                .deadline()
                .map_or(first, tokio::time::Instant::from_std);
            tokio::select! {
                command = commands.recv() => match command {
                    Some(command) => self.command(command).await,
                    None => break,
                },
                event = events.recv() => if let Some((room, event)) = event {
                    self.room_event(room, event).await;
                },
                user = presence.recv() => self.presence_changed(user),
                changed = wait_for(&mut clip), if self.room.is_some() => {
                    // Once it is here, or its maker is gone, there is nothing more to wait for.
                    if let Some(ready) = changed { self.seat_host(ready).await; }
                    clip = None;
                },
                _ = heartbeat.tick() => {
                    self.renew_presence();
                    self.heed_composite();
                }
                end = record::ended(&mut self.on_air) => self.recording_ended(end),
                () = tokio::time::sleep_until(until) => {
                    if self.roster.len() + self.lobby.len() == 0 { break; }
                    first = tokio::time::Instant::now() + Duration::from_secs(3600);
                    let now = Instant::now();
                    self.reap(now).await;
                    self.heed_clock(now).await;
                    self.heed_leader(now).await;
                    self.heed_lobby(now).await;
                    self.settle_music(None);
                    self.heed_podium(now);
                    self.publish_due(now);
                },
            }
        }
        // Before the next meeting may begin, whose lock and PINs would else be forgotten.
        self.forget_meeting().await;
        commands.close();
        self.shut().await;
        self.around.metrics.conferences.dec();
        // Whoever waits in the queue finds the reply dropped and opens the conference anew.
    }

    async fn command(&mut self, command: Command) {
        match command {
            Command::Join { newcomer, reply } => {
                let outcome = self.join(newcomer).await;
                let seated = outcome.as_ref().ok();
                let seated = seated.map(|seat| (seat.participant.clone(), seat.generation));
                if reply.send(outcome).is_err()
                    && let Some((participant, generation)) = seated
                {
                    // Its session is gone already: nobody would ever say goodbye for it.
                    self.forget(&participant, generation).await;
                }
            }
            Command::Resume {
                secret,
                link,
                reply,
            } => {
                let seat = self.resume(&secret, link);
                // A session that is gone meanwhile drops its queue; the next broadcast notices.
                let _ = reply.send(seat);
            }
            Command::Negotiating {
                participant,
                generation,
                leg,
                reply,
            } => {
                self.negotiating(&participant, generation, leg, reply).await;
            }
            Command::Negotiated {
                participant,
                generation,
                hold,
                slot_mids,
            } => {
                self.negotiated(&participant, generation, hold, slot_mids)
                    .await;
            }
            Command::Act {
                participant,
                generation,
                action,
            } => {
                self.asked(&participant, generation, action).await;
            }
            Command::Key { participant, digit } => {
                let person = self.roster.get(&participant);
                if let Some(leg) = person.and_then(Participant::phone_leg) {
                    self.key(leg, digit, DigitSource::Info).await;
                }
                self.lobby_key(&participant, digit);
            }
            Command::Guessed { shut } => self.tell_guessed(shut),
            Command::Waiting { reply } => {
                // Whoever asked may have gone meanwhile.
                let _ = reply.send(self.lobby.list());
            }
            Command::Lost {
                participant,
                generation,
                heard,
            } => {
                if self.is_current(&participant, generation) {
                    self.lost(&participant, heard).await;
                }
            }
            Command::Order { order, reply } => {
                let outcome = self.order(order).await;
                // Whoever asked may have gone meanwhile; what it ordered holds.
                let _ = reply.send(outcome);
            }
            Command::Participants { reply } => {
                let _ = reply.send(self.roster.views());
            }
            Command::Users { reply } => {
                let users = self.roster.iter().map(|person| person.user.clone());
                let _ = reply.send(users.collect());
            }
            Command::Dial { order, reply } => {
                let _ = reply.send(self.order_call(order, None));
            }
            Command::Transfer(transfer) => self.transfer(transfer),
            Command::Calls { reply } => {
                let _ = reply.send(self.dialling.views());
            }
            Command::Called { call, state } => self.call_progressed(&call, state),
            Command::Record { order, reply } => self.record(order, reply).await,
            Command::Summary { reply } => {
                let _ = reply.send(Summary {
                    participants: self.roster.guests(),
                    waiting: self.lobby.len(),
                    locked: self.locked,
                    time_left: self.limit.left(Instant::now()),
                    recording: self.recording_state(),
                });
            }
            Command::Close { reason } => self.close(reason).await,
        }
    }

    /// What a session or a call asks for, unless a later one has its participant's place.
    async fn asked(&mut self, participant: &str, generation: u64, action: Action) {
        if self.is_handset(participant, generation) {
            if matches!(action, Action::Leave) {
                self.handset_left(participant, EndReason::Left).await;
            }
        } else if !self.is_current(participant, generation) {
        } else if self.lobby.stays.contains_key(participant) {
            self.act_waiting(participant, action).await;
        } else {
            self.act(participant, action).await;
        }
    }

    fn is_current(&mut self, participant: &str, generation: u64) -> bool {
        self.people_with(participant)
            .get(participant)
            .is_some_and(|person| person.generation == generation)
    }

    fn is_handset(&mut self, participant: &str, generation: u64) -> bool {
        let person = self.people_with(participant).get(participant);
        person.is_some_and(|person| person.has_handset(generation))
    }

    pub(super) fn conference_view(&self) -> ConferenceView {
        ConferenceView {
            id: self.record.number.clone(),
            name: self.record.name.clone(),
            locked: self.locked,
            audience_muted: self.audience_muted,
            lobby: self.rules.lobby == LobbyPolicy::Guests,
            time_left: self.limit.left(Instant::now()).map(|left| left.as_secs()),
            channels: self.language_views(),
            recording: self.recording_state(),
            recording_since_ms: self.on_air.as_ref().map(OnAir::since_ms),
            composite: self.picture.given() == View::Composite,
            layout: self.picture.layout().map(str::to_owned),
            spotlight: self.spotlight.clone(),
            layouts: self.around.composites.layouts(),
            dial_out: self.around.dialler.is_some(),
        }
    }

    async fn lost(&mut self, participant: &str, heard: Instant) {
        let grace = self.around.config.resume_grace;
        self.people_with(participant).disconnect(participant, heard);
        if heard.elapsed() >= grace {
            self.reap(Instant::now()).await;
        }
    }

    /// When something is due by itself.
    fn deadline(&self) -> Option<Instant> {
        let news = self.news.due(Instant::now());
        [
            self.next_reaping(),
            self.limit.next(),
            self.music_due(),
            self.podium.next(),
            self.lobby.next(),
            self.leaderless_until(),
            news,
        ]
        .into_iter()
        .flatten()
        .min()
    }

    /// When the next lost participant's place is given up.
    fn next_reaping(&self) -> Option<Instant> {
        let lost = [self.roster.longest_lost(), self.lobby.people.longest_lost()];
        let heard = lost.into_iter().flatten().map(|(heard, _)| heard).min()?;
        Some(heard + self.around.config.resume_grace)
    }

    async fn reap(&mut self, now: Instant) {
        let grace = self.around.config.resume_grace;
        while let Some((heard, participant)) = self.roster.longest_lost()
            && now >= heard + grace
        {
            let participant = participant.to_owned();
            self.around.metrics.lost.inc();
            self.leave_page(&participant, LeaveReason::Lost).await;
        }
        while let Some((heard, waiting)) = self.lobby.people.longest_lost()
            && now >= heard + grace
        {
            let waiting = waiting.to_owned();
            self.around.metrics.lost.inc();
            if !self.page_left(&waiting, EndReason::Left).await {
                self.leave_lobby(&waiting, EndReason::Left).await;
            }
        }
    }

    /// Takes away whose session is gone before it could say so, wherever it is.
    async fn forget(&mut self, participant: &str, generation: u64) {
        if self.is_handset(participant, generation) {
            self.handset_left(participant, EndReason::Left).await;
            return;
        }
        if self.page_left(participant, EndReason::Left).await {
            return;
        }
        self.leave(participant, LeaveReason::Lost, EndReason::Left)
            .await;
        self.leave_lobby(participant, EndReason::Left).await;
    }

    /// The page of `participant` is gone: all of them, unless they go on by phone.
    pub(super) async fn leave_page(&mut self, participant: &str, reason: LeaveReason) {
        if !self.page_left(participant, EndReason::Left).await {
            self.leave(participant, reason, EndReason::Left).await;
        }
    }

    /// Takes `participant` off the roster and its legs out of the room.
    pub(super) async fn leave(&mut self, participant: &str, reason: LeaveReason, end: EndReason) {
        let legs: Vec<_> = self
            .roster
            .get(participant)
            .into_iter()
            .flat_map(Participant::legs)
            .collect();
        for leg in legs {
            self.drop_leg(leg).await;
        }
        if let Some(mut person) = self.take_out(participant, reason) {
            person.end(end);
        }
    }

    /// Takes `participant` off the roster, whose leg is in the room no more; all that stood on it is over.
    pub(super) fn take_out(
        &mut self,
        participant: &str,
        reason: LeaveReason,
    ) -> Option<Participant> {
        let person = self.roster.remove(participant)?;
        self.around.presence.left(&person.user, &person.id);
        self.around.metrics.of(person.kind).dec();
        self.show_leaving(&person.id, reason);
        self.forget_channels(&person.id);
        self.forget_spotlight(&person.id);
        self.step_down(&person.id);
        self.paint_people();
        self.tell_slots(None);
        self.left(&person);
        self.regauge();
        self.mind_leader();
        if reason != LeaveReason::Lobby {
            self.forget_pin(&person);
        }
        Some(person)
    }

    pub(super) async fn drop_leg(&mut self, leg: LegId) {
        self.forget_number(leg);
        if let Err(error) = self.around.media.remove_leg(leg).await {
            tracing::warn!(%error, "leg could not be removed");
        }
    }

    /// Ends the conference for everybody in it.
    pub(super) async fn close(&mut self, reason: EndReason) {
        self.stopping |= reason == EndReason::ServerStopping;
        let everybody: Vec<_> = self.roster.iter().map(|person| person.id.clone()).collect();
        for participant in everybody {
            let Some(mut person) = self.roster.remove(&participant) else {
                continue;
            };
            person.end(reason);
            self.around.presence.left(&person.user, &person.id);
            self.around.metrics.of(person.kind).dec();
            for leg in person.legs() {
                self.drop_leg(leg).await;
            }
        }
        self.empty_lobby(reason).await;
        self.opened = true;
    }

    /// Whether it is locked now: whoever opened it may have read its record before.
    async fn read_lock(&mut self) {
        match self.around.store.find(&self.record.number).await {
            Ok(Some(record)) => self.locked = record.locked,
            Ok(None) => {}
            Err(error) => tracing::error!(%error, "store failed"),
        }
    }

    /// What is kept for this meeting alone: its lock, unless the server ends, and PINs of those who were known by their places.
    async fn forget_meeting(&self) {
        // Whoever found it locked and went again has not begun it.
        if self.locked
            && self.opened
            && !self.stopping
            && let Err(error) = self.around.store.set_locked(&self.record.id, false).await
        {
            tracing::warn!(%error, "a lock outlives its conference");
        }
        if let Err(error) = self
            .around
            .store
            .forget_passing(Some(&self.record.id))
            .await
        {
            tracing::warn!(%error, "personal pins outlive their conference's end");
        }
    }

    /// The room and what is left in it.
    async fn shut(&mut self) {
        self.close(EndReason::ConferenceEnded).await;
        self.finish_recording().await;
        self.finish_composite();
        if let Some(room) = self.room.take()
            && let Err(error) = self.around.media.close_room(room).await
        {
            tracing::warn!(%error, "room could not be closed");
        }
    }
}

/// The clip once it is made; `None` when it will never be. Without anything to wait for, waits for ever.
async fn wait_for(
    clip: &mut Option<tokio::sync::watch::Receiver<Option<crate::media::Clip>>>,
) -> Option<crate::media::Clip> {
    match clip {
        None => std::future::pending().await,
        Some(clip) => clip
            .wait_for(Option::is_some)
            .await
            .ok()
            .and_then(|clip| clip.clone()),
    }
}
