//! Handing a listener from one encoder to another: by measurement nobody hears it, and only who reports loss is protected from it.

use plenum_codecs::audio::{AudioCodec, AudioDecoder, EncoderSetting, FRAME, OpusMode};
use plenum_mixer::{Feedback, Input, OutPacket};

use crate::conference::Conference;
use crate::hearing::{best_correlation, envelope, speech, tone_db, worst_residue_db};
use crate::net::Impairment;

const HERTZ: f64 = 440.0;
const AMPLITUDE: f64 = 6_000.0;

fn worst_step(samples: &[i16]) -> i32 {
    let steps = samples
        .windows(2)
        .map(|pair| (i32::from(pair[1]) - i32::from(pair[0])).abs());
    steps.max().unwrap()
}

fn reports(conference: &mut Conference, person: usize, fraction: u8) {
    let leg = conference.people[person].leg;
    let now = conference.now;
    let feedback = Feedback::Loss { fraction };
    conference.rooms[0].handle(now, Input::Feedback { leg, feedback });
}

/// Whether Opus payloads can be restored: whether a SILK layer is in them (RFC 6716 §3.1).
fn protected(packet: &OutPacket) -> bool {
    packet.payload.first().is_some_and(|toc| toc >> 3 < 16)
}

/// How somebody hears a steady tone who now and then says something, or never does: the worst 20 ms in dB below the tone, and the
/// worst difference of neighbouring samples.
fn beside_a_tone(codec: AudioCodec, setting: EncoderSetting, turns: u64) -> (f64, i32) {
    let mut conference = Conference::new(6);
    let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let [other, silent] = [(); 2].map(|()| {
        let person = conference.joins(codec, Impairment::CLEAN);
        conference.sends(person, setting);
        person
    });
    conference.people[talker].hums(HERTZ, AMPLITUDE);
    conference.runs(3_000);
    let same = |conference: &Conference| {
        conference.payload_of_last_packet(other) == conference.payload_of_last_packet(silent)
    };
    assert!(same(&conference), "{codec:?}: shared at first");
    // `other` says something for 300 ms: it gets a rendition of its own, and is put back on the shared one later.
    for turn in 0..12 {
        if turn < turns {
            let words = speech(1, turn).into_iter().take(14_400).collect();
            conference.people[other].reads(words);
            conference.runs(300);
            assert!(!same(&conference), "{codec:?}: private now");
            conference.runs(3_700);
        } else {
            conference.runs(4_000);
        }
    }
    let heard = conference.people[other].lately(48.0);
    let level = tone_db(heard, HERTZ);
    let expected = 20.0 * (AMPLITUDE / std::f64::consts::SQRT_2 / 32_768.0).log10();
    assert!((level - expected).abs() < 0.5, "{level:.1} dB");
    let measured = (worst_residue_db(heard, HERTZ), worst_step(heard));
    conference.people[talker].reads(Vec::new());
    conference.runs(2_000);
    assert!(same(&conference), "{codec:?}: shared again");
    measured
}

#[test]
fn a_listener_does_not_hear_its_rendition_change() {
    // With encoders warmed by 60 ms of the mix, as it was once, the frame of a change stood out at −22 dB.
    for (codec, setting, worst) in [
        (
            AudioCodec::Opus,
            EncoderSetting::of(AudioCodec::Opus),
            -28.0,
        ),
        (
            AudioCodec::Opus,
            EncoderSetting::opus(OpusMode::LOSSY),
            -30.0,
        ),
        (
            AudioCodec::G722,
            EncoderSetting::of(AudioCodec::G722),
            -40.0,
        ),
        (
            AudioCodec::Pcma,
            EncoderSetting::of(AudioCodec::Pcma),
            -30.0,
        ),
    ] {
        let steady = beside_a_tone(codec, setting, 0);
        let changing = beside_a_tone(codec, setting, 12);
        println!(
            "{codec:?} {:?}: worst 20 ms {:.1} dB beside the tone over 24 changes, {:.1} without; worst step {} and {}",
            setting.opus, changing.0, steady.0, changing.1, steady.1
        );
        assert!(changing.0 < worst, "{codec:?}: a click");
        assert!(changing.1 < steady.1 * 6 / 5, "{codec:?}: a step");
    }
}

