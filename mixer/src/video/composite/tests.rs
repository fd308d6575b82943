//! A room with a composite, as the media worker uses it.

use bytes::Bytes;
use plenum_codecs::video::{VideoCodec, h264, vp8};
use plenum_codecs::{MediaPacket, MediaTime};

use crate::{
    AudioSetting, Command, Compose, Feedback, Input, Ladder, Leg, LegConfig, LegId, OutPacket,
    Output, Rendition, Renditions, Room, RoomConfig, Size, Track, VideoSetting,
};

const fn whole(codec: VideoCodec) -> Rendition {
    Rendition {
        codec,
        size: Size::Whole,
    }
}

fn wanted(renditions: &[Rendition]) -> Compose {
    Compose::Wanted(renditions.iter().copied().collect())
}

fn vp8_only() -> Compose {
    wanted(&[whole(VideoCodec::Vp8)])
}

fn ladder() -> Ladder {
    Ladder::below(2_000_000)
}

fn config(id: u64, send: &[(u8, VideoCodec)]) -> LegConfig {
    LegConfig {
        id: LegId(id),
        audio: AudioSetting {
            receive: Vec::new(),
            send: None,
            telephone_event: None,
            comfort_noise: None,
            level_extension: false,
        },
        video: Some(VideoSetting {
            receive: vec![(96, VideoCodec::Vp8)],
            send: send.to_vec(),
            slots: 2,
            limit: None,
        }),
        muted: false,
        listen_only: false,
    }
}

struct Stage {
    room: Room,
    now: u64,
}

impl Stage {
    /// Legs 1, 2, … that take these codecs.
    fn new(takes: &[&[(u8, VideoCodec)]]) -> Self {
        let mut room = Room::new(RoomConfig::default(), MediaTime::from_millis(0));
        for (id, send) in (1..).zip(takes) {
            room.insert(
                MediaTime::from_millis(0),
                Leg::new(config(id, send), MediaTime::from_millis(0)),
            );
        }
        let mut this = Self { room, now: 0 };
        this.give(Input::Command(Command::Composite(Some(ladder()))));
        this
    }

    fn give(&mut self, input: Input) -> Vec<Output> {
        self.room.handle(MediaTime::from_millis(self.now), input);
        std::iter::from_fn(|| self.room.poll_output()).collect()
    }

    fn pass(&mut self, milliseconds: u64) -> Vec<Output> {
        self.now += milliseconds;
        self.give(Input::Timeout)
    }

    fn camera(&mut self, leg: u64, sequence: u16, keyframe: bool) -> Vec<Output> {
        self.give(Input::Packet {
            leg: LegId(leg),
            packet: packet(96, sequence, keyframe),
            track: Track::Camera,
        })
    }

    fn composed(
        &mut self,
        codec: VideoCodec,
        sequence: u16,
        keyframe: bool,
    ) -> Vec<(u64, OutPacket)> {
        self.composed_as(whole(codec), sequence, keyframe)
    }

    fn composed_as(
        &mut self,
        rendition: Rendition,
        sequence: u16,
        keyframe: bool,
    ) -> Vec<(u64, OutPacket)> {
        let packet = packet(0, sequence, keyframe);
        let outputs = self.give(Input::Composed { rendition, packet });
        let video = outputs.into_iter().filter_map(|output| match output {
            Output::Video {
                leg,
                slot: 0,
                packet,
            } => Some((leg.0, packet)),
            _ => None,
        });
        video.collect()
    }
}

/// A picture of one packet.
fn packet(payload_type: u8, sequence: u16, keyframe: bool) -> MediaPacket {
    let frame: &[u8] = if keyframe {
        &[0x10, 0, 0, 0x9d, 1, 0x2a, 64, 0, 64, 0]
    } else {
        &[0x11, 0, 0]
    };
    MediaPacket {
        payload_type,
        marker: true,
        sequence,
        timestamp: u32::from(sequence) * 3_000,
        ssrc: 7,
        audio_level: None,
        payload: vp8::packetize(frame, sequence, None, 1_000).remove(0),
    }
}

fn work(outputs: &[Output]) -> Vec<&Compose> {
    let work = outputs.iter().filter_map(|output| match output {
        Output::Compose(work) => Some(work),
        _ => None,
    });
    work.collect()
}

const BOTH: &[(u8, VideoCodec)] = &[(96, VideoCodec::Vp8), (102, VideoCodec::H264)];
const VP8: &[(u8, VideoCodec)] = &[(100, VideoCodec::Vp8)];
const H264: &[(u8, VideoCodec)] = &[(102, VideoCodec::H264)];

#[test]
fn one_rendition_serves_all_who_have_a_codec_in_common() {
    let [vp8, h264] = [VideoCodec::Vp8, VideoCodec::H264].map(whole);
    for (takes, renditions) in [
        (&[BOTH, VP8, BOTH][..], &[vp8][..]),
        (&[BOTH, H264], &[h264]),
        (&[BOTH, H264, VP8], &[vp8, h264]),
        (&[BOTH], &[vp8]),
    ] {
        assert_eq!(work(&Stage::new(takes).pass(20)), [&wanted(renditions)]);
    }
    assert!(
        work(&Stage::new(&[&[]]).pass(20)).is_empty(),
        "nobody can see it"
    );
}

