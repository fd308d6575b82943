//! What a focus hears and says: the vocabulary between it, sessions, calls and REST. No behaviour.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::extract::ws::Utf8Bytes;
use plenum_dialin::Digit;
use plenum_dialin::attendant::Language;
use plenum_mixer::LegId;
use tokio::sync::{mpsc, oneshot, watch};

use super::aside::Wish;
use super::dialling::DialOrder;
use super::entry::Refusal;
use super::handover::Handed;
use super::lobby::Gate;
use super::manners::Manners;
use super::order::Denied;
use super::present::Turn;
use super::record::{RecordOrder, RecordRefusal};
use super::sending::Sendoff;
use crate::auth::{Role, Shut};
use crate::media::RoomId;
use crate::signal::calls::{CallState, CallView};
use crate::signal::protocol::{EndReason, Kind, ParticipantView, RecordingState, WaitingView};
use crate::signal::view::View;
use crate::store::ConferenceRecord;

/// What goes to a session.
#[derive(Debug, Clone)]
pub(crate) enum Outgoing {
    /// A message of the protocol.
    Text(Utf8Bytes),
    /// `ended`, then the socket closes.
    Ended(EndReason),
}

/// Who is behind a participant.
#[derive(Debug, Clone)]
pub(crate) enum Link {
    /// A WebSocket.
    Session(mpsc::Sender<Outgoing>),
    /// A phone call.
    Call(mpsc::Sender<Notice>),
    /// Nobody: the demo's host, or a browser that may come back.
    None,
}

/// What a call is told.
#[derive(Debug)]
pub(crate) enum Notice {
    /// Its stay is over.
    Ended(EndReason),
    /// It sits in another conference now.
    Moved(Box<Seat>),
    /// Its phone is to call somebody else in its place.
    SendAway(Sendoff),
}

/// Media of a browser that a later offer may continue.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct MediaHold {
    pub(crate) leg: LegId,
    /// `a=fingerprint` of the peer connection.
    pub(crate) fingerprint: String,
}

/// Somebody at the table's edge.
#[derive(Debug, Clone)]
pub(crate) struct Newcomer {
    pub(crate) name: String,
    pub(crate) kind: Kind,
    pub(crate) role: Role,
    pub(crate) user: Option<String>,
    pub(crate) link: Link,
    /// A phone's leg, moved in by the focus.
    pub(crate) leg: Option<LegId>,
    /// The name as a caller said it, 48 kHz mono. Never kept beyond the stay.
    pub(crate) spoken: Option<Arc<[i16]>>,
    /// What is spoken to them alone.
    pub(crate) language: Language,
    /// A host has called them: neither lock nor lobby is for them.
    pub(crate) invited: bool,
}

impl Newcomer {
    /// For another attempt.
    pub(super) fn again(&self) -> Self {
        self.clone()
    }
}

/// A place in a conference, as its session or call knows it.
#[derive(Debug)]
pub(crate) struct Seat {
    pub(crate) participant: String,
    pub(crate) generation: u64,
    pub(crate) hold: Option<MediaHold>,
    pub(crate) commands: mpsc::Sender<Command>,
}

/// What a participant asks for.
#[derive(Debug, Clone)]
pub(crate) enum Action {
    Mute(bool),
    /// They were muted by a host of the conference that they were moved from: hosts may unmute them here, too.
    StayMuted,
    Camera(bool),
    Hand(bool),
    Leave,
    /// What to see; nothing: what the conference gives.
    View(Option<View>),
    /// Who hears whom.
    Wish(Wish),
    /// Who presents.
    Turn(Turn),
    /// A PIN of their own for phones, in place of the former one; or none any more.
    PhonePin(bool),
    /// For hosts.
    Order(Order),
}

/// What rules a conference: hosts and the API may order it. Participants are named by their ids.
#[derive(Debug, Clone)]
pub(crate) enum Order {
    Mute(String, bool),
    /// All guests are muted, or may unmute.
    MuteAudience(bool),
    /// They hear the conference no more.
    Deafen(String, bool),
    /// They hear music instead of the conference, and nobody hears them.
    Hold(String, bool),
    /// How loud they are for the others, in dB.
    Gain(String, i8),
    /// They can show no video.
    MuteVideo(String, bool),
    /// They are sent so many kbit/s of video at most; 0: as everybody.
    LimitVideo(String, u32),
    /// Their pictures are so many pixels high at most, where they come in several sizes; 0: as everybody's.
    LimitHeight(String, u32),
    /// The one who is shown large whoever speaks, or nobody.
    Spotlight(Option<String>),
    Remove(String),
    Lock(bool),
    Record(bool),
    RecordPause(bool),
    End,
    /// So much longer than the time limit says now.
    Extend(Duration),
    /// So long from now, whatever the time limit was.
    EndIn(Duration),
    /// Plays to one, or to all.
    Announce(Option<String>, Arc<[i16]>),
    /// They talk aside; whether they hear the conference meanwhile.
    Aside(Vec<String>, bool),
    /// They are back.
    CloseAside(u8),
    /// A language, or another interpreter of it.
    Language(String, Option<String>),
    CloseLanguage(u8),
    /// One picture of all, or cameras as they come, for who has not chosen.
    Composite(bool),
    /// What somebody sees, or, if nothing, what the conference gives.
    View(String, Option<View>),
    /// How that picture is laid out.
    Layout(String),
    /// What stands at the top of it; `None`: what the operator has there.
    Banner(Option<String>),
    /// Whoever presents does so no more.
    StopPresenting,
    /// Who waits in the lobby, and who is sent there.
    Gate(Gate),
    /// Other rules for who waits and when it ends without its leader.
    Manners(Manners),
    /// Calls to phones.
    Dial(DialOrder),
}

