//! What a bot sends: a tone in Opus packets encoded beforehand, and its picture in VP8 as a camera would.

use std::collections::BTreeMap;
use std::f64::consts::TAU;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context as _, Result};
use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting, FRAME, Frame, level_dbov};
use plenum_codecs::video::encoder::{VideoSetting, Vp8Encoder};
use plenum_codecs::video::vp8;
use plenum_codecs::{AudioLevel, MediaTime};
use rtc::rtp;
use tokio::time::{Instant, MissedTickBehavior, interval};
use webrtc::media_stream::track_local::static_rtp::TrackLocalStaticRTP;
use webrtc::media_stream::track_local::{TrackLocal, TrackLocalEvent};

use super::picture::{HEIGHT, Mark, WIDTH};

/// Payload type of Opus in our offers.
pub(super) const OPUS: u8 = 111;
/// Payload type of VP8 in our offers.
pub(super) const VP8: u8 = 96;
/// Peak level of the tones, dB below full scale.
pub const TONE_DBFS: f64 = -20.0;
/// Packets of a second of sound.
const LOOP: usize = 50;
/// Pictures per second.
const PICTURES: u8 = 10;
/// Octets of a payload.
const MTU: usize = 1_100;
/// The camera.
pub(super) const VIDEO: VideoSetting = VideoSetting {
    width: WIDTH,
    height: HEIGHT,
    bitrate: 300_000,
    frame_rate: PICTURES,
};

/// What a bot says and shows, to be changed at any time.
#[derive(Debug, Default)]
pub struct Feed {
    /// The camera is on.
    pub camera: AtomicBool,
    /// Keyframes asked for by the other side.
    pub keyframe_requests: AtomicU64,
    keyframe_wanted: AtomicBool,
    /// When each picture was painted, by its count. The task of the camera writes, the test reads: a lock of microseconds.
    painted: Mutex<BTreeMap<u8, std::time::Instant>>,
    /// Id of the level extension (RFC 6464); 0 as long as none is agreed.
    pub(super) level_extension: AtomicU8,
}

impl Feed {
    /// When the last picture of that count was painted.
    pub fn painted(&self, count: u8) -> Option<std::time::Instant> {
        let painted = self.painted.lock().unwrap_or_else(PoisonError::into_inner);
        painted.get(&count).copied()
    }

    fn paints(&self, count: u8) {
        let mut painted = self.painted.lock().unwrap_or_else(PoisonError::into_inner);
        painted.insert(count, std::time::Instant::now());
    }

    /// The other side asks for a keyframe.
    pub(super) fn keyframe_asked(&self) {
        self.keyframe_requests.fetch_add(1, Ordering::Relaxed);
        self.keyframe_wanted.store(true, Ordering::Relaxed);
    }
}

/// A second of a tone; as its frequency is a whole number of Hz, it can be repeated without a seam.
#[derive(Debug, Clone)]
pub(super) struct Tone {
    packets: Vec<Bytes>,
    level: AudioLevel,
}

impl Tone {
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_precision_loss,
        reason = "a sample of a sine below full scale"
    )]
    pub(super) fn encode(hertz: u32) -> Result<Self> {
        let peak = 32_767.0 * 10f64.powf(TONE_DBFS / 20.0);
        let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus))?;
        let mut packets = Vec::new();
        let mut level = AudioLevel::SILENCE;
        for number in 0..2 * LOOP {
            let mut frame: Frame = [0; FRAME];
            for (at, sample) in frame.iter_mut().enumerate() {
                let time = (number * FRAME + at) as f64 / 48_000.0;
                *sample = (peak * (TAU * f64::from(hertz) * time).sin()).round() as i16;
            }
            level = AudioLevel {
                dbov: level_dbov(&frame),
                voice: true,
            };
            packets.push(encoder.encode(&frame)?);
        }
        // The first second holds the encoder's settling.
        packets.drain(..LOOP);
        Ok(Self { packets, level })
    }
}

/// Sends the tone, 50 packets a second, until the connection is closed.
pub(super) async fn speak(
    tone: Tone,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    feed: Arc<Feed>,
) -> Result<()> {
    let mut clock = interval(Duration::from_millis(20));
    clock.set_missed_tick_behavior(MissedTickBehavior::Burst);
    let mut header = header(OPUS, ssrc);
    for packet in tone.packets.iter().cycle() {
        clock.tick().await;
        header.sequence_number = header.sequence_number.wrapping_add(1);
        header.timestamp = header.timestamp.wrapping_add(960);
        let mut packet = rtp::Packet {
            header: header.clone(),
            payload: packet.clone(),
        };
        let extension = feed.level_extension.load(Ordering::Relaxed);
        if extension != 0 {
            let level = Bytes::copy_from_slice(&[tone.level.to_byte()]);
            packet.header.set_extension(extension, level)?;
        }
        if track.write_rtp(packet).await.is_err() {
            break;
        }
    }
    Ok(())
}

/// Sends the picture while the camera is on, until the connection is closed.
pub(super) async fn show(
    person: u8,
    track: Arc<TrackLocalStaticRTP>,
    ssrc: u32,
    feed: Arc<Feed>,
) -> Result<()> {
    let mut clock = interval(Duration::from_secs(1) / u32::from(PICTURES));
    clock.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let start = Instant::now();
    let mut encoder = Vp8Encoder::new(VIDEO)?;
    let mut header = header(VP8, ssrc);
    let (first_timestamp, mut picture_id) = (header.timestamp, fastrand::u16(..) & 0x7fff);
    let mut count = 0u8;
    loop {
        clock.tick().await;
        if !feed.camera.load(Ordering::Relaxed) {
            continue;
        }
        if feed.keyframe_wanted.swap(false, Ordering::Relaxed) {
            encoder.request_keyframe();
        }
        count = count.wrapping_add(1);
        feed.paints(count);
        let elapsed = u64::try_from(start.elapsed().as_micros()).context("the age of a camera")?;
        let picture = Mark { person, count }.paint()?;
        let Some(frame) = encoder.encode(&picture, MediaTime::from_micros(elapsed))? else {
            continue;
        };
        let ticks = u32::try_from(elapsed * 9 / 100 % (1 << 32)).context("a timestamp")?;
        header.timestamp = first_timestamp.wrapping_add(ticks);
        picture_id = picture_id.wrapping_add(1) & 0x7fff;
        let payloads = vp8::packetize(&frame.data, picture_id, None, MTU);
        let last = payloads.len().saturating_sub(1);
        for (at, payload) in payloads.into_iter().enumerate() {
            header.sequence_number = header.sequence_number.wrapping_add(1);
            header.marker = at == last;
            let header = header.clone();
            let packet = rtp::Packet { header, payload };
            if track.write_rtp(packet).await.is_err() {
                return Ok(());
            }
        }
    }
}

/// Notes requests for keyframes until the connection is closed.
pub(super) async fn heed(track: Arc<TrackLocalStaticRTP>, feed: Arc<Feed>) -> Result<()> {
    while let Some(TrackLocalEvent::OnRtcpPacket(_)) = track.poll().await {
        feed.keyframe_asked();
    }
    Ok(())
}

fn header(payload_type: u8, ssrc: u32) -> rtp::Header {
    rtp::Header {
        version: 2,
        payload_type,
        sequence_number: fastrand::u16(..),
        timestamp: fastrand::u32(..),
        ssrc,
        ..rtp::Header::default()
    }
}
