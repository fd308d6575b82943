//! A WebRTC client built on the `webrtc` crate: an implementation independent of the server's.
//!
//! It knows no signalling: [`Bot::offer`] gives SDP, [`Bot::accept`] takes the answer. Media goes in and out as
//! RTP payloads; the caller encodes and judges.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use rtc::interceptor::Registry;
use rtc::media_stream::MediaStreamTrack;
use rtc::peer_connection::configuration::interceptor_registry::{
    configure_simulcast_extension_headers, register_default_interceptors,
};
use rtc::peer_connection::configuration::media_engine::{
    MIME_TYPE_OPUS, MIME_TYPE_VP8, MediaEngine,
};
use rtc::peer_connection::sdp::RTCSessionDescription;
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use rtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use tokio::sync::watch;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::{TrackRemote, TrackRemoteEvent};
use webrtc::peer_connection::{
    PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler, RTCIceGatheringState,
    RTCPeerConnectionState,
};

pub use rtc::rtcp;

/// Payload types the bot offers.
pub const OPUS: u8 = 111;
/// See [`OPUS`].
pub const VP8: u8 = 96;
/// The id under which [`Bot::hostile`] offers the transport-wide number.
const TRANSPORT_CC: &str =
    "http://www.ietf.org/id/draft-holmer-rmcat-transport-wide-cc-extensions-01";

/// A packet that came in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Heard {
    /// Stream it belongs to.
    pub ssrc: u32,
    /// Payload type.
    pub payload_type: u8,
    /// Marker bit.
    pub marker: bool,
    /// Sequence number.
    pub sequence: u16,
    /// Timestamp.
    pub timestamp: u32,
    /// Payload.
    pub payload: Bytes,
}

/// A client with a microphone and a camera.
pub struct Bot {
    connection: Box<dyn PeerConnection>,
    audio: Arc<TrackLocalStaticRTP>,
    video: Arc<TrackLocalStaticRTP>,
    audio_ssrc: u32,
    video_ssrc: u32,
    inbox: Arc<Inbox>,
    gathered: watch::Receiver<bool>,
    state: watch::Receiver<RTCPeerConnectionState>,
    sequences: Mutex<HashMap<u32, u16>>,
}

/// What came in; filled by the tracks' tasks, emptied by the test.
#[derive(Default)]
struct Inbox {
    packets: Mutex<Vec<Heard>>,
}

struct Handler {
    inbox: Arc<Inbox>,
    gathered: watch::Sender<bool>,
    state: watch::Sender<RTCPeerConnectionState>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_replace(true);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        let inbox = Arc::clone(&self.inbox);
        tokio::spawn(async move {
            while let Some(event) = track.poll().await {
                let TrackRemoteEvent::OnRtpPacket(packet) = event else {
                    continue;
                };
                let heard = Heard {
                    ssrc: packet.header.ssrc,
                    payload_type: packet.header.payload_type,
                    marker: packet.header.marker,
                    sequence: packet.header.sequence_number,
                    timestamp: packet.header.timestamp,
                    payload: packet.payload,
                };
                inbox
                    .packets
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner)
                    .push(heard);
            }
        });
    }
}

fn codec(kind: RtpCodecKind) -> RTCRtpCodecParameters {
    let (mime_type, clock_rate, channels, payload_type, fmtp) = match kind {
        RtpCodecKind::Audio => (
            MIME_TYPE_OPUS,
            48_000,
            2,
            OPUS,
            "minptime=10;useinbandfec=1",
        ),
        _ => (MIME_TYPE_VP8, 90_000, 0, VP8, ""),
    };
    let feedback = |typ: &str, parameter: &str| RTCPFeedback {
        typ: typ.to_owned(),
        parameter: parameter.to_owned(),
    };
    let rtcp_feedback = if kind == RtpCodecKind::Video {
        vec![
            feedback("nack", ""),
            feedback("nack", "pli"),
            feedback("ccm", "fir"),
            feedback("transport-cc", ""),
        ]
    } else {
        vec![feedback("transport-cc", "")]
    };
    RTCRtpCodecParameters {
        rtp_codec: RTCRtpCodec {
            mime_type: mime_type.to_owned(),
            clock_rate,
            channels,
            sdp_fmtp_line: fmtp.to_owned(),
            rtcp_feedback,
        },
        payload_type,
    }
}

fn track(kind: RtpCodecKind, ssrc: u32) -> Arc<TrackLocalStaticRTP> {
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..Default::default()
        },
        codec: codec(kind).rtp_codec,
        ..Default::default()
    };
    Arc::new(TrackLocalStaticRTP::new(MediaStreamTrack::new(
        format!("bot-{ssrc}"),
        format!("bot-{kind}-{ssrc}"),
        format!("bot-{kind}"),
        kind,
        vec![encoding],
    )))
}

impl Bot {
    /// A well-behaved client.
    ///
    /// # Errors
    /// When the connection cannot be built.
    pub async fn new() -> Result<Self> {
        let mut engine = engine()?;
        let registry = register_default_interceptors(Registry::new(), &mut engine)?;
        Self::build(engine, registry).await
    }

