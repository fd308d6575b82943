//! Who is shown, as hosts and the API direct it.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::attendee::until;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{Actor, SOON, Stage, sees};

/// Whom `viewer` sees large.
fn large(viewer: &Actor) -> Option<String> {
    let view = viewer.bot.view();
    view.video.first().and_then(|(_, shown)| shown.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn who_is_in_the_spotlight_is_shown_large_whoever_speaks() {
    let stage = Stage::open("attendees-spotlight").unwrap();
    let mut cast = vec![stage.enter(&stage.host(), 0, true).await.unwrap()];
    for place in 1..3 {
        cast.push(stage.enter(&stage.guest(), place, true).await.unwrap());
    }
    sees(&cast[0], &[&cast[1], &cast[2]]).await.unwrap();
    for place in [1, 2, 1] {
        let id = cast[place].bot.id();
        let order = json!({ "type": "spotlight", "participant": &id });
        cast[0].bot.say(order).await.unwrap();
        until("the spotlight", SOON, || {
            let floor = cast[0].bot.view().floor;
            ensure!(floor.as_ref() == Some(&id), "{floor:?} has the floor");
            let shown = large(&cast[0]);
            ensure!(shown.as_ref() == Some(&id), "{shown:?} is shown large");
            Ok(())
        })
        .await
        .unwrap();
        // All three speak all the time.
        sleep(Duration::from_secs(3)).await;
        assert_eq!(large(&cast[0]), Some(id));
        sees(&cast[0], &[&cast[1], &cast[2]]).await.unwrap();
    }
    cast[2]
        .bot
        .say(json!({ "type": "spotlight" }))
        .await
        .unwrap();
    until("the refusal", SOON, || {
        ensure!(cast[2].bot.view().errors == ["forbidden"]);
        Ok(())
    })
    .await
    .unwrap();
    let path = format!("/conferences/{}", stage.conference.id);
    let patch = |body: Value| stage.server.rest("PATCH", &path, &body).unwrap().0;
    assert_eq!(patch(json!({ "spotlight": "nobody" })), 404);
    assert_eq!(patch(json!({ "spotlight": cast[2].bot.id() })), 204);
    assert_eq!(patch(json!({ "spotlight": "" })), 204);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_camera_that_a_host_turned_off_stays_off_until_it_may_be_on() {
    let stage = Stage::open("attendees-camera-off").unwrap();
    let cast = stage.cast(3).await.unwrap();
    sees(&cast[0], &[&cast[1], &cast[2]]).await.unwrap();
    let id = cast[1].bot.id();
    let path = format!("/conferences/{}/participants/{id}", stage.conference.id);
    let patch = |on: bool| {
        let body = json!({ "video_muted": on });
        stage.server.rest("PATCH", &path, &body).unwrap().0
    };
    assert_eq!(patch(true), 204);
    sees(&cast[0], &[&cast[2]]).await.unwrap();
    let camera = json!({ "type": "camera", "on": true });
    cast[1].bot.say(camera.clone()).await.unwrap();
    until("the refusal", SOON, || {
        ensure!(cast[1].bot.view().errors == ["forbidden"]);
        Ok(())
    })
    .await
    .unwrap();
    // It goes on sending, and nobody is shown it.
    sleep(Duration::from_secs(1)).await;
    sees(&cast[0], &[&cast[2]]).await.unwrap();
    assert_eq!(patch(false), 204);
    cast[1].bot.say(camera).await.unwrap();
    sees(&cast[0], &[&cast[1], &cast[2]]).await.unwrap();
}
