//! The messages of the signalling WebSocket. `docs/signalling.md` shows each; a test holds the two together.
//!
//! Wire types only: no behaviour. Unknown fields and types are refused, so that a typing error of a client's author
//! shows at once.

use plenum_companion::presence::State;
use serde::{Deserialize, Serialize};

use super::calls::CallView;
use super::view::View;
use crate::auth::Role;
use crate::conference::WaitsFor;

/// Version that `join` must name.
pub const VERSION: u32 = 1;

/// What a client says.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "docs/signalling.md says what each field means, beside an example"
)]
pub enum ClientMessage {
    /// First message: asks to be let in, or to take one's place again.
    Join {
        version: u32,
        conference: String,
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        pin: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        token: Option<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
    },
    /// SDP offer; the client always offers.
    Offer { sdp: String },
    /// Mutes or unmutes oneself.
    Mute { on: bool },
    /// Camera on or off.
    Camera { on: bool },
    /// Hand up or down.
    Hand { on: bool },
    /// A PIN of one's own for phones, in place of the former one; or none any more.
    PhonePin { on: bool },
    /// What to see; absent: what the conference gives.
    View {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<View>,
    },
    /// Goodbye.
    Leave {},
    /// Answered by `pong`.
    Ping {},
    /// Host: mutes somebody, or lifts such a mute.
    MuteParticipant { participant: String, on: bool },
    /// Host: the participant hears nothing of the conference.
    DeafenParticipant { participant: String, on: bool },
    /// Host: the participant hears music, and nobody hears them.
    HoldParticipant { participant: String, on: bool },
    /// Host: how loud the others hear the participant, −20 to 12 dB.
    GainParticipant { participant: String, db: i8 },
    /// Host: the participant can show no video, or may again.
    MuteVideo { participant: String, on: bool },
    /// Host: what the participant sees; absent: what the conference gives.
    ViewParticipant {
        participant: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        view: Option<View>,
    },
    /// Host: who is shown large whoever speaks; absent: whoever speaks.
    Spotlight {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        participant: Option<String>,
    },
    /// To talk aside with these; oneself among them, unless one is a host.
    SideOpen {
        participants: Vec<String>,
        #[serde(default, skip_serializing_if = "is_false")]
        hear_room: bool,
    },
    /// Back to the conference.
    SideLeave {},
    /// To be heard by one only, on top of the conference, or no more.
    Whisper { to: String, on: bool },
    /// Host: opens a language, or names its interpreter.
    ChannelOpen {
        name: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        interpreter: Option<String>,
    },
    /// Host: nobody interprets into it any more.
    ChannelClose { channel: u8 },
    /// To hear a language, or the conference as it is.
    Listen { channel: Option<u8> },
    /// Host: so much longer than the time limit says.
    Extend { minutes: u16 },
    /// Host: removes somebody.
    Remove { participant: String },
    /// Host: lets no more guests in.
    Lock { on: bool },
    /// Host: mutes all guests, or lets them unmute.
    MuteAudience { on: bool },
    /// Host: whether guests wait in the lobby until they are admitted.
    Lobby { on: bool },
    /// Host: lets somebody in who waits in the lobby.
    Admit { participant: String },
    /// Host: lets in all who wait.
    AdmitAll {},
    /// Host: turns somebody away who waits.
    Deny { participant: String },
    /// Host: sends somebody from the conference to the lobby.
    SendToLobby { participant: String },
    /// Host: starts or stops recording.
    Record { on: bool },
    /// Host: pauses the recording or lets it go on.
    RecordPause { on: bool },
    /// To share one's screen, now or when it is one's turn; or no more, or not to wait any longer.
    /// With `sound`, that of a shared tab is part of the microphone's track, and goes on when one mutes oneself.
    Present {
        on: bool,
        #[serde(default, skip_serializing_if = "is_false")]
        sound: bool,
    },
    /// Presenter or host: it is that one's turn to present, or it waits no longer.
    PresentGrant { participant: String, on: bool },
    /// Host: to present now, whoever does.
    PresentTake {
        #[serde(default, skip_serializing_if = "is_false")]
        sound: bool,
    },
    /// Host: whoever presents does so no more.
    PresentStop {},
    /// Host: one picture of all, composed by the server, or cameras as they come, for who has not chosen.
    Composite { on: bool },
    /// Host: how that picture is laid out.
    Layout { name: String },
    /// Host: what stands at the top of it; without a text, what the operator has there.
    Banner {
        #[serde(default, skip_serializing_if = "Option::is_none")]
        text: Option<String>,
    },
    /// Host: calls a phone; whoever picks up presses 1 and is in.
    CallPhone {
        number: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        name: Option<String>,
    },
    /// Host: calls again.
    CallAgain { call: String },
    /// Host: takes a call back or hangs up; forgets one that is over.
    CallCancel { call: String },
    /// Host: sends somebody's phone to a number, or to the `sip:` address of one.
    Transfer { participant: String, to: String },
    /// Host: ends the conference for all.
    End {},
}

