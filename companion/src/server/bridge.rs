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
    /// The engine does not do it now.
    #[error("{0}")]
    Unavailable(String),
}

/// The engine, as far as the companion needs it.
pub trait Bridge: Send + Sync + 'static {
    /// Makes a conference of this subject and gives its key.
    fn make<'a>(&'a self, subject: &'a str) -> Pending<'a, Result<String, BridgeError>>;

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
