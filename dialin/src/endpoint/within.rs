//! Requests within a dialog: BYE, INFO, OPTIONS, and re-INVITE and UPDATE that change or refresh the session.

use plenum_codecs::MediaTime;

use super::call::{Pending, PendingKind, Phase, SessionTerms, SessionTimer};
use super::invite::session_headers;
use super::requests::{Body, INFO_TYPES, body_of};
use super::write::Reply;
use super::{Arrival, SipEndpoint};
use crate::call::{CallEvent, CallId, EndReason};
use crate::sip::{Method, Request};

/// Largest INFO body, bytes.
const MAX_INFO: usize = 4 * 1024;

impl SipEndpoint {
    pub(super) fn within_dialog(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: Box<Request>,
    ) {
        let found = self
            .dialog_of(&request)
            .filter(|id| self.calls.get(id).is_some_and(|call| !call.is_over()));
        // A BYE may meet ours on its way: the call that waits for its ACK still answers it.
        let found = found.or_else(|| {
            self.dialog_of(&request)
                .filter(|_| request.method == Method::Bye)
        });
        let Some(call) = found.and_then(|id| self.calls.get_mut(&id)) else {
            return self.refuse(now, server, arrival, &request, 481);
        };
        let id = call.id;
        if request.cseq() <= call.remote_cseq {
            return self.refuse(now, server, arrival, &request, 500);
        }
        call.remote_cseq = request.cseq();
        call.peer.source = arrival.source;
        if arrival.stream.is_some() {
            (call.peer.stream, call.peer.way) = (arrival.stream, arrival.way);
        }
        match request.method {
            Method::Bye => {
                self.reply(now, server, arrival, 200, Reply::new(&request, 200, ""));
                self.caller_hung_up(now, id);
            }
            Method::Invite | Method::Update => self.on_modify(now, server, arrival, request, id),
            Method::Info => self.on_info(now, server, arrival, &request, id),
            Method::Options => self.on_options(now, server, arrival, &request),
            Method::Refer => self.on_refer(now, server, arrival, &request, id),
            Method::Notify => self.on_notify(now, server, arrival, &request, id),
            _ => self.refuse(now, server, arrival, &request, 405),
        }
    }

    fn caller_hung_up(&mut self, now: MediaTime, id: CallId) {
        let pending = self.calls.get_mut(&id).and_then(|call| call.pending.take());
        if let Some(pending) = pending {
            self.refuse_pending(now, id, &pending, 487);
        }
        self.finish(id, EndReason::CallerHungUp);
    }

    fn on_info(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        id: CallId,
    ) {
        let body = request.body();
        if body.is_empty() {
            return self.reply(now, server, arrival, 200, Reply::new(request, 200, ""));
        }
        let content_type = request.content_type().unwrap_or_default();
        if !INFO_TYPES.contains(&content_type.as_str()) || request.is_encoded() {
            return self.refuse(now, server, arrival, request, 415);
        }
        if body.len() > MAX_INFO {
            return self.refuse(now, server, arrival, request, 413);
        }
        self.reply(now, server, arrival, 200, Reply::new(request, 200, ""));
        self.tell(CallEvent::Info {
            call: id,
            content_type,
            body: body.to_vec(),
        });
    }

    /// A re-INVITE or UPDATE.
    fn on_modify(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: Box<Request>,
        id: CallId,
    ) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let invite = request.method == Method::Invite;
        let body = body_of(&request);
        if let Body::Refused(status) = body {
            return self.refuse(now, server, arrival, &request, status);
        }
        let offers = matches!(body, Body::Sdp(_));
        if (invite || offers) && call.pending.is_some() {
            return self.refuse(now, server, arrival, &request, 500);
        }
        if (invite || offers)
            && call
                .unacked
                .as_ref()
                .is_some_and(|unacked| invite || unacked.we_offered)
        {
            return self.refuse(now, server, arrival, &request, 491);
        }
        let session = match self.session_terms(&request) {
            Ok(session) => session,
            Err(status) => return self.refuse(now, server, arrival, &request, status),
        };
        let contact = request.contact();
        if invite && contact.is_none() {
            return self.refuse(now, server, arrival, &request, 400);
        }
        let due = now + self.config.timing.t1 * 40; // within the peer's 64·T1
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Some(target) = contact {
            call.target = target; // target refresh (RFC 3261 section 12.2.2)
        }
        let kind = if invite {
            PendingKind::Reinvite
        } else {
            PendingKind::Update
        };
        let pending = Pending {
            kind,
            server,
            request,
            arrival,
            we_offer: !offers,
            due,
            session,
            successor: None,
        };
        let event = match body {
            Body::Sdp(offer) => CallEvent::Offered { call: id, offer },
            _ if invite => CallEvent::OfferWanted { call: id },
            _ => return self.refreshed(now, id, &pending),
        };
        call.pending = Some(pending);
        self.arm_call(id);
        if invite {
            self.trying(now, id);
        }
        self.tell(event);
    }

    /// An UPDATE without SDP: nothing but a refresh of session timer and target.
    fn refreshed(&mut self, now: MediaTime, id: CallId, pending: &Pending) {
        let mut reply = Reply::new(&pending.request, 200, "").header(
            "Contact",
            &self.contact(pending.arrival.way, pending.request.is_sips()),
        );
        for (name, value) in session_headers(pending.session) {
            reply = reply.header(name, &value);
        }
        self.reply(now, pending.server, pending.arrival, 200, reply);
        self.start_session(now, id, pending.session);
    }

    /// (Re)starts or stops the session timer as just agreed.
    pub(super) fn start_session(
        &mut self,
        now: MediaTime,
        id: CallId,
        terms: Option<SessionTerms>,
    ) {
        let liveness = self.config.liveness;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.session = terms.map(|terms| SessionTimer::start(now, terms));
        call.probe = (terms.is_none() && call.phase == Phase::Standing).then(|| now + liveness);
        self.arm_call(id);
    }
}
