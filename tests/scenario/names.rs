//! Names, said at the attendant and captured.

use std::sync::Arc;
use std::time::Duration;

use plenum_codecs::audio::AudioCodec;
use plenum_codecs::tone::Tone;
use plenum_mixer::{Command, Input};

use crate::conference::Conference;
use crate::hearing::tone_db;
use crate::net::Impairment;

/// 600 ms after the tone the caller says something of 800 ms, then nothing, on a line with some jitter.
fn said(codec: AudioCodec, amplitude: f64, longest: Duration) -> Arc<[i16]> {
    let mut conference = Conference::new(31);
    let caller = conference.joins(codec, Impairment::CLEAN.jitter(10));
    let leg = conference.people[caller].leg;
    conference.runs(500);
    let mut name = vec![0; 600 * 48];
    Tone::new(620.0, amplitude).extend(800 * 48, &mut name);
    conference.people[caller].reads(name);
    let now = conference.now;
    conference.rooms[0].handle(now, Input::Command(Command::Capture { leg, longest }));
    conference.runs(2_000);
    // `#` before the time is over; after it nothing more comes of that.
    let now = conference.now;
    conference.rooms[0].handle(now, Input::Command(Command::EndCapture { leg }));
    conference.runs(20);
    assert_eq!(conference.captured.len(), 1, "once");
    let (from, pcm) = conference.captured.remove(0);
    assert_eq!(from, leg);
    pcm
}

#[test]
fn a_captured_name_is_what_was_said_without_its_silence_at_the_loudness_of_speech() {
    // A phone, and one that is 30 dB softer; a browser's level in the header does not keep it from being decoded.
    for (codec, amplitude) in [
        (AudioCodec::Pcmu, 8_000.0),
        (AudioCodec::Pcma, 800.0),
        (AudioCodec::Opus, 8_000.0),
    ] {
        let pcm = said(codec, amplitude, Duration::from_secs(3));
        let millis = pcm.len() / 48;
        assert!((800..=1_020).contains(&millis), "{codec:?}: {millis} ms");
        let middle = &pcm[200 * 48..600 * 48];
        let level = tone_db(middle, 620.0);
        assert!((-21.5..-18.5).contains(&level), "{codec:?}: {level:.1} dB");
    }
}

#[test]
fn a_name_without_end_is_cut_off_and_silence_is_no_name() {
    let pcm = said(AudioCodec::Pcmu, 8_000.0, Duration::from_millis(1_000));
    let millis = pcm.len() / 48;
    assert!((300..=420).contains(&millis), "{millis} ms");
    assert!(said(AudioCodec::Pcmu, 0.0, Duration::from_secs(3)).is_empty());
}
