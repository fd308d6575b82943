//! One call out of a conference from its order to its end: placed, rung, taken, asked to press 1, in. Tells the focus how far it is.

use std::sync::Arc;

use plenum_dialin::trunk::Transport;
use plenum_dialin::{CallCommand, CallEvent, EndReason as SipEnd, HangupReason, Route};
use tokio::sync::{mpsc, oneshot};

use super::answer::Negotiation;
use super::call::{self, End, Leg, Line, Stay};
use super::{invitation, leaving};
use crate::auth::Role;
use crate::conference::{Command, Conferences, Link, Newcomer, Outcall};
use crate::config::TrunkConfig;
use crate::signal::calls::CallState;
use crate::signal::protocol::Kind;
use crate::stop;

/// What became of it, and how it is carried out.
type Outcome = (CallState, End);

const GONE: End = End::HangUp(HangupReason::Normal);

/// A call that cannot be begun.
pub(super) fn refuse(conferences: &Conferences, outcall: Outcall) {
    let metrics = conferences.around().metrics.dial_out.clone();
    tokio::spawn(async move {
        let state = CallState::Failed;
        metrics.with_label_values(&[state.as_str()]).inc();
        tell(&outcall, state).await;
    });
}

async fn tell(outcall: &Outcall, state: CallState) {
    let call = outcall.call.clone();
    if let Some(focus) = outcall.focus.upgrade() {
        // A focus that is gone shows nobody.
        let _ = focus.send(Command::Called { call, state }).await;
    }
}

/// Runs the call to its end and leaves nothing behind.
pub(super) async fn run(mut line: Line, mut outcall: Outcall, trunks: Vec<Arc<TrunkConfig>>) {
    tracing::info!(call = %line.call, trunks = trunks.len(), "call is placed");
    let (state, end) = match place(&mut line, &mut outcall, trunks).await {
        Err(outcome) => outcome,
        Ok((mut negotiation, mut leg)) => {
            let outcome = bring_in(&mut line, &mut negotiation, &mut leg, &mut outcall).await;
            call::clean_up(&line.conferences, &mut leg).await;
            outcome
        }
    };
    call::finish(&line, end).await;
    let metrics = &line.conferences.around().metrics.dial_out;
    metrics.with_label_values(&[state.as_str()]).inc();
    tell(&outcall, state).await;
}

/// Until it is taken, and its leg is in a room of its own.
async fn place(
    line: &mut Line,
    outcall: &mut Outcall,
    trunks: Vec<Arc<TrunkConfig>>,
) -> Result<(Negotiation, Leg), Outcome> {
    let media = line.conferences.around().media.clone();
    let failed = |end| (CallState::Failed, end);
    let sockets = media.bind_rtp().map_err(|error| {
        tracing::warn!(call = %line.call, %error, "no rtp sockets");
        failed(GONE)
    })?;
    let mut ways = Vec::new();
    let mut routes = Vec::new();
    for trunk in trunks {
        let proxy = trunk.outbound.as_ref().map(|outbound| &outbound.proxy);
        let over_tls = proxy.is_some_and(|proxy| proxy.transport == Some(Transport::Tls));
        let ours = (sockets.local, media.fingerprint().clone());
        let mut negotiation = Negotiation::new(line.call, ours, &trunk, over_tls);
        let sdp = negotiation.offer().map_err(|_| failed(GONE))?;
        routes.push(Route {
            trunk: trunk.name.clone(),
            number: outcall.number.clone(),
            sdp,
        });
        ways.push((trunk, negotiation));
    }
    line.command(CallCommand::Dial {
        call: line.call,
        routes,
        ring: outcall.ring,
        replaces: outcall.replacing.as_ref().map(|it| it.replacement.clone()),
    })
    .await;
    let (route, answer) = ring(line, outcall).await?;
    if route >= ways.len() {
        return Err(failed(End::HangUp(HangupReason::InternalError)));
    }
    let (trunk, mut negotiation) = ways.swap_remove(route);
    line.trunk = trunk;
    if let Err(error) = negotiation.accept(&answer) {
        tracing::info!(call = %line.call, %error, "answer to a call of ours is of no use");
        return Err(failed(GONE));
    }
    let leg = call::take_seat(line, &mut negotiation, sockets).await;
    Ok((negotiation, leg.map_err(failed)?))
}

