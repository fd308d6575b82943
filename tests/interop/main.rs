//! Real clients against the real binary, judged by the numbers of what they heard and saw.
#![expect(clippy::unwrap_used, reason = "tests")]
#![expect(
    clippy::print_stdout,
    reason = "what was heard, shown with --nocapture"
)]

mod composite;
mod firefox;
mod languages;
mod line;
mod linphone;
mod lips;
mod lossy;
mod narrow;
mod numbers;
mod pairing;
mod quarters;
mod room;
mod screen;
mod silence;
mod sip_video;
mod sizes;
mod spare;
mod stills;
mod tools;
mod transfer;
mod trunks;
mod vanished;
mod views;
