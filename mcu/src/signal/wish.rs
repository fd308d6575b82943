//! From what a client says to what it asks of the focus. No behaviour.

use std::time::Duration;

use super::protocol::ClientMessage;
use crate::conference::{Action, DialOrder, Gate, Order, Turn, Wish};

/// What `message` asks of the focus; `None` for what the session sees to itself.
pub(super) fn wish(message: ClientMessage) -> Option<Action> {
    Some(match message {
        ClientMessage::Join { .. } | ClientMessage::Offer { .. } | ClientMessage::Ping {} => {
            return None;
        }
        ClientMessage::Mute { on } => Action::Mute(on),
        ClientMessage::Camera { on } => Action::Camera(on),
        ClientMessage::Hand { on } => Action::Hand(on),
        ClientMessage::PhonePin { on } => Action::PhonePin(on),
        ClientMessage::View { view } => Action::View(view),
        ClientMessage::ViewParticipant { participant, view } => {
            Action::Order(Order::View(participant, view))
        }
        ClientMessage::Leave {} => Action::Leave,
        ClientMessage::SideOpen {
            participants,
            hear_room,
        } => Action::Wish(Wish::Aside {
            participants,
            hear_room,
        }),
        ClientMessage::SideLeave {} => Action::Wish(Wish::Return),
        ClientMessage::Whisper { to, on } => Action::Wish(Wish::Whisper(to, on)),
        ClientMessage::Listen { channel } => Action::Wish(Wish::Listen(channel)),
        ClientMessage::ChannelOpen { name, interpreter } => {
            Action::Order(Order::Language(name, interpreter))
        }
        ClientMessage::ChannelClose { channel } => Action::Order(Order::CloseLanguage(channel)),
        ClientMessage::MuteParticipant { participant, on } => {
            Action::Order(Order::Mute(participant, on))
        }
        ClientMessage::DeafenParticipant { participant, on } => {
            Action::Order(Order::Deafen(participant, on))
        }
        ClientMessage::HoldParticipant { participant, on } => {
            Action::Order(Order::Hold(participant, on))
        }
        ClientMessage::GainParticipant { participant, db } => {
            Action::Order(Order::Gain(participant, db))
        }
        ClientMessage::MuteVideo { participant, on } => {
            Action::Order(Order::MuteVideo(participant, on))
        }
        ClientMessage::Spotlight { participant } => Action::Order(Order::Spotlight(participant)),
        ClientMessage::Extend { minutes } => {
            Action::Order(Order::Extend(Duration::from_secs(u64::from(minutes) * 60)))
        }
        ClientMessage::Remove { participant } => Action::Order(Order::Remove(participant)),
        ClientMessage::Lock { on } => Action::Order(Order::Lock(on)),
        ClientMessage::MuteAudience { on } => Action::Order(Order::MuteAudience(on)),
        ClientMessage::Lobby { on } => Action::Order(Order::Gate(Gate::Lobby(on))),
        ClientMessage::Admit { participant } => {
            Action::Order(Order::Gate(Gate::Admit(participant)))
        }
        ClientMessage::AdmitAll {} => Action::Order(Order::Gate(Gate::AdmitAll)),
        ClientMessage::Deny { participant } => Action::Order(Order::Gate(Gate::Deny(participant))),
        ClientMessage::SendToLobby { participant } => {
            Action::Order(Order::Gate(Gate::SendBack(participant)))
        }
        ClientMessage::Record { on } => Action::Order(Order::Record(on)),
        ClientMessage::RecordPause { on } => Action::Order(Order::RecordPause(on)),
        ClientMessage::Present { on: true, sound } => Action::Turn(Turn::Ask { sound }),
        ClientMessage::Present { on: false, .. } => Action::Turn(Turn::End),
        ClientMessage::PresentGrant {
            participant,
            on: true,
        } => Action::Turn(Turn::Give(participant)),
        ClientMessage::PresentGrant { participant, .. } => Action::Turn(Turn::Refuse(participant)),
        ClientMessage::PresentTake { sound } => Action::Turn(Turn::Take { sound }),
        ClientMessage::PresentStop {} => Action::Order(Order::StopPresenting),
        ClientMessage::Composite { on } => Action::Order(Order::Composite(on)),
        ClientMessage::Layout { name } => Action::Order(Order::Layout(name)),
        ClientMessage::Banner { text } => Action::Order(Order::Banner(text)),
        ClientMessage::CallPhone { number, name } => {
            Action::Order(Order::Dial(DialOrder::Call(number, name)))
        }
        ClientMessage::CallAgain { call } => Action::Order(Order::Dial(DialOrder::Again(call))),
        ClientMessage::CallCancel { call } => Action::Order(Order::Dial(DialOrder::Cancel(call))),
        ClientMessage::Transfer { participant, to } => {
            Action::Order(Order::Dial(DialOrder::SendAway(participant, to)))
        }
        ClientMessage::End {} => Action::Order(Order::End),
    })
}
