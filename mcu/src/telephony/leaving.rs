//! How a call that ends leaves the conferences that it sits in. Knows no signalling and no media.

use tokio::sync::mpsc;

use crate::conference::{Action, Command, Notice, Seat};

/// Takes the caller off the roster, and off that of a conference into which it was moved as it went.
pub(super) async fn leave_all(seat: &Seat, notices: &mut mpsc::Receiver<Notice>) {
    leave(seat).await;
    notices.close();
    while let Some(notice) = notices.recv().await {
        if let Notice::Moved(other) = notice {
            leave(&other).await;
        }
    }
}

/// Takes the caller off the roster.
async fn leave(seat: &Seat) {
    let leave = Command::Act {
        participant: seat.participant.clone(),
        generation: seat.generation,
        action: Action::Leave,
    };
    // A focus that is gone has no roster to leave.
    let _ = seat.commands.send(leave).await;
}
