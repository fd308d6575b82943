//! People rather than media: presence now; contacts, messages and group chat have their places later.
//!
//! Pure: time comes as an argument, nothing here opens, locks or waits.

pub mod calendar;
pub mod contacts;
pub mod presence;
pub mod visibility;
