//! The seam to the engine, which makes conferences. Implemented outside; the companion knows no media.

use std::pin::Pin;

use super::people::User;

/// What an implementation of [`Bridge`] gives back.
pub type Pending<'a, T> = Pin<Box<dyn Future<Output = T> + Send + 'a>>;

/// Why there is no conference.
#[derive(Debug, thiserror::Error)]
pub enum BridgeError {
    /// It has ended or was deleted.
    #[error("there is no such conference")]
    Gone,
    /// It may not be.
    #[error("{0}")]
    Refused(String),
    /// The engine does not do it now.
    #[error("{0}")]
    Unavailable(String),
}

/// What a conference is made for: presence tells a call from a conference.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Occasion {
    /// Of a direct or group conversation, or to a phone: while no more than two are in it, it is a call.
    Call,
    /// Of a room: always a conference.
    Room,
}

/// The engine, as far as the companion needs it.
pub trait Bridge: Send + Sync + 'static {
    /// Makes a conference of this subject and gives its key.
    fn make<'a>(
        &'a self,
        subject: &'a str,
        occasion: Occasion,
    ) -> Pending<'a, Result<String, BridgeError>>;

    /// Whether phones can be called at all.
    fn dials(&self) -> bool;

    /// Whether this number may be called.
    ///
    /// # Errors
    /// [`BridgeError::Refused`] if not, [`BridgeError::Unavailable`] where none can be called.
    fn may_dial(&self, number: &str) -> Result<(), BridgeError>;

    /// Calls a phone into `conference`, which has somebody in it; `name` is shown of whoever picks up.
    fn dial<'a>(
        &'a self,
        conference: &'a str,
        number: &'a str,
        name: Option<&'a str>,
    ) -> Pending<'a, Result<(), BridgeError>>;

    /// A link by which `user` comes into `conference`, guests as guests: the path and query of the page.
    fn link<'a>(
        &'a self,
        conference: &'a str,
        user: &'a User,
    ) -> Pending<'a, Result<String, BridgeError>>;

    /// Users who are in `conference`; `None` when nobody is in it.
    fn present<'a>(&'a self, conference: &'a str) -> Pending<'a, Option<Vec<String>>>;

    /// Whether `key` is an API key of the server.
    fn accepts_key(&self, key: &str) -> bool;
}