#[test]
fn a_listener_with_loss_is_protected_while_it_lasts_and_shares_with_its_like() {
    let mut conference = Conference::new(1);
    let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
    let [good, bad, worse, phone] = [
        AudioCodec::Opus,
        AudioCodec::Opus,
        AudioCodec::Opus,
        AudioCodec::Pcmu,
    ]
    .map(|codec| conference.joins(codec, Impairment::CLEAN));
    conference.people[talker].reads(speech(90, 3));
    let is_protected = |conference: &Conference, person: usize| {
        protected(conference.people[person].packets.last().unwrap())
    };
    let mut changes = 0;
    let mut was = false;
    for second in 0..80 {
        let before = conference.rooms[0].stats().encodes;
        conference.runs(1_000);
        let after = conference.rooms[0].stats().encodes;
        let loss = if (10..40).contains(&second) { 26 } else { 1 };
        reports(&mut conference, bad, loss);
        reports(&mut conference, worse, loss + 1);
        reports(&mut conference, phone, 60);
        assert!(!is_protected(&conference, good));
        let now = is_protected(&conference, bad);
        changes += u32::from(now != was);
        was = now;
        match second {
            13..=40 | 55..=79 => {
                assert_eq!(now, second < 50, "after {second} s");
                assert_eq!(
                    conference.payload_of_last_packet(bad),
                    conference.payload_of_last_packet(worse)
                );
                let shared = after.opus.shared - before.opus.shared;
                let settings = if now { 2 } else { 1 };
                assert_eq!(shared, 50 * settings, "encodes at {second} s");
                assert_eq!(after.opus.private - before.opus.private, 50);
                assert_eq!(after.pcmu.shared - before.pcmu.shared, 50);
            }
            _ => {}
        }
    }
    assert_eq!(changes, 2, "protected once, and back once");
}

/// What a client makes of packets of which it misses some: FEC from the next, else concealment.
fn client(packets: &[OutPacket], lost: &[bool]) -> Vec<i16> {
    let mut decoder = AudioDecoder::new(AudioCodec::Opus).unwrap();
    let mut heard = Vec::new();
    for (index, packet) in packets.iter().enumerate() {
        if !lost[index] {
            decoder.decode(&packet.payload, &mut heard).unwrap();
            continue;
        }
        let next = packets.get(index + 1).filter(|_| !lost[index + 1]);
        let restored = next.is_some_and(|next| {
            decoder
                .decode_fec(&next.payload, FRAME, &mut heard)
                .unwrap()
        });
        if !restored {
            decoder.conceal(FRAME, &mut heard);
        }
    }
    heard
}

#[test]
fn protection_makes_speech_better_at_ten_percent_loss() {
    let text = speech(30, 17);
    let likeness = |protect: bool| {
        let mut conference = Conference::new(9);
        let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        conference.people[talker].reads(text.clone());
        for _ in 0..30 {
            if protect {
                reports(&mut conference, listener, 26);
            }
            conference.runs(1_000);
        }
        let packets = conference.people[listener].packets.split_off(150);
        assert!(packets.iter().all(|packet| protected(packet) == protect));
        let mut random = fastrand::Rng::with_seed(4);
        let mut lost: Vec<bool> = packets.iter().map(|_| random.f64() < 0.1).collect();
        lost.push(true);
        let none = vec![false; lost.len()];
        let (whole, holed) = (client(&packets, &none), client(&packets, &lost));
        // Signal to noise in the frames that were lost.
        let (mut signal, mut noise) = (1.0, 1.0);
        for (index, _) in lost.iter().enumerate().filter(|(_, lost)| **lost) {
            let range = index * FRAME..(index + 1) * FRAME;
            let (Some(whole), Some(holed)) = (whole.get(range.clone()), holed.get(range)) else {
                continue;
            };
            for (&whole, &holed) in whole.iter().zip(holed) {
                signal += f64::from(whole).powi(2);
                noise += (f64::from(whole) - f64::from(holed)).powi(2);
            }
        }
        let words = envelope(text.get(3 * 48_000..).unwrap());
        let likeness = best_correlation(&words, &envelope(&holed), 40);
        (10.0 * (signal / noise).log10(), likeness)
    };
    let (bare, fec) = (likeness(false), likeness(true));
    println!(
        "10 % loss: lost frames {:.1} dB over their error, likeness {:.4}; with FEC {:.1} dB, {:.4}",
        bare.0, bare.1, fec.0, fec.1
    );
    assert!(fec.0 > bare.0 + 3.0);
    assert!(fec.1 > bare.1);
}

#[test]
fn going_over_to_protection_and_back_makes_no_step() {
    let worst = |changes: bool| {
        let mut conference = Conference::new(12);
        let talker = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        let listener = conference.joins(AudioCodec::Opus, Impairment::CLEAN);
        conference.people[talker].hums(HERTZ, AMPLITUDE);
        conference.runs(2_000);
        let mut seen = 0;
        let mut was = false;
        for second in 0..100 {
            let loss = if changes && second % 25 < 8 { 30 } else { 0 };
            reports(&mut conference, listener, loss);
            conference.runs(1_000);
            let now = protected(conference.people[listener].packets.last().unwrap());
            seen += u32::from(now != was);
            was = now;
        }
        (worst_step(conference.people[listener].lately(100.0)), seen)
    };
    let ((steady, none), (changing, some)) = (worst(false), worst(true));
    println!("worst step {steady} without changes, {changing} over {some}");
    assert!(none == 0 && some == 8, "{none} and {some} changes");
    // A tone, which never pauses, is the worst that there is: in speech the change waits for a pause.
    assert!(changing < steady * 3 / 2);
}
