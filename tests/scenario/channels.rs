//! Who hears whom: asides, a coach, an interpreter; and what that costs.

use plenum_codecs::audio::AudioCodec;
use plenum_mixer::{
    Audience, Channel, Channels, Command, Event, Feedback, Input, LegId, PlayId, Room, RoomConfig,
    RoomStats,
};

use crate::conference::Conference;
use crate::hearing::tone_db;
use crate::net::Impairment;

/// Far enough from each other's harmonics.
const TONES: [f64; 5] = [440.0, 620.0, 1_050.0, 1_490.0, 1_930.0];
const AMPLITUDE: f64 = 4_000.0;

fn level() -> f64 {
    20.0 * (AMPLITUDE / std::f64::consts::SQRT_2 / 32_768.0).log10()
}

fn channel(number: u8) -> Channel {
    Channel::new(number).unwrap()
}

/// People who each hum a tone of their own.
fn humming(seed: u64, codecs: &[AudioCodec]) -> Conference {
    let mut conference = Conference::new(seed);
    for (&codec, hertz) in codecs.iter().zip(TONES) {
        let person = conference.joins(codec, Impairment::CLEAN.jitter(5));
        conference.people[person].hums(hertz, AMPLITUDE);
    }
    conference
}

fn order(conference: &mut Conference, command: Command) {
    let now = conference.now;
    conference.rooms[0].handle(now, Input::Command(command));
}

fn speaks(conference: &mut Conference, person: usize, channels: &[Channel]) {
    let leg = conference.people[person].leg;
    let channels = channels.iter().copied().collect();
    order(conference, Command::Speak { leg, channels });
}

fn hears(conference: &mut Conference, person: usize, hears: &[(Channel, f32)]) {
    let leg = conference.people[person].leg;
    let hears = hears.to_vec();
    order(conference, Command::Hear { leg, hears });
}

/// Checks what everybody hears: by listener the gain in dB at which each is heard, if at all.
fn judge(conference: &Conference, expected: &[&[Option<f64>]]) {
    for (listener, row) in expected.iter().enumerate() {
        let heard = conference.people[listener].lately(2.0);
        for (talker, gain) in row.iter().enumerate() {
            let is = tone_db(heard, TONES[talker]);
            match gain {
                Some(gain) => assert!(
                    (is - level() - gain).abs() < 1.0,
                    "{listener} hears {talker} at {is:.1}, not {:.1} dB",
                    level() + gain
                ),
                None => assert!(
                    is < level() - 38.0,
                    "{listener} hears {talker} at {is:.1} dB"
                ),
            }
        }
    }
}

/// Encodes of a second: shared, private.
fn encodes(conference: &mut Conference) -> (u64, u64) {
    let sum = |stats: &RoomStats| {
        let encodes = &stats.encodes;
        let all = [encodes.opus, encodes.g722, encodes.pcmu, encodes.pcma];
        (
            all.iter().map(|count| count.shared).sum::<u64>(),
            all.iter().map(|count| count.private).sum::<u64>(),
        )
    };
    let before = sum(&conference.rooms[0].stats());
    conference.runs(1_000);
    let after = sum(&conference.rooms[0].stats());
    (after.0 - before.0, after.1 - before.1)
}

const ALL: Option<f64> = Some(0.0);
const NOT: Option<f64> = None;

#[test]
fn an_aside_is_heard_by_its_members_alone_who_hear_the_others_quietly() {
    let mut conference = humming(1, &[AudioCodec::Opus; 4]);
    let aside = channel(1);
    for member in [2, 3] {
        speaks(&mut conference, member, &[aside]);
        hears(
            &mut conference,
            member,
            &[(aside, 0.0), (Channel::MAIN, -15.0)],
        );
    }
    conference.runs(4_000);
    let low = Some(-15.0);
    judge(
        &conference,
        &[
            &[NOT, ALL, NOT, NOT],
            &[ALL, NOT, NOT, NOT],
            &[low, low, NOT, ALL],
            &[low, low, ALL, NOT],
        ],
    );
    // All four talk, so each has a mix of its own, and nobody listens to a shared one.
    assert_eq!(encodes(&mut conference), (0, 200));
    // Back in the main channel everything is as before.
    for member in [2, 3] {
        speaks(&mut conference, member, &[Channel::MAIN]);
        hears(&mut conference, member, &[(Channel::MAIN, 0.0)]);
    }
    conference.runs(4_000);
    judge(
        &conference,
        &[
            &[NOT, ALL, ALL, ALL],
            &[ALL, NOT, ALL, ALL],
            &[ALL, ALL, NOT, ALL],
            &[ALL, ALL, ALL, NOT],
        ],
    );
}

