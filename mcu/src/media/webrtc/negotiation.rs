//! What a peer and we agree on: its offers answered, the streams that follow, and the room's view of the leg.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Instant;

use plenum_codecs::audio::{AudioCodec, EncoderSetting};
use plenum_codecs::video::VideoCodec;
use plenum_mixer::{AudioSetting, LegConfig, LegId, Track, VideoSetting};
use str0m::change::SdpOffer;
use str0m::format::{Codec, FormatParams};
use str0m::media::{Frequency, Media, MediaKind, Mid};
use str0m::net::Protocol;
use str0m::rtp::{Extension, ExtensionMap, Ssrc};
use str0m::{Candidate, RtcConfig};

use super::audio::{Agreed, AudioStream};
use super::audio_in::AudioReceiver;
use super::line::{self, Line};
use super::pacing::Pacer;
use super::pleas::Pleas;
use super::{
    H264_PROFILE, Identity, Incoming, Numbering, Outgoing, PeerTransport, RESEND_AGE,
    RESEND_PACKETS, RESEND_SHARE,
};
use crate::dtls;
use crate::media::offer::{self, OfferError, Outline};
use crate::media::simulcast::{self, Layers};
use crate::media::transport_cc::NumberGuard;
use crate::media::{Limits, PeerAnswer, clock};

/// Which the offer's own number replaces.
const OPUS_PAYLOAD_TYPE: u8 = 111;

/// What we like to get (RFC 7587 §6.1): with FEC where there is loss, and with DTX, in which a silent microphone sends 2.5 packets a
/// second instead of 50.
fn opus_format() -> FormatParams {
    FormatParams {
        min_p_time: Some(10),
        use_inband_fec: Some(true),
        use_dtx: Some(true),
        ..FormatParams::default()
    }
}

impl PeerTransport {
    /// Answers a first offer. `local` is the address that peers are told.
    pub(in crate::media) fn accept(
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
            .enable_vp8(true);
        let line = Line::of(&outline);
        if line.is_estimated() {
            config = config
                .enable_bwe(Some(line::FIRST))
                .set_stats_interval(Some(line::SAMPLE));
        }
        let codecs = config.codec_config();
        codecs.add_config(
            OPUS_PAYLOAD_TYPE.into(),
            None,
            Codec::Opus,
            Frequency::FORTY_EIGHT_KHZ,
            Some(2),
            opus_format(),
        );
        codecs.add_h264(108.into(), Some(109.into()), true, H264_PROFILE);
        let (mut rtc, keys) = dtls::keys_of(|| config.build(now));
        // The stack has just taken its pair of clocks, if this is its first peer; so do we.
        let _ = clock::to_ntp(now);
        let candidate = Candidate::host(local, Protocol::Udp)
            .map_err(|e| OfferError::Malformed(e.to_string()))?;
        rtc.add_local_candidate(candidate);
        let mut peer = Self {
            rtc,
            local,
            outline: Outline::default(),
            numbers: NumberGuard::default(),
            number_extension,
            keys: keys.unwrap_or_default(),
            audio: None,
            hearing: AudioReceiver::new(now),
            destination: None,
            asking: false,
            loss: None,
            prober: None,
            now,
            slots: Vec::new(),
            codecs: Vec::new(),
            pacer: Pacer::new(now),
            pleas: Pleas::default(),
            paced_out: 0,
            line,
            incoming: Vec::new(),
            connected: false,
            closed: false,
        };
        let answer = peer.negotiate(offer, limits)?;
        Ok((peer, answer))
    }

    /// Answers a first or a later offer. An error leaves the streams as they were.
    pub(in crate::media) fn negotiate(
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
        let (offer, layers) = simulcast::take_layers(&offer::without_audio_numbers(offer));
        let parsed = SdpOffer::from_sdp_string(&offer).map_err(|e| malformed(&e))?;
        self.lend_audio();
        let answered = self.rtc.sdp_api().accept_offer(parsed);
        let answer = match answered {
            Ok(answer) => {
                self.outline = outline;
                self.adopt_lines(&layers);
                answer
            }
            Err(error) => {
                self.reclaim_audio();
                return Err(malformed(&error));
            }
        };
        self.reclaim_audio();
        self.unlock_audio();
        if self.audio_setting().is_none() {
            return Err(OfferError::NoAudio);
        }
        let slot_mids = self.slots.iter().map(|slot| slot.mid.to_string()).collect();
        let screen = self.incoming.iter().find(|i| i.track == Track::Screen);
        Ok(PeerAnswer {
            sdp: simulcast::answer_layers(&answer.to_sdp_string(), &layers),
            slot_mids,
            screen_mid: screen.map(|i| i.mid.to_string()),
        })
    }

