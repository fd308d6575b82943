//! The test harness: real processes, real clients, and the numbers to judge what they heard.
//!
//! Nothing in the workspace may depend on this crate but `benches`.

pub mod active_level;
pub mod attendee;
pub mod baresip;
pub mod bot;
pub mod browser;
pub mod dns;
pub mod fuzz;
pub mod linphone;
pub mod metrics;
pub mod pcap;
pub mod ports;
pub mod process;
pub mod real_time;
pub mod recorder;
pub mod relay;
pub mod rush;
pub mod server;
pub mod sipp;
pub mod text_phone;
pub mod tone;
pub mod video_phone;
pub mod workspace;
