//! A composer in virtual time: encoders of one picture for all, which are begun and ended as the room wants, fed by nothing.

use plenum_codecs::MediaPacket;
use plenum_codecs::video::encoder::{H264Encoder, VideoSetting as Encoding, Vp8Encoder};
use plenum_codecs::video::{I420Picture, VideoCodec, h264, vp8};
use plenum_mixer::{Command, Compose, Input, Ladder, Rendition, Viewing};

use super::{COMPOSITE_RED, Encoder, MTU, SIDE, Stream, Studio};

/// See the module.
#[derive(Default)]
pub(crate) struct Composer {
    renditions: Vec<(Rendition, Stream)>,
    /// Packets of cameras that came, since last asked.
    pub(crate) fed: u64,
    /// Pictures encoded, since last asked.
    pub(crate) encodes: u64,
}

impl Composer {
    pub(crate) fn makes(&self, rendition: Rendition) -> bool {
        self.renditions.iter().any(|(key, _)| *key == rendition)
    }

    /// Does what the room wants.
    pub(super) fn take(&mut self, work: &Compose) {
        match work {
            Compose::Camera { .. } => self.fed += 1,
            Compose::Wanted(wanted) => {
                self.renditions.retain(|(key, _)| wanted.contains(*key));
                for key in Rendition::all() {
                    let known = self.renditions.iter().any(|(known, _)| *known == key);
                    if wanted.contains(key) && !known {
                        self.renditions.push((key, rendition(key.codec)));
                    }
                }
            }
            Compose::Keyframe(key) => {
                for (_, stream) in self.renditions.iter_mut().filter(|(of, _)| of == key) {
                    match &mut stream.encoder {
                        Encoder::Vp8(encoder) => encoder.request_keyframe(),
                        Encoder::H264(encoder) => encoder.request_keyframe(),
                    }
                }
            }
            Compose::CameraOff { .. } | Compose::Small(_) | Compose::KeyframeSmall => {}
        }
    }
}

fn rendition(codec: VideoCodec) -> Stream {
    let setting = Encoding {
        width: SIDE,
        height: SIDE,
        bitrate: 300_000,
        frame_rate: 30,
    };
    Stream {
        payload_type: 0,
        encoder: match codec {
            VideoCodec::Vp8 => Encoder::Vp8(Box::new(Vp8Encoder::new(setting).unwrap())),
            VideoCodec::H264 => Encoder::H264(H264Encoder::new(setting).unwrap()),
        },
        sequence: 7,
    }
}

impl Studio {
    /// What the focus does when somebody shall see the composite, or nobody any more.
    pub(crate) fn composes(&mut self, on: bool) {
        self.composer = on.then(Composer::default);
        let command = Input::Command(Command::Composite(on.then(|| Ladder::below(2_000_000))));
        self.room.handle(self.now, command);
        self.collect();
    }

    pub(crate) fn chooses(&mut self, viewer: usize, view: Option<Viewing>) {
        let leg = self.people[viewer].leg;
        let command = Input::Command(Command::View { leg, view });
        self.room.handle(self.now, command);
        self.collect();
    }

    pub(crate) fn gives(&mut self, view: Viewing) {
        let command = Input::Command(Command::DefaultView(view));
        self.room.handle(self.now, command);
        self.collect();
    }

    /// One picture, once for each rendition.
    pub(super) fn paint(&mut self) {
        let Some(composer) = &mut self.composer else {
            return;
        };
        let at = self.now;
        let picture_id = u16::try_from(at.as_millis() / 33 % 32_768).unwrap();
        let mut picture = I420Picture::black(SIDE, SIDE).unwrap();
        let [luma, _, red] = picture.planes_mut();
        luma.fill(u8::try_from(at.as_millis() / 33 % 100 + 60).unwrap());
        red.fill(COMPOSITE_RED);
        let mut inputs = Vec::new();
        for (rendition, stream) in &mut composer.renditions {
            composer.encodes += 1;
            let payloads = match &mut stream.encoder {
                Encoder::Vp8(encoder) => encoder
                    .encode(&picture, at)
                    .unwrap()
                    .map(|frame| vp8::packetize(&frame.data, picture_id, None, MTU)),
                Encoder::H264(encoder) => encoder
                    .encode(&picture, at)
                    .unwrap()
                    .map(|frame| h264::packetize(&frame.data, MTU)),
            };
            let payloads = payloads.unwrap_or_default();
            let count = payloads.len();
            for (part, payload) in payloads.into_iter().enumerate() {
                stream.sequence = stream.sequence.wrapping_add(1);
                let packet = MediaPacket {
                    payload_type: 0,
                    marker: part + 1 == count,
                    sequence: stream.sequence,
                    timestamp: u32::try_from(at.as_millis() * 90 % (1 << 32)).unwrap(),
                    ssrc: 5,
                    audio_level: None,
                    payload,
                };
                let rendition = *rendition;
                inputs.push(Input::Composed { rendition, packet });
            }
        }
        for input in inputs {
            self.room.handle(at, input);
            self.collect();
        }
    }
}
