//! Cameras in three sizes of which not all are used: senders are told, leave out what is spare, and bring it back when it is wanted.

use plenum_mixer::{Command, Input, Ladder, Viewing};

use crate::layers::Hall;

const ALL: u8 = u8::MAX;

fn counts(hall: &Hall, person: usize) -> Vec<u8> {
    let told = hall.people[person].told.iter();
    told.map(|(_, count)| *count).collect()
}

#[test]
fn a_camera_that_is_seen_small_only_is_sent_small_only_and_large_again_at_once() {
    let mut hall = Hall::new();
    let camera = hall.joins(true, 0);
    let viewer = hall.joins(false, 1);
    hall.line(viewer, 250_000);
    hall.runs(7_000);
    assert_eq!(counts(&hall, camera), [0_u8; 0], "not at once");
    hall.runs(4_000);
    assert_eq!(counts(&hall, camera), [1]);
    hall.runs(20_000);
    assert_eq!(hall.sees(viewer, 0), Some(0));
    // The line is better: trusted after 3 s, seen with the first picture that comes.
    let better = hall.now;
    hall.line(viewer, 5_000_000);
    hall.runs(6_000);
    assert_eq!(counts(&hall, camera), [1, ALL]);
    let up = hall.changed(viewer, 2, better).unwrap();
    assert!((3_000..=3_900).contains(&up), "up after {up} ms");
    hall.is_clean();
}

#[test]
fn a_room_of_small_tiles_takes_the_middle_size_of_all_but_the_speaker() {
    let mut hall = Hall::new();
    let cameras: Vec<usize> = (0..3).map(|_| hall.joins(true, 0)).collect();
    let viewers: Vec<usize> = (0..2).map(|_| hall.joins(false, 3)).collect();
    for &viewer in &viewers {
        hall.line(viewer, 20_000_000);
    }
    hall.runs(15_000);
    let told: Vec<Vec<u8>> = cameras
        .iter()
        .map(|&camera| counts(&hall, camera))
        .collect();
    assert_eq!(told, [vec![], vec![2], vec![2]]);
    let speaker = hall.people[cameras[1]].leg;
    let asked = hall.now;
    let leg = Some(speaker);
    hall.give(Input::Command(Command::Spotlight { leg }));
    hall.runs(600);
    assert_eq!(counts(&hall, cameras[1]), [2, ALL]);
    for &viewer in &viewers {
        let large = hall.changed(viewer, 2, asked).unwrap();
        assert!(large <= 300, "large after {large} ms");
    }
    hall.runs(10_000);
    assert_eq!(counts(&hall, cameras[0]), [2]);
    hall.is_clean();
}

#[test]
fn what_the_composer_decodes_is_not_spare() {
    let mut hall = Hall::new();
    let cameras: Vec<usize> = (0..5).map(|_| hall.joins(true, 0)).collect();
    let _viewer = hall.joins(false, 1);
    hall.give(Input::Command(Command::DefaultView(Viewing::Composite)));
    let ladder = Some(Ladder::below(2_000_000));
    hall.give(Input::Command(Command::Composite(ladder)));
    hall.runs(12_000);
    for &camera in &cameras {
        assert_eq!(counts(&hall, camera), [1], "five share the picture");
    }
    for &camera in &cameras[1..] {
        let leg = hall.people[camera].leg;
        hall.people[camera].camera = None;
        hall.give(Input::Command(Command::Camera { leg, on: false }));
    }
    hall.runs(500);
    assert_eq!(counts(&hall, cameras[0]), [1, ALL], "alone it is large");
    assert_eq!(counts(&hall, cameras[1]), [1, ALL], "it may begin with all");
}

#[test]
fn a_size_that_its_sender_cannot_send_stays_wanted() {
    let mut hall = Hall::new();
    let camera = hall.joins(true, 0);
    let viewer = hall.joins(false, 1);
    hall.line(viewer, 5_000_000);
    hall.runs(5_000);
    hall.people[camera].camera.as_mut().unwrap()[2].ceased = true;
    hall.runs(60_000);
    assert_eq!(hall.sees(viewer, 0), Some(1));
    assert_eq!(
        counts(&hall, camera),
        [0_u8; 0],
        "it may come back by itself"
    );
    hall.people[camera].camera.as_mut().unwrap()[2].ceased = false;
    hall.runs(2_000);
    assert_eq!(hall.sees(viewer, 0), Some(2));
}
