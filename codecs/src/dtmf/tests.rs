use super::*;
use crate::audio::g711::Law;
use crate::audio::g722::LowerBand;
use crate::audio::{AudioCodec, AudioEncoder, EncoderSetting, FRAME};

/// Peak of a sine of 0 dBm0.
const ZERO_DBM0: f64 = 22_300.0;
const ALL: &str = "0123456789*#ABCD";

/// What is keyed: frequencies off by parts of one, levels in dBm0, times in ms.
#[derive(Debug, Clone, Copy)]
struct Press {
    off: (f64, f64),
    level: (f64, f64),
    millis: usize,
}

const PLAIN: Press = Press {
    off: (0.0, 0.0),
    level: (-10.0, -10.0),
    millis: 40,
};

fn tones(digit: char) -> (f64, f64) {
    KEYS.iter()
        .zip(LOW)
        .find_map(|(row, low)| {
            let column = row.iter().position(|key| *key == digit)?;
            Some((f64::from(low), f64::from(HIGH[column])))
        })
        .expect("a key")
}

fn silence(millis: usize) -> Vec<i16> {
    vec![0; millis * 8]
}

#[expect(
    clippy::cast_precision_loss,
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a few thousand samples within full scale"
)]
fn press_at(rate: f64, digit: char, press: Press) -> Vec<i16> {
    let (low, high) = tones(digit);
    let sine = |hertz: f64, dbm0: f64, i: usize| {
        ZERO_DBM0
            * 10_f64.powf(dbm0 / 20.0)
            * (std::f64::consts::TAU * hertz * i as f64 / rate).sin()
    };
    (0..press.millis * rate as usize / 1_000)
        .map(|i| {
            let sum = sine(low * (1.0 + press.off.0), press.level.0, i)
                + sine(high * (1.0 + press.off.1), press.level.1, i);
            sum.round().clamp(-32_768.0, 32_767.0) as i16
        })
        .collect()
}

fn press(digit: char, press: Press) -> Vec<i16> {
    press_at(8_000.0, digit, press)
}

/// Through G.722 and its lower band, of samples at 48 kHz; what was keyed, as text.
fn heard_wide(samples: &[i16]) -> String {
    let mut encoder = AudioEncoder::new(EncoderSetting::of(AudioCodec::G722)).expect("an encoder");
    let (mut lower, mut detector) = (LowerBand::default(), ToneDetector::new());
    let mut samples = samples.to_vec();
    samples.extend([0; 5 * FRAME]);
    let frames = samples.as_chunks::<FRAME>().0.iter();
    let keyed = frames.filter_map(|frame| {
        let payload = encoder.encode(frame).expect("a payload");
        detector.push(payload.into_iter().map(|octet| lower.decode(octet)))
    });
    keyed.map(Digit::as_char).collect()
}

/// Through G.711, in packets of 20 ms, as a phone sends it; what was keyed, as text.
fn heard(law: Law, samples: &[i16]) -> String {
    let mut detector = ToneDetector::new();
    let mut samples = samples.to_vec();
    samples.extend(silence(80));
    samples
        .chunks(160)
        .filter_map(|chunk| detector.push(chunk.iter().map(|s| law.decode(law.encode(*s)))))
        .map(Digit::as_char)
        .collect()
}

fn after_silence(phase: usize, sound: Vec<i16>) -> Vec<i16> {
    let mut all = vec![0; phase];
    all.extend(sound);
    all
}

/// Every digit for 40 ms, in each combination of twist, frequency and level that a receiver has to take.
fn grid() -> impl Iterator<Item = (char, Press)> {
    let offs = [
        (0.0, 0.0),
        (0.015, 0.015),
        (-0.015, -0.015),
        (0.015, -0.015),
        (-0.015, 0.015),
    ];
    let levels = [-3.0, -10.0, -17.0, -25.0].into_iter().flat_map(|level| {
        // The stronger of both has the level.
        [-8.0, -4.0, 0.0, 4.0]
            .map(|twist| (level - f64::max(twist, 0.0), level + f64::min(twist, 0.0)))
    });
    let presses = offs.into_iter().flat_map(move |off| {
        levels.clone().map(move |level| Press {
            off,
            level,
            millis: 40,
        })
    });
    ALL.chars()
        .flat_map(move |digit| presses.clone().map(move |press| (digit, press)))
}

#[test]
fn every_digit_of_40_ms_is_heard_across_the_grid_of_twist_frequency_and_level() {
    let mut count = 0;
    for (digit, given) in grid() {
        for phase in [0, 7, 13, 21, 34] {
            let samples = after_silence(phase, press(digit, given));
            for law in [Law::A, Law::Mu] {
                let seen = heard(law, &samples);
                assert_eq!(seen, digit.to_string(), "{digit} {given:?} {phase}");
                count += 1;
            }
        }
    }
    assert_eq!(count, 12_800);
}

