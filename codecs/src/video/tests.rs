//! Payload formats: round trips, loss, and hostile input.

use super::*;
use crate::error::CodecError;
use crate::packet::MediaPacket;
use proptest::prelude::*;

enum Depacketizer {
    Vp8(vp8::Depacketizer),
    H264(h264::Depacketizer),
}

impl Depacketizer {
    fn new(codec: VideoCodec) -> Self {
        match codec {
            VideoCodec::Vp8 => Self::Vp8(vp8::Depacketizer::new()),
            VideoCodec::H264 => Self::H264(h264::Depacketizer::new()),
        }
    }

    fn push(&mut self, packet: &MediaPacket) -> Result<Option<VideoFrame>, CodecError> {
        match self {
            Self::Vp8(depacketizer) => depacketizer.push(packet),
            Self::H264(depacketizer) => depacketizer.push(packet),
        }
    }
}

fn packetize(codec: VideoCodec, frames: &[Vec<u8>], mtu: usize) -> Vec<MediaPacket> {
    let mut packets = Vec::new();
    for (number, frame) in (0u16..).zip(frames) {
        let payloads = match codec {
            VideoCodec::Vp8 => vp8::packetize(frame, number, Some(0), mtu),
            VideoCodec::H264 => h264::packetize(frame, mtu),
        };
        let last = payloads.len() - 1;
        for (i, payload) in payloads.into_iter().enumerate() {
            assert!(payload.len() <= mtu, "{} octets of {mtu}", payload.len());
            packets.push(MediaPacket {
                payload_type: 96,
                marker: i == last,
                sequence: 65_500u16.wrapping_add(u16::try_from(packets.len()).unwrap()),
                timestamp: 3_000 * u32::from(number),
                ssrc: 1,
                audio_level: None,
                payload,
            });
        }
    }
    packets
}

fn depacketize(codec: VideoCodec, packets: &[MediaPacket]) -> Vec<VideoFrame> {
    let mut depacketizer = Depacketizer::new(codec);
    packets
        .iter()
        .filter_map(|packet| depacketizer.push(packet).unwrap())
        .collect()
}

fn annex_b(units: &[Vec<u8>]) -> Vec<u8> {
    units
        .iter()
        .flat_map(|unit| [0, 0, 0, 1].into_iter().chain(unit.iter().copied()))
        .collect()
}

/// A NAL unit without start codes or trailing zeros inside.
fn unit(kind: u8, size: usize, seed: u8) -> Vec<u8> {
    std::iter::once(0x60 | kind)
        .chain((0..size).map(|i| u8::try_from(i % 255).unwrap() ^ seed | 1))
        .collect()
}

prop_compose! {
    /// An access unit: keyframes have parameter sets and an IDR slice, others one or more slices.
    fn access_unit()(keyframe in any::<bool>(), sizes in prop::collection::vec(1usize..4_000, 1..4), seed in any::<u8>()) -> Vec<u8> {
        let mut units = if keyframe { vec![unit(7, 12, seed), unit(8, 4, seed)] } else { Vec::new() };
        units.extend(sizes.into_iter().map(|size| unit(if keyframe { 5 } else { 1 }, size, seed)));
        annex_b(&units)
    }
}

fn vp8_frame() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 1..8_000)
}

fn streams() -> impl Strategy<Value = (VideoCodec, Vec<Vec<u8>>)> {
    let h264 = prop::collection::vec(access_unit(), 1..6).prop_map(|mut frames| {
        // A stream begins with parameter sets.
        frames.insert(
            0,
            annex_b(&[unit(7, 12, 2), unit(8, 4, 2), unit(5, 900, 2)]),
        );
        (VideoCodec::H264, frames)
    });
    let vp8 = prop::collection::vec(vp8_frame(), 1..6).prop_map(|frames| (VideoCodec::Vp8, frames));
    prop_oneof![h264, vp8]
}

