//! Who hears whom, and how well.

use plenum_codecs::audio::{AudioCodec, EncoderSetting, OpusMode};
use plenum_mixer::{Audience, Command, Event, Input, PlayId};

use crate::conference::Conference;
use crate::hearing::{best_correlation, envelope, speech, tone_db};
use crate::net::Impairment;

/// Far enough from each other's harmonics.
const TONES: [f64; 3] = [440.0, 620.0, 1_050.0];
const AMPLITUDE: f64 = 6_000.0;

#[test]
fn three_legs_hear_exactly_the_other_two() {
    let mut conference = Conference::new(1);
    for (codec, hertz) in [AudioCodec::Opus, AudioCodec::Opus, AudioCodec::Pcmu]
        .into_iter()
        .zip(TONES)
    {
        let person = conference.joins(codec, Impairment::CLEAN.jitter(10));
        conference.people[person].hums(hertz, AMPLITUDE);
    }
    conference.runs(5_000);
    let expected = 20.0 * (AMPLITUDE / std::f64::consts::SQRT_2 / 32_768.0).log10();
    for (listener, person) in conference.people.iter().enumerate() {
        for (talker, hertz) in TONES.into_iter().enumerate() {
            let level = tone_db(person.lately(2.0), hertz);
            if talker == listener {
                assert!(
                    level < expected - 40.0,
                    "{listener} hears itself at {level:.1} dB"
                );
            } else {
                assert!(
                    (level - expected).abs() < 1.0,
                    "{listener} hears {talker} at {level:.1}, not {expected:.1} dB"
                );
            }
        }
    }
}

#[test]
fn the_level_of_the_mix_is_in_the_header_where_it_was_negotiated() {
    let mut conference = Conference::new(2);
    let talker = conference.joins(AudioCodec::Pcma, Impairment::CLEAN);
    let browser = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let phone = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN);
    conference.people[talker].hums(440.0, AMPLITUDE);
    conference.runs(2_000);
    let level = conference.people[browser]
        .packets
        .last()
        .unwrap()
        .audio_level
        .unwrap();
    // 6000 of 32768, as a sine: −17.8 dBov.
    assert!((17..=19).contains(&level.dbov) && level.voice, "{level:?}");
    assert_eq!(
        conference.people[phone].packets.last().unwrap().audio_level,
        None
    );
    conference.people[talker].gone = true;
    conference.runs(2_000);
    let level = conference.people[browser]
        .packets
        .last()
        .unwrap()
        .audio_level
        .unwrap();
    assert!(level.dbov > 90 && !level.voice, "{level:?}");
}

/// How alike what is heard of a speaker on a bad line is to what is said, as the course of its loudness (10 ms steps).
fn likeness(codec: AudioCodec, setting: EncoderSetting, network: Impairment) -> (f64, Conference) {
    let text = speech(20, 42);
    let mut conference = Conference::new(5);
    let talker = conference.joins(codec, network);
    let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.people[talker].encodes_as(setting);
    conference.people[talker].reads(text.clone());
    conference.runs(20_000);
    let heard = envelope(&conference.people[listener].heard);
    (best_correlation(&envelope(&text), &heard, 40), conference)
}

#[test]
fn five_percent_loss_keeps_speech() {
    let bad = Impairment::CLEAN.loss(0.05).jitter(30);
    let fec = EncoderSetting::opus(OpusMode::Voip {
        bitrate: 32_000,
        fec_loss_percent: 10,
    });
    for (codec, setting) in [
        (AudioCodec::Opus, fec),
        (AudioCodec::G722, EncoderSetting::of(AudioCodec::G722)),
        (AudioCodec::Pcmu, EncoderSetting::of(AudioCodec::Pcmu)),
    ] {
        let (clean, _) = likeness(codec, setting, Impairment::CLEAN);
        let (lossy, conference) = likeness(codec, setting, bad);
        let stats = conference.rooms[0]
            .leg_stats(conference.people[0].leg)
            .unwrap();
        println!("{codec:?}: likeness {clean:.4} clean, {lossy:.4} at 5 % loss; {stats:?}");
        assert!(clean > 0.98, "{codec:?}: {clean} on a clean line");
        assert!(lossy > 0.95, "{codec:?}: {lossy} at 5 % loss");
        assert!(
            (25..=90).contains(&stats.lost),
            "1000 packets at 5 %: {stats:?}"
        );
        assert!(stats.late < 20, "{stats:?}");
        if codec == AudioCodec::Opus {
            assert!(stats.recovered > 20, "FEC unused: {stats:?}");
        } else {
            assert!(stats.concealed > 20 * 960, "{stats:?}");
        }
    }
}

