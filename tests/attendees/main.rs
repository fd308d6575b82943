//! Bots on an independent WebRTC stack: against each other, then against the release binary.

#![expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]

mod apart;
mod comings;
mod composite;
mod dial_out;
mod direct;
mod directing;
mod door;
mod far_trunks;
mod guessing;
mod keys;
mod lobby;
mod media;
mod moving;
mod named_trunks;
mod pairing;
mod policy;
mod presenting;
mod sending;
mod stage;
mod takeover;
mod video_phone;
mod views;
