//! Plenum's control plane and media workers: everything of the binary but its `main`.

pub mod auth;
pub mod config;
pub mod demo;
pub mod media;
#[cfg(test)]
mod scratch;
pub mod prompts;
pub mod secret;
pub mod store;