impl std::fmt::Debug for ClientMessage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        // Joins hold PINs, offers hold ICE passwords.
        f.write_str("ClientMessage(redacted)")
    }
}

/// What the server says. `V` is how participants are shown in it: as they are, or as JSON that many messages share.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(tag = "type", rename_all = "snake_case", deny_unknown_fields)]
#[expect(
    missing_docs,
    reason = "docs/signalling.md says what each field means, beside an example"
)]
pub enum ServerMessage<V = ParticipantView> {
    /// In.
    Joined {
        participant: String,
        role: Role,
        resume: String,
        conference: ConferenceView,
        dial_in: Option<DialIn>,
        roster: Vec<V>,
        floor: Option<String>,
    },
    /// Not yet in, or not any more: in the lobby. `joined` follows when it is let in.
    Waiting {
        participant: String,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        resume: Option<String>,
        conference: String,
        name: String,
        waits_for: WaitsFor,
    },
    /// To hosts: who waits in the lobby, whoever has waited longest first; `count` of them, if not all are listed.
    Lobby {
        waiting: Vec<WaitingView>,
        count: usize,
    },
    /// Those for whom there was no room in `joined`, in several parts.
    Roster { participants: Vec<V> },
    /// To the last offer. `slot_mids[i]` is the `mid` that carries video slot `i`, `screen_mid` the one that takes one's screen.
    Answer {
        sdp: String,
        slot_mids: Vec<String>,
        #[serde(default, skip_serializing_if = "Option::is_none")]
        screen_mid: Option<String>,
    },
    /// Have this many video slots in all.
    Slots { count: usize },
    /// So many of the sizes in which one's camera comes are seen by anybody, the smallest first; `None`: send all.
    CameraSizes { count: Option<u8> },
    /// Who is seen in which slot.
    Video { slots: Vec<SlotView> },
    /// Somebody came.
    ParticipantJoined { participant: V },
    /// Something about somebody is different.
    ParticipantChanged { participant: V },
    /// Somebody went.
    ParticipantLeft {
        participant: String,
        reason: LeaveReason,
    },
    /// Who speaks, as the room sees it.
    Floor { participant: Option<String> },
    /// Somebody starts or stops talking.
    Talking { participant: String, on: bool },
    /// Whose turn it is to present, whether they have begun, and who waits.
    Presenting {
        participant: Option<String>,
        begun: bool,
        waiting: Vec<String>,
    },
    /// Several of `participant_…` and `talking` that came close together, in this order.
    Changes { changes: Vec<Self> },
    /// Something about the conference is different.
    Conference { conference: ConferenceView },
    /// The time limit is near: a warning that is spoken, too.
    TimeLeft { seconds: u64 },
    /// One whispers to the other, one of whom hears this.
    Whisper { from: String, to: String, on: bool },
    /// The recording ended because it could not be written; the conference goes on.
    RecordingFailed { reason: RecordingFault },
    /// To hosts: so many wrong PINs came that nobody else comes in by a PIN, for so long or, without it, before the PINs are others.
    PinsGuessed { closed_seconds: Option<u64> },
    /// A PIN of one's own, shown this once; without one there is none any more.
    PhonePin {
        pin: Option<Digits>,
        expires_ms: Option<i64>,
    },
    /// To hosts: calls to phones, the oldest first.
    Calls { calls: Vec<CallView> },
    /// To `ping`.
    Pong {},
    /// The last message was not carried out, or media failed.
    Error { code: ErrorCode, message: String },
    /// Last message.
    Ended { reason: EndReason },
}

