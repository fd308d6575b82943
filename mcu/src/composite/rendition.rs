//! One rendition of a composite: an encoder, and the packets of what it makes, for however many viewers.

use plenum_codecs::video::encoder::{EncodedFrame, H264Encoder, VideoSetting, Vp8Encoder};
use plenum_codecs::video::{I420Picture, VideoCodec, h264, vp8};
use plenum_codecs::{CodecError, MediaPacket, MediaTime};
use plenum_mixer::{Input, Rendition as Key};

/// Payload bytes of a packet: leaves room for SRTP and IP headers in 1,280.
const MTU: usize = 1_180;

#[derive(Debug)]
enum Encoder {
    Vp8(Box<Vp8Encoder>),
    H264(Box<H264Encoder>),
}

/// See the module.
#[derive(Debug)]
pub(super) struct Rendition {
    encoder: Encoder,
    ssrc: u32,
    sequence: u16,
    /// Of VP8.
    picture_id: u16,
    /// For whom it is; `None`: phones that take less than the whole.
    key: Option<Key>,
    /// The next picture must be encoded even when nothing has changed.
    pub(super) due: bool,
}

impl Rendition {
    pub(super) fn new(key: Key, setting: VideoSetting) -> Result<Self, CodecError> {
        Self::of(key.codec, Some(key), setting)
    }

    /// The encoder for phones that take less than the whole.
    pub(super) fn for_phones(setting: VideoSetting) -> Result<Self, CodecError> {
        Self::of(VideoCodec::H264, None, setting)
    }

    fn of(codec: VideoCodec, key: Option<Key>, setting: VideoSetting) -> Result<Self, CodecError> {
        Ok(Self {
            encoder: match codec {
                VideoCodec::Vp8 => Encoder::Vp8(Box::new(Vp8Encoder::new(setting)?)),
                VideoCodec::H264 => Encoder::H264(Box::new(H264Encoder::new(setting)?)),
            },
            ssrc: fastrand::u32(1..),
            sequence: fastrand::u16(..),
            picture_id: fastrand::u16(..),
            key,
            due: true,
        })
    }

    pub(super) const fn key(&self) -> Option<Key> {
        self.key
    }

    pub(super) const fn codec(&self) -> VideoCodec {
        match self.encoder {
            Encoder::Vp8(_) => VideoCodec::Vp8,
            Encoder::H264(_) => VideoCodec::H264,
        }
    }

    /// In bit/s.
    pub(super) fn set_bitrate(&mut self, bitrate: u32) -> Result<(), CodecError> {
        match &mut self.encoder {
            Encoder::Vp8(encoder) => encoder.set_bitrate(bitrate),
            Encoder::H264(encoder) => encoder.set_bitrate(bitrate),
        }
    }

    pub(super) fn request_keyframe(&mut self) {
        self.due = true;
        match &mut self.encoder {
            Encoder::Vp8(encoder) => encoder.request_keyframe(),
            Encoder::H264(encoder) => encoder.request_keyframe(),
        }
    }

    /// Encodes a picture; nothing comes of it when rate control drops it.
    pub(super) fn encode(
        &mut self,
        picture: &I420Picture,
        at: MediaTime,
        out: &mut Vec<Input>,
    ) -> Result<(), CodecError> {
        let frame = match &mut self.encoder {
            Encoder::Vp8(encoder) => encoder.encode(picture, at)?,
            Encoder::H264(encoder) => encoder.encode(picture, at)?,
        };
        let Some(EncodedFrame { data, .. }) = frame else {
            return Ok(());
        };
        self.due = false;
        let codec = self.codec();
        let payloads = match codec {
            VideoCodec::Vp8 => {
                self.picture_id = self.picture_id.wrapping_add(1) & 0x7fff;
                vp8::packetize(&data, self.picture_id, None, MTU)
            }
            VideoCodec::H264 => h264::packetize(&data, MTU),
        };
        let timestamp = at.video_timestamp();
        let last = payloads.len().saturating_sub(1);
        for (index, payload) in payloads.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let packet = MediaPacket {
                payload_type: 0,
                marker: index == last,
                sequence: self.sequence,
                timestamp,
                ssrc: self.ssrc,
                audio_level: None,
                payload,
            };
            out.push(match self.key {
                Some(rendition) => Input::Composed { rendition, packet },
                None => Input::ComposedSmall { packet },
            });
        }
        Ok(())
    }
}
