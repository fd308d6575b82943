//! People in rooms in virtual time: each speaks through a link, and keeps what it hears.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::{
    AudioCodec, AudioDecoder, AudioEncoder, EncoderSetting, FRAME, level_dbov,
};
use plenum_codecs::telephone_event::{Digit, DigitSender};
use plenum_codecs::tone::Tone;
use plenum_codecs::{AudioLevel, MediaPacket, MediaTime};
use plenum_mixer::{
    AudioSetting, Event, Input, Leg, LegConfig, LegId, OutPacket, Output, Room, RoomConfig,
    TapFrame, Track,
};

use crate::net::{Impairment, Link};

/// Payload types of all people here.
const TELEPHONE_EVENT: u8 = 101;

pub(crate) fn payload_type(codec: AudioCodec) -> u8 {
    codec.static_payload_type().unwrap_or(111)
}

/// A leg with one codec in both directions; a browser's also has levels in its headers.
pub(crate) fn leg_config(id: LegId, codec: AudioCodec) -> LegConfig {
    LegConfig {
        id,
        audio: AudioSetting {
            receive: vec![(payload_type(codec), codec)],
            send: Some((payload_type(codec), EncoderSetting::of(codec))),
            telephone_event: Some((TELEPHONE_EVENT, codec.clock_rate())),
            comfort_noise: None,
            level_extension: codec == AudioCodec::Opus,
        },
        video: None,
        muted: false,
        listen_only: false,
    }
}

/// Somebody with a phone or a browser.
pub(crate) struct Person {
    pub(crate) leg: LegId,
    /// Index of the room.
    pub(crate) room: usize,
    codec: AudioCodec,
    encoder: AudioEncoder,
    decoder: AudioDecoder,
    uplink: Link<MediaPacket>,
    /// What is said, 20 ms at a time; when it is at its end, silence.
    words: Box<dyn FnMut() -> [i16; FRAME]>,
    /// Sends nothing at all (vanished).
    pub(crate) gone: bool,
    keys: Option<DigitSender>,
    sequence: u16,
    timestamp: u32,
    /// Duration of what it calls 20 ms: a clock that is not right.
    frame: Duration,
    next_frame: MediaTime,
    /// All that was heard, decoded, 48 kHz.
    pub(crate) heard: Vec<i16>,
    pub(crate) packets: Vec<OutPacket>,
}

impl Person {
    pub(crate) fn says(&mut self, words: impl FnMut() -> [i16; FRAME] + 'static) {
        self.words = Box::new(words);
    }

    pub(crate) fn hums(&mut self, hertz: f64, amplitude: f64) {
        let mut tone = Tone::new(hertz, amplitude);
        self.says(move || std::array::from_fn(|_| tone.next_sample()));
    }

    pub(crate) fn reads(&mut self, text: Vec<i16>) {
        let mut text = text.into_iter();
        self.says(move || std::array::from_fn(|_| text.next().unwrap_or(0)));
    }

    /// Presses a key for 100 ms.
    pub(crate) fn presses(&mut self, key: char) {
        let digit = Digit::from_char(key).unwrap();
        self.keys = Some(DigitSender::new(
            digit,
            self.timestamp,
            100,
            self.codec.clock_rate(),
        ));
    }

    pub(crate) fn encodes_as(&mut self, setting: EncoderSetting) {
        self.encoder = AudioEncoder::new(setting).unwrap();
    }

    /// Its clock is wrong by so many millionths: positive, it is fast.
    pub(crate) fn clock_is_off(&mut self, millionths: i32) {
        self.frame = Duration::from_millis(20).div_f64(1.0 + f64::from(millionths) / 1e6);
    }

    /// What was heard in the last seconds.
    pub(crate) fn lately(&self, seconds: f64) -> &[i16] {
        #[expect(
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a few seconds"
        )]
        let samples = (seconds * 48_000.0) as usize;
        self.heard.get(self.heard.len() - samples..).unwrap()
    }

    fn speak(&mut self, now: MediaTime) {
        while self.next_frame <= now {
            let at = self.next_frame;
            self.next_frame += self.frame;
            let frame = (self.words)();
            let event = self.keys.as_mut().and_then(Iterator::next);
            if event.is_none() {
                self.keys = None;
            }
            let spoken = event.is_none();
            let (payload_type, marker, timestamp, payload) = match event {
                Some(event) => (
                    TELEPHONE_EVENT,
                    event.marker,
                    event.timestamp,
                    event.payload,
                ),
                None => {
                    let payload = self.encoder.encode(&frame).unwrap();
                    (payload_type(self.codec), false, self.timestamp, payload)
                }
            };
            let level = AudioLevel {
                dbov: level_dbov(&frame),
                voice: false,
            };
            let packet = MediaPacket {
                payload_type,
                marker,
                sequence: self.sequence,
                timestamp,
                ssrc: 7,
                audio_level: (spoken && self.codec == AudioCodec::Opus).then_some(level),
                payload,
            };
            self.sequence = self.sequence.wrapping_add(1);
            self.timestamp = self.timestamp.wrapping_add(self.codec.frame_timestamps());
            if !self.gone {
                self.uplink.send(at, packet);
            }
        }
    }

    fn hear(&mut self, packet: OutPacket) {
        self.decoder
            .decode(&packet.payload, &mut self.heard)
            .unwrap();
        self.packets.push(packet);
    }
}