/// A participant as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ParticipantView {
    /// `p_…`
    pub id: String,
    /// Name, or masked number of a phone.
    pub name: String,
    /// What they came with.
    pub kind: Kind,
    /// What they may do.
    pub role: Role,
    /// Nobody hears them.
    pub muted: bool,
    /// They hear nothing of the conference.
    #[serde(default, skip_serializing_if = "is_false")]
    pub deafened: bool,
    /// They hear music, and nobody hears them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub held: bool,
    /// A host lets them show no video.
    #[serde(default, skip_serializing_if = "is_false")]
    pub video_muted: bool,
    /// What they see, where that is not what the conference gives.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub view: Option<View>,
    /// How loud the others hear them, in dB over as they come.
    #[serde(default, skip_serializing_if = "is_zero")]
    pub gain_db: i8,
    /// They talk aside with all of the same number.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub side: Option<u8>,
    /// The language they listen to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub listening: Option<u8>,
    /// They send video.
    pub camera: bool,
    /// They talk right now.
    pub talking: bool,
    /// They share their screen.
    #[serde(default, skip_serializing_if = "is_false")]
    pub presenting: bool,
    /// Their hand is up.
    pub hand: bool,
    /// They came with the page, and speak and hear by a phone.
    #[serde(default, skip_serializing_if = "is_false")]
    pub by_phone: bool,
    /// Presence of the person.
    #[schema(value_type = String)]
    pub presence: State,
}

/// Somebody in the lobby.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitingView {
    /// `p_…`
    pub id: String,
    /// Name, or masked number of a phone.
    pub name: String,
    /// What they came with.
    pub kind: Kind,
    /// Since when, milliseconds since 1970.
    pub since_ms: i64,
    /// For what.
    pub waits_for: WaitsFor,
}

/// What a participant came with.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The page.
    Browser,
    /// Dial-in.
    Phone,
    /// The demo's host.
    Host,
}

/// A conference as shown.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ConferenceView {
    /// Number.
    pub id: String,
    /// Name.
    pub name: String,
    /// Guests stay out.
    pub locked: bool,
    /// No guest unmutes, unless a host has let it.
    #[serde(default, skip_serializing_if = "is_false")]
    pub audience_muted: bool,
    /// Guests wait in the lobby until a host admits them.
    #[serde(default, skip_serializing_if = "is_false")]
    pub lobby: bool,
    /// Seconds until the time limit ends it, as this is said; absent without one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub time_left: Option<u64>,
    /// Languages.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub channels: Vec<ChannelView>,
    /// Whether what is said is kept.
    pub recording: RecordingState,
    /// When that recording began, milliseconds since 1970; absent when there is none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recording_since_ms: Option<i64>,
    /// Who has not chosen what to see sees one picture of all.
    #[serde(default, skip_serializing_if = "is_false")]
    pub composite: bool,
    /// How that picture is laid out; absent while nobody sees it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub layout: Option<String>,
    /// Who is shown large whoever speaks; absent: whoever speaks.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub spotlight: Option<String>,
    /// How it can be laid out.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub layouts: Vec<String>,
    /// Hosts can call phones.
    #[serde(default, skip_serializing_if = "is_false")]
    pub dial_out: bool,
}