fn is_keyframe(codec: VideoCodec, frame: &[u8]) -> bool {
    match codec {
        VideoCodec::Vp8 => frame[0] & 1 == 0,
        VideoCodec::H264 => h264::is_keyframe(frame),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(300))]

    #[test]
    fn what_is_packetized_comes_back((codec, frames) in streams(), mtu in 40usize..1_500) {
        let packets = packetize(codec, &frames, mtu);
        let back = depacketize(codec, &packets);
        prop_assert_eq!(back.len(), frames.len());
        for (number, (frame, back)) in (0u32..).zip(frames.iter().zip(&back)) {
            prop_assert_eq!(frame.as_slice(), back.data.as_ref());
            prop_assert_eq!(back.timestamp, number * 3_000);
            prop_assert_eq!(back.keyframe, is_keyframe(codec, frame));
            prop_assert!(!back.follows_loss);
        }
    }

    /// One packet lost: only whole frames come out, and the next one is marked.
    #[test]
    fn a_lost_packet_costs_frames_but_damages_none((codec, frames) in streams(), mtu in 40usize..1_500, which in any::<prop::sample::Index>()) {
        let mut packets = packetize(codec, &frames, mtu);
        let lost = packets.remove(which.index(packets.len()));
        let back = depacketize(codec, &packets);
        let hit = lost.timestamp / 3_000;
        for frame in &back {
            let number = frame.timestamp / 3_000;
            prop_assert_ne!(number, hit);
            prop_assert_eq!(&frames[number as usize], frame.data.as_ref());
        }
        if hit > 0 && let Some(next) = back.iter().find(|frame| frame.timestamp > lost.timestamp) {
            prop_assert!(next.follows_loss);
        }
        // VP8 says where a frame begins, so nothing but the hit frame is lost.
        if codec == VideoCodec::Vp8 {
            prop_assert_eq!(back.len(), frames.len() - 1);
        }
    }

    /// Flipped, cut, repeated, swapped and invented packets: no panic, and nothing above the cap.
    #[test]
    fn mutated_packets_are_survived((codec, frames) in streams(), mtu in 40usize..1_500, seed in any::<u64>()) {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut packets = packetize(codec, &frames, mtu);
        for _ in 0..random.usize(1..20) {
            let i = random.usize(..packets.len());
            let mut payload = packets[i].payload.to_vec();
            match random.u8(..7) {
                0 if !payload.is_empty() => {
                    let at = random.usize(..payload.len().min(8));
                    payload[at] ^= 1 << random.u8(..8);
                }
                1 => payload.truncate(random.usize(..=payload.len().min(8))),
                2 => payload = (0..random.usize(..40)).map(|_| random.u8(..)).collect(),
                3 => packets[i].marker ^= true,
                4 => packets[i].timestamp ^= random.u32(..),
                5 => packets[i].sequence ^= random.u16(..),
                _ => {
                    let j = random.usize(..packets.len());
                    packets.swap(i, j);
                }
            }
            packets[i].payload = Bytes::from(payload);
        }
        let mut depacketizer = Depacketizer::new(codec);
        let sent: usize = packets.iter().map(|packet| packet.payload.len() + 3 * 4).sum();
        for packet in &packets {
            std::hint::black_box(codec.is_keyframe_start(&packet.payload));
            match depacketizer.push(packet) {
                Ok(Some(frame)) => prop_assert!(!frame.data.is_empty() && frame.data.len() <= sent * 2),
                Ok(None) => {}
                Err(error) => prop_assert!(error.is_peer_fault()),
            }
        }
    }

    /// The numbers of a VP8 stream stay continuous for a viewer across switches of source.
    #[test]
    fn vp8_numbers_run_on_across_sources(
        sources in prop::collection::vec((any::<u16>(), any::<u8>(), 1usize..300, any::<bool>()), 1..8),
    ) {
        let mut continuity = vp8::Continuity::new();
        let mut last: Option<(u16, u8)> = None;
        for (id, tl0, count, short) in sources {
            continuity.source_changed();
            for step in 0..u16::try_from(count).unwrap() {
                let id = id.wrapping_add(step) & 0x7fff;
                let picture_id = if short { vp8::PictureId::Short((id & 0x7f) as u8) } else { vp8::PictureId::Long(id) };
                let descriptor = vp8::Descriptor {
                    start_of_partition: true,
                    picture_id: Some(picture_id),
                    tl0_pic_idx: Some(tl0.wrapping_add(step as u8)),
                    ..vp8::Descriptor::default()
                };
                let mut payload = bytes::BytesMut::new();
                descriptor.write(&mut payload);
                payload.extend_from_slice(&[0x10, 1, 2, 3]);
                let out = continuity.rewrite(&payload.freeze()).unwrap();
                let (seen, _) = vp8::Descriptor::parse(&out).unwrap();
                prop_assert_eq!(&out[out.len() - 4..], &[0x10, 1, 2, 3]);
                let tl0 = seen.tl0_pic_idx.unwrap();
                let now = match seen.picture_id.unwrap() {
                    vp8::PictureId::Long(id) => id,
                    // Seven bits on the wire: compare what is there.
                    vp8::PictureId::Short(id) => {
                        if let Some((before, _)) = last {
                            prop_assert_eq!(u16::from(id), (before + 1) & 0x7f);
                        }
                        last.map_or(u16::from(id), |(before, _)| (before + 1) & 0x7fff)
                    }
                };
                if let Some((before, before_tl0)) = last {
                    prop_assert_eq!(now, (before + 1) & 0x7fff);
                    prop_assert_eq!(tl0, before_tl0.wrapping_add(1));
                }
                last = Some((now, tl0));
            }
        }
    }

    #[test]
    fn vp8_descriptors_come_back(
        flags in (any::<bool>(), any::<bool>(), 0u8..8),
        picture in prop::option::of((any::<bool>(), 0u16..0x8000)),
        tl0_pic_idx in any::<Option<u8>>(),
        temporal in prop::option::of((0u8..4, any::<bool>())),
        key_idx in prop::option::of(0u8..32),
    ) {
        let picture_id = picture.map(|(short, id)| if short { vp8::PictureId::Short((id & 0x7f) as u8) } else { vp8::PictureId::Long(id) });
        let (non_reference, start_of_partition, partition) = flags;
        let descriptor = vp8::Descriptor { non_reference, start_of_partition, partition, picture_id, tl0_pic_idx, temporal, key_idx };
        let mut bytes = bytes::BytesMut::new();
        descriptor.write(&mut bytes);
        let size = bytes.len();
        prop_assert!(vp8::Descriptor::parse(&bytes).is_err(), "no data after it");
        bytes.extend_from_slice(&[0]);
        prop_assert_eq!(vp8::Descriptor::parse(&bytes), Ok((descriptor, size)));
        for cut in 0..=size {
            prop_assert!(vp8::Descriptor::parse(&bytes[..cut]).is_err());
        }
    }

    #[test]
    fn any_payload_is_survived(payload in prop::collection::vec(any::<u8>(), 0..64), id in any::<u16>()) {
        for codec in [VideoCodec::Vp8, VideoCodec::H264] {
            std::hint::black_box(codec.is_keyframe_start(&payload));
        }
        let mut copy = payload.clone();
        prop_assert_eq!(vp8::rewrite(&mut copy, id, 0).is_ok(), vp8::Descriptor::parse(&payload).is_ok());
        h264::nal_units(&payload).for_each(|unit| { std::hint::black_box(h264::sps_pixels(unit)); });
        std::hint::black_box(vp8::keyframe_size(&payload));
    }
}

