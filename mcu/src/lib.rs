//! Plenum's control plane and media workers: everything of the binary but its `main`.

pub mod config;
pub mod media;
