//! A tone of ten minutes through a whole room: sent, buffered, decoded, mixed, encoded and decoded again, no sample is missing.

use std::f64::consts::TAU;

use plenum_codecs::audio::{AudioCodec, FRAME};

use crate::conference::Conference;
use crate::net::Impairment;

const HERTZ: f64 = 1_000.0;
/// −15.3 dBov.
const AMPLITUDE: f64 = 8_000.0;

/// What became of the tone.
#[derive(Debug)]
struct Heard {
    /// Worst 20 ms: what is no tone, in dB below it.
    residue: f64,
    /// Worst change of phase from one frame to the next, in radians; a missing sample is 0.13 of them.
    phase: f64,
    /// Least and greatest amplitude of a frame.
    amplitude: (f64, f64),
}

impl Heard {
    /// Fits a sine and a cosine to each frame.
    fn of(samples: &[i16], hertz: f64) -> Self {
        let step = TAU * hertz / 48_000.0;
        let base: Vec<(f64, f64)> = (0u32..960)
            .map(|i| (step * f64::from(i)).sin_cos())
            .collect();
        let sum = |of: fn(&(f64, f64)) -> f64| base.iter().map(of).sum::<f64>();
        let (ss, cc, sc) = (
            sum(|(s, _)| s * s),
            sum(|(_, c)| c * c),
            sum(|(s, c)| s * c),
        );
        // A frame is 20 ms.
        let turn = TAU * hertz / 50.0;
        let mut heard = Self {
            residue: f64::NEG_INFINITY,
            phase: 0.0,
            amplitude: (f64::INFINITY, 0.0),
        };
        let mut last = None;
        for frame in samples.as_chunks::<FRAME>().0 {
            let (mut xs, mut xc, mut power) = (0.0, 0.0, 0.0);
            for (&sample, (sin, cos)) in frame.iter().zip(&base) {
                let sample = f64::from(sample);
                xs += sample * sin;
                xc += sample * cos;
                power += sample * sample;
            }
            let determinant = ss * cc - sc * sc;
            let (a, b) = (
                (xs * cc - xc * sc) / determinant,
                (xc * ss - xs * sc) / determinant,
            );
            let tone = (a * xs + b * xc).max(1.0);
            let residue = 10.0 * ((power - tone).max(1.0) / tone).log10();
            heard.residue = heard.residue.max(residue);
            let (size, angle) = (a.hypot(b), b.atan2(a));
            heard.amplitude = (heard.amplitude.0.min(size), heard.amplitude.1.max(size));
            if let Some(last) = last.replace(angle) {
                let off = (angle - last - turn).rem_euclid(TAU);
                heard.phase = heard.phase.max(off.min(TAU - off));
            }
        }
        heard
    }
}

/// What a phone or a browser hears for so long of another, whose clock is off; both clean lines.
fn hums(codec: AudioCodec, seconds: u64, millionths: i32) -> Heard {
    let mut conference = Conference::new(21);
    let talker = conference.joins(codec, Impairment::CLEAN);
    let listener = conference.joins(codec, Impairment::CLEAN);
    conference.people[talker].hums(HERTZ, AMPLITUDE);
    conference.people[talker].clock_is_off(millionths);
    conference.runs(2_000);
    let leg = conference.people[talker].leg;
    let before = conference.rooms[0].leg_stats(leg).unwrap();
    conference.people[listener].heard.clear();
    conference.runs(seconds * 1_000);
    let after = conference.rooms[0].leg_stats(leg).unwrap();
    let heard = &conference.people[listener].heard;
    assert_eq!(heard.len() / FRAME, usize::try_from(seconds).unwrap() * 50);
    assert_eq!(
        after.lost + after.late + after.concealed + after.overflowed,
        before.concealed,
        "{after:?}"
    );
    let stretched = after.accelerated + after.expanded - before.accelerated - before.expanded;
    // Ten minutes at 300 ppm are 180 ms. Periods that are put in add up to a frame and some more, which is taken out again.
    let drift = seconds * 48_000 * u64::from(millionths.unsigned_abs()) / 1_000_000;
    let most = if drift == 0 { 0 } else { 2 * drift + 960 };
    assert!(
        (drift.saturating_sub(960)..=most).contains(&stretched),
        "{stretched} samples stretched at a drift of {drift}"
    );
    let hertz = HERTZ * (1.0 + f64::from(millionths) / 1e6);
    let measured = Heard::of(heard, hertz);
    println!(
        "{codec:?} {millionths:+} ppm, {seconds} s: {measured:.3?}, {stretched} samples stretched"
    );
    measured
}

fn is_whole(codec: AudioCodec, heard: &Heard, residue: f64, phase: f64) {
    assert!(heard.residue < residue, "{codec:?}: {heard:?}");
    assert!(heard.phase < phase, "{codec:?}: {heard:?}");
    let (least, most) = heard.amplitude;
    assert!(
        least > AMPLITUDE * 0.95 && most < AMPLITUDE * 1.05,
        "{codec:?}: {heard:?}"
    );
}

#[test]
fn ten_minutes_of_a_browsers_tone_have_no_gap_and_no_break_of_phase() {
    is_whole(
        AudioCodec::Opus,
        &hums(AudioCodec::Opus, 600, 0),
        -30.0,
        0.05,
    );
}

#[test]
fn ten_minutes_of_a_phones_tone_have_no_gap_and_no_break_of_phase() {
    is_whole(
        AudioCodec::Pcmu,
        &hums(AudioCodec::Pcmu, 600, 0),
        -30.0,
        0.05,
    );
}

#[test]
fn a_clock_off_by_300_ppm_makes_no_gap_in_a_tone() {
    for (codec, seconds) in [(AudioCodec::Opus, 120), (AudioCodec::Pcmu, 600)] {
        for millionths in [-300, 300] {
            is_whole(codec, &hums(codec, seconds, millionths), -20.0, 0.1);
        }
    }
}
