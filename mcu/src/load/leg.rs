//! One simulated participant's media: what it says packet by packet, and what becomes of the packets that come. Owned by a
//! carrier thread; knows nothing of signalling.

use std::collections::VecDeque;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::BytesMut;
use mio::net::UdpSocket;
use plenum_codecs::audio::AudioCodec;
use plenum_codecs::telephone_event::{Digit, DigitSender};

use super::ear::Ear;
use super::reception::{Counts, Reception};
use super::rtp::{self, HEADER_MAX, Header, Kind};
use super::speech::{Spoken, Voice};
use super::webrtc::Peer;

/// Frames between two presses, and before the first: the far end must have learnt where our RTP comes from.
const BETWEEN_PRESSES: u32 = 6;
const BEFORE_PRESSES: u32 = 25;
const PRESS_MILLIS: u32 = 100;
/// With DTX, Opus' encoder makes one packet in 400 ms of silence.
const DTX_FRAMES: u32 = 20;
/// Audio's usual pace of receiver reports.
const REPORTS: Duration = Duration::from_secs(5);

/// What kind of participant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Species {
    Browser,
    Phone,
}

/// What a leg has to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Silent,
    /// Talks, 6 dB quieter than the one who is measured.
    Talker,
    /// The talker whose way through the server is measured.
    Measured,
}

/// A phone's way to the server.
#[derive(Debug)]
pub(super) struct Line {
    pub(super) rtp: SocketAddr,
    pub(super) rtcp: SocketAddr,
    /// telephone-event: payload type and clock.
    pub(super) events: Option<(u8, u32)>,
    pub(super) digits: VecDeque<Digit>,
}

/// How packets travel.
pub(super) enum Way {
    Browser(Box<Peer>),
    Phone(Line),
}

/// What a leg is made of.
pub(super) struct Setting {
    pub(super) socket: std::net::UdpSocket,
    pub(super) way: Way,
    pub(super) codec: AudioCodec,
    pub(super) payload_type: u8,
    pub(super) voice: Arc<Voice>,
    pub(super) part: Part,
    /// Its silence is sent as Opus sends it with DTX.
    pub(super) pauses: bool,
    /// Where in the speech it begins.
    pub(super) position: usize,
    /// It is decoded and listened to.
    pub(super) sampled: bool,
    /// When it set out to join.
    pub(super) began: Instant,
}

/// What is known of a leg in the end.
#[derive(Debug)]
pub(super) struct Outcome {
    pub(super) species: Species,
    pub(super) codec: AudioCodec,
    /// From setting out to the first packet heard.
    pub(super) joined: Option<Duration>,
    pub(super) counts: Counts,
    pub(super) ear: Option<Ear>,
    /// Of the one who is measured: when each frame of the speech left.
    pub(super) said: Vec<(Instant, usize)>,
}

/// See the module.
pub(super) struct Leg {
    pub(super) socket: UdpSocket,
    way: Way,
    /// Where the socket is connected to: it saves the kernel the search for a route at each packet.
    connected: Option<SocketAddr>,
    codec: AudioCodec,
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
    timestamp: u32,
    voice: Arc<Voice>,
    part: Part,
    /// With DTX: frames until the next packet of its silence.
    pause_left: Option<u32>,
    position: usize,
    press: Option<DigitSender>,
    /// Frames until the next press may begin.
    pause: u32,
    began: Instant,
    report: Instant,
    reception: Reception,
    ear: Option<Ear>,
    counts: Counts,
    /// The sampled and the measured note what they hear and say.
    noting: bool,
    said: Vec<(Instant, usize)>,
}

