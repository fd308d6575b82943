//! The sans-IO [`Room`]: media of [`Leg`]s in, [`Output`]s out, time always an argument.
//!
//! ```text
//!  Packet ─► Leg: digits, jitter buffer, decoder ─► levels ─► talkers ─► bus ─┬► shared rendition ─► every listener
//!                                                                             └► private rendition of each talker
//!  Packet ─► publisher ─► slots of the viewers (switched video, never decoded)
//! ```
//!
//! A room ticks every 20 ms ([`Room::deadline`], [`Input::Timeout`]); video is forwarded at once when it is handled.
//! The crate knows nothing of SIP, WebRTC, HTTP, threads and clocks; its `clippy.toml` holds it to that.

mod bus;
mod capture;
mod channel;
pub mod compose;
mod config;
mod denoiser;
mod floor;
mod gain;
mod io;
mod jitter;
mod lag;
mod leg;
mod legs;
mod level;
mod leveller;
mod limiter;
mod loss;
mod mix;
mod outlet;
mod picture;
mod player;
mod rendition;
mod room;
mod sender;
mod stats;
mod talkers;
mod video;

pub use channel::{Channel, Channels};
pub use config::{AudioSetting, LegConfig, RoomConfig, VideoSetting};
pub use io::{
    Audience, Command, Compose, Event, Feedback, Input, LegId, OutPacket, Output, PlayId, Tap,
    TapFrame, Track,
};
pub use leg::Leg;
pub use picture::{Ladder, Rendition, Renditions, Size};
pub use player::Sound;
pub use plenum_codecs::telephone_event::{Digit, DigitSource};
pub use plenum_codecs::video::VideoCodec;
pub use room::Room;
pub use stats::{EncodeCount, Encodes, LegStats, RoomStats};
pub use video::Viewing;