fn packet(sequence: u16, timestamp: u32, marker: bool, payload: &[u8]) -> MediaPacket {
    let payload = Bytes::copy_from_slice(payload);
    MediaPacket {
        payload_type: 96,
        marker,
        sequence,
        timestamp,
        ssrc: 1,
        audio_level: None,
        payload,
    }
}

#[test]
fn a_frame_without_end_is_cut_off_at_the_cap() {
    let h264 = |sequence: u16| match sequence {
        0 => vec![0x67; 10],
        1 => [&[0x7c, 0x85][..], &[1; 60_000]].concat(),
        _ => [&[0x7c, 0x05][..], &[1; 60_000]].concat(),
    };
    let vp8 = |sequence: u16| [&[if sequence == 0 { 0x10 } else { 0 }][..], &[1; 60_000]].concat();
    for codec in [VideoCodec::H264, VideoCodec::Vp8] {
        let payload = |sequence| match codec {
            VideoCodec::H264 => h264(sequence),
            VideoCodec::Vp8 => vp8(sequence),
        };
        let mut depacketizer = Depacketizer::new(codec);
        let mut refused = 0;
        for sequence in 0..200 {
            match depacketizer.push(&packet(sequence, 0, sequence == 199, &payload(sequence))) {
                Ok(frame) => assert_eq!(frame, None),
                Err(error) => {
                    assert!(
                        matches!(
                            error,
                            CodecError::TooLarge {
                                limit: MAX_FRAME,
                                ..
                            }
                        ),
                        "{error}"
                    );
                    refused += 1;
                }
            }
        }
        assert_eq!(refused, 1, "reported once, then dropped silently");
    }
}

