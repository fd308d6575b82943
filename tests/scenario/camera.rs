//! People with cameras: real encoders of small grey pictures, real decoders per slot. The grey tells whose picture it is, and a
//! picture that was switched in the middle of something does not decode.

use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting};
use plenum_codecs::tone::Tone;
use plenum_codecs::video::decoder::{H264Decoder, Vp8Decoder};
use plenum_codecs::video::encoder::{H264Encoder, VideoSetting as Encoding, Vp8Encoder};
use plenum_codecs::video::{I420Picture, VideoCodec, h264, vp8};
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{
    Command, Event, Feedback, Input, Leg, LegConfig, LegId, OutPacket, Output, Room, RoomConfig,
    Track, VideoSetting,
};

use crate::conference::leg_config;

mod composer;
mod padding;
mod shared;

use composer::Composer;
use shared::{CHANGES, Shared};

pub(crate) const VP8: (u8, VideoCodec) = (96, VideoCodec::Vp8);
pub(crate) const H264: (u8, VideoCodec) = (102, VideoCodec::H264);
const SIDE: u16 = 64;
/// Small, so that a picture has several packets.
const MTU: usize = 200;

enum Encoder {
    Vp8(Box<Vp8Encoder>),
    H264(H264Encoder),
}

struct Stream {
    payload_type: u8,
    encoder: Encoder,
    sequence: u16,
}

/// What a viewer makes of one slot.
#[derive(Default)]
pub(crate) struct Screen {
    /// Whose picture the room says it is.
    pub(crate) source: Option<LegId>,
    /// Whose picture it is.
    pub(crate) seen: Option<LegId>,
    pub(crate) pictures: u64,
    pub(crate) packets: Vec<OutPacket>,
    depacketizer: vp8::Depacketizer,
    decoder: Option<Vp8Decoder>,
    h264_depacketizer: h264::Depacketizer,
    h264_decoder: Option<H264Decoder>,
}

pub(crate) struct Participant {
    pub(crate) leg: LegId,
    streams: Vec<Stream>,
    pub(crate) camera_on: bool,
    pub(crate) talks: bool,
    /// The next camera packets, counted down, are lost on the way and come again 100 ms later (NACK and RTX).
    pub(crate) lose: u32,
    /// A new SSRC with every picture: hostile, or broken.
    pub(crate) restless: bool,
    pictures: u32,
    delayed: Vec<(MediaTime, MediaPacket)>,
    audio_sequence: u16,
    timestamp: u32,
    pub(crate) requests: Vec<MediaTime>,
    shared: Option<Shared>,
    /// Keyframes asked of the shared screen.
    pub(crate) screen_requests: Vec<MediaTime>,
    pub(crate) screens: Vec<Screen>,
    config: LegConfig,
}

/// A room of people with cameras.
pub(crate) struct Studio {
    pub(crate) now: MediaTime,
    pub(crate) room: Room,
    pub(crate) people: Vec<Participant>,
    pub(crate) slot_events: Vec<(MediaTime, LegId, u8, Option<LegId>)>,
    /// What the room said last of whether a composite is wanted.
    pub(crate) composite_wanted: Option<bool>,
    pub(crate) composer: Option<Composer>,
    /// Sequence numbers may have gaps (a scenario with loss).
    pub(crate) lossy: bool,
    speech: Bytes,
}

/// Grey of a leg's picture, far from the next one's.
fn grey(leg: LegId) -> u8 {
    u8::try_from(40 + 22 * leg.0).unwrap()
}

/// Of a screen's picture, and of the composite; cameras are without colour.
const SCREEN_BLUE: u8 = 200;
const COMPOSITE_RED: u8 = 200;

fn whose(picture: &I420Picture) -> LegId {
    let luma = picture.planes()[0];
    let mean = luma.iter().map(|&y| u64::from(y)).sum::<u64>() / luma.len() as u64;
    let leg = LegId((mean + 11).saturating_sub(40) / 22);
    let [_, blue, red] = picture.planes();
    if red[red.len() / 2] > 160 {
        return LegId::COMPOSITE;
    }
    if blue[blue.len() / 2] > 160 {
        leg.screen()
    } else {
        leg
    }
}