    /// Takes over what was agreed: one audio line, video slots in m-line order, incoming camera and screen.
    fn adopt_lines(&mut self, layers: &Layers) {
        let old_slots = std::mem::take(&mut self.slots);
        if let Some(audio) = &mut self.audio {
            audio.shut();
        }
        let mut heard = false;
        self.incoming.clear();
        let mut cameras = 0;
        let mids: Vec<Mid> = self
            .outline
            .lines
            .iter()
            .map(|line| Mid::from(line.mid.as_str()))
            .collect();
        self.hearing.agree(false, None);
        for mid in mids {
            let Some(media) = self.rtc.media(mid) else {
                continue;
            };
            if media.disabled() {
                continue;
            }
            let (kind, direction) = (media.kind(), media.direction());
            let track = match kind {
                MediaKind::Audio => Some(Track::Audio),
                MediaKind::Video if cameras == 0 => Some(Track::Camera),
                MediaKind::Video if cameras == 1 => Some(Track::Screen),
                // Nothing is expected there; what comes is dropped.
                MediaKind::Video => None,
            };
            if let Some(track) = track.filter(|_| direction.is_receiving()) {
                cameras += usize::from(kind == MediaKind::Video);
                if track == Track::Audio && !self.incoming.iter().any(|i| i.track == track) {
                    let level = media.remote_extmap().id_of(Extension::AudioLevel);
                    self.hearing.agree(true, level);
                }
                // As an offer lists them, which browsers do from the smallest to the largest when asked so.
                let ids = layers.get(&mid.to_string());
                let layers = ids.into_iter().flatten().map(|id| id.as_str().into());
                let layers = layers.collect();
                self.incoming.push(Incoming { mid, track, layers });
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
            if kind == MediaKind::Audio {
                if !std::mem::replace(&mut heard, true) {
                    self.adopt_audio(mid, stream);
                }
                continue;
            }
            let known = old_slots.iter().find(|o| o.ssrc == stream);
            let numbering = known.map_or_else(Numbering::default, |o| Numbering { ..o.numbering });
            let outgoing = Outgoing {
                mid,
                ssrc: stream,
                numbering,
            };
            if self.slots.len() < usize::from(u8::MAX) {
                if known.is_none() {
                    self.prepare_slot(stream);
                }
                self.slots.push(outgoing);
            }
        }
        self.codecs = self.video_setting().map_or_else(Vec::new, |v| v.send);
        if self.line.is_estimated() {
            self.demand();
        }
    }

    /// Lets the stack know the audio stream again, so that its answer names it; [`Self::reclaim_audio`] must
    /// follow before the stack gets to send anything.
    fn lend_audio(&mut self) {
        let Some(audio) = &self.audio else { return };
        let mid = Mid::from(audio.agreed().mid.as_str());
        // The stack asserts that it knows the line.
        if self.rtc.media(mid).is_some() {
            let ssrc = audio.ssrc().into();
            self.rtc
                .direct_api()
                .declare_stream_tx(ssrc, None, mid, None);
        }
    }

    /// Makes the stack forget the audio stream: from now on it sends neither RTP nor reports under its SSRC. So for what
    /// we receive past it, which an offer may have named again.
    fn reclaim_audio(&mut self) {
        let mut api = self.rtc.direct_api();
        if let Some(audio) = &self.audio {
            api.remove_stream_tx(audio.ssrc().into());
        }
        for ssrc in self.hearing.ssrcs() {
            api.remove_stream_rx(ssrc.into());
        }
    }

    /// The audio line that we send on.
    fn adopt_audio(&mut self, mid: Mid, ssrc: Ssrc) {
        let Some(media) = self.rtc.media(mid) else {
            return;
        };
        let extensions = media.remote_extmap();
        let agreed = Agreed {
            open: true,
            mid: mid.to_string(),
            cname: media.cname().to_owned(),
            level_extension: extensions.id_of(Extension::AudioLevel),
            mid_extension: extensions.id_of(Extension::RtpMid),
        };
        match &mut self.audio {
            Some(audio) if audio.ssrc() == *ssrc => audio.agree(agreed),
            _ => self.audio = Some(AudioStream::new(*ssrc, agreed)),
        }
    }

    fn prepare_slot(&mut self, ssrc: Ssrc) {
        if let Some(stream) = self.rtc.direct_api().stream_tx(&ssrc) {
            // Paced before the stack gets it.
            stream.set_unpaced(true);
            stream.set_rtx_cache(RESEND_PACKETS, RESEND_AGE, Some(RESEND_SHARE));
        }
    }

    /// The room's view of the leg.
    pub(in crate::media) fn leg_config(&self, id: LegId) -> Option<LegConfig> {
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
                .as_ref()
                .is_some_and(|audio| audio.agreed().open)
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
        let mut receive: Vec<(u8, VideoCodec)> = Vec::new();
        // In a bundle a payload type stands for one codec on all lines.
        for line in self.incoming.iter().filter(|i| i.track != Track::Audio) {
            for codec in of(line.mid) {
                if !receive.contains(&codec) {
                    receive.push(codec);
                }
            }
        }
        let first_slot = self.slots.first().map(|s| s.mid);
        if receive.is_empty() && first_slot.is_none() {
            return None;
        }
        Some(VideoSetting {
            receive,
            send: first_slot.map(of).unwrap_or_default(),
            // A keyframe that came now would go nowhere, and the next one is asked for half a second later at the earliest.
            slots: if self.connected { self.slot_count() } else { 0 },
            limit: None,
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
    fn slot_count(&self) -> u8 {
        u8::try_from(self.slots.len()).unwrap_or(u8::MAX)
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
