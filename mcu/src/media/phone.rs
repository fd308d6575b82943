//! Phone legs: RTP and RTCP over a socket pair of their own, latched onto the phone's real address.
//!
//! The worker registers the sockets with its poll and calls in; packets that belong to the call come out for
//! the mixer, telephone events among them.

pub(super) mod dtls;
pub(super) mod feedback;
mod handshakes;
mod latch;
pub(super) mod reception;
mod shield;
mod video;
pub(super) mod wire;

use std::io;
use std::net::SocketAddr;
use std::time::{Duration, Instant};

use mio::net::UdpSocket;
use mio::{Interest, Registry, Token};
use plenum_codecs::MediaPacket;
use plenum_codecs::audio::EncoderSetting;
use plenum_dialin::sdp::Direction;
use plenum_mixer::{AudioSetting, LegConfig, LegId, OutPacket};

use self::dtls::Fault;
use self::handshakes::{Addresses, Handshakes, Stream, is_handshake};
use self::latch::{Latch, Seen};
use self::reception::Reception;
use self::shield::Shield;
use super::budget::Budget;
use super::ports::{PortLease, RtpSockets};
use super::{Limits, clock};

/// What SDP agreed for a phone leg.
pub use plenum_dialin::sdp::AudioSession as PhoneMedia;
pub use video::PhoneVideo;
pub(super) use video::Video;

/// Between our RTCP reports (RFC 3550 §6.2: five seconds at least).
const REPORT_INTERVAL: Duration = Duration::from_secs(5);

pub(super) struct Phone {
    rtp: UdpSocket,
    rtcp: UdpSocket,
    /// Held for its `Drop`: returns the ports when the sockets are closed.
    _lease: PortLease,
    media: PhoneMedia,
    shield: Shield,
    /// Where keys come of them.
    handshakes: Option<Box<Handshakes>>,
    latch: Latch,
    rtcp_source: Option<SocketAddr>,
    budget: Budget,
    /// Of all who are not the call's: they must not spend what is the call's.
    strangers: Budget,
    ssrc: u32,
    cname: String,
    born: Instant,
    heard: Instant,
    reported: Instant,
    reception: Option<Reception>,
    sent: Sent,
    /// Beside the audio, if that was agreed.
    video: Option<Video>,
}

/// What we sent, for sender reports.
#[derive(Debug, Default)]
struct Sent {
    packets: u32,
    octets: u32,
    timestamp: u32,
    since_report: bool,
}

impl Sent {
    fn count(&mut self, packet: &OutPacket) {
        self.packets = self.packets.wrapping_add(1);
        let octets = u32::try_from(packet.payload.len()).unwrap_or_default();
        self.octets = self.octets.wrapping_add(octets);
        self.timestamp = packet.timestamp;
        self.since_report = true;
    }

    /// For a sender report, if anything was sent since the last; `later` is the time since the last packet in its units.
    fn sender_block(&mut self, now: Instant, later: u32) -> Option<wire::SenderBlock> {
        std::mem::take(&mut self.since_report).then_some(wire::SenderBlock {
            ntp: clock::to_ntp(now),
            timestamp: self.timestamp.wrapping_add(later),
            packets: self.packets,
            octets: self.octets,
        })
    }
}

/// What became of a datagram.
#[derive(Debug)]
pub(super) enum PhoneInput {
    /// Belongs to the call. `first` when it is the first ever.
    Packet { packet: MediaPacket, first: bool },
    /// Not RTP, or a payload type that was not agreed.
    Malformed,
    /// Not encrypted with the key that was agreed, or a copy of what came before.
    Unauthentic,
    /// From a source that is not the call's (yet).
    Unlatched,
    /// Beyond the leg's budget.
    OverBudget,
    /// Of a handshake, which is looked after.
    Handshake,
}

/// What became of an RTCP datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PhoneReport {
    /// Not RTCP, or from elsewhere than the call's media.
    Malformed,
    /// As with [`PhoneInput::Unauthentic`].
    Unauthentic,
    /// As with [`PhoneInput::OverBudget`].
    OverBudget,
    /// As with [`PhoneInput::Handshake`].
    Handshake,
    /// With the share of our packets that was lost since the report before, in 1/256, if it tells.
    Read { lost: Option<u8> },
}

