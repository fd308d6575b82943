//! Requests of ours but INVITE: BYE, UPDATE that refreshes a session, OPTIONS that asks whether the peer is still there, INFO that asks for
//! a keyframe, CANCEL. Client transactions are those of RFC 3261 section 17.1.2 (non-INVITE).

use std::collections::HashMap;
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::call::{Call, Phase, SessionTimer};
use super::digest::cseq_of;
use super::timers::Owner;
use super::write::{append, finish, push};
use super::{SipEndpoint, Way, Wire, arm};
use crate::call::{CallId, EndReason, HangupReason};
use crate::info;
use crate::sip::{self, Method, Response};

/// What a request of ours is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Purpose {
    /// A dialog.
    Dialog(CallId),
    /// CANCEL, whose INVITE's answer tells the rest, PRACK, or BYE to whose place another took.
    Aside,
    /// A trunk's registrar keeps where we are.
    Register(usize),
    /// A trunk's far end says whether it is there.
    Probe(usize),
}

/// A request of ours that is not answered.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) purpose: Purpose,
    /// Whose challenges it answers.
    pub(super) trunk: usize,
    pub(super) method: Method,
    pub(super) wire: Wire,
    pub(super) bytes: Bytes,
    /// Challenges answered for it.
    pub(super) tries: u8,
}

#[derive(Debug)]
struct Running {
    client: Client,
    branch: String,
    /// Timer E: next repetition (UDP only) and the wait after it.
    repeat: Option<(MediaTime, Duration)>,
    /// Timer F.
    end: MediaTime,
    armed: Option<MediaTime>,
}

/// All client transactions but those of INVITE.
#[derive(Debug, Default)]
pub(super) struct Clients {
    by_id: HashMap<u64, Running>,
    by_branch: HashMap<(String, Method), u64>,
    next: u64,
}

impl Clients {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// Whether a request of this kind waits for its answer. Asked for keyframes alone, twice a second and call at most.
    fn asks(&self, call: CallId, method: Method) -> bool {
        self.by_id.values().any(|running| {
            running.client.purpose == Purpose::Dialog(call) && running.client.method == method
        })
    }

    /// Takes out what waits this way for an answer of a trunk and stands in no dialog.
    pub(super) fn take_errands(&mut self, wire: Wire) -> Vec<Client> {
        let is_errand = |purpose| matches!(purpose, Purpose::Register(_) | Purpose::Probe(_));
        let lost: Vec<u64> = self
            .by_id
            .iter()
            .filter(|(_, running)| running.client.wire == wire && is_errand(running.client.purpose))
            .map(|(id, _)| *id)
            .collect();
        lost.into_iter().filter_map(|id| self.remove(id)).collect()
    }

    /// What a call waits for is of no interest any more.
    pub(super) fn forget(&mut self, call: CallId) {
        let of_call = |running: &Running| running.client.purpose == Purpose::Dialog(call);
        let gone: Vec<u64> = self
            .by_id
            .iter()
            .filter(|(_, running)| of_call(running))
            .map(|(id, _)| *id)
            .collect();
        for id in gone {
            self.remove(id);
        }
    }

    /// What a call waits for is no more the call's, which is another dialog now.
    pub(super) fn set_aside(&mut self, call: CallId) {
        let clients = self.by_id.values_mut().map(|running| &mut running.client);
        clients
            .filter(|client| client.purpose == Purpose::Dialog(call))
            .for_each(|client| client.purpose = Purpose::Aside);
    }

    fn remove(&mut self, id: u64) -> Option<Client> {
        let running = self.by_id.remove(&id)?;
        self.by_branch
            .remove(&(running.branch, running.client.method));
        Some(running.client)
    }
}

impl SipEndpoint {
    pub(super) fn send_bye(&mut self, now: MediaTime, id: CallId, reason: HangupReason) {
        let reason = match reason {
            HangupReason::Normal => "Q.850;cause=16;text=\"Normal call clearing\"",
            HangupReason::MediaTimeout => "SIP;cause=408;text=\"No RTP\"",
            HangupReason::MediaSecurity => {
                "SIP;cause=488;text=\"No media with the certificate that was named\""
            }
            HangupReason::ServerStopping => "SIP;cause=503;text=\"Server stopping\"",
            HangupReason::InternalError => "SIP;cause=500;text=\"Server error\"",
        };
        self.request(now, id, Method::Bye, &[("Reason", reason)], None);
    }

