//! Calls that we place, until they are taken or not: INVITE client transactions (RFC 3261 section 17.1.1), the trunks and addresses still
//! to be tried, how long it rings, CANCEL. Knows no media.

use std::collections::{HashMap, VecDeque};
use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::resolve::Asks;
use super::spent::Spent;
use super::timers::Owner;
use super::uac::{Client, Purpose, via};
use super::write::{ALLOW, append, finish, push};
use super::{SipEndpoint, StreamId, Way, Wire, arm};
use crate::call::{CallEvent, CallId, EndReason, Replacement, Route};
use crate::sip::{self, Method};

/// Most trunks of one call.
const MAX_ROUTES: usize = 16;

/// How far a call is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Where the trunk is, is being looked up.
    Resolving,
    /// Nothing has been heard.
    Calling,
    /// A provisional answer came.
    Proceeding,
    /// CANCEL went out; the answer to the INVITE is awaited.
    Cancelling,
}

/// One address of a trunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Target {
    pub(super) address: SocketAddr,
    pub(super) way: Way,
}

/// A call that we place.
pub(super) struct Attempt {
    pub(super) id: CallId,
    /// Trunks still to be tried.
    routes: VecDeque<(usize, Route)>,
    /// The one that is: which of the order it is, the trunk, and what goes there.
    pub(super) route: usize,
    pub(super) trunk: usize,
    sdp: String,
    pub(super) uri: String,
    /// Addresses of the trunk still to be tried.
    pub(super) targets: VecDeque<Target>,
    pub(super) target: Target,
    pub(super) stage: Stage,
    pub(super) call_id: String,
    pub(super) local_tag: String,
    /// From and To.
    pub(super) local: String,
    pub(super) remote: String,
    pub(super) cseq: u32,
    pub(super) branch: String,
    pub(super) wire: Wire,
    pub(super) invite: Bytes,
    /// Challenges and demands answered.
    pub(super) tries: u8,
    /// Session interval asked for.
    pub(super) interval: Duration,
    ring: Duration,
    /// Whose place it takes.
    replaces: Option<Replacement>,
    pub(super) rings: bool,
    /// SDP of a provisional answer, by its tag, for a 2xx that leaves it out.
    pub(super) early: Option<(Vec<u8>, String)>,
    /// Requests within early dialogs so far.
    pub(super) within: u32,
    /// The last reliable provisional answer of each who rings, by its tag.
    pub(super) reliable: Vec<(Vec<u8>, u32)>,
    /// `Ended` has been told.
    pub(super) told: bool,
    /// Timer A: next repetition and the wait after it.
    repeat: Option<(MediaTime, Duration)>,
    /// Timer B, the end of ringing, or the longest wait for the answer after CANCEL.
    end: MediaTime,
    armed: Option<MediaTime>,
}

impl Attempt {
    /// One that is nowhere yet.
    pub(super) fn new(id: CallId, routes: Vec<Route>, ring: Duration, now: MediaTime) -> Self {
        let target = Target {
            address: SocketAddr::from(([0, 0, 0, 0], 0)),
            way: Way::Udp,
        };
        Self {
            id,
            routes: routes.into_iter().take(MAX_ROUTES).enumerate().collect(),
            route: 0,
            trunk: usize::MAX,
            sdp: String::new(),
            uri: String::new(),
            targets: VecDeque::new(),
            target,
            stage: Stage::Resolving,
            call_id: String::new(),
            local_tag: String::new(),
            local: String::new(),
            remote: String::new(),
            cseq: 1,
            branch: String::new(),
            wire: Wire::Udp(target.address),
            invite: Bytes::new(),
            tries: 0,
            interval: Duration::ZERO,
            ring,
            replaces: None,
            rings: false,
            early: None,
            within: 0,
            reliable: Vec::new(),
            told: false,
            repeat: None,
            end: now,
            armed: None,
        }
    }

    pub(super) fn replacing(self, replaces: Option<Replacement>) -> Self {
        Self { replaces, ..self }
    }
}

/// All of them.
#[derive(Default)]
pub(super) struct Outgoing {
    pub(super) attempts: HashMap<CallId, Attempt>,
    pub(super) by_branch: HashMap<String, CallId>,
    /// Look-ups that are not answered, and the trunk of each.
    pub(super) queries: HashMap<u64, (Asks, usize)>,
    pub(super) next_query: u64,
    pub(super) spent: Spent,
}

impl Outgoing {
    pub(super) fn len(&self) -> usize {
        self.attempts.len()
    }

