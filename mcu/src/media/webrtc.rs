//! One WebRTC peer's transport: ICE, DTLS, SRTP and RTCP by str0m in RTP mode.
//!
//! The only file (with its tests) that names the crate. The worker gives it datagrams and time and takes
//! datagrams and [`PeerEvent`]s; it knows neither sockets nor rooms. Every method may panic on hostile input:
//! the worker calls it through [`super::guard::Guarded`].

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, EncoderSetting};
use plenum_codecs::video::VideoCodec;
use plenum_codecs::{AudioLevel, MediaPacket};
use plenum_mixer::{AudioSetting, LegConfig, LegId, OutPacket, Track, VideoSetting};
use str0m::change::SdpOffer;
use str0m::config::{CryptoProvider, DtlsCert};
use str0m::format::Codec;
use str0m::media::{KeyframeRequestKind, Media, MediaKind, Mid, Rid};
use str0m::net::{Protocol, Receive};
use str0m::rtp::{Extension, ExtensionMap, ExtensionValues, RtpPacket, RtpWrite, SeqNo, Ssrc};
use str0m::{Candidate, Event, Input, Output, Rtc, RtcConfig};

use super::demux::{self, Kind};
use super::offer::{OfferError, Outline};
use super::transport_cc::{self, NumberGuard};
use super::{Limits, PeerAnswer, clock};

/// Video packets kept per slot to answer NACKs: about a second of 2.5 Mbit/s. The stack's default of 1,024
/// costs a listener with four slots several megabytes.
const RESEND_PACKETS: usize = 256;
/// How old a packet may be to be sent again.
const RESEND_AGE: Duration = Duration::from_secs(2);
/// Constrained Baseline, level 3.1.
const H264_PROFILE: u32 = 0x0042_e01f;
/// One poll gives at most a few hundred datagrams (a burst of resends); more is a loop.
const OUTPUTS_PER_POLL: usize = 20_000;
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
        let crypto = Arc::new(str0m::crypto::from_feature_flags());
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
    audio: Option<Outgoing>,
    slots: Vec<Outgoing>,
    incoming: Vec<Incoming>,
    connected: bool,
    closed: bool,
}

/// A stream we send.
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
    /// The one simulcast layer we take, when the peer sends several.
    layer: Option<Rid>,
}

/// Maps the mixer's endless numbers to what the receiver can follow.
#[derive(Debug, Default)]
struct Numbering {
    shift: u64,
    last: Option<u64>,
}

impl Numbering {
    /// The number on the wire, rollovers included; a new stream begins below the first rollover.
    fn map(&mut self, sequence: u64) -> u64 {
        match self.last {
            None => self.shift = sequence & !0xffff,
            Some(last) if sequence > last + NUMBER_JUMP => self.shift += sequence - last - 1,
            Some(_) => {}
        }
        self.last = Some(self.last.map_or(sequence, |last| last.max(sequence)));
        sequence.saturating_sub(self.shift)
    }
}

impl PeerTransport {
    /// Answers a first offer. `local` is the address that peers are told.
    pub(super) fn accept(
        identity: &Identity,
        local: SocketAddr,
        offer: &str,
        limits: &Limits,
        now: Instant,
    ) -> Result<(Self, PeerAnswer), OfferError> {
        let outline = Outline::read(offer, limits)?;
        let number_extension = outline.transport_number;
        let mut config = RtcConfig::new()
            .set_extension_map(extension_map(number_extension))
            .set_rtp_mode(true)
            .set_ice_lite(true)
            .set_crypto_provider(Arc::clone(&identity.crypto))
            .set_dtls_cert(identity.certificate.clone())
            .set_send_buffer_audio(8)
            .set_send_buffer_video(RESEND_PACKETS)
            .clear_codecs()
            .enable_opus(true, false)
            .enable_vp8(true);
        config
            .codec_config()
            .add_h264(108.into(), Some(109.into()), true, H264_PROFILE);
        let mut rtc = config.build(now);
        let candidate = Candidate::host(local, Protocol::Udp)
            .map_err(|e| OfferError::Malformed(e.to_string()))?;
        rtc.add_local_candidate(candidate);
        let mut peer = Self {
            rtc,
            local,
            outline: Outline::default(),
            numbers: NumberGuard::default(),
            number_extension,
            audio: None,
            slots: Vec::new(),
            incoming: Vec::new(),
            connected: false,
            closed: false,
        };
        let answer = peer.negotiate(offer, limits)?;
        Ok((peer, answer))
    }

