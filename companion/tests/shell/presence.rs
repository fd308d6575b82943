//! What people see of each other over their sockets.

use std::time::Duration;

use plenum_companion::presence::{Choice, Engagement};
use serde_json::{Value, json};

use crate::stage::{Person, Stage, on_both};

on_both!(
    what_one_says_others_see,
    the_engine_is_seen_and_a_wish_outlives_the_server,
    whoever_blocks_looks_offline_in_everything,
    the_team_reads_urgent_only,
    a_calendar_makes_a_meeting,
    a_tagged_contact_is_told_of_once,
    what_makes_no_sense_is_refused,
);

async fn watches(who: &mut Person, whom: &str) -> Value {
    let watched = who.done(json!({"type": "watch", "users": [whom]})).await;
    watched["presence"][0].clone()
}

async fn what_one_says_others_see(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    assert_eq!(watches(&mut anna, &ben.id).await["state"], "available");
    ben.done(json!({"type": "presence", "choice": "busy", "life_s": 3600}))
        .await;
    let seen = anna.sees(&ben.id, |seen| seen["state"] == "busy").await;
    assert_eq!(seen["class"], "busy");
    assert!(seen["since"].is_i64() && seen["choice"].is_null() && seen["last_active"].is_null());
    ben.done(json!({"type": "note", "text": "<b>Deadline</b>"}))
        .await;
    anna.sees(&ben.id, |seen| seen["note"] == "<b>Deadline</b>")
        .await;
    ben.done(json!({"type": "location", "kind": "home", "text": "Attic", "for": ["company"]}))
        .await;
    let place = json!({"kind": "home", "text": "Attic"});
    anna.sees(&ben.id, |seen| seen["location"] == place).await;
    ben.done(json!({"type": "presence", "custom": "court"}))
        .await;
    let seen = anna.sees(&ben.id, |seen| seen["custom"] == "court").await;
    assert_eq!(
        (&seen["state"], &seen["text"]),
        (&json!("busy"), &json!("In court"))
    );
    assert_eq!(
        anna.welcome["custom_states"][0]["text"]["de"],
        "Vor Gericht"
    );
    ben.done(json!({"type": "presence"})).await;
    ben.done(json!({"type": "out_of_office", "text": "Back on Monday"}))
        .await;
    let seen = anna
        .sees(&ben.id, |seen| seen["oof"] == "Back on Monday")
        .await;
    assert_eq!(seen["state"], "away");
    ben.done(json!({"type": "out_of_office"})).await;
    ben.done(json!({"type": "alive", "active": true, "full_screen": true}))
        .await;
    anna.sees(&ben.id, |seen| seen["state"] == "do_not_disturb")
        .await;
    ben.done(json!({"type": "settings", "presenting_is_dnd": false}))
        .await;
    anna.sees(&ben.id, |seen| seen["state"] == "available")
        .await;
    let (code, _) = stage
        .ask("DELETE", "/session", &ben.cookie, &Value::Null)
        .await;
    assert_eq!(code, 204);
    let gone = anna.sees(&ben.id, |seen| seen["state"] == "offline").await;
    assert!(gone["note"].is_null(), "{gone}");
}

async fn the_engine_is_seen_and_a_wish_outlives_the_server(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    watches(&mut anna, &ben.id).await;
    let engine = stage.companion.presence();
    engine.engaged(
        &ben.id,
        "p_1",
        Engagement::Conference,
        false,
        Some("Budget"),
    );
    let seen = anna
        .sees(&ben.id, |seen| seen["state"] == "in_conference")
        .await;
    assert_eq!(seen["activity"], "conference");
    assert!(seen["subject"].is_null(), "for friends and the team");
    let own = ben
        .sees(&ben.id.clone(), |seen| seen["state"] == "in_conference")
        .await;
    assert_eq!(own["subject"], "Budget");
    engine.engaged(&ben.id, "p_1", Engagement::Conference, true, Some("Budget"));
    anna.sees(&ben.id, |seen| seen["state"] == "do_not_disturb")
        .await;
    engine.left(&ben.id, "p_1");
    anna.sees(&ben.id, |seen| seen["state"] == "available")
        .await;
    ben.done(json!({"type": "presence", "choice": "do_not_disturb"}))
        .await;
    ben.done(json!({"type": "note", "text": "kept"})).await;
    ben.done(json!({"type": "settings", "away_s": 1000})).await;
    assert!(
        stage
            .companion
            .presence()
            .wish(&anna.id, Some((Choice::Busy, None)))
    );
    assert!(
        stage
            .companion
            .presence()
            .wish("p_2", Some((Choice::Busy, None)))
    );
    anna.sees(&anna.id.clone(), |seen| seen["choice"] == "busy")
        .await;
    // A wish of the engine is written down by and by.
    let mut stage = stage.again().await;
    let mut anna = stage.connect(&anna.cookie).await;
    for _ in 0..50 {
        if anna.welcome["presence"][0]["choice"] == "busy" {
            break;
        }
        stage = stage.again().await;
        anna = stage.connect(&anna.cookie).await;
    }
    assert_eq!(anna.welcome["presence"][0]["choice"], "busy");
    let ben = stage.connect(&ben.cookie).await;
    let own = &ben.welcome["presence"][0];
    assert_eq!(
        (&own["choice"], &own["note"]),
        (&json!("do_not_disturb"), &json!("kept"))
    );
    assert_eq!(ben.welcome["settings"]["away_s"], 1000);
    assert_eq!(watches(&mut anna, &ben.id).await["state"], "do_not_disturb");
}

