//! Signalling of browsers: JSON over one WebSocket each, documented in `docs/signalling.md`.

pub mod calls;
pub mod protocol;
mod rate;
mod session;
pub mod view;
mod wish;

pub(crate) use session::{MAX_FRAME, Signalling, serve};
