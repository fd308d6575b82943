//! WebRTC peers on a worker: finding whose a datagram is, driving the peer, and what its faults lead to.

use std::collections::HashMap;
use std::io;
use std::net::SocketAddr;
use std::time::Instant;

use mio::net::UdpSocket;
use plenum_mixer::{Feedback, Input, LegConfig, LegId, Track};

use super::legs::Peer;
use super::links::ToRoom;
use super::run::{Timer, Worker};
use crate::media::LegGone;
use crate::media::demux::{self, Kind as Protocol};
use crate::media::guard::Faulted;
use crate::media::metrics::{Dropped, Fault, Metrics};
use crate::media::webrtc::{Heard, PeerEvent, Received, TransportError};

/// Datagrams read from the shared socket before timers and other sockets have their turn.
const BATCH: usize = 128;

impl Worker {
    /// Reads the shared socket. True when it may hold more.
    pub(super) fn read_webrtc(&mut self) -> bool {
        let mut scratch = std::mem::take(&mut self.scratch);
        let mut more = true;
        for _ in 0..BATCH {
            match self.socket.recv_from(&mut scratch) {
                Ok((length, source)) => {
                    let Some(datagram) = scratch.get_mut(..length) else {
                        continue;
                    };
                    self.on_datagram(Instant::now(), source, datagram);
                    // Whoever has just proved to know the password sends DTLS at once: it may be the next datagram, and
                    // a ClientHello that is dropped comes again after a second.
                    if matches!(self.happened.back(), Some((_, PeerEvent::Validated(_)))) {
                        self.settle();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    more = false;
                    break;
                }
                // ICMP errors of peers that went away surface here; the socket is fine.
                Err(_) => {}
            }
        }
        self.scratch = scratch;
        more
    }

    fn on_datagram(&mut self, now: Instant, source: SocketAddr, datagram: &mut [u8]) {
        self.tally.webrtc_came(datagram.len());
        let kind = demux::kind_of(datagram);
        let owner = match kind {
            None => return self.metrics.dropped(Dropped::Malformed, 1),
            // STUN always goes by fragment: a reloaded page may use its old port for its new peer.
            Some(Protocol::Stun) => demux::receiver_ufrag(datagram)
                .and_then(|ufrag| self.ufrags.get(ufrag))
                .copied(),
            // DTLS and SRTP only from an address that has proved to know the ICE password: garbage from
            // elsewhere would kill a handshake in progress.
            Some(Protocol::Dtls | Protocol::Rtp) => self.addresses.get(&source).copied(),
        };
        let Some(leg) = owner else {
            return self.metrics.dropped(Dropped::UnknownSource, 1);
        };
        let Some(peer) = self.legs.get_mut(&leg).and_then(|l| l.peer()) else {
            return;
        };
        if !peer.budget.spend(now, datagram.len()) {
            return self.metrics.dropped(Dropped::OverBudget, 1);
        }
        if !peer.sources.contains(&source) {
            if peer.sources.len() >= self.config.limits.stun_sources {
                return self.metrics.dropped(Dropped::StunSources, 1);
            }
            peer.sources.push(source);
        }
        if kind == Some(Protocol::Rtp) {
            match peer.transport.call(|t| t.receive_audio(now, datagram)) {
                Ok(Heard::Foreign) => {}
                Ok(Heard::Refused) => return self.metrics.dropped(Dropped::Malformed, 1),
                Ok(Heard::Packet(packet)) => {
                    peer.heard = now;
                    let track = Track::Audio;
                    return self.give(leg, now, Input::Packet { leg, packet, track });
                }
                Err(Faulted) => return self.peer_panicked(leg),
            }
        }
        let (socket, metrics, happened) = (&self.socket, &self.metrics, &mut self.peer_events);
        let outcome = peer.transport.call(|transport| {
            let received = transport.receive(now, source, datagram);
            (
                received,
                transport.poll(happened, &mut |to, bytes| {
                    transmit(socket, metrics, to, bytes)
                }),
            )
        });
        let outcome = outcome.map(|(received, polled)| {
            match received {
                Received::Taken => {}
                Received::Malformed => self.metrics.dropped(Dropped::Malformed, 1),
                Received::Guarded => self.metrics.dropped(Dropped::TransportNumber, 1),
            }
            polled
        });
        self.after_poll(leg, now, outcome);
    }

    /// Lets a peer's time pass and sends what it has queued.
    pub(super) fn advance_peer(&mut self, leg: LegId, now: Instant) {
        let Some(peer) = self.legs.get_mut(&leg).and_then(|l| l.peer()) else {
            return;
        };
        peer.dirty = false;
        let (socket, metrics, happened) = (&self.socket, &self.metrics, &mut self.peer_events);
        let outcome = peer.transport.call(|transport| {
            let advanced = transport.advance(now, happened, &mut |to, bytes| {
                transmit(socket, metrics, to, bytes)
            });
            match transport.take_paced_out() {
                0 => {}
                dropped => metrics.dropped(Dropped::Paced, dropped),
            }
            advanced
        });
        self.after_poll(leg, now, outcome);
    }

    fn after_poll(
        &mut self,
        leg: LegId,
        now: Instant,
        outcome: Result<Result<Instant, TransportError>, Faulted>,
    ) {
        match outcome {
            Ok(Ok(at)) => {
                // A deadline in the past would spin: the stack has just been told that it is now.
                self.timers.set(Timer::Peer(leg), at.max(now + MIN_STEP));
                self.happened
                    .extend(self.peer_events.drain(..).map(|event| (leg, event)));
            }
            Ok(Err(error)) => {
                self.peer_events.clear();
                self.metrics.fault(Fault::Error);
                if let Some(suppressed) = self.log.admit(now) {
                    tracing::warn!(leg = leg.0, %error, suppressed, "peer dropped");
                }
                self.gone(leg, LegGone::PeerFault);
            }
            Err(Faulted) => {
                self.peer_events.clear();
                self.peer_panicked(leg);
            }
        }
    }

    /// The peer's state panicked and is gone already; so is the leg now. The worker goes on.
    pub(super) fn peer_panicked(&mut self, leg: LegId) {
        self.metrics.fault(Fault::Panic);
        if let Some(suppressed) = self.log.admit(Instant::now()) {
            tracing::error!(
                leg = leg.0,
                suppressed,
                "peer state panicked and was dropped"
            );
        }
        self.gone(leg, LegGone::PeerFault);
    }

    pub(super) fn on_peer_event(&mut self, leg: LegId, now: Instant, event: PeerEvent) {
        let Some(entry) = self.legs.get_mut(&leg) else {
            return;
        };
        let Some(peer) = entry.peer() else { return };
        match event {
            PeerEvent::Validated(address) => self.on_validated(leg, now, address),
            PeerEvent::Connected => {
                peer.connected = true;
                let config = peer.transport.call(|t| t.leg_config(leg));
                self.tell_room(leg, now, ToRoom::Connected(leg));
                // From now on it has slots, if it takes pictures.
                let sees = |config: &LegConfig| config.video.as_ref().is_some_and(|v| v.slots > 0);
                if let Some(config) = config.ok().flatten().filter(sees) {
                    self.tell_room(leg, now, ToRoom::Reconfigure(Box::new(config)));
                }
            }
            PeerEvent::Packet { track, packet } => {
                peer.heard = now;
                self.give(leg, now, Input::Packet { leg, packet, track });
            }
            PeerEvent::KeyframeRequest { slot } => {
                let feedback = Feedback::KeyframeRequest { slot };
                self.give(leg, now, Input::Feedback { leg, feedback });
            }
            PeerEvent::Loss { fraction } => {
                let feedback = Feedback::Loss { fraction };
                self.give(leg, now, Input::Feedback { leg, feedback });
            }
            PeerEvent::Estimate { bits_per_second } => {
                peer.estimate = Some(bits_per_second);
                let feedback = Feedback::Estimate { bits_per_second };
                self.give(leg, now, Input::Feedback { leg, feedback });
            }
            PeerEvent::Closed => self.gone(leg, LegGone::Closed),
        }
    }

    /// An address has shown that it knows the leg's password.
    fn on_validated(&mut self, leg: LegId, now: Instant, address: SocketAddr) {
        let legs = &mut self.legs;
        let claimed = claim(&mut self.addresses, address, leg, |owner| {
            let owner = legs.get_mut(&owner).and_then(|entry| entry.peer());
            owner.is_some_and(|peer| {
                peer.connected && now.saturating_duration_since(peer.heard) < DEFENDED
            })
        });
        if !claimed {
            return self.metrics.dropped(Dropped::UnknownSource, 1);
        }
        let Some(peer) = self.legs.get_mut(&leg).and_then(|entry| entry.peer()) else {
            return;
        };
        peer.heard = now;
        if !peer.addresses.contains(&address) {
            if peer.addresses.len() < self.config.limits.stun_sources {
                peer.addresses.push(address);
            } else {
                self.addresses.remove(&address);
            }
        }
    }

    /// Whether a peer has been away for too long, or never came.
    pub(super) fn peer_expired(&self, peer: &Peer, now: Instant) -> bool {
        let limit = self.config.ice_timeout;
        let silent = now.saturating_duration_since(peer.heard) >= limit;
        silent || (!peer.connected && now.saturating_duration_since(peer.born) >= limit)
    }

    /// Says goodbye to a peer that is being removed and forgets where it was.
    pub(super) fn close_peer(&mut self, leg: LegId, peer: &mut Peer) {
        let (socket, metrics, happened) = (&self.socket, &self.metrics, &mut self.peer_events);
        let said = peer.transport.call(|transport| {
            let mut send = |to, bytes: &[u8]| transmit(socket, metrics, to, bytes);
            transport.close(&mut send);
            transport.poll(happened, &mut send)
        });
        self.peer_events.clear();
        if !matches!(said, Ok(Ok(_))) {
            tracing::trace!(leg = leg.0, "peer left without goodbye");
        }
        self.ufrags.remove(peer.ufrag.as_bytes());
        for address in &peer.addresses {
            if self.addresses.get(address) == Some(&leg) {
                self.addresses.remove(address);
            }
        }
    }
}

/// A peer heard of so lately keeps its address against another's claim: three times the longest pause between
/// the checks of a browser (RFC 7675 §5.1: 6 s at most, 2.5 s in practice).
const DEFENDED: std::time::Duration = std::time::Duration::from_secs(8);

/// Gives `address` to `leg`, unless another leg owns it that `is_alive`: a participant that forges the source of
/// its own checks would otherwise draw another's media to itself, and end that call. A page that was reloaded
/// on its old port has closed, or lost, its former leg.
fn claim(
    addresses: &mut HashMap<SocketAddr, LegId>,
    address: SocketAddr,
    leg: LegId,
    is_alive: impl FnOnce(LegId) -> bool,
) -> bool {
    if let Some(owner) = addresses.get(&address).copied()
        && owner != leg
        && is_alive(owner)
    {
        return false;
    }
    addresses.insert(address, leg);
    true
}

/// The least time between two timeouts of one peer.
const MIN_STEP: std::time::Duration = std::time::Duration::from_millis(1);

fn transmit(socket: &UdpSocket, metrics: &Metrics, to: SocketAddr, bytes: &[u8]) {
    match socket.send_to(bytes, to) {
        Ok(sent) => {
            metrics.webrtc.packets_out.inc();
            metrics
                .webrtc
                .bytes_out
                .inc_by(u64::try_from(sent).unwrap_or_default());
        }
        Err(_) => metrics.dropped(Dropped::SendFull, 1),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_stays_with_its_leg_while_that_one_lives() {
        let mut addresses = HashMap::new();
        let address = SocketAddr::from(([192, 0, 2, 1], 4_000));
        assert!(claim(&mut addresses, address, LegId(1), |_| true));
        assert!(claim(&mut addresses, address, LegId(1), |_| true));
        assert!(!claim(&mut addresses, address, LegId(2), |_| true));
        assert_eq!(addresses.get(&address), Some(&LegId(1)));
        assert!(claim(&mut addresses, address, LegId(2), |owner| owner != LegId(1)));
        assert_eq!(addresses.get(&address), Some(&LegId(2)));
    }
}
