//! Cameras in three sizes, and viewers whose lines carry this or that: who gets which size, and that nobody pays for another's line.

#![expect(
    clippy::cast_possible_truncation,
    reason = "a test's numbers are small"
)]

use std::time::Duration;

use bytes::Bytes;
use plenum_codecs::audio::AudioCodec;
use plenum_codecs::video::{VideoCodec, vp8};
use plenum_codecs::{MediaPacket, MediaTime};
use plenum_mixer::{
    Command, Event, Feedback, Input, Leg, LegId, OutPacket, Output, Room, RoomConfig, Track,
    VideoSetting,
};

use crate::conference::leg_config;

const VP8: (u8, VideoCodec) = (96, VideoCodec::Vp8);
/// Bit/s of the three sizes.
const RATES: [usize; 3] = [150_000, 450_000, 1_500_000];
/// Of the largest, in pixels.
const HEIGHT: u16 = 720;
const FRAME_RATE: usize = 15;
const MTU: usize = 1_100;

/// One size of a camera.
#[derive(Default, Clone, Copy)]
pub(crate) struct Size {
    sequence: u16,
    keyframe: bool,
    pub(crate) ceased: bool,
    /// Its sender was told that nobody uses it.
    pub(crate) spare: bool,
}

pub(crate) struct Person {
    pub(crate) leg: LegId,
    pub(crate) camera: Option<[Size; 3]>,
    /// When a keyframe of which size was asked for.
    requests: Vec<(MediaTime, u8)>,
    /// What came in each slot: when, whose, which size, whether it begins a keyframe.
    shown: Vec<Vec<Shown>>,
    sources: Vec<Option<LegId>>,
    /// How many sizes were said to be used, and when.
    pub(crate) told: Vec<(MediaTime, u8)>,
}

#[derive(Clone)]
struct Shown {
    at: MediaTime,
    size: u8,
    begins_keyframe: bool,
    packet: OutPacket,
}

pub(crate) struct Hall {
    pub(crate) now: MediaTime,
    pub(crate) room: Room,
    pub(crate) people: Vec<Person>,
    pictures: u16,
}

impl Hall {
    pub(crate) fn new() -> Self {
        let now = MediaTime::from_millis(10_000);
        Self {
            now,
            room: Room::new(RoomConfig::default(), now),
            people: Vec::new(),
            pictures: 0,
        }
    }

    pub(crate) fn joins(&mut self, camera: bool, slots: u8) -> usize {
        let leg = LegId(self.people.len() as u64 + 1);
        let mut config = leg_config(leg, AudioCodec::Opus);
        config.video = Some(VideoSetting {
            receive: vec![VP8],
            send: vec![VP8],
            slots,
            limit: None,
        });
        self.people.push(Person {
            leg,
            camera: camera.then(Default::default),
            requests: Vec::new(),
            shown: vec![Vec::new(); slots.into()],
            sources: vec![None; slots.into()],
            told: Vec::new(),
        });
        self.room.insert(self.now, Leg::new(config, self.now));
        self.collect();
        self.people.len() - 1
    }

    pub(crate) fn line(&mut self, person: usize, bits_per_second: u64) {
        let leg = self.people[person].leg;
        let feedback = Feedback::Estimate { bits_per_second };
        self.give(Input::Feedback { leg, feedback });
    }

    pub(crate) fn give(&mut self, input: Input) {
        self.room.handle(self.now, input);
        self.collect();
    }

    pub(crate) fn runs(&mut self, millis: u64) {
        for _ in 0..millis {
            self.now += Duration::from_millis(1);
            if self
                .now
                .as_millis()
                .is_multiple_of(1_000 / FRAME_RATE as u64)
            {
                self.pictures += 1;
                for person in 0..self.people.len() {
                    self.film(person);
                }
            }
            if self.room.deadline() <= self.now {
                self.give(Input::Timeout);
            }
        }
    }