#[test]
fn an_aside_takes_neither_the_floor_nor_a_place_in_the_main_mix() {
    let mut conference = humming(2, &[AudioCodec::Opus; 3]);
    let aside = channel(7);
    conference.people[2].hums(TONES[2], 20_000.0);
    speaks(&mut conference, 2, &[aside]);
    conference.runs(5_000);
    let whisperer = conference.people[2].leg;
    assert!(!conference.events.iter().any(|(_, event)| {
        *event
            == Event::Talking {
                leg: whisperer,
                on: true,
            }
            || *event
                == Event::Floor {
                    holder: Some(whisperer),
                }
    }));
    // A browser is told of voice only in what it hears: nobody else speaks once the two others are silent.
    for talker in [0, 1] {
        conference.people[talker].gone = true;
    }
    conference.runs(2_000);
    let level = conference.people[0].packets.last().unwrap().audio_level;
    assert!(!level.unwrap().voice, "{level:?}");
}

#[test]
fn a_coach_is_heard_by_exactly_one() {
    // 0: the coach, 1: the coached, 2: a customer on the phone, 3: a colleague who says nothing.
    let mut conference = humming(3, &[AudioCodec::Opus, AudioCodec::Opus, AudioCodec::Pcma]);
    let silent = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let whisper = channel(31);
    speaks(&mut conference, 0, &[whisper]);
    hears(&mut conference, 1, &[(Channel::MAIN, 0.0), (whisper, 0.0)]);
    conference.runs(4_000);
    judge(
        &conference,
        &[
            &[NOT, ALL, ALL],
            &[ALL, NOT, ALL],
            &[NOT, ALL, NOT],
            &[NOT, ALL, ALL],
        ],
    );
    // The coach does not hear himself and so shares the mix of who says nothing: one encode. The two talkers have their own.
    assert_eq!(encodes(&mut conference), (50, 100));
    assert_eq!(
        conference.payload_of_last_packet(0),
        conference.payload_of_last_packet(silent)
    );
}

#[test]
fn an_interpreted_talk_costs_one_encode_per_language() {
    // 0: the speaker, 1 and 2: interpreters, then audiences of either language and of none.
    let mut conference = humming(4, &[AudioCodec::Opus; 3]);
    let languages = [channel(1), channel(2)];
    for (interpreter, language) in [1, 2].into_iter().zip(languages) {
        speaks(&mut conference, interpreter, &[language]);
    }
    let audience: Vec<usize> = (0..9)
        .map(|_| conference.joins(AudioCodec::Opus, Impairment::CLEAN))
        .collect();
    for (index, &person) in audience.iter().enumerate() {
        if let Some(&language) = languages.get(index % 3) {
            let heard = [(language, 0.0), (Channel::MAIN, -12.0)];
            hears(&mut conference, person, &heard);
        }
    }
    conference.runs(4_000);
    let low = Some(-12.0);
    let english: &[Option<f64>] = &[low, ALL, NOT];
    let french: &[Option<f64>] = &[low, NOT, ALL];
    let neither: &[Option<f64>] = &[ALL, NOT, NOT];
    let mut expected: Vec<&[Option<f64>]> = vec![&[NOT, NOT, NOT], neither, neither];
    for _ in 0..3 {
        expected.extend([english, french, neither]);
    }
    judge(&conference, &expected);
    // Three distinct mixes are listened to, one talker hears what it speaks into.
    assert_eq!(encodes(&mut conference), (150, 50));
    assert_eq!(
        conference.payload_of_last_packet(audience[0]),
        conference.payload_of_last_packet(audience[3])
    );
    assert_eq!(
        conference.payload_of_last_packet(1),
        conference.payload_of_last_packet(audience[2])
    );
}