#[test]
fn cameras_go_to_the_composer_and_to_nobody_else() {
    let mut stage = Stage::new(&[BOTH, BOTH]);
    assert!(
        work(&stage.camera(1, 1, true)).is_empty(),
        "nobody is known to view yet"
    );
    assert_eq!(work(&stage.pass(20)), [&vp8_only()]);
    let outputs = stage.camera(1, 2, true);
    assert!(matches!(
        work(&outputs)[..],
        [Compose::Camera {
            leg: LegId(1),
            codec: VideoCodec::Vp8,
            ..
        }]
    ));
    assert!(
        !outputs
            .iter()
            .any(|output| matches!(output, Output::Video { .. }))
    );
    let asked = stage.give(Input::ComposerNeedsKeyframe { leg: LegId(1) });
    assert!(matches!(
        asked[..],
        [Output::KeyframeRequest {
            leg: LegId(1),
            payload_type: 96,
            ..
        }]
    ));
    let again = stage.give(Input::ComposerNeedsKeyframe { leg: LegId(1) });
    assert!(again.is_empty(), "throttled");
    let off = stage.give(Input::Command(Command::Camera {
        leg: LegId(1),
        on: false,
    }));
    assert_eq!(work(&off), [&Compose::CameraOff { leg: LegId(1) }]);
}

#[test]
fn everybody_sees_the_same_packets_under_numbers_of_their_own() {
    let mut stage = Stage::new(&[BOTH, VP8]);
    stage.pass(20);
    assert!(
        stage.composed(VideoCodec::Vp8, 9, false).is_empty(),
        "it begins with a keyframe"
    );
    assert!(
        stage.composed(VideoCodec::H264, 9, true).is_empty(),
        "nobody wants it"
    );
    let first = stage.composed(VideoCodec::Vp8, 10, true);
    let second = stage.composed(VideoCodec::Vp8, 11, false);
    let legs = |sent: &[(u64, OutPacket)]| -> Vec<(u64, u8)> {
        let mut legs: Vec<_> = sent
            .iter()
            .map(|(leg, packet)| (*leg, packet.payload_type))
            .collect();
        legs.sort_unstable();
        legs
    };
    assert_eq!(legs(&first), [(1, 96), (2, 100)]);
    assert_eq!(legs(&second), legs(&first));
    for (leg, packet) in &second {
        let before = first
            .iter()
            .find(|(other, _)| other == leg)
            .map(|(_, packet)| packet.sequence);
        assert_eq!(before.map(|sequence| sequence + 1), Some(packet.sequence));
    }
}

#[test]
fn one_keyframe_serves_all_who_ask() {
    let mut stage = Stage::new(&[BOTH, BOTH, BOTH]);
    stage.pass(20);
    stage.composed(VideoCodec::Vp8, 10, true);
    stage.pass(1_000);
    let mut asked = Vec::new();
    for leg in 1..=3 {
        let feedback = Feedback::KeyframeRequest { slot: 0 };
        asked.extend(stage.give(Input::Feedback {
            leg: LegId(leg),
            feedback,
        }));
    }
    assert_eq!(work(&asked), [&Compose::Keyframe(whole(VideoCodec::Vp8))]);
}

#[test]
fn who_takes_less_sees_a_rendition_of_its_own_and_nobody_else_does() {
    let mut stage = Stage::new(&[BOTH, H264, H264]);
    stage.pass(20);
    for (leg, bitrate) in [(2, 500_000), (3, 300_000)] {
        let mut config = config(leg, H264);
        let level = h264::Limit::of_level(31, false).unwrap();
        let limit = h264::Limit { bitrate, ..level };
        config.video.as_mut().unwrap().limit = Some(limit);
        assert!(
            stage
                .room
                .reconfigure(MediaTime::from_millis(stage.now), config)
        );
    }
    let told = stage.pass(20);
    let [told, Compose::Small(Some(limit))] = work(&told)[..] else {
        panic!("{told:?}");
    };
    assert_eq!((told, limit.bitrate), (&vp8_only(), 300_000));
    let to = |outputs: Vec<Output>| -> Vec<u64> {
        let video = outputs.into_iter().filter_map(|output| match output {
            Output::Video { leg, .. } => Some(leg.0),
            _ => None,
        });
        let mut legs: Vec<u64> = video.collect();
        legs.sort_unstable();
        legs
    };
    let packet = MediaPacket {
        // A STAP-A that begins with a sequence parameter set.
        payload: Bytes::from_static(&[24, 0, 1, 0x67, 0, 1, 0x65]),
        ..packet(0, 1, true)
    };
    let small = stage.give(Input::ComposedSmall { packet });
    assert_eq!(to(small), [2, 3]);
    let seen = stage.composed(VideoCodec::Vp8, 5, true);
    assert_eq!(seen.iter().map(|(leg, _)| *leg).collect::<Vec<_>>(), [1]);
    stage.pass(1_000);
    let asked = stage.give(Input::Feedback {
        leg: LegId(3),
        feedback: Feedback::KeyframeRequest { slot: 0 },
    });
    assert_eq!(work(&asked), [&Compose::KeyframeSmall]);
    // The one that takes least has left.
    stage.room.take(MediaTime::from_millis(stage.now), LegId(3));
    let told = stage.pass(20);
    assert!(
        matches!(work(&told)[..], [Compose::Small(Some(limit))] if limit.bitrate == 500_000),
        "{told:?}"
    );
}

