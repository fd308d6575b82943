//! What somebody notes for themselves on conversations and calls, and a history that is found again.

use axum::http::StatusCode;
use serde_json::{Value, json};

use crate::searching::{base64, export};
use crate::stage::{Person, Stage, on_both};

on_both!(
    a_note_is_its_writers_alone,
    a_conversations_own_note_is_found_among_many,
    whoever_comes_later_is_named_as_well,
    a_call_has_its_note_whichever_of_its_events_was_named,
    calls_are_found_by_people_subject_number_and_note,
    notes_leave_with_an_export,
    the_history_of_calls_is_exported,
    notes_go_with_what_they_are_about,
);

fn texts(answer: &Value) -> Vec<&str> {
    let notes = answer["notes"].as_array().unwrap();
    notes
        .iter()
        .map(|note| note["text"].as_str().unwrap())
        .collect()
}

/// A call in `talk` that `who` were in; gives the numbers of its two events.
async fn call(stage: &Stage, caller: &mut Person, talk: &str, who: &[&str]) -> (i64, i64) {
    let confer = json!({"type": "confer", "conversation": talk, "media": ["audio"]});
    caller.done(confer).await;
    let began = caller.hear_event("call").await["seq"].as_i64().unwrap();
    let users = who.iter().map(|user| (*user).to_owned()).collect();
    *stage.engine.present.lock().unwrap() = Some(users);
    tokio::time::sleep(std::time::Duration::from_millis(1500)).await;
    *stage.engine.present.lock().unwrap() = None;
    let over = caller
        .hear(|message| message["events"][0]["body"]["state"] == "ended")
        .await;
    assert_eq!(over["events"][0]["body"]["users"], json!(who));
    (began, over["events"][0]["seq"].as_i64().unwrap())
}

async fn a_note_is_its_writers_alone(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    anna.say(&talk, "a1", "hello").await;
    let note =
        json!({"type": "annotate", "conversation": talk, "text": "  wants the offer\nby Friday "});
    let noted = anna.done(note).await;
    assert_eq!(noted["note"]["text"], "wants the offer\nby Friday");
    let read = json!({"type": "notes", "conversation": talk});
    assert_eq!(ben.done(read.clone()).await["notes"], json!([]));
    let mut phone = stage.connect(&anna.cookie).await;
    assert_eq!(
        texts(&phone.done(read.clone()).await),
        ["wants the offer\nby Friday"]
    );
    let found = ben.done(json!({"type": "search", "query": "offer"})).await;
    assert_eq!(found["hits"], json!([]), "it is no message");
    for (query, count) in [
        ("off frid", 1),
        ("OFFÉR", 1),
        ("ffer", 0),
        ("offer monday", 0),
        ("…", 0),
        (" ", 1),
    ] {
        let found = anna.done(json!({"type": "notes", "query": query})).await;
        assert_eq!(texts(&found).len(), count, "{query}");
    }
    let again = json!({"type": "annotate", "conversation": talk, "text": "has it"});
    anna.done(again).await;
    assert_eq!(
        texts(&anna.done(read.clone()).await),
        ["has it"],
        "there is one"
    );
    let away = anna
        .done(json!({"type": "annotate", "conversation": talk}))
        .await;
    assert!(away.get("note").is_none());
    assert_eq!(anna.done(read).await["notes"], json!([]));
    let strange = stage.user("carl").await;
    let other = ben.open(&[&strange]).await;
    for (request, code) in [
        (json!({"conversation": other, "text": "x"}), "not_found"),
        (
            json!({"conversation": talk, "seq": 1, "text": "x"}),
            "not_found",
        ),
        (json!({"phone_call": "01J", "text": "x"}), "not_found"),
        (json!({"text": "x"}), "bad_request"),
        (
            json!({"conversation": talk, "text": "\u{1}"}),
            "bad_request",
        ),
        (
            json!({"conversation": talk, "text": "x".repeat(4097)}),
            "too_large",
        ),
    ] {
        let mut request = request;
        request["type"] = "annotate".into();
        assert_eq!(anna.refused(request.clone()).await, code, "{request}");
    }
}