    pub(super) fn has(&self, call: CallId) -> bool {
        self.attempts.contains_key(&call)
    }

    /// Those whose end has not been told.
    pub(super) fn running(&self) -> impl Iterator<Item = CallId> {
        let running = self.attempts.values().filter(|attempt| !attempt.told);
        running.map(|attempt| attempt.id)
    }

    pub(super) fn uses(&self, stream: StreamId) -> bool {
        let wire = Wire::Tcp(stream);
        self.attempts.values().any(|attempt| attempt.wire == wire)
    }

    /// Those that have heard nothing this way. Once something came, the answer may take another one.
    pub(super) fn unanswered_over(&self, wire: Wire) -> Vec<CallId> {
        self.attempts
            .values()
            .filter(|attempt| attempt.wire == wire && attempt.stage == Stage::Calling)
            .map(|attempt| attempt.id)
            .collect()
    }

    /// What this call wanted to know matters no more.
    fn forget_query(&mut self, call: CallId) {
        self.queries
            .retain(|_, (asks, _)| *asks != Asks::Call(call));
    }

    pub(super) fn forget(&mut self, spent: u64) {
        self.spent.remove(spent);
    }
}

impl SipEndpoint {
    /// Places a call.
    pub(super) fn dial(&mut self, now: MediaTime, mut attempt: Attempt) {
        let id = attempt.id;
        if !id.is_placed() || self.calls.contains_key(&id) || self.outgoing.has(id) {
            tracing::error!(call = %id, "an id was used twice, or is none of a call of ours");
            return;
        }
        if self.calls.len() + self.outgoing.len() >= self.config.limits.calls {
            self.counters.overload += 1;
            let reason = EndReason::Rejected(503);
            return self.tell(CallEvent::Ended { call: id, reason });
        }
        // Those that are down come last: whether they are is a guess.
        let trunks = &self.config.trunks;
        let is_down = |route: &Route| {
            let trunk = trunks.iter().position(|trunk| trunk.name == route.trunk);
            trunk.is_some_and(|trunk| !self.is_up(trunk))
        };
        let routes = attempt.routes.make_contiguous();
        routes.sort_by_key(|(_, route)| is_down(route));
        self.outgoing.attempts.insert(id, attempt);
        self.next_route(now, id, 503);
    }

    /// Goes on with the next trunk that has room; without one the call has failed with `status`.
    fn next_route(&mut self, now: MediaTime, id: CallId, status: u16) {
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        let left = std::mem::replace(&mut attempt.trunk, usize::MAX);
        let next = attempt.routes.pop_front();
        self.leave_trunk(left);
        let Some((number, route)) = next else {
            return self.attempt_ended(id, EndReason::Rejected(status));
        };
        let trunks = &self.config.trunks;
        let found = trunks.iter().position(|trunk| trunk.name == route.trunk);
        let terms = found.and_then(|trunk| Some((trunk, trunks.get(trunk)?)));
        let Some((trunk, terms, outbound)) =
            terms.and_then(|(trunk, terms)| Some((trunk, terms, terms.outbound.as_ref()?)))
        else {
            return self.next_route(now, id, status);
        };
        let admitted = self.meters.get_mut(trunk).map(|meter| {
            let admitted = meter.admit(now, terms);
            meter.counters.calls += usize::from(admitted.is_ok());
            admitted
        });
        if !matches!(admitted, Some(Ok(()))) {
            return self.next_route(now, id, 503);
        }
        let local_tag = self.tags.fresh();
        let domain = host_of(&outbound.domain);
        let caller = match outbound.caller_id.as_str() {
            "" => "\"Anonymous\" <sip:anonymous@anonymous.invalid>".to_owned(),
            number => format!("<sip:{number}@{domain}>"),
        };
        let uri = format!("sip:{}@{domain}", outbound.dialled(&route.number));
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        attempt.route = number;
        attempt.trunk = trunk;
        attempt.sdp = route.sdp;
        attempt.local = format!("{caller};tag={local_tag}");
        attempt.remote = format!("<{uri}>");
        attempt.uri = uri;
        attempt.local_tag = local_tag;
        attempt.call_id = format!(
            "{}@{}",
            self.tags.fresh(),
            sip::host_text(self.config.announced.ip())
        );
        attempt.interval = self.config.session_interval;
        attempt.cseq = 1;
        attempt.tries = 0;
        attempt.rings = false;
        attempt.early = None;
        attempt.within = 0;
        attempt.reliable.clear();
        attempt.targets.clear();
        self.look_up(now, Asks::Call(id));
    }