    /// Answers a first or a later offer. An error leaves the streams as they were.
    pub(super) fn negotiate(
        &mut self,
        offer: &str,
        limits: &Limits,
    ) -> Result<PeerAnswer, OfferError> {
        let outline = Outline::read(offer, limits)?;
        if !outline.continues(&self.outline) {
            return Err(OfferError::Reordered);
        }
        if self
            .number_extension
            .is_some_and(|id| outline.moves_transport_number(id))
        {
            return Err(OfferError::AmbiguousExtension);
        }
        let malformed = |e: &dyn std::fmt::Display| OfferError::Malformed(e.to_string());
        let parsed = SdpOffer::from_sdp_string(offer).map_err(|e| malformed(&e))?;
        let answer = self
            .rtc
            .sdp_api()
            .accept_offer(parsed)
            .map_err(|e| malformed(&e))?;
        self.outline = outline;
        self.adopt_lines();
        if self.audio_setting().is_none() {
            return Err(OfferError::NoAudio);
        }
        let slot_mids = self.slots.iter().map(|slot| slot.mid.to_string()).collect();
        Ok(PeerAnswer {
            sdp: answer.to_sdp_string(),
            slot_mids,
        })
    }

    /// Takes over what was agreed: one audio line, video slots in m-line order, incoming camera and screen.
    fn adopt_lines(&mut self) {
        let old_slots = std::mem::take(&mut self.slots);
        let old_audio = self.audio.take();
        self.incoming.clear();
        let mut cameras = 0;
        let mids: Vec<Mid> = self
            .outline
            .lines
            .iter()
            .map(|line| Mid::from(line.mid.as_str()))
            .collect();
        for mid in mids {
            let Some(media) = self.rtc.media(mid) else {
                continue;
            };
            if media.disabled() {
                continue;
            }
            let (kind, direction) = (media.kind(), media.direction());
            if direction.is_receiving() {
                let track = match kind {
                    MediaKind::Audio => Track::Audio,
                    MediaKind::Video if cameras == 0 => Track::Camera,
                    MediaKind::Video => Track::Screen,
                };
                cameras += usize::from(kind == MediaKind::Video);
                self.incoming.push(Incoming {
                    mid,
                    track,
                    layer: None,
                });
            }
            if !direction.is_sending() {
                continue;
            }
            let Some(stream) = self
                .rtc
                .direct_api()
                .stream_tx_by_mid(mid, None)
                .map(|s| s.ssrc())
            else {
                continue;
            };
            let known = old_slots
                .iter()
                .chain(&old_audio)
                .find(|o| o.ssrc == stream);
            let numbering = known.map_or_else(Numbering::default, |o| Numbering { ..o.numbering });
            let outgoing = Outgoing {
                mid,
                ssrc: stream,
                numbering,
            };
            match kind {
                MediaKind::Audio if self.audio.is_none() => self.audio = Some(outgoing),
                MediaKind::Video if self.slots.len() < usize::from(u8::MAX) => {
                    if known.is_none() {
                        self.shrink_cache(stream);
                    }
                    self.slots.push(outgoing);
                }
                _ => {}
            }
        }
    }