#[test]
fn a_steady_tone_survives_loss_at_its_level() {
    let mut conference = Conference::new(11);
    let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN.loss(0.05).jitter(20));
    let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    conference.people[talker].hums(440.0, AMPLITUDE);
    conference.runs(8_000);
    let expected = 20.0 * (AMPLITUDE / std::f64::consts::SQRT_2 / 32_768.0).log10();
    for second in conference.people[listener].lately(6.0).chunks_exact(48_000) {
        let energy: f64 = second
            .iter()
            .map(|&sample| f64::from(sample).powi(2))
            .sum::<f64>()
            / 48_000.0;
        let level = 10.0 * (energy / 32_768.0_f64.powi(2)).log10();
        assert!((level - expected).abs() < 1.5, "{level:.1} dB");
    }
}

#[test]
fn a_sender_with_a_wrong_clock_adds_no_delay() {
    for millionths in [-500, 500] {
        let mut conference = Conference::new(3);
        let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN.jitter(10));
        conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        conference.people[talker].hums(440.0, AMPLITUDE);
        conference.people[talker].clock_is_off(millionths);
        let mut worst = 0;
        for _ in 0..60 {
            conference.runs(1_000);
            let stats = conference.rooms[0]
                .leg_stats(conference.people[talker].leg)
                .unwrap();
            worst = worst.max(stats.buffer_ns / 1_000_000);
        }
        let stats = conference.rooms[0]
            .leg_stats(conference.people[talker].leg)
            .unwrap();
        assert!(
            worst <= 80,
            "{millionths} ppm: {worst} ms waited, {stats:?}"
        );
        assert_eq!(stats.overflowed, 0, "{stats:?}");
    }
}

#[test]
fn a_burst_after_a_stall_never_waits_longer_than_the_cap() {
    let mut conference = Conference::new(4);
    let stalls = Impairment {
        delay: std::time::Duration::from_millis(20),
        ..Impairment::CLEAN.jitter(400)
    };
    let talker = conference.joins(AudioCodec::Pcmu, stalls);
    conference.people[talker].hums(440.0, AMPLITUDE);
    for _ in 0..500 {
        conference.runs(20);
        let stats = conference.rooms[0]
            .leg_stats(conference.people[talker].leg)
            .unwrap();
        assert!(stats.buffer_ns <= 200_000_000, "{stats:?}");
    }
}

#[test]
fn muted_deafened_and_held_legs_are_treated_so() {
    let mut conference = Conference::new(7);
    let [a, b, c] = [AudioCodec::Opus, AudioCodec::Pcmu, AudioCodec::Pcma]
        .map(|codec| conference.joins(codec, Impairment::CLEAN));
    for (person, hertz) in [a, b, c].into_iter().zip(TONES) {
        conference.people[person].hums(hertz, AMPLITUDE);
    }
    let leg = |person: usize| plenum_mixer::LegId(u64::try_from(person).unwrap() + 1);
    let hears = |conference: &Conference, who: usize, hertz: f64| {
        tone_db(conference.people[who].lately(1.0), hertz) > -30.0
    };
    let order = |conference: &mut Conference, command| {
        let now = conference.now;
        conference.rooms[0].handle(now, Input::Command(command));
        conference.runs(2_000);
    };
    conference.runs(2_000);
    assert!(hears(&conference, b, TONES[0]) && hears(&conference, c, TONES[0]));
    order(
        &mut conference,
        Command::Mute {
            leg: leg(a),
            on: true,
        },
    );
    assert!(!hears(&conference, b, TONES[0]) && hears(&conference, a, TONES[1]));
    order(
        &mut conference,
        Command::Mute {
            leg: leg(a),
            on: false,
        },
    );
    order(
        &mut conference,
        Command::Deafen {
            leg: leg(b),
            on: true,
        },
    );
    assert!(!hears(&conference, b, TONES[0]) && hears(&conference, a, TONES[1]));
    order(
        &mut conference,
        Command::Deafen {
            leg: leg(b),
            on: false,
        },
    );
    order(
        &mut conference,
        Command::Hold {
            leg: leg(c),
            on: true,
        },
    );
    assert!(!hears(&conference, c, TONES[0]) && !hears(&conference, a, TONES[2]));
    order(
        &mut conference,
        Command::Hold {
            leg: leg(c),
            on: false,
        },
    );
    order(
        &mut conference,
        Command::Gain {
            leg: leg(a),
            db: -12.0,
        },
    );
    let level = tone_db(conference.people[b].lately(1.0), TONES[0]);
    let expected = 20.0 * (AMPLITUDE / std::f64::consts::SQRT_2 / 32_768.0).log10() - 12.0;
    assert!(
        (level - expected).abs() < 1.0,
        "{level:.1}, not {expected:.1} dB"
    );
    // Whatever was ordered, everybody got a packet every 20 ms.
    for person in &conference.people {
        assert!(
            person
                .packets
                .windows(2)
                .all(|pair| pair[1].sequence == pair[0].sequence + 1)
        );
        let frame = person.packets[1]
            .timestamp
            .wrapping_sub(person.packets[0].timestamp);
        assert!(
            person
                .packets
                .windows(2)
                .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == frame)
        );
    }
}

