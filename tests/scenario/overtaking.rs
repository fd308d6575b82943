//! Cameras and viewers behind lines on which packets overtake each other: how long a change of who is shown takes, to the first whole picture.

use std::collections::BTreeMap;
use std::time::Duration;

use plenum_codecs::audio::AudioCodec;
use plenum_codecs::video::decoder::Vp8Decoder;
use plenum_codecs::video::encoder::{VideoSetting as Encoding, Vp8Encoder};
use plenum_codecs::video::{I420Picture, vp8};
use plenum_codecs::{MediaPacket, MediaTime};
use plenum_mixer::{
    Command, Input, Leg, LegId, OutPacket, Output, Room, RoomConfig, Track, VideoSetting,
};

use crate::camera::VP8;
use crate::conference::leg_config;
use crate::net::{Impairment, Link};

/// Each way: 40 ms, give or take 20.
const LINE: Impairment = Impairment {
    delay: Duration::from_millis(20),
    jitter: Duration::from_millis(40),
    loss: 0.0,
    duplicates: 0.01,
};
const SIZE: (u16, u16) = (160, 96);
/// Small, so that a keyframe has many packets.
const MTU: usize = 300;
const VIEWER: LegId = LegId(3);

struct Camera {
    leg: LegId,
    encoder: Vp8Encoder,
    random: fastrand::Rng,
    sequence: u16,
    pictures: u16,
    line: Link<MediaPacket>,
    wishes: Link<()>,
}

impl Camera {
    fn new(leg: LegId, seed: u64) -> Self {
        let setting = Encoding {
            width: SIZE.0,
            height: SIZE.1,
            bitrate: 400_000,
            frame_rate: 30,
        };
        Self {
            leg,
            encoder: Vp8Encoder::new(setting).unwrap(),
            random: fastrand::Rng::with_seed(seed),
            sequence: 65_500,
            pictures: 0,
            line: Link::new(seed, LINE),
            wishes: Link::new(seed + 100, LINE),
        }
    }

    /// A new picture of its own grey, with noise on it, so that it has something to send.
    fn films(&mut self, now: MediaTime) {
        let mut picture = I420Picture::black(SIZE.0, SIZE.1).unwrap();
        let grey = if self.leg == LegId(1) { 60 } else { 160 };
        let [luma, _, _] = picture.planes_mut();
        luma.fill_with(|| grey + self.random.u8(0..40));
        self.pictures += 1;
        let Some(frame) = self.encoder.encode(&picture, now).unwrap() else {
            return;
        };
        let payloads = vp8::packetize(&frame.data, self.pictures, None, MTU);
        let count = payloads.len();
        for (part, payload) in payloads.into_iter().enumerate() {
            self.sequence = self.sequence.wrapping_add(1);
            let packet = MediaPacket {
                payload_type: VP8.0,
                marker: part + 1 == count,
                sequence: self.sequence,
                timestamp: u32::from(self.pictures) * 2_970,
                ssrc: 7,
                audio_level: None,
                payload,
            };
            self.line.send(now, packet);
        }
    }
}

/// Puts packets in order, and goes on behind a gap with a keyframe that is whole, as browsers do.
#[derive(Default)]
struct Screen {
    packets: BTreeMap<u64, OutPacket>,
    next: u64,
    depacketizer: vp8::Depacketizer,
    decoder: Option<Vp8Decoder>,
    sees: Option<LegId>,
}