/// Whether a conference is recorded.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum RecordingState {
    /// No.
    #[default]
    Off,
    /// Yes.
    On,
    /// There is a recording, and what is said now is not in it.
    Paused,
}

/// Why a recording ended too early.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum RecordingFault {
    /// The disk is full, or nearly.
    DiskFull,
    /// The disk refused to take more for another reason.
    WriteFailed,
}

/// A language into which somebody interprets.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ChannelView {
    /// Its number, for `listen`.
    pub channel: u8,
    /// What it is called.
    pub name: String,
    /// Who interprets, if somebody does now.
    pub interpreter: Option<String>,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_false(flag: &bool) -> bool {
    !flag
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde gives a reference")]
fn is_zero(number: &i8) -> bool {
    *number == 0
}

/// Digits of a PIN on their way to whom it is; Debug shows nothing of them.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(transparent)]
pub struct Digits(pub String);

impl std::fmt::Debug for Digits {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Digits(redacted)")
    }
}

/// How to dial in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, utoipa::ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DialIn {
    /// SIP address to call.
    pub sip: String,
    /// Number to key, then `#`.
    pub conference: String,
    /// One can have a PIN of one's own.
    #[serde(default, skip_serializing_if = "is_false")]
    pub personal: bool,
}

/// One video slot.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SlotView {
    /// `mid` of the m-line.
    pub mid: String,
    /// Who is seen in it.
    pub participant: Option<String>,
    /// It carries the picture of all.
    #[serde(default, skip_serializing_if = "is_false")]
    pub composite: bool,
    /// It carries the screen that they share.
    #[serde(default, skip_serializing_if = "is_false")]
    pub screen: bool,
}

/// Why somebody is no longer in the roster.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LeaveReason {
    /// Said goodbye.
    Left,
    /// Was not heard of any more.
    Lost,
    /// A host removed them.
    Removed,
    /// A host sent them to the lobby.
    Lobby,
}

/// Why a session is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum EndReason {
    /// The client left.
    Left,
    /// A host removed it.
    Removed,
    /// A host did not let it in.
    Denied,
    /// The last leader has gone.
    LeaderLeft,
    /// A host or the administrator ended the conference.
    ConferenceEnded,
    /// Its time limit is over.
    TimeLimit,
    /// The server stops.
    ServerStopping,
    /// The same participant came back on another connection.
    Replaced,
}

/// Why a message was not carried out.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum ErrorCode {
    /// Wrong PIN or token, or no such conference: which of them is not said.
    WrongPin,
    /// The number cannot be one, or no PIN was given and there is no such conference without a PIN.
    ConferenceUnknown,
    /// Guests stay out.
    Locked,
    /// Nobody more fits in.
    Full,
    /// The message cannot be read.
    BadMessage,
    /// `version` is not ours.
    UnsupportedVersion,
    /// The offer cannot be answered, or media was lost: build a new peer connection and offer again.
    NegotiationFailed,
    /// Hosts only.
    Forbidden,
    /// Too many messages.
    RateLimited,
    /// `join` comes first, and once.
    NotJoined,
    /// The server is overloaded or stopping; try again later.
    Unavailable,
}

impl ErrorCode {
    /// As in JSON; a bounded label of metrics.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::WrongPin => "wrong_pin",
            Self::ConferenceUnknown => "conference_unknown",
            Self::Locked => "locked",
            Self::Full => "full",
            Self::BadMessage => "bad_message",
            Self::UnsupportedVersion => "unsupported_version",
            Self::NegotiationFailed => "negotiation_failed",
            Self::Forbidden => "forbidden",
            Self::RateLimited => "rate_limited",
            Self::NotJoined => "not_joined",
            Self::Unavailable => "unavailable",
        }
    }
}

impl ServerMessage {
    /// An error in words for people.
    pub(crate) fn error(code: ErrorCode, message: impl Into<String>) -> Self {
        Self::Error {
            code,
            message: message.into(),
        }
    }
}