    /// Asks for a keyframe, unless it is asked for already or the call does not stand yet.
    pub(super) fn ask_picture(&mut self, now: MediaTime, id: CallId) {
        let stands = self
            .calls
            .get(&id)
            .is_some_and(|call| call.phase == Phase::Standing);
        if stands && !self.clients.asks(id, Method::Info) {
            let body = (info::MEDIA_CONTROL, info::PICTURE_FAST_UPDATE);
            self.request(now, id, Method::Info, &[], Some(body));
        }
    }

    /// Refreshes the session or asks whether the peer is there, if it is time.
    pub(super) fn keep_alive(&mut self, now: MediaTime, id: CallId) {
        let liveness = self.config.liveness;
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let Some(session) = call
            .session
            .as_mut()
            .filter(|session| session.refresh.is_some_and(|at| at <= now))
        {
            session.refresh = None;
            let expires = format!("{};refresher=uac", session.terms.interval.as_secs());
            return self.request(
                now,
                id,
                Method::Update,
                &[("Supported", "timer"), ("Session-Expires", &expires)],
                None,
            );
        }
        if call.probe.is_some_and(|at| at <= now) {
            call.probe = Some(now + liveness);
            let accept = [("Accept", "application/sdp")];
            self.request(now, id, Method::Options, &accept, None);
        }
    }

    /// Sends a request within the dialog (RFC 3261 section 12.2.1.1).
    pub(super) fn request(
        &mut self,
        now: MediaTime,
        id: CallId,
        method: Method,
        headers: &[(&str, &str)],
        body: Option<(&str, &str)>,
    ) {
        let Some((wire, way)) = self.way_to(now, id) else {
            return;
        };
        let branch = self.tags.branch();
        let announced = self.announced(way);
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        call.local_cseq += 1;
        let (cseq, sips, trunk) = (call.local_cseq, call.sips, call.trunk);
        let mut text = within(call, method, cseq, &branch, (way, announced));
        if !matches!(method, Method::Bye | Method::Info) {
            push(&mut text, "Contact", &self.contact(way, sips));
        }
        if !self.config.server.is_empty() {
            push(&mut text, "User-Agent", &self.config.server);
        }
        for (name, value) in headers {
            push(&mut text, name, value);
        }
        finish(&mut text, body);
        let client = Client {
            purpose: Purpose::Dialog(id),
            trunk,
            method,
            wire,
            bytes: Bytes::from(text),
            tries: 0,
        };
        self.transact(now, client, branch);
    }

    /// Begins a transaction: sends the request, and again until it is answered.
    pub(super) fn transact(&mut self, now: MediaTime, client: Client, branch: String) {
        let t1 = self.config.timing.t1;
        let (wire, bytes) = (client.wire, client.bytes.clone());
        let number = self.clients.next;
        self.clients.next += 1;
        let mut running = Running {
            branch: branch.clone(),
            repeat: matches!(wire, Wire::Udp(_)).then(|| (now + t1, t1 * 2)),
            end: now + t1 * 64,
            armed: None,
            client,
        };
        let due = running.repeat.map_or(running.end, |(at, _)| at);
        arm(
            &mut self.timers,
            Some(due),
            &mut running.armed,
            Owner::Client(number),
        );
        let key = (branch, running.client.method);
        self.clients.by_branch.insert(key, number);
        self.clients.by_id.insert(number, running);
        self.send(wire, bytes);
    }

    /// Where requests within the dialog go. Names are not resolved: then, and behind a NAT, they go where the
    /// caller's own requests came from.
    pub(super) fn way_to(&mut self, now: MediaTime, id: CallId) -> Option<(Wire, Way)> {
        let call = self.calls.get(&id)?;
        let peer = call.peer;
        let hop = call.routes.first().unwrap_or(&call.target);
        let address: SocketAddr = match hop.address {
            Some(address) if !(peer.behind_nat && call.routes.is_empty()) => address,
            _ => peer.source,
        };
        match peer.stream {
            None => Some((Wire::Udp(address), Way::Udp)),
            Some(stream) if self.streams.is_open(stream) => Some((Wire::Tcp(stream), peer.way)),
            Some(_) => {
                let name = (peer.way == Way::Tls).then(|| hop.host.clone());
                let stream = self.connect(now, address, name);
                if let Some(call) = self.calls.get_mut(&id) {
                    call.peer.stream = Some(stream);
                }
                Some((Wire::Tcp(stream), peer.way))
            }
        }
    }

    pub(super) fn on_response(&mut self, now: MediaTime, response: &Response) {
        if response.method == Method::Invite {
            return self.on_invite_response(now, response);
        }
        let key = (response.branch.clone(), response.method);
        let Some(number) = self.clients.by_branch.get(&key).copied() else {
            return;
        };
        if response.status < 200 {
            return; // timer E goes on at T2 in the RFC; ours is on its way there
        }
        let Some(client) = self.clients.remove(number) else {
            return;
        };
        if let Some(client) = self.challenged(now, client, response) {
            self.done(now, &client, response.status, Some(response));
        }
    }