/// `value` with one user's marks in place of another's.
fn as_of(value: &Value, from: (&str, &str), to: (&str, &str)) -> Value {
    let text = value
        .to_string()
        .replace(from.0, to.0)
        .replace(from.1, to.1);
    serde_json::from_str(&text).unwrap()
}

async fn whoever_blocks_looks_offline_in_everything(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut eve = stage.person("eve").await;
    let zoe = stage.user("zoe").await;
    anna.done(json!({"type": "level_set", "user": eve.id, "level": "blocked"}))
        .await;
    let both = ((anna.id.clone(), zoe.clone()), ("anna", "zoe"));
    let same = async |eve: &mut Person, request: Value, query: &str| {
        let ask = |user: &str, query: &str| {
            let mut request = request.clone();
            match request["type"].as_str().unwrap() {
                "card" => request["user"] = user.into(),
                "people" => request["query"] = query.into(),
                _ => request["users"] = json!([user]),
            }
            request
        };
        let ((anna, zoe), (one, other)) = &both;
        let mut blocked = eve.done(ask(anna, query)).await;
        let mut offline = eve
            .done(ask(zoe, if query.is_empty() { "" } else { other }))
            .await;
        blocked["id"] = Value::Null;
        offline["id"] = Value::Null;
        assert_eq!(as_of(&blocked, (anna, one), (zoe, other)), offline);
        blocked
    };
    let all = async |eve: &mut Person| {
        same(eve, json!({"type": "watch"}), "").await;
        same(eve, json!({"type": "users"}), "").await;
        same(eve, json!({"type": "people"}), "anna").await;
        same(eve, json!({"type": "card"}), "").await;
    };
    all(&mut eve).await;
    for change in [
        json!({"type": "presence", "choice": "busy"}),
        json!({"type": "note", "text": "here I am"}),
        json!({"type": "location", "kind": "office", "for": ["personal", "team", "company", "public"]}),
        json!({"type": "out_of_office", "text": "gone"}),
        json!({"type": "alive", "active": true}),
        json!({"type": "presence", "choice": "appear_offline"}),
        json!({"type": "presence"}),
    ] {
        anna.done(change).await;
        tokio::time::sleep(Duration::from_millis(200)).await;
        all(&mut eve).await;
    }
    let engine = stage.companion.presence();
    engine.engaged(&anna.id, "p_1", Engagement::Call, true, Some("secret"));
    tokio::time::sleep(Duration::from_millis(300)).await;
    all(&mut eve).await;
    let anna_again = stage.connect(&anna.cookie).await;
    drop(anna_again);
    tokio::time::sleep(Duration::from_millis(300)).await;
    all(&mut eve).await;
    let of_anna = |message: &Value| message.to_string().contains(&anna.id);
    assert!(!eve.has_heard(of_anna), "nothing was ever told of anna");
    let eve_again = stage.connect(&eve.cookie).await;
    assert!(!eve_again.welcome.to_string().contains("secret"));
}

async fn the_team_reads_urgent_only(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    let mut eve = stage.person("eve").await;
    watches(&mut anna, &ben.id).await;
    watches(&mut eve, &ben.id).await;
    ben.done(json!({"type": "presence", "choice": "do_not_disturb"}))
        .await;
    anna.sees(&ben.id, |seen| seen["state"] == "do_not_disturb")
        .await;
    let group = ben
        .done(json!({"type": "group_set", "name": "Team", "level": "team"}))
        .await;
    ben.done(json!({"type": "contact_set", "user": anna.id, "groups": [group["group"]]}))
        .await;
    anna.sees(&ben.id, |seen| seen["state"] == "urgent_only")
        .await;
    ben.done(json!({"type": "level_set", "user": eve.id, "level": "public"}))
        .await;
    let seen = eve.sees(&ben.id, |seen| seen["since"].is_null()).await;
    let public = json!({"user": ben.id, "state": "do_not_disturb", "class": "do_not_disturb"});
    assert_eq!(seen, public);
}

