//! REFER within a call (RFC 3515): its owner is told whom the far end wants called instead of itself, and the far end how far that is, by NOTIFY.
//! Places no call.

use plenum_codecs::MediaTime;

use super::call::Phase;
use super::send::named;
use super::write::{Reply, phrase};
use super::{Arrival, SipEndpoint};
use crate::call::{CallEvent, CallId, ReferId, Replacement};
use crate::sip::{Method, Request};

/// REFERs of one call: a phone and we shall not send each other round in circles.
const MOST: u8 = 5;

/// What a call has been asked for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Referral {
    /// The REFER that is under way, and its CSeq.
    running: Option<(ReferId, u32)>,
    count: u8,
}

impl SipEndpoint {
    pub(super) fn on_refer(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        id: CallId,
    ) {
        let (to, replaces) = match request.referred() {
            Ok(wanted) => wanted,
            Err(status) => return self.refuse(now, server, arrival, request, status),
        };
        let way_out = self.config.trunks.iter().any(|it| it.outbound.is_some());
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let status = match call.referral {
            _ if call.phase != Phase::Standing => 491,
            Referral {
                running: Some(_), ..
            } => 491,
            Referral { count, .. } if count >= MOST || !way_out => 603,
            _ => 202,
        };
        if status != 202 {
            return self.refuse(now, server, arrival, request, status);
        }
        self.next_refer.0 = self.next_refer.0.wrapping_add(1);
        let refer = self.next_refer;
        call.referral.running = Some((refer, request.cseq()));
        call.referral.count += 1;
        let referred_by = request.referred_by().unwrap_or_else(|| named(&call.remote));
        let reply = Reply::new(request, 202, "")
            .header("Contact", &self.contact(arrival.way, request.is_sips()));
        self.reply(now, server, arrival, 202, reply);
        self.referral(now, (id, refer), 100);
        self.tell(CallEvent::Referred {
            call: id,
            refer,
            to,
            replaces: replaces.map(|replaces| Replacement {
                replaces,
                referred_by,
            }),
        });
    }

    /// Tells who has sent this REFER how far it is; a final status is the last word. What is said of another one is said to nobody: its
    /// sender has been told the last word, or another far end has taken its place.
    pub(super) fn referral(&mut self, now: MediaTime, (id, refer): (CallId, ReferId), status: u16) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some((_, cseq)) = call.referral.running.filter(|(of, _)| *of == refer) else {
            return;
        };
        let status = status.clamp(100, 699);
        let state = if status < 200 {
            "active;expires=300"
        } else {
            call.referral.running = None;
            "terminated;reason=noresource"
        };
        // Which REFER of the dialog it is about (RFC 3515 section 2.4.6).
        let event = format!("refer;id={cseq}");
        let body = format!("SIP/2.0 {status} {}\r\n", phrase(status));
        let headers = [("Event", event.as_str()), ("Subscription-State", state)];
        let body = ("message/sipfrag;version=2.0", body.as_str());
        self.request(now, id, Method::Notify, &headers, Some(body));
    }
}