/// What went out with a report.
#[derive(Debug, Clone, Copy)]
pub(super) struct Reported {
    /// Packets lost on the way to us since the last report.
    pub(super) lost: u64,
    /// Seconds.
    pub(super) jitter: f64,
}

impl Phone {
    pub(super) fn new(
        sockets: RtpSockets,
        media: PhoneMedia,
        limits: &Limits,
        now: Instant,
    ) -> Self {
        let RtpSockets {
            rtp,
            rtcp,
            local: _,
            lease,
        } = sockets;
        let ssrc = fastrand::u32(1..);
        let (rtp, rtcp) = (UdpSocket::from_std(rtp), UdpSocket::from_std(rtcp));
        let mut handshakes = Handshakes::start(media.srtp.as_ref(), addresses(&media), now);
        if let Some(handshakes) = &mut handshakes {
            handshakes.send(&rtp, &rtcp);
        }
        Self {
            rtp,
            rtcp,
            _lease: lease,
            latch: Latch::new(media.remote_rtp),
            shield: Shield::new(media.srtp.as_ref(), ssrc),
            handshakes,
            media,
            rtcp_source: None,
            budget: Budget::new(limits, now),
            strangers: Budget::new(&limits.for_strangers(), now),
            ssrc,
            // Random, so that it tells nobody anything (RFC 7022).
            cname: format!("{:016x}", fastrand::u64(..)),
            born: now,
            heard: now,
            reported: now,
            reception: None,
            sent: Sent::default(),
            video: None,
        }
    }

    pub(super) fn register(
        &mut self,
        registry: &Registry,
        rtp: Token,
        rtcp: Token,
    ) -> io::Result<()> {
        registry.register(&mut self.rtp, rtp, Interest::READABLE)?;
        registry.register(&mut self.rtcp, rtcp, Interest::READABLE)
    }

    pub(super) fn deregister(&mut self, registry: &Registry) -> io::Result<()> {
        registry.deregister(&mut self.rtp)?;
        registry.deregister(&mut self.rtcp)?;
        self.video
            .as_mut()
            .map_or(Ok(()), |video| video.deregister(registry))
    }

    /// The room's view of the leg.
    pub(super) fn leg_config(&self, id: LegId) -> LegConfig {
        let media = &self.media;
        let receive = if media.direction.receives() {
            vec![(media.receive_payload_type, media.codec)]
        } else {
            Vec::new()
        };
        let send = media
            .direction
            .sends()
            .then(|| (media.payload_type, EncoderSetting::of(media.codec)));
        let audio = AudioSetting {
            receive,
            send,
            telephone_event: media.telephone_event,
            comfort_noise: media.comfort_noise,
            level_extension: false,
        };
        LegConfig {
            id,
            audio,
            video: self
                .video
                .as_ref()
                .filter(|_| !self.is_held())
                .map(Video::setting),
            muted: false,
            listen_only: false,
        }
    }

    /// Signalling has agreed on something else.
    pub(super) fn update(&mut self, media: PhoneMedia, now: Instant) {
        self.latch.signal(media.remote_rtp);
        let protection = media.srtp.as_ref();
        self.shield.update(protection, self.ssrc);
        let shield = (&mut self.shield, self.ssrc);
        Handshakes::update(
            &mut self.handshakes,
            protection,
            addresses(&media),
            shield,
            now,
        );
        if let Some(handshakes) = &mut self.handshakes {
            handshakes.send(&self.rtp, &self.rtcp);
        }
        if media.codec != self.media.codec {
            self.reception = None;
        }
        self.media = media;
        // A hold ends with fresh patience.
        self.heard = now;
    }

    /// Reads one RTP datagram; `None` when there is none.
    pub(super) fn receive(
        &mut self,
        scratch: &mut [u8],
    ) -> Option<io::Result<(usize, SocketAddr)>> {
        receive(&self.rtp, scratch)
    }

    /// Reads one RTCP datagram; `None` when there is none.
    pub(super) fn receive_rtcp(
        &mut self,
        scratch: &mut [u8],
    ) -> Option<io::Result<(usize, SocketAddr)>> {
        receive(&self.rtcp, scratch)
    }

