//! Cameras for one, the picture of all for another, nothing for a third, in one room.

use plenum_mixer::{LegId, Viewing};

use crate::camera::{H264, Studio, VP8};

const PICTURE: Option<u64> = Some(LegId::COMPOSITE.0);

/// Three people who send and take VP8 in a room of cameras; nobody composes.
fn three() -> Studio {
    let mut studio = Studio::new();
    studio.gives(Viewing::Cameras);
    for _ in 0..3 {
        studio.joins(&[VP8], &[VP8], 2);
    }
    studio.talks(0);
    studio.runs(3_000);
    assert_eq!(studio.composite_wanted, None, "nobody wants a composite");
    studio
}

/// Lets the focus heed what the room wants.
fn heeds(studio: &mut Studio) {
    if let Some(on) = studio.composite_wanted {
        studio.composes(on);
    }
}

#[test]
fn one_sees_the_picture_of_all_while_others_see_cameras() {
    let mut studio = three();
    studio.chooses(2, Some(Viewing::Composite));
    studio.runs(40);
    assert_eq!(studio.composite_wanted, Some(true));
    assert_eq!(
        studio.sees(2),
        [Some(1), Some(2)],
        "cameras until there is a picture"
    );
    heeds(&mut studio);
    studio.runs(1_000);
    assert_eq!(studio.sees(2), [PICTURE, None]);
    assert_eq!(studio.sees(0), [Some(2), Some(3)]);
    assert_eq!(studio.sees(1), [Some(1), Some(3)]);
    assert!(studio.composer.as_ref().unwrap().fed > 20, "it is fed");
    // Another wants it: no encode more.
    let encodes = |studio: &mut Studio| {
        let composer = studio.composer.as_mut().unwrap();
        composer.encodes = 0;
        studio.runs(990);
        studio.composer.as_ref().unwrap().encodes
    };
    let for_one = encodes(&mut studio);
    studio.chooses(1, Some(Viewing::Composite));
    assert_eq!(encodes(&mut studio), for_one);
    assert_eq!(studio.sees(1), [PICTURE, None]);
    // The floor moves on for who sees cameras.
    studio.talks(2);
    studio.runs(3_000);
    assert_eq!(studio.sees(0)[0], Some(3));
    assert_eq!(studio.sees(2), [PICTURE, None]);
    // Nobody wants it any more.
    studio.chooses(1, None);
    studio.runs(200);
    assert_eq!(studio.composite_wanted, Some(true));
    studio.chooses(2, Some(Viewing::Cameras));
    studio.runs(40);
    assert_eq!(studio.composite_wanted, Some(false));
    heeds(&mut studio);
    studio.runs(1_000);
    assert_eq!(studio.sees(2), [Some(1), Some(2)]);
    assert_eq!(studio.sees(1)[0], Some(3));
}

#[test]
fn who_wants_no_video_gets_none_and_has_it_back_at_once() {
    let mut studio = three();
    studio.chooses(1, Some(Viewing::Nothing));
    studio.runs(100);
    assert_eq!(studio.sees(1), [None, None]);
    let packets = |studio: &Studio| -> usize {
        let screens = &studio.people[1].screens;
        screens.iter().map(|screen| screen.packets.len()).sum()
    };
    let before = packets(&studio);
    studio.runs(2_000);
    assert_eq!(packets(&studio), before, "sent to who wants none");
    assert_eq!(
        studio.sees(2),
        [Some(1), Some(2)],
        "and is seen all the same"
    );
    studio.chooses(1, None);
    studio.runs(700);
    assert_eq!(studio.sees(1), [Some(1), Some(3)]);
}

#[test]
fn a_room_of_the_composite_has_viewers_of_cameras() {
    let mut studio = three();
    studio.gives(Viewing::Composite);
    studio.chooses(0, Some(Viewing::Cameras));
    studio.runs(40);
    heeds(&mut studio);
    studio.runs(1_000);
    assert_eq!(studio.sees(0), [Some(2), Some(3)]);
    assert_eq!(studio.sees(1), [PICTURE, None]);
    assert_eq!(studio.sees(2), [PICTURE, None]);
    // All choose cameras: the composer has nothing to do.
    for viewer in [1, 2] {
        studio.chooses(viewer, Some(Viewing::Cameras));
    }
    studio.runs(40);
    assert_eq!(studio.composite_wanted, Some(false));
    // A choice is the room's affair no more when its leg leaves.
    let leg = studio.room.take(studio.now, LegId(1)).unwrap();
    studio.room.insert(studio.now, leg);
    studio.collect();
    studio.runs(40);
    assert_eq!(studio.composite_wanted, Some(true));
}

#[test]
fn who_cannot_decode_a_camera_sees_the_picture_of_all_while_it_is_there() {
    let mut studio = three();
    let apple = studio.joins(&[], &[H264], 2);
    studio.runs(40);
    assert_eq!(studio.composite_wanted, Some(true));
    heeds(&mut studio);
    studio.runs(1_000);
    assert_eq!(studio.sees(apple), [PICTURE, None]);
    assert_eq!(studio.sees(1), [Some(1), Some(3)], "nothing new for others");
    let sent = &studio.people[apple].screens[0].packets;
    assert!(sent.iter().all(|packet| packet.payload_type == H264.0));
    // It may choose the cameras it can take, of which there is none, and go back.
    studio.chooses(apple, Some(Viewing::Cameras));
    studio.runs(100);
    assert_eq!(studio.sees(apple), [None, None]);
    assert_eq!(studio.composite_wanted, Some(false));
    heeds(&mut studio);
    let friend = studio.joins(&[H264], &[VP8, H264], 2);
    studio.runs(1_000);
    assert_eq!(
        studio.sees(apple),
        [Some(5), None],
        "the camera it can take"
    );
    studio.chooses(apple, None);
    studio.runs(40);
    heeds(&mut studio);
    studio.runs(1_000);
    assert_eq!(studio.sees(apple), [PICTURE, None]);
    // Who sends H.264 takes VP8 as well, the others do not take H.264: they see the picture, too.
    assert_eq!(studio.sees(friend), [Some(1), Some(2)]);
    assert_eq!(studio.sees(1), [PICTURE, None]);
    studio.leaves(friend);
    studio.runs(1_000);
    assert_eq!(studio.sees(1), [Some(1), Some(3)]);
    // With the last camera that it could not decode it has no need of the picture.
    for person in 0..3 {
        studio.leaves(person);
    }
    studio.runs(100);
    assert_eq!(studio.composite_wanted, Some(false));
}