/// Rooms, people and the time.
pub(crate) struct Conference {
    pub(crate) now: MediaTime,
    pub(crate) rooms: Vec<Room>,
    pub(crate) people: Vec<Person>,
    pub(crate) events: Vec<(MediaTime, Event)>,
    pub(crate) tapped: Vec<TapFrame>,
    pub(crate) captured: Vec<(LegId, Arc<[i16]>)>,
    seed: u64,
}

impl Conference {
    /// One room; more by pushing to `rooms`.
    pub(crate) fn new(seed: u64) -> Self {
        let now = MediaTime::from_millis(1_000);
        Self {
            now,
            rooms: vec![Room::new(RoomConfig::default(), now)],
            people: Vec::new(),
            events: Vec::new(),
            tapped: Vec::new(),
            captured: Vec::new(),
            seed,
        }
    }

    /// Somebody comes into room 0; gives its index.
    pub(crate) fn joins(&mut self, codec: AudioCodec, network: Impairment) -> usize {
        let index = self.people.len();
        let leg = LegId(u64::try_from(index).unwrap() + 1);
        let setting = EncoderSetting::of(codec);
        self.people.push(Person {
            leg,
            room: 0,
            codec,
            encoder: AudioEncoder::new(setting).unwrap(),
            decoder: AudioDecoder::new(codec).unwrap(),
            uplink: Link::new(
                self.seed ^ leg.0.wrapping_mul(0x5851_f42d_4c95_7f2d),
                network,
            ),
            words: Box::new(|| [0; FRAME]),
            gone: false,
            keys: None,
            // Near the wrap, so that every scenario passes it.
            sequence: 65_500,
            timestamp: u32::MAX - 48_000,
            frame: Duration::from_millis(20),
            // Nobody's frames are aligned with the room's.
            next_frame: self.now + Duration::from_millis(3 + 5 * leg.0 % 17),
            heard: Vec::new(),
            packets: Vec::new(),
        });
        self.rooms[0].insert(self.now, Leg::new(leg_config(leg, codec), self.now));
        index
    }

    /// What somebody in room 0 is sent is negotiated anew.
    pub(crate) fn sends(&mut self, person: usize, setting: EncoderSetting) {
        let mut config = leg_config(self.people[person].leg, setting.codec);
        config.audio.send = Some((payload_type(setting.codec), setting));
        assert!(self.rooms[0].reconfigure(self.now, config));
    }

    /// Lets time pass, a millisecond at a time.
    pub(crate) fn runs(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            for person in &mut self.people {
                person.speak(self.now);
                while let Some(packet) = person.uplink.receive(self.now) {
                    let input = Input::Packet {
                        leg: person.leg,
                        packet,
                        track: Track::Audio,
                    };
                    self.rooms[person.room].handle(self.now, input);
                }
            }
            for room in &mut self.rooms {
                if room.deadline() <= self.now {
                    room.handle(self.now, Input::Timeout);
                }
                while let Some(output) = room.poll_output() {
                    match output {
                        Output::Audio { leg, packet } => {
                            self.people
                                .iter_mut()
                                .find(|person| person.leg == leg)
                                .unwrap()
                                .hear(packet);
                        }
                        Output::Event(event) => self.events.push((self.now, event)),
                        Output::Tap(frame) => self.tapped.push(frame),
                        Output::Captured { leg, pcm } => self.captured.push((leg, pcm)),
                        Output::Video { .. }
                        | Output::KeyframeRequest { .. }
                        | Output::Compose(_) => {
                            panic!("nobody has a camera here")
                        }
                    }
                }
            }
        }
    }

    /// Moves somebody to another room.
    pub(crate) fn moves(&mut self, person: usize, room: usize) {
        let person = &mut self.people[person];
        let leg = self.rooms[person.room].take(self.now, person.leg).unwrap();
        self.rooms[room].insert(self.now, leg);
        person.room = room;
    }

    pub(crate) fn digits(&self, leg: LegId) -> String {
        self.events
            .iter()
            .filter_map(|(_, event)| match event {
                Event::Digit {
                    leg: from, digit, ..
                } if *from == leg => Some(digit.as_char()),
                _ => None,
            })
            .collect()
    }

    pub(crate) fn payload_of_last_packet(&self, person: usize) -> Bytes {
        self.people[person].packets.last().unwrap().payload.clone()
    }
}

impl Conference {
    /// Lets time pass, but only counts the audio packets that go out.
    pub(crate) fn runs_counting(&mut self, millis: u64) -> u64 {
        let mut audio = 0;
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            for person in &mut self.people {
                person.speak(self.now);
                while let Some(packet) = person.uplink.receive(self.now) {
                    let input = Input::Packet {
                        leg: person.leg,
                        packet,
                        track: Track::Audio,
                    };
                    self.rooms[person.room].handle(self.now, input);
                }
            }
            for room in &mut self.rooms {
                if room.deadline() <= self.now {
                    room.handle(self.now, Input::Timeout);
                }
                audio += std::iter::from_fn(|| room.poll_output())
                    .filter(|output| matches!(output, Output::Audio { .. }))
                    .count() as u64;
            }
        }
        audio
    }
}