    /// Judges an RTP datagram, which is decrypted in place.
    pub(super) fn on_rtp(
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
        let Some(packet) = wire::parse(datagram) else {
            return PhoneInput::Malformed;
        };
        let speech = packet.payload_type == self.media.receive_payload_type;
        let event = self
            .media
            .telephone_event
            .is_some_and(|(number, _)| number == packet.payload_type);
        if !speech && !event && self.media.comfort_noise != Some(packet.payload_type) {
            return PhoneInput::Malformed;
        }
        let seen = Seen {
            source,
            ssrc: packet.ssrc,
            sequence: packet.sequence,
        };
        if !self.latch.admit(now, seen) {
            return PhoneInput::Unlatched;
        }
        self.heard = now;
        let first = self.reception.is_none();
        if self
            .reception
            .as_ref()
            .is_none_or(|r| r.ssrc() != packet.ssrc)
        {
            self.reception = Some(Reception::new(&packet, self.media.codec.clock_rate()));
        }
        if let Some(reception) = &mut self.reception {
            reception.count(now, self.born, &packet, speech);
        }
        PhoneInput::Packet { packet, first }
    }

    /// Reads a report of theirs.
    pub(super) fn on_rtcp(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
    ) -> PhoneReport {
        let expected = self
            .latch
            .locked()
            .map_or(self.media.remote_rtcp.ip(), |rtp| rtp.ip());
        if is_handshake(datagram) && self.handshakes.is_some() {
            let budget = if source.ip() == expected {
                &mut self.budget
            } else {
                &mut self.strangers
            };
            if !budget.spend(now, datagram.len()) {
                return PhoneReport::OverBudget;
            }
            self.read_handshake((false, source), datagram, now);
            return PhoneReport::Handshake;
        }
        if source.ip() != expected {
            return PhoneReport::Malformed;
        }
        let Some(datagram) = self.shield.open_report(datagram) else {
            return PhoneReport::Unauthentic;
        };
        let Some(report) = wire::read_report(&datagram, self.ssrc) else {
            return PhoneReport::Malformed;
        };
        if self.latch.locked().is_some() {
            self.rtcp_source = Some(source);
            // A phone that suppresses silence still reports: it is there.
            self.heard = now;
        }
        if let Some(reception) = &mut self.reception {
            for (ssrc, ntp) in report.senders {
                reception.sender_report(ssrc, ntp, now);
            }
        }
        PhoneReport::Read {
            lost: report.ours.map(|(fraction, _)| fraction),
        }
    }

    /// False when there are no handshakes on this call.
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
        if handshakes.read(from, datagram, stream, now) {
            self.heard = now;
        }
        true
    }

    /// When handshakes are to be looked after, of video's, too.
    pub(super) fn handshakes_due(&mut self) -> Option<Instant> {
        if self
            .handshakes
            .as_ref()
            .is_some_and(|shakes| shakes.fault().is_some())
        {
            // To end the leg is due at once.
            return Some(self.born);
        }
        let own = self.handshakes.as_mut().and_then(|shakes| shakes.due());
        let video = self.video.as_mut().and_then(Video::handshakes_due);
        own.into_iter().chain(video).min()
    }

    /// Repeats what was lost of them. Says why the call will have no keys.
    pub(super) fn advance_handshakes(&mut self, now: Instant) -> Option<Fault> {
        if let Some(video) = &mut self.video {
            video.advance_handshakes(now);
        }
        let handshakes = self.handshakes.as_mut()?;
        handshakes.advance((&self.rtp, &self.rtcp), now);
        handshakes.fault()
    }

    /// Sends an audio packet, written in `buffer`; returns the bytes sent, `None` when nothing could be.
    pub(super) fn send(&mut self, packet: &OutPacket, buffer: &mut Vec<u8>) -> Option<usize> {
        let to = self.latch.destination()?;
        if !wire::write(packet, self.ssrc, buffer) || !self.shield.protect(packet.sequence, buffer)
        {
            return None;
        }
        let sent = self.rtp.send_to(buffer, to).ok()?;
        self.sent.count(packet);
        Some(sent)
    }

    /// When the next report is due.
    pub(super) fn report_due(&self) -> Instant {
        self.reported + REPORT_INTERVAL
    }

    /// Sends SR or RR to the phone's RTCP address.
    pub(super) fn report(&mut self, now: Instant) -> Option<Reported> {
        self.reported = now;
        let jitter = self.reception.as_ref().map(Reception::jitter);
        let (block, interval) = self.reception.as_mut().map(|r| r.report(now)).unzip();
        let sender = self.sent.sender_block(now, 0);
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
        let signalled = (self.media.remote_rtp, self.media.remote_rtcp);
        rtcp_destination(&self.latch, signalled, self.rtcp_source)
    }

    /// A caller that holds us neither sees nor is seen.
    pub(super) fn is_held(&self) -> bool {
        matches!(
            self.media.direction,
            Direction::ReceiveOnly | Direction::Inactive
        )
    }

    /// Signalling has agreed on video, on something else, or on none any more: gives back what is to leave the poll.
    pub(super) fn set_video(
        &mut self,
        video: Option<PhoneVideo>,
        limits: &Limits,
        now: Instant,
    ) -> Option<Video> {
        match (video, &mut self.video) {
            (Some(new), Some(video)) if new.sockets.is_none() => {
                video.update(new, now);
                None
            }
            (Some(new), _) => {
                let video = Video::new(new, &self.cname, limits, now);
                std::mem::replace(&mut self.video, video)
            }
            (None, _) => self.video.take(),
        }
    }

    pub(super) fn video(&mut self) -> Option<&mut Video> {
        self.video.as_mut()
    }

    /// Whether neither media nor a report has come for `limit` although the leg should speak.
    pub(super) fn is_silent(&self, now: Instant, limit: Duration) -> bool {
        self.media.direction.receives() && now.saturating_duration_since(self.heard) >= limit
    }
}