impl Leg {
    /// # Errors
    /// When the socket cannot be made non-blocking.
    pub(super) fn new(setting: Setting) -> anyhow::Result<Self> {
        setting.socket.set_nonblocking(true)?;
        let ssrc = match &setting.way {
            Way::Browser(peer) => peer.ssrc,
            Way::Phone(_) => fastrand::u32(1..),
        };
        let ear = setting
            .sampled
            .then(|| Ear::new(setting.codec))
            .transpose()?;
        let now = Instant::now();
        Ok(Self {
            socket: UdpSocket::from_std(setting.socket),
            way: setting.way,
            connected: None,
            codec: setting.codec,
            payload_type: setting.payload_type,
            ssrc,
            sequence: fastrand::u16(..0x8000),
            timestamp: fastrand::u32(..),
            voice: setting.voice,
            part: setting.part,
            pause_left: setting.pauses.then(|| fastrand::u32(..DTX_FRAMES)),
            position: setting.position,
            press: None,
            pause: BEFORE_PRESSES,
            began: setting.began,
            report: now + REPORTS.mul_f64(fastrand::f64()),
            reception: Reception::new(setting.codec.clock_rate()),
            ear,
            counts: Counts::default(),
            noting: false,
            said: Vec::new(),
        })
    }

    /// Whether it still has a handshake before it.
    pub(super) fn is_connecting(&mut self) -> bool {
        match &mut self.way {
            Way::Browser(peer) => peer.media().is_none(),
            Way::Phone(_) => false,
        }
    }

    pub(super) fn has_heard(&self) -> bool {
        self.reception.first.is_some()
    }

    /// Lets the handshake and its timers go on.
    pub(super) fn advance(&mut self, now: Instant) {
        let Self { socket, way, .. } = self;
        if let Way::Browser(peer) = way {
            peer.advance(now, &mut |to, bytes| put(socket, to, bytes));
        }
    }

    /// A datagram has come; `lose` throws it away before it is counted.
    pub(super) fn receive(&mut self, now: Instant, from: SocketAddr, datagram: &[u8], lose: bool) {
        let seen = match rtp::kind(datagram) {
            Kind::Rtp(seen) => seen,
            Kind::Rtcp => return,
            Kind::Other => {
                let Self { socket, way, .. } = self;
                if let Way::Browser(peer) = way {
                    peer.receive(now, from, datagram, &mut |to, bytes| put(socket, to, bytes));
                }
                return;
            }
        };
        if lose || seen.payload_type != self.payload_type {
            return;
        }
        self.reception.push(now, &seen);
        let Some(ear) = self.ear.as_mut().filter(|_| self.noting) else {
            return;
        };
        match &mut self.way {
            Way::Browser(peer) => {
                if let Some(clear) = peer.media().and_then(|(srtp, _)| srtp.unprotect(datagram)) {
                    ear.push(now, &seen, clear.get(seen.payload..).unwrap_or_default());
                }
            }
            Way::Phone(_) => {
                ear.push(now, &seen, datagram.get(seen.payload..).unwrap_or_default());
            }
        }
    }

    /// The packet of this 20 ms; `None` while there is no way to send it, and in pauses. When `solo`, only the measured one speaks.
    pub(super) fn next(&mut self, now: Instant, solo: bool) -> Option<(SocketAddr, BytesMut)> {
        let frames = self.codec.frame_timestamps();
        let timestamp = self.timestamp;
        self.timestamp = timestamp.wrapping_add(frames);
        let position = self.position;
        let talks = match self.part {
            Part::Silent => false,
            Part::Talker => !solo,
            Part::Measured => true,
        };
        if self.part != Part::Silent {
            self.position = (position + 1) % self.voice.speech.len();
        }
        if let Some(event) = self.next_event(timestamp) {
            return Some(event);
        }
        if self.part == Part::Silent
            && let Some(left) = &mut self.pause_left
        {
            let is_due = *left == 0;
            *left = left.checked_sub(1).unwrap_or(DTX_FRAMES - 1);
            if !is_due {
                return None;
            }
        }
        let voice = Arc::clone(&self.voice);
        let spoken = match self.part {
            Part::Measured => voice.speech.get(position),
            Part::Talker if talks => voice.murmur.get(position),
            _ => None,
        };
        if talks && self.part == Part::Measured && self.noting {
            self.said.push((now, position));
        }
        self.packet(timestamp, spoken.unwrap_or(&voice.silence))
    }

    /// Sends; what the kernel has no room for is lost like on any network.
    pub(super) fn put(&self, to: SocketAddr, bytes: &[u8]) {
        let _ = if self.connected == Some(to) {
            self.socket.send(bytes)
        } else {
            self.socket.send_to(bytes, to)
        };
    }

