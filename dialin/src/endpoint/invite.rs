//! A call that comes in: who it is, whether there is room for it, what of session timers is agreed (RFC 4028).

use plenum_codecs::MediaTime;

use super::call::{Call, DialogKey, Peer, Pending, PendingKind, Phase, SessionTerms};
use super::refer::Referral;
use super::requests::{Body, body_of};
use super::write::Reply;
use super::{Arrival, SipEndpoint, Way};
use crate::call::{CallEvent, CallId};
use crate::sip::{Authentication, Request};

impl SipEndpoint {
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

    /// Answers a call 401 that does not show what its trunk asks for.
    fn is_challenged(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: &Request,
        trunk: usize,
    ) -> bool {
        let Some(challenges) = self.challenges(now, trunk, request) else {
            return false;
        };
        self.counters.unauthenticated += 1;
        if let Some(meter) = self.meters.get_mut(trunk) {
            meter.counters.unauthenticated += 1;
        }
        let tag = self
            .tags
            .derived(&request.call_id(), request.remote_tag().as_deref());
        let reply = challenges
            .iter()
            .fold(Reply::new(request, 401, &tag), |reply, value| {
                reply.header("WWW-Authenticate", value)
            });
        self.reply(now, server, arrival, 401, reply);
        true
    }

    pub(super) fn on_invite(
        &mut self,
        now: MediaTime,
        server: u64,
        arrival: Arrival,
        request: Box<Request>,
        trunk: usize,
    ) {
        if self.is_challenged(now, server, arrival, &request, trunk) {
            return;
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
        let replaced = match self.replaced(&request, trunk) {
            Ok(replaced) => replaced,
            Err(status) => return self.refuse(now, server, arrival, &request, status),
        };
        if replaced.is_none() && self.is_turned_away(now, server, arrival, &request, trunk) {
            return;
        }
        // The order of the UAS's route set is that of the message (RFC 3261 section 12.1.1).
        routes.truncate(16);
        let id = replaced.unwrap_or(CallId(self.next_call));
        self.next_call += u64::from(replaced.is_none());
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
                successor: None,
            }),
            unacked: None,
            session: None,
            probe: None,
            farewell: None,
            referral: Referral::default(),
            sent: None,
            armed: None,
        };
        if replaced.is_some() {
            return self.offer_place(now, call, offer);
        }
        if let Some(meter) = self.meters.get_mut(trunk) {
            meter.counters.calls += 1;
        }
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
