//! What comes from callers: every request, checked in the order of RFC 3261 section 8.2, then given to its
//! dialog or made into a new call.

use std::net::IpAddr;

use plenum_codecs::MediaTime;

use super::call::{DialogKey, PendingKind, Phase};
use super::transactions::Acknowledged;
use super::write::{ALLOW, Reply};
use super::{Arrival, SipEndpoint, Way};
use crate::call::{CallEvent, CallId, EndReason};
use crate::sip::{Key, Method, Request};

/// Option tags that Require may name.
pub(super) const SUPPORTED: &[&str] = &["timer", "100rel", "replaces"];

/// INFO bodies that are understood.
pub(super) const INFO_TYPES: [&str; 3] = [
    "application/dtmf-relay",
    "application/dtmf",
    crate::info::MEDIA_CONTROL,
];

/// What came of looking at the body of an INVITE or UPDATE.
pub(super) enum Body {
    None,
    Sdp(String),
    Refused(u16),
}

impl SipEndpoint {
    /// The trunk that a source address belongs to: by configuration, else by name.
    pub(super) fn trunk_of(&self, source: IpAddr) -> Option<usize> {
        let mut trunks = self.config.trunks.iter();
        trunks
            .position(|trunk| trunk.sources.iter().any(|range| range.contains(source)))
            .or_else(|| self.located_at(source))
    }

    pub(super) fn on_request(&mut self, now: MediaTime, arrival: Arrival, request: Box<Request>) {
        self.counters.requests += 1;
        let source = arrival.source.ip();
        let trunk = self
            .trunk_of(source)
            .or_else(|| self.vouched(source, &request));
        let Some(trunk) = trunk else {
            self.counters.untrusted += 1;
            return self.refuse_stateless(now, arrival, &request, 403);
        };
        let Some(key) = request.key() else {
            self.counters.malformed += 1;
            return;
        };
        if request.method == Method::Ack {
            return self.on_ack(now, &key, &request);
        }
        if let Some(id) = self.servers.find(&key) {
            return self.absorb(id);
        }
        let merge = (request.to_tag().is_none() && request.method != Method::Cancel).then(|| {
            (
                request.call_id(),
                request.remote_tag().unwrap_or_default(),
                request.cseq(),
                request.method,
            )
        });
        let merged = merge
            .as_ref()
            .is_some_and(|merge| self.servers.is_merged(merge));
        let Some(server) = self.begin(arrival, &request, merge.filter(|_| !merged)) else {
            self.counters.overload += 1;
            return self.refuse_stateless(now, arrival, &request, 503);
        };
        if let Some((status, why)) = self.check(&request, arrival.way) {
            tracing::debug!(status, why, "request refused");
            if status == 400 {
                self.counters.malformed += 1;
            }
            return self.refuse(now, server, arrival, &request, status);
        }
        if request.method == Method::Cancel {
            return self.on_cancel(now, server, arrival, &request);
        }
        if merged {
            return self.refuse(now, server, arrival, &request, 482);
        }
        if request.to_tag().is_some() {
            return self.within_dialog(now, server, arrival, request);
        }
        match request.method {
            Method::Invite => self.on_invite(now, server, arrival, request, trunk),
            Method::Options => self.on_options(now, server, arrival, &request),
            _ => self.refuse(now, server, arrival, &request, 481),
        }
    }

    /// Checks that hold for every method but ACK; gives the status to refuse with and why.
    fn check(&self, request: &Request, way: Way) -> Option<(u16, &'static str)> {
        if let Some(fault) = request.fault() {
            return Some(fault);
        }
        if request.body().len() > self.config.limits.message {
            return Some((513, "size"));
        }
        if request.remote_tag().is_none() {
            return Some((400, "From tag"));
        }
        match request.method {
            Method::Unknown => return Some((501, "method")),
            Method::Unsupported | Method::Register | Method::Prack => {
                return Some((405, "method"));
            }
            _ => {}
        }
        if !request.has_served_scheme(way == Way::Tls) {
            return Some((416, "scheme"));
        }
        if request.method != Method::Cancel && !request.unsupported(SUPPORTED).is_empty() {
            return Some((420, "Require"));
        }
        None
    }