    fn header(&mut self, payload_type: u8, timestamp: u32) -> Header {
        self.sequence = self.sequence.wrapping_add(1);
        Header {
            marker: false,
            payload_type,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            level: None,
        }
    }

    fn packet(&mut self, timestamp: u32, spoken: &Spoken) -> Option<(SocketAddr, BytesMut)> {
        let header = self.header(self.payload_type, timestamp);
        let mut packet = Vec::with_capacity(HEADER_MAX + spoken.payload.len());
        match &mut self.way {
            Way::Browser(peer) => {
                let level = peer.level_extension.map(|id| (id, spoken.level));
                Header { level, ..header }.write(&mut packet);
                packet.extend_from_slice(&spoken.payload);
                let (srtp, route) = peer.media()?;
                if self.connected.is_none() && self.socket.connect(route).is_ok() {
                    self.connected = Some(route);
                }
                Some((route, srtp.protect(&packet)?))
            }
            Way::Phone(line) => {
                header.write(&mut packet);
                packet.extend_from_slice(&spoken.payload);
                Some((line.rtp, BytesMut::from(&packet[..])))
            }
        }
    }

    /// The packet of a key being pressed, in place of sound.
    fn next_event(&mut self, timestamp: u32) -> Option<(SocketAddr, BytesMut)> {
        let Way::Phone(line) = &mut self.way else {
            return None;
        };
        let (payload_type, clock) = line.events?;
        let to = line.rtp;
        if self.press.is_none() {
            if line.digits.is_empty() {
                return None;
            }
            if self.pause > 0 {
                self.pause -= 1;
                return None;
            }
            let digit = line.digits.pop_front()?;
            self.press = Some(DigitSender::new(digit, timestamp, PRESS_MILLIS, clock));
        }
        let Some(event) = self.press.as_mut().and_then(Iterator::next) else {
            self.press = None;
            self.pause = BETWEEN_PRESSES;
            return None;
        };
        let header = Header {
            marker: event.marker,
            ..self.header(payload_type, event.timestamp)
        };
        let mut packet = Vec::with_capacity(HEADER_MAX);
        header.write(&mut packet);
        packet.extend_from_slice(&event.payload);
        Some((to, BytesMut::from(&packet[..])))
    }

    /// The receiver report, when it is time for one.
    pub(super) fn next_report(&mut self, now: Instant) -> Option<(SocketAddr, BytesMut)> {
        if now < self.report {
            return None;
        }
        self.report = now + REPORTS;
        let report = rtp::receiver_report(self.ssrc, self.reception.report()?);
        match &mut self.way {
            Way::Browser(peer) => {
                let (srtp, route) = peer.media()?;
                Some((route, srtp.protect_rtcp(&report)?))
            }
            Way::Phone(line) => Some((line.rtcp, BytesMut::from(&report[..]))),
        }
    }

    /// The measurement begins.
    pub(super) fn measure(&mut self, now: Instant) {
        self.reception.restart(now);
        self.noting = true;
    }

    /// The measurement is over; what is said and heard is noted further.
    pub(super) fn count(&mut self, now: Instant) {
        self.counts = self.reception.finish(now);
    }

    /// Nothing is noted any more.
    pub(super) fn rest(&mut self) {
        self.noting = false;
    }

    pub(super) fn finish(mut self, now: Instant) -> Outcome {
        let Self { socket, way, .. } = &mut self;
        let species = match way {
            Way::Browser(peer) => {
                peer.close(now, &mut |to, bytes| put(socket, to, bytes));
                Species::Browser
            }
            Way::Phone(_) => Species::Phone,
        };
        Outcome {
            species,
            codec: self.codec,
            joined: self
                .reception
                .first
                .map(|first| first.saturating_duration_since(self.began)),
            counts: self.counts,
            ear: self.ear,
            said: self.said,
        }
    }
}

/// Sends; a datagram that the kernel has no room for is lost like on any network.
fn put(socket: &UdpSocket, to: SocketAddr, bytes: &[u8]) {
    let _ = socket.send_to(bytes, to);
}
