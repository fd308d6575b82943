//! An INVITE that takes the place of a call that stands (Replaces, RFC 3891): the call keeps its id, its owner and its media and gets another
//! far end, so that whoever is in a room stays there. Its owner is asked for an answer, as of any re-INVITE, but to somebody else.

use plenum_codecs::MediaTime;

use super::call::{Call, DialogKey, Pending, PendingKind, Phase};
use super::{SipEndpoint, Way};
use crate::call::{CallEvent, CallId, HangupReason};
use crate::sip::{Replaces, Request};

impl SipEndpoint {
    /// The call that the INVITE is to replace, if it is to replace one; `Err` is the status to refuse with (RFC 3891 section 3).
    pub(super) fn replaced(&self, request: &Request, trunk: usize) -> Result<Option<CallId>, u16> {
        let Some(Replaces {
            call_id,
            to_tag,
            from_tag,
            early_only,
        }) = request.replaces().map_err(|()| 400_u16)?
        else {
            return Ok(None);
        };
        let key = DialogKey {
            call_id,
            local_tag: to_tag,
            remote_tag: from_tag,
        };
        let Some(call) = self.dialogs.get(&key).and_then(|id| self.calls.get(id)) else {
            return Err(481);
        };
        if call.trunk != trunk {
            // What one trunk may know of another's calls is nothing.
            return Err(481);
        }
        match call.phase {
            _ if call.is_over() => Err(603),
            // An early dialog can be replaced only by who began it.
            Phase::Early => Err(481),
            Phase::Answered | Phase::Standing if early_only => Err(486),
            Phase::Answered => Err(491),
            Phase::Standing if call.pending.is_some() || call.unacked.is_some() => Err(491),
            Phase::Standing => Ok(Some(call.id)),
        }
    }

    /// Asks the call's owner what it says to the newcomer's offer. `successor` is what the call will be.
    pub(super) fn offer_place(
        &mut self,
        now: MediaTime,
        mut successor: Call,
        offer: Option<String>,
    ) {
        let id = successor.id;
        let over_tls = successor.peer.way == Way::Tls;
        let Some(mut pending) = successor.pending.take() else {
            return;
        };
        pending.kind = PendingKind::Takeover;
        pending.due = now + self.config.timing.t1 * 40; // as of a re-INVITE
        successor.phase = Phase::Answered;
        pending.successor = Some(Box::new(successor));
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.pending = Some(pending);
        self.arm_call(id);
        self.trying(now, id);
        self.tell(CallEvent::Succeeded {
            call: id,
            offer,
            over_tls,
        });
    }

    /// The owner takes the newcomer: who was there is hung up on.
    pub(super) fn take_place(&mut self, now: MediaTime, id: CallId, successor: Call) {
        // What the old far end has still to answer says nothing of the new one.
        self.clients.forget(id);
        self.send_bye(now, id, HangupReason::Normal);
        self.clients.set_aside(id);
        let key = successor.key.clone();
        if let Some(old) = self.calls.insert(id, successor) {
            self.dialogs.remove(&old.key);
            if old.sent.is_some_and(|sent| sent.is_awaited()) {
                // Whom we had sent elsewhere is not there any more.
                self.tell(CallEvent::Sent {
                    call: id,
                    status: 487,
                });
            }
        }
        self.dialogs.insert(key, id);
    }
}

impl Pending {
    /// The dialog that its answer belongs to, in a call with this one.
    pub(super) fn key<'a>(&'a self, of_call: &'a DialogKey) -> &'a DialogKey {
        self.successor
            .as_ref()
            .map_or(of_call, |successor| &successor.key)
    }
}
