//! A WebRTC client of its own: the `webrtc` crate below, Plenum's signalling above. It speaks a tone, shows a picture that can
//! be read, and keeps what it hears and sees. Everything is bound to 127.0.0.1.

mod feed;
mod keyframes;
mod line;
mod peer;
mod picture;
mod senses;
mod session;
mod view;

pub use feed::{Feed, TONE_DBFS};
pub use line::{Line, join};
pub use peer::{Peer, Voice};
pub use picture::Mark;
pub use senses::{Glimpse, Senses, Sight, Sound};
pub use session::{Attendee, Ticket};
pub use view::{Person, View};

use std::time::{Duration, Instant};

use anyhow::Result;
use tokio::time::sleep;

/// Asks `probe` every 20 ms until it answers.
///
/// # Errors
/// When there is no answer within `limit`, with the last reason that the probe gave.
pub async fn until<T>(
    what: &str,
    limit: Duration,
    mut probe: impl FnMut() -> Result<T>,
) -> Result<T> {
    let end = Instant::now() + limit;
    loop {
        match probe() {
            Ok(answer) => return Ok(answer),
            Err(reason) if Instant::now() >= end => {
                return Err(reason.context(format!("{what}: not within {limit:?}")));
            }
            Err(_) => sleep(Duration::from_millis(20)).await,
        }
    }
}