#[test]
fn padding_between_and_inside_frames_changes_nothing() {
    let keyframe = annex_b(&[unit(7, 12, 2), unit(8, 4, 2), unit(5, 900, 2)]);
    let frames = vec![
        keyframe,
        annex_b(&[unit(1, 900, 4)]),
        annex_b(&[unit(1, 40, 6)]),
    ];
    for (codec, frames) in [
        (VideoCodec::H264, frames),
        (
            VideoCodec::Vp8,
            vec![vec![2; 900], vec![1; 900], vec![3; 40]],
        ),
    ] {
        let mut padded = Vec::new();
        for mut packet in packetize(codec, &frames, 200) {
            packet.sequence = u16::try_from(padded.len()).unwrap();
            let padding = MediaPacket {
                payload: Bytes::new(),
                sequence: packet.sequence + 1,
                marker: false,
                ..packet.clone()
            };
            padded.extend([packet, padding]);
        }
        let back = depacketize(codec, &padded);
        assert_eq!(
            back.iter()
                .map(|frame| frame.data.to_vec())
                .collect::<Vec<_>>(),
            frames,
            "{codec:?}"
        );
        assert!(back.iter().all(|frame| !frame.follows_loss));
    }
}

#[test]
fn late_packets_are_ignored() {
    let frames = vec![vec![2; 900], vec![1; 900]];
    let mut packets = packetize(VideoCodec::Vp8, &frames, 200);
    packets.insert(7, packets[1].clone());
    let back = depacketize(VideoCodec::Vp8, &packets);
    assert_eq!(
        back.iter()
            .map(|frame| frame.data.to_vec())
            .collect::<Vec<_>>(),
        frames
    );
}

#[test]
fn a_sender_that_begins_anew_is_followed() {
    let frames = vec![vec![2; 900], vec![1; 900]];
    let first = packetize(VideoCodec::Vp8, &frames, 200);
    let restarts: [fn(MediaPacket) -> MediaPacket; 2] = [
        |packet| MediaPacket { ssrc: 2, ..packet },
        |packet| MediaPacket {
            sequence: packet.sequence.wrapping_sub(20_000),
            ..packet
        },
    ];
    for restart in restarts {
        let mut packets = first.clone();
        packets.extend(first.iter().cloned().map(restart));
        let back = depacketize(VideoCodec::Vp8, &packets);
        assert_eq!(back.len(), 4);
        assert_eq!(
            back.iter()
                .map(|frame| frame.follows_loss)
                .collect::<Vec<_>>(),
            [false, false, true, false]
        );
    }
}

#[test]
fn h264_keyframes_are_known_by_their_parameter_sets() {
    let keyframe = annex_b(&[unit(7, 12, 2), unit(8, 4, 2), unit(5, 3_000, 2)]);
    let payloads = h264::packetize(&keyframe, 1_200);
    assert_eq!(
        payloads[0][0] & 0x1f,
        24,
        "the parameter sets share a STAP-A"
    );
    assert_eq!(payloads[1][0] & 0x1f, 28);
    assert!(VideoCodec::H264.is_keyframe_start(&payloads[0]));
    assert!(
        payloads[1..]
            .iter()
            .all(|payload| !VideoCodec::H264.is_keyframe_start(payload))
    );
    assert!(
        h264::is_keyframe_start(&unit(7, 12, 2)),
        "a parameter set alone"
    );
    for payload in h264::packetize(&annex_b(&[unit(1, 3_000, 2)]), 1_200) {
        assert!(!h264::is_keyframe_start(&payload));
    }
}

#[test]
fn vp8_keyframes_are_known_by_the_first_octet_of_the_first_partition() {
    assert!(vp8::is_keyframe_start(&[0x10, 0x10]));
    assert!(!vp8::is_keyframe_start(&[0x10, 0x11]), "a delta frame");
    assert!(!vp8::is_keyframe_start(&[0x00, 0x10]), "inside a partition");
    assert!(
        !vp8::is_keyframe_start(&[0x11, 0x10]),
        "the second partition"
    );
    assert!(vp8::is_keyframe_start(&[
        0x90, 0xe0, 0x81, 0x02, 0x03, 0x00, 0x10
    ]));
    assert!(
        !vp8::is_keyframe_start(&[0x90, 0xe0, 0x81, 0x02, 0x03, 0x00]),
        "no data"
    );
}

#[test]
fn h264_types_of_other_packetization_modes_are_refused() {
    for kind in [0u8, 25, 26, 27, 29, 30, 31] {
        let mut depacketizer = h264::Depacketizer::new();
        let sps = packet(0, 0, false, &unit(7, 12, 2));
        assert_eq!(depacketizer.push(&sps), Ok(None));
        assert!(
            depacketizer
                .push(&packet(1, 0, true, &[0x60 | kind, 1, 2, 3]))
                .is_err(),
            "type {kind}"
        );
    }
}