#[test]
fn a_composer_that_follows_another_is_told_what_is_wanted() {
    let mut stage = Stage::new(&[BOTH, BOTH]);
    stage.pass(20);
    for orders in [&[false, true][..], &[true]] {
        for &on in orders {
            stage.give(Input::Command(Command::Composite(on.then(ladder))));
        }
        let told = stage.pass(20);
        let wanted = work(&told);
        assert!(
            matches!(wanted[..], [Compose::Wanted(renditions)] if *renditions != Renditions::default()),
            "{wanted:?}"
        );
    }
}

#[test]
fn when_it_is_switched_off_cameras_are_seen_again() {
    let mut stage = Stage::new(&[BOTH, BOTH]);
    stage.pass(20);
    stage.composed(VideoCodec::Vp8, 10, true);
    stage.give(Input::Command(Command::Composite(None)));
    assert_eq!(
        work(&stage.pass(20)),
        [&Compose::Wanted(Renditions::default())]
    );
    assert!(stage.composed(VideoCodec::Vp8, 11, true).is_empty());
    let outputs = stage.camera(1, 1, true);
    let seen = outputs.iter().any(|output| {
        matches!(
            output,
            Output::Video {
                leg: LegId(2),
                slot: 0,
                ..
            }
        )
    });
    assert!(seen && work(&outputs).is_empty());
    let empty = Bytes::new();
    let outputs = stage.give(Input::Composed {
        rendition: whole(VideoCodec::Vp8),
        packet: MediaPacket {
            payload: empty,
            ..packet(0, 12, false)
        },
    });
    assert!(outputs.is_empty());
}

#[test]
fn a_weak_line_gets_a_smaller_size_from_its_first_keyframe_on_and_nobody_else_does() {
    let mut stage = Stage::new(&[BOTH, BOTH]);
    stage.pass(20);
    stage.composed(VideoCodec::Vp8, 1, true);
    let quarter = Rendition {
        codec: VideoCodec::Vp8,
        size: Size::Quarter,
    };
    let mut told = Vec::new();
    for sequence in 2..32 {
        let feedback = |leg, bits_per_second| Input::Feedback {
            leg: LegId(leg),
            feedback: Feedback::Estimate { bits_per_second },
        };
        stage.give(feedback(1, 3_000_000));
        stage.give(feedback(2, 250_000));
        told.extend(stage.pass(200));
        let seen = stage.composed(VideoCodec::Vp8, sequence, false);
        assert_eq!(seen.len(), 2, "the whole is seen until the other comes");
    }
    assert_eq!(
        work(&told),
        [&wanted(&[whole(VideoCodec::Vp8), quarter])],
        "both are made"
    );
    assert_eq!(stage.composed_as(quarter, 500, false), []);
    let first = stage.composed_as(quarter, 501, true);
    let legs = |seen: &[(u64, OutPacket)]| seen.iter().map(|(leg, _)| *leg).collect::<Vec<_>>();
    assert_eq!(legs(&first), [2]);
    let next = stage.composed(VideoCodec::Vp8, 40, false);
    assert_eq!(legs(&next), [1]);
    assert_eq!(legs(&stage.composed_as(quarter, 502, false)), [2]);
    // Whoever sees the whole leaves: it is made no more. It comes back when the line is better, and the quarter goes.
    stage.room.take(MediaTime::from_millis(stage.now), LegId(1));
    assert_eq!(work(&stage.pass(20)), [&wanted(&[quarter])]);
    let mut told = Vec::new();
    for sequence in 503..553 {
        stage.composed_as(quarter, sequence, false);
        let feedback = Feedback::Estimate {
            bits_per_second: 4_000_000,
        };
        stage.give(Input::Feedback {
            leg: LegId(2),
            feedback,
        });
        told.extend(stage.pass(200));
    }
    let half = Rendition {
        size: Size::Half,
        ..quarter
    };
    assert_eq!(work(&told), [&wanted(&[quarter, half])]);
    assert_eq!(legs(&stage.composed_as(half, 1, true)), [2]);
    assert_eq!(work(&stage.pass(20)), [&wanted(&[half])]);
}
