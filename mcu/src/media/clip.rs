//! Clips: sources that are encoded once and then played in a loop as if a participant sent them.
//!
//! A clip speaks Opus and shows its picture in VP8 and H.264 at once, so that every viewer finds a codec it
//! takes. The worker's timer drives it; the room treats it as any other leg.

use std::sync::Arc;
use std::time::{Duration, Instant};

use bytes::Bytes;
use plenum_codecs::audio::{
    AudioCodec, AudioEncoder, EncoderSetting, FRAME, Frame, OpusMode, level_dbov,
};
use plenum_codecs::video::encoder::{H264Encoder, VideoSetting as EncoderVideo, Vp8Encoder};
use plenum_codecs::video::{I420Picture, VideoCodec, h264, vp8};
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{AudioSetting, LegConfig, LegId, Track, VideoSetting};

/// Size of the picture in pixels.
const WIDTH: u16 = 640;
const HEIGHT: u16 = 360;
/// Pictures per second.
const FRAME_RATE: u8 = 15;
/// Bits per second of each video encoding.
const BITRATE: u32 = 600_000;
/// Payload bytes of a packet: leaves room for SRTP and IP headers in 1,280.
const MTU: usize = 1_180;
/// Audio packets per second.
const AUDIO_RATE: usize = 50;
/// Quieter than this counts as silence.
const VOICE_DBOV: u8 = 60;

const OPUS: u8 = 111;
const VP8: u8 = 96;
const H264: u8 = 102;

/// One picture to draw, 4:2:0 without padding: the luma stride is `width`, the chroma stride `width / 2`.
#[derive(Debug)]
pub struct ClipPicture<'a> {
    /// Pixels.
    pub width: usize,
    /// Pixels.
    pub height: usize,
    /// Luma, `width * height` bytes.
    pub y: &'a mut [u8],
    /// Blue difference, a quarter of the luma.
    pub u: &'a mut [u8],
    /// Red difference, a quarter of the luma.
    pub v: &'a mut [u8],
}

