//! Media time, frames, audio and video codecs, payload formats, resampling, DTMF.
//!
//! Everything here is a pure function of its arguments: no sockets, no clocks, no threads, no rooms. Audio is 48 kHz mono
//! `i16` throughout, video is I420. Bytes that come from a peer never panic; they yield a [`CodecError`] or are dropped.

pub mod audio;
pub mod dtmf;
mod error;
mod packet;
pub mod resample;
pub mod sequence;
pub mod telephone_event;
mod time;
pub mod tone;
pub mod video;
pub mod wav;

pub use error::CodecError;
pub use packet::{AudioLevel, MediaPacket};
pub use time::MediaTime;
