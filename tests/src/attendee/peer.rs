//! A WebRTC client on the `webrtc` crate, which shares no code with the server's stack. Knows nothing of signalling: it makes
//! offers and takes answers.

use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Duration;

use anyhow::{Context as _, Result, bail, ensure};
use rtc::interceptor::Slot;
use rtc::peer_connection::configuration::media_engine::{MIME_TYPE_OPUS, MIME_TYPE_VP8};
use rtc::rtp_transceiver::rtp_sender::{
    RTCPFeedback, RTCRtpCodec, RTCRtpCodecParameters, RTCRtpCodingParameters,
    RTCRtpEncodingParameters, RTCRtpHeaderExtensionCapability, RtpCodecKind,
};
use tokio::sync::{mpsc, watch};
use tokio::task::JoinSet;
use tokio::time::timeout;
use webrtc::media_stream::MediaStreamTrack;
use webrtc::media_stream::track_local::TrackLocal;
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_remote::TrackRemote;
use webrtc::peer_connection::{
    MediaEngine, PeerConnection, PeerConnectionBuilder, PeerConnectionEventHandler,
    RTCConfigurationBuilder, RTCIceGatheringState, RTCPeerConnectionState, RTCSessionDescription,
    Registry, configure_nack, configure_rtcp_reports, configure_simulcast_extension_headers,
    configure_twcc,
};
use webrtc::rtp_transceiver::{RTCRtpTransceiverDirection, RTCRtpTransceiverInit};
use webrtc::runtime::default_runtime;

use super::feed::{self, Feed, Tone};
use super::keyframes::KeyframeRequests;
use super::senses::{self, Senses};

const LEVEL_URI: &str = "urn:ietf:params:rtp-hdrext:ssrc-audio-level";
const MID_URI: &str = "urn:ietf:params:rtp-hdrext:sdes:mid";
/// Tracks that may wait to be listened to.
const TRACKS: usize = 64;
/// Place in the chain of interceptors behind all of the library's own.
const LAST_IN_CHAIN: usize = 14_000;
/// Gathering of one loopback candidate.
const GATHERING: Duration = Duration::from_secs(5);

/// What a peer says and shows.
#[derive(Debug, Clone, Copy, Default)]
pub struct Voice {
    /// Its tone in Hz; silent without.
    pub tone: Option<u32>,
    /// What its pictures say.
    pub person: Option<u8>,
    /// The camera is on from the start.
    pub camera: bool,
    /// Asks for no keyframes, whatever it misses.
    pub patient: bool,
}

struct Handler {
    gathered: watch::Sender<u64>,
    state: watch::Sender<RTCPeerConnectionState>,
    tracks: mpsc::Sender<Arc<dyn TrackRemote>>,
}

#[async_trait::async_trait]
impl PeerConnectionEventHandler for Handler {
    async fn on_ice_gathering_state_change(&self, state: RTCIceGatheringState) {
        if state == RTCIceGatheringState::Complete {
            self.gathered.send_modify(|times| *times += 1);
        }
    }

    async fn on_connection_state_change(&self, state: RTCPeerConnectionState) {
        self.state.send_replace(state);
    }

    async fn on_track(&self, track: Arc<dyn TrackRemote>) {
        // Full only when a server opens more lines than were offered; the test misses the picture then.
        let _ = self.tracks.try_send(track);
    }
}

/// One peer connection with what it sends and perceives.
pub struct Peer {
    connection: Arc<dyn PeerConnection>,
    /// What it hears and sees.
    pub senses: Arc<Senses>,
    /// What it says and shows.
    pub feed: Arc<Feed>,
    gathered: watch::Receiver<u64>,
    state: watch::Receiver<RTCPeerConnectionState>,
    /// Ended with the peer.
    _tasks: JoinSet<()>,
}

impl std::fmt::Debug for Peer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Peer").finish_non_exhaustive()
    }
}

