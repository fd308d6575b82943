//! The video of a phone leg: RTP and RTCP over a socket pair of its own beside the audio's, latched like that, and asked for
//! keyframes in whichever way the phone knows.

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use plenum_codecs::video::h264::Limit;
use plenum_codecs::video::{CLOCK_RATE, VideoCodec};
use plenum_dialin::sdp::VideoSession;
use plenum_mixer::{OutPacket, VideoSetting};
use tokio::sync::mpsc;

use super::handshakes::{Addresses, Handshakes, Stream, is_handshake};
use super::latch::{Latch, Seen};
use super::reception::Reception;
use super::shield::Shield;
use super::{PhoneInput, Reported, Sent, feedback, receive, wire};
use crate::media::Limits;
use crate::media::budget::Budget;
use crate::media::ports::{PortLease, RtpSockets};

/// Receive buffer asked of the kernel: a keyframe comes at once.
const RECEIVE_BUFFER: usize = 512 * 1024;
/// Below this a picture is of no use to anybody, bits per second: nothing is sent then.
const LEAST_BITRATE: u32 = 40_000;

/// What signalling agreed for a phone's video.
#[derive(Debug)]
pub struct PhoneVideo {
    /// As negotiated.
    pub session: VideoSession,
    /// Its sockets, when the leg has none for video yet.
    pub sockets: Option<RtpSockets>,
    /// The composite has to be made smaller for it.
    pub limit: Option<Limit>,
    /// Told when the phone is to be asked for a keyframe by signalling. A wish that does not fit is dropped: one waits already.
    pub refresh: mpsc::Sender<()>,
}

/// See the module.
pub(in crate::media) struct Video {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Held for its `Drop`: returns the ports when the sockets are closed.
    _lease: PortLease,
    session: VideoSession,
    limit: Option<Limit>,
    refresh: mpsc::Sender<()>,
    shield: Shield,
    /// Where keys come of them. Without keys there is no picture, and the call goes on.
    handshakes: Option<Box<Handshakes>>,
    latch: Latch,
    rtcp_source: Option<SocketAddr>,
    budget: Budget,
    /// Of all who are not the call's: they must not spend what is the call's.
    strangers: Budget,
    ssrc: u32,
    /// That of the audio, so that the phone plays both in step (RFC 3550 §6.5.1).
    cname: String,
    born: Instant,
    reception: Option<Reception>,
    sent: Sent,
    /// When the packet of `sent` went out.
    sent_at: Instant,
    /// Number of the last FIR.
    firs: u8,
}

impl Video {
    /// `None` when there are no sockets.
    pub(in crate::media) fn new(
        video: PhoneVideo,
        cname: &str,
        limits: &Limits,
        now: Instant,
    ) -> Option<Self> {
        let RtpSockets {
            rtp,
            rtcp,
            local: _,
            lease,
        } = video.sockets?;
        // A smaller buffer than asked for still works.
        if let Err(error) = socket2::SockRef::from(&rtp).set_recv_buffer_size(RECEIVE_BUFFER) {
            tracing::debug!(%error, "phone's video socket keeps its buffer");
        }
        let ssrc = fastrand::u32(1..);
        let (rtp, rtcp) = (UdpSocket::from_std(rtp), UdpSocket::from_std(rtcp));
        let protection = video.session.srtp.as_ref();
        let mut handshakes = Handshakes::start(protection, addresses(&video.session), now);
        if let Some(handshakes) = &mut handshakes {
            handshakes.send(&rtp, &rtcp);
        }
        Some(Self {
            rtp,
            rtcp,
            _lease: lease,
            latch: Latch::new(video.session.remote_rtp),
            shield: Shield::new(protection, ssrc),
            handshakes,
            session: video.session,
            limit: video.limit,
            refresh: video.refresh,
            rtcp_source: None,
            budget: Budget::new(limits, now),
            strangers: Budget::new(&limits.for_strangers(), now),
            ssrc,
            cname: cname.to_owned(),
            born: now,
            reception: None,
            sent: Sent::default(),
            sent_at: now,
            firs: 0,
        })
    }

    pub(in crate::media) fn register(
        &mut self,
        registry: &Registry,
        rtp: Token,
        rtcp: Token,
    ) -> io::Result<()> {
        registry.register(&mut self.rtp, rtp, Interest::READABLE)?;
        registry.register(&mut self.rtcp, rtcp, Interest::READABLE)
    }

