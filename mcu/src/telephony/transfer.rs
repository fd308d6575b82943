//! A phone in a conference that wants somebody else called in its place (REFER): a call out of the conference, as if its host had keyed the
//! number, and the phone is told how far it is. Who may call whom is the focus's to say.

use plenum_dialin::{CallCommand, CallId, ReferId};
use tokio::sync::{mpsc, oneshot, watch};

use super::call::Line;
use crate::conference::{Command, DialOrder, Seat, Transfer};
use crate::signal::calls::CallState;

/// Whatever is not allowed.
const DECLINED: u16 = 603;

/// Where a call sits.
pub(super) struct Place {
    participant: String,
    focus: mpsc::Sender<Command>,
}

impl Place {
    pub(super) fn of(seat: &Seat) -> Self {
        Self {
            participant: seat.participant.clone(),
            focus: seat.commands.clone(),
        }
    }
}

/// Has `to` called, if the call sits in a conference and may.
pub(super) fn begin(line: &Line, refer: ReferId, to: String) {
    let (wish, commands) = ((line.call, refer), line.commands.clone());
    let (told, progress) = watch::channel(CallState::Calling);
    let (reply, answer) = oneshot::channel();
    let asked = line.place.as_ref().map(|place| {
        let command = Command::Transfer(Transfer::Refer {
            participant: place.participant.clone(),
            order: DialOrder::Call(to, None),
            told,
            reply,
        });
        let focus = place.focus.clone();
        async move { focus.send(command).await }
    });
    // Beside the call: it goes on meanwhile. Ends with the other call, which always ends.
    tokio::spawn(async move {
        if let Some(asked) = asked {
            // A focus that is gone drops the reply.
            let _ = asked.await;
        }
        let status = match answer.await {
            Ok(true) => follow(&commands, wish, progress).await,
            Ok(false) | Err(_) => DECLINED,
        };
        say(&commands, wish, status).await;
    });
}

async fn say(commands: &mpsc::Sender<CallCommand>, (call, refer): (CallId, ReferId), status: u16) {
    let referral = CallCommand::Referral {
        call,
        refer,
        status,
    };
    // An endpoint that is gone has nobody to tell.
    let _ = commands.send(referral).await;
}

/// Tells how far the other call is; gives what came of it.
async fn follow(
    commands: &mpsc::Sender<CallCommand>,
    wish: (CallId, ReferId),
    mut progress: watch::Receiver<CallState>,
) -> u16 {
    loop {
        let status = status_of(*progress.borrow_and_update());
        if status >= 200 {
            return status;
        }
        if status > 100 {
            say(commands, wish, status).await;
        }
        if progress.changed().await.is_err() {
            return match status_of(*progress.borrow()) {
                status if status >= 200 => status,
                _ => 487, // the conference has ended
            };
        }
    }
}

/// Who picked up is there when they are in, not before: it may be a voice mail.
const fn status_of(state: CallState) -> u16 {
    match state {
        CallState::Calling => 100,
        CallState::Ringing => 180,
        CallState::Answered => 183,
        CallState::Joined | CallState::Ended => 200,
        CallState::Busy => 486,
        CallState::NoAnswer | CallState::NotConfirmed => 480,
        CallState::Refused => 603,
        CallState::Unreachable => 404,
        CallState::Failed => 503,
        CallState::Cancelled => 487,
    }
}