fn codec(
    mime: &str,
    clock_rate: u32,
    channels: u16,
    fmtp: &str,
    feedback: &[(&str, &str)],
) -> RTCRtpCodec {
    RTCRtpCodec {
        mime_type: mime.to_owned(),
        clock_rate,
        channels,
        sdp_fmtp_line: fmtp.to_owned(),
        rtcp_feedback: feedback
            .iter()
            .map(|(typ, parameter)| RTCPFeedback {
                typ: (*typ).to_owned(),
                parameter: (*parameter).to_owned(),
            })
            .collect(),
    }
}

fn opus() -> RTCRtpCodec {
    codec(MIME_TYPE_OPUS, 48_000, 2, "minptime=10;useinbandfec=1", &[])
}

fn vp8() -> RTCRtpCodec {
    codec(
        MIME_TYPE_VP8,
        90_000,
        0,
        "",
        &[("ccm", "fir"), ("nack", "pli")],
    )
}

fn engine() -> Result<(MediaEngine, Registry)> {
    let mut engine = MediaEngine::default();
    for (rtp_codec, payload_type, kind) in [
        (opus(), feed::OPUS, RtpCodecKind::Audio),
        (vp8(), feed::VP8, RtpCodecKind::Video),
    ] {
        let codec = RTCRtpCodecParameters {
            rtp_codec,
            payload_type,
        };
        engine.register_codec(codec, kind)?;
    }
    for uri in [LEVEL_URI, MID_URI] {
        let capability = RTCRtpHeaderExtensionCapability {
            uri: uri.to_owned(),
        };
        engine.register_header_extension(capability, RtpCodecKind::Audio, None)?;
    }
    configure_simulcast_extension_headers(&mut engine)?;
    let registry = configure_nack(Registry::new(), &mut engine);
    let registry = configure_twcc(registry, &mut engine)?;
    let registry = configure_rtcp_reports(registry)
        .with(Slot::from(LAST_IN_CHAIN), KeyframeRequests::default());
    Ok((engine, registry))
}

fn track(kind: RtpCodecKind, name: &str, codec: RTCRtpCodec) -> (Arc<TrackLocalStaticRTP>, u32) {
    let ssrc = fastrand::u32(1..);
    let encoding = RTCRtpEncodingParameters {
        rtp_coding_parameters: RTCRtpCodingParameters {
            ssrc: Some(ssrc),
            ..RTCRtpCodingParameters::default()
        },
        codec,
        ..RTCRtpEncodingParameters::default()
    };
    let track = MediaStreamTrack::new(
        "bot".to_owned(),
        format!("{name}-{ssrc}"),
        name.to_owned(),
        kind,
        vec![encoding],
    );
    (Arc::new(TrackLocalStaticRTP::new(track)), ssrc)
}

impl Peer {
    /// A peer on a UDP port of 127.0.0.1 with one audio and one video line, both sendrecv.
    ///
    /// # Errors
    /// When the library refuses.
    pub async fn new(voice: Voice) -> Result<Self> {
        let (engine, registry) = engine()?;
        let (gathered, gathered_seen) = watch::channel(0);
        let (state, state_seen) = watch::channel(RTCPeerConnectionState::New);
        let (tracks, new_tracks) = mpsc::channel(TRACKS);
        let handler = Handler {
            gathered,
            state,
            tracks,
        };
        let connection: Arc<dyn PeerConnection> = Arc::new(
            PeerConnectionBuilder::new()
                .with_configuration(RTCConfigurationBuilder::new().build())
                .with_media_engine(engine)
                .with_interceptor_registry(registry)
                .with_handler(Arc::new(handler))
                .with_runtime(default_runtime().context("the library has no tokio runtime")?)
                .with_udp_addrs(vec!["127.0.0.1:0".to_owned()])
                .build()
                .await?,
        );
        let (audio, audio_ssrc) = track(RtpCodecKind::Audio, "voice", opus());
        let (video, video_ssrc) = track(RtpCodecKind::Video, "camera", vp8());
        for track in [&audio, &video] {
            let track: Arc<dyn TrackLocal> = track.clone();
            connection.add_track(track).await?;
        }
        let senses = Arc::new(Senses::new(voice.patient));
        let feed = Arc::new(Feed::default());
        feed.camera.store(voice.camera, Ordering::Relaxed);
        let mut tasks = JoinSet::new();
        tasks.spawn(greet(
            connection.clone(),
            new_tracks,
            senses.clone(),
            feed.clone(),
        ));
        let tone = voice.tone.map(Tone::encode).transpose()?;
        tasks.spawn(send(
            Outgoing {
                tone,
                person: voice.person.unwrap_or_default(),
                audio: (audio, audio_ssrc),
                video: (video, video_ssrc),
            },
            state_seen.clone(),
            feed.clone(),
        ));
        Ok(Self {
            connection,
            senses,
            feed,
            gathered: gathered_seen,
            state: state_seen,
            _tasks: tasks,
        })
    }

