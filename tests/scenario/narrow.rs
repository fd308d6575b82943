//! Viewers of the picture of all whose lines carry less than it: each has a size that comes through, and nobody else has less for it.

use plenum_codecs::video::vp8;
use plenum_mixer::{Feedback, Input, LegId, Rendition, Size, Viewing};

use crate::camera::{Studio, VP8};

const PICTURE: Option<u64> = Some(LegId::COMPOSITE.0);
/// Between estimates, in ms.
const TELLS: u64 = 200;

/// Four people who see the composite.
fn four() -> Studio {
    let mut studio = Studio::new();
    studio.gives(Viewing::Composite);
    for _ in 0..4 {
        studio.joins(&[VP8], &[VP8], 1);
    }
    studio.composes(true);
    studio.runs(1_000);
    studio
}

/// Lets time pass in which the lines of the first so many carry these bit/s.
fn runs(studio: &mut Studio, millis: u64, lines: &[u64]) {
    for _ in 0..millis / TELLS {
        for (person, &bits_per_second) in lines.iter().enumerate() {
            let leg = studio.people[person].leg;
            let feedback = Feedback::Estimate { bits_per_second };
            studio
                .room
                .handle(studio.now, Input::Feedback { leg, feedback });
            studio.collect();
        }
        studio.runs(TELLS);
        for person in 0..4 {
            assert_eq!(studio.sees(person), [PICTURE], "at {:?}", studio.now);
        }
    }
}

fn made(studio: &Studio) -> Vec<Size> {
    let composer = studio.composer.as_ref().unwrap();
    let all = Rendition::all().filter(|rendition| composer.makes(*rendition));
    all.map(|rendition| rendition.size).collect()
}

fn pictures(studio: &Studio) -> Vec<u64> {
    let people = studio.people.iter();
    people.map(|person| person.screens[0].pictures).collect()
}

#[test]
fn two_sizes_beside_the_whole_are_made_while_somebody_needs_them_and_no_picture_breaks() {
    let mut studio = four();
    assert_eq!(made(&studio), [Size::Whole]);
    runs(&mut studio, 9_000, &[5_000_000, 300_000, 250_000]);
    assert_eq!(made(&studio), [Size::Whole, Size::Quarter]);
    runs(&mut studio, 16_000, &[640_000, 300_000, 250_000]);
    assert_eq!(made(&studio), [Size::Whole, Size::Half, Size::Quarter]);
    let before = pictures(&studio);
    runs(&mut studio, 4_000, &[640_000, 300_000, 250_000]);
    for (after, before) in pictures(&studio).iter().zip(before) {
        assert!(after - before >= 118, "{} pictures in 4 s", after - before);
    }
    runs(&mut studio, 60_000, &[5_000_000, 5_000_000, 5_000_000]);
    assert_eq!(made(&studio), [Size::Whole]);
}

#[test]
fn estimates_that_begin_low_and_climb_move_nobody() {
    let mut studio = four();
    for step in 0..60_u64 {
        let climbing = 450_000 + step * 60_000;
        runs(&mut studio, 400, &[climbing, climbing * 2]);
        assert_eq!(made(&studio), [Size::Whole], "at {climbing}");
    }
}

#[test]
fn who_loses_pictures_on_a_weak_line_costs_others_no_keyframes() {
    let mut studio = four();
    runs(&mut studio, 9_000, &[5_000_000, 200_000]);
    let keyframes = |studio: &Studio, person: usize| {
        let packets = &studio.people[person].screens[0].packets;
        let begin = packets
            .iter()
            .filter(|packet| vp8::is_keyframe_start(&packet.payload));
        begin.count()
    };
    let before = [0, 1].map(|person| keyframes(&studio, person));
    for _ in 0..50 {
        studio.asks_for_keyframe(1, 0);
        runs(&mut studio, TELLS, &[5_000_000, 200_000]);
    }
    let after = [0, 1].map(|person| keyframes(&studio, person));
    assert_eq!(after[0], before[0], "others keep theirs");
    assert!((15..=21).contains(&(after[1] - before[1])), "{after:?}");
}

#[test]
fn a_composer_that_begins_anew_gives_each_its_size() {
    let mut studio = four();
    runs(&mut studio, 9_000, &[5_000_000, 200_000]);
    studio.composes(false);
    studio.runs(500);
    studio.composes(true);
    studio.runs(500);
    assert_eq!(made(&studio), [Size::Whole, Size::Quarter]);
    runs(&mut studio, 400, &[5_000_000, 200_000]);
}
