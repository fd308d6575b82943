//! What is tapped for a recording is what is heard.

use std::time::Duration;

use plenum_codecs::audio::{AudioCodec, AudioEncoder, EncoderSetting, FRAME};
use plenum_mixer::{Channel, Channels, Command, Input, LegId, Tap, TapFrame};

use crate::conference::Conference;
use crate::hearing::{speech, tone_db};
use crate::net::Impairment;

impl Conference {
    fn taps(&mut self, tap: Tap) {
        let now = self.now;
        self.rooms[0].handle(now, Input::Command(Command::Tap(tap)));
    }
}

/// One leg's track, as long as the mix.
fn track(frames: &[TapFrame], leg: LegId) -> Vec<i16> {
    let silence = [0; FRAME];
    frames
        .iter()
        .flat_map(|frame| {
            let own = frame.legs.iter().find(|(id, _)| *id == leg);
            *own.map_or(&silence, |(_, samples)| samples)
        })
        .collect()
}

#[test]
fn the_tap_is_bit_by_bit_what_a_silent_listener_hears() {
    let mut conference = Conference::new(71);
    conference.taps(Tap::Mix);
    let ann = conference.joins(AudioCodec::Opus, Impairment::CLEAN.jitter(10));
    let bob = conference.joins(AudioCodec::Pcma, Impairment::CLEAN.loss(0.03));
    let listener = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN);
    conference.people[listener].gone = true;
    conference.people[ann].reads(speech(6, 1));
    conference.people[bob].reads(speech(6, 2));
    conference.runs(6_000);
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::Pcmu)).unwrap();
    let heard = &conference.people[listener].packets;
    assert_eq!(conference.tapped.len(), heard.len());
    assert!(heard.len() >= 299, "{} packets in 6 s", heard.len());
    for (tick, (frame, packet)) in conference.tapped.iter().zip(heard).enumerate() {
        let payload = encoder.encode(&frame.mix).unwrap();
        assert_eq!(payload, packet.payload, "tick {tick} differs");
        // A packet says when its voices spoke, for lips to go with them: that is before they were mixed, by what jitter buffers hold.
        let held = frame.at.since(packet.captured);
        assert!(held <= Duration::from_millis(100), "tick {tick}: {held:?}");
        assert!(packet.captured <= frame.at, "tick {tick}");
        assert!(frame.legs.is_empty(), "nobody asked for the legs");
    }
    let loud = conference
        .tapped
        .iter()
        .filter(|frame| frame.mix.iter().any(|sample| sample.unsigned_abs() > 1_000))
        .count();
    assert!(loud > 150, "speech in {loud} of 300 frames");
}

#[test]
fn the_tracks_of_the_legs_add_up_to_the_mix() {
    let mut conference = Conference::new(72);
    let ann = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let bob = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN);
    let cleo = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.people[ann].hums(440.0, 4_000.0);
    conference.people[bob].hums(620.0, 4_000.0);
    conference.people[cleo].hums(1_050.0, 4_000.0);
    let muted = conference.people[cleo].leg;
    let now = conference.now;
    let mute = Command::Mute {
        leg: muted,
        on: true,
    };
    conference.rooms[0].handle(now, Input::Command(mute));
    conference.taps(Tap::MixAndLegs);
    conference.runs(3_000);
    let frames = &conference.tapped;
    let tracks = [ann, bob].map(|person| track(frames, conference.people[person].leg));
    let mix: Vec<i16> = frames.iter().flat_map(|frame| *frame.mix).collect();
    for (i, &sample) in mix.iter().enumerate() {
        assert_eq!(sample, tracks[0][i] + tracks[1][i], "sample {i}");
    }
    let lately = mix.len() - 48_000..;
    for (track, (own, other)) in tracks.iter().zip([(440.0, 620.0), (620.0, 440.0)]) {
        let own = tone_db(&track[lately.clone()], own);
        let other = tone_db(&track[lately.clone()], other);
        assert!(own > -23.0, "one's own voice at {own:.1} dB in one's track");
        assert!(other < own - 60.0, "another's voice at {other:.1} dB");
    }
    assert!(
        frames
            .iter()
            .all(|frame| frame.legs.iter().all(|(leg, _)| *leg != muted)),
        "who is muted is in no track"
    );
}

#[test]
fn ticks_are_twenty_milliseconds_apart_and_nothing_is_tapped_unasked() {
    let mut conference = Conference::new(73);
    conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.runs(1_000);
    assert!(conference.tapped.is_empty(), "tapped without being asked");
    conference.taps(Tap::Mix);
    conference.runs(1_000);
    conference.taps(Tap::Off);
    conference.runs(1_000);
    assert_eq!(conference.tapped.len(), 50);
    for pair in conference.tapped.windows(2) {
        assert_eq!(pair[1].at.since(pair[0].at).as_millis(), 20);
    }
}

#[test]
fn who_talks_aside_is_neither_in_the_mix_nor_in_a_track() {
    let mut conference = Conference::new(74);
    let ann = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let bob = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.people[ann].hums(440.0, 4_000.0);
    conference.people[bob].hums(620.0, 4_000.0);
    let aside = conference.people[bob].leg;
    let speak = Command::Speak {
        leg: aside,
        channels: Channels::only(Channel::new(3).unwrap()),
    };
    let now = conference.now;
    conference.rooms[0].handle(now, Input::Command(speak));
    conference.taps(Tap::MixAndLegs);
    conference.runs(3_000);
    let frames = &conference.tapped;
    assert!(frames.len() >= 149, "{} frames in 3 s", frames.len());
    assert!(
        frames
            .iter()
            .all(|frame| frame.legs.iter().all(|(leg, _)| *leg != aside)),
        "a private word has a track"
    );
    let mix: Vec<i16> = frames.iter().flat_map(|frame| *frame.mix).collect();
    let lately = &mix[mix.len() - 48_000..];
    assert!(tone_db(lately, 440.0) > -23.0);
    assert!(tone_db(lately, 620.0) < -80.0, "a private word is recorded");
}