impl Studio {
    pub(crate) fn new() -> Self {
        let now = MediaTime::from_millis(10_000);
        let mut tone = Tone::new(300.0, 6_000.0);
        let frame = std::array::from_fn(|_| tone.next_sample());
        let speech = AudioEncoder::new(EncoderSetting::of(AudioCodec::Opus))
            .unwrap()
            .encode(&frame)
            .unwrap();
        Self {
            now,
            room: Room::new(RoomConfig::default(), now),
            people: Vec::new(),
            slot_events: Vec::new(),
            composite_wanted: None,
            composer: None,
            lossy: false,
            speech,
        }
    }

    /// Somebody joins who sends the camera in these codecs and takes those with `slots` slots.
    pub(crate) fn joins(
        &mut self,
        sends: &[(u8, VideoCodec)],
        takes: &[(u8, VideoCodec)],
        slots: u8,
    ) -> usize {
        let leg = LegId(self.people.len() as u64 + 1);
        let mut config = leg_config(leg, AudioCodec::Opus);
        config.video = Some(VideoSetting {
            receive: sends.to_vec(),
            send: takes.to_vec(),
            slots,
            limit: None,
        });
        let setting = Encoding {
            width: SIDE,
            height: SIDE,
            bitrate: 300_000,
            frame_rate: 30,
        };
        let stream = |&(payload_type, codec): &(u8, VideoCodec)| Stream {
            payload_type,
            encoder: match codec {
                VideoCodec::Vp8 => Encoder::Vp8(Box::new(Vp8Encoder::new(setting).unwrap())),
                VideoCodec::H264 => Encoder::H264(H264Encoder::new(setting).unwrap()),
            },
            sequence: 65_000,
        };
        self.people.push(Participant {
            leg,
            streams: sends.iter().map(stream).collect(),
            camera_on: true,
            talks: false,
            lose: 0,
            restless: false,
            pictures: 0,
            delayed: Vec::new(),
            audio_sequence: 0,
            timestamp: u32::MAX - 90_000,
            requests: Vec::new(),
            shared: None,
            screen_requests: Vec::new(),
            screens: (0..slots).map(|_| Screen::default()).collect(),
            config: config.clone(),
        });
        self.room.insert(self.now, Leg::new(config, self.now));
        self.collect();
        self.people.len() - 1
    }

    /// Only this one talks.
    pub(crate) fn talks(&mut self, talker: usize) {
        for (index, person) in self.people.iter_mut().enumerate() {
            person.talks = index == talker;
        }
    }

    pub(crate) fn spotlight(&mut self, person: Option<usize>) {
        let leg = person.map(|person| self.people[person].leg);
        self.room
            .handle(self.now, Input::Command(Command::Spotlight { leg }));
        self.collect();
    }

    /// Who speaks by `voice` is seen by the camera of `face`.
    pub(crate) fn is_seen_by(&mut self, voice: usize, face: Option<usize>) {
        let voice = self.people[voice].leg;
        let face = face.map(|face| self.people[face].leg);
        self.room
            .handle(self.now, Input::Command(Command::Face { voice, face }));
        self.collect();
    }

    pub(crate) fn asks_for_keyframe(&mut self, viewer: usize, slot: u8) {
        let leg = self.people[viewer].leg;
        self.room.handle(
            self.now,
            Input::Feedback {
                leg,
                feedback: Feedback::KeyframeRequest { slot },
            },
        );
        self.collect();
    }

    pub(crate) fn leaves(&mut self, person: usize) {
        self.people[person].camera_on = false;
        self.people[person].talks = false;
        self.people[person].shared = None;
        self.room.take(self.now, self.people[person].leg).unwrap();
        self.collect();
    }

    pub(crate) fn has_slots(&mut self, person: usize, slots: u8) {
        let person = &mut self.people[person];
        if let Some(video) = &mut person.config.video {
            video.slots = slots;
        }
        person.screens.resize_with(slots.into(), Screen::default);
        let config = person.config.clone();
        assert!(self.room.reconfigure(self.now, config));
        self.collect();
    }

