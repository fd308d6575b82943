//! How requests are answered with a failure, with and without a transaction. Knows no dialog.

use plenum_codecs::MediaTime;

use super::requests::{INFO_TYPES, SUPPORTED};
use super::write::{ALLOW, Reply};
use super::{Arrival, SipEndpoint, Wire};
use crate::sip::{Method, Request};

impl SipEndpoint {
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
}
