//! One camera of a room: packets to pictures. A bitstream that breaks its decoder harms this camera alone.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use plenum_codecs::video::decoder::{Decoded, H264Decoder, Vp8Decoder};
use plenum_codecs::video::{I420View, VideoCodec, VideoFrame, h264, vp8};
use plenum_codecs::{CodecError, MediaPacket, MediaTime};

use super::figures::Figures;
use super::reorder::Reorder;

/// A camera whose decoder has panicked so often is not decoded any more.
const MOST_FAULTS: u32 = 3;
/// Pixels of a picture that is shown: 1920x1088. A larger one costs the thread that all cameras share too much.
const MOST_PIXELS: usize = 1_920 * 1_088;
/// Between two wishes for a keyframe; the room sees to it that the camera hears them not too often.
const ASK: Duration = Duration::from_millis(100);

#[derive(Debug)]
enum Stream {
    Vp8(vp8::Depacketizer, Vp8Decoder),
    H264(h264::Depacketizer, H264Decoder),
}

impl Stream {
    fn new(codec: VideoCodec) -> Result<Self, CodecError> {
        Ok(match codec {
            VideoCodec::Vp8 => Self::Vp8(vp8::Depacketizer::new(), Vp8Decoder::new()?),
            VideoCodec::H264 => Self::H264(h264::Depacketizer::new(), H264Decoder::new()?),
        })
    }

    const fn codec(&self) -> VideoCodec {
        match self {
            Self::Vp8(..) => VideoCodec::Vp8,
            Self::H264(..) => VideoCodec::H264,
        }
    }

    fn frame(&mut self, packet: &MediaPacket) -> Result<Option<VideoFrame>, CodecError> {
        match self {
            Self::Vp8(depacketizer, _) => depacketizer.push(packet),
            Self::H264(depacketizer, _) => depacketizer.push(packet),
        }
    }

    fn decode(&mut self, frame: &VideoFrame) -> Result<Decoded<'_>, CodecError> {
        match self {
            Self::Vp8(_, decoder) => decoder.decode(&frame.data),
            Self::H264(_, decoder) => decoder.decode(&frame.data),
        }
    }

    fn picture(&self) -> Option<I420View<'_>> {
        match self {
            Self::Vp8(_, decoder) => decoder.picture(),
            Self::H264(_, decoder) => decoder.picture(),
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(crate) struct Camera {
    packets: Reorder,
    /// `None` before the first packet and after a fault.
    stream: Option<Stream>,
    /// What comes before the next keyframe cannot be shown.
    lost: bool,
    asked: Option<MediaTime>,
    faults: u32,
}

impl Camera {
    /// One that waits for a keyframe.
    pub(crate) fn new() -> Self {
        Self {
            packets: Reorder::default(),
            stream: None,
            lost: true,
            asked: None,
            faults: 0,
        }
    }

    /// Takes a packet in. Then [`Camera::picture`] until there is none.
    pub(crate) fn push(&mut self, now: MediaTime, codec: VideoCodec, packet: MediaPacket) {
        if self.stream.as_ref().map(Stream::codec) != Some(codec) && self.faults < MOST_FAULTS {
            self.lost = true;
            self.stream = Stream::new(codec)
                .inspect_err(|error| tracing::error!(%error, "no decoder"))
                .ok();
        }
        let begins = codec.is_keyframe_start(&packet.payload);
        self.packets.push(now, packet, begins);
    }

    /// The next picture that can be had now, where its decoder has it: until there is none, as what is referred to has to be decoded anyway.
    pub(crate) fn picture(&mut self, now: MediaTime, figures: &Figures) -> Option<I420View<'_>> {
        while let Some(packet) = self.packets.pop(now) {
            if self.take(&packet, figures) {
                return self.stream.as_ref()?.picture();
            }
        }
        None
    }

    /// Whether a keyframe is to be asked for now.
    pub(crate) fn asks(&mut self, now: MediaTime) -> bool {
        let rested = self.asked.is_none_or(|asked| now.since(asked) >= ASK);
        let stands = self.lost || self.packets.is_overdue(now);
        let asks = stands && rested && self.faults < MOST_FAULTS;
        if asks {
            self.asked = Some(now);
        }
        asks
    }

    /// Says whether the decoder has a picture now that is to be seen.
    fn take(&mut self, packet: &MediaPacket, figures: &Figures) -> bool {
        let Some(stream) = self.stream.as_mut() else {
            return false;
        };
        // Unwind-safe by rule: after a panic nobody sees the decoder again.
        let outcome = catch_unwind(AssertUnwindSafe(|| {
            advance(stream, packet, self.lost, figures)
        }));
        let Ok(outcome) = outcome else {
            figures.faults.inc();
            tracing::error!("a video decoder panicked and was dropped");
            self.faults += 1;
            self.lost = true;
            self.stream = None;
            return false;
        };
        let (seen, lost) = outcome;
        self.lost = lost;
        seen
    }
}

