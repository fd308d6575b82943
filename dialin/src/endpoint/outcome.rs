//! What the far end says to a call that we place: it rings, it is taken, it is refused, it wants a password.

use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::call::{Call, DialogKey, Peer, Phase, SessionTerms};
use super::digest::{TRIES, reissued};
use super::outgoing::{Attempt, Stage, beside};
use super::refer::Referral;
use super::spent::Outcome;
use super::timers::Owner;
use super::uac::{Client, Purpose, within};
use super::write::{finish, push};
use super::{SipEndpoint, Wire};
use crate::call::{CallEvent, CallId, EndReason, HangupReason};
use crate::sip::{Method, Response};

/// Phones of one forked call whose ringing is told apart.
const MAX_RINGING: usize = 16;

impl SipEndpoint {
    pub(super) fn on_invite_response(&mut self, now: MediaTime, response: &Response) {
        if let Some(id) = self.outgoing.by_branch.get(&response.branch).copied() {
            return match response.status {
                ..200 => self.on_provisional(now, id, response),
                200..300 => self.on_taken(now, id, response),
                _ => self.on_refused(now, id, response),
            };
        }
        if response.status >= 200 {
            self.on_copy(now, response);
        }
    }

    fn on_provisional(&mut self, now: MediaTime, id: CallId, response: &Response) {
        self.proceeds(now, id);
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        if attempt.stage != Stage::Proceeding {
            return;
        }
        if let Some(number) = response.reliable()
            && !self.acknowledge_early(now, id, number, response)
        {
            return;
        }
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        if let (Some(tag), Some(sdp)) = (response.to_tag(), response.sdp()) {
            attempt.early = Some((tag, sdp));
        }
        if response.status > 100 && !std::mem::replace(&mut attempt.rings, true) {
            self.tell(CallEvent::Ringing { call: id });
        }
    }

