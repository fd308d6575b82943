//! Transfers (REFER). A phone in a conference wants somebody else called in its place: a call out of the conference, as if its host had keyed
//! the number, and the phone is told how far it is. Or the phone itself is sent elsewhere, and tells. Who may call whom is the focus's to say.

use plenum_dialin::{CallCommand, CallId, ReferId, Replacement};
use tokio::sync::{mpsc, oneshot, watch};

use super::call::Line;
use crate::conference::{Command, DialOrder, Replacing, Seat, Sendoff, Transfer};
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
pub(super) fn begin(line: &Line, refer: ReferId, to: String, replaces: Option<Replacement>) {
    let (wish, commands) = ((line.call, refer), line.commands.clone());
    let (told, progress) = watch::channel(CallState::Calling);
    let (reply, answer) = oneshot::channel();
    let order = match replaces {
        None => DialOrder::Call(to, None),
        Some(replacement) => {
            let trunk = line.trunk.name.clone();
            DialOrder::Replace(to, Replacing { replacement, trunk })
        }
    };
    let asked = line.place.as_ref().map(|place| {
        let command = Command::Transfer(Transfer::Refer {
            participant: place.participant.clone(),
            order,
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
        CallState::Joined | CallState::Ended | CallState::Transferred => 200,
        CallState::Busy => 486,
        CallState::NoAnswer | CallState::NotConfirmed => 480,
        CallState::Refused => 603,
        CallState::Unreachable => 404,
        CallState::Failed => 503,
        CallState::Cancelled => 487,
    }
}

/// Sends the phone elsewhere, if its trunk leads there.
pub(super) async fn send(line: &mut Line, mut sendoff: Sendoff) {
    if line.sendoff.is_some() {
        return sendoff.tell(CallState::Failed).await;
    }
    let outbound = line.trunk.outbound.as_ref();
    if !outbound.is_some_and(|outbound| outbound.takes(&sendoff.number)) {
        return sendoff.tell(CallState::Refused).await;
    }
    let refer = CallCommand::Refer {
        call: line.call,
        number: sendoff.number.clone(),
        at: sendoff.at.clone(),
    };
    line.sendoff = Some(sendoff);
    line.command(refer).await;
}

/// What the phone tells of it; `true` when the other has answered, and the call with us is of no more use.
pub(super) async fn heard(line: &mut Line, status: u16) -> bool {
    let state = state_of(status);
    // Without one it was given up, and has come to something after all.
    if let Some(sendoff) = line.sendoff.as_mut() {
        sendoff.tell(state).await;
        if state.is_over() {
            line.sendoff = None;
        }
    }
    state == CallState::Transferred
}

/// What has come of it, in words that people know.
const fn state_of(status: u16) -> CallState {
    match status {
        ..180 => CallState::Calling,
        180..200 => CallState::Ringing,
        200..300 => CallState::Transferred,
        408 | 480 | 487 => CallState::NoAnswer,
        486 | 600 => CallState::Busy,
        403 | 405 | 501 | 603 | 607 | 608 => CallState::Refused,
        404 | 410 | 484 | 485 | 604 => CallState::Unreachable,
        _ => CallState::Failed,
    }
}