impl<V: Serialize> ServerMessage<V> {
    /// As sent.
    pub(crate) fn to_json(&self) -> String {
        // Strings, numbers and enums only: this cannot fail.
        serde_json::to_string(self).unwrap_or_default()
    }
}

/// Reads a client's message; the error says what is wrong with it, without its values.
///
/// # Errors
/// When it is no message of the protocol.
pub fn parse(text: &str) -> Result<ClientMessage, String> {
    serde_json::from_str(text).map_err(|error| match error.classify() {
        serde_json::error::Category::Data => {
            format!("no message of the protocol (column {})", error.column())
        }
        _ => format!("not JSON (column {})", error.column()),
    })
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test may panic")]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    const DOCUMENT: &str = include_str!("../../../docs/signalling.md");

    /// Lines of the fenced blocks marked `json {who}`.
    fn examples(who: &str) -> Vec<&'static str> {
        let fence = format!("```json {who}\n");
        DOCUMENT
            .split(fence.as_str())
            .skip(1)
            .flat_map(|rest| rest.split("```").next().unwrap_or_default().lines())
            .filter(|line| !line.trim().is_empty())
            .collect()
    }

    fn kinds(values: impl Iterator<Item = serde_json::Value>) -> BTreeSet<String> {
        values
            .map(|value| value["type"].as_str().unwrap().to_owned())
            .collect()
    }

    #[test]
    fn every_documented_client_message_is_read_and_written_as_shown() {
        let values = examples("client").into_iter().map(|line| {
            let message = parse(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(serde_json::to_value(&message).unwrap(), value);
            value
        });
        let all = "join offer mute camera hand phone_pin leave ping mute_participant deafen_participant hold_participant \
                   gain_participant mute_video spotlight side_open side_leave whisper channel_open channel_close \
                   listen extend remove lock mute_audience lobby admit admit_all deny send_to_lobby record \
                   record_pause present present_grant present_take present_stop composite layout banner view view_participant \
                   call_phone call_cancel call_again transfer end";
        assert_eq!(kinds(values), all.split(' ').map(str::to_owned).collect());
    }

    #[test]
    fn every_documented_server_message_is_read_and_written_as_shown() {
        let values = examples("server").into_iter().map(|line| {
            let message: ServerMessage =
                serde_json::from_str(line).unwrap_or_else(|error| panic!("{line}: {error}"));
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            assert_eq!(
                serde_json::from_str::<serde_json::Value>(&message.to_json()).unwrap(),
                value
            );
            value
        });
        let all = "joined waiting lobby roster answer slots camera_sizes video participant_joined participant_changed participant_left floor talking changes \
                   presenting conference time_left whisper recording_failed pins_guessed phone_pin calls pong error ended";
        assert_eq!(kinds(values), all.split(' ').map(str::to_owned).collect());
    }

    #[test]
    fn every_error_code_is_documented() {
        use ErrorCode as E;
        for code in [
            E::WrongPin,
            E::ConferenceUnknown,
            E::Locked,
            E::Full,
            E::BadMessage,
            E::UnsupportedVersion,
            E::NegotiationFailed,
            E::Forbidden,
            E::RateLimited,
            E::NotJoined,
            E::Unavailable,
        ] {
            assert_eq!(serde_json::to_value(code).unwrap(), code.as_str());
            assert!(
                DOCUMENT.contains(&format!("| `{}` |", code.as_str())),
                "{code:?} is not documented"
            );
        }
    }

    #[test]
    fn unknown_fields_and_types_are_refused_and_values_are_not_repeated() {
        for text in [
            r#"{"type":"leave","now":true}"#,
            r#"{"type":"mute","on":true,"off":false}"#,
            r#"{"type":"mute","on":"secret"}"#,
            r#"{"type":"secret"}"#,
            r#"{"type":"join"}"#,
            "[]",
            "",
            "\u{0}",
        ] {
            let error = parse(text).unwrap_err();
            assert!(!error.contains("secret"), "{error}");
        }
    }
}