    /// Lets time pass, a millisecond at a time.
    pub(crate) fn runs(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            for index in 0..self.people.len() {
                if self.now.as_millis() % 20 == index as u64 {
                    self.speak(index);
                }
                if self.now.as_millis() % 33 == index as u64 * 5 && self.people[index].camera_on {
                    self.film(index);
                }
                if self.now.as_millis() % CHANGES == index as u64 {
                    self.show_screen(index);
                }
                self.retransmit(index);
            }
            if self.now.as_millis().is_multiple_of(33) {
                self.paint();
            }
            if self.room.deadline() <= self.now {
                self.room.handle(self.now, Input::Timeout);
                self.collect();
            }
        }
    }

    fn speak(&mut self, index: usize) {
        let person = &mut self.people[index];
        person.audio_sequence = person.audio_sequence.wrapping_add(1);
        let level = AudioLevel {
            dbov: if person.talks { 20 } else { 127 },
            voice: person.talks,
        };
        let packet = MediaPacket {
            payload_type: 111,
            marker: false,
            sequence: person.audio_sequence,
            timestamp: u32::from(person.audio_sequence) * 960,
            ssrc: 1,
            audio_level: Some(level),
            payload: self.speech.clone(),
        };
        self.room.handle(
            self.now,
            Input::Packet {
                leg: person.leg,
                packet,
                track: Track::Audio,
            },
        );
        self.collect();
    }

    fn film(&mut self, index: usize) {
        let person = &mut self.people[index];
        person.timestamp = person.timestamp.wrapping_add(2_970);
        person.pictures += u32::from(person.restless);
        let mut picture = I420Picture::black(SIDE, SIDE).unwrap();
        // Something moves, so that every picture depends on the one before: a bright column, on grey.
        let [luma, _, _] = picture.planes_mut();
        luma.fill(grey(person.leg));
        let column = usize::try_from(self.now.as_millis() / 33).unwrap() % usize::from(SIDE);
        luma.iter_mut()
            .skip(column)
            .step_by(usize::from(SIDE))
            .for_each(|y| *y = y.saturating_add(60));
        let mut packets = Vec::new();
        for stream in &mut person.streams {
            let payloads = match &mut stream.encoder {
                Encoder::Vp8(encoder) => encoder.encode(&picture, self.now).unwrap().map(|frame| {
                    vp8::packetize(
                        &frame.data,
                        u16::try_from(self.now.as_millis() / 33 % 32_768).unwrap(),
                        None,
                        MTU,
                    )
                }),
                Encoder::H264(encoder) => encoder
                    .encode(&picture, self.now)
                    .unwrap()
                    .map(|frame| h264::packetize(&frame.data, MTU)),
            };
            let payloads = payloads.unwrap_or_default();
            let count = payloads.len();
            for (part, payload) in payloads.into_iter().enumerate() {
                stream.sequence = stream.sequence.wrapping_add(1);
                packets.push(MediaPacket {
                    payload_type: stream.payload_type,
                    marker: part + 1 == count,
                    sequence: stream.sequence,
                    timestamp: person.timestamp,
                    ssrc: u32::from(stream.payload_type) + 1_000 * person.pictures,
                    audio_level: None,
                    payload,
                });
            }
        }
        let leg = person.leg;
        for packet in packets {
            if self.people[index].lose > 0 {
                self.people[index].lose -= 1;
                let again = self.now + Duration::from_millis(100);
                self.people[index].delayed.push((again, packet));
                continue;
            }
            self.room.handle(
                self.now,
                Input::Packet {
                    leg,
                    packet,
                    track: Track::Camera,
                },
            );
            self.collect();
        }
    }

    fn retransmit(&mut self, index: usize) {
        let now = self.now;
        let leg = self.people[index].leg;
        while let Some((_, packet)) = self.people[index]
            .delayed
            .first()
            .filter(|(at, _)| *at <= now)
            .cloned()
        {
            self.people[index].delayed.remove(0);
            self.room.handle(
                now,
                Input::Packet {
                    leg,
                    packet,
                    track: Track::Camera,
                },
            );
            self.collect();
        }
    }

    pub(crate) fn collect(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::Video { leg, slot, packet } => {
                    let lossy = self.lossy;
                    self.person(leg).screens[usize::from(slot)].show(packet, lossy);
                }
                Output::KeyframeRequest {
                    leg,
                    track: Track::Screen,
                    ..
                } => {
                    let now = self.now;
                    let person = self.person(leg);
                    person.screen_requests.push(now);
                    let shared = person.shared.as_mut().map(|shared| &mut shared.stream);
                    if let Some(Encoder::Vp8(encoder)) = shared.map(|stream| &mut stream.encoder) {
                        encoder.request_keyframe();
                    }
                }
                Output::KeyframeRequest {
                    leg, payload_type, ..
                } => {
                    let now = self.now;
                    let person = self.person(leg);
                    person.requests.push(now);
                    for stream in person
                        .streams
                        .iter_mut()
                        .filter(|stream| stream.payload_type == payload_type)
                    {
                        match &mut stream.encoder {
                            Encoder::Vp8(encoder) => encoder.request_keyframe(),
                            Encoder::H264(encoder) => encoder.request_keyframe(),
                        }
                    }
                }
                Output::Event(Event::Slot { leg, slot, source }) => {
                    self.slot_events.push((self.now, leg, slot, source));
                    let screen = &mut self.person(leg).screens[usize::from(slot)];
                    screen.source = source;
                    screen.seen = None;
                    self.check_slots(leg);
                }
                Output::Event(Event::CompositeWanted { on }) => self.composite_wanted = Some(on),
                Output::Compose(work) => {
                    if let Some(composer) = &mut self.composer {
                        composer.take(&work);
                    }
                }
                Output::Audio { .. }
                | Output::Event(_)
                | Output::Tap(_)
                | Output::Captured { .. } => {}
            }
        }
    }

    /// Holds at every moment: nobody sees themselves, nor anybody twice.
    fn check_slots(&self, viewer: LegId) {
        let person = self
            .people
            .iter()
            .find(|person| person.leg == viewer)
            .unwrap();
        let mut sources: Vec<LegId> = person
            .screens
            .iter()
            .filter_map(|screen| screen.source)
            .collect();
        for own in [viewer, viewer.screen()] {
            assert!(!sources.contains(&own), "{viewer:?} sees itself");
        }
        let count = sources.len();
        sources.sort_unstable();
        sources.dedup();
        assert_eq!(sources.len(), count, "{viewer:?} sees somebody twice");
    }

    fn person(&mut self, leg: LegId) -> &mut Participant {
        self.people
            .iter_mut()
            .find(|person| person.leg == leg)
            .unwrap()
    }

    /// Whom a viewer sees in its slots; fails when a picture is not of whom the room says.
    pub(crate) fn sees(&self, viewer: usize) -> Vec<Option<u64>> {
        let person = &self.people[viewer];
        for (slot, screen) in person.screens.iter().enumerate() {
            assert_eq!(
                screen.seen, screen.source,
                "slot {slot} of {:?}",
                person.leg
            );
        }
        person
            .screens
            .iter()
            .map(|screen| screen.seen.map(|leg| leg.0))
            .collect()
    }
}

