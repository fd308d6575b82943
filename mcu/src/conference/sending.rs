//! Phones that are sent elsewhere: by whose word, and where to. The phone itself calls there; its call stays here until it says that the other
//! has answered.

use std::fmt;
use std::time::Duration;

use plenum_dialin::attendant::PromptKey;
use plenum_dialin::trunk::Proxy;
use prometheus::IntCounterVec;
use tokio::sync::{OwnedSemaphorePermit, mpsc};

use super::dialling::Sent;
use super::focus::Focus;
use super::order::Denied;
use super::roster::Participant;
use super::seat::{Command, Link, Notice};
use crate::signal::calls::CallState;
use crate::signal::protocol::Kind;

/// What a call is to send its phone to. Whoever drops it before it is over says so.
pub(crate) struct Sendoff {
    call: String,
    /// As [`super::Dialler::number`] gave it.
    pub(crate) number: String,
    /// Where the number is, if that was said.
    pub(crate) at: Option<Proxy>,
    focus: mpsc::WeakSender<Command>,
    results: IntCounterVec,
    over: bool,
    #[expect(
        dead_code,
        reason = "counts among the node's calls for as long as it lives"
    )]
    permit: OwnedSemaphorePermit,
}

impl fmt::Debug for Sendoff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Sendoff(redacted)")
    }
}

impl Sendoff {
    /// It is so far.
    pub(crate) async fn tell(&mut self, state: CallState) {
        let call = self.call.clone();
        if let Some(focus) = self.focus.upgrade() {
            // A focus that is gone shows nobody.
            let _ = focus.send(Command::Called { call, state }).await;
        }
        // Not before: whoever is waited for here may be given up, and dropping says it then.
        if state.is_over() && !std::mem::replace(&mut self.over, true) {
            self.results.with_label_values(&[state.as_str()]).inc();
        }
    }
}

impl Drop for Sendoff {
    fn drop(&mut self) {
        if self.over {
            return;
        }
        let state = CallState::Ended;
        self.results.with_label_values(&[state.as_str()]).inc();
        let (call, focus) = (std::mem::take(&mut self.call), self.focus.clone());
        // At the process's end there is nothing to run it, and nobody to tell.
        if let Ok(runtime) = tokio::runtime::Handle::try_current() {
            runtime.spawn(async move {
                if let Some(focus) = focus.upgrade() {
                    // As above.
                    let _ = focus.send(Command::Called { call, state }).await;
                }
            });
        }
    }
}

impl Focus {
    /// Sends the phone of `participant` to `to`, a number or the `sip:` address of one; gives the call by which hosts see what comes of it.
    pub(super) fn send_away(&mut self, participant: &str, to: &str) -> Result<String, Denied> {
        let person = self.roster.get(participant).ok_or(Denied::Nobody)?;
        let leg = person.phone_leg();
        let link = call_of(person)?.clone();
        let name = person.name.clone();
        if self.dialling.sends(participant) {
            return Err(Denied::Unavailable("They are being transferred already."));
        }
        let (number, at) = self.dialler()?.target(to)?;
        let permit = self.permit_call()?;
        let sent = Sent {
            participant: participant.to_owned(),
            name,
        };
        let sendoff = Sendoff {
            call: self.list_call(&number, sent),
            number,
            at,
            focus: self.commands.clone(),
            results: self.around.metrics.transfers.clone(),
            over: false,
            permit,
        };
        let call = sendoff.call.clone();
        let pause = leg.map_or(Duration::ZERO, |leg| self.forewarn(leg));
        tokio::spawn(async move {
            tokio::time::sleep(pause).await;
            // A call that is gone drops it, which tells.
            let _ = link.send(Notice::SendAway(sendoff)).await;
        });
        self.show_calls();
        Ok(call)
    }

    /// A phone could not be sent elsewhere, or has not come there: it hears that it is back.
    pub(super) fn came_back(&mut self, participant: &str) {
        let leg = self.roster.get(participant);
        if let Some(leg) = leg.and_then(Participant::phone_leg) {
            self.say(leg, PromptKey::Returned);
        }
    }
}

/// The way to the call of somebody's phone.
fn call_of(person: &Participant) -> Result<&mpsc::Sender<Notice>, Denied> {
    let link = match &person.handset {
        Some(handset) => &handset.link,
        None if person.kind == Kind::Phone => &person.link,
        None => return Err(Denied::Forbidden("Only phones can be transferred.")),
    };
    match link {
        Link::Call(call) => Ok(call),
        _ => Err(Denied::Unavailable("They are being moved already.")),
    }
}
