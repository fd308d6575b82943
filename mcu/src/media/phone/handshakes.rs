//! The handshakes of a stream's two sockets, RTP's and RTCP's (RFC 5764 section 4.1.2), between the worker and [`super::dtls`]: what they
//! agree on goes to the stream's shield and latch, what they have to say to its sockets.

use std::net::SocketAddr;
use std::time::Instant;

use mio::net::UdpSocket;
use plenum_dialin::sdp::{DtlsSession, Protection};

use super::dtls::{Fault, Handshake};
use super::latch::Latch;
use super::shield::Shield;
use crate::media::demux;

/// See the module.
pub(super) struct Handshakes {
    rtp: Handshake,
    rtcp: Handshake,
}

/// Where signalling says that media goes.
#[derive(Clone, Copy)]
pub(super) struct Addresses {
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
}

/// What handshakes of a stream lead to.
pub(super) struct Stream<'a> {
    pub(super) rtp: &'a UdpSocket,
    pub(super) rtcp: &'a UdpSocket,
    pub(super) shield: &'a mut Shield,
    pub(super) latch: &'a mut Latch,
    pub(super) rtcp_source: &'a mut Option<SocketAddr>,
    pub(super) ssrc: u32,
}

/// Whether a datagram is of a handshake (RFC 7983 section 7).
pub(super) fn is_handshake(datagram: &[u8]) -> bool {
    demux::kind_of(datagram) == Some(demux::Kind::Dtls)
}

impl Handshakes {
    /// `None` when keys come otherwise, or none are wanted.
    pub(super) fn start(
        protection: Option<&Protection>,
        to: Addresses,
        now: Instant,
    ) -> Option<Box<Self>> {
        let session = session(protection)?;
        let of = |remote| Handshake::new(session.clone(), remote, now);
        Some(Box::new(Self {
            rtp: of(to.rtp),
            rtcp: of(to.rtcp),
        }))
    }

    /// Signalling has agreed on something, perhaps on the same. `shield` is as signalling wants it already.
    pub(super) fn update(
        this: &mut Option<Box<Self>>,
        protection: Option<&Protection>,
        to: Addresses,
        (shield, ssrc): (&mut Shield, u32),
        now: Instant,
    ) {
        match (session(protection), this.as_mut()) {
            (Some(session), Some(handshakes)) => {
                handshakes.rtcp.signal(session, to.rtcp, now);
                if handshakes.rtp.signal(session, to.rtp, now) {
                    *shield = Shield::new(protection, ssrc);
                }
            }
            _ => *this = Self::start(protection, to, now),
        }
    }

    /// Reads a datagram of a handshake on RTP's socket, or on RTCP's; true when media may flow now.
    pub(super) fn read(
        &mut self,
        (is_rtp, source): (bool, SocketAddr),
        datagram: &[u8],
        stream: Stream<'_>,
        now: Instant,
    ) -> bool {
        let handshake = if is_rtp {
            &mut self.rtp
        } else {
            &mut self.rtcp
        };
        let agreed = handshake.on_datagram(now, source, datagram);
        let done = agreed.is_some();
        match agreed {
            None => {}
            Some(agreed) if is_rtp => {
                stream.shield.agree(&agreed.keys, stream.ssrc);
                stream.latch.prove(agreed.source, now);
            }
            Some(agreed) => {
                stream.shield.agree_reports(&agreed.keys, stream.ssrc);
                *stream.rtcp_source = Some(agreed.source);
            }
        }
        self.send(stream.rtp, stream.rtcp);
        done && is_rtp
    }

    /// Repeats what was lost, and gives up what takes too long.
    pub(super) fn advance(&mut self, (rtp, rtcp): (&UdpSocket, &UdpSocket), now: Instant) {
        self.rtp.advance(now);
        self.rtcp.advance(now);
        self.send(rtp, rtcp);
    }

    /// Sends what there is to send.
    pub(super) fn send(&mut self, rtp: &UdpSocket, rtcp: &UdpSocket) {
        for (handshake, socket) in [(&mut self.rtp, rtp), (&mut self.rtcp, rtcp)] {
            for (to, bytes) in handshake.take_outgoing() {
                if let Err(error) = socket.send_to(&bytes, to) {
                    // It is repeated in time.
                    tracing::trace!(%error, "a handshake's datagram was not sent");
                }
            }
        }
    }

    /// When [`Self::advance`] is due.
    pub(super) fn due(&mut self) -> Option<Instant> {
        self.rtp.due().into_iter().chain(self.rtcp.due()).min()
    }

    /// Why media will not flow. Reports may do without keys.
    pub(super) fn fault(&self) -> Option<Fault> {
        self.rtp.fault()
    }
}

fn session(protection: Option<&Protection>) -> Option<&DtlsSession> {
    match protection? {
        Protection::Dtls(session) => Some(session),
        Protection::Sdes(_) => None,
    }
}
