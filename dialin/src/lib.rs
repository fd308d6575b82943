//! Dial-in: SIP facade and dialogs, SDP offer/answer, trunks, the attendant (IVR) and in-call commands.
//!
//! Everything but [`shell`] is sans-IO: bytes, commands and [`MediaTime`](plenum_codecs::MediaTime) come
//! in, bytes and events go out. This crate knows nothing of mixing or of what is inside a room: it says
//! *who* calls *what* and negotiates *which* media; the owner of the sockets and rooms does the rest.
//!
//! ```text
//! UDP/TCP ──► shell ──► endpoint (transactions, dialogs, timers) ──► CallEvent ──► control
//!                 ◄──            ◄── CallCommand ◄──
//! digits ──► attendant (welcome → conference → PIN → join), then commands (`*6` …)
//! ```

pub mod attendant;
pub mod call;
pub mod commands;

pub mod endpoint;
pub mod fuzz;
pub mod identity;
pub mod info;
pub mod keying;
pub mod sdp;
pub mod shell;
mod sip;
pub mod trunk;

pub use call::{
    CallCommand, CallEvent, CallId, Caller, EndReason, HangupReason, ReferId, Replacement, Route,
};
pub use endpoint::{
    EndpointConfig, EndpointCounters, Limits, SipEndpoint, SipInput, SipOutput, StreamId,
    StreamKind, Timing, TrunkCounters, Wire,
};
pub use plenum_codecs::telephone_event::{Digit, DigitSource};
pub use trunk::{Cidr, Credentials, Outbound, Trunk};
