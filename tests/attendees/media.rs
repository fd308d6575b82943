//! What is heard and seen in a room.

use std::time::{Duration, Instant};

use anyhow::ensure;
use plenum_tests::attendee::{Attendee, Voice, until};
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, hear_each_other, sees};

#[tokio::test(flavor = "multi_thread")]
async fn two_bots_hear_and_see_exactly_each_other() {
    let stage = Stage::open("attendees-two").unwrap();
    let cast = stage.cast(2).await.unwrap();
    sees(&cast[0], &[&cast[1]]).await.unwrap();
    sees(&cast[1], &[&cast[0]]).await.unwrap();
    hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
    for actor in &cast {
        let sights = actor.bot.peer.senses.sights();
        let damaged: u64 = sights.values().map(|sight| sight.unreadable).sum();
        assert_eq!(damaged, 0, "{sights:?}");
        assert_eq!(actor.bot.peer.senses.sound().missing, 0);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn three_bots_hear_exactly_the_others_and_a_late_joiner_sees_at_once() {
    let stage = Stage::open("attendees-three").unwrap();
    let cast = stage.cast(2).await.unwrap();
    sees(&cast[1], &[&cast[0]]).await.unwrap();
    let late = stage.enter(&stage.guest(), 2, true).await.unwrap();
    let connected = Instant::now();
    until("the late joiner's first picture", SOON, || {
        ensure!(!late.bot.peer.senses.persons().is_empty(), "nothing yet");
        Ok(())
    })
    .await
    .unwrap();
    let waited = connected.elapsed();
    eprintln!("first picture {waited:?} after the connection");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
    let all = [&cast[0], &cast[1], &late];
    hear_each_other(&all).await.unwrap();
    for viewer in all {
        let others: Vec<&Actor> = all.into_iter().filter(|o| o.name != viewer.name).collect();
        sees(viewer, &others).await.unwrap();
    }
}

/// The keyframe that the room asks for when somebody comes must not get lost in their DTLS handshake.
#[tokio::test(flavor = "multi_thread")]
async fn a_joiner_who_never_asks_for_a_keyframe_sees_at_once() {
    let stage = Stage::open("attendees-patient").unwrap();
    let _cast = stage.cast(1).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    let voice = Voice {
        patient: true,
        ..Voice::default()
    };
    let late = Attendee::join(&stage.guest(), "Pat", voice).await.unwrap();
    let connected = Instant::now();
    until("the first picture", SOON, || {
        let senses = &late.peer.senses;
        ensure!(!senses.persons().is_empty(), "{:?}", senses.sights());
        Ok(())
    })
    .await
    .unwrap();
    let waited = connected.elapsed();
    eprintln!("first picture {waited:?} after the connection, unasked");
    assert!(waited < Duration::from_secs(1), "{waited:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_grow_by_renegotiation_as_a_third_camera_comes_and_goes() {
    let stage = Stage::open("attendees-slots").unwrap();
    let cast = stage.cast(2).await.unwrap();
    let third = stage.enter(&stage.guest(), 2, false).await.unwrap();
    sees(&cast[0], &[&cast[1]]).await.unwrap();
    sees(&third, &[&cast[0], &cast[1]]).await.unwrap();
    let before = cast[0].bot.view().slot_mids.len();

    third.bot.camera(true).await.unwrap();
    sees(&cast[0], &[&cast[1], &third]).await.unwrap();
    sees(&cast[1], &[&cast[0], &third]).await.unwrap();
    let view = cast[0].bot.view();
    assert!(view.slot_mids.len() > before, "{view:?}");
    assert!(view.person("Cleo").unwrap().camera);

    third.bot.camera(false).await.unwrap();
    until("the third camera's end", SOON, || {
        let view = cast[0].bot.view();
        ensure!(view.shown() == [cast[1].bot.id()], "{:?}", view.video);
        ensure!(!view.person("Cleo")?.camera, "the roster shows a camera");
        Ok(())
    })
    .await
    .unwrap();

    third.bot.camera(true).await.unwrap();
    sees(&cast[0], &[&cast[1], &third]).await.unwrap();
    hear_each_other(&[&cast[0], &cast[1], &third])
        .await
        .unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn mute_is_seen_in_the_roster_and_silences() {
    let stage = Stage::open("attendees-mute").unwrap();
    let cast = stage.cast(2).await.unwrap();
    hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
    for on in [true, false] {
        cast[0].bot.mute(on).await.unwrap();
        until("mute in the other's roster", SOON, || {
            let ann = cast[1].bot.view().person("Ann")?.clone();
            ensure!(ann.muted == on, "{ann:?}");
            Ok(())
        })
        .await
        .unwrap();
        if on {
            sleep(Duration::from_secs(1)).await;
            cast[1].bot.peer.senses.forget_sound();
            let heard = cast[1].bot.peer.senses.heard_of(1.5).await.unwrap();
            let level = heard.level(cast[0].tone).unwrap();
            assert!(level < -70.0, "Ann is muted and heard at {level} dB");
        }
    }
    hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn ice_restart_keeps_media_flowing() {
    let stage = Stage::open("attendees-restart").unwrap();
    let cast = stage.cast(2).await.unwrap();
    hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
    for _ in 0..2 {
        let before = cast[0].bot.peer.ice_user().await.unwrap();
        cast[0].bot.negotiate(true).await.unwrap();
        assert_ne!(before, cast[0].bot.peer.ice_user().await.unwrap());
        hear_each_other(&[&cast[0], &cast[1]]).await.unwrap();
        sees(&cast[0], &[&cast[1]]).await.unwrap();
        sees(&cast[1], &[&cast[0]]).await.unwrap();
    }
    assert_eq!(cast[1].bot.view().left, []);
}