impl Screen {
    fn show(&mut self, packet: OutPacket, lossy: bool) {
        if let Some(last) = self.packets.last() {
            assert!(
                lossy || packet.sequence == last.sequence + 1,
                "{} after {}",
                packet.sequence,
                last.sequence
            );
            let step = packet.timestamp.wrapping_sub(last.timestamp);
            assert!(
                lossy || step < 90_000 * 60,
                "timestamp goes back by {}",
                step.wrapping_neg()
            );
            assert_eq!(step == 0, last.timestamp == packet.timestamp);
        }
        let incoming = MediaPacket {
            payload_type: packet.payload_type,
            marker: packet.marker,
            sequence: u16::try_from(packet.sequence & 0xffff).unwrap(),
            timestamp: packet.timestamp,
            ssrc: 1,
            audio_level: None,
            payload: packet.payload.clone(),
        };
        self.packets.push(packet);
        if lossy {
            return;
        }
        let decoded = if incoming.payload_type == VP8.0 {
            let Some(frame) = self.depacketizer.push(&incoming).unwrap() else {
                return;
            };
            assert!(
                !frame.follows_loss || frame.keyframe,
                "a picture depends on one that is missing"
            );
            let decoder = self
                .decoder
                .get_or_insert_with(|| Vp8Decoder::new().unwrap());
            decoder.decode(&frame.data).unwrap()
        } else {
            let Some(frame) = self.h264_depacketizer.push(&incoming).unwrap() else {
                return;
            };
            assert!(
                !frame.follows_loss || frame.keyframe,
                "a picture depends on one that is missing"
            );
            let decoder = self
                .h264_decoder
                .get_or_insert_with(|| H264Decoder::new().unwrap());
            decoder.decode(&frame.data).unwrap()
        };
        assert!(!decoded.needs_keyframe, "the decoder lost its picture");
        let picture = decoded.picture.unwrap().to_picture();
        self.pictures += 1;
        self.seen = Some(whose(&picture));
        assert_eq!(
            self.seen, self.source,
            "picture {} is not of whom the room says",
            self.pictures
        );
    }
}
