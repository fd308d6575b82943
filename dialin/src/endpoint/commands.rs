//! What the owner of a call orders, and how calls end.

use std::net::SocketAddr;

use plenum_codecs::MediaTime;

use super::call::{Call, Pending, PendingKind, Phase, Unacked};
use super::invite::session_headers;
use super::outgoing::Attempt;
use super::timers::Owner;
use super::write::{ALLOW, Reply};
use super::{SipEndpoint, Way, Wire, arm};
use crate::call::{CallCommand, CallEvent, CallId, EndReason, HangupReason};
use crate::sip;

impl SipEndpoint {
    pub(super) fn on_command(&mut self, now: MediaTime, command: CallCommand) {
        let id = command.call();
        let command = match command {
            CallCommand::Dial {
                call,
                routes,
                ring,
                replaces,
            } => {
                let attempt = Attempt::new(call, routes, ring, now).replacing(replaces);
                return self.dial(now, attempt);
            }
            CallCommand::Hangup { .. } if self.outgoing.has(id) => {
                return self.give_up(now, id, EndReason::HungUp);
            }
            other => other,
        };
        if self.calls.get(&id).is_none_or(Call::is_over) {
            return; // raced with the call's end
        }
        match command {
            CallCommand::Dial { .. } => {}
            CallCommand::Ring { .. } => self.ring(now, id),
            CallCommand::Answer { sdp, .. } => self.accept(now, id, &sdp, true),
            CallCommand::AcceptOffer { sdp, .. } => self.accept(now, id, &sdp, false),
            CallCommand::Refuse { status, .. } => self.refuse_owned(now, id, status, true),
            CallCommand::RefuseOffer { status, .. } => self.refuse_owned(now, id, status, false),
            CallCommand::AskPicture { .. } => self.ask_picture(now, id),
            CallCommand::Referral { refer, status, .. } => {
                self.referral(now, (id, refer), status);
            }
            CallCommand::Refer { number, at, .. } => self.refer(now, id, &number, at.as_ref()),
            CallCommand::Hangup { reason, .. } => self.hangup(now, id, reason),
        }
    }

    fn ring(&mut self, now: MediaTime, id: CallId) {
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let Some(pending) = call
            .pending
            .as_ref()
            .filter(|pending| pending.kind == PendingKind::Initial)
            .filter(|pending| !pending.request.wants_reliable())
        else {
            return;
        };
        let tag = String::from_utf8_lossy(&call.key.local_tag).into_owned();
        let mut reply = Reply::new(&pending.request, 180, &tag)
            .header("Contact", &self.contact(call.peer.way, call.sips));
        for row in pending.request.record_route_rows() {
            reply = reply.header("Record-Route", &row);
        }
        let server = pending.server;
        if let Some((bytes, _)) = reply.write(pending.arrival.source, &self.config.server) {
            self.answer(now, server, 180, bytes);
        }
    }

    /// 200 with SDP to the request that waits.
    fn accept(&mut self, now: MediaTime, id: CallId, sdp: &str, initial: bool) {
        let timing = self.config.timing;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(mut pending) = call
            .pending
            .take_if(|pending| (pending.kind == PendingKind::Initial) == initial)
        else {
            return;
        };
        if let Some(successor) = pending.successor.take() {
            self.take_place(now, id, *successor);
        }
        let Some(call) = self.calls.get(&id) else {
            return;
        };
        let sips = call.sips;
        let tag = String::from_utf8_lossy(&call.key.local_tag).into_owned();
        let mut reply = Reply::new(&pending.request, 200, &tag)
            .header("Contact", &self.contact(pending.arrival.way, sips))
            .header("Allow", ALLOW)
            .header("Supported", "timer, replaces")
            .body("application/sdp", sdp);
        if matches!(pending.kind, PendingKind::Initial | PendingKind::Takeover) {
            for row in pending.request.record_route_rows() {
                reply = reply.header("Record-Route", &row);
            }
        }
        for (name, value) in session_headers(pending.session) {
            reply = reply.header(name, &value);
        }
        let Some((bytes, to)) = reply.write(pending.arrival.source, &self.config.server) else {
            return;
        };
        if pending.kind != PendingKind::Update
            && let Some(call) = self.calls.get_mut(&id)
        {
            call.unacked = Some(Unacked {
                bytes: bytes.clone(),
                wire: pending.arrival.stream.map_or(Wire::Udp(to), Wire::Tcp),
                cseq: pending.request.cseq(),
                repeat: now + timing.t1,
                wait: timing.t1 * 2,
                end: now + timing.t1 * 64,
                we_offered: pending.we_offer,
            });
            if initial {
                call.phase = Phase::Answered;
            }
        }
        self.answer(now, pending.server, 200, bytes);
        self.start_session(now, id, pending.session);
    }

    fn refuse_owned(&mut self, now: MediaTime, id: CallId, status: u16, initial: bool) {
        let status = if (300..700).contains(&status) {
            status
        } else {
            500
        };
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let Some(pending) = call
            .pending
            .take_if(|pending| (pending.kind == PendingKind::Initial) == initial)
        else {
            return;
        };
        self.refuse_pending(now, id, &pending, status);
        if initial {
            self.finish(id, EndReason::Refused);
        }
    }