    /// PRACK for a provisional answer that is reliable (RFC 3262 section 4); `false`: a copy, or one before it is missing.
    fn acknowledge_early(
        &mut self,
        now: MediaTime,
        id: CallId,
        number: u32,
        response: &Response,
    ) -> bool {
        let Some(tag) = response.to_tag() else {
            return false;
        };
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return false;
        };
        let is_full = attempt.reliable.len() >= MAX_RINGING;
        match attempt.reliable.iter_mut().find(|(of, _)| *of == tag) {
            Some((_, last)) if number != last.wrapping_add(1) => return false,
            Some((_, last)) => *last = number,
            None if is_full => return false,
            None => attempt.reliable.push((tag, number)),
        }
        attempt.within += 1;
        let Some(attempt) = self.outgoing.attempts.get(&id) else {
            return false;
        };
        let Some(call) = self.dialog(id, attempt, response) else {
            return false;
        };
        let hop = call.routes.first().unwrap_or(&call.target);
        let wire = match attempt.wire {
            Wire::Udp(to) => Wire::Udp(hop.address.unwrap_or(to)),
            stream => stream,
        };
        let (invite, trunk, way) = (attempt.cseq, attempt.trunk, attempt.target.way);
        let way = (way, self.announced(way));
        let branch = self.tags.branch();
        let mut text = within(&call, Method::Prack, call.local_cseq, &branch, way);
        push(&mut text, "RAck", &format!("{number} {invite} INVITE"));
        finish(&mut text, None);
        let client = Client {
            purpose: Purpose::Aside,
            trunk,
            method: Method::Prack,
            wire,
            bytes: Bytes::from(text),
            tries: 0,
        };
        self.transact(now, client, branch);
        true
    }

    fn on_refused(&mut self, now: MediaTime, id: CallId, response: &Response) {
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        let (wire, branch) = (attempt.wire, attempt.branch.clone());
        let to = response.to().unwrap_or_else(|| attempt.remote.clone());
        let ack = beside(&attempt.invite, Method::Ack, Some(&to));
        let (trunk, tries, invite) = (attempt.trunk, attempt.tries, attempt.invite.clone());
        let told = attempt.told;
        self.outgoing.by_branch.remove(&branch);
        if let Some(ack) = ack {
            self.send(wire, ack.clone());
            if let Wire::Udp(_) = wire {
                let refused = Outcome::Refused(wire, ack);
                self.keep_spent(now, branch, refused);
            }
        }
        if told {
            return self.attempt_ended(id, EndReason::HungUp);
        }
        if let Some(header) = self.credentials_for(trunk, &invite, tries, response) {
            return self.invite_again(now, id, |bytes, branch, cseq| {
                reissued(bytes, branch, cseq, Some(&header))
            });
        }
        match response.status {
            422 if tries < TRIES && response.minimum().is_some() => {
                let least = response.minimum().unwrap_or_default();
                let value = format!("{};refresher=uas", least.as_secs());
                let header = ("Session-Expires", value);
                if let Some(attempt) = self.outgoing.attempts.get_mut(&id) {
                    attempt.interval = least;
                }
                self.invite_again(now, id, |bytes, branch, cseq| {
                    reissued(bytes, branch, cseq, Some(&header))
                });
            }
            status @ (408 | 500..600) => self.attempt_failed(now, id, status),
            status => self.attempt_ended(id, EndReason::Rejected(status)),
        }
    }

    /// The INVITE once more in the same dialog to be, changed.
    fn invite_again(
        &mut self,
        now: MediaTime,
        id: CallId,
        change: impl FnOnce(&[u8], &str, u32) -> Option<Bytes>,
    ) {
        let branch = self.tags.branch();
        let Some(attempt) = self.outgoing.attempts.get_mut(&id) else {
            return;
        };
        attempt.cseq += 1;
        attempt.tries += 1;
        match change(&attempt.invite, &branch, attempt.cseq) {
            Some(invite) => self.send_invite(now, id, branch, invite),
            None => self.attempt_ended(id, EndReason::PeerFault),
        }
    }

    /// A 2xx: the call stands.
    fn on_taken(&mut self, now: MediaTime, id: CallId, response: &Response) {
        let Some(attempt) = self.outgoing.attempts.remove(&id) else {
            return;
        };
        self.outgoing.by_branch.remove(&attempt.branch);
        let early = attempt.early.as_ref();
        let early = early.filter(|(tag, _)| response.to_tag().as_ref() == Some(tag));
        let answer = response.sdp().or_else(|| early.map(|(_, sdp)| sdp.clone()));
        let (trunk, route, told) = (attempt.trunk, attempt.route, attempt.told);
        let Some(ack) = self.adopt(now, id, &attempt, response) else {
            // Without tag or Contact there is no dialog, and nothing that could be acknowledged.
            self.leave_trunk(trunk);
            let reason = EndReason::PeerFault;
            if !told {
                self.tell(CallEvent::Ended { call: id, reason });
            }
            return;
        };
        let branch = attempt.branch.clone();
        let taken = Outcome::Taken(Box::new(attempt), vec![ack]);
        self.keep_spent(now, branch, taken);
        match answer {
            _ if told => self.part(now, id),
            Some(answer) => {
                let call = id;
                let event = CallEvent::Answered {
                    call,
                    route,
                    answer,
                };
                self.tell(event);
            }
            None => self.abandon(now, id, EndReason::PeerFault),
        }
    }

    /// A final answer to a transaction that has had one: the same again, or another phone of a forked call, which is told goodbye.
    fn on_copy(&mut self, now: MediaTime, response: &Response) {
        let tag = response.to_tag().unwrap_or_default();
        let Some(outcome) = self.outgoing.spent.of(&response.branch) else {
            return;
        };
        if let Some((wire, ack)) = outcome.ack(&tag) {
            return self.send(wire, ack);
        }
        if !(200..300).contains(&response.status) || !outcome.has_room() {
            return;
        }
        let stray = CallId(self.next_call);
        self.next_call += 1;
        // Taken out meanwhile: what it is made from lies in it.
        let Outcome::Taken(attempt, _) = outcome else {
            return;
        };
        let attempt = std::mem::replace(attempt, Box::new(Attempt::nothing()));
        if let Some(meter) = self.meters.get_mut(attempt.trunk) {
            meter.counters.calls += 1;
        }
        let ack = self.adopt(now, stray, &attempt, response);
        if ack.is_none() {
            self.leave_trunk(attempt.trunk);
        }
        if let Some(Outcome::Taken(place, acks)) = self.outgoing.spent.of(&response.branch) {
            *place = attempt;
            acks.extend(ack);
        }
        self.part(now, stray);
    }

    /// Says goodbye to a call whose end has been told, or that nobody knows of.
    fn part(&mut self, now: MediaTime, id: CallId) {
        if let Some(call) = self.calls.get_mut(&id) {
            call.farewell = Some(HangupReason::Normal);
            self.say_bye(now, id, HangupReason::Normal);
        }
    }

    fn keep_spent(&mut self, now: MediaTime, branch: String, outcome: Outcome) {
        let spent = self.outgoing.spent.insert(branch, outcome);
        // Timers D and M.
        let due = now + self.config.timing.t1 * 64;
        self.timers.set(due, Owner::Spent(spent));
    }

    /// The dialog that an answer makes, early or not.
    fn dialog(&self, id: CallId, attempt: &Attempt, response: &Response) -> Option<Call> {
        let (tag, target) = (response.to_tag()?, response.contact()?);
        let key = DialogKey {
            call_id: attempt.call_id.clone().into_bytes(),
            local_tag: attempt.local_tag.clone().into_bytes(),
            remote_tag: tag,
        };
        Some(Call {
            id,
            trunk: attempt.trunk,
            key,
            local: attempt.local.clone(),
            remote: response.to()?,
            target,
            routes: response.routes()?,
            peer: Peer {
                source: attempt.target.address,
                stream: match attempt.wire {
                    Wire::Udp(_) => None,
                    Wire::Tcp(stream) => Some(stream),
                },
                way: attempt.target.way,
                behind_nat: false,
            },
            sips: false,
            remote_cseq: 0,
            local_cseq: attempt.cseq.saturating_add(attempt.within),
            phase: Phase::Standing,
            pending: None,
            unacked: None,
            session: None,
            probe: None,
            farewell: None,
            referral: Referral::default(),
            sent: None,
            armed: None,
        })
    }

    /// Makes the dialog of a 2xx a call, and acknowledges it.
    fn adopt(
        &mut self,
        now: MediaTime,
        id: CallId,
        attempt: &Attempt,
        response: &Response,
    ) -> Option<(Vec<u8>, Wire, Bytes)> {
        let call = self.dialog(id, attempt, response)?;
        let session = response.session().and_then(|agreed| {
            // We refresh by UPDATE only.
            let possible = !agreed.we_refresh || response.allows_update();
            possible.then_some(SessionTerms {
                interval: agreed.interval.max(self.config.session_minimum),
                we_refresh: agreed.we_refresh,
                require: true,
            })
        });
        let tag = call.key.remote_tag.clone();
        self.dialogs.insert(call.key.clone(), id);
        self.calls.insert(id, call);
        let (wire, way) = self.way_to(now, id)?;
        let branch = self.tags.branch();
        let announced = self.announced(way);
        let call = self.calls.get(&id)?;
        let mut text = within(call, Method::Ack, attempt.cseq, &branch, (way, announced));
        for (name, value) in credentials(&attempt.invite) {
            push(&mut text, name, value);
        }
        finish(&mut text, None);
        let ack = Bytes::from(text);
        self.send(wire, ack.clone());
        self.start_session(now, id, session);
        Some((tag, wire, ack))
    }
}

impl Attempt {
    /// Stands where one was taken out of for a moment.
    fn nothing() -> Self {
        Self::new(CallId(0), Vec::new(), Duration::ZERO, MediaTime::ZERO)
    }
}

/// What an INVITE showed of itself, which its ACK shows, too (RFC 3261 section 13.2.2.4).
fn credentials(invite: &[u8]) -> impl Iterator<Item = (&str, &str)> {
    let text = std::str::from_utf8(invite).unwrap_or_default();
    let head = text.split("\r\n\r\n").next().unwrap_or_default();
    let rows = head.split("\r\n").filter_map(|row| row.split_once(": "));
    rows.filter(|(name, _)| matches!(*name, "Authorization" | "Proxy-Authorization"))
}