/// What a focus is told.
#[derive(Debug)]
pub(crate) enum Command {
    Join {
        newcomer: Newcomer,
        reply: oneshot::Sender<Result<Seat, Refusal>>,
    },
    Resume {
        secret: String,
        link: mpsc::Sender<Outgoing>,
        reply: oneshot::Sender<Option<Seat>>,
    },
    /// A leg is about to be made for the participant; events of it may come from now on.
    Negotiating {
        participant: String,
        generation: u64,
        leg: LegId,
        /// Where it is to be made; dropped when the participant is not here any more.
        reply: oneshot::Sender<RoomId>,
    },
    /// Its offer has been answered.
    Negotiated {
        participant: String,
        generation: u64,
        hold: MediaHold,
        slot_mids: Vec<String>,
    },
    Act {
        participant: String,
        generation: u64,
        action: Action,
    },
    /// An order of the API, which may do whatever a host may.
    Order {
        order: Order,
        reply: oneshot::Sender<Result<(), Denied>>,
    },
    /// Who is in it.
    Participants {
        reply: oneshot::Sender<Vec<ParticipantView>>,
    },
    /// Keys of presence of who is in it.
    Users {
        reply: oneshot::Sender<Vec<String>>,
    },
    /// An order of the API about calls; gives the call.
    Dial {
        order: DialOrder,
        reply: oneshot::Sender<Result<String, Denied>>,
    },
    /// A phone goes elsewhere, or sends somebody.
    Transfer(Transfer),
    /// Calls out of it.
    Calls {
        reply: oneshot::Sender<Vec<CallView>>,
    },
    /// A call out of it is so far.
    Called {
        call: String,
        state: CallState,
    },
    /// Too many wrong PINs have shut a door of the conference.
    Guessed {
        shut: Shut,
    },
    /// Who waits in the lobby.
    Waiting {
        reply: oneshot::Sender<Vec<WaitingView>>,
    },
    /// A phone's key that came by SIP INFO.
    Key {
        participant: String,
        digit: Digit,
    },
    /// The connection is gone; `heard` is its last sign of life.
    Lost {
        participant: String,
        generation: u64,
        heard: Instant,
    },
    Record {
        order: RecordOrder,
        reply: oneshot::Sender<Result<String, RecordRefusal>>,
    },
    Summary {
        reply: oneshot::Sender<Summary>,
    },
    Close {
        reason: EndReason,
    },
}

/// What phones and their calls have to do with other places.
#[derive(Debug)]
pub(crate) enum Transfer {
    /// A phone wants somebody else called in its place; who asked hears how far that is. The reply says whether it may.
    Refer {
        participant: String,
        order: DialOrder,
        told: watch::Sender<CallState>,
        reply: oneshot::Sender<bool>,
    },
    /// A phone is about to go to another conference and hears so; how long that takes.
    Forewarn {
        participant: String,
        reply: oneshot::Sender<Result<Duration, Denied>>,
    },
    /// A phone is to go to another conference.
    HandOver {
        participant: String,
        reply: oneshot::Sender<Result<Handed, Denied>>,
    },
    /// It has gone, unless its call is given back.
    HandedOver {
        participant: String,
        leg: Option<LegId>,
        back: Option<mpsc::Sender<Notice>>,
        reply: oneshot::Sender<()>,
    },
}

/// Figures of a running conference.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Summary {
    pub(crate) participants: usize,
    /// In the lobby.
    pub(crate) waiting: usize,
    pub(crate) locked: bool,
    /// Until the time limit, if there is one.
    pub(crate) time_left: Option<Duration>,
    pub(crate) recording: RecordingState,
}

/// How others reach a focus.
#[derive(Debug, Clone)]
pub(super) struct FocusHandle {
    pub(super) record: Arc<ConferenceRecord>,
    pub(super) commands: mpsc::Sender<Command>,
}