/// Whether a packet completes a picture that is to be seen, and whether the camera is lost until a keyframe comes.
fn advance(
    stream: &mut Stream,
    packet: &MediaPacket,
    lost: bool,
    figures: &Figures,
) -> (bool, bool) {
    let frame = match stream.frame(packet) {
        Ok(Some(frame)) => frame,
        Ok(None) => return (false, lost),
        Err(error) => {
            tracing::trace!(%error, "a camera's packet was dropped");
            figures.damaged.inc();
            return (false, true);
        }
    };
    // A picture that refers to one that is missing would smear over the tile: the last whole one stays there instead.
    if !frame.keyframe && (lost || frame.follows_loss) {
        figures.damaged.inc();
        return (false, true);
    }
    decode(stream, &frame, figures)
}

/// The same for a frame that can be decoded.
fn decode(stream: &mut Stream, frame: &VideoFrame, figures: &Figures) -> (bool, bool) {
    figures.decodes.of(stream.codec()).inc();
    match stream.decode(frame) {
        Ok(decoded) => {
            if decoded.needs_keyframe {
                figures.damaged.inc();
            }
            if decoded.picture.is_some_and(is_too_large) {
                tracing::debug!("a camera's picture is too large for a composite");
                figures.damaged.inc();
                return (false, true);
            }
            let lost = decoded.needs_keyframe;
            (decoded.picture.is_some() && !lost, lost)
        }
        Err(error) => {
            tracing::trace!(%error, "a camera's picture was not decoded");
            figures.damaged.inc();
            (false, true)
        }
    }
}

/// After one the camera is lost, so that what refers to it is not decoded.
fn is_too_large(picture: I420View<'_>) -> bool {
    usize::from(picture.width()) * usize::from(picture.height()) > MOST_PIXELS
}

#[cfg(test)]
#[expect(
    clippy::unwrap_used,
    clippy::cast_possible_truncation,
    reason = "a test stops at the first surprise, and its numbers are small"
)]
mod tests {
    use plenum_codecs::video::I420Picture;
    use plenum_codecs::video::encoder::{H264Encoder, VideoSetting, Vp8Encoder};
    use prometheus::Registry;

    use super::*;

    const CODECS: [VideoCodec; 2] = [VideoCodec::Vp8, VideoCodec::H264];

    /// A camera's other end.
    #[derive(Default)]
    struct Sender {
        sequence: u16,
        at: u64,
    }

    impl Sender {
        /// Packets of pictures that change, 33 ms apart, the first a keyframe.
        fn packets(&mut self, codec: VideoCodec, side: u16, count: u64) -> Vec<MediaPacket> {
            let setting = VideoSetting {
                width: side,
                height: side,
                bitrate: 300_000,
                frame_rate: 30,
            };
            let mut picture = I420Picture::black(side, side).unwrap();
            let mut vp8 = Vp8Encoder::new(setting).unwrap();
            let mut h264 = H264Encoder::new(setting).unwrap();
            let mut packets = Vec::new();
            for number in 0..count {
                self.at += 33;
                for (at, pixel) in picture.planes_mut()[0].iter_mut().enumerate() {
                    *pixel = (at as u64 * 7 + number * 3) as u8;
                }
                let at = MediaTime::from_millis(self.at);
                let frame = match codec {
                    VideoCodec::Vp8 => vp8.encode(&picture, at),
                    VideoCodec::H264 => h264.encode(&picture, at),
                };
                let Some(frame) = frame.unwrap() else {
                    continue;
                };
                let payloads = match codec {
                    VideoCodec::Vp8 => vp8::packetize(&frame.data, number as u16, None, 500),
                    VideoCodec::H264 => h264::packetize(&frame.data, 500),
                };
                let last = payloads.len() - 1;
                for (index, payload) in payloads.into_iter().enumerate() {
                    self.sequence = self.sequence.wrapping_add(1);
                    packets.push(MediaPacket {
                        payload_type: 96,
                        marker: index == last,
                        sequence: self.sequence,
                        timestamp: self.at as u32 * 90,
                        ssrc: 5,
                        audio_level: None,
                        payload,
                    });
                }
            }
            packets
        }
    }

