//! What listeners cost.

use plenum_codecs::audio::{AudioCodec, EncoderSetting, OpusMode};
use plenum_mixer::{Leg, LegId};

use crate::conference::{Conference, leg_config};
use crate::net::Impairment;

/// Ticks once with many legs beside the people, whose packets are only counted.
fn encodes_per_second(listeners: &[EncoderSetting]) -> (u64, u64, u64) {
    let mut conference = Conference::new(1);
    for (codec, hertz) in [AudioCodec::Opus, AudioCodec::Opus, AudioCodec::Pcmu]
        .into_iter()
        .zip([440.0, 620.0, 800.0])
    {
        let person = conference.joins(codec, Impairment::CLEAN);
        conference.people[person].hums(hertz, 6_000.0);
    }
    for (index, setting) in listeners.iter().enumerate() {
        let mut config = leg_config(LegId(1_000 + index as u64), setting.codec);
        config.audio.send = Some((111, *setting));
        let now = conference.now;
        conference.rooms[0].insert(now, Leg::new(config, now));
    }
    conference.runs_counting(2_000);
    let before = conference.rooms[0].stats();
    let audio = conference.runs_counting(1_000);
    let after = conference.rooms[0].stats();
    assert_eq!(after.ticks - before.ticks, 50);
    assert_eq!(after.talkers, 3);
    assert_eq!(
        audio,
        50 * (3 + listeners.len() as u64),
        "everyone gets a packet every 20 ms"
    );
    let sum = |count: fn(&plenum_mixer::EncodeCount) -> u64| {
        let of = |stats: &plenum_mixer::RoomStats| {
            [stats.encodes.opus, stats.encodes.pcmu, stats.encodes.pcma]
                .iter()
                .map(count)
                .sum::<u64>()
        };
        of(&after) - of(&before)
    };
    (
        sum(|count| count.shared),
        sum(|count| count.private),
        after.decodes - before.decodes,
    )
}

#[test]
fn encodes_per_tick_are_talkers_and_distinct_settings_of_listeners() {
    let lossy = EncoderSetting::opus(OpusMode::LOSSY);
    let [opus, pcmu, pcma] =
        [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma].map(EncoderSetting::of);
    assert_eq!(encodes_per_second(&[]), (0, 150, 150));
    assert_eq!(
        encodes_per_second(&[opus, pcmu, opus, pcma, lossy, pcmu]),
        (200, 150, 150)
    );
}

#[test]
fn a_thousand_listeners_cost_no_encode() {
    let opus = EncoderSetting::of(AudioCodec::Opus);
    let one = encodes_per_second(&[opus]);
    let thousand = encodes_per_second(&vec![opus; 1_000]);
    assert_eq!(one, (50, 150, 150));
    assert_eq!(thousand, one);
}

#[test]
fn silent_browsers_are_not_decoded() {
    let mut conference = Conference::new(2);
    let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    for _ in 0..10 {
        conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    }
    conference.people[talker].hums(440.0, 6_000.0);
    conference.runs(2_000);
    let before = conference.rooms[0].stats();
    conference.runs(1_000);
    let after = conference.rooms[0].stats();
    assert_eq!(after.decodes - before.decodes, 50);
}
