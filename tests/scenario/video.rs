//! Whose picture is where, and that it is whole.

use plenum_codecs::video::vp8::{Descriptor, PictureId};
use plenum_mixer::{Command, Input, LegId};

use crate::camera::{H264, Studio, VP8};

#[test]
fn late_joiner_gets_a_keyframe() {
    let mut studio = Studio::new();
    let first = studio.joins(&[VP8], &[VP8], 1);
    studio.joins(&[VP8], &[VP8], 1);
    studio.talks(first);
    studio.runs(5_000);
    let before = studio.people[first].requests.len();
    let late = studio.joins(&[], &[VP8], 2);
    assert_eq!(
        studio.people[first].requests.len(),
        before + 1,
        "asked at once"
    );
    studio.runs(100);
    assert_eq!(studio.sees(late), [Some(1), Some(2)]);
    assert!(studio.people[late].screens[0].pictures >= 2);
}

#[test]
fn who_is_in_the_spotlight_is_shown_whoever_speaks() {
    let mut studio = Studio::new();
    for _ in 0..3 {
        studio.joins(&[VP8], &[VP8], 2);
    }
    studio.talks(0);
    studio.runs(2_000);
    assert_eq!(studio.sees(2)[0], Some(1));
    studio.spotlight(Some(1));
    studio.runs(500);
    assert_eq!(studio.sees(2)[0], Some(2), "without a word");
    studio.runs(4_000);
    assert_eq!(studio.sees(2)[0], Some(2), "who speaks is not shown large");
    studio.spotlight(None);
    studio.runs(4_000);
    assert_eq!(studio.sees(2)[0], Some(1), "whoever speaks");
    studio.spotlight(Some(1));
    studio.runs(500);
    studio.leaves(1);
    studio.runs(4_000);
    assert_eq!(
        studio.sees(2)[0],
        Some(1),
        "the light goes out with who leaves"
    );
}

#[test]
fn who_speaks_by_phone_is_seen_by_the_camera_of_their_page() {
    let mut studio = Studio::new();
    let [page, other, viewer] = [0, 1, 2].map(|_| studio.joins(&[VP8], &[VP8], 1));
    let phone = studio.joins(&[], &[], 0);
    studio.talks(other);
    studio.runs(2_000);
    assert_eq!(studio.sees(viewer), [Some(2)]);
    studio.talks(phone);
    studio.runs(4_000);
    assert_eq!(studio.sees(viewer), [Some(2)], "a phone of nobody's");
    studio.is_seen_by(phone, Some(page));
    studio.runs(500);
    assert_eq!(
        studio.sees(viewer),
        [Some(1)],
        "at once, as it has the floor"
    );
    studio.talks(other);
    studio.runs(4_000);
    assert_eq!(studio.sees(viewer), [Some(2)]);
    studio.talks(phone);
    studio.runs(4_000);
    assert_eq!(studio.sees(viewer), [Some(1)]);
    studio.leaves(page);
    studio.talks(other);
    studio.runs(4_000);
    studio.talks(phone);
    studio.runs(4_000);
    assert_eq!(studio.sees(viewer), [Some(2)], "without a page again");
}

#[test]
fn switch_of_floor_is_keyframe_clean() {
    let mut studio = Studio::new();
    for _ in 0..4 {
        studio.joins(&[VP8], &[VP8], 3);
    }
    // `Screen::show` decodes every picture and checks whose it is, so the run itself is the test.
    for talker in [0, 1, 2, 3, 1, 0, 3] {
        studio.talks(talker);
        studio.runs(3_000);
        let speaker = talker as u64 + 1;
        for viewer in (0..4).filter(|viewer| *viewer != talker) {
            assert_eq!(
                studio.sees(viewer)[0],
                Some(speaker),
                "everyone sees the speaker"
            );
        }
    }
    // The last turns were 2, 1, 4: the speaker sees who spoke before.
    assert_eq!(studio.sees(3)[0], Some(1));
    for person in &studio.people {
        for screen in &person.screens {
            assert!(
                screen.pictures > 500,
                "{} pictures in 21 s",
                screen.pictures
            );
            let ids: Vec<u16> = screen
                .packets
                .iter()
                .filter_map(|packet| picture_id(&packet.payload))
                .collect();
            let steps = ids
                .windows(2)
                .map(|pair| pair[1].wrapping_sub(pair[0]) & 0x7fff);
            assert!(
                steps.into_iter().all(|step| step <= 1),
                "picture ids are continuous over switches"
            );
        }
    }
}

