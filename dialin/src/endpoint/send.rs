//! REFER of ours (RFC 3515): the far end is asked to call somebody else in our place, and tells by NOTIFY how far that is. Whatever comes of
//! it, the call stands: its owner ends it.

use std::time::Duration;

use plenum_codecs::MediaTime;

use super::call::Phase;
use super::write::Reply;
use super::{Arrival, SipEndpoint};
use crate::call::{CallEvent, CallId};
use crate::sip::{self, Method, Request};
use crate::trunk::Proxy;

/// The far end rings the other for so long at most; later only that it has got there is of interest.
const PATIENCE: Duration = Duration::from_secs(180);
/// Largest NOTIFY body, bytes.
const MAX_FRAGMENT: usize = 4 * 1024;
/// Nothing was heard, or not what came of it.
const UNKNOWN: u16 = 408;

/// A REFER of ours whose outcome is not known.
#[derive(Clone, Copy, Debug)]
pub(super) struct Sent {
    /// Of the first attempt: challenged, it goes out again with a higher one.
    cseq: u32,
    /// The far end has told something of it.
    taken: bool,
    rings: bool,
    /// `None`: its owner knows that it has come to nothing, and is told still if it has come to something after all.
    pub(super) due: Option<MediaTime>,
}

impl Sent {
    pub(super) const fn is_awaited(&self) -> bool {
        self.due.is_some()
    }
}

impl SipEndpoint {
    /// Asks the far end to call `number`.
    pub(super) fn refer(&mut self, now: MediaTime, id: CallId, number: &str, at: Option<&Proxy>) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        if call.phase != Phase::Standing || call.sent.is_some_and(|sent| sent.is_awaited()) {
            return self.tell(CallEvent::Sent {
                call: id,
                status: 491,
            });
        }
        let trunk = self.config.trunks.get(call.trunk);
        let target = trunk
            .and_then(|trunk| trunk.outbound.as_ref())
            .and_then(|outbound| outbound.target(number, at));
        let Some(target) = target else {
            return self.tell(CallEvent::Sent {
                call: id,
                status: 603,
            });
        };
        let referred_by = named(&call.local);
        let (to, headers) = (format!("<{target}>"), "Referred-By");
        let headers = [("Refer-To", to.as_str()), (headers, referred_by.as_str())];
        let cseq = call.local_cseq.saturating_add(1);
        self.request(now, id, Method::Refer, &headers, None);
        if let Some(call) = self.calls.get_mut(&id) {
            call.sent = Some(Sent {
                cseq,
                taken: false,
                rings: false,
                due: Some(now + PATIENCE),
            });
        }
        self.arm_call(id);
    }

    /// The REFER with this CSeq was answered; 408 stands for no answer.
    pub(super) fn refer_answered(&mut self, id: CallId, cseq: u32, status: u16) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(sent) = call
            .sent
            .filter(|sent| sent.is_awaited() && sent.cseq <= cseq)
        else {
            return;
        };
        // Accepted, the rest comes by NOTIFY, and may have come already.
        if (200..300).contains(&status) || (status == UNKNOWN && sent.taken) {
            return;
        }
        call.sent = (status == UNKNOWN).then_some(Sent { due: None, ..sent });
        self.arm_call(id);
        self.tell(CallEvent::Sent { call: id, status });
    }

    pub(super) fn on_notify(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        id: CallId,
    ) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let news = match (request.refer_event(), call.sent) {
            (Err(status), _) => Err(status),
            (Ok(Some(of)), Some(sent)) if of < sent.cseq => Err(481),
            (Ok(_), None) => Err(481),
            (Ok(_), Some(_)) if request.body().len() > MAX_FRAGMENT => Err(413),
            (Ok(_), Some(_)) => request.fragment(),
        };
        let status = match news {
            Ok(status) => status,
            Err(status) => return self.refuse(now, server, arrival, request, status),
        };
        let (awaited, rings) = call
            .sent
            .map_or((false, false), |sent| (sent.is_awaited(), sent.rings));
        let told = match status {
            200..300 => Some(status),
            _ if !awaited => None,
            300.. => Some(status),
            _ if request.ends_subscription() => Some(UNKNOWN),
            180..200 if !rings => Some(180),
            _ => None,
        };
        match (told, call.sent.as_mut()) {
            (Some(UNKNOWN), Some(sent)) => sent.due = None,
            (Some(200..), _) => call.sent = None,
            (_, Some(sent)) => {
                sent.taken = true;
                sent.rings |= told.is_some();
            }
            (_, None) => {}
        }
        self.arm_call(id);
        self.reply(now, server, arrival, 200, Reply::new(request, 200, ""));
        if let Some(status) = told {
            self.tell(CallEvent::Sent { call: id, status });
        }
    }
}

/// A From or To of ours without its tag: whom it names.
pub(super) fn named(row: &str) -> String {
    sip::address_of(row).unwrap_or_else(|| "<sip:anonymous@anonymous.invalid>".to_owned())
}