    fn shown(
        camera: &mut Camera,
        codec: VideoCodec,
        packets: Vec<MediaPacket>,
        figures: &Figures,
    ) -> Vec<(u16, u16)> {
        let mut shown = Vec::new();
        for packet in packets {
            let now = MediaTime::from_millis(u64::from(packet.timestamp / 90));
            camera.push(now, codec, packet);
            while let Some(picture) = camera.picture(now, figures) {
                shown.push((picture.width(), picture.height()));
            }
        }
        shown
    }

    #[test]
    fn pictures_come_out_and_their_size_may_change() {
        let figures = Figures::register(&Registry::new()).unwrap();
        for codec in CODECS {
            let mut camera = Camera::new();
            let mut sender = Sender {
                sequence: 65_530,
                at: 0,
            };
            for side in [64, 128, 32] {
                let packets = sender.packets(codec, side, 5);
                let seen = shown(&mut camera, codec, packets, &figures);
                assert!(seen.len() >= 4, "{codec:?} {seen:?}");
                assert!(seen.iter().all(|size| *size == (side, side)), "{seen:?}");
                assert!(!camera.lost);
            }
        }
    }

    #[test]
    fn pictures_that_waited_for_a_packet_come_one_after_the_other() {
        let figures = Figures::register(&Registry::new()).unwrap();
        for codec in CODECS {
            let (mut camera, mut sender) = (Camera::new(), Sender::default());
            let mut packets = sender.packets(codec, 64, 4);
            packets.truncate(packets.len() - 1); // the last one is not whole
            let late = packets.remove(1);
            packets.push(late);
            let now = MediaTime::from_millis(140);
            for packet in packets {
                camera.push(now, codec, packet);
            }
            let mut pictures = 0;
            while camera.picture(now, &figures).is_some() {
                pictures += 1;
            }
            assert_eq!(pictures, 3, "{codec:?}");
        }
    }

    #[test]
    fn a_picture_that_is_too_large_is_not_shown_nor_what_refers_to_it_decoded() {
        let figures = Figures::register(&Registry::new()).unwrap();
        for codec in CODECS {
            let (mut camera, mut sender) = (Camera::new(), Sender::default());
            let packets = sender.packets(codec, 1_600, 4);
            assert_eq!(shown(&mut camera, codec, packets, &figures), []);
            assert!(camera.lost);
            assert_eq!(figures.decodes.of(codec).get(), 1, "{codec:?}");
            let small = sender.packets(codec, 64, 2);
            assert!(!shown(&mut camera, codec, small, &figures).is_empty());
        }
    }

    #[test]
    fn after_a_loss_nothing_is_shown_before_the_next_keyframe() {
        let figures = Figures::register(&Registry::new()).unwrap();
        for codec in CODECS {
            let (mut camera, mut sender) = (Camera::new(), Sender::default());
            let mut lossy = sender.packets(codec, 64, 10);
            let gone = lossy
                .iter()
                .position(|packet| packet.timestamp != lossy[0].timestamp)
                .unwrap();
            lossy.remove(gone);
            // The missing packet is waited for, then given up.
            let seen = shown(&mut camera, codec, lossy, &figures);
            assert!(seen.len() <= 2, "{codec:?} {seen:?}");
            assert!(
                camera.asks(MediaTime::from_millis(1_000))
                    && !camera.asks(MediaTime::from_millis(1_050))
            );
            let whole = sender.packets(codec, 64, 3);
            assert!(!shown(&mut camera, codec, whole, &figures).is_empty());
            assert!(!camera.lost);
        }
    }

    #[test]
    fn a_broken_bitstream_harms_nobody_and_heals() {
        let figures = Figures::register(&Registry::new()).unwrap();
        for codec in CODECS {
            let mut random = fastrand::Rng::with_seed(11);
            let (mut camera, mut sender) = (Camera::new(), Sender::default());
            for _ in 0..40 {
                let mut broken = sender.packets(codec, 64, 6);
                for packet in &mut broken {
                    let mut bytes = packet.payload.to_vec();
                    for _ in 0..random.usize(0..4) {
                        let at = random.usize(0..bytes.len());
                        bytes[at] ^= 1 << random.u8(0..8);
                    }
                    packet.payload = bytes.into();
                }
                shown(&mut camera, codec, broken, &figures);
            }
            let whole = sender.packets(codec, 64, 3);
            let seen = shown(&mut camera, codec, whole, &figures);
            assert!(seen.contains(&(64, 64)), "{codec:?} {seen:?}");
        }
    }
}
