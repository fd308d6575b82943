//! People rather than media: presence, contacts, messages and group chat.
//!
//! The rules are pure: time comes as an argument, nothing in them opens, locks or waits. [`server`] is their shell: the
//! database, the sockets and the clock.

pub mod calendar;
pub mod contacts;
pub mod filter;
pub mod presence;
pub mod search;
pub mod server;
pub mod story;
pub mod text;
pub mod visibility;
pub mod words;
