//! Requests to the far ends of trunks that stand in no dialog: REGISTER and OPTIONS, address by address until one answers. What comes of them
//! is [`super::far_end`]'s.

use std::collections::VecDeque;

use bytes::Bytes;
use plenum_codecs::MediaTime;

use super::outgoing::{Target, host_of};
use super::uac::{Client, Purpose, via};
use super::write::{append, finish, push};
use super::{SipEndpoint, Wire};
use crate::sip::Method;

/// What is wanted of a far end and stands in no dialog.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Errand {
    Register,
    Probe,
}

impl Errand {
    pub(super) const fn place(self) -> usize {
        match self {
            Self::Register => 0,
            Self::Probe => 1,
        }
    }
}

impl SipEndpoint {
    /// Where the far end is, is known.
    pub(super) fn errand_found(
        &mut self,
        now: MediaTime,
        trunk: usize,
        errand: Errand,
        targets: VecDeque<Target>,
    ) {
        if let Some(far) = self.far_ends.get_mut(trunk)
            && let Some(place) = far.targets.get_mut(errand.place())
        {
            *place = targets;
        }
        self.run_errand(now, trunk, errand, 503);
    }

    /// Asks the next address; without one the errand has failed with `status`.
    pub(super) fn run_errand(&mut self, now: MediaTime, trunk: usize, errand: Errand, status: u16) {
        let far = self.far_ends.get_mut(trunk);
        let target = far.and_then(|far| far.targets.get_mut(errand.place())?.pop_front());
        let Some(target) = target else {
            return match errand {
                Errand::Register => self.register_failed(now, trunk, status, None),
                Errand::Probe => self.probed(now, trunk, false),
            };
        };
        let wire = self.wire_to(now, trunk, target);
        let branch = self.tags.branch();
        let Some(bytes) = self.errand_text(trunk, errand, target, &branch) else {
            return;
        };
        let (purpose, method) = match errand {
            Errand::Register => (Purpose::Register(trunk), Method::Register),
            Errand::Probe => (Purpose::Probe(trunk), Method::Options),
        };
        let client = Client {
            purpose,
            trunk,
            method,
            wire,
            bytes,
            tries: 0,
        };
        self.transact(now, client, branch);
    }

    /// The way to an address of a trunk.
    pub(super) fn wire_to(&mut self, now: MediaTime, trunk: usize, target: Target) -> Wire {
        match target.way {
            super::Way::Udp => Wire::Udp(target.address),
            way => {
                let terms = self.config.trunks.get(trunk);
                let outbound = terms.and_then(|trunk| trunk.outbound.as_ref());
                let host = outbound.map(|outbound| outbound.proxy.host.clone());
                let host = host.unwrap_or_default();
                Wire::Tcp(self.stream_to(now, (target.address, way), &host))
            }
        }
    }

    fn errand_text(
        &mut self,
        trunk: usize,
        errand: Errand,
        target: Target,
        branch: &str,
    ) -> Option<Bytes> {
        let outbound = self.config.trunks.get(trunk)?.outbound.clone()?;
        let domain = host_of(&outbound.domain);
        let user = outbound.login.as_ref().map(|login| login.user.clone());
        let user = user.filter(|user| !user.is_empty());
        let user = user.unwrap_or_else(|| "plenum".to_owned());
        let contact = self.contact(target.way, false);
        let (fresh_tag, fresh_id) = (self.tags.fresh(), self.tags.fresh());
        let announced = self.announced(target.way);
        let (method, local_tag, call_id, cseq, expires) = match errand {
            Errand::Probe => (Method::Options, fresh_tag, fresh_id, 1, None),
            Errand::Register => {
                let binding = self.far_ends.get_mut(trunk)?.binding.as_mut()?;
                // All registrations of one start share Call-ID and tag (RFC 3261 section 10.2.4).
                if binding.call_id.is_empty() {
                    binding.call_id = fresh_id;
                    binding.local_tag = fresh_tag;
                }
                binding.cseq = binding.cseq.saturating_add(1);
                let expires = if binding.leaving {
                    0
                } else {
                    binding.expires.as_secs()
                };
                let (tag, id) = (binding.local_tag.clone(), binding.call_id.clone());
                (Method::Register, tag, id, binding.cseq, Some(expires))
            }
        };
        let name = method.as_str();
        let mut text = format!("{name} sip:{domain} SIP/2.0\r\n");
        via(&mut text, branch, target.way, announced);
        append(
            &mut text,
            format_args!(
                "From: <sip:{user}@{domain}>;tag={local_tag}\r\nTo: <sip:{}{domain}>\r\nCall-ID: {call_id}\r\n\
                 CSeq: {cseq} {name}\r\nMax-Forwards: 70\r\n",
                if expires.is_some() {
                    format!("{user}@")
                } else {
                    String::new()
                },
            ),
        );
        match expires {
            None => {
                push(&mut text, "Contact", &contact);
                push(&mut text, "Accept", "application/sdp");
            }
            Some(expires) => {
                let contact = contact.replacen("sip:", &format!("sip:{user}@"), 1);
                push(&mut text, "Contact", &contact);
                push(&mut text, "Expires", &expires.to_string());
            }
        }
        if !self.config.server.is_empty() {
            push(&mut text, "User-Agent", &self.config.server);
        }
        finish(&mut text, None);
        Some(Bytes::from(text))
    }
}