fn addresses(media: &PhoneMedia) -> Addresses {
    Addresses {
        rtp: media.remote_rtp,
        rtcp: media.remote_rtcp,
    }
}

/// Signalled, unless the media comes from elsewhere: then where their reports come from, else the port
/// above the media.
fn rtcp_destination(
    latch: &Latch,
    (rtp, rtcp): (SocketAddr, SocketAddr),
    source: Option<SocketAddr>,
) -> Option<SocketAddr> {
    let media = latch.destination()?;
    if media == rtp {
        return (!rtcp.ip().is_unspecified() && rtcp.port() != 0).then_some(rtcp);
    }
    let learnt = source.filter(|source| source.ip() == media.ip());
    Some(learnt.unwrap_or_else(|| SocketAddr::new(media.ip(), media.port().saturating_add(1))))
}

fn receive(socket: &UdpSocket, scratch: &mut [u8]) -> Option<io::Result<(usize, SocketAddr)>> {
    match socket.recv_from(scratch) {
        Ok(received) => Some(Ok(received)),
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => None,
        // An ICMP "port unreachable" of something we sent comes back here; the socket goes on.
        Err(error) => Some(Err(error)),
    }
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod injector;

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
mod tests {
    use plenum_codecs::audio::AudioCodec;

    use super::super::MediaConfig;
    use super::super::ports::PortPool;
    use super::*;

    #[test]
    fn a_phones_report_tells_what_was_lost_of_ours() {
        let now = Instant::now();
        let pool = PortPool::new(&MediaConfig::default());
        let media = PhoneMedia {
            remote_rtp: "192.0.2.7:4000".parse().unwrap(),
            remote_rtcp: "192.0.2.7:4001".parse().unwrap(),
            codec: AudioCodec::Pcmu,
            payload_type: 0,
            receive_payload_type: 0,
            telephone_event: None,
            comfort_noise: None,
            direction: Direction::SendReceive,
            ptime: 20,
            srtp: None,
        };
        let theirs = media.remote_rtcp;
        let mut phone = Phone::new(pool.bind().unwrap(), media, &Limits::default(), now);
        let report = |ssrc| {
            let block = wire::ReceptionBlock {
                ssrc,
                fraction_lost: 25,
                total_lost: 7,
                highest_sequence: 100,
                jitter: 0,
                last_sender_report: 0,
                delay: 0,
            };
            wire::report(9, None, Some(block), "phone").unwrap()
        };
        let ours = report(phone.ssrc);
        assert_eq!(
            phone.on_rtcp(now, theirs, &ours),
            PhoneReport::Read { lost: Some(25) }
        );
        let of_another = report(phone.ssrc.wrapping_add(1));
        assert_eq!(
            phone.on_rtcp(now, theirs, &of_another),
            PhoneReport::Read { lost: None }
        );
        let stranger = "192.0.2.8:4001".parse().unwrap();
        assert_eq!(phone.on_rtcp(now, stranger, &ours), PhoneReport::Malformed);
    }
}
