//! Nothing of whom somebody has blocked reaches them, and whoever is blocked notices nothing.

use std::time::Duration;

use serde_json::json;

use crate::stage::{Stage, on_both};

on_both!(
    what_the_blocked_say_reaches_nobody_and_is_there_when_the_block_is_lifted,
    whom_one_has_blocked_one_does_not_write_to,
    who_is_not_in_it_settles_nothing,
);

async fn what_the_blocked_say_reaches_nobody_and_is_there_when_the_block_is_lifted(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    anna.say(&talk, "a1", "before").await;
    ben.hear_event("text").await;
    ben.done(json!({"type": "level_set", "user": anna.id, "level": "blocked"}))
        .await;
    anna.say(&talk, "a2", "while blocked").await;
    anna.done(json!({"type": "typing", "conversation": talk}))
        .await;
    let gone = ben.hear_type("gone").await;
    assert_eq!(gone["conversation"], talk.as_str());
    let more = tokio::time::timeout(Duration::from_secs(1), ben.hear_type("events")).await;
    assert!(more.is_err(), "{more:?}");
    // Neither on another device, nor asked for, nor searched for.
    let mut other = stage.connect(&ben.cookie).await;
    assert_eq!(other.welcome["conversations"], json!([]));
    let history = json!({"type": "history", "conversation": talk});
    assert_eq!(other.refused(history.clone()).await, "not_found");
    let found = other
        .done(json!({"type": "search", "query": "blocked"}))
        .await;
    assert_eq!(found["hits"], json!([]));
    // Anna sees what she always saw.
    let mut again = stage.connect(&anna.cookie).await;
    let seen = &again.welcome["conversations"][0];
    assert_eq!(seen["members"].as_array().map(Vec::len), Some(2));
    let read = again.done(history.clone()).await;
    assert_eq!(read["events"].as_array().map(Vec::len), Some(2));
    ben.done(json!({"type": "level_set", "user": anna.id, "level": null}))
        .await;
    assert_eq!(ben.open(&[&anna.id]).await, talk);
    let read = ben.done(history).await;
    assert_eq!(read["events"].as_array().map(Vec::len), Some(2));
    anna.say(&talk, "a3", "after").await;
    assert_eq!(ben.hear_event("text").await["body"]["text"], "after");
}

async fn whom_one_has_blocked_one_does_not_write_to(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    ben.done(json!({"type": "level_set", "user": anna.id, "level": "blocked"}))
        .await;
    let open = json!({"type": "open", "with": [anna.id]});
    assert_eq!(ben.refused(open).await, "conflict");
    let talk = anna.open(&[&ben.id]).await;
    anna.say(&talk, "a1", "Hello?").await;
    for kind in ["conversation", "gone"] {
        let heard = tokio::time::timeout(Duration::from_secs(1), ben.hear_type(kind)).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}

async fn who_is_not_in_it_settles_nothing(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let mut carl = stage.person("carl").await;
    let talk = anna.open(&[&ben.id]).await;
    anna.say(&talk, "a1", "before").await;
    ben.hear_event("text").await;
    for by in [&mut anna, &mut ben] {
        by.done(json!({"type": "level_set", "user": carl.id, "level": "blocked"}))
            .await;
    }
    let typing = json!({"type": "typing", "conversation": talk});
    assert_eq!(carl.refused(typing).await, "not_found");
    for one in [&mut anna, &mut ben] {
        let heard = tokio::time::timeout(Duration::from_millis(500), one.hear_type("gone")).await;
        assert!(heard.is_err(), "{heard:?}");
    }
}