    /// Refuses the request that waited, with the dialog's tag.
    pub(super) fn refuse_pending(
        &mut self,
        now: MediaTime,
        id: CallId,
        pending: &Pending,
        status: u16,
    ) {
        let tag = self
            .calls
            .get(&id)
            .map(|call| String::from_utf8_lossy(&pending.key(&call.key).local_tag).into_owned());
        self.refuse_tagged(
            now,
            pending.server,
            pending.arrival,
            &pending.request,
            status,
            &tag.unwrap_or_default(),
        );
    }

    fn hangup(&mut self, now: MediaTime, id: CallId, reason: HangupReason) {
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        let phase = call.phase;
        if let Some(pending) = call.pending.take() {
            let status = match (pending.kind, reason) {
                (PendingKind::Initial, HangupReason::ServerStopping) => 503,
                (PendingKind::Initial, HangupReason::InternalError) => 500,
                (PendingKind::Initial, _) => 480,
                _ => 487,
            };
            self.refuse_pending(now, id, &pending, status);
        }
        match phase {
            Phase::Early => self.finish(id, EndReason::HungUp),
            Phase::Standing => {
                self.say_bye(now, id, reason);
            }
            Phase::Answered => {
                // No BYE before the ACK (RFC 3261 section 15): the call lingers for it.
                if let Some(call) = self.calls.get_mut(&id) {
                    call.farewell = Some(reason);
                }
                self.tell(CallEvent::Ended {
                    call: id,
                    reason: EndReason::HungUp,
                });
            }
        }
    }

    /// Sends BYE and forgets the call; tells its end unless that is done.
    pub(super) fn say_bye(&mut self, now: MediaTime, id: CallId, reason: HangupReason) {
        self.send_bye(now, id, reason);
        self.finish(id, EndReason::HungUp);
    }

    /// Ends a call that the peer has broken or left: BYE, in case it still listens.
    pub(super) fn abandon(&mut self, now: MediaTime, id: CallId, reason: EndReason) {
        if let Some(pending) = self.calls.get_mut(&id).and_then(|call| call.pending.take()) {
            self.refuse_pending(now, id, &pending, 487);
        }
        self.send_bye(now, id, HangupReason::Normal);
        self.finish(id, reason);
    }

    /// Forgets a call and tells its end once.
    pub(super) fn finish(&mut self, id: CallId, reason: EndReason) {
        let Some(call) = self.calls.remove(&id) else {
            return;
        };
        self.dialogs.remove(&call.key);
        self.leave_trunk(call.trunk);
        if !call.is_over() {
            self.tell(CallEvent::Ended { call: id, reason });
        }
    }

    /// One call less of a trunk.
    pub(super) fn leave_trunk(&mut self, trunk: usize) {
        if let Some(meter) = self.meters.get_mut(trunk) {
            meter.counters.calls = meter.counters.calls.saturating_sub(1);
        }
    }

    /// Our Contact for who reaches us this way; a `sips` one if that was asked for (RFC 3261 section 12.1.1).
    pub(super) fn contact(&self, way: Way, sips: bool) -> String {
        let announced = self.announced(way);
        let (scheme, transport) = match (way, sips) {
            (Way::Udp, _) => ("sip", ""),
            (Way::Tcp, _) => ("sip", ";transport=tcp"),
            (Way::Tls, false) => ("sip", ";transport=tls"),
            // Nothing but TLS is meant by sips (RFC 5630 section 3.1.4).
            (Way::Tls, true) => ("sips", ""),
        };
        format!(
            "<{scheme}:{}:{}{transport}>",
            sip::host_text(announced.ip()),
            announced.port()
        )
    }

    /// Where we are reached this way.
    pub(super) fn announced(&self, way: Way) -> SocketAddr {
        match (way, self.config.announced_tls) {
            (Way::Tls, Some(announced)) => announced,
            _ => self.config.announced,
        }
    }

    pub(super) fn arm_call(&mut self, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            arm(
                &mut self.timers,
                call.deadline(),
                &mut call.armed,
                Owner::Call(id),
            );
        }
    }

    pub(super) fn call_due(&mut self, now: MediaTime, due: MediaTime, id: CallId) {
        let t2 = self.config.timing.t2;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if call.armed != Some(due) {
            return;
        }
        call.armed = None;
        if let Some(pending) = call.pending.take_if(|pending| pending.due <= now) {
            self.refuse_pending(now, id, &pending, 480);
            if pending.kind == PendingKind::Initial {
                return self.finish(id, EndReason::Unanswered);
            }
            return self.arm_call(id);
        }
        if call
            .unacked
            .as_ref()
            .is_some_and(|unacked| unacked.end <= now)
        {
            self.counters.missing_acks += 1;
            return self.abandon(now, id, EndReason::NoAck);
        }
        if call.session.is_some_and(|session| session.expires <= now) {
            self.counters.sessions_expired += 1;
            return self.abandon(now, id, EndReason::SessionExpired);
        }
        if let Some(sent) = call.sent.as_mut()
            && sent.due.take_if(|due| *due <= now).is_some()
        {
            self.tell(CallEvent::Sent {
                call: id,
                status: 408,
            });
            return self.arm_call(id);
        }
        let mut again = None;
        if let Some(unacked) = call
            .unacked
            .as_mut()
            .filter(|unacked| unacked.repeat <= now)
        {
            unacked.repeat = now + unacked.wait;
            unacked.wait = (unacked.wait * 2).min(t2);
            again = Some((unacked.wire, unacked.bytes.clone()));
        }
        if let Some((wire, bytes)) = again {
            self.send(wire, bytes);
        }
        self.keep_alive(now, id);
        self.arm_call(id);
    }
}
