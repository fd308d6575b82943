//! Signing in, sending, reading, coming back.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::stage::{Stage, on_both};

on_both!(
    two_people_talk,
    a_resend_is_said_once,
    who_comes_back_gets_what_it_lacks,
    strangers_learn_nothing,
    a_password_is_asked_for,
);

async fn two_people_talk(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    assert_eq!(ben.open(&[&anna.id]).await, talk, "there is one with each");
    let seq = anna
        .say(&talk, "a1", "Hello @ben <script>alert(1)</script>")
        .await;
    let event = ben.hear_event("text").await;
    assert_eq!(event["seq"], seq);
    assert_eq!(event["sender"], anna.id.as_str());
    assert_eq!(
        event["body"]["text"], "Hello @ben <script>alert(1)</script>",
        "it stays text"
    );
    assert_eq!(anna.hear_event("text").await["client_id"], "a1");
    let list = stage.connect(&ben.cookie).await.welcome;
    let kept = &list["conversations"][0];
    assert_eq!((&kept["unread"], &kept["mentions"]), (&json!(1), &json!(1)));
    assert_eq!(kept["last"]["seq"], seq);
    let read = ben
        .done(json!({"type": "read", "conversation": talk, "seq": 99}))
        .await;
    assert_eq!((&read["unread"], &read["mentions"]), (&json!(0), &json!(0)));
    let history = ben
        .done(json!({"type": "history", "conversation": talk}))
        .await;
    assert_eq!(history["events"].as_array().map(Vec::len), Some(1));
    assert_eq!(history["more"], false);
    anna.done(json!({"type": "typing", "conversation": talk}))
        .await;
    assert_eq!(ben.hear_type("typing").await["user"], anna.id.as_str());
}

async fn a_resend_is_said_once(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    let first = anna.say(&talk, "a1", "once").await;
    let second = anna.say(&talk, "a2", "twice").await;
    assert_eq!(anna.say(&talk, "a1", "once").await, first);
    assert_eq!(second, first + 1);
    let history = anna
        .done(json!({"type": "history", "conversation": talk}))
        .await;
    assert_eq!(history["events"].as_array().map(Vec::len), Some(2));
}

async fn who_comes_back_gets_what_it_lacks(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let cookie = ben.cookie.clone();
    drop(ben);
    for n in 0..5 {
        anna.say(&talk, &format!("a{n}"), "while you were away")
            .await;
    }
    let mut cursors = json!({});
    cursors[&talk] = 2.into();
    let mut ben = stage.connect_at(&cookie, &cursors).await;
    let events = ben.hear_type("events").await;
    let seqs: Vec<&Value> = events["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["seq"])
        .collect();
    assert_eq!(seqs, [3, 4, 5]);
}

async fn strangers_learn_nothing(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let mut eve = stage.person("eve").await;
    let talk = anna.open(&[&ben]).await;
    for request in [
        json!({"type": "history", "conversation": talk}),
        json!({"type": "send", "conversation": talk, "client_id": "x", "kind": "text", "body": {"text": "x"}}),
        json!({"type": "read", "conversation": talk, "seq": 1}),
        json!({"type": "typing", "conversation": talk}),
    ] {
        assert_eq!(eve.refused(request).await, "not_found");
    }
    assert_eq!(eve.refused(json!({"type": "nothing"})).await, "bad_request");
    assert_eq!(
        eve.refused(json!({"type": "typing", "conversation": talk, "more": 1}))
            .await,
        "bad_request"
    );
}

async fn a_password_is_asked_for(stage: Stage) {
    stage.user("anna").await;
    let wrong = json!({"login": "anna", "password": "wrong"});
    let (status, known) = stage.ask("POST", "/session", "", &wrong).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    let nobody = json!({"login": "nobody", "password": "wrong"});
    let (status, unknown) = stage.ask("POST", "/session", "", &nobody).await;
    assert_eq!(
        (status, unknown),
        (StatusCode::UNAUTHORIZED, known),
        "the same answer"
    );
    let (status, _) = stage.ask("GET", "/session", "forged", &Value::Null).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    assert!(stage.dial("forged").await.is_err());
    let cookie = stage.sign_in("anna").await;
    let (status, body) = stage.ask("GET", "/session", &cookie, &Value::Null).await;
    assert_eq!(
        (status, &body["user"]["login"]),
        (StatusCode::OK, &json!("anna"))
    );
    let mut anna = stage.connect(&cookie).await;
    let (status, _) = stage.ask("DELETE", "/session", &cookie, &Value::Null).await;
    assert_eq!(status, StatusCode::NO_CONTENT);
    assert!(anna.is_closed().await, "its socket was closed");
    let (status, _) = stage.ask("GET", "/session", &cookie, &Value::Null).await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
}
