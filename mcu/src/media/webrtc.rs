//! One WebRTC peer's transport: ICE, DTLS, SRTP and RTCP by str0m in RTP mode.
//!
//! The only module that names the crate. The worker gives it datagrams and time and takes datagrams and
//! [`PeerEvent`]s; it knows neither sockets nor rooms. Every method may panic on hostile input: the worker calls
//! it through [`super::guard::Guarded`]. Audio goes past the crate, to the peer ([`audio`]) and from it ([`audio_in`]).

mod audio;
mod audio_in;
mod line;
mod negotiation;
mod pacing;
mod pleas;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_codecs::video::VideoCodec;
use plenum_codecs::{AudioLevel, MediaPacket};
use plenum_mixer::{OutPacket, Track};
use str0m::bwe::Bitrate;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::media::{KeyframeRequestKind, Mid, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{RtpPacket, RtpWrite, SeqNo, Ssrc};
use str0m::{Event, Input, Output, Rtc};

use self::audio::AudioStream;
use self::audio_in::AudioReceiver;
pub(super) use self::audio_in::Heard;
use self::line::Line;
use self::pacing::{Pacer, Waiting};
use self::pleas::Pleas;
use super::clock;
use super::demux::{self, Kind};
use super::offer::Outline;
use super::srtp::{Keys, Profile};
use super::transport_cc::{self, NumberGuard};
use crate::dtls::{self, SrtpProfile};

/// Video packets kept per slot to answer NACKs: about a second of 2.5 Mbit/s. The stack's default of 1,024
/// costs a listener with four slots several megabytes.
const RESEND_PACKETS: usize = 256;
/// How old a packet may be to be sent again.
const RESEND_AGE: Duration = Duration::from_secs(2);
/// What retransmissions may be of all that is sent to a slot; beyond that the stack forgets what it was asked for. Where packets overtake
/// each other half of what is asked for is not lost.
const RESEND_SHARE: f32 = 0.4;
/// Constrained Baseline, level 3.1.
const H264_PROFILE: u32 = 0x0042_e01f;
/// One poll gives at most a few hundred datagrams (a burst of resends); more is a loop.
const OUTPUTS_PER_POLL: usize = 20_000;
/// The stack asks to be called again so soon when it has more to send now.
const AT_ONCE: Duration = Duration::from_micros(2);
/// A jump in a stream's numbering over which its wire numbers are closed up: while it was not sent, its
/// receiver would lose count of the rollovers (RFC 3711 §3.3.1).
const NUMBER_JUMP: u64 = 10_000;

/// What all peers of the process share: one certificate, one crypto backend.
pub(super) struct Identity {
    certificate: DtlsCert,
    crypto: Arc<CryptoProvider>,
}

/// Our fault: no certificate could be made.
#[derive(Debug, thiserror::Error)]
#[error("cannot generate a DTLS certificate")]
pub(super) struct IdentityError;

impl Identity {
    pub(super) fn generate() -> Result<Self, IdentityError> {
        let crypto = Arc::new(dtls::provider());
        let certificate = crypto
            .dtls_provider
            .generate_certificate()
            .ok_or(IdentityError)?;
        Ok(Self {
            certificate,
            crypto,
        })
    }
}

/// What a peer did.
#[derive(Debug)]
pub(super) enum PeerEvent {
    /// ICE and DTLS are up; media may be sent.
    Connected,
    /// A media packet came out of SRTP.
    Packet { track: Track, packet: MediaPacket },
    /// PLI or FIR for one of our video slots.
    KeyframeRequest { slot: u8 },
    /// The address has shown that it knows the ICE password.
    Validated(SocketAddr),
    /// A receiver report on our audio: the share lost since the one before, in 1/256.
    Loss { fraction: u8 },
    /// What the line to the peer carries has changed, in bit/s.
    Estimate { bits_per_second: u64 },
    /// The peer said goodbye.
    Closed,
}

/// What became of a datagram.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Received {
    Taken,
    /// Not something the stack understands, or not what it expects now.
    Malformed,
    /// Held back by the transport-wide number guard.
    Guarded,
}

/// The peer's state broke in a way the stack reports as an error.
#[derive(Debug, thiserror::Error)]
#[error("peer transport failed: {0}")]
pub(super) struct TransportError(String);