    /// A client without interceptors: what it sends goes out as it is, transport-wide numbers and RTCP too.
    ///
    /// # Errors
    /// When the connection cannot be built.
    pub async fn hostile() -> Result<Self> {
        let mut engine = engine()?;
        configure_simulcast_extension_headers(&mut engine)?;
        for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
            let extension = RTCRtpHeaderExtensionCapability {
                uri: TRANSPORT_CC.to_owned(),
            };
            engine.register_header_extension(extension, kind, None)?;
        }
        Self::build(engine, Registry::new()).await
    }

    async fn build(engine: MediaEngine, registry: Registry) -> Result<Self> {
        let inbox = Arc::new(Inbox::default());
        let (gathered_sender, gathered) = watch::channel(false);
        let (state_sender, state) = watch::channel(RTCPeerConnectionState::New);
        let handler = Handler {
            inbox: Arc::clone(&inbox),
            gathered: gathered_sender,
            state: state_sender,
        };
        let connection = PeerConnectionBuilder::new()
            .with_media_engine(engine)
            .with_interceptor_registry(registry)
            .with_handler(Arc::new(handler))
            .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
            .build()
            .await?;
        let (audio_ssrc, video_ssrc) = (fastrand::u32(1..), fastrand::u32(1..));
        let (audio, video) = (
            track(RtpCodecKind::Audio, audio_ssrc),
            track(RtpCodecKind::Video, video_ssrc),
        );
        connection
            .add_track(Arc::clone(&audio) as Arc<dyn TrackLocal>)
            .await?;
        connection
            .add_track(Arc::clone(&video) as Arc<dyn TrackLocal>)
            .await?;
        let connection: Box<dyn PeerConnection> = Box::new(connection);
        let sequences = Mutex::default();
        Ok(Self {
            connection,
            audio,
            video,
            audio_ssrc,
            video_ssrc,
            inbox,
            gathered,
            state,
            sequences,
        })
    }

    /// Adds video lines that only receive: one more slot each. Offer again afterwards.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn add_slots(&self, count: usize) -> Result<()> {
        for _ in 0..count {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                streams: Vec::new(),
                send_encodings: Vec::new(),
            };
            self.connection
                .add_transceiver_from_kind(RtpCodecKind::Video, Some(init))
                .await?;
        }
        Ok(())
    }

    /// An offer with all its candidates.
    ///
    /// # Errors
    /// When the offer cannot be made, or candidates do not come within 5 s.
    pub async fn offer(&self) -> Result<String> {
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        let mut gathered = self.gathered.clone();
        tokio::time::timeout(Duration::from_secs(5), gathered.wait_for(|done| *done))
            .await
            .context("gathering")??;
        Ok(self
            .connection
            .local_description()
            .await
            .context("no local description")?
            .sdp)
    }

    /// Takes the answer.
    ///
    /// # Errors
    /// When it does not fit the offer.
    pub async fn accept(&self, answer: &str) -> Result<()> {
        self.connection
            .set_remote_description(RTCSessionDescription::answer(answer.to_owned())?)
            .await?;
        Ok(())
    }

    /// Waits until ICE and DTLS are up.
    ///
    /// # Errors
    /// When they are not within `limit`.
    pub async fn connected(&self, limit: Duration) -> Result<()> {
        let mut state = self.state.clone();
        let up = state.wait_for(|s| *s == RTCPeerConnectionState::Connected);
        tokio::time::timeout(limit, up)
            .await
            .context("not connected in time")??;
        Ok(())
    }

    /// Sends an Opus payload.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_audio(&self, timestamp: u32, payload: Bytes) -> Result<()> {
        let packet = self.packet(self.audio_ssrc, OPUS, timestamp, false, payload);
        self.audio.write_rtp(packet).await?;
        Ok(())
    }

    /// Sends a VP8 payload.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_video(&self, timestamp: u32, marker: bool, payload: Bytes) -> Result<()> {
        let packet = self.packet(self.video_ssrc, VP8, timestamp, marker, payload);
        self.video.write_rtp(packet).await?;
        Ok(())
    }

    /// Sends a packet of the camera with a transport-wide number of the caller's choice under extension `id`.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_numbered(&self, id: u8, number: u16) -> Result<()> {
        let payload = Bytes::from_static(&[0x10, 0, 0, 0]);
        let mut packet = self.packet(self.video_ssrc, VP8, 0, false, payload);
        packet
            .header
            .set_extension(id, Bytes::copy_from_slice(&number.to_be_bytes()))?;
        self.video.write_rtp(packet).await?;
        Ok(())
    }

    /// Sends RTCP as it is given.
    ///
    /// # Errors
    /// When the connection is closed.
    pub async fn send_rtcp(&self, packets: Vec<Box<dyn rtcp::Packet>>) -> Result<()> {
        self.audio.write_rtcp(packets).await?;
        Ok(())
    }

    /// Everything that came in since the last call.
    pub fn take_heard(&self) -> Vec<Heard> {
        std::mem::take(
            &mut *self
                .inbox
                .packets
                .lock()
                .unwrap_or_else(PoisonError::into_inner),
        )
    }

    /// Says goodbye.
    ///
    /// # Errors
    /// When the connection breaks while closing.
    pub async fn close(&self) -> Result<()> {
        self.connection.close().await?;
        Ok(())
    }

    fn packet(
        &self,
        ssrc: u32,
        payload_type: u8,
        timestamp: u32,
        marker: bool,
        payload: Bytes,
    ) -> rtc::rtp::Packet {
        let mut sequences = self
            .sequences
            .lock()
            .unwrap_or_else(PoisonError::into_inner);
        let sequence = sequences.entry(ssrc).or_insert(0);
        *sequence = sequence.wrapping_add(1);
        let header = rtc::rtp::Header {
            version: 2,
            marker,
            payload_type,
            sequence_number: *sequence,
            timestamp,
            ssrc,
            ..Default::default()
        };
        rtc::rtp::Packet { header, payload }
    }
}

fn engine() -> Result<MediaEngine> {
    let mut engine = MediaEngine::default();
    for kind in [RtpCodecKind::Audio, RtpCodecKind::Video] {
        engine.register_codec(codec(kind), kind)?;
    }
    Ok(engine)
}
