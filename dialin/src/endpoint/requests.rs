//! What comes from callers: every request, checked in the order of RFC 3261 section 8.2, then given to its
//! dialog or made into a new call.

use std::net::IpAddr;

use plenum_codecs::MediaTime;

use super::call::{Call, DialogKey, Peer, Pending, PendingKind, Phase, SessionTerms};
use super::transactions::Acknowledged;
use super::write::{ALLOW, Reply};
use super::{Arrival, SipEndpoint, Way, Wire};
use crate::call::{CallEvent, CallId, EndReason};
use crate::sip::{Authentication, Key, Method, Request};

/// Option tags that Require may name.
const SUPPORTED: &[&str] = &["timer"];

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
    /// The trunk that a source address belongs to.
    pub(super) fn trunk_of(&self, source: IpAddr) -> Option<usize> {
        self.config
            .trunks
            .iter()
            .position(|trunk| trunk.sources.iter().any(|range| range.contains(source)))
    }

    pub(super) fn on_request(&mut self, now: MediaTime, arrival: Arrival, request: Box<Request>) {
        self.counters.requests += 1;
        let Some(trunk) = self.trunk_of(arrival.source.ip()) else {
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
            Method::Unsupported => return Some((405, "method")),
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

    /// Answers with a failure and what RFC 3261 wants to stand beside it.
    pub(super) fn refuse(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        status: u16,
    ) {
        let tag = self
            .tags
            .derived(&request.call_id(), request.remote_tag().as_deref());
        self.refuse_tagged(now, server, arrival, request, status, &tag);
    }

    pub(super) fn refuse_tagged(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        status: u16,
        tag: &str,
    ) {
        let mut reply = Reply::new(request, status, tag);
        match status {
            405 | 501 => reply = reply.header("Allow", ALLOW),
            415 => {
                let accept = if request.method == Method::Info {
                    INFO_TYPES.join(", ")
                } else {
                    "application/sdp".into()
                };
                reply = reply
                    .header("Accept", &accept)
                    .header("Accept-Encoding", "identity");
            }
            420 => reply = reply.header("Unsupported", &request.unsupported(SUPPORTED).join(", ")),
            422 => {
                reply = reply.header("Min-SE", &self.config.session_minimum.as_secs().to_string())
            }
            500 => reply = reply.header("Retry-After", &(1 + request.cseq() % 10).to_string()),
            503 => reply = reply.header("Retry-After", "5"),
            _ => {}
        }
        self.reply(now, server, arrival, status, reply);
    }

    /// Sends a finished reply through its transaction.
    pub(super) fn reply(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        status: u16,
        reply: Reply<'_>,
    ) {
        if let Some((bytes, _)) = reply.write(arrival.source, &self.config.server) {
            self.answer(now, server, status, bytes);
        }
    }

    /// Refuses without remembering anything, at a bounded rate.
    pub(super) fn refuse_stateless(
        &mut self,
        now: MediaTime,
        arrival: Arrival,
        request: &Request,
        status: u16,
    ) {
        if request.method == Method::Ack {
            return;
        }
        let second = now.as_millis() / 1_000;
        if self.refusals.1 != second {
            self.refusals = (self.config.limits.refusals_per_second, second);
        }
        if self.refusals.0 == 0 {
            self.counters.overload += 1;
            return;
        }
        self.refusals.0 -= 1;
        let tag = self
            .tags
            .derived(&request.call_id(), request.remote_tag().as_deref());
        let mut reply = Reply::new(request, status, &tag);
        if status == 503 {
            reply = reply.header("Retry-After", "5");
        }
        if let Some((bytes, to)) = reply.write(arrival.source, &self.config.server) {
            self.send(arrival.stream.map_or(Wire::Udp(to), Wire::Tcp), bytes);
        }
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
            .header("Supported", "timer");
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
        let tag = String::from_utf8_lossy(&call.key.local_tag).into_owned();
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

    pub(super) fn dialog_of(&self, request: &Request) -> Option<CallId> {
        let key = DialogKey {
            call_id: request.call_id(),
            local_tag: request.to_tag()?,
            remote_tag: request.remote_tag().unwrap_or_default(),
        };
        self.dialogs.get(&key).copied()
    }

    /// What to challenge with, when the trunk asks for digest and the request does not satisfy it.
    fn challenges(
        &mut self,
        now: MediaTime,
        trunk: usize,
        request: &Request,
    ) -> Option<[String; 2]> {
        let guard = self.guards.get_mut(trunk)?.as_mut()?;
        match guard.check(now, request) {
            Authentication::Passed => None,
            Authentication::Challenge { stale } => Some(guard.challenges(now, stale)),
        }
    }

    fn on_invite(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: Box<Request>,
        trunk: usize,
    ) {
        if let Some(challenges) = self.challenges(now, trunk, &request) {
            self.counters.unauthenticated += 1;
            if let Some(meter) = self.meters.get_mut(trunk) {
                meter.counters.unauthenticated += 1;
            }
            let tag = self
                .tags
                .derived(&request.call_id(), request.remote_tag().as_deref());
            let reply = challenges
                .iter()
                .fold(Reply::new(&request, 401, &tag), |reply, value| {
                    reply.header("WWW-Authenticate", value)
                });
            return self.reply(now, server, arrival, 401, reply);
        }
        let offer = match body_of(&request) {
            Body::None => None,
            Body::Sdp(sdp) => Some(sdp),
            Body::Refused(status) => return self.refuse(now, server, arrival, &request, status),
        };
        let (Some(target), Some(mut routes)) = (request.contact(), request.record_routes()) else {
            return self.refuse(now, server, arrival, &request, 400);
        };
        let session = match self.session_terms(&request) {
            Ok(session) => session,
            Err(status) => return self.refuse(now, server, arrival, &request, status),
        };
        if self.is_turned_away(now, server, arrival, &request, trunk) {
            return;
        }
        // The order of the UAS's route set is that of the message (RFC 3261 section 12.1.1).
        routes.truncate(16);
        let id = CallId(self.next_call);
        self.next_call += 1;
        let local_tag = self.tags.fresh();
        let key = DialogKey {
            call_id: request.call_id(),
            local_tag: local_tag.clone().into_bytes(),
            remote_tag: request.remote_tag().unwrap_or_default(),
        };
        let Some(terms) = self.config.trunks.get(trunk) else {
            return;
        };
        let caller = terms.identity.caller_of(&request);
        let called = terms.identity.called_of(&request);
        let (name, direct) = (terms.name.clone(), terms.direct);
        if let Some(meter) = self.meters.get_mut(trunk) {
            meter.counters.calls += 1;
        }
        let call = Call {
            id,
            trunk,
            key: key.clone(),
            local: format!("{};tag={local_tag}", request.to().unwrap_or_default()),
            remote: request.from().unwrap_or_default(),
            target,
            routes,
            peer: Peer {
                source: arrival.source,
                stream: arrival.stream,
                way: arrival.way,
                behind_nat: request.behind_nat(arrival.source),
            },
            sips: request.is_sips(),
            remote_cseq: request.cseq(),
            local_cseq: 0,
            phase: Phase::Early,
            pending: Some(Pending {
                kind: PendingKind::Initial,
                server,
                we_offer: offer.is_none(),
                due: now + self.config.limits.unanswered,
                session,
                arrival,
                request,
            }),
            unacked: None,
            session: None,
            probe: None,
            farewell: None,
            armed: None,
        };
        self.dialogs.insert(key, id);
        self.calls.insert(id, call);
        self.arm_call(id);
        self.trying(now, id);
        self.tell(CallEvent::Incoming {
            call: id,
            trunk: name,
            caller,
            called,
            offer,
            direct,
            over_tls: arrival.way == Way::Tls,
        });
    }

    /// Refuses a call for which the server or its trunk has no room.
    fn is_turned_away(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        trunk: usize,
    ) -> bool {
        if self.calls.len() >= self.config.limits.calls {
            self.counters.overload += 1;
            self.refuse(now, server, arrival, request, 503);
            return true;
        }
        let terms = self.config.trunks.get(trunk);
        let admitted = match (self.meters.get_mut(trunk), terms) {
            (Some(meter), Some(terms)) => meter.admit(now, terms),
            _ => Ok(()),
        };
        let Err(over) = admitted else { return false };
        let tag = self
            .tags
            .derived(&request.call_id(), request.remote_tag().as_deref());
        let reply =
            Reply::new(request, 503, &tag).header("Retry-After", &over.retry_after().to_string());
        self.reply(now, server, arrival, 503, reply);
        true
    }

    /// `100 Trying` for the INVITE that waits.
    pub(super) fn trying(&mut self, now: MediaTime, id: CallId) {
        let Some(pending) = self.calls.get(&id).and_then(|call| call.pending.as_ref()) else {
            return;
        };
        let mut reply = Reply::new(&pending.request, 100, "");
        if let Some(timestamp) = pending.request.timestamp() {
            reply = reply.header("Timestamp", &timestamp);
        }
        let written = reply.write(pending.arrival.source, &self.config.server);
        let server = pending.server;
        if let Some((bytes, _)) = written {
            self.answer(now, server, 100, bytes);
        }
    }

    /// What to agree on for the session timer (RFC 4028 section 9); `Err` is the status to refuse with.
    pub(super) fn session_terms(&self, request: &Request) -> Result<Option<SessionTerms>, u16> {
        let wish = request.timer_wish().map_err(|()| 400_u16)?;
        if wish
            .interval
            .is_some_and(|interval| interval < self.config.session_minimum)
        {
            return Err(422);
        }
        let floor = wish
            .minimum
            .unwrap_or_default()
            .max(self.config.session_minimum);
        let ours = self.config.session_interval.max(floor);
        let interval = match wish.interval {
            Some(asked) => asked.min(ours),
            None if wish.supported => ours,
            None => return Ok(None),
        };
        let we_refresh = wish.we_refresh || !wish.supported;
        // We refresh by UPDATE only; a peer that wants us to refresh and takes none gets no timer.
        let possible = !we_refresh || request.allows_update();
        Ok(possible.then_some(SessionTerms {
            interval,
            we_refresh,
            require: wish.supported,
        }))
    }
}

/// Headers of a 2xx that agree on a session timer.
pub(super) fn session_headers(terms: Option<SessionTerms>) -> Vec<(&'static str, String)> {
    let Some(terms) = terms else {
        return Vec::new();
    };
    let refresher = if terms.we_refresh { "uas" } else { "uac" };
    let mut headers = vec![(
        "Session-Expires",
        format!("{};refresher={refresher}", terms.interval.as_secs()),
    )];
    if terms.require {
        headers.push(("Require", "timer".to_owned()));
    }
    headers
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