fn picture_id(payload: &[u8]) -> Option<u16> {
    match Descriptor::parse(payload).unwrap().0.picture_id {
        Some(PictureId::Long(id)) => Some(id),
        _ => None,
    }
}

#[test]
fn keyframe_requests_are_throttled() {
    let mut studio = Studio::new();
    let publisher = studio.joins(&[VP8], &[VP8], 1);
    let viewers: Vec<usize> = (0..5).map(|_| studio.joins(&[], &[VP8], 1)).collect();
    studio.runs(2_000);
    let before = studio.people[publisher].requests.len();
    for _ in 0..500 {
        viewers
            .iter()
            .for_each(|&viewer| studio.asks_for_keyframe(viewer, 0));
        studio.runs(10);
    }
    let requests = &studio.people[publisher].requests;
    let asked = requests.len() - before;
    assert!((9..=11).contains(&asked), "{asked} requests in 5 s");
    assert!(
        requests
            .windows(2)
            .all(|pair| pair[1].since(pair[0]).as_millis() >= 500)
    );
}

#[test]
fn a_camera_that_goes_leaves_its_slots_and_comes_back() {
    let mut studio = Studio::new();
    for _ in 0..3 {
        studio.joins(&[VP8], &[VP8], 2);
    }
    studio.talks(0);
    studio.runs(2_000);
    assert_eq!(studio.sees(1), [Some(1), Some(3)]);
    // Switched off by command: at once.
    let now = studio.now;
    studio.people[0].camera_on = false;
    studio.room.handle(
        now,
        Input::Command(Command::Camera {
            leg: LegId(1),
            on: false,
        }),
    );
    studio.runs(200);
    assert_eq!(studio.sees(1), [Some(3), None]);
    let now = studio.now;
    studio.people[0].camera_on = true;
    studio.room.handle(
        now,
        Input::Command(Command::Camera {
            leg: LegId(1),
            on: true,
        }),
    );
    studio.runs(1_500);
    assert_eq!(studio.sees(1), [Some(1), Some(3)]);
    // Without a word: after some seconds.
    studio.people[0].camera_on = false;
    studio.runs(6_000);
    assert_eq!(studio.sees(1), [Some(3), None]);
    // With its owner.
    studio.leaves(2);
    studio.runs(100);
    assert_eq!(studio.sees(1), [None, None]);
}

#[test]
fn a_viewer_gets_only_codecs_it_can_take() {
    let mut studio = Studio::new();
    let both = studio.joins(&[VP8, H264], &[VP8], 2);
    studio.joins(&[VP8], &[VP8, H264], 2);
    let apple = studio.joins(&[], &[H264], 2);
    let any = studio.joins(&[], &[VP8, H264], 2);
    studio.talks(both);
    studio.runs(3_000);
    assert_eq!(
        studio.sees(apple),
        [Some(1), None],
        "the second camera comes in VP8 only"
    );
    assert!(
        studio.people[apple].screens[0]
            .packets
            .iter()
            .all(|packet| packet.payload_type == H264.0)
    );
    assert_eq!(studio.sees(any), [Some(1), Some(2)]);
    assert!(
        studio.people[any].screens[0]
            .packets
            .iter()
            .all(|packet| packet.payload_type == VP8.0)
    );
}

#[test]
fn more_slots_after_renegotiation_show_more() {
    let mut studio = Studio::new();
    for _ in 0..5 {
        studio.joins(&[VP8], &[VP8], 1);
    }
    studio.talks(1);
    studio.runs(2_000);
    assert_eq!(studio.sees(0), [Some(2)]);
    studio.has_slots(0, 4);
    studio.runs(1_000);
    assert_eq!(studio.sees(0), [Some(2), Some(3), Some(4), Some(5)]);
    studio.has_slots(0, 2);
    studio.runs(1_000);
    assert_eq!(studio.sees(0), [Some(2), Some(3)]);
}