    fn film(&mut self, person: usize) {
        let leg = self.people[person].leg;
        for layer in 0..3 {
            let Some(camera) = &mut self.people[person].camera else {
                return;
            };
            let size = &mut camera[layer];
            if size.ceased || size.spare {
                continue;
            }
            // The first octet tells a keyframe, the rest the size.
            let mut frame = vec![layer as u8; RATES[layer] / 8 / FRAME_RATE];
            let keyframe = std::mem::take(&mut size.keyframe);
            frame[0] = u8::from(!keyframe);
            if keyframe {
                let height = (HEIGHT >> (2 - layer)).to_le_bytes();
                frame[3..6].copy_from_slice(&[0x9d, 0x01, 0x2a]);
                frame[8..10].copy_from_slice(&height);
            }
            let payloads = vp8::packetize(&frame, self.pictures, None, MTU);
            let last = payloads.len() - 1;
            let mut packets = Vec::new();
            for (part, payload) in payloads.into_iter().enumerate() {
                size.sequence = size.sequence.wrapping_add(1);
                packets.push(MediaPacket {
                    payload_type: VP8.0,
                    marker: part == last,
                    sequence: size.sequence,
                    timestamp: u32::from(self.pictures) * 6_000,
                    ssrc: leg.0 as u32 * 10 + layer as u32,
                    audio_level: None,
                    payload,
                });
            }
            for packet in packets {
                self.give(Input::Packet {
                    leg,
                    packet,
                    track: Track::Layer(layer as u8),
                });
            }
        }
    }

    fn collect(&mut self) {
        while let Some(output) = self.room.poll_output() {
            match output {
                Output::KeyframeRequest { leg, track, .. } => {
                    let Track::Layer(layer) = track else {
                        panic!("{track:?} was never sent")
                    };
                    let now = self.now;
                    let person = self.person(leg);
                    person.requests.push((now, layer));
                    person.camera.as_mut().unwrap()[usize::from(layer)].keyframe = true;
                }
                Output::Video { leg, slot, packet } => {
                    let at = self.now;
                    let begins_keyframe = vp8::is_keyframe_start(&packet.payload);
                    let size = *packet.payload.last().unwrap();
                    self.person(leg).shown[usize::from(slot)].push(Shown {
                        at,
                        size,
                        begins_keyframe,
                        packet,
                    });
                }
                Output::Event(Event::CameraSizes { leg, count }) => {
                    let now = self.now;
                    let person = self.person(leg);
                    person.told.push((now, count));
                    for (at, size) in (0..).zip(person.camera.iter_mut().flatten()) {
                        // As Chromium does: what comes back begins with a keyframe.
                        size.keyframe |= size.spare && at < count;
                        size.spare = at >= count;
                    }
                }
                Output::Event(Event::Slot { leg, slot, source }) => {
                    let former = &mut self.person(leg).sources[usize::from(slot)];
                    assert_ne!(*former, source, "told twice");
                    *former = source;
                }
                _ => {}
            }
        }
    }

    fn person(&mut self, leg: LegId) -> &mut Person {
        &mut self.people[leg.0 as usize - 1]
    }

    /// The size in a slot now, and since when; `None` when nothing has come for half a second.
    pub(crate) fn sees(&self, person: usize, slot: usize) -> Option<u8> {
        let last = self.people[person].shown[slot].last()?;
        (self.now.since(last.at) < Duration::from_millis(500)).then_some(last.size)
    }

    /// When a slot first had that size, in ms since `from`.
    pub(crate) fn changed(&self, person: usize, size: u8, from: MediaTime) -> Option<u64> {
        let mut shown = self.people[person].shown[0].iter();
        let first = shown.find(|shown| shown.at >= from && shown.size == size)?;
        Some(first.at.since(from).as_millis() as u64)
    }