impl Screen {
    fn takes(&mut self, packet: OutPacket) {
        if packet.sequence >= self.next {
            self.packets.insert(packet.sequence, packet);
        }
        let starts = self.packets.values();
        let starts = starts.filter(|packet| vp8::is_keyframe_start(&packet.payload));
        let starts: Vec<u64> = starts.map(|packet| packet.sequence).collect();
        if let Some(start) = starts.into_iter().rfind(|start| self.is_whole(*start)) {
            self.packets = self.packets.split_off(&start);
            self.next = start;
        }
        while let Some(packet) = self.packets.remove(&self.next) {
            self.next += 1;
            let incoming = MediaPacket {
                payload_type: packet.payload_type,
                marker: packet.marker,
                sequence: u16::try_from(packet.sequence & 0xffff).unwrap(),
                timestamp: packet.timestamp,
                ssrc: 1,
                audio_level: None,
                payload: packet.payload,
            };
            let Some(frame) = self.depacketizer.push(&incoming).unwrap() else {
                continue;
            };
            if frame.follows_loss && !frame.keyframe {
                continue;
            }
            let decoder = self
                .decoder
                .get_or_insert_with(|| Vp8Decoder::new().unwrap());
            let decoded = decoder.decode(&frame.data).unwrap();
            assert!(!decoded.needs_keyframe, "the decoder lost its picture");
            let picture = decoded.picture.unwrap().to_picture();
            let luma = picture.planes()[0];
            let mean = luma.iter().map(|&y| u64::from(y)).sum::<u64>() / luma.len() as u64;
            self.sees = Some(LegId(if mean < 120 { 1 } else { 2 }));
        }
    }

    /// Whether the picture that begins with that number is here to its end.
    fn is_whole(&self, start: u64) -> bool {
        let run = self.packets.range(start..).zip(start..);
        run.take_while(|((at, _), number)| *at == number)
            .any(|((_, packet), _)| packet.marker)
    }
}

/// How long changes from one camera to the other took, in ms, rising.
fn changes(seed: u64, count: usize) -> Vec<u128> {
    let mut now = MediaTime::from_millis(10_000);
    let mut room = Room::new(RoomConfig::default(), now);
    let mut cameras = [1, 2].map(|leg| Camera::new(LegId(leg), seed * 10 + leg));
    for (leg, sends) in [
        (LegId(1), vec![VP8]),
        (LegId(2), vec![VP8]),
        (VIEWER, vec![]),
    ] {
        let mut config = leg_config(leg, AudioCodec::Opus);
        config.video = Some(VideoSetting {
            receive: sends,
            send: if leg == VIEWER { vec![VP8] } else { vec![] },
            slots: u8::from(leg == VIEWER),
            limit: None,
        });
        room.insert(now, Leg::new(config, now));
    }
    let mut to_viewer = Link::new(seed, LINE);
    let mut screen = Screen::default();
    let mut changes = Vec::new();
    for change in 0..=count {
        let shown = LegId(1 + change as u64 % 2);
        let leg = Some(shown);
        room.handle(now, Input::Command(Command::Spotlight { leg }));
        let asked = now;
        let mut took = None;
        // Not in step with the pictures.
        for _ in 0..1_017 {
            now += Duration::from_millis(1);
            for camera in &mut cameras {
                if now.as_millis().is_multiple_of(33) {
                    camera.films(now);
                }
                if camera.wishes.receive(now).is_some() {
                    camera.encoder.request_keyframe();
                }
                while let Some(packet) = camera.line.receive(now) {
                    let (leg, track) = (camera.leg, Track::Camera);
                    room.handle(now, Input::Packet { leg, packet, track });
                }
            }
            if room.deadline() <= now {
                room.handle(now, Input::Timeout);
            }
            while let Some(output) = room.poll_output() {
                match output {
                    Output::Video { packet, .. } => to_viewer.send(now, packet),
                    Output::KeyframeRequest { leg, .. } => {
                        cameras[usize::from(leg == LegId(2))].wishes.send(now, ());
                    }
                    _ => {}
                }
            }
            while let Some(packet) = to_viewer.receive(now) {
                screen.takes(packet);
            }
            if took.is_none() && screen.sees == Some(shown) {
                took = Some(now.since(asked).as_millis());
            }
        }
        // The first is the beginning.
        if change > 0 {
            changes.push(took.unwrap_or(u128::MAX));
        }
    }
    changes.sort_unstable();
    changes
}

#[test]
fn who_is_shown_changes_within_half_a_second_where_packets_overtake_each_other() {
    let mut all: Vec<u128> = (1..=2).flat_map(|seed| changes(seed, 10)).collect();
    all.sort_unstable();
    let at = |share: usize| all[(all.len() - 1) * share / 100];
    println!(
        "ms to a whole picture: p50 {}, p95 {}, most {}",
        at(50),
        at(95),
        at(100)
    );
    assert!(at(95) <= 500, "{all:?}");
}