    pub(super) fn on_options(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
    ) {
        let tag = self
            .tags
            .derived(&request.call_id(), request.remote_tag().as_deref());
        let reply = Reply::new(request, 200, &tag)
            .header("Contact", &self.contact(arrival.way, request.is_sips()))
            .header("Allow", ALLOW)
            .header("Accept", "application/sdp")
            .header("Accept-Encoding", "identity")
            .header("Accept-Language", "en")
            .header("Supported", "timer, replaces");
        self.reply(now, server, arrival, 200, reply);
    }

    fn on_cancel(&mut self, now: MediaTime, server: u64, arrival: Arrival, request: &Request) {
        let Some(invite) = request
            .cancelled_key()
            .and_then(|key| self.servers.find(&key))
        else {
            return self.refuse(now, server, arrival, request, 481);
        };
        let call = self.calls.values_mut().find(|call| {
            call.pending
                .as_ref()
                .is_some_and(|pending| pending.server == invite)
        });
        let Some(call) = call else {
            // Answered already: the CANCEL came too late and changes nothing (RFC 3261 section 9.2).
            let tag = self
                .tags
                .derived(&request.call_id(), request.remote_tag().as_deref());
            return self.reply(now, server, arrival, 200, Reply::new(request, 200, &tag));
        };
        let id = call.id;
        let key = call.pending.as_ref().map(|it| it.key(&call.key));
        let tag = key.unwrap_or(&call.key).local_tag.clone();
        let tag = String::from_utf8_lossy(&tag).into_owned();
        let pending = call.pending.take();
        self.reply(now, server, arrival, 200, Reply::new(request, 200, &tag));
        if let Some(pending) = pending {
            self.refuse_tagged(
                now,
                pending.server,
                pending.arrival,
                &pending.request,
                487,
                &tag,
            );
            if pending.kind == PendingKind::Initial {
                self.finish(id, EndReason::Cancelled);
            }
        }
    }

    fn on_ack(&mut self, now: MediaTime, key: &Key, request: &Request) {
        if let Some(server) = self.servers.find(key)
            && self.acknowledge(now, server) == Acknowledged::Refusal
        {
            return;
        }
        let Some(call) = self
            .dialog_of(request)
            .and_then(|id| self.calls.get_mut(&id))
        else {
            return;
        };
        let fits = call
            .unacked
            .as_ref()
            .is_some_and(|unacked| unacked.cseq == request.cseq());
        let Some(unacked) = call.unacked.take_if(|_| fits) else {
            return;
        };
        let id = call.id;
        let initial = call.phase == Phase::Answered;
        call.phase = Phase::Standing;
        if call.session.is_none() {
            call.probe = Some(now + self.config.liveness);
        }
        if let Some(reason) = call.farewell {
            return self.say_bye(now, id, reason);
        }
        self.arm_call(id);
        if unacked.we_offered {
            match body_of(request) {
                Body::Sdp(answer) => self.tell(CallEvent::AnswerIn { call: id, answer }),
                _ if initial => return self.abandon(now, id, EndReason::PeerFault),
                _ => {}
            }
        }
        if initial {
            self.tell(CallEvent::Confirmed { call: id });
        }
    }

    /// The trunk of a call that stands, for what comes from where it came from: its name may lead elsewhere by now.
    fn vouched(&self, source: IpAddr, request: &Request) -> Option<usize> {
        let call = self.calls.get(&self.dialog_of(request)?)?;
        (call.peer.source.ip() == source).then_some(call.trunk)
    }

    pub(super) fn dialog_of(&self, request: &Request) -> Option<CallId> {
        let key = DialogKey {
            call_id: request.call_id(),
            local_tag: request.to_tag()?,
            remote_tag: request.remote_tag().unwrap_or_default(),
        };
        self.dialogs.get(&key).copied()
    }
}

/// The SDP of a request, if that is what its body is.
pub(super) fn body_of(request: &Request) -> Body {
    if request.body().is_empty() {
        return Body::None;
    }
    if request.is_encoded() || request.content_type().as_deref() != Some("application/sdp") {
        return Body::Refused(415);
    }
    std::str::from_utf8(request.body())
        .map_or(Body::Refused(400), |text| Body::Sdp(text.to_owned()))
}