    /// A request of ours has its final answer; 408 stands for none.
    pub(super) fn done(
        &mut self,
        now: MediaTime,
        client: &Client,
        status: u16,
        response: Option<&Response>,
    ) {
        let session = response.and_then(Response::session);
        let interval = session.map(|session| session.interval);
        match client.purpose {
            Purpose::Dialog(call) if client.method == Method::Refer => {
                self.refer_answered(call, cseq_of(&client.bytes), status);
            }
            Purpose::Dialog(call) => self.answered(now, call, client.method, status, interval),
            Purpose::Aside => {}
            Purpose::Register(_) => self.register_answered(now, client, status, response),
            Purpose::Probe(trunk) => self.probe_answered(now, trunk, status),
        }
    }

    /// The same of a request within a dialog.
    fn answered(
        &mut self,
        now: MediaTime,
        id: CallId,
        method: Method,
        status: u16,
        interval: Option<Duration>,
    ) {
        // A phone that does not know INFO, or is slow to answer it, is no less there: OPTIONS asks for that.
        if matches!(method, Method::Bye | Method::Notify)
            || (method == Method::Info && status != 481)
        {
            return;
        }
        if matches!(status, 408 | 481) {
            return self.abandon(now, id, EndReason::DialogGone);
        }
        let Some(call) = self.calls.get_mut(&id) else {
            return;
        };
        if let (Method::Update, Some(session)) = (method, call.session.as_mut()) {
            if (200..300).contains(&status) {
                let mut terms = session.terms;
                if let Some(interval) = interval {
                    terms.interval = interval.max(self.config.session_minimum);
                }
                *session = SessionTimer::start(now, terms);
            } else {
                // 491 and the like: try again soon; the session's end stands.
                session.refresh = Some(now + Duration::from_secs(3));
            }
        }
        self.arm_call(id);
    }

    pub(super) fn client_due(&mut self, now: MediaTime, due: MediaTime, number: u64) {
        let t2 = self.config.timing.t2;
        let Some(running) = self.clients.by_id.get_mut(&number) else {
            return;
        };
        if running.armed != Some(due) {
            return;
        }
        running.armed = None;
        if running.end <= now {
            if let Some(client) = self.clients.remove(number) {
                self.done(now, &client, 408, None);
            }
            return;
        }
        let mut again = None;
        if let Some((at, wait)) = running.repeat
            && at <= now
        {
            running.repeat = Some((now + wait, (wait * 2).min(t2)));
            again = Some((running.client.wire, running.client.bytes.clone()));
        }
        let next = running
            .repeat
            .map_or(running.end, |(at, _)| at.min(running.end));
        arm(
            &mut self.timers,
            Some(next),
            &mut running.armed,
            Owner::Client(number),
        );
        if let Some((wire, bytes)) = again {
            self.send(wire, bytes);
        }
    }
}

/// Request line and headers of a request within the dialog, up to Max-Forwards; `way` is how it goes and where we are reached so.
pub(super) fn within(
    call: &Call,
    method: Method,
    cseq: u32,
    branch: &str,
    (way, announced): (Way, SocketAddr),
) -> String {
    let strict = call.routes.first().filter(|first| !first.loose);
    let uri = strict.map_or(&call.target.uri, |first| &first.uri);
    let mut text = format!("{} {uri} SIP/2.0\r\n", method.as_str());
    via(&mut text, branch, way, announced);
    let skip = usize::from(strict.is_some());
    let last = strict.map(|_| &call.target);
    for route in call.routes.iter().skip(skip).chain(last) {
        append(&mut text, format_args!("Route: <{}>\r\n", route.uri));
    }
    push(&mut text, "From", &call.local);
    push(&mut text, "To", &call.remote);
    push(
        &mut text,
        "Call-ID",
        &String::from_utf8_lossy(&call.key.call_id),
    );
    append(
        &mut text,
        format_args!("CSeq: {cseq} {}\r\nMax-Forwards: 70\r\n", method.as_str()),
    );
    text
}

/// The Via of a request of ours.
pub(super) fn via(text: &mut String, branch: &str, way: Way, announced: SocketAddr) {
    append(
        text,
        format_args!(
            "Via: SIP/2.0/{} {}:{};branch={branch};rport\r\n",
            way.as_str(),
            sip::host_text(announced.ip()),
            announced.port()
        ),
    );
}