    /// An offer with `slots` video lines in all (the camera's is the first), with its candidates.
    ///
    /// # Errors
    /// When the library refuses or gathers no candidate.
    pub async fn offer(&self, slots: usize, restart_ice: bool) -> Result<String> {
        let mut video = 0;
        for transceiver in self.connection.get_transceivers().await {
            let receiver_kind = match transceiver.receiver().await? {
                Some(receiver) => receiver.track().kind().await,
                None => continue,
            };
            video += usize::from(receiver_kind == RtpCodecKind::Video);
        }
        for _ in video.max(1)..slots {
            let init = RTCRtpTransceiverInit {
                direction: RTCRtpTransceiverDirection::Recvonly,
                ..RTCRtpTransceiverInit::default()
            };
            self.connection
                .add_transceiver_from_kind(RtpCodecKind::Video, Some(init))
                .await?;
        }
        let mut gathered = self.gathered.clone();
        let before = *gathered.borrow_and_update();
        if restart_ice {
            self.connection.restart_ice().await?;
        }
        let offer = self.connection.create_offer(None).await?;
        self.connection.set_local_description(offer).await?;
        if before == 0 || restart_ice {
            timeout(GATHERING, gathered.wait_for(|times| *times > before))
                .await
                .context("gathering takes too long")??;
        }
        self.local().await
    }

    async fn local(&self) -> Result<String> {
        let description = self.connection.local_description().await;
        let sdp = description.context("no local description")?.sdp;
        ensure!(sdp.contains("a=candidate:"), "no candidate in\n{sdp}");
        Ok(sdp)
    }

    /// Takes the answer to the last offer.
    ///
    /// # Errors
    /// When the library refuses it.
    pub async fn answer(&self, sdp: String) -> Result<()> {
        let level = agreed_level(&sdp).unwrap_or_default();
        self.feed.level_extension.store(level, Ordering::Relaxed);
        let answer = RTCSessionDescription::answer(sdp)?;
        Ok(self.connection.set_remote_description(answer).await?)
    }

    /// Answers the offer of another bot, without a server.
    ///
    /// # Errors
    /// When the library refuses it.
    pub async fn accept(&self, offer: String) -> Result<String> {
        let mut gathered = self.gathered.clone();
        let offer = RTCSessionDescription::offer(offer)?;
        self.connection.set_remote_description(offer).await?;
        let answer = self.connection.create_answer(None).await?;
        let level = agreed_level(&answer.sdp).unwrap_or_default();
        self.feed.level_extension.store(level, Ordering::Relaxed);
        self.connection.set_local_description(answer).await?;
        timeout(GATHERING, gathered.wait_for(|times| *times > 0))
            .await
            .context("gathering takes too long")??;
        self.local().await
    }

    /// The ICE user fragment in use.
    ///
    /// # Errors
    /// When nothing was offered yet.
    pub async fn ice_user(&self) -> Result<String> {
        let sdp = self.local().await?;
        let user = sdp
            .lines()
            .find_map(|line| line.strip_prefix("a=ice-ufrag:"));
        Ok(user.context("no a=ice-ufrag")?.trim().to_owned())
    }