    /// Numbers run on and sizes change with keyframes only, for everybody.
    pub(crate) fn is_clean(&self) {
        for slot in self.people.iter().flat_map(|person| &person.shown) {
            for pair in slot.windows(2) {
                assert_eq!(pair[1].packet.sequence, pair[0].packet.sequence + 1);
                let changed = pair[1].size != pair[0].size;
                assert!(!changed || pair[1].begins_keyframe);
                let (before, after) = (pair[0].packet.timestamp, pair[1].packet.timestamp);
                assert!(after.wrapping_sub(before) < 90_000 * 60, "time goes on");
            }
        }
    }

    fn rate(&self, person: usize, time: Duration) -> u64 {
        let since = self.now.saturating_sub(time);
        let shown = self.people[person].shown.iter().flatten();
        let late = shown.filter(|shown| shown.at >= since);
        let bytes: usize = late.map(|shown| payload(&shown.packet).len()).sum();
        bytes as u64 * 8_000 / time.as_millis() as u64
    }
}

fn payload(packet: &OutPacket) -> &Bytes {
    &packet.payload
}

#[test]
fn a_viewer_at_300_kbits_has_the_smallest_size_beside_others_who_have_the_largest() {
    let mut hall = Hall::new();
    let camera = hall.joins(true, 0);
    let strong: Vec<usize> = (0..3).map(|_| hall.joins(false, 1)).collect();
    let weak = hall.joins(false, 1);
    for &viewer in &strong {
        hall.line(viewer, 5_000_000);
    }
    hall.line(weak, 300_000);
    hall.runs(30_000);
    assert_eq!(hall.sees(weak, 0), Some(0));
    assert!(hall.rate(weak, Duration::from_secs(5)) < 200_000);
    for &viewer in &strong {
        assert_eq!(hall.sees(viewer, 0), Some(2));
        assert!(hall.rate(viewer, Duration::from_secs(5)) > 1_400_000);
    }
    let of_largest = hall.people[camera]
        .requests
        .iter()
        .filter(|(_, size)| *size == 2);
    assert!(
        of_largest.count() <= 3,
        "{:?}",
        hall.people[camera].requests
    );
    hall.is_clean();
}

#[test]
fn who_takes_pictures_of_a_height_has_the_largest_size_within_it() {
    let mut hall = Hall::new();
    hall.joins(true, 0);
    let [limited, other] = [0; 2].map(|_| hall.joins(false, 1));
    let limit = |hall: &mut Hall, most| {
        let leg = hall.people[limited].leg;
        hall.give(Input::Command(Command::VideoHeight { leg, most }));
    };
    limit(&mut hall, Some(360));
    for viewer in [limited, other] {
        hall.line(viewer, 9_000_000);
    }
    for (most, size) in [
        (Some(360), 1),
        (Some(359), 0),
        (Some(340), 0),
        (Some(700), 1),
        (Some(720), 2),
        (Some(16), 0),
        (None, 2),
    ] {
        limit(&mut hall, most);
        hall.runs(2_000);
        assert_eq!(hall.sees(limited, 0), Some(size), "{most:?}");
        assert_eq!(hall.sees(other, 0), Some(2));
    }
    hall.is_clean();
    // Nobody sees the largest: its sender may leave it out.
    limit(&mut hall, Some(360));
    let leg = hall.people[other].leg;
    let most = Some(180);
    hall.give(Input::Command(Command::VideoHeight { leg, most }));
    let before = hall.people[0].told.len();
    hall.runs(40_000);
    let told = hall.people[0].told.get(before..).unwrap_or_default();
    let told: Vec<u8> = told.iter().map(|(_, count)| *count).collect();
    assert_eq!(told, [2], "it is not asked for again to be looked at");
    limit(&mut hall, None);
    hall.runs(3_000);
    assert_eq!(hall.sees(limited, 0), Some(2));
}