    pub(in crate::media) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.rtp)?;
        registry.deregister(&mut self.rtcp)
    }

    /// The room's view of it.
    pub(in crate::media) fn setting(&self) -> VideoSetting {
        let VideoSession {
            direction,
            payload_type,
            receive_payload_type,
            limit,
            ..
        } = self.session;
        let of = |used: bool, number: u8| {
            let one = used.then_some((number, VideoCodec::H264));
            one.into_iter().collect::<Vec<_>>()
        };
        let sends = direction.sends() && limit.bitrate >= LEAST_BITRATE;
        VideoSetting {
            receive: of(direction.receives(), receive_payload_type),
            send: of(sends, payload_type),
            slots: u8::from(sends),
            limit: self.limit,
        }
    }

    /// Signalling has agreed on something else.
    pub(in crate::media) fn update(&mut self, video: PhoneVideo, now: Instant) {
        self.latch.signal(video.session.remote_rtp);
        let protection = video.session.srtp.as_ref();
        self.shield.update(protection, self.ssrc);
        let shield = (&mut self.shield, self.ssrc);
        let to = addresses(&video.session);
        Handshakes::update(&mut self.handshakes, protection, to, shield, now);
        if let Some(handshakes) = &mut self.handshakes {
            handshakes.send(&self.rtp, &self.rtcp);
        }
        self.session = video.session;
        self.limit = video.limit;
        self.refresh = video.refresh;
    }

    pub(in crate::media) fn receive(
        &mut self,
        rtp: bool,
        scratch: &mut [u8],
    ) -> Option<io::Result<(usize, SocketAddr)>> {
        receive(if rtp { &self.rtp } else { &self.rtcp }, scratch)
    }

    /// Judges an RTP datagram, which is decrypted in place.
    pub(in crate::media) fn on_rtp(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &mut [u8],
    ) -> PhoneInput {
        let budget = if self.latch.expects(source) {
            &mut self.budget
        } else {
            &mut self.strangers
        };
        if !budget.spend(now, datagram.len()) {
            return PhoneInput::OverBudget;
        }
        if is_handshake(datagram) && self.read_handshake((true, source), datagram, now) {
            return PhoneInput::Handshake;
        }
        let Some(datagram) = self.shield.open(datagram) else {
            return PhoneInput::Unauthentic;
        };
        let Some(packet) = wire::parse(datagram)
            .filter(|packet| packet.payload_type == self.session.receive_payload_type)
        else {
            return PhoneInput::Malformed;
        };
        let seen = Seen {
            source,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
        };
        if !self.latch.admit(now, seen) {
            return PhoneInput::Unlatched;
        }
        let known = self.reception.as_ref().map(Reception::ssrc);
        if known != Some(packet.ssrc) {
            self.reception = Some(Reception::new(&packet, CLOCK_RATE));
        }
        if let Some(reception) = &mut self.reception {
            // Packets of one picture share a timestamp and come one after the other; only the last says something of jitter.
            reception.count(now, self.born, &packet, packet.marker);
        }
        PhoneInput::Packet {
            packet,
            first: false,
        }
    }

    /// Reads RTCP; whether it asks for a keyframe. `None` when it is none, or from elsewhere than the call's media.
    pub(in crate::media) fn on_rtcp(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Option<bool> {
        let expected = self
            .latch
            .locked()
            .map_or(self.session.remote_rtcp.ip(), |rtp| rtp.ip());
        if is_handshake(datagram) && self.handshakes.is_some() {
            let budget = if source.ip() == expected {
                &mut self.budget
            } else {
                &mut self.strangers
            };
            let afforded = budget.spend(now, datagram.len());
            return (afforded && self.read_handshake((false, source), datagram, now))
                .then_some(false);
        }
        if source.ip() != expected || !self.budget.spend(now, datagram.len()) {
            return None;
        }
        let datagram = self.shield.open_report(datagram)?;
        let report = wire::read_report(&datagram, self.ssrc)?;
        if self.latch.locked().is_some() {
            self.rtcp_source = Some(source);
        }
        if let Some(reception) = &mut self.reception {
            for (ssrc, ntp) in report.senders {
                reception.sender_report(ssrc, ntp, now);
            }
        }
        Some(feedback::wants_keyframe(&datagram))
    }

    /// False when there are no handshakes on this stream.
    fn read_handshake(&mut self, from: (bool, SocketAddr), datagram: &[u8], now: Instant) -> bool {
        let Some(handshakes) = &mut self.handshakes else {
            return false;
        };
        let stream = Stream {
            rtp: &self.rtp,
            rtcp: &self.rtcp,
            shield: &mut self.shield,
            latch: &mut self.latch,
            rtcp_source: &mut self.rtcp_source,
            ssrc: self.ssrc,
        };
        handshakes.read(from, datagram, stream, now);
        true
    }

    /// When handshakes are to be looked after.
    pub(super) fn handshakes_due(&mut self) -> Option<Instant> {
        self.handshakes.as_mut()?.due()
    }

    /// Repeats what was lost of them.
    pub(super) fn advance_handshakes(&mut self, now: Instant) {
        if let Some(handshakes) = &mut self.handshakes {
            handshakes.advance((&self.rtp, &self.rtcp), now);
        }
    }

    /// Sends a packet, written in `buffer`; returns the bytes sent, `None` when nothing could be.
    pub(in crate::media) fn send(
        &mut self,
        packet: &OutPacket,
        buffer: &mut Vec<u8>,
    ) -> Option<usize> {
        let to = self.latch.destination()?;
        if !wire::write(packet, self.ssrc, buffer) || !self.shield.protect(packet.sequence, buffer)
        {
            return None;
        }
        let sent = self.rtp.send_to(buffer, to).ok()?;
        self.sent.count(packet);
        self.sent_at = Instant::now();
        Some(sent)
    }

    /// Asks the phone for a keyframe (how often is the room's affair): by RTCP if it said that it understands, else by signalling.
    pub(in crate::media) fn request_keyframe(&mut self) {
        let known = self.session.feedback;
        let theirs = self.reception.as_ref().map(Reception::ssrc);
        let (Some(theirs), true) = (theirs, known.pli || known.fir) else {
            if self.refresh.try_send(()).is_err() {
                tracing::trace!("a wish for a keyframe waits already");
            }
            return;
        };
        let request = if known.pli {
            feedback::pli(self.ssrc, theirs)
        } else {
            self.firs = self.firs.wrapping_add(1);
            feedback::fir(self.ssrc, theirs, self.firs)
        };
        // A compound begins with a report (RFC 3550 §6.1), here one that says nothing.
        let report = wire::report(self.ssrc, None, None, &self.cname);
        if let (Some(to), Some(report)) = (self.rtcp_destination(), report)
            && let Some(bytes) = self
                .shield
                .protect_report(&[&report[..], &request].concat())
            && let Err(error) = self.rtcp.send_to(&bytes, to)
        {
            tracing::trace!(%error, "request for a keyframe not sent");
        }
    }

    /// Sends SR or RR.
    pub(in crate::media) fn report(&mut self, now: Instant) -> Option<Reported> {
        let jitter = self.reception.as_ref().map(Reception::jitter);
        let (block, interval) = self.reception.as_mut().map(|r| r.report(now)).unzip();
        let since = now.saturating_duration_since(self.sent_at);
        let sender = self.sent.sender_block(now, units(since));
        if let Some(to) = self.rtcp_destination()
            && let Some(bytes) = wire::report(self.ssrc, sender, block, &self.cname)
            && let Some(bytes) = self.shield.protect_report(&bytes)
            && let Err(error) = self.rtcp.send_to(&bytes, to)
        {
            tracing::trace!(%error, "report not sent");
        }
        Some(Reported {
            lost: interval?.lost,
            jitter: jitter?,
        })
    }

    fn rtcp_destination(&self) -> Option<SocketAddr> {
        super::rtcp_destination(
            &self.latch,
            (self.session.remote_rtp, self.session.remote_rtcp),
            self.rtcp_source,
        )
    }
}

fn addresses(session: &VideoSession) -> Addresses {
    Addresses {
        rtp: session.remote_rtp,
        rtcp: session.remote_rtcp,
    }
}

/// A time in units of the video clock.
fn units(time: Duration) -> u32 {
    let units = time.as_micros() * u128::from(CLOCK_RATE) / 1_000_000;
    u32::try_from(units & 0xffff_ffff).unwrap_or_default()
}
