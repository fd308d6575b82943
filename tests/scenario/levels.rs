//! How loud callers end in the mix, and what else becomes of their sound.

use plenum_codecs::audio::AudioCodec;
use plenum_codecs::tone::Tone;
use plenum_mixer::{Audience, Command, Input, PlayId, Room, RoomConfig};
use plenum_tests::active_level::active_level;

use crate::conference::Conference;
use crate::hearing::{best_correlation, envelope, speech, tone_db};
use crate::net::Impairment;

/// Samples of a second.
const SECOND: usize = 48_000;

fn power_db(samples: &[i16]) -> f64 {
    let energy: f64 = samples
        .iter()
        .map(|&sample| f64::from(sample).powi(2))
        .sum();
    let count = f64::from(u32::try_from(samples.len()).unwrap());
    10.0 * (energy / count / 32_768.0_f64.powi(2)).max(1e-13).log10()
}

/// Speech at an active level, on a line with noise; both in dBov.
fn voice(seconds: u32, dbov: f64, noise: f64) -> Vec<i16> {
    let text = speech(seconds, 17);
    let gain = 10.0_f64.powf((dbov - active_level(&text, 48_000)) / 20.0);
    // Uniform noise between ±a has a power of a²/3.
    let peak = 32_768.0 * 10.0_f64.powf(noise / 20.0) * 3.0_f64.sqrt();
    let mut random = fastrand::Rng::with_seed(4);
    text.into_iter()
        .map(|sample| {
            let noise = (2.0 * random.f64() - 1.0) * peak;
            #[expect(clippy::cast_possible_truncation, reason = "`as` saturates")]
            let sample = (f64::from(sample) * gain + noise).round() as i16;
            sample
        })
        .collect()
}

/// What a listener hears of a caller, in a room that levels voices.
fn heard(codec: AudioCodec, said: Vec<i16>) -> Vec<i16> {
    heard_in(RoomConfig::default(), codec, said)
}

fn heard_in(config: RoomConfig, codec: AudioCodec, said: Vec<i16>) -> Vec<i16> {
    let mut conference = Conference::new(21);
    conference.rooms[0] = Room::new(config, conference.now);
    let caller = conference.joins(codec, Impairment::CLEAN);
    let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let millis = u64::try_from(said.len() / 48).unwrap();
    conference.people[caller].reads(said);
    conference.runs(millis);
    std::mem::take(&mut conference.people[listener].heard)
}

#[test]
fn callers_from_quiet_to_loud_end_within_3_db() {
    let mut levels = Vec::new();
    for (codec, noise) in [(AudioCodec::Pcmu, -68.0), (AudioCodec::Opus, -75.0)] {
        for dbov in [-45.0, -38.0, -31.0, -26.0, -20.0, -15.0] {
            let heard = heard(codec, voice(14, dbov, noise));
            let level = active_level(&heard[8 * SECOND..], 48_000);
            println!("{codec:?}: {dbov} dBov became {level:.2}");
            levels.push(level);
        }
    }
    let (least, most) = levels
        .iter()
        .fold((0.0_f64, -99.0_f64), |(least, most), &level| {
            (least.min(level), most.max(level))
        });
    assert!(most - least < 3.0, "{levels:.1?}");
    assert!((-28.0..-24.0).contains(&least), "{levels:.1?}");
}

#[test]
fn a_voice_of_the_usual_level_keeps_it() {
    let said = voice(12, -26.0, -70.0);
    let before = active_level(&said[6 * SECOND..], 48_000);
    let after = active_level(&heard(AudioCodec::Opus, said)[6 * SECOND..], 48_000);
    assert!(
        (after - before).abs() < 0.5,
        "{before:.2} became {after:.2}"
    );
}

#[test]
fn the_words_of_a_quiet_caller_are_whole() {
    for (codec, noise) in [(AudioCodec::Pcmu, -68.0), (AudioCodec::Opus, -75.0)] {
        let said = voice(16, -45.0, noise);
        let heard = heard(codec, said.clone());
        let louder: Vec<i16> = said.iter().map(|sample| sample.saturating_mul(9)).collect();
        let likeness = best_correlation(
            &envelope(&louder[8 * SECOND..]),
            &envelope(&heard[8 * SECOND..]),
            40,
        );
        println!("{codec:?}: likeness {likeness:.4}");
        assert!(likeness > 0.97, "{codec:?}: {likeness:.4}");
    }
}

