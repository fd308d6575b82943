//! People who share their screens beside their cameras: what is sent, and what the focus allows.

use plenum_codecs::MediaPacket;
use plenum_codecs::video::encoder::{VideoSetting as Encoding, Vp8Encoder};
use plenum_codecs::video::{I420Picture, vp8};
use plenum_mixer::{Command, Input, Track};

use super::{Encoder, MTU, SCREEN_BLUE, SIDE, Stream, Studio, VP8, grey};

/// A screen changes so often, in ms.
pub(super) const CHANGES: u64 = 200;

/// A shared screen, which changes now and then.
pub(super) struct Shared {
    pub(super) stream: Stream,
    timestamp: u32,
}

impl Studio {
    /// Begins to send its screen, whether it may or not.
    pub(crate) fn sends_screen(&mut self, person: usize) {
        let setting = Encoding {
            width: SIDE,
            height: SIDE,
            bitrate: 300_000,
            frame_rate: 5,
        };
        self.people[person].shared = Some(Shared {
            stream: Stream {
                payload_type: VP8.0,
                encoder: Encoder::Vp8(Box::new(Vp8Encoder::new(setting).unwrap())),
                sequence: 100,
            },
            timestamp: 7,
        });
    }

    /// Nothing changes on it from now on, and nothing is sent.
    pub(crate) fn pauses_screen(&mut self, person: usize) {
        self.people[person].shared = None;
    }

    /// What the focus says: its screen is shown, or no more.
    pub(crate) fn presents(&mut self, person: usize, on: bool) {
        let leg = self.people[person].leg;
        let command = Input::Command(Command::Screen { leg, on });
        self.room.handle(self.now, command);
        self.collect();
    }

    /// The screen has changed, if one is shared.
    pub(super) fn show_screen(&mut self, index: usize) {
        let (now, leg) = (self.now, self.people[index].leg);
        let Some(shared) = &mut self.people[index].shared else {
            return;
        };
        let Encoder::Vp8(encoder) = &mut shared.stream.encoder else {
            return;
        };
        let mut picture = I420Picture::black(SIDE, SIDE).unwrap();
        let [luma, blue, _] = picture.planes_mut();
        luma.fill(grey(leg));
        blue.fill(SCREEN_BLUE);
        let count = now.as_millis() / CHANGES;
        let line = usize::try_from(count).unwrap() % usize::from(SIDE);
        for y in luma.iter_mut().skip(line * usize::from(SIDE)).take(8) {
            *y = y.saturating_add(60);
        }
        let Some(frame) = encoder.encode(&picture, now).unwrap() else {
            return;
        };
        let id = u16::try_from(count % 32_768).unwrap();
        let payloads = vp8::packetize(&frame.data, id, None, MTU);
        shared.timestamp = shared.timestamp.wrapping_add(18_000);
        let count = payloads.len();
        let mut packets = Vec::new();
        for (part, payload) in payloads.into_iter().enumerate() {
            shared.stream.sequence = shared.stream.sequence.wrapping_add(1);
            packets.push(MediaPacket {
                payload_type: shared.stream.payload_type,
                marker: part + 1 == count,
                sequence: shared.stream.sequence,
                timestamp: shared.timestamp,
                ssrc: 9,
                audio_level: None,
                payload,
            });
        }
        for packet in packets {
            let track = Track::Screen;
            self.room.handle(now, Input::Packet { leg, packet, track });
            self.collect();
        }
    }
}