async fn a_conversations_own_note_is_found_among_many(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    let me = anna.id.clone();
    let (began, _) = call(&stage, &mut anna, &talk, &[&me]).await;
    anna.done(json!({"type": "dial", "phone": "+49 30 1234"}))
        .await;
    let calls = anna.done(json!({"type": "calls"})).await;
    for (mut request, text) in [
        (json!({"conversation": talk}), "own"),
        (json!({"conversation": talk, "seq": began}), "call"),
        (json!({"phone_call": calls["phones"][0]["id"]}), "phone"),
    ] {
        request["type"] = "annotate".into();
        request["text"] = text.into();
        anna.done(request).await;
        tokio::time::sleep(std::time::Duration::from_millis(3)).await;
    }
    for (request, found) in [
        (json!({"own": true, "limit": 1}), vec!["own"]),
        (json!({"own": true, "conversation": talk}), vec!["own"]),
        (json!({"own": false, "conversation": talk}), vec!["call"]),
        (json!({"own": false}), vec!["phone", "call"]),
        (json!({}), vec!["phone", "call", "own"]),
    ] {
        let mut request = request;
        request["type"] = "notes".into();
        assert_eq!(texts(&anna.done(request.clone()).await), found, "{request}");
    }
}

/// The log names a hundred of those who were in a call, whoever of them came first.
async fn whoever_comes_later_is_named_as_well(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    anna.done(json!({"type": "confer", "conversation": talk, "media": ["audio"]}))
        .await;
    for count in [60, 70, 130] {
        let users = (0..count).map(|n| format!("u{n:03}")).collect();
        *stage.engine.present.lock().unwrap() = Some(users);
        tokio::time::sleep(std::time::Duration::from_millis(1200)).await;
    }
    *stage.engine.present.lock().unwrap() = None;
    let over = anna
        .hear(|message| message["events"][0]["body"]["state"] == "ended")
        .await;
    let came: Vec<String> = (0..100).map(|n| format!("u{n:03}")).collect();
    assert_eq!(over["events"][0]["body"]["users"], json!(came));
}

async fn a_call_has_its_note_whichever_of_its_events_was_named(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let talk = anna.open(&[&ben]).await;
    let me = anna.id.clone();
    let (began, over) = call(&stage, &mut anna, &talk, &[&me]).await;
    for (seq, text) in [(over, "no answer"), (began, "try again at two")] {
        let noted = anna
            .done(json!({"type": "annotate", "conversation": talk, "seq": seq, "text": text}))
            .await;
        assert_eq!(noted["note"]["seq"], began);
    }
    let calls = anna.done(json!({"type": "calls"})).await;
    assert_eq!(texts(&calls), ["try again at two"]);
    assert_eq!(
        calls["notes"][0]["conference"],
        calls["events"][0]["body"]["conference"]
    );
    let of_talk = anna.done(json!({"type": "notes"})).await;
    assert_eq!(texts(&of_talk), ["try again at two"]);
}