    /// Goes on with the trunk's next address, or with the next trunk.
    pub(super) fn next_target(&mut self, now: MediaTime, id: CallId, status: u16) {
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        let Some(target) = attempt.targets.pop_front() else {
            return self.next_route(now, id, status);
        };
        attempt.target = target;
        let trunk = attempt.trunk;
        let wire = self.wire_to(now, trunk, target);
        if let Some(attempt) = self.outgoing.attempts.get_mut(&id) {
            attempt.wire = wire;
        }
        let branch = self.tags.branch();
        if let Some(invite) = self.invite_text(id, &branch) {
            self.send_invite(now, id, branch, invite);
        }
    }

    fn invite_text(&self, id: CallId, branch: &str) -> Option<Bytes> {
        let attempt = self.outgoing.attempts.get(&id)?;
        let way = attempt.target.way;
        let mut text = format!("INVITE {} SIP/2.0\r\n", attempt.uri);
        via(&mut text, branch, way, self.announced(way));
        push(&mut text, "From", &attempt.local);
        push(&mut text, "To", &attempt.remote);
        push(&mut text, "Call-ID", &attempt.call_id);
        append(
            &mut text,
            format_args!("CSeq: {} INVITE\r\nMax-Forwards: 70\r\n", attempt.cseq),
        );
        push(&mut text, "Contact", &self.contact(way, false));
        push(&mut text, "Allow", ALLOW);
        push(&mut text, "Supported", "timer, 100rel, replaces");
        // The far end refreshes: it is sure to know how to.
        let interval = attempt.interval.as_secs();
        append(
            &mut text,
            format_args!(
                "Session-Expires: {interval};refresher=uas\r\nMin-SE: {}\r\n",
                self.config.session_minimum.as_secs()
            ),
        );
        if let Some(replacement) = &attempt.replaces {
            // Without it whoever does not know Replaces would ring as for any call.
            push(&mut text, "Require", "replaces");
            push(&mut text, "Replaces", &replacement.replaces);
            push(&mut text, "Referred-By", &replacement.referred_by);
        }
        if !self.config.server.is_empty() {
            push(&mut text, "User-Agent", &self.config.server);
        }
        finish(&mut text, Some(("application/sdp", &attempt.sdp)));
        Some(Bytes::from(text))
    }

    /// Begins an INVITE transaction.
    pub(super) fn send_invite(
        &mut self,
        now: MediaTime,
        id: CallId,
        branch: String,
        invite: Bytes,
    ) {
        let t1 = self.config.timing.t1;
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        self.outgoing.by_branch.remove(&attempt.branch);
        self.outgoing.by_branch.insert(branch.clone(), id);
        attempt.branch = branch;
        attempt.invite = invite.clone();
        attempt.stage = Stage::Calling;
        attempt.repeat = (attempt.target.way == Way::Udp).then(|| (now + t1, t1 * 2));
        attempt.end = now + t1 * 64;
        let wire = attempt.wire;
        self.arm_attempt(id);
        self.send(wire, invite);
    }

    /// A provisional answer: it is not sent again, and rings from now on.
    pub(super) fn proceeds(&mut self, now: MediaTime, id: CallId) {
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        attempt.repeat = None;
        if attempt.stage != Stage::Calling {
            return;
        }
        attempt.stage = Stage::Proceeding;
        attempt.end = now + attempt.ring;
        if attempt.told {
            return self.cancel(now, id);
        }
        self.arm_attempt(id);
    }

    /// The call is wanted no more: its end is told, and the far end hears of it as soon as it may.
    pub(super) fn give_up(&mut self, now: MediaTime, id: CallId, reason: EndReason) {
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        if attempt.told {
            return;
        }
        if attempt.stage == Stage::Resolving {
            return self.attempt_ended(id, reason);
        }
        attempt.told = true;
        let stage = attempt.stage;
        self.tell(CallEvent::Ended { call: id, reason });
        // No CANCEL before the far end has said anything (RFC 3261 section 9.1).
        if stage == Stage::Proceeding {
            self.cancel(now, id);
        }
    }