#[test]
fn a_prompt_is_heard_by_whom_it_is_for_and_reports_its_end() {
    let mut conference = Conference::new(8);
    let caller = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN);
    let other = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let mut pcm = Vec::new();
    plenum_codecs::tone::Tone::new(500.0, AMPLITUDE).extend(48_000, &mut pcm);
    let to = Audience::Leg(conference.people[caller].leg);
    let began = conference.now;
    let play = Command::Play {
        play: PlayId(1),
        to,
        sound: vec![pcm.clone().into()].into(),
        repeat: false,
    };
    conference.rooms[0].handle(began, Input::Command(play));
    conference.runs(900);
    assert!(tone_db(conference.people[caller].lately(0.5), 500.0) > -20.0);
    assert!(tone_db(conference.people[other].lately(0.5), 500.0) < -60.0);
    conference.runs(200);
    let finished = conference
        .events
        .iter()
        .find(|(_, event)| *event == Event::PlayFinished { play: PlayId(1) });
    let took = finished.unwrap().0.since(began).as_millis();
    assert!((1_000..=1_060).contains(&took), "{took} ms");
    let play = Command::Play {
        play: PlayId(2),
        to: Audience::Everyone,
        sound: vec![pcm.into()].into(),
        repeat: true,
    };
    let now = conference.now;
    conference.rooms[0].handle(now, Input::Command(play));
    conference.runs(3_000);
    for person in &conference.people {
        assert!(tone_db(person.lately(1.0), 500.0) > -20.0);
    }
    let now = conference.now;
    conference.rooms[0].handle(now, Input::Command(Command::StopPlay { play: PlayId(2) }));
    conference.runs(2_000);
    assert!(tone_db(conference.people[other].lately(1.0), 500.0) < -60.0);
    assert!(
        !conference
            .events
            .iter()
            .any(|(_, event)| *event == Event::PlayFinished { play: PlayId(2) })
    );
}

#[test]
fn legs_of_every_codec_hear_each_other() {
    const HERTZ: [f64; 4] = [440.0, 620.0, 1_050.0, 1_490.0];
    let mut conference = Conference::new(12);
    for (codec, hertz) in AudioCodec::ALL.into_iter().zip(HERTZ) {
        let person = conference.joins(codec, Impairment::CLEAN.jitter(10));
        conference.people[person].hums(hertz, 4_000.0);
    }
    conference.runs(5_000);
    let expected = 20.0 * (4_000.0 / std::f64::consts::SQRT_2 / 32_768.0).log10();
    for (listener, codec) in AudioCodec::ALL.into_iter().enumerate() {
        let person = &conference.people[listener];
        for (talker, hertz) in HERTZ.into_iter().enumerate() {
            let level = tone_db(person.lately(2.0), hertz);
            if talker == listener {
                assert!(
                    level < expected - 35.0,
                    "{codec:?} hears itself at {level:.1} dB"
                );
            } else {
                assert!(
                    (level - expected).abs() < 1.0,
                    "{codec:?} hears {:?} at {level:.1}, not {expected:.1} dB",
                    AudioCodec::ALL[talker]
                );
            }
        }
        let frame = codec.frame_timestamps();
        assert!(
            person
                .packets
                .windows(2)
                .all(|pair| pair[1].timestamp.wrapping_sub(pair[0].timestamp) == frame)
        );
    }
    let encodes = conference.rooms[0].stats().encodes;
    assert!(encodes.g722.private > 200, "{encodes:?}");
}

