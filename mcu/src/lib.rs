//! Plenum's control plane and media workers: everything of the binary but its `main`.

pub mod auth;
pub mod cli;
mod companion;
mod composite;
pub mod conference;
pub mod config;
pub mod demo;
mod dtls;
mod http;
pub mod load;
pub mod media;
mod metrics;
pub mod prompts;
mod recording;
#[cfg(test)]
mod scratch;
pub mod secret;
pub mod server;
pub mod signal;
mod stop;
pub mod store;
mod telephony;
mod tls;