    fn cancel(&mut self, now: MediaTime, id: CallId) {
        let t1 = self.config.timing.t1;
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        attempt.stage = Stage::Cancelling;
        attempt.end = now + t1 * 64;
        let client = beside(&attempt.invite, Method::Cancel, None).map(|bytes| Client {
            purpose: Purpose::Aside,
            trunk: attempt.trunk,
            method: Method::Cancel,
            wire: attempt.wire,
            bytes,
            tries: 0,
        });
        let branch = attempt.branch.clone();
        self.arm_attempt(id);
        if let Some(client) = client {
            self.transact(now, client, branch);
        }
    }

    /// It cannot be had this way: the next address or trunk is tried, unless nobody wants it any more.
    pub(super) fn attempt_failed(&mut self, now: MediaTime, id: CallId, status: u16) {
        let Some(attempt) = self.outgoing.attempts.get(&id) else {
            return;
        };
        if attempt.told {
            return self.attempt_ended(id, EndReason::HungUp);
        }
        self.next_target(now, id, status);
    }

    /// Forgets a call and tells its end once.
    pub(super) fn attempt_ended(&mut self, id: CallId, reason: EndReason) {
        let Some(attempt) = self.outgoing.attempts.remove(&id) else {
            return;
        };
        self.outgoing.by_branch.remove(&attempt.branch);
        self.outgoing.forget_query(id);
        self.leave_trunk(attempt.trunk);
        if !attempt.told {
            self.tell(CallEvent::Ended { call: id, reason });
        }
    }

    pub(super) fn arm_attempt(&mut self, id: CallId) {
        if let Some(attempt) = self.outgoing.attempts.get_mut(&id) {
            let due = attempt
                .repeat
                .map_or(attempt.end, |(at, _)| at.min(attempt.end));
            arm(
                &mut self.timers,
                Some(due),
                &mut attempt.armed,
                Owner::Attempt(id),
            );
        }
    }

    /// How long the look-up may take.
    pub(super) fn await_records(&mut self, now: MediaTime, id: CallId) {
        let patience = self.config.timing.t1 * 20;
        if let Some(attempt) = self.outgoing.attempts.get_mut(&id) {
            attempt.stage = Stage::Resolving;
            attempt.repeat = None;
            attempt.end = now + patience;
        }
        self.arm_attempt(id);
    }

    pub(super) fn attempt_due(&mut self, now: MediaTime, due: MediaTime, id: CallId) {
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        if attempt.armed != Some(due) {
            return;
        }
        attempt.armed = None;
        if attempt.end <= now {
            return match attempt.stage {
                Stage::Resolving => {
                    self.outgoing.forget_query(id);
                    self.attempt_failed(now, id, 503);
                }
                Stage::Calling => self.attempt_failed(now, id, 408),
                Stage::Proceeding => self.give_up(now, id, EndReason::RangOut),
                Stage::Cancelling => self.attempt_ended(id, EndReason::HungUp),
            };
        }
        let mut again = None;
        if let Some((at, wait)) = attempt.repeat
            && at <= now
        {
            attempt.repeat = Some((now + wait, wait * 2));
            again = Some((attempt.wire, attempt.invite.clone()));
        }
        self.arm_attempt(id);
        if let Some((wire, bytes)) = again {
            self.send(wire, bytes);
        }
    }
}

/// A host as a URI has it: IPv6 in brackets.
pub(super) fn host_of(host: &str) -> String {
    match host.parse() {
        Ok(ip) => sip::host_text(ip),
        Err(_) => host.to_owned(),
    }
}

/// A CANCEL, or the ACK of a refusal: of the INVITE's own transaction, with its topmost Via and its CSeq's number (RFC 3261 sections 9.1,
/// 17.1.1.3). `to` is that of the refusal.
pub(super) fn beside(invite: &[u8], method: Method, to: Option<&str>) -> Option<Bytes> {
    let (head, _) = std::str::from_utf8(invite).ok()?.split_once("\r\n\r\n")?;
    let mut rows = head.split("\r\n");
    let line = rows.next()?.strip_prefix("INVITE ")?;
    let mut text = format!("{} {line}\r\n", method.as_str());
    for row in rows {
        let (name, value) = row.split_once(": ")?;
        match (name, to) {
            ("To", Some(to)) => push(&mut text, "To", to),
            ("CSeq", _) => {
                let number = value.split(' ').next()?;
                push(&mut text, "CSeq", &format!("{number} {}", method.as_str()));
            }
            ("Via" | "Route" | "From" | "To" | "Call-ID" | "Max-Forwards", _) => {
                push(&mut text, name, value);
            }
            _ => {}
        }
    }
    finish(&mut text, None);
    Some(Bytes::from(text))
}