#[test]
fn only_wideband_legs_hear_what_is_above_the_telephone_band() {
    let mut conference = Conference::new(13);
    let talker = conference.joins(AudioCodec::G722, Impairment::CLEAN);
    let wide = conference.joins(AudioCodec::G722, Impairment::CLEAN);
    let narrow = conference.joins(AudioCodec::Pcma, Impairment::CLEAN);
    conference.people[talker].hums(6_000.0, AMPLITUDE);
    conference.runs(3_000);
    let expected = 20.0 * (AMPLITUDE / std::f64::consts::SQRT_2 / 32_768.0).log10();
    let heard = |person: usize| tone_db(conference.people[person].lately(1.0), 6_000.0);
    assert!((heard(wide) - expected).abs() < 1.5, "{:.1}", heard(wide));
    assert!(heard(narrow) < -60.0, "{:.1}", heard(narrow));
}

/// Eight tones that are no harmonics of each other.
const EIGHT: [f64; 8] = [
    310.0, 430.0, 590.0, 770.0, 1_010.0, 1_370.0, 1_790.0, 2_330.0,
];

#[test]
fn eight_people_who_speak_at_once_are_all_heard() {
    let mut conference = Conference::new(14);
    // From −20 to −34 dBov, as people are.
    let levels: Vec<f64> = (0..8).map(|n| -20.0 - 2.0 * f64::from(n)).collect();
    for (hertz, level) in EIGHT.into_iter().zip(&levels) {
        let person = conference.joins(AudioCodec::Opus, Impairment::CLEAN.jitter(10));
        let amplitude = 32_768.0 * 2.0_f64.sqrt() * 10.0_f64.powf(level / 20.0);
        conference.people[person].hums(hertz, amplitude);
    }
    let listener = conference.joins(AudioCodec::Pcmu, Impairment::CLEAN);
    conference.runs(5_000);
    assert_eq!(conference.rooms[0].stats().talkers, 8);
    for (person, heard) in conference.people.iter().enumerate() {
        for (talker, (hertz, level)) in EIGHT.into_iter().zip(&levels).enumerate() {
            let is = tone_db(heard.lately(2.0), hertz);
            if talker == person {
                assert!(is < level - 20.0, "{person} hears itself at {is:.1} dB");
            } else {
                assert!(
                    (is - level).abs() < 1.5,
                    "{person} hears {talker} at {is:.1}, not {level:.1} dB"
                );
            }
        }
    }
    assert!(listener == 8);
}

#[test]
fn the_first_60_ms_of_a_word_are_heard() {
    // A word that begins at its full loudness, again and again after silence, on every kind of leg.
    for codec in [AudioCodec::Opus, AudioCodec::G722, AudioCodec::Pcmu] {
        let mut conference = Conference::new(15);
        let talker = conference.joins(codec, Impairment::CLEAN);
        let listener = conference.joins(AudioCodec::Pcma, Impairment::CLEAN);
        let mut tone = Vec::new();
        plenum_codecs::tone::Tone::new(500.0, AMPLITUDE).extend(9_600, &mut tone);
        let mut text = vec![0; 48_000];
        for word in 0..10 {
            text.extend(&tone);
            // Of all phases to the frames.
            text.resize(text.len() + 96_000 + word * 131, 0);
        }
        conference.people[talker].reads(text);
        conference.runs(24_000);
        let heard = &conference.people[listener].heard;
        // Energy of the first 60 ms of each word, which begins where it first exceeds a tenth of its amplitude.
        let mut words = Vec::new();
        let mut at = 0;
        while let Some(begin) = heard
            .iter()
            .skip(at)
            .position(|sample| f64::from(sample.unsigned_abs()) > AMPLITUDE / 10.0)
        {
            let begin = at + begin;
            let Some(onset) = heard.get(begin..begin + 2_880) else {
                break;
            };
            let energy: f64 = onset.iter().map(|&sample| f64::from(sample).powi(2)).sum();
            let rms = (energy / 2_880.0).sqrt();
            let length = heard
                .get(begin..begin + 14_400)
                .unwrap()
                .iter()
                .rposition(|sample| f64::from(sample.unsigned_abs()) > AMPLITUDE / 10.0)
                .unwrap();
            words.push((
                20.0 * (rms / (AMPLITUDE / std::f64::consts::SQRT_2)).log10(),
                length / 48,
            ));
            at = begin + 48_000;
        }
        println!("{codec:?}: onsets in dB and lengths in ms: {words:.1?}");
        assert_eq!(words.len(), 10, "{codec:?}");
        for (onset, length) in words {
            assert!(onset > -1.0, "{codec:?}: {onset:.1} dB");
            // All 200 ms of it.
            assert!(length >= 190, "{codec:?}: {length} ms");
        }
    }
}