async fn calls_are_found_by_people_subject_number_and_note(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.user("ben").await;
    let carl = stage.user("carl").await;
    let me = anna.id.clone();
    let direct = anna.open(&[&ben]).await;
    let (began, _) = call(&stage, &mut anna, &direct, &[&me]).await;
    let opened = anna
        .done(json!({"type": "open", "with": [ben, carl], "subject": "Budget of the spring"}))
        .await;
    let group = opened["conversation"]["id"].as_str().unwrap().to_owned();
    call(&stage, &mut anna, &group, &[&me]).await;
    anna.done(json!({"type": "dial", "phone": "+49 30 1234", "name": "Taxi"}))
        .await;
    anna.done(json!({"type": "annotate", "conversation": direct, "seq": began, "text": "Angebot für Köln"}))
        .await;
    let calls = anna.done(json!({"type": "calls"})).await;
    let ride = calls["phones"][0]["id"].as_str().unwrap().to_owned();
    anna.done(json!({"type": "annotate", "phone_call": ride, "text": "left a coat"}))
        .await;
    for (query, places, phones) in [
        ("ben", vec![&group, &direct], 0),
        ("carl", vec![&group], 0),
        ("spring budg", vec![&group], 0),
        ("koln", vec![&direct], 0),
        ("taxi", vec![], 1),
        ("30 12", vec![], 1),
        ("coat", vec![], 1),
        ("nobody", vec![], 0),
        ("ben koln", vec![&direct], 0),
        ("carl koln", vec![], 0),
        ("!!!", vec![], 0),
        ("🎉", vec![], 0),
        (" ", vec![&group, &direct], 1),
        ("", vec![&group, &direct], 1),
    ] {
        let found = anna.done(json!({"type": "calls", "query": query})).await;
        let mut seen: Vec<&str> = found["events"]
            .as_array()
            .unwrap()
            .iter()
            .map(|event| event["conversation"].as_str().unwrap())
            .collect();
        seen.dedup();
        assert_eq!(seen, places, "{query}");
        let dialled = found["phones"].as_array().unwrap().len();
        assert_eq!(dialled, phones, "{query}");
    }
    let first = anna
        .done(json!({"type": "calls", "query": "ben", "limit": 2}))
        .await;
    assert_eq!(first["more"], true);
    let rest = anna
        .done(json!({"type": "calls", "query": "ben", "before": first["next"]}))
        .await;
    assert_eq!(rest["events"].as_array().unwrap().len(), 2);
    assert_eq!(rest["more"], false);
    let found = anna.done(json!({"type": "notes", "query": "coat"})).await;
    assert_eq!(
        (&found["notes"][0]["phone"], &found["notes"][0]["name"]),
        (&json!("+49301234"), &json!("Taxi"))
    );
}