    /// Waits until media can flow.
    ///
    /// # Errors
    /// When it fails, or takes longer than `limit`.
    pub async fn connected(&self, limit: Duration) -> Result<()> {
        let mut state = self.state.clone();
        let settled = |state: &RTCPeerConnectionState| {
            matches!(
                state,
                RTCPeerConnectionState::Connected
                    | RTCPeerConnectionState::Failed
                    | RTCPeerConnectionState::Closed
            )
        };
        let state = *timeout(limit, state.wait_for(settled))
            .await
            .context("ICE and DTLS take too long")??;
        if state != RTCPeerConnectionState::Connected {
            bail!("the peer connection is {state}");
        }
        Ok(())
    }

    /// Ends the connection properly.
    ///
    /// # Errors
    /// When the library fails to.
    pub async fn close(&self) -> Result<()> {
        Ok(self.connection.close().await?)
    }
}

/// Id of the level extension in the audio section of an answer.
fn agreed_level(sdp: &str) -> Option<u8> {
    let audio = sdp
        .split("m=")
        .find(|section| section.starts_with("audio"))?;
    audio.lines().find_map(|line| {
        let (id, uri) = line.trim().strip_prefix("a=extmap:")?.split_once(' ')?;
        let id = id.split('/').next()?;
        uri.starts_with(LEVEL_URI).then(|| id.parse().ok())?
    })
}

struct Outgoing {
    tone: Option<Tone>,
    person: u8,
    audio: (Arc<TrackLocalStaticRTP>, u32),
    video: (Arc<TrackLocalStaticRTP>, u32),
}

/// Sends once connected. A failure ends the sending, which the others notice.
async fn send(
    outgoing: Outgoing,
    mut state: watch::Receiver<RTCPeerConnectionState>,
    feed: Arc<Feed>,
) {
    let connected = |state: &RTCPeerConnectionState| *state == RTCPeerConnectionState::Connected;
    if state.wait_for(connected).await.is_err() {
        return;
    }
    let (audio, audio_ssrc) = outgoing.audio;
    let (video, video_ssrc) = outgoing.video;
    let mut tasks = JoinSet::new();
    if let Some(tone) = outgoing.tone {
        tasks.spawn(report(feed::speak(tone, audio, audio_ssrc, feed.clone())));
    }
    tasks.spawn(report(feed::heed(video.clone(), feed.clone())));
    let show = feed::show(outgoing.person, video, video_ssrc, feed);
    tasks.spawn(report(show));
    while tasks.join_next().await.is_some() {}
}

/// Perceives each track that opens.
async fn greet(
    connection: Arc<dyn PeerConnection>,
    mut tracks: mpsc::Receiver<Arc<dyn TrackRemote>>,
    senses: Arc<Senses>,
    feed: Arc<Feed>,
) {
    let mut tasks = JoinSet::new();
    while let Some(track) = tracks.recv().await {
        if track.kind().await == RtpCodecKind::Audio {
            tasks.spawn(report(senses::listen(track, senses.clone())));
        } else if let Some(mid) = mid_of(&connection, &track).await {
            tasks.spawn(report(senses::watch(
                mid,
                track,
                senses.clone(),
                feed.clone(),
            )));
        }
    }
    while tasks.join_next().await.is_some() {}
}

async fn mid_of(
    connection: &Arc<dyn PeerConnection>,
    track: &Arc<dyn TrackRemote>,
) -> Option<String> {
    let id = track.track_id().await;
    for transceiver in connection.get_transceivers().await {
        if let Ok(Some(receiver)) = transceiver.receiver().await
            && receiver.track().track_id().await == id
        {
            return transceiver.mid().await.ok()?;
        }
    }
    None
}

/// Shows on stderr what failed, beside the test's own verdict.
async fn report(task: impl Future<Output = Result<()>>) {
    if let Err(fault) = task.await {
        eprintln!("bot: {fault:#}");
    }
}