async fn a_calendar_makes_a_meeting(stage: Stage) {
    let now = chrono::DateTime::from_timestamp_millis(stage.companion.presence().now_ms()).unwrap();
    let at = |minutes| {
        let moment = now + chrono::TimeDelta::minutes(minutes);
        moment.format("%Y%m%dT%H%M%SZ").to_string()
    };
    let text = format!(
        "BEGIN:VCALENDAR\r\nVERSION:2.0\r\nPRODID:x\r\nBEGIN:VEVENT\r\nUID:1\r\nDTSTART:{}\r\nDTEND:{}\r\nSUMMARY:Budget\r\n\
         END:VEVENT\r\nEND:VCALENDAR\r\n",
        at(-10),
        at(10)
    );
    let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let service = axum::Router::new().route("/a.ics", axum::routing::get(|| async move { text }));
    tokio::spawn(async move { axum::serve(listener, service).await.unwrap() });
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    ben.done(json!({"type": "level_set", "user": anna.id, "level": "team"}))
        .await;
    watches(&mut anna, &ben.id).await;
    ben.done(json!({"type": "calendar", "url": format!("http://{address}/a.ics")}))
        .await;
    let seen = anna
        .sees(&ben.id, |seen| seen["state"] == "in_meeting")
        .await;
    assert_eq!(
        (&seen["activity"], &seen["subject"]),
        (&json!("meeting"), &json!("Budget"))
    );
    assert!(seen["next_free"].is_i64());
    let card = anna.done(json!({"type": "card", "user": ben.id})).await;
    assert_eq!(card["free_busy"][0]["subject"], "Budget");
    assert_eq!(card["level"], "company", "the level that anna gives");
    ben.done(json!({"type": "calendar"})).await;
    anna.sees(&ben.id, |seen| seen["state"] == "available")
        .await;
}

async fn a_tagged_contact_is_told_of_once(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let mut ben = stage.person("ben").await;
    anna.done(json!({"type": "contact_set", "user": ben.id, "tagged": true}))
        .await;
    ben.done(json!({"type": "presence", "choice": "busy"}))
        .await;
    anna.sees(&ben.id, |seen| seen["state"] == "busy").await;
    ben.done(json!({"type": "presence"})).await;
    let told = anna.hear_type("tagged").await;
    assert_eq!(
        (&told["user"], &told["state"]),
        (&json!(ben.id), &json!("available"))
    );
    anna.done(json!({"type": "alive", "active": true})).await;
    assert!(!anna.has_heard(|message| message["type"] == "tagged"));
}

async fn what_makes_no_sense_is_refused(stage: Stage) {
    let mut anna = stage.person("anna").await;
    let strangers: Vec<String> = (0..201).map(|number| format!("u{number}")).collect();
    let long = "x".repeat(2_000);
    for (request, code) in [
        (
            json!({"type": "presence", "choice": "dancing"}),
            "bad_request",
        ),
        (
            json!({"type": "presence", "custom": "holiday"}),
            "not_found",
        ),
        (
            json!({"type": "presence", "choice": "busy", "custom": "court"}),
            "bad_request",
        ),
        (json!({"type": "note", "text": long}), "too_large"),
        (
            json!({"type": "location", "kind": "office", "for": ["blocked"]}),
            "bad_request",
        ),
        (json!({"type": "out_of_office", "until": 1}), "bad_request"),
        (json!({"type": "settings", "inactive_s": 5}), "bad_request"),
        (
            json!({"type": "settings", "inactive_s": 900, "away_s": 300}),
            "bad_request",
        ),
        (json!({"type": "watch", "users": strangers}), "too_many"),
        (
            json!({"type": "calendar", "url": "file:///etc/passwd"}),
            "bad_request",
        ),
        (json!({"type": "card", "user": "nobody"}), "not_found"),
        (
            json!({"type": "alive", "active": true, "more": 1}),
            "bad_request",
        ),
    ] {
        assert_eq!(anna.refused(request.clone()).await, code, "{request}");
    }
    assert_eq!(
        watches(&mut anna, "somebody@elsewhere.org").await["state"],
        "unknown"
    );
}
