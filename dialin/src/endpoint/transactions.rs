//! Server transactions (RFC 3261 section 17.2, RFC 6026): retransmissions get the same answer, final answers to
//! INVITE are repeated until their ACK, merged requests are found. Knows no dialogs.

use std::collections::HashMap;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::timers::Owner;
use super::{Arrival, SipEndpoint, Wire, arm};
use crate::sip::{Key, Method, Request};

/// Identifies one request whatever way it took: Call-ID, From tag, CSeq, method (RFC 3261 section 8.2.2.2).
pub(super) type MergeKey = (Vec<u8>, Vec<u8>, u32, Method);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// No final answer yet.
    Proceeding,
    /// Final answer sent; of an INVITE: not a 2xx, the ACK is awaited.
    Completed,
    /// INVITE: ACK for a refusal came.
    Confirmed,
    /// INVITE: 2xx sent, copies of the INVITE are absorbed (RFC 6026).
    Accepted,
}

#[derive(Debug)]
struct Server {
    key: Key,
    merge: Option<MergeKey>,
    invite: bool,
    wire: Wire,
    last: Option<Bytes>,
    state: State,
    /// Timer G: next repetition and the wait after it.
    repeat: Option<(MediaTime, Duration)>,
    /// Timer H, I, J or L.
    end: Option<MediaTime>,
    armed: Option<MediaTime>,
}

impl Server {
    fn deadline(&self) -> Option<MediaTime> {
        match (self.repeat, self.end) {
            (Some((repeat, _)), Some(end)) => Some(repeat.min(end)),
            (repeat, end) => repeat.map(|(due, _)| due).or(end),
        }
    }
}

/// All server transactions.
#[derive(Debug, Default)]
pub(super) struct Servers {
    by_id: HashMap<u64, Server>,
    by_key: HashMap<Key, u64>,
    by_merge: HashMap<MergeKey, u64>,
    next: u64,
}

impl Servers {
    pub(super) fn len(&self) -> usize {
        self.by_id.len()
    }

    pub(super) fn find(&self, key: &Key) -> Option<u64> {
        self.by_key.get(key).copied()
    }

    /// Whether another transaction runs for the same request that came another way.
    pub(super) fn is_merged(&self, merge: &MergeKey) -> bool {
        self.by_merge.contains_key(merge)
    }

    fn remove(&mut self, id: u64) {
        if let Some(server) = self.by_id.remove(&id) {
            self.by_key.remove(&server.key);
            if let Some(merge) = server.merge
                && self.by_merge.get(&merge) == Some(&id)
            {
                self.by_merge.remove(&merge);
            }
        }
    }
}

/// What an ACK that carries a transaction's branch acknowledges.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Acknowledged {
    /// A refusal: done.
    Refusal,
    /// A 2xx: the dialog's business.
    Success,
}

impl SipEndpoint {
    /// Begins a transaction. `None`: there are too many, or the request cannot be answered.
    pub(super) fn begin(
        &mut self,
        arrival: Arrival,
        request: &Request,
        merge: Option<MergeKey>,
    ) -> Option<u64> {
        if self.servers.len() >= self.config.limits.transactions {
            return None;
        }
        let key = request.key()?;
        let wire = match arrival.stream {
            Some(stream) => Wire::Tcp(stream),
            None => Wire::Udp(request.response_vias(arrival.source)?.1),
        };
        let id = self.servers.next;
        self.servers.next += 1;
        self.servers.by_key.insert(key.clone(), id);
        if let Some(merge) = &merge {
            self.servers.by_merge.insert(merge.clone(), id);
        }
        let server = Server {
            key,
            merge,
            invite: request.method == Method::Invite,
            wire,
            last: None,
            state: State::Proceeding,
            repeat: None,
            end: None,
            armed: None,
        };
        self.servers.by_id.insert(id, server);
        Some(id)
    }

    /// Sends an answer and moves the transaction on.
    pub(super) fn answer(&mut self, now: MediaTime, id: u64, status: u16, bytes: Bytes) {
        let timing = self.config.timing;
        let Some(server) = self.servers.by_id.get_mut(&id) else {
            return;
        };
        if server.state != State::Proceeding {
            return;
        }
        server.last = Some(bytes.clone());
        let wire = server.wire;
        let reliable = matches!(wire, Wire::Tcp(_));
        if status >= 200 {
            server.end = Some(now + timing.t1 * 64);
            server.state = State::Completed;
            if server.invite && status < 300 {
                server.state = State::Accepted;
            } else if server.invite && !reliable {
                server.repeat = Some((now + timing.t1, timing.t1 * 2));
            }
            arm(
                &mut self.timers,
                server.deadline(),
                &mut server.armed,
                Owner::Server(id),
            );
            if reliable && !server.invite {
                self.servers.remove(id); // timer J is zero
            }
        }
        self.send(wire, bytes);
    }

    /// A copy of a request that is being served: it gets the same answer.
    pub(super) fn absorb(&mut self, id: u64) {
        self.counters.retransmissions += 1;
        if let Some(server) = self.servers.by_id.get(&id)
            && server.state != State::Confirmed
            && let Some(last) = server.last.clone()
        {
            let wire = server.wire;
            self.send(wire, last);
        }
    }

    /// An ACK with the branch of this transaction.
    pub(super) fn acknowledge(&mut self, now: MediaTime, id: u64) -> Acknowledged {
        let timing = self.config.timing;
        let Some(server) = self.servers.by_id.get_mut(&id) else {
            return Acknowledged::Success;
        };
        match server.state {
            State::Accepted => Acknowledged::Success,
            State::Completed => {
                server.state = State::Confirmed;
                server.repeat = None;
                server.last = None;
                if matches!(server.wire, Wire::Tcp(_)) {
                    self.servers.remove(id);
                } else {
                    server.end = Some(now + timing.t4);
                    arm(
                        &mut self.timers,
                        server.deadline(),
                        &mut server.armed,
                        Owner::Server(id),
                    );
                }
                Acknowledged::Refusal
            }
            State::Proceeding | State::Confirmed => Acknowledged::Refusal,
        }
    }

    pub(super) fn server_due(&mut self, now: MediaTime, due: MediaTime, id: u64) {
        let t2 = self.config.timing.t2;
        let Some(server) = self.servers.by_id.get_mut(&id) else {
            return;
        };
        if server.armed != Some(due) {
            return;
        }
        server.armed = None;
        if server.end.is_some_and(|end| end <= now) {
            return self.servers.remove(id);
        }
        let mut again = None;
        if let Some((at, wait)) = server.repeat
            && at <= now
        {
            server.repeat = Some((now + wait, (wait * 2).min(t2)));
            again = server.last.clone().map(|bytes| (server.wire, bytes));
        }
        arm(
            &mut self.timers,
            server.deadline(),
            &mut server.armed,
            Owner::Server(id),
        );
        if let Some((wire, bytes)) = again {
            self.send(wire, bytes);
        }
    }
}
