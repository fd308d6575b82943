//! Who is let in, and what the others are told.

use std::time::Duration;

use anyhow::ensure;
use plenum_tests::attendee::{Line, join, until};
use serde_json::{Value, json};

use crate::stage::{SOON, Stage};

async fn refused(stage: &Stage, message: &Value) -> Value {
    let mut line = Line::open(stage.server.http).await.unwrap();
    line.say(message).await.unwrap();
    let error = line.expect("error", SOON).await.unwrap();
    error["code"].clone()
}

#[tokio::test(flavor = "multi_thread")]
async fn refusals_have_their_codes() {
    let stage = Stage::open("attendees-door").unwrap();
    let id = stage.conference.id.clone();
    let pin = stage.conference.guest_pin.clone();
    let host = stage.enter(&stage.host(), 0, false).await.unwrap();
    assert_eq!(host.bot.view().role, "host");

    host.bot
        .say(json!({"type": "lock", "on": true}))
        .await
        .unwrap();
    until("the lock", SOON, || {
        ensure!(host.bot.view().locked, "open");
        Ok(())
    })
    .await
    .unwrap();
    let guest = join(&id, "Late", Some(&pin));
    assert_eq!(refused(&stage, &guest).await, "locked");
    host.bot
        .say(json!({"type": "lock", "on": false}))
        .await
        .unwrap();
    until("the lock's end", SOON, || {
        ensure!(!host.bot.view().locked, "locked");
        Ok(())
    })
    .await
    .unwrap();

    let unknown = join("not a number", "Eve", None);
    assert_eq!(refused(&stage, &unknown).await, "conference_unknown");
    let mut old = guest.clone();
    old["version"] = json!(99);
    assert_eq!(refused(&stage, &old).await, "unsupported_version");
    assert_eq!(
        refused(&stage, &json!({"type": "jump"})).await,
        "bad_message"
    );
    assert_eq!(
        refused(&stage, &json!({"type": "ping"})).await,
        "not_joined"
    );
    let wrong = join(&id, "Eve", Some("000000"));
    assert_eq!(refused(&stage, &wrong).await, "wrong_pin");
    let nowhere = join("99999999", "Eve", Some(&pin));
    assert_eq!(refused(&stage, &nowhere).await, "wrong_pin");

    let guest = stage.enter(&stage.guest(), 1, false).await.unwrap();
    guest
        .bot
        .say(json!({"type": "lock", "on": true}))
        .await
        .unwrap();
    until("the guest's refusal", SOON, || {
        ensure!(
            guest.bot.view().errors == ["forbidden"],
            "{:?}",
            guest.bot.view().errors
        );
        Ok(())
    })
    .await
    .unwrap();
    assert!(!host.bot.view().locked);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_wrong_pin_may_be_tried_again_on_the_same_socket() {
    let stage = Stage::open("attendees-again").unwrap();
    let mut line = Line::open(stage.server.http).await.unwrap();
    let id = stage.conference.id.as_str();
    line.say(&join(id, "Ann", Some("000000"))).await.unwrap();
    let error = line.expect("error", SOON).await.unwrap();
    assert_eq!(error["code"], "wrong_pin");
    let pin = stage.conference.guest_pin.as_str();
    line.say(&join(id, "Ann", Some(pin))).await.unwrap();
    let joined = line.expect("joined", SOON).await.unwrap();
    assert_eq!(joined["role"], "guest");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_host_mutes_and_removes_a_participant() {
    let stage = Stage::open("attendees-remove").unwrap();
    let host = stage.enter(&stage.host(), 0, true).await.unwrap();
    let victim = stage.enter(&stage.guest(), 1, true).await.unwrap();
    let witness = stage.enter(&stage.guest(), 2, true).await.unwrap();
    let id = victim.bot.id();

    let mute = json!({"type": "mute_participant", "participant": id, "on": true});
    host.bot.say(mute).await.unwrap();
    until("the mute", SOON, || {
        ensure!(witness.bot.view().person("Bob")?.muted, "not muted");
        Ok(())
    })
    .await
    .unwrap();

    host.bot
        .say(json!({"type": "remove", "participant": id}))
        .await
        .unwrap();
    until("the removal", SOON, || {
        let ended = victim.bot.view().ended;
        ensure!(ended.as_deref() == Some("removed"), "{ended:?}");
        let left = witness.bot.view().left;
        ensure!(left == [(id.clone(), "removed".to_owned())], "{left:?}");
        Ok(())
    })
    .await
    .unwrap();
    until("the removed one's leg", Duration::from_secs(5), || {
        let legs = stage.alive("plenum_media_legs")?;
        ensure!((legs - 2.0).abs() < 0.1, "{legs} legs");
        Ok(())
    })
    .await
    .unwrap();
}