#[test]
fn a_tone_off_its_frequency_is_no_digit() {
    for digit in ALL.chars() {
        for off in [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035)] {
            let samples = press(
                digit,
                Press {
                    off,
                    millis: 100,
                    ..PLAIN
                },
            );
            assert_eq!(heard(Law::A, &samples), "", "{digit} {off:?}");
        }
    }
}

#[test]
fn a_tone_of_23_ms_is_no_digit() {
    for digit in ALL.chars() {
        for phase in 0..40 {
            let samples = after_silence(
                phase,
                press(
                    digit,
                    Press {
                        millis: 23,
                        ..PLAIN
                    },
                ),
            );
            assert_eq!(heard(Law::A, &samples), "", "{digit} {phase}");
        }
    }
}

#[test]
fn an_interruption_of_10_ms_does_not_make_two_of_one_and_a_pause_of_40_ms_does() {
    for digit in ALL.chars() {
        for phase in [0, 11, 27] {
            let twice = |pause: usize| {
                let mut samples = after_silence(phase, press(digit, PLAIN));
                samples.extend(silence(pause));
                samples.extend(press(digit, PLAIN));
                heard(Law::Mu, &samples)
            };
            assert_eq!(twice(10), digit.to_string());
            assert_eq!(twice(40), format!("{digit}{digit}"), "{phase}");
        }
    }
}

#[test]
fn digits_follow_one_another_with_40_ms_between() {
    let mut samples = Vec::new();
    for digit in ALL.chars() {
        samples.extend(press(digit, PLAIN));
        samples.extend(silence(40));
    }
    assert_eq!(heard(Law::A, &samples), ALL);
}

#[test]
fn a_long_press_is_one_digit() {
    let samples = press(
        '5',
        Press {
            millis: 3_000,
            ..PLAIN
        },
    );
    assert_eq!(heard(Law::A, &samples), "5");
}

#[test]
fn one_tone_alone_or_too_weak_a_digit_is_none() {
    let alone = Press {
        level: (-10.0, -90.0),
        millis: 200,
        ..PLAIN
    };
    let weak = Press {
        level: (-45.0, -45.0),
        millis: 200,
        ..PLAIN
    };
    for digit in ALL.chars() {
        assert_eq!(heard(Law::A, &press(digit, alone)), "");
        assert_eq!(heard(Law::A, &press(digit, weak)), "");
    }
}

/// 15 dB of noise below the tones.
#[test]
fn a_digit_is_heard_through_a_noisy_line() {
    let mut random = fastrand::Rng::with_seed(7);
    for digit in ALL.chars() {
        for _ in 0..20 {
            let mut samples = after_silence(random.usize(0..40), press(digit, PLAIN));
            for sample in &mut samples {
                // Uniform: its power is a third of its peak's square; the tones' is the square of one peak, 7,052.
                *sample = sample.saturating_add(random.i16(-2_100..=2_100));
            }
            assert_eq!(heard(Law::A, &samples), digit.to_string());
        }
    }
}

#[test]
fn noise_is_no_digit() {
    let mut random = fastrand::Rng::with_seed(11);
    let noise: Vec<i16> = (0..8_000 * 120)
        .map(|_| random.i16(-8_000..=8_000))
        .collect();
    assert_eq!(heard(Law::A, &noise), "");
}

#[test]
fn in_g722_every_digit_of_40_ms_is_heard_across_the_grid_too() {
    let mut count = 0;
    for (digit, given) in grid() {
        for phase in [0, 130] {
            let samples = after_silence(phase, press_at(48_000.0, digit, given));
            let seen = heard_wide(&samples);
            assert_eq!(seen, digit.to_string(), "{digit} {given:?} {phase}");
            count += 1;
        }
    }
    assert_eq!(count, 2_560);
}

#[test]
fn in_g722_what_is_too_short_too_weak_or_off_is_no_digit_either() {
    let none = |press: Press, why: &str| {
        for digit in ALL.chars() {
            for phase in [0, 50, 100, 150, 200] {
                let samples = after_silence(phase, press_at(48_000.0, digit, press));
                assert_eq!(heard_wide(&samples), "", "{digit} {phase}: {why}");
            }
        }
    };
    none(
        Press {
            millis: 23,
            ..PLAIN
        },
        "23 ms",
    );
    for off in [(0.035, 0.0), (-0.035, 0.0), (0.0, 0.035), (0.0, -0.035)] {
        let millis = 100;
        none(
            Press {
                off,
                millis,
                ..PLAIN
            },
            "off its frequency",
        );
    }
    let (level, millis) = ((-45.0, -45.0), 200);
    none(
        Press {
            level,
            millis,
            ..PLAIN
        },
        "weak",
    );
    let level = (-10.0, -90.0);
    none(
        Press {
            level,
            millis,
            ..PLAIN
        },
        "one tone",
    );
}

#[test]
fn in_g722_digits_follow_one_another_with_40_ms_between() {
    let mut samples = Vec::new();
    for digit in ALL.chars() {
        samples.extend(press_at(48_000.0, digit, PLAIN));
        samples.extend([0; 2 * FRAME]);
    }
    assert_eq!(heard_wide(&samples), ALL);
}