pub(super) struct PeerTransport {
    rtc: Rtc,
    local: SocketAddr,
    outline: Outline,
    numbers: NumberGuard,
    number_extension: Option<u8>,
    keys: dtls::Slot,
    /// The first audio line that we were ever asked to send on.
    audio: Option<AudioStream>,
    hearing: AudioReceiver,
    slots: Vec<Outgoing>,
    /// What the slots may carry, by payload type.
    codecs: Vec<(u8, VideoCodec)>,
    pacer: Pacer,
    /// What was to be sent again.
    pleas: Pleas,
    /// Dropped by the pacer until it is told of.
    paced_out: u64,
    line: Line,
    incoming: Vec<Incoming>,
    /// Where the stack sends: the pair that the peer has nominated.
    destination: Option<SocketAddr>,
    /// The peer may have nominated another pair; the stack shows which with the next thing it sends.
    asking: bool,
    /// What the peer's last report said of our audio, until it is polled.
    loss: Option<u8>,
    /// Whom that thing names as its sender.
    prober: Option<Ssrc>,
    now: Instant,
    connected: bool,
    closed: bool,
}

/// A video stream we send.
#[derive(Debug)]
struct Outgoing {
    mid: Mid,
    ssrc: Ssrc,
    numbering: Numbering,
}

/// A line we receive on.
#[derive(Debug)]
struct Incoming {
    mid: Mid,
    track: Track,
    /// Its simulcast layers, the smallest first, when the peer sends several.
    layers: Vec<Rid>,
}

impl Incoming {
    /// What a layer of the line is to the mixer; `None` when it was not offered.
    fn track_of(&self, rid: Option<Rid>) -> Option<Track> {
        if self.layers.is_empty() || self.track != Track::Camera {
            return Some(self.track);
        }
        let layer = self.layers.iter().position(|layer| Some(*layer) == rid)?;
        Some(Track::Layer(u8::try_from(layer).ok()?))
    }
}

/// Maps the mixer's endless numbers to what the receiver can follow.
#[derive(Debug, Default)]
struct Numbering {
    shift: u64,
    last: Option<u64>,
    /// What lies below has been closed up: its wire numbers stand for other packets, and a number that is used twice uses a
    /// keystream twice.
    closed: u64,
}

impl Numbering {
    /// The number on the wire, rollovers included; a new stream begins below the first rollover.
    fn map(&mut self, sequence: u64) -> u64 {
        match self.last {
            None => self.shift = sequence & !0xffff,
            Some(last) if sequence > last + NUMBER_JUMP => {
                self.shift += sequence - last - 1;
                self.closed = sequence;
            }
            Some(_) => {}
        }
        self.last = Some(self.last.map_or(sequence, |last| last.max(sequence)));
        sequence.saturating_sub(self.shift)
    }

    /// The packet is not sent; the next one takes its wire number.
    fn skip(&mut self, sequence: u64) {
        if let Some(last) = self.last
            && sequence > last
        {
            self.shift += sequence - last;
            self.last = Some(sequence);
            self.closed = sequence + 1;
        }
    }

    /// The packet comes too late to be sent.
    const fn is_closed(&self, sequence: u64) -> bool {
        sequence < self.closed
    }
}

impl PeerTransport {
    /// Our ICE user fragment: STUN requests for this peer name it. It changes with an ICE restart.
    pub(super) fn ufrag(&mut self) -> String {
        self.rtc.direct_api().local_ice_credentials().ufrag
    }

    /// Gives the stack one datagram. The caller must poll before the next.
    pub(super) fn receive(
        &mut self,
        now: Instant,
        source: SocketAddr,
        datagram: &[u8],
    ) -> Received {
        self.now = now;
        if demux::kind_of(datagram) == Some(Kind::Rtp) {
            self.line.heard(now);
        }
        if demux::kind_of(datagram) == Some(Kind::Rtp)
            && !demux::is_rtcp(datagram)
            && let Some(number) = self
                .number_extension
                .and_then(|id| transport_cc::number_of(datagram, id))
            && !self.numbers.admit(number)
        {
            return Received::Guarded;
        }
        let Ok(receive) = Receive::new(Protocol::Udp, source, self.local, datagram) else {
            return Received::Malformed;
        };
        // An error here is a DTLS record the handshake cannot use; whether the peer is lost shows in time.
        if self.rtc.handle_input(Input::Receive(now, receive)).is_err() {
            return Received::Malformed;
        }
        if demux::kind_of(datagram) == Some(Kind::Rtp)
            && demux::is_rtcp(datagram)
            && let Some(audio) = &mut self.audio
            && let Some(report) = audio.read_report(now, datagram, &mut self.pleas)
        {
            if let Some((fraction, _)) = report.ours {
                self.loss = Some(fraction);
            }
            for (ssrc, ntp) in report.senders {
                self.hearing.sender_report(ssrc, ntp, now);
            }
        }
        Received::Taken
    }

