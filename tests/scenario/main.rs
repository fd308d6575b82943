//! Whole conferences in virtual time: no sockets, no sleeps, every chance seeded.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#![expect(clippy::print_stdout, reason = "figures, shown with --nocapture")]

mod audio;
mod camera;
mod channels;
mod conference;
mod demand;
mod dialin;
mod hearing;
mod layers;
mod levels;
mod moving;
mod names;
mod narrow;
mod net;
mod onset;
mod overtaking;
mod pauses;
mod phone;
mod recording;
mod renditions;
mod scale;
mod screen;
mod tone;
mod video;
mod views;