async fn notes_leave_with_an_export(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.person("ben").await;
    let talk = anna.open(&[&ben.id]).await;
    let people = [anna.id.clone(), ben.id.clone()];
    let (began, _) = call(&stage, &mut anna, &talk, &[&people[0], &people[1]]).await;
    for (seq, text) in [
        (json!(null), "an old customer"),
        (json!(began), "agreed\non ten"),
    ] {
        anna.done(json!({"type": "annotate", "conversation": talk, "seq": seq, "text": text}))
            .await;
    }
    let path = format!("/conversations/{talk}/export?format=json");
    let (status, json) = stage.ask("GET", &path, &anna.cookie, &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(texts(&json), ["an old customer", "agreed\non ten"]);
    assert_eq!(json["notes"][1]["seq"], began);
    let (_, of_ben) = stage.ask("GET", &path, &ben.cookie, &Value::Null).await;
    assert_eq!(of_ben["notes"], json!([]));
    let path = format!("/conversations/{talk}/export?format=eml");
    let (_, _, mail) = export(&stage, &anna.cookie, &path).await;
    let mail = String::from_utf8(mail).unwrap();
    let (_, body) = mail.split_once("\r\n\r\n").unwrap();
    let body = base64(&body.replace("\r\n", ""));
    assert!(body.starts_with("    Note: an old customer\r\n"), "{body}");
    assert!(
        body.contains("started\r\n    Note: agreed\r\n    on ten\r\n"),
        "{body}"
    );
    assert!(
        body.contains("ended, with anna of Example, ben of Example"),
        "{body}"
    );
}

async fn the_history_of_calls_is_exported(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let ben = stage.person("ben").await;
    let me = anna.id.clone();
    let talk = anna.open(&[&ben.id]).await;
    let (began, _) = call(&stage, &mut anna, &talk, &[&me]).await;
    anna.done(json!({"type": "dial", "phone": "+49 30 1234", "name": "Taxi"}))
        .await;
    let calls = anna.done(json!({"type": "calls"})).await;
    for request in [
        json!({"conversation": talk, "seq": began, "text": "asked for a price"}),
        json!({"phone_call": calls["phones"][0]["id"], "text": "left a coat"}),
    ] {
        let mut request = request;
        request["type"] = "annotate".into();
        anna.done(request).await;
    }
    let path = "/calls/export?format=json";
    let (status, json) = stage.ask("GET", path, &anna.cookie, &Value::Null).await;
    assert_eq!(status, StatusCode::OK);
    let told: Vec<&Value> = json["calls"].as_array().unwrap().iter().collect();
    assert_eq!(told.len(), 3, "{json}");
    assert_eq!(
        (&told[0]["phone"], &told[0]["note"]),
        (&json!("+49301234"), &json!("left a coat"))
    );
    assert_eq!(
        (&told[1]["body"]["state"], &told[1]["body"]["missed"]),
        (&json!("ended"), &json!([ben.id]))
    );
    assert_eq!(
        (&told[2]["note"], &told[2]["subject"]),
        (&json!("asked for a price"), &json!("ben of Example"))
    );
    let (_, of_ben) = stage.ask("GET", path, &ben.cookie, &Value::Null).await;
    assert_eq!(of_ben["calls"].as_array().unwrap().len(), 2);
    assert_eq!(of_ben["calls"][1]["subject"], "anna of Example");
    assert_eq!(of_ben["calls"][1]["note"], Value::Null);
    let (_, kind, mail) = export(&stage, &anna.cookie, "/calls/export?format=eml").await;
    assert_eq!(kind, "message/rfc822");
    let mail = String::from_utf8(mail).unwrap();
    let (head, body) = mail.split_once("\r\n\r\n").unwrap();
    assert!(head.contains("Subject: Calls\r\n"), "{head}");
    let body = base64(&body.replace("\r\n", ""));
    assert!(body.starts_with("Taxi ["), "{body}");
    assert!(
        body.contains("Call to +49301234\r\n    Note: left a coat\r\n"),
        "{body}"
    );
    assert!(
        body.contains("\r\nben of Example, from anna of Example: #"),
        "{body}"
    );
    assert!(
        body.contains("missed by ben of Example\r\n") && body.contains("Note: asked for a price"),
        "{body}"
    );
}

async fn notes_go_with_what_they_are_about(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let carl = stage.user("carl").await;
    let me = anna.id.clone();
    let talk = anna.open(&[&ben.id]).await;
    let (began, _) = call(&stage, &mut anna, &talk, &[&me]).await;
    anna.done(json!({"type": "dial", "phone": "+49 30 1234"}))
        .await;
    let calls = anna.done(json!({"type": "calls"})).await;
    for request in [
        json!({"conversation": talk}),
        json!({"conversation": talk, "seq": began}),
        json!({"phone_call": calls["phones"][0]["id"]}),
    ] {
        let mut request = request;
        request["type"] = "annotate".into();
        request["text"] = "x".into();
        anna.done(request).await;
    }
    let made = anna
        .done(json!({"type": "room_create", "name": "Short-lived", "access": "open", "auditorium": false}))
        .await;
    let room = made["conversation"]["id"].as_str().unwrap().to_owned();
    anna.done(json!({"type": "annotate", "conversation": room, "text": "x"}))
        .await;
    let all = json!({"type": "notes"});
    assert_eq!(texts(&anna.done(all.clone()).await).len(), 4);
    anna.done(json!({"type": "room_leave", "room": room})).await;
    assert_eq!(
        texts(&anna.done(all.clone()).await).len(),
        3,
        "what one is not in is not seen"
    );
    anna.done(json!({"type": "room_join", "room": room})).await;
    let opened = anna
        .done(json!({"type": "open", "with": [ben.id, carl], "subject": "Offer"}))
        .await;
    let group = opened["conversation"]["id"].as_str().unwrap().to_owned();
    anna.done(json!({"type": "annotate", "conversation": group, "text": "x"}))
        .await;
    anna.done(json!({"type": "leave", "conversation": group}))
        .await;
    ben.done(json!({"type": "add", "conversation": group, "users": [anna.id]}))
        .await;
    assert_eq!(
        texts(&anna.done(all.clone()).await).len(),
        3,
        "what was noted where one went out is gone"
    );
    let mut stage = stage;
    stage.config.retention.direct = Some(1);
    let stage = stage.again().await;
    stage.companion.sweep(i64::MAX / 2).await.unwrap();
    let mut anna = stage.connect(&anna.cookie).await;
    assert_eq!(anna.done(all).await["notes"], json!([]));
}