#[test]
fn an_announcement_is_heard_by_everyone_or_by_who_hears_its_channel() {
    let mut conference = Conference::new(5);
    let people: Vec<usize> = (0..3)
        .map(|_| conference.joins(AudioCodec::Opus, Impairment::CLEAN))
        .collect();
    let aside = channel(3);
    hears(&mut conference, 1, &[(aside, 0.0)]);
    let leg = conference.people[2].leg;
    order(&mut conference, Command::Deafen { leg, on: true });
    for (play, to, hertz) in [
        (1, Audience::Everyone, TONES[0]),
        (2, Audience::Channel(aside), TONES[1]),
        (3, Audience::Channel(Channel::MAIN), TONES[2]),
    ] {
        let mut pcm = Vec::new();
        plenum_codecs::tone::Tone::new(hertz, AMPLITUDE).extend(48_000, &mut pcm);
        let play = PlayId(play);
        let command = Command::Play {
            play,
            to,
            sound: vec![pcm.into()].into(),
            repeat: true,
        };
        order(&mut conference, command);
    }
    conference.runs(3_000);
    assert_eq!(people.len(), 3);
    judge(
        &conference,
        &[&[ALL, NOT, ALL], &[ALL, ALL, NOT], &[NOT, NOT, NOT]],
    );
}

#[test]
fn orders_about_strangers_and_nothing_to_hear_are_harmless() {
    let mut conference = humming(6, &[AudioCodec::Opus, AudioCodec::Pcmu]);
    let stranger = LegId(99);
    let channels = Channels::only(channel(5));
    let leg = stranger;
    order(&mut conference, Command::Speak { leg, channels });
    let hears_nan = vec![(Channel::MAIN, f32::NAN)];
    order(
        &mut conference,
        Command::Hear {
            leg,
            hears: hears_nan.clone(),
        },
    );
    hears(&mut conference, 0, &hears_nan);
    speaks(&mut conference, 1, &[]);
    conference.runs(3_000);
    judge(&conference, &[&[NOT, NOT], &[ALL, NOT]]);
    // Who moves to another room is back in its main channel there.
    let now = conference.now;
    let room = plenum_mixer::Room::new(plenum_mixer::RoomConfig::default(), now);
    conference.rooms.push(room);
    conference.moves(0, 1);
    conference.moves(1, 1);
    conference.runs(4_000);
    judge(&conference, &[&[NOT, ALL], &[ALL, NOT]]);
}

#[test]
fn changing_what_one_hears_does_not_click() {
    // A steady low tone; a click is a step, and shows in the upper band, where there is nothing.
    let step = |hears_other: bool| {
        let mut conference = Conference::new(7);
        let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        conference.people[talker].hums(200.0, 8_000.0);
        speaks(&mut conference, talker, &[Channel::MAIN, channel(1)]);
        conference.runs(2_000);
        let leg = conference.people[listener].leg;
        for change in 0..40 {
            if hears_other {
                match change % 4 {
                    0 => hears(&mut conference, listener, &[(Channel::MAIN, -20.0)]),
                    1 => hears(&mut conference, listener, &[(channel(1), 0.0)]),
                    2 => order(&mut conference, Command::Deafen { leg, on: true }),
                    _ => order(&mut conference, Command::Deafen { leg, on: false }),
                }
            }
            conference.runs(137);
        }
        let heard = conference.people[listener].lately(5.0);
        let step = heard
            .windows(2)
            .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs())
            .max();
        step.unwrap()
    };
    let (steady, changing) = (step(false), step(true));
    println!("worst difference of neighbours: {steady} steady, {changing} over 40 changes");
    assert!(changing < steady * 3 / 2, "{changing}, steady {steady}");
}

