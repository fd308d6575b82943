//! From a conversation to a conference.

use serde_json::{Value, json};

use crate::stage::{Stage, on_both};

on_both!(
    a_conference_rings_the_others,
    whoever_declines_rings_no_more,
    who_is_not_to_be_disturbed_is_not_rung_and_has_missed_it,
    a_phone_is_called_once_its_caller_is_there,
    calls_are_taken_up_after_a_restart,
);

async fn a_conference_rings_the_others(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let carl = stage.user("carl").await;
    let group = anna.open(&[&ben.id, &carl]).await;
    let confer = json!({"type": "confer", "conversation": group, "media": ["audio", "video"]});
    let made = anna.done(confer.clone()).await;
    assert!(
        made["link"].as_str().unwrap().ends_with(&anna.id),
        "a link of her own"
    );
    let ring = ben.hear_type("ring").await;
    assert_eq!(ring["from"], anna.id.as_str());
    assert_eq!(ring["conference"], made["conference"]);
    assert!(ring["link"].as_str().unwrap().ends_with(&ben.id));
    let event = ben.hear_event("call").await;
    assert_eq!(event["body"]["state"], "started");
    assert!(event["body"].get("link").is_none(), "a link is for one");
    let joined = ben.done(confer).await;
    assert_eq!(joined["conference"], made["conference"], "there is one");
    assert_eq!(ben.hear_type("ring_over").await["reason"], "answered");
    *stage.engine.present.lock().unwrap() = Some(vec![anna.id.clone(), ben.id.clone()]);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    *stage.engine.present.lock().unwrap() = None;
    let over = anna
        .hear(|message| message["events"][0]["body"]["state"] == "ended")
        .await;
    assert_eq!(over["events"][0]["body"]["missed"], json!([carl]));
    let calls = anna.done(json!({"type": "calls"})).await;
    let states: Vec<&Value> = calls["events"]
        .as_array()
        .unwrap()
        .iter()
        .map(|event| &event["body"]["state"])
        .collect();
    assert_eq!(states, ["ended", "started"]);
}

async fn whoever_declines_rings_no_more(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let confer = json!({"type": "confer", "conversation": talk, "media": ["audio"]});
    let made = anna.done(confer).await;
    let ring = ben.hear_type("ring").await;
    let mut other = stage.connect(&ben.cookie).await;
    let decline =
        json!({"type": "decline", "conversation": talk, "conference": ring["conference"]});
    ben.done(decline).await;
    for person in [&mut other, &mut anna] {
        let over = person.hear_type("ring_over").await;
        assert_eq!(
            (&over["reason"], &over["user"]),
            (&json!("declined"), &json!(ben.id))
        );
        assert_eq!(over["conference"], made["conference"]);
    }
}

async fn who_is_not_to_be_disturbed_is_not_rung_and_has_missed_it(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let mut carl = stage.person("carl").await;
    let group = anna.open(&[&ben.id, &carl.id]).await;
    ben.done(json!({"type": "presence", "choice": "do_not_disturb"}))
        .await;
    let confer = json!({"type": "confer", "conversation": group, "media": ["audio"]});
    let made = anna.done(confer).await;
    assert_eq!(carl.hear_type("ring").await["from"], anna.id.as_str());
    ben.hear_event("call").await;
    let second = std::time::Duration::from_secs(1);
    let rung = tokio::time::timeout(second, ben.hear_type("ring")).await;
    assert!(rung.is_err(), "{rung:?}");
    let decline =
        json!({"type": "decline", "conversation": group, "conference": made["conference"]});
    carl.done(decline).await;
    *stage.engine.present.lock().unwrap() = Some(vec![anna.id.clone()]);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    *stage.engine.present.lock().unwrap() = None;
    let over = anna
        .hear(|message| message["events"][0]["body"]["state"] == "ended")
        .await;
    assert_eq!(over["events"][0]["body"]["missed"], json!([ben.id]));
}

async fn a_phone_is_called_once_its_caller_is_there(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let dial = json!({"type": "dial", "phone": "+49 (30) 12 34", "name": "Taxi"});
    let made = anna.done(dial).await;
    assert!(
        made["link"].as_str().unwrap().ends_with(&anna.id),
        "a link of her own"
    );
    for (phone, code) in [("+900 123", "forbidden"), ("taxi", "bad_request")] {
        let refused = anna.request(json!({"type": "dial", "phone": phone})).await;
        assert_eq!(
            (&refused["type"], &refused["code"]),
            (&json!("refused"), &json!(code))
        );
    }
    tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    assert!(
        stage.engine.dialled.lock().unwrap().is_empty(),
        "nobody is there"
    );
    *stage.engine.present.lock().unwrap() = Some(vec![anna.id.clone()]);
    tokio::time::sleep(std::time::Duration::from_millis(2500)).await;
    let conference = made["conference"].as_str().unwrap().to_owned();
    let call = (conference, "+49301234".to_owned(), Some("Taxi".to_owned()));
    assert_eq!(*stage.engine.dialled.lock().unwrap(), [call], "once");
    let calls = anna.done(json!({"type": "calls"})).await;
    let phones = calls["phones"].as_array().unwrap();
    assert_eq!(phones.len(), 1);
    assert_eq!(
        (&phones[0]["phone"], &phones[0]["name"]),
        (&json!("+49301234"), &json!("Taxi"))
    );
    let mut ben = stage.person("ben").await;
    let of_ben = ben.done(json!({"type": "calls"})).await;
    assert_eq!(of_ben["phones"], json!([]), "a number is its caller's own");
}

async fn calls_are_taken_up_after_a_restart(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    let confer = json!({"type": "confer", "conversation": talk, "media": ["audio"]});
    let made = anna.done(confer.clone()).await;
    let stage = stage.again().await;
    *stage.engine.present.lock().unwrap() = Some(vec![ben.clone()]);
    let mut anna = stage.connect(&anna.cookie).await;
    let again = anna.done(confer).await;
    assert_eq!(
        again["conference"], made["conference"],
        "it is the same call"
    );
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    *stage.engine.present.lock().unwrap() = None;
    let over = anna
        .hear(|message| message["events"][0]["body"]["state"] == "ended")
        .await;
    assert_eq!(over["events"][0]["body"]["conference"], made["conference"]);
}