#[test]
fn noise_does_not_breathe_in_pauses() {
    let mut said = voice(15, -40.0, -65.0);
    // From 10 s on a pause of 400 ms after each 600 ms: the line alone.
    let pause = voice(1, -200.0, -65.0);
    for second in said[10 * SECOND..].chunks_exact_mut(SECOND) {
        second[28_800..].copy_from_slice(&pause[..19_200]);
    }
    let levelled = heard(AudioCodec::Pcma, said.clone());
    let config = RoomConfig {
        levelling: false,
        ..RoomConfig::default()
    };
    let plain = heard_in(config, AudioCodec::Pcma, said);
    // 100 to 300 ms into each pause, delays of at most 100 ms allowed for.
    let noise = |heard: &[i16]| -> Vec<f64> {
        (10..15)
            .flat_map(|second| {
                let at = second * SECOND + 28_800 + 4_800;
                heard[at..at + 9_600].chunks_exact(1_920).map(power_db)
            })
            .collect()
    };
    let mean = |levels: &[f64]| levels.iter().sum::<f64>() / f64::from(25_u8);
    let levels = noise(&levelled);
    let raised = mean(&levels) - mean(&noise(&plain));
    let span = 6 * SECOND..10 * SECOND;
    let gain = active_level(&levelled[span.clone()], 48_000) - active_level(&plain[span], 48_000);
    println!("speech {gain:.1} dB louder, noise {raised:.1} dB: {levels:.1?}");
    assert!((gain - 14.0).abs() < 2.0, "{gain:.1} dB");
    assert!(raised < gain + 1.0, "{raised:.1} dB");
    assert!(
        levels
            .iter()
            .all(|level| (level - mean(&levels)).abs() < 1.5),
        "{levels:.1?}"
    );
}

#[test]
fn noise_suppression_lowers_noise_by_10_db_and_keeps_the_voice() {
    let mut said = voice(15, -26.0, -46.0);
    let pause = voice(1, -200.0, -46.0);
    for second in said[5 * SECOND..].chunks_exact_mut(SECOND) {
        second[28_800..].copy_from_slice(&pause[..19_200]);
    }
    let [plain, clean] = [false, true].map(|on| {
        let mut conference = Conference::new(24);
        let config = RoomConfig {
            levelling: false,
            ..RoomConfig::default()
        };
        conference.rooms[0] = Room::new(config, conference.now);
        let caller = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        let leg = conference.people[caller].leg;
        let now = conference.now;
        conference.rooms[0].handle(now, Input::Command(Command::Denoise { leg, on }));
        conference.people[caller].reads(said.clone());
        conference.runs(15_000);
        std::mem::take(&mut conference.people[listener].heard)
    });
    let noise = |heard: &[i16]| {
        let power: f64 = (5..15)
            .map(|second| {
                let at = second * SECOND + 28_800 + 9_600;
                10.0_f64.powf(power_db(&heard[at..at + 4_800]) / 10.0)
            })
            .sum();
        10.0 * (power / 10.0).log10()
    };
    let speech = |heard: &[i16]| active_level(&heard[5 * SECOND..], 48_000);
    let lowered = noise(&plain) - noise(&clean);
    let kept = speech(&clean) - speech(&plain);
    println!("noise {lowered:.1} dB lower, speech {kept:.2} dB");
    assert!(lowered > 10.0, "{lowered:.1} dB");
    assert!(kept.abs() < 2.0, "{kept:.2} dB");
}

#[test]
fn a_tone_is_not_levelled() {
    for amplitude in [600.0, 20_000.0] {
        let mut conference = Conference::new(22);
        let caller = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        conference.people[caller].hums(440.0, amplitude);
        conference.runs(10_000);
        let level = tone_db(conference.people[listener].lately(2.0), 440.0);
        let expected = 20.0 * (amplitude / std::f64::consts::SQRT_2 / 32_768.0).log10();
        assert!(
            (level - expected).abs() < 0.2,
            "{level:.2}, not {expected:.2} dB"
        );
    }
}

#[test]
fn a_held_leg_hears_its_music_and_nothing_else() {
    let mut conference = Conference::new(23);
    let [held, other] = [AudioCodec::Pcmu, AudioCodec::Opus]
        .map(|codec| conference.joins(codec, Impairment::CLEAN));
    conference.people[held].hums(440.0, 6_000.0);
    conference.people[other].hums(620.0, 6_000.0);
    let mut pcm = Vec::new();
    Tone::new(1_050.0, 6_000.0).extend(SECOND, &mut pcm);
    let leg = conference.people[held].leg;
    for command in [
        Command::Hold { leg, on: true },
        Command::Play {
            play: PlayId(1),
            to: Audience::Leg(leg),
            sound: vec![pcm.into()].into(),
            repeat: true,
        },
    ] {
        let now = conference.now;
        conference.rooms[0].handle(now, Input::Command(command));
    }
    conference.runs(4_000);
    let hears = |conference: &Conference, who: usize, hertz: f64| {
        tone_db(conference.people[who].lately(1.0), hertz)
    };
    assert!(hears(&conference, held, 1_050.0) > -20.0);
    assert!(hears(&conference, held, 620.0) < -60.0);
    assert!(hears(&conference, other, 1_050.0) < -60.0);
    assert!(hears(&conference, other, 440.0) < -60.0);
    for command in [
        Command::Hold { leg, on: false },
        Command::StopPlay { play: PlayId(1) },
    ] {
        let now = conference.now;
        conference.rooms[0].handle(now, Input::Command(command));
    }
    conference.runs(3_000);
    assert!(hears(&conference, held, 1_050.0) < -60.0);
    assert!(hears(&conference, held, 620.0) > -20.0);
    assert!(hears(&conference, other, 440.0) > -20.0);
}
