//! From the attendant's room into the conference.

use plenum_codecs::MediaTime;
use plenum_codecs::audio::AudioCodec;
use plenum_mixer::{Room, RoomConfig};

use crate::conference::Conference;
use crate::hearing::tone_db;
use crate::net::Impairment;

#[test]
fn moving_a_leg_between_rooms_keeps_its_stream_continuous() {
    let mut conference = Conference::new(1);
    // The second room ticks at another phase.
    conference.rooms.push(Room::new(
        RoomConfig::default(),
        MediaTime::from_millis(1_007),
    ));
    let caller = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN.jitter(10));
    let host = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.runs(7);
    conference.moves(host, 1);
    conference.people[host].hums(440.0, 6_000.0);
    conference.people[caller].hums(620.0, 6_000.0);
    conference.runs(3_000);
    assert!(
        tone_db(conference.people[caller].lately(1.0), 440.0) < -60.0,
        "still alone"
    );
    for round in 0..6 {
        conference.moves(caller, (round + 1) % 2);
        conference.runs(1_013);
    }
    conference.moves(caller, 1);
    let before = conference.rooms[1]
        .leg_stats(conference.people[caller].leg)
        .unwrap();
    conference.runs(3_000);
    assert!(
        tone_db(conference.people[caller].lately(1.0), 440.0) > -20.0,
        "hears the host"
    );
    assert!(
        tone_db(conference.people[host].lately(1.0), 620.0) > -20.0,
        "is heard"
    );
    let packets = &conference.people[caller].packets;
    assert!(
        packets
            .windows(2)
            .all(|pair| pair[1].sequence == pair[0].sequence + 1)
    );
    let steps: Vec<u32> = packets
        .windows(2)
        .map(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp))
        .collect();
    // Between the ticks of two rooms there may be up to 40 ms.
    assert!(
        steps.iter().all(|step| [160, 320].contains(step)),
        "{steps:?}"
    );
    assert!(steps.iter().filter(|step| **step == 320).count() <= 7);
    let after = conference.rooms[1]
        .leg_stats(conference.people[caller].leg)
        .unwrap();
    assert!(
        before.received > 400 && after.received > before.received + 140,
        "counters go on"
    );
    assert_eq!(after.lost, 0, "the jitter buffer went along: {after:?}");
}