    fn shrink_cache(&mut self, ssrc: Ssrc) {
        if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
            stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, Some(0.15));
        }
    }

    /// The room's view of the leg.
    pub(super) fn leg_config(&self, id: LegId) -> Option<LegConfig> {
        let audio = self.audio_setting()?;
        Some(LegConfig {
            id,
            audio,
            video: self.video_setting(),
            muted: false,
            listen_only: false,
        })
    }

    fn audio_setting(&self) -> Option<AudioSetting> {
        let line = self.lines(MediaKind::Audio).next()?;
        let (payload_type, _) = self.codecs(line).find(|(_, codec)| *codec == Codec::Opus)?;
        let receiving = self.incoming.iter().any(|i| i.track == Track::Audio);
        Some(AudioSetting {
            receive: if receiving {
                vec![(payload_type, AudioCodec::Opus)]
            } else {
                Vec::new()
            },
            send: self
                .audio
                .is_some()
                .then(|| (payload_type, EncoderSetting::of(AudioCodec::Opus))),
            telephone_event: None,
            comfort_noise: None,
            level_extension: line.remote_extmap().id_of(Extension::AudioLevel).is_some(),
        })
    }

    fn video_setting(&self) -> Option<VideoSetting> {
        let of = |mid: Mid| -> Vec<(u8, VideoCodec)> {
            let Some(media) = self.rtc.media(mid) else {
                return Vec::new();
            };
            let known = self
                .codecs(media)
                .filter_map(|(payload_type, codec)| match codec {
                    Codec::Vp8 => Some((payload_type, VideoCodec::Vp8)),
                    Codec::H264 => Some((payload_type, VideoCodec::H264)),
                    _ => None,
                });
            known.collect()
        };
        let camera = self
            .incoming
            .iter()
            .find(|i| i.track == Track::Camera)
            .map(|i| i.mid);
        let first_slot = self.slots.first().map(|s| s.mid);
        if camera.is_none() && first_slot.is_none() {
            return None;
        }
        Some(VideoSetting {
            receive: camera.map(of).unwrap_or_default(),
            send: first_slot.map(of).unwrap_or_default(),
            slots: self.slot_count(),
        })
    }

    /// Lines of a kind that are in use, in m-line order.
    fn lines(&self, kind: MediaKind) -> impl Iterator<Item = &Media> {
        let mids = self
            .outline
            .lines
            .iter()
            .map(|line| Mid::from(line.mid.as_str()));
        mids.filter_map(|mid| self.rtc.media(mid))
            .filter(move |media| media.kind() == kind && !media.disabled())
    }

    /// Payload types and codecs agreed for a line, ours preferred first.
    fn codecs(&self, line: &Media) -> impl Iterator<Item = (u8, Codec)> {
        let agreed = line.remote_pts();
        self.rtc
            .codec_config()
            .params()
            .iter()
            .filter(|p| agreed.contains(&p.pt()))
            .map(|p| (*p.pt(), p.spec().codec))
    }

    /// Video slots that the peer has a line for.
    pub(super) fn slot_count(&self) -> u8 {
        u8::try_from(self.slots.len()).unwrap_or(u8::MAX)
    }

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
        match self.rtc.handle_input(Input::Receive(now, receive)) {
            Ok(()) => Received::Taken,
            Err(_) => Received::Malformed,
        }
    }

    /// Lets time pass, then polls.
    pub(super) fn advance(
        &mut self,
        now: Instant,
        events: &mut Vec<PeerEvent>,
        send: &mut dyn FnMut(SocketAddr, &[u8]),
    ) -> Result<Instant, TransportError> {
        self.poll(events, send)?;
        self.rtc
            .handle_input(Input::Timeout(now))
            .map_err(|e| TransportError(e.to_string()))?;
        self.poll(events, send)
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
                Output::Timeout(at) => {
                    if !self.rtc.is_alive() && !self.closed {
                        self.closed = true;
                        events.push(PeerEvent::Closed);
                    }
                    return Ok(at);
                }
                Output::Transmit(datagram) => {
                    // A success goes only to whoever sent a request with the right password.
                    if demux::is_binding_success(&datagram.contents) {
                        events.push(PeerEvent::Validated(datagram.destination));
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

    fn on_packet(&mut self, packet: RtpPacket) -> Option<PeerEvent> {
        let header = &packet.header;
        if let Some(number) = header.ext_vals.transport_cc {
            self.numbers.authenticated(number);
        }
        let (mid, rid) = self
            .rtc
            .direct_api()
            .stream_rx(&header.ssrc)
            .map(|s| (s.mid(), s.rid()))?;
        let incoming = self.incoming.iter_mut().find(|i| i.mid == mid)?;
        if rid.is_some() && *incoming.layer.get_or_insert(rid?) != rid? {
            return None;
        }
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
        Some(PeerEvent::Packet {
            track: incoming.track,
            packet,
        })
    }

    /// Queues an audio packet; it leaves with the next [`PeerTransport::advance`]. False when nothing can be
    /// sent now.
    pub(super) fn write_audio(&mut self, packet: &OutPacket, payload: Arc<[u8]>) -> bool {
        let Some(outgoing) = self.audio.as_mut().filter(|_| self.connected) else {
            return false;
        };
        let number = SeqNo::from(outgoing.numbering.map(packet.sequence));
        let extensions = ExtensionValues {
            audio_level: packet
                .audio_level
                .and_then(|l| i8::try_from(l.dbov.min(127)).ok())
                .map(|level| -level),
            voice_activity: packet.audio_level.map(|l| l.voice),
            ..ExtensionValues::default()
        };
        let ssrc = outgoing.ssrc;
        self.write(
            ssrc,
            rtp_write(packet, number, payload).ext_vals(extensions),
        )
    }

    /// Queues a video packet of a slot, kept for retransmission.
    pub(super) fn write_video(&mut self, slot: u8, packet: &OutPacket, payload: Arc<[u8]>) -> bool {
        if !self.connected {
            return false;
        }
        let Some(outgoing) = self.slots.get_mut(usize::from(slot)) else {
            return false;
        };
        let number = SeqNo::from(outgoing.numbering.map(packet.sequence));
        let ssrc = outgoing.ssrc;
        self.write(ssrc, rtp_write(packet, number, payload).nackable(true))
    }

    fn write(&mut self, ssrc: Ssrc, write: RtpWrite) -> bool {
        match self.rtc.direct_api().stream_tx(&ssrc) {
            Some(stream) => {
                stream.write_rtp(write);
                true
            }
            None => false,
        }
    }

    /// Asks the peer for a keyframe of a track by PLI; false when it does not send that track.
    pub(super) fn request_keyframe(&mut self, track: Track) -> bool {
        let Some(incoming) = self.incoming.iter().find(|i| i.track == track) else {
            return false;
        };
        let (mid, layer) = (incoming.mid, incoming.layer);
        match self.rtc.direct_api().stream_rx_by_mid(mid, layer) {
            Some(stream) => {
                stream.request_keyframe(KeyframeRequestKind::Pli);
                true
            }
            None => false,
        }
    }

    /// Says goodbye (RTCP BYE, DTLS close-notify); poll once more to send it.
    pub(super) fn close(&mut self) {
        self.closed = true;
        if let Err(error) = self.rtc.close() {
            tracing::debug!(%error, "peer could not say goodbye");
        }
    }
}

/// The header extensions that we know. The stack reads packets by one map for all lines, whatever each line has
/// agreed on, and keeps what an offer does not name under the id it began with. So the transport-wide number has
/// its offered id from the start, or none at all: its guard must look where the stack looks.
fn extension_map(transport_number: Option<u8>) -> ExtensionMap {
    let mut map = ExtensionMap::empty();
    let others = [
        Extension::AudioLevel,
        Extension::AbsoluteSendTime,
        Extension::RtpMid,
        Extension::RtpStreamId,
        Extension::RepairedRtpStreamId,
        Extension::VideoOrientation,
    ];
    let ids = (1..=14).filter(|id| Some(*id) != transport_number);
    for (id, extension) in ids.zip(others) {
        map.set(id, extension);
    }
    if let Some(id) = transport_number {
        map.set(id, Extension::TransportSequenceNumber);
    }
    map
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