#[test]
fn a_retransmitted_packet_lands_in_the_gap_it_left() {
    let mut studio = Studio::new();
    let publisher = studio.joins(&[VP8], &[], 0);
    let viewer = studio.joins(&[], &[VP8], 1);
    studio.runs(1_000);
    studio.lossy = true;
    studio.people[publisher].lose = 3;
    studio.runs(1_000);
    let packets = &studio.people[viewer].screens[0].packets;
    assert!(
        packets
            .windows(2)
            .any(|pair| pair[1].sequence < pair[0].sequence),
        "came later"
    );
    let mut sequences: Vec<u64> = packets.iter().map(|packet| packet.sequence).collect();
    sequences.sort_unstable();
    assert!(
        sequences.windows(2).all(|pair| pair[1] == pair[0] + 1),
        "and fills the gap"
    );
}

#[test]
fn a_publisher_of_ever_new_ssrcs_is_not_asked_more_often() {
    let mut studio = Studio::new();
    let publisher = studio.joins(&[VP8], &[], 0);
    studio.joins(&[], &[VP8], 1);
    studio.runs(1_000);
    studio.people[publisher].restless = true;
    studio.runs(5_000);
    let requests = &studio.people[publisher].requests;
    assert!(requests.len() >= 10, "it has to be asked again and again");
    assert!(
        requests
            .windows(2)
            .all(|pair| pair[1].since(pair[0]).as_millis() >= 500)
    );
}

#[test]
fn whatever_happens_nobody_sees_themselves_or_somebody_twice() {
    // `Studio` checks it with every change of a slot, and that every picture decodes and is of whom the room says.
    for seed in 0..6 {
        let mut random = fastrand::Rng::with_seed(seed);
        let mut studio = Studio::new();
        let mut present: Vec<usize> = (0..4).map(|_| studio.joins(&[VP8], &[VP8], 3)).collect();
        for _ in 0..40 {
            let person = present[random.usize(..present.len())];
            match random.u8(0..8) {
                0 if studio.people.len() < 9 => {
                    present.push(studio.joins(&[VP8], &[VP8], random.u8(0..5)))
                }
                1 if present.len() > 2 => {
                    studio.leaves(person);
                    present.retain(|other| *other != person);
                }
                2 => studio.has_slots(person, random.u8(0..5)),
                3 => studio.people[person].camera_on ^= true,
                4 => studio.asks_for_keyframe(person, random.u8(0..4)),
                _ => studio.talks(person),
            }
            studio.runs(random.u64(50..1_500));
        }
        assert!(
            studio.slot_events.len() > 20,
            "seed {seed}: something happened"
        );
    }
}

#[test]
fn a_video_phone_sees_the_speaker_where_cameras_send_h264_and_is_seen() {
    let mut studio = Studio::new();
    let browser = studio.joins(&[VP8], &[VP8, H264], 2);
    let other = studio.joins(&[H264], &[VP8, H264], 2);
    // One slot, H.264 alone; what it is sent is decoded.
    let phone = studio.joins(&[H264], &[H264], 1);
    studio.talks(browser);
    studio.runs(2_000);
    studio.talks(other);
    studio.runs(3_000);
    assert_eq!(studio.sees(phone), [Some(2)]);
    assert_eq!(studio.sees(browser)[0], Some(2));
    studio.talks(phone);
    studio.runs(3_000);
    assert_eq!(studio.sees(browser)[0], Some(3), "the phone is seen");
    assert_eq!(studio.sees(other)[0], Some(3));
    // The one camera in H.264 goes; of the other the phone understands nothing.
    studio.leaves(other);
    studio.runs(6_000);
    assert_eq!(studio.sees(phone), [None]);
    assert_eq!(studio.sees(browser)[0], Some(3));
}

#[test]
fn padding_of_a_camera_is_no_gap_for_who_sees_it() {
    let mut studio = Studio::new();
    let publisher = studio.joins(&[VP8], &[VP8], 1);
    let viewer = studio.joins(&[], &[VP8], 1);
    studio.runs(1_000);
    studio.pads(publisher, 3);
    let before = studio.people[viewer].screens[0].pictures;
    // `Screen::show` checks that no number is missing, and that every picture decodes.
    studio.runs(1_000);
    assert_eq!(studio.sees(viewer), [Some(1)]);
    assert!(studio.people[viewer].screens[0].pictures > before + 25);
}
