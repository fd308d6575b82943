//! People rather than media: presence now; contacts, messages and group chat have their places later.
//!
//! Pure: time comes as an argument, nothing here opens, locks or waits.

pub mod filter;
pub mod presence;
pub mod search;
pub mod story;
pub mod words;