/// Why a clip could not be built; our fault.
#[derive(Debug, thiserror::Error)]
pub enum ClipError {
    /// The audio is empty.
    #[error("clip holds no audio")]
    Empty,
    /// An encoder failed.
    #[error("clip cannot be encoded: {0}")]
    Codec(#[from] plenum_codecs::CodecError),
}

/// A looped source that was encoded once: Opus, VP8 and H.264 at 640×360, 15 pictures per second with a
/// keyframe each second. Clones share the packets.
#[derive(Debug, Clone)]
pub struct Clip {
    loops: Arc<Loops>,
}

/// One round of the clip. The tracks are equally long: whole seconds.
#[derive(Debug)]
struct Loops {
    audio: Vec<(Bytes, AudioLevel)>,
    /// Per picture, the packets in VP8 and in H.264; empty where the encoder left a picture out.
    pictures: Vec<[Vec<Bytes>; 2]>,
}

impl Clip {
    /// Encodes `pcm` (48 kHz mono, lengthened with silence to whole seconds) and as many pictures as fit it;
    /// `draw` gets the number of the picture and may leave what it drew before.
    ///
    /// # Errors
    /// When there is no audio or an encoder fails.
    pub fn build(
        pcm: &[i16],
        draw: impl FnMut(usize, &mut ClipPicture<'_>),
    ) -> Result<Self, ClipError> {
        if pcm.is_empty() {
            return Err(ClipError::Empty);
        }
        let seconds = pcm.len().div_ceil(FRAME * AUDIO_RATE);
        let audio = encode_audio(pcm, seconds)?;
        let pictures = encode_pictures(seconds, draw)?;
        Ok(Self {
            loops: Arc::new(Loops { audio, pictures }),
        })
    }

    /// What the room must know of a clip: it sends and takes nothing.
    pub(super) fn leg_config(id: LegId) -> LegConfig {
        let audio = AudioSetting {
            receive: vec![(OPUS, AudioCodec::Opus)],
            send: None,
            telephone_event: None,
            comfort_noise: None,
            level_extension: true,
        };
        let receive = vec![(VP8, VideoCodec::Vp8), (H264, VideoCodec::H264)];
        let video = VideoSetting {
            receive,
            send: Vec::new(),
            slots: 0,
            limit: None,
        };
        LegConfig {
            id,
            audio,
            video: Some(video),
            muted: false,
            listen_only: false,
        }
    }
}

fn encode_audio(pcm: &[i16], seconds: usize) -> Result<Vec<(Bytes, AudioLevel)>, ClipError> {
    let setting = EncoderSetting::opus(OpusMode::LowDelay {
        bitrate: 48_000,
        complexity: 9,
    });
    let mut encoder = AudioEncoder::new(setting)?;
    let mut packets = Vec::with_capacity(seconds * AUDIO_RATE);
    let mut chunks = pcm.chunks(FRAME);
    for _ in 0..seconds * AUDIO_RATE {
        let mut frame: Frame = [0; FRAME];
        if let Some(chunk) = chunks.next()
            && let Some(head) = frame.get_mut(..chunk.len())
        {
            head.copy_from_slice(chunk);
        }
        let dbov = level_dbov(&frame);
        packets.push((
            encoder.encode(&frame)?,
            AudioLevel {
                dbov,
                voice: dbov < VOICE_DBOV,
            },
        ));
    }
    Ok(packets)
}

fn encode_pictures(
    seconds: usize,
    mut draw: impl FnMut(usize, &mut ClipPicture<'_>),
) -> Result<Vec<[Vec<Bytes>; 2]>, ClipError> {
    let setting = EncoderVideo {
        width: WIDTH,
        height: HEIGHT,
        bitrate: BITRATE,
        frame_rate: FRAME_RATE,
    };
    let (mut vp8, mut h264) = (Vp8Encoder::new(setting)?, H264Encoder::new(setting)?);
    let mut picture = I420Picture::black(WIDTH, HEIGHT)?;
    let rate = usize::from(FRAME_RATE);
    let mut pictures = Vec::with_capacity(seconds * rate);
    let mut id = 0_u16;
    for number in 0..seconds * rate {
        let [y, u, v] = picture.planes_mut();
        draw(
            number,
            &mut ClipPicture {
                width: WIDTH.into(),
                height: HEIGHT.into(),
                y,
                u,
                v,
            },
        );
        if number % rate == 0 {
            vp8.request_keyframe();
            h264.request_keyframe();
        }
        let at = MediaTime::from_micros(
            u64::try_from(number).unwrap_or_default() * 1_000_000 / u64::from(FRAME_RATE),
        );
        let in_vp8 = vp8.encode(&picture, at)?.map(|frame| {
            id = (id + 1) & 0x7fff;
            vp8::packetize(&frame.data, id, None, MTU)
        });
        let in_h264 = h264
            .encode(&picture, at)?
            .map(|frame| h264::packetize(&frame.data, MTU));
        pictures.push([in_vp8.unwrap_or_default(), in_h264.unwrap_or_default()]);
    }
    Ok(pictures)
}

/// One playing of a clip.
#[derive(Debug)]
pub(super) struct ClipPlayer {
    loops: Arc<Loops>,
    began: Instant,
    /// Audio packets and pictures played since.
    audio: u64,
    pictures: u64,
    streams: [Stream; 3],
    /// Keeps VP8 picture ids running over the end of the loop: a decoder takes a lower one for an old frame.
    continuity: vp8::Continuity,
}

/// Numbering of one outgoing stream.
#[derive(Debug)]
struct Stream {
    payload_type: u8,
    ssrc: u32,
    sequence: u16,
}

impl Stream {
    fn new(payload_type: u8) -> Self {
        Self {
            payload_type,
            ssrc: fastrand::u32(1..),
            sequence: fastrand::u16(..),
        }
    }

    fn packet(
        &mut self,
        timestamp: u32,
        marker: bool,
        audio_level: Option<AudioLevel>,
        payload: Bytes,
    ) -> MediaPacket {
        self.sequence = self.sequence.wrapping_add(1);
        MediaPacket {
            payload_type: self.payload_type,
            marker,
            sequence: self.sequence,
            timestamp,
            ssrc: self.ssrc,
            audio_level,
            payload,
        }
    }
}

/// After a pause longer than this (the worker hung) the clip goes on from now instead of catching up.
const CATCH_UP: Duration = Duration::from_millis(200);

impl ClipPlayer {
    pub(super) fn new(clip: &Clip, now: Instant) -> Self {
        Self {
            loops: Arc::clone(&clip.loops),
            began: now,
            audio: 0,
            pictures: 0,
            streams: [Stream::new(OPUS), Stream::new(VP8), Stream::new(H264)],
            continuity: vp8::Continuity::new(),
        }
    }

    /// Puts out what is due now; returns when to be called again.
    pub(super) fn due(&mut self, now: Instant, out: &mut Vec<(Track, MediaPacket)>) -> Instant {
        if now.saturating_duration_since(self.next()) > CATCH_UP {
            self.began += now.saturating_duration_since(self.next());
        }
        while self.next_audio() <= now {
            self.play_audio(out);
        }
        while self.next_picture() <= now {
            self.play_picture(out);
        }
        self.next()
    }

    fn next(&self) -> Instant {
        self.next_audio().min(self.next_picture())
    }

    fn next_audio(&self) -> Instant {
        self.began + Duration::from_millis(20 * self.audio)
    }

    fn next_picture(&self) -> Instant {
        self.began + Duration::from_micros(self.pictures * 1_000_000 / u64::from(FRAME_RATE))
    }

    fn play_audio(&mut self, out: &mut Vec<(Track, MediaPacket)>) {
        let timestamp = clock_units(self.audio, 960);
        let found =
            position(self.audio, self.loops.audio.len()).and_then(|at| self.loops.audio.get(at));
        if let Some((payload, level)) = found {
            out.push((
                Track::Audio,
                self.streams[0].packet(timestamp, false, Some(*level), payload.clone()),
            ));
        }
        self.audio += 1;
    }

    fn play_picture(&mut self, out: &mut Vec<(Track, MediaPacket)>) {
        let timestamp = clock_units(self.pictures, 90_000 / u64::from(FRAME_RATE));
        let at = position(self.pictures, self.loops.pictures.len());
        if at == Some(0) && self.pictures > 0 {
            self.continuity.source_changed();
        }
        self.pictures += 1;
        let Some([in_vp8, in_h264]) = at.and_then(|at| self.loops.pictures.get(at)) else {
            return;
        };
        for (n, payload) in in_vp8.iter().enumerate() {
            // Our own packetizer wrote it; it always reads back.
            let Ok(payload) = self.continuity.rewrite(payload) else {
                continue;
            };
            let packet = self.streams[1].packet(timestamp, n + 1 == in_vp8.len(), None, payload);
            out.push((Track::Camera, packet));
        }
        for (n, payload) in in_h264.iter().enumerate() {
            let packet =
                self.streams[2].packet(timestamp, n + 1 == in_h264.len(), None, payload.clone());
            out.push((Track::Camera, packet));
        }
    }
}

fn position(played: u64, length: usize) -> Option<usize> {
    let length = u64::try_from(length).ok()?;
    usize::try_from(played.checked_rem(length)?).ok()
}

/// RTP timestamp of the `count`-th unit of `each` clock ticks; wraps.
fn clock_units(count: u64, each: u64) -> u32 {
    u32::try_from(count.wrapping_mul(each) & 0xffff_ffff).unwrap_or_default()
}

#[cfg(test)]
#[expect(clippy::unwrap_used, reason = "a test stops at the first surprise")]
#[expect(clippy::cast_possible_truncation, reason = "small numbers of a test")]
mod tests {
    use plenum_codecs::audio::AudioDecoder;
    use plenum_codecs::video::decoder::{Decoded, H264Decoder, Vp8Decoder};

    use super::*;

    /// 1.5 s of a 440 Hz tone and a picture that gets brighter.
    fn clip() -> Clip {
        let tone = |n: usize| {
            ((n as f64 * 440.0 * std::f64::consts::TAU / 48_000.0).sin() * 8_000.0) as i16
        };
        let pcm: Vec<i16> = (0..72_000).map(tone).collect();
        Clip::build(&pcm, |number, picture| {
            picture.y.fill(40 + (number as u8) * 5)
        })
        .unwrap()
    }

    /// Plays `seconds` in steps of 5 ms.
    fn play(clip: &Clip, seconds: u64) -> Vec<(Track, MediaPacket)> {
        let start = Instant::now();
        let mut player = ClipPlayer::new(clip, start);
        let mut out = Vec::new();
        for step in 0..seconds * 200 {
            player.due(start + Duration::from_millis(5 * step), &mut out);
        }
        out
    }

    fn of(packets: &[(Track, MediaPacket)], payload_type: u8) -> Vec<MediaPacket> {
        packets
            .iter()
            .map(|(_, p)| p.clone())
            .filter(|p| p.payload_type == payload_type)
            .collect()
    }

    #[test]
    fn a_clip_needs_audio() {
        assert!(matches!(Clip::build(&[], |_, _| ()), Err(ClipError::Empty)));
    }

    #[test]
    fn streams_run_on_over_the_end_of_the_loop() {
        let packets = play(&clip(), 5);
        for payload_type in [OPUS, VP8, H264] {
            let stream = of(&packets, payload_type);
            for pair in stream.windows(2) {
                assert_eq!(pair[1].sequence, pair[0].sequence.wrapping_add(1));
                assert!(pair[1].timestamp >= pair[0].timestamp);
            }
        }
        assert_eq!(of(&packets, OPUS).len(), 250);
        let id = |p: &MediaPacket| match vp8::Descriptor::parse(&p.payload).unwrap().0.picture_id {
            Some(vp8::PictureId::Long(id)) => id,
            other => u16::MAX - u16::from(other.is_some()),
        };
        let ids: Vec<u16> = of(&packets, VP8).iter().map(id).collect();
        assert!(ids.len() > 70);
        assert!(
            ids.windows(2)
                .all(|w| w[1] == w[0] || w[1] == (w[0] + 1) & 0x7fff),
            "{ids:?}"
        );
    }

    #[test]
    fn the_tone_is_heard_where_it_was_and_silence_after() {
        let packets = of(&play(&clip(), 2), OPUS);
        let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
        let mut pcm = Vec::new();
        for packet in &packets {
            decoder.decode(&packet.payload, &mut pcm).unwrap();
        }
        // A sine of amplitude 8,000 lies at -15.3 dBov.
        assert!((13..=17).contains(&level_dbov(&pcm[12_000..60_000])));
        assert!(level_dbov(&pcm[80_000..95_000]) > 50);
        assert!(packets[10].audio_level.unwrap().voice && !packets[90].audio_level.unwrap().voice);
    }

    #[test]
    fn both_codecs_decode_from_each_seconds_keyframe() {
        let packets = play(&clip(), 4);
        let mut vp8_in = vp8::Depacketizer::new();
        let mut vp8_decoder = Vp8Decoder::new().unwrap();
        let mut h264_in = h264::Depacketizer::new();
        let mut h264_decoder = H264Decoder::new().unwrap();
        let (mut pictures, mut keyframes) = ([0; 2], [0; 2]);
        for packet in of(&packets, VP8) {
            keyframes[0] += u32::from(vp8::is_keyframe_start(&packet.payload));
            let Some(frame) = vp8_in.push(&packet).unwrap() else {
                continue;
            };
            pictures[0] += u32::from(matches!(
                vp8_decoder.decode(&frame.data).unwrap(),
                Decoded {
                    picture: Some(_),
                    ..
                }
            ));
        }
        for packet in of(&packets, H264) {
            keyframes[1] += u32::from(h264::is_keyframe_start(&packet.payload));
            let Some(frame) = h264_in.push(&packet).unwrap() else {
                continue;
            };
            pictures[1] += u32::from(matches!(
                h264_decoder.decode(&frame.data).unwrap(),
                Decoded {
                    picture: Some(_),
                    ..
                }
            ));
        }
        assert!(keyframes[0] >= 4 && keyframes[1] >= 4, "{keyframes:?}");
        assert!(pictures[0] >= 55 && pictures[1] >= 55, "{pictures:?}");
    }
}