#[test]
fn a_weak_line_with_four_slots_shows_the_speaker_alone() {
    let mut hall = Hall::new();
    for _ in 0..4 {
        hall.joins(true, 0);
    }
    let viewer = hall.joins(false, 4);
    hall.line(viewer, 5_000_000);
    hall.runs(6_000);
    let sizes = |hall: &Hall| {
        (0..4)
            .map(|slot| hall.sees(viewer, slot))
            .collect::<Vec<_>>()
    };
    assert_eq!(sizes(&hall), [Some(2), Some(1), Some(1), Some(1)]);
    hall.line(viewer, 160_000);
    hall.runs(2_000);
    assert_eq!(sizes(&hall), [Some(0), None, None, None]);
    assert_eq!(hall.people[viewer].sources[1..], [None, None, None]);
    hall.line(viewer, 5_000_000);
    hall.runs(6_000);
    assert_eq!(sizes(&hall), [Some(2), Some(1), Some(1), Some(1)]);
}

#[test]
fn a_line_that_weakens_is_relieved_at_once_and_burdened_slowly() {
    let mut hall = Hall::new();
    hall.joins(true, 0);
    let viewer = hall.joins(false, 1);
    hall.line(viewer, 4_000_000);
    hall.runs(10_000);
    assert_eq!(hall.sees(viewer, 0), Some(2));
    let weakened = hall.now;
    hall.line(viewer, 600_000);
    hall.runs(5_000);
    let down = hall.changed(viewer, 1, weakened).unwrap();
    assert!(down <= 400, "down after {down} ms");
    let better = hall.now;
    hall.line(viewer, 4_000_000);
    hall.runs(8_000);
    let up = hall.changed(viewer, 2, better).unwrap();
    assert!((3_000..=3_500).contains(&up), "up after {up} ms");
    hall.is_clean();
}

#[test]
fn a_line_about_the_rate_of_a_size_does_not_make_it_flap() {
    let mut hall = Hall::new();
    hall.joins(true, 0);
    let viewer = hall.joins(false, 1);
    for round in 0..120 {
        hall.line(viewer, [1_450_000, 1_700_000][round % 2]);
        hall.runs(500);
    }
    let shown = &hall.people[viewer].shown[0];
    let changes = shown.windows(2).filter(|pair| pair[0].size != pair[1].size);
    assert!(changes.count() <= 2);
    hall.is_clean();
}

#[test]
fn a_size_that_its_sender_gives_up_is_followed_by_the_next() {
    let mut hall = Hall::new();
    let camera = hall.joins(true, 0);
    let known = hall.joins(false, 1);
    let unknown = hall.joins(false, 1);
    hall.line(known, 5_000_000);
    hall.runs(5_000);
    hall.people[camera].camera.as_mut().unwrap()[2].ceased = true;
    hall.runs(1_400);
    assert_eq!([hall.sees(known, 0), hall.sees(unknown, 0)], [Some(1); 2]);
    hall.people[camera].camera.as_mut().unwrap()[2].ceased = false;
    hall.runs(1_000);
    assert_eq!(hall.sees(known, 0), Some(2), "and back");
    hall.is_clean();
}

#[test]
fn keyframes_are_asked_for_seldom_and_of_the_size_that_is_missed() {
    let mut hall = Hall::new();
    let camera = hall.joins(true, 0);
    let strong = hall.joins(false, 1);
    let weak: Vec<usize> = (0..4).map(|_| hall.joins(false, 1)).collect();
    hall.line(strong, 5_000_000);
    weak.iter().for_each(|&viewer| hall.line(viewer, 200_000));
    hall.runs(5_000);
    hall.people[camera].requests.clear();
    for _ in 0..500 {
        for &viewer in &weak {
            let leg = hall.people[viewer].leg;
            let feedback = Feedback::KeyframeRequest { slot: 0 };
            hall.give(Input::Feedback { leg, feedback });
        }
        hall.runs(10);
    }
    let requests = &hall.people[camera].requests;
    assert!(requests.iter().all(|(_, size)| *size == 0), "{requests:?}");
    assert!((9..=11).contains(&requests.len()), "{}", requests.len());
}