    /// Reads a datagram that is an audio packet of a stream which the stack has forgotten; others are as they were, for
    /// [`Self::receive`]. Nothing needs to be polled after it.
    pub(super) fn receive_audio(&mut self, now: Instant, datagram: &mut [u8]) -> Heard {
        if demux::is_rtcp(datagram) {
            return Heard::Foreign;
        }
        self.hearing.receive(now, datagram)
    }

    /// Lets time pass, then polls.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        events: &mut Vec<PeerEvent>,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Result<Instant, TransportError> {
        self.now = now;
        if let Some(before) = self.line.take_mended(now) {
            self.rtc.bwe().reset(Bitrate::bps(before));
            self.pacer.set_estimate(now, before);
        }
        self.release(now);
        self.poll(events, send)?;
        self.pass(now)?;
        let (audio, hearing) = (&mut self.audio, &mut self.hearing);
        if let Some(to) = self.destination
            && let Some(audio) = audio
            && let Some(report) = audio.report(now, || hearing.report(now))
        {
            send(to, &report);
        }
        let mut at = self.poll(events, send)?;
        if self.line.is_estimated() {
            // The stack gives out one packet each time that time passes.
            let mut step = now;
            for _ in 0..OUTPUTS_PER_POLL {
                step += AT_ONCE;
                if at > step {
                    break;
                }
                self.pass(step)?;
                at = self.poll(events, send)?;
            }
        }
        self.wish_keyframes(now, events);
        let paced = self.pacer.due();
        let wish = self.pacer.wish_due(now);
        Ok([paced, wish].into_iter().flatten().fold(at, Instant::min))
    }

    fn pass(&mut self, now: Instant) -> Result<(), TransportError> {
        self.rtc
            .handle_input(Input::Timeout(now))
            .map_err(|e| TransportError(e.to_string()))
    }

    /// Gives the stack the video whose time has come.
    fn release(&mut self, now: Instant) {
        while let Some(waiting) = self.pacer.pop(now) {
            let Some(outgoing) = self.slots.get_mut(usize::from(waiting.slot)) else {
                continue;
            };
            let sequence = waiting.packet.sequence;
            if outgoing.numbering.is_closed(sequence) {
                continue;
            }
            let number = SeqNo::from(outgoing.numbering.map(sequence));
            let ssrc = outgoing.ssrc;
            // Of padding the stack could send any number again to fill a line.
            let resent = !waiting.packet.payload.is_empty();
            let write = rtp_write(&waiting.packet, number, waiting.payload).nackable(resent);
            if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
                stream.write_rtp(write);
            }
        }
    }

    /// Slots whose pictures were dropped on the way out need keyframes to begin again, and those whose viewers wait in vain for a packet.
    fn wish_keyframes(&mut self, now: Instant, events: &mut Vec<PeerEvent>) {
        while let Some(slot) = self.pacer.wish(now) {
            events.push(PeerEvent::KeyframeRequest { slot });
        }
        while let Some(ssrc) = self.pleas.take() {
            let slot = self.slots.iter().position(|slot| *slot.ssrc == ssrc);
            if let Some(slot) = slot.and_then(|slot| u8::try_from(slot).ok()) {
                events.push(PeerEvent::KeyframeRequest { slot });
            }
        }
    }

    /// Takes everything the stack has to say; returns when it wants to be called again.
    pub(super) fn poll(
        &mut self,
        events: &mut Vec<PeerEvent>,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Result<Instant, TransportError> {
        for _ in 0..OUTPUTS_PER_POLL {
            match self
                .rtc
                .poll_output()
                .map_err(|e| TransportError(e.to_string()))?
            {
                Output::Timeout(_) if std::mem::take(&mut self.asking) => self.ask_destination(),
                Output::Timeout(at) => {
                    if let Some(fraction) = self.loss.take() {
                        events.push(PeerEvent::Loss { fraction });
                    }
                    if !self.rtc.is_alive() && !self.closed {
                        self.closed = true;
                        events.push(PeerEvent::Closed);
                    }
                    let report = self.audio.as_ref().and_then(AudioStream::due);
                    return Ok(report.map_or(at, |due| due.min(at)));
                }
                Output::Transmit(datagram) => {
                    // A success goes only to whoever sent a request with the right password.
                    if demux::is_binding_success(&datagram.contents) {
                        events.push(PeerEvent::Validated(datagram.destination));
                        self.asking |=
                            self.connected && self.destination != Some(datagram.destination);
                    }
                    if demux::kind_of(&datagram.contents) != Some(Kind::Stun) {
                        self.destination = Some(datagram.destination);
                    }
                    send(datagram.destination, &datagram.contents);
                }
                Output::Event(event) => self.on_event(event, events),
            }
        }
        Err(TransportError("endless output".to_owned()))
    }

    fn on_event(&mut self, event: Event, events: &mut Vec<PeerEvent>) {
        match event {
            Event::Connected => {
                self.connected = true;
                self.unlock_audio();
                events.push(PeerEvent::Connected);
            }
            Event::RtpPacket(packet) => {
                if let Some(event) = self.on_packet(packet) {
                    events.push(event);
                }
            }
            Event::KeyframeRequest(request) => {
                let slot = self.slots.iter().position(|slot| slot.mid == request.mid);
                if let Some(slot) = slot.and_then(|slot| u8::try_from(slot).ok()) {
                    events.push(PeerEvent::KeyframeRequest { slot });
                }
            }
            Event::EgressBitrateEstimate(estimate) => self.line.estimated(&estimate),
            Event::PeerStats(stats) => {
                if let Some(estimate) = self.line.measured(self.now, &stats) {
                    self.pacer.set_estimate(self.now, estimate);
                    events.push(PeerEvent::Estimate {
                        bits_per_second: estimate,
                    });
                }
                self.demand();
            }
            Event::Closed => {
                self.connected = false;
                if !self.closed {
                    self.closed = true;
                    events.push(PeerEvent::Closed);
                }
            }
            _ => {}
        }
    }

    /// Tells the stack what to look for on the line.
    fn demand(&mut self) {
        let starves = self.pacer.starves(self.now);
        if let Some((least, desired)) = self.line.demand(self.slots.len(), starves) {
            self.rtc.bwe().set_bitrate(least, desired);
        }
    }

    fn on_packet(&mut self, packet: RtpPacket) -> Option<PeerEvent> {
        let (header, number) = (&packet.header, packet.seq_no);
        if let Some(number) = header.ext_vals.transport_cc {
            self.numbers.authenticated(number);
        }
        let (mid, rid) = self
            .rtc
            .direct_api()
            .stream_rx(&header.ssrc)
            .map(|s| (s.mid(), s.rid()))?;
        let incoming = self.incoming.iter().find(|i| i.mid == mid)?;
        let track = incoming.track_of(rid)?;
        let audio_level = header.ext_vals.audio_level.map(|level| AudioLevel {
            dbov: level.unsigned_abs().min(127),
            voice: header.ext_vals.voice_activity.unwrap_or(false),
        });
        let packet = MediaPacket {
            payload_type: *header.payload_type,
            marker: header.marker,
            sequence: header.sequence_number,
            timestamp: header.timestamp,
            ssrc: *header.ssrc,
            audio_level,
            payload: Bytes::from_owner(packet.payload),
        };
        if track == Track::Audio
            && self.audio.is_some()
            && self.hearing.take_over(self.now, &packet, *number)
        {
            self.rtc.direct_api().remove_stream_rx(packet.ssrc.into());
        }
        Some(PeerEvent::Packet { track, packet })
    }

    /// Makes the stack send something, which shows where it sends now. It does not tell otherwise that the peer
    /// has nominated another pair, and to one that only listens it has nothing else to say for minutes.
    fn ask_destination(&mut self) {
        let Some(audio) = &self.audio else { return };
        let mut api = self.rtc.direct_api();
        // A feedback that nobody understands and everybody skips (RFC 4585 §6.4), from one sender for all.
        let sender = *self.prober.get_or_insert_with(|| api.new_ssrc());
        api.send_app_specific_feedback(sender, audio.ssrc().into(), *b"PLNM");
    }

    fn unlock_audio(&mut self) {
        let (Some(audio), Some(exported)) = (&mut self.audio, self.keys.get()) else {
            return;
        };
        let keys = profile_of(exported.profile)
            .and_then(|profile| Keys::new(profile, &exported.material, exported.client));
        let usable =
            keys.is_some_and(|keys| audio.unlock(&keys, self.now) && self.hearing.unlock(&keys));
        if !usable {
            tracing::error!("SRTP keys cannot be used");
        }
    }

    /// Turns an audio packet into the datagram to send, in `buffer`, and returns whereto. `None` when nothing can
    /// be sent now.
    pub(super) fn write_audio(
        &mut self,
        packet: &OutPacket,
        buffer: &mut Vec<u8>,
    ) -> Option<SocketAddr> {
        let to = self
            .destination
            .filter(|_| self.connected && !self.closed)?;
        self.audio.as_mut()?.write(packet, buffer).then_some(to)
    }

    /// Queues a video packet of a slot, kept for retransmission. It is sent when time passes.
    pub(super) fn write_video(&mut self, slot: u8, packet: &OutPacket, payload: Arc<[u8]>) -> bool {
        let Some(outgoing) = self.slots.get_mut(usize::from(slot)) else {
            return false;
        };
        if !self.connected {
            return false;
        }
        let codec = self.codecs.iter().find(|(t, _)| *t == packet.payload_type);
        let begins = codec.is_some_and(|(_, codec)| codec.is_keyframe_start(&payload));
        let sequence = packet.sequence;
        let waiting = Waiting {
            slot,
            packet: packet.clone(),
            payload,
        };
        if !self.pacer.push(self.now, waiting, begins) {
            outgoing.numbering.skip(sequence);
            self.paced_out += 1;
        }
        true
    }

    /// Video packets that were dropped since the last call, because the line does not carry them.
    pub(super) fn take_paced_out(&mut self) -> u64 {
        std::mem::take(&mut self.paced_out)
    }

    /// Asks the peer for a keyframe of a track by PLI; false when it does not send that track.
    pub(super) fn request_keyframe(&mut self, track: Track) -> bool {
        let (line, layer) = match track {
            Track::Layer(layer) => (Track::Camera, Some(usize::from(layer))),
            _ => (track, None),
        };
        let Some(incoming) = self.incoming.iter().find(|i| i.track == line) else {
            return false;
        };
        let mid = incoming.mid;
        let layer = layer.and_then(|layer| incoming.layers.get(layer)).copied();
        match self.rtc.direct_api().stream_rx_by_mid(mid, layer) {
            Some(stream) => {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        }
    }

    /// Says goodbye (RTCP BYE, DTLS close-notify); poll once more to send the rest of it.
    pub(super) fn close(&mut self, send: &mut dyn FnMut(SocketAddr, &[u8])) {
        self.closed = true;
        if let Some(to) = self.destination
            && let Some(goodbye) = self.audio.as_mut().and_then(AudioStream::goodbye)
        {
            send(to, &goodbye);
        }
        if let Err(error) = self.rtc.close() {
            tracing::debug!(%error, "peer could not say goodbye");
        }
    }
}

fn profile_of(profile: SrtpProfile) -> Option<Profile> {
    match profile {
        SrtpProfile::AES128_CM_SHA1_80 => Some(Profile::Aes128CmSha1),
        SrtpProfile::AEAD_AES_128_GCM => Some(Profile::Aes128Gcm),
        SrtpProfile::AEAD_AES_256_GCM => Some(Profile::Aes256Gcm),
        _ => None,
    }
}

fn rtp_write(packet: &OutPacket, number: SeqNo, payload: Arc<[u8]>) -> RtpWrite {
    let captured = clock::to_instant(packet.captured);
    RtpWrite::new(
        packet.payload_type.into(),
        number,
        packet.timestamp,
        captured,
        payload,
    )
    .marker(packet.marker)
}

#[cfg(test)]
mod tests;
