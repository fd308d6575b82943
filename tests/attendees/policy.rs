//! A conference's rule on video: none at all, another one while people are in, and how much of it one of them is sent.

use std::time::Duration;

use anyhow::{Result, ensure};
use plenum_tests::attendee::until;
use serde_json::{Value, json};
use tokio::time::sleep;

use crate::stage::{SOON, Stage, sees};

fn patch(stage: &Stage, path: &str, body: &Value) -> u16 {
    let path = format!("/conferences/{}{path}", stage.conference.id);
    stage.server.rest("PATCH", &path, body).unwrap().0
}

#[tokio::test(flavor = "multi_thread")]
async fn a_conference_without_video_shows_none_until_its_rule_is_another() {
    let stage = Stage::open("attendees-policy").unwrap();
    for wrong in [
        json!({ "video": "both" }),
        json!({ "max_video_kbps": 20_001 }),
    ] {
        assert_eq!(patch(&stage, "", &wrong), 422, "{wrong}");
    }
    assert_eq!(patch(&stage, "", &json!({ "video": "off" })), 204);
    let cast = stage.cast(2).await.unwrap();
    sleep(Duration::from_secs(2)).await;
    for actor in &cast {
        assert_eq!(actor.bot.peer.senses.persons(), [0_u8; 0]);
        assert!(actor.bot.view().shown().is_empty());
        assert_eq!(actor.bot.view().errors, ["forbidden"], "the camera");
    }
    cast[0]
        .bot
        .say(json!({ "type": "present", "on": true }))
        .await
        .unwrap();
    assert_eq!(patch(&stage, "", &json!({ "composite": true })), 409);
    until("the screen's refusal", SOON, || {
        let errors = cast[0].bot.view().errors;
        ensure!(errors.len() == 2, "{errors:?}");
        Ok(())
    })
    .await
    .unwrap();

    assert_eq!(patch(&stage, "", &json!({ "video": "switched" })), 204);
    sees(&cast[0], &[&cast[1]]).await.unwrap();
    sees(&cast[1], &[&cast[0]]).await.unwrap();
    assert_eq!(patch(&stage, "", &json!({ "video": "off" })), 204);
    until("no video", SOON, || {
        let seen = cast[0].bot.peer.senses.persons();
        ensure!(seen.is_empty(), "{seen:x?}");
        Ok(())
    })
    .await
    .unwrap();
    let path = format!("/conferences/{}", stage.conference.id);
    let (_, shown) = stage.server.rest("GET", &path, &Value::Null).unwrap();
    assert_eq!(shown["video"], "off");
    assert_eq!(shown["max_video_kbps"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_limit_gives_one_or_all_a_smaller_size_of_the_composite() {
    let stage = Stage::open("attendees-limit").unwrap();
    assert_eq!(patch(&stage, "", &json!({ "video": "composite" })), 204);
    let cast = stage.cast(2).await.unwrap();
    let made = async |wanted: [f64; 3]| -> Result<()> {
        until("the sizes", SOON, || {
            let metrics = stage.server.metrics()?;
            let made = ["whole", "half", "quarter"].map(|size| {
                let size = format!("size=\"{size}\"");
                let made = metrics.sum("plenum_composite_renditions", &[&size]);
                made.unwrap_or(f64::NAN)
            });
            ensure!(made == wanted, "{made:?}");
            Ok(())
        })
        .await
    };
    made([1.0, 0.0, 0.0]).await.unwrap();
    let one = format!("/participants/{}", cast[1].bot.id());
    let limit = |kilobits: u32| json!({ "max_video_kbps": kilobits });
    assert_eq!(patch(&stage, &one, &limit(300)), 204);
    made([1.0, 0.0, 1.0]).await.unwrap();
    assert_eq!(patch(&stage, "", &limit(800)), 204);
    made([0.0, 1.0, 1.0]).await.unwrap();
    assert_eq!(patch(&stage, &one, &limit(0)), 204);
    assert_eq!(patch(&stage, "", &limit(0)), 204);
    made([1.0, 0.0, 0.0]).await.unwrap();
    assert_eq!(patch(&stage, &one, &limit(20_001)), 422);
    let height = |pixels: u32| json!({ "max_video_height": pixels });
    assert_eq!(patch(&stage, &one, &height(360)), 204);
    made([1.0, 1.0, 0.0]).await.unwrap();
    assert_eq!(patch(&stage, &one, &height(240)), 204);
    made([1.0, 0.0, 1.0]).await.unwrap();
    // The conference's rates change, heights do not.
    assert_eq!(patch(&stage, "", &limit(1_200)), 204);
    assert_eq!(patch(&stage, "", &limit(0)), 204);
    made([1.0, 0.0, 1.0]).await.unwrap();
    assert_eq!(patch(&stage, &one, &height(0)), 204);
    made([1.0, 0.0, 0.0]).await.unwrap();
    assert_eq!(patch(&stage, &one, &height(4_321)), 422);
}