#[test]
fn an_audience_that_changes_over_at_once_costs_a_few_encodes_and_no_more() {
    let mut conference = humming(8, &[AudioCodec::Opus]);
    let audience: Vec<usize> = (0..60)
        .map(|_| conference.joins(AudioCodec::Opus, Impairment::CLEAN))
        .collect();
    conference.runs(2_000);
    let language = channel(1);
    for &person in &audience {
        hears(
            &mut conference,
            person,
            &[(language, 0.0), (Channel::MAIN, -12.0)],
        );
    }
    // The talker, eight who are faded over, and the others' new mix.
    let (shared, private) = encodes(&mut conference);
    assert!(private <= 50 * 9 && shared <= 50, "{shared}, {private}");
    conference.runs(3_000);
    assert_eq!(encodes(&mut conference), (50, 50));
    // To another room, all at once.
    let now = conference.now;
    let room = plenum_mixer::Room::new(plenum_mixer::RoomConfig::default(), now);
    conference.rooms.push(room);
    for &person in &audience {
        conference.moves(person, 1);
    }
    conference.runs(20);
    let opus = conference.rooms[1].stats().encodes.opus;
    assert!(opus.private <= 8 && opus.shared <= 1, "{opus:?}");
}

#[test]
fn whatever_is_ordered_everybody_gets_a_packet_every_tick_and_encodes_stay_few() {
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut conference = humming(
            seed,
            &[AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Opus],
        );
        let codecs = [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcma];
        for index in 0..9 {
            conference.joins(codecs[index % 3], Impairment::CLEAN);
        }
        let now = conference.now;
        conference.rooms.push(Room::new(RoomConfig::default(), now));
        let pcm: std::sync::Arc<[i16]> = vec![900; 30_000].into();
        for _ in 0..300 {
            let person = random.usize(0..12);
            let leg = conference.people[person].leg;
            let room = conference.people[person].room;
            let on = random.bool();
            let some = |random: &mut fastrand::Rng| channel(random.u8(0..4));
            let command = match random.u8(0..8) {
                0 | 1 => Command::Hear {
                    leg,
                    hears: (0..random.usize(0..3))
                        .map(|_| (some(&mut random), random.f32() * 70.0 - 50.0))
                        .collect(),
                },
                2 => Command::Speak {
                    leg,
                    channels: (0..random.usize(0..3)).map(|_| some(&mut random)).collect(),
                },
                3 => Command::Deafen { leg, on },
                4 => Command::Hold { leg, on },
                5 => Command::Mute { leg, on },
                _ => Command::Play {
                    play: PlayId(random.u64(0..5)),
                    to: match random.u8(0..3) {
                        0 => Audience::Leg(leg),
                        1 => Audience::Channel(some(&mut random)),
                        _ => Audience::Everyone,
                    },
                    sound: pcm.clone().into(),
                    repeat: on,
                },
            };
            let now = conference.now;
            conference.rooms[room].handle(now, Input::Command(command));
            let feedback = Feedback::Loss {
                fraction: random.u8(0..80),
            };
            conference.rooms[room].handle(now, Input::Feedback { leg, feedback });
            if random.u8(0..10) == 0 {
                conference.moves(person, 1 - room);
            }
            let encodes = |conference: &Conference| {
                let stats = conference.rooms.iter().map(|room| room.stats().encodes);
                let counts = stats.flat_map(|all| [all.opus, all.g722, all.pcmu, all.pcma]);
                counts
                    .map(|count| count.shared + count.private)
                    .sum::<u64>()
            };
            let before = encodes(&conference);
            conference.runs(20);
            let made = encodes(&conference) - before;
            // At worst everybody hears something else.
            assert!(made <= 12, "{made} encodes for 12 legs, seed {seed}");
        }
        for person in &conference.people {
            let packets = &person.packets;
            // Who moves may wait for the other room's tick.
            assert!((270..=300).contains(&packets.len()), "{}", packets.len());
            assert!(
                packets
                    .windows(2)
                    .all(|pair| pair[1].sequence == pair[0].sequence + 1)
            );
        }
        let failures = conference
            .rooms
            .iter()
            .map(|room| room.stats().codec_failures);
        assert_eq!(failures.sum::<u64>(), 0);
    }
}
