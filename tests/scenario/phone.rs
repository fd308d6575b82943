//! Keys, and callers who vanish.

use bytes::Bytes;
use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting, FRAME};
use plenum_codecs::resample::{Ratio, Upsampler};
use plenum_mixer::{Event, Input, Leg, LegId, Room, RoomConfig, Track};

use crate::conference::{Conference, leg_config};
use crate::net::Impairment;
use plenum_codecs::telephone_event::{Digit, DigitSender};
use plenum_codecs::{MediaPacket, MediaTime};

#[test]
fn keys_are_heard_once_each_on_a_bad_line() {
    for seed in 0..20 {
        let mut conference = Conference::new(seed);
        let caller = conference.joins(
            AudioCodec::Pcmu,
            Impairment {
                duplicates: 0.1,
                ..Impairment::CLEAN.loss(0.05).jitter(50)
            },
        );
        conference.people[caller].hums(440.0, 4_000.0);
        for key in "1001#2001#".chars() {
            conference.people[caller].presses(key);
            conference.runs(300);
        }
        assert_eq!(
            conference.digits(conference.people[caller].leg),
            "1001#2001#",
            "seed {seed}"
        );
    }
}

#[test]
fn a_lost_dtmf_end_packet_yields_one_digit() {
    let leg = LegId(1);
    let now = MediaTime::from_millis(0);
    let packets: Vec<_> =
        DigitSender::new(Digit::from_char('5').unwrap(), 8_000, 100, 8_000).collect();
    // All subsets of the packets of a press: whichever are lost, as long as one arrives it is one digit.
    for arriving in 1u32..1 << packets.len() {
        let mut room = Room::new(RoomConfig::default(), now);
        room.insert(now, Leg::new(leg_config(leg, AudioCodec::Pcmu), now));
        for (index, event) in packets
            .iter()
            .enumerate()
            .filter(|(index, _)| arriving >> index & 1 == 1)
        {
            let packet = MediaPacket {
                payload_type: 101,
                marker: event.marker,
                sequence: u16::try_from(index).unwrap(),
                timestamp: event.timestamp,
                ssrc: 1,
                audio_level: None,
                payload: event.payload.clone(),
            };
            room.handle(
                MediaTime::from_millis(20 * index as u64),
                Input::Packet {
                    leg,
                    packet,
                    track: Track::Audio,
                },
            );
        }
        let digits = std::iter::from_fn(|| room.poll_output())
            .filter(|output| matches!(output, plenum_mixer::Output::Event(Event::Digit { .. })))
            .count();
        assert_eq!(digits, 1, "packets {arriving:b}");
    }
}

/// Keyed as tones, 100 ms each with 60 ms between, some packets lost; muted, so that nothing of it is decoded.
#[test]
fn keys_of_a_phone_without_events_are_heard_in_its_sound() {
    const KEYS: &str = "0123456789*#";
    let leg = LegId(1);
    let mut sound = Vec::new();
    for key in KEYS.chars() {
        sound.extend(plenum_tests::tone::digit(key, 100).unwrap().samples);
        sound.extend([0; 480]);
    }
    for (codec, payload_type) in [(AudioCodec::Pcmu, 0), (AudioCodec::G722, 9)] {
        let now = MediaTime::from_millis(0);
        let mut config = leg_config(leg, codec);
        config.audio.receive = vec![(payload_type, codec)];
        config.audio.telephone_event = None;
        config.muted = true;
        let mut room = Room::new(RoomConfig::default(), now);
        room.insert(now, Leg::new(config, now));
        let mut keyed = String::new();
        for (index, payload) in (0u16..).zip(payloads(codec, &sound)) {
            // Each third key loses its middle packet, each third pause one of its own.
            if matches!(index % 24, 2 | 14) {
                continue;
            }
            let packet = MediaPacket {
                payload_type,
                marker: false,
                sequence: index,
                timestamp: u32::from(index) * 160,
                ssrc: 1,
                audio_level: None,
                payload,
            };
            let now = MediaTime::from_millis(20 * u64::from(index));
            room.handle(
                now,
                Input::Packet {
                    leg,
                    packet,
                    track: Track::Audio,
                },
            );
            while let Some(output) = room.poll_output() {
                if let plenum_mixer::Output::Event(Event::Digit { digit, .. }) = output {
                    keyed.push(digit.as_char());
                }
            }
        }
        assert_eq!(keyed, KEYS, "{codec:?}");
    }
}

/// Sound of 8 kHz in packets of 20 ms, as a phone sends it.
fn payloads(codec: AudioCodec, sound: &[i16]) -> Vec<Bytes> {
    let mut wide = Vec::new();
    Upsampler::new(Ratio::Six).push(sound, &mut wide);
    let mut encoder = AudioEncoder::new(EncoderSetting::of(codec)).unwrap();
    let frames = wide.as_chunks::<FRAME>().0.iter();
    frames.map(|frame| encoder.encode(frame).unwrap()).collect()
}

#[test]
fn a_key_press_does_not_disturb_what_others_hear_afterwards() {
    let mut conference = Conference::new(3);
    let caller = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN.jitter(10));
    conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.people[caller].hums(440.0, 4_000.0);
    conference.runs(2_000);
    for key in "123".chars() {
        conference.people[caller].presses(key);
        conference.runs(500);
    }
    let stats = conference.rooms[0]
        .leg_stats(conference.people[caller].leg)
        .unwrap();
    assert_eq!(stats.lost, 0, "event packets are no loss: {stats:?}");
    assert!(stats.buffer_ns < 80_000_000, "{stats:?}");
    conference.runs(1_500);
    assert!(crate::hearing::tone_db(conference.people[1].lately(1.0), 440.0) > -25.0);
}

#[test]
fn a_vanished_legs_silence_is_seen() {
    let mut conference = Conference::new(4);
    let caller = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN);
    conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let leg = conference.people[caller].leg;
    conference.people[caller].hums(440.0, 4_000.0);
    conference.runs(3_000);
    assert!(
        conference
            .events
            .iter()
            .any(|(_, event)| *event == Event::Talking { leg, on: true })
    );
    assert!(
        conference
            .events
            .iter()
            .any(|(_, event)| *event == Event::Floor { holder: Some(leg) })
    );
    conference.people[caller].gone = true;
    let vanished = conference.now;
    conference.runs(20_000);
    let last = conference.rooms[0]
        .leg_stats(leg)
        .unwrap()
        .last_packet
        .unwrap();
    // What was on the line still came.
    assert!(last <= vanished + std::time::Duration::from_millis(20));
    assert!(conference.now.since(last).as_secs() >= 19);
    let ended = conference
        .events
        .iter()
        .find(|(_, event)| *event == Event::Talking { leg, on: false })
        .unwrap()
        .0;
    assert!(
        ended.since(vanished).as_millis() < 1_500,
        "{:?}",
        ended.since(vanished)
    );
    // Reaped: the floor is free, and nothing of the leg is left.
    let now = conference.now;
    conference.rooms[0].take(now, leg).unwrap();
    conference.runs(20);
    assert_eq!(
        conference.events.last().unwrap().1,
        Event::Floor { holder: None }
    );
    assert_eq!(conference.rooms[0].leg_stats(leg), None);
    assert_eq!(conference.rooms[0].stats().legs, 1);
}
