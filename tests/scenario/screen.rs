//! A shared screen beside the cameras: where it is seen, who may show one, and that it never takes a camera's place for good.

use plenum_mixer::LegId;

use crate::camera::{Studio, VP8};

/// Four with cameras and three slots each; the first has the floor and presents.
fn presentation() -> Studio {
    let mut studio = Studio::new();
    for _ in 0..4 {
        studio.joins(&[VP8], &[VP8], 3);
    }
    studio.talks(0);
    studio.runs(2_000);
    studio.sends_screen(0);
    studio.presents(0, true);
    studio.runs(1_500);
    studio
}

/// As [`Studio::sees`] names it.
fn screen(leg: u64) -> Option<u64> {
    Some(LegId(leg).screen().0)
}

#[test]
fn a_screen_is_on_stage_and_speakers_come_after_it() {
    let mut studio = presentation();
    assert_eq!(
        studio.sees(1),
        [screen(1), Some(1), Some(3)],
        "the presenter's camera is seen beside the screen"
    );
    assert_eq!(
        studio.sees(0),
        [Some(2), Some(3), Some(4)],
        "nobody is shown their own screen"
    );
    for talker in [2, 3, 0] {
        studio.talks(talker);
        studio.runs(2_000);
        let seen = studio.sees(1);
        assert_eq!(seen[0], screen(1), "whoever speaks");
        assert!(seen.contains(&Some(talker as u64 + 1)));
    }
}

#[test]
fn when_the_share_ends_the_speaker_is_back_at_once() {
    let mut studio = presentation();
    studio.presents(0, false);
    studio.runs(1_000);
    // It still sends, as a client might: nobody sees it. Whose tile was not concerned has not moved.
    assert_eq!(studio.sees(1), [Some(1), Some(4), Some(3)]);
    studio.presents(0, true);
    studio.runs(1_500);
    assert_eq!(studio.sees(1)[0], screen(1), "and again");
}

#[test]
fn a_presenter_who_leaves_takes_the_screen_along() {
    let mut studio = presentation();
    studio.leaves(0);
    studio.runs(1_000);
    assert_eq!(studio.sees(1), [Some(3), Some(4), None]);
}

#[test]
fn a_late_joiner_sees_the_screen_within_a_second() {
    let mut studio = presentation();
    studio.runs(5_000);
    let before = studio.people[0].screen_requests.len();
    let late = studio.joins(&[], &[VP8], 4);
    assert_eq!(
        studio.people[0].screen_requests.len(),
        before + 1,
        "a keyframe is asked for at once"
    );
    studio.runs(400);
    assert_eq!(studio.sees(late)[0], screen(1));
}

#[test]
fn who_connects_a_while_after_joining_waits_for_no_keyframe_that_went_nowhere() {
    let mut studio = presentation();
    studio.runs(5_000);
    let before = studio.people[0].screen_requests.len();
    // As a peer is while ICE and DTLS take their time.
    let late = studio.joins(&[], &[VP8], 0);
    studio.runs(300);
    assert_eq!(studio.people[0].screen_requests.len(), before);
    studio.has_slots(late, 4);
    assert_eq!(studio.people[0].screen_requests.len(), before + 1);
    // The next picture of the screen, of which there are five a second.
    studio.runs(210);
    assert_eq!(studio.sees(late)[0], screen(1));
}

#[test]
fn keyframe_requests_for_a_screen_are_throttled() {
    let mut studio = presentation();
    let before = studio.people[0].screen_requests.len();
    for _ in 0..500 {
        for viewer in 1..4 {
            studio.asks_for_keyframe(viewer, 0);
        }
        studio.runs(10);
    }
    let asked = studio.people[0].screen_requests.len() - before;
    assert!((9..=11).contains(&asked), "{asked} requests in 5 s");
}

#[test]
fn a_screen_that_nobody_has_allowed_is_not_forwarded() {
    let mut studio = Studio::new();
    for _ in 0..2 {
        studio.joins(&[VP8], &[VP8], 2);
    }
    studio.sends_screen(0);
    studio.runs(2_000);
    assert_eq!(studio.sees(1), [Some(1), None]);
    assert!(studio.people[0].screen_requests.is_empty());
    assert!(studio.room.stats().ignored > 0);
}

#[test]
fn a_screen_on_which_nothing_moves_stays() {
    let mut studio = presentation();
    studio.pauses_screen(0);
    studio.runs(20_000);
    assert_eq!(studio.sees(1)[0], screen(1));
}

#[test]
fn with_one_slot_the_screen_is_what_is_seen() {
    let mut studio = Studio::new();
    for _ in 0..3 {
        studio.joins(&[VP8], &[VP8], 1);
    }
    studio.talks(1);
    studio.runs(2_000);
    studio.sends_screen(0);
    studio.presents(0, true);
    studio.runs(1_500);
    assert_eq!(studio.sees(2), [screen(1)]);
    studio.has_slots(2, 2);
    studio.runs(1_500);
    assert_eq!(studio.sees(2), [screen(1), Some(2)]);
}

#[test]
fn whatever_happens_presenters_do_not_see_their_screen_and_nobody_sees_anything_twice() {
    // `Studio` checks it with every change of a slot, and that every picture decodes and is of whom the room says.
    for seed in 0..4 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut studio = Studio::new();
        let mut present: Vec<usize> = (0..4).map(|_| studio.joins(&[VP8], &[VP8], 3)).collect();
        let mut presenter = None;
        for _ in 0..40 {
            let person = present[random.usize(..present.len())];
            match random.u8(0..8) {
                0 if studio.people.len() < 8 => {
                    present.push(studio.joins(&[VP8], &[VP8], random.u8(0..5)));
                }
                1 if present.len() > 2 => {
                    studio.leaves(person);
                    present.retain(|other| *other != person);
                    presenter = presenter.filter(|who| *who != person);
                }
                2 => studio.has_slots(person, random.u8(0..5)),
                3 => studio.people[person].camera_on ^= true,
                4 | 5 => {
                    if let Some(before) = presenter.replace(person) {
                        studio.presents(before, false);
                    }
                    studio.sends_screen(person);
                    studio.presents(person, true);
                }
                _ => studio.talks(person),
            }
            studio.runs(random.u64(0..800));
        }
    }
}