/// Until somebody picks up.
async fn ring(line: &mut Line, outcall: &mut Outcall) -> Result<(usize, String), Outcome> {
    let mut rings = false;
    loop {
        let event = tokio::select! {
            event = line.events.recv() => event,
            () = cancelled(&mut outcall.cancel) => return Err((CallState::Cancelled, GONE)),
            () = stop::requested(&mut line.stop) => {
                return Err((CallState::Failed, End::HangUp(HangupReason::ServerStopping)));
            }
        };
        match event {
            Some(CallEvent::Ringing { .. }) if !rings => {
                rings = true;
                tell(outcall, CallState::Ringing).await;
            }
            Some(CallEvent::Answered { route, answer, .. }) => return Ok((route, answer)),
            Some(CallEvent::Ended { reason, .. }) => {
                return Err((state_of(reason), End::Sip(reason)));
            }
            Some(_) => {}
            None => return Err((CallState::Failed, End::HangUp(HangupReason::InternalError))),
        }
    }
}

/// What a call that nobody took has come to.
const fn state_of(reason: SipEnd) -> CallState {
    match reason {
        SipEnd::RangOut | SipEnd::Rejected(480 | 487) => CallState::NoAnswer,
        SipEnd::Rejected(486 | 600) => CallState::Busy,
        SipEnd::Rejected(403 | 603 | 607 | 608) => CallState::Refused,
        SipEnd::Rejected(404 | 410 | 484 | 485 | 604) => CallState::Unreachable,
        _ => CallState::Failed,
    }
}

/// Resolves when the call is wanted no more.
async fn cancelled(cancel: &mut oneshot::Receiver<()>) {
    // Said, or the focus is gone: both mean it.
    let _ = cancel.await;
}

/// Asks whoever picked up whether they come, and sees them through the conference.
async fn bring_in(
    line: &mut Line,
    negotiation: &mut Negotiation,
    leg: &mut Leg,
    outcall: &mut Outcall,
) -> Outcome {
    tell(outcall, CallState::Answered).await;
    if outcall.confirm {
        let asked = tokio::select! {
            asked = invitation::accepted(line, negotiation, leg) => asked,
            () = cancelled(&mut outcall.cancel) => return (CallState::Cancelled, GONE),
        };
        match asked {
            Ok(true) => {}
            Ok(false) => return (CallState::NotConfirmed, GONE),
            Err(end) => return (CallState::NotConfirmed, end),
        }
    }
    let (link, mut ended) = mpsc::channel(4);
    let newcomer = Newcomer {
        name: outcall.name.clone(),
        kind: Kind::Phone,
        role: Role::Guest,
        user: None,
        link: Link::Call(link),
        leg: Some(leg.leg),
        spoken: None,
        language: line.language,
        invited: true,
    };
    let mut seat = match line.conferences.join(&outcall.record, newcomer).await {
        Ok(seat) => seat,
        Err(refusal) => {
            tracing::info!(call = %line.call, ?refusal, "who was called is not let in");
            return (CallState::Failed, GONE);
        }
    };
    call::close_room(&line.conferences, leg).await;
    tell(outcall, CallState::Joined).await;
    // In another conference the one that called it has no say any more.
    let mut moved = false;
    let end = loop {
        let stay = tokio::select! {
            // Moved away it hears of that before the conference that it left may end.
            biased;
            stay = call::confer(line, negotiation, leg, &seat, &mut ended) => stay,
            () = cancelled(&mut outcall.cancel), if !moved => break GONE,
        };
        match stay {
            Stay::Over(end) => break end,
            Stay::Moved(other) => {
                moved = true;
                seat = *other;
            }
        }
    };
    leaving::leave_all(&seat, &mut ended).await;
    (CallState::Ended, end)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn statuses_are_told_in_words_that_people_know() {
        for (status, state) in [
            (486, CallState::Busy),
            (600, CallState::Busy),
            (480, CallState::NoAnswer),
            (603, CallState::Refused),
            (404, CallState::Unreachable),
            (503, CallState::Failed),
            (408, CallState::Failed),
        ] {
            assert_eq!(state_of(SipEnd::Rejected(status)), state, "{status}");
        }
        assert_eq!(state_of(SipEnd::RangOut), CallState::NoAnswer);
    }
}
